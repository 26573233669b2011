/*
 * The few things that are asked of the kernel: the seam between the hands (socket, listener, loop) and io_uring.
 * kernel.c speaks to Linux; tests link an imitation in its place (tests/sim/kernel.c). One thread a kernel.
 */
#ifndef WYE_RING_KERNEL_H
#define WYE_RING_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct wye_kernel;

/* What newer kernels can do. Each has a fallback, and can be forced off (WYE_WITHOUT). */
struct wye_abilities {
    bool direct;      /* descriptors of the ring instead of the process's (5.19) */
    bool inc;         /* receive buffers filled bit by bit (6.12) */
    bool optlen;      /* a bound on what one arming of a receive may take (6.16) */
    bool write_fixed; /* writes from registered memory (5.1; may be refused by RLIMIT_MEMLOCK) */
};

struct wye_kernel_config {
    struct wye_abilities abilities;
    uint32_t descriptors; /* entries of the table of direct descriptors */
    uint32_t buffer_count; /* receive buffers, a power of two, at most 32768 */
    uint32_t buffer_bytes; /* each */
    uint8_t *slots;        /* memory to be registered (mmap'ed, not malloc'ed from a file); NULL: none */
    size_t slots_bytes;
};

/* What was asked; in the lowest byte of the tag that comes back with its completion. */
enum wye_operation {
    WYE_OPERATION_NONE, /* its completion concerns nobody */
    WYE_OPERATION_ACCEPT,
    WYE_OPERATION_RECEIVE,
    WYE_OPERATION_SEND,
    WYE_OPERATION_WRITE_SLOT,
    WYE_OPERATION_WRITABLE,
    WYE_OPERATION_SHUTDOWN,
    WYE_OPERATION_WAKE,
    WYE_OPERATION_ADOPT,
    WYE_OPERATION_CONNECT,
};

/* operation (8 bits), index (24), generation (32) */
static inline uint64_t wye_tag(enum wye_operation operation, uint32_t index, uint32_t generation) {
    return (uint64_t)operation | (uint64_t)(index & 0xffffff) << 8 | (uint64_t)generation << 32;
}
static inline enum wye_operation wye_tag_operation(uint64_t tag) { return (enum wye_operation)(tag & 255); }
static inline uint32_t wye_tag_index(uint64_t tag) { return (uint32_t)(tag >> 8 & 0xffffff); }
static inline uint32_t wye_tag_generation(uint64_t tag) { return (uint32_t)(tag >> 32); }

/* A peer's address, as far as there is room: enough for IPv6. */
struct wye_kernel_peer {
    struct sockaddr_in6 at;
    socklen_t bytes;
};

struct wye_completion {
    uint64_t tag;
    int32_t result;  /* bytes, a descriptor, or -errno */
    bool more;       /* the operation goes on: more completions will come */
    bool has_buffer; /* `buffer` was filled with `result` bytes */
    bool buffer_more; /* and goes on being filled behind them */
    uint16_t buffer;
};

/*
 * Opens a ring. The memory of the receive buffers comes back in *buffers (buffer_count x buffer_bytes, the
 * kernel's until wye_kernel_shut()); no buffer is lent yet. 0, or -errno; on -ENOMEM for registered memory
 * *config's write_fixed is cleared and it goes on without.
 */
int wye_kernel_open(struct wye_kernel **kernel, struct wye_kernel_config *config, uint8_t **buffers);
void wye_kernel_shut(struct wye_kernel *kernel);

/*
 * Each of these asks for one thing, which begins at the next submit or wait and ends with a completion that
 * carries the tag. They can't fail: a full queue is submitted first. `descriptor` is what an accept gave.
 */
/* from: where the peer's address goes, until it has completed; NULL for a multishot, which has no place for many. */
void wye_kernel_accept(struct wye_kernel *kernel, int listener, uint64_t tag, bool multishot, struct wye_kernel_peer *from);
/*
 * Takes a socket of the process over: when it completes with 0 or more, *socket has become what an accept would have given.
 * (With direct descriptors that is another one, and the process's own is still to be closed.) *socket lives until then.
 */
void wye_kernel_adopt(struct wye_kernel *kernel, int *socket, uint64_t tag);
/* Connects; completes once, with 0 or -errno. The address lives until then. */
void wye_kernel_connect(struct wye_kernel *kernel, int descriptor, uint64_t tag, const struct sockaddr *to, socklen_t to_bytes);
/* Completions until one without `more`. limit_bytes: what this arming may take about (0: no bound; needs optlen). */
void wye_kernel_receive(struct wye_kernel *kernel, int descriptor, uint64_t tag, uint32_t limit_bytes);
/*
 * Sends, without waiting for room: when the next wye_kernel_submit() returns, all bytes are gone and the memory is free,
 * or a completion says how many, or -errno. The array `from` is free at once.
 */
void wye_kernel_send(struct wye_kernel *kernel, int descriptor, uint64_t tag, const struct iovec *from, size_t count);
/* Writes from registered memory; always completes, perhaps later; nothing else may be sent on the descriptor meanwhile. */
void wye_kernel_write_slot(struct wye_kernel *kernel, int descriptor, uint64_t tag, const uint8_t *from, size_t count);
/* Completes once when there is room to send, or the connection is broken. */
void wye_kernel_writable(struct wye_kernel *kernel, int descriptor, uint64_t tag);
/* No more is sent (SHUT_WR). */
void wye_kernel_shutdown(struct wye_kernel *kernel, int descriptor, uint64_t tag);
/* Ends the operation with this tag; its own completion comes, with -ECANCELED or what it had. None for the cancelling. */
void wye_kernel_cancel(struct wye_kernel *kernel, uint64_t tag);
/* Closes; no completion. */
void wye_kernel_close(struct wye_kernel *kernel, int descriptor);

/* Lends receive buffer `buffer`, all of it, to the kernel. */
void wye_kernel_lend(struct wye_kernel *kernel, uint16_t buffer);

/* How many sends may be asked for between two submits. */
enum { WYE_KERNEL_SENDS_MAX = 64 };

/*
 * Submits what was asked for. When that was sends and writes alone, their completions (failures, and all of the slots'
 * that could be written at once) are taken: up to `most` into *completions. Returns how many.
 */
unsigned wye_kernel_submit_sends(struct wye_kernel *kernel, struct wye_completion *completions, unsigned most);

/* Submits, and waits for completions for at most wait_ns (0: not at all; UINT64_MAX: for ever). 0, or -errno. */
int wye_kernel_wait(struct wye_kernel *kernel, uint64_t wait_ns);

/* Takes the next completion. false: there is none now. */
bool wye_kernel_next(struct wye_kernel *kernel, struct wye_completion *completion);

/* From now on wye_kernel_wake() gives completions with this tag; asked for again when one comes without `more`. */
void wye_kernel_hear(struct wye_kernel *kernel, uint64_t tag);

/* Makes the wait of a kernel that hears return, from any thread. */
void wye_kernel_wake(struct wye_kernel *kernel);

/* How many system calls were made so far. */
uint64_t wye_kernel_enters(const struct wye_kernel *kernel);

/* ---- kernel_probe.c ---- */

/*
 * Finds out what the kernel can do. without: a comma-separated list of abilities to leave out, or NULL.
 * 0; -EINVAL: `without` names something unknown, *unknown points at it; other -errno: io_uring is not to be had.
 */
int wye_kernel_probe(struct wye_abilities *abilities, const char *without, const char **unknown);

/* Says why io_uring is not to be had, and how to mend it. `error` is what wye_kernel_probe() gave. Writes at most room bytes. */
void wye_kernel_explain(char *to, size_t room, int error);

#endif

/* The kernel, by io_uring. The only file beside kernel_probe.c that includes <liburing.h>. */
#include "ring/kernel.h"

#include "ring/kernel_constants.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SQ_ENTRIES = 1024, CQ_ENTRIES = 16384, BUFFER_GROUP = 0 };

/* Where the iovecs and heads of vectored sends lie until they are submitted. */
enum { IOVECS_MAX = 16, SUBMITS_MAX = 100 /* until what is left is left to the next turn */ };
struct vectored {
    struct msghdr head;
    struct iovec at[IOVECS_MAX];
};

struct wye_kernel {
    struct io_uring ring;
    struct wye_kernel_config config;
    struct io_uring_buf_ring *buffer_ring;
    uint8_t *buffers;
    size_t buffers_bytes, buffer_ring_bytes;
    uint64_t enters;
    int wake_fd;
    unsigned sends; /* asked for since the last submit */
    struct vectored vectored[WYE_KERNEL_SENDS_MAX];
};

/* ---- opening ---- */

static void *map(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int open_ring(struct wye_kernel *kernel) {
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP,
        .cq_entries = CQ_ENTRIES,
    };
    int trouble = io_uring_queue_init_params(SQ_ENTRIES, &kernel->ring, &params);
    if (trouble < 0) return trouble;
    io_uring_register_ring_fd(&kernel->ring); /* cheaper enters; without it all works the same */
    return 0;
}

static int open_buffers(struct wye_kernel *kernel) {
    const struct wye_kernel_config *config = &kernel->config;
    kernel->buffers_bytes = (size_t)config->buffer_count * config->buffer_bytes;
    kernel->buffer_ring_bytes = config->buffer_count * sizeof(struct io_uring_buf);
    kernel->buffers = map(kernel->buffers_bytes);
    kernel->buffer_ring = map(kernel->buffer_ring_bytes);
    if (!kernel->buffers || !kernel->buffer_ring) return -ENOMEM;
    struct wye_buf_reg reg = {
        .ring_addr = (uintptr_t)kernel->buffer_ring,
        .ring_entries = config->buffer_count,
        .bgid = BUFFER_GROUP,
        .flags = config->abilities.inc ? WYE_PBUF_RING_INC : 0,
    };
    if (syscall(__NR_io_uring_register, kernel->ring.ring_fd, IORING_REGISTER_PBUF_RING, &reg, 1) < 0) return -errno;
    io_uring_buf_ring_init(kernel->buffer_ring);
    return 0;
}

static int open_slots(struct wye_kernel *kernel, struct wye_kernel_config *config) {
    if (!config->slots || !config->abilities.write_fixed) return 0;
    struct iovec memory = {config->slots, config->slots_bytes};
    int trouble = io_uring_register_buffers(&kernel->ring, &memory, 1);
    if (trouble == -ENOMEM) config->abilities.write_fixed = kernel->config.abilities.write_fixed = false;
    return trouble == -ENOMEM ? 0 : trouble;
}

static int open_wake(struct wye_kernel *kernel) {
    kernel->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (kernel->wake_fd < 0) return -errno;
    return 0;
}

int wye_kernel_open(struct wye_kernel **opened, struct wye_kernel_config *config, uint8_t **buffers) {
    struct wye_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel) return -ENOMEM;
    kernel->config = *config;
    kernel->wake_fd = -1;
    int trouble = open_ring(kernel);
    if (trouble < 0) {
        free(kernel);
        return trouble;
    }
    if (config->abilities.direct) trouble = io_uring_register_files_sparse(&kernel->ring, config->descriptors);
    if (trouble >= 0) trouble = open_buffers(kernel);
    if (trouble >= 0) trouble = open_slots(kernel, config);
    if (trouble >= 0) trouble = open_wake(kernel);
    if (trouble < 0) {
        wye_kernel_shut(kernel);
        return trouble;
    }
    *buffers = kernel->buffers;
    *opened = kernel;
    return 0;
}

void wye_kernel_shut(struct wye_kernel *kernel) {
    io_uring_queue_exit(&kernel->ring); /* first: the kernel lets go of all memory */
    if (kernel->buffers) munmap(kernel->buffers, kernel->buffers_bytes);
    if (kernel->buffer_ring) munmap(kernel->buffer_ring, kernel->buffer_ring_bytes);
    if (kernel->wake_fd >= 0) close(kernel->wake_fd);
    free(kernel);
}

/* ---- asking ---- */

static struct io_uring_sqe *kernel_sqe(struct wye_kernel *kernel) {
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(&kernel->ring))) {
        assert(kernel->sends == 0); /* sends are submitted apart, and far below the queue's size */
        kernel->enters++;
        io_uring_submit(&kernel->ring);
    }
    return sqe;
}

/* The entry of a send. What was asked for before goes first: nothing but sends is submitted with sends. */
static struct io_uring_sqe *send_sqe(struct wye_kernel *kernel) {
    if (kernel->sends == 0 && io_uring_sq_ready(&kernel->ring) > 0) {
        kernel->enters++;
        io_uring_submit(&kernel->ring);
    }
    assert(kernel->sends < WYE_KERNEL_SENDS_MAX);
    return kernel_sqe(kernel);
}

static void sqe_finish(const struct wye_kernel *kernel, struct io_uring_sqe *sqe, uint64_t tag) {
    if (kernel->config.abilities.direct) sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = tag;
}

void wye_kernel_accept(struct wye_kernel *kernel, int listener, uint64_t tag, bool multishot, struct wye_kernel_peer *from) {
    struct sockaddr *at = from ? (struct sockaddr *)(void *)&from->at : NULL;
    socklen_t *bytes = from ? &from->bytes : NULL;
    if (from) from->bytes = sizeof from->at;
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    if (multishot && kernel->config.abilities.direct)
        io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    else if (multishot) io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    else if (kernel->config.abilities.direct) {
        io_uring_prep_accept_direct(sqe, listener, at, bytes, 0, IORING_FILE_INDEX_ALLOC - 1);
        sqe->file_index = IORING_FILE_INDEX_ALLOC;
    } else io_uring_prep_accept(sqe, listener, at, bytes, SOCK_CLOEXEC);
    sqe->user_data = tag; /* the listener is an ordinary descriptor */
}

void wye_kernel_adopt(struct wye_kernel *kernel, int *socket, uint64_t tag) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    if (kernel->config.abilities.direct) io_uring_prep_files_update(sqe, socket, 1, (int)IORING_FILE_INDEX_ALLOC);
    else io_uring_prep_nop(sqe);
    sqe->user_data = tag;
}

void wye_kernel_connect(struct wye_kernel *kernel, int descriptor, uint64_t tag, const struct sockaddr *to, socklen_t to_bytes) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    io_uring_prep_connect(sqe, descriptor, to, to_bytes);
    sqe_finish(kernel, sqe, tag);
}

void wye_kernel_receive(struct wye_kernel *kernel, int descriptor, uint64_t tag, uint32_t limit_bytes) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    io_uring_prep_recv_multishot(sqe, descriptor, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    sqe->file_index = kernel->config.abilities.optlen ? limit_bytes : 0; /* the same place as optlen */
    sqe_finish(kernel, sqe, tag);
}

void wye_kernel_send(struct wye_kernel *kernel, int descriptor, uint64_t tag, const struct iovec *from, size_t count) {
    /* DONTWAIT: it ends within the submit. WAITALL: a short send counts as failed and is told. */
    const int flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    assert(count > 0 && count <= IOVECS_MAX);
    struct io_uring_sqe *sqe = send_sqe(kernel);
    if (count == 1) {
        io_uring_prep_send(sqe, descriptor, from->iov_base, from->iov_len, flags);
    } else {
        struct vectored *vectored = &kernel->vectored[kernel->sends];
        memcpy(vectored->at, from, count * sizeof from[0]);
        vectored->head = (struct msghdr){.msg_iov = vectored->at, .msg_iovlen = count};
        io_uring_prep_sendmsg(sqe, descriptor, &vectored->head, (unsigned)flags);
    }
    kernel->sends++;
    sqe_finish(kernel, sqe, tag);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void wye_kernel_write_slot(struct wye_kernel *kernel, int descriptor, uint64_t tag, const uint8_t *from, size_t count) {
    struct io_uring_sqe *sqe = send_sqe(kernel);
    io_uring_prep_write_fixed(sqe, descriptor, from, (unsigned)count, 0, 0);
    kernel->sends++;
    sqe_finish(kernel, sqe, tag);
}

void wye_kernel_writable(struct wye_kernel *kernel, int descriptor, uint64_t tag) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    io_uring_prep_poll_add(sqe, descriptor, POLLOUT);
    sqe_finish(kernel, sqe, tag);
}

void wye_kernel_shutdown(struct wye_kernel *kernel, int descriptor, uint64_t tag) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    io_uring_prep_shutdown(sqe, descriptor, SHUT_WR);
    sqe_finish(kernel, sqe, tag);
}

void wye_kernel_cancel(struct wye_kernel *kernel, uint64_t tag) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    io_uring_prep_cancel64(sqe, tag, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = wye_tag(WYE_OPERATION_NONE, 0, 0);
}

void wye_kernel_close(struct wye_kernel *kernel, int descriptor) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    if (kernel->config.abilities.direct) io_uring_prep_close_direct(sqe, (unsigned)descriptor);
    else io_uring_prep_close(sqe, descriptor);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = wye_tag(WYE_OPERATION_NONE, 0, 0);
}

void wye_kernel_lend(struct wye_kernel *kernel, uint16_t buffer) {
    const struct wye_kernel_config *config = &kernel->config;
    io_uring_buf_ring_add(kernel->buffer_ring, kernel->buffers + (size_t)buffer * config->buffer_bytes,
                          config->buffer_bytes, buffer, (int)config->buffer_count - 1, 0);
    io_uring_buf_ring_advance(kernel->buffer_ring, 1);
}

/* ---- turning ---- */

static void completion_of(struct wye_completion *completion, const struct io_uring_cqe *cqe) {
    completion->tag = cqe->user_data;
    completion->result = cqe->res;
    completion->more = cqe->flags & IORING_CQE_F_MORE;
    completion->has_buffer = cqe->flags & IORING_CQE_F_BUFFER;
    completion->buffer_more = cqe->flags & WYE_CQE_F_BUF_MORE;
    completion->buffer = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
}

bool wye_kernel_next(struct wye_kernel *kernel, struct wye_completion *completion) {
    struct io_uring_cqe *cqe;
    unsigned head;
    for (;;) {
        io_uring_for_each_cqe(&kernel->ring, head, cqe) {
            completion_of(completion, cqe);
            io_uring_cq_advance(&kernel->ring, 1);
            return true;
        }
        /* What did not fit the queue waits in the kernel and must be fetched. */
        if (!(__atomic_load_n(kernel->ring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_CQ_OVERFLOW)) return false;
        kernel->enters++;
        if (io_uring_get_events(&kernel->ring) < 0) return false;
    }
}

unsigned wye_kernel_submit_sends(struct wye_kernel *kernel, struct wye_completion *completions, unsigned most) {
    /* Completions were all taken, and only sends are submitted, without GETEVENTS: what comes now are theirs. */
    while (io_uring_sq_ready(&kernel->ring) > 0) {
        kernel->enters++;
        int submitted = io_uring_submit(&kernel->ring);
        assert(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -ENOMEM);
    }
    kernel->sends = 0;
    unsigned count = 0;
    while (count < most && io_uring_cq_ready(&kernel->ring) > 0) {
        if (!wye_kernel_next(kernel, &completions[count])) break;
        count++;
    }
    return count;
}

/*
 * When the kernel is short of memory, or its queue of completions is full, it takes no more. What was asked for must not wait to
 * be submitted with sends, whose completions would then not be the next ones: it is offered again.
 */
static void submit_rest(struct wye_kernel *kernel) {
    for (unsigned times = 0; io_uring_sq_ready(&kernel->ring) > 0 && times < SUBMITS_MAX; times++) {
        kernel->enters++;
        if (io_uring_submit(&kernel->ring) < 0) io_uring_get_events(&kernel->ring);
    }
}

int wye_kernel_wait(struct wye_kernel *kernel, uint64_t wait_ns) {
    kernel->enters++;
    int result;
    if (wait_ns == 0) {
        result = io_uring_submit_and_get_events(&kernel->ring);
    } else if (wait_ns == UINT64_MAX) {
        result = io_uring_submit_and_wait(&kernel->ring, 1);
    } else {
        struct __kernel_timespec time = {(int64_t)(wait_ns / 1000000000), (long long)(wait_ns % 1000000000)};
        struct io_uring_cqe *cqe;
        result = io_uring_submit_and_wait_timeout(&kernel->ring, &cqe, 1, &time, NULL);
    }
    submit_rest(kernel);
    return result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY ? 0 : result;
}

/* ---- waking ---- */

void wye_kernel_wake(struct wye_kernel *kernel) {
    uint64_t one = 1;
    ssize_t written = write(kernel->wake_fd, &one, sizeof one);
    (void)written; /* a full counter wakes just as well */
}

void wye_kernel_hear(struct wye_kernel *kernel, uint64_t tag) {
    struct io_uring_sqe *sqe = kernel_sqe(kernel);
    io_uring_prep_poll_multishot(sqe, kernel->wake_fd, POLLIN);
    sqe->user_data = tag;
}

uint64_t wye_kernel_enters(const struct wye_kernel *kernel) { return kernel->enters; }

/* What this kernel's io_uring can do, tried rather than concluded from a version; and why it is not to be had. */
#include "ring/kernel.h"

#include "ring/kernel_constants.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

struct named {
    const char *name;
    size_t at;
};

static const struct named names[] = {
    {"direct", offsetof(struct wye_abilities, direct)},
    {"inc", offsetof(struct wye_abilities, inc)},
    {"optlen", offsetof(struct wye_abilities, optlen)},
    {"write_fixed", offsetof(struct wye_abilities, write_fixed)},
};

static int leave_out(struct wye_abilities *abilities, const char *without, const char **unknown) {
    while (without && *without) {
        size_t count = strcspn(without, ",");
        bool known = count == 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (strlen(names[i].name) != count || strncmp(names[i].name, without, count) != 0) continue;
            *(bool *)((char *)abilities + names[i].at) = false;
            known = true;
        }
        if (!known) {
            *unknown = without;
            return -EINVAL;
        }
        without += count;
        if (*without == ',') without++;
    }
    return 0;
}

/* The page both rings of buffers are tried on. */
static int register_buffers(struct io_uring *ring, void *page, uint16_t flags) {
    struct wye_buf_reg reg = {.ring_addr = (uintptr_t)page, .ring_entries = 1, .bgid = 0, .flags = flags};
    return syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_PBUF_RING, &reg, 1) < 0 ? -errno : 0;
}

/* The result of one operation, or -ETIME. */
static int complete(struct io_uring *ring) {
    struct __kernel_timespec second = {.tv_sec = 1};
    struct io_uring_cqe *cqe = NULL;
    int trouble = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &second, NULL);
    if (trouble < 0) return trouble;
    if (!cqe) return -ETIME;
    int result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

/* Arms a receive with a bound, on a socket that has bytes: an older kernel says -EINVAL. */
static bool try_optlen(struct io_uring *ring, const int pair[2], uint8_t *page) {
    struct io_uring_buf_ring *buffers = (struct io_uring_buf_ring *)(void *)page;
    io_uring_buf_ring_init(buffers);
    io_uring_buf_ring_add(buffers, page + 2048, 64, 0, 0, 0);
    io_uring_buf_ring_advance(buffers, 1);
    if (write(pair[0], "wye", 3) != 3) return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_recv_multishot(sqe, pair[1], NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    sqe->file_index = 64;
    return complete(ring) == 3;
}

static bool try_write_fixed(struct io_uring *ring, const int pair[2], uint8_t *page) {
    struct iovec memory = {page, 4096};
    if (io_uring_register_buffers(ring, &memory, 1) < 0) return false;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_write_fixed(sqe, pair[0], page, 1, 0, 0);
    bool works = complete(ring) == 1;
    io_uring_unregister_buffers(ring);
    return works;
}

static void try_all(struct io_uring *ring, const int pair[2], uint8_t *pages, struct wye_abilities *abilities) {
    abilities->write_fixed = try_write_fixed(ring, pair, pages + 4096);
    abilities->direct = io_uring_register_files_sparse(ring, 8) >= 0;
    abilities->inc = register_buffers(ring, pages, WYE_PBUF_RING_INC) >= 0;
    if (!abilities->inc && register_buffers(ring, pages, 0) < 0) return;
    int other[2]; /* the first pair has a byte of write_fixed's in it */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other) < 0) return;
    abilities->optlen = try_optlen(ring, other, pages);
    close(other[0]);
    close(other[1]);
}

int wye_kernel_probe(struct wye_abilities *abilities, const char *without, const char **unknown) {
    *abilities = (struct wye_abilities){0};
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    struct io_uring ring;
    int trouble = io_uring_queue_init_params(8, &ring, &params);
    if (trouble < 0) return trouble == -EINVAL ? -ENOSYS : trouble; /* without DEFER_TASKRUN it is too old (6.1) */
    int pair[2];
    uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages != MAP_FAILED && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        try_all(&ring, pair, pages, abilities);
        close(pair[0]);
        close(pair[1]);
    }
    io_uring_queue_exit(&ring);
    if (pages != MAP_FAILED) munmap(pages, 8192);
    return leave_out(abilities, without, unknown);
}

/* The value of kernel.io_uring_disabled; -1: this kernel has no such switch. */
static int io_uring_disabled(void) {
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    int value = -1;
    if (file && fscanf(file, "%d", &value) != 1) value = -1;
    if (file) fclose(file);
    return value;
}

void wye_kernel_explain(char *to, size_t room, int error) {
    struct utsname system;
    int disabled = io_uring_disabled();
    bool named = uname(&system) == 0;
    const char *release = named ? system.release : "of unknown version";
    if (error == -EPERM && disabled > 0) {
        snprintf(to, room,
                 "io_uring is switched off on this machine: kernel.io_uring_disabled is %d.\n"
                 "Switch it on with:  sysctl -w kernel.io_uring_disabled=0%s\n",
                 disabled, disabled == 1 ? "\n(or run as root, or in the group of kernel.io_uring_group)" : "");
    } else if (error == -EPERM) {
        snprintf(to, room,
                 "io_uring is forbidden to this process, most likely by a container's seccomp filter.\n"
                 "Docker and Podman: run with  --security-opt seccomp=unconfined  or with a profile that allows\n"
                 "io_uring_setup, io_uring_enter and io_uring_register. systemd: SystemCallFilter=@aio.\n");
    } else if (error == -ENOSYS) {
        snprintf(to, room,
                 "This kernel (%s) has no io_uring that will do: Linux 6.1 or newer is needed.\n"
                 "If it is newer, a seccomp filter answers ENOSYS: see --security-opt seccomp=unconfined.\n",
                 release);
    } else if (error == -ENOMEM) {
        snprintf(to, room,
                 "The kernel refused memory for io_uring (ENOMEM). Raise the limit on locked memory:\n"
                 "ulimit -l unlimited, or LimitMEMLOCK=infinity in a systemd unit.\n");
    } else {
        snprintf(to, room, "io_uring could not be set up: %s (kernel %s).\n", strerror(-error), release);
    }
}

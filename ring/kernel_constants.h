/* Constants of newer kernels under names of our own: liburing 2.3 lacks them, and newer ones have some as enums. */
#ifndef WYE_RING_KERNEL_CONSTANTS_H
#define WYE_RING_KERNEL_CONSTANTS_H

#include <stdint.h>

enum {
    WYE_PBUF_RING_INC = 2,          /* IOU_PBUF_RING_INC (6.12) */
    WYE_CQE_F_BUF_MORE = 1u << 4,   /* IORING_CQE_F_BUF_MORE (6.12) */
};

/* struct io_uring_buf_reg, with the flags that liburing 2.3 doesn't know. */
struct wye_buf_reg {
    uint64_t ring_addr;
    uint32_t ring_entries;
    uint16_t bgid;
    uint16_t flags;
    uint64_t resv[3];
};

#endif

/* Text that grows in a chunk of its own: answers whose length nobody knows beforehand. */
#ifndef WYE_CORE_REPORT_H
#define WYE_CORE_REPORT_H

#include "core/outbox.h"

/* Start with the pool alone set. After a failure everything is a no-op and chunk is NULL. */
struct wye_report {
    struct wye_chunk_pool *pool;
    struct wye_chunk *chunk;
    size_t count;
    bool failed;
};

__attribute__((format(printf, 2, 3))) void wye_report_add(struct wye_report *report, const char *format, ...);

/* Adds a JSON string, quoted and escaped; UTF-8 passes as it is, a byte that is no part of any becomes U+FFFD. */
void wye_report_add_json(struct wye_report *report, const char *string, size_t count);

/* Adds what may stand in a path or a query's value: percent-encoded (RFC 3986 2.1) but for unreserved characters and '/'. */
void wye_report_add_encoded(struct wye_report *report, const char *string, size_t count);

/* The whole text as a slice whose reference is the caller's; {NULL, NULL, 1} when memory ran out. */
struct wye_slice wye_report_slice(struct wye_report *report);

#endif

/* What a node serves: its paths, and what each does. */
#ifndef WYE_CORE_SITE_H
#define WYE_CORE_SITE_H

#include "core/outbox.h"
#include "core/permit.h"
#include "core/protocol.h"

struct wye_hub;

/* An answer in the making. */
struct wye_answer {
    int status;
    const char *content_type;
    const char *fields;    /* extra response fields; static, or in `room`; NULL: none */
    struct wye_slice body; /* its reference passes to the answer's writer */
    char *room;            /* WYE_ANSWER_FIELDS_MAX bytes for fields of this answer alone */
};

enum { WYE_ANSWER_FIELDS_MAX = 1700 };

/* One path. Either it answers, or it switches. */
struct wye_resource {
    struct wye_span path;
    bool prefix; /* everything below the path, not the path alone */
    const struct wye_protocol *protocol; /* that an upgrade there switches to; NULL: a plain resource */
    /* GET and HEAD of a plain resource; the request is hub->request. It is refused when a rule is noted in hub->refusal. */
    void (*answer)(struct wye_hub *, struct wye_answer *);
    bool publishes;   /* a POST there publishes its body */
    const char *what; /* for people */
    enum wye_needs needs; /* of whoever asks for it (but to publish) */
};

/* The resource of a raw path; NULL: there is none. */
const struct wye_resource *wye_site_find(struct wye_span path);

/* The protocols of the site. */
extern const struct wye_protocol wye_echo, wye_pubsub, wye_stream;

/* A file of the page, embedded from core/page. */
struct wye_page_file {
    const char *path, *content_type;
    const unsigned char *bytes;
    size_t count;
};
extern const struct wye_page_file wye_page_files[]; /* ended by a NULL path */

#endif

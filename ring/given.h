/* What was given of options: each value, in order, with where it came from. */
#ifndef WYE_RING_GIVEN_H
#define WYE_RING_GIVEN_H

#include "handshake/span.h"

#include <stdbool.h>
#include <stddef.h>

struct wye_option;

/* An option as somebody gave it: --NAME TEXT, or NAME = TEXT in a line of the configuration file. */
struct wye_given {
    const struct wye_option *option;
    char *text;            /* "" for a bare flag */
    struct wye_span topic; /* of an option that has the scope of a topic: in front of the last '='; bytes NULL: none */
    const char *value;     /* what is to be read: the text, or what is behind that '=' */
    unsigned line;         /* of the file; 0: it stood on the command line */
    bool in_section;       /* the topic stood in the name of the section */
};

struct wye_givens {
    struct wye_given *at;
    size_t count, room;
};

/* Appends a value; the text is copied. false: no memory. */
bool wye_givens_add(struct wye_givens *givens, const struct wye_option *option, const char *text, unsigned line, bool in_section);
/* Appends a copy of one, line and all. false: no memory. */
bool wye_givens_copy(struct wye_givens *givens, const struct wye_given *given);
void wye_givens_fini(struct wye_givens *givens);

/* The number-th (from 0) value of an option; NULL: there are not so many. */
const struct wye_given *wye_givens_nth(const struct wye_givens *givens, const struct wye_option *option, size_t number);

/* Does one replace the other? The same option, and not a list; of the same topic, if it is about topics. */
bool wye_given_replaces(const struct wye_given *one, const struct wye_given *other);

/*
 * The next value of an option that no later one replaces, from *at (first 0) on, which moves behind it. NULL: there is
 * none left.
 */
const struct wye_given *wye_givens_next(const struct wye_givens *givens, const struct wye_option *option, size_t *at);

/* As people read it; a bare flag says yes. */
const char *wye_given_text(const struct wye_given *given);

/* Is the same given of an option in both? Order counts, place doesn't. */
bool wye_givens_equal(const struct wye_givens *one, const struct wye_givens *other, const struct wye_option *option);

/* Says what an option is: its values with commas between, or what it is when none is given. Cut where room ends. */
void wye_givens_say(const struct wye_givens *givens, const struct wye_option *option, char *to, size_t room);

#endif

#include "ring/given.h"

#include "ring/option_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

static struct wye_given *append(struct wye_givens *givens) {
    if (givens->count == givens->room) {
        size_t room = givens->room * 2 + 16;
        struct wye_given *more = realloc(givens->at, room * sizeof more[0]);
        if (!more) return NULL;
        givens->at = more;
        givens->room = room;
    }
    return &givens->at[givens->count];
}

bool wye_givens_add(struct wye_givens *givens, const struct wye_option *option, const char *text, unsigned line, bool in_section) {
    struct wye_given *given = append(givens);
    char *copy = given ? strdup(text) : NULL;
    if (!copy) return false;
    *given = (struct wye_given){.option = option, .text = copy, .value = copy, .line = line, .in_section = in_section};
    /* A topic may hold a '=': the last one parts. */
    char *equals = option->scope == WYE_SCOPE_TOPIC ? strrchr(copy, '=') : NULL;
    if (equals) {
        given->topic = (struct wye_span){copy, (size_t)(equals - copy)};
        given->value = equals + 1;
    }
    givens->count++;
    return true;
}

bool wye_givens_copy(struct wye_givens *givens, const struct wye_given *given) {
    return wye_givens_add(givens, given->option, given->text, given->line, given->in_section);
}

void wye_givens_fini(struct wye_givens *givens) {
    for (size_t i = 0; i < givens->count; i++) free(givens->at[i].text);
    free(givens->at);
    *givens = (struct wye_givens){0};
}

const struct wye_given *wye_givens_nth(const struct wye_givens *givens, const struct wye_option *option, size_t number) {
    for (size_t i = 0; i < givens->count; i++) {
        if (givens->at[i].option == option && number-- == 0) return &givens->at[i];
    }
    return NULL;
}

/* ---- comparing ---- */

bool wye_given_replaces(const struct wye_given *one, const struct wye_given *other) {
    if (one->option != other->option) return false;
    if (one->option->scope != WYE_SCOPE_TOPIC) return !one->option->repeats;
    return !one->topic.bytes == !other->topic.bytes && wye_span_equal(one->topic, other->topic);
}

const char *wye_given_text(const struct wye_given *given) {
    return *given->text || given->option->argument ? given->text : "yes";
}

const struct wye_given *wye_givens_next(const struct wye_givens *givens, const struct wye_option *option, size_t *at) {
    while (*at < givens->count) {
        const struct wye_given *given = &givens->at[(*at)++];
        bool replaced = given->option != option;
        for (size_t i = *at; i < givens->count && !replaced; i++) replaced = wye_given_replaces(&givens->at[i], given);
        if (!replaced) return given;
    }
    return NULL;
}

bool wye_givens_equal(const struct wye_givens *one, const struct wye_givens *other, const struct wye_option *option) {
    for (size_t a = 0, b = 0;;) {
        const struct wye_given *first = wye_givens_next(one, option, &a), *second = wye_givens_next(other, option, &b);
        if (!first || !second) return first == second;
        if (strcmp(wye_given_text(first), wye_given_text(second)) != 0) return false;
    }
}

void wye_givens_say(const struct wye_givens *givens, const struct wye_option *option, char *to, size_t room) {
    size_t count = 0;
    const struct wye_given *given;
    *to = 0;
    for (size_t at = 0; (given = wye_givens_next(givens, option, &at)) && count < room;)
        count += (size_t)snprintf(to + count, room - count, "%s%s", count ? ", " : "", wye_given_text(given));
    if (count >= room && room > 4) memcpy(to + room - 4, "...", 4);
    if (count > 0) return;
    const char *unless = option->standard ? option->standard : option->otherwise ? option->otherwise : option->argument ? "none" : "no";
    snprintf(to, room, "%s", unless);
}

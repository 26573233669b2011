/* permessage-deflate: the offers and the answer (RFC 7692 7.1). deflate.c does the compressing. */
#include "frames/deflate.h"

#include <stdio.h>
#include <string.h>

enum { BITS_MIN = 8, BITS_MAX = 15 }; /* the windows that DEFLATE in RFC 7692 knows */

/* The parameters of one offer or one answer. */
struct parameters {
    bool server_no_context, client_no_context;
    bool server_bits_given, client_bits_given;
    uint8_t server_bits, client_bits; /* 0: given without a value */
};

/* What is left to read of an extension. */
struct reader {
    const char *at, *end;
};

/* A name or a value; a quoted one has no quotes and no backslashes any more. */
struct word {
    char bytes[32]; /* longer than everything that is defined */
    size_t count;   /* may exceed `bytes`: then it is nothing that is defined */
};

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t')) reader->at++;
}

/* Takes one character if it comes next, with the space around it. */
static bool take(struct reader *reader, char wanted) {
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != wanted) return false;
    reader->at++;
    skip_space(reader);
    return true;
}

static bool is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static void append(struct word *word, char c) {
    if (word->count < sizeof word->bytes) word->bytes[word->count] = c;
    word->count++;
}

/* A token (RFC 9110 5.6.2). */
static bool take_token(struct reader *reader, struct word *word) {
    word->count = 0;
    while (reader->at < reader->end && is_token_char(*reader->at)) append(word, *reader->at++);
    return word->count > 0;
}

/* A token, or a quoted string whose content is one (RFC 6455 9.1). */
static bool take_value(struct reader *reader, struct word *word) {
    if (reader->at == reader->end || *reader->at != '"') return take_token(reader, word);
    word->count = 0;
    for (reader->at++; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' && ++reader->at == reader->end) return false;
        if (!is_token_char(*reader->at)) return false;
        append(word, *reader->at);
    }
    if (reader->at == reader->end) return false;
    reader->at++;
    return word->count > 0;
}

static bool is_word(const struct word *word, const char *text) {
    return word->count == strlen(text) && memcmp(word->bytes, text, word->count) == 0;
}

/* 8 to 15, without leading zeros (RFC 7692 7.1.2.1). 0: it is none of them. */
static uint8_t window_bits(const struct word *word) {
    if (word->count == 1 && (word->bytes[0] == '8' || word->bytes[0] == '9'))
        return (uint8_t)(word->bytes[0] - '0');
    if (word->count == 2 && word->bytes[0] == '1' && word->bytes[1] >= '0' && word->bytes[1] <= '5')
        return (uint8_t)(10 + word->bytes[1] - '0');
    return 0;
}

/* Takes account of one parameter. false: unknown, doubled, or not what it should look like. */
static bool note(struct parameters *parameters, const struct word *name, const struct word *value) {
    uint8_t bits = value ? window_bits(value) : 0;
    bool *given;
    if (is_word(name, "server_no_context_takeover")) {
        given = &parameters->server_no_context;
        if (value) return false;
    } else if (is_word(name, "client_no_context_takeover")) {
        given = &parameters->client_no_context;
        if (value) return false;
    } else if (is_word(name, "server_max_window_bits")) {
        given = &parameters->server_bits_given;
        if (bits == 0) return false;
        parameters->server_bits = bits;
    } else if (is_word(name, "client_max_window_bits")) {
        given = &parameters->client_bits_given;
        if (value && bits == 0) return false;
        parameters->client_bits = bits;
    } else {
        return false;
    }
    bool doubled = *given;
    *given = true;
    return !doubled;
}

/* Reads "permessage-deflate" and its parameters. false: another extension, or malformed. */
static bool read_extension(struct parameters *parameters, const char *bytes, size_t count) {
    struct reader reader = {bytes, bytes + count};
    struct word name, value;

    *parameters = (struct parameters){0};
    skip_space(&reader);
    if (!take_token(&reader, &name) || !is_word(&name, "permessage-deflate")) return false;
    while (take(&reader, ';')) {
        if (!take_token(&reader, &name)) return false;
        bool has_value = take(&reader, '=');
        if (has_value && !take_value(&reader, &value)) return false;
        if (!note(parameters, &name, has_value ? &value : NULL)) return false;
    }
    skip_space(&reader);
    return reader.at == reader.end;
}

/* What we make of an offer. server_bits 0: it can't be met. */
static struct wye_deflate_agreement agree(const struct parameters *offer, enum wye_deflate_mode mode) {
    bool takeover = mode == WYE_DEFLATE_TAKEOVER;
    struct wye_deflate_agreement agreement = {
        .server_bits = takeover ? WYE_DEFLATE_TAKEOVER_BITS : BITS_MAX,
        .client_bits = BITS_MAX,
        .server_no_context = !takeover || offer->server_no_context,
        /* A client that keeps its context forces a window on us for as long as it is connected. */
        .client_no_context = !takeover || offer->client_no_context,
    };
    if (offer->server_bits_given && offer->server_bits < agreement.server_bits)
        agreement.server_bits = offer->server_bits;
    if (agreement.server_bits == BITS_MIN) return (struct wye_deflate_agreement){0}; /* not with zlib */
    if (offer->client_bits_given) {
        if (takeover) agreement.client_bits = WYE_DEFLATE_TAKEOVER_BITS;
        if (offer->client_bits && offer->client_bits < agreement.client_bits)
            agreement.client_bits = offer->client_bits;
    }
    return agreement;
}

/* What was asked for is confirmed; what wasn't, said only if it binds the client. */
static bool write_answer(char *to, size_t room, const struct wye_deflate_agreement *agreement,
                         const struct parameters *offer) {
    char server_bits[32] = "", client_bits[32] = "";
    if (offer->server_bits_given)
        snprintf(server_bits, sizeof server_bits, "; server_max_window_bits=%u", agreement->server_bits);
    if (offer->client_bits_given && agreement->client_bits < BITS_MAX)
        snprintf(client_bits, sizeof client_bits, "; client_max_window_bits=%u", agreement->client_bits);
    int written = snprintf(to, room, "permessage-deflate%s%s%s%s",
                           agreement->server_no_context ? "; server_no_context_takeover" : "",
                           agreement->client_no_context ? "; client_no_context_takeover" : "", server_bits,
                           client_bits);
    return written >= 0 && (size_t)written < room;
}

bool wye_deflate_negotiate(struct wye_deflate_agreement *agreement, char *response, size_t room,
                           enum wye_deflate_mode mode, const char *(*next)(void *context, size_t *count),
                           void *context) {
    struct parameters offer;
    const char *value;
    size_t count;

    *agreement = (struct wye_deflate_agreement){0};
    if (mode == WYE_DEFLATE_OFF) return false;
    while ((value = next(context, &count))) {
        if (!read_extension(&offer, value, count)) continue;
        struct wye_deflate_agreement found = agree(&offer, mode);
        if (found.server_bits == 0 || !write_answer(response, room, &found, &offer)) continue;
        *agreement = found;
        return true;
    }
    return false;
}

bool wye_deflate_accept_answer(struct wye_deflate_agreement *agreement, const char *value, size_t count,
                               const struct wye_deflate_agreement *offered) {
    struct parameters answer;

    *agreement = (struct wye_deflate_agreement){0};
    if (!read_extension(&answer, value, count)) return false;
    if (offered->server_no_context && !answer.server_no_context) return false;
    if (offered->server_bits && offered->server_bits < BITS_MAX &&
        (!answer.server_bits_given || answer.server_bits > offered->server_bits))
        return false;
    /* Never unasked, and in an answer never without a value (RFC 7692 7.1.2.2). */
    if (answer.client_bits_given && (offered->client_bits == 0 || answer.client_bits == 0)) return false;

    *agreement = (struct wye_deflate_agreement){
        .server_bits = answer.server_bits_given ? answer.server_bits : BITS_MAX,
        .client_bits = offered->client_bits ? offered->client_bits : BITS_MAX,
        .server_no_context = answer.server_no_context,
        .client_no_context = answer.client_no_context || offered->client_no_context,
    };
    if (answer.client_bits_given && answer.client_bits < agreement->client_bits)
        agreement->client_bits = answer.client_bits;
    return true;
}

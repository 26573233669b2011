/* The keys that tokens are signed with, from files; and tokens made with them. */
#ifndef WYE_RING_TOKEN_FILES_H
#define WYE_RING_TOKEN_FILES_H

#include "handshake/token.h"

struct wye_token_files {
    const char *const *files; /* "FILE" or "KID=FILE"; a '=' behind a '/' is part of FILE */
    size_t count;
    const char *audience; /* that tokens must name; NULL: none may name one */
};

/*
 * Reads the files: one reference, the caller's. NULL: `why` says what is wrong, like "--token-key key.pem: No such file or
 * directory". Logs what is worth a warning: files that others can read, and private keys where public ones would do (`checks`:
 * tokens are only checked here).
 */
struct wye_token_keys *wye_token_files_open(const struct wye_token_files *files, bool checks, char *why, size_t room);

/* What --make-token is to make. */
struct wye_token_wish {
    const char *const *publish, *const *subscribe; /* topics' names and patterns */
    size_t publish_count, subscribe_count;
    const char *subject; /* NULL: none */
    uint64_t lifetime_s; /* 0: for ever */
};

enum { WYE_TOKEN_LIFETIME_S = 3600 }; /* unless another is wished for */

/* Makes a token with the first key that can, and prints it. Returns the exit status, having said on stderr what is wrong. */
int wye_token_files_make(const struct wye_token_files *files, const struct wye_token_wish *wish);

#endif

/* A strict reader of JSON (RFC 8259), which says only whether it is some: what our writers write, printable
 * ASCII alone. */
#ifndef WYE_TESTS_FUZZ_JSON_H
#define WYE_TESTS_FUZZ_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct json {
    const char *at;
};

static inline bool json_string(struct json *json) {
    if (*json->at++ != '"') return false;
    for (; *json->at != '"'; json->at++) {
        if ((uint8_t)*json->at < 0x20 || (uint8_t)*json->at > 0x7e) return false;
        if (*json->at != '\\') continue;
        json->at++;
        if (*json->at == 'u') {
            for (unsigned i = 0; i < 4; i++)
                if (!*++json->at || !strchr("0123456789abcdefABCDEF", *json->at)) return false;
        } else if (!*json->at || !strchr("\"\\/bfnrt", *json->at)) {
            return false;
        }
    }
    json->at++;
    return true;
}

static inline bool json_value(struct json *json, unsigned depth);

static inline bool json_list(struct json *json, unsigned depth, bool object) {
    char end = object ? '}' : ']';
    json->at++;
    if (*json->at == end) return json->at++, true;
    for (;; json->at++) {
        if (object && (!json_string(json) || *json->at++ != ':')) return false;
        if (!json_value(json, depth + 1)) return false;
        if (*json->at == end) return json->at++, true;
        if (*json->at != ',') return false;
    }
}

static inline bool json_number(struct json *json) {
    size_t digits = strspn(json->at, "0123456789");
    json->at += digits;
    if (digits == 0 || *json->at != '.') return digits > 0;
    digits = strspn(++json->at, "0123456789");
    json->at += digits;
    return digits > 0;
}

static inline bool json_value(struct json *json, unsigned depth) {
    if (depth > 5) return false;
    if (*json->at == '{' || *json->at == '[') return json_list(json, depth, *json->at == '{');
    if (*json->at == '"') return json_string(json);
    if (strncmp(json->at, "true", 4) == 0) return json->at += 4, true;
    return json_number(json);
}

/* One value, and LF. */
static inline bool is_json(const char *text) {
    struct json json = {text};
    return json_value(&json, 0) && strcmp(json.at, "\n") == 0;
}

#endif

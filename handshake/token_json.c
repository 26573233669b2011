#include "handshake/token_json.h"

/* Is it nested more deeply than anything here needs to be? The parser recurses. What is no JSON is its matter. */
static bool is_deep(const char *bytes, size_t count) {
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < count; i++) {
        char c = bytes[i];
        if (quoted && c == '\\') i++;
        else if (c == '"') quoted = !quoted;
        else if (!quoted && (c == '{' || c == '[')) {
            if (++depth > WYE_JSON_DEPTH_MAX) return true;
        } else if (!quoted && (c == '}' || c == ']') && depth > 0) depth--;
    }
    return false;
}

json_t *wye_json_read(const void *bytes, size_t count) {
    json_error_t error;
    if (is_deep(bytes, count)) return NULL;
    json_t *json = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(json)) return json;
    json_decref(json);
    return NULL;
}

struct wye_span wye_json_string(const json_t *object, const char *member) {
    const json_t *value = json_object_get(object, member);
    return json_is_string(value) ? (struct wye_span){json_string_value(value), json_string_length(value)} : (struct wye_span){0};
}

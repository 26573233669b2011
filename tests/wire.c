#include "tests/wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void wire_add(struct wire *wire, const void *bytes, size_t count) {
    if (count == 0) return;
    if (wire->capacity - wire->count < count) {
        wire->capacity = (wire->count + count) * 2;
        wire->at = realloc(wire->at, wire->capacity);
        assert(wire->at);
    }
    memcpy(wire->at + wire->count, bytes, count);
    wire->count += count;
}

void wire_add_text(struct wire *wire, const char *text) { wire_add(wire, text, strlen(text)); }

void wire_clear(struct wire *wire) { wire->count = 0; }

void wire_free(struct wire *wire) {
    free(wire->at);
    *wire = (struct wire){0};
}

bool wire_equal(const struct wire *a, const struct wire *b) {
    size_t count = a->count < b->count ? a->count : b->count, at = 0;
    while (at < count && a->at[at] == b->at[at]) at++;
    if (at == a->count && at == b->count) return true;
    fprintf(stderr, "%zu and %zu bytes; they differ from byte %zu on\n", a->count, b->count, at);
    return false;
}

bool wire_begins(const struct wire *wire, const char *text) {
    return wire->count >= strlen(text) && memcmp(wire->at, text, strlen(text)) == 0;
}

size_t wire_find(const struct wire *wire, const char *text, size_t from) {
    if (from >= wire->count) return SIZE_MAX;
    const uint8_t *found = memmem(wire->at + from, wire->count - from, text, strlen(text));
    return found ? (size_t)(found - wire->at) : SIZE_MAX;
}

/* ---- frames ---- */

static void add_header(struct wire *wire, int first, int mask, uint64_t count) {
    uint8_t header[10] = {(uint8_t)first};
    size_t extended = count < 126 ? 0 : count < 65536 ? 2 : 8;
    header[1] = (uint8_t)(mask | (extended == 0 ? (int)count : extended == 2 ? 126 : 127));
    for (size_t i = 0; i < extended; i++) header[2 + i] = (uint8_t)(count >> 8 * (extended - 1 - i));
    wire_add(wire, header, 2 + extended);
}

void wire_client_header(struct wire *wire, int fin, int opcode, uint64_t count, uint32_t key) {
    add_header(wire, fin | opcode, 0x80, count);
    wire_add(wire, &key, sizeof key);
}

void wire_client_frame(struct wire *wire, int fin, int opcode, const void *payload, size_t count,
                       uint32_t key) {
    uint8_t mask[4];
    memcpy(mask, &key, sizeof mask);
    wire_client_header(wire, fin, opcode, count, key);
    size_t at = wire->count;
    wire_add(wire, payload, count);
    for (size_t i = 0; i < count; i++) wire->at[at + i] ^= mask[i & 3];
}

void wire_server_frame(struct wire *wire, int opcode, const void *payload, size_t count) {
    add_header(wire, WIRE_FIN | opcode, 0, count);
    wire_add(wire, payload, count);
}

static size_t close_payload(uint8_t payload[125], unsigned code, const char *text) {
    if (code == 0) return 0;
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    size_t count = text ? strlen(text) : 0;
    assert(count <= 123);
    if (count) memcpy(payload + 2, text, count);
    return 2 + count;
}

void wire_client_close(struct wire *wire, unsigned code, const char *text) {
    uint8_t payload[125];
    wire_client_frame(wire, WIRE_FIN, 8, payload, close_payload(payload, code, text), 0x5a17c3e9);
}

void wire_server_close(struct wire *wire, unsigned code, const char *text) {
    uint8_t payload[125];
    wire_server_frame(wire, 8, payload, close_payload(payload, code, text));
}

/* Takes a server's header: bytes used, 0: it isn't whole. */
static size_t read_header(const uint8_t *at, size_t count, size_t *payload) {
    if (count < 2 || at[1] > 127 || at[0] & 0x70) return 0;
    size_t extended = at[1] < 126 ? 0 : at[1] == 126 ? 2 : 8;
    if (count < 2 + extended) return 0;
    *payload = extended ? 0 : at[1];
    for (size_t i = 0; i < extended; i++) *payload = *payload << 8 | at[2 + i];
    return count - 2 - extended >= *payload ? 2 + extended : 0;
}

bool wire_merge(struct wire *to, const struct wire *from) {
    struct wire message = {0};
    size_t at = wire_find(from, "\r\n\r\n", 0) + 4, payload;
    int opcode = 0;
    bool good = wire_begins(from, "HTTP/1.1 101 ");
    if (good) wire_add(to, from->at, at);
    while (good && at < from->count) {
        size_t header = read_header(from->at + at, from->count - at, &payload);
        uint8_t first = from->at[at];
        const uint8_t *bytes = from->at + at + header;
        at += header + payload;
        good = header > 0;
        if (!good) break;
        if (first & 8) {
            wire_server_frame(to, first & 15, bytes, payload);
            continue;
        }
        good = (opcode == 0) == ((first & 15) != 0);
        if (opcode == 0) opcode = first & 15;
        wire_add(&message, bytes, payload);
        if (!(first & WIRE_FIN)) continue;
        wire_server_frame(to, opcode, message.at, message.count);
        wire_clear(&message);
        opcode = 0;
    }
    wire_free(&message);
    return good && opcode == 0;
}

/* ---- HTTP ---- */

void wire_h2_frame(struct wire *wire, int type, int flags, uint32_t stream, const void *payload, size_t count) {
    const uint8_t header[] = {(uint8_t)(count >> 16), (uint8_t)(count >> 8), (uint8_t)count, (uint8_t)type, (uint8_t)flags,
                              (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    wire_add(wire, header, sizeof header);
    wire_add(wire, payload, count);
}

void wire_request(struct wire *wire, const char *method, const char *target, const char *fields) {
    wire_add_text(wire, method);
    wire_add_text(wire, " ");
    wire_add_text(wire, target);
    wire_add_text(wire, " HTTP/1.1\r\nHost: localhost\r\n");
    wire_add_text(wire, fields);
    wire_add_text(wire, "\r\n");
}

void wire_upgrade(struct wire *wire, const char *target) {
    wire_request(wire, "GET", target,
                 "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
}

void wire_opening(struct wire *wire) {
    wire_add_text(wire, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

struct wire_response wire_read_response(const struct wire *wire, size_t from, bool head_only) {
    struct wire_response response = {.head = from};
    size_t blank = wire_find(wire, "\r\n\r\n", from);
    if (blank == SIZE_MAX || memcmp(wire->at + from, "HTTP/1.1 ", 9) != 0) return (struct wire_response){0};
    response.body = blank + 4;
    size_t length = wire_find(wire, "\r\nContent-Length: ", from);
    assert(length < blank);
    size_t content = strtoul((const char *)wire->at + length + 18, NULL, 10);
    response.end = response.body + (head_only ? 0 : content);
    if (response.end > wire->count) return (struct wire_response){0};
    response.close = wire_find(wire, "\r\nConnection: close\r\n", from) < blank ||
                     wire_find(wire, "\r\nConnection: upgrade, close\r\n", from) < blank;
    response.status = (unsigned)strtoul((const char *)wire->at + from + 9, NULL, 10);
    return response;
}

const uint8_t *wire_noise(size_t count, unsigned seed) {
    static _Thread_local uint8_t noise[400000];
    assert(count <= sizeof noise);
    uint32_t x = seed * 2654435761u + 12345;
    for (size_t i = 0; i < count; i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t)(x >> 24);
    }
    return noise;
}

const uint8_t *wire_words(size_t count, unsigned seed) {
    static const char *const characters[] = {"w", "y\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x82", "e"};
    static _Thread_local uint8_t words[400000];
    assert(count <= sizeof words);
    for (size_t at = 0; at < count;) {
        const char *character = characters[seed % 5];
        seed = seed * 1664525 + 1013904223;
        seed ^= seed >> 16;
        size_t length = strlen(character);
        if (length > count - at) character = "e", length = 1;
        memcpy(words + at, character, length);
        at += length;
    }
    return words;
}

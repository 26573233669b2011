/* The client's half of the opening handshake. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/client.h"
#include "handshake/request.h"

#include <stdio.h>
#include <stdlib.h>

static const struct wye_client_request asked = {
    .target = {"/chat?x=1", 9},
    .host = {"example.com:8080", 16},
    .key = "dGhlIHNhbXBsZSBub25jZQ==",
    .subprotocols = {"chat, superchat", 15},
    .extensions = {"permessage-deflate; client_max_window_bits", 42},
    .fields = {"X-One: 1\r\nX-Two: 2\r\n", 20},
};

#define OPENING "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static ptrdiff_t read_text(struct wye_client_answer *answer, const char *text) {
    return wye_client_answer_read(answer, &asked, (const uint8_t *)text, strlen(text), 0);
}

static void a_key_is_the_base64_of_sixteen_bytes(void **state) {
    (void)state;
    char key[WYE_KEY_BYTES];
    wye_client_key(key, (const uint8_t *)"the sample nonce"); /* RFC 6455 1.3 */
    assert_memory_equal(key, "dGhlIHNhbXBsZSBub25jZQ==", WYE_KEY_BYTES);
    uint8_t ones[16];
    memset(ones, 0xff, sizeof ones);
    wye_client_key(key, ones);
    assert_memory_equal(key, "/////////////////////w==", WYE_KEY_BYTES);
}

static void the_request_is_one_that_our_own_server_reads_and_would_switch(void **state) {
    (void)state;
    char to[1024];
    size_t count = wye_client_request_write(to, sizeof to, &asked);
    static struct wye_request request;
    struct wye_refusal refusal = {0};
    assert_int_equal(wye_request_read(&request, &refusal, (uint8_t *)to, count, &(struct wye_request_progress){0}), count);
    assert_memory_equal(request.target.bytes, "/chat?x=1", 9);
    assert_true(wye_span_equal(request.host, asked.host));
    assert_true(wye_request_is_websocket(&request));
    assert_true(
        wye_span_equal(wye_request_field(&request, WYE_FIELD_SEC_WEBSOCKET_PROTOCOL), asked.subprotocols));
    assert_true(
        wye_span_equal(wye_request_field(&request, WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS), asked.extensions));
    for (size_t room = 0; room < count; room++)
        assert_int_equal(wye_client_request_write(to, room, &asked), 0);
}

static void another_token_is_asked_for_and_answered_without_websocket_fields(void **state) {
    (void)state;
    static struct wye_client_answer answer;
    struct wye_client_request request = asked;
    char to[1024];
    request.token = WYE_SPAN("wye-echo");
    size_t count = wye_client_request_write(to, sizeof to, &request);
    assert_non_null(memmem(to, count, "\r\nUpgrade: wye-echo\r\nConnection: Upgrade\r\n", 42));
    assert_null(memmem(to, count, "Sec-WebSocket", 13));
    const char *text = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: Wye-Echo\r\n\r\n";
    assert_true(wye_client_answer_read(&answer, &request, (const uint8_t *)text, strlen(text), 0) > 0);
    assert_int_equal(answer.fault, WYE_ANSWER_FINE);
    text = OPENING ACCEPT "\r\n";
    assert_true(wye_client_answer_read(&answer, &request, (const uint8_t *)text, strlen(text), 0) > 0);
    assert_int_equal(answer.fault, WYE_ANSWER_UPGRADE_OTHER);
    request.token = WYE_SPAN("h2c");
    count = wye_client_request_write(to, sizeof to, &request);
    assert_non_null(memmem(to, count, "\r\nConnection: Upgrade, HTTP2-Settings\r\n", 39));
}

static void a_right_answer_has_no_fault_and_says_what_was_agreed(void **state) {
    (void)state;
    static struct wye_client_answer answer;
    const char *text = OPENING ACCEPT
        "Sec-WebSocket-Protocol: superchat\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\nglued";
    assert_int_equal(read_text(&answer, text), strlen(text) - 5);
    assert_int_equal(answer.fault, WYE_ANSWER_FINE);
    assert_int_equal(answer.status, 101);
    assert_true(wye_span_equal(answer.subprotocol, WYE_SPAN("superchat")));
    assert_true(
        wye_span_equal(answer.extensions, WYE_SPAN("permessage-deflate; server_no_context_takeover")));
    assert_true(wye_span_equal(wye_client_answer_field(&answer, WYE_SPAN("UPGRADE")), WYE_SPAN("websocket")));
}

static void every_split_of_an_answer_gives_the_same_and_every_beginning_asks_for_more(void **state) {
    (void)state;
    static struct wye_client_answer answer;
    const char *text = OPENING ACCEPT "\r\n";
    size_t count = strlen(text);
    for (size_t cut = 0; cut < count; cut++) {
        uint8_t *part = malloc(cut + 1); /* so that ASan sees every byte beyond */
        memcpy(part, text, cut);
        assert_int_equal(wye_client_answer_read(&answer, &asked, part, cut, 0), 0);
        free(part);
        assert_int_equal(wye_client_answer_read(&answer, &asked, (const uint8_t *)text, count, cut), count);
        assert_int_equal(answer.fault, WYE_ANSWER_FINE);
    }
    for (size_t i = 1; i < count; i++) /* byte by byte, as a whole */
        assert_int_equal(wye_client_answer_read(&answer, &asked, (const uint8_t *)text, i, i - 1), 0);
}

struct row {
    const char *text;
    enum wye_answer_fault fault;
};

static void each_way_not_to_switch_has_a_fault_of_its_own(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\n", WYE_ANSWER_STATUS},
        {"HTTP/1.1 200\r\n\r\n", WYE_ANSWER_STATUS},
        {"HTTP/1.0 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
         WYE_ANSWER_VERSION},
        {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", WYE_ANSWER_UPGRADE_MISSING},
        {"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", WYE_ANSWER_UPGRADE_OTHER},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n" ACCEPT "\r\n",
         WYE_ANSWER_CONNECTION},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT "\r\n", WYE_ANSWER_CONNECTION},
        {OPENING "\r\n", WYE_ANSWER_ACCEPT_MISSING},
        {OPENING ACCEPT ACCEPT "\r\n", WYE_ANSWER_ACCEPT_DOUBLED},
        {OPENING "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n", WYE_ANSWER_ACCEPT_WRONG},
        {OPENING "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n", WYE_ANSWER_ACCEPT_WRONG},
        {OPENING ACCEPT "Sec-WebSocket-Protocol: other\r\n\r\n", WYE_ANSWER_SUBPROTOCOL_UNASKED},
        {OPENING ACCEPT "Sec-WebSocket-Protocol: CHAT\r\n\r\n", WYE_ANSWER_SUBPROTOCOL_UNASKED},
        {OPENING ACCEPT "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n", WYE_ANSWER_SUBPROTOCOL_UNASKED},
        {OPENING ACCEPT "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
         WYE_ANSWER_SUBPROTOCOL_DOUBLED},
        {OPENING ACCEPT "Sec-WebSocket-Extensions: permessage-deflate, x-zip\r\n\r\n",
         WYE_ANSWER_EXTENSION_UNASKED},
        {"HTTP/1.1 101 x\r\nUPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\n" ACCEPT "\r\n",
         WYE_ANSWER_FINE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct wye_client_answer answer;
        assert_int_equal(read_text(&answer, rows[i].text), strlen(rows[i].text));
        assert_int_equal(answer.fault, rows[i].fault);
        if (answer.fault != WYE_ANSWER_FINE) assert_true(*wye_answer_faults[answer.fault] != 0);
    }
}

static void what_is_no_response_is_told_as_soon_as_it_shows(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SSH-2.0-OpenSSH", WYE_ANSWER_STATUS_LINE},
        {"HTTP/2", WYE_ANSWER_STATUS_LINE},
        {"HTTP/1.1 1x", WYE_ANSWER_STATUS_LINE},
        {"HTTP/1.1 1010", WYE_ANSWER_STATUS_LINE},
        {"HTTP/1.1 101 x\n", WYE_ANSWER_FIELD_GRAMMAR},
        {"HTTP/1.1 101 x\r\nA: b\n", WYE_ANSWER_FIELD_GRAMMAR},
        {"HTTP/1.1 101 x\r\nA b\r\n\r\n", WYE_ANSWER_FIELD_GRAMMAR},
        {"HTTP/1.1 101 x\r\nA : b\r\n\r\n", WYE_ANSWER_FIELD_GRAMMAR},
        {"HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n", WYE_ANSWER_FIELD_GRAMMAR},
        {"HTTP/1.1 101 x\r\nA: b\rc\r\n\r\n", WYE_ANSWER_FIELD_GRAMMAR},
        {"HTTP/1.1 101 x\x01y\r\nA: b\r\n\r\n", WYE_ANSWER_STATUS_LINE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct wye_client_answer answer;
        assert_true(read_text(&answer, rows[i].text) < 0);
        assert_int_equal(answer.fault, rows[i].fault);
    }
}

static void content_in_chunks_is_put_together_as_far_as_it_is_there(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", "hello world"},
        {"A\r\n0123456789\r\n00a\r\n0123456789", "01234567890123456789"},
        {"5\r\nhel", "hel"},
        {"5\r\nhello\r\n5", "hello"},
        {"5\nhello\n0\n\n", "hello"},
        {"", ""},
        {"0\r\n\r\nbehind", ""},
        {"no chunk\r\n", ""},
        {"fffffffffffffffffffff\r\nx", ""},
        {"ffffffffffff\r\nx", "x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t count = strlen(rows[i].from);
        char *exact = malloc(count + 1); /* one more, since malloc(0) may be NULL */
        memcpy(exact, rows[i].from, count);
        size_t joined = wye_client_chunks_join(exact, count);
        assert_int_equal(joined, strlen(rows[i].to));
        assert_memory_equal(exact, rows[i].to, joined);
        free(exact);
    }
}

static void a_head_that_does_not_end_is_too_large(void **state) {
    (void)state;
    static struct wye_client_answer answer;
    static char text[WYE_ANSWER_HEAD_MAX + 64];
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "HTTP/1.1 101 ", 13);
    assert_true(read_text(&answer, text) < 0);
    assert_int_equal(answer.fault, WYE_ANSWER_HEAD_SIZE);
    text[WYE_ANSWER_HEAD_MAX - 1] = 0;
    assert_int_equal(read_text(&answer, text), 0);
    size_t at = (size_t)sprintf(text, "HTTP/1.1 101 x\r\n");
    for (unsigned i = 0; i <= WYE_ANSWER_FIELDS_MAX; i++) at += (size_t)sprintf(text + at, "a: b\r\n");
    sprintf(text + at, "\r\n");
    assert_true(read_text(&answer, text) < 0);
    assert_int_equal(answer.fault, WYE_ANSWER_HEAD_SIZE);
}

static void an_informational_answer_is_read_alone(void **state) {
    (void)state;
    static struct wye_client_answer answer;
    const char *text = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OPENING ACCEPT "\r\n";
    ptrdiff_t used = read_text(&answer, text);
    assert_int_equal(answer.status, 103);
    assert_int_equal(read_text(&answer, text + used), strlen(text) - (size_t)used);
    assert_int_equal(answer.fault, WYE_ANSWER_FINE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_the_base64_of_sixteen_bytes),
        cmocka_unit_test(the_request_is_one_that_our_own_server_reads_and_would_switch),
        cmocka_unit_test(another_token_is_asked_for_and_answered_without_websocket_fields),
        cmocka_unit_test(a_right_answer_has_no_fault_and_says_what_was_agreed),
        cmocka_unit_test(every_split_of_an_answer_gives_the_same_and_every_beginning_asks_for_more),
        cmocka_unit_test(each_way_not_to_switch_has_a_fault_of_its_own),
        cmocka_unit_test(what_is_no_response_is_told_as_soon_as_it_shows),
        cmocka_unit_test(content_in_chunks_is_put_together_as_far_as_it_is_there),
        cmocka_unit_test(a_head_that_does_not_end_is_too_large),
        cmocka_unit_test(an_informational_answer_is_read_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Response heads and dates. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void expect(const struct wye_response *response, const char *expected) {
    char to[WYE_RESPONSE_HEAD_MAX + 1];
    size_t count = wye_response_write(to, WYE_RESPONSE_HEAD_MAX, response);
    assert_int_equal(count, strlen(expected));
    to[count] = '\0';
    assert_string_equal(to, expected);
}

static void a_head_has_its_fields_in_order_and_an_empty_line(void **state) {
    (void)state;
    expect(&(struct wye_response){.status = 200,
                                  .content_type = "text/plain",
                                  .content_bytes = 12,
                                  .date = "Sun, 06 Nov 1994 08:49:37 GMT"},
           "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
           "Content-Length: 12\r\n\r\n");
    expect(&(struct wye_response){.status = 503, .fields = "Retry-After: 1\r\n", .close = true},
           "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: "
           "close\r\n\r\n");
}

static void content_length_is_there_unless_the_status_has_no_content(void **state) {
    (void)state;
    expect(&(struct wye_response){.status = 404}, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    expect(&(struct wye_response){.status = 204}, "HTTP/1.1 204 No Content\r\n\r\n");
    expect(&(struct wye_response){.status = 304}, "HTTP/1.1 304 Not Modified\r\n\r\n");
    expect(&(struct wye_response){.status = 200, .content_type = "a/b", .content_bytes = UINT64_MAX},
           "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 18446744073709551615\r\n\r\n");
}

static void a_connection_that_stays_is_told_so_when_asked_for(void **state) {
    (void)state;
    expect(&(struct wye_response){.status = 200, .keeps = true},
           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
    expect(&(struct wye_response){.status = 200, .keeps = true, .close = true},
           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

static void a_connection_field_of_the_callers_is_not_doubled(void **state) {
    (void)state;
    expect(&(struct wye_response){.status = 426,
                                  .fields = "Upgrade: websocket\r\nconnection: upgrade, close\r\n",
                                  .close = true},
           "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n"
           "Upgrade: websocket\r\nconnection: upgrade, close\r\n\r\n");
    /* Only a field of that name counts, not one that begins or ends so, and no value. */
    expect(&(struct wye_response){.status = 400,
                                  .fields = "X-Connection: a\r\nA: Connection: b\r\n",
                                  .close = true},
           "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nX-Connection: a\r\nA: Connection: b\r\n"
           "Connection: close\r\n\r\n");
}

static void a_head_that_does_not_fit_is_not_written_behind_the_room(void **state) {
    (void)state;
    const struct wye_response response = {
        .status = 200, .content_type = "text/plain", .content_bytes = 5, .close = true};
    char whole[256];
    size_t count = wye_response_write(whole, sizeof whole, &response);
    for (size_t room = 0; room <= count; room++) {
        char *to = malloc(room ? room : 1);
        assert_non_null(to);
        assert_int_equal(wye_response_write(to, room, &response), room == count ? count : 0);
        free(to);
    }
}

static void an_unknown_status_has_an_empty_phrase(void **state) {
    (void)state;
    assert_string_equal(wye_status_phrase(101), "Switching Protocols");
    assert_string_equal(wye_status_phrase(599), "");
    expect(&(struct wye_response){.status = 599}, "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n");
}

/* The same by the C library, in the C locale that tests run in. */
static void compare_date(uint64_t unix_s) {
    char date[WYE_DATE_BYTES + 1] = {0}, expected[64];
    time_t time = (time_t)unix_s;
    struct tm parts;
    wye_date_write(date, unix_s);
    assert_non_null(gmtime_r(&time, &parts));
    strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    assert_string_equal(date, expected);
}

static void dates_are_those_of_the_c_library_on_every_day_up_to_9999(void **state) {
    (void)state;
    char date[WYE_DATE_BYTES];
    wye_date_write(date, 784111777);
    assert_memory_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT", WYE_DATE_BYTES);
    const uint64_t end = 253402300800; /* 10000-01-01 */
    for (uint64_t day = 0; day < end / 86400; day += 1 + day / 200000)
        compare_date(day * 86400 + day * 7919 % 86400);
    for (uint64_t second = 0; second < 86400; second += 37) compare_date(951782400 + second); /* 2000-02-29 */
    compare_date(0);
    compare_date(end - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_has_its_fields_in_order_and_an_empty_line),
        cmocka_unit_test(content_length_is_there_unless_the_status_has_no_content),
        cmocka_unit_test(a_connection_that_stays_is_told_so_when_asked_for),
        cmocka_unit_test(a_connection_field_of_the_callers_is_not_doubled),
        cmocka_unit_test(a_head_that_does_not_fit_is_not_written_behind_the_room),
        cmocka_unit_test(an_unknown_status_has_an_empty_phrase),
        cmocka_unit_test(dates_are_those_of_the_c_library_on_every_day_up_to_9999),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

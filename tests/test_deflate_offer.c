#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/deflate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OFF = WYE_DEFLATE_OFF, SHARED = WYE_DEFLATE_SHARED, TAKEOVER = WYE_DEFLATE_TAKEOVER };

#define PMD  "permessage-deflate"
#define BOTH PMD "; server_no_context_takeover; client_no_context_takeover"
#define KEEP                                                                                                 \
    { .server_bits = 12, .client_bits = 15 }
#define FRESH                                                                                                \
    { .server_bits = 15, .client_bits = 15, .server_no_context = true, .client_no_context = true }

struct row {
    int mode;
    const char *offers[5];
    const char *answer; /* NULL: declined */
    struct wye_deflate_agreement agreement;
};

/* clang-format off */
static const struct row rows[] = {
    {OFF, {PMD}, NULL, {0}},
    {OFF, {PMD "; server_no_context_takeover; client_no_context_takeover"}, NULL, {0}},
    {SHARED, {NULL}, NULL, {0}},
    {TAKEOVER, {NULL}, NULL, {0}},

    /* Plain, and each parameter alone. */
    {SHARED, {PMD}, BOTH, FRESH},
    {TAKEOVER, {PMD}, PMD, KEEP},
    {SHARED, {PMD "; server_no_context_takeover"}, BOTH, FRESH},
    {TAKEOVER, {PMD "; server_no_context_takeover"}, PMD "; server_no_context_takeover", {12, 15, true, false}},
    {SHARED, {PMD "; client_no_context_takeover"}, BOTH, FRESH},
    {TAKEOVER, {PMD "; client_no_context_takeover"}, PMD "; client_no_context_takeover", {12, 15, false, true}},
    {TAKEOVER, {PMD "; client_no_context_takeover; server_no_context_takeover"}, BOTH, {12, 15, true, true}},
    {SHARED, {PMD "; client_max_window_bits"}, BOTH, FRESH},
    {TAKEOVER, {PMD "; client_max_window_bits"}, PMD "; client_max_window_bits=12", {12, 12, false, false}},

    /* The server's window: confirmed with the same value or a smaller one, and 8 can't be met. */
    {SHARED, {PMD "; server_max_window_bits=15"}, BOTH "; server_max_window_bits=15", FRESH},
    {SHARED, {PMD "; server_max_window_bits=14"}, BOTH "; server_max_window_bits=14", {14, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=13"}, BOTH "; server_max_window_bits=13", {13, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=12"}, BOTH "; server_max_window_bits=12", {12, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=11"}, BOTH "; server_max_window_bits=11", {11, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=10"}, BOTH "; server_max_window_bits=10", {10, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=9"}, BOTH "; server_max_window_bits=9", {9, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=8"}, NULL, {0}},
    {TAKEOVER, {PMD "; server_max_window_bits=15"}, PMD "; server_max_window_bits=12", KEEP},
    {TAKEOVER, {PMD "; server_max_window_bits=12"}, PMD "; server_max_window_bits=12", KEEP},
    {TAKEOVER, {PMD "; server_max_window_bits=9"}, PMD "; server_max_window_bits=9", {9, 15, false, false}},
    {TAKEOVER, {PMD "; server_max_window_bits=8"}, NULL, {0}},

    /* The client's: said again where it binds. */
    {SHARED, {PMD "; client_max_window_bits=15"}, BOTH, FRESH},
    {SHARED, {PMD "; client_max_window_bits=10"}, BOTH "; client_max_window_bits=10", {15, 10, true, true}},
    {SHARED, {PMD "; client_max_window_bits=8"}, BOTH "; client_max_window_bits=8", {15, 8, true, true}},
    {TAKEOVER, {PMD "; client_max_window_bits=15"}, PMD "; client_max_window_bits=12", {12, 12, false, false}},
    {TAKEOVER, {PMD "; client_max_window_bits=9"}, PMD "; client_max_window_bits=9", {12, 9, false, false}},
    {TAKEOVER, {PMD "; client_max_window_bits=8"}, PMD "; client_max_window_bits=8", {12, 8, false, false}},

    /* All together, in any order. */
    {SHARED, {PMD "; client_max_window_bits=11; server_no_context_takeover; server_max_window_bits=10; client_no_context_takeover"},
     BOTH "; server_max_window_bits=10; client_max_window_bits=11", {10, 11, true, true}},
    {TAKEOVER, {PMD "; server_max_window_bits=10; client_no_context_takeover; client_max_window_bits; server_no_context_takeover"},
     BOTH "; server_max_window_bits=10; client_max_window_bits=12", {10, 12, true, true}},
    /* What browsers and libraries send. */
    {SHARED, {PMD "; client_max_window_bits"}, BOTH, FRESH},
    {SHARED, {PMD "; client_no_context_takeover; server_no_context_takeover"}, BOTH, FRESH},
    {SHARED, {"x-webkit-deflate-frame", PMD "; client_max_window_bits"}, BOTH, FRESH},

    /* How it may be written (RFC 6455 9.1). */
    {SHARED, {PMD ";server_max_window_bits=10"}, BOTH "; server_max_window_bits=10", {10, 15, true, true}},
    {SHARED, {"  " PMD " \t;\t server_max_window_bits = 10  "}, BOTH "; server_max_window_bits=10", {10, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=\"10\""}, BOTH "; server_max_window_bits=10", {10, 15, true, true}},
    {SHARED, {PMD "; server_max_window_bits=\"1\\0\""}, BOTH "; server_max_window_bits=10", {10, 15, true, true}},
    {SHARED, {PMD "; client_max_window_bits=\"9\"; server_max_window_bits=\"9\""},
     BOTH "; server_max_window_bits=9; client_max_window_bits=9", {9, 9, true, true}},

    /* Passed by: no offer of ours, unknown, doubled, with a value too many or too few, malformed. */
    {SHARED, {"permessage-bzip2"}, NULL, {0}},
    {SHARED, {"permessage-deflat"}, NULL, {0}},
    {SHARED, {"permessage-deflate2"}, NULL, {0}},
    {SHARED, {"Permessage-Deflate"}, NULL, {0}},
    {SHARED, {""}, NULL, {0}},
    {SHARED, {"; server_no_context_takeover"}, NULL, {0}},
    {SHARED, {PMD ";"}, NULL, {0}},
    {SHARED, {PMD "; "}, NULL, {0}},
    {SHARED, {PMD ";; client_max_window_bits"}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits;"}, NULL, {0}},
    {SHARED, {PMD "; unknown"}, NULL, {0}},
    {SHARED, {PMD "; unknown=10"}, NULL, {0}},
    {SHARED, {PMD "; Client_max_window_bits"}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits_and_more_than_fits_into_a_word_of_thirty_two"}, NULL, {0}},
    {SHARED, {PMD "; server_no_context_takeover; server_no_context_takeover"}, NULL, {0}},
    {SHARED, {PMD "; client_no_context_takeover; client_no_context_takeover"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=10; server_max_window_bits=10"}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits; client_max_window_bits=10"}, NULL, {0}},
    {SHARED, {PMD "; server_no_context_takeover=true"}, NULL, {0}},
    {SHARED, {PMD "; server_no_context_takeover="}, NULL, {0}},
    {SHARED, {PMD "; client_no_context_takeover=1"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits="}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=\"\""}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=\"10"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=\"10\\"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=\"1 0\""}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=\"10\"x"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits='10'"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=7"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=16"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=0"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=09"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=010"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=100"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=+9"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=-9"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=1o"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits=4294967306"}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits=7"}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits=16"}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits="}, NULL, {0}},
    {SHARED, {PMD "; client_max_window_bits=08"}, NULL, {0}},
    {SHARED, {PMD " client_max_window_bits"}, NULL, {0}},
    {SHARED, {PMD "=1"}, NULL, {0}},
    {SHARED, {PMD "; =10"}, NULL, {0}},
    {SHARED, {PMD "; server_max_window_bits 10"}, NULL, {0}},
    {SHARED, {PMD "; a\x80"}, NULL, {0}},

    /* Several offers: the first that can be met. */
    {SHARED, {PMD "; server_max_window_bits=8", PMD}, BOTH, FRESH},
    {SHARED, {PMD "; server_max_window_bits=9", PMD}, BOTH "; server_max_window_bits=9", {9, 15, true, true}},
    {SHARED, {PMD, PMD "; server_max_window_bits=9"}, BOTH, FRESH},
    {TAKEOVER, {PMD "; unknown", "other; a=b", PMD "; server_no_context_takeover", PMD},
     PMD "; server_no_context_takeover", {12, 15, true, false}},
    {TAKEOVER, {"a", "b", "c", PMD "; client_max_window_bits"}, PMD "; client_max_window_bits=12", {12, 12, false, false}},
    {SHARED, {PMD "; server_max_window_bits=8", PMD "; x", PMD ";"}, NULL, {0}},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof *rows };

struct walk {
    const struct row *row;
    unsigned at;
    char *copy; /* ends where its memory does */
};

static const char *next_offer(void *context, size_t *count) {
    struct walk *walk = context;
    const char *offer = walk->at < 5 ? walk->row->offers[walk->at] : NULL;
    free(walk->copy);
    walk->copy = NULL;
    if (!offer) return NULL;
    walk->at++;
    *count = strlen(offer);
    walk->copy = malloc(*count ? *count : 1);
    assert_non_null(walk->copy);
    memcpy(walk->copy, offer, *count);
    return walk->copy;
}

static bool negotiate(struct wye_deflate_agreement *agreement, char *answer, size_t room,
                      const struct row *row) {
    struct walk walk = {.row = row};
    bool agreed =
        wye_deflate_negotiate(agreement, answer, room, (enum wye_deflate_mode)row->mode, next_offer, &walk);
    free(walk.copy);
    return agreed;
}

static void test_every_row_of_offers_is_answered_as_rfc_7692_says(void **state) {
    (void)state;
    assert_true(ROWS >= 50);
    for (unsigned i = 0; i < ROWS; i++) {
        struct wye_deflate_agreement agreement;
        char answer[WYE_DEFLATE_ANSWER_ROOM] = "?";
        memset(&agreement, 0xff, sizeof agreement);
        bool agreed = negotiate(&agreement, answer, sizeof answer, &rows[i]);
        if (agreed != (rows[i].answer != NULL) || (agreed && strcmp(answer, rows[i].answer) != 0))
            fail_msg("row %u, %s: %s", i, rows[i].offers[0] ? rows[i].offers[0] : "none",
                     agreed ? answer : "declined");
        assert_int_equal(agreement.server_bits, rows[i].agreement.server_bits);
        assert_int_equal(agreement.client_bits, rows[i].agreement.client_bits);
        assert_int_equal(agreement.server_no_context, rows[i].agreement.server_no_context);
        assert_int_equal(agreement.client_no_context, rows[i].agreement.client_no_context);
    }
}

static void test_an_answer_without_room_is_declined_and_none_needs_more_than_is_promised(void **state) {
    (void)state;
    for (unsigned i = 0; i < ROWS; i++) {
        struct wye_deflate_agreement agreement;
        char answer[WYE_DEFLATE_ANSWER_ROOM];
        if (!rows[i].answer || rows[i].offers[1]) continue;
        size_t needed = strlen(rows[i].answer) + 1;
        assert_true(needed <= sizeof answer);
        assert_true(negotiate(&agreement, answer, needed, &rows[i]));
        assert_false(negotiate(&agreement, answer, needed - 1, &rows[i]));
        assert_int_equal(agreement.server_bits, 0);
    }
}

/* A client with the same rules takes every answer that a server gives to its offer, and means the same by it.
 */
static void test_both_sides_agree_to_the_same(void **state) {
    static const char *const bits[] = {"", "; server_max_window_bits=9", "; server_max_window_bits=15",
                                       "; client_max_window_bits", "; client_max_window_bits=10"};
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        for (unsigned flags = 0; flags < 4; flags++)
            for (int mode = SHARED; mode <= TAKEOVER; mode++) {
                char offer[200];
                snprintf(offer, sizeof offer, PMD "%s%s%s", flags & 1 ? "; server_no_context_takeover" : "",
                         flags & 2 ? "; client_no_context_takeover" : "", bits[i]);
                struct row row = {.mode = mode, .offers = {offer}};
                struct wye_deflate_agreement server, client;
                struct wye_deflate_agreement offered = {.server_bits = i == 1 ? 9 : 0,
                                                        .client_bits = i == 3   ? 15
                                                                       : i == 4 ? 10
                                                                                : 0,
                                                        .server_no_context = flags & 1,
                                                        .client_no_context = flags & 2};
                char answer[WYE_DEFLATE_ANSWER_ROOM];
                assert_true(negotiate(&server, answer, sizeof answer, &row));
                assert_true(wye_deflate_accept_answer(&client, answer, strlen(answer), &offered));
                /* The server may use less than what it is allowed. */
                assert_true(server.server_bits <= client.server_bits);
                assert_true(client.client_bits <= server.client_bits);
                assert_int_equal(server.server_no_context, client.server_no_context);
                assert_int_equal(server.client_no_context, client.client_no_context);
            }
}

struct answer_row {
    const char *answer;
    struct wye_deflate_agreement offered;
    bool accepted;
    struct wye_deflate_agreement agreement;
};

/* clang-format off */
static const struct answer_row answers[] = {
    {PMD, {0}, true, {15, 15, false, false}},
    {PMD, {0, 15, false, false}, true, {15, 15, false, false}},
    {PMD, {0, 10, false, true}, true, {15, 10, false, true}}, /* its own hints bind it */
    {BOTH, {0}, true, {15, 15, true, true}}, /* both may come unasked */
    {PMD "; server_max_window_bits=10", {0}, true, {10, 15, false, false}}, /* so may this */
    {PMD "; server_max_window_bits=\"10\"", {0}, true, {10, 15, false, false}},
    {PMD "; server_max_window_bits=8", {0}, true, {8, 15, false, false}},
    {PMD "; server_max_window_bits=10", {10, 0, false, false}, true, {10, 15, false, false}},
    {PMD "; server_max_window_bits=9", {10, 0, false, false}, true, {9, 15, false, false}},
    {PMD "; client_max_window_bits=9", {0, 15, false, false}, true, {15, 9, false, false}},
    {PMD "; client_max_window_bits=8", {0, 15, false, false}, true, {15, 8, false, false}},
    {PMD "; client_max_window_bits=12", {0, 10, false, false}, true, {15, 10, false, false}},

    {PMD "; server_max_window_bits=11", {10, 0, false, false}, false, {0}}, /* larger than asked for */
    {PMD, {10, 0, false, false}, false, {0}},                              /* asked for and not confirmed */
    {PMD, {0, 0, true, false}, false, {0}},
    {PMD "; client_max_window_bits=10", {0}, false, {0}}, /* never unasked */
    {PMD "; client_max_window_bits", {0, 15, false, false}, false, {0}}, /* never without a value */
    {PMD "; server_max_window_bits", {0}, false, {0}},
    {PMD "; server_max_window_bits=7", {0}, false, {0}},
    {PMD "; server_max_window_bits=16", {0}, false, {0}},
    {PMD "; server_no_context_takeover; server_no_context_takeover", {0}, false, {0}},
    {PMD "; server_no_context_takeover=1", {0}, false, {0}},
    {PMD "; unknown", {0}, false, {0}},
    {PMD ";", {0}, false, {0}},
    {PMD ", " PMD, {0}, false, {0}},
    {"permessage-bzip2", {0}, false, {0}},
    {"", {0}, false, {0}},
};
/* clang-format on */

static void test_a_client_takes_no_answer_that_its_offer_forbids(void **state) {
    (void)state;
    for (unsigned i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct answer_row *row = &answers[i];
        struct wye_deflate_agreement agreement;
        memset(&agreement, 0xff, sizeof agreement);
        if (wye_deflate_accept_answer(&agreement, row->answer, strlen(row->answer), &row->offered) !=
            row->accepted)
            fail_msg("row %u, %s", i, row->answer);
        assert_int_equal(agreement.server_bits, row->agreement.server_bits);
        assert_int_equal(agreement.client_bits, row->agreement.client_bits);
        assert_int_equal(agreement.server_no_context, row->agreement.server_no_context);
        assert_int_equal(agreement.client_no_context, row->agreement.client_no_context);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_of_offers_is_answered_as_rfc_7692_says),
        cmocka_unit_test(test_an_answer_without_room_is_declined_and_none_needs_more_than_is_promised),
        cmocka_unit_test(test_both_sides_agree_to_the_same),
        cmocka_unit_test(test_a_client_takes_no_answer_that_its_offer_forbids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

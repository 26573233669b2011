#include "ring/option_values.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *wye_option_fault(struct wye_options *options, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options->why, sizeof options->why, format, arguments);
    va_end(arguments);
    return options->why;
}

/* Where a common reader writes to. */
static void *target(struct wye_options *options, const struct wye_given *given) {
    return (char *)options + given->option->at;
}

static void store(struct wye_options *options, const struct wye_given *given, uint64_t value) {
    void *at = target(options, given);
    switch (given->option->width) {
    case sizeof(uint8_t): *(uint8_t *)at = (uint8_t)value; return;
    case sizeof(uint32_t): *(uint32_t *)at = (uint32_t)value; return;
    default: assert(given->option->width == sizeof(uint64_t)); *(uint64_t *)at = value;
    }
}

/* Digits, and with `units` a K, M or G (2^10, 2^20, 2^30) behind them. */
static bool read_number(const char *text, bool units, uint64_t *value) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (units) shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : *end == 'G' || *end == 'g' ? 30 : 0;
    if (shift) end++;
    if (errno || *end || number > UINT64_MAX >> shift) return false;
    *value = number << shift;
    return true;
}

static const char *read_bounded(struct wye_options *options, const struct wye_given *given, bool units) {
    const struct wye_option *option = given->option;
    uint64_t value;
    if (!read_number(given->value, units, &value) || value < option->least || value > option->most)
        return wye_option_fault(options, "expected a number from %" PRIu64 " to %" PRIu64 "%s", option->least, option->most,
                                units ? " (K, M and G are understood)" : "");
    store(options, given, value);
    return NULL;
}

const char *wye_read_size(struct wye_options *options, const struct wye_given *given) { return read_bounded(options, given, true); }

const char *wye_read_count(struct wye_options *options, const struct wye_given *given) { return read_bounded(options, given, false); }

const char *wye_read_seconds(struct wye_options *options, const struct wye_given *given) {
    char *end;
    double seconds = strtod(given->value, &end);
    if (end == given->value || *end || !(seconds >= 0) || seconds > 1e6) return "expected seconds, from 0 (off) to 1000000";
    store(options, given, (uint64_t)(seconds * 1e9));
    return NULL;
}

/* "expected close, drop or latest" */
static const char *expected_words(struct wye_options *options, const char *const *words) {
    size_t count = (size_t)snprintf(options->why, sizeof options->why, "expected %s", words[0]);
    for (unsigned i = 1; words[i] && count < sizeof options->why; i++)
        count += (size_t)snprintf(options->why + count, sizeof options->why - count, "%s%s", words[i + 1] ? ", " : " or ", words[i]);
    return options->why;
}

/* Which of the row's words it is; `fault` is NULL then. */
static unsigned word_of(struct wye_options *options, const struct wye_given *given, const char **fault) {
    const char *const *words = given->option->words;
    unsigned at = 0;
    while (words[at] && strcmp(given->value, words[at]) != 0) at++;
    *fault = words[at] ? NULL : expected_words(options, words);
    return at;
}

const char *wye_read_word(struct wye_options *options, const struct wye_given *given) {
    const char *fault;
    unsigned word = word_of(options, given, &fault);
    if (!fault) store(options, given, word);
    return fault;
}

const char *wye_read_flag(struct wye_options *options, const struct wye_given *given) {
    bool yes = strcmp(given->value, "yes") == 0 || *given->value == 0;
    if (!yes && strcmp(given->value, "no") != 0) return "expected yes or no";
    store(options, given, yes);
    return NULL;
}

const char *wye_read_text(struct wye_options *options, const struct wye_given *given) {
    struct wye_texts *texts = target(options, given);
    if (texts->count == WYE_TEXTS_MAX) return wye_option_fault(options, "at most %d of them", WYE_TEXTS_MAX);
    texts->at[texts->count++] = given->value;
    return NULL;
}

const char *wye_read_name(struct wye_options *options, const struct wye_given *given) {
    if (!*given->value) return "it is empty";
    *(const char **)target(options, given) = given->value;
    return NULL;
}

/* ---- one option each ---- */

const char *wye_read_listen(struct wye_options *options, const struct wye_given *given) {
    if (options->listener_count == WYE_LISTENERS_MAX) return wye_option_fault(options, "at most %d listeners", WYE_LISTENERS_MAX);
    struct wye_address *address = &options->listeners[options->listener_count];
    const char *fault = wye_address_read(address, given->value);
    if (fault) return fault;
    address->tls = given->option->of_tls;
    options->tls |= address->tls;
    options->listener_count++;
    return NULL;
}

const char *wye_read_on_slow(struct wye_options *options, const struct wye_given *given) {
    size_t *count = &options->settings.slow_rule_count;
    const char *fault;
    enum wye_on_slow on_slow = (enum wye_on_slow)word_of(options, given, &fault);
    if (fault) return fault;
    if (!given->topic.bytes) {
        options->settings.on_slow = on_slow;
        return NULL;
    }
    if (*count == WYE_TEXTS_MAX) return wye_option_fault(options, "at most %d of them", WYE_TEXTS_MAX);
    options->slow_rules[(*count)++] = (struct wye_slow_rule){given->topic, on_slow};
    return NULL;
}

/* "N" or "N<mark>M", two numbers; which of them may have a K, M or G. *second stays when it isn't there. */
static bool read_pair(const char *value, char mark, bool first_units, uint64_t *first, bool second_units, uint64_t *second) {
    char text[64];
    size_t count = strlen(value);
    if (count >= sizeof text) return false;
    memcpy(text, value, count + 1);
    char *at = strchr(text, mark);
    if (at) *at = 0;
    return read_number(text, first_units, first) && (!at || read_number(at + 1, second_units, second));
}

const char *wye_read_history(struct wye_options *options, const struct wye_given *given) {
    size_t *count = &options->settings.history_rule_count;
    uint64_t messages, bytes = SIZE_MAX;
    if (!read_pair(given->value, ':', false, &messages, true, &bytes) || messages > WYE_HISTORY_MESSAGES_MAX || bytes == 0)
        return wye_option_fault(options, "expected N or N:BYTES, or TOPIC=N or TOPIC=N:BYTES; N is from 0 (none) to %d, BYTES at least 1",
                                WYE_HISTORY_MESSAGES_MAX);
    const struct wye_history_limits limits = {(size_t)bytes, (uint32_t)messages};
    if (!given->topic.bytes) {
        options->settings.history = limits;
        return NULL;
    }
    if (given->topic.bytes[0] == '$') return "topics that begin with '$' are the node's own: they have no history";
    if (*count == WYE_TEXTS_MAX) return wye_option_fault(options, "at most %d of them", WYE_TEXTS_MAX);
    options->history_rules[(*count)++] = (struct wye_history_rule){given->topic, limits};
    return NULL;
}

const char *wye_read_rate(struct wye_options *options, const struct wye_given *given) {
    uint64_t tokens, burst = 1;
    bool read = read_pair(given->value, ':', true, &tokens, true, &burst);
    if (!read || !tokens || tokens > UINT32_MAX || !burst || burst > UINT32_MAX)
        return "expected N or N:BURST, numbers from 1 to 4294967295 (K, M and G are understood)";
    if (!strchr(given->value, ':')) burst = tokens;
    *(struct wye_rate *)target(options, given) = (struct wye_rate){.tokens = tokens, .burst = burst, .period_ns = 1000000000};
    return NULL;
}

const char *wye_read_upgrade_rate(struct wye_options *options, const struct wye_given *given) {
    uint64_t tokens, seconds = 1;
    if (!read_pair(given->value, '/', false, &tokens, false, &seconds) || !tokens || tokens > 100000 || !seconds || seconds > 86400)
        return "expected N or N/SECONDS, N from 1 to 100000 and SECONDS to 86400";
    options->settings.upgrade_rate = (struct wye_rate){.tokens = tokens, .burst = tokens, .period_ns = seconds * 1000000000};
    return NULL;
}

const char *wye_read_trusted_proxy(struct wye_options *options, const struct wye_given *given) {
    size_t *count = &options->settings.trusted_count;
    if (*count == WYE_TEXTS_MAX) return wye_option_fault(options, "at most %d of them", WYE_TEXTS_MAX);
    const char *fault = wye_cidr_read(&options->trusted[*count], wye_span_of(given->value));
    if (!fault) ++*count;
    return fault;
}

const char *wye_read_config(struct wye_options *options, const struct wye_given *given) {
    if (options->config) return "there is a --config already";
    options->config = strdup(given->value);
    return options->config ? NULL : "no memory";
}

#include "ring/log.h"

#include "frames/close_code.h"
#include "handshake/request.h"
#include "handshake/rule.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int highest = WYE_LOG_INFO;

void wye_log_set_level(enum wye_log_level level) { atomic_store(&highest, (int)level); }

void wye_log(enum wye_log_level level, const char *format, ...) {
    if ((int)level > atomic_load_explicit(&highest, memory_order_relaxed)) return;
    char line[1024];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t count = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    count += (size_t)snprintf(line + count, sizeof line - count, ".%03ldZ %s ", now.tv_nsec / 1000000, level_names[level]);
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(line + count, sizeof line - count - 1, format, arguments);
    va_end(arguments);
    if (n > 0) count += (size_t)n < sizeof line - count - 1 ? (size_t)n : sizeof line - count - 2;
    line[count++] = '\n';
    fwrite(line, 1, count, stderr); /* one call, one line */
}

void wye_log_refusal(const struct wye_refusal *refusal, const struct wye_request *request) {
    char why[800], method[32] = "", path[128] = ""; /* a query may have a token, and isn't told */
    wye_refusal_line(why, sizeof why, refusal);
    if (request) {
        wye_span_escape(method, sizeof method, request->method, 16);
        wye_span_escape(path, sizeof path, request->path, 80);
    }
    wye_log(WYE_LOG_DEBUG, "refused%s%s%s%s: %s", request ? " " : "", method, request ? " " : "", path, why);
}

void wye_log_close(uint16_t code, const char *why) {
    const char *name = wye_close_code_name(code);
    wye_log(WYE_LOG_DEBUG, "closed: %u%s%s%s%s", code, name ? " " : "", name ? name : "", why ? ": " : "", why ? why : "");
}

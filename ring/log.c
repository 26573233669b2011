#include "ring/log.h"

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

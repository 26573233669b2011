/* Logs, to stderr, a line each. Any thread. */
#ifndef WYE_RING_LOG_H
#define WYE_RING_LOG_H

enum wye_log_level { WYE_LOG_ERROR, WYE_LOG_WARN, WYE_LOG_INFO, WYE_LOG_DEBUG };

/* Lines above this level are left out. */
void wye_log_set_level(enum wye_log_level level);

__attribute__((format(printf, 2, 3))) void wye_log(enum wye_log_level level, const char *format, ...);

#endif

/* Logs, to stderr, a line each. Any thread. */
#ifndef WYE_RING_LOG_H
#define WYE_RING_LOG_H

#include <stdint.h>

enum wye_log_level { WYE_LOG_ERROR, WYE_LOG_WARN, WYE_LOG_INFO, WYE_LOG_DEBUG };

/* Lines above this level are left out. */
void wye_log_set_level(enum wye_log_level level);

__attribute__((format(printf, 2, 3))) void wye_log(enum wye_log_level level, const char *format, ...);

struct wye_refusal;
struct wye_request;

/* Lines at debug, as struct wye_settings wants them told: a request that is refused, a WebSocket that the node closes. */
void wye_log_refusal(const struct wye_refusal *refusal, const struct wye_request *request);
void wye_log_close(uint16_t code, const char *why);

#endif

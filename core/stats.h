/* The node's own account of itself: the topic $wye/stats, and /metrics. */
#ifndef WYE_CORE_STATS_H
#define WYE_CORE_STATS_H

#include "core/site.h"

struct wye_hub;

/* "$wye/stats": once a second, while somebody on this hub subscribes. */
extern const struct wye_span wye_stats_topic;

/* Publishes the counters of the whole node to this hub's subscribers, and says when next (hub->stats_due_ns). */
void wye_stats_publish(struct wye_hub *hub);

/* GET /metrics: Prometheus text (version 0.0.4), a row a loop. */
void wye_stats_answer_metrics(struct wye_hub *hub, struct wye_answer *answer);

#endif

/* The topics of the node, told with their subscribers and rates: GET /topics by name and page by page, and the largest for the page. */
#ifndef WYE_CORE_LISTING_H
#define WYE_CORE_LISTING_H

#include "core/report.h"
#include "core/site.h"
#include "core/subject.h"

struct wye_hub;

enum { WYE_LARGEST_MAX = 12 };

/* The largest topics that were found so far, and where they are looked for next. All zero: nowhere yet. */
struct wye_largest {
    struct wye_listing listing;
    size_t filled;
    struct wye_subject_view views[WYE_LARGEST_MAX]; /* most subscribers first */
};

/*
 * GET /topics?limit=N&after=NAME&match=PATTERN. Looks at a bounded number of topics: a page may be shorter than the limit, or empty,
 * and is the last one when it has no "next".
 */
void wye_listing_answer(struct wye_hub *hub, struct wye_answer *answer);

/*
 * Adds "topics_total", "window_s" and "topics": the largest. With more topics than are looked at in one go, a topic that has
 * become large is found some calls later.
 */
void wye_listing_add_largest(struct wye_hub *hub, struct wye_report *report);

#endif

/* What a response other than 101 means; the part of diagnosis.c that reads statuses and contents. */
#ifndef WYE_HANDSHAKE_REFUSED_H
#define WYE_HANDSHAKE_REFUSED_H

#include "handshake/diagnosis.h"

/* Adds what the answer, whose status isn't 101, tells. */
void wye_refused_diagnose(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt);

/* Which rules of the node's table a content names, as wye_refusal_text() writes them: bit r for rule r. */
uint64_t wye_refused_by_rules(struct wye_span body);

/* Which of wye_proxy_names has answered, by Server and Via; -1: unknown. */
int wye_proxy_of(const struct wye_client_answer *head);

/* ---- for both ---- */

/* The finding of this kind, added if it isn't there. */
struct wye_finding *wye_finding_add(struct wye_diagnosis *diagnosis, enum wye_trouble trouble);

/* Where its evidence goes on. */
struct wye_text wye_finding_evidence(struct wye_finding *finding);

/* Notes the server's own words. */
void wye_finding_say(struct wye_finding *finding, struct wye_span said);

#endif

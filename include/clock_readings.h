/* What the clocks of a target say: one reader per kind of target.
 *
 * A reading is {"name", "what", "offset_ms", "bound_ms", "absolute", "synchronised"}: offset_ms is that clock minus
 * this machine's (absolute false) or minus true time as its own kernel knows it (absolute true); bound_ms is how far
 * the offset itself may be off.  Sources: RFC 5905; RFC 9110 section 5.6.7 (Date has whole seconds); PostgreSQL
 * clock_timestamp(); Redis TIME; Kubernetes node leases (renewed each quarter of their duration); node_exporter's timex
 * collector. */
#ifndef ROUNDS_CLOCK_READINGS_H
#define ROUNDS_CLOCK_READINGS_H

#include <jansson.h>

#include "session.h"

/* Appends the readings of the session's target to the array `clocks`; sets counts of what was left out in `facts`
 * ("leases", "leases_stale").  Parts that cannot be read become gaps for ATH-6.  -1 when nothing can be read. */
int clock_readings(struct session *session, json_t *facts, json_t *clocks, struct error *err)
        __attribute__((warn_unused_result));

/* The offset that several dated answers share: answer i said second date_ms[i] (cut to whole seconds) at some time
 * between sent_ms[i] and received_ms[i].  False when no offset fits them all. */
struct dated_answer {
        double date_ms, sent_ms, received_ms;
};
bool clock_dates_agree(const struct dated_answer *answers, size_t count, double *offset_ms, double *bound_ms);

#endif

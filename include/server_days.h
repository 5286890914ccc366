/* Days that a server remembers by itself, with those that earlier runs stored: one history for a projection.
 *
 * Days are [[milliseconds, value], ...] as facts hold them, oldest first. */
#ifndef ROUNDS_SERVER_DAYS_H
#define ROUNDS_SERVER_DAYS_H

#include <jansson.h>

#include "history.h"
#include "trend.h"

/* Fits the days before question->now_ms, the own samples older or newer than those, and `value` now.  `days` may be of
 * any shape and `own` NULL.  0, or -1 when memory ran out. */
int server_days_fit(const json_t *days, const struct series *own, double value, const struct trend_question *question,
                    struct trend *out) __attribute__((warn_unused_result));

#endif

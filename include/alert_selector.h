/* Two selectors of series: of one metric, whatever its unit, and of one thing, however it is written. */
#ifndef ROUNDS_ALERT_SELECTOR_H
#define ROUNDS_ALERT_SELECTOR_H

#include "promql.h"

/* Whether two names are one metric's: latency_ms_bucket and latency_seconds_bucket are.  *unit is multiplied by what a
 * value of `rule` must be multiplied by to be one of `wanted`. */
bool alert_name_alike(const char *wanted, const char *rule, double *unit);

/* Whether the rule's matcher of a label is about what the wanted one is about; *narrower is set when it lets less
 * through.  A difference in case alone is a slip in the same thing. */
bool alert_matcher_alike(const struct promql_matcher *wanted, const struct promql_matcher *rule, bool *narrower);

#endif

/* Which series there are for the selectors of alert rules.
 *
 * Facts per selector: {"selector": "up{job=\"x\"}", "name": "up", "series": 3, "of_name": 5, "ever": true, "jobs":
 * ["x"], "matchers":
 * [{"text": "job=\"x\"", "label", "op", "value", "alone": 3, "without": 5, "has_label": true, "values": ["x", "y"]}],
 * "labels": {"namespace": ["a"]}, "highest_bucket": 10}.  `series` and `of_name` (whatever the labels) count the last
 * hours; `ever` says whether there was one in all the time that is kept; `alone` and `without` count the series with
 * this matcher only and with all the others (null where a metric has too many series to look at each); `values` are
 * what a label that matched nothing does have; `labels` what those labels may be that Alertmanager routes by;
 * `highest_bucket` the largest finite bound of a histogram. */
#ifndef ROUNDS_ALERT_SERIES_H
#define ROUNDS_ALERT_SERIES_H

#include <jansson.h>

#include "prometheus.h"
#include "promql.h"

#define ALERT_LOOK_BACK_MS (6 * 3600 * 1000LL) /* "the last hours" */

/* A selector without its range and modifiers, as text: the key of its facts. */
void alert_selector_key(const struct promql_node *selector, struct buffer *out);

/* Looks up the selectors of all expressions in `rules` (array of {"expr"}) and in those `recordings` ({"name", "expr"})
 * that they look at; `labels` are those that matter for routing.  *out is a new array, sorted by selector; *left_out
 * counts selectors past the cap. */
int alert_series_read(struct prometheus *prometheus, int64_t now_ms, const json_t *rules, const json_t *recordings,
                      const json_t *labels, json_t **out, size_t *left_out, struct error *err)
        __attribute__((warn_unused_result));

#endif

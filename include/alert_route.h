/* Where an alert goes: Alertmanager's configuration reduced, its routing tree walked, its silences read.
 *
 * Reduced routing is {"route": ROUTE, "receivers": [{"name", "integrations": ["slack", "webhook"]}],
 * "inhibitions": [{"source": [MATCHER], "target": [MATCHER], "equal": ["namespace"]}]}; a ROUTE is {"receiver",
 * "matchers": [MATCHER], "continue", "mute": ["weekends"], "active": [...], "routes": [ROUTE]}, its receiver already
 * inherited; a MATCHER is {"label", "op": "=" "!=" "=~" "!~", "value"}.  Nothing of a receiver but its name and the
 * types of its integrations is kept: the rest is secrets. Source: Alertmanager documentation, "Configuration" (0.16 to
 * 0.28; match and match_re of old versions too). */
#ifndef ROUNDS_ALERT_ROUTE_H
#define ROUNDS_ALERT_ROUTE_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

/* 1 when a value fulfils a matcher ("=~" is anchored at both ends), 0 when not, -1 when its pattern cannot be read. */
int label_matches(const char *op, const char *wanted, const char *value);

/* Reduces a configuration's YAML text; new. */
int alert_routing_read(const char *yaml, json_t **out, struct error *err) __attribute__((warn_unused_result));

/* A matcher from its text: severity="critical", {a=~"b|c"}, a!=b.  New; NULL when it is none. */
json_t *alert_matcher_read(const char *text);

/* The names of labels that the routing looks at, sorted; new. */
json_t *alert_routing_labels(const json_t *routing);

/* Labels of an alert as known before it fires: {"severity": ["critical"], "namespace": ["a", "b"], "pod": [""]}: what
 * each may be, [""] when it is surely missing.  A label that is not listed may be anything. */

enum alert_sure { ALERT_NEVER_SURE, ALERT_PERHAPS, ALERT_SURELY }; /* no, depends on labels, yes */

/* Whether all matchers of an array are fulfilled. */
enum alert_sure alert_matched(const json_t *matchers, const json_t *labels);

/* The receivers an alert reaches, in the order of the tree; new array of {"receiver", "sure": bool, "integrations":
 * [...], "exists": bool, "mute": [...], "active": [...]}. */
json_t *alert_routes(const json_t *routing, const json_t *labels);

/* The names of inhibitions' sources that may silence the alert, as texts ("severity=\"critical\""); new array. */
json_t *alert_inhibitors(const json_t *routing, const json_t *labels);

#endif

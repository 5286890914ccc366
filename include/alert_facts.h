/* What Prometheus and Alertmanager say about alerting, reduced to facts.
 *
 * {"rules": [RULE], "recordings": [{"name", "expr"}], "selectors": [see alert_series.h], "intervals": {"job": ms},
 *  "external_labels": {}, "alertmanagers": 1 (that Prometheus sends to; null: not told), "routing": {see
 * alert_route.h}, "silences": [{"matchers", "ends": "2026-...", "by"}]}; "routing" is missing when no Alertmanager is
 * named or read. A RULE is {"group", "name", "expr", "for_ms", "labels": {}, "annotations": ["summary"], "links":
 * {"runbook_url": "..."}, "health": "ok", "error": "...", "source": "prometheus" or "TARGET/NAMESPACE/NAME" of an
 * object}. Without a Prometheus "prometheus" is false and the objects are the rules. */
#ifndef ROUNDS_ALERT_FACTS_H
#define ROUNDS_ALERT_FACTS_H

#include <jansson.h>

#include "session.h"

int alert_facts_read(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif

/* The place where alert rules run, from the facts of alert_facts.h: its rules parsed, its series looked up.
 *
 * Facts are borrowed and must outlive the site. */
#ifndef ROUNDS_ALERT_SITE_H
#define ROUNDS_ALERT_SITE_H

#include <jansson.h>

#include "alert_shape.h"
#include "finding.h"

struct alert_rule {
        const json_t *facts;   /* RULE */
        struct promql *promql; /* NULL: not understood, see `error` */
        struct error error;
        int64_t hold_ms;
        bool loaded;  /* by Prometheus: not only an object of the cluster */
        bool watched; /* one of the alerts that the policy wants */
        bool always;  /* its comparison yields a result whatever the value is */
        bool beyond;  /* its threshold is a figure that a share never reaches */
};

struct alert_site {
        const json_t *facts;
        const json_t *place_labels; /* names of labels that tell the place, an array */
        struct alert_rule *rules;
        size_t count;
        struct alert_recording *recordings;
        size_t recording_count;
        json_t *selectors; /* key -> facts of a selector */
        struct alert_world world;
};

/* NULL when memory ran out. */
struct alert_site *alert_site_open(const json_t *facts, const json_t *place_labels);
void alert_site_close(struct alert_site *site);

static inline void
alert_site_scope(struct alert_site **site)
{
        alert_site_close(*site);
}
#define scoped_site __attribute__((cleanup(alert_site_scope))) struct alert_site

/* What is known of a selector's series; NULL when nothing is. */
const json_t *alert_site_selector(const struct alert_site *site, const struct promql_node *selector);

/* --- whether a rule can fire (alert_fire.c) ------------------------------------------------------------------------
 */

struct alert_fault {
        const char *observed, *message, *remedy;
};

/* True, and why, when the rule can never fire, or fires always: absent series, values that labels never have,
 * impossible comparisons, windows shorter than two scrapes.  Texts live as long as `out`. */
bool alert_cannot_fire(const struct alert_site *site, const struct alert_rule *rule, struct findings *out,
                       struct alert_fault *fault);

/* --- what its labels will be (alert_labels.c) ----------------------------------------------------------------------
 */

/* The labels of the alert as alert_routes() takes them: the rule's own, alertname, Prometheus's external ones, and what
 * the series have of those that the routing looks at.  New. */
json_t *alert_labels(const struct alert_site *site, const struct alert_rule *rule);

#endif

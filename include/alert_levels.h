/* At which values the alert rules on one matter fire, from the facts of the audit `alerts` of several targets. */
#ifndef ROUNDS_ALERT_LEVELS_H
#define ROUNDS_ALERT_LEVELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "finding.h"

struct alert_level {
        const char *target; /* that the rule was seen on */
        const char *alert, *expression;
        double threshold, wanted;       /* both as if the rule were written like the wanted expression */
        int64_t hold_ms;                /* how long it waits before it fires */
        bool loaded;                    /* by Prometheus: not only an object of a cluster */
        bool narrowed;                  /* a matcher leaves series out: */
        const char *label, *op, *value; /*   its parts ("" when not narrowed) */
        const json_t *clusters;         /* names of the clusters that the target belongs to; borrowed, NULL: any */
};

enum { ALERT_LEVELS_MOST = 200 };

struct alert_levels {
        struct alert_level rows[ALERT_LEVELS_MOST]; /* by target, then in the order of its rules */
        size_t count;
        size_t targets; /* whose rules were looked at */
};

/* Finds the rules about one of the expressions `texts` ("EXPRESSION for 5m", as the policy writes them) in the entries
 * of `facts` (as audit.h has them for a cross-layer audit).  A rule about two of them is there once.  Texts of the rows
 * live as long as `keep`.  -1 when an expression cannot be read. */
int alert_levels_find(const json_t *facts, const json_t *texts, const json_t *place_labels, struct alert_levels *out,
                      struct findings *keep, struct error *err) __attribute__((warn_unused_result));

/* Whether the rule is about the cluster of that name, as far as configured. */
bool alert_level_of_cluster(const struct alert_level *level, const char *cluster);

#endif

/* The parts of the audit nodes' judgement: what they share, and one judge beside the audit itself.  Pure. */
#ifndef ROUNDS_NODES_JUDGE_H
#define ROUNDS_NODES_JUDGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "finding.h"
#include "policy.h"

struct nodes_judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        int64_t now_ms;
};

/* Adds a fail of `control`; `severe` as in policy_severity(). */
void nodes_fail(const struct nodes_judge *judge, const char *control, struct resource resource, bool severe,
                const char *observed, const char *expected, const char *message, const char *remedy,
                const char *evidence);

/* NOD-6: nodes under pressure or not Ready, pods that wait too long, pods that were evicted. */
void nodes_pressure_judge(const struct nodes_judge *judge);

#endif

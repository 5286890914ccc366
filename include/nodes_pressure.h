/* NOD-6: nodes under pressure or not Ready, pods that wait too long, pods that were evicted. */
#ifndef ROUNDS_NODES_PRESSURE_H
#define ROUNDS_NODES_PRESSURE_H

#include <jansson.h>
#include <stdint.h>

#include "finding.h"
#include "policy.h"

/* Judges `nodes`, `pending` and `evicted` of the facts of audit nodes. */
void nodes_pressure_judge(const json_t *facts, const struct policy *policy, int64_t now_ms, struct findings *out);

#endif

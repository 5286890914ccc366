/* Disruption budgets under judgement (NOD-2), over the facts of audit workloads. */
#ifndef ROUNDS_WORKLOADS_BUDGETS_H
#define ROUNDS_WORKLOADS_BUDGETS_H

#include <jansson.h>

#include "finding.h"
#include "policy.h"

void workloads_budgets_judge(const json_t *facts, const struct policy *policy, struct findings *out);

/* How many of `replicas` pods a budget lets go at once when all are healthy; percentages are rounded up, as the
 * controller does.  NAN when the budget says neither bound, or one that is none.
 * Source: Kubernetes, disruption controller, getExpectedPodCount. */
double budget_allows(const json_t *budget, double replicas);

#endif

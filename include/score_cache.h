/* The cache of scoring results as its key class shows it: the Redis half of LAT-2. */
#ifndef ROUNDS_SCORE_CACHE_H
#define ROUNDS_SCORE_CACHE_H

#include <jansson.h>

#include "finding.h"
#include "policy.h"

/* Judges the class that the policy of LAT-2 names, from the facts of the redis_keys audit; a skip when the target has
 * no such class. */
void score_cache_judge(const json_t *facts, const struct policy *policy, struct findings *out);

#endif

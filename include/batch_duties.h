/* CronJobs that other controls count on: DLQ-2 (the replay of dead letters) and DSK-2 (the purge of old data), chosen
 * by the globs of their policies. */
#ifndef ROUNDS_BATCH_DUTIES_H
#define ROUNDS_BATCH_DUTIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "policy.h"

/* How many jobs were seen for each. */
struct batch_duties {
        size_t replays, purges;
};

/* True when a glob of the setting fits the job's name or namespace/name. */
bool batch_job_named(const json_t *job, const struct policy *policy, const char *control, const char *setting);

/* `job` is a row of `cronjobs` in the facts of audit batch. */
void batch_duties_judge(const json_t *job, const struct policy *policy, int64_t now_ms, struct batch_duties *duties,
                        struct findings *out);

/* After all jobs: what is to be said where there was none. */
void batch_duties_end(const struct batch_duties *duties, const struct policy *policy, struct findings *out);

#endif

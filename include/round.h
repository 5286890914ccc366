/* One round: the record of a run around the runner.  What `rounds run` does between its configuration and its reports.
 */
#ifndef ROUNDS_ROUND_H
#define ROUNDS_ROUND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "runner.h"
#include "store.h"
#include "tally.h"

struct round_order {
        const char *job, *version, *host, *shard;
        const json_t *config; /* for the store: policy, waivers, targets without secrets ... */
        double min_coverage;  /* percent */
        enum severity fail_on;
        struct retention keep;
        struct run_order run; /* `run` and `now_ms` are filled in here, the rest by the caller */
};

struct round_outcome {
        int64_t run;
        int64_t started_ms, finished_ms;
        bool interrupted;
        size_t lost; /* see struct run_outcome */
        struct tally tally;
        enum exit_status exit; /* of what was found and assessed; EXIT_STORE on -1 */
};

/* Records the start, runs the plan, records the end, deletes what is older than `keep`, counts.  -1 when the store
 * could not be written, or when the job is already running (nothing has happened then). */
int round_make(const struct round_order *order, struct round_outcome *outcome, struct error *err)
        __attribute__((warn_unused_result));

#endif

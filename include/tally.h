/* The findings of a run in numbers, and the exit status that follows from them. */
#ifndef ROUNDS_TALLY_H
#define ROUNDS_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "exit_status.h"
#include "finding.h"
#include "store.h"

struct tally {
        size_t by_status[STATUS_PASS + 1];
        size_t by_severity[SEV4 + 1]; /* fails */
};

int tally_run(struct store *store, int64_t run, struct tally *tally, struct error *err)
        __attribute__((warn_unused_result));

/* Percent of what should have been assessed: assessed / (assessed + errors), waived ones count as assessed, skipped
 * ones as neither.  0 when there was nothing: nothing seen is never a pass. */
double tally_coverage(const struct tally *tally);

/* EXIT_ASSESSED, EXIT_FINDINGS (a fail at or above `fail_on`) or EXIT_NOT_ASSESSED (coverage under `min_coverage`
 * percent).
 */
enum exit_status tally_exit(const struct tally *tally, enum severity fail_on, double min_coverage);

#endif

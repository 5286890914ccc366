/* The parts of the partitions audit's judgement.  Pure. */
#ifndef ROUNDS_PARTITION_JUDGE_H
#define ROUNDS_PARTITION_JUDGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "history.h"
#include "policy.h"

struct partition_judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        int64_t now_ms;  /* the server's clock */
        size_t checked;  /* tables that were judged */
        size_t failing;  /* those at fault */
        size_t silent;   /* those of which something is not known */
        const char *due; /* the table whose partitions end first, and when; "" when none ends */
        int64_t due_ms;
};

/* A table partitioned by ranges of time, a row of "partitioned".  `important`: it is one of the policy's tables, or of
 * its size; any other is judged only while its partitions are kept up.  False when its ranges are not of time. */
bool partition_judge_ranges(struct partition_judge *judge, const json_t *table, size_t index, bool important);

/* Children by inheritance of the table that inherited[first] names, up to inherited[until]. */
void partition_judge_inherited(struct partition_judge *judge, size_t first, size_t until, bool important);

/* Adds a fail of DSK-4 about `database`'s relation. */
void partition_fail(struct partition_judge *judge, const char *kind, const char *database, const char *name,
                    const struct finding *words);

/* "2026-11-01", of a moment within reason. */
const char *partition_day(struct findings *out, int64_t at_ms);

#endif

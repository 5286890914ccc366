/* The facts of the retention audit.
 *
 *   {"server": {standby, now_ms}, "databases_seen": [...],
 *    "rules": [{table, database, column, keep_ms, hold}],        as configured for the target
 *    "tables": [{rule, database, schema, name, bytes, column, type, source, oldest_ms, why,
 *                partitions: [{schema, name, from_ms, until_ms}]}],
 *    "candidates": [{database, schema, name, bytes, column}],    the largest with a time column, for who has no rules
 *    "jobs": [{database, id, name, schedule, role, active, purges}], "jobs_filtered": [{database, filtered, remedy}],
 *    "runs": [{database, id, succeeded_ms, started_ms, status, failures, message}]}
 *
 * `source` says how the oldest row is known: "index" and "scan" (of a small table) are exact, "statistics" is no older
 * than the truth, "partitions" are those that hold rows, oldest first, "empty", "denied", "none".  `why`: an error's
 * words.  A job's command is not kept, only whether it deletes. */
#ifndef ROUNDS_RETENTION_FACTS_H
#define ROUNDS_RETENTION_FACTS_H

#include <jansson.h>

#include "error.h"
#include "finding.h"
#include "history.h"
#include "policy.h"
#include "session.h"

int retention_facts(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

/* Jobs of pg_cron that purge: did each succeed lately?  `now_ms`: the server's clock. */
void retention_judge_jobs(const json_t *facts, const struct policy *policy, int64_t now_ms, struct findings *out);

#endif

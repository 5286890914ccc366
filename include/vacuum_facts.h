/* The facts of the vacuum audit.
 *
 *   {"server": {standby, version, now_ms, autovacuum, track_counts, workers_most, freeze_age, multixact_freeze_age,
 *               vacuum_threshold, vacuum_scale},
 *    "databases": [{name, enterable, xid_age, multixact_age, reset_ms, track_counts}],      every one of the server
 *    "sessions" | "prepared" | "slots" | "replicas": what may hold back the oldest xmin, oldest first,
 *    "workers": [{pid, database, doing, busy_ms}],                                          autovacuum's, now
 *    "databases_seen": [names that were entered],
 *    "tables": [{database, schema, name, locked, bytes, rows, live, dead, changed, inserted, written, vacuum_ms,
 *                analyze_ms, autovacuum, scale, threshold, toast_bytes, toast_live, toast_dead}],
 *    "parents": [{database, schema, name, bytes, parts, analyze_ms}],                       partitioned, since 14
 *    "switched_off": [{database, schema, name}],
 *    "ages": [{database, schema, name, toast, temporary, xid_age, multixact_age, bytes}],
 *    "indexes": [{database, schema, name, table_schema, table, partitioned, leftover, maintained, bytes}], invalid ones
 *    "sequences": [{database, schema, name, increment, low, high, cycles, readable, last, called, table_schema,
 *                   table, column, type}],                              of a small range, with the narrowest column
 *    "sequences_low": how many more of these have used less than a tenth}
 *
 * Ages are in transactions (or multixacts); times are the server's own clock, to be held against now_ms. */
#ifndef ROUNDS_VACUUM_FACTS_H
#define ROUNDS_VACUUM_FACTS_H

#include <jansson.h>

#include "error.h"
#include "postgres.h"
#include "session.h"

int vacuum_facts(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

/* Adds the "sequences" of one database: their catalogue rows first, then their values, many in each statement. */
int vacuum_sequences(struct postgres *server, const char *database, json_t *facts, struct error *err)
        __attribute__((warn_unused_result));

#endif

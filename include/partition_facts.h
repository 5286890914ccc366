/* The facts of the partitions audit.
 *
 *   {"server": {standby, now_ms}, "databases_seen": [...],
 *    "partitioned": [{database, schema, name, root_schema, root, strategy: "range" | "list" | "hash", key, type, bytes,
 *                     rows, parts}],                            every partitioned table, also those that are partitions
 *    "partitions": [{database, parent_schema, parent, schema, name, bound, is_default, detaching, bytes, empty, rows}],
 *                                                  of ranges, and default partitions; rows null: nobody counted them
 *    "inherited": [{database, schema, name, parent_schema, parent, bytes, checks}],         children by inheritance
 *    "plain": [{database, schema, name, bytes, index_bytes, rows, column, type, correlation, oldest_ms, newest_ms,
 *               histogram, unique_without}],                      the largest tables that are not partitioned
 *    "names": [{database, schema, name, bytes}],                  the others
 *    "partman": [{database, schema}]}
 *
 * `column` is the time column a plain table would best be partitioned by; `histogram`: its oldest and newest are from
 * statistics; `unique_without`: a unique index that lacks it, which would have to take it in. */
#ifndef ROUNDS_PARTITION_FACTS_H
#define ROUNDS_PARTITION_FACTS_H

#include <jansson.h>

#include "error.h"
#include "session.h"

int partition_facts(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif

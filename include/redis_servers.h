/* Facts about every server of a Redis target: {"role", "servers": [{"address", "run_id", "version", ...}]}. */
#ifndef ROUNDS_REDIS_SERVERS_H
#define ROUNDS_REDIS_SERVERS_H

#include "redis.h"

/* Fills `row` (an object with what redis_server_put() puts) with what an audit asks of one server. */
typedef int (*redis_server_read)(struct redis *redis, json_t *row, struct error *err);

/* Reads every server; one that cannot be read becomes a gap for `controls` (comma-separated), and the rest goes on.
 * -1 when none could be read. */
int redis_servers_read(struct session *session, json_t *facts, const char *controls, redis_server_read read,
                       struct error *err) __attribute__((warn_unused_result));

/* Puts who a server is into `row`: address, run_id, replid, primary (of a replica), version, mode, replication,
 * database. */
int redis_server_put(const struct redis *redis, json_t *row) __attribute__((warn_unused_result));

/* Notes servers that redis_nodes() could not reach as gaps of `part`. */
int redis_unreachable_note(json_t *facts, const json_t *failed, const char *part, const char *controls,
                           struct error *err) __attribute__((warn_unused_result));

/* The value of `name` in a reply of CONFIG GET (alternating names and values); NULL when it is not there. */
const char *redis_pair_value(const struct redisReply *reply, const char *name);

#endif

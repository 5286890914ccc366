/* How many commands the servers of a Redis target carry out, which, and who waits for work that does not come.
 *
 * Facts: {"window_ms", "servers": [{...redis_server_put(), "uptime_s", "counted_by": "commandstats" or
 * "total_commands_processed", "total", "own", "window": {"ms", "commands", "own", "reset"}, "by_command": {"bzpopmin":
 * 4}, "queues": [{"prefix", "name", "waiting", "clients", "command"}], "blocked_unnamed", "clients_hidden",
 * "queues_looked"}]}. "total" is the server's own counter; "own" what this session had sent until then; both without
 * the other's.  A queue's "waiting" is what a worker could take now, -1 where that could not be read. */
#ifndef ROUNDS_REDIS_COMMANDS_H
#define ROUNDS_REDIS_COMMANDS_H

#include "redis.h"

/* Counts over `window_ms` on every server at once; 0: the counters as they stand, without waiting.  Servers that cannot
 * be read become gaps for `controls`. */
int redis_commands_read(struct session *session, int64_t window_ms, const char *controls, json_t *facts,
                        struct error *err) __attribute__((warn_unused_result));

#endif

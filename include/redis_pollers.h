/* BullMQ's queues on one server, as far as they are polled: told by the names that workers give their connections, and
 * by the queues' own meta keys where the server is small enough to look for them. */
#ifndef ROUNDS_REDIS_POLLERS_H
#define ROUNDS_REDIS_POLLERS_H

#include "redis.h"

/* Puts "queues", "blocked_unnamed", "clients_hidden" and "queues_looked" into `row`: see redis_commands.h.  Looks at
 * the clients twice and takes the greater counts, since a worker that goes from one poll to the next is blocked in
 * neither. What the server or our rights hide is left out; -1 when the connection is lost or the time is over. */
int redis_pollers_put(struct redis *redis, const struct deadline *deadline, json_t *row, struct error *err)
        __attribute__((warn_unused_result));

/* The prefix and queue in the name of a BullMQ worker's connection, "bull:YmF0Y2gtam9icw==" or "bull:YmF0Y2g=:w:name".
 * False when it is none.  Both are NUL-terminated, at most 127 bytes. */
bool redis_worker_name(const char *name, size_t length, char prefix[128], char queue[128]);

#endif

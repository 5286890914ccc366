/* The inside of a Redis connection: shared by redis.c (protocol), redis_topology.c (cluster, Sentinel). */
#ifndef ROUNDS_REDIS_CONNECTION_H
#define ROUNDS_REDIS_CONNECTION_H

#include <hiredis/hiredis.h>

#include "buffer.h"
#include "redis.h"
#include "transport.h"

struct redis {
        struct transport *transport;
        redisReader *reader;
        redisReplyObjectFunctions functions; /* hiredis' own, but with a cap on arrays */
        __typeof__(((redisReplyObjectFunctions *)0)->createArray) default_array;
        struct buffer output;
        size_t pending; /* replies that are still to come */
        uint64_t sent;  /* commands, ever */
        const struct session *session;
        struct redis_server server;
        int64_t sent_us, round_trip_us;
        struct error broken;             /* reason NONE: usable */
        const struct redis_place *place; /* that it was opened with, and its own address in it; for redis_reopen() */
        char *host, *port;               /* owned; NULL: the place's own */
        bool reads_replica;              /* READONLY was asked */
};

/* Fields of a row of the settings `queues`. */
extern const struct setting redis_queue_fields[];

/* How to reach a server of this target: the parsed URL and the settings around it.  Strings owned. */
struct redis_place {
        char *host, *port, *unix_path;
        bool tls;
        int database;
        char *user, *password;
};

int redis_place_read(const struct target *target, struct redis_place *place, struct error *err)
        __attribute__((warn_unused_result));
void redis_place_free(struct redis_place *place);

/* Connects to host:port (or the place's own when NULL), authenticates, selects, names itself, asks who answers.  Where
 * `host` is given, within a share of the session's time (deadline_share).  The place must outlive the connection. */
struct redis *redis_open(const struct session *session, const struct redis_place *place, const char *host,
                         const char *port, struct error *err);
void redis_close(void *redis);

/* A replica of `primary` that is in step with it and can be read; NULL where there is none. */
struct redis *redis_replica_open(const struct session *session, const struct redis_place *place, struct redis *primary);

#endif

/* Which queues a Redis target has: those of its configuration, else the BullMQ queues that its key space shows.
 *
 * Looked for once per session and kept there; everything is borrowed from the session and the configuration. */
#ifndef ROUNDS_QUEUE_SOURCES_H
#define ROUNDS_QUEUE_SOURCES_H

#include "redis.h"

enum { QUEUES_MOST = 300 };

enum queue_kind { QUEUE_BULLMQ, QUEUE_LIST, QUEUE_STREAM };

const char *queue_kind_name(enum queue_kind kind); /* "bullmq" "list" "stream" */

struct queue_source {
        const char *name;
        enum queue_kind kind;
        const char *key;        /* of a list or stream; the beginning of a BullMQ queue's keys ("bull:batch-jobs") */
        const json_t *settings; /* the row of the configuration; NULL when discovered */
        struct redis *node;     /* the server that holds it */
        bool exists;            /* some key of it was there */
        struct error broken;    /* why it could not be looked for; reason NONE: it was */
};

struct queue_sources {
        struct queue_source *rows; /* in the configuration's order; discovered ones by name */
        size_t count;
        bool discovered; /* nothing is configured */
        bool more;       /* more than QUEUES_MOST were there */
        json_t *failed;  /* servers that could not be reached, as redis_nodes() tells them */
};

/* NULL when no server can be asked at all. */
const struct queue_sources *queue_sources_read(struct session *session, struct error *err);

/* Finds the server of a key (any part of a target's servers may hold it), and whether some key of `key`'s queue is
 * there.  Fills node and exists; -1 when every server refuses. */
int queue_source_place(struct session *session, struct queue_source *source, struct error *err)
        __attribute__((warn_unused_result));

#endif

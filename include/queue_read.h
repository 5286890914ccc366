/* What a queue looks like from outside: one reader per way in which queues lie in Redis.
 *
 * A look is cheap and is taken several times: {"at_ms" (the server's clock), "waiting", "active", "added" (jobs ever
 * added, where it is told), "head" (the next one's identity, dropped from the facts)}.
 * A reading is taken once and fills the queue's row:
 *   counts    {"wait", "delayed", "failed" ...}
 *   oldest_ms age of the oldest that waits; absent when unknown or nothing waits
 *   active    {"jobs", "unseen", "rows": [{"id", "name", "age_ms", "locked", "stalled"}], longest first}
 *   retries   {"jobs", "of", "rows": [{"name", "attempts", "backoff", "keeps", "jobs"}]}: options of a sample
 *   groups    [{"name", "consumers", "pending", "lag", ...}] of a stream
 *   meta      {"paused", "version", "concurrency"} of a BullMQ queue */
#ifndef ROUNDS_QUEUE_READ_H
#define ROUNDS_QUEUE_READ_H

#include "message_check.h"
#include "queue_sources.h"

struct queue_question {
        const struct session *session;
        const struct queue_source *source;
        int64_t sample;              /* jobs or messages looked at */
        struct message_check *check; /* NULL: no schema */
};

struct queue_reader {
        int (*look)(const struct queue_question *question, json_t *look, struct error *err);
        int (*read)(const struct queue_question *question, json_t *row, struct error *err);
};

extern const struct queue_reader queue_bullmq, queue_list, queue_stream;

/* The server's own clock, the run's where it does not tell. */
int64_t queue_clock(const struct queue_question *question);

/* The length of a list. */
int queue_list_length(const struct queue_source *source, int64_t *length, struct error *err)
        __attribute__((warn_unused_result));

/* Elements of a list of this length, at most `sample` of them: the newest lie where they were pushed; which end that is
 * nobody says, so both are looked at, in halves.  The visitor's answer other than 0 ends it. */
typedef int queue_element_visit(void *context, const struct redisReply *element, struct error *err);
int queue_list_sample(const struct queue_source *source, int64_t length, int64_t sample, queue_element_visit *visit,
                      void *context, struct error *err) __attribute__((warn_unused_result));

/* A whole number in a text reply; fallback for anything else. */
int64_t queue_number(const struct redisReply *reply, int64_t fallback);

#endif

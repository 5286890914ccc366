/* What the readers of BullMQ queues share. */
#ifndef ROUNDS_QUEUE_BULLMQ_H
#define ROUNDS_QUEUE_BULLMQ_H

#include "queue_read.h"

enum { QUEUE_KEY = 900, QUEUE_JOB_NAME = 120 }; /* bytes */

/* Adds the ids of a range of `part` ("active"; a sorted set or a list) to `ids` and `seen`, without those that `seen`
 * (an object by id) holds, and without markers. */
int queue_ids(const struct queue_source *source, const char *part, bool sorted, int64_t from, int64_t to, json_t *seen,
              json_t *ids, struct error *err) __attribute__((warn_unused_result));

/* A job's name as it may be shown: cut, valid, without API keys. */
void queue_job_name(const struct redisReply *reply, char name[QUEUE_JOB_NAME]);

/* Fills "active" of the row; `count` jobs are in that state. */
int queue_active_read(const struct queue_question *question, json_t *row, int64_t now_ms, int64_t count,
                      struct error *err) __attribute__((warn_unused_result));

#endif

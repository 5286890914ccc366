/* The active jobs of a BullMQ queue: since when, and does a worker still hold them?
 *
 * A worker holds a job by a lock KEY:ID:lock that it renews; who finds an active job without one puts it back to wait,
 * but somebody must look: BullMQ's workers do, every 30 seconds. */

#include "queue_bullmq.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "json.h"
#include "scope.h"

enum { ACTIVE_MOST = 500, ACTIVE_KEPT = 50 };

void
queue_job_name(const struct redisReply *reply, char name[QUEUE_JOB_NAME])
{
        scoped_json text = reply->type == REDIS_REPLY_STRING ? json_bytes(reply->str, (size_t)reply->len) : NULL;

        snprintf(name, QUEUE_JOB_NAME, "%s", text != NULL ? json_string_value(text) : "");
        error_text_redact(name);
}

int
queue_ids(const struct queue_source *source, const char *part, bool sorted, int64_t from, int64_t to, json_t *seen,
          json_t *ids, struct error *err)
{
        char key[QUEUE_KEY], first[24], last[24];
        scoped_reply reply = NULL;

        snprintf(key, sizeof key, "%s:%s", source->key, part);
        snprintf(first, sizeof first, "%" PRId64, from);
        snprintf(last, sizeof last, "%" PRId64, to);
        if (redis_send_texts(source->node, err, sorted ? "ZRANGE" : "LRANGE", key, first, last, NULL) != 0 ||
            redis_take_answer(source->node, part, &reply, err) != 0)
                return -1;
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
                const struct redisReply *id = reply->element[i];
                if (id->type != REDIS_REPLY_STRING || id->len >= 500 || strncmp(id->str, "0:", 2) == 0)
                        continue;
                json_t *text = json_stringn(id->str, (size_t)id->len); /* an id that is no text is not BullMQ's */
                if (text == NULL || json_object_get(seen, json_string_value(text)) != NULL) {
                        json_decref(text);
                        continue;
                }
                if (json_object_set_new(seen, json_string_value(text), json_true()) != 0 ||
                    json_array_append_new(ids, text) != 0)
                        return error_memory(err, "jobs");
        }
        return 0;
}

static int
active_job(const struct queue_source *source, json_t *jobs, const char *id, int64_t now_ms, struct error *err)
{
        scoped_reply job = NULL;
        scoped_reply lock = NULL;
        char name[QUEUE_JOB_NAME], shown[64];

        if (redis_take_answer(source->node, "HMGET of a job", &job, err) != 0 ||
            redis_take_answer(source->node, "EXISTS of a lock", &lock, err) != 0)
                return -1;
        if (job->type != REDIS_REPLY_ARRAY || job->elements != 3 || job->element[0]->type != REDIS_REPLY_STRING)
                return 0;
        int64_t since = queue_number(job->element[1], 0), stalled = queue_number(job->element[2], 0);
        json_t *row = json_push(jobs, json_object());
        queue_job_name(job->element[0], name);
        snprintf(shown, sizeof shown, "%.60s", id);
        error_text_redact(shown);
        return row != NULL && json_put_text(row, "id", shown) == 0 && json_put_text(row, "name", name) == 0 &&
                               (since == 0 ||
                                json_put_whole(row, "age_ms", since < now_ms ? now_ms - since : 0) == 0) &&
                               json_put_flag(row, "locked", queue_number(lock, 0) > 0) == 0 &&
                               json_put_whole(row, "stalled", stalled) == 0 && json_put_text(row, "key", id) == 0
                       ? 0
                       : error_memory(err, "facts");
}

static int
longest_first(const void *a, const void *b)
{
        const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
        int64_t l = json_whole(left, "age_ms", -1), r = json_whole(right, "age_ms", -1);

        return l != r ? (l < r ? 1 : -1) : strcmp(json_text(left, "id", ""), json_text(right, "id", ""));
}

/* Keeps those that are still active, the longest first, at most ACTIVE_KEPT; `still` holds the ids of a second look. */
static int
active_keep(json_t *rows, const json_t *jobs, const json_t *still, struct error *err)
{
        size_t count = 0;
        scoped(scope_free) json_t **sorted = calloc(json_array_size(jobs) + 1, sizeof(json_t *));

        if (sorted == NULL)
                return error_memory(err, "facts");
        for (size_t i = 0; i < json_array_size(jobs); i++) {
                json_t *job = json_array_get(jobs, i);
                if (json_object_get(still, json_text(job, "key", "")) != NULL)
                        sorted[count++] = job;
        }
        qsort(sorted, count, sizeof *sorted, longest_first);
        for (size_t i = 0; i < count && i < ACTIVE_KEPT; i++) {
                json_object_del(sorted[i], "key");
                if (json_array_append(rows, sorted[i]) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

int
queue_active_read(const struct queue_question *question, json_t *row, int64_t now_ms, int64_t count, struct error *err)
{
        const struct queue_source *source = question->source;
        scoped_json seen = json_object();
        scoped_json ids = json_array();
        scoped_json still = json_object();
        scoped_json again = json_array();
        scoped_json jobs = json_array();
        json_t *active = json_object(), *rows = json_array();
        char key[QUEUE_KEY];
        size_t i;
        json_t *id;

        if (json_put(row, "active", active) != 0 || json_put(active, "rows", rows) != 0 ||
            json_put_whole(active, "jobs", count) != 0 ||
            json_put_whole(active, "unseen", count > ACTIVE_MOST ? count - ACTIVE_MOST : 0) != 0)
                return error_memory(err, "facts");
        if (count == 0)
                return 0;
        if (queue_ids(source, "active", false, -ACTIVE_MOST, -1, seen, ids, err) != 0)
                return -1;
        json_array_foreach(ids, i, id)
        {
                snprintf(key, sizeof key, "%s:%s", source->key, json_string_value(id));
                if (redis_send_texts(source->node, err, "HMGET", key, "name", "processedOn", "stc", NULL) != 0)
                        return -1;
                snprintf(key, sizeof key, "%s:%s:lock", source->key, json_string_value(id));
                if (redis_send_texts(source->node, err, "EXISTS", key, NULL) != 0)
                        return -1;
        }
        json_array_foreach(ids, i, id)
        {
                if (active_job(source, jobs, json_string_value(id), now_ms, err) != 0)
                        return -1;
        }
        /* A job that ended in between has no lock, and is none that is stuck. */
        if (queue_ids(source, "active", false, -2 * ACTIVE_MOST, -1, still, again, err) != 0)
                return -1;
        return active_keep(rows, jobs, still, err);
}

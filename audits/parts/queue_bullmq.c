/* BullMQ queues, versions 3 to 6, as they lie in Redis.
 *
 * The layout is BullMQ's own (its Lua scripts, src/commands): lists wait, active and paused hold ids, pushed on the
 * left and taken on the right; sorted sets prioritized (from version 4), delayed, completed, failed and
 * waiting-children; a job is a hash KEY:ID.  What differs: until version 5 a pause renames wait to paused, from 6 on a
 * paused queue's jobs stay in wait; version 3 and 4 keep a marker "0:..." among the ids of wait; attempts are counted
 * in attemptsMade, from version 5 on in atm.  A delayed job's score is the time it is due, times 4096. */

#include "queue_bullmq.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

enum { BATCH = 20, ROWS_MOST = 200 };

static const char DELAY_SCALE[] = "4096";

enum state { WAIT, PAUSED, PRIORITIZED, DELAYED, ACTIVE, FAILED, COMPLETED, CHILDREN, STATES };

static const struct {
        const char *name;
        bool sorted, waits;
} states[STATES] = {
        [WAIT] = {"wait", false, true},
        [PAUSED] = {"paused", false, true},
        [PRIORITIZED] = {"prioritized", true, true},
        [DELAYED] = {"delayed", true, false},
        [ACTIVE] = {"active", false, false},
        [FAILED] = {"failed", true, false},
        [COMPLETED] = {"completed", true, false},
        [CHILDREN] = {"waiting-children", true, false},
};

static void
key_of(const struct queue_source *source, const char *part, char key[QUEUE_KEY])
{
        snprintf(key, QUEUE_KEY, "%s:%s", source->key, part);
}

static int
count_ask(const struct queue_source *source, enum state state, struct error *err)
{
        char key[QUEUE_KEY];

        key_of(source, states[state].name, key);
        return redis_send_texts(source->node, err, states[state].sorted ? "ZCARD" : "LLEN", key, NULL);
}

/* --- a look ------------------------------------------------------------------------------------------------------- */

static int
bullmq_look(const struct queue_question *question, json_t *look, struct error *err)
{
        const struct queue_source *source = question->source;
        static const enum state counted[] = {WAIT, PAUSED, PRIORITIZED, ACTIVE};
        char id[QUEUE_KEY], wait[QUEUE_KEY], prioritized[QUEUE_KEY];
        int64_t waiting = 0, active = 0;

        key_of(source, "id", id);
        key_of(source, "wait", wait);
        key_of(source, "prioritized", prioritized);
        if (json_put_whole(look, "at_ms", queue_clock(question)) != 0)
                return error_memory(err, "facts");
        for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
                if (count_ask(source, counted[i], err) != 0)
                        return -1;
        }
        if (redis_send_texts(source->node, err, "GET", id, NULL) != 0 ||
            redis_send_texts(source->node, err, "LINDEX", wait, "-1", NULL) != 0 ||
            redis_send_texts(source->node, err, "ZRANGE", prioritized, "0", "0", NULL) != 0)
                return -1;
        for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
                scoped_reply reply = NULL;
                if (redis_take_answer(source->node, states[counted[i]].name, &reply, err) != 0)
                        return -1;
                *(counted[i] == ACTIVE ? &active : &waiting) += queue_number(reply, 0);
        }
        scoped_reply added = NULL;
        scoped_reply head = NULL;
        scoped_reply first = NULL;
        if (redis_take_answer(source->node, "id", &added, err) != 0 ||
            redis_take_answer(source->node, "wait", &head, err) != 0 ||
            redis_take_answer(source->node, "prioritized", &first, err) != 0)
                return -1;
        bool text = head->type == REDIS_REPLY_STRING;
        waiting -= text && strncmp(head->str, "0:", 2) == 0 && waiting > 0; /* a marker, no job */
        if (first->type == REDIS_REPLY_ARRAY && first->elements == 1 && !text) {
                redis_reply_free(head);
                head = first->element[0];
                first->element[0] = NULL;
                text = head->type == REDIS_REPLY_STRING;
        }
        if (json_put_whole(look, "waiting", waiting) != 0 || json_put_whole(look, "active", active) != 0 ||
            (added->type == REDIS_REPLY_STRING && json_put_whole(look, "added", queue_number(added, 0)) != 0) ||
            (text && json_put_bytes(look, "head", head->str, (size_t)head->len) != 0))
                return error_memory(err, "facts");
        return 0;
}

/* --- counts ------------------------------------------------------------------------------------------------------- */

static int
meta_read(const struct queue_source *source, json_t *row, struct error *err)
{
        static const char *const fields[] = {"paused", "version", "concurrency"};
        char key[QUEUE_KEY];
        scoped_reply reply = NULL;
        json_t *meta = json_object();

        key_of(source, "meta", key);
        if (json_put(row, "meta", meta) != 0)
                return error_memory(err, "facts");
        if (redis_send_texts(source->node, err, "HMGET", key, fields[0], fields[1], fields[2], NULL) != 0 ||
            redis_take_answer(source->node, "HMGET meta", &reply, err) != 0)
                return -1;
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements && i < 3; i++) {
                const struct redisReply *value = reply->element[i];
                bool set = value->type == REDIS_REPLY_STRING;
                if (i == 0 ? json_put_flag(meta, fields[i], set) != 0
                           : set && json_put_bytes(meta, fields[i], value->str,
                                                   value->len < 64 ? (size_t)value->len : 64) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

/* Delayed jobs whose time has come, and how late the first of them is. */
static int
overdue_read(const struct queue_source *source, json_t *counts, int64_t now_ms, int64_t *oldest_ms, struct error *err)
{
        char key[QUEUE_KEY], until[32];
        scoped_reply due = NULL;
        scoped_reply first = NULL;
        int64_t scale = strtoll(DELAY_SCALE, NULL, 10);

        key_of(source, "delayed", key);
        snprintf(until, sizeof until, "%" PRId64, now_ms * scale);
        if (redis_send_texts(source->node, err, "ZCOUNT", key, "-inf", until, NULL) != 0 ||
            redis_send_texts(source->node, err, "ZRANGE", key, "0", "0", "WITHSCORES", NULL) != 0 ||
            redis_take_answer(source->node, "ZCOUNT delayed", &due, err) != 0 ||
            redis_take_answer(source->node, "ZRANGE delayed", &first, err) != 0)
                return -1;
        if (json_put_whole(counts, "overdue", queue_number(due, 0)) != 0)
                return error_memory(err, "facts");
        if (queue_number(due, 0) > 0 && first->type == REDIS_REPLY_ARRAY && first->elements == 2 &&
            first->element[1]->type == REDIS_REPLY_STRING) {
                int64_t late = now_ms - (int64_t)(strtod(first->element[1]->str, NULL) / (double)scale);
                *oldest_ms = late > *oldest_ms ? late : *oldest_ms;
        }
        return 0;
}

static int
counts_read(const struct queue_source *source, json_t *row, int64_t count[STATES], struct error *err)
{
        json_t *counts = json_object();

        if (json_put(row, "counts", counts) != 0)
                return error_memory(err, "facts");
        for (enum state state = 0; state < STATES; state++) {
                if (count_ask(source, state, err) != 0)
                        return -1;
        }
        for (enum state state = 0; state < STATES; state++) {
                scoped_reply reply = NULL;
                if (redis_take_answer(source->node, states[state].name, &reply, err) != 0)
                        return -1;
                count[state] = queue_number(reply, 0);
                if (json_put_whole(counts, states[state].name, count[state]) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

/* --- a sample of jobs --------------------------------------------------------------------------------------------- */

struct sampler {
        const struct queue_question *question;
        int64_t now_ms, oldest_ms; /* oldest: age of the oldest that waits, -1: none seen */
        json_t *rows;              /* borrowed; of the facts */
        int64_t jobs, others;      /* others: past ROWS_MOST */
};

/* How many of each state are looked at: equal shares, and what one state does not need goes to the others. */
static void
shares(const int64_t count[STATES], int64_t sample, int64_t share[STATES])
{
        for (enum state state = 0; state < STATES; state++)
                share[state] = 0;
        for (bool moved = true; moved && sample > 0;) {
                moved = false;
                for (enum state state = 0; state < STATES && sample > 0; state++) {
                        if (share[state] < count[state]) {
                                share[state]++;
                                sample--;
                                moved = true;
                        }
                }
        }
}

/* The options of a job, reduced: {"attempts", "backoff", "keeps"}; *delay_ms as it was asked for. */
static void
options_read(const struct redisReply *text, int64_t *attempts, const char **backoff, bool *keeps, int64_t *delay_ms,
             char type[32])
{
        scoped_json opts = text->type == REDIS_REPLY_STRING ? json_loadb(text->str, (size_t)text->len, 0, NULL) : NULL;
        const json_t *asked = json_object_get(opts, "backoff"), *remove = json_object_get(opts, "removeOnComplete");

        *attempts = json_whole(opts, "attempts", 0);
        *delay_ms = json_whole(opts, "delay", 0);
        snprintf(type, 32, "%s", json_text(asked, "type", json_is_number(asked) ? "fixed" : ""));
        error_text_redact(type);
        *backoff = asked == NULL || json_is_null(asked) ? "none" : *type != '\0' ? type : "none";
        *keeps = remove == NULL || json_is_null(remove) || json_is_false(remove) ||
                 (json_is_number(remove) && json_number_value(remove) < 0);
}

static int
retries_add(struct sampler *sampler, const char *name, int64_t attempts, const char *backoff, bool keeps,
            struct error *err)
{
        size_t i;
        json_t *row;

        sampler->jobs++;
        json_array_foreach(sampler->rows, i, row)
        {
                if (json_whole(row, "attempts", -1) == attempts && json_flag(row, "keeps", false) == keeps &&
                    strcmp(json_text(row, "name", ""), name) == 0 &&
                    strcmp(json_text(row, "backoff", ""), backoff) == 0)
                        return json_put_whole(row, "jobs", json_whole(row, "jobs", 0) + 1) == 0
                                       ? 0
                                       : error_memory(err, "facts");
        }
        if (i >= ROWS_MOST) {
                sampler->others++;
                return 0;
        }
        row = json_push(sampler->rows, json_object());
        return row != NULL && json_put_text(row, "name", name) == 0 && json_put_whole(row, "attempts", attempts) == 0 &&
                               json_put_text(row, "backoff", backoff) == 0 && json_put_flag(row, "keeps", keeps) == 0 &&
                               json_put_whole(row, "jobs", 1) == 0
                       ? 0
                       : error_memory(err, "facts");
}

/* One job's answer: name, opts, timestamp, processedOn, and its data where a schema asks for it. */
static int
job_take(struct sampler *sampler, bool waits, const struct redisReply *job, struct error *err)
{
        char name[QUEUE_JOB_NAME], type[32];
        int64_t attempts, delay_ms;
        const char *backoff;
        bool keeps;

        if (job->type != REDIS_REPLY_ARRAY || job->elements < 4 || job->element[0]->type != REDIS_REPLY_STRING)
                return 0; /* gone meanwhile, or a marker */
        queue_job_name(job->element[0], name);
        options_read(job->element[1], &attempts, &backoff, &keeps, &delay_ms, type);
        if (retries_add(sampler, name, attempts, backoff, keeps, err) != 0)
                return -1;
        /* What was tried before waits since then; what was delayed, since it was due. */
        int64_t since = queue_number(job->element[2], 0) + delay_ms, tried = queue_number(job->element[3], 0);
        int64_t age = sampler->now_ms - (tried > since ? tried : since);
        if (waits && queue_number(job->element[2], 0) > 0 && age > sampler->oldest_ms)
                sampler->oldest_ms = age;
        if (job->elements == 5 && job->element[4]->type == REDIS_REPLY_STRING &&
            message_check_bytes(sampler->question->check, job->element[4]->str, (size_t)job->element[4]->len) != 0)
                return error_memory(err, "schema");
        return 0;
}

static int
jobs_take(struct sampler *sampler, bool waits, const json_t *ids, struct error *err)
{
        const struct queue_source *source = sampler->question->source;
        size_t count = json_array_size(ids);
        char key[QUEUE_KEY];

        for (size_t at = 0; at < count; at += BATCH) {
                size_t end = at + BATCH < count ? at + BATCH : count;
                for (size_t i = at; i < end; i++) {
                        key_of(source, json_string_value(json_array_get(ids, i)), key);
                        if (redis_send_texts(source->node, err, "HMGET", key, "name", "opts", "timestamp",
                                             "processedOn", sampler->question->check != NULL ? "data" : NULL,
                                             NULL) != 0)
                                return -1;
                }
                for (size_t i = at; i < end; i++) {
                        scoped_reply reply = NULL;
                        if (redis_take(source->node, &reply, err) != 0)
                                return -1;
                        /* A key of another type has only its name in common with a job. */
                        if (redis_reply_error(source->node, reply, "HMGET", err) != 0) {
                                if (err->reason == REASON_DENIED || err->reason == REASON_CONFIGURATION)
                                        return -1;
                        } else if (job_take(sampler, waits, reply, err) != 0) {
                                return -1;
                        }
                }
        }
        return 0;
}

static int
sample_read(const struct queue_question *question, json_t *row, int64_t now_ms, const int64_t count[STATES],
            int64_t *oldest_ms, struct error *err)
{
        struct sampler sampler = {.question = question, .now_ms = now_ms, .oldest_ms = -1, .rows = json_array()};
        json_t *retries = json_object();
        int64_t share[STATES], of = 0;

        if (json_put(row, "retries", retries) != 0 || json_put(retries, "rows", sampler.rows) != 0)
                return error_memory(err, "facts");
        shares(count, question->sample, share);
        for (enum state state = 0; state < STATES; state++) {
                scoped_json seen = json_object();
                scoped_json ids = json_array();
                int64_t newest = share[state] / 2, oldest = share[state] - newest;
                if (share[state] == 0)
                        continue;
                /* Lists: the oldest on the right; sorted sets: on the left. */
                if (queue_ids(question->source, states[state].name, states[state].sorted,
                              states[state].sorted ? 0 : -oldest, states[state].sorted ? oldest - 1 : -1, seen, ids,
                              err) != 0 ||
                    (newest > 0 && queue_ids(question->source, states[state].name, states[state].sorted,
                                             states[state].sorted ? -newest : 0, states[state].sorted ? -1 : newest - 1,
                                             seen, ids, err) != 0) ||
                    jobs_take(&sampler, states[state].waits, ids, err) != 0)
                        return -1;
                /* Where the whole state was asked for, what was there is what it holds: a marker is no job. */
                of += share[state] < count[state] ? count[state] : (int64_t)json_array_size(ids);
        }
        *oldest_ms = sampler.oldest_ms > *oldest_ms ? sampler.oldest_ms : *oldest_ms;
        return json_put_whole(retries, "jobs", sampler.jobs) == 0 && json_put_whole(retries, "of", of) == 0 &&
                               json_put_whole(retries, "others", sampler.others) == 0
                       ? 0
                       : error_memory(err, "facts");
}

/* ------------------------------------------------------------------------------------------------------------------ */

static int
bullmq_read(const struct queue_question *question, json_t *row, struct error *err)
{
        const struct queue_source *source = question->source;
        int64_t count[STATES], now_ms = queue_clock(question), oldest_ms = -1;

        if (counts_read(source, row, count, err) != 0 || meta_read(source, row, err) != 0 ||
            sample_read(question, row, now_ms, count, &oldest_ms, err) != 0 ||
            queue_active_read(question, row, now_ms, count[ACTIVE], err) != 0 ||
            overdue_read(source, json_object_get(row, "counts"), now_ms, &oldest_ms, err) != 0)
                return -1;
        return oldest_ms < 0 || json_put_whole(row, "oldest_ms", oldest_ms) == 0 ? 0 : error_memory(err, "facts");
}

const struct queue_reader queue_bullmq = {.look = bullmq_look, .read = bullmq_read};

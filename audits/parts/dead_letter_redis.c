/* Dead letters in Redis: lists of messages, and the failed jobs of BullMQ queues. */

#include "dead_letters.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "message_shape.h"
#include "queue_read.h"
#include "queue_sources.h"
#include "scope.h"

enum { KEY_LONGEST = 900, BATCH = 20, SAMPLE = 500 };

/* --- a list ------------------------------------------------------------------------------------------------------- */

struct messages {
        const struct queue_source *source;
        struct dead_letters *all;
};

static int
message_take(void *context, const struct redisReply *text, struct error *err)
{
        const struct messages *messages = context;
        scoped_json message = text->type == REDIS_REPLY_STRING
                                      ? json_loadb(text->str, (size_t)text->len, JSON_DECODE_ANY, NULL)
                                      : NULL;

        if (dead_letters_add_message(messages->all, messages->source->settings, message) != 0)
                return error_memory(err, "dead letters");
        return 0;
}

static int
list_sum(const struct queue_source *source, int64_t sample, struct dead_letters *all, int64_t *total, struct error *err)
{
        struct messages messages = {source, all};

        return queue_list_length(source, total, err) != 0
                       ? -1
                       : queue_list_sample(source, *total, sample, message_take, &messages, err);
}

/* --- failed jobs -------------------------------------------------------------------------------------------------- */

static const char *
text_of(const struct redisReply *reply)
{
        return reply->type == REDIS_REPLY_STRING ? reply->str : NULL;
}

/* name, failedReason, atm, attemptsMade, finishedOn, opts, data.  A job was tried again once less often than it was
 * tried. */
static int
job_add(const struct queue_source *source, struct dead_letters *all, const struct redisReply *job, struct error *err)
{
        scoped_json opts = NULL;
        scoped_json data = NULL;
        char type[32];

        if (job->type != REDIS_REPLY_ARRAY || job->elements != 7 || text_of(job->element[0]) == NULL)
                return 0;
        if (text_of(job->element[5]) != NULL)
                opts = json_loadb(job->element[5]->str, (size_t)job->element[5]->len, 0, NULL);
        if (text_of(job->element[6]) != NULL)
                data = json_loadb(job->element[6]->str, (size_t)job->element[6]->len, JSON_DECODE_ANY, NULL);
        int64_t tried = queue_number(job->element[2], queue_number(job->element[3], -1));
        const json_t *backoff = json_object_get(opts, "backoff");
        const char *tenant = json_text(source->settings, "tenant", NULL);
        snprintf(type, sizeof type, "%s", json_text(backoff, "type", json_is_number(backoff) ? "fixed" : "none"));
        struct dead_letter letter = {
                .topic = text_of(job->element[0]),
                .tenant = tenant != NULL ? json_string_value(message_pointer(data, tenant)) : NULL,
                .error = text_of(job->element[1]),
                .backoff = json_whole(opts, "attempts", 0) > 1 ? type : NULL,
                .replays = tried > 0 ? tried - 1 : tried,
                .at_ms = queue_number(job->element[4], 0),
                .payload = data,
        };
        return dead_letters_add(all, &letter) == 0 ? 0 : error_memory(err, "dead letters");
}

static int
jobs_sum(const struct queue_source *source, int64_t sample, struct dead_letters *all, int64_t *total, struct error *err)
{
        char failed[KEY_LONGEST], from[24];
        scoped_reply count = NULL;
        scoped_reply oldest = NULL;
        scoped_reply ids = NULL;

        snprintf(failed, sizeof failed, "%s:failed", source->key);
        snprintf(from, sizeof from, "-%" PRId64, sample);
        if (redis_send_texts(source->node, err, "ZCARD", failed, NULL) != 0 ||
            redis_send_texts(source->node, err, "ZRANGE", failed, "0", "0", "WITHSCORES", NULL) != 0 ||
            redis_send_texts(source->node, err, "ZRANGE", failed, from, "-1", NULL) != 0 ||
            redis_take_answer(source->node, "ZCARD failed", &count, err) != 0 ||
            redis_take_answer(source->node, "ZRANGE failed", &oldest, err) != 0 ||
            redis_take_answer(source->node, "ZRANGE failed", &ids, err) != 0)
                return -1;
        *total = queue_number(count, 0);
        if (oldest->type == REDIS_REPLY_ARRAY && oldest->elements == 2)
                dead_letters_oldest(all, queue_number(oldest->element[1], 0));
        size_t size = ids->type == REDIS_REPLY_ARRAY ? ids->elements : 0;
        for (size_t at = 0; at < size; at += BATCH) {
                size_t end = at + BATCH < size ? at + BATCH : size;
                for (size_t i = at; i < end; i++) {
                        char key[KEY_LONGEST];
                        const char *id = text_of(ids->element[i]);
                        snprintf(key, sizeof key, "%s:%s", source->key, id != NULL ? id : "");
                        if (redis_send_texts(source->node, err, "HMGET", key, "name", "failedReason", "atm",
                                             "attemptsMade", "finishedOn", "opts", "data", NULL) != 0)
                                return -1;
                }
                for (size_t i = at; i < end; i++) {
                        scoped_reply job = NULL;
                        if (redis_take_answer(source->node, "HMGET of a job", &job, err) != 0 ||
                            job_add(source, all, job, err) != 0)
                                return -1;
                }
        }
        return 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static int
source_read(const struct queue_source *source, json_t *sources, struct error *err)
{
        int64_t sample = json_whole(source->settings, "sample", SAMPLE), total = 0;
        struct dead_letters *all = dead_letters_open(source->settings);
        bool list = source->kind == QUEUE_LIST;

        if (all == NULL)
                return error_memory(err, "dead letters");
        int result = !source->exists ? 0
                     : list          ? list_sum(source, sample, all, &total, err)
                                     : jobs_sum(source, sample, all, &total, err);
        json_t *row = result == 0 ? dead_letters_json(all, total, false) : NULL;
        dead_letters_close(all);
        if (result != 0)
                return -1;
        if (dead_letters_push(sources, row, source->name, queue_kind_name(source->kind), source->settings,
                              source->exists, err) != 0)
                return -1;
        return json_put_text(row, "key", source->key) == 0 ? 0 : error_memory(err, "dead letters");
}

static int
source_try(const struct queue_source *source, json_t *facts, json_t *sources, struct error *err)
{
        struct error why = source->broken;

        if (why.reason == REASON_NONE && source_read(source, sources, &why) == 0)
                return 0;
        if (source->node != NULL)
                redis_drain(source->node);
        return dead_letters_lost(facts, source->name, &why, err);
}

static int
configured_read(struct session *session, const json_t *configured, json_t *facts, json_t *sources, struct error *err)
{
        size_t i;
        json_t *settings;

        json_array_foreach((json_t *)configured, i, settings)
        {
                const char *name = json_text(settings, "name", "");
                bool list = strcmp(json_text(settings, "kind", ""), "list") == 0;
                char key[KEY_LONGEST];
                if (list)
                        snprintf(key, sizeof key, "%s", json_text(settings, "key", name));
                else
                        snprintf(key, sizeof key, "%s:%s", json_text(settings, "prefix", "bull"), name);
                struct queue_source source = {
                        .name = name, .kind = list ? QUEUE_LIST : QUEUE_BULLMQ, .key = key, .settings = settings};
                struct error why = {0};
                if (queue_source_place(session, &source, &why) != 0)
                        source.broken = why;
                if (source_try(&source, facts, sources, err) != 0)
                        return -1;
        }
        return 0;
}

int
dead_letters_redis(struct session *session, json_t *facts, json_t *sources, struct error *err)
{
        const json_t *configured = target_value(session->target, "dead_letters");

        if (json_array_size(configured) > 0)
                return configured_read(session, configured, facts, sources, err);
        const struct queue_sources *all = queue_sources_read(session, err);
        if (all == NULL)
                return -1;
        for (size_t i = 0; i < all->count; i++) {
                struct queue_source source = all->rows[i];
                if (source.kind != QUEUE_BULLMQ)
                        continue;
                source.settings = NULL; /* a queue's settings are not those of its dead letters */
                if (source_try(&source, facts, sources, err) != 0)
                        return -1;
        }
        return 0;
}

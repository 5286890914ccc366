/* Plain lists as queues: a length, and messages at both ends. */

#include "queue_read.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "message_shape.h"
#include "moment.h"
#include "scope.h"

enum { BATCH = 20 };

int64_t
queue_number(const struct redisReply *reply, int64_t fallback)
{
        char *end;

        if (reply == NULL || (reply->type != REDIS_REPLY_INTEGER && reply->type != REDIS_REPLY_STRING))
                return fallback;
        if (reply->type == REDIS_REPLY_INTEGER)
                return reply->integer;
        int64_t value = strtoll(reply->str, &end, 10);
        return end != reply->str ? value : fallback;
}

int64_t
queue_clock(const struct queue_question *question)
{
        scoped_reply reply = NULL;
        struct error ignored;

        if (redis_ask(question->source->node, "TIME", &reply, &ignored) != 0 || reply->type != REDIS_REPLY_ARRAY ||
            reply->elements != 2)
                return moment_now();
        return queue_number(reply->element[0], 0) * 1000 + queue_number(reply->element[1], 0) / 1000;
}

int
queue_list_length(const struct queue_source *source, int64_t *length, struct error *err)
{
        scoped_reply reply = NULL;

        if (redis_send_texts(source->node, err, "LLEN", source->key, NULL) != 0 ||
            redis_take_answer(source->node, "LLEN", &reply, err) != 0)
                return -1;
        *length = queue_number(reply, 0);
        return 0;
}

/* Elements from..to, both counted from the left. */
static int
range_visit(const struct queue_source *source, int64_t from, int64_t to, queue_element_visit *visit, void *context,
            struct error *err)
{
        for (int64_t at = from; at <= to; at += BATCH) {
                char first[24], last[24];
                scoped_reply reply = NULL;
                snprintf(first, sizeof first, "%" PRId64, at);
                snprintf(last, sizeof last, "%" PRId64, at + BATCH - 1 < to ? at + BATCH - 1 : to);
                if (redis_send_texts(source->node, err, "LRANGE", source->key, first, last, NULL) != 0 ||
                    redis_take_answer(source->node, "LRANGE", &reply, err) != 0)
                        return -1;
                for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
                        if (visit(context, reply->element[i], err) != 0)
                                return -1;
                }
        }
        return 0;
}

int
queue_list_sample(const struct queue_source *source, int64_t length, int64_t sample, queue_element_visit *visit,
                  void *context, struct error *err)
{
        int64_t half = sample / 2;

        if (length <= sample)
                return range_visit(source, 0, length - 1, visit, context, err);
        return range_visit(source, 0, sample - half - 1, visit, context, err) != 0
                       ? -1
                       : range_visit(source, length - half, length - 1, visit, context, err);
}

static int
list_look(const struct queue_question *question, json_t *look, struct error *err)
{
        int64_t length;

        if (json_put_whole(look, "at_ms", queue_clock(question)) != 0)
                return error_memory(err, "facts");
        if (queue_list_length(question->source, &length, err) != 0)
                return -1;
        return json_put_whole(look, "waiting", length) == 0 ? 0 : error_memory(err, "facts");
}

struct messages {
        const struct queue_question *question;
        const char *time; /* JSON pointer, or NULL */
        int64_t now_ms, oldest_ms;
};

static int
message_take(void *context, const struct redisReply *message, struct error *err)
{
        struct messages *messages = context;
        int64_t at_ms;

        if (message->type != REDIS_REPLY_STRING)
                return 0;
        scoped_json value = json_loadb(message->str, (size_t)message->len, JSON_DECODE_ANY, NULL);
        if ((value != NULL ? message_check_value(messages->question->check, value)
                           : message_check_bytes(messages->question->check, message->str, (size_t)message->len)) != 0)
                return error_memory(err, "schema");
        if (messages->time != NULL && message_moment(message_pointer(value, messages->time), &at_ms) &&
            messages->now_ms - at_ms > messages->oldest_ms)
                messages->oldest_ms = messages->now_ms - at_ms;
        return 0;
}

/* Messages are read only where something is to be learnt from them. */
static int
list_read(const struct queue_question *question, json_t *row, struct error *err)
{
        struct messages messages = {.question = question,
                                    .time = json_text(question->source->settings, "time", NULL),
                                    .now_ms = queue_clock(question),
                                    .oldest_ms = -1};
        json_t *counts = json_object();
        int64_t length;

        if (json_put(row, "counts", counts) != 0)
                return error_memory(err, "facts");
        if (queue_list_length(question->source, &length, err) != 0)
                return -1;
        if (json_put_whole(counts, "length", length) != 0)
                return error_memory(err, "facts");
        if (question->check == NULL && messages.time == NULL)
                return 0;
        if (queue_list_sample(question->source, length, question->sample, message_take, &messages, err) != 0)
                return -1;
        return messages.oldest_ms < 0 || json_put_whole(row, "oldest_ms", messages.oldest_ms) == 0
                       ? 0
                       : error_memory(err, "facts");
}

const struct queue_reader queue_list = {.look = list_look, .read = list_read};

/* Streams with consumer groups: what no consumer has got yet, and what consumers got and never acknowledged. */

#include "queue_read.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "scope.h"

enum { GROUPS_MOST = 50, CONSUMERS_KEPT = 100, PENDING_MOST = 100, PAGE = 100, COUNTED_MOST = 1000, BATCH = 20 };

/* The value of a field in a reply of names and values; NULL when it is not there. */
static const struct redisReply *
field(const struct redisReply *reply, const char *name)
{
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
                const struct redisReply *key = reply->element[i];
                if (key->type == REDIS_REPLY_STRING && strcasecmp(key->str, name) == 0)
                        return reply->element[i + 1];
        }
        return NULL;
}

static const char *
text_of(const struct redisReply *reply, const char *fallback)
{
        return reply != NULL && reply->type == REDIS_REPLY_STRING ? reply->str : fallback;
}

/* Entries after `last`, counted by reading them, to at most COUNTED_MOST; *oldest gets the time of the first. */
static int
undelivered(const struct queue_source *source, const char *last, int64_t most, int64_t *count, int64_t *first_ms,
            struct error *err)
{
        char from[80], page[24];

        *count = 0;
        *first_ms = 0;
        snprintf(from, sizeof from, "(%s", last);
        snprintf(page, sizeof page, "%" PRId64, most < PAGE ? most : PAGE);
        while (*count < most) {
                scoped_reply reply = NULL;
                if (redis_send_texts(source->node, err, "XRANGE", source->key, from, "+", "COUNT", page, NULL) != 0 ||
                    redis_take_answer(source->node, "XRANGE", &reply, err) != 0)
                        return -1;
                if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
                        return 0;
                for (size_t i = 0; i < reply->elements; i++) {
                        const struct redisReply *entry = reply->element[i];
                        if (entry->type != REDIS_REPLY_ARRAY || entry->elements == 0 ||
                            entry->element[0]->type != REDIS_REPLY_STRING)
                                return error_set(err, REASON_PROTOCOL, "the answer to XRANGE holds no entries");
                        if (*count == 0)
                                *first_ms = strtoll(entry->element[0]->str, NULL, 10);
                        ++*count;
                        snprintf(from, sizeof from, "(%s", entry->element[0]->str);
                }
                if (reply->elements < (size_t)strtol(page, NULL, 10))
                        return 0;
        }
        return 0;
}

/* Before Redis 7, and after deletions, the server does not tell a group's lag. */
static int
lag_of(const struct queue_source *source, const struct redisReply *group, const char *newest, int64_t *lag,
       bool *at_least, struct error *err)
{
        const struct redisReply *told = field(group, "lag");
        const char *last = text_of(field(group, "last-delivered-id"), "0-0");
        int64_t first_ms;

        *at_least = false;
        *lag = queue_number(told, -1);
        if (*lag >= 0)
                return 0;
        if (strcmp(last, newest) == 0) {
                *lag = 0;
                return 0;
        }
        if (undelivered(source, last, COUNTED_MOST, lag, &first_ms, err) != 0)
                return -1;
        *at_least = *lag >= COUNTED_MOST;
        return 0;
}

static int
stream_ask(const struct queue_source *source, struct redisReply **stream, struct redisReply **groups, struct error *err)
{
        return redis_send_texts(source->node, err, "XINFO", "STREAM", source->key, NULL) != 0 ||
                               redis_send_texts(source->node, err, "XINFO", "GROUPS", source->key, NULL) != 0 ||
                               redis_take_answer(source->node, "XINFO STREAM", stream, err) != 0 ||
                               redis_take_answer(source->node, "XINFO GROUPS", groups, err) != 0
                       ? -1
                       : 0;
}

static bool
counts(const struct queue_source *source, const struct redisReply *group)
{
        const char *wanted = json_text(source->settings, "group", NULL);

        return wanted == NULL || strcmp(text_of(field(group, "name"), ""), wanted) == 0;
}

static int
stream_look(const struct queue_question *question, json_t *look, struct error *err)
{
        const struct queue_source *source = question->source;
        scoped_reply stream = NULL;
        scoped_reply groups = NULL;
        int64_t waiting = -1, active = 0;

        if (json_put_whole(look, "at_ms", queue_clock(question)) != 0)
                return error_memory(err, "facts");
        if (stream_ask(source, &stream, &groups, err) != 0)
                return -1;
        for (size_t i = 0; groups->type == REDIS_REPLY_ARRAY && i < groups->elements && i < GROUPS_MOST; i++) {
                const struct redisReply *group = groups->element[i];
                bool at_least;
                int64_t lag, pending = queue_number(field(group, "pending"), 0);
                if (!counts(source, group))
                        continue;
                if (lag_of(source, group, text_of(field(stream, "last-generated-id"), ""), &lag, &at_least, err) != 0)
                        return -1;
                waiting = lag > waiting ? lag : waiting;
                active = pending > active ? pending : active;
        }
        int64_t added = queue_number(field(stream, "entries-added"), -1);
        if ((waiting >= 0 && json_put_whole(look, "waiting", waiting) != 0) ||
            json_put_whole(look, "active", active) != 0 || (added >= 0 && json_put_whole(look, "added", added) != 0))
                return error_memory(err, "facts");
        return 0;
}

/* --- a group ------------------------------------------------------------------------------------------------------ */

static int
consumers_read(const struct queue_source *source, const char *group, json_t *row, struct error *err)
{
        scoped_reply reply = NULL;
        json_t *consumers = json_array();

        if (json_put(row, "consumers", consumers) != 0)
                return error_memory(err, "facts");
        if (redis_send_texts(source->node, err, "XINFO", "CONSUMERS", source->key, group, NULL) != 0 ||
            redis_take_answer(source->node, "XINFO CONSUMERS", &reply, err) != 0)
                return -1;
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements && i < CONSUMERS_KEPT; i++) {
                const struct redisReply *one = reply->element[i];
                json_t *consumer = json_push(consumers, json_object());
                if (consumer == NULL || json_put_text(consumer, "name", text_of(field(one, "name"), "")) != 0 ||
                    json_put_whole(consumer, "pending", queue_number(field(one, "pending"), 0)) != 0 ||
                    json_put_whole(consumer, "idle_ms", queue_number(field(one, "idle"), 0)) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

/* The first of those delivered and not acknowledged: [id, consumer, ms since the delivery, deliveries]. */
static int
pending_read(const struct queue_source *source, const char *group, json_t *row, struct error *err)
{
        scoped_reply reply = NULL;
        json_t *pending = json_array();
        char most[16];

        snprintf(most, sizeof most, "%d", PENDING_MOST);
        if (json_put(row, "unacknowledged", pending) != 0)
                return error_memory(err, "facts");
        if (redis_send_texts(source->node, err, "XPENDING", source->key, group, "-", "+", most, NULL) != 0 ||
            redis_take_answer(source->node, "XPENDING", &reply, err) != 0)
                return -1;
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
                const struct redisReply *one = reply->element[i];
                if (one->type != REDIS_REPLY_ARRAY || one->elements != 4)
                        continue;
                json_t *entry = json_push(pending, json_object());
                if (entry == NULL || json_put_text(entry, "id", text_of(one->element[0], "")) != 0 ||
                    json_put_text(entry, "consumer", text_of(one->element[1], "")) != 0 ||
                    json_put_whole(entry, "idle_ms", queue_number(one->element[2], 0)) != 0 ||
                    json_put_whole(entry, "deliveries", queue_number(one->element[3], 0)) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

static int
group_read(const struct queue_question *question, const struct redisReply *group, const char *newest, json_t *groups,
           int64_t *oldest_ms, struct error *err)
{
        const struct queue_source *source = question->source;
        const char *name = text_of(field(group, "name"), "");
        json_t *row = json_push(groups, json_object());
        int64_t lag, one, first_ms;
        bool at_least;

        if (row == NULL || json_put_text(row, "name", name) != 0 ||
            json_put_whole(row, "pending", queue_number(field(group, "pending"), 0)) != 0)
                return error_memory(err, "facts");
        if (lag_of(source, group, newest, &lag, &at_least, err) != 0 ||
            (lag > 0 &&
             undelivered(source, text_of(field(group, "last-delivered-id"), "0-0"), 1, &one, &first_ms, err) != 0))
                return -1;
        if (lag > 0 && one > 0 && queue_clock(question) - first_ms > *oldest_ms)
                *oldest_ms = queue_clock(question) - first_ms;
        if (json_put_whole(row, "lag", lag) != 0 || json_put_flag(row, "at_least", at_least) != 0)
                return error_memory(err, "facts");
        return consumers_read(source, name, row, err) != 0 ? -1 : pending_read(source, name, row, err);
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

/* An entry's message: the JSON in the field that holds it, else the entry as an object of texts. */
static int
entry_check(const struct queue_question *question, const struct redisReply *fields, struct error *err)
{
        const char *holder = json_text(question->source->settings, "field", NULL);
        const struct redisReply *held = holder != NULL ? field(fields, holder) : NULL;
        scoped_json entry = json_object();
        int failed = 0;

        if (holder != NULL) {
                const char *text = text_of(held, "");
                failed = message_check_bytes(question->check, text, text[0] != '\0' ? (size_t)held->len : 0);
                return failed == 0 ? 0 : error_memory(err, "schema");
        }
        for (size_t i = 0; i + 1 < fields->elements && failed == 0; i += 2) {
                scoped_json key = json_bytes(text_of(fields->element[i], ""), strlen(text_of(fields->element[i], "")));
                const struct redisReply *value = fields->element[i + 1];
                if (key != NULL && value->type == REDIS_REPLY_STRING)
                        failed = json_put_bytes(entry, json_string_value(key), value->str, (size_t)value->len);
        }
        return failed == 0 && message_check_value(question->check, entry) == 0 ? 0 : error_memory(err, "schema");
}

/* The newest entries. */
static int
messages_read(const struct queue_question *question, struct error *err)
{
        const struct queue_source *source = question->source;
        char from[80] = "+", page[16];

        snprintf(page, sizeof page, "%d", BATCH);
        for (int64_t seen = 0; question->check != NULL && seen < question->sample;) {
                scoped_reply reply = NULL;
                if (redis_send_texts(source->node, err, "XREVRANGE", source->key, from, "-", "COUNT", page, NULL) !=
                            0 ||
                    redis_take_answer(source->node, "XREVRANGE", &reply, err) != 0)
                        return -1;
                if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
                        return 0;
                for (size_t i = 0; i < reply->elements && seen < question->sample; i++, seen++) {
                        const struct redisReply *entry = reply->element[i];
                        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 ||
                            entry->element[0]->type != REDIS_REPLY_STRING ||
                            entry->element[1]->type != REDIS_REPLY_ARRAY)
                                return error_set(err, REASON_PROTOCOL, "the answer to XREVRANGE holds no entries");
                        if (entry_check(question, entry->element[1], err) != 0)
                                return -1;
                        snprintf(from, sizeof from, "(%s", entry->element[0]->str);
                }
        }
        return 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static int
stream_read(const struct queue_question *question, json_t *row, struct error *err)
{
        const struct queue_source *source = question->source;
        scoped_reply stream = NULL;
        scoped_reply groups = NULL;
        json_t *counted = json_object(), *list = json_array();
        int64_t oldest_ms = -1;

        if (json_put(row, "counts", counted) != 0 || json_put(row, "groups", list) != 0)
                return error_memory(err, "facts");
        if (stream_ask(source, &stream, &groups, err) != 0)
                return -1;
        if (json_put_whole(counted, "length", queue_number(field(stream, "length"), 0)) != 0)
                return error_memory(err, "facts");
        for (size_t i = 0; groups->type == REDIS_REPLY_ARRAY && i < groups->elements && i < GROUPS_MOST; i++) {
                if (counts(source, groups->element[i]) &&
                    group_read(question, groups->element[i], text_of(field(stream, "last-generated-id"), ""), list,
                               &oldest_ms, err) != 0)
                        return -1;
        }
        if (oldest_ms >= 0 && json_put_whole(row, "oldest_ms", oldest_ms) != 0)
                return error_memory(err, "facts");
        return messages_read(question, err);
}

const struct queue_reader queue_stream = {.look = stream_look, .read = stream_read};

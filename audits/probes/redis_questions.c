/* The questions about the keys of a page, their answers, and the keys that are asked twice. */

#include "redis_questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_shapes.h"
#include "scope.h"

enum { LARGE_BYTES = 16 * 1024 }; /* from here on allocators round up by more than matters */

/* Each is validated once, and not for each of millions of keys. */
enum question { Q_PTTL, Q_TYPE, Q_MEMORY, Q_STRLEN, QUESTIONS };

struct aside {
        char *name;
        size_t length;
};

struct questions {
        struct redis *redis;
        bool sizes;
        struct redis_scan *scan;
        redis_key_visit visit;
        void *context;
        struct redis_shapes *shapes; /* NULL: nothing is guessed */
        struct redis_form forms[QUESTIONS];
        struct aside *aside;
        size_t aside_count, aside_room;
        char aside_cursor[32];
        size_t aside_place;
};

void
page_free(struct page *page)
{
        redis_reply_free(page->names);
        free(page->asked);
        *page = (struct page){.names = NULL};
}

struct questions *
questions_open(struct redis *redis, bool sizes, bool guess, struct redis_scan *scan, redis_key_visit visit,
               void *context, struct error *err)
{
        const struct redis_word words[QUESTIONS][2] = {
                [Q_PTTL] = {REDIS_WORD("PTTL")},
                [Q_TYPE] = {REDIS_WORD("TYPE")},
                [Q_MEMORY] = {REDIS_WORD("MEMORY"), REDIS_WORD("USAGE")},
                [Q_STRLEN] = {REDIS_WORD("STRLEN")},
        };
        struct questions *questions = calloc(1, sizeof *questions);

        if (questions != NULL && guess)
                questions->shapes = redis_shapes_new();
        if (questions == NULL || (guess && questions->shapes == NULL)) {
                questions_close(questions);
                error_memory(err, "questions");
                return NULL;
        }
        questions->redis = redis;
        questions->sizes = sizes;
        questions->scan = scan;
        questions->visit = visit;
        questions->context = context;
        for (int i = 0; i < QUESTIONS; i++) {
                size_t count = words[i][1].bytes != NULL ? 2 : 1;
                if (redis_form_make(words[i], count, &questions->forms[i], err) != 0) {
                        questions_close(questions);
                        return NULL;
                }
        }
        return questions;
}

void
questions_close(struct questions *questions)
{
        if (questions == NULL)
                return;
        for (size_t i = 0; i < questions->aside_count; i++)
                free(questions->aside[i].name);
        free(questions->aside);
        redis_shapes_free(questions->shapes);
        free(questions);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* What is asked of a key, in this order. */
static size_t
questions_of(const struct questions *questions, enum redis_ask ask, enum question list[QUESTIONS])
{
        size_t count = 0;

        /* STRLEN comes before PTTL: a key that has a time to live afterwards was there before. */
        if (ask != ASK_TYPE)
                list[count++] = Q_STRLEN;
        list[count++] = Q_PTTL;
        if (ask == ASK_TYPE)
                list[count++] = Q_TYPE;
        if (ask != ASK_LENGTH && questions->sizes)
                list[count++] = Q_MEMORY;
        return count;
}

static int
key_send(struct questions *questions, enum redis_ask ask, struct redis_word name, struct error *err)
{
        enum question list[QUESTIONS];
        size_t count = questions_of(questions, ask, list);

        for (size_t i = 0; i < count; i++) {
                if (redis_send_form(questions->redis, &questions->forms[list[i]], name, err) != 0)
                        return -1;
        }
        questions->scan->commands += count;
        return 0;
}

int
questions_send(struct questions *questions, struct page *page, struct error *err)
{
        if (page->asked == NULL && (page->asked = malloc(page->names->elements + 1)) == NULL)
                return error_memory(err, "keys");
        for (size_t i = page->taken; i < page->names->elements; i++) {
                const struct redisReply *key = page->names->element[i];
                const struct redis_word name = {key->str, (size_t)key->len};
                enum redis_ask ask = questions->shapes != NULL
                                             ? redis_shapes_ask(questions->shapes, name.bytes, name.length)
                                             : ASK_TYPE;
                page->asked[i] = (unsigned char)ask;
                if (key_send(questions, ask, name, err) != 0)
                        return -1;
        }
        return redis_flush(questions->redis, err);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

struct answers {
        struct redisReply *of[QUESTIONS];
};

static void
answers_free(struct answers *answers)
{
        for (int i = 0; i < QUESTIONS; i++)
                redis_reply_free(answers->of[i]);
}

static int
answers_take(struct questions *questions, enum redis_ask ask, struct answers *answers, struct error *err)
{
        enum question list[QUESTIONS];
        size_t count = questions_of(questions, ask, list);

        for (size_t i = 0; i < count; i++) {
                if (redis_take(questions->redis, &answers->of[list[i]], err) != 0)
                        return -1;
        }
        return 0;
}

static int64_t
whole(const struct redisReply *reply, int64_t fallback)
{
        return reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : fallback;
}

static bool
is_refused(const struct redisReply *reply, const char *word)
{
        return reply != NULL && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, word, strlen(word)) == 0;
}

/* The answer about a key's time to live tells whether it is still here: in a cluster its slot may have left. */
static bool
is_gone(const struct answers *answers)
{
        const struct redisReply *ttl = answers->of[Q_PTTL], *type = answers->of[Q_TYPE];

        return (ttl->type == REDIS_REPLY_INTEGER && ttl->integer == -2) || is_refused(ttl, "MOVED ") ||
               is_refused(ttl, "ASK ") || is_refused(ttl, "TRYAGAIN ") ||
               (type != NULL && type->type == REDIS_REPLY_STATUS && strcmp(type->str, "none") == 0);
}

static int
aside_put(struct questions *questions, const char *name, size_t length, struct error *err)
{
        if (questions->aside_count == questions->aside_room) {
                size_t room = questions->aside_room * 2 + 16;
                struct aside *aside = realloc(questions->aside, room * sizeof *aside);
                if (aside == NULL)
                        return error_memory(err, "keys");
                questions->aside = aside;
                questions->aside_room = room;
        }
        char *copy = malloc(length + 1);
        if (copy == NULL)
                return error_memory(err, "keys");
        memcpy(copy, name, length);
        questions->aside[questions->aside_count++] = (struct aside){copy, length};
        return 0;
}

/* What STRLEN and MEMORY USAGE say of a key whose type was guessed.  1: the key is to be asked again. */
static int
string_weigh(struct questions *questions, const struct answers *answers, struct key_seen *key)
{
        struct redis_shapes *shapes = questions->shapes;
        int64_t value = whole(answers->of[Q_STRLEN], -1), memory = whole(answers->of[Q_MEMORY], -1);

        if (value < 0) {
                redis_shapes_wrong(shapes, key->name, key->length);
                return 1;
        }
        if (value >= LARGE_BYTES)
                redis_shapes_spoil(shapes, key->name, key->length);
        key->type = "string";
        key->size_bytes = memory;
        if (memory >= 0)
                redis_shapes_weigh(shapes, key->name, key->length, value, memory);
        else if (value < LARGE_BYTES)
                key->size_bytes = redis_shapes_memory(shapes, key->name, key->length, value);
        return key->size_bytes < 0;
}

/* One key's answers.  *again: nothing was visited, the key is to be asked for its type. */
static int
key_take(struct questions *questions, enum redis_ask ask, struct key_seen *key, bool *again, struct error *err)
{
        scoped(answers_free) struct answers answers = {{NULL}};
        struct redis *redis = questions->redis;

        *again = false;
        if (answers_take(questions, ask, &answers, err) != 0)
                return -1;
        if (is_gone(&answers)) {
                questions->scan->vanished++;
                return 0;
        }
        if (redis_reply_error(redis, answers.of[Q_PTTL], "PTTL", err) != 0)
                return -1;
        key->ttl_ms = whole(answers.of[Q_PTTL], -1);
        if (ask == ASK_TYPE) {
                if (redis_reply_error(redis, answers.of[Q_TYPE], "TYPE", err) != 0)
                        return -1;
                if (answers.of[Q_TYPE]->type != REDIS_REPLY_STATUS)
                        return error_set(err, REASON_PROTOCOL, "%s: the answer to TYPE is no type",
                                         redis_server(redis)->address);
                key->type = answers.of[Q_TYPE]->str;
                key->size_bytes = whole(answers.of[Q_MEMORY], -1);
                if (questions->shapes != NULL)
                        redis_shapes_type(questions->shapes, key->name, key->length, key->type);
        } else if (string_weigh(questions, &answers, key) != 0) {
                *again = true;
                return 0;
        }
        questions->scan->seen++;
        return questions->visit(questions->context, key) == 0 ? 0 : error_memory(err, "keys");
}

int
questions_take(struct questions *questions, struct page *page, struct error *err)
{
        bool again;

        for (; page_left(page) > 0; page->taken++) {
                const struct redisReply *name = page->names->element[page->taken];
                struct key_seen key = {.name = name->str, .length = (size_t)name->len};
                enum redis_ask ask = page->asked[page->taken];
                if (key_take(questions, ask, &key, &again, err) != 0)
                        return -1;
                if (!again)
                        continue;
                if (questions->aside_count == 0) {
                        snprintf(questions->aside_cursor, sizeof questions->aside_cursor, "%s", page->cursor);
                        questions->aside_place = page->taken;
                }
                if (aside_put(questions, key.name, key.length, err) != 0)
                        return -1;
        }
        return 0;
}

static int
aside_send(struct questions *questions, struct error *err)
{
        for (size_t i = 0; i < questions->aside_count; i++) {
                const struct redis_word name = {questions->aside[i].name, questions->aside[i].length};
                if (key_send(questions, ASK_TYPE, name, err) != 0)
                        return -1;
        }
        return 0;
}

int
questions_again(struct questions *questions, struct error *err)
{
        size_t done = 0;
        bool again;
        int result = aside_send(questions, err);

        while (result == 0 && done < questions->aside_count) {
                struct aside *one = &questions->aside[done];
                struct key_seen key = {.name = one->name, .length = one->length};
                result = key_take(questions, ASK_TYPE, &key, &again, err);
                if (result == 0) {
                        free(one->name);
                        done++;
                }
        }
        questions->aside_count -= done;
        if (done > 0) /* where none was set aside there is no list */
                memmove(questions->aside, questions->aside + done, questions->aside_count * sizeof *questions->aside);
        return result;
}

bool
questions_aside(const struct questions *questions, const char **cursor, size_t *place)
{
        if (cursor != NULL)
                *cursor = questions->aside_cursor;
        if (place != NULL)
                *place = questions->aside_place;
        return questions->aside_count > 0;
}

/* Who polls which BullMQ queue, and what waits there. */

#include "redis_pollers.h"

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum {
        QUEUES_MOST = 200,
        SMALL_SERVER = 100000, /* keys up to which its meta keys are looked for */
        SCANS_MOST = 400,
        LOOKS = 2, /* at who waits: a worker between two of its polls waits for nothing at that moment */
        LOOK_AGAIN_MS = 150,
};

struct queue {
        char prefix[128], name[128], command[24];
        int64_t waiting; /* -1: not known */
        int64_t clients; /* blocked on it, in the look that saw most */
        int64_t seen;    /* blocked on it, in this look */
};

struct queues {
        struct queue rows[QUEUES_MOST];
        size_t count;
        int64_t unnamed; /* blocked clients that name no queue, in the look that saw most */
        bool clients_hidden, looked;
};

/* --- names -------------------------------------------------------------------------------------------------------- */

bool
redis_worker_name(const char *name, size_t length, char prefix[128], char queue[128])
{
        char text[400];
        unsigned char plain[400];

        if (length == 0 || length >= 300)
                return false;
        memcpy(text, name, length);
        text[length] = '\0';
        char *suffix = strstr(text, ":w:");
        if (suffix != NULL)
                *suffix = '\0';
        char *colon = strrchr(text, ':');
        if (colon == NULL || colon == text || colon - text > 127)
                return false;
        const char *encoded = colon + 1;
        size_t digits = strlen(encoded), padding = 0;
        while (padding < 2 && padding < digits && encoded[digits - 1 - padding] == '=')
                padding++;
        if (digits < 4 || digits % 4 != 0)
                return false;
        int size = EVP_DecodeBlock(plain, (const unsigned char *)encoded, (int)digits);
        if (size <= (int)padding || (size_t)size - padding > 127)
                return false;
        size_t plain_length = (size_t)size - padding;
        for (size_t i = 0; i < plain_length; i++) {
                if (iscntrl(plain[i]))
                        return false;
        }
        *colon = '\0';
        memcpy(prefix, text, strlen(text) + 1);
        memcpy(queue, plain, plain_length);
        queue[plain_length] = '\0';
        return true;
}

static struct queue *
queue_of(struct queues *all, const char *prefix, const char *name)
{
        for (size_t i = 0; i < all->count; i++) {
                if (strcmp(all->rows[i].prefix, prefix) == 0 && strcmp(all->rows[i].name, name) == 0)
                        return &all->rows[i];
        }
        if (all->count == QUEUES_MOST)
                return NULL;
        struct queue *queue = &all->rows[all->count++];
        *queue = (struct queue){.waiting = -1};
        snprintf(queue->prefix, sizeof queue->prefix, "%s", prefix);
        snprintf(queue->name, sizeof queue->name, "%s", name);
        return queue;
}

/* --- who waits ---------------------------------------------------------------------------------------------------- */

/* The value of `key` ("name=") in a line of CLIENT LIST; its fields are separated by blanks, and names hold none. */
static const char *
field(const char *line, size_t length, const char *key, size_t *size)
{
        size_t wanted = strlen(key);

        for (const char *at = line, *end = line + length; at < end;) {
                size_t word = 0;
                while (at + word < end && at[word] != ' ')
                        word++;
                if (word >= wanted && memcmp(at, key, wanted) == 0) {
                        *size = word - wanted;
                        return at + wanted;
                }
                at += word + 1;
        }
        *size = 0;
        return "";
}

static void
client_read(struct queues *all, const char *line, size_t length, int64_t *unnamed)
{
        char prefix[128], name[128];
        size_t size, command_size;
        const char *flags = field(line, length, "flags=", &size);

        if (memchr(flags, 'b', size) == NULL)
                return;
        const char *command = field(line, length, "cmd=", &command_size);
        const char *client = field(line, length, "name=", &size);
        struct queue *queue = redis_worker_name(client, size, prefix, name) ? queue_of(all, prefix, name) : NULL;
        if (queue == NULL) {
                (*unnamed)++;
                return;
        }
        queue->seen++;
        queue->clients = queue->seen > queue->clients ? queue->seen : queue->clients;
        snprintf(queue->command, sizeof queue->command, "%.*s", (int)command_size, command);
}

static int
clients_read(struct redis *redis, struct queues *all, struct error *err)
{
        scoped_reply reply = NULL;
        struct error refused = {0};
        int64_t unnamed = 0;

        if (redis_ask(redis, "CLIENT LIST", &reply, &refused) != 0) {
                all->clients_hidden = true;
                return redis_is_usable(redis, err);
        }
        for (size_t i = 0; i < all->count; i++)
                all->rows[i].seen = 0;
        for (const char *at = reply->str, *end = at + reply->len; reply->type == REDIS_REPLY_STRING && at < end;) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                stop = stop != NULL ? stop : end;
                client_read(all, at, (size_t)(stop - at), &unnamed);
                at = stop + 1;
        }
        all->unnamed = unnamed > all->unnamed ? unnamed : all->unnamed;
        return 0;
}

static int
pollers_read(struct redis *redis, const struct deadline *deadline, struct queues *all, struct error *err)
{
        for (int look = 0; look < LOOKS && !all->clients_hidden; look++) {
                if ((look > 0 && deadline_sleep(deadline, LOOK_AGAIN_MS, err) != 0) ||
                    clients_read(redis, all, err) != 0)
                        return -1;
        }
        return 0;
}

/* --- what is there ------------------------------------------------------------------------------------------------ */

static void
meta_read(struct queues *all, const struct redisReply *key)
{
        char text[256];

        if (key->type != REDIS_REPLY_STRING || (size_t)key->len >= sizeof text ||
            memchr(key->str, '\0', (size_t)key->len))
                return;
        snprintf(text, sizeof text, "%.*s", (int)key->len - (int)strlen(":meta"), key->str);
        char *colon = strchr(text, ':');
        if (colon == NULL || colon == text || colon - text > 127 || strlen(colon + 1) > 127)
                return;
        *colon = '\0';
        queue_of(all, text, colon + 1);
}

static int
metas_read(struct redis *redis, struct queues *all, struct error *err)
{
        scoped_reply size = NULL;
        char cursor[32] = "0";
        struct error refused = {0};

        if (redis_ask(redis, "DBSIZE", &size, &refused) != 0)
                return redis_is_usable(redis, err);
        if (size->type != REDIS_REPLY_INTEGER || size->integer > SMALL_SERVER)
                return 0;
        for (int i = 0; i < SCANS_MOST; i++) {
                scoped_reply page = NULL;
                char command[120];
                snprintf(command, sizeof command, "SCAN %s MATCH *:meta COUNT 1000", cursor);
                if (redis_ask(redis, command, &page, &refused) != 0)
                        return redis_is_usable(redis, err);
                if (page->type != REDIS_REPLY_ARRAY || page->elements != 2 ||
                    page->element[0]->type != REDIS_REPLY_STRING || page->element[1]->type != REDIS_REPLY_ARRAY)
                        return 0;
                for (size_t k = 0; k < page->element[1]->elements; k++)
                        meta_read(all, page->element[1]->element[k]);
                snprintf(cursor, sizeof cursor, "%.*s", (int)strspn(page->element[0]->str, "0123456789"),
                         page->element[0]->str);
                if (strcmp(cursor, "0") == 0 || *cursor == '\0') {
                        all->looked = true;
                        return 0;
                }
        }
        return 0;
}

/* Jobs that a worker could take now: waiting, paused is not among them, prioritized is. */
static int
waiting_read(struct redis *redis, struct queue *queue, struct error *err)
{
        static const struct {
                const char *command, *part;
        } parts[] = {{"LLEN", "wait"}, {"ZCARD", "prioritized"}};
        int64_t waiting = 0;

        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
                scoped_reply reply = NULL;
                char key[300];
                snprintf(key, sizeof key, "%s:%s:%s", queue->prefix, queue->name, parts[i].part);
                const struct redis_word words[] = {REDIS_WORD(parts[i].command), REDIS_WORD(key)};
                if (redis_send(redis, words, 2, err) != 0 || redis_take(redis, &reply, err) != 0)
                        return -1;
                if (reply->type != REDIS_REPLY_INTEGER)
                        return 0; /* no right, or another type: not known */
                waiting += reply->integer;
        }
        queue->waiting = waiting;
        return 0;
}

static int
by_name(const void *a, const void *b)
{
        const struct queue *left = a, *right = b;
        int order = strcmp(left->prefix, right->prefix);

        return order != 0 ? order : strcmp(left->name, right->name);
}

int
redis_pollers_put(struct redis *redis, const struct deadline *deadline, json_t *row, struct error *err)
{
        scoped(scope_free) struct queues *all = calloc(1, sizeof *all);
        json_t *list = json_array();

        if (all == NULL || json_put(row, "queues", list) != 0)
                return error_memory(err, "queues");
        if (pollers_read(redis, deadline, all, err) != 0 || metas_read(redis, all, err) != 0)
                return -1;
        qsort(all->rows, all->count, sizeof all->rows[0], by_name);
        for (size_t i = 0; i < all->count; i++) {
                struct queue *queue = &all->rows[i];
                if (waiting_read(redis, queue, err) != 0)
                        return -1;
                json_t *one = json_push(list, json_object());
                if (one == NULL || json_put_text(one, "prefix", queue->prefix) != 0 ||
                    json_put_text(one, "name", queue->name) != 0 ||
                    json_put_text(one, "command", queue->command) != 0 ||
                    json_put_whole(one, "waiting", queue->waiting) != 0 ||
                    json_put_whole(one, "clients", queue->clients) != 0)
                        return error_memory(err, "facts");
        }
        return json_put_whole(row, "blocked_unnamed", all->unnamed) != 0 ||
                               json_put_flag(row, "clients_hidden", all->clients_hidden) != 0 ||
                               json_put_flag(row, "queues_looked", all->looked) != 0
                       ? error_memory(err, "facts")
                       : 0;
}

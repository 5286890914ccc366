/* Which queues a Redis target has, and which of its servers holds each. */

#include "queue_sources.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"
#include "session_client.h"

enum { PAGE = 1000, NAME_LONGEST = 300 };

/* What the session keeps. */
struct kept {
        struct queue_sources all;
        json_t *names; /* owned texts: discovered names and made keys */
        struct error broken;
};

const char *
queue_kind_name(enum queue_kind kind)
{
        static const char *const names[] = {"bullmq", "list", "stream"};

        return names[kind];
}

static void
kept_close(void *object)
{
        struct kept *kept = object;

        free(kept->all.rows);
        json_decref(kept->all.failed);
        json_decref(kept->names);
        free(kept);
}

/* A text that lives as long as the session. */
static const char *
text_keep(struct kept *kept, const char *text)
{
        return json_string_value(json_push(kept->names, json_string(text)));
}

/* --- where a queue lies ------------------------------------------------------------------------------------------- */

static int
parts_ask(struct redis *redis, const struct queue_source *source, bool *exists, struct error *err)
{
        static const char *const parts[] = {":meta", ":id", ":wait", ":active", ":failed", ":completed", ":delayed"};
        size_t count = source->kind == QUEUE_BULLMQ ? sizeof parts / sizeof *parts : 1;
        char key[NAME_LONGEST + 100];
        int result = 0;

        for (size_t i = 0; i < count; i++) {
                snprintf(key, sizeof key, "%s%s", source->key, source->kind == QUEUE_BULLMQ ? parts[i] : "");
                const struct redis_word words[] = {REDIS_WORD("EXISTS"), REDIS_WORD(key)};
                if (redis_send(redis, words, 2, err) != 0)
                        return -1;
        }
        *exists = false;
        for (size_t i = 0; i < count; i++) {
                scoped_reply reply = NULL;
                if (redis_take(redis, &reply, err) != 0)
                        return -1;
                if (redis_reply_error(redis, reply, "EXISTS", err) != 0)
                        result = -1;
                else
                        *exists |= reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
        }
        return result;
}

int
queue_source_place(struct session *session, struct queue_source *source, struct error *err)
{
        struct redis *const *nodes;
        size_t count;
        scoped_json failed = NULL;
        struct error why = {0};

        if (redis_nodes(session, &nodes, &count, &failed, err) != 0)
                return -1;
        for (size_t i = 0; i < count; i++) {
                if (parts_ask(nodes[i], source, &source->exists, &why) == 0) {
                        source->node = nodes[i];
                        return 0;
                }
        }
        if (count > 1 && strstr(why.text, "MOVED ") != NULL)
                error_set(&why, REASON_UNREACHABLE,
                          "%s: no server of the cluster that could be reached holds all of its keys", source->key);
        *err = why;
        return error_remedy(err, "%s",
                            json_array_size(failed) > 0 ? "see the servers that could not be reached"
                            : why.remedy[0] != '\0'
                                    ? why.remedy
                                    : "in a cluster a BullMQ queue needs a prefix with a hash tag: {bull}");
}

/* --- configured --------------------------------------------------------------------------------------------------- */

static int
configured_read(struct session *session, struct kept *kept, const json_t *queues, struct error *err)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)queues, i, row)
        {
                const char *name = json_text(row, "name", ""), *kind = json_text(row, "kind", "bullmq");
                char key[NAME_LONGEST + 20];
                if (kept->all.count == QUEUES_MOST) {
                        kept->all.more = true;
                        break;
                }
                struct queue_source *source = &kept->all.rows[kept->all.count++];
                source->name = name;
                source->settings = row;
                source->kind = strcmp(kind, "list") == 0     ? QUEUE_LIST
                               : strcmp(kind, "stream") == 0 ? QUEUE_STREAM
                                                             : QUEUE_BULLMQ;
                if (source->kind == QUEUE_BULLMQ)
                        snprintf(key, sizeof key, "%s:%s", json_text(row, "prefix", "bull"), name);
                else
                        snprintf(key, sizeof key, "%s", json_text(row, "key", name));
                source->key = text_keep(kept, key);
                if (source->key == NULL)
                        return error_memory(err, "queues");
                struct error why = {0};
                if (queue_source_place(session, source, &why) != 0)
                        source->broken = why;
                if (why.reason == REASON_INTERRUPTED) {
                        *err = why;
                        return -1;
                }
        }
        return 0;
}

/* --- discovered --------------------------------------------------------------------------------------------------- */

/* "bull:batch-jobs:meta" -> the length of "bull", 0 when no prefix that is looked for begins it. */
static size_t
prefix_of(const json_t *prefixes, const char *key)
{
        size_t i;
        json_t *prefix;

        json_array_foreach((json_t *)prefixes, i, prefix)
        {
                const char *text = json_string_value(prefix);
                size_t length = text != NULL ? strlen(text) : 0;
                if (length > 0 && strncmp(key, text, length) == 0 && key[length] == ':' &&
                    strlen(key) > length + 1 + strlen(":meta"))
                        return length;
        }
        return 0;
}

static int
key_take(struct kept *kept, const json_t *prefixes, struct redis *node, const struct redisReply *name,
         struct error *err)
{
        char key[NAME_LONGEST];
        size_t length = (size_t)name->len;

        /* A name that is no text (json_bytes would have to mend it) is not one that BullMQ made. */
        if (name->type != REDIS_REPLY_STRING || length >= sizeof key || memchr(name->str, '\0', length) != NULL)
                return 0;
        memcpy(key, name->str, length);
        key[length] = '\0';
        scoped_json text = json_string(key);
        if (text == NULL)
                return 0;
        size_t prefix = prefix_of(prefixes, key);
        if (prefix == 0)
                return 0;
        key[length - strlen(":meta")] = '\0';
        for (size_t i = 0; i < kept->all.count; i++) {
                /* SCAN may tell a key twice. */
                if (kept->all.rows[i].node == node && strcmp(kept->all.rows[i].key, key) == 0)
                        return 0;
        }
        if (kept->all.count == QUEUES_MOST) {
                kept->all.more = true;
                return 0;
        }
        struct queue_source *source = &kept->all.rows[kept->all.count++];
        source->kind = QUEUE_BULLMQ;
        source->node = node;
        source->exists = true;
        source->key = text_keep(kept, key);
        source->name = source->key != NULL ? source->key + prefix + 1 : NULL;
        return source->key != NULL ? 0 : error_memory(err, "queues");
}

/* One pass over a server's key names; the ceiling on commands holds here too. */
static int
node_scan(const struct session *session, struct kept *kept, const json_t *prefixes, struct redis *node,
          struct error *err)
{
        int64_t rate = json_integer_value(target_value(session->target, "scan_rate"));
        char cursor[32] = "0", count[16];

        snprintf(count, sizeof count, "%d", PAGE);
        do {
                scoped_reply page = NULL;
                const struct redis_word words[] = {REDIS_WORD("SCAN"),   REDIS_WORD(cursor),  REDIS_WORD("MATCH"),
                                                   REDIS_WORD("*:meta"), REDIS_WORD("COUNT"), REDIS_WORD(count)};
                if (redis_send(node, words, 6, err) != 0 || redis_take(node, &page, err) != 0 ||
                    redis_reply_error(node, page, "SCAN", err) != 0)
                        return -1;
                if (page->type != REDIS_REPLY_ARRAY || page->elements != 2 ||
                    page->element[0]->type != REDIS_REPLY_STRING || page->element[1]->type != REDIS_REPLY_ARRAY)
                        return error_set(err, REASON_PROTOCOL, "%s: the answer to SCAN is no page of keys",
                                         redis_server(node)->address);
                snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
                for (size_t i = 0; i < page->element[1]->elements; i++) {
                        if (key_take(kept, prefixes, node, page->element[1]->element[i], err) != 0)
                                return -1;
                }
                if (rate > 0 && strcmp(cursor, "0") != 0 && deadline_sleep(&session->deadline, 1000 / rate, err) != 0)
                        return -1;
        } while (strcmp(cursor, "0") != 0);
        return 0;
}

static int
by_name(const void *a, const void *b)
{
        const struct queue_source *left = a, *right = b;
        int order = strcmp(left->name, right->name);

        return order != 0 ? order : strcmp(left->key, right->key);
}

static int
discover(struct session *session, struct kept *kept, struct error *err)
{
        const json_t *prefixes = target_value(session->target, "queue_prefixes");
        struct redis *const *nodes;
        size_t count;

        kept->all.discovered = true;
        if (redis_nodes(session, &nodes, &count, &kept->all.failed, err) != 0)
                return -1;
        for (size_t i = 0; i < count; i++) {
                struct error why = {0};
                if (node_scan(session, kept, prefixes, nodes[i], &why) != 0 &&
                    (count == 1 || why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL)) {
                        *err = why;
                        return -1;
                }
                json_t *note = why.reason != REASON_NONE ? json_push(kept->all.failed, json_object()) : NULL;
                if (why.reason != REASON_NONE &&
                    (note == NULL || json_put_text(note, "address", redis_server(nodes[i])->address) != 0 ||
                     json_put_text(note, "reason", reason_name(why.reason)) != 0 ||
                     json_put_text(note, "text", why.text) != 0))
                        return error_memory(err, "queues");
        }
        qsort(kept->all.rows, kept->all.count, sizeof *kept->all.rows, by_name);
        return 0;
}

/* ------------------------------------------------------------------------------------------------------------------ */

/* A name is what findings are known by: where two queues share one, their keys tell them apart. */
static void
names_part(struct queue_sources *all)
{
        for (size_t i = 0; i < all->count; i++) {
                for (size_t j = i + 1; j < all->count; j++) {
                        if (strcmp(all->rows[i].name, all->rows[j].name) == 0)
                                all->rows[j].name = all->rows[j].key;
                }
        }
}

static int
sources_fill(void *object, struct session *session, struct error *err)
{
        struct kept *kept = object;
        const json_t *queues = target_value(session->target, "queues");

        kept->names = json_array();
        kept->all.rows = calloc(QUEUES_MOST, sizeof *kept->all.rows);
        if (kept->names == NULL || kept->all.rows == NULL)
                return error_memory(err, "queues");
        if (redis_session(session, err) == NULL)
                return -1;
        if ((json_array_size(queues) > 0 ? configured_read(session, kept, queues, err)
                                         : discover(session, kept, err)) != 0)
                return -1;
        names_part(&kept->all);
        return 0;
}

const struct queue_sources *
queue_sources_read(struct session *session, struct error *err)
{
        static const struct session_client client = {"queues", sizeof(struct kept), offsetof(struct kept, broken),
                                                     sources_fill, kept_close};
        const struct kept *kept = session_client(session, &client, err);

        return kept != NULL ? &kept->all : NULL;
}

/* Values that services tell: SQL, Redis commands, HTTP documents. */

#include "value_sources.h"

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "http_target.h"
#include "json.h"
#include "postgres.h"
#include "prometheus.h"
#include "redis.h"
#include "scope.h"

enum { STATEMENT_LARGEST = 64 * 1024, WORDS_MOST = 8 };

/* --- SQL ---------------------------------------------------------------------------------------------------------- */

int
value_from_sql(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const char *sql = json_text(source, "sql", ""), *database = json_text(source, "database", NULL);
        int length = (int)strlen(sql);
        scoped_json rows = NULL;
        scoped_buffer wrapped = BUFFER_INIT(STATEMENT_LARGEST);
        const char *const one[] = {"1", NULL};

        snprintf(value->place, sizeof value->place, "SQL on %.100s: %.200s", session->target->name, sql);
        struct postgres *server = postgres_session(session, err);
        if (server == NULL)
                return -1;
        while (length > 0 && strchr("; \t\r\n", sql[length - 1]) != NULL)
                length--;
        /* As a subquery it yields one row however many there are; with a parameter the server takes one statement
         * alone. */
        if (buffer_format(&wrapped, "SELECT * FROM (%.*s\n) AS value LIMIT $1::int", length, sql) != 0)
                return error_set(err, REASON_CONFIGURATION, "the statement is too long");
        if (postgres_rows(server, database, wrapped.data, one, 1, &rows, err) != 0) {
                if (err->reason == REASON_UNSUPPORTED)
                        error_remedy(err,
                                     "write it as one SELECT, with the schema before each table (public.app_settings): "
                                     "search_path is empty");
                if (err->reason == REASON_DENIED)
                        error_remedy(err, "GRANT SELECT on what it reads (and USAGE on its schema) to the role of %s",
                                     session->target->name);
                return error_wrap(err, "sql");
        }
        void *first = json_object_iter(json_array_get(rows, 0));
        if (first != NULL)
                value->json = json_incref(json_object_iter_value(first));
        else
                snprintf(value->absence, sizeof value->absence, "the statement yields no row");
        return 0;
}

/* --- Redis -------------------------------------------------------------------------------------------------------- */

/* Commands that tell one value of one key, and how many words they take. */
static const struct {
        const char *command;
        size_t words;
} commands[] = {{"GET", 2},    {"HGET", 3},   {"HLEN", 2},   {"LLEN", 2},   {"LINDEX", 3},  {"SCARD", 2},
                {"STRLEN", 2}, {"TTL", 2},    {"PTTL", 2},   {"TYPE", 2},   {"XLEN", 2},    {"ZCARD", 2},
                {"ZCOUNT", 4}, {"ZSCORE", 3}, {"EXISTS", 2}, {"DBSIZE", 1}, {"BITCOUNT", 2}};

bool
value_redis_sound(const json_t *words, char *why, size_t size)
{
        const char *name = json_string_value(json_array_get(words, 0));
        size_t written = 0;

        for (size_t i = 0; name != NULL && i < sizeof commands / sizeof *commands; i++) {
                if (strcasecmp(commands[i].command, name) != 0)
                        continue;
                if (json_array_size(words) == commands[i].words)
                        return true;
                snprintf(why, size, "redis: %s takes %zu words in all, not %zu", commands[i].command, commands[i].words,
                         json_array_size(words));
                return false;
        }
        written = (size_t)snprintf(why, size, "redis: the first word is one of ");
        for (size_t i = 0; i < sizeof commands / sizeof *commands && written < size; i++)
                written += (size_t)snprintf(why + written, size - written, "%s%s", i > 0 ? ", " : "",
                                            commands[i].command);
        return false;
}

static json_t *
reply_json(const struct redisReply *reply)
{
        switch (reply->type) {
        case REDIS_REPLY_STRING:
        case REDIS_REPLY_STATUS:
                return json_bytes(reply->str, (size_t)reply->len);
        case REDIS_REPLY_INTEGER:
                return json_integer(reply->integer);
        default:
                return NULL;
        }
}

/* Asks one server.  *moved: the key is another server's of the cluster. */
static int
redis_ask_words(struct redis *redis, const struct redis_word *words, size_t count, struct value *value, bool *moved,
                struct error *err)
{
        scoped_reply reply = NULL;

        if (redis_send(redis, words, count, err) != 0 || redis_take(redis, &reply, err) != 0)
                return -1;
        *moved = reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MOVED ", 6) == 0;
        if (*moved)
                return 0;
        if (redis_reply_error(redis, reply, words[0].bytes, err) != 0)
                return -1;
        value->json = reply_json(reply);
        if (value->json == NULL && reply->type != REDIS_REPLY_NIL)
                return error_set(err, REASON_PROTOCOL, "the answer is no single value");
        if (value->json == NULL)
                snprintf(value->absence, sizeof value->absence, "there is no such key or field");
        return 0;
}

int
value_from_redis(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const json_t *list = json_list(source, "redis");
        struct redis_word words[WORDS_MOST];
        size_t count = json_array_size(list), nodes = 0;
        struct redis *const *servers;
        scoped_json failed = NULL;
        char why[300];

        if (count > WORDS_MOST || !value_redis_sound(list, why, sizeof why))
                return error_set(err, REASON_CONFIGURATION, "%s", count > WORDS_MOST ? "redis: too many words" : why);
        for (size_t i = 0; i < count; i++) {
                const char *word = json_string_value(json_array_get(list, i));
                words[i] = REDIS_WORD(word);
        }
        snprintf(value->place, sizeof value->place, "%s %.200s on %.100s", words[0].bytes,
                 count > 1 ? words[1].bytes : "", session->target->name);
        value->secret = count > 1 && value_name_is_secret(words[count - 1].bytes);
        if (redis_nodes(session, &servers, &nodes, &failed, err) != 0)
                return -1;
        for (size_t i = 0; i < nodes; i++) {
                bool moved;
                if (redis_ask_words(servers[i], words, count, value, &moved, err) != 0)
                        return error_wrap(err, "%s", value->place);
                if (!moved)
                        return 0;
        }
        error_set(err, REASON_UNREACHABLE, "%s: none of the %zu servers that were reached holds the key", value->place,
                  nodes);
        return error_remedy(err, "look at the servers of the cluster that could not be reached");
}

/* --- HTTP --------------------------------------------------------------------------------------------------------- */

int
value_from_http(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const char *path = json_text(source, "get", "");
        scoped_string bytes = NULL;
        size_t length;

        snprintf(value->place, sizeof value->place, "%.*s of %.100s", (int)strcspn(path, "?"), path,
                 session->target->name);
        if (json_has(source, "pointer"))
                return http_target_json(session, path, &value->json, err);
        if (http_target_bytes(session, path, &bytes, &length, err) != 0)
                return -1;
        while (length > 0 && isspace((unsigned char)bytes[length - 1]))
                length--;
        value->json = json_bytes(bytes, length);
        return value->json != NULL ? 0 : error_memory(err, path);
}

/* --- Prometheus --------------------------------------------------------------------------------------------------- */

int
value_from_prometheus(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const char *query = json_text(source, "query", "");
        struct prometheus *prometheus = prometheus_session(session, err);
        double number;
        bool found;

        snprintf(value->place, sizeof value->place, "%.250s on %.100s", query, session->target->name);
        if (prometheus == NULL)
                return -1;
        if (prometheus_number(prometheus, query, 0, &number, &found, err) != 0)
                return error_wrap(err, "query");
        if (!found || number - number != 0)
                snprintf(value->absence, sizeof value->absence,
                         found ? "the expression yields no number (NaN or infinite)"
                               : "the expression yields no series");
        else
                value->json = json_real(number);
        return 0;
}

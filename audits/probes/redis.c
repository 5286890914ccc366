/* Redis over our own transport: hiredis formats commands and reads replies, we wait. */

#include "redis_connection.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "scope.h"

enum { REPLY_LARGEST = 64 * 1024 * 1024, WORDS_MOST = 64, COMMAND_MS = 10000, PIPE_BYTES = 1024 * 1024 };

/* Every command that may be sent, with its second word where the first alone could write.  All of them are in the
 * @read, @connection or @slow readers' categories of ACL CAT; none changes data, configuration or what other clients
 * see. */
static const struct {
        const char *command, *sub;
} readers[] = {
        {"AUTH", NULL},
        {"BITCOUNT", NULL},
        {"CLIENT", "SETNAME"},
        {"CLIENT", "NO-TOUCH"},
        {"CLIENT", "NO-EVICT"},
        {"CLIENT", "LIST"},
        {"CLUSTER", "INFO"},
        {"CLUSTER", "NODES"},
        {"CLUSTER", "SLOTS"},
        {"COMMAND", "COUNT"},
        {"CONFIG", "GET"},
        {"DBSIZE", NULL},
        {"EXISTS", NULL},
        {"GET", NULL},
        {"GETRANGE", NULL},
        {"HELLO", "2"},
        {"HGET", NULL},
        {"HGETALL", NULL},
        {"HLEN", NULL},
        {"HMGET", NULL},
        {"HSCAN", NULL},
        {"INFO", NULL},
        {"LINDEX", NULL},
        {"LLEN", NULL},
        {"LRANGE", NULL},
        {"MEMORY", "USAGE"},
        {"MEMORY", "STATS"},
        {"MGET", NULL},
        {"OBJECT", "ENCODING"},
        {"OBJECT", "IDLETIME"},
        {"PING", NULL},
        {"PTTL", NULL},
        {"READONLY", NULL},
        {"ROLE", NULL},
        {"SCAN", NULL},
        {"SCARD", NULL},
        {"SELECT", NULL},
        {"SENTINEL", "GET-MASTER-ADDR-BY-NAME"},
        {"SENTINEL", "REPLICAS"},
        {"SENTINEL", "MASTERS"},
        {"SLOWLOG", "LEN"},
        {"SSCAN", NULL},
        {"STRLEN", NULL},
        {"TIME", NULL},
        {"TTL", NULL},
        {"TYPE", NULL},
        {"XINFO", NULL},
        {"XLEN", NULL},
        {"XPENDING", NULL},
        {"XRANGE", NULL},
        {"XREVRANGE", NULL},
        {"ZCARD", NULL},
        {"ZCOUNT", NULL},
        {"ZRANGE", NULL},
        {"ZREVRANGE", NULL},
        {"ZSCORE", NULL},
        {"ACL", "WHOAMI"},
};

static bool
word_is(const struct redis_word *word, const char *text)
{
        return word->length == strlen(text) && strncasecmp(word->bytes, text, word->length) == 0;
}

static bool
only_reads(const struct redis_word *words, size_t count)
{
        for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
                if (word_is(&words[0], readers[i].command) &&
                    (readers[i].sub == NULL || (count > 1 && word_is(&words[1], readers[i].sub))))
                        return true;
        }
        return false;
}

/* The connection is of no use any more, and says why to whoever asks next. */
static int
broken(struct redis *redis, struct error *err)
{
        error_wrap(err, "%s", redis->server.address);
        redis->broken = *err;
        return -1;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

int
redis_send(struct redis *redis, const struct redis_word *words, size_t count, struct error *err)
{
        const char *bytes[WORDS_MOST];
        size_t lengths[WORDS_MOST];
        char *wire = NULL;

        if (redis->broken.reason != REASON_NONE) {
                *err = redis->broken;
                return -1;
        }
        if (count == 0 || count > WORDS_MOST || !only_reads(words, count))
                return error_set(err, REASON_INTERNAL, "%.*s is not among the commands that only read",
                                 count > 0 ? (int)words[0].length : 0, count > 0 ? words[0].bytes : "");
        for (size_t i = 0; i < count; i++) {
                bytes[i] = words[i].bytes;
                lengths[i] = words[i].length;
        }
        long long length = redisFormatCommandArgv(&wire, (int)count, bytes, lengths);
        if (length < 0)
                return error_memory(err, "Redis command");
        int failed = buffer_add(&redis->output, wire, (size_t)length);
        redisFreeCommand(wire);
        if (failed != 0)
                return error_memory(err, "Redis pipeline");
        redis->pending++;
        redis->sent++;
        return 0;
}

int
redis_form_make(const struct redis_word *words, size_t count, struct redis_form *form, struct error *err)
{
        size_t at = (size_t)snprintf(form->head, sizeof form->head, "*%zu\r\n", count + 1);

        if (count == 0 || !only_reads(words, count))
                return error_set(err, REASON_INTERNAL, "%.*s is not among the commands that only read",
                                 count > 0 ? (int)words[0].length : 0, count > 0 ? words[0].bytes : "");
        for (size_t i = 0; i < count && at < sizeof form->head; i++)
                at += (size_t)snprintf(form->head + at, sizeof form->head - at, "$%zu\r\n%.*s\r\n", words[i].length,
                                       (int)words[i].length, words[i].bytes);
        if (at + 1 >= sizeof form->head)
                return error_set(err, REASON_INTERNAL, "the words of a form are too long");
        form->head[at++] = '$';
        form->length = at;
        return 0;
}

int
redis_send_form(struct redis *redis, const struct redis_form *form, struct redis_word last, struct error *err)
{
        if (redis->broken.reason != REASON_NONE) {
                *err = redis->broken;
                return -1;
        }
        char *at = buffer_room(&redis->output, form->length + 24 + last.length + 2);
        if (at == NULL)
                return error_memory(err, "Redis pipeline");
        char *from = at, digits[24];
        size_t count = 0, length = last.length;
        memcpy(at, form->head, form->length);
        at += form->length;
        do
                digits[count++] = (char)('0' + length % 10);
        while ((length /= 10) > 0);
        while (count > 0)
                *at++ = digits[--count];
        memcpy(at, "\r\n", 2);
        if (last.length > 0)
                memcpy(at + 2, last.bytes, last.length);
        at += 2 + last.length;
        memcpy(at, "\r\n", 2);
        redis->output.length += (size_t)(at + 2 - from);
        redis->pending++;
        redis->sent++;
        /* Last words may be of any length: they go out before they pile up. */
        return redis->output.length > PIPE_BYTES ? redis_flush(redis, err) : 0;
}

int
redis_flush(struct redis *redis, struct error *err)
{
        if (redis->broken.reason != REASON_NONE) {
                *err = redis->broken;
                return -1;
        }
        if (redis->output.length == 0)
                return 0;
        struct deadline deadline = deadline_within(redis->session->deadline, COMMAND_MS);
        redis->sent_us = monotonic_us();
        int result = transport_write(redis->transport, redis->output.data, redis->output.length, &deadline, err);
        buffer_clear(&redis->output);
        return result == 0 ? 0 : broken(redis, err);
}

int
redis_take(struct redis *redis, struct redisReply **reply, struct error *err)
{
        struct deadline deadline = redis->session->deadline;
        void *got = NULL;
        char chunk[64 * 1024];
        size_t taken = 0;

        *reply = NULL;
        if (redis_flush(redis, err) != 0)
                return -1;
        if (redis->pending == 0)
                return error_set(err, REASON_INTERNAL, "no reply is to come");
        for (;;) {
                if (redisReaderGetReply(redis->reader, &got) != REDIS_OK) {
                        error_set(err, REASON_PROTOCOL, "this is not Redis: %s", redis->reader->errstr);
                        return broken(redis, err);
                }
                if (got != NULL)
                        break;
                if (taken == 0) /* asked for only where there is something to wait for: most replies are here already */
                        deadline = deadline_within(redis->session->deadline, COMMAND_MS);
                ssize_t length = transport_read(redis->transport, chunk, sizeof chunk, &deadline, err);
                if (length < 0)
                        return broken(redis, err);
                taken += (size_t)length;
                if (taken > REPLY_LARGEST) {
                        error_set(err, REASON_PROTOCOL, "a reply is larger than %d bytes", REPLY_LARGEST);
                        return broken(redis, err);
                }
                if (redis->sent_us != 0) {
                        redis->round_trip_us = monotonic_us() - redis->sent_us;
                        redis->sent_us = 0;
                }
                if (redisReaderFeed(redis->reader, chunk, (size_t)length) != REDIS_OK) {
                        error_memory(err, "Redis reply");
                        return broken(redis, err);
                }
        }
        redis->pending--;
        *reply = got;
        return 0;
}

int
redis_ask(struct redis *redis, const char *command, struct redisReply **reply, struct error *err)
{
        struct redis_word words[WORDS_MOST];
        size_t count = 0;

        *reply = NULL;
        redis_drain(redis);
        for (const char *at = command; *at != '\0' && count < WORDS_MOST;) {
                size_t length = strcspn(at, " ");
                if (length > 0)
                        words[count++] = (struct redis_word){at, length};
                at += length;
                at += strspn(at, " ");
        }
        if (redis_send(redis, words, count, err) != 0 || redis_take(redis, reply, err) != 0)
                return -1;
        if (redis_reply_error(redis, *reply, command, err) == 0)
                return 0;
        redis_reply_free(*reply);
        *reply = NULL;
        return -1;
}

int
redis_send_texts(struct redis *redis, struct error *err, ...)
{
        struct redis_word words[WORDS_MOST];
        size_t count = 0;
        va_list list;

        va_start(list, err);
        for (const char *text; count < WORDS_MOST && (text = va_arg(list, const char *)) != NULL;)
                words[count++] = REDIS_WORD(text);
        va_end(list);
        return redis_send(redis, words, count, err);
}

int
redis_take_answer(struct redis *redis, const char *what, struct redisReply **reply, struct error *err)
{
        if (redis_take(redis, reply, err) != 0)
                return -1;
        if (redis_reply_error(redis, *reply, what, err) == 0)
                return 0;
        redis_reply_free(*reply);
        *reply = NULL;
        return -1;
}

void
redis_drain(struct redis *redis)
{
        while (redis->pending > 0 && redis->broken.reason == REASON_NONE) {
                struct redisReply *reply;
                struct error ignored;
                if (redis_take(redis, &reply, &ignored) != 0)
                        return;
                redis_reply_free(reply);
        }
}

void
redis_reply_free(struct redisReply *reply)
{
        if (reply != NULL)
                freeReplyObject(reply);
}

int
redis_reply_error(const struct redis *redis, const struct redisReply *reply, const char *what, struct error *err)
{
        static const struct {
                const char *prefix;
                enum reason reason;
                const char *remedy;
        } rows[] = {
                {"NOPERM", REASON_DENIED,
                 "give the user the right: ACL SETUSER rounds +@read +@connection +info +config|get ~*"},
                {"NOAUTH", REASON_DENIED,
                 "give the target a password_file or password_env, and a user where ACLs are used"},
                {"WRONGPASS", REASON_DENIED, "the user or password is wrong: check password_file and user"},
                {"ERR invalid password", REASON_DENIED, "the password is wrong: check password_file"},
                {"ERR AUTH", REASON_DENIED, "the server has no password set: remove password_file"},
                {"LOADING", REASON_UNREACHABLE, "the server is still loading its data: look again when it has"},
                {"MASTERDOWN", REASON_UNREACHABLE, "the replica has lost its master"},
                {"CLUSTERDOWN", REASON_UNREACHABLE, "the cluster does not serve: see CLUSTER INFO"},
                {"BUSY", REASON_TIMEOUT, "a script holds the server: SCRIPT KILL ends it"},
                {"MOVED", REASON_CONFIGURATION, "this is a cluster: set `cluster: true` for the target"},
                {"ERR unknown command", REASON_UNSUPPORTED, NULL},
                {"ERR unknown subcommand", REASON_UNSUPPORTED, NULL},
                {"ERR Unknown subcommand", REASON_UNSUPPORTED, NULL},
                {"ERR max number of clients", REASON_UNREACHABLE,
                 "the server has no room for another client: see maxclients"},
                {"DENIED", REASON_DENIED,
                 "the server runs in protected mode: connect from where it allows, or set a password"},
        };

        if (reply->type != REDIS_REPLY_ERROR)
                return 0;
        error_set(err, REASON_PROTOCOL, "%s: %s: %.300s", redis->server.address, what, reply->str);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (strncmp(reply->str, rows[i].prefix, strlen(rows[i].prefix)) == 0) {
                        err->reason = rows[i].reason;
                        if (rows[i].remedy != NULL)
                                error_remedy(err, "%s", rows[i].remedy);
                        break;
                }
        }
        return -1;
}

/* --- INFO --------------------------------------------------------------------------------------------------------- */

json_t *
redis_info_read(const char *text, size_t length)
{
        json_t *info = json_object(), *section = info;

        for (const char *at = text, *end = text + length; info != NULL && at < end;) {
                size_t line = 0;
                while (at + line < end && at[line] != '\r' && at[line] != '\n')
                        line++;
                const char *colon = memchr(at, ':', line);
                if (line > 2 && at[0] == '#') {
                        char name[64];
                        snprintf(name, sizeof name, "%.*s", (int)(line - 2), at + 2);
                        for (char *c = name; *c != '\0'; c++)
                                *c = (char)tolower((unsigned char)*c);
                        json_t *fresh = json_object();
                        if (json_put(info, name, fresh) == 0)
                                section = fresh;
                } else if (colon != NULL && colon != at) {
                        char key[128];
                        snprintf(key, sizeof key, "%.*s", (int)(colon - at), at);
                        json_put_bytes(section, key, colon + 1, line - (size_t)(colon - at) - 1);
                }
                at += line;
                while (at < end && (*at == '\r' || *at == '\n'))
                        at++;
        }
        return info;
}

int
redis_info(struct redis *redis, const char *section, json_t **out, struct error *err)
{
        scoped_reply reply = NULL;
        char command[80];

        snprintf(command, sizeof command, section != NULL ? "INFO %s" : "INFO", section);
        if (redis_ask(redis, command, &reply, err) != 0)
                return -1;
        if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
                return error_set(err, REASON_PROTOCOL, "%s: the answer to INFO is no text", redis->server.address);
        *out = redis_info_read(reply->str, (size_t)reply->len);
        return *out != NULL ? 0 : error_memory(err, "INFO");
}

double
redis_info_number(const json_t *info, const char *section, const char *field, double fallback)
{
        const char *text = json_text(json_object_get(info, section), field, "");
        char *end;
        double value = strtod(text, &end);

        return end != text ? value : fallback;
}

const struct redis_server *
redis_server(const struct redis *redis)
{
        return &redis->server;
}

int64_t
redis_round_trip_us(const struct redis *redis)
{
        return redis->round_trip_us;
}

int
redis_is_usable(const struct redis *redis, struct error *err)
{
        if (redis->broken.reason == REASON_NONE)
                return 0;
        *err = redis->broken;
        return -1;
}

uint64_t
redis_sent(const struct redis *redis)
{
        return redis->sent;
}

/* Redis (and Valkey, and managed services that speak RESP2), read only.
 *
 * Only commands of a fixed list of readers are ever sent: redis_send() refuses any other.  A connection belongs to its
 * session and thread.  Replies are hiredis' redisReply trees, owned by the caller: free them with redis_reply_free().
 */
#ifndef ROUNDS_REDIS_H
#define ROUNDS_REDIS_H

#include <hiredis/read.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

extern const struct target_kind kind_redis;

struct redisReply;
struct redis; /* one connection to one server */

/* The session's connection to the server that the target names (through Sentinel: the master), opened on first use;
 * NULL with the error of the first try, which is kept. */
struct redis *redis_session(struct session *session, struct error *err);

/* --- commands ----------------------------------------------------------------------------------------------------- */

/* One argument of any bytes. */
struct redis_word {
        const char *bytes;
        size_t length;
};
#define REDIS_WORD(text) ((struct redis_word){(text), strlen(text)})

/* Puts a command into the pipeline; nothing is sent before redis_flush() or redis_take().  REASON_INTERNAL for a
 * command that is no reader. */
int redis_send(struct redis *redis, const struct redis_word *words, size_t count, struct error *err)
        __attribute__((warn_unused_result));

/* A command whose last word changes with every use, checked and formatted once: for questions about millions of keys.
 * A pipeline of more than a mebibyte is sent at once. */
struct redis_form {
        char head[64];
        size_t length;
};
int redis_form_make(const struct redis_word *words, size_t count, struct redis_form *form, struct error *err)
        __attribute__((warn_unused_result));
int redis_send_form(struct redis *redis, const struct redis_form *form, struct redis_word last, struct error *err)
        __attribute__((warn_unused_result));

int redis_flush(struct redis *redis, struct error *err) __attribute__((warn_unused_result));

/* The next reply of the pipeline.  An error reply (-ERR ...) is a reply, not a failure: see redis_reply_error(). */
int redis_take(struct redis *redis, struct redisReply **reply, struct error *err) __attribute__((warn_unused_result));

/* One command of plain words, "CONFIG GET maxmemory": sent and answered.  -1 also for an error reply. */
int redis_ask(struct redis *redis, const char *command, struct redisReply **reply, struct error *err)
        __attribute__((warn_unused_result));

/* The same for a pipeline, in words that may hold blanks: NULL-terminated texts, sent with the next flush. */
int redis_send_texts(struct redis *redis, struct error *err, ...) __attribute__((sentinel, warn_unused_result));

/* The next reply, which must be no error reply: -1 then, with its reason.  `what` names the question. */
int redis_take_answer(struct redis *redis, const char *what, struct redisReply **reply, struct error *err)
        __attribute__((warn_unused_result));

/* Throws away the replies that are still to come: after a pipeline that was given up, so that the next question gets
 * its own answer. */
void redis_drain(struct redis *redis);

void redis_reply_free(struct redisReply *reply);
static inline void
redis_reply_scope_free(struct redisReply **reply)
{
        redis_reply_free(*reply);
}
#define scoped_reply __attribute__((cleanup(redis_reply_scope_free))) struct redisReply *

/* When `reply` is an error reply: its reason (NOPERM and NOAUTH denied, LOADING and MASTERDOWN unreachable, BUSY
 * timeout, unknown command unsupported ...), the server's words, a remedy.  -1 then, 0 otherwise. */
int redis_reply_error(const struct redis *redis, const struct redisReply *reply, const char *what, struct error *err);

/* INFO [section] as an object of sections of texts: {"memory": {"used_memory": "1048576"}}; new. */
int redis_info(struct redis *redis, const char *section, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* The text of an answer to INFO as such an object; new, NULL when memory ran out.  Pure. */
json_t *redis_info_read(const char *text, size_t length);

/* The number in a text field of an object made by redis_info(); fallback when absent or no number. */
double redis_info_number(const json_t *info, const char *section, const char *field, double fallback);

/* --- what answered ------------------------------------------------------------------------------------------------ */

struct redis_server {
        char address[300];
        char version[32];
        char run_id[48];
        char replid[48];   /* the replication history: a primary's and its replicas' are the same */
        char primary[300]; /* of a replica: host:port of its primary; "" otherwise */
        int database;
        char role[16];           /* "master", "slave" as the server says, or "sentinel" */
        char mode[16];           /* "standalone", "cluster", "sentinel" */
        char eviction[32];       /* maxmemory_policy of INFO; "" where it is hidden */
        bool no_touch, no_evict; /* CLIENT NO-TOUCH / NO-EVICT were accepted */
};
const struct redis_server *redis_server(const struct redis *redis);

/* Every server that holds a part of the target's keys: the one server, or a cluster's primaries.  *out is an array of
 * *count connections owned by the session.  Servers that could not be reached are noted in `failed` (array of
 * {"address", "reason", "text"}, new) and left out. */
int redis_nodes(struct session *session, struct redis *const **out, size_t *count, json_t **failed, struct error *err)
        __attribute__((warn_unused_result));

/* The same servers as they are to be scanned: replicas that are in step where the target's setting `read_from` prefers
 * them, the primaries otherwise. */
int redis_scan_nodes(struct session *session, struct redis *const **out, size_t *count, json_t **failed,
                     struct error *err) __attribute__((warn_unused_result));

/* 0 while the connection can be used; else -1 with why it cannot. */
int redis_is_usable(const struct redis *redis, struct error *err) __attribute__((warn_unused_result));

/* Connects anew to where a connection broke, as the same user and to the same database; what was under way is gone.
 * Whether the same server answers is for the caller to see: run_id.  On -1 the connection is as it was. */
int redis_reopen(struct redis *redis, struct error *err) __attribute__((warn_unused_result));

/* Commands sent on this connection since it was opened: what an auditor adds to the counters it reads. */
uint64_t redis_sent(const struct redis *redis);

/* How long the newest round trip took, microseconds: what a latency brake looks at. */
int64_t redis_round_trip_us(const struct redis *redis);

#endif

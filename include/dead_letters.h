/* Dead letters of one source, summed up: how many, of what topics, why, how often they were tried again.  Pure; keeps
 * no message.
 *
 * Source readers hand over one message at a time; the sum is the source's row in the facts of the audit `dead_letters`:
 *   {"name", "kind", "exists", "total", "capped" (total is a least), "seen",
 *    "topics" [{"name", "messages"}], "topics_exact" (counted over all of them, not over those seen),
 *    "tenants" [{"name", "messages"}], "errors" [{"text", "messages", "classes": {"": n, "transient": n}}],
 *    "replays" [{"times", "messages"}], "replays_unknown", "backoffs" [{"type", "messages"}],
 *    "shapes" [{"shape", "messages"}], "oldest_at_ms"} */
#ifndef ROUNDS_DEAD_LETTERS_H
#define ROUNDS_DEAD_LETTERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

struct dead_letters;

/* What a source says of one message; everything borrowed, NULL where it is not told. */
struct dead_letter {
        const char *topic, *tenant, *error, *class, *backoff;
        int64_t replays; /* -1: not told */
        int64_t at_ms;   /* when it failed; 0: not told */
        const json_t *payload;
};

/* `settings`: the source's row of the configuration (class_fields is read); borrowed.  NULL: memory ran out. */
struct dead_letters *dead_letters_open(const json_t *settings);
void dead_letters_close(struct dead_letters *all);

/* 0, or -1 when memory ran out. */
int dead_letters_add(struct dead_letters *all, const struct dead_letter *letter);

/* The same for a message as JSON, taken apart by the pointers of `settings` (topic, tenant, error, retry_count, ...).
 */
int dead_letters_add_message(struct dead_letters *all, const json_t *settings, const json_t *message);

/* The source itself counted this many messages of a topic; then its counts stand for all. */
int dead_letters_topic(struct dead_letters *all, const char *topic, int64_t messages);

/* The source itself tells when its oldest message failed. */
void dead_letters_oldest(struct dead_letters *all, int64_t at_ms);

/* The sum, new; `total` of all messages, at least that many where `capped`. */
json_t *dead_letters_json(const struct dead_letters *all, int64_t total, bool capped);

/* --- sources ------------------------------------------------------------------------------------------------------ */

/* One reader per kind of target: fills `sources` (array) with one row per source; what cannot be read of one becomes a
 * gap of `facts`. */
typedef int (*dead_letter_read)(struct session *session, json_t *facts, json_t *sources, struct error *err);

int dead_letters_redis(struct session *session, json_t *facts, json_t *sources, struct error *err)
        __attribute__((warn_unused_result));
int dead_letters_sql(struct session *session, json_t *facts, json_t *sources, struct error *err)
        __attribute__((warn_unused_result));
int dead_letters_http(struct session *session, json_t *facts, json_t *sources, struct error *err)
        __attribute__((warn_unused_result));

/* Completes a source's row ("name", "kind", "owner", "exists") and adds it to `sources`; `row` is stolen. */
int dead_letters_push(json_t *sources, json_t *row, const char *name, const char *kind, const json_t *settings,
                      bool exists, struct error *err) __attribute__((warn_unused_result));

/* A source that could not be read: a gap; -1 when the run is over. */
int dead_letters_lost(json_t *facts, const char *name, const struct error *why, struct error *err)
        __attribute__((warn_unused_result));

#endif

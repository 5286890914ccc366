/* One target during one run: what its audits share.
 *
 * "Connect once, fetch a list once": a probe keeps its connection here under its own key, and the next audit of
 * the same target finds it.  A session belongs to one worker thread; it is never shared between threads.  What an audit
 * needs of another target it asks through session_reference(). */
#ifndef ROUNDS_SESSION_H
#define ROUNDS_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"
#include "target.h"

struct policy;
struct session_item;

struct session {
        const struct target *target;
        struct deadline deadline;            /* of the whole target; probes tighten it per call */
        int64_t now_ms;                      /* the run's start, wall clock, UTC: the one "now" of a run */
        const struct target *const *targets; /* every configured target, NULL-terminated; for references by name */
        const struct policy *policy;         /* of the target: only for how long and how much to look; may be NULL */
        struct session_item *items;          /* owned; see session_put() */
        json_t *kept; /* what runs on this target leave each other: see session_keep(); borrowed */
        bool kept_changed;
};

/* Keeps `object` under `key` (compared by address: use the address of a static) until the session ends, when
 * `close` is called, last kept first.  -1 when memory ran out: `close` has been called then. */
int session_put(struct session *session, const void *key, void *object, void (*close)(void *object));

/* What was kept under `key`, borrowed; NULL when nothing was. */
void *session_get(const struct session *session, const void *key);

/* What an earlier run on this target kept under `name` ("redis_keys"), borrowed; NULL when nothing was, or where
 * nothing is remembered (`rounds check`). */
const json_t *session_recall(const struct session *session, const char *name);

/* Keeps `value` (taken over) for the next run on this target: where a long look stopped, never what judging needs.
 * NULL forgets.  It outlives an interrupted run; where nothing is remembered it is dropped.  -1 when memory ran out. */
int session_keep(struct session *session, const char *name, json_t *value);

/* Closes everything kept.  The struct itself belongs to whoever declared it. */
void session_end(struct session *session);

/* The session of another configured target, for an audit that needs a value of it: opened on first use, kept in this
 * one and closed with it, on the same thread and under the same deadline.  A target's own name gives its own session.
 * Borrowed; NULL with REASON_CONFIGURATION for a name that no target has. */
struct session *session_reference(struct session *session, const char *target, struct error *err);

/* A configured target by name, NULL when there is none. */
const struct target *session_target(const struct session *session, const char *name);

#endif

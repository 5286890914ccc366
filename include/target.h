/* What is looked at: one configured target, and the kinds of target there are.
 *
 * A kind's probe exports one `const struct target_kind`, listed in audits/engine/kinds.c.  Its settings table
 * is what rounds.yaml accepts for that kind (name, kind, owner, timeout, tags and policy are common to all).
 * A struct target and everything in it is owned by the configuration and outlives every run. */
#ifndef ROUNDS_TARGET_H
#define ROUNDS_TARGET_H

#include <stddef.h>

#include "error.h"
#include "settings.h"

struct session;

struct target;

/* One mistake in a target's settings: item `index` of the list `list` (NULL: the target as a whole), and what is wrong.
 */
typedef void target_mistake(void *context, const char *list, size_t index, const char *text);

struct target_kind {
        const char *name;  /* "postgres" */
        const char *words; /* one line: what it is, for `rounds list targets --kinds` and the manual */
        const struct setting *settings;
        /* Opens the connection (kept in the session) and says what answered ("PostgreSQL 15.8, primary").
         * What `rounds check` calls before the audits' own `check`. */
        int (*connect)(struct session *session, char *server, size_t size, struct error *err);
        /* Tells the mistakes that no table of settings can: what does not go together, references to other targets
         * (NULL-terminated) that are not there.  Called once the whole configuration was read; NULL: there are none. */
        void (*review)(const struct target *target, const struct target *const *targets, target_mistake *tell,
                       void *context);
        /* Says what a run will send to the target, for a kind that does more than look: shown by `rounds run --dry-run`
         * and `rounds check`, and logged before a run.  NULL: it only looks. */
        void (*announce)(const struct target *target, char *text, size_t size);
};

struct target {
        const char *name;
        const struct target_kind *kind;
        const char *owner;      /* never NULL; "" when unset */
        const json_t *settings; /* checked against kind->settings; borrowed from the configuration */
};

/* Shared with kinds.c: every kind, NULL-terminated, in alphabetical order. */
extern const struct target_kind *const target_kinds[];
const struct target_kind *target_kind_find(const char *name); /* NULL when there is none */

/* The target's own settings: borrowed, NULL / fallback when absent. */
const char *target_text(const struct target *target, const char *name);
const json_t *target_value(const struct target *target, const char *name);

#endif

/* The plan of a run: which audits look at which targets, and which controls nobody can answer for.
 *
 * Everything but the arrays is borrowed from the audit table and the configuration. */
#ifndef ROUNDS_PLAN_H
#define ROUNDS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "audit.h"
#include "error.h"
#include "target.h"

struct plan_audit {
        const struct audit *audit;
        char why[200]; /* not empty: the audit does not apply to this target, its controls are skipped with this */
};

struct plan_target {
        const struct target *target;
        struct plan_audit *audits; /* in the order of the audit table */
        size_t count;
        int64_t timeout_ms; /* the target's own, of all its audits together */
};

struct plan {
        struct plan_target *targets; /* as configured; those with an audit only */
        size_t target_count;
        const struct audit **joins; /* cross-layer audits, run after all targets */
        size_t join_count;
        struct plan_audit *unserved; /* no configured target: `why` says of which kind */
        size_t unserved_count;
};

struct plan_request {
        const struct audit *const *audits;   /* the table, NULL-terminated */
        const char *const *names;            /* of the audits wanted, NULL-terminated; NULL: all */
        const struct target *const *targets; /* every configured one, NULL-terminated */
        const char *const *globs;            /* the job's: only targets whose name matches one of them; NULL: all */
        const char *glob;                    /* the call's: and this one; NULL: all */
        bool every_target;                   /* also those that no audit looks at (rounds check) */
        unsigned shard, shards; /* this part of so many, from 0; 0 of 0 or 0 of 1: everything.  What belongs to no
                                   target (unserved and cross-layer audits) is part 0's */
        int64_t timeout_ms;     /* of a target that sets none */
};

/* REASON_CONFIGURATION for an unknown audit, a pattern that matches no target, a shard out of range. */
int plan_make(const struct plan_request *request, struct plan **out, struct error *err)
        __attribute__((warn_unused_result));
void plan_free(struct plan *plan);

/* True, with what will be sent, for a target that is not only looked at (target_kind.announce). */
bool plan_announces(const struct plan_target *planned, char *text, size_t size);

/* The plan for people, a line per target, comparison and skipped audit (`rounds run --dry-run`). */
void plan_print(const struct plan *plan, FILE *stream);

/* Which of `shards` parts the target of this name belongs to: FNV-1a (64 bits) of the name, so the same everywhere and
 * for good, whatever else is configured. */
unsigned plan_shard(const char *name, unsigned shards);

/* True when the audit looks at targets of this kind. */
bool plan_serves(const struct audit *audit, const char *kind);

#endif

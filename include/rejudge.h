/* An old run judged again: the facts that it stored, under another policy.
 *
 * With the policy of then the findings come out byte for byte as they were.  Results without facts (what could not be
 * collected, what was skipped) and facts of audits that this program no longer has stay as they are. */
#ifndef ROUNDS_REJUDGE_H
#define ROUNDS_REJUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "error.h"
#include "policy.h"
#include "store.h"

/* One finding whose verdict changes.  Borrowed for the length of the call. */
struct rejudge_change {
        const char *control, *target, *audit;
        struct resource resource;
        bool was, is; /* false: there was, or is, no such finding */
        enum status status_was, status_is;
        enum severity severity_was, severity_is;
        const char *message; /* of the new one, else of the old one */
};

struct rejudge_order {
        struct store *store;
        int64_t run, started_ms;           /* the run's start is the "now" of its judges */
        const struct audit *const *audits; /* the table */
        /* The policy for a target; "" for what belongs to none.  Borrowed. */
        const struct policy *(*policy_of)(void *context, const char *target);
        finding_filter filter; /* waivers and owners; may be NULL */
        void (*changed)(void *context, const struct rejudge_change *change);
        void *context; /* of the three */
        bool dry_run;  /* tell only */
};

struct rejudge_figures {
        size_t results; /* judged again */
        size_t findings, changed;
        size_t unknown; /* results of audits that this program does not have */
};

int rejudge_run(const struct rejudge_order *order, struct rejudge_figures *figures, struct error *err)
        __attribute__((warn_unused_result));

#endif

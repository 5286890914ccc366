/* Runs a plan: one session per target on a pool of threads, each target's results committed as it finishes.
 *
 * A target that fails, hangs or is interrupted is a fact of the run: its controls get `error` findings and everybody
 * else goes on.  Only the store can end a run early. */
#ifndef ROUNDS_RUNNER_H
#define ROUNDS_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deadline.h"
#include "error.h"
#include "plan.h"
#include "policy.h"
#include "store.h"

struct run_progress {
        size_t done, total;  /* targets */
        const char *slowest; /* the target that has run longest, NULL when none runs */
        int64_t slowest_ms;
        int64_t elapsed_ms;
        int64_t left_ms; /* until the run's own timeout */
};

/* Told about ten times a second and once at the end, on the thread that called runner_run(). */
struct run_observer {
        void *context;
        void (*progress)(void *context, const struct run_progress *progress);
};

struct run_order {
        const struct plan *plan;
        const struct target *const *targets; /* every configured one, NULL-terminated */
        struct store *store;
        int64_t run;    /* from store_run_begin() */
        int64_t now_ms; /* its start: the "now" of every judge */
        unsigned threads;
        int64_t timeout_ms;    /* of the whole run */
        int64_t grace_ms;      /* what a target may overstay before it is given up; 0: 10 s */
        struct cancel *cancel; /* set by a signal; also by the runner when the store fails */
        /* The policy for a target; for NULL the one of no target in particular.  Borrowed. */
        const struct policy *(*policy_of)(void *context, const struct target *target);
        finding_filter filter;               /* owners and waivers */
        void *context;                       /* of both */
        const struct run_observer *observer; /* may be NULL */
};

struct run_outcome {
        bool interrupted;
        size_t lost; /* targets whose thread hangs.  Not 0: whatever the order points to must live until the process
                        ends, and the store must not be closed */
};

/* -1: the store could not be written; what was committed stays. */
int runner_run(const struct run_order *order, struct run_outcome *outcome, struct error *err)
        __attribute__((warn_unused_result));

/* The history that `audit` asks for, of one target ("" for a cross-layer audit), before `now_ms`.  The caller frees it.
 */
int runner_history(struct store *store, const struct audit *audit, const char *target, int64_t now_ms,
                   struct history **out, struct error *err) __attribute__((warn_unused_result));

#endif

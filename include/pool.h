/* A small pool of threads for tasks that talk to servers, and so may hang whatever they promised.
 *
 * A task that has not ended some seconds after its own limit is given up: its thread is left behind, another takes its
 * place, and the caller is told to answer for the task.  After that the left thread must find everything it uses still
 * there: when pool_run() reports lost tasks, `context` and what hangs on it live until the process ends. */
#ifndef ROUNDS_POOL_H
#define ROUNDS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deadline.h"
#include "error.h"

struct pool_turn; /* one task on one thread */

struct pool_state {
        size_t done, total;
        size_t slowest;     /* index of the task that has run longest; meaningless while running is 0 */
        int64_t slowest_ms; /* for so long */
        size_t running;
        int64_t elapsed_ms;
};

struct pool {
        size_t count; /* tasks, numbered from 0 and begun in that order */
        unsigned threads;
        void *context;
        const struct cancel *cancel; /* once set, running tasks get `grace_ms` and no more; may be NULL */
        int64_t grace_ms;            /* past a task's limit before it is given up */

        int64_t (*limit_ms)(void *context, size_t index); /* how long the task may take, asked when it begins */
        void (*work)(void *context, size_t index, struct pool_turn *turn);
        void (*lost)(void *context, size_t index);                   /* on the caller's thread */
        void (*tick)(void *context, const struct pool_state *state); /* likewise, ten times a second; may be NULL */
        /* Once, when no thread will touch the context any more: at the end of pool_run(), or, when tasks were lost, on
         * the last thread that comes back after all (perhaps never).  May be NULL. */
        void (*released)(void *context);
};

/* Runs every task; returns when all are done or lost.  *lost: how many.  -1 when no thread could be started. */
int pool_run(const struct pool *pool, size_t *lost, struct error *err) __attribute__((warn_unused_result));

/* Called by work() before it hands in its result: true exactly when the task was not given up, and from then on it will
 * not be.  What follows must not hang. */
bool pool_claim(struct pool_turn *turn);

#endif

/* Threads that may be lost to a hung server without taking the run with them. */

#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scope.h"

#define TICK_MS 100

enum task_state { TASK_WAITING, TASK_RUNNING, TASK_CLAIMED, TASK_DONE, TASK_LOST };

struct task {
        enum task_state state;
        int64_t started_ms, given_up_ms; /* monotonic */
};

/* Shared by the caller and every thread, freed by the last of them. */
struct crew {
        struct pool pool;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct task *tasks;
        size_t next, done, lost;
        size_t alive;   /* threads that were not left behind */
        size_t holders; /* threads that still use this, and the caller */
        int64_t started_ms, cancelled_ms;
};

struct pool_turn {
        struct crew *crew;
        size_t index;
};

static void
crew_leave(struct crew *crew)
{
        pthread_mutex_lock(&crew->lock);
        bool last = --crew->holders == 0;
        pthread_mutex_unlock(&crew->lock);
        if (!last)
                return;
        if (crew->pool.released != NULL)
                crew->pool.released(crew->pool.context);
        pthread_mutex_destroy(&crew->lock);
        pthread_cond_destroy(&crew->changed);
        free(crew->tasks);
        free(crew);
}

bool
pool_claim(struct pool_turn *turn)
{
        struct task *task = &turn->crew->tasks[turn->index];

        pthread_mutex_lock(&turn->crew->lock);
        bool ours = task->state == TASK_RUNNING;
        if (ours)
                task->state = TASK_CLAIMED;
        pthread_mutex_unlock(&turn->crew->lock);
        return ours;
}

/* --- a thread ----------------------------------------------------------------------------------------------- */

/* Takes the next task and does it.  False when there is none, or when this thread was left behind meanwhile. */
static bool
work_once(struct crew *crew)
{
        struct pool *pool = &crew->pool;

        pthread_mutex_lock(&crew->lock);
        if (crew->next == pool->count) {
                crew->alive--;
                pthread_cond_signal(&crew->changed);
                pthread_mutex_unlock(&crew->lock);
                return false;
        }
        struct pool_turn turn = {.crew = crew, .index = crew->next++};
        struct task *task = &crew->tasks[turn.index];
        task->started_ms = monotonic_ms();
        task->given_up_ms = task->started_ms + pool->limit_ms(pool->context, turn.index) + pool->grace_ms;
        task->state = TASK_RUNNING;
        pthread_mutex_unlock(&crew->lock);

        pool->work(pool->context, turn.index, &turn);

        pthread_mutex_lock(&crew->lock);
        bool stay = task->state != TASK_LOST;
        if (stay) {
                task->state = TASK_DONE;
                crew->done++;
                pthread_cond_signal(&crew->changed);
        }
        pthread_mutex_unlock(&crew->lock);
        return stay;
}

static void *
worker(void *argument)
{
        while (work_once(argument)) {
        }
        crew_leave(argument);
        return NULL;
}

/* Called with the lock held.  Signals are for the thread that waits for them, never for these. */
static int
thread_add(struct crew *crew)
{
        pthread_attr_t detached;
        pthread_t thread;
        sigset_t all, before;

        sigfillset(&all);
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int code = pthread_create(&thread, &detached, worker, crew);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&detached);
        if (code == 0) {
                crew->alive++;
                crew->holders++;
        }
        return code;
}

/* --- the caller --------------------------------------------------------------------------------------------- */

/* The next running task whose time is over, marked as lost; its thread is left behind.  With the lock held. */
static bool
give_up_one(struct crew *crew, size_t *index)
{
        int64_t now_ms = monotonic_ms();

        if (crew->cancelled_ms == 0 && crew->pool.cancel != NULL && atomic_load(&crew->pool.cancel->on))
                crew->cancelled_ms = now_ms;
        for (size_t i = 0; i < crew->next; i++) {
                struct task *task = &crew->tasks[i];
                bool over = now_ms >= task->given_up_ms ||
                            (crew->cancelled_ms != 0 && now_ms >= crew->cancelled_ms + crew->pool.grace_ms &&
                             now_ms >= task->started_ms + crew->pool.grace_ms);
                if (task->state != TASK_RUNNING || !over)
                        continue;
                task->state = TASK_LOST;
                crew->done++;
                crew->lost++;
                crew->alive--;
                *index = i;
                return true;
        }
        return false;
}

static struct pool_state
state_of(const struct crew *crew)
{
        int64_t now_ms = monotonic_ms();
        struct pool_state state = {
                .done = crew->done, .total = crew->pool.count, .elapsed_ms = now_ms - crew->started_ms};

        for (size_t i = 0; i < crew->next; i++) {
                const struct task *task = &crew->tasks[i];
                if (task->state != TASK_RUNNING && task->state != TASK_CLAIMED)
                        continue;
                if (state.running++ == 0 || now_ms - task->started_ms > state.slowest_ms) {
                        state.slowest = i;
                        state.slowest_ms = now_ms - task->started_ms;
                }
        }
        return state;
}

/* Waits for the tasks, called and left with the lock held. */
static void
oversee(struct crew *crew)
{
        struct pool *pool = &crew->pool;
        int64_t ticked_ms = 0;
        size_t index;

        while (crew->done < pool->count || crew->alive > 0) {
                while (give_up_one(crew, &index)) {
                        /* Without a new thread the others do its work; the last one gone, the caller says so. */
                        if (crew->next < pool->count)
                                (void)thread_add(crew);
                        pthread_mutex_unlock(&crew->lock);
                        pool->lost(pool->context, index);
                        pthread_mutex_lock(&crew->lock);
                }
                if (crew->alive == 0 && crew->next < pool->count && thread_add(crew) != 0)
                        break;
                if (pool->tick != NULL && monotonic_ms() >= ticked_ms + TICK_MS) {
                        struct pool_state state = state_of(crew);
                        ticked_ms = monotonic_ms();
                        pthread_mutex_unlock(&crew->lock);
                        pool->tick(pool->context, &state);
                        pthread_mutex_lock(&crew->lock);
                }
                if (crew->done == pool->count && crew->alive == 0)
                        break;
                struct timespec until;
                clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += TICK_MS * 1000000L;
                until.tv_sec += until.tv_nsec / 1000000000L;
                until.tv_nsec %= 1000000000L;
                pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
        }
}

static struct crew *
crew_new(const struct pool *pool)
{
        struct crew *crew = calloc(1, sizeof *crew);
        pthread_condattr_t monotonic;

        if (crew == NULL)
                return NULL;
        crew->tasks = calloc(pool->count + 1, sizeof *crew->tasks);
        if (crew->tasks == NULL) {
                free(crew);
                return NULL;
        }
        crew->pool = *pool;
        crew->holders = 1;
        crew->started_ms = monotonic_ms();
        pthread_mutex_init(&crew->lock, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&crew->changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
        return crew;
}

int
pool_run(const struct pool *pool, size_t *lost, struct error *err)
{
        struct crew *crew = crew_new(pool);
        int code = 0;

        *lost = 0;
        if (crew == NULL) {
                if (pool->released != NULL)
                        pool->released(pool->context);
                return error_memory(err, "the pool");
        }
        pthread_mutex_lock(&crew->lock);
        for (unsigned i = 0; code == 0 && i < pool->threads && i < pool->count; i++)
                code = thread_add(crew);
        if (crew->alive > 0 || pool->count == 0)
                oversee(crew);
        struct pool_state state = state_of(crew);
        *lost = crew->lost;
        pthread_mutex_unlock(&crew->lock);
        if (pool->tick != NULL)
                pool->tick(pool->context, &state);
        crew_leave(crew);
        if (state.done < pool->count)
                return error_set(err, REASON_INTERNAL, "no thread could be started: %s", strerror(code));
        return 0;
}

/* A run: targets side by side on the pool, the audits of one target one after another on one session. */

#include "runner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "assess.h"
#include "joined.h"
#include "json.h"
#include "moment.h"
#include "pool.h"
#include "scope.h"

#define GRACE_MS   (10 * SECOND_MS)
#define HISTORY_MS (400 * DAY_MS)

struct runner {
        const struct run_order *order;
        struct deadline deadline; /* of the run */
        int64_t grace_ms;
        atomic_int holders; /* the run, and the pool while a thread of it may come back */
        pthread_mutex_t lock;
        bool failed; /* the store could not be written: `err` says why */
        struct error err;
};

/* One audit of one target, on its way into the store. */
struct outcome {
        struct findings *findings;
        json_t *facts;
};

static void
runner_leave(void *context)
{
        struct runner *runner = context;

        if (atomic_fetch_sub(&runner->holders, 1) > 1)
                return;
        pthread_mutex_destroy(&runner->lock);
        free(runner);
}

static const struct policy *
policy_of(const struct runner *runner, const struct target *target)
{
        return runner->order->policy_of(runner->order->context, target);
}

/* The first failure of the store ends the run: nobody's results could be kept any more. */
static void
fail_run(struct runner *runner, const struct error *err)
{
        pthread_mutex_lock(&runner->lock);
        if (!runner->failed) {
                runner->failed = true;
                runner->err = *err;
        }
        pthread_mutex_unlock(&runner->lock);
        cancel_now(runner->order->cancel);
}

static bool
has_failed(struct runner *runner)
{
        pthread_mutex_lock(&runner->lock);
        bool failed = runner->failed;
        pthread_mutex_unlock(&runner->lock);
        return failed;
}

int
runner_history(struct store *store, const struct audit *audit, const char *target, int64_t now_ms, struct history **out,
               struct error *err)
{
        int64_t since_ms = now_ms - (audit->history_ms > 0 ? audit->history_ms : HISTORY_MS);
        struct history *history = history_new(now_ms);

        if (history == NULL)
                return error_memory(err, "history");
        for (size_t i = 0; i < sizeof audit->samples / sizeof *audit->samples && audit->samples[i] != NULL; i++) {
                if (store_samples_load(store, target, audit->samples[i], since_ms, now_ms, history, err) != 0) {
                        history_free(history);
                        return -1;
                }
        }
        *out = history;
        return 0;
}

/* --- one audit of one target -------------------------------------------------------------------------------- */

/* Says which target it was, once. */
static void
name_target(const struct target *target, struct error *err)
{
        size_t length = strlen(target->name);

        if (*err->text == '\0')
                error_set(err, err->reason != REASON_NONE ? err->reason : REASON_INTERNAL,
                          "could not be read, for no stated reason");
        if (strncmp(err->text, target->name, length) != 0 || err->text[length] != ':')
                error_wrap(err, "%s", target->name);
}

static int
collect(struct session *session, const struct audit *audit, json_t *facts, struct error *err)
{
        char at[MOMENT_TEXT];
        int result;

        if (deadline_cancelled(&session->deadline))
                result = error_set(err, REASON_INTERRUPTED, "the run was ended before this audit's turn");
        else if (deadline_left_ms(&session->deadline) == 0) {
                error_set(err, REASON_TIMEOUT, "the time for this target was over before this audit's turn");
                result = error_remedy(err, "see which audit of this target took it; where all is well but slow, raise "
                                           "the target's `timeout`");
        } else
                result = audit->collect(session, facts, err);
        if (result != 0 && deadline_cancelled(&session->deadline) && err->reason != REASON_INTERRUPTED)
                error_set(err, REASON_INTERRUPTED, "the run was ended while this audit was reading");
        if (result != 0)
                return -1;
        moment_format(moment_now(), at);
        if (json_put_text(facts, "target", session->target->name) != 0 || json_put_text(facts, "collected_at", at) != 0)
                return error_memory(err, "facts");
        return 0;
}

/* Fills `done`; -1 only for what is not the target's fault: memory, or the store. */
static int
audit_target(struct runner *runner, struct session *session, const struct plan_audit *planned, struct outcome *done,
             struct error *err)
{
        const struct audit *audit = planned->audit;
        const struct policy *policy = policy_of(runner, session->target);
        struct error why = {0};

        if (*planned->why != '\0') {
                done->findings = assess_skip(audit, session->target, planned->why);
                return done->findings != NULL ? 0 : error_memory(err, "findings");
        }
        if (!assess_wanted(audit, policy)) {
                done->findings = assess_failure(audit, session->target, policy,
                                                &why); /* every control is off: skips alone */
                return done->findings != NULL ? 0 : error_memory(err, "findings");
        }
        scoped_json facts = json_object();
        if (collect(session, audit, facts, &why) != 0) {
                name_target(session->target, &why);
                done->findings = assess_failure(audit, session->target, policy, &why);
                return done->findings != NULL ? 0 : error_memory(err, "findings");
        }
        struct history *history;
        if (runner_history(runner->order->store, audit, session->target->name, session->now_ms, &history, err) != 0)
                return -1;
        done->findings = assess_facts(audit, facts, policy, history);
        history_free(history);
        if (done->findings == NULL)
                return error_memory(err, "findings");
        done->facts = scope_keep(facts);
        return 0;
}

/* --- one target --------------------------------------------------------------------------------------------- */

struct target_work {
        const struct plan_target *planned;
        struct result *results;
        struct outcome *outcomes;
        size_t count;
        json_t *kept; /* what this target's audits leave for their next run; NULL: as it was */
};

static void
target_work_free(struct target_work *work)
{
        json_decref(work->kept);
        for (size_t i = 0; i < work->count; i++) {
                findings_free(work->outcomes[i].findings);
                json_decref(work->outcomes[i].facts);
        }
        free(work->results);
        free(work->outcomes);
}

static int
target_work_new(const struct plan_target *planned, struct target_work *work, struct error *err)
{
        *work = (struct target_work){.planned = planned};
        work->results = calloc(planned->count + 1, sizeof *work->results);
        work->outcomes = calloc(planned->count + 1, sizeof *work->outcomes);
        return work->results != NULL && work->outcomes != NULL ? 0 : error_memory(err, "results");
}

static void
result_add(struct target_work *work, const struct outcome *done, int64_t started_ms, int64_t took_ms)
{
        const struct target *target = work->planned->target;

        work->outcomes[work->count] = *done;
        work->results[work->count] = (struct result){.target = target->name,
                                                     .kind = target->kind->name,
                                                     .owner = target->owner,
                                                     .audit = work->planned->audits[work->count].audit->name,
                                                     .started_ms = started_ms,
                                                     .took_ms = took_ms,
                                                     .facts = done->facts,
                                                     .findings = done->findings};
        work->count++;
}

static int
target_assess(struct runner *runner, const struct plan_target *planned, struct target_work *work, struct error *err)
{
        struct session session = {.target = planned->target,
                                  .deadline = deadline_within(runner->deadline, planned->timeout_ms),
                                  .now_ms = runner->order->now_ms,
                                  .targets = runner->order->targets,
                                  .policy = policy_of(runner, planned->target)};
        scoped_json kept = NULL;
        int result = store_note_read(runner->order->store, STORE_KEPT, planned->target->name, &kept, err);

        if (!json_is_object(kept)) {
                json_decref(kept);
                kept = json_object();
        }
        session.kept = kept;
        for (size_t i = 0; result == 0 && i < planned->count; i++) {
                struct outcome done = {0};
                int64_t started_ms = moment_now(), begun_ms = monotonic_ms();
                result = audit_target(runner, &session, &planned->audits[i], &done, err);
                if (result == 0)
                        result_add(work, &done, started_ms, monotonic_ms() - begun_ms);
        }
        session_end(&session);
        if (session.kept_changed)
                work->kept = scope_keep(kept);
        return result;
}

static int
target_commit(struct runner *runner, const struct target_work *work, struct error *err)
{
        const struct run_order *order = runner->order;

        if (work->kept != NULL &&
            store_note_put(order->store, STORE_KEPT, work->planned->target->name, order->now_ms, work->kept, err) != 0)
                return -1;
        return store_results_put(order->store, order->run, work->results, work->count, order->filter, order->context,
                                 err);
}

static int64_t
target_limit_ms(void *context, size_t index)
{
        struct runner *runner = context;
        struct deadline deadline = deadline_within(runner->deadline, runner->order->plan->targets[index].timeout_ms);

        return deadline_left_ms(&deadline);
}

static void
target_run(void *context, size_t index, struct pool_turn *turn)
{
        struct runner *runner = context;
        const struct plan_target *planned = &runner->order->plan->targets[index];
        scoped(target_work_free) struct target_work work = {0};
        struct error err = {0};

        if (has_failed(runner))
                return;
        int result = target_work_new(planned, &work, &err);
        if (result == 0)
                result = target_assess(runner, planned, &work, &err);
        if (!pool_claim(turn))
                return; /* the runner has answered for this target meanwhile */
        if (result == 0)
                result = target_commit(runner, &work, &err);
        if (result != 0)
                fail_run(runner, &err);
}

/* The target's thread hangs in a library or a judge: nobody knows in which audit, so all of them are unassessed. */
static void
target_lost(void *context, size_t index)
{
        struct runner *runner = context;
        const struct plan_target *planned = &runner->order->plan->targets[index];
        const struct policy *policy = policy_of(runner, planned->target);
        scoped(target_work_free) struct target_work work = {0};
        struct error why = {0}, err = {0};

        if (deadline_cancelled(&runner->deadline))
                error_set(&why, REASON_INTERRUPTED, "%s: the run was ended and this target did not let go",
                          planned->target->name);
        else
                error_set(&why, REASON_TIMEOUT, "%s: no end %lld s after its deadline: given up", planned->target->name,
                          (long long)(runner->grace_ms / 1000));
        int result = target_work_new(planned, &work, &err);
        for (size_t i = 0; result == 0 && i < planned->count; i++) {
                struct outcome done = {
                        .findings = assess_failure(planned->audits[i].audit, planned->target, policy, &why)};
                if (done.findings == NULL)
                        result = error_memory(&err, "findings");
                else
                        result_add(&work, &done, runner->order->now_ms, planned->timeout_ms + runner->grace_ms);
        }
        if (result == 0)
                result = target_commit(runner, &work, &err);
        if (result != 0)
                fail_run(runner, &err);
}

static void
tell_progress(void *context, const struct pool_state *state)
{
        struct runner *runner = context;
        const struct run_observer *observer = runner->order->observer;
        struct run_progress progress = {
                .done = state->done,
                .total = state->total,
                .slowest = state->running > 0 ? runner->order->plan->targets[state->slowest].target->name : NULL,
                .slowest_ms = state->slowest_ms,
                .elapsed_ms = state->elapsed_ms,
                .left_ms = deadline_left_ms(&runner->deadline),
        };

        if (observer != NULL && observer->progress != NULL)
                observer->progress(observer->context, &progress);
}

/* --- what belongs to no target ------------------------------------------------------------------------------ */

static int
put_untargeted(struct runner *runner, const struct audit *audit, struct findings *findings, const json_t *facts,
               int64_t took_ms, struct error *err)
{
        const struct run_order *order = runner->order;
        struct result result = {.target = "",
                                .kind = "",
                                .owner = "",
                                .audit = audit->name,
                                .started_ms = order->now_ms,
                                .took_ms = took_ms,
                                .facts = facts,
                                .findings = findings};

        if (findings == NULL)
                return error_memory(err, "findings");
        int put = store_results_put(order->store, order->run, &result, 1, order->filter, order->context, err);
        findings_free(findings);
        return put;
}

static int
join_run(struct runner *runner, const struct audit *audit, struct error *err)
{
        const struct run_order *order = runner->order;
        const struct policy *policy = policy_of(runner, NULL);
        int64_t begun_ms = monotonic_ms();
        struct history *history;
        scoped_json facts = NULL;
        struct error why = {0};

        if (deadline_left_ms(&runner->deadline) == 0) {
                error_set(&why, deadline_cancelled(&runner->deadline) ? REASON_INTERRUPTED : REASON_TIMEOUT,
                          "the run was over before this comparison's turn");
                return put_untargeted(runner, audit, assess_failure(audit, NULL, policy, &why), NULL, 0, err);
        }
        if (joined_facts(order->store, audit, order->targets, order->now_ms, &facts, err) != 0 ||
            runner_history(order->store, audit, "", order->now_ms, &history, err) != 0)
                return -1;
        struct findings *findings = assess_facts(audit, facts, policy, history);
        history_free(history);
        return put_untargeted(runner, audit, findings, facts, monotonic_ms() - begun_ms, err);
}

/* --- the run ------------------------------------------------------------------------------------------------ */

static int
run_all(struct runner *runner, struct run_outcome *outcome, struct error *err)
{
        const struct run_order *order = runner->order;
        const struct pool pool = {.count = order->plan->target_count,
                                  .threads = order->threads > 0 ? order->threads : 1,
                                  .context = runner,
                                  .cancel = order->cancel,
                                  .grace_ms = runner->grace_ms,
                                  .limit_ms = target_limit_ms,
                                  .work = target_run,
                                  .lost = target_lost,
                                  .tick = tell_progress,
                                  .released = runner_leave};

        for (size_t i = 0; i < order->plan->unserved_count; i++) {
                const struct plan_audit *unserved = &order->plan->unserved[i];
                if (put_untargeted(runner, unserved->audit, assess_skip(unserved->audit, NULL, unserved->why), NULL, 0,
                                   err) != 0)
                        return -1;
        }
        atomic_fetch_add(&runner->holders, 1);
        if (pool_run(&pool, &outcome->lost, err) != 0)
                return -1;
        if (has_failed(runner)) {
                *err = runner->err;
                return -1;
        }
        for (size_t i = 0; i < order->plan->join_count; i++) {
                if (join_run(runner, order->plan->joins[i], err) != 0)
                        return -1;
        }
        return 0;
}

int
runner_run(const struct run_order *order, struct run_outcome *outcome, struct error *err)
{
        struct runner *runner = calloc(1, sizeof *runner);

        *outcome = (struct run_outcome){0};
        if (runner == NULL)
                return error_memory(err, "the run");
        runner->order = order;
        runner->grace_ms = order->grace_ms > 0 ? order->grace_ms : GRACE_MS;
        runner->deadline = deadline_in(order->timeout_ms, order->cancel);
        atomic_init(&runner->holders, 1);
        pthread_mutex_init(&runner->lock, NULL);
        int result = run_all(runner, outcome, err);
        outcome->interrupted = !runner->failed && deadline_cancelled(&runner->deadline);
        runner_leave(runner);
        return result;
}

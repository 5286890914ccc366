/* Connections and rights of every target, side by side. */

#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "pool.h"
#include "scope.h"

#define GRACE_MS (10 * SECOND_MS)

struct checking {
        const struct check_order *order;
        struct deadline deadline;
        atomic_int holders; /* the check, and the pool while a thread of it may come back */
        pthread_mutex_t lock;
        json_t **answers; /* one per target of the plan; owned */
        bool failed;      /* memory ran out */
};

static void
checking_leave(void *context)
{
        struct checking *checking = context;

        if (atomic_fetch_sub(&checking->holders, 1) > 1)
                return;
        pthread_mutex_destroy(&checking->lock);
        free(checking->answers);
        free(checking);
}

/* --- one target --------------------------------------------------------------------------------------------- */

static int
put_error(json_t *object, const struct error *err)
{
        return json_put_text(object, "reason", reason_name(err->reason)) != 0 ||
                               json_put_text(object, "error", err->text) != 0 ||
                               json_put_text(object, "remedy", err->remedy) != 0
                       ? -1
                       : 0;
}

/* The rights that one audit says it needs, as an array; *held: all of them are. */
static json_t *
rights_json(const struct rights *rights, bool *held)
{
        scoped_json list = json_array();

        for (size_t i = 0; i < rights->count; i++) {
                const struct right *right = &rights->rows[i];
                json_t *row = json_push(list, json_object());
                if (json_put_text(row, "what", right->what) != 0 || json_put_flag(row, "held", right->held) != 0 ||
                    json_put_text(row, "remedy", right->remedy) != 0)
                        return NULL;
                *held = *held && right->held;
        }
        return scope_keep(list);
}

/* True when a cluster's rights are among those asked for (kubernetes_rights.h): an audit that reads clusters too needs
 * none of them at a target of another kind. */
static bool
asks_cluster(const struct rights *rights)
{
        for (size_t i = 0; i < rights->count; i++) {
                const char *what = rights->rows[i].what;
                if (strncmp(what, "list ", 5) == 0 || strncmp(what, "get ", 4) == 0)
                        return true;
        }
        return false;
}

/* *ok becomes false when the audit lacks something. */
static json_t *
check_audit(struct session *session, const struct plan_audit *planned, bool *ok)
{
        const struct audit *audit = planned->audit;
        scoped(scope_free) struct rights *rights = calloc(1, sizeof *rights);
        struct error why = {0};
        scoped_json row = json_object();
        bool held = true;

        if (rights == NULL)
                return NULL;
        if (*planned->why == '\0' && audit->check != NULL && audit->check(session, rights, &why) != 0)
                held = false;
        json_t *list = rights_json(rights, &held);
        *ok = *ok && held;
        const char *needs = audit->needs != NULL ? audit->needs : "";
        bool asked = *planned->why == '\0' && audit->check != NULL && why.reason == REASON_NONE;
        if (asked && strncmp(needs, "RBAC:", 5) == 0 && !asks_cluster(rights))
                needs = "";
        if (json_put(row, "rights", list) != 0 || json_put_text(row, "audit", audit->name) != 0 ||
            json_put_text(row, "needs", needs) != 0 || json_put_flag(row, "ok", held) != 0 ||
            json_put_text(row, "skipped", planned->why) != 0 || put_error(row, &why) != 0)
                return NULL;
        return scope_keep(row);
}

static json_t *
answer_new(const struct target *target, const char *server, int64_t took_ms, bool ok, const struct error *why)
{
        scoped_json answer = json_object();

        if (json_put_text(answer, "target", target->name) != 0 ||
            json_put_text(answer, "kind", target->kind->name) != 0 || json_put_text(answer, "server", server) != 0 ||
            json_put_whole(answer, "took_ms", took_ms) != 0 || json_put_flag(answer, "ok", ok) != 0 ||
            put_error(answer, why) != 0 || json_put(answer, "audits", json_array()) != 0)
                return NULL;
        return scope_keep(answer);
}

static json_t *
check_target(struct checking *checking, const struct plan_target *planned)
{
        const struct target *target = planned->target;
        struct session session = {.target = target,
                                  .deadline = deadline_within(checking->deadline, planned->timeout_ms),
                                  .now_ms = checking->order->now_ms,
                                  .targets = checking->order->targets};
        char server[256] = "";
        char sends[700];
        struct error why = {0};
        int64_t begun_ms = monotonic_ms();
        bool ok = target->kind->connect == NULL || target->kind->connect(&session, server, sizeof server, &why) == 0;

        if (!ok && deadline_cancelled(&session.deadline))
                error_set(&why, REASON_INTERRUPTED, "ended by a signal");
        json_t *answer = answer_new(target, ok ? server : "", monotonic_ms() - begun_ms, ok, &why);
        if (answer != NULL && plan_announces(planned, sends, sizeof sends))
                json_put_text(answer, "sends", sends);
        for (size_t i = 0; ok && answer != NULL && i < planned->count; i++) {
                bool held = true;
                json_t *row = check_audit(&session, &planned->audits[i], &held);
                if (json_push(json_object_get(answer, "audits"), row) == NULL ||
                    (!held && json_put_flag(answer, "ok", false) != 0)) {
                        json_decref(answer);
                        answer = NULL;
                }
        }
        session_end(&session);
        return answer;
}

/* --- all of them -------------------------------------------------------------------------------------------- */

static void
keep(struct checking *checking, size_t index, json_t *answer)
{
        pthread_mutex_lock(&checking->lock);
        checking->answers[index] = answer;
        checking->failed = checking->failed || answer == NULL;
        pthread_mutex_unlock(&checking->lock);
}

static void
work(void *context, size_t index, struct pool_turn *turn)
{
        struct checking *checking = context;
        json_t *answer = check_target(checking, &checking->order->plan->targets[index]);

        if (pool_claim(turn))
                keep(checking, index, answer);
        else
                json_decref(answer);
}

static void
lose(void *context, size_t index)
{
        struct checking *checking = context;
        const struct plan_target *planned = &checking->order->plan->targets[index];
        struct error why = {0};

        error_set(&why, REASON_TIMEOUT, "%s: no answer, and it did not let go at its deadline: given up",
                  planned->target->name);
        keep(checking, index, answer_new(planned->target, "", planned->timeout_ms, false, &why));
}

static int64_t
limit_ms(void *context, size_t index)
{
        struct checking *checking = context;
        struct deadline deadline = deadline_within(checking->deadline,
                                                   checking->order->plan->targets[index].timeout_ms);

        return deadline_left_ms(&deadline);
}

/* The answers in one array, which takes them over; NULL when memory ran out. */
static json_t *
answers_take(struct checking *checking, size_t count)
{
        json_t *list = json_array();
        bool failed = checking->failed;

        for (size_t i = 0; i < count; i++)
                failed = json_push(list, checking->answers[i]) == NULL || failed;
        if (!failed)
                return list;
        json_decref(list);
        return NULL;
}

int
check_targets(const struct check_order *order, json_t **out, size_t *lost, struct error *err)
{
        struct checking *checking = calloc(1, sizeof *checking);
        size_t count = order->plan->target_count;

        *lost = 0;
        if (checking == NULL || (checking->answers = calloc(count + 1, sizeof *checking->answers)) == NULL) {
                free(checking);
                return error_memory(err, "the check");
        }
        checking->order = order;
        checking->deadline = deadline_in(order->timeout_ms, order->cancel);
        atomic_init(&checking->holders, 2);
        pthread_mutex_init(&checking->lock, NULL);
        const struct pool pool = {.count = count,
                                  .threads = order->threads > 0 ? order->threads : 1,
                                  .context = checking,
                                  .cancel = order->cancel,
                                  .grace_ms = order->grace_ms > 0 ? order->grace_ms : GRACE_MS,
                                  .limit_ms = limit_ms,
                                  .work = work,
                                  .lost = lose,
                                  .released = checking_leave};
        int result = pool_run(&pool, lost, err);
        json_t *list = answers_take(checking, count);
        checking_leave(checking);
        if (result == 0 && list == NULL)
                result = error_memory(err, "the check");
        if (result != 0)
                json_decref(list);
        else
                *out = list;
        return result;
}

bool
check_all_ok(const json_t *checked)
{
        size_t i;
        json_t *answer;

        json_array_foreach((json_t *)checked, i, answer)
        {
                if (!json_flag(answer, "ok", false))
                        return false;
        }
        return true;
}

/* A stage for tests of the runner: a real store, audits whose behaviour the targets' settings choose, runs in a line.
 * Included by more than one test, which need not use all of it. */
#ifndef ROUNDS_TESTS_STAGE_H
#define ROUNDS_TESTS_STAGE_H

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#pragma GCC diagnostic ignored "-Wunused-variable"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "runner.h"
#include "scope.h"

#define NOW ((int64_t)1795489200000) /* 2026-11-24T03:00:00Z */

/* --- audits whose behaviour the target's settings choose ------------------------------------------------------ */

static sem_t hang; /* what a hung collect waits for, deaf to its deadline */
static atomic_int hung, closed;

static void
count_close(void *object)
{
        (void)object;
        atomic_fetch_add(&closed, 1);
}

static const char session_key;

static int
slots_collect(struct session *session, json_t *facts, struct error *err)
{
        const char *behaviour = json_text(session->target->settings, "behaviour", "well");

        if (strcmp(behaviour, "denied") == 0) {
                error_set(err, REASON_DENIED, "SELECT ...: permission denied");
                return error_remedy(err, "GRANT pg_monitor TO rounds");
        }
        if (strcmp(behaviour, "named") == 0)
                return error_set(err, REASON_UNREACHABLE, "%s: connection refused", session->target->name);
        if (strcmp(behaviour, "silent") == 0)
                return -1;
        if (strcmp(behaviour, "slow") == 0)
                return deadline_sleep(&session->deadline, HOUR_MS, err);
        if (strcmp(behaviour, "hung") == 0) {
                atomic_fetch_add(&hung, 1);
                sem_wait(&hang);
        }
        if (strcmp(behaviour, "gap") == 0) {
                error_set(err, REASON_DENIED, "pg_ls_waldir(): permission denied");
                facts_gap(facts, "files", "DSK-7", NULL, err);
        }
        if (strcmp(behaviour, "counts") == 0) { /* and breaks off at the second; done with at the third */
                int64_t runs = json_integer_value(session_recall(session, "slots")) + 1;
                if (session_keep(session, "slots", runs < 3 ? json_integer(runs) : NULL) != 0)
                        return error_memory(err, "count");
                if (runs == 2)
                        return error_set(err, REASON_UNREACHABLE, "%s: gone", session->target->name);
                return json_put_whole(facts, "slots", runs);
        }
        session_put(session, &session_key, (void *)&hang, count_close);
        return json_put_whole(facts, "slots", json_whole(session->target->settings, "slots", 1));
}

static void
slots_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const struct sample *before = history_last(history, "slots.count", "");
        int64_t slots = json_whole(facts, "slots", 0);

        (void)policy;
        findings_sample(out, "slots.count", "", (double)slots);
        if (facts_lacks(facts, "files"))
                return;
        if (slots < 100)
                findings_pass(out, "DSK-7", NULL,
                              findings_text(out, "%lld before", before ? (long long)before->value : 0), NULL,
                              "few slots");
        else
                findings_add(out,
                             &(struct finding){
                                     .control = "DSK-7", .status = STATUS_FAIL, .severity = SEV2, .message = "many"});
}

static int
roles_collect(struct session *session, json_t *facts, struct error *err)
{
        (void)err;
        return json_put_flag(facts, "same_session", session_get(session, &session_key) != NULL);
}

static void
roles_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        (void)policy;
        (void)history;
        if (json_flag(facts, "same_session", false))
                findings_pass(out, "DBC-1", NULL, NULL, NULL, "the session was there");
        /* SEC-5 is forgotten, on purpose */
}

static void
compare_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        size_t i;
        json_t *entry;

        (void)policy;
        (void)history;
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                struct resource about = {.kind = "target", .name = json_text(entry, "target", "?")};
                findings_pass(out, "DBC-4", &about,
                              findings_text(out, "%s %lld of %s", json_text(entry, "audit", "?"),
                                            (long long)json_whole(json_map(entry, "facts"), "slots", -1),
                                            json_text(json_map(entry, "settings"), "databases_of", "nobody")),
                              NULL, "compared");
        }
}

static const struct audit slots = {.name = "slots",
                                   .looks_at = {"postgres"},
                                   .controls = {"DSK-7"},
                                   .samples = {"slots.*"},
                                   .collect = slots_collect,
                                   .judge = slots_judge};
static const struct audit roles = {.name = "roles",
                                   .looks_at = {"postgres"},
                                   .controls = {"DBC-1", "SEC-5"},
                                   .collect = roles_collect,
                                   .judge = roles_judge};
static const struct audit keys = {.name = "keys", .looks_at = {"redis"}, .controls = {"RED-1", "RED-2"}};
static const struct audit compare = {
        .name = "compare", .controls = {"DBC-4"}, .joins = {"slots"}, .judge = compare_judge};

static const struct audit *const only_slots[] = {&slots, NULL};
static const struct audit *const slots_and_roles[] = {&slots, &roles, NULL};
static const struct audit *const everything[] = {&compare, &keys, &slots, &roles, NULL};
static const struct target_kind postgres = {.name = "postgres"};

/* --- a run from a line -------------------------------------------------------------------------------------- */

struct stage {
        char folder[64];
        struct store *store;
        struct policy *policy;
        struct cancel cancel;
        struct target targets[8];
        const struct target *list[9];
        json_t *settings[8];
        size_t count;
        struct plan *plan;
        struct run_order order;
        struct run_outcome outcome;
        atomic_int progressed;
        int64_t cancel_after_ms;
};

static int
setup(void **state)
{
        struct stage *stage = calloc(1, sizeof *stage);
        struct error err = {0};
        char where[128];

        snprintf(stage->folder, sizeof stage->folder, "/tmp/rounds-runner-XXXXXX");
        assert_non_null(mkdtemp(stage->folder));
        snprintf(where, sizeof where, "sqlite:%s/rounds.db", stage->folder);
        if (store_open(where, false, &stage->store, &err) != 0)
                fail_msg("%s", err.text);
        stage->policy = policy_default(&err);
        assert_non_null(stage->policy);
        assert_int_equal(cancel_open(&stage->cancel, NULL), 0);
        *state = stage;
        return 0;
}

static int
teardown(void **state)
{
        struct stage *stage = *state;
        char command[128];

        plan_free(stage->plan);
        store_close(stage->store);
        policy_free(stage->policy);
        cancel_close(&stage->cancel);
        for (size_t i = 0; i < stage->count; i++)
                json_decref(stage->settings[i]);
        snprintf(command, sizeof command, "rm -rf %s", stage->folder);
        assert_int_equal(system(command), 0);
        free(stage);
        return 0;
}

static struct target *
target_add(struct stage *stage, const char *name, const char *behaviour)
{
        struct target *target = &stage->targets[stage->count];

        stage->settings[stage->count] = json_pack("{s:s}", "behaviour", behaviour);
        *target = (struct target){
                .name = name, .kind = &postgres, .owner = "data", .settings = stage->settings[stage->count]};
        stage->list[stage->count++] = target;
        return target;
}

static const struct policy *
the_policy(void *context, const struct target *target)
{
        (void)target;
        return ((struct stage *)context)->policy;
}

static void
on_progress(void *context, const struct run_progress *progress)
{
        struct stage *stage = context;

        atomic_fetch_add(&stage->progressed, 1);
        if (stage->cancel_after_ms > 0 && progress->elapsed_ms >= stage->cancel_after_ms)
                cancel_now(&stage->cancel);
}

/* Makes one run of these audits over the stage's targets; its number. */
static int64_t
make_run(struct stage *stage, const struct audit *const *table, int64_t at_ms, int64_t timeout_ms, int *result)
{
        struct error err = {0};
        struct plan_request request = {.audits = table, .targets = stage->list, .timeout_ms = timeout_ms};
        struct run run = {.job = "nightly", .started_ms = at_ms};
        const struct run_observer observer = {.context = stage, .progress = on_progress};
        int64_t id = 0;

        plan_free(stage->plan);
        stage->plan = NULL;
        if (plan_make(&request, &stage->plan, &err) != 0 || store_run_begin(stage->store, &run, NULL, &id, &err) != 0)
                fail_msg("%s", err.text);
        stage->order = (struct run_order){.plan = stage->plan,
                                          .targets = stage->list,
                                          .store = stage->store,
                                          .run = id,
                                          .now_ms = at_ms,
                                          .threads = 4,
                                          .timeout_ms = MINUTE_MS,
                                          .grace_ms = 1000,
                                          .cancel = &stage->cancel,
                                          .policy_of = the_policy,
                                          .context = stage,
                                          .observer = &observer};
        int code = runner_run(&stage->order, &stage->outcome, &err);
        if (result != NULL)
                *result = code;
        else if (code != 0)
                fail_msg("%s", err.text);
        if (code == 0 && store_run_end(stage->store, id, RUN_FINISHED, at_ms + 1, &err) != 0)
                fail_msg("%s", err.text);
        return id;
}

struct lines {
        char text[8192];
};

static int
write_line(void *context, const struct finding_row *row)
{
        struct lines *lines = context;
        const struct finding *f = &row->finding;
        size_t used = strlen(lines->text);

        snprintf(lines->text + used, sizeof lines->text - used, "%s %s [%s] %s%s%s%s%s%s\n", status_name(f->status),
                 f->control, row->target, f->reason != REASON_NONE ? reason_name(f->reason) : "",
                 f->reason != REASON_NONE ? ": " : "", f->message, f->observed ? " | " : "",
                 f->observed ? f->observed : "", f->remedy ? f->remedy : "");
        return 0;
}

static void
expect(struct stage *stage, int64_t run, const char *const *wanted)
{
        struct lines lines = {""};
        struct error err = {0};
        size_t count = 0, met = 0;

        assert_int_equal(store_findings_each(stage->store, run, write_line, &lines, &err), 0);
        for (const char *c = lines.text; (c = strchr(c, '\n')) != NULL; c++)
                met++;
        for (; wanted[count] != NULL; count++) {
                char line[512];
                snprintf(line, sizeof line, "%s\n", wanted[count]);
                if (strstr(lines.text, line) == NULL)
                        fail_msg("missing: %sin:\n%s", line, lines.text);
        }
        if (met != count)
                fail_msg("%zu findings wanted in:\n%s", count, lines.text);
}

#endif

/* The runner over a real store, with audits of its own: what targets do, hang, deny and forget becomes findings. */

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
#include "rejudge.h"
#include "round.h"
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

/* --- tests -------------------------------------------------------------------------------------------------- */

static int
check_facts(void *context, const char *target, const char *kind, const char *owner, const char *audit, int64_t at_ms,
            const json_t *facts)
{
        int64_t collected_ms;

        (void)at_ms;
        assert_string_equal(json_text(facts, "target", ""), target);
        assert_true(moment_parse(json_text(facts, "collected_at", ""), &collected_ms));
        assert_string_equal(kind, "postgres");
        assert_string_equal(owner, "data");
        assert_string_equal(audit, "slots");
        ++*(int *)context;
        return 0;
}

static void
test_targets_and_reasons(void **state)
{
        struct stage *stage = *state;
        struct error err = {0};
        int facts = 0;

        target_add(stage, "a", "well");
        target_add(stage, "b", "denied");
        target_add(stage, "c", "named");
        target_add(stage, "d", "silent");
        target_add(stage, "e", "gap");
        int64_t run = make_run(stage, only_slots, NOW, MINUTE_MS, NULL);
        expect(stage, run,
               (const char *const[]){
                       "pass DSK-7 [a] few slots | 0 before",
                       "error DSK-7 [b] denied: b: SELECT ...: permission deniedGRANT pg_monitor TO rounds",
                       "error DSK-7 [c] unreachable: c: connection refused",
                       "error DSK-7 [d] internal: d: could not be read, for no stated reason",
                       "error DSK-7 [e] denied: pg_ls_waldir(): permission denied",
                       NULL,
               });
        assert_int_equal(store_facts_each(stage->store, run, check_facts, &facts, &err), 0);
        assert_int_equal(facts, 2);
        assert_false(stage->outcome.interrupted);
        assert_true(stage->progressed > 0);
}

static void
test_one_session_and_history(void **state)
{
        struct stage *stage = *state;

        target_add(stage, "a", "well");
        json_object_set_new(stage->settings[0], "slots", json_integer(7));
        atomic_store(&closed, 0);
        make_run(stage, slots_and_roles, NOW, MINUTE_MS, NULL);
        int64_t run = make_run(stage, slots_and_roles, NOW + DAY_MS, MINUTE_MS, NULL);
        expect(stage, run,
               (const char *const[]){
                       "pass DSK-7 [a] few slots | 7 before",
                       "pass DBC-1 [a] the session was there",
                       "error SEC-5 [a] too-little-data: the audit saw nothing to judge",
                       NULL,
               });
        assert_int_equal(closed, 2); /* one session a run, closed once */
}

static void
test_across_layers(void **state)
{
        struct stage *stage = *state;

        target_add(stage, "a", "well");
        target_add(stage, "b", "denied");
        target_add(stage, "c", "well");
        json_object_set_new(stage->settings[2], "databases_of", json_string("a"));
        int64_t run = make_run(stage, everything, NOW, MINUTE_MS, NULL);
        expect(stage, run,
               (const char *const[]){
                       "pass DSK-7 [a] few slots | 0 before",
                       "error DSK-7 [b] denied: b: SELECT ...: permission deniedGRANT pg_monitor TO rounds",
                       "pass DSK-7 [c] few slots | 0 before",
                       "pass DBC-1 [a] the session was there",
                       "error DBC-1 [b] too-little-data: the audit saw nothing to judge",
                       "pass DBC-1 [c] the session was there",
                       "error SEC-5 [a] too-little-data: the audit saw nothing to judge",
                       "error SEC-5 [b] too-little-data: the audit saw nothing to judge",
                       "error SEC-5 [c] too-little-data: the audit saw nothing to judge",
                       "skip RED-1 [] not configured: no target of kind redis",
                       "skip RED-2 [] not configured: no target of kind redis",
                       "pass DBC-4 [] compared | slots 1 of nobody",
                       "pass DBC-4 [] compared | slots 1 of a",
                       NULL,
               });
}

static void
test_deadline(void **state)
{
        struct stage *stage = *state;

        target_add(stage, "slow", "slow");
        target_add(stage, "well", "well");
        int64_t begun_ms = monotonic_ms();
        int64_t run = make_run(stage, slots_and_roles, NOW, 300, NULL);
        assert_true(monotonic_ms() - begun_ms < 10000);
        struct lines lines = {""};
        assert_int_equal(store_findings_each(stage->store, run, write_line, &lines, NULL), 0);
        assert_non_null(strstr(lines.text, "error DSK-7 [slow] timeout: slow: "));
        assert_non_null(strstr(lines.text, "error DBC-1 [slow] timeout: slow: the time for this target was over"));
        assert_non_null(strstr(lines.text, "pass DSK-7 [well]"));
        assert_int_equal(stage->outcome.lost, 0);
}

static void
test_hung(void **state)
{
        struct stage *stage = *state;

        atomic_store(&hung, 0);
        target_add(stage, "hung", "hung");
        target_add(stage, "well", "well");
        int64_t run = make_run(stage, slots_and_roles, NOW, 300, NULL);
        assert_int_equal(hung, 1);
        assert_int_equal(stage->outcome.lost, 1);
        expect(stage, run,
               (const char *const[]){
                       "error DSK-7 [hung] timeout: hung: no end 1 s after its deadline: given up",
                       "error DBC-1 [hung] timeout: hung: no end 1 s after its deadline: given up",
                       "error SEC-5 [hung] timeout: hung: no end 1 s after its deadline: given up",
                       "pass DSK-7 [well] few slots | 0 before",
                       "pass DBC-1 [well] the session was there",
                       "error SEC-5 [well] too-little-data: the audit saw nothing to judge",
                       NULL,
               });
        /* It wakes up after all: what it brings is not wanted any more. */
        atomic_store(&closed, 0);
        sem_post(&hang);
        struct deadline patience = deadline_in(5000, NULL);
        while (closed == 0 && deadline_left_ms(&patience) > 0)
                deadline_sleep(&patience, 10, NULL);
        deadline_sleep(&patience, 100, NULL);
        struct lines lines = {""};
        assert_int_equal(store_findings_each(stage->store, run, write_line, &lines, NULL), 0);
        assert_null(strstr(lines.text, "pass DSK-7 [hung]"));
}

static void
test_interrupted(void **state)
{
        struct stage *stage = *state;

        for (int i = 0; i < 6; i++) {
                static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
                target_add(stage, names[i], i == 0 ? "well" : "slow");
        }
        stage->cancel_after_ms = 200;
        int64_t begun_ms = monotonic_ms();
        int64_t run = make_run(stage, only_slots, NOW, HOUR_MS, NULL);
        assert_true(monotonic_ms() - begun_ms < 10000);
        assert_true(stage->outcome.interrupted);
        struct lines lines = {""};
        assert_int_equal(store_findings_each(stage->store, run, write_line, &lines, NULL), 0);
        size_t interrupted = 0;
        for (const char *c = lines.text; (c = strstr(c, "] interrupted: ")) != NULL; c++)
                interrupted++;
        assert_int_equal(interrupted, 5);
        assert_non_null(strstr(lines.text, "pass DSK-7 [a]"));
}

/* --- judging again ------------------------------------------------------------------------------------------ */

/* Another opinion about the same facts: two slots are many, and every target is worth a line of its own. */
static void
strict_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct resource about = {.kind = "target", .name = json_text(facts, "target", "?")};

        (void)policy;
        (void)history;
        if (json_whole(facts, "slots", 0) < 2)
                findings_pass(out, "DSK-7", NULL, "0 before", NULL, "few slots");
        else
                findings_add(out, &(struct finding){.control = "DSK-7",
                                                    .status = STATUS_FAIL,
                                                    .severity = SEV1,
                                                    .message = "many by now"});
        findings_pass(out, "DSK-7", &about, NULL, NULL, "seen");
}

static const struct audit strict = {
        .name = "slots", .looks_at = {"postgres"}, .controls = {"DSK-7"}, .judge = strict_judge};

static const struct policy *
policy_of_name(void *context, const char *target)
{
        (void)target;
        return ((struct stage *)context)->policy;
}

static int
write_all(void *context, const struct finding_row *row)
{
        struct lines *lines = context;
        const struct finding *f = &row->finding;
        size_t used = strlen(lines->text);
        const char *texts[] = {row->fingerprint, f->control,
                               row->target,      row->audit,
                               row->owner,       f->observed,
                               f->expected,      f->message,
                               f->remedy,        f->evidence,
                               row->waiver,      row->note,
                               f->resource.kind, f->resource.namespace_,
                               f->resource.name};

        used += (size_t)snprintf(lines->text + used, sizeof lines->text - used, "%d %d %d %lld", (int)f->status,
                                 (int)f->severity, (int)f->reason, (long long)row->first_seen_ms);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                used += (size_t)snprintf(lines->text + used, sizeof lines->text - used, "|%s",
                                         texts[i] != NULL ? texts[i] : "(null)");
        snprintf(lines->text + used, sizeof lines->text - used, "\n");
        return 0;
}

static char changes[2048];

static void
note_change(void *context, const struct rejudge_change *change)
{
        size_t used = strlen(changes);

        (void)context;
        snprintf(changes + used, sizeof changes - used, "%s %s %s: %s %s -> %s %s\n", change->control, change->target,
                 change->resource.name != NULL ? change->resource.name : "-",
                 change->was ? status_name(change->status_was) : "none",
                 change->was ? severity_name(change->severity_was) : "",
                 change->is ? status_name(change->status_is) : "none",
                 change->is ? severity_name(change->severity_is) : "");
}

static void
rejudge(struct stage *stage, int64_t run, const struct audit *const *table, bool dry_run,
        struct rejudge_figures *figures)
{
        struct error err = {0};
        struct rejudge_order order = {.store = stage->store,
                                      .run = run,
                                      .started_ms = NOW + DAY_MS,
                                      .audits = table,
                                      .policy_of = policy_of_name,
                                      .changed = note_change,
                                      .context = stage,
                                      .dry_run = dry_run};

        changes[0] = '\0';
        if (rejudge_run(&order, figures, &err) != 0)
                fail_msg("%s", err.text);
}

static void
test_rejudge(void **state)
{
        struct stage *stage = *state;
        static const struct audit *const stricter[] = {&strict, &roles, &compare, NULL};
        struct rejudge_figures figures;
        struct lines before = {""}, after = {""};

        target_add(stage, "a", "well");
        target_add(stage, "b", "well");
        target_add(stage, "c", "denied");
        json_object_set_new(stage->settings[1], "slots", json_integer(7));
        make_run(stage, everything, NOW, MINUTE_MS, NULL);
        int64_t run = make_run(stage, everything, NOW + DAY_MS, MINUTE_MS, NULL);
        assert_int_equal(store_findings_each(stage->store, run, write_all, &before, NULL), 0);
        /* The same policy, and a run of today in between: byte for byte the same. */
        make_run(stage, everything, NOW + 2 * DAY_MS, MINUTE_MS, NULL);
        rejudge(stage, run, everything, false, &figures);
        assert_int_equal(figures.changed, 0);
        assert_int_equal(figures.results, 6);
        assert_string_equal(changes, "");
        assert_int_equal(store_findings_each(stage->store, run, write_all, &after, NULL), 0);
        assert_string_equal(before.text, after.text);
        /* Another one: told first, kept when wanted. */
        static const char wanted[] =
                "DSK-7 a a: none  -> pass \nDSK-7 b -: pass  -> fail SEV1\nDSK-7 b b: none  -> pass \n";
        rejudge(stage, run, stricter, true, &figures);
        assert_string_equal(changes, wanted);
        struct lines dry = {""};
        assert_int_equal(store_findings_each(stage->store, run, write_all, &dry, NULL), 0);
        assert_string_equal(before.text, dry.text);
        rejudge(stage, run, stricter, false, &figures);
        assert_string_equal(changes, wanted);
        rejudge(stage, run, stricter, true, &figures);
        assert_int_equal(figures.changed, 0);
        /* And back. */
        rejudge(stage, run, everything, false, &figures);
        assert_int_equal(figures.changed, 3);
        struct lines back = {""};
        assert_int_equal(store_findings_each(stage->store, run, write_all, &back, NULL), 0);
        assert_string_equal(before.text, back.text);
        /* An audit that this program does not have leaves its results alone. */
        rejudge(stage, run, only_slots, false, &figures);
        assert_int_equal(figures.unknown, 4);
        assert_int_equal(figures.changed, 0);
}

/* --- a whole round ------------------------------------------------------------------------------------------ */

static struct round_order
round_of(struct stage *stage, const struct audit *const *table, const struct run_observer *observer)
{
        struct error err = {0};
        struct plan_request request = {.audits = table, .targets = stage->list, .timeout_ms = 30000};

        plan_free(stage->plan);
        if (plan_make(&request, &stage->plan, &err) != 0)
                fail_msg("%s", err.text);
        return (struct round_order){.job = "nightly",
                                    .version = "0.1.0",
                                    .host = "auditor",
                                    .shard = "0/1",
                                    .min_coverage = 100,
                                    .fail_on = SEV3,
                                    .run = {.plan = stage->plan,
                                            .targets = stage->list,
                                            .store = stage->store,
                                            .threads = 4,
                                            .timeout_ms = MINUTE_MS,
                                            .grace_ms = 1000,
                                            .cancel = &stage->cancel,
                                            .policy_of = the_policy,
                                            .context = stage,
                                            .observer = observer}};
}

static void
test_round(void **state)
{
        struct stage *stage = *state;
        struct round_outcome outcome;
        struct error err = {0};
        json_t *run = NULL;
        const struct run_observer observer = {.context = stage, .progress = on_progress};

        target_add(stage, "a", "well");
        struct round_order order = round_of(stage, only_slots, &observer);
        assert_int_equal(round_make(&order, &outcome, &err), 0);
        assert_int_equal(outcome.exit, EXIT_ASSESSED);
        json_object_set_new(stage->settings[0], "slots", json_integer(100)); /* a fail of SEV2 */
        assert_int_equal(round_make(&order, &outcome, &err), 0);
        assert_int_equal(outcome.exit, EXIT_FINDINGS);
        order.fail_on = SEV1;
        assert_int_equal(round_make(&order, &outcome, &err), 0);
        assert_int_equal(outcome.exit, EXIT_ASSESSED);
        target_add(stage, "b", "denied");
        order = round_of(stage, only_slots, &observer);
        assert_int_equal(round_make(&order, &outcome, &err), 0);
        assert_int_equal(outcome.exit, EXIT_NOT_ASSESSED);
        assert_int_equal(outcome.tally.by_status[STATUS_ERROR], 1);
        order.min_coverage = 50;
        assert_int_equal(round_make(&order, &outcome, &err), 0);
        assert_int_equal(outcome.exit, EXIT_FINDINGS);
        /* No two rounds of one job at a time. */
        int64_t held;
        struct run other = {.job = "nightly", .started_ms = NOW, .shard = "0/1"};
        assert_int_equal(store_run_begin(stage->store, &other, NULL, &held, &err), 0);
        assert_int_equal(round_make(&order, &outcome, &err), -1);
        assert_non_null(strstr(err.text, "already running"));
        assert_int_equal(outcome.exit, EXIT_STORE);
        assert_int_equal(store_run_end(stage->store, held, RUN_FINISHED, NOW, &err), 0);
        /* Interrupted: recorded as such, and not fully assessed though no coverage was asked for. */
        target_add(stage, "c", "slow");
        order = round_of(stage, only_slots, &observer);
        order.min_coverage = 0;
        stage->cancel_after_ms = 200;
        assert_int_equal(round_make(&order, &outcome, &err), 0);
        assert_true(outcome.interrupted);
        assert_int_equal(outcome.exit, EXIT_NOT_ASSESSED);
        assert_int_equal(store_run_read(stage->store, outcome.run, NULL, &run, &err), 0);
        assert_string_equal(json_text(run, "state", ""), "interrupted");
        assert_true(json_whole(run, "finished_ms", 0) >= json_whole(run, "started_ms", 0));
        json_decref(run);
}

/* A control that is switched off is skipped, and an audit of which nothing is left does not even collect. */
static void
test_switched_off(void **state)
{
        struct stage *stage = *state;
        struct error err = {0};
        struct policy *without = NULL;
        scoped_json overrides = json_pack("{s:{s:b},s:{s:b}}", "DBC-1", "enabled", 0, "DSK-7", "enabled", 0);

        if (policy_overlay(stage->policy, overrides, &without, &err) != 0)
                fail_msg("%s", err.text);
        policy_free(stage->policy);
        stage->policy = without;
        target_add(stage, "a", "denied");
        int64_t run = make_run(stage, slots_and_roles, NOW, MINUTE_MS, NULL);
        expect(stage, run,
               (const char *const[]){
                       "skip DSK-7 [a] switched off: the policy sets enabled: false for this control",
                       "skip DBC-1 [a] switched off: the policy sets enabled: false for this control",
                       "error SEC-5 [a] too-little-data: the audit saw nothing to judge",
                       NULL,
               });
}

static void
test_store_fails(void **state)
{
        struct stage *stage = *state;
        struct rlimit before, tiny;
        int result = 0;

        target_add(stage, "a", "well");
        target_add(stage, "b", "slow");
        make_run(stage, only_slots, NOW, 200, NULL);
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        tiny = before;
        tiny.rlim_cur = 64 * 1024; /* the log of the run above is larger: no byte may be added to it */
        struct error err = {0};
        struct plan_request request = {.audits = only_slots, .targets = stage->list, .timeout_ms = HOUR_MS};
        struct plan *plan = NULL;
        struct run run = {.job = "nightly", .started_ms = NOW + 1};
        int64_t id = 0;
        assert_int_equal(plan_make(&request, &plan, &err), 0);
        assert_int_equal(store_run_begin(stage->store, &run, NULL, &id, &err), 0);
        struct run_order order = stage->order;
        order.plan = plan;
        order.run = id;
        order.observer = NULL;
        setrlimit(RLIMIT_FSIZE, &tiny);
        int64_t begun_ms = monotonic_ms();
        result = runner_run(&order, &stage->outcome, &err);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(result, -1);
        assert_true(monotonic_ms() - begun_ms < 20000); /* the slow one was not waited for */
        assert_non_null(strstr(err.text, "cannot be written"));
        if (strstr(err.remedy, "free space") == NULL)
                fail_msg("%s / %s", err.text, err.remedy);
        plan_free(plan);
        assert_int_equal(store_run_end(stage->store, id, RUN_INTERRUPTED, NOW + 2, &err), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_targets_and_reasons, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_session_and_history, setup, teardown),
                cmocka_unit_test_setup_teardown(test_across_layers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hung, setup, teardown),
                cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rejudge, setup, teardown),
                cmocka_unit_test_setup_teardown(test_round, setup, teardown),
                cmocka_unit_test_setup_teardown(test_switched_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
        };

        sem_init(&hang, 0, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

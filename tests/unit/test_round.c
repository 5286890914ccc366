/* Whole rounds with their exit statuses, and old runs judged again. */

#include "support_stage.h"

#include "rejudge.h"
#include "round.h"

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

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_round, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rejudge, setup, teardown),
        };

        sem_init(&hang, 0, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

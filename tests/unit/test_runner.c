/* The runner over a real store, with audits of its own: what targets do, hang, deny and forget becomes findings. */

#include "support_stage.h"

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

/* What an audit keeps is there in the next run on the same target, even where the audit itself came to nothing. */
static void
test_kept_from_run_to_run(void **state)
{
        static const int64_t counted[] = {1, 2, 3, 1};
        struct stage *stage = *state;
        struct error err = {0};

        target_add(stage, "a", "counts");
        target_add(stage, "b", "well");
        for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
                scoped_json kept = NULL;
                scoped_json other = NULL;
                make_run(stage, only_slots, NOW + (int64_t)i * DAY_MS, MINUTE_MS, NULL);
                assert_int_equal(store_note_read(stage->store, "kept", "a", &kept, &err), 0);
                assert_int_equal(json_whole(kept, "slots", 0), counted[i] < 3 ? counted[i] : 0);
                assert_int_equal(store_note_read(stage->store, "kept", "b", &other, &err), 0);
                assert_null(other);
        }
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
                cmocka_unit_test_setup_teardown(test_kept_from_run_to_run, setup, teardown),
                cmocka_unit_test_setup_teardown(test_across_layers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
                cmocka_unit_test_setup_teardown(test_hung, setup, teardown),
                cmocka_unit_test_setup_teardown(test_interrupted, setup, teardown),
                cmocka_unit_test_setup_teardown(test_switched_off, setup, teardown),
                cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
        };

        sem_init(&hang, 0, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}

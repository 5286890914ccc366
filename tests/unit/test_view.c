/* The view: every way in which a finding can change between two runs; grouping, gaps, score, waivers, targets. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "headline.h"
#include "json.h"
#include "moment.h"
#include "support_rounds.h"
#include "view.h"

enum { F = STATUS_FAIL, E = STATUS_ERROR, W = STATUS_WAIVED, S = STATUS_SKIP, P = STATUS_PASS, NO = -1 };

struct change_row {
        const char *about;
        int then;
        enum severity severity_then;
        int now;
        enum severity severity_now;
        int beside; /* another finding of the same control and target now */
        bool other_policy;
        enum change change;
        const char *why;
};

static const struct change_row rows[] = {
        {"failed, fails: still", F, SEV2, F, SEV2, NO, false, CHANGE_STILL, ""},
        {"failed, fails less badly: still", F, SEV1, F, SEV3, NO, false, CHANGE_STILL, ""},
        {"failed, fails worse", F, SEV3, F, SEV1, NO, false, CHANGE_WORSE, ""},
        {"passed, fails: new", P, 0, F, SEV2, NO, false, CHANGE_NEW, ""},
        {"was not there, fails: new", NO, 0, F, SEV2, NO, false, CHANGE_NEW, ""},
        {"could not be assessed, fails: new, and says so", E, 0, F, SEV2, NO, false, CHANGE_NEW,
         "could not be assessed"},
        {"skipped, fails: new, and says so", S, 0, F, SEV2, NO, false, CHANGE_NEW, "could not be assessed"},
        {"waived, fails: new, the waiver is gone", W, 0, F, SEV2, NO, false, CHANGE_NEW, "no waiver"},
        {"failed, passes: fixed", F, SEV2, P, 0, NO, false, CHANGE_FIXED, "passes now"},
        {"failed, gone, its control assessed: fixed", F, SEV2, NO, 0, P, false, CHANGE_FIXED, "no longer there"},
        {"failed, gone, another one fails: fixed", F, SEV2, NO, 0, F, false, CHANGE_FIXED, "no longer there"},
        {"failed, error: incomparable", F, SEV2, E, 0, NO, false, CHANGE_INCOMPARABLE, "(timeout): told"},
        {"failed, skipped: incomparable", F, SEV2, S, 0, NO, false, CHANGE_INCOMPARABLE, "skipped now"},
        {"failed, gone, the control is an error: incomparable", F, SEV2, NO, 0, E, false, CHANGE_INCOMPARABLE,
         "(timeout)"},
        {"failed, gone, the control is skipped: incomparable", F, SEV2, NO, 0, S, false, CHANGE_INCOMPARABLE,
         "skipped"},
        {"failed, nobody looked: incomparable", F, SEV2, NO, 0, NO, false, CHANGE_INCOMPARABLE, "not looked at"},
        {"failed, waived: incomparable", F, SEV2, W, 0, NO, false, CHANGE_INCOMPARABLE, "waived now"},
        {"failed, passes under another policy", F, SEV2, P, 0, NO, true, CHANGE_INCOMPARABLE, "another policy"},
        {"failed, gone under another policy", F, SEV2, NO, 0, P, true, CHANGE_INCOMPARABLE, "another policy"},
        {"passed, fails under another policy", P, 0, F, SEV2, NO, true, CHANGE_INCOMPARABLE, "another policy"},
        {"failed, fails worse under another policy", F, SEV3, F, SEV1, NO, true, CHANGE_INCOMPARABLE, "another policy"},
        {"failed, fails the same under another policy: still", F, SEV2, F, SEV2, NO, true, CHANGE_STILL, ""},
        {"new finding under another policy: new, it was not seen", NO, 0, F, SEV2, NO, true, CHANGE_NEW, ""},
        {"passed, passes: nothing", P, 0, P, 0, NO, false, CHANGE_NONE, ""},
        {"passed, error: nothing", P, 0, E, 0, NO, false, CHANGE_NONE, ""},
};

static void
add(struct findings *findings, const char *name, int status, enum severity severity)
{
        struct finding f = {.control = "DSK-7",
                            .resource = {"slot", NULL, name},
                            .status = status == W ? STATUS_FAIL : (enum status)status,
                            .severity = status == W ? SEV2 : severity,
                            .reason = status == E ? REASON_TIMEOUT : REASON_NONE,
                            .message = "told",
                            .evidence = status == W ? "waive:W-1" : NULL};

        if (status != NO)
                findings_add(findings, &f);
}

static void
run_add(struct rounds *rounds, int64_t at_ms, int bound, int status, enum severity severity, int beside)
{
        json_t *config = json_pack("{s:{s:{s:i}}, s:[]}", "policy", "DSK-7", "slot_retained", bound, "targets");
        int64_t run = rounds_begin(rounds, "nightly", at_ms, config);
        struct findings *findings = findings_new();

        add(findings, "analytics", status, severity);
        add(findings, "other", beside, beside == F ? SEV4 : SEV_NONE);
        rounds_put(rounds, run, "db", "postgres", "data", "wal", at_ms, findings);
        rounds_end(rounds, run, at_ms + 1000);
}

static size_t
counted(const struct view_list *list)
{
        size_t count = 0;

        for (size_t i = 0; i < list->count; i++)
                count += strcmp(list->rows[i]->resource.name, "analytics") == 0;
        return count;
}

static void
test_changes(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const struct change_row *row = &rows[i];
                struct rounds rounds;
                struct error err = {0};
                struct view *view;
                rounds_open(&rounds);
                run_add(&rounds, ROUNDS_THEN, 1, row->then, row->severity_then, NO);
                run_add(&rounds, ROUNDS_NOW, row->other_policy ? 2 : 1, row->now, row->severity_now, row->beside);
                if (view_open(rounds.store, 0, "nightly", 0, &view, &err) != 0)
                        fail_msg("%s: %s", row->about, err.text);
                const struct view_list *const lists[] = {NULL,         &view->fresh, &view->worse,
                                                         &view->still, &view->fixed, &view->incomparable};
                for (size_t c = 1; c < 6; c++) {
                        if (counted(lists[c]) != (row->change == (enum change)c ? 1U : 0U))
                                fail_msg("%s: %zu in %s", row->about, counted(lists[c]), change_name((enum change)c));
                }
                if (row->change != CHANGE_NONE) {
                        const struct view_finding *f = NULL;
                        for (size_t k = 0; k < lists[row->change]->count; k++) {
                                if (strcmp(lists[row->change]->rows[k]->resource.name, "analytics") == 0)
                                        f = lists[row->change]->rows[k];
                        }
                        assert_non_null(f);
                        assert_int_equal(f->change, row->change);
                        if (strstr(f->change_why, row->why) == NULL || (*row->why == '\0' && *f->change_why != '\0'))
                                fail_msg("%s: why is \"%s\"", row->about, f->change_why);
                }
                view_close(view);
                rounds_close(&rounds);
        }
}

/* A fail, a run that could not look, the fail again: it never went away. */
static void
test_error_between_does_not_make_it_new(void **state)
{
        struct rounds rounds;
        struct error err = {0};
        struct view *view;

        (void)state;
        rounds_open(&rounds);
        run_add(&rounds, ROUNDS_THEN - DAY_MS, 1, F, SEV2, NO);
        run_add(&rounds, ROUNDS_THEN, 1, E, 0, NO);
        run_add(&rounds, ROUNDS_NOW, 1, F, SEV2, NO);
        assert_int_equal(view_open(rounds.store, 0, NULL, 0, &view, &err), 0);
        assert_int_equal(view->still.count, 1);
        assert_int_equal(view->fresh.count, 0);
        assert_int_equal(view->findings[0].first_seen_ms, ROUNDS_THEN - DAY_MS);
        view_close(view);
        /* Compared with an older run by name. */
        assert_int_equal(view_open(rounds.store, 3, NULL, 1, &view, &err), 0);
        assert_int_equal(view->previous.id, 1);
        assert_int_equal(view->still.count, 1);
        view_close(view);
        assert_int_equal(view_open(rounds.store, 3, NULL, 3, &view, &err), -1);
        assert_non_null(strstr(err.text, "with itself"));
        rounds_close(&rounds);
}

/* A waiver that matched nothing is unused only where the run looked at its control at all. */
static void
test_unused_waivers(void **state)
{
        static const struct {
                const char *control;
                bool unused;
        } cases[] = {{"DSK-7", true}, {"DSK-*", true}, {"DSK-6", false}, {"CRT-*", false}, {"*", true}, {"", true}};
        struct rounds rounds;
        struct error err = {0};
        struct view *view;

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                json_t *config = json_pack("{s:[{s:s, s:s, s:s, s:s}], s:[]}", "waivers", "id", "W-1", "control",
                                           cases[i].control, "resource", "slot/nobody", "expires", "2027-03-01",
                                           "targets");
                struct findings *findings = findings_new();
                rounds_open(&rounds);
                int64_t run = rounds_begin(&rounds, "nightly", ROUNDS_NOW, config);
                add(findings, "analytics", F, SEV2);
                rounds_put(&rounds, run, "db", "postgres", "data", "wal", ROUNDS_NOW, findings);
                rounds_end(&rounds, run, ROUNDS_NOW + 1000);
                assert_int_equal(view_open(rounds.store, 0, NULL, 0, &view, &err), 0);
                assert_int_equal(view->waiver_count, 1);
                if (view->waivers[0].unused != cases[i].unused)
                        fail_msg("%s: %s", cases[i].control, view->waivers[0].unused ? "unused" : "not unused");
                view_close(view);
                rounds_close(&rounds);
        }
}

static void
test_sample(void **state)
{
        struct rounds rounds;
        struct error err = {0};
        struct view *view;
        struct pick picks[10];
        char text[HEADLINE_TEXT];

        (void)state;
        rounds_open(&rounds);
        rounds_sample(&rounds);
        assert_int_equal(view_open(rounds.store, 0, NULL, 0, &view, &err), 0);
        assert_int_equal(view->count, 16);
        assert_int_equal(view->figures.fail, 7);
        assert_int_equal(view->figures.error, 3);
        assert_int_equal(view->figures.waived, 1);
        assert_int_equal(view->figures.skip, 1);
        assert_int_equal(view->figures.pass, 4);
        assert_true(view->figures.coverage_percent > 79.99 && view->figures.coverage_percent < 80.01);
        assert_int_equal(view->grade, 'F');
        /* Reading order: the SEV1 first. */
        assert_string_equal(view->findings[0].resource.name, "old.example.com");
        for (size_t i = 1; i < view->count; i++)
                assert_true(view->findings[i - 1].status <= view->findings[i].status);
        /* Two controls of one unreachable target are one gap. */
        assert_int_equal(view->gap_count, 3);
        assert_string_equal(view->gaps[0].target, "analytics-db");
        assert_string_equal(view->gaps[0].controls, "DBC-1, DSK-7");
        assert_int_equal(view->gaps[0].count, 2);
        assert_int_equal(view->gaps[2].status, STATUS_SKIP);
        assert_int_equal(view->target_count, 5);
        assert_int_equal(view->waiver_count, 3);
        assert_int_equal(view->waivers[0].state, WAIVER_EXPIRED);
        assert_int_equal(view->waivers[1].state, WAIVER_EXPIRING);
        assert_int_equal(view->waivers[1].matched, 1);
        assert_true(view->waivers[2].unused && view->waivers[2].too_broad && !view->waivers[1].too_broad);
        assert_int_equal(view->inventory_count, 1);
        assert_int_equal(view->inventory[0].count, 14);
        assert_int_equal(headline_verdict(view, text), TONE_BAD);
        assert_string_equal(text, "2 new and 2 worse, 3 fixed; 3 failing as before.");
        size_t count = headline_first(view, picks, 10);
        assert_string_equal(picks[0].finding->resource.name, "old.example.com");
        size_t told = 0;
        for (size_t i = 0; i < count; i++)
                told += 1 + picks[i].more;
        assert_int_equal(told, 7);
        view_close(view);
        rounds_close(&rounds);
}

static void
test_percent_is_never_rounded_up(void **state)
{
        static const struct {
                double percent;
                const char *text;
        } cases[] = {{100, "100 %"}, {99.99, "99.9 %"}, {0, "0 %"}, {0.04, "0 %"}, {86.6666, "86.6 %"}, {50, "50 %"}};
        char text[16], count[COUNT_TEXT];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                percent_format(cases[i].percent, text);
                assert_string_equal(text, cases[i].text);
        }
        count_format(1234567, count);
        assert_string_equal(count, "1,234,567");
        count_format(999, count);
        assert_string_equal(count, "999");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_changes),
                cmocka_unit_test(test_error_between_does_not_make_it_new),
                cmocka_unit_test(test_unused_waivers),
                cmocka_unit_test(test_sample),
                cmocka_unit_test(test_percent_is_never_rounded_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

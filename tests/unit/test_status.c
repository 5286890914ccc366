/* What a monitoring system hears, exit statuses, and the progress line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moment.h"
#include "progress.h"
#include "signals.h"
#include "status.h"
#include "tally.h"

#define NOW ((int64_t)1795489200000)

/* --- status ------------------------------------------------------------------------------------------------- */

/* Runs an hour apart, the last one an hour before NOW; f: finished, i: interrupted, d: died, r: running. */
static const struct status_case {
        const char *about, *runs, *job;
        const char *findings; /* of every run: f fail, e error, p pass */
        int64_t max_age_ms;
        enum plugin_code code;
        const char *line; /* its beginning */
} cases[] = {
        {"nothing yet", "", NULL, "", DAY_MS, PLUGIN_CRITICAL, "ROUNDS CRITICAL: no run has ended yet"},
        {"not this job", "f", "weekly", "p", DAY_MS, PLUGIN_CRITICAL,
         "ROUNDS CRITICAL: no run of weekly has ended yet"},
        {"well", "f", "nightly", "pp", DAY_MS, PLUGIN_OK,
         "ROUNDS OK: nightly ended 59 min ago, 100.0 % assessed, 0 findings | age=3540s;;86400;0 "
         "coverage=100.00%;;;0;100 "
         "sev1=0;;;0 sev2=0;;;0 sev3=0;;;0 sev4=0;;;0 errors=0;;;0 skips=0;;;0 waived=0;;;0 duration=60s;;;0"},
        {"findings are not its business", "f", NULL, "fp", DAY_MS, PLUGIN_OK,
         "ROUNDS OK: nightly ended 59 min ago, 100.0 % assessed, 1 finding (1 SEV2) |"},
        {"too old", "f", NULL, "p", MINUTE_MS, PLUGIN_CRITICAL,
         "ROUNDS CRITICAL: nightly ended 59 min ago, which is longer than 1 min, 100.0 % assessed"},
        {"not all of it", "f", NULL, "pe", DAY_MS, PLUGIN_WARNING,
         "ROUNDS WARNING: nightly ended 59 min ago, not fully assessed (100.0 % were asked for), 50.0 % assessed"},
        {"nothing seen is not a pass", "f", NULL, "", DAY_MS, PLUGIN_WARNING,
         "ROUNDS WARNING: nightly ended 59 min ago, not fully assessed (100.0 % were asked for), 0.0 % assessed"},
        {"interrupted", "fi", NULL, "p", DAY_MS, PLUGIN_WARNING,
         "ROUNDS WARNING: nightly ended 59 min ago, interrupted, 100.0 % assessed"},
        {"one is running", "fr", NULL, "p", DAY_MS, PLUGIN_OK, "ROUNDS OK: nightly ended 1 h 59 min ago, 100.0 %"},
        {"one died and the next is running", "fdr", NULL, "p", DAY_MS, PLUGIN_OK, "ROUNDS OK: nightly ended"},
        {"the newest died", "fd", NULL, "p", DAY_MS, PLUGIN_WARNING,
         "ROUNDS WARNING: nightly ended 1 h 59 min ago, and a run since then died, 100.0 %"},
        {"only dead ones", "dd", NULL, "p", DAY_MS, PLUGIN_CRITICAL, "ROUNDS CRITICAL: no run has ended yet"},
};

static void
run_add(struct store *store, int64_t at_ms, char state, const char *kinds)
{
        struct error err = {0};
        struct run run = {.job = "nightly", .started_ms = at_ms, .min_coverage = 100};
        struct findings *findings = findings_new();
        int64_t id;

        for (int i = 0; kinds[i] != '\0'; i++) {
                const char *name = findings_text(findings, "slot-%d", i);
                findings_add(findings, &(struct finding){.control = "DSK-7",
                                                         .resource = {"slot", NULL, name},
                                                         .status = kinds[i] == 'f'   ? STATUS_FAIL
                                                                   : kinds[i] == 'e' ? STATUS_ERROR
                                                                                     : STATUS_PASS,
                                                         .severity = kinds[i] == 'f' ? SEV2 : SEV_NONE,
                                                         .reason = kinds[i] == 'e' ? REASON_TIMEOUT : REASON_NONE,
                                                         .message = "seen"});
        }
        struct result result = {.target = "db", .audit = "wal", .findings = findings};
        if (store_run_begin(store, &run, NULL, &id, &err) != 0 ||
            store_results_put(store, id, &result, 1, NULL, NULL, &err) != 0)
                fail_msg("%s", err.text);
        if (state != 'r' && store_run_end(store, id,
                                          state == 'f'   ? RUN_FINISHED
                                          : state == 'i' ? RUN_INTERRUPTED
                                                         : RUN_DIED,
                                          at_ms + MINUTE_MS, &err) != 0)
                fail_msg("%s", err.text);
        findings_free(findings);
}

static void
test_status(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct status_case *c = &cases[i];
                char folder[] = "/tmp/rounds-status-XXXXXX", where[64], command[64], line[STATUS_LINE];
                struct store *store;
                struct error err = {0};
                enum plugin_code code;
                assert_non_null(mkdtemp(folder));
                snprintf(where, sizeof where, "sqlite:%s/rounds.db", folder);
                assert_int_equal(store_open(where, false, &store, &err), 0);
                int64_t at_ms = NOW - (int64_t)strlen(c->runs) * HOUR_MS;
                for (const char *run = c->runs; *run != '\0'; run++, at_ms += HOUR_MS)
                        run_add(store, at_ms, *run, c->findings);
                if (status_judge(store, c->job, c->max_age_ms, NOW, line, &code, &err) != 0)
                        fail_msg("%s: %s", c->about, err.text);
                if (code != c->code || strncmp(line, c->line, strlen(c->line)) != 0)
                        fail_msg("%s: %d %s", c->about, (int)code, line);
                store_close(store);
                snprintf(command, sizeof command, "rm -rf %s", folder);
                assert_int_equal(system(command), 0);
        }
}

/* --- exit statuses ------------------------------------------------------------------------------------------ */

static void
test_exit_status(void **state)
{
        static const struct {
                struct tally tally;
                enum severity fail_on;
                double min_coverage;
                enum exit_status exit;
        } rows[] = {
                {{.by_status = {[STATUS_PASS] = 3}}, SEV3, 100, EXIT_ASSESSED},
                {{.by_status = {0}}, SEV3, 100, EXIT_NOT_ASSESSED},
                {{.by_status = {[STATUS_SKIP] = 9}}, SEV3, 100, EXIT_NOT_ASSESSED},
                {{.by_status = {[STATUS_PASS] = 3, [STATUS_ERROR] = 1}}, SEV3, 100, EXIT_NOT_ASSESSED},
                {{.by_status = {[STATUS_PASS] = 3, [STATUS_ERROR] = 1}}, SEV3, 75, EXIT_ASSESSED},
                {{.by_status = {[STATUS_FAIL] = 1}, .by_severity = {[SEV3] = 1}}, SEV3, 100, EXIT_FINDINGS},
                {{.by_status = {[STATUS_FAIL] = 1}, .by_severity = {[SEV4] = 1}}, SEV3, 100, EXIT_ASSESSED},
                {{.by_status = {[STATUS_FAIL] = 1}, .by_severity = {[SEV4] = 1}}, SEV4, 100, EXIT_FINDINGS},
                {{.by_status = {[STATUS_FAIL] = 1}, .by_severity = {[SEV2] = 1}}, SEV1, 100, EXIT_ASSESSED},
                {{.by_status = {[STATUS_WAIVED] = 1}}, SEV4, 100, EXIT_ASSESSED},
                {{.by_status = {[STATUS_FAIL] = 1, [STATUS_ERROR] = 1}, .by_severity = {[SEV1] = 1}},
                 SEV3,
                 100,
                 EXIT_NOT_ASSESSED},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                enum exit_status met = tally_exit(&rows[i].tally, rows[i].fail_on, rows[i].min_coverage);
                if (met != rows[i].exit)
                        fail_msg("row %zu: %d", i, (int)met);
        }
}

/* --- progress ----------------------------------------------------------------------------------------------- */

static void
test_progress_text(void **state)
{
        static const struct {
                struct run_progress progress;
                int columns;
                const char *text;
        } rows[] = {
                {{.total = 40, .left_ms = HOUR_MS}, 80, "0 of 40 targets"},
                {{.done = 10, .total = 40, .elapsed_ms = 10000, .left_ms = HOUR_MS},
                 80,
                 "10 of 40 targets, about 30 s left"},
                {{.done = 10, .total = 40, .elapsed_ms = 10000, .left_ms = 5000},
                 80,
                 "10 of 40 targets, about 5 s left"},
                {{.done = 1, .total = 2, .slowest = "db", .slowest_ms = 34000, .elapsed_ms = 40000, .left_ms = HOUR_MS},
                 80,
                 "1 of 2 targets, waiting for db (34 s), about 40 s left"},
                {{.total = 2, .slowest = "d\033[2Jb\n", .slowest_ms = 2000},
                 80,
                 "0 of 2 targets, waiting for d?[2Jb? (2 s)"},
                {{.total = 2, .slowest = "d\xc3\xa9p\xc3\xb4t", .slowest_ms = 2000},
                 31,
                 "0 of 2 targets, waiting for d\xc3\xa9p"},
                {{.done = 2, .total = 2, .elapsed_ms = 40000}, 80, "2 of 2 targets"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                char text[256];
                progress_text(&rows[i].progress, "targets", rows[i].columns, text, sizeof text);
                assert_string_equal(text, rows[i].text);
        }
}

/* --- signals ------------------------------------------------------------------------------------------------ */

/* In a child: watches, then gets `count` signals while it waits a little for a cancel that it ignores. */
static int
signalled(int signo, int count)
{
        int status;
        pid_t child = fork();

        if (child == 0) {
                struct cancel cancel;
                struct signals *signals;
                if (cancel_open(&cancel, NULL) != 0 || signals_watch(&cancel, &signals, NULL) != 0)
                        _exit(50);
                struct deadline patience = deadline_in(1500, count > 1 ? NULL : &cancel);
                for (int i = 0; i < count; i++) {
                        struct deadline between = deadline_in(100, NULL);
                        kill(getpid(), signo);
                        deadline_sleep(&between, 100, NULL);
                }
                deadline_sleep(&patience, 5000, NULL);
                bool cancelled = atomic_load(&cancel.on);
                int first = signals_end(signals);
                _exit(cancelled && first == signo ? 60 : first == 0 ? 61 : 62);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void
test_signals(void **state)
{
        (void)state;
        assert_int_equal(signalled(SIGTERM, 1), 60);
        assert_int_equal(signalled(SIGINT, 1), 60);
        assert_int_equal(signalled(SIGTERM, 2), EXIT_NOT_ASSESSED); /* at once */
        assert_int_equal(signalled(SIGPIPE, 1), 61);                /* not the end of the process */
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_status), cmocka_unit_test(test_exit_status),
                                           cmocka_unit_test(test_progress_text), cmocka_unit_test(test_signals)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

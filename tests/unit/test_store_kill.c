/* kill -9 at any moment of a run: the store opens, is sound, keeps what was committed, and the next run works. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "json.h"
#include "moment.h"
#include "scope.h"
#include "store.h"

enum { KILLS = 30, TARGETS = 20, SLOTS = 200 };

/* A run of many targets; each commit is told to `told` (one byte), so that the parent knows what must be there. */
static int
one_run(struct store *store, int64_t at_ms, int told)
{
        struct run run = {.job = "nightly", .started_ms = at_ms};
        struct retention keep = {.facts_ms = 50, .findings_ms = 100, .samples_ms = 100};
        struct error err = {0};
        int64_t id;

        if (store_run_begin(store, &run, NULL, &id, &err) != 0) {
                fprintf(stderr, "%s\n", err.text);
                return -1;
        }
        for (int t = 0; t < TARGETS; t++) {
                struct findings *findings = findings_new();
                scoped_json facts = json_pack("{s:i}", "n", t);
                char target[32];
                snprintf(target, sizeof target, "db-%d", t);
                for (int i = 0; i < SLOTS; i++) {
                        struct resource slot = {.kind = "slot", .name = findings_text(findings, "slot-%d", i)};
                        findings_pass(findings, "DSK-7", &slot, "0 B", "1 GB", "fine");
                        findings_sample(findings, "wal.slot_bytes", slot.name, i);
                }
                struct result result = {
                        .target = target, .kind = "postgres", .audit = "wal", .facts = facts, .findings = findings};
                int code = store_results_put(store, id, &result, 1, NULL, NULL, &err);
                findings_free(findings);
                if (code != 0 || (told >= 0 && write(told, "x", 1) != 1)) {
                        fprintf(stderr, "%s\n", err.text);
                        return -1;
                }
        }
        if (store_prune(store, &keep, at_ms, &err) != 0 ||
            store_run_end(store, id, RUN_FINISHED, at_ms + 1, &err) != 0) {
                fprintf(stderr, "%s\n", err.text);
                return -1;
        }
        return 0;
}

static int
count(void *context, const struct finding_row *row)
{
        (void)row;
        ++*(size_t *)context;
        return 0;
}

static void
expect_sound(const char *path)
{
        sqlite3 *handle;
        sqlite3_stmt *check;

        assert_int_equal(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(handle, "PRAGMA integrity_check", -1, &check, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(check), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
        sqlite3_finalize(check);
        assert_int_equal(sqlite3_prepare_v2(handle, "PRAGMA foreign_key_check", -1, &check, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(check), SQLITE_DONE);
        sqlite3_finalize(check);
        sqlite3_close(handle);
}

/* Starts a child that makes runs without end and kills it after `after_ms`; the commits it told of its last run. */
static size_t
killed_writer(const char *where, int64_t at_ms, int64_t after_ms)
{
        int told[2], status;
        char bytes[4096];
        ssize_t got;
        size_t commits = 0;

        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        if (child == 0) {
                struct store *store;
                struct error err = {0};
                close(told[0]);
                if (store_open(where, false, &store, &err) != 0)
                        _exit(1);
                while (one_run(store, at_ms++, told[1]) == 0) {
                }
                _exit(2);
        }
        close(told[1]);
        struct deadline pause = deadline_in(after_ms, NULL);
        deadline_sleep(&pause, after_ms, NULL);
        kill(child, SIGKILL);
        while ((got = read(told[0], bytes, sizeof bytes)) > 0)
                commits += (size_t)got;
        close(told[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        return commits;
}

static void
test_kills(void **state)
{
        char folder[] = "/tmp/rounds-kill-XXXXXX", path[64], where[80], command[64];
        unsigned seed = 20261124; /* the same moments in every test, but for what the machine does */
        size_t within = 0;

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/rounds.db", folder);
        snprintf(where, sizeof where, "sqlite:%s", path);
        for (int i = 0; i < KILLS; i++) {
                size_t commits = killed_writer(where, 1000 + i * 1000, rand_r(&seed) % 60);
                struct store *store;
                struct error err = {0};
                json_t *runs = NULL;
                if (store_open(where, false, &store, &err) != 0)
                        fail_msg("kill %d: %s (%s)", i, err.text, err.remedy);
                assert_int_equal(store_run_list(store, NULL, 1, &runs, &err), 0);
                scoped_json list = runs;
                const json_t *last = json_array_get(list, 0);
                if (commits % TARGETS != 0) {
                        /* Killed within a run: what it told of is there, at most the next commit besides, none by half.
                         */
                        size_t findings = 0;
                        within++;
                        assert_string_equal(json_text(last, "state", ""), "running");
                        assert_int_equal(store_findings_each(store, json_whole(last, "id", 0), count, &findings, &err),
                                         0);
                        assert_int_equal(findings % SLOTS, 0);
                        assert_in_range(findings / SLOTS, commits % TARGETS, commits % TARGETS + 1);
                }
                assert_int_equal(one_run(store, 1500 + i * 1000, -1), 0);
                store_close(store);
                expect_sound(path);
        }
        print_message("%zu of %d kills fell within a run\n", within, KILLS);
        assert_true(within > 0);
        snprintf(command, sizeof command, "rm -rf %s", folder);
        assert_int_equal(system(command), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_kills)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

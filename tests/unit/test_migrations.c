/* Schemas: an old store is read and carried on, a newer one and a stranger's file are refused, a folder may be
 * read-only. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "database.h"
#include "json.h"
#include "moment.h"
#include "store.h"

#define NOW ((int64_t)1795489200000)

struct place {
        char folder[64], path[96], where[128];
};

static int
setup(void **state)
{
        struct place *place = calloc(1, sizeof *place);
        char command[256];

        snprintf(place->folder, sizeof place->folder, "/tmp/rounds-schema-XXXXXX");
        assert_non_null(mkdtemp(place->folder));
        snprintf(place->path, sizeof place->path, "%s/rounds.db", place->folder);
        snprintf(place->where, sizeof place->where, "sqlite:%s", place->path);
        snprintf(command, sizeof command, "cp tests/fixtures/store/schema-1.db %s && chmod 640 %s", place->path,
                 place->path);
        assert_int_equal(system(command), 0);
        *state = place;
        return 0;
}

static int
teardown(void **state)
{
        struct place *place = *state;
        char command[256];

        snprintf(command, sizeof command, "chmod 700 %s; rm -rf %s", place->folder, place->folder);
        assert_int_equal(system(command), 0);
        free(place);
        return 0;
}

static int
see_slot(void *context, const struct finding_row *row)
{
        if (row->finding.status != STATUS_FAIL)
                return 0;
        assert_string_equal(row->finding.resource.name, "analytics");
        assert_string_equal(row->finding.observed, "2 GB");
        assert_int_equal(row->first_seen_ms, NOW);
        char fingerprint[FINGERPRINT_TEXT];
        finding_fingerprint("DSK-7", "db", &(struct resource){"slot", NULL, "analytics"}, fingerprint);
        assert_string_equal(row->fingerprint, fingerprint);
        ++*(int *)context;
        return 0;
}

static int
see_facts(void *context, const char *target, const char *kind, const char *owner, const char *audit, int64_t at_ms,
          const json_t *facts)
{
        (void)kind, (void)owner, (void)audit;
        assert_string_equal(target, "db");
        assert_int_equal(at_ms, NOW + DAY_MS + 5);
        assert_string_equal(json_text(json_array_get(json_list(facts, "slots"), 0), "name", ""), "analytics");
        ++*(int *)context;
        return 0;
}

static int
see_inventory(void *context, const char *kind, const char *target, const json_t *row)
{
        (void)target;
        assert_string_equal(kind, "slots");
        assert_int_equal(json_whole(row, "retained_bytes", 0), 2000000000);
        ++*(int *)context;
        return 0;
}

/* What the fixture holds, read through today's program; 0 when all of it is there. */
static int
read_all(const char *where, bool read_only, struct error *err)
{
        struct store *store;
        int findings = 0, facts = 0, rows = 0;
        json_t *run = NULL, *notes = NULL;

        if (store_open(where, read_only, &store, err) != 0)
                return 1;
        struct history *history = history_new(NOW + 9 * DAY_MS);
        int code = store_run_read(store, 0, "nightly", &run, err) != 0 ||
                   store_findings_each(store, 2, see_slot, &findings, err) != 0 ||
                   store_facts_each(store, 2, see_facts, &facts, err) != 0 ||
                   store_inventory_each(store, 2, see_inventory, &rows, err) != 0 ||
                   store_note_list(store, "scan", &notes, err) != 0 ||
                   store_samples_load(store, "db", "wal.*", 0, NOW + 9 * DAY_MS, history, err) != 0;
        if (code == 0 &&
            (findings != 1 || facts != 1 || rows != 1 || json_array_size(notes) != 1 || history_count(history) != 1 ||
             history_at(history, 0)->count != 2 || json_whole(run, "id", 0) != 2))
                code = error_set(err, REASON_INTERNAL, "something is missing") != 0;
        json_decref(run);
        json_decref(notes);
        history_free(history);
        store_close(store);
        return code;
}

static void
test_schema_1(void **state)
{
        struct place *place = *state;
        struct error err = {0};
        struct store *store;
        struct run run = {.job = "nightly", .started_ms = NOW + 2 * DAY_MS};
        int64_t id = 0;

        if (read_all(place->where, false, &err) != 0)
                fail_msg("%s", err.text);
        assert_int_equal(store_open(place->where, false, &store, &err), 0);
        assert_int_equal(store_run_begin(store, &run, NULL, &id, &err), 0);
        assert_int_equal(id, 3);
        assert_int_equal(store_run_end(store, id, RUN_FINISHED, NOW + 3 * DAY_MS, &err), 0);
        store_close(store);
}

static void
change(const char *path, const char *sql)
{
        sqlite3 *handle;

        assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
        assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(handle);
}

static void
test_refused(void **state)
{
        static const struct {
                const char *about, *sql, *text;
                bool read_only;
        } cases[] = {
                {"a newer schema", "INSERT INTO schema_versions VALUES (99, 0)", "the store has schema 99", false},
                {"a newer schema, to read", "INSERT INTO schema_versions VALUES (99, 0)", "the store has schema 99",
                 true},
                {"an older schema, to read", "DELETE FROM schema_versions", "the store has schema 0", true},
                {"somebody else's file", "DROP TABLE schema_versions", "is not a store of rounds", false},
        };
        struct place *place = *state;

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct error err = {0};
                struct store *store = NULL;
                char command[256];
                snprintf(command, sizeof command, "cp tests/fixtures/store/schema-1.db %s", place->path);
                assert_int_equal(system(command), 0);
                change(place->path, cases[i].sql);
                int code = store_open(place->where, cases[i].read_only, &store, &err);
                if (code == 0 || strstr(err.text, cases[i].text) == NULL || err.reason != REASON_CONFIGURATION ||
                    *err.remedy == '\0')
                        fail_msg("%s: %d %s (%s)", cases[i].about, code, err.text, err.remedy);
        }
}

static void
test_unusable_files(void **state)
{
        static const struct {
                const char *make, *where, *text;
                bool read_only;
        } cases[] = {
                {"printf 'not a database, but long enough to be one for sure' > %s/x", "x", "not a database", false},
                {"mkdir %s/folder", "folder", "", false},
                {"true %s", "none/rounds.db", "", false},
                {"true %s", "missing.db", "No such file", true},
                {"head -c 5000 tests/fixtures/store/schema-1.db > %s/half", "half", "malformed", false},
        };
        struct place *place = *state;

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct error err = {0};
                struct store *store = NULL;
                char command[512], where[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(command, sizeof command, cases[i].make, place->folder);
#pragma GCC diagnostic pop
                assert_int_equal(system(command), 0);
                snprintf(where, sizeof where, "sqlite:%s/%s", place->folder, cases[i].where);
                if (store_open(where, cases[i].read_only, &store, &err) == 0)
                        fail_msg("%s was opened", cases[i].where);
                if (strstr(err.text, cases[i].text) == NULL || strstr(err.text, place->folder) == NULL)
                        fail_msg("%s: %s", cases[i].where, err.text);
        }
        struct error err = {0};
        struct store *store;
        assert_int_equal(store_open("mysql:x", false, &store, &err), -1);
        assert_int_equal(store_open("sqlite:", false, &store, &err), -1);
}

/* A reader who may not write the folder, the file left behind by a clean close. */
static void
test_read_only_folder(void **state)
{
        struct place *place = *state;
        struct error err = {0};
        struct store *store;
        int status;

        assert_int_equal(store_open(place->where, false, &store, &err), 0); /* now in WAL mode */
        store_close(store);
        assert_int_equal(chmod(place->path, 0444), 0);
        assert_int_equal(chmod(place->folder, 0555), 0);
        pid_t child = fork();
        if (child == 0) {
                if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
                        _exit(70);
                if (access(place->folder, W_OK) == 0)
                        _exit(71);
                int code = read_all(place->where, true, &err);
                if (code != 0)
                        fprintf(stderr, "%s\n", err.text);
                if (code == 0 && store_open(place->where, false, &store, &err) == 0)
                        code = 72; /* writing must be refused */
                _exit(code);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* A run is in progress (its log is not empty), and another process reads. */
static void
test_read_beside_a_writer(void **state)
{
        struct place *place = *state;
        struct error err = {0};
        struct store *writer, *reader;
        struct run run = {.job = "weekly", .started_ms = NOW};
        int64_t id;
        json_t *runs = NULL;

        assert_int_equal(store_open(place->where, false, &writer, &err), 0);
        assert_int_equal(store_run_begin(writer, &run, NULL, &id, &err), 0);
        assert_int_equal(store_open(place->where, true, &reader, &err), 0);
        assert_int_equal(store_run_list(reader, "weekly", 5, &runs, &err), 0);
        assert_int_equal(json_array_size(runs), 1);
        assert_string_equal(json_text(json_array_get(runs, 0), "state", ""), "running");
        json_decref(runs);
        store_close(reader);
        assert_int_equal(store_run_end(writer, id, RUN_FINISHED, NOW + 1, &err), 0);
        store_close(writer);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_schema_1, setup, teardown),
                cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unusable_files, setup, teardown),
                cmocka_unit_test_setup_teardown(test_read_only_folder, setup, teardown),
                cmocka_unit_test_setup_teardown(test_read_beside_a_writer, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The store, as its users see it: every test takes only `where`, so that another back end runs the very same table. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "secret.h"
#include "store.h"

#define NOW ((int64_t)1795489200000) /* 2026-11-24T03:00:00Z */

/* --- a store per test --------------------------------------------------------------------------------------- */

struct place {
        char folder[64];
        char where[128];
        struct store *store;
};

static struct store *
opened(const char *where)
{
        struct store *store = NULL;
        struct error err = {0};

        if (store_open(where, false, &store, &err) != 0)
                fail_msg("store_open: %s", err.text);
        return store;
}

static int
setup(void **state)
{
        struct place *place = calloc(1, sizeof *place);

        snprintf(place->folder, sizeof place->folder, "/tmp/rounds-store-XXXXXX");
        assert_non_null(mkdtemp(place->folder));
        snprintf(place->where, sizeof place->where, "sqlite:%s/rounds.db", place->folder);
        place->store = opened(place->where);
        *state = place;
        return 0;
}

static int
teardown(void **state)
{
        struct place *place = *state;
        char command[128];

        store_close(place->store);
        snprintf(command, sizeof command, "rm -rf %s", place->folder);
        assert_int_equal(system(command), 0);
        free(place);
        return 0;
}

static void
ok(int result, const struct error *err)
{
        if (result != 0)
                fail_msg("%s (%s)", err->text, err->remedy);
}

static int64_t
begin_at(struct store *store, const char *job, int64_t at_ms)
{
        struct error err = {0};
        int64_t id = 0;
        struct run run = {.job = job,
                          .started_ms = at_ms,
                          .version = "0.1.0",
                          .host = "auditor",
                          .shard = "0/1",
                          .min_coverage = 100};
        scoped_json config = json_pack("{s:s,s:{s:i}}", "organisation", "Example", "policy", "DSK-7", 1);

        ok(store_run_begin(store, &run, config, &id, &err), &err);
        assert_true(id > 0);
        return id;
}

static void
end_run(struct store *store, int64_t run, enum run_state state)
{
        struct error err = {0};

        ok(store_run_end(store, run, state, NOW + 60000, &err), &err);
}

/* --- findings in one line ----------------------------------------------------------------------------------- */

struct seen {
        const char *slot; /* NULL ends; "" : the target itself */
        enum status status;
};

static struct findings *
findings_of(const char *control, const struct seen *seen)
{
        struct findings *findings = findings_new();

        for (; seen->slot != NULL; seen++) {
                struct finding finding = {.control = control, .status = seen->status, .message = "what was seen"};
                if (*seen->slot != '\0')
                        finding.resource = (struct resource){.kind = "slot", .name = seen->slot};
                if (seen->status == STATUS_FAIL)
                        finding.severity = SEV2;
                if (seen->status == STATUS_ERROR)
                        finding.reason = REASON_TIMEOUT;
                findings_add(findings, &finding);
        }
        return findings;
}

static void
put(struct store *store, int64_t run, const char *target, const char *audit, const json_t *facts,
    const struct findings *findings)
{
        struct error err = {0};
        struct result result = {.target = target,
                                .kind = "postgres",
                                .owner = "data",
                                .audit = audit,
                                .started_ms = NOW,
                                .took_ms = 12,
                                .facts = facts,
                                .findings = findings};

        ok(store_results_put(store, run, &result, 1, NULL, NULL, &err), &err);
}

/* One whole run of one audit of one target. */
static int64_t
run_of(struct store *store, int64_t at_ms, const char *control, const struct seen *seen)
{
        int64_t run = begin_at(store, "nightly", at_ms);
        struct findings *findings = findings_of(control, seen);

        put(store, run, "db", "wal", NULL, findings);
        findings_free(findings);
        end_run(store, run, RUN_FINISHED);
        return run;
}

struct wanted {
        const char *slot;
        int64_t first_seen_ms;
        size_t met;
};

static int
look_for(void *context, const struct finding_row *row)
{
        struct wanted *wanted = context;
        const char *name = row->finding.resource.name;

        if (strcmp(name != NULL ? name : "", wanted->slot) == 0) {
                wanted->met++;
                wanted->first_seen_ms = row->first_seen_ms;
        }
        return 0;
}

static int64_t
first_seen(struct store *store, int64_t run, const char *slot)
{
        struct error err = {0};
        struct wanted wanted = {.slot = slot};

        ok(store_findings_each(store, run, look_for, &wanted, &err), &err);
        assert_int_equal(wanted.met, 1);
        return wanted.first_seen_ms;
}

/* --- runs --------------------------------------------------------------------------------------------------- */

static void
test_runs(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        json_t *read = NULL;
        int64_t before = -1;

        assert_int_equal(store_run_read(store, 0, NULL, &read, &err), -1);
        assert_int_equal(err.reason, REASON_CONFIGURATION);
        int64_t one = begin_at(store, "nightly", NOW);
        assert_int_equal(store_run_read(store, 0, "nightly", &read, &err), -1); /* it has not ended */
        end_run(store, one, RUN_FINISHED);
        int64_t other = begin_at(store, "weekly", NOW + 1);
        end_run(store, other, RUN_FINISHED);
        int64_t two = begin_at(store, "nightly", NOW + 2);
        end_run(store, two, RUN_INTERRUPTED);

        ok(store_run_read(store, 0, "nightly", &read, &err), &err);
        assert_int_equal(json_whole(read, "id", 0), two);
        assert_string_equal(json_text(read, "state", ""), "interrupted");
        assert_int_equal(json_whole(read, "started_ms", 0), NOW + 2);
        assert_int_equal(json_whole(read, "finished_ms", 0), NOW + 60000);
        assert_string_equal(json_text(json_map(read, "config"), "organisation", ""), "Example");
        json_decref(read);
        ok(store_run_before(store, two, &before, &err), &err);
        assert_int_equal(before, one);
        ok(store_run_before(store, one, &before, &err), &err);
        assert_int_equal(before, 0);
        ok(store_run_list(store, NULL, 2, &read, &err), &err);
        assert_int_equal(json_array_size(read), 2);
        assert_int_equal(json_whole(json_array_get(read, 0), "id", 0), two);
        assert_false(json_has(json_array_get(read, 0), "config"));
        json_decref(read);
        ok(store_run_list(store, "weekly", 10, &read, &err), &err);
        assert_int_equal(json_array_size(read), 1);
        json_decref(read);
        assert_int_equal(store_run_end(store, 99, RUN_FINISHED, NOW, &err), -1);
}

static void
test_one_run_at_a_time(void **state)
{
        struct place *place = *state;
        struct error err = {0};
        int64_t id;
        struct run run = {.job = "nightly", .started_ms = NOW, .shard = "0/1"};
        struct run shard = {.job = "nightly", .started_ms = NOW, .shard = "1/2"};
        struct run odd = {.job = "../../etc/cron d", .started_ms = NOW};
        struct store *second = opened(place->where);

        int64_t first = begin_at(place->store, "nightly", NOW);
        assert_int_equal(store_run_begin(second, &run, NULL, &id, &err), -1);
        assert_int_equal(err.reason, REASON_CONFIGURATION);
        char process[64];
        snprintf(process, sizeof process, "already running, process %ld", (long)getpid());
        assert_non_null(strstr(err.text, process));
        ok(store_run_begin(second, &shard, NULL, &id, &err), &err);
        end_run(second, id, RUN_FINISHED);
        ok(store_run_begin(second, &odd, NULL, &id, &err), &err);
        end_run(second, id, RUN_FINISHED);
        char lock[128];
        snprintf(lock, sizeof lock, "%s/rounds.db.______etc_cron_d.lock", place->folder);
        assert_int_equal(access(lock, F_OK), 0);
        end_run(place->store, first, RUN_FINISHED);
        ok(store_run_begin(second, &run, NULL, &id, &err), &err);
        end_run(second, id, RUN_FINISHED);
        store_close(second);
}

static void
test_dead_runs(void **state)
{
        struct place *place = *state;
        struct error err = {0};
        json_t *run = NULL;
        int status;

        pid_t child = fork();
        if (child == 0) {
                struct store *store = opened(place->where);
                begin_at(store, "nightly", NOW);
                kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        int64_t next = begin_at(place->store, "nightly", NOW + 1);
        ok(store_run_read(place->store, next - 1, NULL, &run, &err), &err);
        assert_string_equal(json_text(run, "state", ""), "died");
        json_decref(run);
        end_run(place->store, next, RUN_FINISHED);
        int64_t before = -1;
        ok(store_run_before(place->store, next, &before, &err), &err);
        assert_int_equal(before, 0); /* a dead run is nothing to compare with */
}

/* --- findings ----------------------------------------------------------------------------------------------- */

static void
waive_slots(void *context, struct finding_row *row)
{
        assert_string_equal(context, "waivers");
        assert_int_equal(strlen(row->fingerprint), 64);
        if (row->finding.status == STATUS_FAIL && row->finding.resource.name != NULL) {
                row->finding.status = STATUS_WAIVED;
                row->waiver = "W-3";
                row->note = "until 2027-01-01";
        }
}

struct lines {
        char text[4096];
};

static int
write_line(void *context, const struct finding_row *row)
{
        struct lines *lines = context;
        const struct finding *f = &row->finding;
        size_t used = strlen(lines->text);

        snprintf(lines->text + used, sizeof lines->text - used,
                 "%s %s %s %s %s/%s/%s o=%s e=%s m=%s r=%s own=%s ev=%s %s %s\n", status_name(f->status),
                 severity_name(f->severity), f->control, row->target, f->resource.kind ? f->resource.kind : "-",
                 f->resource.namespace_ ? f->resource.namespace_ : "-", f->resource.name ? f->resource.name : "-",
                 f->observed ? f->observed : "-", f->expected ? f->expected : "-", f->message,
                 f->remedy ? f->remedy : "-", row->owner, f->evidence ? f->evidence : "-",
                 row->waiver ? row->waiver : "-", row->note ? row->note : "-");
        return 0;
}

static void
test_findings_come_back(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        struct lines lines = {""};
        int64_t run = begin_at(store, "nightly", NOW);
        struct findings *findings = findings_new();

        findings_add(findings, &(struct finding){.control = "DSK-7",
                                                 .resource = {"slot", "shop", "b"},
                                                 .status = STATUS_FAIL,
                                                 .severity = SEV2,
                                                 .observed = "2 GB",
                                                 .expected = "1 GB",
                                                 .message = "much <b>'\"|\n",
                                                 .remedy = "drop it",
                                                 .owner = "shop-team",
                                                 .evidence = "/slots/0"});
        findings_add(findings,
                     &(struct finding){.control = "DBC-1", .status = STATUS_FAIL, .severity = SEV1, .message = "bad"});
        findings_pass(findings, "DSK-7", &(struct resource){"slot", NULL, "a"}, "0 B", "1 GB", "fine");
        findings_error(findings, "DSK-10", NULL, REASON_DENIED, "no right", "GRANT x");
        findings_skip(findings, "DSK-7", "none", NULL);
        struct result result = {
                .target = "db", .kind = "postgres", .owner = "data", .audit = "wal", .findings = findings};
        ok(store_results_put(store, run, &result, 1, waive_slots, (void *)"waivers", &err), &err);
        ok(store_findings_each(store, run, write_line, &lines, &err), &err);
        assert_string_equal(lines.text,
                            "fail SEV1 DBC-1 db -/-/- o=- e=- m=bad r=- own=data ev=- - -\n"
                            "error  DSK-10 db -/-/- o=- e=- m=no right r=GRANT x own=data ev=- - -\n"
                            "waived SEV2 DSK-7 db slot/shop/b o=2 GB e=1 GB m=much <b>'\"|\n r=drop it own=shop-team "
                            "ev=/slots/0 W-3 until 2027-01-01\n"
                            "skip  DSK-7 db -/-/- o=- e=- m=none r=- own=data ev=- - -\n"
                            "pass  DSK-7 db slot/-/a o=0 B e=1 GB m=fine r=- own=data ev=- - -\n");
        /* The same result twice in a run is a fault of the engine, and leaves the first one alone. */
        assert_int_equal(store_results_put(store, run, &result, 1, NULL, NULL, &err), -1);
        struct lines again = {""};
        ok(store_findings_each(store, run, write_line, &again, &err), &err);
        assert_string_equal(again.text, lines.text);
        findings_free(findings);
        end_run(store, run, RUN_FINISHED);
}

static int
stop_at_once(void *context, const struct finding_row *row)
{
        (void)row;
        ++*(int *)context;
        return 1;
}

static void
test_order_and_stop(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        struct lines lines = {""};
        static const char *const controls[] = {"ALR-10", "ALR-2", "ALR-9", "ZZZ-1", "DBC-1"};
        int visits = 0;
        int64_t run = begin_at(store, "nightly", NOW);
        struct findings *findings = findings_new();

        for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
                findings_pass(findings, controls[i], NULL, NULL, NULL, "fine");
        put(store, run, "db", "wal", NULL, findings);
        ok(store_findings_each(store, run, write_line, &lines, &err), &err);
        const char *two = strstr(lines.text, "ALR-2"), *nine = strstr(lines.text, "ALR-9"),
                   *ten = strstr(lines.text, "ALR-10"), *other = strstr(lines.text, "ZZZ-1");
        assert_true(two != NULL && two < nine && nine < ten && ten < other);
        const char *idle = strstr(lines.text, "DBC-1");
        assert_true(idle != NULL && idle < two); /* the catalogue lists connections before alerts */
        ok(store_findings_each(store, run, stop_at_once, &visits, &err), &err);
        assert_int_equal(visits, 1);
        findings_free(findings);
        end_run(store, run, RUN_FINISHED);
}

/* --- first_seen --------------------------------------------------------------------------------------------- */

/* Runs a day apart; for slot "a" the index of the run in which its first_seen began is expected in the last one. */
static const struct line_case {
        const char *about;
        const char
                *runs; /* per run: f fail, p pass, e error of "a", E error of the whole control, - "a" gone, s skip */
        int since;     /* -1: nothing fails, 0 is kept */
} line_cases[] = {
        {"a first fail", "f", 0},
        {"still failing", "fff", 0},
        {"a pass ends the line", "fpf", 2},
        {"not assessed does not end it", "fef", 0},
        {"the whole audit failing does not end it", "fEf", 0},
        {"skipped does not end it", "fsf", 0},
        {"gone while assessed ends it", "f-f", 2},
        {"an error within a line keeps its beginning", "fe", 0},
        {"an error without a line has no beginning", "pe", -1},
        {"a pass has none", "ffp", -1},
};

static void
test_first_seen(void **state)
{
        struct place *place = *state;

        for (size_t i = 0; i < sizeof line_cases / sizeof *line_cases; i++) {
                const struct line_case *c = &line_cases[i];
                char where[160];
                snprintf(where, sizeof where, "%s-%zu", place->where, i);
                struct store *store = opened(where);
                int64_t last = 0;
                for (size_t n = 0; c->runs[n] != '\0'; n++) {
                        struct seen seen[3] = {{"a", STATUS_FAIL}, {"b", STATUS_PASS}};
                        switch (c->runs[n]) {
                        case 'p':
                                seen[0].status = STATUS_PASS;
                                break;
                        case 'e':
                                seen[0].status = STATUS_ERROR;
                                break;
                        case 's':
                                seen[0].status = STATUS_SKIP;
                                break;
                        case '-':
                                seen[0] = (struct seen){"c", STATUS_PASS};
                                break;
                        case 'E':
                                seen[0] = (struct seen){"", STATUS_ERROR};
                                seen[1] = (struct seen){0};
                                break;
                        }
                        last = run_of(store, NOW + (int64_t)n * DAY_MS, "DSK-7", seen);
                }
                int64_t since = first_seen(store, last, "a");
                if (since != (c->since < 0 ? 0 : NOW + c->since * DAY_MS))
                        fail_msg("%s (%s): run %lld", c->about, c->runs, (long long)((since - NOW) / DAY_MS));
                store_close(store);
        }
}

/* --- rejudging ---------------------------------------------------------------------------------------------- */

static void
rejudge(struct store *store, int64_t run, const struct seen *seen)
{
        struct error err = {0};
        struct findings *findings = findings_of("DSK-7", seen);
        struct result result = {
                .target = "db", .kind = "postgres", .owner = "data", .audit = "wal", .findings = findings};

        ok(store_result_rejudge(store, run, &result, NULL, NULL, &err), &err);
        findings_free(findings);
}

static void
test_rejudge(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        static const struct seen failing[] = {{"a", STATUS_FAIL}, {"b", STATUS_PASS}, {0}};
        static const struct seen passing[] = {{"a", STATUS_PASS}, {"b", STATUS_PASS}, {0}};
        struct lines before = {""}, after = {""};

        run_of(store, NOW, "DSK-7", failing);
        int64_t two = run_of(store, NOW + DAY_MS, "DSK-7", failing);
        ok(store_findings_each(store, two, write_line, &before, &err), &err);
        rejudge(store, two, failing);
        ok(store_findings_each(store, two, write_line, &after, &err), &err);
        assert_string_equal(before.text, after.text);
        assert_int_equal(first_seen(store, two, "a"), NOW);
        /* Today's policy lets it pass, then not again: the line of the run before is found again. */
        rejudge(store, two, passing);
        assert_int_equal(first_seen(store, two, "a"), 0);
        rejudge(store, two, failing);
        assert_int_equal(first_seen(store, two, "a"), NOW);
        int64_t three = run_of(store, NOW + 2 * DAY_MS, "DSK-7", failing);
        assert_int_equal(first_seen(store, three, "a"), NOW);
        /* Judging an older run anew leaves the line that is open today alone. */
        rejudge(store, two, passing);
        int64_t four = run_of(store, NOW + 3 * DAY_MS, "DSK-7", failing);
        assert_int_equal(first_seen(store, four, "a"), NOW);
        struct findings *none = findings_new();
        struct result unknown = {.target = "db", .audit = "never", .findings = none};
        assert_int_equal(store_result_rejudge(store, two, &unknown, NULL, NULL, &err), -1);
        findings_free(none);
}

/* --- facts and inventory ------------------------------------------------------------------------------------ */

static int
write_facts(void *context, const char *target, const char *kind, const char *owner, const char *audit, int64_t at_ms,
            const json_t *facts)
{
        struct lines *lines = context;
        size_t used = strlen(lines->text);
        scoped_string text = json_dumps(facts, JSON_COMPACT);

        snprintf(lines->text + used, sizeof lines->text - used, "%s %s %s %s %lld %s\n", target, kind, owner, audit,
                 (long long)(at_ms - NOW), text);
        return 0;
}

static int
write_inventory(void *context, const char *kind, const char *target, const json_t *row)
{
        struct lines *lines = context;
        size_t used = strlen(lines->text);

        snprintf(lines->text + used, sizeof lines->text - used, "%s %s %s\n", kind, target, json_text(row, "id", "?"));
        return 0;
}

static void
test_facts_and_inventory(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        struct lines facts = {""}, rows = {""}, newest = {""};
        scoped_json one = json_pack("{s:i,s:[s,n]}", "z", 1, "a", "x\xc3\xa9");
        scoped_json two = json_pack("{s:i}", "n", 2);
        struct findings *findings = findings_new();

        findings_inventory(findings, "tables", json_pack("{s:s}", "id", "b"));
        findings_inventory(findings, "tables", json_pack("{s:s}", "id", "a"));
        findings_inventory(findings, "certificates", json_pack("{s:s}", "id", "c"));
        int64_t run = begin_at(store, "nightly", NOW);
        put(store, run, "db", "wal", one, findings);
        put(store, run, "db", "bloat", two, findings);
        put(store, run, "broken", "wal", NULL, findings);
        end_run(store, run, RUN_FINISHED);
        ok(store_facts_each(store, run, write_facts, &facts, &err), &err);
        assert_string_equal(facts.text, "db postgres data bloat 0 {\"n\":2}\n"
                                        "db postgres data wal 0 {\"a\":[\"x\xc3\xa9\",null],\"z\":1}\n");
        ok(store_inventory_each(store, run, write_inventory, &rows, &err), &err);
        assert_string_equal(rows.text, "certificates broken c\ncertificates db c\ncertificates db c\n"
                                       "tables broken a\ntables broken b\ntables db a\ntables db a\ntables db b\n"
                                       "tables db b\n");
        static const char *const audits[] = {"wal", "bloat", "never", NULL};
        int64_t later = begin_at(store, "weekly", NOW + 1);
        put(store, later, "db", "wal", two, findings);
        end_run(store, later, RUN_FINISHED);
        ok(store_facts_newest(store, audits, NOW - 1, NOW, write_facts, &newest, &err), &err);
        assert_string_equal(newest.text, "db postgres data bloat 0 {\"n\":2}\ndb postgres data wal 0 {\"n\":2}\n");
        struct lines none = {""};
        ok(store_facts_newest(store, audits, NOW + 1, NOW + 2, write_facts, &none, &err), &err);
        assert_string_equal(none.text, "");
        findings_free(findings);
}

/* --- samples and notes -------------------------------------------------------------------------------------- */

static void
test_samples(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        struct findings *findings = findings_new();
        struct history *history = history_new(NOW);

        findings_sample(findings, "wal.slot_bytes", "a", 5);
        findings_sample(findings, "wal.slot_bytes", "b", 6);
        findings_sample(findings, "wal", "", 7);
        findings_sample(findings, "walk.slot_bytes", "a", 8);
        int64_t run = begin_at(store, "nightly", NOW - DAY_MS);
        put(store, run, "db", "wal", NULL, findings);
        put(store, run, "other", "wal", NULL, findings);
        end_run(store, run, RUN_FINISHED);
        ok(store_import_begin(store, &err), &err);
        ok(store_import_sample(store, "db", "wal.slot_bytes", "a", NOW - 2 * DAY_MS, 4, &err), &err);
        ok(store_import_sample(store, "db", "wal.slot_bytes", "a", NOW - 2 * DAY_MS, 4.5, &err), &err);
        ok(store_import_end(store, true, &err), &err);
        ok(store_import_begin(store, &err), &err);
        ok(store_import_sample(store, "db", "wal.slot_bytes", "a", NOW - 3 * DAY_MS, 1, &err), &err);
        assert_int_equal(store_import_sample(store, "db", "wal.slot_bytes", "a", NOW, 0.0 / 0.0, &err), -1);
        ok(store_import_end(store, false, &err), &err);

        ok(store_samples_load(store, "db", "wal.*", NOW - 9 * DAY_MS, NOW, history, &err), &err);
        assert_int_equal(history_count(history), 2);
        const struct series *series = history_series(history, "wal.slot_bytes", "a");
        assert_int_equal(series->count, 2);
        assert_true(series->samples[0].value == 4.5 && series->samples[1].value == 5);
        ok(store_samples_load(store, "db", "wal", NOW - 9 * DAY_MS, NOW, history, &err), &err);
        assert_int_equal(history_count(history), 3);
        struct history *edge = history_new(NOW);
        ok(store_samples_load(store, "db", "*", NOW - 2 * DAY_MS, NOW - DAY_MS, edge, &err), &err);
        assert_int_equal(history_count(edge), 1); /* [since, until) */
        history_free(edge);
        history_free(history);
        findings_free(findings);
}

static void
test_notes(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        json_t *notes = NULL;
        scoped_json first = json_pack("{s:i}", "cursor", 1);
        scoped_json second = json_string("plain");

        ok(store_note_put(store, "scan", "cache", NOW, first, &err), &err);
        ok(store_note_put(store, "scan", "queue", NOW + 5, first, &err), &err);
        ok(store_note_put(store, "scan", "cache", NOW + 9, second, &err), &err);
        ok(store_note_put(store, "packet", "2026-10", NOW, first, &err), &err);
        ok(store_note_list(store, "scan", &notes, &err), &err);
        scoped_string text = json_dumps(notes, JSON_COMPACT | JSON_SORT_KEYS);
        char wanted[256];
        snprintf(wanted, sizeof wanted,
                 "[{\"at_ms\":%lld,\"name\":\"cache\",\"note\":\"plain\"},"
                 "{\"at_ms\":%lld,\"name\":\"queue\",\"note\":{\"cursor\":1}}]",
                 (long long)NOW + 9, (long long)NOW + 5);
        assert_string_equal(text, wanted);
        json_decref(notes);
        ok(store_note_read(store, "scan", "cache", &notes, &err), &err);
        assert_true(json_equal(notes, second));
        json_decref(notes);
        ok(store_note_read(store, "scan", "nobody", &notes, &err), &err);
        assert_null(notes);
}

/* --- secrets ------------------------------------------------------------------------------------------------ */

static void
test_secrets_stay_out(void **state)
{
        struct place *place = *state;
        struct error err = {0};
        static const char secret[] = "hunter2-not-to-be-kept";
        scoped_json facts = json_pack("{s:[s],s:s}", "list", "postgres://u:hunter2-not-to-be-kept@db/", secret, "key");
        struct findings *findings = findings_new();
        char command[256];

        secret_remember(secret);
        findings_add(findings, &(struct finding){.control = "DSK-7",
                                                 .resource = {"slot", secret, secret},
                                                 .status = STATUS_FAIL,
                                                 .severity = SEV2,
                                                 .observed = secret,
                                                 .expected = secret,
                                                 .message = "it said hunter2-not-to-be-kept twice",
                                                 .remedy = secret,
                                                 .evidence = secret});
        findings_inventory(findings, "slots", json_pack("{s:s,s:s}", "id", secret, "more", secret));
        findings_sample(findings, "wal.bytes", secret, 1);
        int64_t run = begin_at(place->store, "nightly", NOW);
        put(place->store, run, "db", "wal", facts, findings);
        ok(store_note_put(place->store, "scan", "cursor", NOW, facts, &err), &err);
        end_run(place->store, run, RUN_FINISHED);
        struct lines kept = {""};
        ok(store_facts_each(place->store, run, write_facts, &kept, &err), &err);
        assert_non_null(strstr(kept.text, "postgres://u:[redacted]@db/"));
        assert_null(strstr(kept.text, secret));
        snprintf(command, sizeof command, "grep -qaF %s %s/rounds.db*", secret, place->folder);
        assert_int_not_equal(system(command), 0);
        findings_free(findings);
}

/* --- retention ---------------------------------------------------------------------------------------------- */

static void
test_prune(void **state)
{
        struct store *store = ((struct place *)*state)->store;
        struct error err = {0};
        scoped_json facts = json_pack("{s:i}", "n", 1);
        json_t *runs = NULL;
        struct lines left = {""};
        struct retention keep = {.facts_ms = 2 * DAY_MS, .findings_ms = 4 * DAY_MS, .samples_ms = 3 * DAY_MS};

        for (int day = 6; day >= 0; day--) {
                int64_t run = begin_at(store, "nightly", NOW - day * DAY_MS);
                struct findings *findings = findings_of("DSK-7", (struct seen[]){{"a", STATUS_FAIL}, {0}});
                findings_sample(findings, "wal.n", "", day);
                put(store, run, "db", "wal", facts, findings);
                findings_free(findings);
                end_run(store, run, RUN_FINISHED);
        }
        for (int day = 60; day >= 50; day -= 5) {
                int64_t run = begin_at(store, "monthly", NOW - day * DAY_MS);
                end_run(store, run, RUN_FINISHED);
        }
        ok(store_note_put(store, STORE_KEPT, "old", NOW - 3 * DAY_MS, facts, &err), &err);
        ok(store_note_put(store, STORE_KEPT, "young", NOW - DAY_MS, facts, &err), &err);
        ok(store_note_put(store, "packet", "2026-01", NOW - 300 * DAY_MS, facts, &err), &err);
        ok(store_prune(store, &(struct retention){0}, NOW, &err), &err);
        ok(store_note_list(store, STORE_KEPT, &runs, &err), &err);
        assert_int_equal(json_array_size(runs), 2);
        json_decref(runs);
        ok(store_run_list(store, NULL, 100, &runs, &err), &err);
        assert_int_equal(json_array_size(runs), 10);
        json_decref(runs);
        ok(store_prune(store, &keep, NOW, &err), &err);
        ok(store_run_list(store, "nightly", 100, &runs, &err), &err);
        assert_int_equal(json_array_size(runs), 5); /* days 4 to 0 */
        for (size_t i = 0; i < json_array_size(runs); i++)
                ok(store_facts_each(store, json_whole(json_array_get(runs, i), "id", 0), write_facts, &left, &err),
                   &err);
        json_decref(runs);
        size_t with_facts = 0;
        for (const char *c = left.text; (c = strchr(c, '\n')) != NULL; c++)
                with_facts++;
        assert_int_equal(with_facts, 3); /* days 2 to 0 */
        ok(store_run_list(store, "monthly", 100, &runs, &err), &err);
        assert_int_equal(json_array_size(runs), 2); /* old, but the two newest */
        json_decref(runs);
        ok(store_note_list(store, STORE_KEPT, &runs, &err), &err);
        assert_int_equal(json_array_size(runs), 1); /* what a run left for the next goes with facts; other notes stay */
        assert_string_equal(json_text(json_array_get(runs, 0), "name", ""), "young");
        json_decref(runs);
        ok(store_note_list(store, "packet", &runs, &err), &err);
        assert_int_equal(json_array_size(runs), 1);
        json_decref(runs);
        struct history *history = history_new(NOW);
        ok(store_samples_load(store, "db", "wal.*", 0, NOW + 1, history, &err), &err);
        assert_int_equal(history_at(history, 0)->count, 4); /* days 3 to 0 */
        history_free(history);
        /* The line of fails goes back further than the findings that are left. */
        int64_t run = run_of(store, NOW + DAY_MS, "DSK-7", (struct seen[]){{"a", STATUS_FAIL}, {0}});
        assert_int_equal(first_seen(store, run, "a"), NOW - 6 * DAY_MS);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_runs, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_run_at_a_time, setup, teardown),
                cmocka_unit_test_setup_teardown(test_dead_runs, setup, teardown),
                cmocka_unit_test_setup_teardown(test_findings_come_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_order_and_stop, setup, teardown),
                cmocka_unit_test_setup_teardown(test_first_seen, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rejudge, setup, teardown),
                cmocka_unit_test_setup_teardown(test_facts_and_inventory, setup, teardown),
                cmocka_unit_test_setup_teardown(test_samples, setup, teardown),
                cmocka_unit_test_setup_teardown(test_notes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_secrets_stay_out, setup, teardown),
                cmocka_unit_test_setup_teardown(test_prune, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

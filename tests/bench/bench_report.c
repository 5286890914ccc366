/* 100,000 findings to all four formats: time and memory of the view and of each renderer.
 *
 *   bench_report [FINDINGS]     bounds: 5 s and 300 MB, the view included; exit status 1 when one is broken
 *
 * The store is filled by a process of its own, so that the peak is the reports' alone. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deadline.h"
#include "json.h"
#include "moment.h"
#include "report.h"
#include "store.h"
#include "view.h"

#define NOW ((int64_t)1795489964000) /* 2026-11-24T03:12:44Z */

static void
must(int result, const struct error *err)
{
        if (result == 0)
                return;
        fprintf(stderr, "bench_report: %s\n", err->text);
        exit(2);
}

static void
keep(void *context, struct finding_row *row)
{
        (void)context;
        (void)row;
}

/* A fifth fails, a twentieth could not be assessed: worse than any platform that is still up. */
static struct findings *
findings_of(int target, int count)
{
        static const char *const controls[] = {"CRT-2", "CRT-4", "CRT-6", "DSK-3", "DSK-6",
                                               "DSK-7", "DBC-1", "NOD-3", "RED-1", "LAT-1"};
        struct findings *findings = findings_new();

        for (int i = 0; i < count; i++) {
                char name[64];
                snprintf(name, sizeof name, "object-%d-%06d", target, i);
                struct finding f = {
                        .control = controls[i % 10],
                        .resource = {"object", "namespace", name},
                        .status = i % 5 == 0    ? STATUS_FAIL
                                  : i % 20 == 1 ? STATUS_ERROR
                                                : STATUS_PASS,
                        .severity = i % 5 == 0 ? (enum severity)(1 + i / 5 % 4) : SEV_NONE,
                        .reason = i % 20 == 1 ? REASON_TIMEOUT : REASON_NONE,
                        .observed = findings_text(findings, "%d MiB of %s", i * 7 % 5000, name),
                        .expected = "at most 1 GiB",
                        .message = findings_text(findings,
                                                 "The object %s of target %d keeps %d MiB more than it should.", name,
                                                 target, i * 7 % 5000),
                        .remedy = i % 5 == 0 ? findings_text(findings, "ALTER OBJECT \"%s\" SET (keep = '1GB');", name)
                                             : NULL};
                findings_add(findings, &f);
        }
        for (int i = 0; i < count / 100; i++) {
                char name[64], expires[MOMENT_TEXT];
                json_t *row = json_object();
                snprintf(name, sizeof name, "host-%d-%d.example.com", target, i);
                moment_format(NOW + (i % 400 - 5) * DAY_MS, expires);
                json_put_text(row, "id", name);
                json_put_text(row, "subject", name);
                json_put_text(row, "not_after", expires);
                json_put_text(row, "issuer", "Example CA");
                findings_inventory(findings, "certificates", row);
        }
        return findings;
}

static void
store_fill(const char *where, int count)
{
        struct error err = {0};
        struct store *store;

        must(store_open(where, false, &store, &err), &err);
        for (int day = 1; day >= 0; day--) {
                struct run run = {.job = "nightly",
                                  .started_ms = NOW - day * DAY_MS,
                                  .version = "bench",
                                  .host = "bench",
                                  .shard = "0/1"};
                json_t *config = json_object();
                int64_t id;
                must(store_run_begin(store, &run, config, &id, &err), &err);
                for (int target = 0; target < 100; target++) {
                        char name[32];
                        snprintf(name, sizeof name, "target-%02d", target);
                        /* The night before had a tenth fewer: so many are new. */
                        struct findings *findings = findings_of(target, day == 1 ? count / 100 * 9 / 10 : count / 100);
                        struct result result = {.target = name,
                                                .kind = "postgres",
                                                .owner = "data",
                                                .audit = "wal",
                                                .started_ms = run.started_ms,
                                                .findings = findings};
                        must(store_results_put(store, id, &result, 1, keep, NULL, &err), &err);
                        findings_free(findings);
                }
                must(store_run_end(store, id, RUN_FINISHED, run.started_ms + 60000, &err), &err);
                json_decref(config);
        }
        store_close(store);
}

int
main(int argc, char **argv)
{
        static const char *const formats[] = {"md", "html", "xlsx", "json"};
        int count = argc > 1 ? atoi(argv[1]) : 100000, status;
        char folder[] = "/tmp/rounds-bench-XXXXXX", where[64], command[128];
        struct error err = {0};
        struct store *store;
        struct view *view;
        struct rusage usage;

        if (mkdtemp(folder) == NULL)
                return 2;
        snprintf(where, sizeof where, "sqlite:%s/rounds.db", folder);
        pid_t child = fork();
        if (child == 0) {
                store_fill(where, count);
                _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
                return 2;
        int64_t begun = monotonic_ms(), last = begun;
        must(store_open(where, true, &store, &err), &err);
        must(view_open(store, 0, NULL, 0, &view, &err), &err);
        printf("view of %zu findings, compared with the run before: %lld ms\n", view->count,
               (long long)(monotonic_ms() - last));
        for (size_t i = 0; i < 4; i++) {
                struct report_options options = {.directory = folder, .formats = formats[i]};
                last = monotonic_ms();
                must(report_write(view, &options, NULL, NULL, &err), &err);
                printf("%-5s %6lld ms\n", formats[i], (long long)(monotonic_ms() - last));
        }
        int64_t total = monotonic_ms() - begun;
        getrusage(RUSAGE_SELF, &usage);
        printf("all together %lld ms (bound 5,000), peak %ld MB (bound 300)\n", (long long)total,
               usage.ru_maxrss / 1024);
        snprintf(command, sizeof command, "ls -l %s/nightly* | awk '{print $5, $9}' | sed 's|/.*/||'", folder);
        if (system(command) != 0)
                return 2;
        view_close(view);
        store_close(store);
        snprintf(command, sizeof command, "rm -rf %s", folder);
        if (system(command) != 0)
                return 2;
        return total > 5000 || usage.ru_maxrss > 300 * 1024;
}

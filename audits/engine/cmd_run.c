/* rounds run: makes the rounds of one job and writes its reports. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "moment.h"
#include "progress.h"
#include "report.h"
#include "round.h"
#include "scene.h"
#include "scope.h"
#include "signals.h"

#define TARGET_TIMEOUT_MS (2 * MINUTE_MS)
#define NAMES_MOST        256

/* What was asked for, after the job's settings and the options were laid together. */
struct request {
        const struct invocation *invocation;
        const struct job *job;
        const char *names[NAMES_MOST + 1]; /* of --audits */
        char *names_text;                  /* owned */
        struct plan_request plan;
        enum severity fail_on;
        double min_coverage;
        char shard[24];
};

static const struct command_option run_options[] = {
        {"fail-on", 0, "SEV", "exit with 1 for findings of this severity or worse (SEV1 to SEV4; default: the job's)"},
        {"min-coverage", 0, "PERCENT", "exit with 2 when less was assessed (default: the job's, 100)"},
        {"targets", 't', "GLOB", "only targets whose name matches"},
        {"audits", 'a', "LIST", "only these audits, separated by commas"},
        {"no-report", 0, NULL, "write no reports"},
        {"shard", 0, "I/N", "only part I of N of the targets, counted from 0"},
        {"dry-run", 'n', NULL, "print the plan and do nothing"},
        {0},
};

/* --- the request -------------------------------------------------------------------------------------------- */

static int
read_names(struct request *request)
{
        const char *list = invocation_value(request->invocation, "audits");
        size_t count = 0;

        if (list == NULL)
                return 0;
        request->names_text = strdup(list);
        char *rest = request->names_text;
        for (char *name; rest != NULL && (name = strsep(&rest, ",")) != NULL;) {
                if (*name != '\0' && count < NAMES_MOST)
                        request->names[count++] = name;
        }
        if (count == 0)
                return invocation_usage(request->invocation, "--audits names no audit");
        request->plan.names = request->names;
        return 0;
}

static int
read_bounds(struct request *request)
{
        const char *severity = invocation_value(request->invocation, "fail-on"),
                   *coverage = invocation_value(request->invocation, "min-coverage");
        char *end;

        request->fail_on = severity_from_name(severity != NULL ? severity : request->job->fail_on);
        if (request->fail_on == SEV_NONE)
                return invocation_usage(request->invocation, "--fail-on is SEV1, SEV2, SEV3 or SEV4, not \"%s\"",
                                        severity != NULL ? severity : request->job->fail_on);
        request->min_coverage = request->job->min_coverage;
        if (coverage == NULL)
                return 0;
        request->min_coverage = strtod(coverage, &end);
        if (end == coverage || (*end != '\0' && strcmp(end, "%") != 0) || !(request->min_coverage >= 0) ||
            request->min_coverage > 100)
                return invocation_usage(request->invocation, "--min-coverage is a percentage from 0 to 100, not \"%s\"",
                                        coverage);
        return 0;
}

/* --shard, or the index that Kubernetes gives to a pod of an Indexed Job together with --shard's N ("/4"). */
static int
read_shard(struct request *request)
{
        const char *text = invocation_value(request->invocation, "shard"), *index = getenv("JOB_COMPLETION_INDEX");
        char joined[24];
        int used = 0;

        request->plan.shards = 1;
        if (text != NULL && *text == '/' && index != NULL) {
                snprintf(joined, sizeof joined, "%.10s%.12s", index, text);
                text = joined;
        }
        if (text != NULL &&
            (sscanf(text, "%5u/%5u%n", &request->plan.shard, &request->plan.shards, &used) != 2 || text[used] != '\0' ||
             request->plan.shards == 0 || request->plan.shard >= request->plan.shards))
                return invocation_usage(request->invocation, "--shard is I/N with I from 0 to N-1, not \"%s\"", text);
        snprintf(request->shard, sizeof request->shard, "%u/%u", request->plan.shard, request->plan.shards);
        return 0;
}

static int
read_request(const struct invocation *invocation, const struct scene *scene, struct request *request)
{
        *request = (struct request){.invocation = invocation,
                                    .job = config_job(scene->config, invocation->arguments[0])};
        if (request->job == NULL)
                return invocation_usage(invocation, "there is no job \"%s\" in %s", invocation->arguments[0],
                                        scene->config->path);
        request->plan = (struct plan_request){.audits = audits,
                                              .names = request->job->audits,
                                              .targets = scene->config->targets,
                                              .globs = request->job->targets,
                                              .glob = invocation_value(invocation, "targets"),
                                              .timeout_ms = TARGET_TIMEOUT_MS};
        int status = read_names(request);
        if (status == 0)
                status = read_bounds(request);
        return status == 0 ? read_shard(request) : status;
}

static void
request_free(struct request *request)
{
        free(request->names_text);
}

/* --- reports ------------------------------------------------------------------------------------------------ */

static void
tell_path(void *context, const char *path)
{
        if (context != NULL)
                printf("%s\n", path);
}

/* The job's formats as report.h wants them: "md,html". */
static void
join_formats(const json_t *report, char *text, size_t size)
{
        size_t i, used = 0;
        json_t *format;

        *text = '\0';
        json_array_foreach(json_object_get(report, "formats"), i, format)
        {
                if (json_is_string(format) && used < size)
                        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? "," : "",
                                                 json_string_value(format));
        }
}

/* Writes the job's reports and the summary.  EXIT_STORE when a report could not be written: the old one stays. */
static enum exit_status
report(const struct request *request, const struct scene *scene, const struct round_outcome *outcome)
{
        const struct invocation *invocation = request->invocation;
        const json_t *wanted = invocation_has(invocation, "no-report") ? NULL : request->job->report;
        /* Under cron nothing is said unless there is something to act on. */
        bool loud = !invocation->quiet && (invocation->terminal || outcome->exit != EXIT_ASSESSED);
        enum exit_status status = EXIT_ASSESSED;
        struct view *view = NULL;
        struct error err = {0};
        char formats[200];

        if (view_open(scene->store, outcome->run, NULL, 0, &view, &err) != 0)
                return (enum exit_status)invocation_fail(EXIT_STORE, &err);
        if (loud && report_terminal(view, invocation->colour, invocation->terminal ? progress_columns(stdout) : 100,
                                    stdout, &err) != 0)
                status = (enum exit_status)invocation_fail(EXIT_STORE, &err);
        if (wanted != NULL) {
                join_formats(wanted, formats, sizeof formats);
                const struct report_options options = {
                        .directory = json_string_value(json_object_get(wanted, "to")),
                        .formats = formats,
                        .templates = scene->config->templates,
                        .timezone = scene->config->timezone,
                        .organisation = scene->config->organisation,
                        .latest = json_is_true(json_object_get(wanted, "latest")),
                };
                if (report_write(view, &options, tell_path, loud ? view : NULL, &err) != 0)
                        status = (enum exit_status)invocation_fail(EXIT_STORE, &err);
        }
        view_close(view);
        return status;
}

/* --- the run ------------------------------------------------------------------------------------------------ */

static json_t *
record_of(struct scene *scene)
{
        json_t *record = config_record(scene->config);
        json_t *waivers = waivers_json(scene->waivers, scene->now_ms);

        if (record == NULL || json_object_set_new(record, "waivers", waivers) != 0) {
                json_decref(record);
                return NULL;
        }
        return record;
}

static int
make_round(const struct request *request, struct scene *scene, const struct plan *plan, struct cancel *cancel,
           struct round_outcome *outcome)
{
        struct progress line = {.stream = stderr, .noun = "targets"};
        const struct run_observer observer = {.context = &line, .progress = progress_show};
        char host[256] = "";
        struct error err = {0};
        scoped_json record = record_of(scene);
        bool live = !request->invocation->quiet && isatty(STDERR_FILENO) == 1;

        gethostname(host, sizeof host - 1);
        const struct round_order order = {.job = request->job->name,
                                          .version = ROUNDS_VERSION,
                                          .host = host,
                                          .shard = request->shard,
                                          .config = record,
                                          .min_coverage = request->min_coverage,
                                          .fail_on = request->fail_on,
                                          .keep = scene->config->retention,
                                          .run = {.plan = plan,
                                                  .targets = scene->config->targets,
                                                  .store = scene->store,
                                                  .threads = scene->config->concurrency,
                                                  .timeout_ms = request->job->timeout_ms,
                                                  .cancel = cancel,
                                                  .policy_of = scene_policy,
                                                  .filter = scene_filter,
                                                  .context = scene,
                                                  .observer = live ? &observer : NULL}};
        int result = record != NULL ? round_make(&order, outcome, &err) : error_memory(&err, "the record of the run");
        progress_end(&line);
        return result == 0 ? 0 : invocation_fail(EXIT_STORE, &err);
}

/* The round and its reports, under the signals' watch. */
/* Whatever is not only looked at is named before anything is sent. */
static void
sends_tell(const struct plan *plan)
{
        char sends[700];

        for (size_t i = 0; i < plan->target_count; i++) {
                if (plan_announces(&plan->targets[i], sends, sizeof sends))
                        log_info("%s: will send: %s", plan->targets[i].target->name, sends);
        }
}

static int
run_watched(const struct request *request, struct scene *scene, const struct plan *plan, size_t *lost)
{
        struct round_outcome outcome = {0};
        struct signals *signals = NULL;
        struct error err = {0};
        /* A thread that is left behind looks at the switch until the process ends. */
        struct cancel *cancel = calloc(1, sizeof *cancel);

        if (cancel == NULL || cancel_open(cancel, &err) != 0 || signals_watch(cancel, &signals, &err) != 0) {
                free(cancel);
                return invocation_fail(EXIT_STORE, &err);
        }
        sends_tell(plan);
        int status = make_round(request, scene, plan, cancel, &outcome);
        *lost = outcome.lost;
        if (status == EXIT_ASSESSED) {
                enum exit_status reported = report(request, scene, &outcome);
                status = reported > outcome.exit ? (int)reported : (int)outcome.exit;
        }
        if (outcome.interrupted)
                log_warning("interrupted: targets that were not finished are not assessed");
        signals_end(signals);
        if (*lost == 0) {
                cancel_close(cancel);
                free(cancel);
        }
        return status;
}

static int
run_run(const struct invocation *invocation)
{
        struct scene *scene = calloc(1, sizeof *scene);
        struct request request = {0};
        struct plan *plan = NULL;
        struct error err = {0};
        size_t lost = 0;
        int status = scene != NULL ? (int)scene_open(invocation, scene) : EXIT_STORE;

        if (status == EXIT_ASSESSED)
                status = read_request(invocation, scene, &request);
        if (status == EXIT_ASSESSED && plan_make(&request.plan, &plan, &err) != 0)
                status = invocation_fail(EXIT_USAGE, &err);
        if (status == EXIT_ASSESSED && invocation_has(invocation, "dry-run")) {
                plan_print(plan, stdout);
        } else if (status == EXIT_ASSESSED) {
                scene->now_ms = moment_now();
                status = (int)scene_store(scene, false);
                if (status == EXIT_ASSESSED)
                        status = run_watched(&request, scene, plan, &lost);
        }
        if (lost > 0) {
                /* Threads that hang still use all this: leave it to them and end the process here. */
                log_warning("%zu target%s did not let go and %s left behind", lost, lost == 1 ? "" : "s",
                            lost == 1 ? "is" : "are");
                fflush(NULL);
                _exit(status);
        }
        plan_free(plan);
        request_free(&request);
        if (scene != NULL)
                scene_close(scene);
        free(scene);
        return status;
}

const struct command command_run_job = {
        .name = "run",
        .arguments = "JOB",
        .summary = "make the rounds of a job and write its reports",
        .details =
                "Looks at the job's targets side by side, judges what was seen, keeps it in the store and writes the "
                "job's reports. On a terminal it shows what is going on and ends with a summary; otherwise it is "
                "silent unless there is something to act on, so that cron's mail means something. SIGINT and SIGTERM "
                "end a run cleanly: what was finished is kept. A second signal ends it at once.",
        .options = run_options,
        .least = 1,
        .most = 1,
        .run = run_run,
};

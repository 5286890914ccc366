/* Batch jobs: off-peak, bounded, and do they run and succeed?  Controls: NOD-4, and the jobs of DLQ-2 and DSK-2. */

#include "audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "batch_duties.h"
#include "cluster.h"
#include "cron.h"
#include "facts.h"
#include "faults.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "scope.h"
#include "zone.h"

#define NEEDS "RBAC: list cronjobs.batch, jobs.batch"

enum { STARTS_MOST = 2048, KEPT_MOST = 100, WEEK = 7 };

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static json_t *
outcome_json(const struct cluster_job *job)
{
        json_t *row = json_object();

        json_put_text(row, "name", job->name);
        json_put_text(row, "outcome", job->outcome);
        json_put_text(row, "reason", job->reason);
        json_put_whole(row, "finished_ms", job->finished_ms);
        return row;
}

/* The newest job of a CronJob that ended one way or the other. */
static const struct cluster_job *
newest_job(const struct cluster *cluster, const struct cluster_cronjob *cronjob)
{
        const struct cluster_job *newest = NULL;

        for (size_t i = 0; i < cluster->job_count; i++) {
                const struct cluster_job *job = &cluster->jobs[i];
                bool ended = strcmp(job->outcome, "Complete") == 0 || strcmp(job->outcome, "Failed") == 0;
                if (ended && job->namespace_ == cronjob->namespace_ && strcmp(job->owner, cronjob->name) == 0 &&
                    (newest == NULL || job->created_ms > newest->created_ms))
                        newest = job;
        }
        return newest;
}

static json_t *
cronjob_json(const struct cluster *cluster, const struct cluster_cronjob *c)
{
        const struct cluster_job *newest = newest_job(cluster, c);
        json_t *row = json_object();

        json_put_text(row, "namespace", c->namespace_);
        json_put_text(row, "name", c->name);
        json_put_text(row, "schedule", c->schedule);
        json_put_text(row, "time_zone", c->time_zone);
        json_put_text(row, "concurrency", c->concurrency);
        json_put_flag(row, "suspended", c->suspended);
        json_put_whole(row, "starting_deadline_s", c->starting_deadline_s);
        json_put_whole(row, "active_deadline_s", c->active_deadline_s);
        json_put_whole(row, "successes_kept", c->successes_kept);
        json_put_whole(row, "failures_kept", c->failures_kept);
        json_put_whole(row, "active", c->active);
        json_put_whole(row, "created_ms", c->created_ms);
        json_put_whole(row, "last_schedule_ms", c->last_schedule_ms);
        json_put_whole(row, "last_success_ms", c->last_success_ms);
        if (newest != NULL)
                json_put(row, "last", outcome_json(newest));
        return row;
}

static int
batch_collect(struct session *session, json_t *facts, struct error *err)
{
        const struct cluster *cluster = cluster_read(session, CLUSTER_CRONJOBS | CLUSTER_JOBS, err);
        json_t *cronjobs = json_array(), *jobs = json_array();

        if (json_put(facts, "cronjobs", cronjobs) != 0 || json_put(facts, "jobs", jobs) != 0)
                return error_memory(err, "batch");
        if (cluster == NULL)
                return -1;
        cluster_gap(cluster, CLUSTER_CRONJOBS, "cronjobs", "NOD-4,DLQ-2,DSK-2", facts);
        cluster_gap(cluster, CLUSTER_JOBS, "jobs", "NOD-4", facts);
        for (size_t i = 0; i < cluster->cronjob_count; i++)
                if (cluster->cronjobs[i].deleted_ms == 0)
                        json_push(cronjobs, cronjob_json(cluster, &cluster->cronjobs[i]));
        for (size_t i = 0; i < cluster->job_count; i++) {
                const struct cluster_job *job = &cluster->jobs[i];
                if (job->deleted_ms != 0 || *job->owner != '\0' || *job->outcome == '\0')
                        continue;
                json_t *row = json_push(jobs, outcome_json(job));
                json_put_text(row, "namespace", job->namespace_);
        }
        return 0;
}

static int
batch_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

/* --- the peak window ---------------------------------------------------------------------------------------------- */

struct peak {
        int from, until; /* minutes of the day; until may be before from: over midnight */
        bool days[WEEK]; /* Sunday first */
        struct zone *zone;
};

static bool
clock_read(const char *text, int *minute)
{
        int hours, minutes, used = 0;

        if (sscanf(text, "%2d:%2d%n", &hours, &minutes, &used) != 2 || text[used] != '\0' || hours < 0 || hours > 24 ||
            minutes < 0 || minutes > 59)
                return false;
        *minute = hours * 60 + minutes;
        return *minute <= 24 * 60;
}

static int
peak_read(const struct policy *policy, struct peak *peak, struct error *err)
{
        static const char *const names[WEEK] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
        size_t i;
        json_t *day;

        *peak = (struct peak){0};
        if (!clock_read(policy_text(policy, "NOD-4", "peak_from"), &peak->from) ||
            !clock_read(policy_text(policy, "NOD-4", "peak_until"), &peak->until))
                return error_set(err, REASON_CONFIGURATION, "NOD-4 peak_from and peak_until must be times like 08:00.");
        json_array_foreach((json_t *)policy_value(policy, "NOD-4", "peak_days"), i, day)
        {
                for (int d = 0; d < WEEK; d++)
                        peak->days[d] |= json_is_string(day) && strncasecmp(json_string_value(day), names[d], 3) == 0;
        }
        return zone_open(policy_text(policy, "NOD-4", "timezone"), &peak->zone, err);
}

/* After midnight, a window over midnight is still that of the day before. */
static bool
peak_holds(const struct peak *peak, int64_t moment_ms)
{
        struct tm clock;

        zone_clock(peak->zone, moment_ms, &clock);
        int minute = clock.tm_hour * 60 + clock.tm_min;
        if (peak->from <= peak->until)
                return minute >= peak->from && minute < peak->until && peak->days[clock.tm_wday];
        return (minute >= peak->from && peak->days[clock.tm_wday]) ||
               (minute < peak->until && peak->days[(clock.tm_wday + WEEK - 1) % WEEK]);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct verdict {
        const json_t *job;
        const struct policy *policy;
        struct findings *out;
        const struct peak *peak;
        int64_t now_ms;
        const char *namespace_, *name, *schedule;
        struct cron cron;
        struct zone *zone; /* of the schedule */
        bool readable, frequent, critical;
        struct faults faults;
};

static const char *
patch(const struct verdict *v, const char *spec)
{
        return findings_text(v->out, "kubectl -n %s patch cronjob %s -p '{\"spec\": {%s}}'", v->namespace_, v->name,
                             spec);
}

static void
schedule_read(struct verdict *v)
{
        char why[200];
        struct error err = {0};
        int64_t starts[2], bound = (int64_t)policy_number(v->policy, "NOD-4", "frequent");
        const char *zone = json_text(v->job, "time_zone", "");

        if (!cron_parse(v->schedule, &v->cron, why, sizeof why)) {
                faults_add(&v->faults, findings_text(v->out, "schedule \"%s\"", v->schedule),
                           findings_text(v->out, "The schedule cannot be read: %s.", why),
                           findings_text(v->out, "kubectl -n %s edit cronjob %s", v->namespace_, v->name));
                return;
        }
        if (zone_open(*zone != '\0' ? zone : v->cron.zone, &v->zone, &err) != 0) {
                faults_add(&v->faults, findings_text(v->out, "time zone \"%s\"", *zone != '\0' ? zone : v->cron.zone),
                           "There is no such time zone.", patch(v, "\"timeZone\": \"Etc/UTC\""));
                return;
        }
        v->readable = true;
        /* The shortest distance would need every pair; a job that runs often does so from the first two on. */
        size_t count = cron_starts(&v->cron, v->zone, v->now_ms, v->now_ms + 400 * DAY_MS, starts, 2);
        v->frequent = count == 2 && starts[1] - starts[0] < bound;
        if (v->frequent) {
                /* "0,5 3 * * *" is close twice and then quiet for a day: that is batch. */
                int64_t many[64];
                count = cron_starts(&v->cron, v->zone, v->now_ms, v->now_ms + 2 * DAY_MS, many, 64);
                v->frequent = count > 1 && (many[count - 1] - many[0]) / (int64_t)(count - 1) < bound;
        }
}

static void
peak_judge(struct verdict *v)
{
        scoped(scope_free) int64_t *starts = calloc(STARTS_MOST, sizeof *starts);
        size_t within = 0, count;
        int64_t first = 0;
        char text[ZONE_TEXT];

        if (starts == NULL) {
                v->out->failed = true;
                return;
        }
        count = cron_starts(&v->cron, v->zone, v->now_ms, v->now_ms + WEEK * DAY_MS, starts, STARTS_MOST);
        for (size_t i = 0; i < count; i++) {
                if (!peak_holds(v->peak, starts[i]))
                        continue;
                first = within++ == 0 ? starts[i] : first;
        }
        if (within == 0)
                return;
        zone_moment(v->peak->zone, first, text);
        const char *zone = json_text(v->job, "time_zone", "");
        faults_add(&v->faults,
                   findings_text(
                           v->out, "schedule \"%s\"%s%s%s: %zu of %zu starts in a week are in the peak, the next %s",
                           v->schedule, *zone != '\0' ? " (" : "", zone, *zone != '\0' ? ")" : "", within, count, text),
                   "It competes with the load of the day.",
                   findings_text(v->out,
                                 "kubectl -n %s patch cronjob %s -p '{\"spec\": {\"schedule\": \"0 3 * * *\"}}', or "
                                 "name it in NOD-4 critical",
                                 v->namespace_, v->name));
}

static void
bounds_judge(struct verdict *v)
{
        int64_t successes = json_whole(v->job, "successes_kept", -1),
                failures = json_whole(v->job, "failures_kept", -1);

        if (strcmp(json_text(v->job, "concurrency", "Allow"), "Allow") == 0)
                faults_add(&v->faults, "concurrencyPolicy Allow",
                           "A run that hangs is joined by the next, and the next.",
                           patch(v, "\"concurrencyPolicy\": \"Forbid\""));
        if (json_whole(v->job, "active_deadline_s", -1) < 0 && json_whole(v->job, "starting_deadline_s", -1) < 0)
                faults_add(&v->faults, "no deadline",
                           "A run that hangs is never ended, and a missed one starts at any time.",
                           patch(v, "\"startingDeadlineSeconds\": 600, \"jobTemplate\": {\"spec\": "
                                    "{\"activeDeadlineSeconds\": 3600}}"));
        if (failures == 0)
                faults_add(&v->faults, "failedJobsHistoryLimit 0", "A run that fails leaves nothing to look at.",
                           patch(v, "\"failedJobsHistoryLimit\": 1"));
        if (successes > KEPT_MOST || failures > KEPT_MOST)
                faults_add(&v->faults,
                           findings_text(v->out, "keeps %lld finished jobs",
                                         (long long)(successes > failures ? successes : failures)),
                           "Finished jobs and their pods fill the API server's store.",
                           patch(v, "\"successfulJobsHistoryLimit\": 3, \"failedJobsHistoryLimit\": 3"));
}

/* Starts that should have been and were not: a controller that was down, too many missed starts, Forbid beside a run
 * that hangs.  Ten minutes, or the starting deadline, are given for being late. */
static void
missed_judge(struct verdict *v)
{
        int64_t created = json_whole(v->job, "created_ms", 0), scheduled = json_whole(v->job, "last_schedule_ms", 0);
        int64_t deadline = json_whole(v->job, "starting_deadline_s", -1), due, grace = 10 * MINUTE_MS;
        int64_t from = scheduled > created ? scheduled : created;

        if (created <= 0 || json_flag(v->job, "suspended", false))
                return;
        if (deadline > grace / SECOND_MS && deadline < DAY_MS / SECOND_MS)
                grace = deadline * SECOND_MS;
        /* Further back no start is looked for. */
        if (from < v->now_ms - 400 * DAY_MS)
                from = v->now_ms - 400 * DAY_MS;
        from += v->cron.every_ms > 0 ? v->cron.every_ms : MINUTE_MS;
        if (cron_starts(&v->cron, v->zone, from, v->now_ms - grace, &due, 1) == 0)
                return;
        faults_add(
                &v->faults,
                findings_text(v->out, "due %s ago and not started",
                              findings_duration(v->out, (double)(v->now_ms - due))),
                scheduled <= 0 ? "It has never started, though it should have."
                               : findings_text(v->out, "It last started %s ago.",
                                               findings_duration(v->out, (double)(v->now_ms - scheduled))),
                findings_text(
                        v->out,
                        "kubectl -n %s describe cronjob %s: look for TooManyMissedTimes, a run that hangs, or a quota",
                        v->namespace_, v->name));
}

static void
success_judge(struct verdict *v)
{
        const json_t *last = json_map(v->job, "last");
        int64_t scheduled = json_whole(v->job, "last_schedule_ms", 0),
                succeeded = json_whole(v->job, "last_success_ms", 0);
        const char *logs = findings_text(v->out, "kubectl -n %s logs job/%s", v->namespace_,
                                         json_text(last, "name", v->name));

        if (strcmp(json_text(last, "outcome", ""), "Failed") == 0)
                faults_add(&v->faults,
                           findings_text(v->out, "the last run failed: %s",
                                         json_text(last, "reason", "no reason is given")),
                           succeeded > 0 ? findings_text(v->out, "Its last success is %s ago.",
                                                         findings_duration(v->out, (double)(v->now_ms - succeeded)))
                                         : "It has never succeeded.",
                           logs);
        else if (succeeded <= 0 && scheduled > 0 && v->now_ms - scheduled > DAY_MS &&
                 strcmp(json_text(last, "outcome", ""), "Complete") != 0)
                faults_add(&v->faults, "never succeeded", "It runs, and no run has ever succeeded.", logs);
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static void
row_add(const struct verdict *v)
{
        json_t *row = json_object();
        char text[MOMENT_TEXT];
        int64_t succeeded = json_whole(v->job, "last_success_ms", 0);

        json_put_text(row, "id", findings_text(v->out, "%s/%s", v->namespace_, v->name));
        json_put_text(row, "namespace", v->namespace_);
        json_put_text(row, "name", v->name);
        json_put_text(row, "schedule", v->schedule);
        json_put_text(row, "time_zone", json_text(v->job, "time_zone", ""));
        json_put_text(row, "concurrency", json_text(v->job, "concurrency", ""));
        json_put_flag(row, "suspended", json_flag(v->job, "suspended", false));
        if (succeeded > 0)
                moment_format(succeeded, text);
        json_put_text(row, "last_success", succeeded > 0 ? text : "");
        findings_inventory(v->out, "cronjobs", row);
}

/* True when it is as it should be. */
static bool
cronjob_judge(struct verdict *v, size_t index)
{
        bool suspended = json_flag(v->job, "suspended", false);

        schedule_read(v);
        if (v->readable && !v->critical && !v->frequent && !suspended)
                peak_judge(v);
        if (!v->critical && !suspended)
                bounds_judge(v);
        if (v->readable)
                missed_judge(v);
        if (!suspended)
                success_judge(v);
        if (v->zone != NULL)
                zone_close(v->zone);
        return faults_report(
                &v->faults,
                &(struct finding){
                        .control = "NOD-4",
                        .resource = {.kind = "CronJob", .namespace_ = v->namespace_, .name = v->name},
                        .severity = policy_severity(v->policy, "NOD-4", false),
                        .expected = findings_text(v->out,
                                                  "no start from %s to %s %s, no overlap, a deadline, a history, "
                                                  "runs that succeed",
                                                  policy_text(v->policy, "NOD-4", "peak_from"),
                                                  policy_text(v->policy, "NOD-4", "peak_until"),
                                                  policy_text(v->policy, "NOD-4", "timezone")),
                        .evidence = findings_text(v->out, "/cronjobs/%zu", index)});
}

/* Jobs that no CronJob made. */
static void
jobs_judge(const json_t *facts, const struct policy *policy, struct findings *out)
{
        size_t i;
        json_t *job;

        json_array_foreach((json_t *)json_list(facts, "jobs"), i, job)
        {
                const char *namespace_ = json_text(job, "namespace", NULL), *name = json_text(job, "name", NULL);
                if (namespace_ == NULL || name == NULL || strcmp(json_text(job, "outcome", ""), "Failed") != 0)
                        continue;
                findings_add(out, &(struct finding){
                                          .control = "NOD-4",
                                          .resource = {.kind = "Job", .namespace_ = namespace_, .name = name},
                                          .status = STATUS_FAIL,
                                          .severity = policy_severity(policy, "NOD-4", false),
                                          .observed = findings_text(out, "failed: %s",
                                                                    json_text(job, "reason", "no reason is given")),
                                          .expected = "jobs that succeed",
                                          .message = "The job gave up.",
                                          .remedy = findings_text(out,
                                                                  "kubectl -n %s logs job/%s; when it is "
                                                                  "settled, kubectl -n %s delete job %s",
                                                                  namespace_, name, namespace_, name),
                                          .evidence = findings_text(out, "/jobs/%zu", i)});
        }
}

static void
batch_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *cronjobs = json_list(facts, "cronjobs");
        struct batch_duties duties = {0};
        size_t i, seen = 0, well = 0;
        struct error err = {0};
        struct peak peak;
        json_t *job;

        if (peak_read(policy, &peak, &err) != 0) {
                findings_error(out, "NOD-4", NULL, REASON_CONFIGURATION, err.text, err.remedy);
                findings_error(out, "DLQ-2", NULL, REASON_CONFIGURATION, err.text, err.remedy);
                findings_error(out, "DSK-2", NULL, REASON_CONFIGURATION, err.text, err.remedy);
                return;
        }
        json_array_foreach((json_t *)cronjobs, i, job)
        {
                struct verdict v = {.job = job,
                                    .policy = policy,
                                    .out = out,
                                    .peak = &peak,
                                    .now_ms = history_now(history),
                                    .namespace_ = json_text(job, "namespace", NULL),
                                    .name = json_text(job, "name", NULL),
                                    .schedule = json_text(job, "schedule", ""),
                                    .faults = FAULTS_INIT(out)};
                if (v.namespace_ == NULL || v.name == NULL)
                        continue;
                seen++;
                row_add(&v);
                v.critical = batch_job_named(job, policy, "NOD-4", "critical");
                well += cronjob_judge(&v, i) ? 1 : 0;
                batch_duties_judge(job, policy, v.now_ms, &duties, out);
        }
        zone_close(peak.zone);
        jobs_judge(facts, policy, out);
        if (!facts_lacks(facts, "cronjobs"))
                batch_duties_end(&duties, policy, out);
        if (well > 0)
                findings_pass(out, "NOD-4", &(struct resource){.kind = "cronjobs"},
                              findings_text(out, "%zu of %zu CronJobs", well, seen),
                              "off-peak, bounded, runs that succeed", "They keep out of the way and do their work.");
        if (seen == 0 && !facts_lacks(facts, "cronjobs"))
                findings_skip(out, "NOD-4", "The cluster has no CronJob.", NULL);
}

const struct audit audit_batch = {
        .name = "batch",
        .summary = "CronJobs and Jobs: off-peak, bounded, run and succeed",
        .looks_at = {"kubernetes"},
        .controls = {"NOD-4", "DLQ-2", "DSK-2"},
        .needs = NEEDS,
        .collect = batch_collect,
        .judge = batch_judge,
        .check = batch_check,
};

/* Batch jobs that other controls count on: the replay of dead letters, the purge of old data. */

#include "batch_duties.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "moment.h"

struct duty {
        const json_t *job;
        const struct policy *policy;
        struct findings *out;
        int64_t now_ms;
        const char *namespace_, *name;
};

/* DLQ-2 and DSK-2: the job ran, and not too long ago. */
static void
duty_judge(const struct duty *v, const char *control, const char *age_setting)
{
        double bound = policy_number(v->policy, control, age_setting);
        int64_t succeeded = json_whole(v->job, "last_success_ms", 0),
                scheduled = json_whole(v->job, "last_schedule_ms", 0);
        int64_t created = json_whole(v->job, "created_ms", 0);
        struct resource resource = {.kind = "CronJob", .namespace_ = v->namespace_, .name = v->name};
        const char *expected = findings_text(v->out, "a success within %s", findings_duration(v->out, bound));
        bool suspended = json_flag(v->job, "suspended", false);
        double age = succeeded > 0 ? (double)(v->now_ms - succeeded) : 0;

        if (!suspended && succeeded > 0 && age <= bound) {
                findings_pass(v->out, control, &resource,
                              findings_text(v->out, "last success %s ago", findings_duration(v->out, age)), expected,
                              "The job runs in time.");
                return;
        }
        if (!suspended && succeeded <= 0 && scheduled <= 0 && created > 0 && (double)(v->now_ms - created) < bound) {
                findings_error(v->out, control, &resource, REASON_TOO_LITTLE_DATA,
                               "The CronJob is new and has not run yet.",
                               "wait for its first run, or start one: kubectl "
                               "create job --from=cronjob/NAME");
                return;
        }
        findings_add(
                v->out,
                &(struct finding){
                        .control = control,
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(v->policy, control, false),
                        .observed = suspended       ? "suspended"
                                    : succeeded > 0 ? findings_text(v->out, "last success %s ago",
                                                                    findings_duration(v->out, age))
                                                    : "never succeeded",
                        .expected = expected,
                        .message = strcmp(control, "DLQ-2") == 0
                                           ? "Dead letters are not replayed: they pile up until somebody looks."
                                           : "Old data is not purged: it grows, and is kept longer than it may be.",
                        .remedy = suspended
                                          ? findings_text(v->out,
                                                          "kubectl -n %s patch cronjob %s -p '{\"spec\": {\"suspend\": "
                                                          "false}}'",
                                                          v->namespace_, v->name)
                                          : findings_text(v->out,
                                                          "kubectl -n %s describe cronjob %s; kubectl -n %s create job "
                                                          "--from=cronjob/%s %s-now",
                                                          v->namespace_, v->name, v->namespace_, v->name, v->name)});
}

/* Globs with a slash are of namespace/name, the others of the name. */
bool
batch_job_named(const json_t *job, const struct policy *policy, const char *control, const char *setting)
{
        const json_t *globs = policy_value(policy, control, setting);
        const char *name = json_text(job, "name", "");
        char whole[600];

        snprintf(whole, sizeof whole, "%s/%s", json_text(job, "namespace", ""), name);
        return json_globs_match(globs, whole) || json_globs_match(globs, name);
}

void
batch_duties_judge(const json_t *job, const struct policy *policy, int64_t now_ms, struct batch_duties *duties,
                   struct findings *out)
{
        struct duty duty = {job, policy, out, now_ms, json_text(job, "namespace", ""), json_text(job, "name", "")};

        if (batch_job_named(job, policy, "DLQ-2", "jobs")) {
                duties->replays++;
                duty_judge(&duty, "DLQ-2", "age");
        }
        if (batch_job_named(job, policy, "DSK-2", "jobs")) {
                duties->purges++;
                duty_judge(&duty, "DSK-2", "grace");
        }
}

void
batch_duties_end(const struct batch_duties *duties, const struct policy *policy, struct findings *out)
{
        if (duties->replays == 0 && json_array_size(policy_value(policy, "DLQ-2", "jobs")) == 0)
                findings_skip(out, "DLQ-2", "The policy names no job that replays.", "name them in DLQ-2 jobs");
        else if (duties->replays == 0)
                findings_add(out,
                             &(struct finding){.control = "DLQ-2",
                                               .resource = {.kind = "replay job"},
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(policy, "DLQ-2", false),
                                               .observed = "no CronJob that replays dead letters",
                                               .expected = "one that the globs of DLQ-2 jobs name",
                                               .message = "Nothing replays dead letters: they wait for a person.",
                                               .remedy = "Schedule a replay job, name the one there is in DLQ-2 jobs, "
                                                         "or set jobs: [] where replays run elsewhere"});
        if (duties->purges == 0)
                findings_skip(
                        out, "DSK-2", "No CronJob of this cluster purges old data.",
                        "where pg_cron or the application purges, that is judged elsewhere; else name the CronJob in "
                        "DSK-2 jobs");
}

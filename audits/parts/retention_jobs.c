/* pg_cron's jobs that purge: there, active, and successful within the grace. */

#include "retention_facts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"

static const json_t *
run_of(const json_t *facts, const json_t *job)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(facts, "runs"), i, row)
        {
                if (json_whole(row, "id", -1) == json_whole(job, "id", -2) &&
                    strcmp(json_text(row, "database", ""), json_text(job, "database", "")) == 0)
                        return row;
        }
        return NULL;
}

struct job {
        const json_t *row, *run;
        const char *name, *database, *evidence;
        int64_t id;
};

static void
job_fail(const struct job *job, const struct policy *policy, struct findings *out, const char *observed,
         const char *message, const char *remedy)
{
        findings_add(out, &(struct finding){.control = "DSK-2",
                                            .resource = {.kind = "job", .namespace_ = job->database, .name = job->name},
                                            .status = STATUS_FAIL,
                                            .severity = policy_severity(policy, "DSK-2", false),
                                            .observed = observed,
                                            .expected = findings_text(
                                                    out, "active, succeeded within %s",
                                                    findings_duration(out, policy_number(policy, "DSK-2", "grace"))),
                                            .message = message,
                                            .remedy = remedy,
                                            .evidence = job->evidence});
}

/* "; 12 of its last runs failed, the newest with: ERROR: ..." */
static const char *
failure_words(const struct job *job, struct findings *out)
{
        const char *message = json_text(job->run, "message", "");
        int64_t failures = json_whole(job->run, "failures", 0);

        if (failures <= 0)
                return "";
        return findings_text(out, "; %" PRId64 " of the recorded runs failed%s%s", failures,
                             *message != '\0' ? ", the newest with: " : "", message);
}

static void
job_judge(const struct job *job, const struct policy *policy, int64_t now_ms, struct findings *out)
{
        double grace = policy_number(policy, "DSK-2", "grace");
        double succeeded = json_real_or(job->run, "succeeded_ms", NAN), ago = (double)now_ms - succeeded;
        const char *schedule = json_text(job->row, "schedule", "?");
        struct resource resource = {.kind = "job", .namespace_ = job->database, .name = job->name};

        if (!json_flag(job->row, "active", true)) {
                job_fail(job, policy, out, findings_text(out, "inactive (%s)", schedule),
                         "The purge is switched off: old rows stay.",
                         findings_text(out, "In %s: SELECT cron.alter_job(%" PRId64 ", active := true);", job->database,
                                       job->id));
        } else if (job->run == NULL) {
                findings_error(out, "DSK-2", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "No run of this purge (%s) is on record.", schedule),
                               "Set cron.log_run = on (restart); a job that is new has its first run to come");
        } else if (!isfinite(succeeded) || ago > grace) {
                const char *last = isfinite(succeeded)
                                           ? findings_text(out, "last success %s ago", findings_duration(out, ago))
                                           : "no success on record";
                job_fail(job, policy, out, findings_text(out, "%s (%s)%s", last, schedule, failure_words(job, out)),
                         "The purge does not get through: rows stay beyond their time.",
                         findings_text(
                                 out,
                                 "In %s: SELECT start_time, status, return_message FROM cron.job_run_details WHERE "
                                 "jobid = %" PRId64 " ORDER BY runid DESC LIMIT 5;  then run its command by hand.",
                                 job->database, job->id));
        } else {
                findings_pass(out, "DSK-2", &resource,
                              findings_text(out, "last success %s ago (%s)%s", findings_duration(out, fmax(ago, 0)),
                                            schedule, failure_words(job, out)),
                              findings_text(out, "active, succeeded within %s", findings_duration(out, grace)),
                              "The purge runs.");
        }
}

/* A purge by its name, or, whatever it is called, by a command that deletes. */
static bool
is_purge(const json_t *row, const json_t *globs)
{
        const char *name = json_text(row, "name", "");

        return json_flag(row, "purges", false) || (*name != '\0' && json_globs_match(globs, name));
}

static void
tell_none(const json_t *facts, struct findings *out)
{
        struct resource resource = {.kind = "jobs", .name = "purge"};
        const json_t *filtered = json_list(facts, "jobs_filtered"), *first = json_array_get(filtered, 0);

        if (json_flag(first, "filtered", false)) {
                findings_error(
                        out, "DSK-2", &resource, REASON_DENIED,
                        "pg_cron is installed, and shows the role none but its own jobs: whether the purge runs is "
                        "not known.",
                        json_text(first, "remedy", ""));
                return;
        }
        findings_add(out, &(struct finding){.control = "DSK-2",
                                            .resource = resource,
                                            .status = STATUS_SKIP,
                                            .message = first != NULL ? "pg_cron has no job that purges."
                                                                     : "There is no pg_cron here; a purge that runs "
                                                                       "elsewhere is seen by its effect alone.",
                                            .remedy = "Name the purge under policy: DSK-2: jobs where it is a job of "
                                                      "pg_cron or a CronJob of a kubernetes target"});
}

void
retention_judge_jobs(const json_t *facts, const struct policy *policy, int64_t now_ms, struct findings *out)
{
        const json_t *globs = policy_value(policy, "DSK-2", "jobs");
        size_t purges = 0, i;
        json_t *row;

        json_array_foreach((json_t *)json_list(facts, "jobs"), i, row)
        {
                int64_t id = json_whole(row, "id", 0);
                const char *name = json_text(row, "name", "");
                struct job job = {.row = row,
                                  .run = run_of(facts, row),
                                  .name = *name != '\0' ? name : findings_text(out, "job %" PRId64, id),
                                  .database = json_text(row, "database", "?"),
                                  .evidence = findings_text(out, "/jobs/%zu", i),
                                  .id = id};
                if (!is_purge(row, globs))
                        continue;
                purges++;
                if (!facts_lacks(facts, "runs") || !json_flag(row, "active", true))
                        job_judge(&job, policy, now_ms, out);
        }
        if (purges == 0 && !facts_lacks(facts, "jobs") && !facts_lacks(facts, "jobs_filtered"))
                tell_none(facts, out);
}

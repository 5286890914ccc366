/* Amazon RDS: does storage grow by itself, and when is it full?  Controls: DSK-1, DSK-5. */

#include "rds.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "scope.h"
#include "trend.h"

enum { DAYS = 120 };

/* --- collect ------------------------------------------------------------------------------------------------------ */

static bool
grows_in_a_cluster(const json_t *instance)
{
        return strncmp(json_text(instance, "engine", ""), "aurora", 6) == 0;
}

static int
rds_collect(struct session *session, json_t *facts, struct error *err)
{
        struct rds *rds = rds_session(session, err);
        json_t *instances = NULL, *instance;
        size_t i;

        if (rds == NULL || rds_instances(rds, &instances, err) != 0 || json_put(facts, "instances", instances) != 0)
                return -1;
        json_array_foreach(instances, i, instance)
        {
                const char *name = json_text(instance, "name", "");
                struct error failed = {0};
                json_t *free_daily = NULL;
                if (grows_in_a_cluster(instance))
                        continue;
                if (rds_metric(rds, name, "FreeStorageSpace", "Minimum", session->now_ms - DAYS * DAY_MS,
                               session->now_ms, DAY_MS, &free_daily, &failed) != 0) {
                        if (failed.reason == REASON_INTERRUPTED || deadline_left_ms(&session->deadline) == 0) {
                                *err = failed;
                                return -1;
                        }
                        facts_gap(facts, name, "DSK-5", &(struct resource){.kind = "instance", .name = name}, &failed);
                } else if (json_put(instance, "free_daily", free_daily) != 0) {
                        return error_memory(err, "RDS metrics");
                }
        }
        return 0;
}

/* --- judge -------------------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

static void
growth_judge(const struct judge *j, const json_t *instance, const struct resource *resource, size_t index)
{
        double allocated = json_real_or(instance, "allocated_bytes", NAN),
               most = json_real_or(instance, "max_allocated_bytes", NAN);
        const char *expected = "MaxAllocatedStorage above AllocatedStorage";

        if (grows_in_a_cluster(instance)) {
                findings_pass(j->out, "DSK-1", resource, "Aurora: storage grows by itself", expected,
                              "The storage of an Aurora cluster grows by itself up to its fixed limit.");
                return;
        }
        if (isnan(allocated)) {
                findings_error(j->out, "DSK-1", resource, REASON_PROTOCOL,
                               "RDS does not say how much storage is allocated.", NULL);
                return;
        }
        if (most > allocated) {
                findings_pass(j->out, "DSK-1", resource,
                              findings_text(j->out, "%s, grows by itself to %s", findings_size(j->out, allocated),
                                            findings_size(j->out, most)),
                              expected, "Storage grows by itself up to a bound.");
                return;
        }
        const char *name = resource->name;
        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-1",
                        .resource = *resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-1", false),
                        .observed = isnan(most) ? findings_text(j->out, "%s, no autoscaling",
                                                                findings_size(j->out, allocated))
                                                : findings_text(j->out, "%s, the bound %s is reached",
                                                                findings_size(j->out, allocated),
                                                                findings_size(j->out, most)),
                        .expected = expected,
                        .message = isnan(most)
                                           ? "Storage does not grow by itself: when it is full the database stops."
                                           : "Storage has grown to its bound and grows no further: when it is full the "
                                             "database stops.",
                        .remedy = findings_text(
                                j->out,
                                "aws rds modify-db-instance --db-instance-identifier %s --max-allocated-storage %.0f "
                                "--apply-immediately",
                                name, ceil(allocated / 1073741824.0 * 2)),
                        .evidence = findings_text(j->out, "/instances/%zu", index)});
}

static void
space_fail(const struct judge *j, const struct resource *resource, bool severe, const char *observed,
           const char *expected, const char *message, const char *remedy, size_t index)
{
        findings_add(j->out, &(struct finding){.control = "DSK-5",
                                               .resource = *resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, "DSK-5", severe),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = remedy,
                                               .evidence = findings_text(j->out, "/instances/%zu", index)});
}

static const char *
grow_words(const struct judge *j, const char *name, double allocated)
{
        return findings_text(j->out,
                             "aws rds modify-db-instance --db-instance-identifier %s --allocated-storage %.0f "
                             "--apply-immediately; what grows "
                             "stands in the projections of the database's own target",
                             name, ceil(allocated / 1073741824.0 * 1.2));
}

/* Free space of the newest day; storage that may still grow is full only at its bound. */
static void
used_judge(const struct judge *j, const json_t *instance, const struct resource *resource, double allocated,
           double free_bytes, size_t index)
{
        double bound = policy_number(j->policy, "DSK-5", "used"), least = policy_number(j->policy, "DSK-5", "free");
        double percent = (allocated - free_bytes) / allocated * 100;
        bool grows = json_real_or(instance, "max_allocated_bytes", 0) > allocated;
        const char *observed = findings_text(j->out, "%.1f %% used, %s of %s free%s", percent,
                                             findings_size(j->out, free_bytes), findings_size(j->out, allocated),
                                             grows ? ", may grow" : "");
        const char *expected = findings_text(j->out, "at most %g %% used, free at least %s", bound,
                                             findings_size(j->out, least));

        if (strcmp(json_text(instance, "status", ""), "storage-full") == 0)
                space_fail(j, resource, true, "status storage-full", expected,
                           "The instance has stopped: its storage is full.", grow_words(j, resource->name, allocated),
                           index);
        else if (free_bytes < least)
                space_fail(j, resource, true, observed, expected,
                           "Hardly any storage is left: when there is none the instance stops.",
                           grow_words(j, resource->name, allocated), index);
        else if (percent > bound && !grows)
                space_fail(j, resource, true, observed, expected,
                           "Storage is nearly full, and does not grow by itself.",
                           grow_words(j, resource->name, allocated), index);
        else
                findings_pass(j->out, "DSK-5", resource, observed, expected,
                              percent > bound ? "Storage is nearly full, and grows by itself." : "There is room.");
}

/* Bytes used on each day as CloudWatch tells it, reckoned against today's allocation: an allocation that was raised
 * since shows as a step, which the trend cuts at.  What earlier runs saw stands in front. */
static struct history *
history_make(const struct judge *j, const char *name, const json_t *daily, double allocated)
{
        const struct series *kept = history_series(j->history, "rds.used_bytes", name);
        struct history *history = history_new(history_now(j->history));
        int64_t first_ms = json_integer_value(json_array_get(json_array_get(daily, 0), 0));
        size_t i;
        json_t *point;

        if (history == NULL)
                return NULL;
        for (i = 0; kept != NULL && i < kept->count; i++) {
                if (first_ms == 0 || kept->samples[i].at_ms < first_ms)
                        history_add(history, "rds.used_bytes", name, kept->samples[i].at_ms, kept->samples[i].value);
        }
        json_array_foreach((json_t *)daily, i, point)
        {
                double free_bytes = json_number_value(json_array_get(point, 1));
                history_add(history, "rds.used_bytes", name, json_integer_value(json_array_get(point, 0)),
                            allocated - free_bytes);
        }
        return history;
}

static void
date_judge(const struct judge *j, const json_t *instance, const char *name, double allocated, double free_bytes,
           size_t index)
{
        struct resource resource = {.kind = "projection", .name = name};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);
        double most = json_real_or(instance, "max_allocated_bytes", NAN);
        struct trend_question question = {.now_ms = history_now(j->history),
                                          .limit = most > allocated ? most : allocated};
        int64_t horizon = policy_whole(j->policy, "DSK-5", "horizon");
        struct history *history = history_make(j, name, json_list(instance, "free_daily"), allocated);

        if (trend == NULL || history == NULL ||
            trend_judge(history, "rds.used_bytes", name, allocated - free_bytes, &question,
                        findings_text(j->out, "storage of %s", name), "bytes", j->out, trend) != 0) {
                history_free(history);
                j->out->failed = true;
                return;
        }
        const char *told = findings_text(j->out, "%s, from %zu samples over %" PRId64 " days",
                                         trend_words(trend, "bytes", j->out), trend->samples, trend->days);
        const char *expected = findings_text(j->out, "not full within %s", findings_duration(j->out, (double)horizon));
        if (trend->verdict == TREND_TOO_LITTLE)
                findings_error(
                        j->out, "DSK-5", &resource, REASON_TOO_LITTLE_DATA, trend_words(trend, "bytes", j->out),
                        "CloudWatch keeps daily figures for 455 days: a young instance gets its date after 14 days");
        else if (trend->full_on_ms != 0 && trend->full_on_ms - question.now_ms <= horizon)
                space_fail(j, &resource, false, told, expected,
                           most > allocated ? "Storage will have grown to its bound, and be full, soon."
                                            : "Storage will be full soon.",
                           grow_words(j, name, most > allocated ? most : allocated), index);
        else
                findings_pass(j->out, "DSK-5", &resource, told, expected, "The storage lasts.");
        history_free(history);
}

static void
space_judge(const struct judge *j, const json_t *instance, const struct resource *resource, size_t index)
{
        const json_t *daily = json_list(instance, "free_daily"),
                     *newest = json_array_get(daily, json_array_size(daily) - 1);
        double allocated = json_real_or(instance, "allocated_bytes", NAN);
        double free_bytes = json_is_number(json_array_get(newest, 1)) ? json_number_value(json_array_get(newest, 1))
                                                                      : NAN;

        if (grows_in_a_cluster(instance)) {
                findings_pass(j->out, "DSK-5", resource, "Aurora: storage grows by itself",
                              "not full within the horizon",
                              "The storage of an Aurora cluster grows by itself up to its fixed limit.");
                return;
        }
        if (facts_lacks(j->facts, resource->name))
                return;
        if (isnan(free_bytes) || !(allocated > 0)) {
                findings_error(j->out, "DSK-5", resource, REASON_TOO_LITTLE_DATA,
                               "CloudWatch has no FreeStorageSpace of this instance.",
                               "look whether the instance runs; a new one has its first figure after minutes");
                return;
        }
        used_judge(j, instance, resource, allocated, free_bytes, index);
        date_judge(j, instance, resource->name, allocated, free_bytes, index);
}

static void
row_add(const struct judge *j, const json_t *instance, const char *name)
{
        const json_t *daily = json_list(instance, "free_daily"),
                     *newest = json_array_get(daily, json_array_size(daily) - 1);
        json_t *row = json_object();

        json_put_text(row, "id", name);
        json_put_text(row, "engine", json_text(instance, "engine", ""));
        json_put_text(row, "version", json_text(instance, "version", ""));
        json_put_text(row, "class", json_text(instance, "class", ""));
        json_put_text(row, "status", json_text(instance, "status", ""));
        json_put_text(row, "storage_type", json_text(instance, "storage_type", ""));
        json_put_real(row, "allocated_bytes", json_real_or(instance, "allocated_bytes", NAN));
        json_put_real(row, "max_allocated_bytes", json_real_or(instance, "max_allocated_bytes", NAN));
        json_put_real(row, "free_bytes",
                      json_is_number(json_array_get(newest, 1)) ? json_number_value(json_array_get(newest, 1)) : NAN);
        json_put_flag(row, "multi_az", json_flag(instance, "multi_az", false));
        json_put_flag(row, "encrypted", json_flag(instance, "encrypted", false));
        json_put_flag(row, "deletion_protection", json_flag(instance, "deletion_protection", false));
        json_put_whole(row, "backup_days", json_whole(instance, "backup_days", 0));
        findings_inventory(j->out, "rds_instances", row);
}

static void
rds_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {facts, policy, history, out};
        size_t i, judged = 0;
        json_t *instance;

        json_array_foreach((json_t *)json_list(facts, "instances"), i, instance)
        {
                const char *name = json_text(instance, "name", NULL);
                struct resource resource = {.kind = "instance", .name = name};
                if (name == NULL || *name == '\0')
                        continue;
                judged++;
                row_add(&j, instance, name);
                growth_judge(&j, instance, &resource, i);
                space_judge(&j, instance, &resource, i);
        }
        if (judged == 0 && json_array_size(json_list(facts, "gaps")) == 0) {
                const char *remedy = "look at the region and at the target's `instances`";
                findings_error(out, "DSK-1", NULL, REASON_TOO_LITTLE_DATA, "No RDS instance was seen.", remedy);
                findings_error(out, "DSK-5", NULL, REASON_TOO_LITTLE_DATA, "No RDS instance was seen.", remedy);
        }
}

const struct audit audit_rds = {
        .name = "rds",
        .summary = "Amazon RDS: storage autoscaling, free space and the date when it is full",
        .looks_at = {"rds"},
        .controls = {"DSK-1", "DSK-5"},
        .needs = "IAM: rds:DescribeDBInstances, cloudwatch:GetMetricStatistics",
        .samples = {"rds.*"},
        .collect = rds_collect,
        .judge = rds_judge,
};

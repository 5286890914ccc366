/* File systems and claims as Prometheus measures them: how full, and when they will be, from its own history.
 * Controls: DSK-5. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "prometheus.h"
#include "scope.h"
#include "server_days.h"
#include "trend.h"

static const char control[] = "DSK-5";

enum { VOLUMES_MOST = 300, DAYS_MOST = 100, STEP_HOURS = 6 };

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* What a volume is called: the values of its labels, "10.0.0.7:9100 /var/lib". */
static char *
volume_key(const json_t *source, const json_t *labels)
{
        scoped_buffer key = BUFFER_INIT(2000);
        size_t i;
        json_t *label;

        json_array_foreach((json_t *)json_list(source, "labels"), i, label)
                buffer_format(&key, "%s%s", i > 0 ? " " : "", json_text(labels, json_string_value(label), "?"));
        return buffer_take(&key);
}

/* Fills one figure of the volumes: several series of one key (a device mounted twice) count as the largest. */
static int
figures_read(struct prometheus *prometheus, const json_t *source, const char *expression, const char *figure,
             json_t *volumes, struct error *err)
{
        scoped_json rows = NULL;
        size_t i;
        json_t *row;

        if (prometheus_query(prometheus, expression, 0, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                scoped_string key = volume_key(source, json_map(row, "labels"));
                double value = json_real_or(row, "value", NAN);
                json_t *volume = key != NULL ? json_object_get(volumes, key) : NULL;
                if (key == NULL)
                        return error_memory(err, "volumes");
                if (volume == NULL && json_object_size(volumes) < VOLUMES_MOST) {
                        volume = json_pack("{s:s, s:s}", "name", key, "source", json_text(source, "name", ""));
                        if (json_object_set_new(volumes, key, volume) != 0)
                                return error_memory(err, "volumes");
                }
                if (volume != NULL && !(json_real_or(volume, figure, -1) >= value))
                        json_put_real(volume, figure, value);
        }
        return 0;
}

struct days {
        const json_t *source;
        json_t *volumes;
};

/* Daily maxima, UTC, oldest first: [[day, bytes], ...]. */
static int
days_visit(void *context, const json_t *labels, const struct prometheus_point *points, size_t count)
{
        struct days *days = context;
        scoped_string key = volume_key(days->source, labels);
        json_t *volume = key != NULL ? json_object_get(days->volumes, key) : NULL;

        if (volume == NULL)
                return key != NULL ? 0 : -1;
        json_t *list = json_object_get(volume, "days");
        if (list == NULL && json_put(volume, "days", list = json_array()) != 0)
                return -1;
        for (size_t i = 0; i < count; i++) {
                int64_t day = points[i].at_ms - points[i].at_ms % DAY_MS;
                json_t *last = json_array_get(list, json_array_size(list) - 1);
                if (!isfinite(points[i].value))
                        continue;
                if (last != NULL && json_integer_value(json_array_get(last, 0)) == day) {
                        if (points[i].value > json_number_value(json_array_get(last, 1)))
                                json_array_set_new(last, 1, json_real(points[i].value));
                } else if ((last == NULL || json_integer_value(json_array_get(last, 0)) < day) &&
                           json_push(list, json_pack("[I, f]", (json_int_t)day, points[i].value)) == NULL) {
                        return -1;
                }
        }
        return 0;
}

static int
source_read(struct session *session, struct prometheus *prometheus, const json_t *source, json_t *volumes,
            struct error *err)
{
        const char *used = json_text(source, "used", ""), *total = json_text(source, "total", "");
        struct days days = {source, volumes};
        int64_t now = session->now_ms;

        if (figures_read(prometheus, source, total, "total", volumes, err) != 0 ||
            figures_read(prometheus, source, used, "used", volumes, err) != 0)
                return -1;
        if (json_object_size(volumes) == 0)
                return 0;
        return prometheus_range(prometheus, used, now - DAYS_MOST * DAY_MS, now, STEP_HOURS * HOUR_MS, 0, days_visit,
                                &days, err);
}

/* The volumes whose size is known, by name. */
static int
volumes_append(json_t *list, const json_t *volumes)
{
        static const char *const order[] = {"name", NULL};
        scoped_json known = json_array();
        const char *name;
        json_t *volume;

        json_object_foreach((json_t *)volumes, name, volume)
        {
                if (json_real_or(volume, "total", 0) > 0 && json_real_or(volume, "used", -1) >= 0 &&
                    json_array_append(known, volume) != 0)
                        return -1;
        }
        return known != NULL && json_sort(known, order) == 0 ? json_array_extend(list, known) : -1;
}

static int
filesystems_collect(struct session *session, json_t *facts, struct error *err)
{
        struct prometheus *prometheus = prometheus_session(session, err);
        json_t *list = json_array(), *source;
        struct error unread;
        size_t i;

        if (prometheus == NULL || json_put(facts, "volumes", list) != 0)
                return -1;
        json_array_foreach((json_t *)target_value(session->target, "volumes"), i, source)
        {
                struct resource resource = {.kind = "volumes", .name = json_text(source, "name", "?")};
                scoped_json volumes = json_object();
                if (source_read(session, prometheus, source, volumes, &unread) != 0 &&
                    facts_gap(facts, resource.name, control, &resource, &unread) != 0)
                        return error_memory(err, "facts");
                if (volumes_append(list, volumes) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

struct judging {
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        size_t roomy, lasting, short_of_days, volumes;
};

static void
used_judge(struct judging *j, const json_t *volume, size_t index)
{
        const char *name = json_text(volume, "name", "?");
        struct resource resource = {.kind = "volume", .name = name};
        double used = json_real_or(volume, "used", 0), total = json_real_or(volume, "total", 1);
        double bound = policy_number(j->policy, control, "used"), least = policy_number(j->policy, control, "free");
        /* A small volume would always be short of gigabytes: its share counts alone. */
        bool scarce = total >= 4 * least && total - used < least;
        struct findings *out = j->out;

        if (100 * used / total <= bound && !scarce) {
                j->roomy++;
                return;
        }
        findings_add(out, &(struct finding){
                                  .control = control,
                                  .resource = resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(j->policy, control, true),
                                  .observed = findings_text(out, "%.1f %% used: %s of %s, %s free", 100 * used / total,
                                                            findings_size(out, used), findings_size(out, total),
                                                            findings_size(out, fmax(total - used, 0))),
                                  .expected = findings_text(out, "at most %g %% used%s%s", bound,
                                                            total >= 4 * least ? ", free at least " : "",
                                                            total >= 4 * least ? findings_size(out, least) : ""),
                                  .message = "The volume is nearly full: when it is, what writes to it stops.",
                                  .remedy = findings_text(out,
                                                          "Enlarge it to %s or more, or find what fills it: du -xh "
                                                          "--max-depth=2 MOUNTPOINT | sort -h | tail",
                                                          findings_size(out, used / bound * 100)),
                                  .evidence = findings_text(out, "/volumes/%zu", index)});
}

static void
date_judge(struct judging *j, const json_t *volume, size_t index)
{
        const char *name = json_text(volume, "name", "?");
        struct resource resource = {.kind = "projection", .name = name};
        double used = json_real_or(volume, "used", 0), total = json_real_or(volume, "total", 1);
        int64_t horizon = policy_whole(j->policy, control, "horizon"), now = history_now(j->history);
        const struct series *own = history_series(j->history, "filesystems.used_bytes", name);
        struct trend_question question = {.now_ms = now, .limit = total};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);
        struct findings *out = j->out;

        findings_sample(out, "filesystems.used_bytes", name, used);
        if (trend == NULL || server_days_fit(json_list(volume, "days"), own, used, &question, trend) != 0) {
                out->failed = true;
                return;
        }
        findings_inventory(out, "projections", trend_projection(trend, findings_text(out, "volume %s", name), "bytes"));
        if (trend->verdict == TREND_TOO_LITTLE) {
                j->short_of_days++;
                return;
        }
        if (trend->full_on_ms == 0 || trend->full_on_ms - now > horizon) {
                j->lasting++;
                return;
        }
        findings_add(
                out,
                &(struct finding){
                        .control = control,
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, control, false),
                        .observed = findings_text(out, "%s, from %zu samples over %" PRId64 " days",
                                                  trend_words(trend, "bytes", out), trend->samples, trend->days),
                        .expected = findings_text(out, "not full within %s", findings_duration(out, (double)horizon)),
                        .message = "The volume will be full soon.",
                        .remedy = findings_text(out,
                                                "%s more would last another 90 days; find what grows: du -xh "
                                                "--max-depth=2 MOUNTPOINT | sort -h | tail",
                                                findings_size(out, fmax(trend->slope, 0) * 90)),
                        .evidence = findings_text(out, "/volumes/%zu", index)});
}

/* Many volumes that are well are one line. */
static void
well_tell(struct judging *j)
{
        struct resource volumes = {.kind = "volumes", .name = "with room"},
                        lasting = {.kind = "volumes", .name = "that last"},
                        unknown = {.kind = "volumes", .name = "without a projection"};

        if (j->roomy > 0)
                findings_pass(j->out, control, &volumes, findings_text(j->out, "%zu of %zu", j->roomy, j->volumes),
                              findings_text(j->out, "at most %g %% used", policy_number(j->policy, control, "used")),
                              "These volumes have room.");
        if (j->lasting > 0)
                findings_pass(j->out, control, &lasting, findings_text(j->out, "%zu of %zu", j->lasting, j->volumes),
                              findings_text(j->out, "not full within %s",
                                            findings_duration(j->out, policy_number(j->policy, control, "horizon"))),
                              "These volumes last.");
        if (j->short_of_days > 0)
                findings_error(j->out, control, &unknown, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "%zu of %zu volumes have fewer than %d days of figures, here and in "
                                             "Prometheus.",
                                             j->short_of_days, j->volumes, TREND_LEAST_DAYS),
                               "let the nightly rounds run on, or keep more than 15 days in Prometheus "
                               "(--storage.tsdb.retention.time)");
}

static void
filesystems_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judging j = {.policy = policy, .history = history, .out = out};
        size_t i;
        json_t *volume;

        json_array_foreach((json_t *)json_list(facts, "volumes"), i, volume)
        {
                double used = json_real_or(volume, "used", NAN), total = json_real_or(volume, "total", NAN);
                if (!(used >= 0) || !(total > 0) || json_text(volume, "name", NULL) == NULL)
                        continue;
                j.volumes++;
                used_judge(&j, volume, i);
                date_judge(&j, volume, i);
                findings_inventory(out, "volumes",
                                   json_pack("{s:s, s:s, s:f, s:f}", "id", json_text(volume, "name", "?"), "source",
                                             json_text(volume, "source", ""), "used_bytes", used, "total_bytes",
                                             total));
        }
        well_tell(&j);
        if (j.volumes == 0 && json_array_size(json_list(facts, "gaps")) == 0)
                findings_skip(
                        out, control, "This Prometheus measures neither file systems nor claims.",
                        "scrape node_exporter or the kubelets, or write `volumes` of the target for what there is");
}

const struct audit audit_filesystems = {
        .name = "filesystems",
        .summary = "file systems and claims as Prometheus measures them: how full, when full",
        .looks_at = {"prometheus"},
        .controls = {"DSK-5"},
        .needs = "to query Prometheus",
        .samples = {"filesystems.*"},
        .collect = filesystems_collect,
        .judge = filesystems_judge,
};

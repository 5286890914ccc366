/* Queues and dead letters as Prometheus measures them: depth, growth within the day, and from day to day.
 * Controls: WRK-4, DLQ-1.
 *
 * A row of `queues`, what queue_backlog.c judges:
 *   name, owner, kind "metric", key (the expression)
 *   depth   {"series": 1, "value": 12, "at_ms"}; "text" for what is no number ("NaN"); "last_ms" for a series that
 *           was there within the window and no longer is
 *   active  the same, where an expression is configured; a number also as counts {"active"}
 *   looks   [{"at_ms", "waiting", "active"}] of the last hour, window [{"at_ms", "waiting"}] of the policy's window
 *   days    [[ms, greatest depth in the 24 h before], ...] and peak, the newest of them
 * `dead_letters` is {"key", "depth"}.  Every query has a fixed number of points, whatever the server keeps. */

#include "audit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "dead_letter_judge.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "prometheus.h"
#include "queue_judge.h"
#include "scope.h"

/* Points of a query: an hour in steps of 5 min, the window in 24 steps, and one a day. */
enum { LOOKS = 12, LOOK_MS = 5 * MINUTE_MS, WINDOW_STEPS = 24, DAYS = 100, POINTS_MOST = 2000 };

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* The value now, and how many series the expression has. */
static int
value_read(struct prometheus *prometheus, const char *expression, json_t *row, const char *key, struct error *err)
{
        scoped_json rows = NULL;
        scoped_json value = json_object();

        if (prometheus_query(prometheus, expression, 0, &rows, err) != 0)
                return -1;
        const json_t *first = json_array_get(rows, 0);
        double number = json_real_or(first, "value", NAN);
        json_put_whole(value, "series", (int64_t)json_array_size(rows));
        if (json_array_size(rows) == 1) {
                json_put_real(value, "value", number);
                json_put_whole(value, "at_ms", json_whole(first, "at_ms", 0));
                if (isnan(number))
                        json_put_text(value, "text", json_text(first, "text", "NaN"));
        }
        return json_put(row, key, scope_keep(value)) == 0 ? 0 : error_memory(err, expression);
}

/* One series' points as [{"at_ms", KEY: value}]. */
struct points {
        json_t *list;
        const char *key;
        bool beside;          /* the list is there: KEY is added to its rows of the same moment */
        const json_t *labels; /* of the first series: an expression that had more counts with its first alone */
};

static int
points_visit(void *context, const json_t *labels, const struct prometheus_point *points, size_t count)
{
        struct points *visit = context;
        size_t place = 0;

        if (visit->labels != NULL && !json_equal(visit->labels, labels))
                return 0;
        if (visit->labels == NULL)
                visit->labels = json_incref((json_t *)labels);
        for (size_t i = 0; i < count; i++) {
                json_t *row;
                if (!isfinite(points[i].value) || points[i].value < 0)
                        continue;
                while ((row = json_array_get(visit->list, place)) != NULL &&
                       json_whole(row, "at_ms", 0) < points[i].at_ms)
                        place++;
                if (row != NULL && json_whole(row, "at_ms", 0) == points[i].at_ms)
                        json_put_real(row, visit->key, points[i].value);
                else if (row == NULL && !visit->beside &&
                         json_push(visit->list, json_pack("{s:I, s:f}", "at_ms", (json_int_t)points[i].at_ms,
                                                          visit->key, points[i].value)) == NULL)
                        return -1;
        }
        return 0;
}

static int
points_read(struct prometheus *prometheus, const char *expression, int64_t start_ms, int64_t end_ms, int64_t step_ms,
            const char *key, json_t *list, struct error *err)
{
        struct points visit = {.list = list, .key = key, .beside = json_array_size(list) > 0};
        int result = prometheus_range(prometheus, expression, start_ms, end_ms, step_ms, POINTS_MOST, points_visit,
                                      &visit, err);

        json_decref((json_t *)visit.labels);
        return result;
}

/* The greatest depth of every 24 h up to now: what the server keeps, at one point a day. */
static int
days_read(struct prometheus *prometheus, const char *expression, int64_t now, json_t *row, struct error *err)
{
        scoped_buffer subquery = BUFFER_INIT(64 * 1024);
        scoped_json points = json_array();
        json_t *days = json_array(), *point;
        size_t i;

        /* The line's end closes a comment that the expression may end with. */
        if (json_put(row, "days", days) != 0 ||
            buffer_format(&subquery, "max_over_time((%s\n)[1d:15m])", expression) != 0)
                return error_memory(err, "days");
        if (points_read(prometheus, subquery.data, now - DAYS * DAY_MS, now, DAY_MS, "peak", points, err) != 0)
                return -1;
        json_array_foreach(points, i, point)
        {
                int64_t at = json_whole(point, "at_ms", 0);
                double peak = json_real_or(point, "peak", 0);
                if (at == now)
                        json_put_real(row, "peak", peak);
                else if (json_push(days, json_pack("[I, f]", (json_int_t)at, peak)) == NULL)
                        return error_memory(err, "days");
        }
        return 0;
}

/* The value now closes the hour: it is the newer of two where the hour's last point is nearly as new. */
static int
looks_close(json_t *row)
{
        json_t *looks = json_object_get(row, "looks"), *last = json_array_get(looks, json_array_size(looks) - 1);
        const json_t *depth = json_map(row, "depth"), *active = json_map(row, "active");
        int64_t at = json_whole(depth, "at_ms", 0);

        if (!(json_real_or(depth, "value", -1) >= 0))
                return 0;
        if (last == NULL || json_whole(last, "at_ms", 0) + LOOK_MS / 2 < at) {
                last = json_push(looks, json_pack("{s:I}", "at_ms", (json_int_t)at));
                if (last == NULL)
                        return -1;
        }
        json_put_real(last, "waiting", json_real_or(depth, "value", NAN));
        if (!(json_real_or(active, "value", -1) >= 0))
                return 0;
        json_put_real(last, "active", json_real_or(active, "value", NAN));
        return json_put(row, "counts", json_pack("{s:f}", "active", json_real_or(active, "value", NAN)));
}

static int
queue_read(struct session *session, struct prometheus *prometheus, const json_t *source, json_t *row, struct error *err)
{
        const char *depth = json_text(source, "depth", ""), *active = json_text(source, "active", NULL);
        int64_t now = session->now_ms;
        int64_t span = session->policy != NULL ? policy_whole(session->policy, "WRK-4", "window") : DAY_MS;
        int64_t step = span / WINDOW_STEPS > 1000 ? span / WINDOW_STEPS : 1000;
        json_t *looks = json_array(), *window = json_array();

        if (json_put(row, "looks", looks) != 0 || json_put(row, "window", window) != 0)
                return error_memory(err, "queue");
        if (value_read(prometheus, depth, row, "depth", err) != 0 ||
            points_read(prometheus, depth, now - WINDOW_STEPS * step, now, step, "waiting", window, err) != 0)
                return -1;
        json_t *value = json_object_get(row, "depth");
        if (json_whole(value, "series", 0) != 1) {
                const json_t *last = json_array_get(window, json_array_size(window) - 1);
                return last == NULL ? 0 : json_put_whole(value, "last_ms", json_whole(last, "at_ms", 0));
        }
        if (active != NULL && value_read(prometheus, active, row, "active", err) != 0)
                return -1;
        if (points_read(prometheus, depth, now - LOOKS * LOOK_MS, now, LOOK_MS, "waiting", looks, err) != 0 ||
            (active != NULL &&
             points_read(prometheus, active, now - LOOKS * LOOK_MS, now, LOOK_MS, "active", looks, err) != 0))
                return -1;
        return looks_close(row) != 0 ? error_memory(err, "queue") : 0;
}

/* A server that refuses so long a query can still tell of today. */
static int
days_note(struct session *session, struct prometheus *prometheus, json_t *row, json_t *facts)
{
        struct resource resource = {.kind = "projection", .name = json_text(row, "name", "?")};
        struct error unread;

        if (json_whole(json_map(row, "depth"), "series", 0) != 1 ||
            days_read(prometheus, json_text(row, "key", ""), session->now_ms, row, &unread) == 0)
                return 0;
        return facts_gap(facts, "days", "WRK-4", &resource, &unread);
}

static int
queue_metrics_collect(struct session *session, json_t *facts, struct error *err)
{
        const char *letters = target_text(session->target, "dead_letters");
        struct prometheus *prometheus = prometheus_session(session, err);
        json_t *list = json_array(), *source;
        struct error unread;
        size_t i;

        if (prometheus == NULL || json_put(facts, "queues", list) != 0)
                return -1;
        json_array_foreach((json_t *)target_value(session->target, "queues"), i, source)
        {
                struct resource resource = {.kind = "queue", .name = json_text(source, "name", "?")};
                scoped_json row = json_pack("{s:s, s:s, s:s, s:s*}", "name", resource.name, "kind", "metric", "key",
                                            json_text(source, "depth", ""), "owner", json_text(source, "owner", NULL));
                int result = queue_read(session, prometheus, source, row, &unread);
                if (result == 0 ? json_array_append(list, row) != 0 || days_note(session, prometheus, row, facts) != 0
                                : facts_gap(facts, resource.name, "WRK-4", &resource, &unread) != 0)
                        return error_memory(err, "facts");
        }
        if (letters != NULL) {
                struct resource resource = {.kind = "dead letters", .name = "metric"};
                scoped_json row = json_pack("{s:s}", "key", letters);
                int result = value_read(prometheus, letters, row, "depth", &unread);
                if (result == 0 ? json_put(facts, "dead_letters", scope_keep(row)) != 0
                                : facts_gap(facts, "dead letters", "DLQ-1", &resource, &unread) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* True for one number that can be a depth; else tells why it is none. */
static bool
value_judge(const json_t *value, const char *control, const struct resource *resource, const char *expression,
            const char *setting, struct findings *out)
{
        int64_t series = json_whole(value, "series", 0), last = json_whole(value, "last_ms", 0);
        double number = json_real_or(value, "value", NAN);
        char moment[MOMENT_TEXT];

        if (series == 1 && number >= 0)
                return true;
        if (series > 1)
                findings_error(out, control, resource, REASON_CONFIGURATION,
                               findings_text(out, "%s has %lld series where one number is wanted.", expression,
                                             (long long)series),
                               findings_text(out, "aggregate it: %s: sum(%s)", setting, expression));
        else if (series < 1 && last > 0) {
                moment_format(last, moment);
                findings_error(out, control, resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out,
                                             "There is no %s any more, the last was seen at %.16sZ: the application is "
                                             "down, or no longer exports it.",
                                             expression, moment),
                               "see what is not scraped: promtool query instant URL 'up == 0'");
        } else if (series < 1)
                findings_error(out, control, resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "There is no %s: the application does not export it.", expression),
                               findings_text(out,
                                             "export it, or set %s to what there is: curl -s "
                                             "URL/api/v1/label/__name__/values",
                                             setting));
        else if (number < 0)
                findings_error(out, control, resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "%s is %g: a number of jobs is never below 0.", expression, number),
                               findings_text(out, "look at what it subtracts, then correct %s", setting));
        else
                findings_error(out, control, resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "%s is %s, which is no number of jobs.", expression,
                                             json_text(value, "text", "NaN")),
                               findings_text(out, "look at what it divides, then correct %s", setting));
        return false;
}

static void
queue_judge(struct queue_judge *j)
{
        struct resource queue = {.kind = "queue", .name = j->name}, workers = {.kind = "workers", .name = j->name};
        const json_t *active = json_map(j->row, "active");

        if (!value_judge(json_map(j->row, "depth"), "WRK-4", &queue, j->key, "depth", j->out))
                return;
        if (active != NULL)
                value_judge(active, "WRK-4", &workers, "what `active` asks for", "active", j->out);
        queue_backlog_judge(j);
}

static void
dead_letters_judge(const json_t *row, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct resource resource = {.kind = "dead letters", .name = "metric"};
        const json_t *depth = json_map(row, "depth");
        const char *key = json_text(row, "key", "dead_letters");
        struct dead_letter_judge j = {.row = row,
                                      .policy = policy,
                                      .history = history,
                                      .out = out,
                                      .name = resource.name,
                                      .series = "queue_metrics.dead_letters",
                                      .evidence = "/dead_letters",
                                      .total = json_real_or(depth, "value", NAN),
                                      .count_only = true};

        if (!value_judge(depth, "DLQ-1", &resource, key, "dead_letters", out))
                return;
        dead_letter_depth_judge(&j);
        findings_inventory(out, "dead_letters",
                           json_pack("{s:s, s:s, s:f}", "id", resource.name, "kind", "metric", "messages", j.total));
}

static void
queue_metrics_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                    struct findings *out)
{
        const json_t *queues = json_list(facts, "queues"), *letters = json_map(facts, "dead_letters");
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)queues, i, row)
        {
                struct queue_judge j = {.facts = facts,
                                        .policy = policy,
                                        .history = history,
                                        .out = out,
                                        .row = row,
                                        .name = json_text(row, "name", "?"),
                                        .kind = "metric",
                                        .key = json_text(row, "key", "depth"),
                                        .owner = json_text(row, "owner", NULL),
                                        .series = "queue_metrics.peak_jobs",
                                        .index = i};
                queue_judge(&j);
        }
        if (letters != NULL)
                dead_letters_judge(letters, policy, history, out);
        else if (!facts_lacks(facts, "dead letters"))
                findings_skip(out, "DLQ-1", "This target does not say what counts dead letters.",
                              "set dead_letters of the target, as: dead_letters: sum(kaireon_dlq_depth)");
        for (i = 0; i < out->count; i++) {
                if (strcmp(out->rows[i].control, "WRK-4") == 0)
                        return;
        }
        findings_skip(out, "WRK-4", "This target does not say what measures queues.",
                      "set queues of the target, as: queues: [{name: workers, depth: "
                      "sum(kaireon_active_worker_jobs)}]");
}

static bool
queue_metrics_applies(const struct target *target, char *why, size_t size)
{
        if (json_array_size(target_value(target, "queues")) > 0 || target_text(target, "dead_letters") != NULL)
                return true;
        snprintf(why, size,
                 "not configured: set queues, as [{name: workers, depth: sum(kaireon_active_worker_jobs)}], and "
                 "dead_letters, as sum(kaireon_dlq_depth)");
        return false;
}

const struct audit audit_queue_metrics = {
        .name = "queue_metrics",
        .summary = "queues and dead letters as Prometheus measures them: depth, growth, projection",
        .looks_at = {"prometheus"},
        .controls = {"WRK-4", "DLQ-1"},
        .needs = "to query Prometheus",
        .samples = {"queue_metrics.*"},
        .collect = queue_metrics_collect,
        .judge = queue_metrics_judge,
        .applies = queue_metrics_applies,
};

/* Is a queue's backlog bounded, and does anybody work on it?  (WRK-4) */

#include "queue_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "server_days.h"
#include "trend.h"

/* So few completed jobs need no projection: they are what people keep to look at. */
static const double COMPLETED_FEW = 1000;

static const char workers_missing[] = "Jobs wait and nobody takes them: no worker runs for this queue.",
                  workers_start[] = "Start the workers, and look at their logs: kubectl get pods, then kubectl logs of "
                                    "those that serve the queue.";

/* Prometheus tells how many wait and how many were waiting, but nothing of the jobs themselves. */
static bool
is_metric(const struct queue_judge *j)
{
        return strcmp(j->kind, "metric") == 0;
}

/* --- growth ------------------------------------------------------------------------------------------------------- */

struct growth {
        double per_minute; /* NAN: unknown */
        double over_ms;
        bool sustained; /* rises in nearly every interval, and by more than chance would have it */
};

/* Several looks, within seconds or at equal steps of a longer time.  A burst is one step; a queue that grows rises in
 * four intervals of five.  Arrivals and departures that are independent of each other make the difference vary with the
 * square root of their number. */
static struct growth
looks_growth(const json_t *looks)
{
        struct growth growth = {.per_minute = NAN};
        size_t count = json_array_size(looks), rising = 0;

        if (count < 2)
                return growth;
        const json_t *first = json_array_get(looks, 0), *last = json_array_get(looks, count - 1);
        double risen = json_real_or(last, "waiting", NAN) - json_real_or(first, "waiting", NAN);
        double added = json_real_or(last, "added", NAN) - json_real_or(first, "added", NAN);
        growth.over_ms = json_real_or(last, "at_ms", NAN) - json_real_or(first, "at_ms", NAN);
        if (isnan(risen) || !(growth.over_ms > 0))
                return growth;
        for (size_t i = 1; i < count; i++)
                rising += json_real_or(json_array_get(looks, i), "waiting", 0) >
                          json_real_or(json_array_get(looks, i - 1), "waiting", 0);
        double events = added >= risen ? 2 * added - risen : fabs(risen);
        growth.per_minute = risen / growth.over_ms * 60000;
        growth.sustained = risen > 1.96 * sqrt(events) && (double)rising >= 0.8 * (double)(count - 1);
        return growth;
}

/* The oldest earlier run within the policy's window (and what a nightly job may start late) against now. */
static struct growth
history_growth(const struct queue_judge *j, double depth)
{
        const struct series *series = history_series(j->history, j->series, j->name);
        int64_t now = history_now(j->history), window = policy_whole(j->policy, "WRK-4", "window") + 2 * HOUR_MS;
        struct growth growth = {.per_minute = NAN};

        for (size_t i = 0; series != NULL && i < series->count; i++) {
                const struct sample *sample = &series->samples[i];
                if (now - sample->at_ms > window || now - sample->at_ms < MINUTE_MS)
                        continue;
                growth.over_ms = (double)(now - sample->at_ms);
                growth.per_minute = (depth - sample->value) / growth.over_ms * 60000;
                break;
        }
        return growth;
}

static const char *
growth_words(struct findings *out, const struct growth *growth)
{
        if (isnan(growth->per_minute))
                return "";
        return findings_text(out, fabs(growth->per_minute) < 10 ? ", %+.2g/min over %s" : ", %+.0f/min over %s",
                             growth->per_minute == 0 ? 0 : growth->per_minute, findings_duration(out, growth->over_ms));
}

/* --- the backlog -------------------------------------------------------------------------------------------------- */

struct backlog {
        double depth, age_ms; /* age_ms NAN: unknown or nothing waits */
        struct growth now, earlier;
        struct trend *trend; /* NULL: not fitted */
};

static const char *
observed_words(const struct queue_judge *j, const struct backlog *b)
{
        static const struct {
                const char *key, *words;
        } told[] = {{"delayed", "delayed"}, {"active", "active"}, {"failed", "failed"}};
        const json_t *counts = json_map(j->row, "counts");
        const char *text = findings_text(j->out, "%.0f waiting", b->depth);

        if (!isnan(b->age_ms))
                text = findings_text(j->out, "%s, oldest %s", text, findings_duration(j->out, b->age_ms));
        text = findings_text(j->out, "%s%s%s", text, growth_words(j->out, &b->now), growth_words(j->out, &b->earlier));
        if (json_real_or(j->row, "peak", 0) > b->depth)
                text = findings_text(j->out, "%s, up to %.0f within a day", text, json_real_or(j->row, "peak", 0));
        for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
                double count = json_real_or(counts, told[i].key, 0);
                if (count > 0)
                        text = findings_text(j->out, "%s, %.0f %s", text, count, told[i].words);
        }
        return text;
}

/* The projection of the depth against its bound: told by the trend test where there is history enough. */
static bool
meets_bound(const struct queue_judge *j, const struct backlog *b)
{
        int64_t horizon = policy_whole(j->policy, "WRK-4", "horizon");

        return b->trend != NULL && (b->trend->verdict == TREND_RISING || b->trend->verdict == TREND_NO_UPPER_DATE) &&
               b->trend->full_on_ms != 0 && b->trend->full_on_ms - history_now(j->history) <= horizon;
}

static const char *
remedy_words(const struct queue_judge *j)
{
        if (strcmp(j->kind, "bullmq") == 0)
                return findings_text(
                        j->out,
                        "Add workers (kubectl scale, or the scaler of WRK-1) and see what the next job is: "
                        "redis-cli HMGET %s:ID name opts processedOn, with the ID that "
                        "redis-cli LINDEX %s -1 tells.",
                        queue_shell(j, "%s", j->key), queue_shell(j, "%s:wait", j->key));
        if (is_metric(j))
                return findings_text(j->out,
                                     "Add workers (kubectl scale, or the scaler of WRK-1), and watch it shrink: "
                                     "promtool query instant URL %s",
                                     queue_shell(j, "%s", j->key));
        if (strcmp(j->kind, "stream") == 0)
                return findings_text(j->out, "Add consumers to the group, and see who reads: redis-cli XINFO GROUPS %s",
                                     queue_shell(j, "%s", j->key));
        return findings_text(j->out, "Add workers, and watch it shrink: redis-cli LLEN %s",
                             queue_shell(j, "%s", j->key));
}

static void
depth_judge(const struct queue_judge *j, const struct backlog *b)
{
        struct resource resource = {.kind = "queue", .name = j->name};
        double most = policy_number(j->policy, "WRK-4", "depth"),
               severe = policy_number(j->policy, "WRK-4", "depth_severe");
        double fast = policy_number(j->policy, "WRK-4", "growth_severe"),
               age = policy_number(j->policy, "WRK-4", "age");
        bool racing = (b->now.sustained && b->now.per_minute > fast) || b->earlier.per_minute > fast;
        const char *observed = observed_words(j, b), *remedy = remedy_words(j);
        const char *expected = findings_text(
                j->out, "at most %g waiting%s, not growing; beyond %g, or %g/min, SEV1", most,
                is_metric(j) ? "" : findings_text(j->out, " for at most %s", findings_duration(j->out, age)), severe,
                fast);

        if (b->trend != NULL && b->trend->verdict != TREND_TOO_LITTLE && b->trend->verdict != TREND_FULL)
                observed = findings_text(j->out, "%s; over %lld d: %s", observed, (long long)b->trend->days,
                                         trend_words(b->trend, "jobs", j->out));
        if (b->depth > severe || racing)
                queue_fail(j, "WRK-4", &resource, true, observed, expected,
                           b->depth > severe ? "The queue is far behind: what is put in now waits for all of it."
                                             : "The queue grows much faster than it is worked off.",
                           remedy);
        else if (b->depth > most)
                queue_fail(j, "WRK-4", &resource, false, observed, expected,
                           "The queue is behind: jobs wait longer than they should.", remedy);
        else if (b->now.sustained || b->earlier.sustained)
                queue_fail(j, "WRK-4", &resource, false, observed, expected,
                           "More is put into the queue than is worked off: it grows steadily.", remedy);
        else if (b->age_ms > age)
                queue_fail(j, "WRK-4", &resource, false, observed, expected,
                           "The oldest job has waited too long, however few wait with it.", remedy);
        else if (meets_bound(j, b))
                queue_fail(j, "WRK-4", &resource, false, observed, expected,
                           is_metric(j) ? "The queue's daily peaks rise and will pass the bound."
                                        : "The queue's depth rises from run to run and will pass its bound.",
                           remedy);
        else
                findings_add(j->out, &(struct finding){.control = "WRK-4",
                                                       .resource = resource,
                                                       .status = STATUS_PASS,
                                                       .observed = observed,
                                                       .expected = expected,
                                                       .message = isnan(b->now.per_minute)
                                                                          ? "Few jobs wait."
                                                                          : "Few jobs wait, and they do not pile up.",
                                                       .owner = j->owner,
                                                       .evidence = findings_text(j->out, "/queues/%zu", j->index)});
}

/* A name as a string of JavaScript. */
static const char *
script_text(const struct queue_judge *j, const char *name)
{
        scoped_json text = json_string(name);
        scoped_string quoted = text != NULL ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

        return findings_text(j->out, "%s", quoted != NULL ? quoted : "\"\"");
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

static void
workers_judge(const struct queue_judge *j, const struct backlog *b)
{
        struct resource resource = {.kind = "workers", .name = j->name};
        const json_t *counts = json_map(j->row, "counts");
        double overdue = json_real_or(counts, "overdue", 0), active = json_real_or(counts, "active", 0);
        double workers = json_real_or(j->row, "workers", NAN);
        double untaken = policy_number(j->policy, "WRK-4", "untaken");
        bool paused = json_flag(json_map(j->row, "meta"), "paused", false);
        bool untouched = b->depth > 0 && json_flag(j->row, "untouched", false);
        bool late = overdue > 0 && active == 0 && b->depth == 0;
        const char *connected = isnan(workers) ? ""
                                : workers > 0  ? findings_text(j->out, ", %.0f workers are connected", workers)
                                               : ", no worker is connected";

        if (paused && b->depth + overdue > 0)
                queue_fail(j, "WRK-4", &resource, false,
                           findings_text(j->out, "paused, %.0f jobs wait%s", b->depth, connected),
                           "a queue with jobs is not paused",
                           "The queue is paused and jobs wait: nobody will take them until it is resumed.",
                           findings_text(j->out, "If the pause is over: new Queue(%s).resume() in the application.",
                                         script_text(j, j->name)));
        else if (!paused && (untouched || late) && b->age_ms > untaken)
                queue_fail(
                        j, "WRK-4", &resource, false,
                        findings_text(j->out, "%.0f waiting and %.0f overdue, oldest %s, none active%s", b->depth,
                                      overdue, findings_duration(j->out, b->age_ms), connected),
                        findings_text(j->out, "workers take what waits within %s", findings_duration(j->out, untaken)),
                        workers_missing, workers_start);
}

/* For how long the queue has had jobs, none taken away and none active, as far as the looks go back; NAN: it has not,
 * or how many are active is not told. */
static double
idle_ms(const json_t *looks)
{
        const json_t *last = json_array_get(looks, json_array_size(looks) - 1);
        double now = json_real_or(last, "at_ms", NAN), since = NAN, next = INFINITY;

        for (size_t i = json_array_size(looks); i-- > 0;) {
                const json_t *look = json_array_get(looks, i);
                double waiting = json_real_or(look, "waiting", NAN);
                if (!(waiting > 0) || waiting > next || json_real_or(look, "active", NAN) != 0)
                        break;
                since = json_real_or(look, "at_ms", NAN);
                next = waiting;
        }
        return now - since;
}

static void
idle_judge(const struct queue_judge *j, const struct backlog *b)
{
        struct resource resource = {.kind = "workers", .name = j->name};
        double untaken = policy_number(j->policy, "WRK-4", "untaken"), idle = idle_ms(json_list(j->row, "looks"));

        if (idle > untaken)
                queue_fail(
                        j, "WRK-4", &resource, false,
                        findings_text(j->out, "%.0f waiting, none active and none taken for %s", b->depth,
                                      findings_duration(j->out, idle)),
                        findings_text(j->out, "workers take what waits within %s", findings_duration(j->out, untaken)),
                        workers_missing, workers_start);
}

/* --- finished jobs ------------------------------------------------------------------------------------------------ */

/* True when a looked-at job asks to be kept for ever when it has completed. */
static bool
kept_for_ever(const json_t *row)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(json_map(row, "retries"), "rows"), i, one)
        {
                if (json_flag(one, "keeps", false))
                        return true;
        }
        return false;
}

static void
finished_judge(const struct queue_judge *j)
{
        struct resource resource = {.kind = "finished jobs", .name = j->name};
        double completed = json_real_or(json_map(j->row, "counts"), "completed", NAN);
        double most = policy_number(j->policy, "WRK-4", "completed_most");
        struct trend_question question = {.now_ms = history_now(j->history), .limit = most};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);

        if (isnan(completed) || completed < COMPLETED_FEW || strcmp(j->kind, "bullmq") != 0)
                return;
        if (trend == NULL ||
            trend_judge(j->history, "queues.completed_jobs", j->name, completed, &question,
                        findings_text(j->out, "completed jobs of %s", j->name), "jobs", j->out, trend) != 0) {
                j->out->failed = true;
                return;
        }
        bool grows = (trend->verdict == TREND_RISING || trend->verdict == TREND_NO_UPPER_DATE) && kept_for_ever(j->row);
        if (completed <= most && !grows)
                return;
        queue_fail(j, "WRK-4", &resource, false,
                   grows ? findings_text(j->out, "%.0f completed jobs are kept: %s", completed,
                                         trend_words(trend, "jobs", j->out))
                         : findings_text(j->out, "%.0f completed jobs are kept", completed),
                   findings_text(j->out, "at most %.0f, and no steady growth", most),
                   "Completed jobs are never trimmed: they fill the memory that the queue needs.",
                   findings_text(j->out,
                                 "Add jobs with removeOnComplete: {age: 86400, count: 1000} (defaultJobOptions of the "
                                 "queue), and trim once: new Queue(%s).clean(86400000, 10000, 'completed').",
                                 script_text(j, j->name)));
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void
row_add(const struct queue_judge *j, const struct backlog *b)
{
        const json_t *counts = json_map(j->row, "counts");
        json_t *row = json_object();

        json_put_text(row, "id", j->name);
        json_put_text(row, "kind", j->kind);
        json_put_text(row, "key", j->key);
        json_put_real(row, "waiting", b->depth);
        json_put_real(row, "oldest_seconds", b->age_ms / 1000);
        json_put_real(row, "growth_per_minute", b->now.per_minute);
        json_put_real(row, "active", json_real_or(counts, "active", NAN));
        json_put_real(row, "delayed", json_real_or(counts, "delayed", NAN));
        json_put_real(row, "failed", json_real_or(counts, "failed", NAN));
        json_put_real(row, "completed", json_real_or(counts, "completed", NAN));
        json_put_flag(row, "paused", json_flag(json_map(j->row, "meta"), "paused", false));
        findings_inventory(j->out, "queues", row);
}

/* What a metric's days are made of are peaks, so the sample of a run is the last day's. */
static int
depth_fit(const struct queue_judge *j, double depth, const struct trend_question *question, struct trend *trend)
{
        const char *subject = findings_text(j->out, "waiting jobs of %s", j->name);

        if (!is_metric(j))
                return trend_judge(j->history, j->series, j->name, depth, question, subject, "jobs", j->out, trend);
        double peak = fmax(json_real_or(j->row, "peak", depth), depth);
        if (server_days_fit(json_list(j->row, "days"), history_series(j->history, j->series, j->name), peak, question,
                            trend) != 0)
                return -1;
        findings_sample(j->out, j->series, j->name, peak);
        findings_inventory(j->out, "projections", trend_projection(trend, subject, "jobs"));
        return 0;
}

void
queue_backlog_judge(const struct queue_judge *j)
{
        const json_t *looks = json_list(j->row, "looks");
        size_t count = json_array_size(looks);
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);
        struct backlog b = {.depth = count > 0 ? json_real_or(json_array_get(looks, count - 1), "waiting", NAN) : NAN,
                            .age_ms = json_real_or(j->row, "oldest_ms", NAN),
                            .now = looks_growth(looks)};
        struct trend_question question = {.now_ms = history_now(j->history),
                                          .limit = policy_number(j->policy, "WRK-4", "depth")};

        if (isnan(b.depth)) {
                bool stream = strcmp(j->kind, "stream") == 0;
                findings_error(j->out, "WRK-4", &(struct resource){.kind = "queue", .name = j->name},
                               REASON_TOO_LITTLE_DATA,
                               stream ? "No consumer group reads this stream: what is unread cannot be told."
                                      : "How many jobs wait is not in the facts.",
                               stream ? "check `key` and `group` of the queue; a stream that nobody reads by groups "
                                        "is no queue"
                                      : NULL);
                return;
        }
        b.earlier = is_metric(j) ? looks_growth(json_list(j->row, "window")) : history_growth(j, b.depth);
        if (trend == NULL || depth_fit(j, b.depth, &question, trend) != 0) {
                j->out->failed = true;
                return;
        }
        b.trend = trend;
        row_add(j, &b);
        depth_judge(j, &b);
        if (is_metric(j))
                idle_judge(j, &b);
        else
                workers_judge(j, &b);
        finished_judge(j);
}

/* Query baselines: did a statement become slower than it used to be?  Controls: LAT-4. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "statement_facts.h"

enum { TRACKED_MOST = 200, SHOWN_MOST = 50, RUNS_MOST = 4096 };

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

/* Counters at one moment, and what happened between two. */
struct counters {
        double at_ms, calls, total_ms;
};

struct interval {
        double calls, mean_ms;
};

/* When the counters were last reset, as the run at `at_ms` saw it; 0: not known. */
static double
reset_at(const struct judge *j, double at_ms)
{
        const struct series *resets = history_series(j->history, "query_baseline.reset_ms", "");

        for (size_t i = 0; resets != NULL && i < resets->count; i++) {
                if ((double)resets->samples[i].at_ms == at_ms)
                        return resets->samples[i].value;
        }
        return 0;
}

/* Counters that were reset in between, or went back without saying so, count from nothing. */
static struct interval
interval_of(const struct counters *before, const struct counters *after, double reset_ms)
{
        bool anew = reset_ms > before->at_ms || after->calls < before->calls || after->total_ms < before->total_ms;
        double calls = after->calls - (anew ? 0 : before->calls);
        double total_ms = after->total_ms - (anew ? 0 : before->total_ms);

        return (struct interval){.calls = calls, .mean_ms = calls > 0 ? total_ms / calls : NAN};
}

static int
by_value(const void *left, const void *right)
{
        double a = *(const double *)left, b = *(const double *)right;

        return a < b ? -1 : a > b;
}

/* What is known of one statement. */
struct past {
        struct counters last;
        bool seen;          /* `last` is there */
        double baseline_ms; /* median of the means between earlier runs; NAN: none */
        size_t intervals;   /* that it stands on */
};

/* Both series are written together; a sample that stands alone is passed over. */
static struct past
past_of(const struct judge *j, const char *resource)
{
        const struct series *calls = history_series(j->history, "query_baseline.calls", resource);
        const struct series *totals = history_series(j->history, "query_baseline.total_ms", resource);
        double since = (double)(history_now(j->history) - policy_whole(j->policy, "LAT-4", "window"));
        double least = policy_number(j->policy, "LAT-4", "calls"), means[RUNS_MOST];
        struct past past = {.baseline_ms = NAN};

        for (size_t i = 0, k = 0; calls != NULL && totals != NULL && i < calls->count; i++) {
                const struct sample *sample = &calls->samples[i];
                while (k < totals->count && totals->samples[k].at_ms < sample->at_ms)
                        k++;
                if (k == totals->count || totals->samples[k].at_ms != sample->at_ms || (double)sample->at_ms < since)
                        continue;
                struct counters now = {(double)sample->at_ms, sample->value, totals->samples[k].value};
                struct interval interval = {0};
                if (past.seen)
                        interval = interval_of(&past.last, &now, reset_at(j, now.at_ms));
                if (interval.calls >= least && past.intervals < RUNS_MOST)
                        means[past.intervals++] = interval.mean_ms;
                past.last = now;
                past.seen = true;
        }
        if (past.intervals > 0) {
                size_t middle = past.intervals / 2;
                qsort(means, past.intervals, sizeof *means, by_value);
                past.baseline_ms = past.intervals % 2 == 1 ? means[middle] : (means[middle - 1] + means[middle]) / 2;
        }
        return past;
}

/* How the statements of a run turned out. */
struct count {
        size_t sound, slower, young, rare;
};

static void
statement_row(const struct judge *j, const json_t *statement, const char *resource, const struct interval *interval,
              const struct past *past)
{
        json_t *row = json_object();

        json_put_text(row, "id", resource);
        json_put_text(row, "database", json_text(statement, "database", ""));
        json_put_text(row, "statement", json_text(statement, "text", ""));
        json_put_real(row, "calls", interval->calls);
        json_put_real(row, "mean_ms", interval->mean_ms);
        json_put_real(row, "baseline_ms", past->baseline_ms);
        json_put_whole(row, "intervals", (int64_t)past->intervals);
        findings_inventory(j->out, "statements", row);
}

static void
slower_tell(const struct judge *j, const json_t *statement, size_t index, const struct interval *interval,
            const struct past *past)
{
        struct findings *out = j->out;

        findings_add(
                out,
                &(struct finding){
                        .control = "LAT-4",
                        .resource = {"statement", json_text(statement, "database", ""), json_text(statement, "id", "")},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "LAT-4", false),
                        .observed = findings_text(
                                out, "%.4g ms mean of %.0f calls, %.1f times the %.4g ms of %zu earlier runs",
                                interval->mean_ms, interval->calls, interval->mean_ms / past->baseline_ms,
                                past->baseline_ms, past->intervals),
                        .expected = findings_text(out, "at most %g times its baseline",
                                                  policy_number(j->policy, "LAT-4", "ratio")),
                        .message = findings_text(out, "A statement became slower since the last run: %s",
                                                 json_text(statement, "text", "?")),
                        .remedy = "EXPLAIN (ANALYZE, BUFFERS) it with values of now: an index that is gone or bloated, "
                                  "statistics that are old (ANALYZE), a table that grew, or more at the same time?",
                        .evidence = findings_text(out, "/statements/%zu", index),
                });
}

static void
statement_judge(const struct judge *j, const json_t *statement, size_t index, struct count *count)
{
        const char *id = json_text(statement, "id", NULL), *database = json_text(statement, "database", "");
        struct counters now = {(double)history_now(j->history), json_real_or(statement, "calls", NAN),
                               json_real_or(statement, "total_ms", NAN)};
        struct interval interval = {0, NAN};

        if (id == NULL || !(now.calls >= 0) || !(now.total_ms >= 0))
                return;
        const char *resource = findings_text(j->out, "%s/%s", database, id);
        struct past past = past_of(j, resource);
        double reset = fmax(json_real_or(json_map(j->facts, "info"), "reset_ms", 0),
                            json_real_or(statement, "since_ms", 0));
        if (past.seen)
                interval = interval_of(&past.last, &now, reset);
        /* The busiest are followed, and who was followed once is followed on. */
        if (past.seen || index < TRACKED_MOST) {
                findings_sample(j->out, "query_baseline.calls", resource, now.calls);
                findings_sample(j->out, "query_baseline.total_ms", resource, now.total_ms);
        }
        if (index < SHOWN_MOST)
                statement_row(j, statement, resource, &interval, &past);
        if (interval.calls < policy_number(j->policy, "LAT-4", "calls")) {
                count->rare++;
        } else if (interval.mean_ms < policy_number(j->policy, "LAT-4", "mean")) {
                count->sound++;
        } else if (past.intervals < (size_t)policy_whole(j->policy, "LAT-4", "runs")) {
                count->young++;
        } else if (interval.mean_ms > policy_number(j->policy, "LAT-4", "ratio") * past.baseline_ms) {
                count->slower++;
                slower_tell(j, statement, index, &interval, &past);
        } else {
                count->sound++;
        }
}

/* Earlier runs in the window that kept statements at all. */
static size_t
earlier_runs(const struct judge *j)
{
        const struct series *runs = history_series(j->history, "query_baseline.statements", "");
        int64_t since = history_now(j->history) - policy_whole(j->policy, "LAT-4", "window");
        size_t count = 0;

        for (size_t i = 0; runs != NULL && i < runs->count; i++)
                count += runs->samples[i].at_ms >= since;
        return count;
}

/* Entries that the view had no room for are counted from nothing when they come back. */
static const char *
evictions_words(const struct judge *j)
{
        const struct sample *last = history_last(j->history, "query_baseline.evictions", "");
        double now = json_real_or(json_map(j->facts, "info"), "evictions", NAN);
        double since = last != NULL && last->value <= now ? now - last->value : now;

        if (!(since > 0))
                return "";
        return findings_text(j->out,
                             "  pg_stat_statements dropped its rarest entries %.0f times %s: raise "
                             "pg_stat_statements.max (now %" PRId64 ").",
                             since, last != NULL ? "since the last run" : "so far",
                             json_whole(json_map(j->facts, "server"), "most", 0));
}

static void
verdict(const struct judge *j, const struct count *count)
{
        size_t earlier = earlier_runs(j), needed = (size_t)policy_whole(j->policy, "LAT-4", "runs") + 1;
        struct resource baselines = {.kind = "statements", .name = "baselines"}, all = {.kind = "statements"};
        struct findings *out = j->out;

        if (earlier < needed && (count->young > 0 || count->sound + count->slower == 0))
                findings_error(out, "LAT-4", &baselines, REASON_TOO_LITTLE_DATA,
                               findings_text(out,
                                             "%zu earlier run%s kept times of statements, a baseline needs %zu: %zu "
                                             "more.%s",
                                             earlier, earlier == 1 ? "" : "s", needed, needed - earlier,
                                             evictions_words(j)),
                               "let the job run on: each run keeps what the next ones compare with");
        else if (count->sound + count->slower == 0 && count->young > 0)
                findings_error(out, "LAT-4", &baselines, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "Each of the %zu statements in use is too new to have a baseline.%s",
                                             count->young, evictions_words(j)),
                               "let the job run on: each run keeps what the next ones compare with");
        else if (count->sound + count->slower == 0)
                findings_skip(out, "LAT-4",
                              findings_text(out, "no statement was called %g times since the last run",
                                            policy_number(j->policy, "LAT-4", "calls")),
                              "run it less often, or lower LAT-4: calls");
        if (count->sound > 0)
                findings_pass(
                        out, "LAT-4", &all,
                        findings_text(out,
                                      "%zu statements as fast as ever, %zu slower, %zu too new, %zu called too rarely",
                                      count->sound, count->slower, count->young, count->rare),
                        findings_text(out, "at most %g times their baseline, or faster than %s",
                                      policy_number(j->policy, "LAT-4", "ratio"),
                                      findings_duration(out, policy_number(j->policy, "LAT-4", "mean"))),
                        findings_text(out, "Statements take the time that they used to take.%s", evictions_words(j)));
}

static void
query_baseline_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                     struct findings *out)
{
        struct judge j = {facts, policy, history, out};
        const json_t *statements = json_list(facts, "statements"), *info = json_map(facts, "info");
        int64_t hidden = json_whole(facts, "hidden", 0);
        struct count count = {0};
        size_t i;
        json_t *statement;

        if (facts_lacks(facts, "pg_stat_statements") && json_array_size(statements) == 0)
                return;
        if (hidden > 0)
                findings_error(
                        out, "LAT-4", &(struct resource){.kind = "statements", .name = "hidden"}, REASON_DENIED,
                        findings_text(out, "The texts of %" PRId64 " statements of other roles are hidden.", hidden),
                        "GRANT pg_monitor TO the role of this target (pg_read_all_stats is enough)");
        if (json_array_size(statements) == 0) {
                if (hidden == 0)
                        findings_error(out, "LAT-4", &(struct resource){.kind = "statements"}, REASON_TOO_LITTLE_DATA,
                                       "pg_stat_statements holds no statement of the application.",
                                       "is pg_stat_statements.track = none, or were the counters just reset?");
                return;
        }
        json_array_foreach((json_t *)statements, i, statement)
        {
                statement_judge(&j, statement, i, &count);
        }
        verdict(&j, &count);
        findings_sample(out, "query_baseline.statements", "", (double)json_array_size(statements));
        findings_sample(out, "query_baseline.reset_ms", "", json_real_or(info, "reset_ms", NAN));
        findings_sample(out, "query_baseline.evictions", "", json_real_or(info, "evictions", NAN));
}

const struct audit audit_query_baseline = {
        .name = "query_baseline",
        .summary = "statements that became slower than they were",
        .looks_at = {"postgres"},
        .controls = {"LAT-4"},
        .needs = "GRANT pg_monitor TO rounds; extension pg_stat_statements",
        .samples = {"query_baseline.*"},
        .history_ms = 100 * DAY_MS,
        .collect = statement_facts_collect,
        .judge = query_baseline_judge,
        .check = statement_facts_check,
};

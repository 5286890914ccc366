/* Trends put together: from samples to a verdict, dates and a projection's row.  The method is told in trend.h. */

#include "trend.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "trend_parts.h"

enum { PLOT_POINTS = 200, HOLD_OUT_MOST = 30 };

/* Where the lines go through: a level at a day, and what the noise adds above it. */
struct anchor {
        double day, level;
};

const char *
trend_verdict_name(enum trend_verdict verdict)
{
        switch (verdict) {
        case TREND_TOO_LITTLE:
                return "too-little-data";
        case TREND_NONE:
                return "no trend";
        case TREND_FALLING:
                return "falling";
        case TREND_RISING:
                return "rising";
        case TREND_NO_UPPER_DATE:
                return "no upper date";
        case TREND_FULL:
                return "full";
        }
        return "?";
}

/* The fewest of the newest segments that hold enough days; where in `days` they begin. */
static size_t
choose_start(const struct trend_day *days, size_t count)
{
        size_t start = count;

        while (start > 0) {
                int segment = days[start - 1].segment;
                while (start > 0 && days[start - 1].segment == segment)
                        start--;
                if (count - start >= TREND_LEAST_DAYS && days[count - 1].day - days[start].day + 1 >= TREND_LEAST_DAYS)
                        break;
        }
        return start;
}

/* Where a line of this slope goes through the newest segment.  A wandering series goes on from where it is. */
static struct anchor
find_anchor(const struct trend_day *days, size_t count, double slope, bool wanders)
{
        double levels[TREND_DAYS];
        size_t n = 0;
        int64_t last = days[count - 1].day;

        if (wanders)
                return (struct anchor){.day = (double)last, .level = days[count - 1].value};
        for (size_t i = 0; i < count; i++) {
                if (days[i].segment == days[count - 1].segment)
                        levels[n++] = days[i].value + slope * (double)(last - days[i].day);
        }
        return (struct anchor){.day = (double)last, .level = median_of(levels, n)};
}

/* The day (with its fraction) on which the line of this slope meets the limit; INFINITY: it never does. */
static double
meeting_day(const struct trend_day *days, size_t count, double slope, const struct trend *trend)
{
        struct anchor anchor = find_anchor(days, count, slope, trend->wanders);

        if (slope <= 0)
                return INFINITY;
        /* Peaks of regular purges reach the limit before the line does. */
        if (trend->recurring) {
                double over = 0;
                for (size_t i = 0; i < count; i++) {
                        double line = anchor.level - slope * (anchor.day - (double)days[i].day);
                        over = fmax(over, days[i].value - line);
                }
                anchor.level += over;
        }
        return anchor.day + (trend->limit - anchor.level) / slope;
}

/* A date not before now; 0 beyond the horizon. */
static int64_t
meeting_ms(double day, int64_t now_ms)
{
        double at = day * (double)DAY_MS;

        if (!(at < (double)now_ms + (double)TREND_HORIZON_MS))
                return 0;
        return at < (double)now_ms ? now_ms : (int64_t)at;
}

static void
decide(struct trend *trend, const struct trend_day *days, size_t count, int64_t now_ms)
{
        bool limited = isfinite(trend->limit);

        if (limited && trend->now >= trend->limit) {
                trend->verdict = TREND_FULL;
                trend->full_on_ms = trend->full_earliest_ms = trend->full_latest_ms = now_ms;
                return;
        }
        if (trend->p_value >= 0.05 || trend->slope == 0) {
                trend->verdict = TREND_NONE;
                return;
        }
        if (trend->slope < 0) {
                trend->verdict = TREND_FALLING;
                return;
        }
        trend->verdict = TREND_RISING;
        if (!limited)
                return;
        trend->full_on_ms = meeting_ms(meeting_day(days, count, trend->slope, trend), now_ms);
        trend->full_earliest_ms = meeting_ms(meeting_day(days, count, trend->slope_high, trend), now_ms);
        trend->full_latest_ms = meeting_ms(meeting_day(days, count, trend->slope_low, trend), now_ms);
        if (trend->full_latest_ms == 0)
                trend->verdict = TREND_NO_UPPER_DATE;
}

static void
keep_points(struct trend *trend, const struct trend_day *days, size_t count)
{
        for (size_t i = 0; i < count; i++)
                trend->points[i] = (struct trend_point){
                        .at_ms = days[i].at_ms, .value = days[i].value, .segment = days[i].segment};
        trend->point_count = count;
}

/* The newest finite sample that is not after now; NAN when there is none. */
static double
newest_value(const struct sample *samples, size_t count, int64_t now_ms)
{
        int64_t at = INT64_MIN;
        double value = NAN;

        for (size_t i = 0; i < count; i++) {
                if (isfinite(samples[i].value) && samples[i].at_ms <= now_ms && samples[i].at_ms >= at) {
                        at = samples[i].at_ms;
                        value = samples[i].value;
                }
        }
        return value;
}

/* Everything but the hold-out.  `days` is room for TREND_DAYS; its used part is days + *start of *count. */
static int
fit(const struct sample *samples, size_t count, const struct trend_question *question, struct trend *out,
    struct trend_day *days, size_t *start, size_t *day_count)
{
        struct rank_fit ranks;
        double slope;

        *out = (struct trend){.limit = question->limit, .now = newest_value(samples, count, question->now_ms)};
        size_t n = *day_count = trend_daily(samples, count, question->now_ms, days);
        out->segments = trend_segment(days, n, question, &out->recurring);
        keep_points(out, days, n);
        size_t from = *start = choose_start(days, n);
        for (size_t i = from; i < n; i++)
                out->samples += days[i].samples;
        out->points_used = n - from;
        if (n > 0) {
                out->days = days[n - 1].day - days[from].day + 1;
                out->since_ms = days[from].at_ms;
        }
        if (out->points_used < TREND_LEAST_DAYS || out->days < TREND_LEAST_DAYS) {
                if (isfinite(out->limit) && out->now >= out->limit) {
                        out->verdict = TREND_FULL;
                        out->full_on_ms = out->full_earliest_ms = out->full_latest_ms = question->now_ms;
                }
                return 0;
        }
        if (trend_slope(days + from, n - from, &slope) != 0)
                return -1;
        out->weekdays = trend_weekdays(days + from, n - from, slope);
        if (trend_rank(days + from, n - from, &ranks) != 0)
                return -1;
        out->slope = ranks.slope;
        out->slope_low = ranks.low;
        out->slope_high = ranks.high;
        out->p_value = ranks.p_value;
        out->inflation = ranks.inflation;
        out->wanders = ranks.wanders;
        decide(out, days + from, n - from, question->now_ms);
        return 0;
}

/* The last quarter of the days, at least a week and at most a month, forecast from those before them. */
static int
hold_out(const struct sample *samples, size_t count, const struct trend_question *question, struct trend *out,
         const struct trend_day *days, size_t n)
{
        int held = (int)(out->days / 4 < 7 ? 7 : out->days / 4 > HOLD_OUT_MOST ? HOLD_OUT_MOST : out->days / 4);
        struct trend_day earlier[TREND_DAYS];
        size_t from, m;

        if (out->verdict == TREND_TOO_LITTLE || out->points_used < TREND_LEAST_DAYS + (size_t)held)
                return 0;
        struct trend_question before = *question;
        before.now_ms = (days[n - 1].day - held + 1) * DAY_MS - 1;
        scoped(scope_free) struct trend *past = malloc(sizeof *past);
        if (past == NULL || fit(samples, count, &before, past, earlier, &from, &m) != 0)
                return -1;
        if (past->points_used < TREND_LEAST_DAYS || past->days < TREND_LEAST_DAYS)
                return 0;
        double ahead = (double)(days[n - 1].day - earlier[m - 1].day);
        double ends[3], slopes[3] = {past->slope, past->slope_low, past->slope_high}, spread = 0;
        for (int k = 0; k < 3; k++)
                ends[k] = find_anchor(earlier + from, m - from, slopes[k], past->wanders).level + slopes[k] * ahead;
        double line = find_anchor(earlier + from, m - from, past->slope, past->wanders).level;
        for (size_t i = from; i < m && !past->wanders; i++) {
                double fitted = line - past->slope * (double)(earlier[m - 1].day - earlier[i].day);
                if (earlier[i].segment == earlier[m - 1].segment)
                        spread = fmax(spread, fabs(earlier[i].value - fitted));
        }
        out->held_days = held;
        out->held_forecast = ends[0];
        out->held_actual = out->points[n - 1].value;
        out->held_inside = out->held_actual >= ends[1] - spread && out->held_actual <= ends[2] + spread;
        return 0;
}

int
trend_fit(const struct sample *samples, size_t count, const struct trend_question *question, struct trend *out)
{
        struct trend_day days[TREND_DAYS];
        size_t start, n;

        if (fit(samples, count, question, out, days, &start, &n) != 0)
                return -1;
        return hold_out(samples, count, question, out, days, n);
}

static int
put_moment(json_t *row, const char *key, int64_t at_ms)
{
        char text[MOMENT_TEXT];

        if (at_ms == 0)
                return json_put_text(row, key, NULL);
        moment_format(at_ms, text);
        return json_put_text(row, key, text);
}

/* Three or so digits past the slope's own size are noise, and unsteady ones at that. */
static double
rounded(double value)
{
        if (value == 0 || !isfinite(value))
                return value;
        double scale = pow(10, 6 - ceil(log10(fabs(value))));
        return round(value * scale) / scale;
}

static json_t *
plot_points(const struct trend *trend)
{
        scoped_json list = json_array();
        size_t step = (trend->point_count + PLOT_POINTS - 1) / PLOT_POINTS;

        /* Counted back from the newest, which a plot must show. */
        for (size_t i = 0; list != NULL && i < trend->point_count; i++) {
                char text[MOMENT_TEXT];
                if ((trend->point_count - 1 - i) % step != 0)
                        continue;
                moment_format(trend->points[i].at_ms, text);
                if (json_push(list, json_pack("[s, f]", text, trend->points[i].value)) == NULL)
                        return NULL;
        }
        return scope_keep(list);
}

json_t *
trend_projection(const struct trend *trend, const char *subject, const char *unit)
{
        scoped_json row = json_object();
        bool fitted = trend->verdict != TREND_TOO_LITTLE && trend->points_used >= TREND_LEAST_DAYS &&
                      trend->days >= TREND_LEAST_DAYS;
        double none = NAN;

        if (row == NULL || json_put_text(row, "id", subject) != 0 || json_put_text(row, "subject", subject) != 0 ||
            json_put_text(row, "unit", unit) != 0 || json_put_real(row, "now", trend->now) != 0 ||
            json_put_real(row, "limit", trend->limit) != 0 ||
            json_put_real(row, "slope_per_day", fitted ? rounded(trend->slope) : none) != 0 ||
            json_put_real(row, "slope_low", fitted ? rounded(trend->slope_low) : none) != 0 ||
            json_put_real(row, "slope_high", fitted ? rounded(trend->slope_high) : none) != 0 ||
            put_moment(row, "full_on", trend->full_on_ms) != 0 ||
            put_moment(row, "full_earliest", trend->full_earliest_ms) != 0 ||
            put_moment(row, "full_latest", trend->full_latest_ms) != 0 ||
            json_put_whole(row, "samples", (int64_t)trend->samples) != 0 ||
            json_put_whole(row, "days", trend->days) != 0 ||
            json_put_text(row, "verdict", trend_verdict_name(trend->verdict)) != 0 ||
            put_moment(row, "since", trend->since_ms) != 0 || json_put_whole(row, "held_days", trend->held_days) != 0 ||
            json_put_real(row, "held_error",
                          trend->held_days > 0 ? rounded(trend->held_actual - trend->held_forecast) : none) != 0 ||
            json_put(row, "held_inside", trend->held_days > 0 ? json_boolean(trend->held_inside) : json_null()) != 0 ||
            json_put(row, "points", plot_points(trend)) != 0)
                return NULL;
        return scope_keep(row);
}

static const char *
quantity_words(double value, const char *unit, struct findings *findings)
{
        char text[SIZE_TEXT];

        if (strcmp(unit, "bytes") != 0)
                return findings_text(findings, "%.3g", value);
        size_format(value, text);
        return findings_text(findings, "%s", text);
}

static const char *
day_words(int64_t at_ms, struct findings *findings)
{
        char text[MOMENT_TEXT];

        moment_format(at_ms, text);
        return findings_text(findings, "%.10s", text);
}

const char *
trend_words(const struct trend *trend, const char *unit, struct findings *findings)
{
        const char *plain = strcmp(unit, "bytes") == 0 ? "" : findings_text(findings, " %s", unit);

        if (trend->verdict == TREND_TOO_LITTLE)
                return findings_text(findings, "%zu daily point%s over %" PRId64 " day%s, %d over %d are needed",
                                     trend->points_used, trend->points_used == 1 ? "" : "s", trend->days,
                                     trend->days == 1 ? "" : "s", TREND_LEAST_DAYS, TREND_LEAST_DAYS);
        if (trend->verdict == TREND_FULL)
                return "full now";
        if (trend->verdict == TREND_NONE)
                return findings_text(findings, "no trend in %" PRId64 " days (p = %.2f)", trend->days, trend->p_value);
        const char *slope = findings_text(
                findings, "%s by %s%s a day (95 %%: %s to %s)", trend->slope < 0 ? "shrinks" : "grows",
                quantity_words(fabs(trend->slope), unit, findings), plain,
                quantity_words(trend->slope_low, unit, findings), quantity_words(trend->slope_high, unit, findings));
        if (trend->full_on_ms == 0)
                return slope;
        return findings_text(findings, "%s, full on %s (%s to %s)", slope, day_words(trend->full_on_ms, findings),
                             day_words(trend->full_earliest_ms, findings),
                             trend->full_latest_ms != 0 ? day_words(trend->full_latest_ms, findings) : "no upper date");
}

int
trend_judge(const struct history *history, const char *series, const char *resource, double value,
            const struct trend_question *question, const char *subject, const char *unit, struct findings *out,
            struct trend *trend)
{
        const struct series *past = history != NULL ? history_series(history, series, resource) : NULL;
        size_t count = past != NULL ? past->count : 0;
        scoped(scope_free) struct sample *samples = malloc((count + 1) * sizeof *samples);

        if (samples == NULL)
                return -1;
        if (count > 0)
                memcpy(samples, past->samples, count * sizeof *samples);
        samples[count] = (struct sample){.at_ms = question->now_ms, .value = value};
        if (trend_fit(samples, count + 1, question, trend) != 0)
                return -1;
        findings_sample(out, series, resource, value);
        findings_inventory(out, "projections", trend_projection(trend, subject, unit));
        return 0;
}

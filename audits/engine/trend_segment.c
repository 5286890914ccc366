/* Days and segments of a trend: daily maxima, lasting jumps, purges that recur, weekday effects. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "trend_parts.h"

enum { WINDOW = 5 }; /* days on each side of a jump that must agree on it */

static int64_t
day_of(int64_t at_ms)
{
        return at_ms / DAY_MS - (at_ms % DAY_MS < 0);
}

static int
compare_days(const void *a, const void *b)
{
        const struct trend_day *x = a, *y = b;

        return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

/* A last day with under half the usual number of samples is not over: its maximum would be too small. */
static bool
last_is_partial(const struct trend_day *days, size_t count)
{
        double usual[TREND_DAYS];

        if (count < 3)
                return false;
        for (size_t i = 0; i + 1 < count; i++)
                usual[i] = (double)days[i].samples;
        double middle = median_of(usual, count - 1);
        return middle >= 4 && (double)days[count - 1].samples < middle / 2;
}

size_t
trend_daily(const struct sample *samples, size_t count, int64_t now_ms, struct trend_day *days)
{
        int64_t newest = INT64_MIN;
        int slot_of[TREND_DAYS];
        size_t n = 0;

        for (size_t i = 0; i < count; i++) {
                if (isfinite(samples[i].value) && samples[i].at_ms <= now_ms && day_of(samples[i].at_ms) > newest)
                        newest = day_of(samples[i].at_ms);
        }
        memset(slot_of, -1, sizeof slot_of);
        for (size_t i = 0; i < count; i++) {
                int64_t day = day_of(samples[i].at_ms);
                if (!isfinite(samples[i].value) || samples[i].at_ms > now_ms || day <= newest - TREND_DAYS)
                        continue;
                int *slot = &slot_of[newest - day];
                if (*slot < 0) {
                        *slot = (int)n++;
                        days[*slot] = (struct trend_day){
                                .day = day, .at_ms = samples[i].at_ms, .value = samples[i].value};
                } else if (samples[i].value > days[*slot].value) {
                        days[*slot].value = samples[i].value;
                        days[*slot].at_ms = samples[i].at_ms;
                }
                days[*slot].samples++;
        }
        qsort(days, n, sizeof *days, compare_days);
        return last_is_partial(days, n) ? n - 1 : n;
}

static double
median_range(const struct trend_day *days, size_t from, size_t to)
{
        double values[WINDOW];
        size_t n = 0;

        for (size_t i = from; i < to && n < WINDOW; i++)
                values[n++] = days[i].value;
        return median_of(values, n);
}

/* What one day usually adds: median of the daily increments. */
static double
usual_growth(const struct trend_day *days, size_t count)
{
        double steps[TREND_DAYS];

        for (size_t i = 1; i < count; i++)
                steps[i - 1] = (days[i].value - days[i - 1].value) / (double)(days[i].day - days[i - 1].day);
        return median_of(steps, count - 1);
}

/* Level after days[i] less level before, less what growth explains. */
static double
jump_at(const struct trend_day *days, size_t count, size_t i, double growth)
{
        size_t from = i + 1 >= WINDOW ? i + 1 - WINDOW : 0;
        size_t to = i + 1 + WINDOW < count ? i + 1 + WINDOW : count;
        double apart = (double)(days[to - 1].day + days[i + 1].day - days[i].day - days[from].day) / 2;

        return median_range(days, i + 1, to) - median_range(days, from, i + 1) - growth * apart;
}

/* How large a jump must be: far outside the spread of jumps that noise makes, more than five days' growth, and more
 * than 2 % of the level. */
static double
jump_bound(const struct trend_day *days, size_t count, const double *jumps, double growth)
{
        double values[TREND_DAYS], spreads[TREND_DAYS];

        memcpy(spreads, jumps, (count - 1) * sizeof *spreads);
        double middle = median_of(spreads, count - 1);
        for (size_t i = 0; i + 1 < count; i++)
                spreads[i] = fabs(jumps[i] - middle);
        for (size_t i = 0; i < count; i++)
                values[i] = fabs(days[i].value);
        double noise = 6 * 1.4826 * median_of(spreads, count - 1);
        return fmax(fmax(noise, 5 * fabs(growth)), 0.02 * median_of(values, count));
}

/* Among neighbouring days that all see one jump, the day pair whose own step is the largest in its direction. */
static size_t
sharpest(const struct trend_day *days, size_t from, size_t to, bool down)
{
        size_t best = from;
        double largest = -INFINITY;

        for (size_t i = from; i < to; i++) {
                double step = days[i + 1].value - days[i].value;
                if (down)
                        step = -step;
                if (step > largest) {
                        largest = step;
                        best = i;
                }
        }
        return best;
}

struct cut {
        size_t after; /* index of the segment's last day */
        bool down;
};

/* A single outlier at either end is no jump: both sides need two days, and the sides must not overlap, which the sharp
 * step must show by making up half of the jump. */
static size_t
find_jumps(const struct trend_day *days, size_t count, struct cut *cuts)
{
        double jumps[TREND_DAYS];
        size_t found = 0;

        if (count < 4)
                return 0;
        double growth = usual_growth(days, count);
        for (size_t i = 0; i + 1 < count; i++)
                jumps[i] = jump_at(days, count, i, growth);
        double bound = jump_bound(days, count, jumps, growth);
        for (size_t i = 1, j; i + 2 < count; i = j) {
                j = i + 1;
                if (fabs(jumps[i]) <= bound)
                        continue;
                bool down = jumps[i] < 0;
                double largest = fabs(jumps[i]);
                while (j + 2 < count && fabs(jumps[j]) > bound && (jumps[j] < 0) == down) {
                        largest = fmax(largest, fabs(jumps[j]));
                        j++;
                }
                size_t at = sharpest(days, i, j, down);
                double step = days[at + 1].value - days[at].value - growth * (double)(days[at + 1].day - days[at].day);
                if ((step < 0) == down && fabs(step) >= largest / 2)
                        cuts[found++] = (struct cut){.after = at, .down = down};
        }
        return found;
}

/* Three or more purges at a steady pace, the last one not overdue: dropping old data is how this series lives, and its
 * growth is what remains from one purge to the next. */
static bool
purges_recur(const struct trend_day *days, size_t count, const struct cut *cuts, size_t found)
{
        double gaps[TREND_DAYS], largest = 0;
        size_t n = 0;
        int64_t last = -1;

        for (size_t i = 0; i < found; i++) {
                if (!cuts[i].down)
                        continue;
                int64_t day = days[cuts[i].after].day;
                if (last >= 0) {
                        gaps[n++] = (double)(day - last);
                        largest = fmax(largest, (double)(day - last));
                }
                last = day;
        }
        if (n < 2)
                return false;
        double middle = median_of(gaps, n);
        return largest <= 2 * middle && (double)(days[count - 1].day - last) <= 2 * middle;
}

/* A series at 95 % of a limit or above cannot show its growth; once the limit is raised it can. */
static size_t
find_releases(const struct trend_day *days, size_t count, const struct trend_question *question, struct cut *cuts)
{
        size_t found = 0;

        for (size_t k = 1; k < question->limit_count && found < TREND_DAYS; k++) {
                const struct sample *before = &question->limits[k - 1], *after = &question->limits[k];
                if (!(after->value > before->value * 1.001))
                        continue;
                for (size_t i = 0; i + 1 < count; i++) {
                        if (days[i].at_ms < after->at_ms && days[i + 1].at_ms >= after->at_ms &&
                            days[i].value >= 0.95 * before->value)
                                cuts[found++] = (struct cut){.after = i};
                }
        }
        return found;
}

size_t
trend_segment(struct trend_day *days, size_t count, const struct trend_question *question, bool *recurring)
{
        struct cut jumps[TREND_DAYS], releases[TREND_DAYS];
        bool ends[TREND_DAYS] = {false};
        int segment = 0;

        size_t found = find_jumps(days, count, jumps);
        size_t released = find_releases(days, count, question, releases);
        *recurring = purges_recur(days, count, jumps, found);
        for (size_t i = 0; i < found; i++)
                ends[jumps[i].after] = !(*recurring && jumps[i].down);
        for (size_t i = 0; i < released; i++)
                ends[releases[i].after] = true;
        for (size_t i = 0; i < count; i++) {
                days[i].segment = segment;
                segment += ends[i] && i + 1 < count;
        }
        return count > 0 ? (size_t)segment + 1 : 0;
}

static int
weekday_of(int64_t day)
{
        return (int)(((day + 3) % 7 + 7) % 7); /* the epoch was a Thursday; 0 is Monday */
}

struct ranked {
        double value;
        int weekday;
};

static int
compare_ranked(const void *a, const void *b)
{
        double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

        return (x > y) - (x < y);
}

/* Kruskal and Wallis's H over weekdays; ties get their middle rank. */
static double
weekday_spread(const struct ranked *sorted, size_t count)
{
        double sums[7] = {0}, numbers[7] = {0}, n = (double)count, h = 0;

        for (size_t i = 0, j; i < count; i = j) {
                for (j = i + 1; j < count && sorted[j].value <= sorted[i].value; j++)
                        ;
                for (size_t k = i; k < j; k++) {
                        sums[sorted[k].weekday] += ((double)(i + j) + 1) / 2;
                        numbers[sorted[k].weekday]++;
                }
        }
        for (int d = 0; d < 7; d++) {
                if (numbers[d] < 3)
                        return 0;
                h += sums[d] * sums[d] / numbers[d];
        }
        return 12 / (n * (n + 1)) * h - 3 * (n + 1);
}

bool
trend_weekdays(struct trend_day *days, size_t count, double slope)
{
        const double chi_square_99 = 16.812; /* 6 degrees of freedom */
        struct ranked sorted[TREND_DAYS];
        double effects[7], sum = 0;

        if (count < 28)
                return false;
        /* Against a centred week rather than the whole line, so that slow waves do not pass for weekdays. */
        for (size_t i = 0; i < count; i++) {
                double week[7];
                size_t n = 0;
                for (size_t k = 0; k < count; k++) {
                        if (days[k].segment == days[i].segment && llabs(days[k].day - days[i].day) <= 3)
                                week[n++] = days[k].value - slope * (double)(days[k].day - days[i].day);
                }
                double mean = 0;
                for (size_t k = 0; k < n; k++)
                        mean += week[k] / (double)n;
                sorted[i] = (struct ranked){.value = days[i].value - mean, .weekday = weekday_of(days[i].day)};
        }
        qsort(sorted, count, sizeof *sorted, compare_ranked);
        if (weekday_spread(sorted, count) < chi_square_99)
                return false;
        for (int d = 0; d < 7; d++) {
                double own[TREND_DAYS];
                size_t n = 0;
                for (size_t i = 0; i < count; i++) {
                        if (sorted[i].weekday == d)
                                own[n++] = sorted[i].value;
                }
                effects[d] = median_of(own, n);
                sum += effects[d];
        }
        for (size_t i = 0; i < count; i++)
                days[i].value -= effects[weekday_of(days[i].day)] - sum / 7;
        return true;
}

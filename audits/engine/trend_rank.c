/* Slopes, ranks and their intervals: Theil-Sen, Mann-Kendall, autocorrelation, increments.
 *
 * Sources: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau" (1968); K. H. Hamed and
 * A. R. Rao, "A modified Mann-Kendall trend test for autocorrelated data" (1998); M. G. Kendall, "Note on bias in the
 * estimation of autocorrelation" (1954). */

#include <math.h>
#include <stdlib.h>

#include "scope.h"
#include "trend_parts.h"

/* Residuals whose lag-one correlation (freed of bias) exceeds this are taken for a random walk.  Short series show less
 * of it than they have, hence less is enough.  Set by simulation (tests/unit/test_trend.c): below it the inflated rank
 * interval covers, above it only the increments do. */
static double
wandering_from(size_t count)
{
        return 0.9 - 2.5 / sqrt((double)count);
}

static int
compare_numbers(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

double
median_of(double *values, size_t count)
{
        if (count == 0)
                return NAN;
        qsort(values, count, sizeof *values, compare_numbers);
        return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double
student_95(double freedom)
{
        const double z = 1.959963984540054;
        double v = freedom < 3 ? 3 : freedom;
        double z3 = z * z * z, z5 = z3 * z * z;

        return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v);
}

/* Two-sided tail of Student's t, through the normal variable of equal tail (Wallace 1959). */
static double
student_tail(double t, double freedom)
{
        double v = freedom < 3 ? 3 : freedom;
        double z = (8 * v + 1) / (8 * v + 3) * sqrt(v * log1p(t * t / v));

        return erfc(z / sqrt(2));
}

/* Every slope between two days of one segment, sorted; *s is Kendall's sum of signs. */
static double *
pair_slopes(const struct trend_day *days, size_t count, size_t *pairs, double *s)
{
        double *slopes = malloc((count * (count - 1) / 2 + 1) * sizeof *slopes);
        size_t n = 0;

        if (slopes == NULL)
                return NULL;
        *s = 0;
        for (size_t i = 0; i < count; i++) {
                for (size_t j = i + 1; j < count && days[j].segment == days[i].segment; j++) {
                        double rise = days[j].value - days[i].value;
                        *s += (rise > 0) - (rise < 0);
                        slopes[n++] = rise / (double)(days[j].day - days[i].day);
                }
        }
        qsort(slopes, n, sizeof *slopes, compare_numbers);
        *pairs = n;
        return slopes;
}

/* Variance of Kendall's sum for `count` values without trend, ties included. */
static double
kendall_variance(const struct trend_day *days, size_t count)
{
        double values[TREND_DAYS];
        double n = (double)count, ties = 0;

        for (size_t i = 0; i < count; i++)
                values[i] = days[i].value;
        qsort(values, count, sizeof *values, compare_numbers);
        for (size_t i = 0, j; i < count; i = j) {
                for (j = i + 1; j < count && values[j] <= values[i]; j++)
                        ;
                double t = (double)(j - i);
                ties += t * (t - 1) * (2 * t + 5);
        }
        return (n * (n - 1) * (2 * n + 5) - ties) / 18;
}

/* Length of the segment that starts at days[i]. */
static size_t
segment_length(const struct trend_day *days, size_t count, size_t i)
{
        size_t j = i;

        while (j < count && days[j].segment == days[i].segment)
                j++;
        return j - i;
}

/* Values less the line, centred per segment. */
static void
residuals(const struct trend_day *days, size_t count, double slope, double *out)
{
        double sorted[TREND_DAYS];

        for (size_t i = 0, n; i < count; i += n) {
                n = segment_length(days, count, i);
                for (size_t k = 0; k < n; k++)
                        sorted[k] = out[i + k] = days[i + k].value - slope * (double)(days[i + k].day - days[i].day);
                double middle = median_of(sorted, n);
                for (size_t k = 0; k < n; k++)
                        out[i + k] -= middle;
        }
}

/* Mid-ranks, centred on 0. */
static void
centred_ranks(const double *values, size_t count, double *ranks)
{
        double sorted[TREND_DAYS];

        for (size_t i = 0; i < count; i++)
                sorted[i] = values[i];
        qsort(sorted, count, sizeof *sorted, compare_numbers);
        for (size_t i = 0; i < count; i++) {
                size_t below = 0, same = 0;
                for (size_t low = 0, high = count; low < high;) {
                        size_t middle = (low + high) / 2;
                        if (sorted[middle] < values[i])
                                low = below = middle + 1;
                        else
                                high = middle;
                }
                while (below + same < count && sorted[below + same] <= values[i])
                        same++;
                ranks[i] = (double)below + ((double)same + 1) / 2 - ((double)count + 1) / 2;
        }
}

/* Lag-one correlation of the ranked residuals, freed of the bias that fitting a line brings: its expectation is about
 * rho - (2 + 4 rho) / n (Kendall 1954, with the line's second parameter). */
static double
lag_one(const struct trend_day *days, size_t count, double slope)
{
        double values[TREND_DAYS], ranks[TREND_DAYS];
        double product = 0, square = 0, n = (double)count;

        residuals(days, count, slope, values);
        centred_ranks(values, count, ranks);
        for (size_t i = 0; i < count; i++) {
                square += ranks[i] * ranks[i];
                if (i > 0 && days[i].segment == days[i - 1].segment)
                        product += ranks[i] * ranks[i - 1];
        }
        if (square <= 0)
                return 0;
        double rho = (product / square + 2 / n) / (1 - 4 / n);
        return rho < 0 ? 0 : rho > 0.99 ? 0.99 : rho;
}

/* Hamed and Rao's factor for the lags rho^k of a first-order process. */
static double
variance_inflation(size_t count, double rho)
{
        double n = (double)count, sum = 0, power = rho;

        for (double k = 1; k < n - 2; k++, power *= rho)
                sum += (n - k) * (n - k - 1) * (n - k - 2) * power;
        return 1 + 2 / (n * (n - 1) * (n - 2)) * sum;
}

/* A random walk's slope: the variance of a fitted line's slope is 6/5 of the mean increment's (Durlauf and Phillips
 * 1988).  The increments' own variance is long-run (Bartlett weights), never less than that of independent ones. */
static int
increments_interval(const struct trend_day *days, size_t count, struct rank_fit *fit)
{
        double steps[TREND_DAYS], mean = 0, elapsed = 0;
        size_t n = 0;

        for (size_t i = 1; i < count; i++) {
                if (days[i].segment != days[i - 1].segment)
                        continue;
                double gap = (double)(days[i].day - days[i - 1].day);
                /* A gap of g days holds g increments: scaled to the spread of one. */
                steps[n] = (days[i].value - days[i - 1].value - fit->slope * gap) / sqrt(gap);
                mean += steps[n++];
                elapsed += gap;
        }
        if (n < 3)
                return -1;
        mean /= (double)n;
        double plain = 0, lagged = 0;
        size_t lags = (size_t)cbrt((double)n);
        for (size_t k = 0; k <= lags; k++) {
                double sum = 0;
                for (size_t i = k; i < n; i++)
                        sum += (steps[i] - mean) * (steps[i - k] - mean);
                if (k == 0)
                        plain = sum;
                else
                        lagged += 2 * (1 - (double)k / (double)(lags + 1)) * sum;
        }
        double variance = (plain + (lagged > 0 ? lagged : 0)) / ((double)n - 1);
        double spread = sqrt(1.2 * variance / elapsed);
        double reach = student_95((double)n - 1) * spread;
        fit->low = fit->slope - reach;
        fit->high = fit->slope + reach;
        fit->p_value = spread > 0 ? student_tail(fit->slope / spread, (double)n - 1) : fit->slope == 0 ? 1 : 0;
        return 0;
}

/* The value at a position between 1 and count of a sorted array, between its neighbours. */
static double
order_statistic(const double *sorted, size_t count, double position)
{
        if (position <= 1)
                return sorted[0];
        if (position >= (double)count)
                return sorted[count - 1];
        size_t below = (size_t)position;
        double part = position - (double)below;
        return sorted[below - 1] + part * (sorted[below] - sorted[below - 1]);
}

int
trend_slope(const struct trend_day *days, size_t count, double *slope)
{
        size_t pairs;
        double s;
        scoped(scope_free) double *slopes = pair_slopes(days, count, &pairs, &s);

        if (slopes == NULL || pairs == 0)
                return -1;
        *slope = median_of(slopes, pairs);
        return 0;
}

int
trend_rank(const struct trend_day *days, size_t count, struct rank_fit *fit)
{
        size_t pairs;
        double s, variance = 0;
        scoped(scope_free) double *slopes = pair_slopes(days, count, &pairs, &s);

        if (slopes == NULL || pairs < 3)
                return -1;
        fit->slope = order_statistic(slopes, pairs, ((double)pairs + 1) / 2);
        double rho = lag_one(days, count, fit->slope);
        fit->inflation = variance_inflation(count, rho);
        fit->wanders = rho >= wandering_from(count);
        if (fit->wanders)
                return increments_interval(days, count, fit);
        for (size_t i = 0, n; i < count; i += n) {
                n = segment_length(days, count, i);
                variance += kendall_variance(days + i, n);
        }
        variance *= fit->inflation;
        /* The correlation is an estimate: fewer days are effective than were seen, hence t and not z. */
        double freedom = (double)count / fit->inflation - 2;
        double deviation = sqrt(variance), reach = student_95(freedom) * deviation;
        fit->low = order_statistic(slopes, pairs, ((double)pairs - reach) / 2);
        fit->high = order_statistic(slopes, pairs, ((double)pairs + reach) / 2 + 1);
        double distance = fabs(s) > 1 ? fabs(s) - 1 : 0;
        fit->p_value = deviation > 0 ? student_tail(distance / deviation, freedom) : 1;
        return 0;
}

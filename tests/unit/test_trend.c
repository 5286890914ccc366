/* Trends against closed forms and against simulated series whose truth is known. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "trend.h"

static const int64_t epoch = INT64_C(1767225600000); /* 2026-01-01, a Thursday */

/* A xorshift generator: the same series on every machine, for good. */
struct noise {
        uint64_t state;
};

static double
uniform(struct noise *noise)
{
        noise->state ^= noise->state << 13;
        noise->state ^= noise->state >> 7;
        noise->state ^= noise->state << 17;
        return ((double)(noise->state >> 11) + 0.5) / 9007199254740992.0;
}

static double
normal(struct noise *noise)
{
        double radius = sqrt(-2 * log(uniform(noise)));

        return radius * cos(6.283185307179586 * uniform(noise));
}

static struct noise
noise_of(unsigned seed)
{
        struct noise noise = {UINT64_C(0x9e3779b97f4a7c15) * (seed + 1)};

        for (int i = 0; i < 10; i++)
                uniform(&noise);
        return noise;
}

static int64_t
morning(int day)
{
        return epoch + day * DAY_MS + 3 * HOUR_MS;
}

static struct trend *
fitted(const struct sample *samples, size_t count, double limit)
{
        struct trend *trend = malloc(sizeof *trend);
        struct trend_question question = {.now_ms = samples[count - 1].at_ms, .limit = limit};

        assert_non_null(trend);
        assert_int_equal(trend_fit(samples, count, &question, trend), 0);
        return trend;
}

#define scoped_trend scoped(scope_free) struct trend *

static void
test_straight_line(void **state)
{
        struct sample samples[40];

        (void)state;
        for (int i = 0; i < 40; i++)
                samples[i] = (struct sample){morning(i), 100 + 2.5 * i};
        scoped_trend trend = fitted(samples, 40, 300);
        assert_int_equal(trend->verdict, TREND_RISING);
        assert_float_equal(trend->slope, 2.5, 1e-9);
        assert_float_equal(trend->slope_low, 2.5, 1e-9);
        assert_float_equal(trend->slope_high, 2.5, 1e-9);
        assert_float_equal(trend->now, 197.5, 1e-9);
        /* 102.5 left at 2.5 a day: day 39 + 41, at its midnight. */
        assert_int_equal(trend->full_on_ms, epoch + 80 * DAY_MS);
        assert_int_equal(trend->full_earliest_ms, trend->full_on_ms);
        assert_int_equal(trend->full_latest_ms, trend->full_on_ms);
        assert_int_equal(trend->segments, 1);
        assert_int_equal(trend->held_days, 10);
        assert_float_equal(trend->held_forecast, 197.5, 1e-6);
        assert_true(trend->held_inside);
        assert_true(trend->p_value < 1e-4);
}

/* Sen's estimator by hand: 1, 3, 2, 6 at days 0, 1, 3, 7 ... is a median of pair slopes; outliers do not move it. */
static void
test_outliers(void **state)
{
        struct sample samples[31];

        (void)state;
        for (int i = 0; i < 31; i++)
                samples[i] = (struct sample){morning(i), 10 + i + (i % 2 == 0 ? 0.1 : -0.1)};
        samples[7].value = 900;
        samples[19].value = -500;
        samples[30].value = 400;
        scoped_trend trend = fitted(samples, 31, NAN);
        assert_int_equal(trend->verdict, TREND_RISING);
        assert_float_equal(trend->slope, 1, 0.02);
        assert_int_equal(trend->segments, 1);
        assert_int_equal(trend->full_on_ms, 0);
}

static void
test_verdicts(void **state)
{
        static const struct {
                const char *words;
                int days;
                double first, slope, limit;
                enum trend_verdict verdict;
        } cases[] = {
                {"constant", 30, 5, 0, 10, TREND_NONE},
                {"falling", 30, 100, -2, 1000, TREND_FALLING},
                {"thirteen points", 13, 1, 1, 100, TREND_TOO_LITTLE},
                {"fourteen points", 14, 1, 1, 100, TREND_RISING},
                {"at the limit", 30, 71, 1, 100, TREND_FULL},
                {"over the limit with too little data", 3, 120, 1, 100, TREND_FULL},
                {"no limit known", 30, 1, 1, NAN, TREND_RISING},
                {"too slow for a date", 30, 1, 1e-9, 100, TREND_NO_UPPER_DATE},
        };
        struct sample samples[30];

        (void)state;
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
                for (int i = 0; i < cases[k].days; i++)
                        samples[i] = (struct sample){morning(i), cases[k].first + cases[k].slope * i};
                scoped_trend trend = fitted(samples, (size_t)cases[k].days, cases[k].limit);
                if (trend->verdict != cases[k].verdict)
                        fail_msg("%s: %s", cases[k].words, trend_verdict_name(trend->verdict));
        }
}

static void
test_many_points_in_few_days(void **state)
{
        struct sample samples[480];

        (void)state;
        for (int i = 0; i < 480; i++)
                samples[i] = (struct sample){epoch + i * (DAY_MS / 48), i};
        scoped_trend trend = fitted(samples, 480, 1e6);
        assert_int_equal(trend->verdict, TREND_TOO_LITTLE);
        assert_int_equal(trend->point_count, 10);
        assert_float_equal(trend->points[0].value, 47, 0);
}

/* Order, not-a-number, the future and several samples a day. */
static void
test_hostile_samples(void **state)
{
        struct sample samples[64];
        size_t n = 0;

        (void)state;
        for (int i = 19; i >= 0; i--) {
                samples[n++] = (struct sample){morning(i), 10 + i};
                samples[n++] = (struct sample){morning(i) + HOUR_MS, 5};
        }
        samples[n++] = (struct sample){morning(5), NAN};
        samples[n++] = (struct sample){morning(6), INFINITY};
        samples[n++] = (struct sample){morning(400), 1e9};
        struct trend_question question = {.now_ms = morning(19) + HOUR_MS, .limit = NAN};
        scoped_trend trend = malloc(sizeof *trend);
        assert_int_equal(trend_fit(samples, n, &question, trend), 0);
        assert_float_equal(trend->slope, 1, 1e-9);
        assert_float_equal(trend->now, 5, 0);
        assert_int_equal(trend->points_used, 20);
        assert_int_equal(trend->samples, 40);
        question.now_ms = epoch - DAY_MS;
        assert_int_equal(trend_fit(samples, n, &question, trend), 0);
        assert_int_equal(trend->verdict, TREND_TOO_LITTLE);
        assert_int_equal(trend->point_count, 0);
        assert_int_equal(trend_fit(NULL, 0, &question, trend), 0);
        scoped_json row = trend_projection(trend, "x", "bytes");
        assert_string_equal(json_text(row, "verdict", ""), "too-little-data");
        assert_true(json_is_null(json_object_get(row, "slope_per_day")));
}

/* --- simulation ------------------------------------------------------------------------------------------- */

struct simulation {
        const char *words;
        int days;
        double slope, rho; /* rho of the noise; 1: the noise accumulates */
        double step;       /* added from day step_at on */
        int step_at;
        double weekday;                /* added on Saturdays and Sundays */
        int least_inside, most_inside; /* per cent of the seeds whose interval holds the slope */
        int least_silent;              /* slope 0: per cent with "no trend" */
};

enum { SEEDS = 200 };

static size_t
simulate(const struct simulation *simulation, unsigned seed, struct sample *samples)
{
        struct noise noise = noise_of(seed * 7919 + (unsigned)simulation->days);
        double rho = simulation->rho, error = rho < 1 ? normal(&noise) / sqrt(1 - rho * rho) : 0;

        for (int i = 0; i < simulation->days; i++) {
                double value = 1000 + simulation->slope * i + error;
                if (simulation->step_at > 0 && i >= simulation->step_at)
                        value += simulation->step;
                if ((i + 3) % 7 >= 5)
                        value += simulation->weekday;
                samples[i] = (struct sample){morning(i), value};
                error = rho * error + normal(&noise);
        }
        return (size_t)simulation->days;
}

static const struct simulation simulations[] = {
        {"independent noise, 14 days", 14, 1, 0, 0, 0, 0, 93, 99, 0},
        {"independent noise, 30 days", 30, 1, 0, 0, 0, 0, 93, 98, 0},
        {"independent noise, 60 days", 60, 0.2, 0, 0, 0, 0, 93, 98, 0},
        {"independent noise, 120 days", 120, 0.05, 0, 0, 0, 0, 93, 98, 0},
        {"correlated noise 0.3, 30 days", 30, 1, 0.3, 0, 0, 0, 93, 98, 0},
        {"correlated noise 0.5, 60 days", 60, 1, 0.5, 0, 0, 0, 92, 98, 0},
        {"correlated noise 0.7, 60 days", 60, 1, 0.7, 0, 0, 0, 92, 98, 0},
        {"accumulating noise, 60 days", 60, 1, 1, 0, 0, 0, 92, 98, 0},
        {"accumulating noise, 120 days", 120, 1, 1, 0, 0, 0, 92, 98, 0},
        {"purge in the middle, 60 days", 60, 1, 0, -300, 40, 0, 93, 99, 0},
        {"purge a week ago, 60 days", 60, 1, 0, -300, 53, 0, 92, 99, 0},
        {"bulk load in the middle, 60 days", 60, 0.5, 0.3, 200, 30, 0, 92, 99, 0},
        {"weekends, 60 days", 60, 0.2, 0, 0, 0, 8, 92, 99, 0},
        {"no trend, independent, 30 days", 30, 0, 0, 0, 0, 0, 93, 98, 93},
        {"no trend, independent, 60 days", 60, 0, 0, 0, 0, 0, 93, 98, 93},
        {"no trend, correlated 0.5, 60 days", 60, 0, 0.5, 0, 0, 0, 92, 98, 92},
        {"no trend, accumulating, 60 days", 60, 0, 1, 0, 0, 0, 92, 98, 92},
        {"no trend, but a purge, 60 days", 60, 0, 0, -300, 30, 0, 93, 99, 93},
        {"no trend, but a bulk load, 60 days", 60, 0, 0, 300, 45, 0, 93, 99, 93},
};

static void
test_simulations(void **state)
{
        struct sample samples[TREND_DAYS];
        int wrong = 0;

        (void)state;
        for (size_t k = 0; k < sizeof simulations / sizeof simulations[0]; k++) {
                const struct simulation *simulation = &simulations[k];
                int inside = 0, silent = 0, cut = 0;
                for (unsigned seed = 0; seed < SEEDS; seed++) {
                        size_t n = simulate(simulation, seed, samples);
                        scoped_trend trend = fitted(samples, n, NAN);
                        inside += trend->slope_low <= simulation->slope && simulation->slope <= trend->slope_high;
                        silent += trend->verdict == TREND_NONE;
                        cut += trend->segments > 1;
                }
                double share = 100.0 * inside / SEEDS, quiet = 100.0 * silent / SEEDS;
                bool good = share >= simulation->least_inside && share <= simulation->most_inside &&
                            quiet >= simulation->least_silent;
                print_message("%-40s inside %5.1f %%  \"no trend\" %5.1f %%  cut %5.1f %%%s\n", simulation->words,
                              share, quiet, 100.0 * cut / SEEDS, good ? "" : "  WRONG");
                wrong += !good;
        }
        assert_int_equal(wrong, 0);
}

/* The date on which the true line meets the limit lies in the range, and the hold-out is inside its own. */
static void
test_dates_hold(void **state)
{
        const struct simulation simulation = {.days = 60, .slope = 0.5};
        struct sample samples[TREND_DAYS];
        int inside = 0, held = 0, dated = 0;
        int64_t truth = epoch + (int64_t)(200 * (double)DAY_MS); /* 1000 + 0.5 * 200 */

        (void)state;
        for (unsigned seed = 0; seed < SEEDS; seed++) {
                size_t n = simulate(&simulation, seed, samples);
                scoped_trend trend = fitted(samples, n, 1100);
                if (trend->verdict != TREND_RISING)
                        continue;
                dated++;
                inside += trend->full_earliest_ms <= truth && truth <= trend->full_latest_ms;
                assert_true(trend->full_earliest_ms <= trend->full_on_ms);
                assert_true(trend->full_on_ms <= trend->full_latest_ms);
                held += trend->held_days > 0 && trend->held_inside;
        }
        assert_int_equal(dated, SEEDS);
        assert_in_range(100 * inside / SEEDS, 92, 99);
        assert_in_range(100 * held / SEEDS, 90, 100);
}

static void
test_purge_moves_the_date_not_the_slope(void **state)
{
        struct sample samples[60];

        (void)state;
        for (int i = 0; i < 60; i++)
                samples[i] = (struct sample){morning(i), 1000 + 10 * i - (i >= 55 ? 400 : 0)};
        scoped_trend trend = fitted(samples, 60, 2000);
        assert_int_equal(trend->verdict, TREND_RISING);
        assert_float_equal(trend->slope, 10, 1e-6);
        assert_int_equal(trend->segments, 2);
        /* 1190 now, 810 left: 81 days from day 59. */
        assert_int_equal(trend->full_on_ms, epoch + 140 * DAY_MS);
}

/* Old partitions dropped every 30 days: the growth between two drops is not what fills the disk. */
static void
test_recurring_purges(void **state)
{
        struct sample samples[180];

        (void)state;
        for (int i = 0; i < 180; i++)
                samples[i] = (struct sample){morning(i), 1000 + 10 * (i % 30) + i / 30};
        scoped_trend trend = fitted(samples, 180, 2000);
        assert_true(trend->recurring);
        assert_int_equal(trend->segments, 1);
        assert_true(trend->slope < 2);
}

/* Pressed against a full volume, then the volume is enlarged: the flat part says nothing about growth. */
static void
test_raised_limit(void **state)
{
        struct sample samples[50], limits[50];

        (void)state;
        for (int i = 0; i < 50; i++) {
                samples[i] = (struct sample){morning(i), i < 30 ? 990 : 990 + 4 * (i - 29)};
                limits[i] = (struct sample){morning(i), i < 30 ? 1000 : 2000};
        }
        struct trend_question question = {.now_ms = morning(49), .limit = 2000, .limits = limits, .limit_count = 50};
        scoped_trend trend = malloc(sizeof *trend);
        assert_int_equal(trend_fit(samples, 50, &question, trend), 0);
        assert_int_equal(trend->segments, 2);
        assert_int_equal(trend->points_used, 20);
        assert_float_equal(trend->slope, 4, 1e-9);
}

static void
test_gaps_and_weekly_samples(void **state)
{
        struct sample samples[20];

        (void)state;
        for (int i = 0; i < 20; i++)
                samples[i] = (struct sample){morning(i * 7), 100 + 21 * i};
        scoped_trend trend = fitted(samples, 20, 1000);
        assert_int_equal(trend->verdict, TREND_RISING);
        assert_float_equal(trend->slope, 3, 1e-9);
        assert_int_equal(trend->days, 134);
}

static void
test_projection_row(void **state)
{
        static const char *const keys[] = {"subject",   "unit",    "now",           "limit",       "slope_per_day",
                                           "slope_low", "full_on", "full_earliest", "full_latest", "slope_high",
                                           "samples",   "days",    "verdict",       "points"};
        struct sample samples[399];

        (void)state;
        for (int i = 0; i < 399; i++)
                samples[i] = (struct sample){morning(i), 1e9 + 1e6 * i};
        scoped_trend trend = fitted(samples, 399, 2e9);
        scoped_json row = trend_projection(trend, "database orders", "bytes");
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
                assert_non_null(json_object_get(row, keys[i]));
        const json_t *points = json_list(row, "points");
        assert_in_range(json_array_size(points), 100, 200);
        const json_t *last = json_array_get(points, json_array_size(points) - 1);
        assert_string_equal(json_string_value(json_array_get(last, 0)), "2027-02-03T03:00:00Z");
        struct findings *findings = findings_new();
        assert_string_equal(trend_words(trend, "bytes", findings),
                            "grows by 1 MB a day (95 %: 1 MB to 1 MB), full on 2028-09-27 (2028-09-27 to "
                            "2028-09-27)");
        findings_free(findings);
}

static void
test_judge_adds_the_present(void **state)
{
        struct history *history = history_new(morning(20));
        struct findings *findings = findings_new();
        struct trend_question question = {.now_ms = morning(20), .limit = 100};
        scoped_trend trend = malloc(sizeof *trend);

        (void)state;
        for (int i = 0; i < 20; i++)
                assert_int_equal(history_add(history, "disk.used_bytes", "db", morning(i), i), 0);
        assert_int_equal(
                trend_judge(history, "disk.used_bytes", "db", 20, &question, "database db", "bytes", findings, trend),
                0);
        assert_int_equal(trend->samples, 21);
        assert_float_equal(trend->slope, 1, 1e-9);
        assert_int_equal(findings->sample_count, 1);
        assert_int_equal(findings->inventory_count, 1);
        assert_int_equal(trend_judge(NULL, "other", "", 20, &question, "other", "bytes", findings, trend), 0);
        assert_int_equal(trend->verdict, TREND_TOO_LITTLE);
        findings_free(findings);
        history_free(history);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_straight_line),
                cmocka_unit_test(test_outliers),
                cmocka_unit_test(test_verdicts),
                cmocka_unit_test(test_many_points_in_few_days),
                cmocka_unit_test(test_hostile_samples),
                cmocka_unit_test(test_simulations),
                cmocka_unit_test(test_dates_hold),
                cmocka_unit_test(test_purge_moves_the_date_not_the_slope),
                cmocka_unit_test(test_recurring_purges),
                cmocka_unit_test(test_raised_limit),
                cmocka_unit_test(test_gaps_and_weekly_samples),
                cmocka_unit_test(test_projection_row),
                cmocka_unit_test(test_judge_adds_the_present),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

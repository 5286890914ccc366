/* Trends: does a series rise, how fast, and when does it meet its limit?  Pure arithmetic over samples.
 *
 * The method, in the order in which it works:
 *  1. Daily maxima over UTC days (time zones do not change the answer), at most TREND_DAYS of them, the newest.  A last
 *     day with far fewer samples than its fellows is left out, its maximum is not comparable.
 *  2. Segments: a lasting jump (purge, bulk load) ends a segment, and so does a raised limit that the series had been
 *     pressed against.  Purges that recur regularly are part of the series' life and do not cut it.
 *  3. Weekday effects are taken out where four weeks are there and a Kruskal-Wallis test (1 %) finds them.
 *  4. Slope: median of the slopes of all pairs of days inside a segment (Theil 1950, Sen 1968).  The newest segment
 * alone when it has enough days, else as many of the newest ones as it takes; pairs never span a jump.
 *  5. Test: Mann-Kendall with ties, its variance multiplied by what the autocorrelation of the ranked residuals makes
 * of it (Hamed and Rao 1998, with the lags of a first-order process and its lag-one correlation freed of its
 * small-sample bias, since free lags cover badly below some hundred days).  The same variance gives Sen's rank
 * interval.
 *  6. A series that wanders (residuals nearly a random walk: what grows by random amounts does) has no stationary noise
 *     for ranks to average over.  Its interval and its test come from the daily increments instead.
 *  7. Dates: where the line, and the lines of both ends of the interval, meet the limit.
 *  8. Hold-out: the same method on the series without its last days, scored against what those days brought. */
#ifndef ROUNDS_TREND_H
#define ROUNDS_TREND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finding.h"
#include "history.h"

#define TREND_DAYS       400 /* daily maxima that are looked at; pairs are their square's half */
#define TREND_LEAST_DAYS 14  /* fewer points, or over fewer days, is TREND_TOO_LITTLE */
#define TREND_HORIZON_MS (INT64_C(100) * 365 * 86400000) /* a date further away than this is no date */

enum trend_verdict {
        TREND_TOO_LITTLE,    /* "too-little-data" */
        TREND_NONE,          /* "no trend": what is seen is what noise does; p >= 0.05 */
        TREND_FALLING,       /* "falling" */
        TREND_RISING,        /* "rising": with all three dates where there is a limit */
        TREND_NO_UPPER_DATE, /* "no upper date": rises, but so uncertainly that the latest date is beyond any horizon */
        TREND_FULL,          /* "full": the limit is reached now */
};

/* Stands in reports: never renamed. */
const char *trend_verdict_name(enum trend_verdict verdict);

struct trend_question {
        int64_t now_ms;
        double limit;                /* what must not be reached, in the series' unit; NAN: none is known */
        const struct sample *limits; /* earlier values of the limit, oldest first; may be NULL */
        size_t limit_count;
};

struct trend_point {
        int64_t at_ms; /* of the day's largest sample */
        double value;
        int segment;
};

struct trend {
        enum trend_verdict verdict;
        double now;   /* newest sample */
        double limit; /* NAN: none */

        /* Valid unless the verdict is TREND_TOO_LITTLE; units per day; a 95 % interval. */
        double slope, slope_low, slope_high;
        double p_value;
        double inflation; /* factor on the variance for autocorrelation, at least 1 */
        bool wanders;     /* interval and test from increments */
        bool weekdays;    /* weekday effects were taken out */
        bool recurring;   /* regular purges, not cut at */
        int64_t full_on_ms, full_earliest_ms, full_latest_ms; /* 0: no such date */

        size_t samples;     /* raw samples in the segments used */
        size_t points_used; /* daily maxima in them */
        int64_t days;       /* from the first to the last of them, both counted */
        size_t segments;    /* found in the whole series */
        int64_t since_ms;   /* start of the oldest segment used */

        /* Hold-out; held_days 0: not enough data for one. */
        int held_days;
        double held_forecast, held_actual; /* value at the end of the held-out days */
        bool held_inside;                  /* the actual value lies in the forecast's range */

        struct trend_point points[TREND_DAYS]; /* every daily maximum, for plots; oldest first */
        size_t point_count;
};

/* Fits `count` samples in any order of time; those after question->now_ms and those that are not finite are ignored.
 * 0, or -1 when memory ran out. */
int trend_fit(const struct sample *samples, size_t count, const struct trend_question *question, struct trend *out)
        __attribute__((warn_unused_result));

/* The row of the report's `projections[]` (new; NULL when memory ran out): id, subject, unit, now, limit,
 * slope_per_day, slope_low, slope_high, full_on, full_earliest, full_latest (RFC 3339 or null), samples, days, verdict;
 * and beyond the contract since, held_days, held_error, held_inside, points ([[time, value], ...], at most 200).
 * `subject` is unique within the target and serves as the id. */
json_t *trend_projection(const struct trend *trend, const char *subject, const char *unit);

/* One clause for people: "grows by 1.2 GiB a day (0.9 to 1.4), full on 2027-01-03 (2026-12-20 to 2027-02-01)"; sizes in
 * bytes when `unit` is "bytes".  Lives as long as `findings`. */
const char *trend_words(const struct trend *trend, const char *unit, struct findings *findings);

/* The samples of a series with the run's own value at their end, and what becomes of them: fitted, told to `out` as the
 * sample of this run and as a projection.  Fills `trend`.  `series` may be unknown to the history. */
int trend_judge(const struct history *history, const char *series, const char *resource, double value,
                const struct trend_question *question, const char *subject, const char *unit, struct findings *out,
                struct trend *trend) __attribute__((warn_unused_result));

#endif

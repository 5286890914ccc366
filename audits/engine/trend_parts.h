/* What the files of the trend mathematics (trend*.c) share among themselves; nobody else includes this. */
#ifndef ROUNDS_TREND_PARTS_H
#define ROUNDS_TREND_PARTS_H

#include "trend.h"

/* One daily maximum on its way through the method. */
struct trend_day {
        int64_t day; /* whole days since the epoch, UTC */
        int64_t at_ms;
        double value;
        size_t samples; /* raw ones of that day */
        int segment;
};

/* What ranks (or increments) say about the days of one or more segments. */
struct rank_fit {
        double slope, low, high;
        double p_value;
        double inflation;
        bool wanders;
};

/* Middle of `count` values, which are reordered; NAN for none. */
double median_of(double *values, size_t count);

/* Two-sided quantile of Student's t at 95 %, by its expansion around the normal one; `freedom` at least 3. */
double student_95(double freedom);

/* Daily maxima, oldest first, into days[TREND_DAYS]; how many. */
size_t trend_daily(const struct sample *samples, size_t count, int64_t now_ms, struct trend_day *days);

/* Numbers the segments from 0; returns how many there are.  `recurring` tells of regular purges. */
size_t trend_segment(struct trend_day *days, size_t count, const struct trend_question *question, bool *recurring);

/* True (and the values changed) when weekday effects were found and taken out. */
bool trend_weekdays(struct trend_day *days, size_t count, double slope);

/* At least 3 days in one of the segments, else -1; -1 when memory ran out, too. */
int trend_rank(const struct trend_day *days, size_t count, struct rank_fit *fit);

/* The middle of the slopes alone. */
int trend_slope(const struct trend_day *days, size_t count, double *slope);

#endif

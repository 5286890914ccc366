/* Bounds of partitions as moments: what pg_get_expr(relpartbound) and CHECK constraints say, read without asking the
 * server to understand it.  Pure.
 *
 * The session's zone is UTC and its datestyle ISO, so a bound of type timestamptz is text in UTC.  Dates and timestamps
 * without a zone are taken as UTC.  Numbers are epochs by their size: seconds, milli-, micro-, nanoseconds since 1970,
 * or a calendar's digits (20261101, 202611).  Of a uuid the first 48 bits count (version 7). */
#ifndef ROUNDS_PARTITION_BOUNDS_H
#define ROUNDS_PARTITION_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "finding.h"

#define PARTITION_OPEN_BEGIN INT64_MIN /* MINVALUE, -infinity */
#define PARTITION_OPEN_END   INT64_MAX /* MAXVALUE, infinity */

/* How a moment is written in a bound. */
enum partition_unit {
        PARTITION_NO_UNIT, /* both ends are open */
        PARTITION_DATE,
        PARTITION_TIMESTAMP,
        PARTITION_TIMESTAMPTZ,
        PARTITION_SECONDS,
        PARTITION_MILLISECONDS,
        PARTITION_MICROSECONDS,
        PARTITION_NANOSECONDS,
        PARTITION_DAY_DIGITS,
        PARTITION_MONTH_DIGITS,
        PARTITION_UUID,
};

struct partition_range {
        int64_t from_ms, until_ms; /* from included, until not */
        enum partition_unit unit;
};

/* One value of such a kind, as text: "2026-10-01 00:00:00+00", "1790812800".  False when it is no moment. */
bool partition_moment_parse(const char *text, int64_t *at_ms, enum partition_unit *unit);

/* "FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')": of several key columns the first counts.  False when an end is no
 * moment. */
bool partition_range_parse(const char *bound, struct partition_range *range);

/* "CHECK (((at >= '2026-10-01'::date) AND (at < '2026-11-01'::date)))", as partitioning by inheritance has it.  False
 * when it does not hold both ends. */
bool partition_check_parse(const char *check, struct partition_range *range);

/* In ascending order of length. */
enum partition_period {
        PERIOD_OTHER, /* not one of these */
        PERIOD_HOUR,
        PERIOD_DAY,
        PERIOD_WEEK,
        PERIOD_MONTH,
        PERIOD_QUARTER,
        PERIOD_HALF_YEAR,
        PERIOD_YEAR,
};
const char *partition_period_name(enum partition_period period); /* "month" */

/* By its length, with an hour to spare for summer time. */
enum partition_period partition_period_of(const struct partition_range *range);

/* True for a range longer than a month. */
bool partition_is_coarse(const struct partition_range *range);

/* The end of the period that begins at `from_ms`; `from_ms` itself when it does not begin at UTC midnight (of a first
 * of month, for months and longer), or the period is PERIOD_OTHER: then nobody knows. */
int64_t partition_period_end(int64_t from_ms, enum partition_period period);

/* A moment as a bound wants it: '2026-11-01', 1793491200, 20261101.  Lives as long as `out`. */
const char *partition_bound_text(struct findings *out, int64_t at_ms, enum partition_unit unit);

/* "2026_11" or "2026_11_07" (hours: "2026_11_07_13"): what names of partitions end with. */
const char *partition_suffix(struct findings *out, int64_t from_ms, enum partition_period period);

#endif

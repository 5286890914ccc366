/* What earlier runs measured, as a judge sees it: samples of the series its audit named, up to the run's start.
 *
 * Everything is borrowed from the history; it is not changed while a judge runs. */
#ifndef ROUNDS_HISTORY_H
#define ROUNDS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

struct sample {
        int64_t at_ms; /* UTC */
        double value;
};

struct series {
        const char *name;             /* "wal.slot_retained_bytes" */
        const char *resource;         /* "" for the target itself */
        const struct sample *samples; /* oldest first, strictly before the run's start */
        size_t count;
};

struct history;

struct history *history_new(int64_t now_ms); /* NULL when memory ran out */
void history_free(struct history *history);

/* Adds one sample; in any order, sorted on first reading.  0, or -1 when memory ran out. */
int history_add(struct history *history, const char *series, const char *resource, int64_t at_ms, double value);

/* The run's start: the only clock a judge knows. */
int64_t history_now(const struct history *history);

/* One series, NULL when there is none. */
const struct series *history_series(const struct history *history, const char *name, const char *resource);

/* Every series, for those whose resources are not known beforehand. */
size_t history_count(const struct history *history);
const struct series *history_at(const struct history *history, size_t index);

/* The highest value of a series in the last `window_ms`, `now` (measured in this run) among them; *looks counts the
 * values.  `history` may be NULL. */
double history_peak(const struct history *history, const char *name, const char *resource, int64_t window_ms,
                    double now, size_t *looks);

/* The newest sample of a series, NULL when there is none. */
const struct sample *history_last(const struct history *history, const char *name, const char *resource);

#endif

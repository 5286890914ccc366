/* Samples of earlier runs, by series and resource, sorted when first read. */

#include "history.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct line {
        struct series series;
        char *name, *resource;
        struct sample *samples;
        size_t capacity;
        bool sorted;
};

struct history {
        int64_t now_ms;
        struct line *lines; /* sorted by name, resource */
        size_t count;
        size_t capacity;
        size_t newest; /* the line that history_add() met last: samples come in runs of one series */
};

struct history *
history_new(int64_t now_ms)
{
        struct history *history = calloc(1, sizeof *history);

        if (history != NULL)
                history->now_ms = now_ms;
        return history;
}

void
history_free(struct history *history)
{
        if (history == NULL)
                return;
        for (size_t i = 0; i < history->count; i++) {
                free(history->lines[i].name);
                free(history->lines[i].resource);
                free(history->lines[i].samples);
        }
        free(history->lines);
        free(history);
}

int64_t
history_now(const struct history *history)
{
        return history->now_ms;
}

static int
order(const struct line *line, const char *name, const char *resource)
{
        int by_name = strcmp(line->name, name);

        return by_name != 0 ? by_name : strcmp(line->resource, resource);
}

/* Where the series stands, or would stand. */
static size_t
place(const struct history *history, const char *name, const char *resource, bool *found)
{
        size_t low = 0, high = history->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int by = order(&history->lines[middle], name, resource);
                if (by == 0) {
                        *found = true;
                        return middle;
                }
                if (by < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *found = false;
        return low;
}

static struct line *
line_for(struct history *history, const char *name, const char *resource)
{
        bool found;

        if (history->newest < history->count && order(&history->lines[history->newest], name, resource) == 0)
                return &history->lines[history->newest];
        size_t at = place(history, name, resource, &found);
        history->newest = at;
        if (found)
                return &history->lines[at];
        if (history->count == history->capacity) {
                size_t capacity = history->capacity == 0 ? 16 : history->capacity * 2;
                struct line *lines = reallocarray(history->lines, capacity, sizeof *lines);
                if (lines == NULL)
                        return NULL;
                history->lines = lines;
                history->capacity = capacity;
        }
        struct line fresh = {.name = strdup(name), .resource = strdup(resource)};
        if (fresh.name == NULL || fresh.resource == NULL) {
                free(fresh.name);
                free(fresh.resource);
                return NULL;
        }
        memmove(&history->lines[at + 1], &history->lines[at], (history->count - at) * sizeof fresh);
        history->lines[at] = fresh;
        history->count++;
        return &history->lines[at];
}

int
history_add(struct history *history, const char *series, const char *resource, int64_t at_ms, double value)
{
        struct line *line = line_for(history, series, resource);

        if (line == NULL)
                return -1;
        if (line->series.count == line->capacity) {
                size_t capacity = line->capacity == 0 ? 32 : line->capacity * 2;
                struct sample *samples = reallocarray(line->samples, capacity, sizeof *samples);
                if (samples == NULL)
                        return -1;
                line->samples = samples;
                line->capacity = capacity;
        }
        line->samples[line->series.count++] = (struct sample){.at_ms = at_ms, .value = value};
        line->sorted = false;
        return 0;
}

static int
by_time(const void *a, const void *b)
{
        int64_t left = ((const struct sample *)a)->at_ms, right = ((const struct sample *)b)->at_ms;

        return (left > right) - (left < right);
}

static const struct series *
ready(struct line *line)
{
        if (!line->sorted) {
                qsort(line->samples, line->series.count, sizeof *line->samples, by_time);
                line->sorted = true;
        }
        line->series.name = line->name;
        line->series.resource = line->resource;
        line->series.samples = line->samples;
        return &line->series;
}

const struct series *
history_series(const struct history *history, const char *name, const char *resource)
{
        bool found;
        size_t at = place(history, name, resource, &found);

        return found ? ready(&history->lines[at]) : NULL;
}

size_t
history_count(const struct history *history)
{
        return history->count;
}

const struct series *
history_at(const struct history *history, size_t index)
{
        return index < history->count ? ready(&history->lines[index]) : NULL;
}

const struct sample *
history_last(const struct history *history, const char *name, const char *resource)
{
        const struct series *series = history_series(history, name, resource);

        return series != NULL && series->count > 0 ? &series->samples[series->count - 1] : NULL;
}

double
history_peak(const struct history *history, const char *name, const char *resource, int64_t window_ms, double now,
             size_t *looks)
{
        const struct series *series = history != NULL ? history_series(history, name, resource) : NULL;
        double peak = now;

        *looks = 1;
        for (size_t i = 0; series != NULL && i < series->count; i++) {
                if (series->samples[i].at_ms < history_now(history) - window_ms)
                        continue;
                ++*looks;
                peak = fmax(peak, series->samples[i].value);
        }
        return peak;
}

/* Projections as plots: the daily maxima, where the trend leads with its range, and the limit it will meet.  At most
 * six, those that fill first. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "json.h"
#include "model.h"
#include "moment.h"

enum { PLOTS_MOST = 6, POINTS_MOST = 400 };

#define AHEAD_LEAST 30.0 /* days */
#define AHEAD_MOST  180.0

struct plot {
        const json_t *row;
        const char *target;
        int64_t full_on_ms; /* INT64_MAX: never */
        double slope;       /* as a share of what is there now */
};

static int
compare_plots(const void *left, const void *right)
{
        const struct plot *a = left, *b = right;

        if (a->full_on_ms != b->full_on_ms)
                return a->full_on_ms < b->full_on_ms ? -1 : 1;
        if (a->slope != b->slope)
                return a->slope > b->slope ? -1 : 1;
        return strcmp(json_text(a->row, "subject", ""), json_text(b->row, "subject", ""));
}

static int64_t
moment_of(const json_t *row, const char *key)
{
        const char *text = json_text(row, key, NULL);
        int64_t at_ms;

        return text != NULL && moment_parse(text, &at_ms) ? at_ms : INT64_MAX;
}

/* A row with a trend and enough points to draw. */
static bool
is_drawn(const json_t *row)
{
        const char *verdict = json_text(row, "verdict", "");

        return json_array_size(json_list(row, "points")) >= 3 && json_has(row, "slope_per_day") &&
               strcmp(verdict, "too-little-data") != 0 && strcmp(verdict, "no trend") != 0;
}

static void
quantity(double value, const char *unit, char *text, size_t size)
{
        char bytes[SIZE_TEXT];

        if (strcmp(unit, "bytes") != 0) {
                snprintf(text, size, "%.4g", value);
                return;
        }
        size_format(value, bytes);
        snprintf(text, size, "%s", bytes);
}

/* Points as days from the run's start, which is 0. */
struct points {
        double x[POINTS_MOST], y[POINTS_MOST];
        size_t count;
        double least, most;
};

static void
points_read(const json_t *row, int64_t now_ms, struct points *points)
{
        size_t i;
        json_t *pair;

        points->count = 0;
        points->least = INFINITY;
        points->most = -INFINITY;
        json_array_foreach((json_t *)json_list(row, "points"), i, pair)
        {
                const char *at = json_string_value(json_array_get(pair, 0));
                const json_t *value = json_array_get(pair, 1);
                int64_t at_ms;
                if (points->count == POINTS_MOST || at == NULL || !moment_parse(at, &at_ms) || !json_is_number(value))
                        continue;
                points->x[points->count] = (double)(at_ms - now_ms) / (double)DAY_MS;
                points->y[points->count] = json_number_value(value);
                points->least = fmin(points->least, points->y[points->count]);
                points->most = fmax(points->most, points->y[points->count]);
                points->count++;
        }
}

static void
draw_lines(const struct chart *chart, const struct plot *plot, const struct points *points, double ahead)
{
        double slope = json_real_or(plot->row, "slope_per_day", 0), now = json_real_or(plot->row, "now", 0);
        double x[2] = {0, ahead}, middle[2] = {now, now + slope * ahead};
        double low[2] = {now, now + json_real_or(plot->row, "slope_low", slope) * ahead};
        double high[2] = {now, now + json_real_or(plot->row, "slope_high", slope) * ahead};

        chart_band(chart, x, low, high, 2, "trend");
        chart_line(chart, points->x, points->y, points->count, "seen");
        chart_line(chart, x, middle, 2, "trend");
}

static void
draw_axis(const struct chart *chart, const struct model *model, const struct plot *plot, const struct points *points,
          double ahead)
{
        char first[ZONE_TEXT], full[ZONE_TEXT] = "";
        double at[3] = {points->x[0], 0, 0};
        const char *labels[3] = {first, "now", full};
        double full_day = plot->full_on_ms != INT64_MAX
                                  ? (double)(plot->full_on_ms - model->view->run.started_ms) / (double)DAY_MS
                                  : INFINITY;

        zone_day(model->zone, model->view->run.started_ms + (int64_t)(points->x[0] * (double)DAY_MS), first);
        size_t count = 2;
        /* A date too near to "now" would be written over it; the words below the plot have it. */
        if (full_day <= ahead && full_day > 0.15 * (chart->x_to - chart->x_from)) {
                zone_day(model->zone, plot->full_on_ms, full);
                at[count++] = full_day;
        }
        chart_axis(chart, at, labels, count);
}

static void
draw(FILE *stream, const struct model *model, const struct plot *plot)
{
        struct points points;
        const char *unit = json_text(plot->row, "unit", ""), *subject = json_text(plot->row, "subject", "?");
        double limit = json_real_or(plot->row, "limit", NAN), ahead = AHEAD_LEAST;
        char description[400], slope[SIZE_TEXT], now[SIZE_TEXT], label[SIZE_TEXT + 16], title[300],
                full[ZONE_TEXT] = "";

        points_read(plot->row, model->view->run.started_ms, &points);
        if (points.count < 3)
                return;
        if (plot->full_on_ms != INT64_MAX) {
                double days = (double)(plot->full_on_ms - model->view->run.started_ms) / (double)DAY_MS;
                ahead = fmin(fmax(1.25 * days, AHEAD_LEAST), AHEAD_MOST);
                zone_day(model->zone, plot->full_on_ms, full);
        }
        double rise = json_real_or(plot->row, "slope_high", 0) * ahead;
        double top = fmax(points.most, json_real_or(plot->row, "now", 0) + fmax(rise, 0));
        struct chart chart = {
                .stream = stream, .width = 440, .height = 168, .left = 8, .right = 432, .top = 30, .bottom = 144};
        chart.x_from = points.x[0];
        chart.x_to = ahead;
        /* The limit is drawn where the plot reaches it or nearly so: far above it would press everything flat. */
        bool limited = isfinite(limit) && limit <= 3 * top;
        chart.y_from = limited ? 0 : points.least - 0.1 * (top - points.least);
        chart.y_to = limited ? 1.06 * fmax(limit, fmin(top, 1.5 * limit)) : top;
        quantity(json_real_or(plot->row, "slope_per_day", 0), unit, slope, sizeof slope);
        quantity(json_real_or(plot->row, "now", 0), unit, now, sizeof now);
        snprintf(title, sizeof title, "%.120s: %.120s", plot->target, subject);
        snprintf(description, sizeof description, "%s now, %s a day, %s%s", now, slope,
                 *full != '\0' ? "full on " : json_text(plot->row, "verdict", ""), full);
        chart_begin(&chart, title, description);
        chart_text(&chart, chart.left, 12, "start", "tick", title);
        chart_text(&chart, chart.left, 25, "start", "tick", description);
        draw_axis(&chart, model, plot, &points, ahead);
        draw_lines(&chart, plot, &points, ahead);
        if (limited) {
                quantity(limit, unit, now, sizeof now);
                snprintf(label, sizeof label, "limit %s", now);
                chart_limit(&chart, limit, label);
        }
        chart_end(&chart);
}

const char *
model_projection_plots(struct model *model)
{
        const struct view_inventory *all = &model->view->projections;
        struct plot *plots = malloc((all->count + 1) * sizeof *plots);
        size_t count = 0, size;
        char *text = NULL;
        const char *made = "";

        for (size_t i = 0; plots != NULL && i < all->count; i++) {
                const json_t *row = all->rows[i].row;
                if (!is_drawn(row))
                        continue;
                plots[count++] = (struct plot){.row = row,
                                               .target = all->rows[i].target,
                                               .full_on_ms = moment_of(row, "full_on"),
                                               .slope = fabs(json_real_or(row, "slope_per_day", 0)) /
                                                        fmax(fabs(json_real_or(row, "now", 0)), 1)};
        }
        if (count > 0)
                qsort(plots, count, sizeof *plots, compare_plots);
        FILE *stream = count > 0 ? open_memstream(&text, &size) : NULL;
        if (stream != NULL) {
                for (size_t i = 0; i < count && i < PLOTS_MOST; i++)
                        draw(stream, model, &plots[i]);
                fclose(stream);
                made = model_format(model, "%s", text != NULL ? text : "");
        }
        free(text);
        free(plots);
        return made;
}

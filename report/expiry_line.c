/* The time line of certificates: one dot each, stacked where several expire together, over the next four months. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "headline.h"
#include "inventory.h"
#include "json.h"
#include "model.h"
#include "moment.h"

enum { DOT = 9, STACK = 9, COLUMNS = 44 };

#define DAYS_BACK  10.0
#define DAYS_AHEAD 120.0

/* The steps of CRT-2. */
static const char *
step_class(double days)
{
        return days <= 1 ? "s1" : days <= 7 ? "s2" : days <= 14 ? "s3" : days <= 30 ? "s4" : "pass";
}

static const struct view_inventory *
certificates_of(const struct view *view)
{
        for (size_t i = 0; i < view->inventory_count; i++) {
                if (strcmp(view->inventory[i].kind, "certificates") == 0)
                        return &view->inventory[i];
        }
        return NULL;
}

static int
ascending(const void *left, const void *right)
{
        double a = *(const double *)left, b = *(const double *)right;

        return a < b ? -1 : a > b;
}

/* Days left of every certificate that says when it expires, the first first. */
static size_t
days_gather(struct model *model, const struct view_inventory *certificates, double *days)
{
        size_t count = 0;

        for (size_t i = 0; i < certificates->count; i++) {
                int64_t expiry = inventory_expiry(certificates->rows[i].row);
                if (expiry != INT64_MAX)
                        days[count++] = (double)(expiry - model->view->run.started_ms) / (double)DAY_MS;
        }
        qsort(days, count, sizeof *days, ascending);
        return count;
}

static void
dots(const struct chart *chart, const struct model *model, const double *days, size_t count)
{
        size_t stacked[COLUMNS + 1] = {0};

        for (size_t i = 0; i < count && days[i] <= DAYS_AHEAD; i++) {
                double x = fmax(days[i], -DAYS_BACK);
                size_t column = (size_t)((x + DAYS_BACK) / (DAYS_AHEAD + DAYS_BACK) * COLUMNS);
                char title[128], day[ZONE_TEXT];
                zone_day(model->zone, model->view->run.started_ms + (int64_t)(days[i] * (double)DAY_MS), day);
                snprintf(title, sizeof title, "%s (%.0f days)", day, floor(days[i]));
                if (stacked[column]++ >= STACK)
                        continue;
                struct chart at = *chart;
                double centre = ((double)column + 0.5) / COLUMNS * (DAYS_AHEAD + DAYS_BACK) - DAYS_BACK;
                chart_point(&at, centre, (double)stacked[column] - 0.4, 3.6, step_class(days[i]), title);
        }
        for (size_t column = 0; column <= COLUMNS; column++) {
                char more[32];
                if (stacked[column] <= STACK)
                        continue;
                double centre = ((double)column + 0.5) / COLUMNS * (DAYS_AHEAD + DAYS_BACK) - DAYS_BACK;
                snprintf(more, sizeof more, "+%zu", stacked[column] - STACK);
                chart_text(chart, chart_x(chart, centre), chart->top - 3, "middle", "tick", more);
        }
}

static void
draw(FILE *stream, struct model *model, const double *days, size_t count)
{
        static const double at[] = {0, 30, 60, 90, 120};
        static const char *const labels[] = {"today", "30 d", "60 d", "90 d", "120 d"};
        size_t later = 0, soon = 0, expired = 0, highest = 0, stacked[COLUMNS + 1] = {0};
        char description[200], text[COUNT_TEXT + 16];

        for (size_t i = 0; i < count; i++) {
                later += days[i] > DAYS_AHEAD;
                soon += days[i] > 0 && days[i] <= 30;
                expired += days[i] <= 0;
                if (days[i] > DAYS_AHEAD)
                        continue;
                size_t column = (size_t)((fmax(days[i], -DAYS_BACK) + DAYS_BACK) / (DAYS_AHEAD + DAYS_BACK) * COLUMNS);
                if (stacked[column] < STACK && ++stacked[column] > highest)
                        highest = stacked[column];
        }
        highest = highest < 3 ? 3 : highest;
        struct chart chart = {.stream = stream, .width = 440, .left = 8, .right = 432, .top = 20};
        chart.bottom = chart.top + (double)(highest * DOT);
        chart.height = chart.bottom + 22;
        chart.x_from = -DAYS_BACK;
        chart.x_to = DAYS_AHEAD;
        chart.y_to = (double)highest;
        snprintf(description, sizeof description,
                 "%zu certificates: %zu expired, %zu expire within 30 days, %zu after 120 days.", count, expired, soon,
                 later);
        chart_begin(&chart, "When certificates expire", description);
        chart_stripe(&chart, 0, 30, "s4");
        chart_stripe(&chart, 0, 7, "s2");
        chart_axis(&chart, at, labels, sizeof at / sizeof at[0]);
        dots(&chart, model, days, count);
        if (later > 0) {
                count_format(later, text);
                strcat(text, " later \xE2\x86\x92");
                chart_text(&chart, chart.right, 12, "end", "tick", text);
        }
        chart_end(&chart);
}

const char *
model_expiry_line(struct model *model)
{
        const struct view_inventory *certificates = certificates_of(model->view);
        double *days = certificates != NULL ? malloc((certificates->count + 1) * sizeof *days) : NULL;
        size_t count = days != NULL ? days_gather(model, certificates, days) : 0, size;
        char *text = NULL;
        FILE *stream = count > 0 ? open_memstream(&text, &size) : NULL;
        const char *made = "";

        if (stream != NULL) {
                draw(stream, model, days, count);
                fclose(stream);
                made = model_format(model, "%s", text != NULL ? text : "");
        }
        free(text);
        free(days);
        return made;
}

/* Projections: the numbers as the JSON report has them, and a line chart for each that carries its history. */

#include <math.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "xlsx_parts.h"

enum { MOST_CHARTS = 24, CHART_ROWS = 18 };

/* A point of history is [time, value] or {"at", "value"}; times are RFC 3339 or milliseconds. */
static bool
point_read(const json_t *point, double *at_ms, double *value)
{
        const json_t *at = json_is_array(point) ? json_array_get(point, 0) : json_object_get(point, "at");
        const json_t *number = json_is_array(point) ? json_array_get(point, 1) : json_object_get(point, "value");
        int64_t moment;

        if (!json_is_number(number))
                return false;
        *value = json_number_value(number);
        if (json_is_number(at)) {
                *at_ms = json_number_value(at);
                return true;
        }
        if (!json_is_string(at) || !moment_parse(json_string_value(at), &moment))
                return false;
        *at_ms = (double)moment;
        return true;
}

static void
number_cell(struct sheet *sheet, const json_t *row, const char *key, bool bytes)
{
        sheet_number_as(sheet, bytes ? CELL_BYTES : CELL_REAL, json_real_or(row, key, NAN));
}

static void
date_cell(struct sheet *sheet, const json_t *row, const char *key)
{
        const char *text = json_text(row, key, NULL);
        int64_t moment;

        if (text != NULL && moment_parse(text, &moment))
                sheet_number(sheet, (double)moment);
        else
                sheet_text(sheet, text); /* "none" and the like are answers */
}

static void
projections_sheet(struct book *book, const struct view *view)
{
        static const struct column columns[] = {
                {"Target", CELL_TEXT, COLOURS_NONE, 30},  {"Subject", CELL_TEXT, COLOURS_NONE, 50},
                {"Unit", CELL_TEXT, COLOURS_NONE, 0},     {"Now", CELL_REAL, COLOURS_NONE, 0},
                {"Limit", CELL_REAL, COLOURS_NONE, 0},    {"Growth a day", CELL_REAL, COLOURS_NONE, 0},
                {"At least", CELL_REAL, COLOURS_NONE, 0}, {"At most", CELL_REAL, COLOURS_NONE, 0},
                {"Full on", CELL_DATE, COLOURS_NONE, 0},  {"Earliest", CELL_DATE, COLOURS_NONE, 0},
                {"Latest", CELL_DATE, COLOURS_NONE, 0},   {"Samples", CELL_WHOLE, COLOURS_NONE, 0},
                {"Days", CELL_REAL, COLOURS_NONE, 0},     {"Verdict", CELL_WRAPPED, COLOURS_NONE, 60},
        };
        static const char *const amounts[] = {"now", "limit", "slope_per_day", "slope_low", "slope_high"};
        struct sheet *sheet = sheet_add(book, "Projections");

        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
        for (size_t i = 0; i < view->projections.count; i++) {
                const json_t *row = view->projections.rows[i].row;
                bool bytes = strcmp(json_text(row, "unit", ""), "bytes") == 0;

                sheet_text(sheet, view->projections.rows[i].target);
                sheet_text(sheet, json_text(row, "subject", NULL));
                sheet_text(sheet, json_text(row, "unit", NULL));
                for (size_t k = 0; k < sizeof(amounts) / sizeof(amounts[0]); k++)
                        number_cell(sheet, row, amounts[k], bytes);
                date_cell(sheet, row, "full_on");
                date_cell(sheet, row, "full_earliest");
                date_cell(sheet, row, "full_latest");
                sheet_number(sheet, json_real_or(row, "samples", NAN));
                sheet_number(sheet, json_real_or(row, "days", NAN));
                sheet_text(sheet, json_text(row, "verdict", NULL));
                sheet_row_end(sheet);
        }
        sheet_end(sheet, "Nothing was projected in this run.");
}

/* The forecast begins at the last point and ends where the limit is met, or 90 days on. */
static void
forecast_row(struct sheet *sheet, const struct view *view, const json_t *row, const char *subject)
{
        double slope = json_real_or(row, "slope_per_day", NAN), now = json_real_or(row, "now", NAN);
        double limit = json_real_or(row, "limit", NAN), days = 90;
        bool bytes = strcmp(json_text(row, "unit", ""), "bytes") == 0;
        enum cell cell = bytes ? CELL_BYTES : CELL_REAL;

        if (!isfinite(slope) || !isfinite(now))
                return;
        if (isfinite(limit) && slope > 0 && limit > now && (limit - now) / slope < 720)
                days = (limit - now) / slope;
        for (int i = 0; i < 2; i++) {
                sheet_text(sheet, subject);
                sheet_number(sheet, (double)view->run.started_ms + i * days * (double)DAY_MS);
                sheet_empty(sheet);
                sheet_number_as(sheet, cell, now + i * days * slope);
                sheet_number_as(sheet, cell, limit);
                sheet_row_end(sheet);
        }
}

static bool
trend_rows(struct sheet *sheet, const struct view *view, const json_t *row, struct chart_plan *plan)
{
        const json_t *points = json_list(row, "points");
        const char *subject = json_text(row, "subject", "");
        bool bytes = strcmp(json_text(row, "unit", ""), "bytes") == 0;
        double at_ms, value;

        plan->first_row = sheet_next_row(sheet);
        for (size_t i = 0; i < json_array_size(points); i++) {
                if (!point_read(json_array_get(points, i), &at_ms, &value))
                        continue;
                sheet_text(sheet, subject);
                sheet_number(sheet, at_ms);
                sheet_number_as(sheet, bytes ? CELL_BYTES : CELL_REAL, value);
                sheet_empty(sheet);
                sheet_number_as(sheet, bytes ? CELL_BYTES : CELL_REAL, json_real_or(row, "limit", NAN));
                sheet_row_end(sheet);
        }
        if (sheet_next_row(sheet) - plan->first_row < 2)
                return false;
        forecast_row(sheet, view, row, subject);
        plan->last_row = sheet_next_row(sheet) - 1;
        plan->title = subject;
        plan->bytes = bytes;
        plan->value_axis = bytes ? NULL : json_text(row, "unit", NULL);
        return true;
}

void
xlsx_projections(struct book *book, const struct view *view)
{
        static const struct column columns[] = {
                {"Subject", CELL_TEXT, COLOURS_NONE, 50},  {"Time", CELL_MOMENT, COLOURS_NONE, 0},
                {"Measured", CELL_REAL, COLOURS_NONE, 16}, {"Forecast", CELL_REAL, COLOURS_NONE, 16},
                {"Limit", CELL_REAL, COLOURS_NONE, 16},
        };
        struct sheet *sheet = NULL;
        unsigned charts = 0;

        if (view->projections.count == 0)
                return;
        projections_sheet(book, view);
        for (size_t i = 0; i < view->projections.count && charts < MOST_CHARTS; i++) {
                const json_t *row = view->projections.rows[i].row;
                struct chart_plan plan = {
                        .kind = CHART_LINES,
                        .categories = 1,
                        .moments = true,
                        .series = {{.name = "Measured", .column = 2, .colour = 0x2E75B6},
                                   {.name = "Forecast", .column = 3, .colour = 0xE36C0A, .dashed = true},
                                   {.name = "Limit", .column = 4, .colour = 0xC00000}},
                        .count = json_has(row, "limit") ? 3 : 2,
                        .width = 640,
                        .height = 320,
                        .row = 1 + charts * CHART_ROWS,
                        .column = 6};

                if (json_array_size(json_list(row, "points")) < 2)
                        continue;
                if (sheet == NULL) {
                        sheet = sheet_add(book, "Trends");
                        sheet_columns(sheet, columns, sizeof(columns) / sizeof(columns[0]));
                }
                if (trend_rows(sheet, view, row, &plan)) {
                        sheet_chart(sheet, sheet, &plan);
                        charts++;
                }
        }
        sheet_end(sheet, "No projection carries its points.");
}

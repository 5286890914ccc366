/* Native charts over the cells of a sheet, drawn by whoever opens the workbook. */

#include <string.h>

#include "sheet_parts.h"
#include "utf8.h"

static lxw_chart_type
chart_type(enum chart_kind kind)
{
        return kind == CHART_BARS ? LXW_CHART_BAR : kind == CHART_LINES ? LXW_CHART_SCATTER_STRAIGHT : LXW_CHART_COLUMN;
}

/* The library takes a name that begins with "=" for a formula. */
static void
name_clean(struct book *book, const char *name, char text[256])
{
        unsigned characters;
        size_t length, taken;

        name = sheet_clean(book, name, &characters);
        length = strlen(name);
        text[0] = '\0';
        if (name[0] == '=')
                strcpy(text, " ");
        for (size_t at = 0, used = strlen(text); at < length; at += taken) {
                utf8_decode(name + at, length - at, &taken);
                if (used + taken > 200)
                        break;
                memcpy(text + used, name + at, taken);
                used += taken;
                text[used] = '\0';
        }
}

static void
series_add(lxw_chart *chart, const struct sheet *data, const struct chart_plan *plan, const struct chart_series *wanted)
{
        lxw_chart_series *series = chart_add_series(chart, NULL, NULL);
        lxw_chart_line line = {.color = wanted->colour, .width = 2.0};
        lxw_chart_fill fill = {.color = wanted->colour};
        char name[256];

        if (series == NULL) {
                data->book->failed = true;
                return;
        }
        chart_series_set_categories(series, data->name, plan->first_row, (lxw_col_t)plan->categories, plan->last_row,
                                    (lxw_col_t)plan->categories);
        chart_series_set_values(series, data->name, plan->first_row, (lxw_col_t)wanted->column, plan->last_row,
                                (lxw_col_t)wanted->column);
        if (wanted->name != NULL) {
                name_clean(data->book, wanted->name, name);
                chart_series_set_name(series, name);
        }
        if (plan->kind == CHART_LINES) {
                if (wanted->dashed)
                        line.dash_type = LXW_CHART_LINE_DASH_DASH;
                chart_series_set_line(series, &line);
        } else {
                chart_series_set_fill(series, &fill);
        }
}

/* A colour of its own for every bar of the first series. */
static void
points_colour(lxw_chart *chart, const struct chart_plan *plan)
{
        enum { MOST = 32 };
        lxw_chart_series *series = STAILQ_FIRST(chart->series_list);
        lxw_chart_fill fills[MOST] = {{0}};
        lxw_chart_point points[MOST] = {{0}};
        lxw_chart_point *list[MOST + 1] = {NULL};
        uint32_t count = plan->last_row - plan->first_row + 1;

        for (uint32_t i = 0; i < count && i < MOST; i++) {
                fills[i].color = plan->point_colours[i];
                points[i].fill = &fills[i];
                list[i] = &points[i];
        }
        if (series != NULL)
                chart_series_set_points(series, list);
}

void
sheet_chart(struct sheet *sheet, const struct sheet *data, const struct chart_plan *plan)
{
        lxw_chart *chart;
        lxw_chart_options options = {.object_position = LXW_OBJECT_MOVE_DONT_SIZE};
        lxw_chart_font small = {.size = 9};
        char text[256];

        if (sheet == NULL || data == NULL || plan->last_row < plan->first_row)
                return;
        chart = workbook_add_chart(sheet->book->workbook, chart_type(plan->kind));
        if (chart == NULL) {
                sheet->book->failed = true;
                return;
        }
        for (size_t i = 0; i < plan->count; i++)
                series_add(chart, data, plan, &plan->series[i]);
        if (plan->point_colours != NULL)
                points_colour(chart, plan);
        name_clean(sheet->book, plan->title, text);
        chart_title_set_name(chart, text);
        chart_title_set_name_font(chart, &(lxw_chart_font){.size = 12, .bold = LXW_TRUE});
        if (plan->count < 2)
                chart_legend_set_position(chart, LXW_CHART_LEGEND_NONE);
        else
                chart_legend_set_position(chart, LXW_CHART_LEGEND_BOTTOM);
        if (plan->value_axis != NULL) {
                name_clean(sheet->book, plan->value_axis, text);
                chart_axis_set_name(chart->y_axis, text);
        }
        chart_axis_set_num_font(chart->x_axis, &small);
        chart_axis_set_num_font(chart->y_axis, &small);
        if (plan->kind == CHART_BARS)
                chart_axis_set_interval_unit(chart->y_axis, 1);
        if (plan->kind == CHART_BARS)
                chart_axis_set_reverse(chart->y_axis); /* the first row on top; a bar chart's axes are swapped */
        if (plan->largest > 0 && plan->largest < 6)
                chart_axis_set_major_unit(plan->kind == CHART_BARS ? chart->x_axis : chart->y_axis, 1);
        if (plan->bytes)
                chart_axis_set_num_format(chart->y_axis, cell_number_format(CELL_BYTES));
        if (plan->moments)
                chart_axis_set_num_format(chart->x_axis, "yyyy-mm-dd");
        options.x_scale = plan->width / 480.0; /* the library's own size of a chart */
        options.y_scale = plan->height / 288.0;
        if (worksheet_insert_chart_opt(sheet->worksheet, plan->row, (lxw_col_t)plan->column, chart, &options) !=
            LXW_NO_ERROR)
                sheet->book->failed = true;
}

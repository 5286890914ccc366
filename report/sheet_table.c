/* A finished table: style and filter, widths from content, print set-up. */

#include <stdio.h>
#include <string.h>

#include "sheet_parts.h"

/* Excel's own style and filter; the table's name must be unique and look like no cell. */
static void
table_style(struct sheet *sheet, uint32_t last)
{
        lxw_table_column columns[SHEET_COLUMNS];
        lxw_table_column *list[SHEET_COLUMNS + 1];
        char name[32];
        lxw_table_options options = {
                .columns = list, .name = name, .style_type = LXW_TABLE_STYLE_TYPE_LIGHT, .style_type_number = 1};
        unsigned number = 1;

        for (const struct sheet *s = sheet->book->first; s != sheet && s != NULL; s = s->next)
                number++;
        snprintf(name, sizeof(name), "rounds_table_%u", number);
        memset(columns, 0, sizeof(columns));
        for (unsigned i = 0; i < sheet->count; i++) {
                columns[i].header = sheet->titles[i];
                columns[i].header_format = sheet->book->header;
                list[i] = &columns[i];
        }
        list[sheet->count] = NULL;
        if (worksheet_add_table(sheet->worksheet, sheet->header, 0, last, (lxw_col_t)(sheet->count - 1), &options) !=
            LXW_NO_ERROR)
                sheet->book->failed = true;
}

static void
table_widths(struct sheet *sheet)
{
        for (unsigned i = 0; i < sheet->count; i++) {
                double widest = sheet->columns[i].widest > 0 ? sheet->columns[i].widest : SHEET_WIDEST;
                double title = (double)strlen(sheet->titles[i]) + 3, width = sheet->widths[i];

                if (width > widest)
                        width = widest > title ? widest : title;
                sheet_width(sheet, i, width);
        }
}

void
sheet_end(struct sheet *sheet, const char *none)
{
        uint32_t first, last;

        if (sheet == NULL || sheet->count == 0 || sheet->book->failed)
                return;
        table_widths(sheet);
        worksheet_freeze_panes(sheet->worksheet, sheet->header + 1, 0);
        worksheet_repeat_rows(sheet->worksheet, sheet->header, sheet->header);
        worksheet_set_row(sheet->worksheet, sheet->header, 20, NULL);
        first = sheet->header + 1;
        last = sheet->row - 1;
        if (last < first) {
                sheet->column = 0;
                sheet_text_as(sheet, CELL_TEXT, none);
                sheet->row++;
                return;
        }
        /* A table wants every row in memory: above a bound a plain filter over the same cells has to do. */
        if (sheet->book->options.large)
                worksheet_autofilter(sheet->worksheet, sheet->header, 0, last, (lxw_col_t)(sheet->count - 1));
        else
                table_style(sheet, last);
        for (unsigned i = 0; i < sheet->count; i++)
                sheet_colour(sheet, i, first, last);
        if (sheet->dropped > 0) {
                char text[160];

                snprintf(text, sizeof(text),
                         "%llu more rows did not fit: a sheet holds %u. The JSON report has all of them.",
                         (unsigned long long)sheet->dropped, sheet->book->options.largest_row);
                worksheet_write_string(sheet->worksheet, sheet->row, 0, text, sheet->book->formats[CELL_LABEL]);
        }
}

void
sheet_print(struct sheet *sheet, unsigned columns)
{
        if (sheet != NULL && columns > 0 && sheet->row > sheet->header)
                worksheet_print_area(sheet->worksheet, sheet->header, 0, sheet->row - 1, (lxw_col_t)(columns - 1));
}

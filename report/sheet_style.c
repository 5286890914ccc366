/* How cells look: the formats of a book, and colours by rule. */

#include <stdio.h>

#include "sheet_parts.h"

static const struct {
        lxw_color_t ink, ground;
        bool bold;
} tints[TINT_KINDS] = {
        [TINT_SEV1] = {0x9C0006, 0xFFC7CE, true},    [TINT_SEV2] = {0x833C0B, 0xF8CBAD, true},
        [TINT_SEV3] = {0x7F6000, 0xFFEB9C, false},   [TINT_SEV4] = {0x1F4E78, 0xDDEBF7, false},
        [TINT_GOOD] = {0x006100, 0xC6EFCE, false},   [TINT_QUIET] = {0x595959, 0xEDEDED, false},
        [TINT_UNKNOWN] = {0x3F3151, 0xE4DFEC, true}, [TINT_DEAD] = {0xFFFFFF, 0xC00000, true},
};

const char *
cell_number_format(enum cell cell)
{
        /* "_)" leaves the width of a bracket free, so that numbers do not touch the text right of them.  Excel shows
         * flags by itself; LibreOffice wants to be told. */
        static const char *const formats[CELL_KINDS] = {
                [CELL_WHOLE] = "#,##0_)",
                [CELL_REAL] = "#,##0.00_)",
                [CELL_PERCENT] = "0.0%_)",
                [CELL_BYTES] = "[<1000000]#,##0\" B\"_);[<1000000000]#,##0.0,,\" MB\"_);#,##0.00,,,\" GB\"_)",
                [CELL_MOMENT] = "yyyy-mm-dd hh:mm_)",
                [CELL_DATE] = "yyyy-mm-dd_)",
                [CELL_DURATION] = "[h]:mm:ss_)",
                [CELL_FLAG] = "\"TRUE\";\"TRUE\";\"FALSE\"",
        };

        return formats[cell];
}

void
book_formats(struct book *book)
{
        for (int i = 0; i < CELL_KINDS; i++) {
                lxw_format *format = book->formats[i] = workbook_add_format(book->workbook);

                format_set_align(format, LXW_ALIGN_VERTICAL_TOP);
                if (cell_number_format((enum cell)i) != NULL)
                        format_set_num_format(format, cell_number_format((enum cell)i));
                if (i == CELL_FLAG)
                        format_set_align(format, LXW_ALIGN_CENTER);
                if (i == CELL_WRAPPED)
                        format_set_text_wrap(format);
                if (i == CELL_TITLE || i == CELL_LABEL || i == CELL_HEADING)
                        format_set_bold(format);
                if (i == CELL_HEADING || i == CELL_RIGHT)
                        format_set_align(format, LXW_ALIGN_RIGHT);
                if (i == CELL_TITLE)
                        format_set_font_size(format, 16);
        }
        book->header = workbook_add_format(book->workbook);
        format_set_bold(book->header);
        format_set_bg_color(book->header, 0x1F3A5F);
        format_set_font_color(book->header, 0xFFFFFF);
        format_set_align(book->header, LXW_ALIGN_VERTICAL_CENTER);
        for (int i = 0; i < TINT_KINDS; i++) {
                lxw_format *tint = book->tints[i] = workbook_add_format(book->workbook);

                format_set_font_color(tint, tints[i].ink);
                format_set_bg_color(tint, tints[i].ground);
                if (tints[i].bold)
                        format_set_bold(tint);
        }
}

struct rule {
        enum colours colours;
        const char *word; /* the cell is this word; NULL: it is a number below `below` */
        double below;
        enum tint tint;
};

/* In the order in which they are tried: the first that holds gives the colour. */
static const struct rule rules[] = {
        {COLOURS_SEVERITY, "SEV1", 0, TINT_SEV1},   {COLOURS_SEVERITY, "SEV2", 0, TINT_SEV2},
        {COLOURS_SEVERITY, "SEV3", 0, TINT_SEV3},   {COLOURS_SEVERITY, "SEV4", 0, TINT_SEV4},
        {COLOURS_STATUS, "fail", 0, TINT_SEV1},     {COLOURS_STATUS, "error", 0, TINT_UNKNOWN},
        {COLOURS_STATUS, "waived", 0, TINT_SEV4},   {COLOURS_STATUS, "skip", 0, TINT_QUIET},
        {COLOURS_STATUS, "pass", 0, TINT_GOOD},     {COLOURS_STATUS, "expired", 0, TINT_SEV1},
        {COLOURS_STATUS, "unused", 0, TINT_SEV3},   {COLOURS_STATUS, "expiring", 0, TINT_SEV3},
        {COLOURS_STATUS, "in force", 0, TINT_GOOD}, {COLOURS_CHANGE, "new", 0, TINT_SEV1},
        {COLOURS_CHANGE, "worse", 0, TINT_SEV2},    {COLOURS_CHANGE, "still", 0, TINT_SEV3},
        {COLOURS_CHANGE, "fixed", 0, TINT_GOOD},    {COLOURS_CHANGE, "incomparable", 0, TINT_UNKNOWN},
        {COLOURS_DAYS_LEFT, NULL, 0, TINT_DEAD},    {COLOURS_DAYS_LEFT, NULL, 7, TINT_SEV1},
        {COLOURS_DAYS_LEFT, NULL, 14, TINT_SEV2},   {COLOURS_DAYS_LEFT, NULL, 30, TINT_SEV3},
};

void
sheet_colour(struct sheet *sheet, unsigned column, uint32_t first, uint32_t last)
{
        enum colours colours = sheet->columns[column].colours;
        lxw_conditional_format blank = {.type = LXW_CONDITIONAL_TYPE_BLANKS, .stop_if_true = LXW_TRUE};

        if (colours == COLOURS_NONE)
                return;
        /* An empty cell counts as 0 and would be "expired". */
        if (colours == COLOURS_DAYS_LEFT)
                worksheet_conditional_format_range(sheet->worksheet, first, (lxw_col_t)column, last, (lxw_col_t)column,
                                                   &blank);
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                char word[40];
                lxw_conditional_format format = {.type = LXW_CONDITIONAL_TYPE_CELL,
                                                 .format = sheet->book->tints[rules[i].tint],
                                                 .stop_if_true = LXW_TRUE};

                if (rules[i].colours != colours)
                        continue;
                if (rules[i].word != NULL) {
                        snprintf(word, sizeof(word), "\"%s\"", rules[i].word);
                        format.criteria = LXW_CONDITIONAL_CRITERIA_EQUAL_TO;
                        format.value_string = word;
                } else {
                        format.criteria = LXW_CONDITIONAL_CRITERIA_LESS_THAN;
                        format.value = rules[i].below;
                }
                worksheet_conditional_format_range(sheet->worksheet, first, (lxw_col_t)column, last, (lxw_col_t)column,
                                                   &format);
        }
}

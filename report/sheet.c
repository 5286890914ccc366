/* Workbooks of tables: opening, cells, rows, and writing the finished bytes. */

#include "sheet.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "moment.h"
#include "scope.h"
#include "sheet_parts.h"
#include "utf8.h"

/* libxlsxwriter prints on standard error when it cannot make its temporary files: find that out before it does. */
static int
folder_check(const char *folder, struct error *err)
{
        char path[4096];
        int fd;

        if (snprintf(path, sizeof(path), "%s/rounds-XXXXXX", folder) >= (int)sizeof(path))
                return error_set(err, REASON_CONFIGURATION, "the folder for temporary files has too long a name");
        fd = mkstemp(path);
        if (fd < 0) {
                error_set(err, REASON_INTERNAL, "temporary file in %s: %s", folder, strerror(errno));
                return error_remedy(err, "set TMPDIR to a folder that can be written");
        }
        unlink(path);
        close(fd);
        return 0;
}

static void
book_free_at(struct book **book)
{
        book_free(*book);
}

/* A document property holds at most 255 characters. */
static char *
property_text(struct book *book, const char *text)
{
        unsigned characters;
        size_t length = 0, left, taken;

        if (text == NULL)
                return strdup("");
        text = sheet_clean(book, text, &characters);
        left = strlen(text);
        for (characters = 0; length < left && characters < 255; characters++) {
                utf8_decode(text + length, left - length, &taken);
                length += taken;
        }
        return strndup(text, length);
}

static int
properties_set(struct book *book)
{
        scoped_string title = property_text(book, book->options.title);
        scoped_string company = property_text(book, book->options.company);
        lxw_doc_properties properties = {.title = title,
                                         .company = company,
                                         .author = (char *)(uintptr_t) "rounds " ROUNDS_VERSION,
                                         .created = (time_t)(book->options.created_ms / SECOND_MS)};

        if (title == NULL || company == NULL)
                return -1;
        return workbook_set_properties(book->workbook, &properties) == LXW_NO_ERROR ? 0 : -1;
}

int
book_open(const struct book_options *options, struct book **out, struct error *err)
{
        scoped(book_free_at) struct book *book = calloc(1, sizeof(*book));
        lxw_workbook_options plan = {.constant_memory = options->large};
        const char *folder = options->folder != NULL ? options->folder : getenv("TMPDIR");
        char path[64];

        if (book == NULL)
                return error_memory(err, "workbook");
        book->memory = -1;
        book->options = *options;
        if (book->options.largest_row == 0 || book->options.largest_row > LXW_ROW_MAX)
                book->options.largest_row = LXW_ROW_MAX;
        book->clean = BUFFER_INIT(SHEET_CELL_LIMIT * 4 + 64);
        if (folder == NULL || folder[0] == '\0')
                folder = "/tmp";
        if (folder_check(folder, err) != 0)
                return -1;
        book->memory = memfd_create("rounds-xlsx", MFD_CLOEXEC);
        if (book->memory < 0)
                return error_set(err, REASON_INTERNAL, "memory for a workbook: %s", strerror(errno));
        snprintf(path, sizeof(path), "/proc/self/fd/%d", book->memory);
        plan.tmpdir = (char *)(uintptr_t)folder;
        book->workbook = workbook_new_opt(path, &plan);
        if (book->workbook == NULL)
                return error_memory(err, "workbook");
        if (properties_set(book) != 0)
                return error_memory(err, "workbook");
        book_formats(book);
        *out = scope_keep(book);
        return 0;
}

int
book_write(struct book *book, FILE *stream, struct error *err)
{
        lxw_workbook *workbook = scope_keep(book->workbook);
        char block[65536];
        lxw_error status;
        ssize_t got;

        if (workbook == NULL)
                return error_set(err, REASON_INTERNAL, "workbook: written twice");
        status = workbook_close(workbook); /* frees it, too */
        if (book->failed || status == LXW_ERROR_MEMORY_MALLOC_FAILED)
                return error_memory(err, "workbook");
        if (status != LXW_NO_ERROR)
                return error_set(err, REASON_INTERNAL, "workbook: %s", lxw_strerror(status));
        if (book_verify(book->memory, err) != 0)
                return -1;
        if (lseek(book->memory, 0, SEEK_SET) != 0)
                return error_set(err, REASON_INTERNAL, "workbook: %s", strerror(errno));
        while ((got = read(book->memory, block, sizeof(block))) > 0) {
                if (fwrite(block, 1, (size_t)got, stream) != (size_t)got)
                        return 0; /* who gave the stream asks it, and knows where it goes */
        }
        return got == 0 ? 0 : error_set(err, REASON_INTERNAL, "workbook: %s", strerror(errno));
}

void
book_fail(struct book *book)
{
        book->failed = true;
}

void
book_free(struct book *book)
{
        if (book == NULL)
                return;
        for (struct sheet *sheet = book->first, *next; sheet != NULL; sheet = next) {
                next = sheet->next;
                for (unsigned i = 0; i < sheet->count; i++)
                        free(sheet->titles[i]);
                free(sheet);
        }
        if (book->workbook != NULL)
                lxw_workbook_free(book->workbook);
        if (book->memory >= 0)
                close(book->memory);
        buffer_free(&book->clean);
        free(book);
}

struct sheet *
sheet_add(struct book *book, const char *name)
{
        struct sheet *sheet;

        if (book->failed)
                return NULL;
        sheet = calloc(1, sizeof(*sheet));
        if (sheet == NULL) {
                book->failed = true;
                return NULL;
        }
        sheet->book = book;
        sheet_name_fit(book, name, sheet->name);
        sheet->worksheet = workbook_add_worksheet(book->workbook, sheet->name);
        if (sheet->worksheet == NULL) {
                book->failed = true;
                free(sheet);
                return NULL;
        }
        if (book->last != NULL)
                book->last->next = sheet;
        else
                book->first = sheet;
        book->last = sheet;
        book->sheets++;
        worksheet_set_landscape(sheet->worksheet);
        worksheet_set_paper(sheet->worksheet, 9); /* A4 */
        worksheet_fit_to_pages(sheet->worksheet, 1, 0);
        worksheet_set_margins(sheet->worksheet, 0.4, 0.4, 0.5, 0.6);
        worksheet_set_footer(sheet->worksheet, "&L&A&R&P / &N");
        return sheet;
}

const char *
sheet_name(const struct sheet *sheet)
{
        return sheet != NULL ? sheet->name : "";
}

static bool
title_taken(const struct sheet *sheet, const char *title)
{
        for (unsigned i = 0; i < sheet->count; i++) {
                if (strcasecmp(sheet->titles[i], title) == 0)
                        return true;
        }
        return false;
}

/* A table's titles must differ (whatever their case) and hold at most 255 characters, or Excel calls the file broken.
 */
static char *
title_unique(const struct sheet *sheet, const char *wanted)
{
        unsigned characters;
        char base[200], title[220];
        size_t length;

        length = strlen(wanted = sheet_clean(sheet->book, wanted[0] != '\0' ? wanted : "column", &characters));
        if (length >= sizeof(base)) {
                for (length = sizeof(base) - 1; length > 0 && ((unsigned char)wanted[length] & 0xC0) == 0x80;)
                        length--;
        }
        memcpy(base, wanted, length);
        base[length] = '\0';
        snprintf(title, sizeof(title), "%s", base);
        for (unsigned n = 2; title_taken(sheet, title); n++)
                snprintf(title, sizeof(title), "%s %u", base, n);
        return strdup(title);
}

void
sheet_columns(struct sheet *sheet, const struct column *columns, size_t count)
{
        if (sheet == NULL)
                return;
        sheet->header = sheet->row++;
        for (size_t i = 0; i < count && i < SHEET_COLUMNS; i++) {
                char *title = title_unique(sheet, columns[i].title);

                if (title == NULL) {
                        sheet->book->failed = true;
                        return;
                }
                sheet->columns[i] = columns[i];
                sheet->titles[i] = title;
                sheet->count++;
                sheet->widths[i] = (double)strlen(title) + 3; /* the filter's button */
                worksheet_write_string(sheet->worksheet, sheet->header, (lxw_col_t)i, title, sheet->book->header);
        }
}

static bool
cell_writable(struct sheet *sheet)
{
        if (sheet == NULL)
                return false;
        /* The last row is kept for saying that there were more. */
        return sheet->row + 1 < sheet->book->options.largest_row && sheet->column < SHEET_COLUMNS &&
               (sheet->count == 0 || sheet->column < sheet->count);
}

static enum cell
cell_kind(const struct sheet *sheet, enum cell otherwise)
{
        return sheet != NULL && sheet->column < sheet->count ? sheet->columns[sheet->column].cell : otherwise;
}

/* Days since 1899-12-30, Excel's count (ECMA-376 part 1, 18.17.4.1), in the zone of the reader. */
static double
moment_serial(const struct book *book, double moment_ms)
{
        if (book->options.shift != NULL)
                moment_ms += (double)book->options.shift(book->options.zone, (int64_t)moment_ms);
        return 25569.0 + moment_ms / (double)DAY_MS;
}

static void
cell_width(struct sheet *sheet, double characters)
{
        if (characters + 1.5 > sheet->widths[sheet->column])
                sheet->widths[sheet->column] = characters + 1.5;
}

static void
cell_height(struct sheet *sheet, const char *text, unsigned characters)
{
        int widest = sheet->columns[sheet->column].widest;
        unsigned width = widest > 0 ? (unsigned)widest : SHEET_WIDEST, lines;

        if (characters <= width - width / 10 && strchr(text, '\n') == NULL)
                return;
        lines = sheet_lines(text, width);
        if (lines > sheet->lines)
                sheet->lines = lines;
}

void
sheet_text_as(struct sheet *sheet, enum cell cell, const char *text)
{
        unsigned characters = 0;

        if (cell_writable(sheet) && text != NULL && text[0] != '\0') {
                text = sheet_clean(sheet->book, text, &characters);
                if (cell == CELL_TITLE)
                        worksheet_set_row(sheet->worksheet, sheet->row, 24, NULL);
                if (worksheet_write_string(sheet->worksheet, sheet->row, (lxw_col_t)sheet->column, text,
                                           sheet->book->formats[cell]) != LXW_NO_ERROR)
                        sheet->book->failed = true;
                if (cell == CELL_WRAPPED)
                        cell_height(sheet, text, characters);
                if (cell != CELL_TITLE)
                        cell_width(sheet, characters * (cell == CELL_LABEL ? 1.15 : 1.0));
        }
        sheet_empty(sheet);
}

void
sheet_number_as(struct sheet *sheet, enum cell cell, double value)
{
        static const double widths[CELL_KINDS] = {
                [CELL_PERCENT] = 7, [CELL_BYTES] = 10, [CELL_MOMENT] = 16, [CELL_DATE] = 10.5, [CELL_DURATION] = 10,
        };
        struct book *book = sheet != NULL ? sheet->book : NULL;

        if (cell_writable(sheet) && isfinite(value)) {
                double width = widths[cell] > 0 ? widths[cell] : fabs(value) >= 1e6 ? 15 : 9;

                if (cell == CELL_PERCENT)
                        value /= 100;
                else if (cell == CELL_DURATION)
                        value /= (double)DAY_MS;
                else if (cell == CELL_MOMENT || cell == CELL_DATE)
                        value = moment_serial(book, value);
                if (worksheet_write_number(sheet->worksheet, sheet->row, (lxw_col_t)sheet->column, value,
                                           book->formats[cell]) != LXW_NO_ERROR)
                        book->failed = true;
                cell_width(sheet, width);
        }
        sheet_empty(sheet);
}

void
sheet_text(struct sheet *sheet, const char *text)
{
        enum cell cell = cell_kind(sheet, CELL_TEXT);

        sheet_text_as(sheet, cell == CELL_WRAPPED ? CELL_WRAPPED : CELL_TEXT, text);
}

void
sheet_number(struct sheet *sheet, double value)
{
        enum cell cell = cell_kind(sheet, CELL_REAL);

        sheet_number_as(sheet, cell == CELL_TEXT || cell == CELL_WRAPPED || cell == CELL_FLAG ? CELL_REAL : cell,
                        value);
}

void
sheet_flag(struct sheet *sheet, bool value)
{
        if (cell_writable(sheet) && worksheet_write_boolean(sheet->worksheet, sheet->row, (lxw_col_t)sheet->column,
                                                            value, sheet->book->formats[CELL_FLAG]) != LXW_NO_ERROR)
                sheet->book->failed = true;
        sheet_empty(sheet);
}

void
sheet_empty(struct sheet *sheet)
{
        if (sheet != NULL)
                sheet->column++;
}

void
sheet_row_end(struct sheet *sheet)
{
        if (sheet == NULL)
                return;
        /* Not every program fits rows to wrapped text when it opens a workbook. */
        if (sheet->lines > 1)
                worksheet_set_row(sheet->worksheet, sheet->row, 15.0 * sheet->lines, NULL);
        if (sheet->row + 1 < sheet->book->options.largest_row)
                sheet->row++;
        else
                sheet->dropped++;
        sheet->column = sheet->lines = 0;
}

uint32_t
sheet_rows(const struct sheet *sheet)
{
        return sheet != NULL && sheet->count > 0 ? sheet->row - sheet->header - 1 : 0;
}

uint32_t
sheet_first_row(const struct sheet *sheet)
{
        return sheet != NULL ? sheet->header + 1 : 0;
}

uint32_t
sheet_next_row(const struct sheet *sheet)
{
        return sheet != NULL ? sheet->row : 0;
}

void
sheet_skip_rows(struct sheet *sheet, uint32_t rows)
{
        for (; sheet != NULL && rows > 0; rows--)
                sheet_row_end(sheet);
}

void
sheet_width(struct sheet *sheet, unsigned column, double characters)
{
        if (sheet != NULL)
                worksheet_set_column(sheet->worksheet, (lxw_col_t)column, (lxw_col_t)column, characters, NULL);
}

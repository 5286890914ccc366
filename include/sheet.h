/* A workbook of tables: typed cells in rows under a frozen header, over libxlsxwriter.
 *
 * Texts are any bytes: they are stored as strings whatever they begin with (never as formulas or links), and what XML
 * or Excel cannot hold is made visible instead.  A book is written to memory; nothing appears on disk but nameless
 * temporary files.  Strings are copied; the book owns its sheets.  Errors are REASON_INTERNAL (memory, a full disk). */
#ifndef ROUNDS_SHEET_H
#define ROUNDS_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

struct book;
struct sheet;

enum cell {
        CELL_TEXT,
        CELL_WRAPPED, /* text on several lines */
        CELL_WHOLE,
        CELL_REAL,
        CELL_PERCENT,  /* given 0 to 100 */
        CELL_BYTES,    /* shown as B, MB, GB */
        CELL_MOMENT,   /* milliseconds since the epoch, shown with hours and minutes */
        CELL_DATE,     /* the same, shown as a date */
        CELL_DURATION, /* milliseconds, shown as hours:minutes:seconds */
        CELL_FLAG,     /* TRUE or FALSE */
        CELL_TITLE,    /* text, large; for sheets that are not tables */
        CELL_LABEL,    /* text, bold */
        CELL_RIGHT,    /* text among numbers */
        CELL_HEADING,  /* text, bold, right above numbers */
        CELL_KINDS,
};

/* How the cells of a column are coloured. */
enum colours { COLOURS_NONE, COLOURS_SEVERITY, COLOURS_STATUS, COLOURS_CHANGE, COLOURS_DAYS_LEFT };

struct column {
        const char *title;
        enum cell cell;
        enum colours colours;
        int widest; /* characters; 0: 60 for text */
};

struct book_options {
        const char *folder; /* for temporary files; NULL: $TMPDIR or /tmp */
        const char *title, *company;
        int64_t created_ms; /* the document's own date: the run's, so that two renders are the same bytes */
        /* What is added to a moment, in milliseconds, to show it in the reader's zone; NULL: UTC. */
        int64_t (*shift)(const void *zone, int64_t moment_ms);
        const void *zone;
        bool large;           /* rows go to disk as they come: bounded memory, filters but no table styles */
        uint32_t largest_row; /* rows a sheet may hold; 0: Excel's 1,048,576 */
};

int book_open(const struct book_options *options, struct book **out, struct error *err)
        __attribute__((warn_unused_result));

/* Writes the workbook's bytes to `stream`, after having read them back whole.  The book remains to be freed. */
int book_write(struct book *book, FILE *stream, struct error *err) __attribute__((warn_unused_result));
void book_free(struct book *book); /* NULL is fine */

/* Notes that memory ran out while the book was being filled: book_write() will tell. */
void book_fail(struct book *book);

/* Adds a sheet: `name` is made fit (31 characters, none of []:*?/\, unique).  NULL once memory ran out; every function
 * below accepts a NULL sheet and does nothing, and book_write() tells. */
struct sheet *sheet_add(struct book *book, const char *name);

/* The name that `sheet` got. */
const char *sheet_name(const struct sheet *sheet);

/* The header of a table at the next row; titles are made unique.  At most 64 columns, the rest is dropped. */
void sheet_columns(struct sheet *sheet, const struct column *columns, size_t count);

/* The next cell of the row, left to right.  Its kind is the column's, unless the sheet has no columns. */
void sheet_text(struct sheet *sheet, const char *text); /* NULL: an empty cell */
void sheet_number(struct sheet *sheet, double value);   /* NaN and infinities: an empty cell */
void sheet_flag(struct sheet *sheet, bool value);
void sheet_empty(struct sheet *sheet);

/* The same with a kind of its own. */
void sheet_text_as(struct sheet *sheet, enum cell cell, const char *text);
void sheet_number_as(struct sheet *sheet, enum cell cell, double value);

void sheet_row_end(struct sheet *sheet);

/* Closes the table: filter or table style, column widths, colours, print set-up.  `none` is what the sheet says
 * when it has no row. */
void sheet_end(struct sheet *sheet, const char *none);

/* Rows under the header that were written; 0-based row of the first one, for charts. */
uint32_t sheet_rows(const struct sheet *sheet);
uint32_t sheet_first_row(const struct sheet *sheet);
uint32_t sheet_next_row(const struct sheet *sheet);
void sheet_skip_rows(struct sheet *sheet, uint32_t rows);
void sheet_width(struct sheet *sheet, unsigned column, double characters);

/* Only the first `columns` are printed: what follows is for filtering on screen.  After sheet_end(). */
void sheet_print(struct sheet *sheet, unsigned columns);

/* --- charts: native, over ranges of cells ------------------------------------------------------------------- */

enum chart_kind { CHART_BARS, CHART_COLUMNS, CHART_LINES };

struct chart_series {
        const char *name;
        unsigned column; /* of the values */
        uint32_t colour; /* 0xRRGGBB */
        bool dashed;
};

struct chart_plan {
        enum chart_kind kind;
        const char *title, *value_axis;
        unsigned categories;          /* column of the labels, or of the moments under CHART_LINES */
        bool bytes;                   /* the values are bytes */
        bool moments;                 /* the categories are moments: an axis of dates */
        uint32_t first_row, last_row; /* 0-based, inclusive */
        struct chart_series series[6];
        size_t count;
        const uint32_t *point_colours; /* one per row of the first series, or NULL */
        double largest;                /* of the values, where they are counts; 0: not known */
        unsigned width, height;        /* pixels */
        uint32_t row;                  /* where it stands: 0-based cell */
        unsigned column;
};

/* Puts a chart of `data`'s cells on `sheet`. */
void sheet_chart(struct sheet *sheet, const struct sheet *data, const struct chart_plan *plan);

#endif

/* What the files of the worksheet layer share; everybody else reads sheet.h. */
#ifndef ROUNDS_SHEET_PARTS_H
#define ROUNDS_SHEET_PARTS_H

#include <xlsxwriter.h>

#include "buffer.h"
#include "sheet.h"

#define SHEET_COLUMNS    64
#define SHEET_NAME       31 /* characters, Excel's bound */
#define SHEET_CELL_LIMIT 32767
#define SHEET_WIDEST     60 /* characters of a column that does not say */
#define SHEET_LINES      12 /* a row is at most so high: the rest is read in the cell's own line */

enum tint { TINT_SEV1, TINT_SEV2, TINT_SEV3, TINT_SEV4, TINT_GOOD, TINT_QUIET, TINT_UNKNOWN, TINT_DEAD, TINT_KINDS };

struct book {
        lxw_workbook *workbook;
        struct sheet *first, *last;
        lxw_format *formats[CELL_KINDS];
        lxw_format *header;
        lxw_format *tints[TINT_KINDS];
        struct buffer clean; /* a text made fit for a cell */
        struct book_options options;
        int memory; /* the file written to */
        unsigned sheets;
        bool failed;
};

struct sheet {
        struct book *book;
        struct sheet *next;
        lxw_worksheet *worksheet;
        char name[SHEET_NAME * 4 + 1];
        struct column columns[SHEET_COLUMNS];
        char *titles[SHEET_COLUMNS]; /* owned, made unique */
        unsigned count;              /* columns; 0: no table */
        unsigned column;             /* of the next cell */
        uint32_t header, row;        /* 0-based */
        unsigned lines;              /* that the tallest cell of the row needs */
        uint64_t dropped;            /* rows past the limit */
        double widths[SHEET_COLUMNS];
};

/* A text that fits a cell: `text` itself or the book's own buffer, good until the next call.  *characters is the length
 * of its longest line.  See sheet_text.c. */
const char *sheet_clean(struct book *book, const char *text, unsigned *characters);

/* How many lines a wrapped text takes in a column of so many characters, at most SHEET_LINES. */
unsigned sheet_lines(const char *text, unsigned width);

/* Writes `wanted` to name[] as a sheet name that no earlier sheet of the book has. */
void sheet_name_fit(const struct book *book, const char *wanted, char name[SHEET_NAME * 4 + 1]);

/* Colours of a column of a closed table. */
void sheet_colour(struct sheet *sheet, unsigned column, uint32_t first, uint32_t last);

/* Reads a finished workbook back: libxlsxwriter does not look whether its temporary files took every byte, and a full
 * disk would leave a workbook that Excel refuses.  -1 when a part is cut. */
int book_verify(int fd, struct error *err) __attribute__((warn_unused_result));

/* Excel's number format of a kind of cell; NULL: General. */
const char *cell_number_format(enum cell cell);

void book_formats(struct book *book);

#endif

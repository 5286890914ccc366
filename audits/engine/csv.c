/* Comma-separated values, one record at a time. */

#include "csv.h"

#include <stdbool.h>
#include <string.h>

void
csv_start(struct csv *csv, FILE *stream)
{
        csv->stream = stream;
        csv->line = 0;
        csv->next_line = 1;
        csv->count = 0;
        /* A byte order mark, which spreadsheets write. */
        int first = getc(stream);
        if (first == 0xEF) {
                getc(stream);
                getc(stream);
        } else if (first != EOF) {
                ungetc(first, stream);
        }
}

static void
skip_line(struct csv *csv)
{
        int c;

        while ((c = getc(csv->stream)) != EOF) {
                if (c == '\n') {
                        csv->next_line++;
                        return;
                }
        }
}

static int
malformed(struct csv *csv, bool at_end, struct error *err, const char *why)
{
        if (!at_end)
                skip_line(csv);
        return error_set(err, REASON_CONFIGURATION, "%s", why);
}

/* A record on its way. */
struct record {
        char *end;       /* where the next byte goes */
        size_t length;   /* of the field so far */
        bool quoted;     /* inside quotes */
        bool was_quoted; /* the field began with a quote */
        bool any;        /* something stands on the line */
};

static void
begin_field(struct csv *csv, struct record *record)
{
        csv->fields[csv->count++] = record->end;
        record->length = 0;
        record->quoted = record->was_quoted = false;
}

static int
add_byte(struct record *record, int c)
{
        if (record->length == CSV_FIELD)
                return -1;
        *record->end++ = (char)c;
        record->length++;
        return 0;
}

/* Inside quotes: everything counts, a quote ends them or, doubled, stands for itself. */
static const char *
quoted_byte(struct csv *csv, struct record *record, int c)
{
        if (c == '"') {
                int next = getc(csv->stream);
                if (next != '"') {
                        record->quoted = false;
                        if (next != EOF)
                                ungetc(next, csv->stream);
                        return NULL;
                }
        }
        csv->next_line += c == '\n';
        return add_byte(record, c) != 0 ? "a field is too long" : NULL;
}

static const char *
plain_byte(struct record *record, int c)
{
        if (c == '"') {
                if (record->length > 0 || record->was_quoted)
                        return "a quote in the middle of a field: quote the whole field and double it";
                record->quoted = record->was_quoted = true;
                return NULL;
        }
        if (record->was_quoted)
                return "text after the closing quote";
        return add_byte(record, c) != 0 ? "a field is too long" : NULL;
}

int
csv_next(struct csv *csv, struct error *err)
{
        struct record record = {.end = csv->text};

        csv->count = 0;
        csv->line = csv->next_line;
        begin_field(csv, &record);
        for (;;) {
                const char *why = NULL;
                int c = getc(csv->stream);
                if (c == '\r' && !record.quoted) {
                        c = getc(csv->stream);
                        if (c != '\n') {
                                if (c != EOF)
                                        ungetc(c, csv->stream);
                                return malformed(csv, c == EOF, err, "a carriage return in the middle of a line");
                        }
                }
                if (c == EOF && ferror(csv->stream))
                        return malformed(csv, true, err, "cannot be read");
                if (c == EOF && record.quoted)
                        return malformed(csv, true, err, "a quoted field never ends");
                if (c == EOF || (c == '\n' && !record.quoted)) {
                        csv->next_line += c == '\n';
                        *record.end = '\0';
                        if (record.any)
                                return 1;
                        if (c == EOF)
                                return 0;
                        csv->line = csv->next_line; /* an empty line */
                        continue;
                }
                record.any = true;
                if (c == '\0') {
                        why = "a byte of zero";
                } else if (record.quoted) {
                        why = quoted_byte(csv, &record, c);
                } else if (c == ',') {
                        *record.end++ = '\0';
                        if (csv->count == CSV_FIELDS)
                                why = "too many fields";
                        else
                                begin_field(csv, &record);
                } else {
                        why = plain_byte(&record, c);
                }
                if (why != NULL)
                        return malformed(csv, false, err, why);
        }
}

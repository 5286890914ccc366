/* Comma-separated values as RFC 4180 has them, read record by record from a stream that nobody vouched for.
 *
 * Quoted fields may hold commas, doubled quotes and line ends; lines end with LF or CRLF; a byte order mark at the
 * beginning is skipped.  A record may have at most CSV_FIELDS fields of CSV_FIELD bytes each. */
#ifndef ROUNDS_CSV_H
#define ROUNDS_CSV_H

#include <stddef.h>
#include <stdio.h>

#include "error.h"

#define CSV_FIELDS 32
#define CSV_FIELD  4096

struct csv {
        FILE *stream; /* borrowed */
        size_t line;  /* of the record that was read last, counted from 1: its first line */
        char text[CSV_FIELDS * (CSV_FIELD + 1)];
        const char *fields[CSV_FIELDS]; /* NUL-terminated, in `text`, until the next record */
        size_t count;

        size_t next_line; /* where reading goes on */
};

void csv_start(struct csv *csv, FILE *stream);

/* 1: a record (an empty line is none and is passed over); 0: the end; -1: a malformed one, told in `err`, and reading
 * goes on after the end of its line. */
int csv_next(struct csv *csv, struct error *err) __attribute__((warn_unused_result));

#endif

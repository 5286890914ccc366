/* Lines of a log, counted: how many are JSON, how many carry an identifier of the request.  No line is kept. */
#ifndef ROUNDS_LOG_LINES_H
#define ROUNDS_LOG_LINES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define LOG_SHAPE 100

struct log_lines {
        size_t lines;          /* that are not empty */
        size_t json;           /* objects */
        size_t named;          /* objects with an identifier */
        char shape[LOG_SHAPE]; /* of the first line without one: the names of its fields ("{level, msg, time}"), or of a
                                  line that is no JSON its punctuation with "a" for words and "0" for numbers; "" while
                                  every line has one */
};

/* Counts the lines of `text`, which may be cut off: with `whole` false a last line without an end is left out.  An
 * identifier is a field whose name is one of `names` (an array of texts, case aside), with a text or a number in it,
 * at the top or in an object at most two below it. */
void log_lines_count(const char *text, size_t length, bool whole, const json_t *names, struct log_lines *sum);

#endif

/* The text of a SQL statement without what it was called with: literals, numbers and comments gone, lists shortened,
 * blanks and case evened out.  Two calls that differ in their values alone give the same text, before an upgrade of the
 * server and after it.
 *
 * Lexical rules: PostgreSQL manual, "SQL Syntax, Lexical Structure" (nested comments, E'' and U&'' strings, dollar
 * quotes, numeric constants). */
#ifndef ROUNDS_STATEMENT_TEXT_H
#define ROUNDS_STATEMENT_TEXT_H

#include <stdbool.h>

#include "buffer.h"

/* Appends the text of `sql` to `text`; a string or a comment without its end goes on to the end.  0, or -1 when the
 * buffer is full or memory ran out. */
int statement_text(const char *sql, struct buffer *text) __attribute__((warn_unused_result));

/* True for such a text that has a plan: SELECT, INSERT, UPDATE, DELETE, MERGE, WITH, VALUES, TABLE.  Utility statements
 * (ALTER ROLE ... PASSWORD) carry what nobody should keep. */
bool statement_has_plan(const char *text);

/* Sixteen hexadecimal digits of the SHA-256 of such a text. */
#define STATEMENT_ID 17
void statement_id(const char *text, char id[STATEMENT_ID]);

#endif

/* Text that nobody vouched for, made safe and honest for one kind of output.
 *
 * What a reader cannot see or what would lie to them is shown: control characters as their pictures (U+2400 ff.), marks
 * of writing direction, joiners and other invisible ones as "[U+202E]", bytes that are not UTF-8 as U+FFFD. */
#ifndef ROUNDS_ESCAPE_H
#define ROUNDS_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

/* HTML text and quoted attribute values; newlines and tabs stay. */
void escape_html(FILE *stream, const char *text, size_t length);

/* One cell of a GitHub table, or running text: one line, no markup comes to life. */
void escape_markdown(FILE *stream, const char *text, size_t length);

/* A terminal: one line, no escape sequence comes to life. */
void escape_terminal(FILE *stream, const char *text, size_t length);

/* Columns that the text takes on a terminal once escaped (wide characters count two, marks none). */
size_t escape_columns(const char *text);

/* The terminal's form of as much of `text` as fits into `columns`, with "…" when something was cut.  Returns the
 * columns used. */
size_t escape_terminal_cut(FILE *stream, const char *text, size_t columns);

/* Bytes of `text` that hold its first `runes` characters; its whole length when it has no more. */
size_t text_prefix(const char *text, size_t runes);

#endif

/* Error texts reduced to what they have in common: two failures of one cause read alike, and nothing of the message
 * that failed is left in them. */
#ifndef ROUNDS_ERROR_TEXT_H
#define ROUNDS_ERROR_TEXT_H

#include <stddef.h>

#define ERROR_TEXT 200

/* The first line of `text` with what differs from case to case replaced: UUIDs and long hexadecimal by <id>, numbers by
 * <n>, quoted parts by <text>, addresses of people and services by <email> and <url>, API keys by <key>; blanks run
 * together, cut at ERROR_TEXT - 1 bytes on a character's border. */
void error_text_reduce(const char *text, size_t length, char reduced[ERROR_TEXT]);

/* Blots out API keys (krn_...) in place: the text may grow no longer than it was. */
void error_text_redact(char *text);

#endif

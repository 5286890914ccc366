/* Places in a message, and its shape: what may be told of a message whose values nobody else may see. */
#ifndef ROUNDS_MESSAGE_SHAPE_H
#define ROUNDS_MESSAGE_SHAPE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value at a JSON pointer (RFC 6901): "" is the whole, "/a/0/b~1c"; borrowed, NULL where there is none. */
const json_t *message_pointer(const json_t *message, const char *pointer);

/* A time however messages write it: RFC 3339, "2026-11-24 03:12:44.5+00" as PostgreSQL does, or a number (or text) of
 * seconds or milliseconds since the epoch. */
bool message_moment(const json_t *value, int64_t *at_ms);

/* "{id: number, items: [{sku: text}], note?}" in one line: names of fields (sorted) and types, at most four deep and
 * `size` bytes; no value.  Names that look like ids stand as <id>. */
void message_shape(const json_t *message, char *text, size_t size);

#endif

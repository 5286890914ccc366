/* Aligned columns of text for a terminal, or the same rows as JSON. */
#ifndef ROUNDS_COLUMNS_H
#define ROUNDS_COLUMNS_H

#include <jansson.h>
#include <stdio.h>

/* Prints `rows` (array of flat objects) as columns in the order of `keys` (NULL-terminated), with a heading; values of
 * any scalar type, control characters made visible.  The last column is not padded. */
void columns_print(const json_t *rows, const char *const *keys, FILE *stream);

#endif

/* An inventory as a table for people: which columns, in which order, and each cell's text.
 *
 * Units stand at the end of a key's name (_bytes, _ms, _at_ms, _percent, _ratio) and leave the title. */
#ifndef ROUNDS_INVENTORY_H
#define ROUNDS_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "view.h"
#include "zone.h"

enum { INVENTORY_COLUMNS = 7, INVENTORY_TEXT = 400 };

struct inventory_column {
        const char *key; /* NULL: the target's name */
        char title[64];
};

struct inventory_table {
        struct inventory_column columns[INVENTORY_COLUMNS];
        size_t column_count;
        size_t columns_left_out;
        const struct view_row *const *rows; /* certificates: the first to expire first */
        size_t row_count;
};

/* `rows` has room for every row of the inventory and is filled. */
void inventory_lay_out(const struct view_inventory *inventory, const struct view_row **rows,
                       struct inventory_table *table);

/* One cell, cut to what fits. */
void inventory_format(const struct inventory_column *column, const struct view_row *row, const struct zone *zone,
                      char text[INVENTORY_TEXT]);

bool inventory_is_number(const struct inventory_column *column);

/* When a certificate expires, a duty is due; INT64_MAX when the row does not say. */
int64_t inventory_expiry(const json_t *row);

/* Keys that tell rows apart, in the order in which a kind without a layout of its own begins; NULL-terminated. */
extern const char *const inventory_identity[];

#endif

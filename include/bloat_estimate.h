/* How many pages a table or a B-tree would need if it were written afresh, from its statistics.  Pure arithmetic.
 *
 * Derived from the PostgreSQL manual, "Database Page Layout" (page header 24 bytes, item identifier 4, tuple header 23
 * and the null bitmap, MAXALIGN), "TOAST", "CREATE TABLE" and "CREATE INDEX" (fill factors), "B-Tree Indexes" (special
 * space, high keys, deduplication since 13).  MAXALIGN is 8, as on every 64-bit platform. */
#ifndef ROUNDS_BLOAT_ESTIMATE_H
#define ROUNDS_BLOAT_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>

/* A column as the row stores it, in the order of attnum. */
struct bloat_column {
        double width;      /* pg_stats.avg_width: bytes as stored (a value out of line counts its 18-byte pointer) */
        double null_share; /* pg_stats.null_frac, 0 to 1 */
        int length;        /* pg_attribute.attlen: bytes of a fixed-size type; -1 or -2: varying */
        int alignment;     /* 1, 2, 4, 8 */
        bool dropped;      /* counts in the null bitmap, takes no room */
};

/* The mean size of a row. */
struct bloat_row {
        double bytes; /* header, bitmap and data, aligned; without the item identifier */
        bool even;    /* every row has this very size */
};

struct bloat_row bloat_row_size(const struct bloat_column *columns, size_t count);

/* Pages of a heap with `rows` such rows; `fill_factor` in per cent. */
double bloat_heap_pages(struct bloat_row row, double rows, double fill_factor, double block_size);

/* Pages that a TOAST table needs at most for `chunks` chunks: four full ones fit on a page. */
double bloat_toast_pages(double chunks);

/* Mean size of a B-tree's leaf entry, without the item identifier; a wholly absent bitmap costs nothing here. */
struct bloat_row bloat_entry_size(const struct bloat_column *columns, size_t count);

struct bloat_btree {
        struct bloat_row entry;
        double rows;
        double null_rows;   /* among them, where the only column is null: one key more */
        double distinct;    /* different other keys, at least 1; only read when deduplicated */
        bool deduplicated;  /* equal keys share one posting list */
        double fill_factor; /* of leaves, per cent */
        double block_size;
};

/* Meta page, leaves and inner pages. */
double bloat_btree_pages(const struct bloat_btree *tree);

#endif

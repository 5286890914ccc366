/* Pages that a table or a B-tree needs, from row widths.  See bloat_estimate.h for the sources. */

#include "bloat_estimate.h"

#include <math.h>

static const double page_header = 24, item_identifier = 4, btree_special = 16, entry_header = 8;

static double
aligned(double bytes, double to)
{
        return ceil(bytes / to) * to;
}

/* How far a walk along a row's columns has come: mean bytes, and what is known of every row's true offset, that it
 * leaves `rest` when divided by `known` (1, 2, 4 or 8). */
struct walk {
        double offset;
        int known, rest;
        bool even; /* every row has this very offset */
};

/* Mean padding to a multiple of `alignment` over the offsets that are possible. */
static double
padding(const struct walk *walk, int alignment)
{
        int step = walk->known < alignment ? walk->known : alignment, count = alignment / step;
        double sum = 0;

        for (int k = 0; k < count; k++)
                sum += (alignment - (walk->rest + k * step) % alignment) % alignment;
        return sum / count;
}

/* A stored value of up to 126 bytes carries a one-byte header and needs no alignment; a TOAST pointer neither. */
static bool
is_short(const struct bloat_column *column)
{
        return column->length < 0 && column->width <= 127;
}

static void
add_column(struct walk *walk, const struct bloat_column *column)
{
        double present = 1 - fmin(fmax(column->null_share, 0), 1);

        if (column->dropped || present <= 0)
                return;
        int alignment = is_short(column) ? 1 : column->alignment;
        double width = column->length > 0 ? column->length : column->width;
        walk->offset += present * (padding(walk, alignment) + width);
        walk->even = walk->even && present >= 1 && column->length > 0;
        if (column->length <= 0) {
                walk->known = 1;
        } else if (present >= 1) {
                /* What was known beyond the alignment stays known. */
                int known = walk->known > alignment ? walk->known : alignment;
                int start = walk->known > alignment ? walk->rest + (int)padding(walk, alignment) : 0;
                walk->known = known;
                walk->rest = (start + column->length) % known;
        } else {
                /* The column is there in some rows only: what both kinds of row agree on. */
                int known = walk->known < alignment ? walk->known : alignment;
                while (known > 1 && (column->length - walk->rest) % known != 0)
                        known /= 2;
                walk->known = known;
        }
        walk->rest %= walk->known;
}

/* To the next multiple of 8. */
static double
closed(struct walk walk)
{
        return walk.offset + padding(&walk, 8);
}

/* Rows that carry a null bitmap, taking columns for independent; a dropped column is null in every row written since.
 */
static double
bitmap_share(const struct bloat_column *columns, size_t count)
{
        double none = 1;

        for (size_t i = 0; i < count; i++)
                none *= columns[i].dropped ? 0 : 1 - fmin(fmax(columns[i].null_share, 0), 1);
        return 1 - none;
}

struct bloat_row
bloat_row_size(const struct bloat_column *columns, size_t count)
{
        struct walk walk = {.known = 8, .even = true};
        double share = bitmap_share(columns, count);

        for (size_t i = 0; i < count; i++)
                add_column(&walk, &columns[i]);
        double plain = aligned(23, 8), mapped = aligned(23 + ceil((double)count / 8), 8);
        return (struct bloat_row){.bytes = closed(walk) + plain + share * (mapped - plain),
                                  .even = walk.even && (share <= 0 || share >= 1 || mapped <= plain)};
}

/* How many things of this size fit.  Where sizes vary, half a thing would be lost at the end of a page on the average,
 * but smaller ones come by later and take half of that. */
static double
fitting(double room, double size, bool even)
{
        double fit = even ? floor(room / size) : room / size - 0.25;

        return fmax(fit, 1);
}

double
bloat_heap_pages(struct bloat_row row, double rows, double fill_factor, double block_size)
{
        double kept_free = floor(block_size * (100 - fill_factor) / 100);
        double room = block_size - page_header - kept_free;

        return ceil(rows / fitting(room, row.bytes + item_identifier, row.even));
}

double
bloat_toast_pages(double chunks)
{
        return ceil(chunks / 4);
}

struct bloat_row
bloat_entry_size(const struct bloat_column *columns, size_t count)
{
        struct walk walk = {.known = 8, .even = true};
        double share = bitmap_share(columns, count);

        for (size_t i = 0; i < count; i++)
                add_column(&walk, &columns[i]);
        /* The bitmap of an index entry is 4 bytes, which alignment makes 8. */
        return (struct bloat_row){.bytes = entry_header + closed(walk) + share * 8,
                                  .even = walk.even && (share <= 0 || share >= 1)};
}

/* Bytes of the leaf entries of `rows` rows with `distinct` keys, identifiers included.  A key with several rows is kept
 * once before the 6-byte addresses of its rows, in lists of at most a tenth of a page. */
static double
listed_bytes(const struct bloat_btree *tree, double rows, double distinct)
{
        double entry = tree->entry.bytes + item_identifier;
        double each = rows / fmin(fmax(distinct, 1), fmax(rows, 1));

        /* Where few rows share a key, a sample sees too few of the keys: the server's figure is too low by up to a
         * third (measured, tests/bench/bench_bloat.sh). */
        if (each > 1.2 && each < 5)
                each = fmax(each / 1.3, 1);
        double list_room = floor(tree->block_size / 10 / 8) * 8 - item_identifier;
        double most = floor((list_room - tree->entry.bytes) / 6);
        if (!tree->deduplicated || each <= 1 || most < 2)
                return rows * entry;
        /* Rows spread over keys at random: some keys of a thinly repeated column stand alone. */
        double keys = rows / each, mean = each;
        double single = 0;
        if (each < 20) {
                for (int i = 0; i < 30; i++)
                        mean = each * (1 - exp(-mean)); /* of the Poisson law whose non-zero mean is `each` */
                single = mean > 0 ? mean * exp(-mean) / (1 - exp(-mean)) : 1;
        }
        double lists = each <= most ? 1 - single : each / most;
        double list_head = tree->entry.bytes + item_identifier + 3;
        return keys * single * entry + keys * lists * list_head + 6 * keys * (each - single);
}

static double
leaf_bytes(const struct bloat_btree *tree)
{
        double absent = fmin(fmax(tree->null_rows, 0), tree->rows);

        return listed_bytes(tree, tree->rows - absent, tree->distinct) + listed_bytes(tree, absent, 1);
}

double
bloat_btree_pages(const struct bloat_btree *tree)
{
        double usable = tree->block_size - page_header - btree_special;
        double leaf_room = usable - floor(tree->block_size * (100 - tree->fill_factor) / 100);
        double entry = tree->entry.bytes + item_identifier;
        double bytes = leaf_bytes(tree), leaves;

        if (!(tree->rows > 0))
                return 1;
        /* Every leaf but the last repeats its right neighbour's first key as its high key. */
        if (!tree->deduplicated || (tree->distinct >= tree->rows && tree->null_rows <= 0))
                leaves = ceil(tree->rows / fmax(fitting(leaf_room, entry, tree->entry.even) - (leaf_room > entry), 1));
        else
                leaves = ceil(bytes / fmax(leaf_room - entry, leaf_room / 2));
        /* Inner pages are filled to 70 %. */
        double fan = fmax(floor(usable * 0.7 / entry), 2), pages = 1 + leaves;
        for (double level = leaves; level > 1;) {
                level = ceil(level / fan);
                pages += level;
        }
        return pages;
}

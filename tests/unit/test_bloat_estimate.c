/* Page counts against what PostgreSQL 15 itself wrote (relpages of freshly filled tables and indexes). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "bloat_estimate.h"

#define INT4                                \
        {                                   \
                .length = 4, .alignment = 4 \
        }
#define INT8                                \
        {                                   \
                .length = 8, .alignment = 8 \
        }
#define TEXT(bytes)                                            \
        {                                                      \
                .length = -1, .alignment = 4, .width = (bytes) \
        }

static const struct {
        const char *words;
        struct bloat_column columns[12];
        size_t count;
        double bytes, rows, fill_factor;
        double pages;  /* as the server wrote them */
        double within; /* per cent */
} heaps[] = {
        {"two integers", {INT4, INT4}, 2, 32, 400000, 100, 1770, 0},
        {"padding between columns", {INT4, INT8, {.length = 2, .alignment = 2}, INT8}, 4, 56, 300000, 100, 2206, 0},
        {"no columns at all", {{0}}, 0, 24, 291, 100, 1, 0},
        {"text of one length", {INT4, TEXT(33)}, 2, 64.5, 200000, 70, 2410, 1},
        {"dropped column", {INT4, {.dropped = true}, TEXT(33)}, 3, 64.5, 150000, 100, 1250, 1},
        {"a column that is always null",
         {INT4, {.length = 8, .alignment = 8, .null_share = 1}},
         2,
         32,
         400000,
         100,
         1770,
         0},
        {"nine columns with nulls: the bitmap grows the header",
         {INT4, INT4, INT4, INT4, INT4, INT4, INT4, INT4, {.length = 4, .alignment = 4, .null_share = 1}},
         9,
         64,
         120000,
         100,
         1000,
         1},
        {"values out of line", {INT4, TEXT(18)}, 2, 49.5, 10000, 100, 64, 4},
};

static void
test_heaps(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof heaps / sizeof heaps[0]; i++) {
                struct bloat_row row = bloat_row_size(heaps[i].columns, heaps[i].count);
                double pages = bloat_heap_pages(row, heaps[i].rows, heaps[i].fill_factor, 8192);
                if (fabs(row.bytes - heaps[i].bytes) > 0.01 ||
                    fabs(pages - heaps[i].pages) > heaps[i].pages * heaps[i].within / 100)
                        fail_msg("%s: %.2f bytes, %.0f pages", heaps[i].words, row.bytes, pages);
        }
}

static const struct {
        const char *words;
        struct bloat_column columns[4];
        size_t count;
        double rows, null_rows, distinct;
        bool deduplicated;
        double fill_factor, pages, within;
} trees[] = {
        {"unique integers", {INT8}, 1, 300000, 0, 300000, false, 90, 825, 1},
        {"ten keys", {INT4}, 1, 300000, 0, 10, true, 90, 258, 2},
        {"fifteen rows a key", {INT4}, 1, 300000, 0, 19344, true, 90, 311, 2},
        {"three rows a key, of which a sample sees too few", {INT4}, 1, 300000, 0, 103274, true, 90, 619, 2},
        {"three quarters null", {INT4}, 1, 300000, 225000, 75000, true, 90, 399, 2},
        {"two columns", {INT4, INT8}, 2, 300000, 0, 300000, false, 90, 1158, 1},
        {"a lower fill factor", {INT8}, 1, 300000, 0, 300000, false, 60, 1242, 1},
        {"empty", {INT8}, 1, 0, 0, 0, true, 90, 1, 0},
        {"one row", {INT8}, 1, 1, 0, 1, true, 90, 2, 0},
};

static void
test_trees(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
                struct bloat_btree tree = {.entry = bloat_entry_size(trees[i].columns, trees[i].count),
                                           .rows = trees[i].rows,
                                           .null_rows = trees[i].null_rows,
                                           .distinct = trees[i].distinct,
                                           .deduplicated = trees[i].deduplicated,
                                           .fill_factor = trees[i].fill_factor,
                                           .block_size = 8192};
                double pages = bloat_btree_pages(&tree);
                if (fabs(pages - trees[i].pages) > trees[i].pages * trees[i].within / 100)
                        fail_msg("%s: %.0f pages", trees[i].words, pages);
        }
}

/* Statistics are a server's word: whatever they say, the answer is a finite number of pages. */
static void
test_absurd_statistics(void **state)
{
        static const double odd[] = {-1, 0, 0.5, 1, 127, 128, 8192, 1e6, 1e18, -1e18};

        (void)state;
        for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
                for (size_t j = 0; j < sizeof odd / sizeof odd[0]; j++) {
                        struct bloat_column column = {
                                .width = fabs(odd[i]), .length = -1, .alignment = 4, .null_share = odd[j]};
                        struct bloat_row row = bloat_row_size(&column, 1);
                        assert_true(isfinite(bloat_heap_pages(row, fabs(odd[j]), 10, 8192)));
                        struct bloat_btree tree = {.entry = bloat_entry_size(&column, 1),
                                                   .rows = fabs(odd[j]),
                                                   .null_rows = odd[i],
                                                   .distinct = odd[i],
                                                   .deduplicated = true,
                                                   .fill_factor = 10,
                                                   .block_size = 8192};
                        assert_true(isfinite(bloat_btree_pages(&tree)));
                        assert_true(bloat_btree_pages(&tree) >= 1);
                }
        }
}

static void
test_toast(void **state)
{
        (void)state;
        assert_float_equal(bloat_toast_pages(0), 0, 0);
        assert_float_equal(bloat_toast_pages(9), 3, 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_heaps),
                cmocka_unit_test(test_trees),
                cmocka_unit_test(test_absurd_statistics),
                cmocka_unit_test(test_toast),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

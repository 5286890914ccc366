/* What the facts of a relation amount to: bytes that are nothing, or why that is not told. */

#include "bloat_facts.h"

#include <math.h>
#include <string.h>

#include "bloat_estimate.h"
#include "json.h"

const char *
bloat_withheld_name(enum bloat_withheld withheld)
{
        static const char *const names[] = {"", "never-analyzed", "invisible", "missing", "stale", "deduplicated"};

        return withheld < BLOAT_REASONS ? names[withheld] : "";
}

/* Nothing is said from figures that do not fit the relation as it is now. */
static enum bloat_withheld
withheld_for(const json_t *row, bool toast, double block_size, double stale_percent)
{
        double rows = json_real_or(row, "rows", -1);
        double pages = json_real_or(row, "bytes", 0) / block_size, then = json_real_or(row, "stat_pages", 0);

        if (!(rows >= 0))
                return BLOAT_NEVER_ANALYZED;
        if (json_whole(row, "missing", 0) > 0)
                return json_flag(row, "visible", true) ? BLOAT_MISSING : BLOAT_INVISIBLE;
        if (!toast && json_real_or(row, "changed", 0) > fmax(rows, 1) * stale_percent / 100)
                return BLOAT_STALE;
        if (fabs(pages - then) > then * stale_percent / 100)
                return BLOAT_STALE;
        return strcmp(json_text(row, "keys", ""), "unseen") == 0 ? BLOAT_UNSEEN : BLOAT_TOLD;
}

static struct bloat
measured_bloat(const json_t *row, const json_t *exact, bool index, double block_size)
{
        double fill = json_real_or(row, "fill_factor", index ? 90 : 100), bytes = json_real_or(exact, "bytes", 0);
        struct bloat bloat = {.exact = true, .bytes = bytes};

        if (index) {
                double leaves = json_real_or(exact, "leaves", 0), inner = json_real_or(exact, "inner_pages", 0);
                double full = leaves * json_real_or(exact, "density", 0) / fill;
                double needed = 1 + full + (leaves > 0 ? inner * fmin(full / leaves, 1) : 0);
                bloat.waste_bytes = bytes - needed * block_size;
        } else {
                /* What the fill factor keeps free on purpose is no waste. */
                double waste = json_real_or(exact, "free", 0) + json_real_or(exact, "dead", 0);
                bloat.waste_bytes = waste - (bytes - waste) * (100 - fill) / fill;
        }
        return bloat;
}

struct bloat
bloat_of(const json_t *row, bool index, double block_size, double stale_percent)
{
        const json_t *exact = json_map(row, "exact");
        bool toast = strcmp(json_text(row, "kind", ""), "toast") == 0;
        double rows = json_real_or(row, "rows", -1), fill = json_real_or(row, "fill_factor", index ? 90 : 100);
        struct bloat bloat = {.bytes = json_real_or(row, "bytes", 0), .least = toast};
        double pages = 0;

        block_size = block_size >= 1024 && block_size <= 65536 ? block_size : 8192;
        fill = fill >= 10 && fill <= 100 ? fill : 100;
        if (exact != NULL && json_real_or(exact, "bytes", 0) > 0) {
                bloat = measured_bloat(row, exact, index, block_size);
        } else {
                bloat.withheld = withheld_for(row, toast, block_size, stale_percent);
                if (bloat.withheld != BLOAT_TOLD)
                        return bloat;
                if (toast) {
                        pages = bloat_toast_pages(rows);
                } else if (index) {
                        pages = bloat_btree_pages(
                                &(struct bloat_btree){.entry = {.bytes = fmax(json_real_or(row, "entry_bytes", 16), 8),
                                                                .even = json_flag(row, "entry_even", false)},
                                                      .rows = rows,
                                                      .null_rows = json_real_or(row, "null_rows", 0),
                                                      .distinct = json_real_or(row, "distinct", 1),
                                                      .deduplicated = strcmp(json_text(row, "keys", ""), "shared") == 0,
                                                      .fill_factor = fill,
                                                      .block_size = block_size});
                } else {
                        pages = bloat_heap_pages(
                                (struct bloat_row){.bytes = fmax(json_real_or(row, "row_bytes", 24), 24),
                                                   .even = json_flag(row, "row_even", false)},
                                rows, fill, block_size);
                }
                bloat.waste_bytes = bloat.bytes - pages * block_size;
        }
        bloat.waste_bytes = round(fmin(fmax(bloat.waste_bytes, 0), bloat.bytes));
        return bloat;
}

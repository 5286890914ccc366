/* The facts of the bloat audit, and what they amount to.
 *
 *   {"block_size", "replica", "databases": ["app", ...], "measured", "unmeasured": how many,
 *    "tables": [{database, schema, name, kind: "table" | "toast", bytes, stat_pages, rows, fill_factor, changed,
 * visible, missing, row_bytes, row_even, exact: {free, dead, scanned}}], "indexes": [{database, schema, name, table,
 * bytes, stat_pages, rows, fill_factor, changed, visible, missing, entry_bytes, entry_even, null_rows, distinct, keys:
 * "plain" | "shared" | "unseen", exact: {leaves, density, inner, lost}}]}
 *
 * `missing`: columns without statistics; `changed`: rows modified since analyze, null when not counted; `keys` tells
 * whether equal keys share entries, and "unseen" that nobody counted how often they repeat. */
#ifndef ROUNDS_BLOAT_FACTS_H
#define ROUNDS_BLOAT_FACTS_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "session.h"

int bloat_facts(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

/* Why an estimate is not told.  The names (bloat_withheld_name) are part of identities: never renamed. */
enum bloat_withheld {
        BLOAT_TOLD,
        BLOAT_NEVER_ANALYZED, /* "never-analyzed": the server does not know how many rows there are */
        BLOAT_INVISIBLE,      /* "invisible": the role may not read the statistics */
        BLOAT_MISSING,        /* "missing": a column has none */
        BLOAT_STALE,          /* "stale": too much changed since */
        BLOAT_UNSEEN,         /* "deduplicated": repeated keys that nobody counted */
        BLOAT_REASONS,
};
const char *bloat_withheld_name(enum bloat_withheld withheld); /* "" for BLOAT_TOLD */

struct bloat {
        enum bloat_withheld withheld;
        bool exact;         /* measured, not estimated */
        bool least;         /* a lower bound (TOAST) */
        double bytes;       /* of the relation */
        double waste_bytes; /* to win back by writing it afresh; at least 0 */
};

/* `row` of "tables" or "indexes".  `stale_percent`: of the rows, changed since analyze, from which on an estimate is
 * withheld; a measurement never is. */
struct bloat bloat_of(const json_t *row, bool index, double block_size, double stale_percent);

#endif

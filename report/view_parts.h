/* What a view is made of: an arena of strings, each kept once, and arrays that are handed out when they are full. */
#ifndef ROUNDS_VIEW_PARTS_H
#define ROUNDS_VIEW_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "view.h"

struct chunk;

/* A finding of the previous run, as far as comparing needs it.  Fails are kept whole in `parts->old`. */
struct view_before {
        const char *fingerprint;
        enum status status;
        enum severity severity;
};

/* A failing finding of the previous run with its place in the index. */
struct view_index {
        const char **keys; /* interned, so compared by address; NULL: free */
        size_t *values;
        size_t slots, count;
};

/* How completely one control was assessed on one target in one run. */
struct view_coverage {
        const char *target, *control;
        bool assessed, error;
        enum reason reason;  /* of the first error or skip */
        const char *message; /* its text */
};

struct view_coverages {
        struct view_coverage *rows;
        size_t count, capacity;
        struct view_index index; /* by "target\ncontrol" */
};

struct view_parts {
        struct chunk *chunks;
        const char **strings; /* hash table of what was interned */
        size_t string_slots, string_count;

        json_t *run, *previous; /* owned: store_run_read() */

        struct view_finding *findings;
        size_t count, capacity;
        struct view_finding *old; /* the previous run's fails */
        size_t old_count, old_capacity;
        struct view_before *before; /* every finding of the previous run */
        size_t before_count, before_capacity;
        struct view_index before_index;
        struct view_coverages now, then;

        struct view_row *rows; /* inventory, all kinds one after the other */
        const char **row_kinds;
        size_t row_count, row_capacity;

        bool failed; /* memory ran out */
};

/* A copy of `text` that lives as long as the view; equal texts are one and the same.  "" for NULL and when memory ran
 * out (failed is set then). */
const char *parts_text(struct view_parts *parts, const char *text);

/* Zeroed memory that lives as long as the view; NULL and `failed` when there is none. */
void *parts_room(struct view_parts *parts, size_t count, size_t size);

/* Makes room for one more element; false (and failed) when memory ran out. */
bool parts_grow(struct view_parts *parts, void **array, size_t count, size_t *capacity, size_t size);

/* The value of an interned key, SIZE_MAX when there is none. */
size_t index_find(const struct view_index *index, const char *key);
void index_put(struct view_parts *parts, struct view_index *index, const char *key, size_t value);

void parts_free(struct view_parts *parts);

/* Sorts findings into reading order. */
int view_finding_order(const void *left, const void *right);

/* Reads both runs' findings (view_read.c). */
int view_read_findings(struct view *view, struct store *store, struct error *err);
int view_read_inventory(struct view *view, struct store *store, struct error *err);
const struct view_coverage *coverage_find(struct view_parts *parts, const struct view_coverages *coverages,
                                          const char *target, const char *control);

/* Each fills its part of the view from what was read (view_change.c, view_group.c, view_waivers.c). */
void view_compare(struct view *view);
void view_group(struct view *view);
void view_gaps(struct view *view);
void view_judge_waivers(struct view *view);
void view_score(struct view *view);

#endif

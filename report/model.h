/* The view as templates see it: names, what they mean for a reader, and how much of it is shown.
 *
 * Values are cursors into the view; what is composed on the way (an age, a place) lives in the model's scratch until
 * the template is filled. */
#ifndef ROUNDS_MODEL_H
#define ROUNDS_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "mustache.h"
#include "view.h"
#include "zone.h"

/* How much one output shows before it says where the rest is. */
struct model_limits {
        size_t head, shown; /* findings of one control or change: at once, and at all (the others folded) */
        size_t inventory_head, inventory_shown;
        size_t text_runes; /* of one text */
        size_t top;        /* of "what to do first" */
};

struct scratch;

struct model {
        const struct view *view;
        const struct report_options *options;
        const struct model_limits *limits;
        struct zone *zone;
        bool html; /* prose becomes HTML */
        struct scratch *scratch;
        struct error *err;
        bool failed; /* err says why */
};

int model_open(struct model *model, const struct view *view, const struct report_options *options,
               const struct model_limits *limits, bool html, struct error *err) __attribute__((warn_unused_result));
void model_close(struct model *model);

/* The root value. */
struct mustache_value model_root(struct model *model);

/* --- for the files that make up the model ------------------------------------------------------------------- */

enum field_type {
        FIELD_TEXT,   /* const char * */
        FIELD_COUNT,  /* size_t */
        FIELD_TRUTH,  /* bool */
        FIELD_MOMENT, /* int64_t, shown with its time */
        FIELD_DAY,    /* int64_t, shown as a date */
        FIELD_MADE,   /* made by `make` */
};

struct field {
        const char *name;
        enum field_type type;
        size_t offset;
        bool (*make)(struct model *model, const struct mustache_value *self, struct mustache_value *found);
};

/* `find` of a type whose `table` are fields, ended by name NULL: {.find = model_find, .table = gap_fields}. */
bool model_find(const struct mustache_value *self, const char *name, struct mustache_value *found);

/* What the elements of an array are. */
struct model_list {
        const struct mustache_type *type;
        size_t stride;
        bool reference; /* elements are pointers */
};

struct mustache_value model_list_value(struct model *model, const void *rows, size_t count,
                                       const struct model_list *list);
struct mustache_value model_value(struct model *model, const void *at, const struct mustache_type *type);
struct mustache_value model_text(struct model *model, const char *text);     /* cut when it is too long */
struct mustache_value model_count(size_t count);                             /* "100,000"; zero is false */
struct mustache_value model_markup(struct model *model, const char *markup); /* for {{{name}}} */

/* Memory and texts that live until model_close(); never NULL for text. */
void *model_room(struct model *model, size_t bytes);
const char *model_format(struct model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));
void model_fail(struct model *model, const struct error *err);

/* Some of a list of findings: what is shown at once, what is folded, what is left out. */
struct model_share {
        const struct view_finding *const *rows;
        size_t count;
};
struct mustache_value model_share_value(struct model *model, const struct view_finding *const *rows, size_t count);

extern const struct model_list model_findings, model_playbooks, model_picks, model_gaps, model_waivers,
        model_inventories, model_targets;

/* The few findings to begin with: a list of picks in scratch. */
struct mustache_value model_first(struct model *model);

/* Certificates on a time line, as SVG; "" when there are none. */
const char *model_expiry_line(struct model *model);

/* Projections with a trend as plots, as SVG, those that fill first; "" when there are none. */
const char *model_projection_plots(struct model *model);

#endif

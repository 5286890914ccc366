/* Mustache templates: text with holes, filled from anything that can answer "what is called this in you?".
 *
 * The language is the published specification's (comments, delimiters, interpolation, sections, inverted sections,
 * partials); no lambdas, no inheritance.  Data stays where it is: values are small cursors made on demand, nothing is
 * copied into a tree. Nesting, partials within partials and template sizes are bounded. */
#ifndef ROUNDS_MUSTACHE_H
#define ROUNDS_MUSTACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"

struct mustache_value;

/* Writes text in the form that its output demands: escape.h has one for each. */
typedef void (*mustache_escape)(FILE *stream, const char *text, size_t length);

/* What a kind of value can do; a NULL function is something it cannot. */
struct mustache_type {
        /* The member `name` into *found; false when there is none. */
        bool (*find)(const struct mustache_value *self, const char *name, struct mustache_value *found);
        /* It is a list: its item `index`; false past the end. */
        bool (*item)(const struct mustache_value *self, size_t index, struct mustache_value *found);
        /* NULL: true. */
        bool (*truth)(const struct mustache_value *self);
        /* Its text, through `escape`. */
        void (*print)(const struct mustache_value *self, FILE *stream, mustache_escape escape);
        /* For these functions alone: a table of members, say. */
        const void *table;
};

/* A cursor; whoever makes it says what the fields mean.  `text` is room for a number or a date made on the way. */
struct mustache_value {
        const struct mustache_type *type;
        const void *at, *more;
        void *context;
        size_t index;
        char text[64];
};

struct mustache; /* a compiled template */

/* Compiles `size` bytes of `source` (copied).  REASON_CONFIGURATION "NAME:LINE: ..." for a mistake in it. */
int mustache_compile(const char *name, const char *source, size_t size, struct mustache **out, struct error *err)
        __attribute__((warn_unused_result));
void mustache_free(struct mustache *template);

/* Finds a partial's source: 0 and *source malloc'd (NULL: there is none, and nothing is written), or -1. */
typedef int (*mustache_partial)(void *context, const char *name, char **source, size_t *size, struct error *err);

/* Fills the template with `root`.  Errors of the stream are left to the caller (ferror). */
int mustache_render(const struct mustache *template, const struct mustache_value *root, mustache_escape escape,
                    mustache_partial partial, void *context, FILE *stream, struct error *err)
        __attribute__((warn_unused_result));

/* A JSON document (borrowed) as a value: what the specification's tests are written in. */
struct mustache_value mustache_json(const json_t *value);

/* A borrowed string, and a truth without text. */
struct mustache_value mustache_text(const char *text);
struct mustache_value mustache_truth(bool truth);
struct mustache_value mustache_count(size_t count); /* zero is false */

#endif

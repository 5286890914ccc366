/* The inside of the JSON Schema checker: shared by json_schema.c (the walk) and json_schema_rules.c (the keywords). */
#ifndef ROUNDS_JSON_SCHEMA_RULES_H
#define ROUNDS_JSON_SCHEMA_RULES_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "json_schema.h"

struct schema_pattern {
        const char *text; /* borrowed from the document */
        pcre2_code *code;
};

struct json_schema {
        const json_t *document;
        struct schema_pattern *patterns;
        size_t pattern_count;
};

/* How a keyword's own value is checked when a schema is compiled. */
struct schema_keyword {
        const char *name;
        enum {
                SHAPE_ANY,
                SHAPE_NUMBER,
                SHAPE_SCHEMA,   /* a schema, or (items of older drafts) a list of them */
                SHAPE_SCHEMAS,  /* a list of schemas */
                SHAPE_MAP,      /* name -> schema, or name -> list of names */
                SHAPE_PATTERNS, /* pattern -> schema */
                SHAPE_PATTERN,
                SHAPE_FORMAT,
                SHAPE_REFERENCE,
                SHAPE_UNSUPPORTED,
        } shape;
};

/* Where in the value the walk is: a chain on the stack. */
struct place {
        const struct place *parent;
        const char *key; /* NULL: an array's `index` */
        size_t index;
};

struct walk {
        const struct json_schema *schema;
        char *where, *why;
        size_t where_size, why_size;
        int depth, work;
        int quiet; /* above 0: trying alternatives, misfits are not told */
};

const struct schema_keyword *schema_keyword_find(const char *name); /* NULL: an annotation */
bool schema_format_known(const char *format);
const struct schema_pattern *schema_pattern(const struct json_schema *schema, const char *text);
const json_t *schema_reference(const struct json_schema *schema, const char *reference);

bool schema_fits(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place);
bool schema_rules_hold(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place);

/* Tells what does not fit; always false. */
bool schema_misfit(struct walk *walk, const struct place *place, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif

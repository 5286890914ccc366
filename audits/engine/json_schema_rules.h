/* The inside of the JSON Schema checker: shared by json_schema.c (compiling), json_schema_rules.c (the walk over a
 * value), json_schema_formats.c and json_schema_reference.c. */
#ifndef ROUNDS_JSON_SCHEMA_RULES_H
#define ROUNDS_JSON_SCHEMA_RULES_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "json_schema.h"

enum { SCHEMA_DEPTH_MOST = 64 };

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

const struct schema_keyword *schema_keyword_find(const char *name); /* NULL: an annotation */
bool schema_format_known(const char *format);
bool schema_format_holds(const char *format, const char *text);
const struct schema_pattern *schema_pattern(const struct json_schema *schema, const char *text);

/* NULL: it leads nowhere in this document. */
const json_t *schema_reference(const struct json_schema *schema, const char *reference);

#endif

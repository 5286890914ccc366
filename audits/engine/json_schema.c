/* JSON Schema: compiling, references, and the walk over a value.  Keywords' rules are in json_schema_rules.c. */

#include "json_schema_rules.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { DEPTH_MOST = 64, WORK_MOST = 200000 };

/* --- references --------------------------------------------------------------------------------------------------- */

/* "%7E1" undone, in place. */
static void
percent_decode(char *text)
{
        char *to = text;

        for (const char *from = text; *from != '\0'; from++) {
                unsigned value;
                if (*from == '%' && isxdigit((unsigned char)from[1]) && isxdigit((unsigned char)from[2]) &&
                    sscanf(from + 1, "%2x", &value) == 1) {
                        *to++ = (char)value;
                        from += 2;
                } else {
                        *to++ = *from;
                }
        }
        *to = '\0';
}

/* A pointer as a URI's fragment writes it.  Source: RFC 6901, section 6. */
static const json_t *
pointer_find(const json_t *document, const char *pointer)
{
        scoped_string plain = strdup(pointer);

        if (plain == NULL)
                return NULL;
        percent_decode(plain);
        return json_pointer(document, plain);
}

static const json_t *
anchor_find(const json_t *at, const char *name, int depth)
{
        const char *key;
        json_t *value;
        size_t i;

        if (depth > DEPTH_MOST)
                return NULL;
        if (json_is_object(at)) {
                if (strcmp(json_text(at, "$anchor", ""), name) == 0)
                        return at;
                json_object_foreach((json_t *)at, key, value)
                {
                        const json_t *found = anchor_find(value, name, depth + 1);
                        if (found != NULL)
                                return found;
                }
        }
        json_array_foreach((json_t *)at, i, value)
        {
                const json_t *found = anchor_find(value, name, depth + 1);
                if (found != NULL)
                        return found;
        }
        return NULL;
}

const json_t *
schema_reference(const struct json_schema *schema, const char *reference)
{
        const char *id = json_text(schema->document, "$id", "");
        size_t length = strlen(id);

        if (length > 0 && strncmp(reference, id, length) == 0 &&
            (reference[length] == '#' || reference[length] == '\0'))
                reference += length;
        if (*reference == '\0' || strcmp(reference, "#") == 0)
                return schema->document;
        if (reference[0] != '#')
                return NULL;
        return reference[1] == '/' ? pointer_find(schema->document, reference + 1)
                                   : anchor_find(schema->document, reference + 1, 0);
}

/* --- the walk over a value ---------------------------------------------------------------------------------------- */

bool
schema_misfit(struct walk *walk, const struct place *place, const char *format, ...)
{
        const struct place *path[DEPTH_MOST + 2];
        size_t count = 0, used = 0;
        va_list list;

        if (walk->quiet > 0)
                return false;
        for (; place != NULL && count < DEPTH_MOST + 1; place = place->parent)
                path[count++] = place;
        walk->where[0] = '\0';
        while (count-- > 1 && used < walk->where_size) {
                int wrote = path[count - 1]->key != NULL
                                    ? snprintf(walk->where + used, walk->where_size - used, "/%s", path[count - 1]->key)
                                    : snprintf(walk->where + used, walk->where_size - used, "/%zu",
                                               path[count - 1]->index);
                used += wrote > 0 ? (size_t)wrote : 0;
        }
        va_start(list, format);
        vsnprintf(walk->why, walk->why_size, format, list);
        va_end(list);
        return false;
}

bool
schema_fits(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        if (json_is_true(rules))
                return true;
        if (json_is_false(rules))
                return schema_misfit(walk, place, "nothing is allowed here");
        if (walk->depth >= DEPTH_MOST || walk->work++ >= WORK_MOST)
                return schema_misfit(walk, place, "nested too deeply, or too much to check");
        walk->depth++;
        bool fits = true;
        const char *reference = json_text(rules, "$ref", NULL);
        if (reference != NULL)
                fits = schema_fits(walk, schema_reference(walk->schema, reference), value, place);
        fits = fits && schema_rules_hold(walk, rules, value, place);
        walk->depth--;
        return fits;
}

bool
json_schema_fits(const struct json_schema *schema, const json_t *value, char *where, size_t where_size, char *why,
                 size_t why_size)
{
        struct walk walk = {
                .schema = schema, .where = where, .where_size = where_size, .why = why, .why_size = why_size};
        struct place root = {0};

        where[0] = why[0] = '\0';
        return schema_fits(&walk, schema->document, value, &root);
}

/* --- compiling ---------------------------------------------------------------------------------------------------- */

static int
pattern_add(struct json_schema *schema, const char *text, const char *at, struct error *err)
{
        int code;
        PCRE2_SIZE offset;

        if (schema_pattern(schema, text) != NULL)
                return 0;
        struct schema_pattern *patterns = reallocarray(schema->patterns, schema->pattern_count + 1, sizeof *patterns);
        if (patterns == NULL)
                return error_memory(err, "JSON Schema");
        schema->patterns = patterns;
        pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code,
                                             &offset, NULL);
        if (compiled == NULL) {
                PCRE2_UCHAR reason[200];
                pcre2_get_error_message(code, reason, sizeof reason);
                return error_set(err, REASON_CONFIGURATION, "%s: pattern \"%s\": %s at %zu", at, text, (char *)reason,
                                 offset);
        }
        patterns[schema->pattern_count++] = (struct schema_pattern){.text = text, .code = compiled};
        return 0;
}

static int check(struct json_schema *schema, const json_t *rules, const char *at, int depth, struct error *err);

static int
check_map(struct json_schema *schema, const json_t *map, const char *at, bool patterns, int depth, struct error *err)
{
        const char *key;
        json_t *value;
        char place[512];

        if (!json_is_object(map))
                return error_set(err, REASON_CONFIGURATION, "%s: must be an object", at);
        json_object_foreach((json_t *)map, key, value)
        {
                snprintf(place, sizeof place, "%s/%s", at, key);
                if ((patterns && pattern_add(schema, key, place, err) != 0) ||
                    (!json_is_array(value) && check(schema, value, place, depth + 1, err) != 0))
                        return -1;
        }
        return 0;
}

static int
check_list(struct json_schema *schema, const json_t *list, const char *at, int depth, struct error *err)
{
        char place[512];
        size_t i;
        json_t *value;

        json_array_foreach((json_t *)list, i, value)
        {
                snprintf(place, sizeof place, "%s/%zu", at, i);
                if (check(schema, value, place, depth + 1, err) != 0)
                        return -1;
        }
        return 0;
}

static int
check_keyword(struct json_schema *schema, const struct schema_keyword *keyword, const json_t *value, const char *at,
              int depth, struct error *err)
{
        switch (keyword->shape) {
        case SHAPE_UNSUPPORTED:
                return error_set(err, REASON_UNSUPPORTED, "%s: the keyword is not supported", at);
        case SHAPE_SCHEMA:
                return json_is_array(value) ? check_list(schema, value, at, depth, err)
                                            : check(schema, value, at, depth + 1, err);
        case SHAPE_SCHEMAS:
                return check_list(schema, value, at, depth, err);
        case SHAPE_MAP:
                return check_map(schema, value, at, false, depth, err);
        case SHAPE_PATTERNS:
                return check_map(schema, value, at, true, depth, err);
        case SHAPE_PATTERN:
                return json_is_string(value) ? pattern_add(schema, json_string_value(value), at, err)
                                             : error_set(err, REASON_CONFIGURATION, "%s: must be a string", at);
        case SHAPE_FORMAT:
                return json_is_string(value) && schema_format_known(json_string_value(value))
                               ? 0
                               : error_set(err, REASON_UNSUPPORTED, "%s: the format is not supported", at);
        case SHAPE_REFERENCE:
                return json_is_string(value) && schema_reference(schema, json_string_value(value)) != NULL
                               ? 0
                               : error_set(err, REASON_UNSUPPORTED, "%s: leads nowhere in this document", at);
        case SHAPE_NUMBER:
                return json_is_number(value) ? 0 : error_set(err, REASON_CONFIGURATION, "%s: must be a number", at);
        case SHAPE_ANY:
                break;
        }
        return 0;
}

static int
check(struct json_schema *schema, const json_t *rules, const char *at, int depth, struct error *err)
{
        const char *key;
        json_t *value;
        char place[512];

        if (depth > DEPTH_MOST)
                return error_set(err, REASON_CONFIGURATION, "%s: nested too deeply", at);
        if (json_is_boolean(rules))
                return 0;
        if (!json_is_object(rules))
                return error_set(err, REASON_CONFIGURATION, "%s: a schema is an object or a boolean", at);
        json_object_foreach((json_t *)rules, key, value)
        {
                const struct schema_keyword *keyword = schema_keyword_find(key);
                snprintf(place, sizeof place, "%s/%s", at, key);
                /* Words that no vocabulary defines are annotations. */
                if (keyword != NULL && check_keyword(schema, keyword, value, place, depth, err) != 0)
                        return -1;
        }
        return 0;
}

int
json_schema_open(const json_t *document, struct json_schema **out, struct error *err)
{
        struct json_schema *schema = calloc(1, sizeof *schema);

        if (schema == NULL)
                return error_memory(err, "JSON Schema");
        schema->document = document;
        if (check(schema, document, "#", 0, err) != 0) {
                json_schema_close(schema);
                return -1;
        }
        *out = schema;
        return 0;
}

void
json_schema_close(struct json_schema *schema)
{
        if (schema == NULL)
                return;
        for (size_t i = 0; i < schema->pattern_count; i++)
                pcre2_code_free(schema->patterns[i].code);
        free(schema->patterns);
        free(schema);
}

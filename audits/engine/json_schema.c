/* JSON Schema: a document becomes a schema when each of its keywords is one that is understood. */

#include "json_schema_rules.h"

#include <stdio.h>
#include <stdlib.h>

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

        if (depth > SCHEMA_DEPTH_MOST)
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

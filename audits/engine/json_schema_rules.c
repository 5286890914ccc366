/* JSON Schema's keywords, and the walk by them over a value.  Source: JSON Schema drafts 7, 2019-09 and 2020-12,
 * Validation and Core. */

#include "json_schema_rules.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

enum { WORK_MOST = 200000 };

static const struct schema_keyword keywords[] = {
        {"$dynamicRef", SHAPE_UNSUPPORTED},
        {"$recursiveRef", SHAPE_UNSUPPORTED},
        {"$ref", SHAPE_REFERENCE},
        {"$defs", SHAPE_MAP},
        {"additionalItems", SHAPE_SCHEMA},
        {"additionalProperties", SHAPE_SCHEMA},
        {"allOf", SHAPE_SCHEMAS},
        {"anyOf", SHAPE_SCHEMAS},
        {"contains", SHAPE_SCHEMA},
        {"definitions", SHAPE_MAP},
        {"dependencies", SHAPE_MAP},
        {"dependentRequired", SHAPE_ANY},
        {"dependentSchemas", SHAPE_MAP},
        {"else", SHAPE_SCHEMA},
        {"exclusiveMaximum", SHAPE_NUMBER},
        {"exclusiveMinimum", SHAPE_NUMBER},
        {"format", SHAPE_FORMAT},
        {"if", SHAPE_SCHEMA},
        {"items", SHAPE_SCHEMA},
        {"maxContains", SHAPE_NUMBER},
        {"maxItems", SHAPE_NUMBER},
        {"maxLength", SHAPE_NUMBER},
        {"maxProperties", SHAPE_NUMBER},
        {"maximum", SHAPE_NUMBER},
        {"minContains", SHAPE_NUMBER},
        {"minItems", SHAPE_NUMBER},
        {"minLength", SHAPE_NUMBER},
        {"minProperties", SHAPE_NUMBER},
        {"minimum", SHAPE_NUMBER},
        {"multipleOf", SHAPE_NUMBER},
        {"not", SHAPE_SCHEMA},
        {"oneOf", SHAPE_SCHEMAS},
        {"pattern", SHAPE_PATTERN},
        {"patternProperties", SHAPE_PATTERNS},
        {"prefixItems", SHAPE_SCHEMAS},
        {"properties", SHAPE_MAP},
        {"propertyNames", SHAPE_SCHEMA},
        {"then", SHAPE_SCHEMA},
        {"unevaluatedItems", SHAPE_UNSUPPORTED},
        {"unevaluatedProperties", SHAPE_UNSUPPORTED},
};

const struct schema_keyword *
schema_keyword_find(const char *name)
{
        for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
                if (strcmp(keywords[i].name, name) == 0)
                        return &keywords[i];
        }
        return NULL;
}

const struct schema_pattern *
schema_pattern(const struct json_schema *schema, const char *text)
{
        for (size_t i = 0; i < schema->pattern_count; i++) {
                if (strcmp(schema->patterns[i].text, text) == 0)
                        return &schema->patterns[i];
        }
        return NULL;
}

static bool
pattern_matches(const struct json_schema *schema, const char *text, const char *subject, size_t length)
{
        const struct schema_pattern *pattern = schema_pattern(schema, text);
        pcre2_match_data *data = pattern != NULL ? pcre2_match_data_create(1, NULL) : NULL;
        pcre2_match_context *context = pcre2_match_context_create(NULL);
        bool matches = false;

        if (data != NULL && context != NULL) {
                pcre2_set_match_limit(context, 100000); /* a pattern must not be able to hang the round */
                matches = pcre2_match(pattern->code, (PCRE2_SPTR)subject, length, 0, 0, data, context) >= 0;
        }
        pcre2_match_data_free(data);
        pcre2_match_context_free(context);
        return matches;
}

/* --- the walk ------------------------------------------------------------------------------------------------------
 */

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

static bool value_fits(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place);

/* Tells what does not fit; always false. */
static bool __attribute__((format(printf, 3, 4)))
misfit(struct walk *walk, const struct place *place, const char *format, ...)
{
        const struct place *path[SCHEMA_DEPTH_MOST + 2];
        size_t count = 0, used = 0;
        va_list list;

        if (walk->quiet > 0)
                return false;
        for (; place != NULL && count < SCHEMA_DEPTH_MOST + 1; place = place->parent)
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

/* --- any value ---------------------------------------------------------------------------------------------------- */

static bool
is_of_type(const json_t *value, const char *type)
{
        if (strcmp(type, "integer") == 0)
                return json_is_integer(value) ||
                       (json_is_real(value) && json_real_value(value) == floor(json_real_value(value)));
        return (strcmp(type, "object") == 0 && json_is_object(value)) ||
               (strcmp(type, "array") == 0 && json_is_array(value)) ||
               (strcmp(type, "string") == 0 && json_is_string(value)) ||
               (strcmp(type, "number") == 0 && json_is_number(value)) ||
               (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
               (strcmp(type, "null") == 0 && json_is_null(value));
}

/* Equal as JSON Schema has it: 1 and 1.0 are. */
static bool
same(const json_t *a, const json_t *b)
{
        if (json_is_number(a) && json_is_number(b))
                return json_number_value(a) == json_number_value(b);
        return json_equal(a, b);
}

static bool
type_holds(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        const json_t *type = json_object_get(rules, "type"), *constant = json_object_get(rules, "const");
        const json_t *list = json_list(rules, "enum");
        bool one = !json_is_array(type) && (!json_is_string(type) || is_of_type(value, json_string_value(type)));
        size_t i;
        json_t *choice;

        json_array_foreach((json_t *)type, i, choice)
                one = one || (json_is_string(choice) && is_of_type(value, json_string_value(choice)));
        if (!one)
                return misfit(walk, place, "is not of the type asked for");
        if (constant != NULL && !same(constant, value))
                return misfit(walk, place, "is not the constant asked for");
        if (list == NULL)
                return true;
        json_array_foreach((json_t *)list, i, choice)
        {
                if (same(choice, value))
                        return true;
        }
        return misfit(walk, place, "is none of the values listed");
}

/* Tries a schema without telling why it fails. */
static bool
would_fit(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        walk->quiet++;
        bool fits = value_fits(walk, rules, value, place);
        walk->quiet--;
        return fits;
}

static bool
alternatives_hold(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        const json_t *all = json_list(rules, "allOf"), *any = json_list(rules, "anyOf"),
                     *one = json_list(rules, "oneOf");
        const json_t *not = json_object_get(rules, "not"), *condition = json_object_get(rules, "if");
        size_t i, fitting = 0;
        json_t *choice;

        json_array_foreach((json_t *)all, i, choice)
        {
                if (!value_fits(walk, choice, value, place))
                        return false;
        }
        json_array_foreach((json_t *)any, i, choice) fitting += would_fit(walk, choice, value, place);
        if (any != NULL && fitting == 0)
                return misfit(walk, place, "fits none of the alternatives");
        fitting = 0;
        json_array_foreach((json_t *)one, i, choice) fitting += would_fit(walk, choice, value, place);
        if (one != NULL && fitting != 1)
                return misfit(walk, place, "fits %zu of the alternatives, not one", fitting);
        if (not != NULL && would_fit(walk, not, value, place))
                return misfit(walk, place, "is what must not be");
        if (condition == NULL)
                return true;
        const json_t *then = json_object_get(rules, would_fit(walk, condition, value, place) ? "then" : "else");
        return then == NULL || value_fits(walk, then, value, place);
}

/* --- numbers, strings ----------------------------------------------------------------------------------------------
 */

static bool
number_holds(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        double number = json_number_value(value), step = json_real_or(rules, "multipleOf", 0);

        if (number < json_real_or(rules, "minimum", -INFINITY) ||
            number <= json_real_or(rules, "exclusiveMinimum", -INFINITY))
                return misfit(walk, place, "is too small");
        if (number > json_real_or(rules, "maximum", INFINITY) ||
            number >= json_real_or(rules, "exclusiveMaximum", INFINITY))
                return misfit(walk, place, "is too large");
        if (step > 0 && fabs(number / step - round(number / step)) > 1e-9)
                return misfit(walk, place, "is no multiple of %g", step);
        return true;
}

static bool
string_holds(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        const char *text = json_string_value(value), *pattern = json_text(rules, "pattern", NULL);
        size_t bytes = json_string_length(value), characters = 0;

        for (size_t i = 0; i < bytes; i++)
                characters += ((unsigned char)text[i] & 0xC0) != 0x80;
        if ((double)characters < json_real_or(rules, "minLength", 0))
                return misfit(walk, place, "is too short");
        if ((double)characters > json_real_or(rules, "maxLength", INFINITY))
                return misfit(walk, place, "is too long");
        if (pattern != NULL && !pattern_matches(walk->schema, pattern, text, bytes))
                return misfit(walk, place, "does not match the pattern");
        if (!schema_format_holds(json_text(rules, "format", ""), text))
                return misfit(walk, place, "is no %s", json_text(rules, "format", ""));
        return true;
}

/* --- arrays ------------------------------------------------------------------------------------------------------- */

static bool
items_hold(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        const json_t *items = json_object_get(rules, "items"), *prefix = json_list(rules, "prefixItems");
        const json_t *rest = items;
        size_t i;
        json_t *item;

        if (json_is_array(items)) { /* drafts before 2020-12 */
                prefix = items;
                rest = json_object_get(rules, "additionalItems");
        }
        json_array_foreach((json_t *)value, i, item)
        {
                struct place inside = {.parent = place, .index = i};
                const json_t *rule = i < json_array_size(prefix) ? json_array_get(prefix, i) : rest;
                if (rule != NULL && !value_fits(walk, rule, item, &inside))
                        return false;
        }
        return true;
}

static bool
array_holds(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        const json_t *contains = json_object_get(rules, "contains");
        size_t size = json_array_size(value), i, found = 0;
        json_t *item;

        if ((double)size < json_real_or(rules, "minItems", 0))
                return misfit(walk, place, "has too few items");
        if ((double)size > json_real_or(rules, "maxItems", INFINITY))
                return misfit(walk, place, "has too many items");
        if (json_flag(rules, "uniqueItems", false)) {
                for (i = 0; i < size; i++) {
                        for (size_t j = 0; j < i; j++) {
                                if (walk->work++ < 200000 && same(json_array_get(value, i), json_array_get(value, j)))
                                        return misfit(walk, place, "holds the same item twice");
                        }
                }
        }
        if (contains != NULL) {
                json_array_foreach((json_t *)value, i, item) found += would_fit(walk, contains, item, place);
                if ((double)found < json_real_or(rules, "minContains", 1) ||
                    (double)found > json_real_or(rules, "maxContains", INFINITY))
                        return misfit(walk, place, "holds %zu items of the kind asked for", found);
        }
        return items_hold(walk, rules, value, place);
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static bool
property_holds(struct walk *walk, const json_t *rules, const char *key, const json_t *value, const struct place *place)
{
        const json_t *own = json_object_get(json_map(rules, "properties"), key);
        const json_t *rest = json_object_get(rules, "additionalProperties"),
                     *names = json_object_get(rules, "propertyNames");
        struct place inside = {.parent = place, .key = key};
        bool known = own != NULL;
        const char *pattern;
        json_t *rule;

        if (own != NULL && !value_fits(walk, own, value, &inside))
                return false;
        json_object_foreach((json_t *)json_map(rules, "patternProperties"), pattern, rule)
        {
                if (!pattern_matches(walk->schema, pattern, key, strlen(key)))
                        continue;
                known = true;
                if (!value_fits(walk, rule, value, &inside))
                        return false;
        }
        if (names != NULL) {
                json_t *name = json_string(key);
                bool fits = name != NULL && would_fit(walk, names, name, &inside);
                json_decref(name);
                if (!fits)
                        return misfit(walk, &inside, "is a name that is not allowed");
        }
        if (known || rest == NULL)
                return true;
        return json_is_false(rest) ? misfit(walk, &inside, "is a property that is not allowed")
                                   : value_fits(walk, rest, value, &inside);
}

static bool
required_hold(struct walk *walk, const json_t *names, const json_t *value, const struct place *place)
{
        size_t i;
        json_t *name;

        json_array_foreach((json_t *)names, i, name)
        {
                if (json_is_string(name) && json_object_get(value, json_string_value(name)) == NULL)
                        return misfit(walk, place, "lacks the property \"%s\"", json_string_value(name));
        }
        return true;
}

static bool
dependents_hold(struct walk *walk, const json_t *map, const json_t *value, const struct place *place)
{
        const char *key;
        json_t *rule;

        json_object_foreach((json_t *)map, key, rule)
        {
                if (json_object_get(value, key) == NULL)
                        continue;
                if (json_is_array(rule) ? !required_hold(walk, rule, value, place)
                                        : !value_fits(walk, rule, value, place))
                        return false;
        }
        return true;
}

static bool
object_holds(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        const char *key;
        json_t *property;
        size_t size = json_object_size(value);

        if ((double)size < json_real_or(rules, "minProperties", 0))
                return misfit(walk, place, "has too few properties");
        if ((double)size > json_real_or(rules, "maxProperties", INFINITY))
                return misfit(walk, place, "has too many properties");
        if (!required_hold(walk, json_list(rules, "required"), value, place) ||
            !dependents_hold(walk, json_map(rules, "dependentRequired"), value, place) ||
            !dependents_hold(walk, json_map(rules, "dependentSchemas"), value, place) ||
            !dependents_hold(walk, json_map(rules, "dependencies"), value, place))
                return false;
        json_object_foreach((json_t *)value, key, property)
        {
                if (!property_holds(walk, rules, key, property, place))
                        return false;
        }
        return true;
}

static bool
rules_hold(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        if (!type_holds(walk, rules, value, place) || !alternatives_hold(walk, rules, value, place))
                return false;
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                return object_holds(walk, rules, value, place);
        case JSON_ARRAY:
                return array_holds(walk, rules, value, place);
        case JSON_STRING:
                return string_holds(walk, rules, value, place);
        case JSON_INTEGER:
        case JSON_REAL:
                return number_holds(walk, rules, value, place);
        default:
                return true;
        }
}

static bool
value_fits(struct walk *walk, const json_t *rules, const json_t *value, const struct place *place)
{
        if (json_is_true(rules))
                return true;
        if (json_is_false(rules))
                return misfit(walk, place, "nothing is allowed here");
        if (walk->depth >= SCHEMA_DEPTH_MOST || walk->work++ >= WORK_MOST)
                return misfit(walk, place, "nested too deeply, or too much to check");
        walk->depth++;
        bool fits = true;
        const char *reference = json_text(rules, "$ref", NULL);
        if (reference != NULL)
                fits = value_fits(walk, schema_reference(walk->schema, reference), value, place);
        fits = fits && rules_hold(walk, rules, value, place);
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
        return value_fits(&walk, schema->document, value, &root);
}

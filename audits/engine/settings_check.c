/* YAML against tables of settings: types, bounds, unknown keys, defaults. */

#include "settings_check.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"

enum { NODES_MOST = 200000, NAMES_MOST = 256 };

#define TEXT(node) ((const char *)(node)->data.scalar.value)

/* --- words -------------------------------------------------------------------------------------------------------- */

static int
distance(const char *a, const char *b)
{
        int row[64];
        size_t length = strlen(b);

        if (length >= 63 || strlen(a) >= 63)
                return 99;
        for (size_t j = 0; j <= length; j++)
                row[j] = (int)j;
        for (size_t i = 0; a[i] != '\0'; i++) {
                int corner = row[0];
                row[0] = (int)i + 1;
                for (size_t j = 0; j < length; j++) {
                        int change = corner + (tolower((unsigned char)a[i]) != tolower((unsigned char)b[j]));
                        corner = row[j + 1];
                        row[j + 1] = row[j + 1] + 1 < row[j] + 1 ? row[j + 1] + 1 : row[j] + 1;
                        row[j + 1] = change < row[j + 1] ? change : row[j + 1];
                }
        }
        return row[length];
}

const char *
settings_closest(const char *word, const char *const *names)
{
        const char *best = NULL;
        int least = (int)strlen(word) / 3 + 1;

        for (size_t i = 0; names[i] != NULL; i++) {
                int far = distance(word, names[i]);
                if (far <= least) {
                        least = far - 1;
                        best = names[i];
                }
        }
        return best;
}

const char *
settings_type_words(const struct setting *setting, char *text, size_t size)
{
        static const char *const words[] = {
                [SETTING_TEXT] = "a text",
                [SETTING_INTEGER] = "a whole number",
                [SETTING_NUMBER] = "a number",
                [SETTING_BOOLEAN] = "true or false",
                [SETTING_DURATION] = "a duration with its unit, such as 30s, 24h or 7d",
                [SETTING_SIZE] = "a size with its unit, such as 1MB or 5GiB",
                [SETTING_PERCENT] = "a percentage, such as 70 or 70%",
                [SETTING_PATH] = "a file name",
                [SETTING_GLOB] = "a shell pattern",
                [SETTING_MOMENT] = "a date or an RFC 3339 time",
                [SETTING_OBJECT] = "a mapping",
                [SETTING_MAP] = "a mapping",
                [SETTING_LIST] = "a list",
                [SETTING_SECRET] = "a place of a secret",
                [SETTING_ANY] = "anything",
        };

        if (setting->type == SETTING_CHOICE)
                snprintf(text, size, "one of %s", setting->choices);
        else if (setting->type == SETTING_URL)
                snprintf(text, size, "a URL that begins with one of %s", setting->choices);
        else
                snprintf(text, size, "%s", words[setting->type] != NULL ? words[setting->type] : "a value");
        return text;
}

/* --- scalars ------------------------------------------------------------------------------------------------------ */

static bool
among(const char *word, size_t length, const char *choices)
{
        for (const char *at = choices; at != NULL && *at != '\0';) {
                size_t size = strcspn(at, "|");
                if (size == length && strncmp(at, word, size) == 0)
                        return true;
                at += size;
                at += *at == '|';
        }
        return false;
}

/* A bound as people write it: durations with their unit. */
static void
bound_format(const struct setting *setting, double bound, char text[DURATION_TEXT])
{
        if (setting->type == SETTING_DURATION || setting->item == SETTING_DURATION)
                duration_format((int64_t)bound, text);
        else if (setting->type == SETTING_SIZE)
                size_format(bound, text);
        else
                snprintf(text, DURATION_TEXT, "%.10g", bound);
}

static bool
bounded(const struct setting *setting, double value, char *why, size_t size)
{
        if ((setting->min == 0 && setting->max == 0) ||
            (value >= setting->min && (setting->max == 0 || value <= setting->max)))
                return true;
        char least[DURATION_TEXT], most[DURATION_TEXT];
        bound_format(setting, setting->min, least);
        bound_format(setting, setting->max, most);
        if (setting->max == 0)
                snprintf(why, size, "must be at least %s", least);
        else if (setting->min == setting->max)
                snprintf(why, size, "must be %s", least);
        else
                snprintf(why, size, "must lie between %s and %s", least, most);
        return false;
}

static json_t *
number_parse(const struct setting *setting, const char *text, char *why, size_t size)
{
        char *end;
        double value = strtod(text, &end);
        bool percent = setting->type == SETTING_PERCENT;

        if (percent && *end == '%' && end != text)
                end++;
        if (end == text || *end != '\0' || !isfinite(value) || strpbrk(text, "xX") != NULL ||
            (setting->type == SETTING_INTEGER && value != floor(value)))
                return NULL;
        struct setting limits = *setting;
        if (percent && limits.min == 0 && limits.max == 0)
                limits.max = 100;
        if (!bounded(&limits, value, why, size))
                return NULL;
        return setting->type == SETTING_INTEGER ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *
quantity_parse(const struct setting *setting, const char *text, char *why, size_t size)
{
        int64_t value;
        bool right = setting->type == SETTING_DURATION ? duration_parse(text, &value) : size_parse(text, &value);

        if (!right) {
                char *end;
                strtod(text, &end);
                if (end != text && *end == '\0')
                        snprintf(why, size, "needs a unit: %s",
                                 setting->type == SETTING_DURATION ? "30s, 5m, 24h or 7d" : "1MB, 5GiB");
                return NULL;
        }
        return bounded(setting, (double)value, why, size) ? json_integer(value) : NULL;
}

static json_t *
text_parse(const struct setting *setting, const char *text, char *why, size_t size)
{
        char stamp[MOMENT_TEXT];
        int64_t moment;
        const char *colon = strchr(text, ':');

        switch (setting->type) {
        case SETTING_CHOICE:
                return among(text, strlen(text), setting->choices) ? json_string(text) : NULL;
        case SETTING_URL:
                if (colon == NULL || !among(text, (size_t)(colon - text), setting->choices))
                        return NULL;
                if (strncmp(colon, "://", 3) == 0 && strchr(colon + 3, '@') != NULL) {
                        const char *at = strchr(colon + 3, '@'), *inside = strchr(colon + 3, ':'),
                                   *slash = strchr(colon + 3, '/');
                        if (inside != NULL && inside < at && (slash == NULL || at < slash)) {
                                snprintf(why, size, "holds a password: keep it in password_file or password_env");
                                return NULL;
                        }
                }
                return json_string(text);
        case SETTING_MOMENT:
                if (!moment_parse(text, &moment))
                        return NULL;
                moment_format(moment, stamp);
                return json_string(stamp);
        default:
                return *text != '\0' || setting->type == SETTING_TEXT ? json_string(text) : NULL;
        }
}

json_t *
settings_value_parse(const struct setting *setting, const char *text, char *why, size_t size)
{
        why[0] = '\0';
        switch (setting->type) {
        case SETTING_BOOLEAN:
                if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
                        return json_boolean(text[0] == 't');
                return NULL;
        case SETTING_INTEGER:
        case SETTING_NUMBER:
        case SETTING_PERCENT:
                return number_parse(setting, text, why, size);
        case SETTING_DURATION:
        case SETTING_SIZE:
                return quantity_parse(setting, text, why, size);
        default:
                return text_parse(setting, text, why, size);
        }
}

static char *
path_whole(const char *directory, const char *path)
{
        char *whole = NULL;

        if (path[0] == '/' || directory == NULL)
                return strdup(path);
        return asprintf(&whole, "%s/%s", directory, path) < 0 ? NULL : whole;
}

static json_t *
scalar_check(struct settings_check *check, yaml_node_t *node, const struct setting *setting, const char *what)
{
        char why[200], words[300];
        bool plain = node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        bool textual = setting->type == SETTING_TEXT || setting->type == SETTING_PATH || setting->type == SETTING_GLOB;

        if (node->type != YAML_SCALAR_NODE || yaml_is_null(node)) {
                problems_at(check->problems, node, "%s must be %s", what,
                            settings_type_words(setting, words, sizeof words));
                return NULL;
        }
        /* "30" in quotes is a text: what was meant is not ours to guess. */
        if (!plain &&
            (setting->type == SETTING_INTEGER || setting->type == SETTING_NUMBER || setting->type == SETTING_BOOLEAN)) {
                problems_at(check->problems, node, "%s must be %s, without quotes", what,
                            settings_type_words(setting, words, sizeof words));
                return NULL;
        }
        if (strlen(TEXT(node)) != node->data.scalar.length) {
                problems_at(check->problems, node, "%s holds a NUL byte", what);
                return NULL;
        }
        json_t *value = settings_value_parse(setting, TEXT(node), why, sizeof why);
        if (value == NULL && *why != '\0')
                problems_at(check->problems, node, "%s %s", what, why);
        else if (value == NULL)
                problems_at(check->problems, node,
                            textual ? "%s must be %s and not be empty" : "%s must be %s, not \"%.80s\"", what,
                            settings_type_words(setting, words, sizeof words), TEXT(node));
        if (value != NULL && setting->type == SETTING_PATH) {
                scoped_string whole = path_whole(check->directory, TEXT(node));
                json_decref(value);
                value = whole != NULL ? json_bytes(whole, strlen(whole)) : NULL;
        }
        return value;
}

/* --- lists and mappings ------------------------------------------------------------------------------------------- */

static json_t *
list_check(struct settings_check *check, yaml_node_t *node, const struct setting *setting, const char *what)
{
        struct setting item = *setting;
        char place[300];
        int index = 0;

        if (node->type != YAML_SEQUENCE_NODE) {
                problems_at(check->problems, node, "%s must be a list", what);
                return NULL;
        }
        item.type = setting->item;
        item.fallback = NULL;
        json_t *list = json_array();
        for (yaml_node_item_t *at = node->data.sequence.items.start; at < node->data.sequence.items.top; at++) {
                snprintf(place, sizeof place, "%s[%d]", what, index++);
                json_t *value = settings_check_value(check, yaml_item(check->text, *at), &item, place);
                if (value != NULL)
                        json_push(list, value);
        }
        return list;
}

static json_t *
map_check(struct settings_check *check, yaml_node_t *node, const struct setting *setting, const char *what)
{
        struct setting item = *setting;
        char place[300];

        if (node->type != YAML_MAPPING_NODE) {
                problems_at(check->problems, node, "%s must be a mapping", what);
                return NULL;
        }
        item.type = setting->item;
        item.fallback = NULL;
        json_t *map = json_object();
        for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
                yaml_node_t *key = yaml_item(check->text, pair->key);
                if (key->type != YAML_SCALAR_NODE) {
                        problems_at(check->problems, key, "%s: a key must be a text", what);
                        continue;
                }
                snprintf(place, sizeof place, "%s.%s", what, TEXT(key));
                if (json_object_get(map, TEXT(key)) != NULL)
                        problems_at(check->problems, key, "%s stands here a second time", place);
                json_t *value = settings_check_value(check, yaml_item(check->text, pair->value), &item, place);
                if (value != NULL)
                        json_put(map, TEXT(key), value);
        }
        return map;
}

json_t *
settings_check_value(struct settings_check *check, yaml_node_t *node, const struct setting *setting, const char *what)
{
        if (check->nodes++ > NODES_MOST) {
                if (check->nodes == NODES_MOST + 2)
                        problems_at(check->problems, node, "too large once its aliases are followed");
                return NULL;
        }
        switch (setting->type) {
        case SETTING_LIST:
                return list_check(check, node, setting, what);
        case SETTING_MAP:
                return map_check(check, node, setting, what);
        case SETTING_OBJECT:
                return settings_check_map(check, node, setting->fields, what, NULL);
        case SETTING_ANY:
                return yaml_json(check->text, node, check->problems);
        default:
                return scalar_check(check, node, setting, what);
        }
}

yaml_node_t *
settings_find(struct settings_check *check, yaml_node_t *mapping, const char *key)
{
        if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
                return NULL;
        for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
             pair++) {
                yaml_node_t *name = yaml_item(check->text, pair->key);
                if (name->type == YAML_SCALAR_NODE && strcmp(TEXT(name), key) == 0)
                        return yaml_item(check->text, pair->value);
        }
        return NULL;
}

/* "password_file" and "password_env" belong to the secret "password". */
static const struct setting *
field_of(const struct setting *fields, const char *key, const char **place)
{
        *place = NULL;
        for (; fields->type != SETTING_END; fields++) {
                size_t length = strlen(fields->name);
                if (fields->type != SETTING_SECRET) {
                        if (strcmp(fields->name, key) == 0)
                                return fields;
                } else if (strncmp(fields->name, key, length) == 0) {
                        if (strcmp(key + length, "_file") == 0)
                                *place = "file";
                        else if (strcmp(key + length, "_env") == 0)
                                *place = "env";
                        if (*place != NULL || key[length] == '\0')
                                return fields;
                }
        }
        return NULL;
}

static json_t *
secret_check(struct settings_check *check, yaml_node_t *node, const char *place, const char *what)
{
        const struct setting path = {.type = strcmp(place, "file") == 0 ? SETTING_PATH : SETTING_TEXT};
        json_t *value = settings_check_value(check, node, &path, what);

        return value != NULL ? json_pack("{s:o}", place, value) : NULL;
}

static void
unknown_key(struct settings_check *check, const yaml_node_t *key, const struct setting *fields, const char *what,
            const char *const *known)
{
        const char *names[NAMES_MOST + 1];
        size_t count = 0;

        for (; fields != NULL && fields->type != SETTING_END && count < NAMES_MOST; fields++)
                names[count++] = fields->name;
        for (; known != NULL && *known != NULL && count < NAMES_MOST; known++)
                names[count++] = *known;
        names[count] = NULL;
        const char *close = settings_closest(TEXT(key), names);
        if (close != NULL)
                problems_at(check->problems, key, "%s has no setting \"%.80s\": did you mean \"%s\"?", what, TEXT(key),
                            close);
        else
                problems_at(check->problems, key, "%s has no setting \"%.80s\"", what, TEXT(key));
}

static bool
named(const char *const *known, const char *key)
{
        for (; known != NULL && *known != NULL; known++) {
                if (strcmp(*known, key) == 0)
                        return true;
        }
        return false;
}

static void
pair_check(struct settings_check *check, const yaml_node_pair_t *pair, const struct setting *fields, const char *what,
           const char *const *known, json_t *out)
{
        yaml_node_t *key = yaml_item(check->text, pair->key), *value = yaml_item(check->text, pair->value);
        const char *place;
        char label[300];

        if (key->type != YAML_SCALAR_NODE) {
                problems_at(check->problems, key, "%s: a key must be a text", what);
                return;
        }
        if (named(known, TEXT(key)))
                return;
        const struct setting *field = field_of(fields, TEXT(key), &place);
        if (field == NULL) {
                unknown_key(check, key, fields, what, known);
                return;
        }
        snprintf(label, sizeof label, "%s: %s", what, TEXT(key));
        if (field->type == SETTING_SECRET && place == NULL) {
                problems_at(check->problems, key, "%s must not stand here: use %s_file or %s_env", label, field->name,
                            field->name);
                return;
        }
        json_t *checked = field->type == SETTING_SECRET ? secret_check(check, value, place, label)
                                                        : settings_check_value(check, value, field, label);
        if (checked != NULL && json_object_get(out, field->name) != NULL) {
                if (field->type == SETTING_SECRET)
                        problems_at(check->problems, key, "%s: %s_file or %s_env, not both", what, field->name,
                                    field->name);
                else
                        problems_at(check->problems, key, "%s is given twice", label);
                json_decref(checked);
        } else if (checked != NULL) {
                json_put(out, field->name, checked);
        }
}

static void
defaults_fill(const struct setting *fields, json_t *out)
{
        char why[200];

        for (; fields->type != SETTING_END; fields++) {
                if (json_object_get(out, fields->name) != NULL || fields->fallback == NULL)
                        continue;
                if (fields->type == SETTING_LIST || fields->type == SETTING_MAP || fields->type == SETTING_OBJECT ||
                    fields->type == SETTING_ANY) {
                        struct problems problems = {.file = fields->name};
                        struct yaml_text *text = yaml_open(fields->fallback, strlen(fields->fallback), &problems);
                        struct settings_check check = {.text = text, .problems = &problems};
                        if (text != NULL)
                                json_put(out, fields->name,
                                         settings_check_value(&check, yaml_root(text), fields, fields->name));
                        yaml_close(text);
                        problems_free(&problems);
                } else {
                        json_put(out, fields->name, settings_value_parse(fields, fields->fallback, why, sizeof why));
                }
        }
}

json_t *
settings_defaults(const struct setting *fields)
{
        json_t *out = json_object();

        if (fields != NULL && out != NULL)
                defaults_fill(fields, out);
        return out;
}

json_t *
settings_check_map(struct settings_check *check, yaml_node_t *node, const struct setting *fields, const char *what,
                   const char *const *known)
{
        json_t *out = json_object();

        if (out == NULL || node->type != YAML_MAPPING_NODE) {
                if (node->type != YAML_MAPPING_NODE)
                        problems_at(check->problems, node, "%s must be a mapping of settings", what);
                return out;
        }
        for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
                pair_check(check, pair, fields, what, known, out);
        for (const struct setting *field = fields; field->type != SETTING_END; field++) {
                if (field->required && json_object_get(out, field->name) == NULL &&
                    settings_find(check, node, field->name) == NULL)
                        problems_at(check->problems, node, "%s lacks \"%s\": %s", what, field->name, field->words);
        }
        defaults_fill(fields, out);
        return out;
}

json_t *
settings_check_overrides(struct settings_check *check, yaml_node_t *node, const struct setting *fields,
                         const struct setting *more, const char *what)
{
        struct setting both[NAMES_MOST];
        size_t count = 0;

        for (; fields != NULL && fields->type != SETTING_END && count < NAMES_MOST - 1; fields++)
                both[count++] = *fields;
        for (; more != NULL && more->type != SETTING_END && count < NAMES_MOST - 1; more++)
                both[count++] = *more;
        for (size_t i = 0; i < count; i++) {
                both[i].required = false;
                both[i].fallback = NULL;
        }
        both[count] = (struct setting){.type = SETTING_END};
        return settings_check_map(check, node, both, what, NULL);
}

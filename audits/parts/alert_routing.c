/* Alertmanager's configuration, reduced to its routing tree and the types of its receivers' integrations. */

#include "alert_route.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "scope.h"
#include "yaml_text.h"

enum { ROUTES_MOST = 5000, DEPTH_MOST = 64, TEXT_LARGEST = 4096 };

/* --- matchers ----------------------------------------------------------------------------------------------------- */

/* A label's name or value: quoted with escapes, or bare up to the end. */
static bool
quoted_read(const char **cursor, struct buffer *out)
{
        const char *c = *cursor + 1;

        for (; *c != '"'; c++) {
                if (*c == '\0')
                        return false;
                if (*c == '\\' && c[1] != '\0') {
                        c++;
                        buffer_char(out, *c == 'n' ? '\n' : *c);
                } else {
                        buffer_char(out, *c);
                }
        }
        *cursor = c + 1;
        return true;
}

static void
spaces_skip(const char **cursor)
{
        *cursor += strspn(*cursor, " \t\n");
}

json_t *
alert_matcher_read(const char *text)
{
        static const char *const ops[] = {"=~", "!~", "!=", "="};
        scoped_buffer label = BUFFER_INIT(TEXT_LARGEST), value = BUFFER_INIT(TEXT_LARGEST);
        const char *op = NULL, *cursor = text;

        spaces_skip(&cursor);
        if (*cursor == '{')
                cursor++;
        spaces_skip(&cursor);
        if (*cursor == '"') {
                if (!quoted_read(&cursor, &label))
                        return NULL;
        } else {
                size_t length = strcspn(cursor, "=!~ \t");
                buffer_add(&label, cursor, length);
                cursor += length;
        }
        spaces_skip(&cursor);
        for (size_t i = 0; i < sizeof ops / sizeof ops[0] && op == NULL; i++) {
                if (strncmp(cursor, ops[i], strlen(ops[i])) == 0)
                        op = ops[i];
        }
        if (op == NULL || label.length == 0)
                return NULL;
        cursor += strlen(op);
        spaces_skip(&cursor);
        if (*cursor == '"') {
                if (!quoted_read(&cursor, &value))
                        return NULL;
        } else {
                size_t length = strlen(cursor);
                while (length > 0 && (isspace((unsigned char)cursor[length - 1]) || cursor[length - 1] == '}' ||
                                      cursor[length - 1] == ','))
                        length--;
                buffer_add(&value, cursor, length);
        }
        if (label.failed || value.failed)
                return NULL;
        return json_pack("{s:s, s:s, s:s}", "label", label.data, "op", op, "value",
                         value.data != NULL ? value.data : "");
}

/* A scalar of YAML as the text it was meant to be. */
static char *
scalar_text(const json_t *value)
{
        return json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY);
}

static void
matchers_from_map(const json_t *map, const char *op, json_t *out)
{
        const char *label;
        json_t *value;

        json_object_foreach((json_t *)map, label, value)
        {
                scoped_string text = scalar_text(value);
                json_push(out,
                          json_pack("{s:s, s:s, s:s}", "label", label, "op", op, "value", text != NULL ? text : ""));
        }
}

/* One string may hold several, between commas outside of quotes. */
static void
matchers_from_text(const char *text, json_t *out)
{
        scoped_buffer one = BUFFER_INIT(TEXT_LARGEST);
        bool quoted = false;

        for (const char *c = text;; c++) {
                if (*c == '\0' || (*c == ',' && !quoted)) {
                        json_t *matcher = one.data != NULL ? alert_matcher_read(one.data) : NULL;
                        if (matcher != NULL)
                                json_push(out, matcher);
                        buffer_clear(&one);
                        if (*c == '\0')
                                return;
                        continue;
                }
                if (*c == '\\' && c[1] != '\0')
                        buffer_char(&one, *c++);
                else if (*c == '"')
                        quoted = !quoted;
                buffer_char(&one, *c);
        }
}

static json_t *
matchers_read(const json_t *node, const char *equal, const char *pattern, const char *list)
{
        json_t *out = json_array();
        size_t i;
        json_t *one;

        matchers_from_map(json_map(node, equal), "=", out);
        matchers_from_map(json_map(node, pattern), "=~", out);
        if (json_text(node, list, NULL) != NULL)
                matchers_from_text(json_text(node, list, ""), out);
        json_array_foreach((json_t *)json_list(node, list), i, one)
        {
                if (json_is_string(one))
                        matchers_from_text(json_string_value(one), out);
        }
        return out;
}

/* --- routes ------------------------------------------------------------------------------------------------------- */

static json_t *
texts_read(const json_t *list)
{
        json_t *out = json_array();
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)list, i, one)
        {
                if (json_is_string(one))
                        json_array_append(out, one);
        }
        return out;
}

static json_t *
route_read(const json_t *node, const char *receiver, size_t *left, int depth)
{
        json_t *routes = json_array(), *child;
        size_t i;

        receiver = json_text(node, "receiver", receiver);
        json_array_foreach((json_t *)json_list(node, "routes"), i, child)
        {
                if (*left == 0 || depth == DEPTH_MOST)
                        break;
                --*left;
                json_push(routes, route_read(child, receiver, left, depth + 1));
        }
        return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o}", "receiver", receiver, "matchers",
                         matchers_read(node, "match", "match_re", "matchers"), "continue",
                         json_flag(node, "continue", false), "mute", texts_read(json_list(node, "mute_time_intervals")),
                         "active", texts_read(json_list(node, "active_time_intervals")), "routes", routes);
}

/* slack_configs: [...] becomes "slack". */
static json_t *
receiver_read(const json_t *node)
{
        static const char ending[] = "_configs";
        json_t *integrations = json_array(), *value;
        const char *key;

        json_object_foreach((json_t *)node, key, value)
        {
                size_t length = strlen(key), size = sizeof ending - 1;
                if (length > size && strcmp(key + length - size, ending) == 0 && json_array_size(value) > 0)
                        json_push(integrations, json_stringn(key, length - size));
        }
        return json_pack("{s:s, s:o}", "name", json_text(node, "name", ""), "integrations", integrations);
}

static json_t *
inhibition_read(const json_t *node)
{
        return json_pack("{s:o, s:o, s:o}", "source",
                         matchers_read(node, "source_match", "source_match_re", "source_matchers"), "target",
                         matchers_read(node, "target_match", "target_match_re", "target_matchers"), "equal",
                         texts_read(json_list(node, "equal")));
}

static json_t *
list_read(const json_t *list, json_t *(*read)(const json_t *node))
{
        json_t *out = json_array();
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)list, i, one) json_push(out, read(one));
        return out;
}

int
alert_routing_read(const char *yaml, json_t **out, struct error *err)
{
        scoped(problems_free) struct problems problems = {.file = "configuration"};
        struct yaml_text *text = yaml_open(yaml, strlen(yaml), &problems);
        scoped_json document = text != NULL ? yaml_json(text, yaml_root(text), &problems) : NULL;
        size_t left = ROUTES_MOST;

        yaml_close(text);
        if (!json_is_object(document))
                return error_set(err, REASON_PROTOCOL, "Alertmanager's configuration cannot be read%s%s",
                                 problems.count > 0 ? ": " : "", problems.count > 0 ? problems.rows[0].text : "");
        *out = json_pack("{s:o, s:o, s:o}", "route", route_read(json_map(document, "route"), "", &left, 0), "receivers",
                         list_read(json_list(document, "receivers"), receiver_read), "inhibitions",
                         list_read(json_list(document, "inhibit_rules"), inhibition_read));
        return *out != NULL ? 0 : error_memory(err, "Alertmanager's configuration");
}

/* Reading Kubernetes objects: quantities, names, label selectors. */

#include "kubernetes.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

const char *
kubernetes_name(const json_t *item)
{
        return json_text(json_object_get(item, "metadata"), "name", "");
}

const char *
kubernetes_namespace(const json_t *item)
{
        return json_text(json_object_get(item, "metadata"), "namespace", "");
}

/* The factor of a suffix, NAN for one that is none. */
static double
suffix_factor(const char *suffix)
{
        static const struct {
                const char *text;
                double factor;
        } rows[] = {{"", 1},        {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},   {"k", 1e3},     {"M", 1e6},
                    {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18},   {"Ki", 1024.0}, {"Mi", 1048576.0},
                    {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}, {"Ei", 0x1p60}};
        char *end;

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (strcmp(rows[i].text, suffix) == 0)
                        return rows[i].factor;
        }
        if ((suffix[0] == 'e' || suffix[0] == 'E') && suffix[1] != '\0') {
                long exponent = strtol(suffix + 1, &end, 10);
                if (*end == '\0' && exponent >= -30 && exponent <= 30)
                        return pow(10, (double)exponent);
        }
        return NAN;
}

double
kubernetes_quantity(const json_t *value)
{
        if (json_is_number(value))
                return json_number_value(value);
        const char *text = json_string_value(value);
        if (text == NULL)
                return NAN;
        const char *at = text;
        double sign = 1, whole = 0, scale = 1;
        bool digits = false, point = false;
        if (*at == '+' || *at == '-')
                sign = *at++ == '-' ? -1 : 1;
        for (; isdigit((unsigned char)*at) || (*at == '.' && !point); at++) {
                if (*at == '.') {
                        point = true;
                        continue;
                }
                digits = true;
                whole = whole * 10 + (*at - '0');
                if (point)
                        scale *= 10;
        }
        return digits ? sign * whole / scale * suffix_factor(at) : NAN;
}

bool
kubernetes_expression_holds(const json_t *expression, const char *label)
{
        const char *operator= json_text(expression, "operator", "");
        const json_t *values = json_list(expression, "values");

        if (strcmp(operator, "In") == 0)
                return label != NULL && json_holds(values, label);
        if (strcmp(operator, "NotIn") == 0)
                return label == NULL || !json_holds(values, label);
        if (strcmp(operator, "Exists") == 0)
                return label != NULL;
        return strcmp(operator, "DoesNotExist") == 0 && label == NULL;
}

bool
kubernetes_selects(const json_t *selector, const json_t *labels)
{
        const char *key;
        json_t *value;
        size_t i;

        if (!json_is_object(selector))
                return false;
        json_object_foreach((json_t *)json_map(selector, "matchLabels"), key, value)
        {
                const char *label = json_text(labels, key, NULL);
                if (label == NULL || !json_is_string(value) || strcmp(label, json_string_value(value)) != 0)
                        return false;
        }
        json_array_foreach((json_t *)json_list(selector, "matchExpressions"), i, value)
        {
                if (!kubernetes_expression_holds(value, json_text(labels, json_text(value, "key", ""), NULL)))
                        return false;
        }
        return true;
}

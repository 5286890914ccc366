/* Two selectors of series: of one metric, whatever its unit, and of one thing, however it is written. */

#include "alert_selector.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "alert_route.h"

/* --- names -------------------------------------------------------------------------------------------------------- */

/* A metric's name without its unit, and what the unit is worth: seconds, or shares of one. */
static size_t
name_stem(const char *name, double *unit, char *kind)
{
        static const struct {
                const char *ending;
                double unit;
                char kind;
        } units[] = {
                {"_milliseconds", 0.001, 't'},
                {"_ms", 0.001, 't'},
                {"_seconds", 1, 't'},
                {"_microseconds", 1e-6, 't'},
                {"_minutes", 60, 't'},
                {"_percent", 0.01, '%'},
                {"_ratio", 1, '%'},
        };
        static const char bucket[] = "_bucket";
        size_t length = strlen(name);

        *unit = 1;
        *kind = '-';
        /* a native histogram has no _bucket */
        if (length > sizeof bucket - 1 && strcmp(name + length - (sizeof bucket - 1), bucket) == 0)
                length -= sizeof bucket - 1;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
                size_t size = strlen(units[i].ending);
                if (length > size && strncmp(name + length - size, units[i].ending, size) == 0) {
                        *unit = units[i].unit;
                        *kind = units[i].kind;
                        return length - size;
                }
        }
        return length;
}

bool
alert_name_alike(const char *wanted, const char *rule, double *unit)
{
        double wanted_unit, rule_unit;
        char wanted_kind, rule_kind;

        if (wanted == NULL || rule == NULL)
                return wanted == rule;
        size_t a = name_stem(wanted, &wanted_unit, &wanted_kind), b = name_stem(rule, &rule_unit, &rule_kind);
        if (a != b || strncmp(wanted, rule, a) != 0 || wanted_kind != rule_kind)
                return false;
        *unit *= rule_unit / wanted_unit;
        return true;
}

/* --- matchers ----------------------------------------------------------------------------------------------------- */

/* HTTP statuses are what most patterns are about: two of them are told apart by which statuses they take. */
static bool
patterns_alike(const struct promql_matcher *wanted, const struct promql_matcher *rule, bool *narrower)
{
        static const char *const ops[] = {"=", "!=", "=~", "!~"};
        bool any = false;
        char status[16];

        for (int code = 100; code < 600; code++) {
                snprintf(status, sizeof status, "%d", code);
                bool in_wanted = label_matches(ops[wanted->match], wanted->value.bytes, status) == 1;
                bool in_rule = label_matches(ops[rule->match], rule->value.bytes, status) == 1;
                any = any || (in_wanted && in_rule);
                *narrower = *narrower || (in_wanted && !in_rule);
                if (in_rule && !in_wanted)
                        return false;
        }
        /* None of both takes a status: of another kind, and not to be told apart here. */
        return any || !*narrower;
}

/* Whether two matchers of one label let the same through.  A difference in case alone is a slip in the same thing. */
bool
alert_matcher_alike(const struct promql_matcher *wanted, const struct promql_matcher *rule, bool *narrower)
{
        if (wanted->match == PROMQL_IS && rule->match == PROMQL_IS)
                return strcasecmp(wanted->value.bytes, rule->value.bytes) == 0;
        if (wanted->match == PROMQL_IS && rule->match == PROMQL_MATCHES)
                return label_matches("=~", rule->value.bytes, wanted->value.bytes) != 0;
        return patterns_alike(wanted, rule, narrower);
}

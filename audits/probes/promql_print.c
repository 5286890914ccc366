/* PromQL printed in one form: what two writings of the same tree have in common. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "promql_parts.h"
#include "utf8.h"

/* Words that mean something where a name could stand: a metric of that name is printed as a matcher. */
static const char *const keywords[] = {
        "and",        "or",       "unless",   "atan2", "bool",  "on",     "ignoring", "group_left", "group_right",
        "by",         "without",  "offset",   "inf",   "nan",   "start",  "end",      "fill",       "fill_left",
        "fill_right", "anchored", "smoothed", "step",  "range", "min_of", "max_of",
};

static bool
is_keyword(const char *name)
{
        enum promql_type parameter;
        bool experimental;

        for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
                if (strcasecmp(name, keywords[i]) == 0)
                        return true;
        }
        return promql_aggregation(name, &parameter, &experimental) > 0;
}

static void
print_string(const char *bytes, size_t length, struct buffer *out)
{
        buffer_char(out, '"');
        for (size_t at = 0; at < length;) {
                unsigned char c = (unsigned char)bytes[at];
                size_t step = utf8_length(bytes + at, length - at);

                if (step == 0 || c < ' ' || c == 0x7F) {
                        if (c == '\n')
                                buffer_text(out, "\\n");
                        else
                                buffer_format(out, "\\x%02x", c);
                        at++;
                        continue;
                }
                if (c == '"' || c == '\\')
                        buffer_char(out, '\\');
                buffer_add(out, bytes + at, step);
                at += step;
        }
        buffer_char(out, '"');
}

/* A label: bare where every version reads it, quoted (3.x) where it must be. */
static void
print_label(const char *label, bool grouping, struct buffer *out)
{
        if (promql_is_label(label) && !(grouping && (strcasecmp(label, "inf") == 0 || strcasecmp(label, "nan") == 0)))
                buffer_text(out, label);
        else
                print_string(label, strlen(label), out);
}

static void
print_number(double number, struct buffer *out)
{
        char text[40];

        if (isnan(number)) {
                buffer_text(out, "NaN");
        } else if (isinf(number)) {
                buffer_text(out, number < 0 ? "-Inf" : "Inf");
        } else {
                for (int digits = 15; digits <= 17; digits++) {
                        snprintf(text, sizeof(text), "%.*g", digits, number);
                        if (strtod(text, NULL) == number)
                                break;
                }
                buffer_text(out, text);
        }
}

static void
print_ms(int64_t ms, struct buffer *out)
{
        static const struct {
                const char *unit;
                int64_t ms;
        } units[] = {{"y", 31536000000}, {"w", 604800000}, {"d", 86400000}, {"h", 3600000},
                     {"m", 60000},       {"s", 1000},      {"ms", 1}};

        if (ms < 0) {
                buffer_char(out, '-');
                ms = -ms;
        }
        if (ms == 0)
                buffer_text(out, "0s");
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (ms / units[i].ms > 0)
                        buffer_format(out, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
                ms %= units[i].ms;
        }
}

static void
print_duration(const struct promql_duration *duration, struct buffer *out)
{
        if (duration->known)
                print_ms(duration->ms, out);
        else
                promql_print(duration->expression, out);
}

static void
print_labels(const struct promql_labels *labels, struct buffer *out)
{
        buffer_char(out, '(');
        for (size_t i = 0; i < labels->count; i++) {
                buffer_text(out, i > 0 ? ", " : "");
                print_label(labels->names[i], true, out);
        }
        buffer_char(out, ')');
}

static void
print_matcher(const struct promql_matcher *matcher, struct buffer *out)
{
        static const char *const symbols[] = {"=", "!=", "=~", "!~"};

        print_label(matcher->label, false, out);
        buffer_text(out, symbols[matcher->match]);
        print_string(matcher->value.bytes, matcher->value.length, out);
}

static void
print_selector(const struct promql_node *node, struct buffer *out)
{
        bool bare = node->name != NULL && promql_is_metric(node->name) && !is_keyword(node->name);
        const char *separator = "";

        /* A name outside the braces tolerates no second word on names inside. */
        for (size_t i = 0; i < node->matcher_count; i++)
                bare = bare && strcmp(node->matchers[i].label, "__name__") != 0;
        if (bare)
                buffer_text(out, node->name);
        if (bare && node->matcher_count == 0)
                return;
        buffer_char(out, '{');
        if (!bare && node->name != NULL) {
                buffer_text(out, "__name__=");
                print_string(node->name, strlen(node->name), out);
                separator = ", ";
        }
        for (size_t i = 0; i < node->matcher_count; i++) {
                buffer_text(out, separator);
                print_matcher(&node->matchers[i], out);
                separator = ", ";
        }
        buffer_char(out, '}');
}

/* Range, edges, @ and offset, in this order. */
static void
print_modifiers(const struct promql_node *node, struct buffer *out)
{
        if (node->range.expression != NULL) {
                buffer_char(out, '[');
                print_duration(&node->range, out);
                if (node->kind == PROMQL_SUBQUERY) {
                        buffer_char(out, ':');
                        if (node->step.expression != NULL)
                                print_duration(&node->step, out);
                }
                buffer_char(out, ']');
        }
        if (node->edges != PROMQL_EDGES_PLAIN)
                buffer_text(out, node->edges == PROMQL_EDGES_ANCHORED ? " anchored" : " smoothed");
        if (node->at == PROMQL_AT_TIME)
                buffer_format(out, " @ %.3f", node->at_seconds);
        else if (node->at != PROMQL_AT_NONE)
                buffer_text(out, node->at == PROMQL_AT_START ? " @ start()" : " @ end()");
        if (node->offset.expression != NULL && !(node->offset.known && node->offset.ms == 0)) {
                bool simple = node->offset.known || node->offset.expression->kind != PROMQL_BINARY;

                buffer_text(out, simple ? " offset " : " offset (");
                print_duration(&node->offset, out);
                buffer_text(out, simple ? "" : ")");
        }
}

static void
print_arguments(const struct promql_node *node, struct buffer *out)
{
        buffer_char(out, '(');
        for (size_t i = 0; i < node->child_count; i++) {
                buffer_text(out, i > 0 ? ", " : "");
                promql_print(node->children[i], out);
        }
        buffer_char(out, ')');
}

static void
print_binary(const struct promql_node *node, struct buffer *out)
{
        promql_print(node->children[0], out);
        buffer_format(out, " %s ", promql_operator_text(node->op));
        if (node->bool_)
                buffer_text(out, "bool ");
        if (node->labels.given && (node->on || node->labels.count > 0 || node->side != PROMQL_ONE_TO_ONE)) {
                buffer_text(out, node->on ? "on " : "ignoring ");
                print_labels(&node->labels, out);
                buffer_char(out, ' ');
        }
        if (node->side != PROMQL_ONE_TO_ONE) {
                buffer_text(out, node->side == PROMQL_GROUP_LEFT ? "group_left " : "group_right ");
                print_labels(&node->include, out);
                buffer_char(out, ' ');
        }
        for (int i = 0; i < 2; i++) {
                const double *fill = i == 0 ? node->fill_left : node->fill_right;

                if (fill == NULL)
                        continue;
                buffer_text(out, i == 0 ? "fill_left(" : "fill_right(");
                print_number(*fill, out);
                buffer_text(out, ") ");
        }
        promql_print(node->children[1], out);
}

void
promql_print(const struct promql_node *node, struct buffer *out)
{
        switch (node->kind) {
        case PROMQL_NUMBER:
                print_number(node->number, out);
                break;
        case PROMQL_TEXT:
                print_string(node->text.bytes, node->text.length, out);
                break;
        case PROMQL_SELECTOR:
                print_selector(node, out);
                print_modifiers(node, out);
                break;
        case PROMQL_SUBQUERY:
                promql_print(node->children[0], out);
                print_modifiers(node, out);
                break;
        case PROMQL_SIGN:
                buffer_char(out, node->number < 0 ? '-' : '+');
                promql_print(node->children[0], out);
                break;
        case PROMQL_BINARY:
                print_binary(node, out);
                break;
        case PROMQL_CALL:
                buffer_text(out, node->name);
                print_arguments(node, out);
                break;
        case PROMQL_AGGREGATE:
                buffer_text(out, node->name);
                if (node->labels.given && (!node->without ? node->labels.count > 0 : true)) {
                        buffer_text(out, node->without ? " without " : " by ");
                        print_labels(&node->labels, out);
                        buffer_char(out, ' ');
                }
                print_arguments(node, out);
                break;
        case PROMQL_BRACKETS:
                buffer_char(out, '(');
                promql_print(node->children[0], out);
                buffer_char(out, ')');
                break;
        }
}

/* PromQL's types: what each operator, function and aggregation works on, and selectors that select nothing in
 * particular. */

#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <string.h>

#include "promql_parts.h"

const char *
promql_type_name(enum promql_type type)
{
        static const char *const names[] = {"scalar", "instant vector", "range vector", "string"};

        return names[type];
}

static const char *
type_words(enum promql_type type)
{
        static const char *const words[] = {"a scalar", "an instant vector", "a range vector", "a string"};

        return words[type];
}

static int
type_fail(struct lexer *lexer, const struct promql_node *node, const char *where, enum promql_type wanted)
{
        return lexer_fail(lexer, node->start, "%s takes %s, not %s", where, type_words(wanted), type_words(node->type));
}

static int
check_call(struct lexer *lexer, struct promql_node *node)
{
        const struct promql_function *function = promql_function_find(node->name);
        unsigned kinds = function->kinds > 0 ? function->kinds : function->most;

        node->type = function->returns;
        if (node->child_count < function->least || node->child_count > function->most) {
                if (function->most == PROMQL_MANY)
                        return lexer_fail(lexer, node->start, "%s() takes at least %u arguments, not %zu", node->name,
                                          function->least, node->child_count);
                if (function->least != function->most)
                        return lexer_fail(lexer, node->start, "%s() takes %u to %u arguments, not %zu", node->name,
                                          function->least, function->most, node->child_count);
                return lexer_fail(lexer, node->start, "%s() takes %u argument%s, not %zu", node->name, function->least,
                                  function->least == 1 ? "" : "s", node->child_count);
        }
        for (size_t i = 0; i < node->child_count; i++) {
                enum promql_type wanted = function->arguments[i < kinds ? i : kinds - 1];

                if (node->children[i]->type != wanted)
                        return type_fail(lexer, node->children[i], node->name, wanted);
        }
        /* info()'s second argument is matchers in the clothes of a selector. */
        if (strcmp(node->name, "info") == 0 && node->child_count == 2 && node->children[1]->kind != PROMQL_SELECTOR)
                return lexer_fail(lexer, node->children[1]->start,
                                  "info() takes matchers in braces as its second argument");
        return 0;
}

static int
check_aggregate(struct lexer *lexer, struct promql_node *node)
{
        enum promql_type parameter;
        bool experimental;
        unsigned wanted = promql_aggregation(node->name, &parameter, &experimental);

        node->type = PROMQL_VECTOR;
        if (node->child_count != wanted)
                return lexer_fail(lexer, node->start, "%s takes %u argument%s, not %zu", node->name, wanted,
                                  wanted == 1 ? "" : "s", node->child_count);
        if (wanted == 2 && node->children[0]->type != parameter)
                return type_fail(lexer, node->children[0], node->name, parameter);
        if (node->children[wanted - 1]->type != PROMQL_VECTOR)
                return type_fail(lexer, node->children[wanted - 1], node->name, PROMQL_VECTOR);
        return 0;
}

static bool
labels_hold(const struct promql_labels *labels, const char *name)
{
        for (size_t i = 0; i < labels->count; i++) {
                if (strcmp(labels->names[i], name) == 0)
                        return true;
        }
        return false;
}

static int
check_matching(struct lexer *lexer, const struct promql_node *node, bool vectors)
{
        bool filled = node->fill_left != NULL || node->fill_right != NULL;

        for (size_t i = 0; node->on && i < node->include.count; i++) {
                if (labels_hold(&node->labels, node->include.names[i]))
                        return lexer_fail(lexer, node->start, "label \"%.60s\" stands in on and in group at once",
                                          node->include.names[i]);
        }
        if (!vectors && (node->labels.count > 0 || filled))
                return lexer_fail(lexer, node->start, "matching labels needs an instant vector on both sides");
        if (vectors && promql_is_set(node->op) && node->side != PROMQL_ONE_TO_ONE)
                return lexer_fail(lexer, node->start, "\"%s\" takes no group_left or group_right",
                                  promql_operator_text(node->op));
        if (promql_is_set(node->op) && filled)
                return lexer_fail(lexer, node->start, "\"%s\" takes no fill", promql_operator_text(node->op));
        return 0;
}

static int
check_binary(struct lexer *lexer, struct promql_node *node)
{
        enum promql_type left = node->children[0]->type, right = node->children[1]->type;
        bool scalars = left == PROMQL_SCALAR && right == PROMQL_SCALAR;
        bool vectors = left == PROMQL_VECTOR && right == PROMQL_VECTOR;

        node->type = scalars ? PROMQL_SCALAR : PROMQL_VECTOR;
        for (int i = 0; i < 2; i++) {
                enum promql_type type = node->children[i]->type;

                if (type != PROMQL_SCALAR && type != PROMQL_VECTOR)
                        return lexer_fail(lexer, node->children[i]->start,
                                          "\"%s\" works on scalars and instant vectors, not on %s",
                                          promql_operator_text(node->op), type_words(type));
        }
        if (node->bool_ && !promql_is_comparison(node->op))
                return lexer_fail(lexer, node->start, "bool goes with comparisons only, not with \"%s\"",
                                  promql_operator_text(node->op));
        if (scalars && promql_is_comparison(node->op) && !node->bool_)
                return lexer_fail(lexer, node->start, "a comparison of two scalars needs bool");
        if (promql_is_set(node->op) && !vectors)
                return lexer_fail(lexer, node->start, "\"%s\" works on instant vectors, not on a scalar",
                                  promql_operator_text(node->op));
        return check_matching(lexer, node, vectors);
}

int
promql_check(struct lexer *lexer, struct promql_node *node)
{
        const struct promql_node *operand = node->child_count > 0 ? node->children[0] : NULL;

        switch (node->kind) {
        case PROMQL_NUMBER:
                node->type = PROMQL_SCALAR;
                return 0;
        case PROMQL_TEXT:
                node->type = PROMQL_STRING;
                return 0;
        case PROMQL_BRACKETS:
                node->type = operand->type;
                return 0;
        case PROMQL_SIGN:
                node->type = operand->type;
                if (node->type == PROMQL_SCALAR || node->type == PROMQL_VECTOR)
                        return 0;
                return lexer_fail(lexer, node->start, "a sign goes with a scalar or an instant vector, not with %s",
                                  type_words(node->type));
        case PROMQL_CALL:
                return check_call(lexer, node);
        case PROMQL_AGGREGATE:
                return check_aggregate(lexer, node);
        case PROMQL_BINARY:
                return check_binary(lexer, node);
        default:
                return 0;
        }
}

/* "{1001}", "{2,2000}": RE2 stops at 1000. */
static bool
repeats_much(const char *pattern, size_t length)
{
        unsigned long count = 0;

        for (size_t i = 1; i < length && pattern[i] != '}'; i++) {
                if (pattern[i] == ',')
                        count = 0;
                else if (pattern[i] < '0' || pattern[i] > '9')
                        return false;
                else if ((count = count * 10 + (unsigned long)(pattern[i] - '0')) > 1000)
                        return true;
        }
        return false;
}

/* RE2 has none of Perl's look-around, back references, atomic groups, recursion and possessive repetition. */
static const char *
beyond_re2(const char *pattern, size_t length)
{
        bool class = false;

        for (size_t i = 0; i < length; i++) {
                char c = pattern[i], next = i + 1 < length ? pattern[i + 1] : '\0',
                     after = i + 2 < length ? pattern[i + 2] : '\0';

                if (c == '\\') {
                        if (!class && next != '\0' && strchr("123456789gkKRXGZhHNe", next) != NULL)
                                return "an escape that RE2 does not have";
                        i++;
                } else if (class) {
                        class = c != ']';
                } else if (c == '[') {
                        class = true;
                        i += next == '^' ? 1 : 0;
                        i += i + 1 < length && pattern[i + 1] == ']' ? 1 : 0;
                } else if (c == '{' && repeats_much(pattern + i, length - i)) {
                        return "more than 1000 repetitions";
                } else if (c == '(' && next == '*') {
                        return "a repetition of nothing";
                } else if (c == '(' && next == '?' &&
                           (after == '\0' || strchr("=!>|#R&(+0123456789C", after) != NULL)) {
                        return "a group that RE2 does not have";
                } else if (c == '(' && next == '?' && after == '<' && i + 3 < length &&
                           (pattern[i + 3] == '=' || pattern[i + 3] == '!')) {
                        return "look-around, which RE2 does not have";
                } else if ((c == '*' || c == '+' || c == '?') && (next == '*' || next == '+')) {
                        return "a repetition of a repetition";
                }
        }
        return NULL;
}

/* Compiles the anchored pattern and tells whether it matches the empty string. */
static int
regex_check(struct lexer *lexer, const struct promql_node *node, const struct promql_matcher *matcher, bool *empty)
{
        const char *beyond = beyond_re2(matcher->value.bytes, matcher->value.length);
        pcre2_compile_context *context;
        pcre2_match_context *bounds;
        pcre2_match_data *data;
        pcre2_code *code;
        PCRE2_SIZE at;
        int number, got = PCRE2_ERROR_NOMEMORY;

        /* RE2 learnt this writing of a named group in 2024. */
        lexer->since_3 = lexer->since_3 || memmem(matcher->value.bytes, matcher->value.length, "(?<", 3) != NULL;
        if (beyond != NULL)
                return lexer_fail(lexer, node->start, "the regular expression of \"%.60s\": %s", matcher->label,
                                  beyond);
        context = pcre2_compile_context_create(NULL);
        if (context == NULL)
                return lexer_fail(lexer, node->start, "out of memory");
        pcre2_set_parens_nest_limit(context, 200);
        code = pcre2_compile((PCRE2_SPTR)matcher->value.bytes, matcher->value.length,
                             PCRE2_DOTALL | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_POSSESS, &number, &at,
                             context);
        pcre2_compile_context_free(context);
        if (code == NULL) {
                PCRE2_UCHAR text[120] = "";

                pcre2_get_error_message(number, text, sizeof(text));
                return lexer_fail(lexer, node->start, "the regular expression of \"%.60s\": %s", matcher->label,
                                  (char *)text);
        }
        data = pcre2_match_data_create_from_pattern(code, NULL);
        bounds = pcre2_match_context_create(NULL);
        if (data != NULL && bounds != NULL) {
                pcre2_set_match_limit(bounds, 100000);
                got = pcre2_match(code, (PCRE2_SPTR) "", 0, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, data, bounds);
        }
        *empty = got >= 0;
        pcre2_match_data_free(data);
        pcre2_match_context_free(bounds);
        pcre2_code_free(code);
        return 0;
}

int
promql_check_selector(struct lexer *lexer, const struct promql_node *node)
{
        bool selective = node->name != NULL;

        for (size_t i = 0; i < node->matcher_count; i++) {
                const struct promql_matcher *matcher = &node->matchers[i];
                bool empty = matcher->value.length == 0;

                if ((matcher->match == PROMQL_MATCHES || matcher->match == PROMQL_MATCHES_NOT) &&
                    regex_check(lexer, node, matcher, &empty) != 0)
                        return -1;
                if (matcher->match == PROMQL_IS_NOT || matcher->match == PROMQL_MATCHES_NOT)
                        empty = !empty;
                selective = selective || !empty;
        }
        if (selective)
                return 0;
        return lexer_fail(lexer, node->start,
                          "a selector needs a name or a matcher that the empty value does not meet");
}

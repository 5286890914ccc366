/* PromQL expressions: operands (numbers, strings, calls, aggregations, brackets, signs), and the operators between them
 * by precedence.  One file, since either is part of the other. */

#include "promql_parser.h"

#include <string.h>

/* Operators that bind at least as tight as `least`. */
static struct promql_node *parse_binary(struct parser *p, int least);

/* --- operands ----------------------------------------------------------------------------------------------------- */

static int
parse_label(struct parser *p, struct promql_labels *labels)
{
        const struct token *token = &p->token;
        double number;
        const char **list;

        if (token->kind == TOKEN_STRING) {
                /* Quoted names, since 3.0: any UTF-8 but the empty name. */
                if (token->text.length == 0 || memchr(token->text.bytes, '\0', token->text.length) != NULL)
                        return parser_unexpected(p, "a label");
                p->lexer.since_3 = true;
        } else if (token->kind != TOKEN_WORD || token_number_word(token, &number) || token_word(token, "without")) {
                return parser_unexpected(p, "a label");
        }
        list = promql_grow(p->lexer.arena, labels->names, labels->count, sizeof(*list));
        if (list == NULL)
                return lexer_fail(&p->lexer, token->start, "too large");
        labels->names = list;
        list[labels->count++] = token->text.bytes;
        parser_advance(p, LEXER_PLAIN);
        return 0;
}

static int
parse_labels(struct parser *p, struct promql_labels *labels)
{
        labels->given = true;
        if (parser_expect(p, "(", LEXER_PLAIN) != 0)
                return -1;
        while (!token_is(&p->token, ")")) {
                if (parse_label(p, labels) != 0)
                        return -1;
                if (!token_is(&p->token, ")") && parser_expect(p, ",", LEXER_PLAIN) != 0)
                        return -1;
        }
        parser_advance(p, LEXER_PLAIN);
        return 0;
}

/* "(a, b)": the arguments of a call; no comma after the last. */
static int
parse_arguments(struct parser *p, struct promql_node *node)
{
        if (parser_expect(p, "(", LEXER_PLAIN) != 0)
                return -1;
        if (token_is(&p->token, ")")) {
                parser_advance(p, LEXER_PLAIN);
                return 0;
        }
        for (;;) {
                const struct promql_node *argument = parse_expression(p);

                if (argument == NULL || parser_child(p, node, argument) != 0)
                        return -1;
                if (token_is(&p->token, ")"))
                        break;
                if (parser_expect(p, ",", LEXER_PLAIN) != 0)
                        return -1;
        }
        parser_advance(p, LEXER_PLAIN);
        return 0;
}

static bool
is_grouping(const struct token *token)
{
        return token_word(token, "by") || token_word(token, "without");
}

static int
parse_grouping(struct parser *p, struct promql_node *node)
{
        node->without = token_word(&p->token, "without");
        parser_advance(p, LEXER_PLAIN);
        return parse_labels(p, &node->labels);
}

static struct promql_node *
parse_aggregate(struct parser *p, bool experimental)
{
        struct promql_node *node = parser_node(p, PROMQL_AGGREGATE, p->token.start);
        char *name;

        if (node == NULL)
                return NULL;
        name = promql_copy(p->lexer.arena, p->token.text.bytes, p->token.text.length);
        if (name == NULL)
                return NULL;
        for (char *c = name; *c != '\0'; c++)
                *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        node->name = name;
        if (experimental)
                parser_experimental(p, "promql-experimental-functions");
        parser_advance(p, LEXER_PLAIN);
        if (is_grouping(&p->token) && parse_grouping(p, node) != 0)
                return NULL;
        if (parse_arguments(p, node) != 0)
                return NULL;
        if (!node->labels.given && is_grouping(&p->token) && parse_grouping(p, node) != 0)
                return NULL;
        return node_finish(p, node);
}

static struct promql_node *
parse_call(struct parser *p)
{
        struct promql_node *node = parser_node(p, PROMQL_CALL, p->token.start);
        const struct promql_function *function = promql_function_find(p->token.text.bytes);

        if (node == NULL)
                return NULL;
        if (function == NULL) {
                lexer_fail(&p->lexer, p->token.start, "there is no function \"%.60s\"", p->token.text.bytes);
                return NULL;
        }
        node->name = function->name;
        if (function->experimental)
                parser_experimental(p, "promql-experimental-functions");
        p->lexer.since_3 = p->lexer.since_3 || function->since_3;
        parser_advance(p, LEXER_PLAIN);
        return parse_arguments(p, node) == 0 ? node_finish(p, node) : NULL;
}

static struct promql_node *
parse_number(struct parser *p, double number)
{
        struct promql_node *node = parser_node(p, PROMQL_NUMBER, p->token.start);

        if (node == NULL)
                return NULL;
        node->number = number;
        node->duration = p->token.kind == TOKEN_DURATION;
        p->lexer.since_3 = p->lexer.since_3 || node->duration;
        parser_advance(p, LEXER_PLAIN);
        return node_finish(p, node);
}

/* A word where an operand should stand: an aggregation, a call, or a metric's name. */
static struct promql_node *
parse_word(struct parser *p)
{
        static const char *const reserved[] = {"bool", "on", "ignoring", "group_left", "group_right", "atan2"};
        struct token next = parser_peek(p);
        enum promql_type parameter;
        bool experimental;
        double number;

        if (token_number_word(&p->token, &number))
                return parse_number(p, number);
        if (promql_aggregation(p->token.text.bytes, &parameter, &experimental) > 0 &&
            (token_is(&next, "(") || is_grouping(&next)))
                return parse_aggregate(p, experimental);
        for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
                if (token_word(&p->token, reserved[i])) {
                        parser_unexpected(p, "an operand");
                        return NULL;
                }
        }
        return token_is(&next, "(") ? parse_call(p) : parse_selector(p);
}

static struct promql_node *
parse_sign(struct parser *p)
{
        struct promql_node *node = parser_node(p, PROMQL_SIGN, p->token.start);
        const struct promql_node *operand;

        if (node == NULL)
                return NULL;
        node->number = token_is(&p->token, "-") ? -1 : 1;
        parser_advance(p, LEXER_PLAIN);
        /* Only ^ binds tighter than a sign: -2^2 is -(2^2). */
        operand = parse_binary(p, LEVEL_POWER);
        if (operand == NULL || parser_child(p, node, operand) != 0)
                return NULL;
        return node_finish(p, node);
}

static struct promql_node *
parse_brackets(struct parser *p)
{
        struct promql_node *node = parser_node(p, PROMQL_BRACKETS, p->token.start);
        const struct promql_node *operand;

        if (node == NULL)
                return NULL;
        parser_advance(p, LEXER_PLAIN);
        operand = parse_expression(p);
        if (operand == NULL || parser_child(p, node, operand) != 0 || parser_expect(p, ")", LEXER_PLAIN) != 0)
                return NULL;
        return node_finish(p, node);
}

static struct promql_node *
parse_operand(struct parser *p)
{
        struct promql_node *node = NULL;

        switch (p->token.kind) {
        case TOKEN_NUMBER:
        case TOKEN_DURATION:
                node = parse_number(p, p->token.number);
                break;
        case TOKEN_STRING:
                node = parser_node(p, PROMQL_TEXT, p->token.start);
                if (node != NULL) {
                        node->text = p->token.text;
                        parser_advance(p, LEXER_PLAIN);
                        node = node_finish(p, node);
                }
                break;
        case TOKEN_WORD:
                node = parse_word(p);
                break;
        case TOKEN_METRIC:
                node = parse_selector(p);
                break;
        default:
                if (token_is(&p->token, "("))
                        node = parse_brackets(p);
                else if (token_is(&p->token, "{"))
                        node = parse_selector(p);
                else if (token_is(&p->token, "+") || token_is(&p->token, "-"))
                        return parse_sign(p); /* what follows belongs to its operand */
                else
                        parser_unexpected(p, "an operand");
        }
        return node != NULL ? parse_modifiers(p, node) : NULL;
}

/* --- operators ---------------------------------------------------------------------------------------------------- */

static bool
operator_read(const struct token *token, enum promql_operator *op)
{
        for (int i = PROMQL_ADD; i <= PROMQL_UNLESS; i++) {
                const char *text = promql_operator_text((enum promql_operator)i);
                if (token_is(token, text) || token_word(token, text)) {
                        *op = (enum promql_operator)i;
                        return true;
                }
        }
        return false;
}

/* fill(0), fill_left(0) fill_right(1): experimental, 3.10. */
static int
parse_fill(struct parser *p, struct promql_node *node)
{
        struct token next;

        while (token_word(&p->token, "fill") || token_word(&p->token, "fill_left") ||
               token_word(&p->token, "fill_right")) {
                bool left = !token_word(&p->token, "fill_right"), right = !token_word(&p->token, "fill_left");
                double *value = promql_allocate(p->lexer.arena, sizeof(*value)), sign = 1;

                next = parser_peek(p);
                if (!token_is(&next, "("))
                        return 0; /* a metric of that name */
                if (value == NULL || (left && node->fill_left != NULL) || (right && node->fill_right != NULL))
                        return parser_unexpected(p, "an operand");
                parser_advance(p, LEXER_PLAIN);
                parser_advance(p, LEXER_PLAIN);
                if (token_is(&p->token, "-") || token_is(&p->token, "+")) {
                        sign = token_is(&p->token, "-") ? -1 : 1;
                        parser_advance(p, LEXER_PLAIN);
                }
                if (p->token.kind == TOKEN_NUMBER || p->token.kind == TOKEN_DURATION)
                        *value = p->token.number;
                else if (!token_number_word(&p->token, value))
                        return parser_unexpected(p, "a number");
                *value *= sign;
                parser_advance(p, LEXER_PLAIN);
                if (parser_expect(p, ")", LEXER_PLAIN) != 0)
                        return -1;
                if (left)
                        node->fill_left = value;
                if (right)
                        node->fill_right = value;
                parser_experimental(p, "promql-binop-fill-modifiers");
        }
        return 0;
}

/* bool, on or ignoring (labels), group_left or group_right (labels), fill. */
static int
parse_matching(struct parser *p, struct promql_node *node)
{
        if (token_word(&p->token, "bool")) {
                node->bool_ = true;
                parser_advance(p, LEXER_PLAIN);
        }
        if (token_word(&p->token, "on") || token_word(&p->token, "ignoring")) {
                node->on = token_word(&p->token, "on");
                parser_advance(p, LEXER_PLAIN);
                if (parse_labels(p, &node->labels) != 0)
                        return -1;
                if (token_word(&p->token, "group_left") || token_word(&p->token, "group_right")) {
                        node->side = token_word(&p->token, "group_left") ? PROMQL_GROUP_LEFT : PROMQL_GROUP_RIGHT;
                        parser_advance(p, LEXER_PLAIN);
                        if (token_is(&p->token, "(") && parse_labels(p, &node->include) != 0)
                                return -1;
                }
        }
        return parse_fill(p, node);
}

static struct promql_node *
parse_binary(struct parser *p, int least)
{
        struct promql_node *left;
        enum promql_operator op;

        if (++p->depth > PROMQL_HEIGHT_LIMIT) {
                lexer_fail(&p->lexer, p->token.start, "nested deeper than %d", PROMQL_HEIGHT_LIMIT);
                return NULL;
        }
        left = parse_operand(p);
        while (left != NULL && operator_read(&p->token, &op) && promql_operator_level(op) >= least) {
                struct promql_node *node = parser_node(p, PROMQL_BINARY, left->start);
                const struct promql_node *right;

                if (node == NULL)
                        return NULL;
                node->op = op;
                p->lexer.since_3 = p->lexer.since_3 || op == PROMQL_TRIM_UPPER || op == PROMQL_TRIM_LOWER;
                parser_advance(p, LEXER_PLAIN);
                if (parse_matching(p, node) != 0 || parser_child(p, node, left) != 0)
                        return NULL;
                right = parse_binary(p, promql_operator_level(op) + (op == PROMQL_POWER ? 0 : 1));
                if (right == NULL || parser_child(p, node, right) != 0)
                        return NULL;
                left = node_finish(p, node);
        }
        p->depth--;
        return left;
}

struct promql_node *
parse_expression(struct parser *p)
{
        return parse_binary(p, 1);
}

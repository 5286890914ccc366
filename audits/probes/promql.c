/* PromQL expressions: tokens become nodes, operators bind by precedence. */

#include "promql.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "promql_parser.h"
#include "utf8.h"

/* "Binary operator precedence" of the documentation, which does not place the trim operators: they stand with the
 * comparisons that they are written like. */
static const struct {
        const char *text;
        int level; /* binds tighter the higher */
} operators[] = {
        [PROMQL_ADD] = {"+", 4},
        [PROMQL_SUBTRACT] = {"-", 4},
        [PROMQL_MULTIPLY] = {"*", 5},
        [PROMQL_DIVIDE] = {"/", 5},
        [PROMQL_MODULO] = {"%", 5},
        [PROMQL_POWER] = {"^", LEVEL_POWER},
        [PROMQL_ATAN2] = {"atan2", 5},
        [PROMQL_EQUAL] = {"==", 3},
        [PROMQL_NOT_EQUAL] = {"!=", 3},
        [PROMQL_LESS] = {"<", 3},
        [PROMQL_LESS_EQUAL] = {"<=", 3},
        [PROMQL_GREATER] = {">", 3},
        [PROMQL_GREATER_EQUAL] = {">=", 3},
        [PROMQL_TRIM_UPPER] = {"</", 3},
        [PROMQL_TRIM_LOWER] = {">/", 3},
        [PROMQL_AND] = {"and", 2},
        [PROMQL_OR] = {"or", 1},
        [PROMQL_UNLESS] = {"unless", 2},
};
enum { OPERATORS = sizeof(operators) / sizeof(operators[0]) };

const char *
promql_operator_text(enum promql_operator op)
{
        return operators[op].text;
}

bool
promql_is_comparison(enum promql_operator op)
{
        return op >= PROMQL_EQUAL && op <= PROMQL_GREATER_EQUAL;
}

bool
promql_is_set(enum promql_operator op)
{
        return op >= PROMQL_AND;
}

const char *
promql_type_name(enum promql_type type)
{
        static const char *const names[] = {"scalar", "instant vector", "range vector", "string"};

        return names[type];
}

void
parser_advance(struct parser *p, enum lexer_mode mode)
{
        p->last_end = p->token.end;
        p->lexer.mode = mode;
        p->token = lexer_next(&p->lexer);
}

struct token
parser_peek(const struct parser *p)
{
        struct lexer copy = p->lexer;

        copy.err = NULL;
        return lexer_next(&copy);
}

bool
token_is(const struct token *token, const char *symbol)
{
        return token->kind == TOKEN_SYMBOL && strcmp(token->symbol, symbol) == 0;
}

bool
token_word(const struct token *token, const char *word)
{
        return token->kind == TOKEN_WORD && strcasecmp(token->text.bytes, word) == 0;
}

bool
token_number_word(const struct token *token, double *number)
{
        if (token_word(token, "inf"))
                *number = (double)INFINITY;
        else if (token_word(token, "nan"))
                *number = (double)NAN;
        else
                return false;
        return true;
}

int
parser_unexpected(struct parser *p, const char *wanted)
{
        const struct token *token = &p->token;
        int length = token->end - token->start > 40 ? 40 : (int)(token->end - token->start);

        if (token->kind == TOKEN_END)
                return lexer_fail(&p->lexer, token->start, "the expression ends where %s should follow", wanted);
        return lexer_fail(&p->lexer, token->start, "\"%.*s\" stands where %s should", length,
                          p->lexer.text + token->start, wanted);
}

int
parser_expect(struct parser *p, const char *symbol, enum lexer_mode mode)
{
        char wanted[8];

        if (!token_is(&p->token, symbol)) {
                snprintf(wanted, sizeof(wanted), "\"%s\"", symbol);
                return parser_unexpected(p, wanted);
        }
        parser_advance(p, mode);
        return 0;
}

void
parser_experimental(struct parser *p, const char *feature)
{
        if (p->experimental == NULL)
                p->experimental = feature;
        p->lexer.since_3 = true;
}

struct promql_node *
parser_node(struct parser *p, enum promql_kind kind, size_t start)
{
        struct promql_node *node;

        if (++p->lexer.arena->nodes > PROMQL_NODE_LIMIT) {
                lexer_fail(&p->lexer, start, "more than %d parts", PROMQL_NODE_LIMIT);
                return NULL;
        }
        node = promql_allocate(p->lexer.arena, sizeof(*node));
        if (node == NULL) {
                lexer_fail(&p->lexer, start, "too large");
                return NULL;
        }
        node->kind = kind;
        node->start = start;
        node->height = 1;
        return node;
}

int
parser_child(struct parser *p, struct promql_node *node, const struct promql_node *child)
{
        const struct promql_node **list = promql_grow(p->lexer.arena, node->children, node->child_count,
                                                      sizeof(*node->children));

        if (list == NULL)
                return lexer_fail(&p->lexer, node->start, "too large");
        node->children = list;
        list[node->child_count++] = child;
        if (child->height >= node->height)
                node->height = child->height + 1;
        if (node->height > PROMQL_HEIGHT_LIMIT)
                return lexer_fail(&p->lexer, node->start, "nested deeper than %d", PROMQL_HEIGHT_LIMIT);
        return 0;
}

struct promql_node *
node_finish(struct parser *p, struct promql_node *node)
{
        node->end = p->last_end;
        return promql_check(&p->lexer, node) == 0 ? node : NULL;
}

static bool
operator_read(const struct token *token, enum promql_operator *op)
{
        for (int i = 0; i < OPERATORS; i++) {
                if (token_is(token, operators[i].text) || token_word(token, operators[i].text)) {
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

struct promql_node *
parse_binary(struct parser *p, int least)
{
        struct promql_node *left;
        enum promql_operator op;

        if (++p->depth > PROMQL_HEIGHT_LIMIT) {
                lexer_fail(&p->lexer, p->token.start, "nested deeper than %d", PROMQL_HEIGHT_LIMIT);
                return NULL;
        }
        left = parse_operand(p);
        while (left != NULL && operator_read(&p->token, &op) && operators[op].level >= least) {
                struct promql_node *node = parser_node(p, PROMQL_BINARY, left->start);
                const struct promql_node *right;

                if (node == NULL)
                        return NULL;
                node->op = op;
                p->lexer.since_3 = p->lexer.since_3 || op == PROMQL_TRIM_UPPER || op == PROMQL_TRIM_LOWER;
                parser_advance(p, LEXER_PLAIN);
                if (parse_matching(p, node) != 0 || parser_child(p, node, left) != 0)
                        return NULL;
                right = parse_binary(p, operators[op].level + (op == PROMQL_POWER ? 0 : 1));
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

static int
text_check(struct lexer *lexer)
{
        for (size_t at = 0; at < lexer->length;) {
                size_t step = utf8_length(lexer->text + at, lexer->length - at);

                if (step == 0 || lexer->text[at] == '\0')
                        return lexer_fail(lexer, at, "not UTF-8");
                at += step;
        }
        return 0;
}

int
promql_parse(const char *text, size_t length, struct promql **out, struct error *err)
{
        struct promql *promql;
        struct parser p = {.depth = 0};

        if (length > PROMQL_TEXT_LIMIT)
                return error_set(err, REASON_PROTOCOL, "an expression of more than %d bytes", PROMQL_TEXT_LIMIT);
        promql = calloc(1, sizeof(*promql));
        if (promql == NULL || (promql->arena = promql_arena_new()) == NULL ||
            (promql->text = promql_copy(promql->arena, text, length)) == NULL) {
                promql_free(promql);
                return error_memory(err, "PromQL expression");
        }
        p.lexer = (struct lexer){.text = promql->text, .length = length, .arena = promql->arena, .err = err};
        if (text_check(&p.lexer) == 0) {
                parser_advance(&p, LEXER_PLAIN);
                promql->root = parse_expression(&p);
                if (promql->root != NULL && p.token.kind != TOKEN_END)
                        parser_unexpected(&p, "an operator or the end");
        }
        if (p.lexer.failed || promql->root == NULL) {
                lexer_fail(&p.lexer, p.token.start, "too large");
                promql_free(promql);
                return -1;
        }
        promql->experimental = p.experimental;
        promql->since_3 = p.lexer.since_3;
        *out = promql;
        return 0;
}

void
promql_free(struct promql *promql)
{
        if (promql == NULL)
                return;
        promql_arena_free(promql->arena);
        free(promql);
}

/* PromQL's parser, one step each: the next token, the next node, and what does not fit. */

#include "promql_parser.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/* The state of one parse, shared by the files that make it up. */
#ifndef ROUNDS_PROMQL_PARSER_H
#define ROUNDS_PROMQL_PARSER_H

#include "promql_arena.h"
#include "promql_parts.h"

struct parser {
        struct lexer lexer;
        struct token token; /* not yet consumed */
        size_t last_end;    /* of the token consumed last */
        unsigned depth;
        const char *experimental;
};

/* Consumes the token; the next one is read in `mode`. */
void parser_advance(struct parser *p, enum lexer_mode mode);

/* The token after the current one, without consuming anything. */
struct token parser_peek(const struct parser *p);

bool token_is(const struct token *token, const char *symbol);
bool token_word(const struct token *token, const char *word); /* whatever its case */

/* Consumes a symbol or fails. */
int parser_expect(struct parser *p, const char *symbol, enum lexer_mode mode);
int parser_unexpected(struct parser *p, const char *wanted); /* always -1 */

/* A new node at the given start; NULL with the error told. */
struct promql_node *parser_node(struct parser *p, enum promql_kind kind, size_t start);
int parser_child(struct parser *p, struct promql_node *node, const struct promql_node *child);

void parser_experimental(struct parser *p, const char *feature);

/* Inf and NaN, whatever their case. */
bool token_number_word(const struct token *token, double *number);

/* Ends a node at the token consumed last and checks its types; NULL with the error told. */
struct promql_node *node_finish(struct parser *p, struct promql_node *node);

/* How tight an operator binds: tighter the higher, from 1 on. */
enum { LEVEL_POWER = 6 };
int promql_operator_level(enum promql_operator op);

struct promql_node *parse_expression(struct parser *p);

/* {label="x", ...} after an optional name; the current token is the name or the bracket. */
struct promql_node *parse_selector(struct parser *p);

/* What follows an operand: [5m], [1h:5m], offset, @, anchored. NULL with the error told. */
struct promql_node *parse_modifiers(struct parser *p, struct promql_node *node);

#endif

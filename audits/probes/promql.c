/* PromQL: a text becomes a tree, or an error with its line and column. */

#include "promql.h"

#include <stdlib.h>

#include "promql_parser.h"
#include "utf8.h"

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

/* PromQL's binary operators: how they are written, how tight they bind, which compare and which join sets. */

#include "promql_parser.h"

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

const char *
promql_operator_text(enum promql_operator op)
{
        return operators[op].text;
}

int
promql_operator_level(enum promql_operator op)
{
        return operators[op].level;
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

/* PromQL selectors and what follows an operand: matchers, ranges, subqueries, offset, @. */

#include <math.h>
#include <string.h>

#include "promql_parser.h"

/* Go's time.Duration ends at 292 years, and so does Prometheus. */
#define LONGEST_SECONDS 9223372036.0

bool
promql_is_label(const char *name)
{
        return promql_is_metric(name) && strchr(name, ':') == NULL;
}

bool
promql_is_metric(const char *name)
{
        if (name[0] >= '0' && name[0] <= '9')
                return false;
        return name[0] != '\0' &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:") == strlen(name);
}

static int
matcher_add(struct parser *p, struct promql_node *node, const struct promql_matcher *matcher)
{
        struct promql_matcher *list = promql_grow(p->lexer.arena, node->matchers, node->matcher_count,
                                                  sizeof(*node->matchers));

        if (list == NULL)
                return lexer_fail(&p->lexer, node->start, "too large");
        node->matchers = list;
        list[node->matcher_count++] = *matcher;
        return 0;
}

static bool
match_read(const struct token *token, enum promql_match *match)
{
        static const char *const symbols[] = {"=", "!=", "=~", "!~"};

        for (int i = 0; i < 4; i++) {
                if (token_is(token, symbols[i])) {
                        *match = (enum promql_match)i;
                        return true;
                }
        }
        return false;
}

/* One of: label="value", "quoted label"="value", "quoted metric name". */
static int
parse_matcher(struct parser *p, struct promql_node *node, bool *named)
{
        struct token label = p->token;
        struct promql_matcher matcher = {.label = label.text.bytes};

        if (label.kind != TOKEN_WORD && label.kind != TOKEN_STRING)
                return parser_unexpected(p, "a label");
        if (label.kind == TOKEN_STRING &&
            (label.text.length == 0 || memchr(label.text.bytes, '\0', label.text.length) != NULL))
                return parser_unexpected(p, "a name");
        p->lexer.since_3 = p->lexer.since_3 || label.kind == TOKEN_STRING;
        parser_advance(p, LEXER_BRACES);
        if (label.kind == TOKEN_STRING && (token_is(&p->token, ",") || token_is(&p->token, "}"))) {
                if (*named)
                        return lexer_fail(&p->lexer, label.start, "the metric's name is given twice");
                *named = true;
                node->name = label.text.bytes;
                return 0;
        }
        if (!match_read(&p->token, &matcher.match))
                return parser_unexpected(p, "=, !=, =~ or !~");
        parser_advance(p, LEXER_BRACES);
        if (p->token.kind != TOKEN_STRING)
                return parser_unexpected(p, "a string");
        matcher.value = p->token.text;
        parser_advance(p, LEXER_BRACES);
        return matcher_add(p, node, &matcher);
}

static int
parse_braces(struct parser *p, struct promql_node *node, bool *named)
{
        parser_advance(p, LEXER_BRACES);
        while (!token_is(&p->token, "}")) {
                if (parse_matcher(p, node, named) != 0)
                        return -1;
                if (!token_is(&p->token, "}") && parser_expect(p, ",", LEXER_BRACES) != 0)
                        return -1;
        }
        parser_advance(p, LEXER_PLAIN);
        return 0;
}

/* {__name__="x"} is x: the first such matcher becomes the name. */
static int
name_settle(struct parser *p, struct promql_node *node, bool named)
{
        for (size_t i = 0; i < node->matcher_count; i++) {
                const struct promql_matcher *matcher = &node->matchers[i];

                if (strcmp(matcher->label, "__name__") != 0)
                        continue;
                if (named)
                        return lexer_fail(&p->lexer, node->start, "the metric's name is given twice");
                if (matcher->match != PROMQL_IS || matcher->value.length == 0 ||
                    memchr(matcher->value.bytes, '\0', matcher->value.length) != NULL || node->name != NULL)
                        continue;
                node->name = matcher->value.bytes;
                node->matcher_count--;
                memmove(node->matchers + i, node->matchers + i + 1,
                        (node->matcher_count - i) * sizeof(*node->matchers));
                i--;
        }
        return 0;
}

struct promql_node *
parse_selector(struct parser *p)
{
        struct promql_node *node = parser_node(p, PROMQL_SELECTOR, p->token.start);
        bool named = p->token.kind == TOKEN_WORD || p->token.kind == TOKEN_METRIC;

        if (node == NULL)
                return NULL;
        node->type = PROMQL_VECTOR;
        if (named) {
                node->name = p->token.text.bytes;
                parser_advance(p, LEXER_PLAIN);
        }
        if (token_is(&p->token, "{") && parse_braces(p, node, &named) != 0)
                return NULL;
        node->end = p->last_end;
        if (name_settle(p, node, named) != 0 || promql_check_selector(&p->lexer, node) != 0)
                return NULL;
        return node;
}

/* --- durations ----------------------------------------------------------------------------------------------- */

static struct promql_node *duration_binary(struct parser *p, int least, enum lexer_mode mode);

/* step(), range(), min_of(a, b), max_of(a, b) */
static struct promql_node *
duration_call(struct parser *p, enum lexer_mode mode)
{
        static const char *const names[] = {"step", "range", "min_of", "max_of"};
        struct promql_node *node = parser_node(p, PROMQL_CALL, p->token.start);

        if (node == NULL)
                return NULL;
        for (int i = 0; i < 4; i++) {
                if (token_word(&p->token, names[i]))
                        node->name = names[i];
        }
        if (node->name == NULL) {
                parser_unexpected(p, "a duration");
                return NULL;
        }
        parser_experimental(p, "promql-duration-expr");
        parser_advance(p, LEXER_RANGE);
        if (parser_expect(p, "(", LEXER_RANGE) != 0)
                return NULL;
        for (int i = 0; strstr(node->name, "_of") != NULL && i < 2; i++) {
                const struct promql_node *argument;

                if (i > 0 && parser_expect(p, ",", LEXER_RANGE) != 0)
                        return NULL;
                argument = duration_binary(p, 1, LEXER_RANGE);
                if (argument == NULL || parser_child(p, node, argument) != 0)
                        return NULL;
        }
        if (parser_expect(p, ")", mode) != 0)
                return NULL;
        node->end = p->last_end;
        return node;
}

/* `mode` is how the token after the operand is read. */
static struct promql_node *
duration_operand(struct parser *p, enum lexer_mode mode)
{
        struct promql_node *node = NULL;
        const struct promql_node *operand;

        if (p->token.kind == TOKEN_NUMBER || p->token.kind == TOKEN_DURATION) {
                node = parser_node(p, PROMQL_NUMBER, p->token.start);
                if (node == NULL)
                        return NULL;
                node->number = p->token.number;
                node->duration = p->token.kind == TOKEN_DURATION;
                p->lexer.since_3 = p->lexer.since_3 || !node->duration;
                parser_advance(p, mode);
        } else if (token_is(&p->token, "(")) {
                node = parser_node(p, PROMQL_BRACKETS, p->token.start);
                parser_experimental(p, "promql-duration-expr");
                parser_advance(p, LEXER_RANGE);
                operand = duration_binary(p, 1, LEXER_RANGE);
                if (node == NULL || operand == NULL || parser_child(p, node, operand) != 0 ||
                    parser_expect(p, ")", mode) != 0)
                        return NULL;
        } else if (token_is(&p->token, "+") || token_is(&p->token, "-")) {
                node = parser_node(p, PROMQL_SIGN, p->token.start);
                if (node == NULL)
                        return NULL;
                node->number = token_is(&p->token, "-") ? -1 : 1;
                if (mode == LEXER_RANGE)
                        parser_experimental(p, "promql-duration-expr");
                parser_advance(p, LEXER_RANGE);
                /* An offset has one sign; brackets are for more than that. */
                if (mode != LEXER_RANGE && (token_is(&p->token, "-") || token_is(&p->token, "+"))) {
                        parser_unexpected(p, "a duration");
                        return NULL;
                }
                operand = mode == LEXER_RANGE ? duration_binary(p, 3, mode) : duration_operand(p, mode);
                if (operand == NULL || parser_child(p, node, operand) != 0)
                        return NULL;
        } else {
                return duration_call(p, mode);
        }
        node->end = p->last_end;
        return node;
}

static struct promql_node *
duration_binary(struct parser *p, int least, enum lexer_mode mode)
{
        static const struct {
                const char *symbol;
                enum promql_operator op;
                int level;
        } list[] = {{"+", PROMQL_ADD, 1},    {"-", PROMQL_SUBTRACT, 1}, {"*", PROMQL_MULTIPLY, 2},
                    {"/", PROMQL_DIVIDE, 2}, {"%", PROMQL_MODULO, 2},   {"^", PROMQL_POWER, 3}};
        struct promql_node *left;

        if (++p->depth > PROMQL_HEIGHT_LIMIT) {
                lexer_fail(&p->lexer, p->token.start, "nested deeper than %d", PROMQL_HEIGHT_LIMIT);
                return NULL;
        }
        left = duration_operand(p, mode);
        for (size_t i = 0; left != NULL && i < 6; i++) {
                struct promql_node *node;
                const struct promql_node *right;

                if (!token_is(&p->token, list[i].symbol) || list[i].level < least)
                        continue;
                node = parser_node(p, PROMQL_BINARY, left->start);
                parser_experimental(p, "promql-duration-expr");
                parser_advance(p, LEXER_RANGE);
                right = duration_binary(p, list[i].level + (list[i].op == PROMQL_POWER ? 0 : 1), mode);
                if (node == NULL || right == NULL || parser_child(p, node, left) != 0 ||
                    parser_child(p, node, right) != 0)
                        return NULL;
                node->op = list[i].op;
                node->end = p->last_end;
                left = node;
                i = (size_t)-1; /* look for the next operator from the start */
        }
        p->depth--;
        return left;
}

bool
promql_seconds(const struct promql_node *node, double *seconds)
{
        double left, right;

        switch (node->kind) {
        case PROMQL_NUMBER:
                *seconds = node->number;
                return true;
        case PROMQL_BRACKETS:
        case PROMQL_SIGN:
                if (!promql_seconds(node->children[0], seconds))
                        return false;
                *seconds *= node->kind == PROMQL_SIGN ? node->number : 1;
                return true;
        case PROMQL_CALL:
                if (node->child_count != 2 || !promql_seconds(node->children[0], &left) ||
                    !promql_seconds(node->children[1], &right))
                        return false;
                *seconds = strcmp(node->name, "min_of") == 0 ? fmin(left, right) : fmax(left, right);
                return true;
        default:
                if (node->child_count != 2 || !promql_seconds(node->children[0], &left) ||
                    !promql_seconds(node->children[1], &right))
                        return false;
                *seconds = node->op == PROMQL_ADD        ? left + right
                           : node->op == PROMQL_SUBTRACT ? left - right
                           : node->op == PROMQL_MULTIPLY ? left * right
                           : node->op == PROMQL_DIVIDE   ? left / right
                           : node->op == PROMQL_MODULO   ? fmod(left, right)
                                                         : pow(left, right);
                return true;
        }
}

static int
duration_settle(struct parser *p, const struct promql_node *expression, bool positive, struct promql_duration *out)
{
        double seconds;

        if (expression == NULL)
                return -1;
        *out = (struct promql_duration){.expression = expression};
        if (!promql_seconds(expression, &seconds))
                return 0;
        if (!isfinite(seconds) || fabs(seconds) > LONGEST_SECONDS)
                return lexer_fail(&p->lexer, expression->start, "a duration out of bounds");
        if (positive && llround(seconds * 1000) <= 0) /* time is counted in milliseconds */
                return lexer_fail(&p->lexer, expression->start, "a duration must be greater than 0");
        out->known = true;
        out->ms = llround(seconds * 1000);
        return 0;
}

/* --- what follows an operand ----------------------------------------------------------------------------------- */

static struct promql_node *
parse_subquery(struct parser *p, struct promql_node *operand, const struct promql_duration *range)
{
        struct promql_node *node = parser_node(p, PROMQL_SUBQUERY, operand->start);

        if (node == NULL)
                return NULL;
        node->type = PROMQL_RANGE;
        node->range = *range;
        if (operand->type != PROMQL_VECTOR) {
                lexer_fail(&p->lexer, operand->start, "a subquery works on an instant vector, not on a %s",
                           promql_type_name(operand->type));
                return NULL;
        }
        parser_advance(p, LEXER_RANGE); /* the colon */
        if (!token_is(&p->token, "]") && duration_settle(p, duration_binary(p, 1, LEXER_RANGE), true, &node->step) != 0)
                return NULL;
        if (parser_child(p, node, operand) != 0 || parser_expect(p, "]", LEXER_PLAIN) != 0)
                return NULL;
        node->end = p->last_end;
        return node;
}

static struct promql_node *
parse_range(struct parser *p, struct promql_node *node)
{
        struct promql_duration range;

        parser_advance(p, LEXER_RANGE);
        if (duration_settle(p, duration_binary(p, 1, LEXER_RANGE), true, &range) != 0)
                return NULL;
        if (token_is(&p->token, ":"))
                return parse_subquery(p, node, &range);
        if (node->kind != PROMQL_SELECTOR || node->range.expression != NULL) {
                lexer_fail(&p->lexer, node->start, "a range may follow a selector only");
                return NULL;
        }
        if (node->offset.expression != NULL || node->at != PROMQL_AT_NONE) {
                lexer_fail(&p->lexer, node->start, "offset and @ follow the range, not the other way round");
                return NULL;
        }
        if (parser_expect(p, "]", LEXER_PLAIN) != 0)
                return NULL;
        node->range = range;
        node->type = PROMQL_RANGE;
        return node;
}

static int
modifiable(struct parser *p, const struct promql_node *node, const char *what)
{
        if (node->kind == PROMQL_SELECTOR || node->kind == PROMQL_SUBQUERY)
                return 0;
        return lexer_fail(&p->lexer, p->token.start, "%s may follow a selector or a subquery only", what);
}

static int
parse_offset(struct parser *p, struct promql_node *node)
{
        if (modifiable(p, node, "offset") != 0)
                return -1;
        if (node->offset.expression != NULL)
                return lexer_fail(&p->lexer, p->token.start, "offset is given twice");
        parser_advance(p, LEXER_PLAIN);
        p->lexer.since_3 = p->lexer.since_3 || token_is(&p->token, "+");
        if (duration_settle(p, duration_operand(p, LEXER_PLAIN), false, &node->offset) != 0)
                return -1;
        p->lexer.since_3 = p->lexer.since_3 || (node->offset.known && node->offset.ms == 0);
        return 0;
}

/* @ 1609746000, @ start(), @ end() */
static int
parse_at(struct parser *p, struct promql_node *node)
{
        double sign = 1;

        if (modifiable(p, node, "@") != 0)
                return -1;
        if (node->at != PROMQL_AT_NONE)
                return lexer_fail(&p->lexer, p->token.start, "@ is given twice");
        parser_advance(p, LEXER_PLAIN);
        if (token_word(&p->token, "start") || token_word(&p->token, "end")) {
                node->at = token_word(&p->token, "start") ? PROMQL_AT_START : PROMQL_AT_END;
                parser_advance(p, LEXER_PLAIN);
                return parser_expect(p, "(", LEXER_PLAIN) != 0 ? -1 : parser_expect(p, ")", LEXER_PLAIN);
        }
        if (token_is(&p->token, "+") || token_is(&p->token, "-")) {
                sign = token_is(&p->token, "-") ? -1 : 1;
                parser_advance(p, LEXER_PLAIN);
        }
        if (p->token.kind != TOKEN_NUMBER && p->token.kind != TOKEN_DURATION)
                return parser_unexpected(p, "a time in seconds, start() or end()");
        if (p->token.number >= 9223372036854775.0)
                return lexer_fail(&p->lexer, p->token.start, "a time out of bounds");
        p->lexer.since_3 = p->lexer.since_3 || p->token.kind == TOKEN_DURATION;
        node->at = PROMQL_AT_TIME;
        node->at_seconds = sign * round(p->token.number * 1000) / 1000; /* Prometheus keeps milliseconds */
        parser_advance(p, LEXER_PLAIN);
        return 0;
}

struct promql_node *
parse_modifiers(struct parser *p, struct promql_node *node)
{
        while (node != NULL) {
                int status;

                if (token_is(&p->token, "[")) {
                        node = parse_range(p, node);
                        status = 0;
                } else if (token_word(&p->token, "offset")) {
                        status = parse_offset(p, node);
                } else if (token_is(&p->token, "@")) {
                        status = parse_at(p, node);
                } else if ((token_word(&p->token, "anchored") || token_word(&p->token, "smoothed")) &&
                           node->kind == PROMQL_SELECTOR && node->edges == PROMQL_EDGES_PLAIN) {
                        node->edges = token_word(&p->token, "anchored") ? PROMQL_EDGES_ANCHORED : PROMQL_EDGES_SMOOTHED;
                        parser_experimental(p, "promql-extended-range-selectors");
                        parser_advance(p, LEXER_PLAIN);
                        status = 0;
                } else {
                        return node;
                }
                if (status != 0)
                        return NULL;
                if (node != NULL)
                        node->end = p->last_end;
        }
        return NULL;
}

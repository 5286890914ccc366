/* Looking at PromQL trees: walking, constants, comparisons with a threshold, equality of structure. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "promql_parts.h"

const struct promql_node *
promql_bare(const struct promql_node *node)
{
        while (node != NULL && node->kind == PROMQL_BRACKETS)
                node = node->children[0];
        return node;
}

const struct promql_node *
promql_operand(const struct promql_node *node)
{
        if (node->kind != PROMQL_AGGREGATE && node->kind != PROMQL_SUBQUERY && node->kind != PROMQL_SIGN)
                return NULL;
        return promql_bare(node->children[node->child_count - 1]);
}

int
promql_walk(const struct promql_node *node, promql_visit visit, void *context)
{
        int answer = visit(context, node);

        if (answer != 0)
                return answer < 0 ? -1 : 0;
        for (size_t i = 0; i < node->child_count; i++) {
                if (promql_walk(node->children[i], visit, context) != 0)
                        return -1;
        }
        return 0;
}

struct selector_list {
        const struct promql_node **out;
        size_t room, count;
};

static int
selector_visit(void *context, const struct promql_node *node)
{
        struct selector_list *list = context;

        if (node->kind == PROMQL_SELECTOR) {
                if (list->count < list->room)
                        list->out[list->count] = node;
                list->count++;
        }
        return 0;
}

size_t
promql_selectors(const struct promql_node *node, const struct promql_node **out, size_t room)
{
        struct selector_list list = {.out = out, .room = room};

        promql_walk(node, selector_visit, &list);
        return list.count;
}

static bool
constant_binary(const struct promql_node *node, double *value)
{
        double a, b;

        if (!promql_constant(node->children[0], &a) || !promql_constant(node->children[1], &b))
                return false;
        switch (node->op) {
        case PROMQL_ADD:
                *value = a + b;
                return true;
        case PROMQL_SUBTRACT:
                *value = a - b;
                return true;
        case PROMQL_MULTIPLY:
                *value = a * b;
                return true;
        case PROMQL_DIVIDE:
                *value = a / b;
                return true;
        case PROMQL_MODULO:
                *value = fmod(a, b);
                return true;
        case PROMQL_POWER:
                *value = pow(a, b);
                return true;
        case PROMQL_ATAN2:
                *value = atan2(a, b);
                return true;
        default:
                return false;
        }
}

bool
promql_constant(const struct promql_node *node, double *value)
{
        switch (node->kind) {
        case PROMQL_NUMBER:
                *value = node->number;
                return true;
        case PROMQL_BRACKETS:
                return promql_constant(node->children[0], value);
        case PROMQL_SIGN:
                if (!promql_constant(node->children[0], value))
                        return false;
                *value *= node->number;
                return true;
        case PROMQL_BINARY:
                return constant_binary(node, value);
        case PROMQL_CALL:
                if (strcmp(node->name, "pi") == 0) {
                        *value = 3.14159265358979323846;
                        return true;
                }
                return (strcmp(node->name, "vector") == 0 || strcmp(node->name, "scalar") == 0) &&
                       promql_constant(node->children[0], value);
        default:
                return false;
        }
}

static enum promql_operator
operator_flipped(enum promql_operator op)
{
        switch (op) {
        case PROMQL_LESS:
                return PROMQL_GREATER;
        case PROMQL_LESS_EQUAL:
                return PROMQL_GREATER_EQUAL;
        case PROMQL_GREATER:
                return PROMQL_LESS;
        case PROMQL_GREATER_EQUAL:
                return PROMQL_LESS_EQUAL;
        default:
                return op;
        }
}

bool
promql_comparison(const struct promql_node *node, struct promql_comparison *out)
{
        double left, right;
        bool left_constant, right_constant;

        node = promql_bare(node);
        if (node->kind != PROMQL_BINARY || !promql_is_comparison(node->op))
                return false;
        left_constant = promql_constant(node->children[0], &left);
        right_constant = promql_constant(node->children[1], &right);
        if (left_constant == right_constant)
                return false;
        *out = (struct promql_comparison){
                .node = node,
                .subject = promql_bare(node->children[left_constant ? 1 : 0]),
                .op = left_constant ? operator_flipped(node->op) : node->op,
                .threshold = left_constant ? left : right,
                .flipped = left_constant,
        };
        return true;
}

struct part_list {
        struct promql_part *out;
        size_t room, count;
};

static void
parts_gather(const struct promql_node *node, enum promql_role role, struct part_list *list)
{
        node = promql_bare(node);
        if (node->kind == PROMQL_BINARY && promql_is_set(node->op)) {
                /* What stands behind an unless must not hold, however it is put together; inside a choice, nothing
                 * must. */
                enum promql_role left = role, right = role;

                if (role == PROMQL_ALWAYS && node->op == PROMQL_OR)
                        left = right = PROMQL_EITHER;
                if (node->op == PROMQL_UNLESS)
                        right = PROMQL_NEVER;
                parts_gather(node->children[0], left, list);
                parts_gather(node->children[1], right, list);
                return;
        }
        if (list->count < list->room)
                list->out[list->count] = (struct promql_part){node, role};
        list->count++;
}

size_t
promql_parts(const struct promql_node *node, struct promql_part *out, size_t room)
{
        struct part_list list = {.out = out, .room = room};

        parts_gather(node, PROMQL_ALWAYS, &list);
        return list.count;
}

static bool
number_equal(double left, double right)
{
        return left == right || (isnan(left) && isnan(right));
}

static bool
text_equal(const struct promql_text *left, const struct promql_text *right)
{
        return left->length == right->length && memcmp(left->bytes, right->bytes, left->length) == 0;
}

static bool
matcher_equal(const struct promql_matcher *left, const struct promql_matcher *right)
{
        return left->match == right->match && strcmp(left->label, right->label) == 0 &&
               text_equal(&left->value, &right->value);
}

static bool
matchers_hold(const struct promql_node *node, const struct promql_node *within)
{
        for (size_t i = 0; i < node->matcher_count; i++) {
                bool found = false;

                for (size_t k = 0; k < within->matcher_count && !found; k++)
                        found = matcher_equal(&node->matchers[i], &within->matchers[k]);
                if (!found)
                        return false;
        }
        return true;
}

static bool
names_equal(const char *left, const char *right)
{
        return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static bool
labels_within(const struct promql_labels *labels, const struct promql_labels *within)
{
        for (size_t i = 0; i < labels->count; i++) {
                bool found = false;

                for (size_t k = 0; k < within->count && !found; k++)
                        found = strcmp(labels->names[i], within->names[k]) == 0;
                if (!found)
                        return false;
        }
        return true;
}

static bool
labels_equal(const struct promql_labels *left, const struct promql_labels *right)
{
        return labels_within(left, right) && labels_within(right, left);
}

static bool
duration_equal(const struct promql_duration *left, const struct promql_duration *right)
{
        if (left->expression == NULL || right->expression == NULL) {
                const struct promql_duration *given = left->expression != NULL ? left : right;

                return given->expression == NULL || (given->known && given->ms == 0);
        }
        if (left->known != right->known)
                return false;
        return left->known ? left->ms == right->ms : promql_equal(left->expression, right->expression);
}

static bool
fill_equal(const double *left, const double *right)
{
        return left == NULL || right == NULL ? left == right : number_equal(*left, *right);
}

/* What the kinds have beside their children. */
static bool
own_equal(const struct promql_node *left, const struct promql_node *right)
{
        bool same = duration_equal(&left->range, &right->range) && duration_equal(&left->step, &right->step) &&
                    duration_equal(&left->offset, &right->offset) && left->at == right->at &&
                    llround(left->at_seconds * 1000) == llround(right->at_seconds * 1000) &&
                    left->edges == right->edges;

        switch (left->kind) {
        case PROMQL_NUMBER:
        case PROMQL_SIGN:
                return number_equal(left->number, right->number);
        case PROMQL_TEXT:
                return text_equal(&left->text, &right->text);
        case PROMQL_SELECTOR:
                return same && names_equal(left->name, right->name) && matchers_hold(left, right) &&
                       matchers_hold(right, left);
        case PROMQL_SUBQUERY:
                return same;
        case PROMQL_BINARY:
                return left->op == right->op && left->bool_ == right->bool_ && left->on == right->on &&
                       left->side == right->side && labels_equal(&left->labels, &right->labels) &&
                       labels_equal(&left->include, &right->include) && fill_equal(left->fill_left, right->fill_left) &&
                       fill_equal(left->fill_right, right->fill_right);
        case PROMQL_AGGREGATE:
                return strcmp(left->name, right->name) == 0 && left->without == right->without &&
                       labels_equal(&left->labels, &right->labels);
        case PROMQL_CALL:
                return strcmp(left->name, right->name) == 0;
        case PROMQL_BRACKETS:
                return true;
        }
        return false;
}

bool
promql_equal(const struct promql_node *left, const struct promql_node *right)
{
        double a, b;

        left = promql_bare(left);
        right = promql_bare(right);
        if (left->type == right->type && promql_constant(left, &a) && promql_constant(right, &b))
                return number_equal(a, b);
        if (left->kind != right->kind || left->child_count != right->child_count || !own_equal(left, right))
                return false;
        for (size_t i = 0; i < left->child_count; i++) {
                if (!promql_equal(left->children[i], right->children[i]))
                        return false;
        }
        return true;
}

bool
promql_covers(const struct promql_node *wide, const struct promql_node *narrow)
{
        if (wide->kind != PROMQL_SELECTOR || narrow->kind != PROMQL_SELECTOR)
                return false;
        return (wide->name == NULL || names_equal(wide->name, narrow->name)) && matchers_hold(wide, narrow);
}

const struct promql_matcher *
promql_matcher(const struct promql_node *selector, const char *label)
{
        for (size_t i = 0; i < selector->matcher_count; i++) {
                if (strcmp(selector->matchers[i].label, label) == 0)
                        return &selector->matchers[i];
        }
        return NULL;
}

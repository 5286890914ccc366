/* Alert expressions as sums of terms against a threshold. */

#include "alert_shape.h"

#include <math.h>
#include <string.h>

enum { DEPTH_MOST = 32 };

/* A sum of terms and a constant. */
struct linear {
        struct alert_term terms[ALERT_TERMS];
        size_t count;
        double constant;
};

struct reader {
        const struct alert_world *world;
        const struct promql_node *also; /* a comparison met on the way: 3 <= x < 20 */
        int depth;
};

static bool linear_read(struct reader *reader, const struct promql_node *node, struct linear *out);

static bool
one_of(const char *name, const char *const *list)
{
        for (; *list != NULL; list++) {
                if (strcmp(name, *list) == 0)
                        return true;
        }
        return false;
}

static void
atom_of(const struct promql_node *core, struct linear *out)
{
        *out = (struct linear){.count = 1, .terms = {{.factor = 1, .top = {.core = core}}}};
}

static void
scale(struct linear *linear, double factor)
{
        for (size_t i = 0; i < linear->count; i++)
                linear->terms[i].factor *= factor;
        linear->constant *= factor;
}

static bool
node_same(const struct promql_node *a, const struct promql_node *b)
{
        return a == b || (a != NULL && b != NULL && promql_equal(a, b));
}

static bool
atom_same(const struct alert_atom *a, const struct alert_atom *b)
{
        return node_same(a->core, b->core) && a->over == b->over && a->over_ms == b->over_ms &&
               (a->aggregate == NULL) == (b->aggregate == NULL) &&
               (a->aggregate == NULL || node_same(a->aggregate, b->aggregate));
}

static bool
merge(struct linear *into, const struct linear *from, double factor)
{
        into->constant += factor * from->constant;
        for (size_t i = 0; i < from->count; i++) {
                const struct alert_term *term = &from->terms[i];
                size_t k = 0;
                while (k < into->count && !(atom_same(&into->terms[k].top, &term->top) &&
                                            atom_same(&into->terms[k].bottom, &term->bottom)))
                        k++;
                if (k < into->count) {
                        into->terms[k].factor += factor * term->factor;
                        continue;
                }
                if (into->count == ALERT_TERMS)
                        return false;
                into->terms[into->count] = *term;
                into->terms[into->count++].factor *= factor;
        }
        return true;
}

/* --- operators ---------------------------------------------------------------------------------------------------- */

/* Joins that only bring labels: x * on (pod) group_left (owner) kube_pod_info. */
static bool
brings_labels(const struct promql_node *node)
{
        static const char *const endings[] = {"_info", "_labels", "_owner", "_annotations"};

        node = promql_bare(node);
        while (node->kind == PROMQL_AGGREGATE)
                node = promql_operand(node);
        if (node->kind != PROMQL_SELECTOR || node->name == NULL)
                return false;
        size_t length = strlen(node->name);
        for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
                size_t size = strlen(endings[i]);
                if (length > size && strcmp(node->name + length - size, endings[i]) == 0)
                        return true;
        }
        return false;
}

static bool
product_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        double constant;

        for (int side = 0; side < 2; side++) {
                const struct promql_node *other = node->children[1 - side];
                if (promql_constant(node->children[side], &constant)) {
                        if (!linear_read(reader, other, out))
                                return false;
                        scale(out, constant);
                        return true;
                }
                if (node->side != PROMQL_ONE_TO_ONE && brings_labels(node->children[side]))
                        return linear_read(reader, other, out);
        }
        atom_of(node, out);
        return true;
}

/* (a + 2b) / c is a/c + 2 b/c, and c/c is 1. */
static bool
quotient_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        struct linear top, bottom;
        double constant;

        if (promql_constant(node->children[1], &constant)) {
                if (constant == 0 || !linear_read(reader, node->children[0], out))
                        return false;
                scale(out, 1 / constant);
                return true;
        }
        if (!linear_read(reader, node->children[0], &top) || !linear_read(reader, node->children[1], &bottom))
                return false;
        if (bottom.count != 1 || bottom.constant != 0 || bottom.terms[0].bottom.core != NULL)
                atom_of(promql_bare(node->children[1]), &bottom);
        *out = (struct linear){0};
        for (size_t i = 0; i < top.count; i++) {
                struct alert_term *term = &top.terms[i];
                if (term->bottom.core != NULL) {
                        atom_of(node, out);
                        return true;
                }
                term->factor /= bottom.terms[0].factor;
                if (atom_same(&term->top, &bottom.terms[0].top)) {
                        out->constant += term->factor;
                        continue;
                }
                term->bottom = bottom.terms[0].top;
                out->terms[out->count++] = *term;
        }
        if (top.constant != 0)
                atom_of(node, out);
        return true;
}

static bool
binary_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        struct linear right;
        const struct promql_node *left = node->children[0];

        /* A comparison passes on what it let through: its left side, or the only side that is no number. */
        if (promql_is_comparison(node->op) && !node->bool_) {
                reader->also = node;
                return linear_read(reader, left->type == PROMQL_SCALAR ? node->children[1] : left, out);
        }
        switch (node->op) {
        case PROMQL_ADD:
        case PROMQL_SUBTRACT:
                return linear_read(reader, node->children[0], out) && linear_read(reader, node->children[1], &right) &&
                       merge(out, &right, node->op == PROMQL_ADD ? 1 : -1);
        case PROMQL_MULTIPLY:
                return product_read(reader, node, out);
        case PROMQL_DIVIDE:
                return quotient_read(reader, node, out);
        default:
                atom_of(node, out);
                return true;
        }
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

static int64_t
range_of(const struct promql_node *node)
{
        node = promql_bare(node);
        return node != NULL && node->range.known ? node->range.ms : 0;
}

static bool
over_read(struct reader *reader, const struct promql_node *node, enum alert_over over, struct linear *out)
{
        const struct promql_node *inner = promql_bare(node->children[0]);

        if (inner->kind == PROMQL_SUBQUERY) {
                if (!linear_read(reader, inner->children[0], out))
                        return false;
                if (out->count != 1 || out->terms[0].top.over != ALERT_NOT_OVER) {
                        atom_of(node, out);
                        return true;
                }
        } else {
                atom_of(inner, out);
        }
        out->terms[0].top.over = over;
        out->terms[0].top.over_ms = range_of(inner);
        return true;
}

static bool
call_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        static const char *const identities[] = {"scalar", "vector",    "round",         "ceil",       "floor",
                                                 "sort",   "sort_desc", "label_replace", "label_join", NULL};
        static const struct {
                const char *name;
                enum alert_over over;
        } overs[] = {{"avg_over_time", ALERT_OVER_AVERAGE},
                     {"min_over_time", ALERT_OVER_LOWEST},
                     {"max_over_time", ALERT_OVER_HIGHEST},
                     {"last_over_time", ALERT_NOT_OVER}};

        if (node->child_count > 0 && one_of(node->name, identities))
                return linear_read(reader, node->children[0], out);
        for (size_t i = 0; i < sizeof overs / sizeof overs[0] && node->child_count == 1; i++) {
                if (strcmp(node->name, overs[i].name) == 0)
                        return over_read(reader, node, overs[i].over, out);
        }
        atom_of(node, out);
        if (strcmp(node->name, "increase") == 0 && node->child_count == 1 && range_of(node->children[0]) > 0)
                scale(out, (double)range_of(node->children[0]) / 1000);
        return true;
}

/* Constants leave a sum; with max, min and avg summands do as well. */
static bool
aggregate_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        static const char *const names[] = {"sum", "avg", "min", "max", NULL};

        if (!one_of(node->name, names)) {
                atom_of(node, out);
                return true;
        }
        if (!linear_read(reader, promql_operand(node), out))
                return false;
        struct alert_term *term = &out->terms[0];
        bool plain = out->count == 1 && term->factor > 0 && (out->constant == 0 || strcmp(node->name, "sum") != 0);
        const struct promql_node *inner = plain ? term->top.aggregate : NULL;
        /* sum(sum by (x) (a)) is a sum of all; another pair is a thing of its own */
        if (!plain || (inner != NULL && strcmp(inner->name, node->name) != 0) ||
            (term->bottom.core != NULL && (inner != NULL || strcmp(node->name, "sum") == 0))) {
                /* max(sum by (instance) (a)): the outer one only chooses among what the inner one yields */
                if (plain && inner != NULL && (strcmp(node->name, "max") == 0 || strcmp(node->name, "min") == 0))
                        return true;
                atom_of(node, out);
                return true;
        }
        term->top.aggregate = node;
        return true;
}

static bool
selector_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        const struct alert_world *world = reader->world;
        const struct promql_node *recorded = NULL;

        if (node->name != NULL && node->range.expression == NULL && world->recorded != NULL)
                recorded = world->recorded(world->context, node->name);
        if (recorded != NULL && recorded != node)
                return linear_read(reader, recorded, out);
        atom_of(node, out);
        return true;
}

static bool
linear_read(struct reader *reader, const struct promql_node *node, struct linear *out)
{
        double constant;
        bool understood = true;

        node = promql_bare(node);
        if (reader->depth >= DEPTH_MOST)
                return false;
        reader->depth++;
        if (promql_constant(node, &constant)) {
                *out = (struct linear){.constant = constant};
        } else if (node->kind == PROMQL_SIGN) {
                understood = linear_read(reader, node->children[0], out);
                if (understood)
                        scale(out, node->number);
        } else if (node->kind == PROMQL_BINARY) {
                understood = binary_read(reader, node, out);
        } else if (node->kind == PROMQL_CALL) {
                understood = call_read(reader, node, out);
        } else if (node->kind == PROMQL_AGGREGATE) {
                understood = aggregate_read(reader, node, out);
        } else if (node->kind == PROMQL_SELECTOR) {
                understood = selector_read(reader, node, out);
        } else {
                atom_of(node, out);
        }
        reader->depth--;
        return understood;
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

static enum promql_operator
turned(enum promql_operator op)
{
        return op == PROMQL_GREATER         ? PROMQL_LESS
               : op == PROMQL_GREATER_EQUAL ? PROMQL_LESS_EQUAL
               : op == PROMQL_LESS          ? PROMQL_GREATER
               : op == PROMQL_LESS_EQUAL    ? PROMQL_GREATER_EQUAL
                                            : op;
}

static void
condition_scale(struct alert_condition *condition, double factor)
{
        for (size_t i = 0; i < condition->count; i++)
                condition->terms[i].factor *= factor;
        condition->threshold *= factor;
        if (factor < 0)
                condition->op = turned(condition->op);
        if (condition->threshold == 0)
                condition->threshold = 0; /* no negative nought */
}

/* What fires when any of several series fulfils a comparison: count(x > 5) > 0, max(x > 5), sort(x > 5). */
static const struct promql_node *
inner_comparison(const struct promql_node *node)
{
        static const char *const outer[] = {"count", "sum", "max", "min", "avg", "group", NULL};
        static const char *const calls[] = {"label_replace", "label_join", "sort", "sort_desc", NULL};
        struct promql_comparison comparison;
        const struct promql_node *inner = NULL;

        if (promql_comparison(node, &comparison)) {
                bool any = (comparison.op == PROMQL_GREATER && comparison.threshold == 0) ||
                           (comparison.op == PROMQL_GREATER_EQUAL && comparison.threshold == 1);
                node = comparison.subject;
                if (!any || node->kind != PROMQL_AGGREGATE)
                        return NULL;
                inner = promql_operand(node);
                bool counts = strcmp(node->name, "count") == 0,
                     adds = strcmp(node->name, "sum") == 0 || strcmp(node->name, "max") == 0;
                if (inner->kind != PROMQL_BINARY || !promql_is_comparison(inner->op) ||
                    !((counts && !inner->bool_) || (adds && inner->bool_)))
                        return NULL;
                return inner;
        }
        if (node->kind == PROMQL_AGGREGATE && one_of(node->name, outer))
                inner = promql_operand(node);
        else if (node->kind == PROMQL_CALL && node->child_count > 0 && one_of(node->name, calls))
                inner = promql_bare(node->children[0]);
        return inner != NULL && inner->kind == PROMQL_BINARY && promql_is_comparison(inner->op) ? inner : NULL;
}

/* a > 0.9 * b, for what is measured never negative, is a / b > 0.9. */
static void
share_from_difference(struct alert_condition *condition)
{
        struct alert_term *a = &condition->terms[0], *b = &condition->terms[1];

        if (condition->count != 2 || condition->threshold != 0 || a->factor * b->factor >= 0 ||
            a->bottom.core != NULL || b->bottom.core != NULL)
                return;
        double threshold = -b->factor / a->factor;
        if (a->factor < 0)
                condition->op = turned(condition->op);
        a->factor = 1;
        a->bottom = b->top;
        condition->count = 1;
        condition->threshold = threshold;
}

bool
alert_condition_read(const struct alert_world *world, const struct promql_node *node, struct alert_condition *out)
{
        struct reader reader = {.world = world};
        struct linear left, right;
        const struct promql_node *inner;
        bool counted = false;

        node = promql_bare(node);
        while ((inner = inner_comparison(node)) != NULL) {
                counted = counted || inner->bool_;
                node = inner;
        }
        if (node->kind != PROMQL_BINARY || !promql_is_comparison(node->op))
                return false;
        if (!linear_read(&reader, node->children[0], &left) || !linear_read(&reader, node->children[1], &right) ||
            !merge(&left, &right, -1))
                return false;
        *out = (struct alert_condition){.op = node->op,
                                        .threshold = -left.constant,
                                        .node = node,
                                        .also = reader.also,
                                        .always = node->bool_ && !counted};
        for (size_t i = 0; i < left.count; i++) {
                if (left.terms[i].factor != 0)
                        out->terms[out->count++] = left.terms[i];
        }
        if (out->count == 0)
                return false;
        share_from_difference(out);
        condition_scale(out, 1 / out->terms[0].factor);
        return true;
}

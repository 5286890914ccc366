/* Two alert expressions: about the same thing, and which of them is the stricter? */

#include "alert_selector.h"
#include "alert_shape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A rate over a window this many times the wanted one hides what the wanted one shows. */
enum { WINDOW_TIMES = 3, PARTS_MOST = 16 };

struct comparing {
        const struct alert_world *world;
        struct alert_comparison *out;
        double unit;  /* value of the rule's series * unit = value of the wanted one's */
        bool greater; /* the wanted comparison is > or >= */
};

static bool core_alike(struct comparing *c, const struct promql_node *wanted, const struct promql_node *rule);

/* --- series ------------------------------------------------------------------------------------------------------- */

static bool
has_matcher(const struct promql_node *selector, const struct promql_matcher *matcher)
{
        for (size_t i = 0; i < selector->matcher_count; i++) {
                const struct promql_matcher *own = &selector->matchers[i];
                if (own->match == matcher->match && strcmp(own->label, matcher->label) == 0 &&
                    own->value.length == matcher->value.length &&
                    memcmp(own->value.bytes, matcher->value.bytes, own->value.length) == 0)
                        return true;
        }
        return false;
}

static bool
leaves_out(const struct comparing *c, const struct promql_node *selector, const struct promql_matcher *matcher)
{
        const struct alert_world *world = c->world;
        int narrows = world->narrows != NULL ? world->narrows(world->context, selector, matcher) : -1;

        if (narrows == 0 || (world->is_place != NULL && world->is_place(world->context, matcher->label)))
                return false;
        return true;
}

/* Both select from one metric.  Matchers of the wanted one that the rule lacks make it see more, which is another thing
 * when they say what the series is about (status=~"5.."); its own ones narrow it. */
static bool
selector_alike(struct comparing *c, const struct promql_node *wanted, const struct promql_node *rule)
{
        if (!alert_name_alike(wanted->name, rule->name, &c->unit))
                return false;
        for (size_t i = 0; i < wanted->matcher_count; i++) {
                const struct promql_matcher *matcher = &wanted->matchers[i],
                                            *own = promql_matcher(rule, matcher->label);
                bool narrower = false;
                if (has_matcher(rule, matcher))
                        continue;
                if (own == NULL || !alert_matcher_alike(matcher, own, &narrower))
                        return false;
                if (narrower) {
                        c->out->notes |= ALERT_NARROWED;
                        c->out->matcher = own;
                }
        }
        for (size_t i = 0; i < rule->matcher_count; i++) {
                const struct promql_matcher *matcher = &rule->matchers[i];
                if (has_matcher(wanted, matcher) || promql_matcher(wanted, matcher->label) != NULL ||
                    !leaves_out(c, rule, matcher))
                        continue;
                c->out->notes |= ALERT_NARROWED;
                c->out->matcher = matcher;
        }
        if (wanted->range.known && rule->range.known && rule->range.ms > WINDOW_TIMES * wanted->range.ms)
                c->out->notes |= ALERT_WINDOW;
        return true;
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

static bool
is_rate(const struct promql_node *node)
{
        return node->kind == PROMQL_CALL && node->child_count == 1 &&
               (strcmp(node->name, "rate") == 0 || strcmp(node->name, "irate") == 0 ||
                strcmp(node->name, "increase") == 0);
}

/* Quantiles are taken per series or over all of them: how it is grouped does not make one stricter. */
static const struct promql_node *
without_aggregate(const struct promql_node *node)
{
        node = promql_bare(node);
        while (node->kind == PROMQL_AGGREGATE)
                node = promql_operand(node);
        return node;
}

static bool
quantile_alike(struct comparing *c, const struct promql_node *wanted, const struct promql_node *rule)
{
        double a, b;

        if (!promql_constant(wanted->children[0], &a) || !promql_constant(rule->children[0], &b))
                return false;
        if (c->greater ? b < a - 1e-9 : b > a + 1e-9)
                c->out->notes |= ALERT_QUANTILE;
        return core_alike(c, without_aggregate(wanted->children[1]), without_aggregate(rule->children[1]));
}

static bool
core_alike(struct comparing *c, const struct promql_node *wanted, const struct promql_node *rule)
{
        wanted = promql_bare(wanted);
        rule = promql_bare(rule);
        if (wanted->kind == PROMQL_SELECTOR && rule->kind == PROMQL_SELECTOR)
                return selector_alike(c, wanted, rule);
        if (wanted->kind != PROMQL_CALL || rule->kind != PROMQL_CALL)
                return promql_equal(wanted, rule);
        if (is_rate(wanted) && is_rate(rule))
                return core_alike(c, wanted->children[0], rule->children[0]);
        if (strcmp(wanted->name, rule->name) != 0 || wanted->child_count != rule->child_count)
                return false;
        if (strcmp(wanted->name, "histogram_quantile") == 0)
                return quantile_alike(c, wanted, rule);
        for (size_t i = 0; i < wanted->child_count; i++) {
                const struct promql_node *a = promql_bare(wanted->children[i]), *b = promql_bare(rule->children[i]);
                if (a->kind == PROMQL_SELECTOR ? b->kind != PROMQL_SELECTOR || !selector_alike(c, a, b)
                                               : !promql_equal(a, b))
                        return false;
        }
        return true;
}

/* --- aggregation -------------------------------------------------------------------------------------------------- */

static const struct promql_node *
first_selector(const struct promql_node *node)
{
        const struct promql_node *list[1] = {NULL};

        promql_selectors(node, list, 1);
        return list[0];
}

static bool
one_series(const struct comparing *c, const struct promql_node *core)
{
        const struct promql_node *selector = first_selector(core);
        const struct alert_world *world = c->world;

        return selector != NULL && world->series != NULL && world->series(world->context, selector) == 1;
}

/* Whether `rule` keeps a label apart that `wanted` adds up. */
static bool
is_finer(const struct promql_node *wanted, const struct promql_node *rule)
{
        if (!rule->labels.given && !rule->without)
                return false;
        if (rule->without)
                return !wanted->without || rule->labels.count < wanted->labels.count;
        for (size_t i = 0; i < rule->labels.count; i++) {
                bool found = false;
                for (size_t k = 0; k < wanted->labels.count && !found; k++)
                        found = strcmp(rule->labels.names[i], wanted->labels.names[k]) == 0;
                if (!found && !wanted->without)
                        return true;
        }
        return false;
}

static bool
is_called(const struct promql_node *aggregate, const char *name)
{
        return aggregate != NULL && strcmp(aggregate->name, name) == 0;
}

/* A plain value: the sum is at least each of its series, an average at most the highest.  A share of sums: at most the
 * highest share of its parts. */
static void
aggregate_compare(struct comparing *c, const struct alert_term *wanted, const struct alert_term *rule)
{
        const struct promql_node *a = wanted->top.aggregate, *b = rule->top.aggregate;
        bool share = wanted->bottom.core != NULL, sums = is_called(a, "sum"), added = is_called(b, "sum");
        const char *far = c->greater ? "max" : "min";

        if (one_series(c, rule->top.core))
                return;
        if (a != NULL && b != NULL && !sums && strcmp(a->name, b->name) == 0 && !is_finer(b, a))
                return; /* folded alike, over no more than is wanted */
        if (sums && !share) {
                if (c->greater && (!added || is_finer(a, b)))
                        c->out->notes |= ALERT_PER_SERIES;
        } else if (!sums && b != NULL && !is_called(b, far)) {
                if (!added || share || !c->greater)
                        c->out->notes |= ALERT_TOGETHER;
        }
}

static bool
atom_alike(struct comparing *c, const struct alert_atom *wanted, const struct alert_atom *rule)
{
        if (!core_alike(c, wanted->core, rule->core))
                return false;
        /* What is folded over a time in the direction of the comparison fires at once; otherwise it waits for it. */
        if (rule->over != wanted->over && rule->over != (c->greater ? ALERT_OVER_HIGHEST : ALERT_OVER_LOWEST))
                c->out->hold_ms += rule->over_ms;
        return true;
}

static bool
term_alike(struct comparing *c, const struct alert_term *wanted, const struct alert_term *rule)
{
        struct comparing bottom = *c;

        if ((wanted->bottom.core == NULL) != (rule->bottom.core == NULL) || !atom_alike(c, &wanted->top, &rule->top))
                return false;
        if (wanted->bottom.core != NULL) {
                bottom.unit = 1;
                if (!atom_alike(&bottom, &wanted->bottom, &rule->bottom))
                        return false;
                c->unit /= bottom.unit;
        }
        aggregate_compare(c, wanted, rule);
        return true;
}

/* --- conditions --------------------------------------------------------------------------------------------------- */

static bool
is_greater(enum promql_operator op)
{
        return op == PROMQL_GREATER || op == PROMQL_GREATER_EQUAL;
}

static bool
is_less(enum promql_operator op)
{
        return op == PROMQL_LESS || op == PROMQL_LESS_EQUAL;
}

/* A state of 0 or 1, and counts of whole things, have several writings of "there is one" and "there is none". */
static bool
says_same(const struct alert_condition *wanted, enum promql_operator op, double threshold)
{
        bool whole = !is_rate(wanted->terms[0].top.core) && wanted->terms[0].bottom.core == NULL;

        if (wanted->op == PROMQL_EQUAL && wanted->threshold == 1)
                return (op == PROMQL_GREATER && threshold >= 0 && threshold < 1) ||
                       (op == PROMQL_GREATER_EQUAL && threshold > 0 && threshold <= 1) ||
                       (op == PROMQL_NOT_EQUAL && threshold == 0);
        if (wanted->op == PROMQL_EQUAL && wanted->threshold == 0)
                return (op == PROMQL_LESS && threshold > 0 && threshold <= 1) ||
                       (op == PROMQL_LESS_EQUAL && threshold >= 0 && threshold < 1) ||
                       (op == PROMQL_NOT_EQUAL && threshold == 1);
        if (wanted->op == PROMQL_GREATER && wanted->threshold == 0)
                return (op == PROMQL_NOT_EQUAL && threshold == 0) ||
                       (op == PROMQL_GREATER_EQUAL && threshold == 1 && whole);
        return false;
}

static bool
is_times(double factor, double times)
{
        return fabs(factor / times - 1) < 1e-6;
}

static void
looser_by(struct comparing *c, const struct alert_condition *wanted)
{
        struct alert_comparison *out = c->out;
        double factor = out->threshold / wanted->threshold;
        const struct alert_term *term = &wanted->terms[0];

        out->notes |= ALERT_THRESHOLD;
        if (!c->greater)
                factor = 1 / factor;
        if (is_rate(term->top.core) && term->bottom.core == NULL && is_times(factor, 60))
                out->notes |= ALERT_PER_MINUTE;
        if (is_times(factor, 100))
                out->notes |= ALERT_PERCENT;
        if (is_times(factor, 1000))
                out->notes |= ALERT_MILLISECONDS;
        if (c->greater && term->bottom.core != NULL && wanted->threshold <= 1 && out->threshold > 1)
                out->notes |= ALERT_IMPOSSIBLE;
}

/* The threshold of `rule`, told in the wanted one's units, against it. */
static bool
threshold_compare(struct comparing *c, const struct alert_condition *wanted, enum promql_operator op, double threshold)
{
        struct alert_comparison *out = c->out;
        double slack = 1e-9 * fmax(fabs(wanted->threshold), fabs(threshold));

        out->threshold = threshold;
        out->wanted = wanted->threshold;
        if (says_same(wanted, op, threshold))
                return true;
        if (wanted->op == op && !is_greater(op) && !is_less(op))
                return fabs(threshold - wanted->threshold) <= slack;
        if (!(is_greater(wanted->op) && is_greater(op)) && !(is_less(wanted->op) && is_less(op)))
                return false;
        double more = c->greater ? threshold - wanted->threshold : wanted->threshold - threshold;
        if (more > slack)
                looser_by(c, wanted);
        else if (more < -slack)
                out->notes |= ALERT_STRICTER;
        return true;
}

static bool
terms_alike(struct comparing *c, const struct alert_condition *wanted, const struct alert_condition *rule, size_t first)
{
        bool used[ALERT_TERMS] = {false};
        double factor = rule->terms[first].factor;

        used[first] = true;
        for (size_t i = 1; i < wanted->count; i++) {
                size_t k = 0;
                for (; k < rule->count; k++) {
                        struct comparing other = *c;
                        other.unit = 1;
                        if (!used[k] && is_times(rule->terms[k].factor / factor, wanted->terms[i].factor) &&
                            term_alike(&other, &wanted->terms[i], &rule->terms[k]))
                                break;
                }
                if (k == rule->count)
                        return false;
                used[k] = true;
        }
        return true;
}

/* The rule's condition with the quotient turned over: b / a < 2 is a / b > 0.5. */
static bool
condition_turn(struct alert_condition *condition)
{
        struct alert_term *term = &condition->terms[0];

        if (condition->count != 1 || term->bottom.core == NULL || !(condition->threshold > 0))
                return false;
        struct alert_atom top = term->top;
        term->top = term->bottom;
        term->bottom = top;
        condition->threshold = 1 / condition->threshold;
        condition->op = is_greater(condition->op) ? PROMQL_LESS
                        : is_less(condition->op)  ? PROMQL_GREATER
                                                  : condition->op;
        return true;
}

static bool
condition_compare(const struct alert_world *world, const struct alert_condition *wanted,
                  const struct alert_condition *rule, int64_t hold_ms, struct alert_comparison *out)
{
        for (size_t first = 0; first < rule->count && wanted->count == rule->count; first++) {
                *out = (struct alert_comparison){.hold_ms = hold_ms, .subject = rule->terms[first].top.core};
                struct comparing c = {world, out, 1, is_greater(wanted->op) || wanted->op == PROMQL_EQUAL};
                double factor = rule->terms[first].factor;
                enum promql_operator op = rule->op;
                if (!term_alike(&c, &wanted->terms[0], &rule->terms[first]) || !terms_alike(&c, wanted, rule, first))
                        continue;
                if (factor < 0)
                        op = is_greater(op) ? PROMQL_LESS : is_less(op) ? PROMQL_GREATER : op;
                if (rule->always) {
                        out->notes |= ALERT_ALWAYS;
                        return true;
                }
                if (threshold_compare(&c, wanted, op, rule->threshold / factor * c.unit))
                        return true;
        }
        return false;
}

/* --- the whole expression ----------------------------------------------------------------------------------------- */

static bool
mentions(const struct promql_node *node, const char *name)
{
        const struct promql_node *list[32];
        size_t count = promql_selectors(node, list, 32);

        for (size_t i = 0; i < count && i < 32; i++) {
                if (list[i]->name != NULL && strcmp(list[i]->name, name) == 0)
                        return true;
        }
        return false;
}

/* "and redis_memory_max_bytes > 0" only keeps a quotient from being taken by nought. */
static bool
is_guard(const struct promql_node *part, const struct promql_node *condition)
{
        struct promql_comparison comparison;
        const struct promql_node *selector;

        if (!promql_comparison(part, &comparison) || comparison.threshold != 0 ||
            (comparison.op != PROMQL_GREATER && comparison.op != PROMQL_NOT_EQUAL))
                return false;
        selector = first_selector(comparison.subject);
        return selector != NULL && selector->name != NULL && mentions(condition, selector->name);
}

static void
others_note(const struct promql_part *parts, size_t count, size_t own, struct alert_comparison *out)
{
        for (size_t i = 0; i < count; i++) {
                if (i == own || parts[i].role == PROMQL_EITHER || parts[own].role == PROMQL_EITHER)
                        continue;
                if (parts[i].role == PROMQL_NEVER) {
                        out->notes |= ALERT_UNLESS;
                        out->other = out->other != NULL ? out->other : parts[i].node;
                } else if (!is_guard(parts[i].node, parts[own].node)) {
                        out->notes |= ALERT_CONDITION;
                        out->other = parts[i].node;
                }
        }
}

static const unsigned looser_notes = ALERT_THRESHOLD | ALERT_HOLD | ALERT_NARROWED | ALERT_PER_SERIES | ALERT_TOGETHER |
                                     ALERT_QUANTILE | ALERT_WINDOW | ALERT_CONDITION;

void
alert_compare(const struct alert_world *world, const struct promql_node *wanted, int64_t wanted_hold_ms,
              const struct promql_node *rule, int64_t rule_hold_ms, struct alert_comparison *out)
{
        struct alert_condition demand, condition;
        struct promql_part parts[PARTS_MOST];
        size_t count = promql_parts(rule, parts, PARTS_MOST);

        *out = (struct alert_comparison){.standing = ALERT_OTHER};
        if (!alert_condition_read(world, wanted, &demand))
                return;
        for (size_t i = 0; i < count && i < PARTS_MOST && out->standing != ALERT_ENOUGH; i++) {
                struct alert_comparison found;
                if (parts[i].role == PROMQL_NEVER || !alert_condition_read(world, parts[i].node, &condition))
                        continue;
                if (!condition_compare(world, &demand, &condition, rule_hold_ms, &found) &&
                    !(condition_turn(&condition) &&
                      condition_compare(world, &demand, &condition, rule_hold_ms, &found)))
                        continue;
                if (condition.also != NULL && demand.also == NULL) {
                        found.notes |= ALERT_CONDITION;
                        found.other = condition.also;
                }
                others_note(parts, count < PARTS_MOST ? count : PARTS_MOST, i, &found);
                if (found.hold_ms > wanted_hold_ms)
                        found.notes |= ALERT_HOLD;
                found.standing = (found.notes & looser_notes) != 0 ? ALERT_LOOSER : ALERT_ENOUGH;
                if (found.standing > out->standing)
                        *out = found;
        }
}

/* Whether an alert rule can fire at all. */

#include "alert_site.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert_route.h"
#include "buffer.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

enum { DEPTH_MOST = 16, PARTS_MOST = 16, SELECTORS_MOST = 32, TEXT_LARGEST = 64 * 1024 };

struct firing {
        const struct alert_site *site;
        struct findings *out;
        struct alert_fault *fault;
        int depth;
};

static const char *
node_text(struct findings *out, const struct promql_node *node)
{
        scoped_buffer text = BUFFER_INIT(TEXT_LARGEST);

        promql_print(node, &text);
        return findings_text(out, "%.300s", text.data != NULL ? text.data : "?");
}

/* --- absent series ------------------------------------------------------------------------------------------------ */

/* status=~"5.." of a metric whose statuses are all numbers: no error happened yet, and that is well. */
static bool
is_rare_status(const json_t *matcher)
{
        const json_t *values = json_list(matcher, "values");
        size_t i;
        json_t *value;
        char status[16];

        json_array_foreach((json_t *)values, i, value)
        {
                const char *text = json_is_string(value) ? json_string_value(value) : "";
                if (*text != '\0' && (strlen(text) != 3 || strspn(text, "0123456789") != 3))
                        return false;
        }
        for (int code = 400; code < 600 && json_array_size(values) > 0; code++) {
                snprintf(status, sizeof status, "%d", code);
                if (label_matches(json_text(matcher, "op", "="), json_text(matcher, "value", ""), status) == 1)
                        return true;
        }
        return false;
}

static const char *
values_text(struct findings *out, const json_t *values)
{
        scoped_buffer text = BUFFER_INIT(2000);
        size_t i;
        json_t *value;

        json_array_foreach((json_t *)values, i, value)
        {
                const char *shown = json_is_string(value) ? json_string_value(value) : "";
                if (*shown != '\0')
                        buffer_format(&text, "%s\"%.60s\"", text.length > 0 ? ", " : "", shown);
        }
        return findings_text(out, "%s", text.length > 0 ? text.data : "none");
}

/* The matcher that lets nothing through, NULL when none does so alone. */
static const json_t *
culprit_of(const json_t *selector)
{
        size_t i;
        json_t *matcher;

        if (json_whole(selector, "of_name", -1) == 0)
                return NULL; /* no series at all: no matcher's fault */
        json_array_foreach((json_t *)json_list(selector, "matchers"), i, matcher)
        {
                if (json_whole(matcher, "alone", -1) == 0)
                        return matcher;
        }
        return NULL;
}

static void
absent_tell(struct firing *firing, const json_t *selector)
{
        const char *name = json_text(selector, "name", "?"), *text = json_text(selector, "selector", "?");
        const json_t *matcher = culprit_of(selector);
        struct findings *out = firing->out;
        struct alert_fault *fault = firing->fault;

        if (matcher != NULL && !json_flag(matcher, "has_label", true)) {
                fault->observed = findings_text(out, "%s: no series of %s has a label %s", text, name,
                                                json_text(matcher, "label", "?"));
                fault->message = findings_text(out, "It selects by a label that %s does not have: it can never fire.",
                                               name);
                fault->remedy = findings_text(out,
                                              "Mend the matcher; the labels there are: promtool query series "
                                              "--match=%s URL",
                                              name);
        } else if (matcher != NULL) {
                fault->observed = findings_text(out, "%s was never seen; %s has %s", json_text(matcher, "text", "?"),
                                                json_text(matcher, "label", "?"),
                                                values_text(out, json_list(matcher, "values")));
                fault->message = findings_text(out,
                                               "It waits for a value that the label %s never had: it can never fire.",
                                               json_text(matcher, "label", "?"));
                fault->remedy =
                        "Write the value as the series have it; if it is right and only rare, waive this finding.";
        } else if (json_flag(selector, "ever", false)) {
                fault->observed = findings_text(out, "%s: no series in the last 6 h, though there was one before",
                                                text);
                fault->message = "What it watches is no longer measured: it cannot fire.";
                fault->remedy = findings_text(out,
                                              "Find out which exporter or job brought %s, and why it stopped (Status, "
                                              "Targets).",
                                              name);
        } else {
                fault->observed = findings_text(out, "%s: no such series was ever seen", text);
                fault->message = "What it watches is not measured: an alert on an absent series never fires.";
                fault->remedy = findings_text(out, "Scrape what exposes %s, or write the rule on a series that exists.",
                                              name);
        }
}

static bool is_empty(struct firing *firing, const struct promql_node *node);

static bool
selector_empty(struct firing *firing, const struct promql_node *node)
{
        const struct alert_world *world = &firing->site->world;
        const json_t *selector = alert_site_selector(firing->site, node);
        const struct promql_node *recorded = node->name != NULL ? world->recorded(world->context, node->name) : NULL;
        const json_t *matcher;

        if (selector == NULL || json_whole(selector, "series", 1) != 0)
                return false;
        if (recorded != NULL && firing->depth < DEPTH_MOST)
                return is_empty(firing, recorded);
        matcher = culprit_of(selector);
        /* A value that was seen before will come again while the metric is there; one that is a status of failures need
         * not have come yet. */
        if (json_array_size(json_list(selector, "matchers")) > 0 && json_whole(selector, "of_name", -1) != 0 &&
            (json_flag(selector, "ever", false) || (matcher != NULL && is_rare_status(matcher))))
                return false;
        absent_tell(firing, selector);
        return true;
}

static bool
call_empty(struct firing *firing, const struct promql_node *node)
{
        static const char *const always[] = {"absent", "absent_over_time", "vector", "scalar", "time"};

        for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
                if (strcmp(node->name, always[i]) == 0)
                        return false;
        }
        for (size_t i = 0; i < node->child_count; i++) {
                if (is_empty(firing, node->children[i]))
                        return true;
        }
        return false;
}

/* True when the expression yields nothing because of series that are not there. */
static bool
is_empty(struct firing *firing, const struct promql_node *node)
{
        bool empty = false;

        node = promql_bare(node);
        firing->depth++;
        if (firing->depth > 200) {
                empty = false;
        } else if (node->kind == PROMQL_SELECTOR) {
                empty = selector_empty(firing, node);
        } else if (node->kind == PROMQL_CALL) {
                empty = call_empty(firing, node);
        } else if (node->kind == PROMQL_BINARY && node->op == PROMQL_OR) {
                empty = is_empty(firing, node->children[0]) && is_empty(firing, node->children[1]);
        } else if (node->kind == PROMQL_BINARY && node->op == PROMQL_UNLESS) {
                empty = is_empty(firing, node->children[0]);
        } else if (node->kind == PROMQL_BINARY) {
                bool filled = node->fill_left != NULL || node->fill_right != NULL;
                empty = !filled && (is_empty(firing, node->children[0]) || is_empty(firing, node->children[1]));
        } else if (node->child_count > 0) {
                empty = is_empty(firing, node->children[node->child_count - 1]);
        }
        firing->depth--;
        return empty;
}

/* --- impossible comparisons --------------------------------------------------------------------------------------- */

static bool
never_negative(const struct promql_node *node)
{
        static const char *const calls[] = {"rate", "irate", "increase", "count_over_time", "changes", "resets", "abs"};

        node = promql_bare(node);
        if (node->kind == PROMQL_AGGREGATE)
                return strcmp(node->name, "count") == 0 || never_negative(promql_operand(node));
        for (size_t i = 0; node->kind == PROMQL_CALL && i < sizeof calls / sizeof calls[0]; i++) {
                if (strcmp(node->name, calls[i]) == 0)
                        return true;
        }
        return false;
}

static bool
constant_never(const struct promql_node *node)
{
        double a, b;

        if (node->kind != PROMQL_BINARY || !promql_is_comparison(node->op) || node->bool_ ||
            !promql_constant(node->children[0], &a) || !promql_constant(node->children[1], &b))
                return false;
        switch (node->op) {
        case PROMQL_GREATER:
                return !(a > b);
        case PROMQL_GREATER_EQUAL:
                return !(a >= b);
        case PROMQL_LESS:
                return !(a < b);
        case PROMQL_LESS_EQUAL:
                return !(a <= b);
        case PROMQL_EQUAL:
                return !(a == b);
        default:
                return !(a != b);
        }
}

/* Prometheus answers at most the largest finite bound of a histogram's buckets. */
static bool
above_buckets(struct firing *firing, const struct promql_node *node)
{
        struct alert_condition condition;
        const struct promql_node *selectors[SELECTORS_MOST], *core;

        if (!alert_condition_read(&firing->site->world, node, &condition) || condition.count != 1 ||
            condition.terms[0].bottom.core != NULL)
                return false;
        core = condition.terms[0].top.core;
        if (core->kind != PROMQL_CALL || strcmp(core->name, "histogram_quantile") != 0 ||
            promql_selectors(core, selectors, SELECTORS_MOST) != 1)
                return false;
        double highest = json_real_or(alert_site_selector(firing->site, selectors[0]), "highest_bucket", (double)NAN);
        bool greater = condition.op == PROMQL_GREATER
                               ? condition.threshold >= highest
                               : condition.op == PROMQL_GREATER_EQUAL && condition.threshold > highest;
        if (!greater)
                return false;
        firing->fault->observed = findings_text(firing->out, "threshold %g, the largest bucket of %s ends at %g",
                                                condition.threshold, selectors[0]->name, highest);
        firing->fault->message = "A quantile never exceeds the largest finite bucket: it can never fire.";
        firing->fault->remedy = "Give the histogram buckets beyond the threshold, or lower the threshold.";
        return true;
}

static bool
comparison_impossible(struct firing *firing, const struct promql_node *node)
{
        struct promql_comparison comparison;
        struct findings *out = firing->out;
        bool impossible = constant_never(node);

        if (!impossible && promql_comparison(node, &comparison) && !comparison.node->bool_) {
                bool below = (comparison.op == PROMQL_LESS && comparison.threshold <= 0) ||
                             ((comparison.op == PROMQL_LESS_EQUAL || comparison.op == PROMQL_EQUAL) &&
                              comparison.threshold < 0);
                const struct promql_node *subject = comparison.subject;
                impossible = below && never_negative(subject);
                if (subject->kind == PROMQL_SELECTOR && subject->name != NULL && strcmp(subject->name, "up") == 0)
                        impossible = below || (comparison.op == PROMQL_GREATER && comparison.threshold >= 1) ||
                                     ((comparison.op == PROMQL_GREATER_EQUAL || comparison.op == PROMQL_EQUAL) &&
                                      comparison.threshold > 1);
        }
        if (!impossible)
                return above_buckets(firing, node);
        firing->fault->observed = node_text(out, node);
        firing->fault->message = "Its comparison is never true, whatever is measured: it can never fire.";
        firing->fault->remedy = "Turn the comparison round, or mend its threshold.";
        return true;
}

static bool
is_upper(enum promql_operator op)
{
        return op == PROMQL_LESS || op == PROMQL_LESS_EQUAL;
}

static bool
is_lower(enum promql_operator op)
{
        return op == PROMQL_GREATER || op == PROMQL_GREATER_EQUAL;
}

/* x > 5 and x < 3 */
static bool
parts_exclude(struct firing *firing, const struct promql_node *a, const struct promql_node *b)
{
        struct promql_comparison one, two;

        if (!promql_comparison(a, &one) || !promql_comparison(b, &two) || one.node->bool_ || two.node->bool_ ||
            !promql_equal(one.subject, two.subject))
                return false;
        if (!(is_lower(one.op) && is_upper(two.op) && one.threshold >= two.threshold) &&
            !(is_upper(one.op) && is_lower(two.op) && one.threshold <= two.threshold))
                return false;
        firing->fault->observed = findings_text(firing->out, "%s and %s", node_text(firing->out, a),
                                                node_text(firing->out, b));
        firing->fault->message = "Its conditions exclude each other: it can never fire.";
        firing->fault->remedy = "Join them by or, or mend the thresholds.";
        return true;
}

static bool
is_impossible(struct firing *firing, const struct promql_node *root)
{
        struct promql_part parts[PARTS_MOST];
        size_t count = promql_parts(root, parts, PARTS_MOST);

        for (size_t i = 0; i < count && i < PARTS_MOST; i++) {
                if (parts[i].role != PROMQL_ALWAYS)
                        continue;
                if (comparison_impossible(firing, parts[i].node))
                        return true;
                for (size_t k = 0; k < i; k++) {
                        if (parts[k].role == PROMQL_ALWAYS && parts_exclude(firing, parts[k].node, parts[i].node))
                                return true;
                }
        }
        return false;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static int
window_visit(void *context, const struct promql_node *node)
{
        static const char *const calls[] = {"rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear"};
        struct firing *firing = context;
        const struct promql_node *selector = node->child_count > 0 ? promql_bare(node->children[0]) : NULL;
        bool needs_two = false;
        size_t i;
        json_t *job;

        for (i = 0; node->kind == PROMQL_CALL && i < sizeof calls / sizeof calls[0]; i++)
                needs_two = needs_two || strcmp(node->name, calls[i]) == 0;
        if (!needs_two || selector == NULL || selector->kind != PROMQL_SELECTOR || !selector->range.known)
                return 0;
        json_array_foreach((json_t *)json_list(alert_site_selector(firing->site, selector), "jobs"), i, job)
        {
                int64_t interval = json_whole(json_map(firing->site->facts, "intervals"),
                                              json_is_string(job) ? json_string_value(job) : "", 0);
                if (interval <= 0 || interval > DAY_MS || selector->range.ms >= 2 * interval)
                        continue;
                firing->fault->observed = findings_text(
                        firing->out, "%s over %s, job %s is scraped every %s", node->name,
                        findings_duration(firing->out, (double)selector->range.ms), json_string_value(job),
                        findings_duration(firing->out, (double)interval));
                firing->fault->message = "Its window holds fewer than two scrapes: most of the time there is nothing "
                                         "to compute, and it does not fire.";
                firing->fault->remedy = findings_text(firing->out, "Widen the window to [%llds]: four scrapes.",
                                                      (long long)(4 * interval / 1000));
                return -1;
        }
        return 0;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

bool
alert_cannot_fire(const struct alert_site *site, const struct alert_rule *rule, struct findings *out,
                  struct alert_fault *fault)
{
        struct firing firing = {site, out, fault, 0};

        *fault = (struct alert_fault){0};
        if (rule->promql == NULL)
                return false;
        if (is_empty(&firing, rule->promql->root) || is_impossible(&firing, rule->promql->root) ||
            promql_walk(rule->promql->root, window_visit, &firing) != 0)
                return true;
        if (rule->beyond) {
                fault->observed = node_text(out, rule->promql->root);
                fault->message = "It compares a share with a figure above 1 (percent?): it can never fire.";
                fault->remedy = "Multiply the share by 100, or write the threshold as a share: 0.9 for 90 %.";
                return true;
        }
        if (rule->always) {
                fault->observed = node_text(out, rule->promql->root);
                fault->message =
                        "Written with bool, its comparison always has a result: it fires whatever the value is.";
                fault->remedy = "Take bool away.";
                return true;
        }
        return false;
}

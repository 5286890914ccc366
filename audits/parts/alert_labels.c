/* What the labels of an alert will be, as far as it can be told before it fires. */

#include "alert_site.h"

#include <string.h>

#include "alert_route.h"
#include "json.h"
#include "scope.h"

/* --- which labels an expression's result keeps ---------------------------------------------------------------------
 */

static bool
listed(const struct promql_labels *labels, const char *label)
{
        for (size_t i = 0; i < labels->count; i++) {
                if (strcmp(labels->names[i], label) == 0)
                        return true;
        }
        return false;
}

/* The selector that a label of the result comes from; NULL when the result surely lacks it, *unknown when it cannot be
 * told. */
static const struct promql_node *
label_source(const struct promql_node *node, const char *label, bool *unknown)
{
        node = promql_bare(node);
        switch (node->kind) {
        case PROMQL_SELECTOR:
                return node;
        case PROMQL_AGGREGATE:
                if (node->without ? listed(&node->labels, label) : !listed(&node->labels, label))
                        return NULL;
                return label_source(promql_operand(node), label, unknown);
        case PROMQL_SIGN:
        case PROMQL_SUBQUERY:
                return label_source(node->children[0], label, unknown);
        case PROMQL_BINARY:
                if (node->side != PROMQL_ONE_TO_ONE || node->op == PROMQL_OR)
                        break;
                if (node->children[0]->type != PROMQL_VECTOR)
                        return label_source(node->children[1], label, unknown);
                if (node->children[1]->type == PROMQL_VECTOR && !promql_is_set(node->op) &&
                    (node->on ? !listed(&node->labels, label) : listed(&node->labels, label)))
                        return NULL;
                return label_source(node->children[0], label, unknown);
        case PROMQL_CALL:
                if (strncmp(node->name, "label_", 6) == 0 || strncmp(node->name, "absent", 6) == 0)
                        break;
                for (size_t i = 0; i < node->child_count; i++) {
                        if (node->children[i]->type == PROMQL_VECTOR || node->children[i]->type == PROMQL_RANGE)
                                return label_source(node->children[i], label, unknown);
                }
                return NULL;
        default:
                return NULL;
        }
        *unknown = true;
        return NULL;
}

static void
series_label_add(const struct alert_site *site, const struct alert_rule *rule, const char *label, json_t *labels)
{
        bool unknown = false;
        const struct promql_node *source = label_source(rule->promql->root, label, &unknown);
        const struct promql_matcher *matcher = source != NULL ? promql_matcher(source, label) : NULL;

        if (unknown)
                return;
        if (source == NULL) {
                json_object_set_new(labels, label, json_pack("[s]", ""));
        } else if (matcher != NULL && matcher->match == PROMQL_IS) {
                json_t *list = json_array();
                json_push(list, json_bytes(matcher->value.bytes, matcher->value.length));
                json_object_set_new(labels, label, list);
        } else {
                const json_t *values = json_list(json_map(alert_site_selector(site, source), "labels"), label);
                if (json_array_size(values) > 0)
                        json_object_set(labels, label, (json_t *)values);
        }
}

static void
fixed_labels_add(const json_t *fixed, json_t *labels)
{
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)fixed, name, value)
        {
                const char *text = json_is_string(value) ? json_string_value(value) : "";
                if (strstr(text, "{{") != NULL)
                        json_object_del(labels, name); /* a template: anything */
                else
                        json_object_set_new(labels, name, json_pack("[s]", text));
        }
}

json_t *
alert_labels(const struct alert_site *site, const struct alert_rule *rule)
{
        json_t *labels = json_object();
        scoped_json wanted = alert_routing_labels(json_map(site->facts, "routing"));
        size_t i;
        json_t *label;

        json_array_foreach(wanted, i, label)
        {
                if (rule->promql != NULL)
                        series_label_add(site, rule, json_string_value(label), labels);
        }
        fixed_labels_add(json_map(site->facts, "external_labels"), labels);
        fixed_labels_add(json_map(rule->facts, "labels"), labels);
        json_object_set_new(labels, "alertname", json_pack("[s]", json_text(rule->facts, "name", "")));
        return labels;
}

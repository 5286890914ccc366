/* The loss of a node, simulated: filters of the scheduler, first-fit decreasing. */

#include "node_loss.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "kubernetes.h"
#include "scope.h"

#define HOSTNAME "kubernetes.io/hostname"

struct node {
        const char *name;
        const json_t *labels, *taints;
        double cpu_m, memory, pods; /* free */
};

struct pod {
        const json_t *facts;
        const json_t *placement; /* NULL: may go anywhere that has no taints */
        size_t placement_index;
        double cpu_m, memory, share;
};

struct simulation {
        struct node *nodes;
        struct pod *pods;
        size_t node_count, pod_count, placement_count;
        json_t *placements;   /* a copy: `occupied` counts on */
        signed char *allowed; /* per placement (the last one: none) and node: 1, 0, -1 not looked at yet */
};

/* --- what a node must be ------------------------------------------------------------------------------------------ */

static const char *
label_of(const struct node *node, const char *key)
{
        if (strcmp(key, HOSTNAME) == 0 || strcmp(key, "metadata.name") == 0)
                return node->name;
        return json_text(node->labels, key, NULL);
}

static bool
tolerates(const json_t *tolerations, const json_t *taint)
{
        const char *key = json_text(taint, "key", ""), *value = json_text(taint, "value", "");
        const char *effect = json_text(taint, "effect", "");
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)tolerations, i, one)
        {
                const char *to_key = json_text(one, "key", ""), *to_effect = json_text(one, "effect", "");
                bool exists = strcmp(json_text(one, "operator", "Equal"), "Exists") == 0;
                if (*to_effect != '\0' && strcmp(to_effect, effect) != 0)
                        continue;
                if (*to_key == '\0'
                            ? exists
                            : strcmp(to_key, key) == 0 && (exists || strcmp(json_text(one, "value", ""), value) == 0))
                        return true;
        }
        return false;
}

static bool
taints_let(const json_t *taints, const json_t *tolerations)
{
        size_t i;
        json_t *taint;

        json_array_foreach((json_t *)taints, i, taint)
        {
                if (strcmp(json_text(taint, "effect", ""), "PreferNoSchedule") != 0 && !tolerates(tolerations, taint))
                        return false;
        }
        return true;
}

/* Nodes are chosen by numbers, too. */
static bool
expression_holds(const json_t *expression, const struct node *node)
{
        const char *operator= json_text(expression, "operator", "");
        const char *label = label_of(node, json_text(expression, "key", ""));
        const char *bound = json_string_value(json_array_get(json_list(expression, "values"), 0));
        bool greater = strcmp(operator, "Gt") == 0;

        if (!greater && strcmp(operator, "Lt") != 0)
                return kubernetes_expression_holds(expression, label);
        if (label == NULL || bound == NULL)
                return false;
        long long own = strtoll(label, NULL, 10), other = strtoll(bound, NULL, 10);
        return greater ? own > other : own < other;
}

/* All expressions of a term; a term without any selects nothing. */
static bool
term_holds(const json_t *term, const struct node *node)
{
        static const char *const lists[] = {"matchExpressions", "matchFields"};
        size_t i, seen = 0;
        json_t *one;

        for (size_t l = 0; l < 2; l++) {
                json_array_foreach((json_t *)json_list(term, lists[l]), i, one)
                {
                        seen++;
                        if (!expression_holds(one, node))
                                return false;
                }
        }
        return seen > 0;
}

static bool
node_suits(const struct node *node, const json_t *placement)
{
        const json_t *terms = json_list(placement, "nodeAffinity");
        const char *key;
        json_t *value;
        size_t i;

        if (!taints_let(node->taints, json_list(placement, "tolerations")))
                return false;
        json_object_foreach((json_t *)json_map(placement, "nodeSelector"), key, value)
        {
                const char *label = label_of(node, key);
                if (label == NULL || !json_is_string(value) || strcmp(label, json_string_value(value)) != 0)
                        return false;
        }
        if (terms == NULL)
                return true;
        json_array_foreach((json_t *)terms, i, value)
        {
                if (term_holds(value, node))
                        return true;
        }
        return false;
}

static bool
node_allowed(struct simulation *s, const struct pod *pod, size_t n)
{
        signed char *allowed = &s->allowed[pod->placement_index * s->node_count + n];

        if (*allowed < 0)
                *allowed = node_suits(&s->nodes[n], pod->placement) ? 1 : 0;
        return *allowed == 1;
}

/* --- what the pods beside must be --------------------------------------------------------------------------------- */

static bool
rule_counts(const json_t *rule, const json_t *placement)
{
        return json_holds(json_list(rule, "namespaces"), json_text(placement, "namespace", "")) &&
               kubernetes_selects(json_object_get(rule, "selector"), json_map(placement, "labels"));
}

/* The smallest count over the domains of the nodes that this pod may go to. */
static int64_t
least_count(struct simulation *s, const struct pod *pod, const json_t *rule)
{
        const json_t *occupied = json_map(rule, "occupied");
        const char *topology = json_text(rule, "topology", "");
        int64_t least = INT64_MAX;

        for (size_t n = 0; n < s->node_count; n++) {
                const char *domain = node_allowed(s, pod, n) ? label_of(&s->nodes[n], topology) : NULL;
                if (domain == NULL)
                        continue;
                int64_t count = json_whole(occupied, domain, 0);
                least = count < least ? count : least;
        }
        return least == INT64_MAX ? 0 : least;
}

/* The first pod of a group that wants company is let in anywhere. */
static bool
nowhere(const json_t *occupied)
{
        const char *domain;
        json_t *count;

        json_object_foreach((json_t *)occupied, domain, count)
        {
                if (json_is_integer(count) && json_integer_value(count) > 0)
                        return false;
        }
        return true;
}

static bool
rule_lets(struct simulation *s, const struct pod *pod, const json_t *rule, size_t n)
{
        const char *type = json_text(rule, "type", "");
        const char *domain = label_of(&s->nodes[n], json_text(rule, "topology", ""));
        const json_t *occupied = json_map(rule, "occupied");
        int64_t count = domain != NULL ? json_whole(occupied, domain, 0) : 0;

        if (strcmp(type, "apart") == 0)
                return count == 0;
        if (strcmp(type, "together") == 0)
                return domain != NULL && (count > 0 || (nowhere(occupied) && rule_counts(rule, pod->placement)));
        if (strcmp(type, "spread") == 0)
                return domain != NULL &&
                       count + (rule_counts(rule, pod->placement) ? 1 : 0) - least_count(s, pod, rule) <=
                               json_whole(rule, "max_skew", 1);
        return true;
}

static bool
rules_let(struct simulation *s, const struct pod *pod, size_t n)
{
        size_t i;
        json_t *rule;

        json_array_foreach((json_t *)json_list(pod->placement, "rules"), i, rule)
        {
                if (!rule_lets(s, pod, rule, n))
                        return false;
        }
        return true;
}

/* A pod that was placed counts for every rule that selects it. */
static int
rules_count(struct simulation *s, const struct pod *pod, const struct node *node)
{
        size_t i, j;
        json_t *placement, *rule;

        json_array_foreach(s->placements, i, placement)
        {
                json_array_foreach((json_t *)json_list(placement, "rules"), j, rule)
                {
                        json_t *occupied = json_object_get(rule, "occupied");
                        const char *domain = label_of(node, json_text(rule, "topology", ""));
                        if (domain == NULL || !json_is_object(occupied) || !rule_counts(rule, pod->placement))
                                continue;
                        if (json_put_whole(occupied, domain, json_whole(occupied, domain, 0) + 1) != 0)
                                return -1;
                }
        }
        return 0;
}

/* --- the facts ---------------------------------------------------------------------------------------------------- */

static int
nodes_read(struct simulation *s, const json_t *facts)
{
        const json_t *room = json_list(facts, "room"), *shapes = json_list(facts, "shapes");
        size_t i;
        json_t *row;

        s->nodes = calloc(json_array_size(room) + 1, sizeof *s->nodes);
        if (s->nodes == NULL)
                return -1;
        json_array_foreach((json_t *)room, i, row)
        {
                const char *name = json_string_value(json_array_get(row, 0));
                json_int_t shape = json_integer_value(json_array_get(row, 1));
                const json_t *seen = shape >= 0 ? json_array_get(shapes, (size_t)shape) : NULL;
                if (name == NULL)
                        continue;
                s->nodes[s->node_count++] = (struct node){.name = name,
                                                          .labels = json_map(seen, "labels"),
                                                          .taints = json_list(seen, "taints"),
                                                          .cpu_m = json_number_value(json_array_get(row, 2)),
                                                          .memory = json_number_value(json_array_get(row, 3)),
                                                          .pods = json_number_value(json_array_get(row, 4))};
        }
        return 0;
}

static int
pod_compare(const void *one, const void *other)
{
        const struct pod *a = one, *b = other;

        if (a->share != b->share)
                return a->share > b->share ? -1 : 1;
        return strcmp(json_text(a->facts, "name", ""), json_text(b->facts, "name", ""));
}

static int
pods_read(struct simulation *s, const json_t *facts)
{
        const json_t *list = json_list(facts, "pods");
        double cpu = 0, memory = 0;
        size_t i;
        json_t *row;

        for (size_t n = 0; n < s->node_count; n++) {
                cpu += fmax(s->nodes[n].cpu_m, 0);
                memory += fmax(s->nodes[n].memory, 0);
        }
        s->pods = calloc(json_array_size(list) + 1, sizeof *s->pods);
        if (s->pods == NULL)
                return -1;
        json_array_foreach((json_t *)list, i, row)
        {
                int64_t at = json_whole(row, "placement", -1);
                bool placed = at >= 0 && (size_t)at < s->placement_count;
                struct pod *pod = &s->pods[s->pod_count++];
                if (!json_is_object(row)) {
                        s->pod_count--;
                        continue;
                }
                *pod = (struct pod){.facts = row,
                                    .placement = placed ? json_array_get(s->placements, (size_t)at) : NULL,
                                    .placement_index = placed ? (size_t)at : s->placement_count,
                                    .cpu_m = json_real_or(row, "cpu_m", 0),
                                    .memory = json_real_or(row, "memory", 0)};
                pod->share = fmax(pod->cpu_m / fmax(cpu, 1), pod->memory / fmax(memory, 1));
        }
        if (s->pod_count > 1)
                qsort(s->pods, s->pod_count, sizeof *s->pods, pod_compare);
        return 0;
}

/* --- trying ------------------------------------------------------------------------------------------------------- */

static int
homeless_add(struct node_loss *result, const struct pod *pod, bool room)
{
        char name[600];
        json_t *row = json_push(result->homeless, json_object());

        snprintf(name, sizeof name, "%s/%s", json_text(pod->facts, "namespace", ""), json_text(pod->facts, "name", ""));
        if (json_put_text(row, "pod", name) != 0 ||
            json_put_text(row, "owner", json_text(pod->facts, "owner", "")) != 0 ||
            json_put_text(row, "why", room ? "not allowed" : "no room") != 0)
                return -1;
        if (room)
                result->not_allowed++;
        else
                result->no_room++;
        return 0;
}

static int
pod_place(struct simulation *s, const struct pod *pod, struct node_loss *result)
{
        bool let = false;

        for (size_t n = 0; n < s->node_count; n++) {
                struct node *node = &s->nodes[n];
                if (!node_allowed(s, pod, n))
                        continue;
                bool fits = node->pods >= 1 && node->cpu_m >= pod->cpu_m && node->memory >= pod->memory;
                if (!fits && let)
                        continue;
                bool right = rules_let(s, pod, n);
                let |= right;
                if (!fits || !right)
                        continue;
                node->pods -= 1;
                node->cpu_m -= pod->cpu_m;
                node->memory -= pod->memory;
                result->placed++;
                return rules_count(s, pod, node);
        }
        return homeless_add(result, pod, !let);
}

static void
simulation_free(struct simulation *s)
{
        json_decref(s->placements);
        free(s->nodes);
        free(s->pods);
        free(s->allowed);
}

int
node_loss_simulate(const json_t *facts, struct node_loss *result)
{
        scoped(simulation_free) struct simulation s = {0};
        const json_t *placements = json_list(facts, "placements");

        *result = (struct node_loss){.homeless = json_array()};
        s.placements = placements != NULL ? json_deep_copy(placements) : json_array();
        s.placement_count = json_array_size(s.placements);
        if (result->homeless == NULL || s.placements == NULL || nodes_read(&s, facts) != 0 || pods_read(&s, facts) != 0)
                return -1;
        s.allowed = malloc((s.placement_count + 1) * s.node_count + 1);
        if (s.allowed == NULL)
                return -1;
        memset(s.allowed, -1, (s.placement_count + 1) * s.node_count + 1);
        result->pods = s.pod_count;
        for (size_t i = 0; i < s.pod_count; i++)
                if (pod_place(&s, &s.pods[i], result) != 0)
                        return -1;
        return 0;
}

/* What a judge needs to simulate the loss of the fullest node: its pods, their rules, and the room elsewhere. */

#include "nodes_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "kubernetes.h"
#include "scope.h"

#define HOSTNAME "kubernetes.io/hostname"

struct building {
        const struct cluster *cluster;
        const struct node_load *loads;
        size_t fullest;
        json_t *wanted;     /* label keys that a rule asks for: the others are left out of the shapes */
        json_t *placements; /* array */
        json_t *index;      /* "namespace\nlabels\nplacement" -> place in it */
        json_t *shapes, *shape_index;
        int64_t *shape_of; /* per node */
        int64_t unsimulated;
};

bool
pod_lives(const struct cluster_pod *pod)
{
        return strcmp(pod->phase, "Succeeded") != 0 && strcmp(pod->phase, "Failed") != 0;
}

bool
pod_moves(const struct cluster_pod *pod)
{
        return pod_lives(pod) && pod->deleted_ms == 0 && !pod->mirror && *pod->owner_kind != '\0' &&
               strcmp(pod->owner_kind, "DaemonSet") != 0 && strcmp(pod->owner_kind, "Node") != 0;
}

size_t
cluster_node_index(const struct cluster *cluster, const char *name)
{
        size_t low = 0, high = cluster->node_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(cluster->nodes[middle].name, name);
                if (order == 0)
                        return middle;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return SIZE_MAX;
}

/* --- rules of pods ------------------------------------------------------------------------------------------------ */

static void
want(struct building *b, const char *key)
{
        if (strcmp(key, HOSTNAME) != 0)
                json_object_set_new(b->wanted, key, json_true());
}

static json_t *
rule_add(struct building *b, json_t *rules, const char *type, const json_t *term, const char *selector_key)
{
        const char *topology = json_text(term, "topologyKey", "");
        json_t *selector = json_object_get(term, selector_key);
        json_t *rule = json_push(rules, json_object());

        json_put_text(rule, "type", type);
        json_put_text(rule, "topology", topology);
        json_object_set(rule, "selector", selector != NULL ? selector : json_null());
        json_put(rule, "occupied", json_object());
        want(b, topology);
        return rule;
}

static void
pod_rules(struct building *b, json_t *rules, const json_t *affinity, const char *kind, const char *type,
          const char *namespace_)
{
        size_t i;
        json_t *term;

        json_array_foreach(
                (json_t *)json_list(json_map(affinity, kind), "requiredDuringSchedulingIgnoredDuringExecution"), i,
                term)
        {
                json_t *named = json_object_get(term, "namespaces");
                if (json_has(term, "namespaceSelector")) {
                        b->unsimulated++;
                        continue;
                }
                json_t *rule = rule_add(b, rules, type, term, "labelSelector");
                if (json_array_size(named) > 0)
                        json_object_set(rule, "namespaces", named);
                else
                        json_put(rule, "namespaces", json_pack("[s]", namespace_));
        }
}

static void
spread_rules(struct building *b, json_t *rules, const json_t *constraints, const char *namespace_)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)constraints, i, one)
        {
                if (strcmp(json_text(one, "whenUnsatisfiable", ""), "DoNotSchedule") != 0)
                        continue;
                json_t *rule = rule_add(b, rules, "spread", one, "labelSelector");
                json_put_whole(rule, "max_skew", json_whole(one, "maxSkew", 1));
                json_put(rule, "namespaces", json_pack("[s]", namespace_));
        }
}

static void
terms_want(struct building *b, const json_t *terms)
{
        size_t i, j;
        json_t *term, *expression;

        json_array_foreach((json_t *)terms, i, term)
        {
                json_array_foreach((json_t *)json_list(term, "matchExpressions"), j, expression)
                        want(b, json_text(expression, "key", ""));
        }
}

static json_t *
placement_make(struct building *b, const struct cluster_pod *pod)
{
        scoped_json placement = json_loads(pod->placement_json, 0, NULL);
        const json_t *affinity = json_map(placement, "affinity");
        json_t *terms = json_object_get(
                json_at(affinity, "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", NULL),
                "nodeSelectorTerms");
        json_t *selector = json_object_get(placement, "nodeSelector"), *row = json_object(), *rules = json_array();
        json_t *labels = json_loads(pod->labels_json, 0, NULL),
               *tolerations = json_object_get(placement, "tolerations");
        const char *key;
        json_t *value;

        json_put_text(row, "namespace", pod->namespace_);
        json_put(row, "labels", labels != NULL ? labels : json_object());
        if (json_is_object(selector))
                json_object_set(row, "nodeSelector", selector);
        json_object_foreach(selector, key, value) want(b, key);
        if (json_is_array(terms))
                json_object_set(row, "nodeAffinity", terms);
        terms_want(b, terms);
        if (json_is_array(tolerations))
                json_object_set(row, "tolerations", tolerations);
        pod_rules(b, rules, affinity, "podAntiAffinity", "apart", pod->namespace_);
        pod_rules(b, rules, affinity, "podAffinity", "together", pod->namespace_);
        spread_rules(b, rules, json_list(placement, "topologySpreadConstraints"), pod->namespace_);
        json_put(row, "rules", rules);
        return row;
}

static int64_t
placement_index(struct building *b, const struct cluster_pod *pod)
{
        scoped_string key = NULL;

        if (asprintf(&key, "%s\n%s\n%s", pod->namespace_, pod->labels_json, pod->placement_json) < 0)
                return -1;
        int64_t at = json_whole(b->index, key, -1);
        if (at >= 0)
                return at;
        at = (int64_t)json_array_size(b->placements);
        if (json_push(b->placements, placement_make(b, pod)) == NULL || json_put_whole(b->index, key, at) != 0)
                return -1;
        return at;
}

static void
pods_put(struct building *b, const struct cluster_pod *pods, size_t count, json_t *list)
{
        const char *name = b->cluster->nodes[b->fullest].name;
        char owner[600];

        for (size_t i = 0; i < count; i++) {
                const struct cluster_pod *pod = &pods[i];
                if (pod->node != name || !pod_moves(pod))
                        continue;
                json_t *row = json_push(list, json_object());
                snprintf(owner, sizeof owner, "%s/%s", pod->owner_kind, pod->owner_name);
                json_put_text(row, "namespace", pod->namespace_);
                json_put_text(row, "name", pod->name);
                json_put_text(row, "owner", owner);
                json_put_real(row, "cpu_m", pod->cpu_request_m);
                json_put_real(row, "memory", pod->memory_request);
                json_put_whole(row, "placement", placement_index(b, pod));
        }
}

static json_t *
pods_json(struct building *b)
{
        json_t *list = json_array();

        pods_put(b, b->cluster->pods, b->cluster->pod_count, list);
        pods_put(b, b->cluster->other_pods, b->cluster->other_pod_count, list);
        return list;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

/* Nodes that are alike in what rules ask for share a shape. */
static int
shapes_make(struct building *b)
{
        const struct cluster *cluster = b->cluster;
        const char *key;
        json_t *value;

        for (size_t n = 0; n < cluster->node_count; n++) {
                scoped_json labels = json_loads(cluster->nodes[n].labels_json, 0, NULL);
                scoped_json shape = json_object();
                json_t *kept = json_object(), *taints = json_loads(cluster->nodes[n].taints_json, 0, NULL);
                json_object_foreach(b->wanted, key, value)
                {
                        if (json_has(labels, key))
                                json_object_set(kept, key, json_object_get(labels, key));
                }
                json_put(shape, "labels", kept);
                json_put(shape, "taints", taints != NULL ? taints : json_array());
                scoped_string text = json_dumps(shape, JSON_COMPACT | JSON_SORT_KEYS);
                if (text == NULL)
                        return -1;
                b->shape_of[n] = json_whole(b->shape_index, text, -1);
                if (b->shape_of[n] >= 0)
                        continue;
                b->shape_of[n] = (int64_t)json_array_size(b->shapes);
                if (json_put_whole(b->shape_index, text, b->shape_of[n]) != 0 ||
                    json_array_append(b->shapes, shape) != 0)
                        return -1;
        }
        return 0;
}

static json_t *
room_json(const struct building *b)
{
        json_t *list = json_array();

        for (size_t n = 0; n < b->cluster->node_count; n++) {
                const struct cluster_node *node = &b->cluster->nodes[n];
                const struct node_load *load = &b->loads[n];
                if (n != b->fullest && load->usable)
                        json_push(list, json_pack("[s, I, f, f, f]", node->name, (json_int_t)b->shape_of[n],
                                                  node->cpu_m - load->cpu_m, node->memory - load->memory,
                                                  node->pods - load->pods));
        }
        return list;
}

static const char *
domain_of(const struct building *b, size_t n, const char *topology)
{
        if (strcmp(topology, HOSTNAME) == 0)
                return b->cluster->nodes[n].name;
        return json_text(json_object_get(json_array_get(b->shapes, (size_t)b->shape_of[n]), "labels"), topology, NULL);
}

/* How many of these pods the rule selects, by domain; those of the fullest node do not stay.  Pods of one workload come
 * one after the other and share their labels' text: what the selector says of it is kept for the next. */
static int
rule_occupied(const struct building *b, json_t *rule, const struct cluster_pod *pods, size_t count)
{
        const json_t *selector = json_object_get(rule, "selector"), *namespaces = json_list(rule, "namespaces");
        const char *topology = json_text(rule, "topology", ""), *last = NULL;
        json_t *occupied = json_object_get(rule, "occupied");
        bool selects = false;

        for (size_t i = 0; i < count; i++) {
                const struct cluster_pod *pod = &pods[i];
                size_t n = *pod->node != '\0' && pod_lives(pod) && json_holds(namespaces, pod->namespace_)
                                   ? cluster_node_index(b->cluster, pod->node)
                                   : SIZE_MAX;
                if (n == SIZE_MAX || n == b->fullest)
                        continue;
                if (pod->labels_json != last) {
                        scoped_json labels = json_loads(pod->labels_json, 0, NULL);
                        selects = kubernetes_selects(selector, labels);
                        last = pod->labels_json;
                }
                const char *domain = selects ? domain_of(b, n, topology) : NULL;
                if (domain != NULL && json_put_whole(occupied, domain, json_whole(occupied, domain, 0) + 1) != 0)
                        return -1;
        }
        return 0;
}

static int
occupied_make(const struct building *b)
{
        size_t i, j;
        json_t *placement, *rule;

        json_array_foreach(b->placements, i, placement)
        {
                json_array_foreach((json_t *)json_list(placement, "rules"), j, rule)
                {
                        if (rule_occupied(b, rule, b->cluster->pods, b->cluster->pod_count) != 0 ||
                            rule_occupied(b, rule, b->cluster->other_pods, b->cluster->other_pod_count) != 0)
                                return -1;
                }
        }
        return 0;
}

static void
counts_put(const struct building *b, json_t *out)
{
        const char *name = b->cluster->nodes[b->fullest].name;
        int64_t stays = 0, bare = 0;

        for (size_t i = 0; i < b->cluster->pod_count; i++) {
                const struct cluster_pod *pod = &b->cluster->pods[i];
                if (pod->node != name || !pod_lives(pod) || pod_moves(pod))
                        continue;
                if (*pod->owner_kind == '\0' && !pod->mirror)
                        bare++;
                else
                        stays++;
        }
        json_put_text(out, "node", name);
        json_put_text(out, "zone", b->cluster->nodes[b->fullest].zone);
        json_put_whole(out, "stays", stays);
        json_put_whole(out, "bare", bare);
        json_put_whole(out, "unsimulated", b->unsimulated);
}

static void
building_free(struct building *b)
{
        json_decref(b->wanted);
        json_decref(b->index);
        json_decref(b->shape_index);
        json_decref(b->placements);
        json_decref(b->shapes);
        free(b->shape_of);
}

json_t *
node_loss_facts(const struct cluster *cluster, const struct node_load *loads, size_t fullest)
{
        scoped(building_free) struct building b = {
                .cluster = cluster,
                .loads = loads,
                .fullest = fullest,
                .wanted = json_object(),
                .index = json_object(),
                .shape_index = json_object(),
                .placements = json_array(),
                .shapes = json_array(),
                .shape_of = calloc(cluster->node_count + 1, sizeof(int64_t)),
        };
        scoped_json out = json_object();

        if (out == NULL || b.shape_of == NULL || b.wanted == NULL || b.index == NULL || b.shape_index == NULL ||
            b.placements == NULL || b.shapes == NULL)
                return NULL;
        if (json_put(out, "pods", pods_json(&b)) != 0 || shapes_make(&b) != 0 || occupied_make(&b) != 0 ||
            json_put(out, "room", room_json(&b)) != 0 || json_object_set(out, "placements", b.placements) != 0 ||
            json_object_set(out, "shapes", b.shapes) != 0)
                return NULL;
        counts_put(&b, out);
        return scope_keep(out);
}

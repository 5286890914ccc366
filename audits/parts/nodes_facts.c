/* The nodes of a cluster as facts: room, requests, pools, zones, the fullest node, and what autoscalers may still ask.
 */

#include "nodes_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

/* --- load --------------------------------------------------------------------------------------------------------- */

static void
pods_count(const struct cluster *cluster, const struct cluster_pod *pods, size_t count, struct node_load *loads)
{
        for (size_t i = 0; i < count; i++) {
                const struct cluster_pod *pod = &pods[i];
                size_t n = *pod->node != '\0' && pod_lives(pod) ? cluster_node_index(cluster, pod->node) : SIZE_MAX;
                if (n == SIZE_MAX)
                        continue;
                loads[n].cpu_m += pod->cpu_request_m;
                loads[n].memory += pod->memory_request;
                loads[n].pods += 1;
                if (!pod_moves(pod))
                        continue;
                loads[n].movable_cpu_m += pod->cpu_request_m;
                loads[n].movable_memory += pod->memory_request;
                loads[n].movable++;
        }
}

static void
loads_read(const struct cluster *cluster, struct node_load *loads)
{
        for (size_t n = 0; n < cluster->node_count; n++) {
                const struct cluster_node *node = &cluster->nodes[n];
                loads[n].usable = node->ready && !node->cordoned && node->deleted_ms == 0;
        }
        pods_count(cluster, cluster->pods, cluster->pod_count, loads);
        pods_count(cluster, cluster->other_pods, cluster->other_pod_count, loads);
}

static double
known(double value)
{
        return isnan(value) ? 0 : value;
}

/* The usable node with the most to move, by the larger of its shares of the cluster; pods decide between equals. */
static size_t
fullest_find(const struct cluster *cluster, const struct node_load *loads)
{
        double cpu = 1, memory = 1, most = -1;
        size_t fullest = SIZE_MAX;

        for (size_t n = 0; n < cluster->node_count; n++) {
                cpu += known(cluster->nodes[n].cpu_m);
                memory += known(cluster->nodes[n].memory);
        }
        for (size_t n = 0; n < cluster->node_count; n++) {
                double share = fmax(loads[n].movable_cpu_m / cpu, loads[n].movable_memory / memory) +
                               1e-9 * (double)loads[n].movable;
                if (loads[n].usable && loads[n].movable > 0 && share > most) {
                        most = share;
                        fullest = n;
                }
        }
        return fullest;
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static json_t *
node_json(const struct cluster_node *node, const struct node_load *load)
{
        json_t *row = json_object();

        json_put_text(row, "name", node->name);
        json_put_text(row, "zone", node->zone);
        json_put_text(row, "pool", node->pool);
        json_put_text(row, "type", node->instance_type);
        json_put_text(row, "version", node->version);
        json_put_flag(row, "ready", node->ready);
        if (!node->ready) {
                json_put_flag(row, "ready_known", node->ready_known);
                json_put_whole(row, "since_ms", node->ready_since_ms);
        }
        if (node->cordoned)
                json_put_flag(row, "cordoned", true);
        if (node->deleted_ms != 0)
                json_put_flag(row, "leaving", true);
        if (*node->pressure != '\0')
                json_put_text(row, "pressure", node->pressure);
        json_put_real(row, "cpu_m", node->cpu_m);
        json_put_real(row, "memory", node->memory);
        json_put_real(row, "requested_cpu_m", load->cpu_m);
        json_put_real(row, "requested_memory", load->memory);
        json_put_real(row, "pods", load->pods);
        json_put_real(row, "pods_most", node->pods);
        return row;
}

static void
sum_add(json_t *row, const struct cluster_node *node, const struct node_load *load)
{
        const double room = load->usable ? 1 : 0;

        json_put_whole(row, "nodes", json_whole(row, "nodes", 0) + (load->usable ? 1 : 0));
        json_put_real(row, "cpu_m", json_real_or(row, "cpu_m", 0) + room * known(node->cpu_m));
        json_put_real(row, "memory", json_real_or(row, "memory", 0) + room * known(node->memory));
        json_put_real(row, "requested_cpu_m", json_real_or(row, "requested_cpu_m", 0) + load->cpu_m);
        json_put_real(row, "requested_memory", json_real_or(row, "requested_memory", 0) + load->memory);
}

static int
name_compare(const void *one, const void *other)
{
        return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Sums by one text of a node, in the order of the names: [{name, nodes, cpu_m, ...}]. */
static json_t *
sums_json(const struct cluster *cluster, const struct node_load *loads, bool by_zone)
{
        scoped_json sums = json_object();
        json_t *list = json_array(), *row;
        const char *name;
        size_t used = 0;

        for (size_t n = 0; n < cluster->node_count; n++) {
                name = by_zone ? cluster->nodes[n].zone : cluster->nodes[n].pool;
                if (*name == '\0')
                        continue;
                row = json_object_get(sums, name);
                if (row == NULL && json_put(sums, name, row = json_object()) != 0)
                        return list;
                sum_add(row, &cluster->nodes[n], &loads[n]);
        }
        scoped(scope_free) const char **names = calloc(json_object_size(sums) + 1, sizeof *names);
        json_object_foreach(sums, name, row)
        {
                if (names != NULL)
                        names[used++] = name;
        }
        if (used > 1)
                qsort(names, used, sizeof *names, name_compare);
        for (size_t i = 0; i < used; i++) {
                row = json_object_get(sums, names[i]);
                json_put_text(row, "name", names[i]);
                json_array_append(list, row);
        }
        return list;
}

/* What the autoscalers of pods could still ask for: (maximum - replicas) times the request of a pod. */
static json_t *
ceiling_json(const struct cluster *cluster)
{
        double cpu = 0, memory = 0;
        int64_t autoscalers = 0, unknown = 0;
        json_t *row = json_object();

        for (size_t i = 0; i < cluster->autoscaler_count; i++) {
                const struct cluster_autoscaler *hpa = &cluster->autoscalers[i];
                const struct cluster_workload *target = cluster_workload(cluster, hpa->target_kind, hpa->namespace_,
                                                                         hpa->target_name);
                if (hpa->deleted_ms != 0)
                        continue;
                if (target == NULL || target->container_count == 0) {
                        unknown++;
                        continue;
                }
                double more = fmax(0, (double)hpa->max - (hpa->current >= 0 ? hpa->current : target->replicas));
                autoscalers++;
                cpu += more * target->cpu_request_m;
                memory += more * target->memory_request;
        }
        json_put_whole(row, "autoscalers", autoscalers);
        json_put_whole(row, "unknown", unknown);
        json_put_real(row, "cpu_m", cpu);
        json_put_real(row, "memory", memory);
        return row;
}

int
nodes_facts_read(struct session *session, json_t *facts, struct error *err)
{
        const struct cluster *cluster = cluster_read(
                session, CLUSTER_PODS | CLUSTER_NODES | CLUSTER_AUTOSCALERS | CLUSTER_WORKLOADS, err);

        if (cluster == NULL)
                return -1;
        scoped(scope_free) struct node_load *loads = calloc(cluster->node_count + 1, sizeof *loads);
        json_t *nodes = json_array(), *total = json_object();
        if (loads == NULL || json_put(facts, "nodes", nodes) != 0 || json_put(facts, "total", total) != 0)
                return error_memory(err, "nodes");
        bool whole = cluster_gap(cluster, CLUSTER_NODES, "nodes", "NOD-1,NOD-6", facts);
        whole = cluster_gap(cluster, CLUSTER_PODS, "pods", "NOD-1,NOD-6", facts) && whole;
        loads_read(cluster, loads);
        for (size_t n = 0; n < cluster->node_count; n++) {
                json_push(nodes, node_json(&cluster->nodes[n], &loads[n]));
                sum_add(total, &cluster->nodes[n], &loads[n]);
        }
        json_put(facts, "pools", sums_json(cluster, loads, false));
        json_put(facts, "zones", sums_json(cluster, loads, true));
        size_t fullest = whole ? fullest_find(cluster, loads) : SIZE_MAX;
        if (fullest != SIZE_MAX && json_put(facts, "loss", node_loss_facts(cluster, loads, fullest)) != 0)
                return error_memory(err, "nodes");
        if (cluster_gap(cluster, CLUSTER_AUTOSCALERS, "autoscalers", "NOD-1", facts))
                json_put(facts, "ceiling", ceiling_json(cluster));
        if (node_limits_read(session, facts, err) != 0)
                return -1;
        return node_waits_read(session, cluster, facts, err);
}

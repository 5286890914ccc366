/* Prints the rows of a cluster as JSON, for tests: cluster_print KUBECONFIG [NAMESPACE...].  What is printed is what
 * audits are given. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cluster.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

static json_t *
containers_json(const struct cluster_container *rows, size_t count)
{
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++) {
                json_t *row = json_push(list, json_object());
                json_put_text(row, "name", rows[i].name);
                json_put_text(row, "image", rows[i].image);
                json_put_text(row, "image_id", rows[i].image_id);
                json_put_text(row, "waiting", rows[i].waiting);
                json_put_text(row, "last", rows[i].last_reason);
                json_put_real(row, "cpu", rows[i].cpu_request_m);
                json_put_real(row, "cpu_limit", rows[i].cpu_limit_m);
                json_put_real(row, "memory", rows[i].memory_request);
                json_put_real(row, "memory_limit", rows[i].memory_limit);
                json_put_whole(row, "role", rows[i].role);
                json_put_whole(row, "restarts", rows[i].restarts);
        }
        return list;
}

static void
pods_put(const struct cluster *c, json_t *out)
{
        json_t *list = json_array();

        for (size_t i = 0; i < c->pod_count; i++) {
                const struct cluster_pod *pod = &c->pods[i];
                json_t *row = json_push(list, json_object());
                json_put_text(row, "namespace", pod->namespace_);
                json_put_text(row, "name", pod->name);
                json_put_text(row, "owner_kind", pod->owner_kind);
                json_put_text(row, "owner", pod->owner_name);
                json_put_text(row, "node", pod->node);
                json_put_text(row, "phase", pod->phase);
                json_put_text(row, "unscheduled", pod->unscheduled);
                json_put_text(row, "labels", pod->labels_json);
                json_put_text(row, "placement", pod->placement_json);
                json_put_real(row, "cpu", pod->cpu_request_m);
                json_put_real(row, "memory", pod->memory_request);
                json_put(row, "containers", containers_json(pod->containers, pod->container_count));
        }
        json_put(out, "pods", list);
}

static void
workloads_put(const struct cluster *c, json_t *out)
{
        json_t *list = json_array();

        for (size_t i = 0; i < c->workload_count; i++) {
                const struct cluster_workload *w = &c->workloads[i];
                json_t *row = json_push(list, json_object());
                json_put_text(row, "kind", w->kind);
                json_put_text(row, "namespace", w->namespace_);
                json_put_text(row, "name", w->name);
                json_put_text(row, "selector", w->selector_json);
                json_put_whole(row, "replicas", w->replicas);
                json_put_real(row, "cpu", w->cpu_request_m);
                json_put(row, "containers", containers_json(w->containers, w->container_count));
                json_put_flag(row, "found", cluster_workload(c, w->kind, w->namespace_, w->name) == w);
        }
        json_put(out, "workloads", list);
}

static void
autoscalers_put(const struct cluster *c, json_t *out)
{
        json_t *list = json_array();

        for (size_t i = 0; i < c->autoscaler_count; i++) {
                const struct cluster_autoscaler *a = &c->autoscalers[i];
                json_t *row = json_push(list, json_object());
                json_t *metrics = json_array();
                json_put_text(row, "namespace", a->namespace_);
                json_put_text(row, "name", a->name);
                json_put_text(row, "target", a->target_name);
                json_put_whole(row, "min", a->min);
                json_put_whole(row, "max", a->max);
                json_put_whole(row, "conditions", a->condition_count);
                for (size_t m = 0; m < a->metric_count; m++)
                        json_push(metrics, json_pack("{s:s, s:s, s:s, s:f}", "type", a->metrics[m].type, "name",
                                                     a->metrics[m].name, "container", a->metrics[m].container, "value",
                                                     a->metrics[m].value));
                json_put(row, "metrics", metrics);
        }
        json_put(out, "autoscalers", list);
}

static void
rest_put(const struct cluster *c, json_t *out)
{
        json_t *nodes = json_array(), *errors = json_object();
        char number[16];

        for (size_t i = 0; i < c->node_count; i++)
                json_push(nodes, json_pack("{s:s, s:s, s:s, s:f, s:f, s:s, s:b}", "name", c->nodes[i].name, "zone",
                                           c->nodes[i].zone, "pool", c->nodes[i].pool, "cpu", c->nodes[i].cpu_m,
                                           "memory", c->nodes[i].memory, "taints", c->nodes[i].taints_json, "ready",
                                           (int)c->nodes[i].ready));
        for (int bit = 0; bit < CLUSTER_LISTS; bit++) {
                if (c->errors[bit].reason == REASON_NONE)
                        continue;
                snprintf(number, sizeof number, "%d", bit);
                json_put(errors, number,
                         json_pack("{s:s, s:s, s:s}", "reason", reason_name(c->errors[bit].reason), "text",
                                   c->errors[bit].text, "remedy", c->errors[bit].remedy));
        }
        json_put(out, "nodes", nodes);
        json_put(out, "errors", errors);
        json_put_whole(out, "jobs", (int64_t)c->job_count);
        json_put_whole(out, "cronjobs", (int64_t)c->cronjob_count);
        json_put_whole(out, "namespaces", (int64_t)c->namespace_count);
        json_put_whole(out, "limit_ranges", (int64_t)c->limit_range_count);
        json_put_whole(out, "budgets", (int64_t)c->budget_count);
        json_put_text(out, "autoscaler_version", c->autoscaler_version);
}

int
main(int argc, char **argv)
{
        scoped_json settings = json_object();
        scoped_json out = json_object();
        struct target target = {.name = "test", .kind = &kind_kubernetes, .owner = "", .settings = settings};
        struct session session = {
                .target = &target, .now_ms = moment_now(), .deadline = deadline_in(30 * SECOND_MS, NULL)};
        struct error err = {0};

        if (argc < 2)
                return 3;
        json_put_text(settings, "context", "test");
        json_put(settings, "kubeconfig", json_pack("[s]", argv[1]));
        json_t *namespaces = json_array();
        for (int i = 2; i < argc; i++)
                json_push(namespaces, json_string(argv[i]));
        json_put(settings, "namespaces", namespaces);
        /* Twice, the second time for what was there already: no list may be asked for again. */
        const struct cluster *cluster = cluster_read(&session, CLUSTER_PODS | CLUSTER_NODES, &err);
        if (cluster != NULL)
                cluster = cluster_read(&session, (1U << CLUSTER_LISTS) - 1, &err);
        if (cluster == NULL) {
                fprintf(stderr, "%s: %s\n", reason_name(err.reason), err.text);
                session_end(&session);
                return 1;
        }
        if (getenv("COUNT_ONLY") == NULL)
                pods_put(cluster, out);
        json_put_whole(out, "pod_count", (int64_t)cluster->pod_count);
        workloads_put(cluster, out);
        autoscalers_put(cluster, out);
        rest_put(cluster, out);
        session_end(&session);
        return json_dumpf(out, stdout, JSON_INDENT(1) | JSON_SORT_KEYS) == 0 ? 0 : 1;
}

/* Nodes, workloads, budgets and what else a cluster lists, reduced to rows. */

#include "cluster_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "kubernetes.h"
#include "scope.h"

enum { MESSAGE_LARGEST = 600 };

/* --- nodes -------------------------------------------------------------------------------------------------------- */

/* What the providers call a group of nodes; without one, nodes of one instance type stand together. */
static const char *
pool_of(const json_t *labels)
{
        static const char *const names[] = {"eks.amazonaws.com/nodegroup",
                                            "karpenter.sh/nodepool",
                                            "cloud.google.com/gke-nodepool",
                                            "kubernetes.azure.com/agentpool",
                                            "agentpool",
                                            "alpha.eksctl.io/nodegroup-name",
                                            "doks.digitalocean.com/node-pool",
                                            "oci.oraclecloud.com/node-pool",
                                            "cattle.io/node-pool",
                                            "machine.openshift.io/cluster-api-machineset",
                                            "node.kubernetes.io/pool",
                                            "node.kubernetes.io/instance-type"};

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                const char *value = json_text(labels, names[i], "");
                if (*value != '\0')
                        return value;
        }
        return "";
}

static void
node_conditions(struct intern *texts, const json_t *status, struct cluster_node *node)
{
        static const char *const pressures[] = {"DiskPressure", "MemoryPressure", "NetworkUnavailable", "PIDPressure"};
        bool under[4] = {false};
        scoped_buffer words = BUFFER_INIT(256);
        size_t i;
        json_t *condition;

        json_array_foreach((json_t *)json_list(status, "conditions"), i, condition)
        {
                const char *type = json_text(condition, "type", ""), *state = json_text(condition, "status", "");
                if (strcmp(type, "Ready") == 0) {
                        node->ready = strcmp(state, "True") == 0;
                        node->ready_known = node->ready || strcmp(state, "False") == 0;
                        node->ready_since_ms = moment_of(condition, "lastTransitionTime");
                }
                for (int p = 0; p < 4; p++)
                        under[p] |= strcmp(type, pressures[p]) == 0 && strcmp(state, "True") == 0;
        }
        for (int p = 0; p < 4; p++)
                if (under[p])
                        buffer_format(&words, "%s%s", words.length > 0 ? ", " : "", pressures[p]);
        node->pressure = intern_text(texts, words.data);
}

int
node_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *labels = json_at(item, "metadata", "labels", NULL), *spec = json_object_get(item, "spec");
        const json_t *status = json_object_get(item, "status"), *room = json_object_get(status, "allocatable");
        const char *zone = json_text(labels, "topology.kubernetes.io/zone",
                                     json_text(labels, "failure-domain.beta.kubernetes.io/zone", ""));
        struct cluster_node *node = rows_add((void **)&cluster->nodes, &cluster->node_count, sizeof *node);

        if (node == NULL)
                return -1;
        *node = (struct cluster_node){
                .name = intern_text(texts, kubernetes_name(item)),
                .zone = intern_text(texts, zone),
                .pool = intern_text(texts, pool_of(labels)),
                .instance_type = intern_text(texts, json_text(labels, "node.kubernetes.io/instance-type", "")),
                .version = intern_text(texts, json_text(json_object_get(status, "nodeInfo"), "kubeletVersion", "")),
                .labels_json = intern_json(texts, json_map(json_object_get(item, "metadata"), "labels")),
                .taints_json = intern_json(texts, json_list(spec, "taints")),
                .cpu_m = 1000 * kubernetes_quantity(json_object_get(room, "cpu")),
                .memory = kubernetes_quantity(json_object_get(room, "memory")),
                .pods = kubernetes_quantity(json_object_get(room, "pods")),
                .created_ms = created_of(item),
                .deleted_ms = deleted_of(item),
                .cordoned = json_flag(spec, "unschedulable", false),
        };
        node_conditions(texts, status, node);
        return intern_failed(texts) ? -1 : 0;
}

int
namespace_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct cluster_namespace *row = rows_add((void **)&cluster->namespaces, &cluster->namespace_count, sizeof *row);

        if (row == NULL)
                return -1;
        row->name = intern_text(snapshot->texts, kubernetes_name(item));
        row->labels_json = intern_json(snapshot->texts, json_map(json_object_get(item, "metadata"), "labels"));
        row->deleted = deleted_of(item) != 0;
        return intern_failed(snapshot->texts) ? -1 : 0;
}

/* --- workloads ---------------------------------------------------------------------------------------------------- */

static void
name_add(json_t *names, const char *name)
{
        size_t at = 0;

        while (at < json_array_size(names) && strcmp(json_string_value(json_array_get(names, at)), name) < 0)
                at++;
        const char *there = json_string_value(json_array_get(names, at));
        if (*name != '\0' && (there == NULL || strcmp(there, name) != 0))
                json_array_insert_new(names, at, json_bytes(name, strlen(name)));
}

/* Secrets that a pod's spec mounts, by themselves or in a projected volume. */
static const char *
secrets_read(struct intern *texts, const json_t *spec)
{
        scoped_json names = json_array();
        size_t i, k;
        json_t *volume, *source;

        json_array_foreach((json_t *)json_list(spec, "volumes"), i, volume)
        {
                name_add(names, json_text(json_map(volume, "secret"), "secretName", ""));
                json_array_foreach((json_t *)json_list(json_map(volume, "projected"), "sources"), k, source)
                        name_add(names, json_text(json_map(source, "secret"), "name", ""));
        }
        return intern_json(texts, json_array_size(names) > 0 ? names : NULL);
}

static struct cluster_workload *
workload_add(struct snapshot *snapshot, const json_t *item, const char *kind)
{
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *spec = json_object_get(item, "spec"), *status = json_object_get(item, "status");
        const json_t *template = json_object_get(spec, "template"), *pod = json_object_get(template, "spec");
        const json_t *reference = json_map(spec, "workloadRef");
        char text[512] = "";
        struct cluster_workload *row = rows_add((void **)&cluster->workloads, &cluster->workload_count, sizeof *row);

        if (row == NULL)
                return NULL;
        if (reference != NULL)
                snprintf(text, sizeof text, "%s/%s", json_text(reference, "kind", ""),
                         json_text(reference, "name", ""));
        *row = (struct cluster_workload){
                .kind = kind,
                .namespace_ = intern_text(texts, kubernetes_namespace(item)),
                .name = intern_text(texts, kubernetes_name(item)),
                .labels_json = intern_json(texts, json_map(json_object_get(item, "metadata"), "labels")),
                .pod_labels_json = intern_json(texts, json_map(json_object_get(template, "metadata"), "labels")),
                .selector_json = intern_json(texts, json_map(spec, "selector")),
                .placement_json = placement_read(texts, pod),
                .priority_class = intern_text(texts, json_text(pod, "priorityClassName", "")),
                .secrets_json = secrets_read(texts, pod),
                .strategy_json = intern_json(texts, strcmp(kind, "Rollout") == 0 ? json_map(spec, "strategy") : NULL),
                .reference = intern_text(texts, text),
                .replicas = (int32_t)json_whole(spec, "replicas", 1),
                .ready = (int32_t)json_whole(status, "readyReplicas", 0),
                .available = (int32_t)json_whole(status, "availableReplicas", 0),
                .created_ms = created_of(item),
                .deleted_ms = deleted_of(item),
        };
        row->containers = containers_read(texts, pod, NULL, &row->container_count);
        request_read(pod, row->containers, row->container_count, &row->cpu_request_m, &row->memory_request);
        return intern_failed(texts) ? NULL : row;
}

int
deployment_visit(void *context, const json_t *item)
{
        return workload_add(context, item, "Deployment") != NULL ? 0 : -1;
}

int
statefulset_visit(void *context, const json_t *item)
{
        return workload_add(context, item, "StatefulSet") != NULL ? 0 : -1;
}

int
rollout_visit(void *context, const json_t *item)
{
        return workload_add(context, item, "Rollout") != NULL ? 0 : -1;
}

int
daemonset_visit(void *context, const json_t *item)
{
        struct cluster_workload *row = workload_add(context, item, "DaemonSet");
        const json_t *status = json_object_get(item, "status");

        if (row == NULL)
                return -1;
        row->replicas = (int32_t)json_whole(status, "desiredNumberScheduled", 0);
        row->ready = (int32_t)json_whole(status, "numberReady", 0);
        row->available = (int32_t)json_whole(status, "numberAvailable", 0);
        return 0;
}

int
cronjob_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *spec = json_object_get(item, "spec"), *status = json_object_get(item, "status");
        const json_t *job = json_at(spec, "jobTemplate", "spec", NULL);
        struct cluster_cronjob *row = rows_add((void **)&cluster->cronjobs, &cluster->cronjob_count, sizeof *row);

        if (row == NULL)
                return -1;
        *row = (struct cluster_cronjob){
                .namespace_ = intern_text(texts, kubernetes_namespace(item)),
                .name = intern_text(texts, kubernetes_name(item)),
                .schedule = intern_text(texts, json_text(spec, "schedule", "")),
                .time_zone = intern_text(texts, json_text(spec, "timeZone", "")),
                .concurrency = intern_text(texts, json_text(spec, "concurrencyPolicy", "Allow")),
                .starting_deadline_s = json_whole(spec, "startingDeadlineSeconds", -1),
                .active_deadline_s = json_whole(job, "activeDeadlineSeconds", -1),
                .successes_kept = (int32_t)json_whole(spec, "successfulJobsHistoryLimit", -1),
                .failures_kept = (int32_t)json_whole(spec, "failedJobsHistoryLimit", -1),
                .active = (int32_t)json_array_size(json_list(status, "active")),
                .created_ms = created_of(item),
                .last_schedule_ms = moment_of(status, "lastScheduleTime"),
                .last_success_ms = moment_of(status, "lastSuccessfulTime"),
                .deleted_ms = deleted_of(item),
                .suspended = json_flag(spec, "suspend", false),
        };
        row->containers = containers_read(texts, json_at(job, "template", "spec", NULL), NULL, &row->container_count);
        return intern_failed(texts) ? -1 : 0;
}

/* --- bounds ------------------------------------------------------------------------------------------------------- */

int
limit_range_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        size_t i;
        json_t *limit;

        json_array_foreach((json_t *)json_list(json_object_get(item, "spec"), "limits"), i, limit)
        {
                if (strcmp(json_text(limit, "type", ""), "Container") != 0)
                        continue;
                const json_t *asked = json_object_get(limit, "defaultRequest");
                const json_t *most = json_object_get(limit, "default");
                struct cluster_limit_range *row = rows_add((void **)&cluster->limit_ranges, &cluster->limit_range_count,
                                                           sizeof *row);
                if (row == NULL)
                        return -1;
                row->namespace_ = intern_text(snapshot->texts, kubernetes_namespace(item));
                row->name = intern_text(snapshot->texts, kubernetes_name(item));
                row->cpu_request_m = (float)(1000 * kubernetes_quantity(json_object_get(asked, "cpu")));
                row->cpu_limit_m = (float)(1000 * kubernetes_quantity(json_object_get(most, "cpu")));
                row->memory_request = kubernetes_quantity(json_object_get(asked, "memory"));
                row->memory_limit = kubernetes_quantity(json_object_get(most, "memory"));
        }
        return intern_failed(snapshot->texts) ? -1 : 0;
}

/* An IntOrString as text: 2 and "2" are the same bound. */
static const char *
bound_read(struct intern *texts, const json_t *spec, const char *key)
{
        const json_t *value = json_object_get(spec, key);
        char text[32];

        if (!json_is_integer(value))
                return intern_text(texts, json_string_value(value));
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return intern_text(texts, text);
}

int
budget_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *spec = json_object_get(item, "spec"), *status = json_object_get(item, "status");
        const char *unhealthy = json_text(spec, "unhealthyPodEvictionPolicy", "");
        struct cluster_budget *row = rows_add((void **)&cluster->budgets, &cluster->budget_count, sizeof *row);

        if (row == NULL)
                return -1;
        *row = (struct cluster_budget){
                .namespace_ = intern_text(texts, kubernetes_namespace(item)),
                .name = intern_text(texts, kubernetes_name(item)),
                .selector_json = intern_json(texts, json_map(spec, "selector")),
                .min_available = bound_read(texts, spec, "minAvailable"),
                .max_unavailable = bound_read(texts, spec, "maxUnavailable"),
                .reason = intern_text(texts,
                                      json_text(json_find(json_list(status, "conditions"), "type", "DisruptionAllowed"),
                                                "reason", "")),
                .allowed = (int32_t)json_whole(status, "disruptionsAllowed", -1),
                .healthy = (int32_t)json_whole(status, "currentHealthy", -1),
                .desired = (int32_t)json_whole(status, "desiredHealthy", -1),
                .expected = (int32_t)json_whole(status, "expectedPods", -1),
                .created_ms = created_of(item),
                .deleted_ms = deleted_of(item),
                .always_allow_unhealthy = strcmp(unhealthy, "AlwaysAllow") == 0,
        };
        return intern_failed(texts) ? -1 : 0;
}

/* --- autoscalers -------------------------------------------------------------------------------------------------- */

/* The body of a metric hangs under its type's own name: type Resource, key resource. */
static void
metric_read(struct intern *texts, const json_t *metric, struct cluster_metric *row)
{
        static const struct {
                const char *type, *key;
        } rows[] = {{"Resource", "resource"},
                    {"ContainerResource", "containerResource"},
                    {"Pods", "pods"},
                    {"Object", "object"},
                    {"External", "external"}};
        const char *type = json_text(metric, "type", "");
        const json_t *body = NULL;

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (strcmp(rows[i].type, type) == 0)
                        body = json_map(metric, rows[i].key);
        const json_t *target = json_map(body, "target");
        row->type = intern_text(texts, type);
        row->name = intern_text(texts, json_text(body, "name", json_text(json_map(body, "metric"), "name", "")));
        row->container = intern_text(texts, json_text(body, "container", ""));
        row->target = intern_text(texts, json_text(target, "type", ""));
        row->value = json_real_or(target, "averageUtilization", NAN);
        if (isnan(row->value))
                row->value = kubernetes_quantity(json_object_get(target, "averageValue"));
        if (isnan(row->value))
                row->value = kubernetes_quantity(json_object_get(target, "value"));
}

/* autoscaling/v1 has one metric; the others, and the conditions, are JSON in annotations. */
static int
first_version_read(const json_t *item, json_t **metrics, json_t **conditions)
{
        const json_t *annotations = json_at(item, "metadata", "annotations", NULL);
        const json_t *spec = json_object_get(item, "spec");
        int64_t target = json_whole(spec, "targetCPUUtilizationPercentage", -1);
        const char *text = json_text(annotations, "autoscaling.alpha.kubernetes.io/metrics", NULL);
        json_t *all = text != NULL ? json_loads(text, 0, NULL) : NULL;

        if (!json_is_array(all)) {
                json_decref(all);
                all = json_array();
        }
        if (target >= 0)
                json_array_insert_new(all, 0,
                                      json_pack("{s:s, s:{s:s, s:{s:s, s:I}}}", "type", "Resource", "resource", "name",
                                                "cpu", "target", "type", "Utilization", "averageUtilization",
                                                (json_int_t)target));
        *metrics = all;
        text = json_text(annotations, "autoscaling.alpha.kubernetes.io/conditions", NULL);
        *conditions = text != NULL ? json_loads(text, 0, NULL) : NULL;
        return all != NULL ? 0 : -1;
}

static const char *
message_read(struct intern *texts, const json_t *object)
{
        const char *text = json_text(object, "message", "");
        size_t length = strlen(text);
        char head[MESSAGE_LARGEST + 8];

        if (length <= MESSAGE_LARGEST)
                return intern_text(texts, text);
        length = MESSAGE_LARGEST;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
                length--;
        snprintf(head, sizeof head, "%.*s...", (int)length, text);
        return intern_text(texts, head);
}

static int
autoscaler_parts(struct intern *texts, const json_t *metrics, const json_t *conditions, struct cluster_autoscaler *row)
{
        size_t metric_count = json_array_size(metrics), condition_count = json_array_size(conditions), i;
        json_t *one;

        if (metric_count > UINT16_MAX || condition_count > UINT16_MAX)
                return 0;
        struct cluster_metric *m = intern_array(texts, metric_count, sizeof *m);
        struct cluster_condition *c = intern_array(texts, condition_count, sizeof *c);
        if (m == NULL || c == NULL)
                return -1;
        json_array_foreach((json_t *)metrics, i, one) metric_read(texts, one, &m[i]);
        json_array_foreach((json_t *)conditions, i, one)
        {
                c[i] = (struct cluster_condition){
                        .type = intern_text(texts, json_text(one, "type", "")),
                        .status = intern_text(texts, json_text(one, "status", "")),
                        .reason = intern_text(texts, json_text(one, "reason", "")),
                        .message = message_read(texts, one),
                        .since_ms = moment_of(one, "lastTransitionTime"),
                };
        }
        row->metrics = m;
        row->metric_count = (uint16_t)metric_count;
        row->conditions = c;
        row->condition_count = (uint16_t)condition_count;
        return 0;
}

int
autoscaler_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *spec = json_object_get(item, "spec"), *status = json_object_get(item, "status");
        const json_t *target = json_object_get(spec, "scaleTargetRef");
        struct cluster_autoscaler *row = rows_add((void **)&cluster->autoscalers, &cluster->autoscaler_count,
                                                  sizeof *row);

        if (row == NULL)
                return -1;
        *row = (struct cluster_autoscaler){
                .namespace_ = intern_text(texts, kubernetes_namespace(item)),
                .name = intern_text(texts, kubernetes_name(item)),
                .target_api = intern_text(texts, json_text(target, "apiVersion", "")),
                .target_kind = intern_text(texts, json_text(target, "kind", "")),
                .target_name = intern_text(texts, json_text(target, "name", "")),
                .min = (int32_t)json_whole(spec, "minReplicas", 1),
                .max = (int32_t)json_whole(spec, "maxReplicas", -1),
                .current = (int32_t)json_whole(status, "currentReplicas", -1),
                .desired = (int32_t)json_whole(status, "desiredReplicas", -1),
                .created_ms = created_of(item),
                .deleted_ms = deleted_of(item),
        };
        owner_read(texts, item, &row->owner_kind, &row->owner_name);
        /* Only v1 lacks spec.metrics: an item of v2 without metrics gets the API server's default written into it. */
        const json_t *metrics = json_list(spec, "metrics"), *conditions = json_list(status, "conditions");
        scoped_json old_metrics = NULL;
        scoped_json old_conditions = NULL;
        if (metrics == NULL && conditions == NULL) {
                if (first_version_read(item, &old_metrics, &old_conditions) != 0)
                        return -1;
                metrics = old_metrics;
                conditions = old_conditions;
        }
        if (autoscaler_parts(texts, metrics, conditions, row) != 0)
                return -1;
        return intern_failed(texts) ? -1 : 0;
}

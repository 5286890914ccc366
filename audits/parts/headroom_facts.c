/* Memory of containers as facts: limits, what they use now, the peak of a window, and who was killed for it. */

#include "headroom_facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "policy.h"
#include "prometheus.h"
#include "scope.h"

enum { ROWS_MOST = 20000, KEY = 1100 };

/* Pods that are gone count as well: by their names, which a ReplicaSet, a DaemonSet or a StatefulSet gave them.
 * Source: k8s.io/apimachinery, util/rand (the alphabet of generated names). */
#define WORKLOAD_OF_POD "(.+?)(-[bcdfghjklmnpqrstvwxz2-9]{6,10})?-([bcdfghjklmnpqrstvwxz2-9]{5}|[0-9]+)"

struct reading {
        const struct cluster *cluster;
        json_t *rows; /* "namespace name container" -> row; owned */
        bool capped;
};

static void
key_of(char key[KEY], const char *namespace_, const char *name, const char *container)
{
        snprintf(key, KEY, "%.255s %.255s %.255s", namespace_, name, container);
}

static void
least_put(json_t *row, const char *key, double value)
{
        if (!isnan(value))
                json_put_real(row, key, fmin(value, json_real_or(row, key, value)));
}

/* --- pods --------------------------------------------------------------------------------------------------------- */

static void
oom_note(json_t *row, const struct cluster_container *container)
{
        json_t *oom = json_object_get(row, "oom");

        if (oom == NULL) {
                oom = json_object();
                json_put(row, "oom", oom);
        }
        json_put_whole(oom, "pods", json_whole(oom, "pods", 0) + 1);
        json_put_whole(oom, "restarts",
                       json_whole(oom, "restarts", 0) + (container->restarts > 0 ? container->restarts : 1));
        if (container->last_finished_ms > json_whole(oom, "last_ms", 0))
                json_put_whole(oom, "last_ms", container->last_finished_ms);
}

static int
container_note(struct reading *reading, const struct cluster_pod *pod, const struct cluster_container *container)
{
        bool bare = *pod->owner_kind == '\0';
        const char *name = bare ? pod->name : pod->owner_name;
        char key[KEY];

        key_of(key, pod->namespace_, name, container->name);
        json_t *row = json_object_get(reading->rows, key);
        if (row == NULL) {
                if (json_object_size(reading->rows) >= ROWS_MOST) {
                        reading->capped = true;
                        return 0;
                }
                row = json_object();
                if (json_put(reading->rows, key, row) != 0)
                        return -1;
                json_put_text(row, "kind", bare ? "Pod" : pod->owner_kind);
                json_put_text(row, "namespace", pod->namespace_);
                json_put_text(row, "name", name);
                json_put_text(row, "container", container->name);
        }
        json_put_whole(row, "pods", json_whole(row, "pods", 0) + 1);
        least_put(row, "limit", container->memory_limit);
        least_put(row, "request", container->memory_request);
        if (strcmp(container->last_reason, "OOMKilled") == 0)
                oom_note(row, container);
        return 0;
}

static int
pods_note(struct reading *reading)
{
        for (size_t i = 0; i < reading->cluster->pod_count; i++) {
                const struct cluster_pod *pod = &reading->cluster->pods[i];
                if (strcmp(pod->phase, "Running") != 0 || pod->mirror || pod->deleted_ms > 0)
                        continue;
                for (uint16_t c = 0; c < pod->container_count; c++) {
                        if (pod->containers[c].role != CLUSTER_INIT &&
                            container_note(reading, pod, &pod->containers[c]) != 0)
                                return -1;
                }
        }
        return 0;
}

/* --- metrics.k8s.io ----------------------------------------------------------------------------------------------- */

static int
pod_compare(const void *key, const void *element)
{
        const struct cluster_pod *wanted = key, *pod = element;
        int order = strcmp(wanted->namespace_, pod->namespace_);

        return order != 0 ? order : strcmp(wanted->name, pod->name);
}

static void
most_put(json_t *row, const char *key, double value)
{
        if (row != NULL && value > json_real_or(row, key, -1))
                json_put_real(row, key, value);
}

static int
metric_visit(void *context, const json_t *item)
{
        struct reading *reading = context;
        const struct cluster *cluster = reading->cluster;
        struct cluster_pod wanted = {.namespace_ = kubernetes_namespace(item), .name = kubernetes_name(item)};
        const struct cluster_pod *pod = cluster->pod_count > 0 ? bsearch(&wanted, cluster->pods, cluster->pod_count,
                                                                         sizeof *cluster->pods, pod_compare)
                                                               : NULL;
        char key[KEY];
        size_t i;
        json_t *container;

        if (pod == NULL)
                return 0;
        json_array_foreach((json_t *)json_list(item, "containers"), i, container)
        {
                key_of(key, pod->namespace_, *pod->owner_kind == '\0' ? pod->name : pod->owner_name,
                       json_text(container, "name", ""));
                most_put(json_object_get(reading->rows, key), "used",
                         kubernetes_quantity(json_object_get(json_map(container, "usage"), "memory")));
        }
        return 0;
}

static int
metrics_read(struct reading *reading, struct session *session, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct kubernetes_list list = {.group = "metrics.k8s.io",
                                       .resource = "pods",
                                       .versions = {"v1beta1"},
                                       .product = "metrics-server",
                                       .visit = metric_visit,
                                       .context = reading};

        if (kubernetes == NULL || kubernetes_lists(kubernetes, &list, 1, err) != 0)
                return -1;
        if (list.error.reason == REASON_NONE)
                json_put_text(facts, "metrics", "metrics.k8s.io");
        else if (list.error.reason != REASON_UNSUPPORTED)
                facts_gap(facts, "metrics", "API-3", NULL, &list.error);
        return 0;
}

/* --- Prometheus --------------------------------------------------------------------------------------------------- */

static void
peaks_note(struct reading *reading, const json_t *answer)
{
        char key[KEY];
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)answer, i, one)
        {
                const json_t *labels = json_map(one, "labels");
                key_of(key, json_text(labels, "namespace", ""), json_text(labels, "workload", ""),
                       json_text(labels, "container", ""));
                most_put(json_object_get(reading->rows, key), "peak", json_real_or(one, "value", -1));
        }
}

static void
prometheus_read(struct reading *reading, struct session *session, int64_t window_ms, json_t *facts)
{
        const char *name = target_text(session->target, "prometheus");
        struct error err = {0};
        char expression[700];
        scoped_json answer = NULL;

        if (name == NULL || *name == '\0')
                return;
        snprintf(expression, sizeof expression,
                 "max by (namespace, workload, container) (label_replace(max by (namespace, pod, container) "
                 "(max_over_time(container_memory_working_set_bytes{container!=\"\",container!=\"POD\"}[%llds])), "
                 "\"workload\", \"$1\", \"pod\", \"%s\"))",
                 (long long)(window_ms / 1000), WORKLOAD_OF_POD);
        struct session *other = session_reference(session, name, &err);
        struct prometheus *prometheus = other != NULL ? prometheus_session(other, &err) : NULL;
        if (prometheus == NULL || prometheus_query(prometheus, expression, 0, &answer, &err) != 0) {
                facts_gap(facts, "prometheus", "API-3", NULL, &err);
                return;
        }
        json_put_text(facts, "prometheus", name);
        peaks_note(reading, answer);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

int
headroom_facts_read(struct session *session, json_t *facts, struct error *err)
{
        int64_t window_ms = session->policy != NULL ? policy_whole(session->policy, "API-3", "window") : 14 * DAY_MS;
        scoped_json rows = json_object();
        struct reading reading = {.rows = rows};

        reading.cluster = cluster_read(session, CLUSTER_PODS, err);
        if (reading.cluster == NULL)
                return -1;
        cluster_gap(reading.cluster, CLUSTER_PODS, "pods", "API-3", facts);
        if (rows == NULL || pods_note(&reading) != 0)
                return error_memory(err, "headroom");
        if (metrics_read(&reading, session, facts, err) != 0)
                return -1;
        prometheus_read(&reading, session, window_ms, facts);
        json_put_whole(facts, "window_ms", window_ms);
        if (reading.capped) {
                struct error most = {0};
                error_set(&most, REASON_TOO_LITTLE_DATA, "more than %d containers of workloads: the rest was not read",
                          ROWS_MOST);
                error_remedy(&most, "make several targets of the cluster, each with its own namespaces");
                facts_gap(facts, "containers", "API-3", NULL, &most);
        }
        return json_put_sorted(facts, "containers", rows) == 0 ? 0 : error_memory(err, "headroom");
}

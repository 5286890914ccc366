/* A Kubernetes cluster in rows: which lists there are, reading them once per session. */

#include "cluster_parts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "kubernetes.h"

enum { TEXTS_LARGEST = 1 << 30 };

/* What no row is made of: half of a pod's text, and all that may hold a secret.  A pod's volumes are those of its
 * template, from which the Secrets are read that a workload mounts: they come first, so that the others' list begins
 * behind them. */
static const char *const without_of_pod[] = {
        "volumes",   "managedFields",   "env",     "envFrom",       "args",           "command",   "volumeMounts",
        "ports",     "podIPs",          "hostIPs", "livenessProbe", "readinessProbe", "lifecycle", "hostAliases",
        "dnsConfig", "securityContext", NULL};

/* In the order of the bits of enum cluster_list. */
static const struct kubernetes_list list_table[CLUSTER_LISTS] = {
        {.group = "",
         .resource = "pods",
         .versions = {"v1"},
         .without = without_of_pod,
         .excluded_too = true,
         .visit = pod_visit},
        {.group = "apps",
         .resource = "replicasets",
         .versions = {"v1"},
         .metadata_only = true,
         .visit = replicaset_visit},
        {.group = "batch", .resource = "jobs", .versions = {"v1"}, .without = without_of_pod + 1, .visit = job_visit},
        {.group = "batch",
         .resource = "cronjobs",
         .versions = {"v1"},
         .without = without_of_pod + 1,
         .visit = cronjob_visit},
        {.group = "", .resource = "nodes", .versions = {"v1"}, .cluster_scoped = true, .visit = node_visit},
        {.group = "", .resource = "namespaces", .versions = {"v1"}, .cluster_scoped = true, .visit = namespace_visit},
        {.group = "apps",
         .resource = "deployments",
         .versions = {"v1"},
         .without = without_of_pod + 1,
         .visit = deployment_visit},
        {.group = "apps",
         .resource = "statefulsets",
         .versions = {"v1"},
         .without = without_of_pod + 1,
         .visit = statefulset_visit},
        {.group = "apps",
         .resource = "daemonsets",
         .versions = {"v1"},
         .without = without_of_pod + 1,
         .visit = daemonset_visit},
        {.group = "argoproj.io",
         .resource = "rollouts",
         .versions = {"v1alpha1"},
         .product = "Argo Rollouts",
         .visit = rollout_visit},
        {.group = "", .resource = "limitranges", .versions = {"v1"}, .visit = limit_range_visit},
        {.group = "policy", .resource = "poddisruptionbudgets", .versions = {"v1"}, .visit = budget_visit},
        {.group = "autoscaling",
         .resource = "horizontalpodautoscalers",
         .versions = {"v2", "v2beta2", "v1"},
         .visit = autoscaler_visit},
};

static void
snapshot_close(void *object)
{
        struct snapshot *snapshot = object;
        struct cluster *cluster = &snapshot->cluster;
        void *rows[] = {cluster->pods,    cluster->other_pods,  cluster->jobs,      cluster->cronjobs,
                        cluster->nodes,   cluster->namespaces,  cluster->workloads, cluster->limit_ranges,
                        cluster->budgets, cluster->autoscalers, snapshot->owned};

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                free(rows[i]);
        intern_free(snapshot->texts);
        free(snapshot);
}

static struct snapshot *
snapshot_session(struct session *session, struct error *err)
{
        static const char key;
        struct snapshot *snapshot = session_get(session, &key);

        if (snapshot != NULL)
                return snapshot;
        snapshot = calloc(1, sizeof *snapshot);
        if (snapshot == NULL || (snapshot->texts = intern_new(TEXTS_LARGEST)) == NULL) {
                free(snapshot);
                error_memory(err, "cluster");
                return NULL;
        }
        snapshot->cluster.autoscaler_version = "";
        if (session_put(session, &key, snapshot, snapshot_close) != 0) {
                error_memory(err, "cluster");
                return NULL;
        }
        return snapshot;
}

/* --- order -------------------------------------------------------------------------------------------------------- */

static int
names_compare(const char *namespace_a, const char *name_a, const char *namespace_b, const char *name_b)
{
        int order = strcmp(namespace_a, namespace_b);

        return order != 0 ? order : strcmp(name_a, name_b);
}

/* For rows that begin with namespace_ and name, side by side. */
static int
row_compare(const void *one, const void *other)
{
        const char *const *a = one, *const *b = other;

        return names_compare(a[0], a[1], b[0], b[1]);
}
_Static_assert(offsetof(struct cluster_pod, name) == sizeof(char *), "namespace and name come first");
_Static_assert(offsetof(struct cluster_job, name) == sizeof(char *), "namespace and name come first");
_Static_assert(offsetof(struct cluster_cronjob, name) == sizeof(char *), "namespace and name come first");
_Static_assert(offsetof(struct cluster_limit_range, name) == sizeof(char *), "namespace and name come first");
_Static_assert(offsetof(struct cluster_budget, name) == sizeof(char *), "namespace and name come first");
_Static_assert(offsetof(struct cluster_autoscaler, name) == sizeof(char *), "namespace and name come first");

static int
workload_compare(const void *one, const void *other)
{
        const struct cluster_workload *a = one, *b = other;
        int order = names_compare(a->namespace_, a->name, b->namespace_, b->name);

        return order != 0 ? order : strcmp(a->kind, b->kind);
}

static int
node_compare(const void *one, const void *other)
{
        return strcmp(((const struct cluster_node *)one)->name, ((const struct cluster_node *)other)->name);
}

static int
namespace_compare(const void *one, const void *other)
{
        return strcmp(((const struct cluster_namespace *)one)->name, ((const struct cluster_namespace *)other)->name);
}

static void
sort(void *rows, size_t count, size_t size, int (*compare)(const void *, const void *))
{
        if (count > 1)
                qsort(rows, count, size, compare);
}

static void
snapshot_sort(struct cluster *c, unsigned fresh)
{
        if (fresh & CLUSTER_PODS) {
                sort(c->pods, c->pod_count, sizeof *c->pods, row_compare);
                sort(c->other_pods, c->other_pod_count, sizeof *c->other_pods, row_compare);
        }
        if (fresh & CLUSTER_JOBS)
                sort(c->jobs, c->job_count, sizeof *c->jobs, row_compare);
        if (fresh & CLUSTER_CRONJOBS)
                sort(c->cronjobs, c->cronjob_count, sizeof *c->cronjobs, row_compare);
        if (fresh & CLUSTER_NODES)
                sort(c->nodes, c->node_count, sizeof *c->nodes, node_compare);
        if (fresh & CLUSTER_NAMESPACES)
                sort(c->namespaces, c->namespace_count, sizeof *c->namespaces, namespace_compare);
        if (fresh & CLUSTER_WORKLOADS)
                sort(c->workloads, c->workload_count, sizeof *c->workloads, workload_compare);
        if (fresh & CLUSTER_LIMIT_RANGES)
                sort(c->limit_ranges, c->limit_range_count, sizeof *c->limit_ranges, row_compare);
        if (fresh & CLUSTER_BUDGETS)
                sort(c->budgets, c->budget_count, sizeof *c->budgets, row_compare);
        if (fresh & CLUSTER_AUTOSCALERS)
                sort(c->autoscalers, c->autoscaler_count, sizeof *c->autoscalers, row_compare);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

const struct cluster *
cluster_read(struct session *session, unsigned lists, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct snapshot *snapshot = kubernetes != NULL ? snapshot_session(session, err) : NULL;
        struct kubernetes_list asked[CLUSTER_LISTS];
        int bits[CLUSTER_LISTS];
        size_t count = 0;

        if (snapshot == NULL)
                return NULL;
        struct cluster *cluster = &snapshot->cluster;
        snapshot->kubernetes = kubernetes;
        if (lists & CLUSTER_PODS)
                lists |= CLUSTER_REPLICASETS | CLUSTER_JOBS;
        if (lists & CLUSTER_WORKLOADS)
                lists |= CLUSTER_WORKLOADS;
        unsigned fresh = lists & ~cluster->known;
        for (int bit = 0; bit < CLUSTER_LISTS; bit++) {
                if (!(fresh & (1U << bit)))
                        continue;
                asked[count] = list_table[bit];
                asked[count].context = snapshot;
                bits[count++] = bit;
        }
        if (count == 0)
                return cluster;
        if (kubernetes_lists(kubernetes, asked, count, err) != 0)
                return NULL;
        cluster->known |= fresh;
        for (size_t i = 0; i < count; i++) {
                cluster->errors[bits[i]] = asked[i].error;
                if (1U << bits[i] == CLUSTER_AUTOSCALERS && asked[i].version != NULL)
                        cluster->autoscaler_version = asked[i].version;
        }
        if (fresh & CLUSTER_PODS)
                owners_resolve(snapshot);
        snapshot_sort(cluster, fresh);
        return cluster;
}

const struct error *
cluster_error(const struct cluster *cluster, enum cluster_list list)
{
        for (int bit = 0; bit < CLUSTER_LISTS; bit++) {
                if ((list & (1U << bit)) && cluster->errors[bit].reason != REASON_NONE)
                        return &cluster->errors[bit];
        }
        return NULL;
}

bool
cluster_gap(const struct cluster *cluster, enum cluster_list list, const char *part, const char *controls,
            json_t *facts)
{
        bool whole = true;

        for (int bit = 0; bit < CLUSTER_LISTS; bit++) {
                const struct error *error = &cluster->errors[bit];
                if (!(list & (1U << bit)) || error->reason == REASON_NONE)
                        continue;
                whole = false;
                if (error->reason != REASON_UNSUPPORTED)
                        facts_gap(facts, part, controls, NULL, error);
        }
        return whole;
}

const struct cluster_workload *
cluster_workload(const struct cluster *cluster, const char *kind, const char *namespace_, const char *name)
{
        struct cluster_workload wanted = {.kind = kind, .namespace_ = namespace_, .name = name};

        return cluster->workload_count == 0
                       ? NULL
                       : bsearch(&wanted, cluster->workloads, cluster->workload_count, sizeof wanted, workload_compare);
}

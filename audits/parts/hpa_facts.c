/* Horizontal autoscalers as facts: their metrics and conditions, what they scale, and who else scales it. */

#include "hpa_facts.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cluster.h"
#include "facts.h"
#include "json.h"
#include "keda.h"

struct collect {
        const struct cluster *cluster;
        const struct keda *keda;
        json_t *facts;
};

static json_t *
metric_json(const struct cluster_metric *metric, size_t index)
{
        json_t *row = json_object();

        json_put_whole(row, "index", (int64_t)index);
        json_put_text(row, "type", metric->type);
        json_put_text(row, "name", metric->name);
        if (*metric->container != '\0')
                json_put_text(row, "container", metric->container);
        json_put_text(row, "target", metric->target);
        json_put_real(row, "value", metric->value);
        return row;
}

static const struct cluster_condition *
condition_find(const struct cluster_autoscaler *hpa, const char *type)
{
        for (uint16_t i = 0; i < hpa->condition_count; i++) {
                if (strcmp(hpa->conditions[i].type, type) == 0)
                        return &hpa->conditions[i];
        }
        return NULL;
}

static json_t *
conditions_json(const struct cluster_autoscaler *hpa)
{
        static const char *const types[] = {"AbleToScale", "ScalingActive", "ScalingLimited"};
        json_t *row = json_object();

        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
                const struct cluster_condition *condition = condition_find(hpa, types[i]);
                if (condition == NULL)
                        continue;
                json_t *one = json_object();
                json_put_text(one, "status", condition->status);
                json_put_text(one, "reason", condition->reason);
                json_put_text(one, "message", condition->message);
                json_put(row, types[i], one);
        }
        return row;
}

/* True when a LimitRange of the namespace gives every container without one a CPU request (a limit becomes one). */
static bool
request_by_default(const struct cluster *cluster, const char *namespace_)
{
        for (size_t i = 0; i < cluster->limit_range_count; i++) {
                const struct cluster_limit_range *range = &cluster->limit_ranges[i];
                if (strcmp(range->namespace_, namespace_) == 0 &&
                    (!isnan(range->cpu_request_m) || !isnan(range->cpu_limit_m)))
                        return true;
        }
        return false;
}

/* What the target says of itself: is it there, which containers have no CPU request, what is a pod's request.  A kind
 * that was not read (a custom resource with a scale) says nothing. */
static void
target_put(const struct collect *c, const struct cluster_autoscaler *hpa, json_t *row)
{
        static const struct {
                const char *kind;
                enum cluster_list list;
        } kinds[] = {{"Deployment", CLUSTER_DEPLOYMENTS},
                     {"StatefulSet", CLUSTER_STATEFULSETS},
                     {"Rollout", CLUSTER_ROLLOUTS}};
        enum cluster_list list = 0;

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
                if (strcmp(kinds[i].kind, hpa->target_kind) == 0)
                        list = kinds[i].list;
        if (list == 0 ||
            (cluster_error(c->cluster, list) != NULL && cluster_error(c->cluster, list)->reason != REASON_UNSUPPORTED))
                return;
        const struct cluster_workload *workload = cluster_workload(c->cluster, hpa->target_kind, hpa->namespace_,
                                                                   hpa->target_name);
        json_put_flag(row, "target_found", workload != NULL);
        if (workload == NULL || workload->container_count == 0)
                return;
        json_t *without = json_array();
        bool given = request_by_default(c->cluster, hpa->namespace_);
        for (uint16_t i = 0; i < workload->container_count; i++) {
                const struct cluster_container *container = &workload->containers[i];
                if (!given && container->role != CLUSTER_INIT && isnan(container->cpu_request_m) &&
                    isnan(container->cpu_limit_m))
                        json_push(without, json_string(container->name));
        }
        json_put(row, "no_cpu_request", without);
        json_put_real(row, "cpu_request_m", workload->cpu_request_m);
        json_put_whole(row, "target_replicas", workload->replicas);
}

/* Scalers of KEDA that scale the same workload by an autoscaler of their own. */
static void
scalers_put(const struct collect *c, const struct cluster_autoscaler *hpa, json_t *row)
{
        json_t *names = json_array(), *scaler;
        size_t i;

        json_array_foreach(c->keda->scalers, i, scaler)
        {
                if (strcmp(json_text(scaler, "namespace", ""), hpa->namespace_) == 0 &&
                    strcmp(json_text(scaler, "kind", ""), "ScaledObject") == 0 &&
                    strcmp(json_text(scaler, "target_kind", ""), hpa->target_kind) == 0 &&
                    strcmp(json_text(scaler, "target_name", ""), hpa->target_name) == 0 &&
                    strcmp(json_text(scaler, "hpa", ""), hpa->name) != 0 &&
                    strcmp(hpa->owner_kind, "ScaledObject") != 0)
                        json_push(names, json_string(json_text(scaler, "name", "")));
        }
        if (json_array_size(names) > 0)
                json_put(row, "scalers", names);
        else
                json_decref(names);
}

static int
hpa_add(const struct collect *c, const struct cluster_autoscaler *hpa, json_t *list)
{
        json_t *row = json_push(list, json_object());
        json_t *metrics = json_array();

        if (row == NULL || metrics == NULL)
                return -1;
        json_put_text(row, "namespace", hpa->namespace_);
        json_put_text(row, "name", hpa->name);
        json_put_text(row, "target_kind", hpa->target_kind);
        json_put_text(row, "target_name", hpa->target_name);
        json_put_whole(row, "min", hpa->min);
        json_put_whole(row, "max", hpa->max);
        json_put_whole(row, "current", hpa->current);
        json_put_whole(row, "desired", hpa->desired);
        json_put_whole(row, "created_ms", hpa->created_ms);
        if (strcmp(hpa->owner_kind, "ScaledObject") == 0)
                json_put_text(row, "made_by", hpa->owner_name);
        for (uint16_t i = 0; i < hpa->metric_count; i++)
                json_push(metrics, metric_json(&hpa->metrics[i], i));
        json_put(row, "metrics", metrics);
        json_put(row, "conditions", conditions_json(hpa));
        target_put(c, hpa, row);
        scalers_put(c, hpa, row);
        return 0;
}

int
hpa_facts_read(struct session *session, json_t *facts, struct error *err)
{
        struct collect c = {.facts = facts};
        json_t *list = json_array();

        if (json_put(facts, "hpas", list) != 0)
                return error_memory(err, "hpa");
        c.cluster = cluster_read(session, CLUSTER_AUTOSCALERS | CLUSTER_WORKLOADS | CLUSTER_LIMIT_RANGES, err);
        c.keda = c.cluster != NULL ? keda_session(session, err) : NULL;
        if (c.keda == NULL)
                return -1;
        cluster_gap(c.cluster, CLUSTER_AUTOSCALERS, "hpas", "LAT-1", facts);
        cluster_gap(c.cluster, CLUSTER_WORKLOADS, "workloads", "LAT-1", facts);
        cluster_gap(c.cluster, CLUSTER_LIMIT_RANGES, "limit ranges", "LAT-1", facts);
        if (c.keda->error.reason != REASON_NONE && c.keda->error.reason != REASON_UNSUPPORTED)
                facts_gap(facts, "scalers", "LAT-1", NULL, &c.keda->error);
        json_put_text(facts, "version", c.cluster->autoscaler_version);
        for (size_t i = 0; i < c.cluster->autoscaler_count; i++) {
                if (c.cluster->autoscalers[i].deleted_ms == 0 && hpa_add(&c, &c.cluster->autoscalers[i], list) != 0)
                        return error_memory(err, "hpa");
        }
        return 0;
}

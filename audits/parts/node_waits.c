/* Pods that wait for a node and pods that were evicted from one, by workload; and how far the cluster may grow. */

#include "nodes_facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscaler_status.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

enum { GROUPS_MOST = 500, TEXT_LARGEST = 500 };

/* --- by workload -------------------------------------------------------------------------------------------------- */

struct groups {
        json_t *list;  /* rows */
        json_t *index; /* "kind/namespace/name" -> the row, borrowed by both */
        int64_t more;  /* rows past the most */
};

/* The row of a workload, made when it is not there; NULL past the most. */
static json_t *
group_row(struct groups *groups, const char *kind, const char *namespace_, const char *name)
{
        char key[800];

        snprintf(key, sizeof key, "%s/%s/%s", kind, namespace_, name);
        json_t *row = json_object_get(groups->index, key);
        if (row != NULL)
                return row;
        if (json_array_size(groups->list) == GROUPS_MOST) {
                groups->more++;
                return NULL;
        }
        row = json_push(groups->list, json_object());
        json_put_text(row, "kind", kind);
        json_put_text(row, "namespace", namespace_);
        json_put_text(row, "name", name);
        json_put_whole(row, "pods", 0);
        json_object_set(groups->index, key, row);
        return row;
}

static json_t *
pod_row(struct groups *groups, const struct cluster_pod *pod)
{
        bool bare = *pod->owner_kind == '\0';
        json_t *row = group_row(groups, bare ? "Pod" : pod->owner_kind, pod->namespace_,
                                bare ? pod->name : pod->owner_name);

        if (row != NULL)
                json_put_whole(row, "pods", json_whole(row, "pods", 0) + 1);
        return row;
}

static void
text_keep(json_t *row, const char *key, const char *text)
{
        size_t length = strlen(text);

        json_put_bytes(row, key, text, length < TEXT_LARGEST ? length : TEXT_LARGEST);
}

/* Why a pod that has its node does not start. */
static const char *
waiting_of(const struct cluster_pod *pod)
{
        for (uint16_t i = 0; i < pod->container_count; i++) {
                if (*pod->containers[i].waiting != '\0')
                        return pod->containers[i].waiting;
        }
        return "";
}

/* The words of the pod that waits longest stand for its workload. */
static void
pending_add(struct groups *groups, const struct cluster_pod *pod)
{
        json_t *row = pod_row(groups, pod);
        bool unscheduled = *pod->node == '\0';

        if (row == NULL)
                return;
        if (unscheduled)
                json_put_whole(row, "unscheduled", json_whole(row, "unscheduled", 0) + 1);
        int64_t since = json_whole(row, "since_ms", INT64_MAX);
        if (pod->created_ms == 0 || pod->created_ms >= since)
                return;
        json_put_whole(row, "since_ms", pod->created_ms);
        text_keep(row, "reason", unscheduled ? pod->unscheduled_reason : waiting_of(pod));
        text_keep(row, "message", unscheduled ? pod->unscheduled : "");
}

struct evictions {
        struct groups groups;
        json_t *pods; /* "namespace/name" of those whose object is still there */
};

static void
evicted_add(struct evictions *evictions, const struct cluster_pod *pod)
{
        char key[600];
        json_t *row = pod_row(&evictions->groups, pod);

        snprintf(key, sizeof key, "%s/%s", pod->namespace_, pod->name);
        json_put(evictions->pods, key, json_true());
        if (row == NULL || json_has(row, "message"))
                return;
        text_keep(row, "message", pod->message);
        text_keep(row, "node", pod->node);
}

/* An event of an eviction whose pod is gone already. */
static int
event_visit(void *context, const json_t *item)
{
        struct evictions *evictions = context;
        const json_t *object = json_map(item, "involvedObject");
        char key[600];

        if (strcmp(json_text(object, "kind", ""), "Pod") != 0)
                return 0;
        snprintf(key, sizeof key, "%s/%s", json_text(object, "namespace", ""), json_text(object, "name", ""));
        if (json_has(evictions->pods, key))
                return 0;
        json_t *row = group_row(&evictions->groups, "Pod", json_text(object, "namespace", ""),
                                json_text(object, "name", ""));
        if (row == NULL)
                return 0;
        json_put_whole(row, "pods", 1);
        json_put_flag(row, "gone", true);
        text_keep(row, "message", json_text(item, "message", ""));
        text_keep(row, "node", json_text(json_map(item, "source"), "host", ""));
        return 0;
}

static int
events_read(struct session *session, struct evictions *evictions, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct kubernetes_list list = {.group = "",
                                       .resource = "events",
                                       .versions = {"v1"},
                                       .query = "fieldSelector=reason%3DEvicted",
                                       .visit = event_visit,
                                       .context = evictions};

        if (kubernetes == NULL || kubernetes_lists(kubernetes, &list, 1, err) != 0)
                return -1;
        if (list.error.reason != REASON_NONE)
                facts_gap(facts, "events", "NOD-6", NULL, &list.error);
        return 0;
}

int
node_waits_read(struct session *session, const struct cluster *cluster, json_t *facts, struct error *err)
{
        struct groups pending = {.list = json_array(), .index = json_object()};
        struct evictions evictions = {.groups = {.list = json_array(), .index = json_object()}, .pods = json_object()};

        for (size_t i = 0; i < cluster->pod_count; i++) {
                const struct cluster_pod *pod = &cluster->pods[i];
                if (pod->deleted_ms == 0 && strcmp(pod->phase, "Pending") == 0)
                        pending_add(&pending, pod);
                else if (strcmp(pod->phase, "Failed") == 0 && strcmp(pod->reason, "Evicted") == 0)
                        evicted_add(&evictions, pod);
        }
        int result = events_read(session, &evictions, facts, err);
        if (json_put(facts, "pending", pending.list) != 0 || json_put(facts, "evicted", evictions.groups.list) != 0)
                result = error_memory(err, "pods");
        if (pending.more > 0)
                json_put_whole(facts, "pending_more", pending.more);
        if (evictions.groups.more > 0)
                json_put_whole(facts, "evicted_more", evictions.groups.more);
        json_decref(pending.index);
        json_decref(evictions.groups.index);
        json_decref(evictions.pods);
        return result;
}

/* --- how far it may grow ------------------------------------------------------------------------------------------ */

static int
nodepool_visit(void *context, const json_t *item)
{
        const json_t *limits = json_map(json_object_get(item, "spec"), "limits");
        const json_t *used = json_map(json_object_get(item, "status"), "resources");
        static const struct {
                const char *resource, *key;
                double factor;
        } rows[] = {{"cpu", "cpu_m", 1000}, {"memory", "memory", 1}, {"nodes", "nodes", 1}};
        json_t *row = json_push(context, json_object());
        char key[32];

        if (row == NULL)
                return -1;
        text_keep(row, "name", kubernetes_name(item));
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                double limit = rows[i].factor * kubernetes_quantity(json_object_get(limits, rows[i].resource));
                double now = rows[i].factor * kubernetes_quantity(json_object_get(used, rows[i].resource));
                snprintf(key, sizeof key, "limit_%s", rows[i].key);
                if (!isnan(limit))
                        json_put_real(row, key, limit);
                if (!isnan(now))
                        json_put_real(row, rows[i].key, now);
        }
        return 0;
}

static int
karpenter_read(struct kubernetes *kubernetes, json_t *facts, struct error *err)
{
        scoped_json pools = json_array();
        struct kubernetes_list list = {.group = "karpenter.sh",
                                       .resource = "nodepools",
                                       .versions = {"v1", "v1beta1"},
                                       .product = "Karpenter",
                                       .cluster_scoped = true,
                                       .visit = nodepool_visit,
                                       .context = pools};

        if (pools == NULL)
                return error_memory(err, "node pools");
        if (kubernetes_lists(kubernetes, &list, 1, err) != 0)
                return -1;
        if (list.error.reason == REASON_UNSUPPORTED)
                return 0;
        if (list.error.reason != REASON_NONE)
                facts_gap(facts, "nodepools", "NOD-1", NULL, &list.error);
        return json_put(facts, "karpenter", scope_keep(pools)) == 0 ? 0 : error_memory(err, "node pools");
}

int
node_limits_read(struct session *session, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_json map = NULL;
        json_t *status = NULL;
        struct error why = {0};

        if (kubernetes == NULL)
                return -1;
        if (kubernetes_get(kubernetes, "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status", &map,
                           &why) == 0) {
                if (autoscaler_status_read(json_text(json_object_get(map, "data"), "status", ""), &status, &why) == 0)
                        json_put(facts, "autoscaler", status);
                else
                        facts_gap(facts, "autoscaler", "NOD-1", NULL, &why);
        } else if (why.reason == REASON_DENIED) {
                error_remedy(&why, "add to the ClusterRole of rounds: {apiGroups: [\"\"], resources: [\"configmaps\"], "
                                   "resourceNames: [\"cluster-autoscaler-status\"], verbs: [\"get\"]}");
                facts_gap(facts, "autoscaler", "NOD-1", NULL, &why);
        } else if (why.reason != REASON_UNSUPPORTED) {
                facts_gap(facts, "autoscaler", "NOD-1", NULL, &why);
        }
        return karpenter_read(kubernetes, facts, err);
}

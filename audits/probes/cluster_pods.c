/* Pods of a cluster reduced to rows, and whose they are. */

#include "cluster_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

/* --- containers --------------------------------------------------------------------------------------------------- */

static void
status_read(struct intern *texts, const json_t *status, struct cluster_container *row)
{
        const json_t *state = json_object_get(status, "state");
        const json_t *ended = json_map(state, "terminated"),
                     *last = json_map(json_object_get(status, "lastState"), "terminated");

        row->image_id = intern_text(texts, json_text(status, "imageID", ""));
        row->restarts = (int32_t)json_whole(status, "restartCount", -1);
        row->ready = json_flag(status, "ready", false);
        row->waiting = intern_text(texts, json_text(json_object_get(state, "waiting"), "reason", ""));
        row->completed = ended != NULL && json_whole(ended, "exitCode", -1) == 0;
        const json_t *newest = ended != NULL ? ended : last;
        row->last_reason = intern_text(texts, json_text(newest, "reason", ""));
        row->exit_code = (int32_t)json_whole(newest, "exitCode", -1);
        row->last_finished_ms = moment_of(newest, "finishedAt");
}

static void
container_read(struct intern *texts, const json_t *container, const json_t *status, bool init,
               struct cluster_container *row)
{
        const json_t *resources = json_object_get(container, "resources");
        const json_t *requests = json_object_get(resources, "requests"), *limits = json_object_get(resources, "limits");
        const char *name = json_text(container, "name", "");
        bool sidecar = init && strcmp(json_text(container, "restartPolicy", ""), "Always") == 0;

        row->name = intern_text(texts, name);
        row->image = intern_text(texts, json_text(container, "image", ""));
        row->cpu_request_m = (float)(1000 * kubernetes_quantity(json_object_get(requests, "cpu")));
        row->cpu_limit_m = (float)(1000 * kubernetes_quantity(json_object_get(limits, "cpu")));
        row->memory_request = kubernetes_quantity(json_object_get(requests, "memory"));
        row->memory_limit = kubernetes_quantity(json_object_get(limits, "memory"));
        row->role = sidecar ? CLUSTER_SIDECAR : init ? CLUSTER_INIT : CLUSTER_APP;
        row->startup_probe = json_map(container, "startupProbe") != NULL;
        status_read(texts,
                    json_find(json_list(status, init ? "initContainerStatuses" : "containerStatuses"), "name", name),
                    row);
}

const struct cluster_container *
containers_read(struct intern *texts, const json_t *spec, const json_t *status, uint16_t *count)
{
        const json_t *inits = json_list(spec, "initContainers"), *apps = json_list(spec, "containers");
        size_t total = json_array_size(inits) + json_array_size(apps), i, used = 0;
        json_t *one;

        *count = 0;
        if (total == 0 || total > UINT16_MAX)
                return NULL;
        struct cluster_container *rows = intern_array(texts, total, sizeof *rows);
        if (rows == NULL)
                return NULL;
        json_array_foreach((json_t *)inits, i, one) container_read(texts, one, status, true, &rows[used++]);
        json_array_foreach((json_t *)apps, i, one) container_read(texts, one, status, false, &rows[used++]);
        *count = (uint16_t)total;
        return rows;
}

static double
known(double value)
{
        return isnan(value) ? 0 : value;
}

/* What is asked for at the worst moment: init containers run one after the other beside the sidecars started before
 * them, then all containers and sidecars run together.  A request that is not stated counts as its limit.
 * Source: KEP-753, "Resources calculation for scheduling and pod admission"; pod-level resources: KEP-2837. */
void
request_read(const json_t *spec, const struct cluster_container *containers, uint16_t count, float *cpu_m,
             double *memory)
{
        double sidecars[2] = {0}, peak[2] = {0}, apps[2] = {0};
        const json_t *overhead = json_object_get(spec, "overhead");
        const json_t *whole = json_at(spec, "resources", "requests", NULL);
        const char *const names[2] = {"cpu", "memory"};
        const double factors[2] = {1000, 1};
        double total[2];

        for (uint16_t i = 0; i < count; i++) {
                const struct cluster_container *c = &containers[i];
                double asked[2] = {known(isnan(c->cpu_request_m) ? c->cpu_limit_m : c->cpu_request_m),
                                   known(isnan(c->memory_request) ? c->memory_limit : c->memory_request)};
                for (int r = 0; r < 2; r++) {
                        if (c->role == CLUSTER_APP)
                                apps[r] += asked[r];
                        else if (c->role == CLUSTER_SIDECAR)
                                sidecars[r] += asked[r];
                        if (c->role != CLUSTER_APP)
                                peak[r] = fmax(peak[r], sidecars[r] + (c->role == CLUSTER_INIT ? asked[r] : 0));
                }
        }
        for (int r = 0; r < 2; r++) {
                double stated = factors[r] * kubernetes_quantity(json_object_get(whole, names[r]));
                total[r] = isnan(stated) ? fmax(peak[r], apps[r] + sidecars[r]) : stated;
                total[r] += known(factors[r] * kubernetes_quantity(json_object_get(overhead, names[r])));
        }
        *cpu_m = (float)total[0];
        *memory = total[1];
}

/* --- where a pod may go ------------------------------------------------------------------------------------------- */

/* The two that the API server gives to every pod: NoExecute for 300 s, on nodes that are lost anyway. */
static bool
toleration_is_default(const json_t *toleration)
{
        const char *key = json_text(toleration, "key", "");

        return strcmp(json_text(toleration, "operator", ""), "Exists") == 0 &&
               strcmp(json_text(toleration, "effect", ""), "NoExecute") == 0 &&
               json_has(toleration, "tolerationSeconds") &&
               (strcmp(key, "node.kubernetes.io/not-ready") == 0 || strcmp(key, "node.kubernetes.io/unreachable") == 0);
}

const char *
placement_read(struct intern *texts, const json_t *spec)
{
        static const char *const fields[] = {"nodeSelector", "affinity", "topologySpreadConstraints"};
        scoped_json placement = NULL;
        scoped_json tolerations = NULL;
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(spec, "tolerations"), i, one)
        {
                if (toleration_is_default(one))
                        continue;
                if (tolerations == NULL)
                        tolerations = json_array();
                json_array_append(tolerations, one);
        }
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
                json_t *value = json_object_get(spec, fields[f]);
                if ((json_is_object(value) && json_object_size(value) > 0) || json_array_size(value) > 0) {
                        if (placement == NULL)
                                placement = json_object();
                        json_object_set(placement, fields[f], value);
                }
        }
        if (tolerations != NULL) {
                if (placement == NULL)
                        placement = json_object();
                json_object_set(placement, "tolerations", tolerations);
        }
        return intern_json(texts, placement);
}

/* --- a pod -------------------------------------------------------------------------------------------------------- */

static void
conditions_read(struct intern *texts, const json_t *status, struct cluster_pod *pod)
{
        size_t i;
        json_t *condition;

        json_array_foreach((json_t *)json_list(status, "conditions"), i, condition)
        {
                const char *type = json_text(condition, "type", ""), *state = json_text(condition, "status", "");
                if (strcmp(type, "Ready") == 0) {
                        pod->ready = strcmp(state, "True") == 0;
                } else if (strcmp(type, "PodScheduled") == 0 && strcmp(state, "False") == 0) {
                        pod->unscheduled_reason = intern_text(texts, json_text(condition, "reason", ""));
                        pod->unscheduled = intern_text(texts, json_text(condition, "message", ""));
                }
        }
}

int
pod_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *metadata = json_object_get(item, "metadata"), *spec = json_object_get(item, "spec");
        const json_t *status = json_object_get(item, "status");
        bool in_scope = kubernetes_in_scope(snapshot->kubernetes, kubernetes_namespace(item));
        struct cluster_pod *pod = in_scope ? rows_add((void **)&cluster->pods, &cluster->pod_count, sizeof *pod)
                                           : rows_add((void **)&cluster->other_pods, &cluster->other_pod_count,
                                                      sizeof *pod);

        if (pod == NULL)
                return -1;
        *pod = (struct cluster_pod){
                .namespace_ = intern_text(texts, kubernetes_namespace(item)),
                .name = intern_copy(texts, kubernetes_name(item)),
                .node = intern_text(texts, json_text(spec, "nodeName", "")),
                .phase = intern_text(texts, json_text(status, "phase", "")),
                .reason = intern_text(texts, json_text(status, "reason", "")),
                .message = intern_text(texts, json_text(status, "message", "")),
                .unscheduled_reason = "",
                .unscheduled = "",
                .qos = intern_text(texts, json_text(status, "qosClass", "")),
                .priority_class = intern_text(texts, json_text(spec, "priorityClassName", "")),
                .labels_json = intern_json(texts, json_map(metadata, "labels")),
                .placement_json = placement_read(texts, spec),
                .priority = (int32_t)json_whole(spec, "priority", 0),
                .created_ms = moment_of(metadata, "creationTimestamp"),
                .deleted_ms = moment_of(metadata, "deletionTimestamp"),
                .started_ms = moment_of(status, "startTime"),
                .mirror = json_has(json_object_get(metadata, "annotations"), "kubernetes.io/config.mirror"),
        };
        owner_read(texts, item, &pod->owner_kind, &pod->owner_name);
        conditions_read(texts, status, pod);
        pod->containers = containers_read(texts, spec, status, &pod->container_count);
        request_read(spec, pod->containers, pod->container_count, &pod->cpu_request_m, &pod->memory_request);
        return intern_failed(texts) ? -1 : 0;
}

/* --- whose a pod is ----------------------------------------------------------------------------------------------- */

static int
owned_compare(const void *one, const void *other)
{
        const struct owned *a = one, *b = other;
        int order = strcmp(a->namespace_, b->namespace_);

        if (order == 0)
                order = strcmp(a->name, b->name);
        return order != 0 ? order : strcmp(a->kind, b->kind);
}

static int
owned_add(struct snapshot *snapshot, const json_t *item, const char *kind)
{
        struct owned *row = rows_add((void **)&snapshot->owned, &snapshot->owned_count, sizeof *row);

        if (row == NULL)
                return -1;
        row->kind = kind;
        row->namespace_ = intern_text(snapshot->texts, kubernetes_namespace(item));
        row->name = intern_text(snapshot->texts, kubernetes_name(item));
        owner_read(snapshot->texts, item, &row->owner_kind, &row->owner_name);
        return intern_failed(snapshot->texts) ? -1 : 0;
}

int
replicaset_visit(void *context, const json_t *item)
{
        return owned_add(context, item, "ReplicaSet");
}

/* Where ReplicaSets may not be listed: the Deployment controller names a ReplicaSet after itself and the template's
 * hash, which its pods carry as a label; Argo Rollouts does the same with a label of its own. */
static void
owner_guess(struct intern *texts, struct cluster_pod *pod)
{
        static const struct {
                const char *label, *kind;
        } rows[] = {{"rollouts-pod-template-hash", "Rollout"}, {"pod-template-hash", "Deployment"}};
        scoped_json labels = json_loads(pod->labels_json, 0, NULL);
        size_t length = strlen(pod->owner_name);

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const char *hash = json_text(labels, rows[i].label, "");
                size_t tail = strlen(hash);
                if (tail == 0 || length <= tail + 1 || strcmp(pod->owner_name + length - tail, hash) != 0 ||
                    pod->owner_name[length - tail - 1] != '-')
                        continue;
                scoped_string name = strndup(pod->owner_name, length - tail - 1);
                pod->owner_kind = rows[i].kind;
                pod->owner_name = intern_text(texts, name);
                return;
        }
}

void
owners_resolve(struct snapshot *snapshot)
{
        struct cluster *cluster = &snapshot->cluster;

        if (snapshot->owned_count > 1)
                qsort(snapshot->owned, snapshot->owned_count, sizeof *snapshot->owned, owned_compare);
        for (size_t i = 0; i < cluster->pod_count; i++) {
                struct cluster_pod *pod = &cluster->pods[i];
                bool set = strcmp(pod->owner_kind, "ReplicaSet") == 0;
                if (!set && strcmp(pod->owner_kind, "Job") != 0)
                        continue;
                struct owned wanted = {.namespace_ = pod->namespace_, .kind = pod->owner_kind, .name = pod->owner_name};
                const struct owned *found = snapshot->owned_count == 0
                                                    ? NULL
                                                    : bsearch(&wanted, snapshot->owned, snapshot->owned_count,
                                                              sizeof wanted, owned_compare);
                if (found != NULL && *found->owner_kind != '\0') {
                        pod->owner_kind = found->owner_kind;
                        pod->owner_name = found->owner_name;
                } else if (found == NULL && set) {
                        owner_guess(snapshot->texts, pod);
                }
        }
}

int
job_visit(void *context, const json_t *item)
{
        struct snapshot *snapshot = context;
        struct cluster *cluster = &snapshot->cluster;
        struct intern *texts = snapshot->texts;
        const json_t *spec = json_object_get(item, "spec"), *status = json_object_get(item, "status");
        const char *kind, *owner;
        size_t i;
        json_t *condition;
        struct cluster_job *job = rows_add((void **)&cluster->jobs, &cluster->job_count, sizeof *job);

        if (job == NULL || owned_add(snapshot, item, "Job") != 0)
                return -1;
        owner_read(texts, item, &kind, &owner);
        *job = (struct cluster_job){
                .namespace_ = intern_text(texts, kubernetes_namespace(item)),
                .name = intern_text(texts, kubernetes_name(item)),
                .owner = strcmp(kind, "CronJob") == 0 ? owner : "",
                .created_ms = created_of(item),
                .deleted_ms = deleted_of(item),
                .started_ms = moment_of(status, "startTime"),
                .finished_ms = moment_of(status, "completionTime"),
                .scheduled_ms = moment_of(json_at(item, "metadata", "annotations", NULL),
                                          "batch.kubernetes.io/cronjob-scheduled-timestamp"),
                .active = (int32_t)json_whole(status, "active", 0),
                .succeeded = (int32_t)json_whole(status, "succeeded", 0),
                .failed = (int32_t)json_whole(status, "failed", 0),
                .outcome = "",
                .reason = "",
                .active_deadline_s = json_whole(spec, "activeDeadlineSeconds", -1),
                .backoff_limit = (int32_t)json_whole(spec, "backoffLimit", 6),
                .ttl_after_finished_s = json_whole(spec, "ttlSecondsAfterFinished", -1),
        };
        json_array_foreach((json_t *)json_list(status, "conditions"), i, condition)
        {
                const char *type = json_text(condition, "type", "");
                if (strcmp(json_text(condition, "status", ""), "True") != 0 ||
                    (strcmp(type, "Complete") != 0 && strcmp(type, "Failed") != 0 && strcmp(type, "Suspended") != 0))
                        continue;
                job->outcome = intern_text(texts, type);
                job->reason = intern_text(texts, json_text(condition, "reason", ""));
                if (job->finished_ms == 0 && strcmp(type, "Suspended") != 0)
                        job->finished_ms = moment_of(condition, "lastTransitionTime");
        }
        return intern_failed(texts) ? -1 : 0;
}

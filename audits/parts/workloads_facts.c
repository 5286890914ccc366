/* Workloads as facts: bounds of their containers, what warms them up, and which disruption budgets select them. */

#include "workloads_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "cluster.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "scope.h"

enum { ROWS_MOST = 50000, BUDGETS_MOST = 20000, COVERS_MOST = 20, CONTAINERS_MOST = 100 };

/* Whatever has pods: a workload, a CronJob, another owner of pods, or a bare pod. */
struct subject {
        const char *kind, *namespace_, *name;
        const char *labels_json; /* of its pods */
        json_t *labels;          /* owned; parsed when first asked for */
        json_t *row;             /* borrowed from the facts */
        int64_t replicas, least;
        const char *autoscaler;
};

struct reading {
        const struct cluster *cluster;
        struct subject *subjects; /* owned; the cluster's workloads first, in their order */
        size_t count, room;
        bool capped;
};

static void
reading_free(struct reading *reading)
{
        for (size_t i = 0; i < reading->count; i++)
                json_decref(reading->subjects[i].labels);
        free(reading->subjects);
}

/* --- containers --------------------------------------------------------------------------------------------------- */

static const char *
role_name(const struct cluster_container *container)
{
        static const char *const names[] = {"app", "init", "sidecar"};

        return container->role < sizeof names / sizeof names[0] ? names[container->role] : "app";
}

/* What LimitRanges of the namespace give to a container that says nothing; several are laid over each other. */
static struct cluster_limit_range
defaults_of(const struct cluster *cluster, const char *namespace_)
{
        struct cluster_limit_range sum = {
                .memory_request = NAN, .memory_limit = NAN, .cpu_request_m = NAN, .cpu_limit_m = NAN};

        for (size_t i = 0; i < cluster->limit_range_count; i++) {
                const struct cluster_limit_range *one = &cluster->limit_ranges[i];
                if (strcmp(one->namespace_, namespace_) != 0)
                        continue;
                sum.memory_request = isnan(sum.memory_request) ? one->memory_request : sum.memory_request;
                sum.memory_limit = isnan(sum.memory_limit) ? one->memory_limit : sum.memory_limit;
                sum.cpu_request_m = isnan(sum.cpu_request_m) ? one->cpu_request_m : sum.cpu_request_m;
                sum.cpu_limit_m = isnan(sum.cpu_limit_m) ? one->cpu_limit_m : sum.cpu_limit_m;
        }
        return sum;
}

/* A limit stands for a request that is not stated: the API server makes it one. */
static void
bounds_put(json_t *unbounded, const struct cluster_container *container, const struct cluster_limit_range *given)
{
        bool cpu_limit = !isnan(container->cpu_limit_m) || !isnan(given->cpu_limit_m);
        bool memory_limit = !isnan(container->memory_limit) || !isnan(given->memory_limit);
        bool cpu = cpu_limit || !isnan(container->cpu_request_m) || !isnan(given->cpu_request_m);
        bool memory = memory_limit || !isnan(container->memory_request) || !isnan(given->memory_request);

        if (cpu && cpu_limit && memory && memory_limit)
                return;
        json_t *row = json_push(unbounded, json_object()), *lacks = json_array();
        if (!cpu)
                json_push(lacks, json_string("CPU request"));
        if (!cpu_limit)
                json_push(lacks, json_string("CPU limit"));
        if (!memory)
                json_push(lacks, json_string("memory request"));
        if (!memory_limit)
                json_push(lacks, json_string("memory limit"));
        json_put_text(row, "name", container->name);
        json_put_text(row, "role", role_name(container));
        json_put(row, "lacks", lacks);
}

static void
warm_put(json_t *warm, const struct cluster_container *container)
{
        if (container->role == CLUSTER_APP && !container->startup_probe)
                return;
        json_t *row = json_push(warm, json_object());
        json_put_text(row, "name", container->name);
        json_put_text(row, "role", role_name(container));
        json_put_flag(row, "startup", container->startup_probe);
        json_put_whole(row, "done", 0);
        json_put_whole(row, "untold", 0);
}

static void
put_unless_empty(json_t *row, const char *key, json_t *list)
{
        if (json_array_size(list) > 0)
                json_put(row, key, list);
        else
                json_decref(list);
}

static void
containers_put(const struct reading *reading, json_t *row, const struct cluster_container *containers, size_t count,
               const char *namespace_, bool template)
{
        static const struct cluster_limit_range none = {
                .memory_request = NAN, .memory_limit = NAN, .cpu_request_m = NAN, .cpu_limit_m = NAN};
        struct cluster_limit_range given = template ? defaults_of(reading->cluster, namespace_) : none;
        json_t *unbounded = json_array(), *warm = json_array();

        for (size_t i = 0; i < count && i < CONTAINERS_MOST; i++) {
                bounds_put(unbounded, &containers[i], &given);
                warm_put(warm, &containers[i]);
        }
        json_put_whole(row, "containers", (int64_t)count);
        put_unless_empty(row, "unbounded", unbounded);
        put_unless_empty(row, "warm", warm);
}

/* --- subjects ----------------------------------------------------------------------------------------------------- */

static struct subject *
subject_add(struct reading *reading, json_t *list, const char *kind, const char *namespace_, const char *name,
            const char *labels_json)
{
        if (reading->count >= ROWS_MOST) {
                reading->capped = true;
                return NULL;
        }
        if (reading->count == reading->room) {
                size_t room = reading->room > 0 ? reading->room * 2 : 256;
                struct subject *grown = reallocarray(reading->subjects, room, sizeof *grown);
                if (grown == NULL)
                        return NULL;
                reading->subjects = grown;
                reading->room = room;
        }
        struct subject *subject = &reading->subjects[reading->count];
        *subject = (struct subject){.kind = kind,
                                    .namespace_ = namespace_,
                                    .name = name,
                                    .labels_json = labels_json,
                                    .row = json_push(list, json_object()),
                                    .autoscaler = ""};
        if (subject->row == NULL)
                return NULL;
        json_put_text(subject->row, "kind", kind);
        json_put_text(subject->row, "namespace", namespace_);
        json_put_text(subject->row, "name", name);
        reading->count++;
        return subject;
}

/* "app=api,tier=web", as kubectl takes it; nothing where expressions are in it. */
static void
selector_put(json_t *row, const char *selector_json)
{
        scoped_json selector = *selector_json != '\0' ? json_loads(selector_json, 0, NULL) : NULL;
        scoped_buffer text = BUFFER_INIT(1024);
        const char *key;
        json_t *value;

        if (json_array_size(json_list(selector, "matchExpressions")) > 0)
                return;
        json_object_foreach((json_t *)json_map(selector, "matchLabels"), key, value)
                buffer_format(&text, "%s%s=%s", text.length > 0 ? "," : "", key,
                              json_is_string(value) ? json_string_value(value) : "");
        if (text.length > 0 && !text.failed)
                json_put_text(row, "selector", text.data);
}

static int
workload_add(struct reading *reading, json_t *list, const struct cluster_workload *workload)
{
        struct subject *subject = subject_add(reading, list, workload->kind, workload->namespace_, workload->name,
                                              workload->pod_labels_json);

        if (subject == NULL)
                return reading->capped ? 0 : -1;
        subject->replicas = subject->least = workload->replicas;
        json_put_whole(subject->row, "replicas", workload->replicas);
        json_put_whole(subject->row, "ready", workload->ready);
        json_put_real(subject->row, "cpu_request_m", workload->cpu_request_m);
        json_put_real(subject->row, "memory_request", workload->memory_request);
        json_put_whole(subject->row, "running", 0);
        if (workload->deleted_ms > 0)
                json_put_flag(subject->row, "deleted", true);
        selector_put(subject->row, workload->selector_json);
        containers_put(reading, subject->row, workload->containers, workload->container_count, workload->namespace_,
                       true);
        return 0;
}

static int
cronjob_add(struct reading *reading, json_t *list, const struct cluster_cronjob *cronjob)
{
        struct subject *subject = subject_add(reading, list, "CronJob", cronjob->namespace_, cronjob->name, "");

        if (subject == NULL)
                return reading->capped ? 0 : -1;
        if (cronjob->deleted_ms > 0)
                json_put_flag(subject->row, "deleted", true);
        containers_put(reading, subject->row, cronjob->containers, cronjob->container_count, cronjob->namespace_, true);
        return 0;
}

/* The autoscaler's minimum is what a budget has to live with. */
static void
autoscalers_note(struct reading *reading)
{
        const struct cluster *cluster = reading->cluster;

        for (size_t i = 0; i < cluster->autoscaler_count; i++) {
                const struct cluster_autoscaler *hpa = &cluster->autoscalers[i];
                const struct cluster_workload *workload = cluster_workload(cluster, hpa->target_kind, hpa->namespace_,
                                                                           hpa->target_name);
                size_t at = workload != NULL ? (size_t)(workload - cluster->workloads) : reading->count;
                if (at >= reading->count || hpa->deleted_ms > 0 || hpa->min < 0)
                        continue;
                reading->subjects[at].least = hpa->min;
                reading->subjects[at].autoscaler = hpa->name;
                json_put_text(reading->subjects[at].row, "autoscaler", hpa->name);
        }
}

/* --- pods --------------------------------------------------------------------------------------------------------- */

static void
count_up(json_t *row, const char *key)
{
        json_put_whole(row, key, json_whole(row, key, 0) + 1);
}

static const struct cluster_container *
container_find(const struct cluster_pod *pod, const char *name)
{
        for (uint16_t i = 0; i < pod->container_count; i++) {
                if (strcmp(pod->containers[i].name, name) == 0)
                        return &pod->containers[i];
        }
        return NULL;
}

/* What one running pod says of each container that may warm it up.  A pod that was made before the container was
 * written into the template has not been warmed. */
static void
pod_warm_note(const struct subject *subject, const struct cluster_pod *pod)
{
        size_t i;
        json_t *warm;

        count_up(subject->row, "running");
        json_array_foreach((json_t *)json_list(subject->row, "warm"), i, warm)
        {
                const struct cluster_container *container = container_find(pod, json_text(warm, "name", ""));
                if (container == NULL)
                        continue;
                if (container->role == CLUSTER_INIT ? container->completed : container->ready)
                        count_up(warm, "done");
                else if (container->role != CLUSTER_APP && container->restarts < 0)
                        count_up(warm, "untold");
        }
}

static bool
pod_lives(const struct cluster_pod *pod)
{
        return pod->deleted_ms == 0 && !pod->mirror && strcmp(pod->phase, "Failed") != 0 &&
               strcmp(pod->phase, "Succeeded") != 0;
}

static int
other_compare(const void *a, const void *b)
{
        const struct cluster_pod *x = *(const struct cluster_pod *const *)a, *y = *(const struct cluster_pod *const *)b;
        int order = strcmp(x->namespace_, y->namespace_);

        order = order != 0 ? order : strcmp(x->owner_kind, y->owner_kind);
        order = order != 0 ? order : strcmp(x->owner_name, y->owner_name);
        return order != 0 ? order : strcmp(x->name, y->name);
}

static int
others_add(struct reading *reading, json_t *list, const struct cluster_pod **others, size_t count)
{
        struct subject *subject = NULL;

        qsort(others, count, sizeof others[0], other_compare);
        for (size_t i = 0; i < count; i++) {
                const struct cluster_pod *pod = others[i], *before = i > 0 ? others[i - 1] : NULL;
                bool bare = *pod->owner_kind == '\0';
                if (before == NULL || subject == NULL || bare || strcmp(before->namespace_, pod->namespace_) != 0 ||
                    strcmp(before->owner_kind, pod->owner_kind) != 0 ||
                    strcmp(before->owner_name, pod->owner_name) != 0) {
                        subject = subject_add(reading, list, bare ? "Pod" : pod->owner_kind, pod->namespace_,
                                              bare ? pod->name : pod->owner_name, pod->labels_json);
                        if (subject == NULL)
                                return reading->capped ? 0 : -1;
                        containers_put(reading, subject->row, pod->containers, pod->container_count, pod->namespace_,
                                       false);
                }
                subject->replicas++;
                subject->least = subject->replicas;
                json_put_whole(subject->row, "replicas", subject->replicas);
                if (strcmp(pod->phase, "Running") == 0)
                        pod_warm_note(subject, pod);
        }
        return 0;
}

static int
pods_note(struct reading *reading, json_t *list)
{
        const struct cluster *cluster = reading->cluster;
        const struct cluster_pod **others = calloc(cluster->pod_count + 1, sizeof others[0]);
        size_t count = 0;

        if (others == NULL)
                return -1;
        for (size_t i = 0; i < cluster->pod_count; i++) {
                const struct cluster_pod *pod = &cluster->pods[i];
                const struct cluster_workload *workload = cluster_workload(cluster, pod->owner_kind, pod->namespace_,
                                                                           pod->owner_name);
                size_t at = workload != NULL ? (size_t)(workload - cluster->workloads) : reading->count;
                if (!pod_lives(pod) || strcmp(pod->owner_kind, "CronJob") == 0)
                        continue;
                if (workload == NULL)
                        others[count++] = pod;
                else if (at < reading->count && strcmp(pod->phase, "Running") == 0)
                        pod_warm_note(&reading->subjects[at], pod);
        }
        int result = others_add(reading, list, others, count);
        free(others);
        return result;
}

/* --- disruption budgets ------------------------------------------------------------------------------------------- */

static int
subject_compare(const void *a, const void *b)
{
        return strcmp(((const struct subject *)a)->namespace_, ((const struct subject *)b)->namespace_);
}

static void
cover_note(struct subject *subject, const char *budget, json_t *covers)
{
        json_t *names = json_object_get(subject->row, "budgets");

        if (names == NULL) {
                names = json_array();
                json_put(subject->row, "budgets", names);
        }
        if (json_array_size(names) < COVERS_MOST)
                json_push(names, json_string(budget));
        if (json_array_size(covers) >= COVERS_MOST)
                return;
        json_t *cover = json_push(covers, json_object());
        json_put_text(cover, "kind", subject->kind);
        json_put_text(cover, "name", subject->name);
        json_put_whole(cover, "replicas", subject->replicas);
        json_put_whole(cover, "least", subject->least);
        if (*subject->autoscaler != '\0')
                json_put_text(cover, "autoscaler", subject->autoscaler);
}

static int
budget_add(struct reading *reading, const struct cluster_budget *budget, size_t first, json_t *list)
{
        json_t *row = json_push(list, json_object()), *covers = json_array();
        scoped_json selector = *budget->selector_json != '\0' ? json_loads(budget->selector_json, 0, NULL) : NULL;

        if (row == NULL || json_put_text(row, "namespace", budget->namespace_) != 0)
                return json_decref(covers), -1;
        json_put_text(row, "name", budget->name);
        json_put_text(row, "min_available", budget->min_available);
        json_put_text(row, "max_unavailable", budget->max_unavailable);
        json_put_whole(row, "allowed", budget->allowed);
        json_put_whole(row, "healthy", budget->healthy);
        json_put_whole(row, "expected", budget->expected);
        json_put_text(row, "reason", budget->reason);
        for (size_t i = first; i < reading->count; i++) {
                struct subject *subject = &reading->subjects[i];
                if (strcmp(subject->namespace_, budget->namespace_) != 0)
                        break;
                if (subject->labels == NULL && *subject->labels_json != '\0')
                        subject->labels = json_loads(subject->labels_json, 0, NULL);
                if (strcmp(subject->kind, "CronJob") != 0 && kubernetes_selects(selector, subject->labels))
                        cover_note(subject, budget->name, covers);
        }
        return json_put(row, "covers", covers);
}

/* Sorts the subjects by namespace: nothing may look them up by the cluster's order any more. */
static int
budgets_read(struct reading *reading, json_t *list)
{
        const struct cluster *cluster = reading->cluster;
        size_t first = 0;

        if (reading->count > 0)
                qsort(reading->subjects, reading->count, sizeof reading->subjects[0], subject_compare);
        for (size_t i = 0; i < cluster->budget_count && i < BUDGETS_MOST; i++) {
                const struct cluster_budget *budget = &cluster->budgets[i];
                while (first < reading->count && strcmp(reading->subjects[first].namespace_, budget->namespace_) < 0)
                        first++;
                if (budget->deleted_ms == 0 && budget_add(reading, budget, first, list) != 0)
                        return -1;
        }
        return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int
reading_fill(struct reading *reading, json_t *workloads, json_t *budgets)
{
        const struct cluster *cluster = reading->cluster;

        for (size_t i = 0; i < cluster->workload_count; i++) {
                if (workload_add(reading, workloads, &cluster->workloads[i]) != 0)
                        return -1;
        }
        for (size_t i = 0; i < cluster->cronjob_count; i++) {
                if (cronjob_add(reading, workloads, &cluster->cronjobs[i]) != 0)
                        return -1;
        }
        autoscalers_note(reading);
        return pods_note(reading, workloads) == 0 ? budgets_read(reading, budgets) : -1;
}

int
workloads_facts_read(struct session *session, json_t *facts, struct error *err)
{
        static const struct {
                enum cluster_list list;
                const char *part, *controls;
        } lists[] = {{CLUSTER_WORKLOADS, "workloads", "NOD-2,NOD-3,LAT-5"},
                     {CLUSTER_CRONJOBS, "cronjobs", "NOD-3"},
                     {CLUSTER_PODS, "pods", "NOD-3,LAT-5"},
                     {CLUSTER_LIMIT_RANGES, "limit ranges", "NOD-3"},
                     {CLUSTER_BUDGETS, "budgets", "NOD-2"},
                     {CLUSTER_AUTOSCALERS, "autoscalers", "NOD-2"}};
        struct reading reading = {0};
        json_t *workloads = json_array(), *budgets = json_array();
        unsigned wanted = 0;

        if (json_put(facts, "workloads", workloads) != 0 || json_put(facts, "budgets", budgets) != 0)
                return error_memory(err, "workloads");
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
                wanted |= lists[i].list;
        reading.cluster = cluster_read(session, wanted, err);
        if (reading.cluster == NULL)
                return -1;
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
                cluster_gap(reading.cluster, lists[i].list, lists[i].part, lists[i].controls, facts);
        int result = reading_fill(&reading, workloads, budgets);
        if (result == 0 && (reading.capped || reading.cluster->budget_count > BUDGETS_MOST)) {
                struct error most = {0};
                error_set(&most, REASON_TOO_LITTLE_DATA, "more than %d workloads or %d budgets: the rest was not read",
                          ROWS_MOST, BUDGETS_MOST);
                facts_gap(facts, "workloads", "NOD-2,NOD-3,LAT-5", NULL, &most);
        }
        reading_free(&reading);
        return result == 0 ? 0 : error_memory(err, "workloads");
}

/* Steps and weights of releases: Argo Rollouts, Flagger, Gateway API. */

#include "canary_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

enum { CANARIES, ROUTES, SERVICES, LISTS };
enum { ROWS_MOST = 20000, STEPS_MOST = 200, BACKENDS_MOST = 50 };

struct reading {
        json_t *releases, *routes;
        json_t *selectors; /* "namespace/service" -> its selector */
        bool capped;
};

static bool
deleted(const json_t *object)
{
        return json_text(json_map(object, "metadata"), "deletionTimestamp", NULL) != NULL;
}

static json_t *
row_add(struct reading *reading, json_t *rows, const char *namespace_, const char *name)
{
        if (json_array_size(rows) >= ROWS_MOST) {
                reading->capped = true;
                return NULL;
        }
        json_t *row = json_push(rows, json_object());
        json_put_text(row, "namespace", namespace_);
        json_put_text(row, "name", name);
        return row;
}

/* --- Argo Rollouts ------------------------------------------------------------------------------------------------ */

/* A number is seconds, and so is a text of digits; else a duration ("5m").  Source: Argo Rollouts, RolloutPause. */
static bool
pause_parse(const json_t *duration, int64_t *length_ms)
{
        const char *text = json_string_value(duration);
        char *end;

        if (json_is_number(duration)) {
                double seconds = json_number_value(duration);
                *length_ms = (int64_t)(seconds * 1000);
                return seconds >= 0 && seconds < 1e9;
        }
        if (text == NULL)
                return false;
        errno = 0;
        long long seconds = strtoll(text, &end, 10);
        if (end != text && *end == '\0' && errno == 0 && seconds >= 0 && seconds < 1000000000) {
                *length_ms = seconds * 1000;
                return true;
        }
        return duration_parse(text, length_ms);
}

static void
step_put(json_t *steps, const json_t *step)
{
        const json_t *pause = json_object_get(step, "pause");
        int64_t length_ms;

        if (json_is_number(json_object_get(step, "setWeight"))) {
                json_push(steps, json_pack("{s:f}", "weight", json_number_value(json_object_get(step, "setWeight"))));
        } else if (json_is_object(pause)) {
                if (!json_has(pause, "duration"))
                        json_push(steps, json_pack("{s:s}", "hold", "for ever"));
                else if (pause_parse(json_object_get(pause, "duration"), &length_ms))
                        json_push(steps, json_pack("{s:I}", "hold_ms", (json_int_t)length_ms));
        } else if (json_has(step, "analysis") || json_has(step, "experiment")) {
                json_push(steps, json_pack("{s:s}", "hold", "analysis"));
        }
}

static int
rollout_read(struct reading *reading, const struct cluster_workload *workload)
{
        scoped_json strategy = *workload->strategy_json != '\0' ? json_loads(workload->strategy_json, 0, NULL) : NULL;
        const json_t *canary = json_map(strategy, "canary"), *routing = json_map(canary, "trafficRouting");
        json_t *row = row_add(reading, reading->releases, workload->namespace_, workload->name);
        json_t *steps = json_array(), *step;
        bool analysis = json_map(canary, "analysis") != NULL;
        size_t i;

        json_array_foreach((json_t *)json_list(canary, "steps"), i, step)
        {
                if (i < STEPS_MOST)
                        step_put(steps, step);
                analysis = analysis || json_has(step, "analysis") || json_has(step, "experiment");
        }
        if (row == NULL) {
                json_decref(steps);
                return 0;
        }
        json_put_text(row, "kind", "Rollout");
        json_put_text(row, "target", workload->reference);
        json_put_text(row, "strategy",
                      canary != NULL                            ? "canary"
                      : json_map(strategy, "blueGreen") != NULL ? "blue-green"
                                                                : "none");
        json_put_flag(row, "analysis", analysis);
        json_put_flag(row, "routed", json_object_size(routing) > 0);
        json_put_real(row, "most", json_real_or(routing, "maxTrafficWeight", 100));
        json_put_whole(row, "replicas", workload->replicas);
        return json_put(row, "steps", steps);
}

/* --- Flagger ------------------------------------------------------------------------------------------------------ */

/* Each weight is held for one interval.  Source: Flagger, "Deployment strategies". */
static void
weights_put(json_t *steps, const json_t *analysis, int64_t interval_ms)
{
        const json_t *list = json_list(analysis, "stepWeights");
        double step = json_real_or(analysis, "stepWeight", 0), most = json_real_or(analysis, "maxWeight", 100);
        size_t count = json_array_size(list);

        for (size_t i = 0; i < count && i < STEPS_MOST / 2; i++) {
                json_push(steps, json_pack("{s:f}", "weight", json_number_value(json_array_get(list, i))));
                json_push(steps, json_pack("{s:I}", "hold_ms", (json_int_t)interval_ms));
        }
        for (double weight = step; count == 0 && step > 0 && weight <= most && json_array_size(steps) < STEPS_MOST;
             weight += step) {
                json_push(steps, json_pack("{s:f}", "weight", weight));
                json_push(steps, json_pack("{s:I}", "hold_ms", (json_int_t)interval_ms));
        }
}

static int
canary_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec"), *target = json_map(spec, "targetRef");
        const json_t *analysis = json_map(spec, "analysis");
        int64_t interval_ms = 0, iterations = json_whole(analysis, "iterations", 0);
        char text[400];
        json_t *row, *steps;

        if (deleted(object) ||
            (row = row_add(reading, reading->releases, kubernetes_namespace(object), kubernetes_name(object))) == NULL)
                return 0;
        duration_parse(json_text(analysis, "interval", ""), &interval_ms);
        snprintf(text, sizeof text, "%.60s/%.253s", json_text(target, "kind", "Deployment"),
                 json_text(target, "name", ""));
        steps = json_array();
        const char *strategy = "canary";
        if (json_flag(spec, "skipAnalysis", false)) {
                strategy = "skipped";
        } else if (analysis == NULL) {
                strategy = "none";
        } else if (iterations > 0) {
                strategy = json_array_size(json_list(analysis, "match")) > 0 ? "match" : "blue-green";
                json_push(steps, json_pack("{s:I}", "hold_ms",
                                           (json_int_t)(iterations < 100000 ? iterations * interval_ms : INT32_MAX)));
        } else {
                weights_put(steps, analysis, interval_ms);
        }
        json_put_text(row, "kind", "Canary");
        json_put_text(row, "target", text);
        json_put_text(row, "strategy", strategy);
        json_put_flag(
                row, "analysis",
                json_array_size(json_list(analysis, "metrics")) + json_array_size(json_list(analysis, "webhooks")) > 0);
        json_put_flag(row, "routed", true);
        json_put_real(row, "most", 100);
        return json_put(row, "steps", steps);
}

/* --- Gateway API -------------------------------------------------------------------------------------------------- */

static int
service_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        json_t *selector = json_object_get(json_object_get(object, "spec"), "selector");
        char key[600];

        if (deleted(object) || json_object_size(selector) == 0)
                return 0;
        if (json_object_size(reading->selectors) >= ROWS_MOST) {
                reading->capped = true;
                return 0;
        }
        snprintf(key, sizeof key, "%.253s/%.253s", kubernetes_namespace(object), kubernetes_name(object));
        return json_object_set_new(reading->selectors, key, json_pack("{s:O}", "matchLabels", selector));
}

static int
route_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        size_t i, k;
        json_t *rule, *backend, *row;

        if (deleted(object))
                return 0;
        json_array_foreach((json_t *)json_list(json_map(object, "spec"), "rules"), i, rule)
        {
                const json_t *references = json_list(rule, "backendRefs");
                if (json_array_size(references) < 2 ||
                    (row = row_add(reading, reading->routes, kubernetes_namespace(object), kubernetes_name(object))) ==
                            NULL)
                        continue;
                json_t *backends = json_array();
                json_array_foreach((json_t *)references, k, backend)
                {
                        if (k >= BACKENDS_MOST || strcmp(json_text(backend, "kind", "Service"), "Service") != 0)
                                continue;
                        json_t *one = json_push(backends, json_object());
                        json_put_text(one, "service", json_text(backend, "name", ""));
                        json_put_text(one, "namespace", json_text(backend, "namespace", kubernetes_namespace(object)));
                        json_put_real(one, "weight", json_real_or(backend, "weight", 1));
                }
                json_put_whole(row, "rule", (json_int_t)i);
                json_put(row, "backends", backends);
        }
        return 0;
}

/* Which workloads stand behind a Service: those whose pods its selector selects. */
static void
backend_resolve(json_t *backend, const json_t *selectors, const struct cluster *cluster)
{
        const char *namespace_ = json_text(backend, "namespace", "");
        json_t *names = json_array();
        char text[600];

        snprintf(text, sizeof text, "%.253s/%.253s", namespace_, json_text(backend, "service", ""));
        const json_t *selector = json_object_get(selectors, text);
        for (size_t i = 0; selector != NULL && i < cluster->workload_count; i++) {
                const struct cluster_workload *workload = &cluster->workloads[i];
                if (strcmp(workload->namespace_, namespace_) != 0 || json_array_size(names) >= BACKENDS_MOST)
                        continue;
                scoped_json labels = json_loads(workload->pod_labels_json, 0, NULL);
                if (!kubernetes_selects(selector, labels))
                        continue;
                snprintf(text, sizeof text, "%.60s/%.253s", workload->kind, workload->name);
                json_push(names, json_bytes(text, strlen(text)));
        }
        json_put(backend, "workloads", names);
        json_object_del(backend, "namespace");
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void
product_put(json_t *facts, const char *name, const char *resource, bool installed)
{
        json_push(json_object_get(facts, "products"),
                  json_pack("{s:s, s:s, s:b}", "name", name, "resource", resource, "installed", installed));
}

static int
lists_put(const struct kubernetes_list *lists, const struct cluster *cluster, bool capped, json_t *facts)
{
        cluster_gap(cluster, CLUSTER_DEPLOYMENTS, "deployments", "API-1", facts);
        cluster_gap(cluster, CLUSTER_STATEFULSETS, "statefulsets", "API-1", facts);
        cluster_gap(cluster, CLUSTER_DAEMONSETS, "daemonsets", "API-1", facts);
        cluster_gap(cluster, CLUSTER_ROLLOUTS, "rollouts", "API-1", facts);
        for (size_t i = 0; i < LISTS; i++) {
                if (kubernetes_list_gap(&lists[i], "API-1", facts) != 0)
                        return -1;
        }
        return capped ? kubernetes_capped_gap("there are", ROWS_MOST, "API-1", facts) : 0;
}

static bool
installed(const struct error *why)
{
        return why == NULL || why->reason != REASON_UNSUPPORTED;
}

int
canary_read(struct session *session, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        const struct cluster *cluster = kubernetes != NULL ? cluster_read(session, CLUSTER_WORKLOADS, err) : NULL;
        json_t *workloads = json_array(), *row, *backend;
        scoped_json selectors = json_object();
        struct reading reading = {.releases = json_array(), .routes = json_array(), .selectors = selectors};
        struct kubernetes_list lists[LISTS] = {
                [CANARIES] = {.group = "flagger.app",
                              .resource = "canaries",
                              .versions = {"v1beta1"},
                              .visit = canary_visit},
                [ROUTES] = {.group = "gateway.networking.k8s.io",
                            .resource = "httproutes",
                            .versions = {"v1", "v1beta1"},
                            .visit = route_visit},
                [SERVICES] = {.group = "", .resource = "services", .versions = {"v1"}, .visit = service_visit},
        };
        size_t i, k;

        json_put(facts, "products", json_array());
        json_put(facts, "workloads", workloads);
        json_put(facts, "releases", reading.releases);
        json_put(facts, "routes", reading.routes);
        for (i = 0; i < LISTS; i++)
                lists[i].context = &reading;
        if (cluster == NULL || kubernetes_lists(kubernetes, lists, LISTS, err) != 0)
                return -1;
        for (i = 0; i < cluster->workload_count; i++) {
                const struct cluster_workload *workload = &cluster->workloads[i];
                if (workload->deleted_ms != 0)
                        continue;
                if (strcmp(workload->kind, "Rollout") == 0 && rollout_read(&reading, workload) != 0)
                        return error_memory(err, "releases");
                json_push(workloads, json_pack("{s:s, s:s, s:s}", "kind", workload->kind, "namespace",
                                               workload->namespace_, "name", workload->name));
        }
        json_array_foreach(reading.routes, i, row)
        {
                json_array_foreach(json_object_get(row, "backends"), k, backend)
                        backend_resolve(backend, selectors, cluster);
        }
        product_put(facts, "Argo Rollouts", "rollouts.argoproj.io",
                    installed(cluster_error(cluster, CLUSTER_ROLLOUTS)));
        product_put(facts, "Flagger", "canaries.flagger.app", installed(&lists[CANARIES].error));
        product_put(facts, "the Gateway API", "httproutes.gateway.networking.k8s.io", installed(&lists[ROUTES].error));
        return lists_put(lists, cluster, reading.capped, facts) == 0 ? 0 : error_memory(err, "releases");
}

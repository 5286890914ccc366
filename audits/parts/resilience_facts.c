/* Breakers and retries: Istio, Envoy Gateway, Linkerd, Gateway API. */

#include "resilience_facts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "kubernetes.h"
#include "scope.h"

enum { RULES, VIRTUALS, POLICIES, PROFILES, ROUTES, SERVICES, LISTS };
enum { ROWS_MOST = 10000, HOSTS_MOST = 50 };

struct reading {
        json_t *breakers, *retries;
        json_t *routes; /* "namespace/route" -> hosts: what policies of Envoy Gateway are attached to */
        bool capped;
};

/* --- hosts -------------------------------------------------------------------------------------------------------- */

void
resilience_host(const char *host, const char *namespace_, char *text, size_t size)
{
        static const char local[] = ".svc.cluster.local";
        size_t length = strlen(host), tail = sizeof local - 1;

        if (length > tail && strcasecmp(host + length - tail, local) == 0)
                snprintf(text, size, "%.*s", (int)(length - tail), host);
        else if (strchr(host, '.') == NULL && *namespace_ != '\0' && strcmp(host, "*") != 0)
                snprintf(text, size, "%.253s.%.253s", host, namespace_);
        else
                snprintf(text, size, "%.600s", host);
        length = strlen(text);
        if (length > 4 && strcmp(text + length - 4, ".svc") == 0)
                text[length - 4] = '\0';
        for (char *at = text; *at != '\0'; at++)
                *at = (char)tolower((unsigned char)*at);
}

static void
host_add(json_t *hosts, const char *host, const char *namespace_)
{
        char text[700];

        resilience_host(host, namespace_, text, sizeof text);
        if (text[0] != '\0' && !json_holds(hosts, text) && json_array_size(hosts) < HOSTS_MOST)
                json_push(hosts, json_bytes(text, strlen(text)));
}

static void
hosts_add(json_t *hosts, const json_t *names, const char *namespace_)
{
        size_t i;
        json_t *name;

        json_array_foreach((json_t *)names, i, name)
                host_add(hosts, json_is_string(name) ? json_string_value(name) : "", namespace_);
}

static bool
deleted(const json_t *object)
{
        return json_text(json_map(object, "metadata"), "deletionTimestamp", NULL) != NULL;
}

static json_t *
row_add(struct reading *reading, json_t *rows, const char *kind, const json_t *object, json_t *hosts)
{
        if (json_array_size(rows) >= ROWS_MOST) {
                reading->capped = true;
                json_decref(hosts);
                return NULL;
        }
        json_t *row = json_push(rows, json_object());
        json_put_text(row, "kind", kind);
        json_put_text(row, "namespace", kubernetes_namespace(object));
        json_put_text(row, "name", kubernetes_name(object));
        json_put(row, "hosts", hosts);
        return row;
}

/* --- Istio -------------------------------------------------------------------------------------------------------- */

/* Detection counts unless its counters are set to 0.  Source: Istio, DestinationRule, OutlierDetection. */
static bool
detects(const json_t *policy)
{
        const json_t *outlier = json_map(policy, "outlierDetection");
        bool servers = json_whole(outlier, "consecutive5xxErrors", json_whole(outlier, "consecutiveErrors", 5)) > 0;

        return outlier != NULL && (servers || json_whole(outlier, "consecutiveGatewayErrors", 0) > 0);
}

static bool
pools(const json_t *policy)
{
        const json_t *pool = json_map(policy, "connectionPool"), *http = json_map(pool, "http");

        return json_whole(json_map(pool, "tcp"), "maxConnections", 0) > 0 ||
               json_whole(http, "http1MaxPendingRequests", 0) > 0 || json_whole(http, "http2MaxRequests", 0) > 0;
}

static int
rule_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec"), *policy = json_map(spec, "trafficPolicy");
        bool outlier = detects(policy), pool = pools(policy);
        json_t *hosts, *row, *one;
        size_t i;

        if (deleted(object))
                return 0;
        json_array_foreach((json_t *)json_list(policy, "portLevelSettings"), i, one)
        {
                outlier = outlier || detects(one);
                pool = pool || pools(one);
        }
        hosts = json_array();
        host_add(hosts, json_text(spec, "host", ""), kubernetes_namespace(object));
        row = row_add(reading, reading->breakers, "DestinationRule", object, hosts);
        if (row != NULL) {
                json_put_flag(row, "outlier", outlier);
                json_put_flag(row, "pool", pool);
        }
        return 0;
}

static void
retry_put(json_t *row, const char *where, int64_t attempts, bool bounded_time, const char *backoff)
{
        if (row == NULL)
                return;
        json_put_text(row, "where", where);
        json_put_whole(row, "attempts", attempts);
        json_put_flag(row, "bounded_time", bounded_time);
        json_put_text(row, "backoff", backoff);
}

/* Envoy, below Istio and Envoy Gateway, backs off by itself: exponential with jitter, from 25 ms.  Source: Envoy,
 * x-envoy-max-retries. */
static int
virtual_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec");
        const char *namespace_ = kubernetes_namespace(object);
        size_t i, k;
        json_t *route, *to;
        char where[80];

        if (deleted(object))
                return 0;
        json_array_foreach((json_t *)json_list(spec, "http"), i, route)
        {
                const json_t *retries = json_map(route, "retries");
                if (retries == NULL)
                        continue;
                json_t *hosts = json_array();
                hosts_add(hosts, json_list(spec, "hosts"), namespace_);
                json_array_foreach((json_t *)json_list(route, "route"), k, to)
                        host_add(hosts, json_text(json_map(to, "destination"), "host", ""), namespace_);
                snprintf(where, sizeof where, "http route %zu", i);
                retry_put(row_add(reading, reading->retries, "VirtualService", object, hosts), where,
                          json_whole(retries, "attempts", 2),
                          json_has(retries, "perTryTimeout") || json_has(route, "timeout"),
                          json_has(retries, "backoff") ? "stated" : "built in");
        }
        return 0;
}

/* --- Gateway API and Envoy Gateway -------------------------------------------------------------------------------- */

static int
route_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec");
        const char *namespace_ = kubernetes_namespace(object);
        size_t i, k;
        json_t *rule, *backend, *all;
        char text[600];

        if (deleted(object))
                return 0;
        all = json_array();
        hosts_add(all, json_list(spec, "hostnames"), "");
        host_add(all, kubernetes_name(object), namespace_);
        json_array_foreach((json_t *)json_list(spec, "rules"), i, rule)
        {
                const json_t *retry = json_map(rule, "retry");
                json_t *hosts = json_array();
                hosts_add(hosts, json_list(spec, "hostnames"), "");
                json_array_foreach((json_t *)json_list(rule, "backendRefs"), k, backend)
                {
                        const char *of = json_text(backend, "namespace", namespace_);
                        host_add(hosts, json_text(backend, "name", ""), of);
                        host_add(all, json_text(backend, "name", ""), of);
                }
                if (retry == NULL) {
                        json_decref(hosts);
                        continue;
                }
                snprintf(text, sizeof text, "rule %zu", i);
                const json_t *timeouts = json_map(rule, "timeouts");
                retry_put(row_add(reading, reading->retries, "HTTPRoute", object, hosts), text,
                          json_whole(retry, "attempts", 1), json_object_size(timeouts) > 0,
                          json_has(retry, "backoff") ? "stated" : "none");
        }
        if (json_object_size(reading->routes) < ROWS_MOST) {
                snprintf(text, sizeof text, "%.253s/%.253s", namespace_, kubernetes_name(object));
                json_object_set_new(reading->routes, text, all);
        } else {
                json_decref(all);
        }
        return 0;
}

static void
target_add(json_t *hosts, const json_t *reference, const char *namespace_)
{
        char text[600];

        /* Resolved to the route's own hosts once all routes were read. */
        snprintf(text, sizeof text, "%.60s %.253s/%.253s", json_text(reference, "kind", ""), namespace_,
                 json_text(reference, "name", ""));
        if (json_array_size(hosts) < HOSTS_MOST)
                json_push(hosts, json_bytes(text, strlen(text)));
}

static json_t *
policy_targets(const json_t *object)
{
        const json_t *spec = json_map(object, "spec");
        json_t *hosts = json_array(), *one;
        size_t i;

        if (json_map(spec, "targetRef") != NULL)
                target_add(hosts, json_map(spec, "targetRef"), kubernetes_namespace(object));
        json_array_foreach((json_t *)json_list(spec, "targetRefs"), i, one)
                target_add(hosts, one, kubernetes_namespace(object));
        return hosts;
}

static int
policy_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec"), *breaker = json_map(spec, "circuitBreaker");
        const json_t *passive = json_map(json_map(spec, "healthCheck"), "passive"), *retry = json_map(spec, "retry");
        const json_t *each = json_map(retry, "perRetry");
        json_t *row;

        if (deleted(object))
                return 0;
        if (breaker != NULL || passive != NULL) {
                row = row_add(reading, reading->breakers, "BackendTrafficPolicy", object, policy_targets(object));
                if (row != NULL) {
                        json_put_flag(row, "outlier", passive != NULL);
                        json_put_flag(row, "pool", breaker != NULL);
                }
        }
        if (retry != NULL)
                retry_put(row_add(reading, reading->retries, "BackendTrafficPolicy", object, policy_targets(object)),
                          "retry", json_whole(retry, "numRetries", 2),
                          json_has(each, "timeout") ||
                                  json_has(json_map(json_map(spec, "timeout"), "http"), "requestTimeout"),
                          json_has(each, "backOff") ? "stated" : "built in");
        return 0;
}

/* A policy of a route is one for the route's hosts; one of a Gateway is for every route, whose hosts nobody can list.
 */
static void
targets_resolve(const struct reading *reading, json_t *rows)
{
        size_t i, k, m;
        json_t *row, *target, *host;

        json_array_foreach(rows, i, row)
        {
                if (strcmp(json_text(row, "kind", ""), "BackendTrafficPolicy") != 0)
                        continue;
                json_t *hosts = json_array();
                json_array_foreach((json_t *)json_list(row, "hosts"), k, target)
                {
                        const char *text = json_string_value(target), *space = strchr(text, ' ');
                        if (strncmp(text, "Gateway ", 8) == 0)
                                host_add(hosts, "*", "");
                        json_array_foreach(json_object_get(reading->routes, space != NULL ? space + 1 : ""), m, host)
                                host_add(hosts, json_string_value(host), "");
                }
                json_put(row, "hosts", hosts);
        }
}

/* --- Linkerd ------------------------------------------------------------------------------------------------------ */

/* A profile is named after its host.  Retries take at most a share of the requests, 20 % unless it says otherwise. */
static int
profile_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec"), *budget = json_map(spec, "retryBudget");
        bool retryable = false, bounded = true;
        size_t i;
        json_t *route, *hosts, *row;

        json_array_foreach((json_t *)json_list(spec, "routes"), i, route)
        {
                if (!json_flag(route, "isRetryable", false))
                        continue;
                retryable = true;
                bounded = bounded && json_has(route, "timeout");
        }
        if (deleted(object) || !retryable)
                return 0;
        hosts = json_array();
        host_add(hosts, kubernetes_name(object), "");
        row = row_add(reading, reading->retries, "ServiceProfile", object, hosts);
        retry_put(row, "routes", 1, bounded, "none");
        return row == NULL ? 0 : json_put_real(row, "budget_percent", json_real_or(budget, "retryRatio", 0.2) * 100);
}

/* Since 2.13 and 2.16 Linkerd takes breakers and retries from a Service's annotations. */
static int
service_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *annotations = json_at(object, "metadata", "annotations", NULL);
        const char *accrual = json_text(annotations, "balancer.linkerd.io/failure-accrual", NULL);
        const char *retry = json_text(annotations, "retry.linkerd.io/http", NULL);
        json_t *row, *hosts;

        if (deleted(object))
                return 0;
        if (accrual != NULL && strcmp(accrual, "consecutive") == 0) {
                hosts = json_array();
                host_add(hosts, kubernetes_name(object), kubernetes_namespace(object));
                row = row_add(reading, reading->breakers, "Service", object, hosts);
                if (row != NULL) {
                        json_put_flag(row, "outlier", true);
                        json_put_flag(row, "pool", true); /* its balancer's queue is bounded */
                }
        }
        if (retry != NULL) {
                hosts = json_array();
                host_add(hosts, kubernetes_name(object), kubernetes_namespace(object));
                retry_put(row_add(reading, reading->retries, "Service", object, hosts), "annotations",
                          atoi(json_text(annotations, "retry.linkerd.io/limit", "1")),
                          json_has(annotations, "retry.linkerd.io/timeout") ||
                                  json_has(annotations, "timeout.linkerd.io/request"),
                          "none");
        }
        return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* Breakers and retries in code are settings of other targets: whether they are right is told there. */
static int
elsewhere_put(const struct session *session, json_t *facts)
{
        json_t *rows = json_array(), *item, *row;
        size_t k;

        for (size_t i = 0; session->targets != NULL && session->targets[i] != NULL; i++) {
                const struct target *target = session->targets[i];
                if (strcmp(target->kind->name, "settings") != 0)
                        continue;
                json_array_foreach((json_t *)target_value(target, "settings"), k, item)
                {
                        const char *is = json_text(item, "is", "");
                        char host[700];
                        if (strcmp(is, "circuit_breaker") != 0 && strcmp(is, "retry_attempts") != 0)
                                continue;
                        resilience_host(json_text(item, "of", ""), "", host, sizeof host);
                        row = json_push(rows, json_object());
                        json_put_text(row, "is", is);
                        json_put_text(row, "of", host);
                        json_put_text(row, "target", target->name);
                }
        }
        return json_put(facts, "elsewhere", rows);
}

static int
lists_put(const struct kubernetes_list *lists, bool capped, json_t *facts)
{
        static const char *const controls[LISTS] = {
                [RULES] = "WRK-3",    [VIRTUALS] = "API-5", [POLICIES] = "WRK-3,API-5",
                [PROFILES] = "API-5", [ROUTES] = "API-5",   [SERVICES] = "WRK-3,API-5",
        };

        for (size_t i = 0; i < LISTS; i++) {
                if (kubernetes_list_gap(&lists[i], controls[i], facts) != 0)
                        return -1;
        }
        return capped ? kubernetes_capped_gap("there are", ROWS_MOST, "WRK-3,API-5", facts) : 0;
}

int
resilience_read(struct session *session, json_t *facts, struct error *err)
{
        static const struct {
                const char *group, *resource, *product;
                const char *versions[4];
                kubernetes_visit visit;
        } table[LISTS] = {
                [RULES] =
                        {"networking.istio.io", "destinationrules", "Istio", {"v1", "v1beta1", "v1alpha3"}, rule_visit},
                [VIRTUALS] = {"networking.istio.io",
                              "virtualservices",
                              "Istio",
                              {"v1", "v1beta1", "v1alpha3"},
                              virtual_visit},
                [POLICIES] = {"gateway.envoyproxy.io",
                              "backendtrafficpolicies",
                              "Envoy Gateway",
                              {"v1alpha1"},
                              policy_visit},
                [PROFILES] = {"linkerd.io", "serviceprofiles", "Linkerd", {"v1alpha2"}, profile_visit},
                [ROUTES] =
                        {"gateway.networking.k8s.io", "httproutes", "the Gateway API", {"v1", "v1beta1"}, route_visit},
                [SERVICES] = {"", "services", "Services", {"v1"}, service_visit},
        };
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_json routes = json_object();
        struct reading reading = {.breakers = json_array(), .retries = json_array(), .routes = routes};
        struct kubernetes_list lists[LISTS];
        json_t *products = json_array();

        json_put(facts, "breakers", reading.breakers);
        json_put(facts, "retries", reading.retries);
        json_put(facts, "products", products);
        for (size_t i = 0; i < LISTS; i++) {
                lists[i] = (struct kubernetes_list){.group = table[i].group,
                                                    .resource = table[i].resource,
                                                    .product = table[i].product,
                                                    .visit = table[i].visit,
                                                    .context = &reading};
                memcpy(lists[i].versions, table[i].versions, sizeof table[i].versions);
        }
        if (kubernetes == NULL || kubernetes_lists(kubernetes, lists, LISTS, err) != 0)
                return -1;
        targets_resolve(&reading, reading.breakers);
        targets_resolve(&reading, reading.retries);
        static const int shown[] = {RULES, POLICIES, PROFILES};
        for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
                json_push(products, json_pack("{s:s, s:b}", "name", table[shown[i]].product, "installed",
                                              lists[shown[i]].error.reason != REASON_UNSUPPORTED));
        return elsewhere_put(session, facts) == 0 && lists_put(lists, reading.capped, facts) == 0
                       ? 0
                       : error_memory(err, "breakers and retries");
}

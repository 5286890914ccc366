/* Which routes of a cluster serve an endpoint, and what limits them. */

#include "rate_limit_routes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

enum { LISTS = 5, OBJECTS_MOST = 5000 };

struct reading {
        json_t *ingresses, *middlewares, *ingress_routes, *http_routes, *policies; /* reduced, owned by a scope */
};

/* --- paths -------------------------------------------------------------------------------------------------------- */

bool
path_is_under(const char *path, const char *beginning)
{
        size_t length = strlen(beginning);

        while (length > 0 && beginning[length - 1] == '/')
                length--;
        return strncmp(path, beginning, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

bool
traefik_rule_fits(const char *rule, const char *path)
{
        bool any = false;

        for (const char *at = rule; (at = strstr(at, "Path")) != NULL; at += 4) {
                bool prefix = strncmp(at, "PathPrefix(", 11) == 0, exact = strncmp(at, "Path(", 5) == 0;
                if (!prefix && !exact && strncmp(at, "PathRegexp(", 11) != 0)
                        continue;
                any = true;
                const char *end = strchr(at, ')');
                if (!prefix && !exact)
                        return true; /* a pattern that is not read here may fit */
                for (const char *quote = at; end != NULL && (quote = strpbrk(quote, "`\"")) != NULL && quote < end;) {
                        const char *close = strchr(quote + 1, *quote);
                        char value[1000];
                        if (close == NULL)
                                break;
                        snprintf(value, sizeof value, "%.*s", (int)(close - quote - 1), quote + 1);
                        if (exact ? strcmp(value, path) == 0 : strncmp(path, value, strlen(value)) == 0)
                                return true;
                        quote = close + 1;
                }
        }
        return !any;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* An object's parts that matter here, as the server sent them. */
static int
keep_visit(void *context, const json_t *item)
{
        json_t *list = context, *row;

        if (json_array_size(list) >= OBJECTS_MOST)
                return 0;
        row = json_push(list, json_object());
        json_put_text(row, "namespace", kubernetes_namespace(item));
        json_put_text(row, "name", kubernetes_name(item));
        json_t *annotations = (json_t *)json_at(item, "metadata", "annotations", NULL),
               *spec = json_object_get(item, "spec");
        json_t *kept = json_object(), *value;
        const char *key;
        json_object_foreach(annotations, key, value)
        {
                if (strncmp(key, "nginx.ingress.kubernetes.io/limit", 33) == 0 ||
                    strcmp(key, "traefik.ingress.kubernetes.io/router.middlewares") == 0)
                        json_object_set(kept, key, value);
        }
        json_put(row, "annotations", kept);
        return spec != NULL ? json_put(row, "spec", json_deep_copy(spec)) : 0;
}

/* --- limits ------------------------------------------------------------------------------------------------------- */

static void
limit_add(json_t *limits, const char *what, double per_minute, bool per_address, double burst)
{
        json_t *limit = json_push(limits, json_object());

        json_put_text(limit, "what", what);
        json_put_real(limit, "per_minute", per_minute);
        json_put_flag(limit, "per_address", per_address);
        json_put_real(limit, "burst", burst);
        json_put_flag(limit, "dry_run", false);
}

/* A number that an annotation or a field holds as text or number. */
static double
number_of(const json_t *value)
{
        if (json_is_number(value))
                return json_number_value(value);
        const char *text = json_string_value(value);
        char *end;
        double number = text != NULL ? strtod(text, &end) : NAN;
        return text != NULL && end != text && *end == '\0' ? number : NAN;
}

static void
annotation_limits(const json_t *annotations, json_t *limits)
{
        double rpm = number_of(json_object_get(annotations, "nginx.ingress.kubernetes.io/limit-rpm")),
               rps = number_of(json_object_get(annotations, "nginx.ingress.kubernetes.io/limit-rps")),
               factor = number_of(json_object_get(annotations, "nginx.ingress.kubernetes.io/limit-burst-multiplier"));

        if (isnan(factor))
                factor = 5;
        if (rpm > 0)
                limit_add(limits, "nginx.ingress.kubernetes.io/limit-rpm", rpm, true, rpm * factor);
        if (rps > 0)
                limit_add(limits, "nginx.ingress.kubernetes.io/limit-rps", rps * 60, true, rps * factor);
}

/* average per period (1 s unless set); the client's address is the source unless a header or the host is named. */
static void
middleware_limits(const json_t *middlewares, const char *namespace_, const char *name, json_t *limits)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)middlewares, i, row)
        {
                const json_t *limit = json_at(row, "spec", "rateLimit", NULL),
                             *source = json_map(limit, "sourceCriterion");
                int64_t period_ms = SECOND_MS;
                char what[400];
                if (limit == NULL || strcmp(json_text(row, "namespace", ""), namespace_) != 0 ||
                    strcmp(json_text(row, "name", ""), name) != 0)
                        continue;
                double average = number_of(json_object_get(limit, "average")),
                       burst = number_of(json_object_get(limit, "burst"));
                const char *period = json_text(limit, "period", NULL);
                if (period != NULL && !duration_parse(period, &period_ms))
                        period_ms = (int64_t)number_of(json_object_get(limit, "period")) * SECOND_MS;
                snprintf(what, sizeof what, "Middleware %.150s/%.200s", namespace_, name);
                limit_add(limits, what, average > 0 && period_ms > 0 ? average * MINUTE_MS / (double)period_ms : NAN,
                          json_text(source, "requestHeaderName", NULL) == NULL &&
                                  !json_flag(source, "requestHost", false),
                          isnan(burst) ? 1 : burst);
        }
}

/* "ns-name@kubernetescrd, ..." of an Ingress: the namespace and the name joined by a dash. */
static void
middleware_names(const json_t *middlewares, const char *text, json_t *limits)
{
        while (text != NULL && *text != '\0') {
                size_t length = strcspn(text, ",@"), i;
                json_t *row;
                json_array_foreach((json_t *)middlewares, i, row)
                {
                        char joined[600];
                        snprintf(joined, sizeof joined, "%s-%s", json_text(row, "namespace", ""),
                                 json_text(row, "name", ""));
                        if (strlen(joined) == length && strncmp(joined, text, length) == 0)
                                middleware_limits(middlewares, json_text(row, "namespace", ""),
                                                  json_text(row, "name", ""), limits);
                }
                text += strcspn(text, ",");
                text += strspn(text, ", ");
        }
}

static double
unit_minutes(const char *unit)
{
        return strcmp(unit, "Second") == 0   ? 1.0 / 60
               : strcmp(unit, "Minute") == 0 ? 1
               : strcmp(unit, "Hour") == 0   ? 60
               : strcmp(unit, "Day") == 0    ? 1440
                                             : NAN;
}

static bool
distinct_addresses(const json_t *rule)
{
        size_t i;
        json_t *selector;

        json_array_foreach((json_t *)json_list(rule, "clientSelectors"), i, selector)
        {
                if (strcmp(json_text(json_map(selector, "sourceCIDR"), "type", ""), "Distinct") == 0)
                        return true;
        }
        return false;
}

static bool
policy_targets(const json_t *policy, const char *kind, const char *name)
{
        const json_t *spec = json_map(policy, "spec"), *one = json_map(spec, "targetRef");
        size_t i;
        json_t *reference;

        if (one != NULL && strcmp(json_text(one, "kind", ""), kind) == 0 &&
            strcmp(json_text(one, "name", ""), name) == 0)
                return true;
        json_array_foreach((json_t *)json_list(spec, "targetRefs"), i, reference)
        {
                if (strcmp(json_text(reference, "kind", ""), kind) == 0 &&
                    strcmp(json_text(reference, "name", ""), name) == 0)
                        return true;
        }
        return false;
}

/* A policy on the route wins over one on its gateway. */
static bool
policy_limits(const json_t *policies, const char *namespace_, const char *kind, const char *name, json_t *limits)
{
        static const char *const scopes[] = {"global", "local"};
        size_t i, k, r;
        json_t *policy, *rule;
        bool found = false;

        json_array_foreach((json_t *)policies, i, policy)
        {
                if (strcmp(json_text(policy, "namespace", ""), namespace_) != 0 || !policy_targets(policy, kind, name))
                        continue;
                for (k = 0; k < 2; k++) {
                        const json_t *rules = json_list(json_at(policy, "spec", "rateLimit", scopes[k], NULL), "rules");
                        json_array_foreach((json_t *)rules, r, rule)
                        {
                                const json_t *limit = json_map(rule, "limit");
                                char what[400];
                                double minutes = unit_minutes(json_text(limit, "unit", ""));
                                snprintf(what, sizeof what, "BackendTrafficPolicy %.200s (%s)",
                                         json_text(policy, "name", "?"), scopes[k]);
                                limit_add(limits, what, number_of(json_object_get(limit, "requests")) / minutes,
                                          distinct_addresses(rule), 0);
                                found = true;
                        }
                }
        }
        return found;
}

/* --- routes ------------------------------------------------------------------------------------------------------- */

static json_t *
route_add(json_t *routes, const char *kind, const json_t *object, const char *path, const char *location)
{
        json_t *row = json_push(routes, json_object()), *limits = json_array();

        json_put_text(row, "kind", kind);
        json_put_text(row, "namespace", json_text(object, "namespace", ""));
        json_put_text(row, "name", json_text(object, "name", ""));
        json_put_text(row, "path", path);
        json_put_text(row, "location", location);
        return json_put(row, "limits", limits) == 0 ? limits : NULL;
}

static bool
ingress_path_fits(const json_t *entry, const char *path)
{
        const char *own = json_text(entry, "path", "/"), *type = json_text(entry, "pathType", "Prefix");

        if (strcmp(type, "Exact") == 0)
                return strcmp(own, path) == 0;
        /* A pattern of the controller's own: its plain beginning counts. */
        char plain[500];
        snprintf(plain, sizeof plain, "%.*s", (int)strcspn(own, "(*[^$|?"), own);
        return strcmp(type, "ImplementationSpecific") == 0 ? strncmp(path, plain, strlen(plain)) == 0
                                                           : path_is_under(path, own);
}

static void
ingress_route(const struct reading *r, const json_t *ingress, const char *path, json_t *routes)
{
        const json_t *annotations = json_map(ingress, "annotations");
        size_t i, k;
        json_t *rule, *entry;

        json_array_foreach((json_t *)json_list(json_map(ingress, "spec"), "rules"), i, rule)
        {
                json_array_foreach((json_t *)json_list(json_map(rule, "http"), "paths"), k, entry)
                {
                        if (!ingress_path_fits(entry, path))
                                continue;
                        json_t *limits = route_add(routes, "Ingress", ingress, path, json_text(entry, "path", "/"));
                        annotation_limits(annotations, limits);
                        middleware_names(
                                r->middlewares,
                                json_text(annotations, "traefik.ingress.kubernetes.io/router.middlewares", NULL),
                                limits);
                        return;
                }
        }
}

static void
traefik_route(const struct reading *r, const json_t *object, const char *path, json_t *routes)
{
        size_t i, k;
        json_t *route, *reference;

        json_array_foreach((json_t *)json_list(json_map(object, "spec"), "routes"), i, route)
        {
                const char *match = json_text(route, "match", "");
                if (!traefik_rule_fits(match, path))
                        continue;
                json_t *limits = route_add(routes, "IngressRoute", object, path, match);
                json_array_foreach((json_t *)json_list(route, "middlewares"), k, reference) middleware_limits(
                        r->middlewares, json_text(reference, "namespace", json_text(object, "namespace", "")),
                        json_text(reference, "name", ""), limits);
                return;
        }
}

static bool
http_rule_fits(const json_t *rule, const char *path, const char **location)
{
        const json_t *matches = json_list(rule, "matches");
        size_t i;
        json_t *match;

        *location = "/";
        if (json_array_size(matches) == 0)
                return true;
        json_array_foreach((json_t *)matches, i, match)
        {
                const json_t *own = json_map(match, "path");
                const char *type = json_text(own, "type", "PathPrefix");
                *location = json_text(own, "value", "/");
                if (strcmp(type, "Exact") == 0
                            ? strcmp(*location, path) == 0
                            : strcmp(type, "RegularExpression") == 0 || path_is_under(path, *location))
                        return true;
        }
        return false;
}

static void
gateway_route(const struct reading *r, const json_t *object, const char *path, json_t *routes)
{
        const char *namespace_ = json_text(object, "namespace", ""), *location;
        size_t i, k;
        json_t *rule, *parent;

        json_array_foreach((json_t *)json_list(json_map(object, "spec"), "rules"), i, rule)
        {
                if (!http_rule_fits(rule, path, &location))
                        continue;
                json_t *limits = route_add(routes, "HTTPRoute", object, path, location);
                if (policy_limits(r->policies, namespace_, "HTTPRoute", json_text(object, "name", ""), limits))
                        return;
                json_array_foreach((json_t *)json_list(json_map(object, "spec"), "parentRefs"), k, parent)
                        policy_limits(r->policies, json_text(parent, "namespace", namespace_), "Gateway",
                                      json_text(parent, "name", ""), limits);
                return;
        }
}

int
rate_limit_routes(struct session *session, const json_t *paths, json_t *facts, json_t *routes, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_json kept = json_array();
        struct reading r = {json_push(kept, json_array()), json_push(kept, json_array()), json_push(kept, json_array()),
                            json_push(kept, json_array()), json_push(kept, json_array())};
        struct kubernetes_list lists[LISTS] = {
                {.group = "networking.k8s.io",
                 .resource = "ingresses",
                 .versions = {"v1"},
                 .visit = keep_visit,
                 .context = r.ingresses},
                {.group = "traefik.io",
                 .resource = "middlewares",
                 .versions = {"v1alpha1"},
                 .product = "Traefik",
                 .visit = keep_visit,
                 .context = r.middlewares},
                {.group = "traefik.io",
                 .resource = "ingressroutes",
                 .versions = {"v1alpha1"},
                 .product = "Traefik",
                 .visit = keep_visit,
                 .context = r.ingress_routes},
                {.group = "gateway.networking.k8s.io",
                 .resource = "httproutes",
                 .versions = {"v1", "v1beta1"},
                 .product = "the Gateway API",
                 .visit = keep_visit,
                 .context = r.http_routes},
                {.group = "gateway.envoyproxy.io",
                 .resource = "backendtrafficpolicies",
                 .versions = {"v1alpha1"},
                 .product = "Envoy Gateway",
                 .visit = keep_visit,
                 .context = r.policies},
        };
        size_t i, k;
        json_t *path, *object;

        if (kubernetes == NULL || kubernetes_lists(kubernetes, lists, LISTS, err) != 0)
                return -1;
        for (i = 0; i < LISTS; i++) {
                if (lists[i].error.reason != REASON_NONE && lists[i].error.reason != REASON_UNSUPPORTED)
                        facts_gap(facts, lists[i].resource, "ATH-1",
                                  &(struct resource){.kind = "list", .name = lists[i].resource}, &lists[i].error);
        }
        json_array_foreach((json_t *)paths, i, path)
        {
                const char *text = json_string_value(path);
                if (text == NULL)
                        continue;
                json_array_foreach(r.ingresses, k, object) ingress_route(&r, object, text, routes);
                json_array_foreach(r.ingress_routes, k, object) traefik_route(&r, object, text, routes);
                json_array_foreach(r.http_routes, k, object) gateway_route(&r, object, text, routes);
        }
        return 0;
}

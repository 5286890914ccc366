/* Rate limits of sign-ins at the edge: nginx, ingresses and gateways.  Controls: ATH-1. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "kubernetes_rights.h"
#include "nginx_files.h"
#include "rate_limit_routes.h"
#include "scope.h"

#define NEEDS                                                                                        \
        "RBAC: list ingresses.networking.k8s.io, middlewares.traefik.io, ingressroutes.traefik.io, " \
        "httproutes.gateway.networking.k8s.io, backendtrafficpolicies.gateway.envoyproxy.io"

/* --- collect ------------------------------------------------------------------------------------------------------ */

/* A path that a pattern stands for: what is behind an asterisk may be anything, so it is a word. */
static json_t *
sample_paths(const json_t *globs)
{
        json_t *paths = json_array(), *glob;
        size_t i;

        json_array_foreach((json_t *)globs, i, glob)
        {
                const char *text = json_string_value(glob);
                scoped_buffer path = BUFFER_INIT(2000);
                for (const char *c = text; c != NULL && *c != '\0'; c++) {
                        if (*c == '*')
                                buffer_text(&path, c > text && c[-1] == '/' ? "login" : "");
                        else
                                buffer_char(&path, *c);
                }
                if (path.length > 0 && !path.failed)
                        json_array_append_new(paths, json_string(path.data));
        }
        return paths;
}

static int
nginx_collect(struct session *session, const json_t *paths, json_t *facts, json_t *routes, struct error *err)
{
        const json_t *files = target_value(session->target, "files"), *names = target_value(session->target, "servers");
        size_t i, k;
        json_t *file, *path;

        json_array_foreach((json_t *)files, i, file)
        {
                scoped_json configuration = NULL;
                struct error one = {0};
                const char *name = json_string_value(file);
                if (name == NULL)
                        continue;
                if (nginx_read(name, &configuration, &one) != 0) {
                        facts_gap(facts, name, "ATH-1", &(struct resource){.kind = "file", .name = name}, &one);
                        continue;
                }
                json_array_foreach((json_t *)paths, k, path)
                {
                        if (json_is_string(path) &&
                            nginx_limits(configuration, json_string_value(path), names, routes) != 0)
                                return error_memory(err, "rate limits");
                }
        }
        return 0;
}

static int
rate_limits_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *routes = json_array(),
               *paths = sample_paths(session->policy != NULL ? policy_value(session->policy, "ATH-1", "endpoints")
                                                             : NULL);

        json_put_text(facts, "kind", session->target->kind->name);
        if (json_put(facts, "paths", paths) != 0 || json_put(facts, "routes", routes) != 0)
                return error_memory(err, "rate limits");
        return session->target->kind == &kind_nginx ? nginx_collect(session, paths, facts, routes, err)
                                                    : rate_limit_routes(session, paths, facts, routes, err);
}

static int
rate_limits_check(struct session *session, struct rights *rights, struct error *err)
{
        return session->target->kind == &kind_kubernetes ? kubernetes_rights_check(session, NEEDS, rights, err) : 0;
}

/* --- judge -------------------------------------------------------------------------------------------------------- */

/* The strictest limit that counts by address and is in force; NULL when there is none. */
static const json_t *
strictest(const json_t *limits)
{
        const json_t *best = NULL;
        size_t i;
        json_t *limit;

        json_array_foreach((json_t *)limits, i, limit)
        {
                double rate = json_real_or(limit, "per_minute", NAN);
                if (!(rate > 0) || !json_flag(limit, "per_address", false) || json_flag(limit, "dry_run", false))
                        continue;
                if (best == NULL || rate < json_real_or(best, "per_minute", INFINITY))
                        best = limit;
        }
        return best;
}

/* Why there is none: a limit that counts all clients together, or that is only tried. */
static const char *
none_words(struct findings *out, const json_t *limits)
{
        size_t i;
        json_t *limit;

        json_array_foreach((json_t *)limits, i, limit)
        {
                const char *what = json_text(limit, "what", "a limit");
                if (json_flag(limit, "dry_run", false))
                        return findings_text(out, "%s, but limit_req_dry_run is on", what);
                if (!json_flag(limit, "per_address", false))
                        return findings_text(out, "%s counts all clients together", what);
                if (!(json_real_or(limit, "per_minute", NAN) > 0))
                        return findings_text(out, "%s, whose rate is not to be found", what);
        }
        return "no limit";
}

static const char *
remedy_words(struct findings *out, const char *kind, const char *namespace_, const char *name, double most)
{
        if (strcmp(kind, "server") == 0)
                return findings_text(out,
                                     "http: limit_req_zone $binary_remote_addr zone=login:10m rate=%.0fr/m;  location: "
                                     "limit_req zone=login burst=5 nodelay; "
                                     "limit_req_status 429;",
                                     most);
        if (strcmp(kind, "IngressRoute") == 0)
                return findings_text(
                        out, "Put a Middleware with rateLimit {average: %.0f, period: 1m, burst: 5} before this route.",
                        most);
        if (strcmp(kind, "HTTPRoute") == 0)
                return findings_text(out,
                                     "A BackendTrafficPolicy on HTTPRoute %s: rateLimit.global.rules: "
                                     "[{clientSelectors: [{sourceCIDR: {value: 0.0.0.0/0, type: "
                                     "Distinct}}], limit: {requests: %.0f, unit: Minute}}]",
                                     name, most);
        return findings_text(out,
                             "kubectl -n %s annotate ingress %s nginx.ingress.kubernetes.io/limit-rpm=%.0f (on an "
                             "Ingress of its own for these paths)",
                             namespace_, name, most);
}

static void
route_judge(const json_t *route, double most, const struct policy *policy, struct findings *out, size_t index)
{
        const char *kind = json_text(route, "kind", "route"), *namespace_ = json_text(route, "namespace", NULL),
                   *name = json_text(route, "name", "?"), *path = json_text(route, "path", "?"),
                   *location = json_text(route, "location", "");
        const json_t *limits = json_list(route, "limits"), *limit = strictest(limits);
        struct resource resource = {
                .kind = kind, .namespace_ = namespace_, .name = findings_text(out, "%s %s", name, path)};
        const char *where = findings_text(
                out, "%s%s%s", *location != '\0' ? "served by " : "served", *location != '\0' ? location : "",
                json_text(route, "place", NULL) != NULL ? findings_text(out, " (%s)", json_text(route, "place", ""))
                                                        : "");
        const char *expected = findings_text(out, "at most %g a minute and address", most);
        double rate = json_real_or(limit, "per_minute", NAN);

        if (limit != NULL && rate <= most) {
                findings_pass(out, "ATH-1", &resource,
                              findings_text(out, "%g a minute by %s, burst %.0f, %s", rate,
                                            json_text(limit, "what", "?"), json_real_or(limit, "burst", 0), where),
                              expected, "Guessing passwords is slow here.");
                return;
        }
        findings_add(out,
                     &(struct finding){
                             .control = "ATH-1",
                             .resource = resource,
                             .status = STATUS_FAIL,
                             .severity = policy_severity(policy, "ATH-1", false),
                             .observed = limit != NULL ? findings_text(out, "%g a minute by %s, %s", rate,
                                                                       json_text(limit, "what", "?"), where)
                                                       : findings_text(out, "%s, %s", none_words(out, limits), where),
                             .expected = expected,
                             .message = limit != NULL ? "One address may guess more passwords a minute than it should."
                                                      : "Nothing at the edge keeps one address from guessing passwords "
                                                        "as fast as it can.",
                             .remedy = remedy_words(out, kind, namespace_ != NULL ? namespace_ : "", name, most),
                             .evidence = findings_text(out, "/routes/%zu", index)});
}

static void
rate_limits_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        double most = policy_number(policy, "ATH-1", "rate");
        bool nginx = strcmp(json_text(facts, "kind", ""), "nginx") == 0;
        size_t i, judged = 0;
        json_t *route;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "routes"), i, route)
        {
                if (!json_is_object(route))
                        continue;
                judged++;
                route_judge(route, most, policy, out, i);
        }
        if (judged > 0 || json_array_size(json_list(facts, "gaps")) > 0)
                return;
        if (nginx)
                findings_error(out, "ATH-1", NULL, REASON_TOO_LITTLE_DATA,
                               "No server block was seen that the target's `servers` names.",
                               "name nginx.conf in `files` and server names in `servers`");
        else
                findings_skip(out, "ATH-1", "No Ingress, IngressRoute or HTTPRoute serves the endpoints of the policy.",
                              "set policy ATH-1 endpoints to the paths that take passwords here, or state the limit as "
                              "a setting `login_rate`");
}

const struct audit audit_rate_limits = {
        .name = "rate_limits",
        .summary = "rate limits of sign-ins: nginx files, ingress-nginx, Traefik, Envoy Gateway",
        .looks_at = {"nginx", "kubernetes"},
        .controls = {"ATH-1"},
        .needs = NEEDS,
        .collect = rate_limits_collect,
        .judge = rate_limits_judge,
        .check = rate_limits_check,
};

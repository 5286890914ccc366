/* Breakers and retries of a mesh or a gateway: do the dependencies have them, and are they bounded?  Controls: WRK-3,
 * API-5. */

#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "kubernetes_rights.h"
#include "resilience_facts.h"
#include "scope.h"

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        const char *products; /* "Istio, Envoy Gateway or Linkerd" */
        bool any;             /* one of them is installed */
};

/* --- hosts -------------------------------------------------------------------------------------------------------- */

/* Whether a host of the mesh is what the policy names: itself, a Service by its first label, or by a wildcard. */
static bool
host_is(const char *host, const char *wanted)
{
        size_t length = strlen(host), other = strlen(wanted);

        if (strcmp(host, wanted) == 0 || strcmp(host, "*") == 0)
                return true;
        if (strchr(wanted, '.') == NULL) {
                /* A short name is a Service of whatever namespace: "kyc" is "kyc.prod", and what holds for all
                 * Services. */
                const char *dot = strchr(host, '.');
                return strcmp(host, "*.local") == 0 || strcmp(host, "*.svc.cluster.local") == 0 ||
                       (dot != NULL && strchr(dot + 1, '.') == NULL && (size_t)(dot - host) == other &&
                        strncmp(host, wanted, other) == 0);
        }
        return host[0] == '*' && host[1] == '.' && other > length - 1 &&
               strcmp(wanted + other - (length - 1), host + 1) == 0;
}

static bool
row_is_for(const json_t *row, const char *wanted)
{
        size_t i;
        json_t *host;

        json_array_foreach((json_t *)json_list(row, "hosts"), i, host)
        {
                if (json_is_string(host) && host_is(json_string_value(host), wanted))
                        return true;
        }
        return false;
}

/* The target of kind settings that answers for it; NULL when none does. */
static const char *
elsewhere(const struct judge *j, const char *is, const char *wanted)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "elsewhere"), i, row)
        {
                const char *of = json_text(row, "of", "");
                if (strcmp(json_text(row, "is", ""), is) == 0 && (host_is(of, wanted) || host_is(wanted, of)))
                        return json_text(row, "target", "?");
        }
        return NULL;
}

/* Where a list could not be read nothing can be called missing. */
static bool
unread(const struct judge *j, const char *control)
{
        size_t i;
        json_t *gap;

        json_array_foreach((json_t *)json_list(j->facts, "gaps"), i, gap)
        {
                if (json_holds(json_list(gap, "controls"), control))
                        return true;
        }
        return false;
}

static const char *
object_words(const struct judge *j, const json_t *row)
{
        return findings_text(j->out, "%s %s/%s", json_text(row, "kind", "?"), json_text(row, "namespace", ""),
                             json_text(row, "name", "?"));
}

static void
found(const struct judge *j, const char *control, const struct resource *resource, bool good, const char *observed,
      const char *expected, const char *message, const char *remedy, const char *evidence)
{
        findings_add(j->out, &(struct finding){.control = control,
                                               .resource = *resource,
                                               .status = good ? STATUS_PASS : STATUS_FAIL,
                                               .severity = good ? SEV_NONE : policy_severity(j->policy, control, false),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = good ? NULL : remedy,
                                               .evidence = evidence});
}

/* --- WRK-3 -------------------------------------------------------------------------------------------------------- */

static void
dependency_judge(const struct judge *j, const char *name)
{
        static const char expected[] = "outlier detection and a bounded pool of connections, or a breaker in code";
        struct resource resource = {.kind = "dependency", .name = name};
        const char *words = NULL, *evidence = NULL;
        char wanted[700];
        bool outlier = false, pool = false, gateway = false;
        size_t i;
        json_t *row;

        resilience_host(name, "", wanted, sizeof wanted);
        const char *setting = elsewhere(j, "circuit_breaker", wanted);
        json_array_foreach((json_t *)json_list(j->facts, "breakers"), i, row)
        {
                if (!row_is_for(row, wanted))
                        continue;
                outlier = outlier || json_flag(row, "outlier", false);
                pool = pool || json_flag(row, "pool", false);
                gateway = gateway || strcmp(json_text(row, "kind", ""), "BackendTrafficPolicy") == 0;
                words = words == NULL ? object_words(j, row)
                                      : findings_text(j->out, "%s, %s", words, object_words(j, row));
                evidence = evidence == NULL ? findings_text(j->out, "/breakers/%zu", i) : evidence;
        }
        /* What Envoy Gateway calls a circuit breaker is the bounded pool. */
        if (words != NULL && pool && (outlier || gateway)) {
                found(j, "WRK-3", &resource, true, words, expected, "Calls fail at once while it is down.", NULL,
                      evidence);
        } else if (words == NULL && setting != NULL) {
                findings_pass(j->out, "WRK-3", &resource, findings_text(j->out, "a setting of target %s", setting),
                              expected, "Its breaker is in code: whether it is switched on is told at that setting.");
        } else if (words == NULL && unread(j, "WRK-3")) {
                return; /* a gap says so */
        } else if (words == NULL) {
                found(j, "WRK-3", &resource, false, "no breaker", expected,
                      "While it is down every call waits for its timeout, and the callers fill up with waiting ones.",
                      findings_text(
                              j->out,
                              "A DestinationRule for host %s with outlierDetection and connectionPool, a "
                              "BackendTrafficPolicy with circuitBreaker, or a circuit_breaker setting of a target of "
                              "kind settings with of: %s.",
                              name, name),
                      NULL);
        } else {
                found(j, "WRK-3", &resource, false,
                      findings_text(j->out, "%s %s", words,
                                    outlier ? "without a connection pool" : "without outlier detection"),
                      expected,
                      outlier ? "A host that fails is put aside, but nothing bounds the calls that wait for a slow one."
                              : "The calls that wait are bounded, but a host that fails goes on being asked.",
                      outlier ? "Add trafficPolicy.connectionPool (tcp.maxConnections, http.http1MaxPendingRequests)."
                              : "Add trafficPolicy.outlierDetection (consecutive5xxErrors: 5, interval: 10s, "
                                "baseEjectionTime: "
                                "30s).",
                      evidence);
        }
}

/* --- API-5 -------------------------------------------------------------------------------------------------------- */

/* What is wrong with one rule of retries: "" when nothing is. */
static const char *
retry_fault(const struct judge *j, const json_t *row, const char **remedy)
{
        int64_t attempts = json_whole(row, "attempts", -1), most = policy_whole(j->policy, "API-5", "attempts");
        double budget = json_real_or(row, "budget_percent", -1), share = policy_number(j->policy, "API-5", "budget");

        if (budget >= 0) {
                *remedy = findings_text(j->out, "Set retryBudget.retryRatio to at most %g.", share / 100);
                return budget > share ? findings_text(j->out,
                                                      "Retries may add %.0f %% to the load of a service that "
                                                      "stumbles.",
                                                      budget)
                                      : "";
        }
        *remedy = findings_text(
                j->out, "Set the attempts to between 1 and %" PRId64 ", a timeout for each, and a backoff.", most);
        if (attempts < 0 || attempts > 1000000)
                return "Nobody can say how often it tries.";
        if (attempts > most)
                return findings_text(j->out,
                                     "A service that stumbles gets every call %" PRId64 " times: that keeps it down.",
                                     attempts + 1);
        if (attempts > 0 && strcmp(json_text(row, "backoff", "none"), "none") == 0)
                return "It tries again at once, without a pause: a service that stumbles gets the load again at the "
                       "same "
                       "moment.";
        if (attempts > 0 && !json_flag(row, "bounded_time", false))
                return "No attempt has an end of its own (perTryTimeout, timeout): one that hangs leaves no time for a "
                       "second.";
        return "";
}

static const char *
retry_words(const struct judge *j, const json_t *row)
{
        double budget = json_real_or(row, "budget_percent", -1);

        if (budget >= 0)
                return findings_text(j->out, "%s: retries within a budget of %.0f %%", object_words(j, row), budget);
        return findings_text(j->out, "%s %s: %" PRId64 " attempts, backoff %s", object_words(j, row),
                             json_text(row, "where", ""), json_whole(row, "attempts", -1),
                             json_text(row, "backoff", "none"));
}

static const char *
retry_expected(const struct judge *j)
{
        return findings_text(j->out,
                             "1 to %" PRId64 " attempts with a backoff (policy attempts), or a budget of at most %g %%",
                             policy_whole(j->policy, "API-5", "attempts"), policy_number(j->policy, "API-5", "budget"));
}

/* A rule without a bound is a fault whether the policy names its hosts or not.  Returns how many rules are sound. */
static size_t
retries_judge(const struct judge *j)
{
        size_t good = 0, i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "retries"), i, row)
        {
                const char *remedy, *fault = retry_fault(j, row, &remedy);
                struct resource resource = {.kind = json_text(row, "kind", "?"),
                                            .namespace_ = json_text(row, "namespace", ""),
                                            .name = findings_text(j->out, "%s %s", json_text(row, "name", "?"),
                                                                  json_text(row, "where", ""))};
                good += *fault == '\0';
                if (*fault != '\0')
                        found(j, "API-5", &resource, false, retry_words(j, row), retry_expected(j), fault, remedy,
                              findings_text(j->out, "/retries/%zu", i));
        }
        return good;
}

static void
service_judge(const struct judge *j, const char *name)
{
        struct resource resource = {.kind = "service", .name = name};
        const char *words = NULL, *remedy;
        char wanted[700];
        bool tries = false;
        size_t i;
        json_t *row;

        resilience_host(name, "", wanted, sizeof wanted);
        const char *setting = elsewhere(j, "retry_attempts", wanted);
        json_array_foreach((json_t *)json_list(j->facts, "retries"), i, row)
        {
                if (!row_is_for(row, wanted) || json_whole(row, "attempts", 1) == 0)
                        continue;
                tries = true;
                if (words == NULL && *retry_fault(j, row, &remedy) == '\0')
                        words = retry_words(j, row);
        }
        if (words != NULL)
                findings_pass(j->out, "API-5", &resource, words, retry_expected(j),
                              "Its callers try again, within bounds.");
        else if (tries)
                return; /* its rule was told of */
        else if (setting == NULL && unread(j, "API-5"))
                return; /* a gap says so */
        else if (setting != NULL)
                findings_pass(j->out, "API-5", &resource, findings_text(j->out, "a setting of target %s", setting),
                              retry_expected(j), "Its callers retry in code: how often is told at that setting.");
        else
                found(j, "API-5", &resource, false, "no retries", retry_expected(j),
                      "One reset connection, or one pod that is replaced, fails a call that a second try would have "
                      "saved.",
                      findings_text(
                              j->out,
                              "A VirtualService for host %s with retries, a BackendTrafficPolicy with retry, or a "
                              "retry_attempts setting of a target of kind settings with of: %s.",
                              name, name),
                      NULL);
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void
products_read(struct judge *j)
{
        size_t i, count = json_array_size(json_list(j->facts, "products"));
        json_t *product;

        j->products = "";
        json_array_foreach((json_t *)json_list(j->facts, "products"), i, product)
        {
                j->any = j->any || json_flag(product, "installed", false);
                j->products = findings_text(j->out, "%s%s%s", j->products,
                                            i == 0           ? ""
                                            : i + 1 == count ? " nor "
                                                             : ", ",
                                            json_text(product, "name", "?"));
        }
}

static size_t
names_judge(const struct judge *j, const char *control, const char *setting,
            void (*judge)(const struct judge *j, const char *name))
{
        size_t count = 0, i;
        json_t *name;

        json_array_foreach((json_t *)policy_value(j->policy, control, setting), i, name)
        {
                if (!json_is_string(name))
                        continue;
                judge(j, json_string_value(name));
                count++;
        }
        return count;
}

static void
resilience_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.facts = facts, .policy = policy, .out = out};
        size_t breakers = json_array_size(json_list(facts, "breakers"));

        (void)history;
        products_read(&j);
        if (names_judge(&j, "WRK-3", "dependencies", dependency_judge) == 0)
                findings_skip(
                        out, "WRK-3",
                        j.any ? findings_text(out,
                                              "The policy names no dependency (%zu rules with a breaker were seen).",
                                              breakers)
                              : findings_text(out, "The policy names no dependency, and neither %s is installed.",
                                              j.products),
                        "Name what the platform calls: policy WRK-3 dependencies: [\"kyc.example.com\", \"scoring\"].");
        size_t before = out->count, good = retries_judge(&j);
        size_t named = names_judge(&j, "API-5", "services", service_judge);
        if (named == 0 && good > 0)
                findings_pass(out, "API-5", NULL, findings_text(out, "%zu rules", good), retry_expected(&j),
                              "These rules retry within bounds; the policy names no service that must have one.");
        else if (out->count == before && !unread(&j, "API-5"))
                findings_skip(out, "API-5",
                              j.any ? "No rule retries, and the policy names no service whose callers must."
                                    : findings_text(out, "The policy names no service, and neither %s is installed.",
                                                    j.products),
                              "Name services whose callers must retry: policy API-5 services: [\"scoring\"].");
}

static const char NEEDS[] = "RBAC: list destinationrules.networking.istio.io, virtualservices.networking.istio.io, "
                            "backendtrafficpolicies.gateway.envoyproxy.io, serviceprofiles.linkerd.io, "
                            "httproutes.gateway.networking.k8s.io, services";

static int
resilience_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

const struct audit audit_resilience = {
        .name = "resilience",
        .summary = "circuit breakers and retries of a mesh or a gateway",
        .looks_at = {"kubernetes"},
        .controls = {"WRK-3", "API-5"},
        .needs = NEEDS,
        .collect = resilience_read,
        .judge = resilience_judge,
        .check = resilience_check,
};

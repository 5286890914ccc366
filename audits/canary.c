/* Releases: do they begin with few requests, and wait before they go on?  Controls: API-1. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "canary_facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "scope.h"

static const char SHARE[] = "canary.route_share_percent";

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        json_t *covered; /* "kind/namespace/name" of workloads that a release of some kind is for */
        double weight;   /* policy */
        int64_t hold_ms;
        const char *expected;
        size_t judged;
};

static void
cover(const struct judge *j, const char *target, const char *namespace_)
{
        const char *slash = strchr(target, '/');

        if (slash != NULL)
                json_put_flag(j->covered,
                              findings_text(j->out, "%.*s/%s/%s", (int)(slash - target), target, namespace_, slash + 1),
                              true);
}

static void
release_found(struct judge *j, const struct resource *resource, bool good, const char *observed, const char *message,
              const char *remedy, const char *evidence)
{
        j->judged++;
        findings_add(j->out, &(struct finding){.control = "API-1",
                                               .resource = *resource,
                                               .status = good ? STATUS_PASS : STATUS_FAIL,
                                               .severity = good ? SEV_NONE : policy_severity(j->policy, "API-1", false),
                                               .observed = observed,
                                               .expected = j->expected,
                                               .message = message,
                                               .remedy = good ? NULL : remedy,
                                               .evidence = evidence});
}

/* --- Rollouts and Canaries ---------------------------------------------------------------------------------------- */

/* What the steps come to. */
struct course {
        double first;    /* percent of the requests; NAN: no step says */
        int64_t held_ms; /* how long they stay at no more than the policy's weight */
        bool for_ever;   /* until somebody lets it go on */
        bool analysis;   /* for as long as an analysis takes */
};

/* Without traffic routing Argo splits pods, and a pod cannot be split: 10 % of three pods is one of three. */
static double
share_of(const json_t *release, double weight)
{
        double most = json_real_or(release, "most", 100), replicas = json_real_or(release, "replicas", 0);

        if (json_flag(release, "routed", false) || !(replicas > 0))
                return most > 0 ? weight / most * 100 : weight;
        return fmin(100, ceil(replicas * weight / 100) / replicas * 100);
}

static struct course
course_of(const struct judge *j, const json_t *release)
{
        struct course course = {.first = NAN};
        size_t i;
        json_t *step;

        json_array_foreach((json_t *)json_list(release, "steps"), i, step)
        {
                double weight = json_real_or(step, "weight", NAN);
                const char *hold = json_text(step, "hold", "");
                if (!isnan(weight) && weight > 0) {
                        double share = share_of(release, weight);
                        if (isnan(course.first))
                                course.first = share;
                        if (share > j->weight)
                                break;
                }
                if (isnan(course.first))
                        continue; /* nothing is shifted yet */
                int64_t held = json_whole(step, "hold_ms", 0);
                course.held_ms += held > 0 && held < 366 * DAY_MS ? held : 0;
                course.for_ever = course.for_ever || strcmp(hold, "for ever") == 0;
                course.analysis = course.analysis || strcmp(hold, "analysis") == 0;
        }
        return course;
}

static const char *
remedy_of(const struct judge *j, const char *kind)
{
        return strcmp(kind, "Canary") == 0
                       ? findings_text(j->out,
                                       "Set analysis.stepWeight: %g (or stepWeights) and an interval that keeps it "
                                       "there for %s.",
                                       j->weight / 2, findings_duration(j->out, (double)j->hold_ms))
                       : findings_text(j->out, "Begin steps with {setWeight: %g}, {pause: {duration: %" PRId64 "s}}.",
                                       j->weight, j->hold_ms / 1000);
}

static void
steps_judge(struct judge *j, const json_t *release, const struct resource *resource, const char *evidence)
{
        struct course course = course_of(j, release);
        struct findings *out = j->out;
        const char *remedy = remedy_of(j, resource->kind);
        const char *analysed = json_flag(release, "analysis", false) ? "with analysis" : "without analysis";
        bool pods = !json_flag(release, "routed", false);

        if (isnan(course.first)) {
                release_found(
                        j, resource, false, "no step sets a weight",
                        "Without a weight it is an ordinary rolling update: the first bad pod is followed by the rest.",
                        remedy, evidence);
                return;
        }
        const char *held = course.for_ever      ? "until somebody lets it go on"
                           : course.held_ms > 0 ? findings_duration(out, (double)course.held_ms)
                           : course.analysis    ? "for as long as its analysis takes"
                                                : "no time at all";
        const char *observed = findings_text(out, "begins with %.3g %%%s, at most %g %% for %s, %s", course.first,
                                             pods ? " of the pods" : "", j->weight,
                                             course.first > j->weight ? "no time at all" : held, analysed);
        if (course.first > j->weight)
                release_found(
                        j, resource, false, observed,
                        pods ? findings_text(out,
                                             "It has no traffic routing, so that pods are split and not requests: with "
                                             "its %" PRId64 " replicas the first step reaches %.3g %% of them.",
                                             json_whole(release, "replicas", 0), course.first)
                             : findings_text(out, "A bad release reaches %.3g %% of the requests at once.",
                                             course.first),
                        remedy, evidence);
        else if (course.for_ever || course.held_ms >= j->hold_ms)
                release_found(j, resource, true, observed, "A bad release is seen before many meet it.", NULL,
                              evidence);
        else if (course.analysis)
                findings_error(
                        out, "API-1", resource, REASON_TOO_LITTLE_DATA,
                        "How long the first step is held depends on an analysis, whose length its template says.",
                        remedy);
        else
                release_found(j, resource, false, observed,
                              "It goes on before anybody, or any alert, can have seen a fault.", remedy, evidence);
}

static void
release_judge(struct judge *j, const json_t *release, size_t index)
{
        const char *kind = json_text(release, "kind", "Rollout"), *namespace_ = json_text(release, "namespace", "");
        const char *name = json_text(release, "name", "?"), *strategy = json_text(release, "strategy", "none");
        struct resource resource = {.kind = kind, .namespace_ = namespace_, .name = name};
        const char *evidence = findings_text(j->out, "/releases/%zu", index);

        cover(j, findings_text(j->out, "%s/%s", kind, name), namespace_);
        cover(j, json_text(release, "target", ""), namespace_);
        /* Flagger runs what is live as a copy of its own. */
        if (strcmp(kind, "Canary") == 0)
                cover(j, findings_text(j->out, "%s-primary", json_text(release, "target", "")), namespace_);
        if (strcmp(strategy, "canary") == 0) {
                steps_judge(j, release, &resource, evidence);
        } else if (strcmp(strategy, "match") == 0) {
                int64_t held = json_whole(json_array_get(json_list(release, "steps"), 0), "hold_ms", 0);
                release_found(j, &resource, held >= j->hold_ms,
                              findings_text(j->out, "only requests that match, for %s",
                                            findings_duration(j->out, (double)held)),
                              held >= j->hold_ms ? "Only requests that match reach a new release at first."
                                                 : "The trial ends before a fault can have been seen.",
                              "Raise analysis.iterations or analysis.interval.", evidence);
        } else {
                release_found(j, &resource, false,
                              strcmp(strategy, "blue-green") == 0 ? "blue-green: all requests at once"
                              : strcmp(strategy, "skipped") == 0  ? "skipAnalysis: true"
                                                                  : "no strategy",
                              "A bad release reaches every request at once.", remedy_of(j, kind), evidence);
        }
}

/* --- routes ------------------------------------------------------------------------------------------------------- */

/* The smallest share that is no zero, or zero. */
static double
route_share(const json_t *route)
{
        double total = 0, least = 0;
        size_t i;
        json_t *backend;

        json_array_foreach((json_t *)json_list(route, "backends"), i, backend)
        {
                double weight = json_real_or(backend, "weight", 0);
                if (weight > 0 && weight < 1e9) {
                        total += weight;
                        least = least > 0 ? fmin(least, weight) : weight;
                }
        }
        return total > 0 && least < total ? least / total * 100 : 0;
}

/* A route shows where a release stands now; how it began is what earlier runs saw. */
static void
route_judge(struct judge *j, const json_t *route, size_t index)
{
        struct findings *out = j->out;
        const char *namespace_ = json_text(route, "namespace", ""), *name = json_text(route, "name", "?");
        struct resource resource = {.kind = "HTTPRoute",
                                    .namespace_ = namespace_,
                                    .name = findings_text(out, "%s rule %" PRId64, name, json_whole(route, "rule", 0))};
        const char *subject = findings_text(out, "%s/%s", namespace_, resource.name);
        const struct series *series = history_series(j->history, SHARE, subject);
        double now = route_share(route), first = now;
        size_t i, k;
        json_t *backend, *workload;

        json_array_foreach((json_t *)json_list(route, "backends"), i, backend)
        {
                json_array_foreach((json_t *)json_list(backend, "workloads"), k, workload)
                {
                        if (json_is_string(workload))
                                cover(j, json_string_value(workload), namespace_);
                }
        }
        findings_sample(out, SHARE, subject, now);
        /* The newest release: from the last time nothing was split. */
        for (i = series != NULL ? series->count : 0; i-- > 0;) {
                if (series->samples[i].value > 0)
                        first = series->samples[i].value;
                else if (first > 0)
                        break;
        }
        const char *observed = findings_text(out, "%.3g %% now, %.3g %% when the release was first seen", now, first);
        if (!(first > 0)) {
                j->judged++;
                findings_error(out, "API-1", &resource, REASON_TOO_LITTLE_DATA,
                               "The route is made for a canary, and no run has seen a release on it yet.",
                               "Nothing to do: the next release shows it, if a run falls into it.");
        } else {
                release_found(j, &resource, first <= j->weight, observed,
                              first <= j->weight
                                      ? "The release began with few requests; how long each weight is held a route "
                                        "does not say."
                                      : "When it was first seen the release had more of the requests than it should "
                                        "begin with.",
                              findings_text(out, "Begin with a weight of %g of 100 in backendRefs, and hold it for %s.",
                                            j->weight, findings_duration(out, (double)j->hold_ms)),
                              findings_text(out, "/routes/%zu", index));
        }
}

/* --- workloads that the policy names ------------------------------------------------------------------------------ */

static const char *
products_words(const struct judge *j, bool *any)
{
        const char *words = "";
        size_t i, count = json_array_size(json_list(j->facts, "products"));
        json_t *product;

        json_array_foreach((json_t *)json_list(j->facts, "products"), i, product)
        {
                *any = *any || json_flag(product, "installed", true);
                words = findings_text(j->out, "%s%s%s (%s)", words,
                                      i == 0           ? ""
                                      : i + 1 == count ? " nor "
                                                       : ", ",
                                      json_text(product, "name", "?"), json_text(product, "resource", "?"));
        }
        return words;
}

static void
workloads_judge(struct judge *j)
{
        const json_t *globs = policy_value(j->policy, "API-1", "workloads");
        size_t i;
        json_t *workload;

        json_array_foreach((json_t *)json_list(j->facts, "workloads"), i, workload)
        {
                const char *kind = json_text(workload, "kind", ""), *namespace_ = json_text(workload, "namespace", "");
                const char *name = json_text(workload, "name", "");
                struct resource resource = {.kind = kind, .namespace_ = namespace_, .name = name};
                if (!json_globs_match(globs, findings_text(j->out, "%s/%s", namespace_, name)) ||
                    json_has(j->covered, findings_text(j->out, "%s/%s/%s", kind, namespace_, name)))
                        continue;
                release_found(
                        j, &resource, false, findings_text(j->out, "a plain %s", kind),
                        "Each release replaces its pods one after the other whether they work or not: nobody meets it "
                        "first.",
                        findings_text(
                                j->out,
                                "Release it by an Argo Rollout (workloadRef: %s), a Flagger Canary (targetRef), or "
                                "weights of an HTTPRoute between two Services.",
                                name),
                        findings_text(j->out, "/workloads/%zu", i));
        }
}

static void
canary_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        scoped_json covered = json_object();
        struct judge j = {.facts = facts,
                          .policy = policy,
                          .history = history,
                          .out = out,
                          .covered = covered,
                          .weight = policy_number(policy, "API-1", "weight"),
                          .hold_ms = policy_whole(policy, "API-1", "hold")};
        bool any = false;
        size_t i;
        json_t *row;

        j.expected = findings_text(out, "begins with at most %g %%, held for %s (policy weight, hold)", j.weight,
                                   findings_duration(out, (double)j.hold_ms));
        const char *products = products_words(&j, &any);
        bool gaps = json_array_size(json_list(facts, "gaps")) > 0;
        if (!any && json_array_size(json_list(facts, "products")) > 0) {
                findings_skip(out, "API-1",
                              findings_text(out, "No tool for canary releases is installed: neither %s.", products),
                              "Install one, or say that releases are staged elsewhere: policy API-1 enabled: false.");
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "releases"), i, row) release_judge(&j, row, i);
        json_array_foreach((json_t *)json_list(facts, "routes"), i, row) route_judge(&j, row, i);
        workloads_judge(&j);
        if (j.judged == 0 && out->count == 0 && !gaps)
                findings_skip(out, "API-1",
                              "No release is staged in this cluster, and it has no workload that the policy names.",
                              "Name the workloads that must be released as a canary: policy API-1 workloads.");
}

static const char NEEDS[] = "RBAC: list deployments.apps, statefulsets.apps, daemonsets.apps, rollouts.argoproj.io, "
                            "canaries.flagger.app, httproutes.gateway.networking.k8s.io, services";

static int
canary_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

const struct audit audit_canary = {
        .name = "canary",
        .summary = "canary releases: first weight and how long it is held",
        .looks_at = {"kubernetes"},
        .controls = {"API-1"},
        .needs = NEEDS,
        .samples = {SHARE},
        .collect = canary_read,
        .judge = canary_judge,
        .check = canary_check,
};

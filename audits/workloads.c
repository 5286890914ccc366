/* Workloads: are their containers bounded, are they warm before they take traffic, do their disruption budgets work?
 * Controls: NOD-2, NOD-3, LAT-5. */

#include "audit.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "scope.h"
#include "workloads_budgets.h"
#include "workloads_facts.h"

#define NEEDS                                                                                            \
        "RBAC: list pods, limitranges, replicasets.apps, jobs.batch, cronjobs.batch, deployments.apps, " \
        "statefulsets.apps, daemonsets.apps, rollouts.argoproj.io, poddisruptionbudgets.policy, "        \
        "horizontalpodautoscalers.autoscaling"

enum { SHOWN_MOST = 5 };

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
};

static int
workloads_collect(struct session *session, json_t *facts, struct error *err)
{
        return workloads_facts_read(session, facts, err);
}

static int
workloads_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

static struct resource
resource_of(const json_t *workload)
{
        return (struct resource){json_text(workload, "kind", "?"), json_text(workload, "namespace", "?"),
                                 json_text(workload, "name", "?")};
}

/* kubectl's word for it: "deployment/api"; other kinds have no shorthand that all know. */
static const char *
object_text(struct findings *out, const struct resource *resource)
{
        return findings_text(out, "%s/%s", resource->kind, resource->name);
}

/* --- NOD-3: bounds ------------------------------------------------------------------------------------------------ */

/* What one container lacks of what the policy demands: "CPU request, memory limit"; `flags` gets the remedy's. */
static const char *
lacks_text(const struct judge *j, const json_t *container, const char **flags)
{
        static const struct {
                const char *word, *flag, *value;
        } bounds[] = {{"CPU request", "requests", "cpu=100m"},
                      {"memory request", "requests", "memory=128Mi"},
                      {"CPU limit", "limits", "cpu=500m"},
                      {"memory limit", "limits", "memory=256Mi"}};
        bool cpu_limits = policy_flag(j->policy, "NOD-3", "cpu_limits");
        const char *text = "", *flag = "";

        *flags = "";
        for (size_t k = 0; k < sizeof bounds / sizeof bounds[0]; k++) {
                if (!json_holds(json_list(container, "lacks"), bounds[k].word) ||
                    (!cpu_limits && strcmp(bounds[k].word, "CPU limit") == 0))
                        continue;
                text = findings_text(j->out, "%s%s%s", text, *text != '\0' ? ", " : "", bounds[k].word);
                /* One flag with both values: of a repeated one kubectl takes the last alone. */
                *flags = strcmp(flag, bounds[k].flag) == 0
                                 ? findings_text(j->out, "%s,%s", *flags, bounds[k].value)
                                 : findings_text(j->out, "%s --%s=%s", *flags, bounds[k].flag, bounds[k].value);
                flag = bounds[k].flag;
        }
        return text;
}

static const char *
bounds_remedy(const struct judge *j, const struct resource *resource, const char *container, const char *role,
              const char *flags)
{
        if (strcmp(resource->kind, "Pod") == 0)
                return findings_text(j->out,
                                     "give the pod a workload, and its container %s resources; or give the namespace "
                                     "a LimitRange",
                                     container);
        if (strcmp(role, "app") != 0 || strcmp(resource->kind, "CronJob") == 0 || strcmp(resource->kind, "Job") == 0 ||
            strcmp(resource->kind, "Rollout") == 0)
                return findings_text(j->out, "kubectl -n %s edit %s: give container %s resources (%s)",
                                     resource->namespace_, object_text(j->out, resource), container, flags + 1);
        return findings_text(j->out,
                             "kubectl -n %s set resources %s -c %s%s (what it uses: kubectl -n %s top pod "
                             "--containers), or give the namespace a LimitRange",
                             resource->namespace_, object_text(j->out, resource), container, flags,
                             resource->namespace_);
}

/* True when every container is bounded. */
static bool
bounds_judge(const struct judge *j, const json_t *workload, size_t index)
{
        struct resource resource = resource_of(workload);
        scoped_buffer observed = BUFFER_INIT(4096);
        const char *remedy = NULL;
        size_t i, count = 0;
        json_t *container;

        json_array_foreach((json_t *)json_list(workload, "unbounded"), i, container)
        {
                const char *flags, *name = json_text(container, "name", "?"),
                                   *role = json_text(container, "role", "app");
                const char *lacks = lacks_text(j, container, &flags);
                if (*lacks == '\0')
                        continue;
                if (count++ < SHOWN_MOST)
                        buffer_format(&observed, "%s%s%s: no %s", observed.length > 0 ? "; " : "", name,
                                      strcmp(role, "app") == 0    ? ""
                                      : strcmp(role, "init") == 0 ? " (init)"
                                                                  : " (sidecar)",
                                      lacks);
                if (remedy == NULL)
                        remedy = bounds_remedy(j, &resource, name, role, flags);
        }
        if (count == 0)
                return true;
        if (count > SHOWN_MOST)
                buffer_format(&observed, "; and %zu more containers", count - SHOWN_MOST);
        findings_add(j->out,
                     &(struct finding){.control = "NOD-3",
                                       .resource = resource,
                                       .status = STATUS_FAIL,
                                       .severity = policy_severity(j->policy, "NOD-3", false),
                                       .observed = observed.data,
                                       .expected = policy_flag(j->policy, "NOD-3", "cpu_limits")
                                                           ? "requests and limits for CPU and memory"
                                                           : "requests for CPU, requests and limits for memory",
                                       .message = "What is not bounded starves its neighbours on the node, or is "
                                                  "the first to be evicted.",
                                       .remedy = remedy,
                                       .evidence = findings_text(j->out, "/workloads/%zu", index)});
        return false;
}

static void
bounds_report(const struct judge *j, size_t seen, size_t well, size_t exempt)
{
        if (well > 0)
                findings_pass(
                        j->out, "NOD-3", NULL,
                        findings_text(j->out, "%zu of %zu workloads%s", well, seen,
                                      exempt > 0 ? findings_text(j->out, "; %zu in exempt namespaces", exempt) : ""),
                        "requests and limits on every container", "What they may take is bounded.");
        else if (seen == 0 && exempt > 0)
                findings_skip(j->out, "NOD-3", "Every workload is in a namespace that the policy exempts.", NULL);
        else if (seen == 0 && !facts_lacks(j->facts, "workloads") && !facts_lacks(j->facts, "pods"))
                findings_error(j->out, "NOD-3", NULL, REASON_TOO_LITTLE_DATA,
                               "The cluster shows no workload and no pod.",
                               "kubectl get pods -A; see whether `namespaces` of the target leaves them out");
}

/* --- LAT-5: warm before traffic ----------------------------------------------------------------------------------- */

/* The container that warms it up: an init or sidecar container of the policy's name, else a startup probe. */
static const json_t *
warm_find(const struct judge *j, const json_t *workload)
{
        const char *glob = policy_text(j->policy, "LAT-5", "container");
        const json_t *probe = NULL;
        size_t i;
        json_t *warm;

        json_array_foreach((json_t *)json_list(workload, "warm"), i, warm)
        {
                if (strcmp(json_text(warm, "role", "app"), "app") != 0 &&
                    fnmatch(glob, json_text(warm, "name", ""), 0) == 0)
                        return warm;
                if (probe == NULL && strcmp(json_text(warm, "role", "app"), "init") != 0 &&
                    json_flag(warm, "startup", false))
                        probe = warm;
        }
        return probe;
}

/* True when it is warm, or will be: what its running pods say. */
static bool
warm_judge(const struct judge *j, const json_t *workload, size_t index)
{
        const json_t *warm = warm_find(j, workload);
        struct resource resource = resource_of(workload);
        int64_t running = json_whole(workload, "running", 0), done = json_whole(warm, "done", 0);
        int64_t untold = json_whole(warm, "untold", 0);
        const char *name = json_text(warm, "name", "?"), *glob = policy_text(j->policy, "LAT-5", "container");
        bool probe = strcmp(json_text(warm, "role", "app"), "app") == 0;
        const char *what = probe ? findings_text(j->out, "startup probe of %s", name)
                                 : findings_text(j->out, "init container %s", name);
        struct finding fail = {
                .control = "LAT-5",
                .resource = resource,
                .status = STATUS_FAIL,
                .severity = policy_severity(j->policy, "LAT-5", false),
                .expected = findings_text(j->out, "an init container %s or a startup probe that succeeds", glob),
                .evidence = findings_text(j->out, "/workloads/%zu", index)};

        if (warm == NULL) {
                fail.observed = "no init container of that name and no startup probe";
                fail.message = "A new pod takes traffic while its caches are cold: the first decisions are slow.";
                fail.remedy = findings_text(j->out,
                                            "kubectl -n %s edit %s: add an init container that loads the models, or a "
                                            "startupProbe that answers once they are loaded",
                                            resource.namespace_, object_text(j->out, &resource));
                findings_add(j->out, &fail);
                return false;
        }
        if (running == 0 || (done < running && done + untold >= running)) {
                if (!facts_lacks(j->facts, "pods"))
                        findings_error(j->out, "LAT-5", &resource, REASON_TOO_LITTLE_DATA,
                                       running == 0 ? "It has a warm-up, but no pod of it runs that could tell whether "
                                                      "it succeeds."
                                                    : findings_text(j->out,
                                                                    "%lld of its %lld running pods do not tell whether "
                                                                    "the %s completed.",
                                                                    (long long)untold, (long long)running, what),
                                       findings_text(j->out,
                                                     "kubectl -n %s get pods -o wide; kubectl -n %s describe %s",
                                                     resource.namespace_, resource.namespace_,
                                                     object_text(j->out, &resource)));
                return false;
        }
        if (done >= running)
                return true;
        fail.observed = findings_text(j->out, "%s succeeded in %lld of %lld running pods", what, (long long)done,
                                      (long long)running);
        fail.message = probe ? "Pods run whose startup probe has not succeeded yet, or that are not ready."
                             : "Pods run that were not warmed: they are older than the warm-up, or it failed.";
        fail.remedy = findings_text(j->out, "kubectl -n %s rollout restart %s; kubectl -n %s logs %s -c %s",
                                    resource.namespace_, object_text(j->out, &resource), resource.namespace_,
                                    object_text(j->out, &resource), name);
        findings_add(j->out, &fail);
        return false;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void
row_add(const struct judge *j, const json_t *workload)
{
        const struct resource resource = resource_of(workload);
        const json_t *budgets = json_list(workload, "budgets"), *warm = warm_find(j, workload);
        json_t *row = json_object();

        json_put_text(row, "id", findings_text(j->out, "%s %s/%s", resource.kind, resource.namespace_, resource.name));
        json_put_text(row, "kind", resource.kind);
        json_put_text(row, "namespace", resource.namespace_);
        json_put_text(row, "name", resource.name);
        json_put_whole(row, "replicas", json_whole(workload, "replicas", 0));
        json_put_whole(row, "ready", json_whole(workload, "ready", json_whole(workload, "running", 0)));
        json_put_real(row, "cpu_request_m", json_real_or(workload, "cpu_request_m", NAN));
        json_put_real(row, "memory_request", json_real_or(workload, "memory_request", NAN));
        json_put_whole(row, "containers", json_whole(workload, "containers", 0));
        json_put_whole(row, "unbounded", (int64_t)json_array_size(json_list(workload, "unbounded")));
        json_put_text(row, "autoscaler", json_text(workload, "autoscaler", ""));
        json_put_text(row, "budget",
                      json_is_string(json_array_get(budgets, 0)) ? json_string_value(json_array_get(budgets, 0)) : "");
        json_put_text(row, "warm_up", json_text(warm, "name", ""));
        findings_inventory(j->out, "workloads", row);
}

static void
workloads_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *exempt = policy_value(policy, "NOD-3", "exempt_namespaces");
        const json_t *named = policy_value(policy, "LAT-5", "workloads");
        struct judge j = {facts, policy, out};
        size_t i, seen = 0, well = 0, exempted = 0, warmed = 0, to_warm = 0;
        json_t *workload;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "workloads"), i, workload)
        {
                struct resource resource = resource_of(workload);
                if (!json_is_string(json_object_get(workload, "name")) || json_flag(workload, "deleted", false))
                        continue;
                row_add(&j, workload);
                if (json_globs_match(exempt, resource.namespace_)) {
                        exempted++;
                } else {
                        seen++;
                        well += bounds_judge(&j, workload, i) ? 1 : 0;
                }
                if (!json_globs_match(named, findings_text(out, "%s/%s", resource.namespace_, resource.name)) ||
                    json_whole(workload, "replicas", 0) == 0)
                        continue;
                to_warm++;
                warmed += warm_judge(&j, workload, i) ? 1 : 0;
        }
        bounds_report(&j, seen, well, exempted);
        if (warmed > 0)
                findings_pass(out, "LAT-5", NULL,
                              findings_text(out, "%zu of %zu named workloads are warmed up in every running pod",
                                            warmed, to_warm),
                              "a warm-up that succeeded", "Their pods take traffic when their caches are warm.");
        else if (to_warm == 0 && !facts_lacks(facts, "workloads"))
                findings_skip(out, "LAT-5", "No workload that must warm up, by the policy, is in this cluster.",
                              "Name them: policy: {LAT-5: {workloads: [\"namespace/name\"]}}.");
        workloads_budgets_judge(facts, policy, out);
}

const struct audit audit_workloads = {
        .name = "workloads",
        .summary = "requests and limits, warm-up and disruption budgets of workloads",
        .looks_at = {"kubernetes"},
        .controls = {"NOD-2", "NOD-3", "LAT-5"},
        .needs = NEEDS,
        .collect = workloads_collect,
        .judge = workloads_judge,
        .check = workloads_check,
};

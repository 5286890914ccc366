/* Horizontal autoscalers: do they leave headroom, can they scale at all, and does anything fight them?  Controls:
 * LAT-1. */

#include "audit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "faults.h"
#include "hpa_facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "scope.h"

#define NEEDS                                                                                                     \
        "RBAC: list horizontalpodautoscalers.autoscaling, deployments.apps, statefulsets.apps, daemonsets.apps, " \
        "rollouts.argoproj.io, limitranges, scaledobjects.keda.sh, scaledjobs.keda.sh, "                          \
        "triggerauthentications.keda.sh, "                                                                        \
        "clustertriggerauthentications.keda.sh"

enum { SHOWN_MOST = 20 };

static int
hpa_collect(struct session *session, json_t *facts, struct error *err)
{
        return hpa_facts_read(session, facts, err);
}

static int
hpa_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

/* One autoscaler under judgement. */
struct verdict {
        const json_t *hpas, *hpa;
        const struct policy *policy;
        struct findings *out;
        int64_t now_ms;
        const char *namespace_, *name, *target;
        struct faults faults;
};

static void
fault(struct verdict *v, const char *observed, const char *message, const char *remedy)
{
        faults_add(&v->faults, observed, message, remedy);
}

static bool
is_cpu(const json_t *metric)
{
        const char *type = json_text(metric, "type", "");

        return (strcmp(type, "Resource") == 0 || strcmp(type, "ContainerResource") == 0) &&
               strcmp(json_text(metric, "name", ""), "cpu") == 0;
}

/* Percent of the request; an absolute target is set against the request of the pod. */
static double
cpu_percent(const struct verdict *v, const json_t *metric)
{
        double value = json_real_or(metric, "value", NAN), request = json_real_or(v->hpa, "cpu_request_m", NAN);

        if (strcmp(json_text(metric, "target", ""), "Utilization") == 0)
                return value;
        return request > 0 && strcmp(json_text(metric, "type", ""), "Resource") == 0 ? value * 1000 / request * 100
                                                                                     : NAN;
}

static const char *
target_remedy(const struct verdict *v, const json_t *metric, double bound)
{
        bool container = strcmp(json_text(metric, "type", ""), "ContainerResource") == 0;

        if (strcmp(json_text(metric, "target", ""), "Utilization") != 0)
                return findings_text(v->out, "kubectl -n %s edit hpa %s: give the CPU metric averageUtilization: %.0f",
                                     v->namespace_, v->name, bound);
        return findings_text(
                v->out,
                "kubectl -n %s patch hpa %s --type json -p '[{\"op\": \"replace\", \"path\": "
                "\"/spec/metrics/%lld/%s/target/averageUtilization\", \"value\": %.0f}]', and in the chart "
                "or manifest it comes from",
                v->namespace_, v->name, (long long)json_whole(metric, "index", 0),
                container ? "containerResource" : "resource", bound);
}

/* "a, b and 3 more" */
static const char *
names_text(struct findings *out, const json_t *names)
{
        scoped_buffer text = BUFFER_INIT(4096);
        size_t i, count = json_array_size(names);
        json_t *one;

        json_array_foreach((json_t *)names, i, one)
        {
                if (i == SHOWN_MOST) {
                        buffer_format(&text, " and %zu more", count - i);
                        break;
                }
                buffer_format(&text, "%s%s", i > 0 ? ", " : "", json_is_string(one) ? json_string_value(one) : "?");
        }
        return findings_text(out, "%s", text.data != NULL ? text.data : "");
}

static void
cpu_judge(struct verdict *v)
{
        double bound = policy_number(v->policy, "LAT-1", "cpu_target");
        const json_t *without = json_list(v->hpa, "no_cpu_request");
        size_t i, seen = 0;
        json_t *metric;

        json_array_foreach((json_t *)json_list(v->hpa, "metrics"), i, metric)
        {
                const char *container = json_text(metric, "container", NULL);
                double percent = cpu_percent(v, metric);
                if (!is_cpu(metric))
                        continue;
                seen++;
                if (percent > bound)
                        fault(v, findings_text(v->out, "CPU target %.0f %%", percent),
                              "It waits until the pods are so busy that a burst outruns it: new pods need a minute to "
                              "serve.",
                              target_remedy(v, metric, bound));
                if (container != NULL ? json_holds(without, container) : json_array_size(without) > 0)
                        fault(v,
                              findings_text(v->out, "no CPU request in %s",
                                            container != NULL ? container : names_text(v->out, without)),
                              "A share of a request that is not there cannot be told: the autoscaler does not scale on "
                              "it.",
                              findings_text(v->out, "kubectl -n %s set resources %s -c %s --requests=cpu=250m",
                                            v->namespace_, v->target,
                                            container != NULL ? container
                                                              : json_string_value(json_array_get(without, 0))));
        }
        if (seen == 0 && !json_has(v->hpa, "made_by"))
                fault(v, "no CPU metric", "Load on the CPU does not make it scale.",
                      findings_text(v->out,
                                    "kubectl -n %s edit hpa %s: add a Resource metric cpu with "
                                    "averageUtilization: %.0f",
                                    v->namespace_, v->name, bound));
}

static void
range_judge(struct verdict *v)
{
        int64_t min = json_whole(v->hpa, "min", -1), max = json_whole(v->hpa, "max", -1);
        int64_t current = json_whole(v->hpa, "current", -1), desired = json_whole(v->hpa, "desired", -1);
        const json_t *limited = json_object_get(json_object_get(v->hpa, "conditions"), "ScalingLimited");
        bool too_many = strcmp(json_text(limited, "status", ""), "True") == 0 &&
                        strcmp(json_text(limited, "reason", ""), "TooManyReplicas") == 0;

        if (min >= 0 && min == max)
                fault(v, findings_text(v->out, "%lld replicas at least and at most", (long long)max),
                      "It can never scale.",
                      findings_text(v->out, "kubectl -n %s patch hpa %s -p '{\"spec\": {\"maxReplicas\": %lld}}'",
                                    v->namespace_, v->name, (long long)(max < 1 ? 2 : max * 2)));
        else if (max > 0 && current >= max && (too_many || desired >= max))
                fault(v, findings_text(v->out, "%lld of at most %lld replicas", (long long)current, (long long)max),
                      "It stands at its maximum: no headroom is left.",
                      findings_text(v->out,
                                    "kubectl -n %s patch hpa %s -p '{\"spec\": {\"maxReplicas\": %lld}}', after "
                                    "a look at NOD-1",
                                    v->namespace_, v->name, (long long)(max * 2)));
}

static void
conditions_judge(struct verdict *v)
{
        const json_t *conditions = json_map(v->hpa, "conditions");
        const json_t *able = json_object_get(conditions, "AbleToScale");
        const json_t *active = json_object_get(conditions, "ScalingActive");
        int64_t created = json_whole(v->hpa, "created_ms", 0);

        if (strcmp(json_text(able, "status", ""), "False") == 0)
                fault(v, findings_text(v->out, "AbleToScale is False: %s", json_text(able, "reason", "")),
                      findings_text(v->out, "The controller cannot scale it: %s.", json_text(able, "message", "")),
                      findings_text(v->out, "kubectl -n %s describe hpa %s", v->namespace_, v->name));
        /* ScalingDisabled: the target was set to no replicas by hand. */
        if (strcmp(json_text(active, "status", ""), "False") == 0 &&
            strcmp(json_text(active, "reason", ""), "ScalingDisabled") != 0)
                fault(v, findings_text(v->out, "ScalingActive is False: %s", json_text(active, "reason", "")),
                      findings_text(v->out, "It gets no metrics: %s.", json_text(active, "message", "")),
                      strstr(json_text(active, "message", ""), "metrics.k8s.io") != NULL
                              ? "kubectl get apiservices v1beta1.metrics.k8s.io; install or mend metrics-server"
                              : findings_text(v->out, "kubectl -n %s describe hpa %s", v->namespace_, v->name));
        if (json_object_size(conditions) == 0 && created > 0 && v->now_ms - created > 10 * MINUTE_MS)
                fault(v, "no conditions", "No controller has ever looked at it.",
                      "kubectl -n kube-system get pods -l component=kube-controller-manager");
}

/* Two autoscalers on one target undo each other's work every 15 seconds. */
static void
fights_judge(struct verdict *v)
{
        const json_t *scalers = json_list(v->hpa, "scalers");
        scoped_json others = json_array();
        size_t i;
        json_t *other;

        json_array_foreach((json_t *)v->hpas, i, other)
        {
                const char *name = json_text(other, "name", "");
                if (other != v->hpa && strcmp(json_text(other, "namespace", ""), v->namespace_) == 0 &&
                    strcmp(json_text(other, "target_kind", ""), json_text(v->hpa, "target_kind", "")) == 0 &&
                    strcmp(json_text(other, "target_name", ""), json_text(v->hpa, "target_name", "")) == 0 &&
                    json_has(v->hpa, "target_name"))
                        json_push(others, json_string(name));
        }
        if (json_array_size(scalers) > 0)
                fault(v, findings_text(v->out, "KEDA scales the same target by %s", names_text(v->out, scalers)),
                      "Two autoscalers on one workload undo each other's work.",
                      findings_text(v->out, "kubectl -n %s delete hpa %s, and give the ScaledObject a cpu trigger",
                                    v->namespace_, v->name));
        else if (json_array_size(others) > 0)
                fault(v, findings_text(v->out, "%s scales the same target", names_text(v->out, others)),
                      "Two autoscalers on one workload undo each other's work.",
                      findings_text(v->out, "keep one of them: kubectl -n %s delete hpa %s", v->namespace_, v->name));
}

static void
row_add(const struct verdict *v)
{
        json_t *row = json_object(), *metric;
        double cpu = NAN;
        size_t i;

        json_array_foreach((json_t *)json_list(v->hpa, "metrics"), i, metric) if (is_cpu(metric) && isnan(cpu))
                cpu = cpu_percent(v, metric);
        json_put_text(row, "id", findings_text(v->out, "%s/%s", v->namespace_, v->name));
        json_put_text(row, "namespace", v->namespace_);
        json_put_text(row, "name", v->name);
        json_put_text(row, "scales", v->target);
        json_put_whole(row, "min", json_whole(v->hpa, "min", -1));
        json_put_whole(row, "max", json_whole(v->hpa, "max", -1));
        if (json_whole(v->hpa, "current", -1) >= 0)
                json_put_whole(row, "current", json_whole(v->hpa, "current", -1));
        json_put_real(row, "cpu_target_percent", cpu);
        json_put_text(row, "made_by", json_text(v->hpa, "made_by", ""));
        findings_inventory(v->out, "autoscalers", row);
}

/* True when it is as it should be. */
static bool
autoscaler_judge(struct verdict *v, size_t index)
{
        if (json_is_false(json_object_get(v->hpa, "target_found"))) {
                fault(v, findings_text(v->out, "%s does not exist", v->target),
                      "It scales nothing: its target is not there.",
                      findings_text(v->out, "kubectl -n %s delete hpa %s, or mend its scaleTargetRef", v->namespace_,
                                    v->name));
        } else {
                cpu_judge(v);
                range_judge(v);
                conditions_judge(v);
        }
        fights_judge(v);
        return faults_report(
                &v->faults,
                &(struct finding){
                        .control = "LAT-1",
                        .resource = {.kind = "HorizontalPodAutoscaler", .namespace_ = v->namespace_, .name = v->name},
                        .severity = policy_severity(v->policy, "LAT-1", false),
                        .expected = findings_text(v->out,
                                                  "a CPU target of at most %g %%, room between "
                                                  "minimum and maximum, metrics that work",
                                                  policy_number(v->policy, "LAT-1", "cpu_target")),
                        .evidence = findings_text(v->out, "/hpas/%zu", index)});
}

static void
hpa_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *hpas = json_list(facts, "hpas"), *exempt = policy_value(policy, "LAT-1", "exempt");
        size_t i, seen = 0, well = 0, exempted = 0;
        json_t *hpa;

        json_array_foreach((json_t *)hpas, i, hpa)
        {
                struct verdict v = {.hpas = hpas,
                                    .hpa = hpa,
                                    .policy = policy,
                                    .out = out,
                                    .faults = FAULTS_INIT(out),
                                    .now_ms = history_now(history),
                                    .namespace_ = json_text(hpa, "namespace", NULL),
                                    .name = json_text(hpa, "name", NULL)};
                if (v.name == NULL || v.namespace_ == NULL)
                        continue;
                v.target = findings_text(out, "%s/%s", json_text(hpa, "target_kind", "?"),
                                         json_text(hpa, "target_name", "?"));
                seen++;
                row_add(&v);
                if (json_globs_match(exempt, findings_text(out, "%s/%s", v.namespace_, v.name)))
                        exempted++;
                else if (autoscaler_judge(&v, i))
                        well++;
        }
        if (well > 0)
                findings_pass(out, "LAT-1", NULL,
                              findings_text(out, "%zu of %zu autoscalers%s", well, seen - exempted,
                                            exempted > 0 ? findings_text(out, ", %zu more exempt", exempted) : ""),
                              findings_text(out, "a CPU target of at most %g %%",
                                            policy_number(policy, "LAT-1", "cpu_target")),
                              "They leave headroom and can scale.");
        else if (seen > 0 && seen == exempted)
                findings_skip(out, "LAT-1", "Every autoscaler is exempt by the policy.", NULL);
        else if (seen == 0 && !facts_lacks(facts, "hpas"))
                findings_error(out, "LAT-1", NULL, REASON_TOO_LITTLE_DATA,
                               "The cluster has no HorizontalPodAutoscaler: nothing scales with the load.",
                               "Give the services that serve requests an autoscaler (kubectl autoscale deployment NAME "
                               "--min 3 --max 20 --cpu-percent 60), or switch LAT-1 off where none is wanted");
}

const struct audit audit_hpa = {
        .name = "hpa",
        .summary = "horizontal autoscalers: targets, headroom, conditions, conflicts",
        .looks_at = {"kubernetes"},
        .controls = {"LAT-1"},
        .needs = NEEDS,
        .collect = hpa_collect,
        .judge = hpa_judge,
        .check = hpa_check,
};

/* KEDA: do workers scale before the backlog alert, by a queue that is there, with nothing in the way?  Controls: WRK-1.
 */

#include "audit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "cluster.h"
#include "facts.h"
#include "faults.h"
#include "json.h"
#include "keda.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "scope.h"

#define NEEDS                                                                                             \
        "RBAC: list scaledobjects.keda.sh, scaledjobs.keda.sh, triggerauthentications.keda.sh, "          \
        "clustertriggerauthentications.keda.sh, horizontalpodautoscalers.autoscaling, deployments.apps, " \
        "statefulsets.apps, daemonsets.apps, rollouts.argoproj.io"

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* Autoscalers of the same target that KEDA did not make. */
static void
autoscalers_put(const struct cluster *cluster, json_t *scaler)
{
        json_t *names = json_array();

        for (size_t i = 0; i < cluster->autoscaler_count; i++) {
                const struct cluster_autoscaler *hpa = &cluster->autoscalers[i];
                if (hpa->deleted_ms == 0 && strcmp(hpa->owner_kind, "ScaledObject") != 0 &&
                    strcmp(hpa->namespace_, json_text(scaler, "namespace", "")) == 0 &&
                    strcmp(hpa->target_kind, json_text(scaler, "target_kind", "")) == 0 &&
                    strcmp(hpa->target_name, json_text(scaler, "target_name", "")) == 0 &&
                    strcmp(hpa->name, json_text(scaler, "hpa", "")) != 0)
                        json_push(names, json_string(hpa->name));
        }
        if (json_array_size(names) > 0)
                json_put(scaler, "autoscalers", names);
        else
                json_decref(names);
}

static void
target_put(const struct cluster *cluster, json_t *scaler)
{
        static const struct {
                const char *kind;
                enum cluster_list list;
        } kinds[] = {{"Deployment", CLUSTER_DEPLOYMENTS}, {"StatefulSet", CLUSTER_STATEFULSETS}};
        const char *kind = json_text(scaler, "target_kind", "");

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
                if (strcmp(kinds[i].kind, kind) == 0 && cluster_error(cluster, kinds[i].list) == NULL)
                        json_put_flag(scaler, "target_found",
                                      cluster_workload(cluster, kind, json_text(scaler, "namespace", ""),
                                                       json_text(scaler, "target_name", "")) != NULL);
        }
}

static int
keda_collect(struct session *session, json_t *facts, struct error *err)
{
        const struct keda *keda = keda_session(session, err);
        size_t i;
        json_t *scaler;

        if (keda == NULL)
                return -1;
        bool installed = keda->error.reason != REASON_UNSUPPORTED;
        json_put_flag(facts, "installed", installed);
        if (!installed)
                return 0;
        const struct cluster *cluster = cluster_read(session, CLUSTER_AUTOSCALERS | CLUSTER_WORKLOADS, err);
        if (cluster == NULL)
                return -1;
        if (keda->error.reason != REASON_NONE)
                facts_gap(facts, "scalers", "WRK-1", NULL, &keda->error);
        if (keda->auths_error.reason != REASON_NONE && keda->auths_error.reason != REASON_UNSUPPORTED)
                facts_gap(facts, "authentications", "WRK-1", NULL, &keda->auths_error);
        cluster_gap(cluster, CLUSTER_AUTOSCALERS, "autoscalers", "WRK-1", facts);
        cluster_gap(cluster, CLUSTER_DEPLOYMENTS | CLUSTER_STATEFULSETS, "workloads", "WRK-1", facts);
        scoped_json scalers = json_deep_copy(keda->scalers);
        if (scalers == NULL)
                return error_memory(err, "keda");
        json_array_foreach(scalers, i, scaler)
        {
                autoscalers_put(cluster, scaler);
                target_put(cluster, scaler);
        }
        return json_put(facts, "scalers", scope_keep(scalers)) == 0 ? 0 : error_memory(err, "keda");
}

static int
keda_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct verdict {
        const json_t *scalers, *scaler;
        const struct policy *policy;
        struct findings *out;
        int64_t now_ms;
        const char *kind, *namespace_, *name;
        struct faults faults;
};

static void
fault(struct verdict *v, const char *observed, const char *message, const char *remedy)
{
        faults_add(&v->faults, observed, message, remedy);
}

static const char *
edit(const struct verdict *v, const char *what)
{
        return findings_text(v->out, "kubectl -n %s edit %s %s: %s", v->namespace_,
                             strcmp(v->kind, "ScaledJob") == 0 ? "scaledjob" : "scaledobject", v->name, what);
}

/* BullMQ keeps what waits in PREFIX:QUEUE:wait; KEDA finds any other key empty, for ever, and says nothing. */
static void
list_judge(struct verdict *v, const json_t *trigger)
{
        const char *type = json_text(trigger, "type", ""), *list = json_text(trigger, "list", "");
        const char *prefix = policy_text(v->policy, "WRK-1", "prefix");
        const json_t *queues = policy_value(v->policy, "WRK-1", "queues");
        const char *right = findings_text(v->out, "%s:", prefix);
        size_t i, length = strlen(list);
        json_t *queue;

        if (strcmp(type, "redis") != 0 && strcmp(type, "redis-cluster") != 0 && strcmp(type, "redis-sentinel") != 0)
                return;
        json_array_foreach((json_t *)queues, i, queue)
        {
                const char *name = json_is_string(queue) ? json_string_value(queue) : "";
                const char *wanted = findings_text(v->out, "%s:%s:wait", prefix, name);
                if (!keda_names_queue(list, name) || strcmp(list, wanted) == 0)
                        continue;
                fault(v, findings_text(v->out, "list %s is no BullMQ key", list),
                      findings_text(v->out, "Queue %s waits in %s: this trigger sees an empty list and never scales.",
                                    name, wanted),
                      edit(v, findings_text(v->out, "listName: \"%s\"", wanted)));
                return;
        }
        if (strncmp(list, right, strlen(right)) == 0 && (length < 5 || strcmp(list + length - 5, ":wait") != 0))
                fault(v, findings_text(v->out, "list %s is not what waits", list),
                      "BullMQ keeps waiting jobs in the list that ends in :wait.", edit(v, "mend listName"));
}

static void
begin_judge(struct verdict *v, const json_t *trigger, double threshold)
{
        double depth = policy_number(v->policy, "WRK-1", "alert_depth");
        double bound = policy_number(v->policy, "WRK-1", "threshold");
        double replicas = keda_replicas_each(v->scaler, trigger), begins = threshold * replicas;
        bool each = replicas > 1;

        if (threshold > bound)
                fault(v,
                      findings_text(v->out, "threshold %g%s", threshold,
                                    json_flag(trigger, "by_default", false) ? " (KEDA's own default)" : ""),
                      "Workers are added too late: the backlog is already long.",
                      edit(v, findings_text(v->out, "a threshold of %g", bound)));
        if (begins > depth)
                fault(v,
                      each ? findings_text(v->out, "scaling begins at %g waiting (%g for each of %g replicas)", begins,
                                           threshold, replicas)
                           : findings_text(v->out, "scaling begins at %g waiting", begins),
                      findings_text(v->out, "The backlog alert fires at %g, before a worker is added.", depth),
                      edit(v, findings_text(v->out, "a threshold of %g", floor(depth / replicas))));
}

static void
trigger_judge(struct verdict *v, const json_t *trigger)
{
        const char *type = json_text(trigger, "type", "?");
        double threshold = json_real_or(trigger, "threshold", NAN);

        if (json_flag(trigger, "auth_missing", false))
                fault(v, findings_text(v->out, "%s does not exist", json_text(trigger, "auth", "?")),
                      findings_text(v->out, "The %s trigger cannot sign in.", type),
                      findings_text(v->out, "kubectl -n %s apply the authentication, or mend authenticationRef",
                                    v->namespace_));
        if (keda_trigger_find(type) == NULL)
                return;
        list_judge(v, trigger);
        if (json_flag(trigger, "rate", false))
                fault(v, findings_text(v->out, "%s scales on the rate of messages", type),
                      "A queue that is long but quiet is not drained.", edit(v, "mode: QueueLength"));
        else if (!isnan(threshold))
                begin_judge(v, trigger, threshold);
        else if (json_has(trigger, "threshold_text"))
                fault(v, findings_text(v->out, "threshold \"%s\"", json_text(trigger, "threshold_text", "")),
                      "The threshold is no number.", edit(v, "mend the threshold"));
        else
                fault(v, findings_text(v->out, "the %s trigger has no threshold", type),
                      "It does not say when to scale.", edit(v, "give it a threshold"));
}

static void
state_judge(struct verdict *v)
{
        const json_t *ready = json_map(v->scaler, "ready");
        const char *status = json_text(ready, "status", ""), *paused = json_text(v->scaler, "paused", NULL);
        int64_t created = json_whole(v->scaler, "created_ms", 0);

        if (paused != NULL)
                fault(v, findings_text(v->out, "paused %s", paused), "It does not scale until somebody lets it go on.",
                      findings_text(v->out,
                                    "kubectl -n %s annotate scaledobject %s autoscaling.keda.sh/paused- "
                                    "autoscaling.keda.sh/paused-replicas-",
                                    v->namespace_, v->name));
        if (ready != NULL && strcmp(status, "True") != 0)
                fault(v, findings_text(v->out, "Ready is %s: %s", status, json_text(ready, "reason", "")),
                      findings_text(v->out, "KEDA cannot use it: %s.",
                                    json_text(ready, "message", "no reason is given")),
                      findings_text(v->out, "kubectl -n %s describe %s %s; kubectl -n keda logs deploy/keda-operator",
                                    v->namespace_, v->kind, v->name));
        if (ready == NULL && created > 0 && v->now_ms - created > 10 * MINUTE_MS)
                fault(v, "no condition Ready", "KEDA has never looked at it.",
                      "kubectl -n keda get pods; kubectl -n keda logs deploy/keda-operator");
}

static bool
measures_list(const json_t *scaler)
{
        size_t i;
        json_t *trigger;

        json_array_foreach((json_t *)json_list(scaler, "triggers"), i, trigger)
        {
                if (keda_trigger_find(json_text(trigger, "type", "")) != NULL)
                        return true;
        }
        return false;
}

static void
range_judge(struct verdict *v)
{
        int64_t min = json_whole(v->scaler, "min", 0), max = json_whole(v->scaler, "max", 100);
        double rate = policy_number(v->policy, "WRK-1", "rate"), longest = policy_number(v->policy, "WRK-1", "drain");
        double depth = policy_number(v->policy, "WRK-1", "alert_depth");
        double drain = max > 0 && rate > 0 ? depth / ((double)max * rate) * MINUTE_MS : NAN;

        if (max <= min)
                fault(v, findings_text(v->out, "%lld replicas at least, %lld at most", (long long)min, (long long)max),
                      "It can never scale.", edit(v, "maxReplicaCount above minReplicaCount"));
        else if (drain > longest && measures_list(v->scaler))
                fault(v,
                      findings_text(v->out, "%s to drain %g jobs with %lld replicas", findings_duration(v->out, drain),
                                    depth, (long long)max),
                      "Even all workers together drain the backlog too slowly.",
                      edit(v, findings_text(v->out, "maxReplicaCount: %.0f",
                                            ceil(depth * MINUTE_MS / (rate * fmax(longest, 1))))));
        if (!json_has(v->scaler, "fallback") && strcmp(v->kind, "ScaledObject") == 0 && measures_list(v->scaler))
                fault(v, "no fallback", "When the queue cannot be read, workers stay as few as they are.",
                      edit(v, "fallback: {failureThreshold: 3, replicas: 6}"));
}

static void
fights_judge(struct verdict *v)
{
        const json_t *hpas = json_list(v->scaler, "autoscalers");
        const char *target = json_text(v->scaler, "target_name", "");
        size_t i;
        json_t *other;

        if (json_is_false(json_object_get(v->scaler, "target_found")))
                fault(v,
                      findings_text(v->out, "%s %s does not exist", json_text(v->scaler, "target_kind", "?"), target),
                      "It scales nothing.", edit(v, "mend scaleTargetRef, or delete it"));
        if (json_is_string(json_array_get(hpas, 0)))
                fault(v,
                      findings_text(v->out, "HPA %s scales the same target",
                                    json_string_value(json_array_get(hpas, 0))),
                      "Two autoscalers on one workload undo each other's work.",
                      findings_text(v->out, "kubectl -n %s delete hpa %s, and give this one a cpu trigger",
                                    v->namespace_, json_string_value(json_array_get(hpas, 0))));
        if (strcmp(v->kind, "ScaledObject") != 0 || *target == '\0')
                return;
        json_array_foreach((json_t *)v->scalers, i, other)
        {
                if (other == v->scaler || strcmp(json_text(other, "kind", ""), "ScaledObject") != 0 ||
                    strcmp(json_text(other, "namespace", ""), v->namespace_) != 0 ||
                    strcmp(json_text(other, "target_kind", ""), json_text(v->scaler, "target_kind", "")) != 0 ||
                    strcmp(json_text(other, "target_name", ""), target) != 0)
                        continue;
                fault(v, findings_text(v->out, "%s scales %s, too", json_text(other, "name", "?"), target),
                      "Two scalers on one workload undo each other's work.",
                      findings_text(v->out, "put the triggers of %s and %s into one ScaledObject", v->name,
                                    json_text(other, "name", "?")));
                return;
        }
}

static void
row_add(const struct verdict *v)
{
        json_t *row = json_object(), *trigger;
        scoped_buffer types = BUFFER_INIT(2048);
        double threshold = NAN;
        size_t i;

        json_array_foreach((json_t *)json_list(v->scaler, "triggers"), i, trigger)
        {
                const char *list = json_text(trigger, "list", "");
                double one = json_real_or(trigger, "threshold", NAN);
                buffer_format(&types, "%s%s%s%s", types.length > 0 ? ", " : "", json_text(trigger, "type", "?"),
                              *list != '\0' ? " " : "", list);
                if (!isnan(one) && (isnan(threshold) || one > threshold))
                        threshold = one;
        }
        json_put_text(row, "id", findings_text(v->out, "%s/%s", v->namespace_, v->name));
        json_put_text(row, "kind", v->kind);
        json_put_text(row, "namespace", v->namespace_);
        json_put_text(row, "name", v->name);
        json_put_text(row, "scales", json_text(v->scaler, "target_name", ""));
        json_put_whole(row, "min", json_whole(v->scaler, "min", 0));
        json_put_whole(row, "max", json_whole(v->scaler, "max", 100));
        json_put_text(row, "triggers", types.data != NULL ? types.data : "");
        json_put_real(row, "threshold", threshold);
        json_put_text(row, "ready", json_text(json_map(v->scaler, "ready"), "status", ""));
        json_put_text(row, "paused", json_text(v->scaler, "paused", ""));
        findings_inventory(v->out, "scalers", row);
}

static bool
scaler_judge(struct verdict *v, size_t index)
{
        size_t i;
        json_t *trigger;

        json_array_foreach((json_t *)json_list(v->scaler, "triggers"), i, trigger) trigger_judge(v, trigger);
        state_judge(v);
        range_judge(v);
        fights_judge(v);
        return faults_report(
                &v->faults,
                &(struct finding){.control = "WRK-1",
                                  .resource = {.kind = v->kind, .namespace_ = v->namespace_, .name = v->name},
                                  .severity = policy_severity(v->policy, "WRK-1", false),
                                  .expected = findings_text(
                                          v->out, "a threshold of at most %g, Ready, a fallback, room to scale, alone",
                                          policy_number(v->policy, "WRK-1", "threshold")),
                                  .evidence = findings_text(v->out, "/scalers/%zu", index)});
}

/* --- queues without a scaler -------------------------------------------------------------------------------------- */

static bool
covered(const json_t *scalers, const char *queue)
{
        size_t i, j;
        json_t *scaler, *trigger;

        json_array_foreach((json_t *)scalers, i, scaler)
        {
                json_array_foreach((json_t *)json_list(scaler, "triggers"), j, trigger)
                {
                        if (keda_trigger_names(trigger, queue))
                                return true;
                }
        }
        return false;
}

static void
queues_judge(const json_t *scalers, const struct policy *policy, struct findings *out)
{
        const json_t *queues = policy_value(policy, "WRK-1", "queues");
        size_t i, with = 0, total = json_array_size(queues);
        json_t *queue;

        json_array_foreach((json_t *)queues, i, queue)
        {
                const char *name = json_is_string(queue) ? json_string_value(queue) : "";
                if (covered(scalers, name)) {
                        with++;
                        continue;
                }
                findings_add(out, &(struct finding){
                                          .control = "WRK-1",
                                          .resource = {.kind = "queue", .name = name},
                                          .status = STATUS_FAIL,
                                          .severity = policy_severity(policy, "WRK-1", false),
                                          .observed = "no ScaledObject or ScaledJob has a trigger on it",
                                          .expected = "a trigger on every queue of the policy",
                                          .message = "Workers of this queue do not scale with its backlog.",
                                          .remedy = findings_text(
                                                  out,
                                                  "add a trigger to the workers' ScaledObject: {type: redis, metadata: "
                                                  "{listName: \"%s:%s:wait\", listLength: \"%g\"}}; or take the queue "
                                                  "out of WRK-1 queues",
                                                  policy_text(policy, "WRK-1", "prefix"), name,
                                                  policy_number(policy, "WRK-1", "threshold"))});
        }
        if (with > 0 && with == total)
                findings_pass(out, "WRK-1", &(struct resource){.kind = "queues"},
                              findings_text(out, "%zu of %zu queues have a scaler", with, total),
                              "a trigger on every queue of the policy", "Every queue makes its workers scale.");
}

static void
keda_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *scalers = json_list(facts, "scalers");
        size_t i, seen = 0, well = 0;
        json_t *scaler;

        if (json_is_false(json_object_get(facts, "installed"))) {
                findings_skip(out, "WRK-1", "KEDA is not installed: the cluster serves no scaledobjects.keda.sh.",
                              "where workers scale in another way, that is judged elsewhere; else install KEDA");
                return;
        }
        json_array_foreach((json_t *)scalers, i, scaler)
        {
                struct verdict v = {.scalers = scalers,
                                    .scaler = scaler,
                                    .policy = policy,
                                    .out = out,
                                    .faults = FAULTS_INIT(out),
                                    .now_ms = history_now(history),
                                    .kind = json_text(scaler, "kind", "ScaledObject"),
                                    .namespace_ = json_text(scaler, "namespace", NULL),
                                    .name = json_text(scaler, "name", NULL)};
                if (v.namespace_ == NULL || v.name == NULL)
                        continue;
                seen++;
                row_add(&v);
                well += scaler_judge(&v, i) ? 1 : 0;
        }
        if (well > 0)
                findings_pass(out, "WRK-1", NULL, findings_text(out, "%zu of %zu scalers", well, seen),
                              findings_text(out, "a threshold of at most %g, Ready, a fallback, room to scale",
                                            policy_number(policy, "WRK-1", "threshold")),
                              "They scale early and nothing is in their way.");
        if (facts_lacks(facts, "scalers"))
                return;
        queues_judge(scalers, policy, out);
        if (seen == 0 && json_array_size(policy_value(policy, "WRK-1", "queues")) == 0)
                findings_error(out, "WRK-1", NULL, REASON_TOO_LITTLE_DATA,
                               "KEDA is installed, but scales nothing, and the policy names no queue.",
                               "name the queues in WRK-1 queues, or switch WRK-1 off");
}

const struct audit audit_keda = {
        .name = "keda",
        .summary = "KEDA scalers: thresholds, state, conflicts, queues without one",
        .looks_at = {"kubernetes"},
        .controls = {"WRK-1"},
        .needs = NEEDS,
        .collect = keda_collect,
        .judge = keda_judge,
        .check = keda_check,
};

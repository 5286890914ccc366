/* Nodes: can the cluster grow and lose a node, and is anything short of room now?  Controls: NOD-1, NOD-6. */

#include "audit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "node_loss.h"
#include "nodes_facts.h"
#include "nodes_judge.h"
#include "scope.h"

#define NEEDS                                                                                                       \
        "RBAC: list pods, nodes, events, replicasets.apps, jobs.batch, deployments.apps, statefulsets.apps, "       \
        "daemonsets.apps, rollouts.argoproj.io, horizontalpodautoscalers.autoscaling, nodepools.karpenter.sh; get " \
        "configmaps:kube-system/cluster-autoscaler-status"

enum { SHOWN_MOST = 5 };

static int
nodes_collect(struct session *session, json_t *facts, struct error *err)
{
        return nodes_facts_read(session, facts, err);
}

/* Pods of the other namespaces take room, too, and cannot be seen. */
static bool
nodes_applies(const struct target *target, char *why, size_t size)
{
        if (json_array_size(target_value(target, "namespaces")) == 0)
                return true;
        snprintf(why, size, "the target looks at chosen namespaces alone: how full its nodes are cannot be told");
        return false;
}

static int
nodes_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

static double
share(const json_t *sum, const char *requested, const char *room)
{
        double asked = json_real_or(sum, requested, NAN), whole = json_real_or(sum, room, NAN);

        return whole > 0 ? asked / whole * 100 : NAN;
}

/* "CPU 62 % of 31.6 cores, memory 40 % of 120 GiB requested" */
static const char *
shares_text(const struct nodes_judge *j, const json_t *sum)
{
        return findings_text(j->out, "CPU %.0f %% of %.1f cores, memory %.0f %% of %s requested",
                             share(sum, "requested_cpu_m", "cpu_m"), json_real_or(sum, "cpu_m", 0) / 1000,
                             share(sum, "requested_memory", "memory"),
                             findings_size(j->out, json_real_or(sum, "memory", 0)));
}

static double
worst_share(const json_t *sum)
{
        return fmax(share(sum, "requested_cpu_m", "cpu_m"), share(sum, "requested_memory", "memory"));
}

/* NOD-1 of the whole cluster, then of the pools and zones that are fuller than it may be. */
static void
requested_judge(const struct nodes_judge *j)
{
        const json_t *total = json_map(j->facts, "total");
        double bound = policy_number(j->policy, "NOD-1", "requested"), worst = worst_share(total);
        const char *expected = findings_text(j->out, "at most %g %% of allocatable requested", bound);
        struct resource cluster = {.kind = "requests"};

        if (isnan(worst))
                findings_error(j->out, "NOD-1", &cluster, REASON_TOO_LITTLE_DATA,
                               "No node that could take pods tells how much room it has.",
                               "kubectl get nodes; kubectl describe node NAME");
        else if (worst <= bound)
                findings_pass(j->out, "NOD-1", &cluster, shares_text(j, total), expected, "The cluster has room.");
        else
                nodes_fail(j, "NOD-1", cluster, false, shares_text(j, total), expected,
                           "Little is left for a burst, a release or the loss of a node.",
                           "Add nodes, or lower requests that are never used (kubectl top pods -A; API-3 lists them).",
                           "/total");
}

static void
parts_judge(const struct nodes_judge *j, const char *list, const char *kind)
{
        const json_t *parts = json_list(j->facts, list);
        double bound = policy_number(j->policy, "NOD-1", "requested");
        size_t i;
        json_t *part;

        if (json_array_size(parts) < 2)
                return;
        json_array_foreach((json_t *)parts, i, part)
        {
                const char *name = json_text(part, "name", "?");
                bool gone = json_whole(part, "nodes", 0) == 0 && json_real_or(part, "requested_cpu_m", 0) > 0;
                if (!(worst_share(part) > bound) && !gone)
                        continue;
                nodes_fail(j, "NOD-1", (struct resource){.kind = kind, .name = name}, false,
                           gone ? "no node that takes pods" : shares_text(j, part),
                           findings_text(j->out, "at most %g %% of allocatable requested", bound),
                           findings_text(j->out,
                                         "Pods bound to this %s by a selector or a volume find little room, whatever "
                                         "is free elsewhere.",
                                         kind),
                           findings_text(j->out, "Add nodes to %s %s.", kind, name),
                           findings_text(j->out, "/%s/%zu", list, i));
        }
}

/* --- the loss of a node ------------------------------------------------------------------------------------------- */

static const char *
homeless_text(const struct nodes_judge *j, const struct node_loss *loss)
{
        scoped_buffer text = BUFFER_INIT(4096);
        size_t i;
        json_t *one;

        json_array_foreach(loss->homeless, i, one)
        {
                if (i == SHOWN_MOST) {
                        buffer_format(&text, " and %zu more", json_array_size(loss->homeless) - i);
                        break;
                }
                buffer_format(&text, "%s%s (%s)", i > 0 ? ", " : "", json_text(one, "pod", "?"),
                              json_text(one, "why", "?"));
        }
        return findings_text(j->out, "%s", text.data != NULL ? text.data : "");
}

static void
loss_judge(const struct nodes_judge *j)
{
        const json_t *facts = json_map(j->facts, "loss");
        struct resource resource = {.kind = "loss of a node"};
        struct node_loss loss;

        if (facts == NULL)
                return;
        if (node_loss_simulate(facts, &loss) != 0) {
                json_decref(loss.homeless);
                j->out->failed = true;
                return;
        }
        int64_t bare = json_whole(facts, "bare", 0), skipped = json_whole(facts, "unsimulated", 0);
        const char *expected = "every pod of the fullest node fits elsewhere";
        const char *observed = findings_text(
                j->out, "%zu of %zu pods of %s fit elsewhere%s", loss.placed, loss.pods, json_text(facts, "node", "?"),
                bare > 0 ? findings_text(j->out, "; %lld bare pods would be lost for good", (long long)bare) : "");
        const char *method = findings_text(
                j->out,
                "Simulated first-fit decreasing with requests, taints, selectors, required affinity and spread; left "
                "out: "
                "preferred rules, anti-affinity of pods that stay, volumes, host ports, extended resources%s.",
                skipped > 0 ? findings_text(j->out, ", %lld rules with a namespaceSelector", (long long)skipped) : "");
        if (loss.placed == loss.pods && bare == 0)
                findings_pass(j->out, "NOD-1", &resource, observed, expected, method);
        else
                nodes_fail(j, "NOD-1", resource, false, observed, expected,
                           loss.placed == loss.pods
                                   ? findings_text(j->out, "Pods without a workload are not made anew elsewhere. %s",
                                                   method)
                                   : findings_text(j->out, "When this node is lost, these wait: %s. %s",
                                                   homeless_text(j, &loss), method),
                           loss.not_allowed > 0
                                   ? "Give the workloads' selectors, tolerations and spread more than one node to go "
                                     "to; add "
                                     "nodes to their pool."
                                   : "Add a node, or lower requests, until the rest can take this one's pods.",
                           "/loss");
        json_decref(loss.homeless);
}

/* --- how far it may grow ------------------------------------------------------------------------------------------ */

/* One group or pool against its bound; true when it is as it should be. */
static bool
group_judge(const struct nodes_judge *j, const char *kind, const char *name, double percent, const char *observed,
            const char *backoff, const char *evidence)
{
        double bound = policy_number(j->policy, "NOD-1", "nodes");

        if (!(percent > bound) && backoff == NULL)
                return true;
        nodes_fail(j, "NOD-1", (struct resource){.kind = kind, .name = name}, false,
                   backoff != NULL ? findings_text(j->out, "%s; growing fails: %s", observed, backoff) : observed,
                   findings_text(j->out, "at most %g %% of what the autoscaler may use", bound),
                   percent > bound ? "The autoscaler can add little more: the next burst finds no node."
                                   : "The autoscaler wants to add nodes and cannot.",
                   backoff != NULL
                           ? "kubectl -n kube-system logs deploy/cluster-autoscaler; ask the provider for its quota"
                   : strcmp(kind, "NodePool") == 0
                           ? findings_text(j->out, "kubectl edit nodepool %s: raise spec.limits", name)
                           : findings_text(j->out, "Raise the maximum size of node group %s.", name),
                   evidence);
        return false;
}

static size_t
cluster_autoscaler_judge(const struct nodes_judge *j, size_t *well)
{
        const json_t *status = json_map(j->facts, "autoscaler"), *groups = json_list(status, "groups");
        int64_t written = json_whole(status, "written_ms", 0);
        struct resource resource = {.kind = "autoscaler", .name = "cluster-autoscaler"};
        size_t i, seen = 0;
        json_t *group;

        if (status == NULL)
                return 0;
        if (written > 0 && j->now_ms - written > HOUR_MS)
                nodes_fail(j, "NOD-1", resource, false,
                           findings_text(j->out, "last status %s ago",
                                         findings_duration(j->out, (double)(j->now_ms - written))),
                           "a status of the last minutes", "The cluster autoscaler does not run: nothing adds nodes.",
                           "kubectl -n kube-system get pods -l app=cluster-autoscaler; kubectl -n kube-system logs "
                           "deploy/cluster-autoscaler",
                           "/autoscaler");
        json_array_foreach((json_t *)groups, i, group)
        {
                int64_t now = json_whole(group, "nodes", 0), most = json_whole(group, "max", 0);
                if (most <= 0 || most == json_whole(group, "min", 0))
                        continue; /* of a fixed size: nothing that grows */
                seen++;
                *well += group_judge(
                                 j, "node group", json_text(group, "name", "?"), 100.0 * (double)now / (double)most,
                                 findings_text(j->out, "%lld of at most %lld nodes", (long long)now, (long long)most),
                                 json_text(group, "backoff", NULL), findings_text(j->out, "/autoscaler/groups/%zu", i))
                                 ? 1
                                 : 0;
        }
        return seen;
}

static size_t
karpenter_judge(const struct nodes_judge *j, size_t *well, size_t *unbounded)
{
        static const struct {
                const char *limit, *now, *word;
                double unit;
        } rows[] = {{"limit_cpu_m", "cpu_m", "cores", 1000},
                    {"limit_memory", "memory", "GiB", 0x1p30},
                    {"limit_nodes", "nodes", "nodes", 1}};
        size_t i, seen = 0;
        json_t *pool;

        json_array_foreach((json_t *)json_list(j->facts, "karpenter"), i, pool)
        {
                double worst = NAN;
                const char *observed = "";
                for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
                        double limit = json_real_or(pool, rows[r].limit, NAN), now = json_real_or(pool, rows[r].now, 0);
                        if (!(limit > 0) || now / limit * 100 <= worst)
                                continue;
                        worst = now / limit * 100;
                        observed = findings_text(j->out, "%.4g of at most %.4g %s", now / rows[r].unit,
                                                 limit / rows[r].unit, rows[r].word);
                }
                seen++;
                *unbounded += isnan(worst) ? 1 : 0;
                *well += group_judge(j, "NodePool", json_text(pool, "name", "?"), worst, observed, NULL,
                                     findings_text(j->out, "/karpenter/%zu", i))
                                 ? 1
                                 : 0;
        }
        return seen;
}

static void
limits_judge(const struct nodes_judge *j)
{
        size_t well = 0, unbounded = 0, seen = cluster_autoscaler_judge(j, &well);

        seen += karpenter_judge(j, &well, &unbounded);
        if (well > 0)
                findings_pass(j->out, "NOD-1", &(struct resource){.kind = "autoscaler"},
                              findings_text(j->out, "%zu of %zu node groups can grow%s", well, seen,
                                            unbounded > 0
                                                    ? findings_text(j->out, ", %zu of them without a limit", unbounded)
                                                    : ""),
                              findings_text(j->out, "at most %g %% of what the autoscaler may use",
                                            policy_number(j->policy, "NOD-1", "nodes")),
                              "The autoscaler has room to add nodes.");
        else if (seen == 0 && !facts_lacks(j->facts, "autoscaler") && !facts_lacks(j->facts, "nodepools"))
                findings_skip(j->out, "NOD-1",
                              "Neither a cluster autoscaler nor Karpenter shows how far the cluster may grow: nodes "
                              "against a maximum were not judged.",
                              "where a provider's autoscaler hides its status, look at the node groups' maximum there");
}

/* Every autoscaler of pods at its maximum, against the nodes of today. */
static void
ceiling_judge(const struct nodes_judge *j)
{
        const json_t *ceiling = json_map(j->facts, "ceiling"), *total = json_map(j->facts, "total");
        double cpu = (json_real_or(total, "requested_cpu_m", NAN) + json_real_or(ceiling, "cpu_m", NAN)) /
                     json_real_or(total, "cpu_m", NAN) * 100;
        double memory = (json_real_or(total, "requested_memory", NAN) + json_real_or(ceiling, "memory", NAN)) /
                        json_real_or(total, "memory", NAN) * 100;
        int64_t seen = json_whole(ceiling, "autoscalers", 0);
        bool grows = json_has(j->facts, "karpenter") ||
                     json_array_size(json_list(json_map(j->facts, "autoscaler"), "groups")) > 0;
        struct resource resource = {.kind = "maximum of autoscalers"};

        if (seen <= 0 || !isfinite(cpu) || !isfinite(memory))
                return;
        const char *observed = findings_text(j->out,
                                             "%lld autoscalers at their maximum request %.0f %% of CPU and %.0f %% of "
                                             "memory",
                                             (long long)seen, cpu, memory);
        if (fmax(cpu, memory) <= 100)
                findings_pass(j->out, "NOD-1", &resource, observed, "at most 100 % of allocatable",
                              "The nodes there are carry every autoscaler at its maximum.");
        else if (grows)
                findings_pass(j->out, "NOD-1", &resource, observed, "nodes there are, or can be added",
                              "More than the nodes of today, but nodes can be added.");
        else
                nodes_fail(j, "NOD-1", resource, false, observed, "at most 100 % of allocatable",
                           "Autoscalers of pods promise replicas that no node can take: they would wait.",
                           "Add nodes or an autoscaler of nodes, or lower maxReplicas to what the nodes carry.",
                           "/ceiling");
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void
rows_add(const struct nodes_judge *j)
{
        size_t i;
        json_t *node;

        json_array_foreach((json_t *)json_list(j->facts, "nodes"), i, node)
        {
                json_t *row = json_object();
                json_put_text(row, "id", json_text(node, "name", "?"));
                json_put_text(row, "zone", json_text(node, "zone", ""));
                json_put_text(row, "pool", json_text(node, "pool", ""));
                json_put_text(row, "type", json_text(node, "type", ""));
                json_put_text(row, "version", json_text(node, "version", ""));
                json_put_flag(row, "ready", json_flag(node, "ready", false));
                json_put_flag(row, "cordoned", json_flag(node, "cordoned", false));
                json_put_text(row, "pressure", json_text(node, "pressure", ""));
                json_put_real(row, "cpu_cores", json_real_or(node, "cpu_m", NAN) / 1000);
                json_put_real(row, "cpu_requested_percent", share(node, "requested_cpu_m", "cpu_m"));
                json_put_real(row, "memory_bytes", json_real_or(node, "memory", NAN));
                json_put_real(row, "memory_requested_percent", share(node, "requested_memory", "memory"));
                json_put_real(row, "pods", json_real_or(node, "pods", NAN));
                findings_inventory(j->out, "nodes", row);
        }
}

static void
samples_add(const struct nodes_judge *j)
{
        const json_t *total = json_map(j->facts, "total");

        findings_sample(j->out, "nodes.count", "", json_real_or(total, "nodes", NAN));
        findings_sample(j->out, "nodes.allocatable_cpu_m", "", json_real_or(total, "cpu_m", NAN));
        findings_sample(j->out, "nodes.allocatable_memory_bytes", "", json_real_or(total, "memory", NAN));
        findings_sample(j->out, "nodes.requested_cpu_m", "", json_real_or(total, "requested_cpu_m", NAN));
        findings_sample(j->out, "nodes.requested_memory_bytes", "", json_real_or(total, "requested_memory", NAN));
}

static void
nodes_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct nodes_judge j = {facts, policy, out, history_now(history)};
        bool whole = !facts_lacks(facts, "nodes") && !facts_lacks(facts, "pods");

        rows_add(&j);
        if (json_array_size(json_list(facts, "nodes")) == 0 && !facts_lacks(facts, "nodes")) {
                findings_error(out, "NOD-1", NULL, REASON_TOO_LITTLE_DATA, "The cluster lists no node.", NULL);
                findings_error(out, "NOD-6", NULL, REASON_TOO_LITTLE_DATA, "The cluster lists no node.", NULL);
                return;
        }
        if (whole) {
                samples_add(&j);
                requested_judge(&j);
                parts_judge(&j, "pools", "pool");
                parts_judge(&j, "zones", "zone");
                loss_judge(&j);
                ceiling_judge(&j);
        }
        limits_judge(&j);
        nodes_pressure_judge(&j);
}

const struct audit audit_nodes = {
        .name = "nodes",
        .summary = "room on nodes, the loss of one, pressure, pending and evicted pods",
        .looks_at = {"kubernetes"},
        .controls = {"NOD-1", "NOD-6"},
        .needs = NEEDS,
        .collect = nodes_collect,
        .judge = nodes_judge,
        .check = nodes_check,
        .applies = nodes_applies,
};

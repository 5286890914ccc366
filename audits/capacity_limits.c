/* Limits that contradict each other: autoscalers of pods against the most nodes there can be, and disruption budgets
 * against the drains that an autoscaler of nodes needs.  Cross-layer, from the newest facts of a cluster.  Controls:
 * NOD-1, NOD-2. */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "workloads_budgets.h"

enum { SHOWN_MOST = 5 };

struct judge {
        const json_t *nodes, *workloads; /* facts; workloads may be NULL */
        const char *cluster;
        const struct policy *policy;
        struct findings *out;
};

static bool
nodes_grow(const struct judge *j)
{
        return json_array_size(json_list(j->nodes, "karpenter")) > 0 ||
               json_array_size(json_list(json_map(j->nodes, "autoscaler"), "groups")) > 0;
}

/* --- autoscalers of pods against the most nodes ------------------------------------------------------------------- */

struct room {
        double cpu_m, memory; /* allocatable with every group and pool at its maximum */
        bool unbounded;       /* a pool without a limit */
};

/* A group's new nodes are taken to be like the mean of those there are: its size is not told. */
static struct room
room_of(const struct judge *j)
{
        const json_t *total = json_map(j->nodes, "total");
        double count = json_real_or(total, "nodes", NAN), cpu = json_real_or(total, "cpu_m", NAN);
        double memory = json_real_or(total, "memory", NAN);
        struct room room = {.cpu_m = cpu, .memory = memory};
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(json_map(j->nodes, "autoscaler"), "groups"), i, one)
        {
                double more = fmax(json_real_or(one, "max", 0) - json_real_or(one, "nodes", 0), 0);
                room.cpu_m += more * cpu / count;
                room.memory += more * memory / count;
        }
        json_array_foreach((json_t *)json_list(j->nodes, "karpenter"), i, one)
        {
                double cpu_limit = json_real_or(one, "limit_cpu_m", NAN);
                double memory_limit = json_real_or(one, "limit_memory", NAN);
                double node_limit = json_real_or(one, "limit_nodes", NAN);
                double nodes = fmax(node_limit - json_real_or(one, "nodes", 0), 0);
                if (isnan(cpu_limit) && isnan(memory_limit) && isnan(node_limit)) {
                        room.unbounded = true;
                        continue;
                }
                /* What a pool does not limit grows with what it does: in the proportion of the nodes there are. */
                double shares[] = {fmax(cpu_limit - json_real_or(one, "cpu_m", 0), 0) / cpu,
                                   fmax(memory_limit - json_real_or(one, "memory", 0), 0) / memory, nodes / count};
                double share = INFINITY;
                bool stated[] = {!isnan(cpu_limit), !isnan(memory_limit), !isnan(node_limit)};
                for (size_t k = 0; k < sizeof shares / sizeof shares[0]; k++)
                        share = stated[k] ? fmin(share, shares[k]) : share;
                room.cpu_m += share * cpu;
                room.memory += share * memory;
        }
        return room;
}

static void
growth_judge(const struct judge *j)
{
        const json_t *total = json_map(j->nodes, "total"), *ceiling = json_map(j->nodes, "ceiling");
        struct resource resource = {.kind = "growth to the maximum", .name = j->cluster};
        struct room room = room_of(j);
        double cpu = (json_real_or(total, "requested_cpu_m", NAN) + json_real_or(ceiling, "cpu_m", NAN)) / room.cpu_m;
        double memory = (json_real_or(total, "requested_memory", NAN) + json_real_or(ceiling, "memory", NAN)) /
                        room.memory;
        const char *expected = "every autoscaler of pods at its maximum fits on the most nodes there can be";

        if (room.unbounded) {
                findings_pass(j->out, "NOD-1", &resource, "a NodePool without limits", expected,
                              "Nodes can be added without a limit.");
                return;
        }
        if (json_whole(ceiling, "autoscalers", 0) <= 0 || !isfinite(cpu) || !isfinite(memory)) {
                findings_skip(j->out, "NOD-1",
                              findings_text(j->out, "no autoscaler of pods of %s tells how far it may go", j->cluster),
                              NULL);
                return;
        }
        const char *observed = findings_text(j->out,
                                             "%lld autoscalers at their maximum: %.0f %% of CPU and %.0f %% of memory "
                                             "of the most nodes (%.1f cores, %s)",
                                             (long long)json_whole(ceiling, "autoscalers", 0), cpu * 100, memory * 100,
                                             room.cpu_m / 1000, findings_size(j->out, room.memory));
        if (fmax(cpu, memory) <= 1)
                findings_pass(j->out, "NOD-1", &resource, observed, expected,
                              "What autoscalers of pods promise, the nodes can become.");
        else
                findings_add(
                        j->out,
                        &(struct finding){.control = "NOD-1",
                                          .resource = resource,
                                          .status = STATUS_FAIL,
                                          .severity = policy_severity(j->policy, "NOD-1", false),
                                          .observed = observed,
                                          .expected = expected,
                                          .message = "The two limits contradict each other: before the pods reach "
                                                     "their maximum no node can be added, and the last ones wait.",
                                          .remedy = findings_text(
                                                  j->out,
                                                  "raise the maximum of the node groups (or limits of NodePools) by "
                                                  "the factor %.2f, or lower maxReplicas of the largest autoscalers: "
                                                  "kubectl get hpa -A",
                                                  fmax(cpu, memory))});
}

/* --- disruption budgets against drains ---------------------------------------------------------------------------- */

static bool
budget_blocks(const json_t *budget)
{
        double replicas = 0;
        size_t i;
        json_t *cover;

        json_array_foreach((json_t *)json_list(budget, "covers"), i, cover)
                replicas += fmax(json_real_or(cover, "replicas", 0), 0);
        return replicas > 0 && budget_allows(budget, replicas) < 1;
}

static void
drains_judge(const struct judge *j)
{
        struct resource resource = {.kind = "drain of nodes", .name = j->cluster};
        const json_t *budgets = json_list(j->workloads, "budgets");
        const char *expected = "no budget that blocks the drains an autoscaler of nodes needs";
        scoped_buffer names = BUFFER_INIT(4096);
        size_t i, count = 0;
        json_t *budget;

        if (j->workloads == NULL) {
                findings_error(j->out, "NOD-2", &resource, REASON_STALE,
                               "The disruption budgets of the cluster are not known.",
                               "run audit workloads of that target in the same job");
                return;
        }
        json_array_foreach((json_t *)budgets, i, budget)
        {
                if (budget_blocks(budget) && count++ < SHOWN_MOST)
                        buffer_format(&names, "%s%s/%s", count > 1 ? ", " : "", json_text(budget, "namespace", "?"),
                                      json_text(budget, "name", "?"));
        }
        if (count > SHOWN_MOST)
                buffer_format(&names, " and %zu more", count - SHOWN_MOST);
        if (count == 0)
                findings_pass(j->out, "NOD-2", &resource,
                              findings_text(j->out, "%zu budgets", json_array_size(budgets)), expected,
                              "Nodes can be drained and taken away.");
        else
                findings_add(j->out, &(struct finding){
                                             .control = "NOD-2",
                                             .resource = resource,
                                             .status = STATUS_FAIL,
                                             .severity = policy_severity(j->policy, "NOD-2", false),
                                             .observed = findings_text(
                                                     j->out, "%zu of %zu budgets never let a pod go: %s", count,
                                                     json_array_size(budgets), names.data != NULL ? names.data : ""),
                                             .expected = expected,
                                             .message = "The autoscaler of nodes cannot take away, nor replace, a node "
                                                        "that holds one of their pods: the cluster grows and never "
                                                        "shrinks, and upgrades of nodes stand still.",
                                             .remedy = "give each of them maxUnavailable: 1 (the findings of audit "
                                                       "workloads have the commands)"});
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static const json_t *
facts_of(const json_t *facts, const char *audit, const char *target)
{
        size_t i;
        json_t *entry;

        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), audit) == 0 &&
                    strcmp(json_text(entry, "target", ""), target) == 0)
                        return json_map(entry, "facts");
        }
        return NULL;
}

static void
capacity_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        size_t i, clusters = 0, growing = 0;
        json_t *entry;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                const char *cluster = json_text(entry, "target", "?");
                struct judge j = {.nodes = json_map(entry, "facts"),
                                  .workloads = facts_of(facts, "workloads", cluster),
                                  .cluster = cluster,
                                  .policy = policy,
                                  .out = out};
                if (strcmp(json_text(entry, "audit", ""), "nodes") != 0)
                        continue;
                clusters++;
                if (!nodes_grow(&j))
                        continue;
                growing++;
                growth_judge(&j);
                drains_judge(&j);
        }
        if (growing > 0)
                return;
        const char *why = clusters == 0
                                  ? "no facts of audit nodes are new enough"
                                  : "no autoscaler of nodes shows its limits: there is nothing to set against them";
        const char *remedy = clusters == 0 ? "run audits nodes and workloads of the cluster in the same job" : NULL;
        findings_skip(out, "NOD-1", why, remedy);
        findings_skip(out, "NOD-2", why, remedy);
}

const struct audit audit_capacity_limits = {
        .name = "capacity_limits",
        .summary = "autoscalers of pods against the most nodes, budgets against drains",
        .controls = {"NOD-1", "NOD-2"},
        .needs = "facts of the nodes and workloads audits",
        .joins = {"nodes", "workloads"},
        .judge = capacity_judge,
};

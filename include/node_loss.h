/* What if a node is lost: do its pods fit on the others?  A pure simulation of the scheduler's filters over facts.
 *
 * First-fit decreasing: the pod with the largest share of the room is placed first, on the first node (in the order of
 * the facts) that takes it.  Respected: requests for CPU, memory and pods, taints, nodeSelector, required node
 * affinity, required pod affinity and anti-affinity of the pods that move, topology spread with DoNotSchedule.  Not
 * simulated, and to be said: preferred rules, anti-affinity of pods that stay, volumes bound to a zone or node, host
 * ports, extended resources, namespaceSelector, minDomains, matchLabelKeys, preemption and disruption budgets. Source:
 * Kubernetes, scheduling framework, filter plugins NodeResourcesFit, TaintToleration, NodeAffinity, InterPodAffinity,
 * PodTopologySpread. */
#ifndef ROUNDS_NODE_LOSS_H
#define ROUNDS_NODE_LOSS_H

#include <jansson.h>
#include <stddef.h>

/* Facts: {pods: [{namespace, name, owner, cpu_m, memory, placement: index?}],
 *         placements: [{namespace, labels, nodeSelector?, nodeAffinity?: [nodeSelectorTerms], tolerations?,
 *                       rules?: [{type: "apart"|"together"|"spread", topology, selector, namespaces: [...], max_skew?,
 *                                 occupied: {domain: count of matching pods that stay}}]}],
 *         shapes: [{labels, taints}], room: [[name, shape, cpu_m, memory, pods]]}
 * Result: how many pods there are and were placed, and what became homeless: [{pod: "namespace/name", owner,
 * why: "no room"|"not allowed"}], in the order of trying.  -1 when memory ran out. */
struct node_loss {
        size_t pods, placed, no_room, not_allowed;
        json_t *homeless; /* owned: json_decref() it */
};

int node_loss_simulate(const json_t *facts, struct node_loss *result) __attribute__((warn_unused_result));

#endif

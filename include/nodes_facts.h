/* The nodes of a cluster as facts: room, requests, pressure, what waits and what was evicted; and what a judge needs to
 * simulate the loss of the fullest node. */
#ifndef ROUNDS_NODES_FACTS_H
#define ROUNDS_NODES_FACTS_H

#include <jansson.h>

#include "cluster.h"

/* Where each node is in the cluster's rows, and what its pods ask for. */
struct node_load {
        double cpu_m, memory, pods;           /* of all pods that run or are to run there */
        double movable_cpu_m, movable_memory; /* of those that would have to go elsewhere */
        size_t movable;
        bool usable; /* Ready, not cordoned, not being deleted */
};

/* A pod that the loss of its node would send elsewhere: alive, with an owner that makes it anew, and neither of a
 * DaemonSet nor a static pod. */
bool pod_moves(const struct cluster_pod *pod);

/* True for a pod that takes room: it has not finished. */
bool pod_lives(const struct cluster_pod *pod);

/* Facts for node_loss_simulate() about the node `fullest` (an index), with {node, zone, stays, bare, unsimulated}
 * beside; new, NULL when memory ran out. */
json_t *node_loss_facts(const struct cluster *cluster, const struct node_load *loads, size_t fullest);

/* The index of a node by name, SIZE_MAX when there is none. */
size_t cluster_node_index(const struct cluster *cluster, const char *name);

/* What the autoscalers of nodes say: `autoscaler` (Cluster Autoscaler's ConfigMap, see autoscaler_status.h) and
 * `karpenter` (NodePools), each only where it is there; gaps where it may not be read. */
int node_limits_read(struct session *session, json_t *facts, struct error *err);

/* Everything `nodes` judges; `controls` get the gaps of lists. */
int nodes_facts_read(struct session *session, json_t *facts, struct error *err);

/* `pending` and `evicted`: [{kind, namespace, name, pods, ...}], by workload. */
int node_waits_read(struct session *session, const struct cluster *cluster, json_t *facts, struct error *err);

#endif

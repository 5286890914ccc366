/* The inside of the cluster's snapshot: shared by cluster.c (reading) and the files that reduce objects to rows. */
#ifndef ROUNDS_CLUSTER_PARTS_H
#define ROUNDS_CLUSTER_PARTS_H

#include "cluster.h"
#include "intern.h"
#include "kubernetes.h"

/* Whose a ReplicaSet or a Job is. */
struct owned {
        const char *namespace_, *kind, *name;
        const char *owner_kind, *owner_name;
};

struct snapshot {
        struct cluster cluster;
        const struct kubernetes *kubernetes; /* borrowed: which namespaces are in scope */
        struct intern *texts;
        struct owned *owned;
        size_t owned_count;
};

/* Room for one more row of a growing array, zeroed; NULL when memory ran out.  Rows grow by half: a doubling of the
 * pods' array would be felt. */
void *rows_add(void **rows, size_t *count, size_t size);

/* Visitors: `context` is the snapshot.  Non-zero when memory ran out. */
int pod_visit(void *context, const json_t *item);
int replicaset_visit(void *context, const json_t *item);
int job_visit(void *context, const json_t *item);
int cronjob_visit(void *context, const json_t *item);
int node_visit(void *context, const json_t *item);
int namespace_visit(void *context, const json_t *item);
int deployment_visit(void *context, const json_t *item);
int statefulset_visit(void *context, const json_t *item);
int daemonset_visit(void *context, const json_t *item);
int rollout_visit(void *context, const json_t *item);
int limit_range_visit(void *context, const json_t *item);
int budget_visit(void *context, const json_t *item);
int autoscaler_visit(void *context, const json_t *item);

/* Containers of a pod's spec (init containers first), their statuses when `status` is given; NULL and 0 for none. */
const struct cluster_container *containers_read(struct intern *texts, const json_t *spec, const json_t *status,
                                                uint16_t *count);

/* What the scheduler counts for a pod of that spec. */
void request_read(const json_t *spec, const struct cluster_container *containers, uint16_t count, float *cpu_m,
                  double *memory);

/* nodeSelector, affinity, tolerations, topologySpreadConstraints of a pod's spec. */
const char *placement_read(struct intern *texts, const json_t *spec);

/* Resolves pods of ReplicaSets and Jobs to the workload behind. */
void owners_resolve(struct snapshot *snapshot);

/* The controlling owner of an object: kind and name, "" when there is none. */
void owner_read(struct intern *texts, const json_t *item, const char **kind, const char **name);

int64_t moment_of(const json_t *object, const char *key);

/* Milliseconds of metadata.creationTimestamp and metadata.deletionTimestamp. */
int64_t created_of(const json_t *item);
int64_t deleted_of(const json_t *item);

#endif

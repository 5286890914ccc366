/* A Kubernetes cluster as its lists tell it: each list is read once per session, page by page, and reduced into rows
 * that every audit shares.  150,000 pods take well under 100 MB; no JSON of an object is kept.
 *
 *      const struct cluster *cluster = cluster_read(session, CLUSTER_PODS | CLUSTER_NODES, err);
 *      if (cluster == NULL)
 *              return -1;                                    // the API server cannot be asked at all
 *      cluster_gap(cluster, CLUSTER_PODS, "pods", "NOD-3", facts);    // a list that failed becomes a gap
 *      for (size_t i = 0; i < cluster->pod_count; i++) ...
 *
 * Ownership: the session owns all of it.  Texts live as long as the session; row arrays stay where they are, too: a
 * later cluster_read() reads other lists only.  No text is NULL: what an object does not say is "".  Numbers that an
 * object does not say are NAN (quantities) or -1 (counts); moments 0.  CPU is in millicores, memory in bytes.
 * Rows are sorted by namespace, name and kind; rows of namespaces that the target excludes are not there.
 * `..._json` fields are compact JSON texts, equal ones at equal addresses: parse them with json_loads() when needed,
 * once per address.  Values of environment variables, arguments, annotations and Secrets are never kept. */
#ifndef ROUNDS_CLUSTER_H
#define ROUNDS_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "session.h"

/* Bits: what to read.  Lists that belong together are read together (see CLUSTER_WORKLOADS). */
enum cluster_list {
        CLUSTER_PODS = 1 << 0,        /* reads REPLICASETS and JOBS with it: whose pods they are */
        CLUSTER_REPLICASETS = 1 << 1, /* metadata alone; ownership only, no rows */
        CLUSTER_JOBS = 1 << 2,
        CLUSTER_CRONJOBS = 1 << 3,
        CLUSTER_NODES = 1 << 4,
        CLUSTER_NAMESPACES = 1 << 5,
        CLUSTER_DEPLOYMENTS = 1 << 6,
        CLUSTER_STATEFULSETS = 1 << 7,
        CLUSTER_DAEMONSETS = 1 << 8,
        CLUSTER_ROLLOUTS = 1 << 9, /* Argo; REASON_UNSUPPORTED where it is not installed */
        CLUSTER_WORKLOADS = CLUSTER_DEPLOYMENTS | CLUSTER_STATEFULSETS | CLUSTER_DAEMONSETS | CLUSTER_ROLLOUTS,
        CLUSTER_LIMIT_RANGES = 1 << 10,
        CLUSTER_BUDGETS = 1 << 11, /* PodDisruptionBudgets */
        CLUSTER_AUTOSCALERS = 1 << 12,
};
enum { CLUSTER_LISTS = 13 };

enum cluster_role { CLUSTER_APP, CLUSTER_INIT, CLUSTER_SIDECAR /* init with restartPolicy Always */ };

/* Of a pod, or of a workload's template (then without what a status says). */
struct cluster_container {
        const char *name, *image;
        const char *image_id;    /* "registry/app@sha256:..." of what runs */
        const char *waiting;     /* reason: "CrashLoopBackOff" */
        const char *last_reason; /* of the last termination: "OOMKilled", "Error" */
        double memory_request, memory_limit;
        float cpu_request_m, cpu_limit_m;
        int64_t last_finished_ms;
        int32_t restarts;      /* -1: unknown */
        int32_t exit_code;     /* of the container's own or last termination; -1: none */
        uint8_t role;          /* enum cluster_role */
        bool ready, completed; /* completed: terminated with exit code 0 */
        bool startup_probe;
};

struct cluster_pod {
        const char *namespace_, *name;
        const char *owner_kind, *owner_name; /* the workload: Deployment, StatefulSet, CronJob ...; "" for a bare pod */
        const char *node;
        const char *phase;
        const char *reason, *message;   /* status: "Evicted" */
        const char *unscheduled_reason; /* of condition PodScheduled=False: "Unschedulable" */
        const char *unscheduled;        /* ... the scheduler's message */
        const char *qos;
        const char *priority_class;
        const char *labels_json;
        const char *placement_json; /* {nodeSelector, affinity, tolerations, topologySpreadConstraints}: those that are
                                       stated, without the two tolerations that every pod gets */
        const struct cluster_container *containers;
        double memory_request; /* what the scheduler counts: init containers, sidecars and overhead in it (KEP-753) */
        float cpu_request_m;
        int32_t priority;
        int64_t created_ms, started_ms, deleted_ms; /* deleted: metadata.deletionTimestamp */
        uint16_t container_count;
        bool ready, mirror; /* mirror: a static pod of its node, not the scheduler's */
};

struct cluster_node {
        const char *name, *zone, *pool, *instance_type, *version;
        const char *labels_json, *taints_json;
        const char *pressure; /* "DiskPressure, MemoryPressure"; "" when there is none */
        double cpu_m, memory; /* allocatable */
        double pods;
        int64_t created_ms, deleted_ms;
        int64_t ready_since_ms;            /* last transition of condition Ready */
        bool ready, ready_known, cordoned; /* ready_known: the condition is there and not Unknown */
};

/* Deployment, StatefulSet, DaemonSet, Rollout. */
struct cluster_workload {
        const char *kind, *namespace_, *name;
        const char *labels_json;     /* of the object itself */
        const char *pod_labels_json; /* of its template */
        const char *selector_json;
        const char *placement_json;
        const char *priority_class;
        const char *secrets_json;  /* names of the Secrets that its pods mount, sorted; "" for none */
        const char *strategy_json; /* a Rollout's spec.strategy; "" for every other kind */
        const char *reference;     /* a Rollout's workloadRef, "Deployment/name"; its containers are that one's */
        const struct cluster_container *containers;
        double memory_request; /* of one pod */
        float cpu_request_m;
        int32_t replicas, ready,
                available; /* wanted (1 where it is not stated; DaemonSet: scheduled), ready, available */
        int64_t created_ms, deleted_ms;
        uint16_t container_count;
};

struct cluster_job {
        const char *namespace_, *name, *owner; /* owner: its CronJob, or "" */
        int64_t created_ms, started_ms, finished_ms, scheduled_ms, deleted_ms;
        int32_t active, succeeded, failed;
        const char *outcome;          /* "Complete", "Failed", "Suspended", "" while it runs */
        const char *reason;           /* of a failure: "BackoffLimitExceeded", "DeadlineExceeded" */
        int64_t active_deadline_s;    /* -1: none */
        int32_t backoff_limit;        /* 6 where it is not stated */
        int64_t ttl_after_finished_s; /* -1: none */
};

struct cluster_cronjob {
        const char *namespace_, *name, *schedule, *time_zone, *concurrency; /* concurrency: "Allow" by default */
        int64_t starting_deadline_s, active_deadline_s;                     /* -1: none */
        int32_t successes_kept, failures_kept;                              /* -1: not stated (3 and 1 by default) */
        int32_t active;                                                     /* jobs running now */
        int64_t created_ms, last_schedule_ms, last_success_ms, deleted_ms;
        const struct cluster_container *containers;
        uint16_t container_count;
        bool suspended;
};

struct cluster_namespace {
        const char *name, *labels_json;
        bool deleted;
};

/* One `limits` entry of type Container. */
struct cluster_limit_range {
        const char *namespace_, *name;
        double memory_request, memory_limit; /* defaultRequest, default */
        float cpu_request_m, cpu_limit_m;
};

struct cluster_budget {
        const char *namespace_, *name, *selector_json;
        const char *min_available, *max_unavailable; /* "2", "50%"; "" when not stated */
        const char *reason;                          /* of condition DisruptionAllowed */
        int32_t allowed, healthy, desired, expected; /* status; -1: unknown */
        int64_t created_ms, deleted_ms;
        bool always_allow_unhealthy; /* unhealthyPodEvictionPolicy: AlwaysAllow */
};

struct cluster_metric {
        const char *type;      /* "Resource", "ContainerResource", "Pods", "Object", "External" */
        const char *name;      /* "cpu", or the metric's */
        const char *container; /* of a ContainerResource */
        const char *target;    /* "Utilization", "AverageValue", "Value" */
        double value;          /* percent, or the quantity in its base unit */
};

struct cluster_condition {
        const char *type, *status, *reason, *message;
        int64_t since_ms;
};

/* HorizontalPodAutoscaler (autoscaling/v2, or v1 with what its annotations tell). */
struct cluster_autoscaler {
        const char *namespace_, *name;
        const char *target_api, *target_kind, *target_name; /* target_api: "apps/v1" */
        const char *owner_kind, *owner_name;                /* "ScaledObject" when KEDA made it */
        const struct cluster_metric *metrics;
        const struct cluster_condition *conditions;
        int32_t min, max, current, desired; /* min is 1 where it is not stated; -1: unknown */
        uint16_t metric_count, condition_count;
        int64_t created_ms, deleted_ms;
};

struct cluster {
        struct cluster_pod *pods;
        struct cluster_pod *other_pods; /* of namespaces that the target excludes: they take room on nodes; read with
                                           CLUSTER_PODS, for sums alone */
        struct cluster_job *jobs;
        struct cluster_cronjob *cronjobs;
        struct cluster_node *nodes;
        struct cluster_namespace *namespaces;
        struct cluster_workload *workloads;
        struct cluster_limit_range *limit_ranges;
        struct cluster_budget *budgets;
        struct cluster_autoscaler *autoscalers;
        size_t pod_count, other_pod_count, job_count, cronjob_count, node_count, namespace_count, workload_count,
                limit_range_count, budget_count, autoscaler_count;
        unsigned known;                     /* lists that were asked for so far */
        struct error errors[CLUSTER_LISTS]; /* by the bit's number; REASON_NONE: whole */
        const char *autoscaler_version;     /* "v2", "v1"; "" before they were read */
};

/* Reads what of `lists` was not read yet, side by side.  NULL when the server cannot be asked, the deadline passed or
 * the run was interrupted; the failure of one list stands in `errors`, with the rows that came before it kept. */
const struct cluster *cluster_read(struct session *session, unsigned lists, struct error *err)
        __attribute__((warn_unused_result));

/* Why one list is not whole, NULL when it is. */
const struct error *cluster_error(const struct cluster *cluster, enum cluster_list list);

/* True when the list is whole.  Otherwise notes a gap of `part` for `controls` in `facts`; a definition that is not
 * installed is no gap (nothing of it can exist), and false is returned all the same. */
bool cluster_gap(const struct cluster *cluster, enum cluster_list list, const char *part, const char *controls,
                 json_t *facts);

/* A workload by its identity, NULL when there is none. */
const struct cluster_workload *cluster_workload(const struct cluster *cluster, const char *kind, const char *namespace_,
                                                const char *name);

#endif

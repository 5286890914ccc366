/* Workloads of a cluster as facts: what audit workloads judges. */
#ifndef ROUNDS_WORKLOADS_FACTS_H
#define ROUNDS_WORKLOADS_FACTS_H

#include <jansson.h>

#include "session.h"

/* {workloads: [{kind, namespace, name, replicas, ready, least: replicas at its autoscaler's minimum, selector?:
 * "app=api", autoscaler?: its name, cpu_request_m?, memory_request?: of one pod, containers: how many, unbounded?:
 * [{name, role: "app" | "init" | "sidecar", lacks: ["CPU request", "CPU limit", "memory request", "memory limit"]}],
 * running: pods that run, warm?:
 * [{name, role, startup: bool, done: pods in which it completed (a startup probe: which are ready), untold: pods that
 * say nothing of it}], budgets?: [name]}],
 * budgets: [{namespace, name, min_available, max_unavailable, allowed, healthy, expected, reason, covers: [{kind, name,
 * replicas, least, autoscaler?}]}]}; gaps where a list is refused.  A CronJob stands for its pods; pods of any other
 * owner stand under it, a bare pod under "Pod".  A namespace's LimitRange counts as what it will give. */
int workloads_facts_read(struct session *session, json_t *facts, struct error *err);

#endif

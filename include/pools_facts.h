/* The addresses of databases that workloads are given, as facts: what audits pools and pool_demand judge. */
#ifndef ROUNDS_POOLS_FACTS_H
#define ROUNDS_POOLS_FACTS_H

#include <jansson.h>

#include "session.h"

/* {workloads: how many were looked at, dsns: [{kind, namespace, name, container, variable, source: "the manifest" |
 * "Secret api/DATABASE_URL" | "ConfigMap ...", replicas, most: replicas at its autoscaler's maximum, autoscaler?,
 * scheme?, host?, limit?, timeout_s?, pgbouncer: bool, limit_unsound?, timeout_unsound?, missing?: why there is no
 * value}]}; gaps where a list is refused.  Looked at: Deployments, StatefulSets, DaemonSets and Rollouts of
 * `workloads` of DBC-3, their containers' variables of its `variables` (init containers aside), where the value begins
 * like a PostgreSQL URL.  Values are parsed where they come in and never kept; of Secrets and ConfigMaps those that a
 * workload names for such a variable are asked for, each by its name. */
int pools_facts_read(struct session *session, json_t *facts, struct error *err);

#endif

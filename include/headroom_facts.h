/* Memory of containers as facts: what audit headroom judges. */
#ifndef ROUNDS_HEADROOM_FACTS_H
#define ROUNDS_HEADROOM_FACTS_H

#include <jansson.h>

#include "session.h"

/* {window_ms: how far back `peak` looks, metrics: "metrics.k8s.io" or absent, prometheus?: the target that was asked,
 * containers: [{kind, namespace, name: of the workload ("Pod" for a bare one), container, pods: that run, limit?: the
 * smallest, request?: likewise, used?: the largest now, peak?: the largest of the window, by Prometheus, oom?: {pods,
 * restarts, last_ms}}]}; bytes.  Containers of running pods, native sidecars included, init containers not.  Sorted by
 * workload and container.  Gaps where a list or a query is refused; an API that is not installed is none. */
int headroom_facts_read(struct session *session, json_t *facts, struct error *err);

#endif

/* What the Cluster Autoscaler says of itself in the ConfigMap cluster-autoscaler-status.
 *
 * Two forms are read: the text for people of versions before 1.30 and the YAML since.  Source: kubernetes/autoscaler,
 * cluster-autoscaler/clusterstate/api. */
#ifndef ROUNDS_AUTOSCALER_STATUS_H
#define ROUNDS_AUTOSCALER_STATUS_H

#include <jansson.h>

#include "error.h"

/* {written_ms, running: bool, groups: [{name, min, max, nodes, health: "Healthy", backoff?: text}]}, groups as they
 * stand in the text, at most 2,000; new.  REASON_PROTOCOL for a text that is neither form. */
int autoscaler_status_read(const char *text, json_t **out, struct error *err) __attribute__((warn_unused_result));

#endif

/* Horizontal autoscalers of a cluster as facts: what audit hpa judges. */
#ifndef ROUNDS_HPA_FACTS_H
#define ROUNDS_HPA_FACTS_H

#include <jansson.h>

#include "session.h"

/* {version, hpas: [{namespace, name, target_kind, target_name, min, max, current, desired, created_ms, made_by?: name
 * of the ScaledObject, metrics: [{index, type, name, container?, target, value}], conditions:
 * {AbleToScale|ScalingActive| ScalingLimited: {status, reason, message}}, target_found?: bool, no_cpu_request?:
 * [container], cpu_request_m?: of one pod, target_replicas?, scalers?: [ScaledObject that scales the same target]}]};
 * gaps where a list is refused. */
int hpa_facts_read(struct session *session, json_t *facts, struct error *err);

#endif

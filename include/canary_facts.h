/* How releases begin in a cluster: steps of Rollouts and Canaries, weights of routes, reduced to facts. */
#ifndef ROUNDS_CANARY_FACTS_H
#define ROUNDS_CANARY_FACTS_H

#include <jansson.h>

#include "session.h"

/* Fills `facts`:
 * {
 *   "products": [{name ("Argo Rollouts"), resource, installed}],
 *   "workloads": [{kind, namespace, name}]: Deployments, StatefulSets, DaemonSets and Rollouts,
 *   "releases": [{kind ("Rollout", "Canary"), namespace, name, target ("Deployment/name": what it releases instead),
 *       strategy ("canary", "blue-green", "match", "skipped", "none"), steps [{weight} | {hold_ms} | {hold: "for ever"}
 * | {hold: "analysis"}], analysis, routed (traffic is split, not pods), most (the weight that is all), replicas}],
 *   "routes": [{namespace, name, rule, backends [{service, weight, workloads ["Deployment/name"]}]}]: rules that split
 * }
 * sorted, with a gap per list that could not be read. */
int canary_read(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif

/* Circuit breakers and retries of a mesh or a gateway, reduced to facts. */
#ifndef ROUNDS_RESILIENCE_FACTS_H
#define ROUNDS_RESILIENCE_FACTS_H

#include <jansson.h>

#include "session.h"

/* Fills `facts`:
 * {
 *   "products": [{name ("Istio"), installed}],
 *   "breakers": [{kind, namespace, name, hosts [], outlier (failing hosts are put aside), pool (what waits is
 * bounded)}], "retries": [{kind, namespace, name, where, hosts [], attempts, bounded_time (an attempt has its own end),
 * backoff
 *       ("stated", "built in", "none"), budget_percent (Linkerd: instead of attempts)}],
 *   "elsewhere": [{is, of, target}]: what targets of kind settings declare
 * }
 * Hosts are lower case, Services as "name.namespace".  Sorted, with a gap per list that could not be read. */
int resilience_read(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

/* "kyc.prod.svc.cluster.local", or "kyc" in a namespace, as "kyc.prod"; other hosts as they are; lower case. */
void resilience_host(const char *host, const char *namespace_, char *text, size_t size);

#endif

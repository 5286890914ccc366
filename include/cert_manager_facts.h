/* cert-manager's objects, reduced to what judging their renewal needs. */
#ifndef ROUNDS_CERT_MANAGER_FACTS_H
#define ROUNDS_CERT_MANAGER_FACTS_H

#include <jansson.h>

#include "session.h"

/* Fills `facts`:
 * {
 *   "installed": whether the cluster serves certificates.cert-manager.io,
 *   "certificates": [{namespace, name, secret, dns_names [], issuer {group, kind, name}, authority, renew_before_ms,
 *       renew_before_percent, duration_ms, ready (absent: not said), reason, message, since_ms, not_before_ms,
 *       not_after_ms, renewal_ms, attempts, failed_ms, revision, created_ms, owner}],
 *   "issuers": [{kind, namespace, name, type ("acme", "ca", "selfsigned", "vault", "venafi", "unknown"), server, ready,
 *       reason, message}],
 *   "orders": [{namespace, name, certificate, state, reason, created_ms}]: of each certificate the newest, when it is
 *       not valid,
 *   "challenges": [{namespace, name, order, dns_name, type, state, reason, created_ms}] that are not valid,
 *   "secrets": [{namespace, name, type, exists, used_by [], owner, certificate (cert-manager's annotation),
 *       not_before_ms, not_after_ms, self_signed, names []}]: TLS Secrets and those that something uses
 * }
 * sorted, with a gap per list that could not be read. */
int cert_manager_read(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif

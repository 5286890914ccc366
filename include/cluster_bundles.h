/* Authorities that a cluster's API server trusts when it calls out: webhooks, aggregated APIs, conversions. */
#ifndef ROUNDS_CLUSTER_BUNDLES_H
#define ROUNDS_CLUSTER_BUNDLES_H

#include <jansson.h>

#include "session.h"

/* Appends to `rows` {path ("ValidatingWebhookConfiguration cert-manager-webhook"), kind, name, certificates [ids],
 * problem, owner}: one per object that has a caBundle, sorted; to `sources` how each list went (as in cluster_tls.h);
 * to `certificates` (object: id -> x509_facts()) what was met. */
int cluster_bundles_read(struct session *session, json_t *certificates, json_t *rows, json_t *sources,
                         struct error *err) __attribute__((warn_unused_result));

#endif

/* What of a Kubernetes cluster holds certificates (TLS Secrets, Opaque ones with certificates in them, CA bundles) and
 * what serves them (Ingress, Gateway).
 *
 * Of a Secret only certificates, the names of its keys and cert-manager's annotations leave the visitor: no other value
 * is decoded, none is kept.  Only Secrets of the types kubernetes.io/tls and Opaque are asked for. */
#ifndef ROUNDS_CLUSTER_TLS_H
#define ROUNDS_CLUSTER_TLS_H

#include <jansson.h>
#include <stdbool.h>

#include "kubernetes.h"
#include "session.h"

/* Read once per session; borrowed, do not change:
 * {
 *   "secrets": [{namespace, name, type, keys [names], chain [ids of tls.crt, or of the first other entry], authorities
 *       [ids of ca.crt], trusted, trust, public (of the chain), problem (text, when it holds no readable certificate),
 *       certificate, issuer, issuer_kind, issuer_group (cert-manager's annotations), owner (of its labels, else its
 * namespace's)}], "uses": [{kind, namespace, name, secret, secret_namespace, hosts [], addresses ["host:port"],
 * elsewhere}]: what serves a Secret; `secret` is "" where no Secret is named; `elsewhere` says that a load balancer
 * outside of the cluster holds the certificate; `secret_namespace` is "" where only the name is known (Istio),
 *   "certificates": {id: x509_facts()},
 *   "sources": [{name, count} or {name, absent: true} or {name, error {reason, text, remedy}}]
 * } */
int cluster_tls(struct session *session, const json_t **found, struct error *err) __attribute__((warn_unused_result));

/* The error of a source ("Secrets", "Ingresses", "Gateways", "Istio Gateways"), NULL when it was read or is absent. */
const json_t *cluster_tls_error(const json_t *found, const char *source);

/* Appends to `sources` how a list went: {name, count}, {name, absent}, or {name, error}. */
void cluster_source(json_t *sources, const char *name, const struct error *failed, size_t count, bool capped);

/* --- parts (cluster_secrets.c, cluster_serving.c) ----------------------------------------------------------------- */

struct tls_trust;

struct cluster_secrets {
        json_t *rows;                  /* array, filled */
        json_t *certificates;          /* object: id -> facts, filled */
        const struct tls_trust *trust; /* borrowed */
        const json_t *owner_labels;    /* borrowed, may be NULL */
        const char *type;              /* wanted type; the server may not have chosen */
        bool capped;                   /* more than are kept */
        bool failed;                   /* memory ran out */
};
int cluster_secret_visit(void *context, const json_t *secret);

/* Certificates of a base64 value (a Secret's entry, a caBundle); ids in the order in which they stand.  "" or what is
 * wrong with it. */
const char *cluster_base64_certificates(const char *base64, json_t *certificates, json_t *ids);

struct cluster_uses {
        json_t *rows; /* array, filled */
        bool capped;
};
int cluster_ingress_visit(void *context, const json_t *ingress);
int cluster_gateway_visit(void *context, const json_t *gateway);
int cluster_istio_gateway_visit(void *context, const json_t *gateway);

/* The value of the first of `names` (labels, then annotations) that an object's metadata has; "" when none. */
const char *cluster_owner(const json_t *object, const json_t *names);

#endif

/* Certificates of a cluster and what serves them: read once per session. */

#include "cluster_tls.h"

#include <stdlib.h>

#include "certificate_files.h"
#include "cluster.h"
#include "json.h"
#include "scope.h"
#include "tls_sweep.h"

enum { SECRETS_TLS, SECRETS_OPAQUE, INGRESSES, GATEWAYS, ISTIO_GATEWAYS, LISTS };

struct cluster_found {
        json_t *facts;
        struct error broken; /* why there is nothing */
};

static void
found_close(void *object)
{
        struct cluster_found *found = object;

        json_decref(found->facts);
        free(found);
}

void
cluster_source(json_t *sources, const char *name, const struct error *failed, size_t count, bool capped)
{
        json_t *row = json_push(sources, json_object());
        struct error err = *failed;

        json_put_text(row, "name", name);
        if (err.reason == REASON_UNSUPPORTED) {
                json_put_flag(row, "absent", true);
                return;
        }
        if (err.reason == REASON_NONE && capped) {
                error_set(&err, REASON_UNSUPPORTED, "%s: there are more than are kept, the rest is not looked at",
                          name);
                error_remedy(&err, "make several targets of the cluster, each with its own namespaces");
        }
        if (err.reason != REASON_NONE)
                json_put(row, "error", certificate_error(&err));
        else
                json_put_whole(row, "count", (json_int_t)count);
}

/* An object without an owner of its own belongs to its namespace's.  Namespaces that may not be read name none: the
 * audit of owners says so. */
static void
owners_fill(struct session *session, const json_t *rows)
{
        const json_t *names = target_value(session->target, "owner_labels");
        struct error unread;
        const struct cluster *cluster = cluster_read(session, CLUSTER_NAMESPACES, &unread);
        scoped_json owners = json_object();
        size_t i, k;
        json_t *row, *name;

        for (i = 0; cluster != NULL && i < cluster->namespace_count; i++) {
                scoped_json labels = json_loads(cluster->namespaces[i].labels_json, 0, NULL);
                json_array_foreach((json_t *)names, k, name)
                {
                        const char *owner = json_text(labels, json_string_value(name), "");
                        if (*owner != '\0' && !json_has(owners, cluster->namespaces[i].name))
                                json_put_text(owners, cluster->namespaces[i].name, owner);
                }
        }
        json_array_foreach((json_t *)rows, i, row)
        {
                if (*json_text(row, "owner", "") == '\0')
                        json_put_text(row, "owner", json_text(owners, json_text(row, "namespace", ""), ""));
        }
}

static int
found_read(struct session *session, struct cluster_found *found, struct error *err)
{
        static const char *const order[] = {"kind", "namespace", "name", "secret_namespace", "secret", NULL};
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct tls_trust *trust = NULL;
        scoped_json rows = json_array();
        scoped_json serving = json_array();
        json_t *certificates = json_object(), *sources = json_array();
        const json_t *labels = target_value(session->target, "owner_labels");

        json_put(found->facts, "certificates", certificates);
        json_put(found->facts, "sources", sources);
        if (kubernetes == NULL || tls_trust_open(target_text(session->target, "trust_file"), &trust, err) != 0)
                return -1;
        struct cluster_secrets tls = {.rows = rows,
                                      .certificates = certificates,
                                      .trust = trust,
                                      .owner_labels = labels,
                                      .type = "kubernetes.io/tls"},
                               opaque = tls;
        struct cluster_uses uses = {.rows = serving};
        opaque.type = "Opaque";
        struct kubernetes_list lists[LISTS] = {
                [SECRETS_TLS] = {.group = "",
                                 .resource = "secrets",
                                 .versions = {"v1"},
                                 .query = "fieldSelector=type%3Dkubernetes.io%2Ftls",
                                 .visit = cluster_secret_visit,
                                 .context = &tls},
                [SECRETS_OPAQUE] = {.group = "",
                                    .resource = "secrets",
                                    .versions = {"v1"},
                                    .query = "fieldSelector=type%3DOpaque",
                                    .visit = cluster_secret_visit,
                                    .context = &opaque},
                [INGRESSES] = {.group = "networking.k8s.io",
                               .resource = "ingresses",
                               .versions = {"v1"},
                               .visit = cluster_ingress_visit,
                               .context = &uses},
                [GATEWAYS] = {.group = "gateway.networking.k8s.io",
                              .resource = "gateways",
                              .versions = {"v1", "v1beta1"},
                              .product = "the Gateway API",
                              .visit = cluster_gateway_visit,
                              .context = &uses},
                [ISTIO_GATEWAYS] = {.group = "networking.istio.io",
                                    .resource = "gateways",
                                    .versions = {"v1", "v1beta1", "v1alpha3"},
                                    .product = "Istio",
                                    .visit = cluster_istio_gateway_visit,
                                    .context = &uses},
        };
        int result = kubernetes_lists(kubernetes, lists, LISTS, err);
        json_put_flag(found->facts, "no_trust", tls_trust_empty(trust));
        tls_trust_close(trust);
        if (result != 0)
                return -1;
        bool tls_fine = lists[SECRETS_TLS].error.reason == REASON_NONE;
        cluster_source(sources, "Secrets", &lists[tls_fine ? SECRETS_OPAQUE : SECRETS_TLS].error, json_array_size(rows),
                       tls.capped || opaque.capped);
        cluster_source(sources, "Ingresses", &lists[INGRESSES].error, lists[INGRESSES].count, uses.capped);
        cluster_source(sources, "Gateways", &lists[GATEWAYS].error, lists[GATEWAYS].count, false);
        cluster_source(sources, "Istio Gateways", &lists[ISTIO_GATEWAYS].error, lists[ISTIO_GATEWAYS].count, false);
        owners_fill(session, rows);
        if (json_sort(rows, order) != 0 || json_sort(serving, order) != 0 ||
            json_put(found->facts, "secrets", json_incref(rows)) != 0 ||
            json_put(found->facts, "uses", json_incref(serving)) != 0)
                return error_memory(err, "certificates of the cluster");
        return 0;
}

int
cluster_tls(struct session *session, const json_t **out, struct error *err)
{
        static const char key;
        struct cluster_found *found = session_get(session, &key);

        if (found == NULL) {
                found = calloc(1, sizeof *found);
                if (found == NULL || (found->facts = json_object()) == NULL) {
                        free(found);
                        return error_memory(err, "certificates of the cluster");
                }
                if (found_read(session, found, &found->broken) == 0)
                        found->broken.reason = REASON_NONE;
                if (session_put(session, &key, found, found_close) != 0)
                        return error_memory(err, "certificates of the cluster");
        }
        *out = found->facts;
        if (found->broken.reason == REASON_NONE)
                return 0;
        *err = found->broken;
        return -1;
}

const json_t *
cluster_tls_error(const json_t *found, const char *source)
{
        return json_map(json_find(json_list(found, "sources"), "name", source), "error");
}

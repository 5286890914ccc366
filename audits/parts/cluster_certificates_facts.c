/* Certificates of a cluster: Secrets, CA bundles, the auditor's own, and what hosts serve. */

#include "cluster_certificates_facts.h"

#include <stdio.h>
#include <string.h>

#include "certificate_files.h"
#include "certificate_owner.h"
#include "certificate_rules.h"
#include "cluster.h"
#include "cluster_bundles.h"
#include "cluster_tls.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "scope.h"
#include "tls_places.h"
#include "x509_read.h"

enum {
        BUNDLE_LEAST = 10, /* that many authorities and nothing else: what is trusted, not what is served */
        ENDPOINTS_MOST = 2000,
        SWEEP_MS = 10000,
};

struct reading {
        struct session *session;
        json_t *facts;
        const json_t *found;  /* of cluster_tls() */
        json_t *certificates; /* id -> facts */
        json_t *secrets;      /* "namespace/name" -> row in facts, borrowed */
};

/* --- places ------------------------------------------------------------------------------------------------------- */

/* Nothing but authorities, and many of them. */
static bool
is_bundle(const json_t *certificates, const json_t *ids)
{
        size_t i;
        json_t *id;

        json_array_foreach((json_t *)ids, i, id)
        {
                if (!json_flag(json_object_get(certificates, json_string_value(id)), "authority", false))
                        return false;
        }
        return json_array_size(ids) >= BUNDLE_LEAST;
}

static void
places_add(const struct reading *reading, const json_t *ids, const char *place, const char *owner, bool managed)
{
        size_t i;
        json_t *id;

        json_array_foreach((json_t *)ids, i, id)
        {
                json_t *certificate = json_object_get(reading->certificates, json_string_value(id));
                if (certificate == NULL)
                        continue;
                certificate_place(reading->certificates, json_string_value(id), place);
                if (*owner != '\0' && *json_text(certificate, "owner", "") == '\0')
                        json_put_text(certificate, "owner", owner);
                if (managed)
                        json_put_flag(certificate, "managed", true);
        }
}

static void
put_problem(json_t *row, const char *problem, const char *remedy)
{
        struct error err;

        error_set(&err, REASON_PROTOCOL, "%s", problem);
        error_remedy(&err, "%s", remedy);
        json_put(row, "error", certificate_error(&err));
}

/* --- Secrets ------------------------------------------------------------------------------------------------------ */

static void
secret_read(struct reading *reading, json_t *rows, const json_t *secret)
{
        static const char *const kept[] = {"namespace",   "type",    "keys",  "chain",
                                           "authorities", "trusted", "trust", "public"};
        const char *namespace_ = json_text(secret, "namespace", ""), *name = json_text(secret, "name", "");
        const char *problem = json_text(secret, "problem", NULL);
        json_t *row = json_push(rows, json_object());
        char path[600], remedy[700];

        snprintf(path, sizeof path, "Secret %.253s/%.253s", namespace_, name);
        json_put_text(row, "path", path);
        json_put_text(row, "object", name);
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
                json_t *value = json_object_get(secret, kept[i]);
                if (value != NULL)
                        json_object_set_new(row, kept[i], json_deep_copy(value));
        }
        const json_t *chain = json_list(row, "chain"), *authorities = json_list(row, "authorities");
        const char *leaf = json_string_value(json_array_get(chain, 0));
        if (leaf != NULL)
                json_put_text(row, "leaf", leaf);
        json_put_flag(row, "bundle", is_bundle(reading->certificates, authorities));
        if (problem != NULL) {
                snprintf(remedy, sizeof remedy,
                         "kubectl -n %s get secret %s -o jsonpath='{.data}' shows its keys; put a PEM "
                         "certificate there, or delete the Secret",
                         namespace_, name);
                put_problem(row, problem, remedy);
        }
        bool managed = json_has(secret, "certificate");
        places_add(reading, chain, path, json_text(secret, "owner", ""), managed);
        places_add(reading, authorities, path, json_text(secret, "owner", ""), managed);
        json_object_set(reading->secrets, path + strlen("Secret "), row);
}

/* --- what serves them --------------------------------------------------------------------------------------------- */

static void
host_put(json_t *hosts, const json_t *use, const char *host, const char *secret, const char *state)
{
        json_t *row = json_push(hosts, json_object());

        json_put_text(row, "kind", json_text(use, "kind", ""));
        json_put_text(row, "namespace", json_text(use, "namespace", ""));
        json_put_text(row, "name", json_text(use, "name", ""));
        json_put_text(row, "host", host);
        json_put_text(row, "secret", secret);
        json_put_text(row, "state", state);
}

/* The Secret is what a server would show for these hosts: whether it names them is told as of a served one. */
static void
secret_serves(const struct reading *reading, json_t *row, const json_t *use)
{
        const json_t *leaf = json_object_get(reading->certificates, json_text(row, "leaf", ""));
        char text[600];
        size_t i;
        json_t *host;

        json_put_flag(row, "used", true);
        if (!json_has(row, "name_ok"))
                json_put_flag(row, "name_ok", true);
        if (!json_has(row, "tls")) {
                snprintf(text, sizeof text, "%.60s %.253s/%.253s", json_text(use, "kind", ""),
                         json_text(use, "namespace", ""), json_text(use, "name", ""));
                json_put_text(row, "tls", text);
        }
        json_array_foreach((json_t *)json_list(use, "hosts"), i, host)
        {
                const char *name = json_is_string(host) ? json_string_value(host) : "";
                if (leaf == NULL || !json_flag(row, "name_ok", true) || certificate_names_host(leaf, name))
                        continue;
                json_put_flag(row, "name_ok", false);
                json_put_text(row, "name", name);
        }
}

/* The row of the Secret that is served; where only its name is known, one of that name in the same namespace first. */
static json_t *
secret_of(const struct reading *reading, const json_t *use, char *key, size_t size)
{
        const char *namespace_ = json_text(use, "secret_namespace", ""), *name = json_text(use, "secret", ""), *other;
        json_t *row;

        snprintf(key, size, "%.253s/%.253s", *namespace_ != '\0' ? namespace_ : json_text(use, "namespace", ""), name);
        row = json_object_get(reading->secrets, key);
        if (row != NULL || *namespace_ != '\0')
                return row;
        json_object_foreach(reading->secrets, other, row)
        {
                if (strcmp(json_text(row, "object", ""), name) == 0)
                        return row;
        }
        return NULL;
}

static void
use_read(const struct reading *reading, json_t *hosts, const json_t *use)
{
        const char *state = NULL;
        char key[600] = "";
        size_t i;
        json_t *host, *row = NULL;

        if (json_flag(use, "elsewhere", false))
                state = "elsewhere";
        else if (*json_text(use, "secret", "") == '\0')
                state = *json_text(use, "secret_namespace", "") != '\0' ? "default" : "plain";
        else if ((row = secret_of(reading, use, key, sizeof key)) != NULL)
                secret_serves(reading, row, use);
        else
                state = cluster_tls_error(reading->found, "Secrets") != NULL ? "unread" : "missing";
        if (state == NULL)
                return;
        json_array_foreach((json_t *)json_list(use, "hosts"), i, host)
                host_put(hosts, use, json_is_string(host) ? json_string_value(host) : "", key, state);
        if (i == 0)
                host_put(hosts, use, "", key, state);
}

/* --- the sweep ---------------------------------------------------------------------------------------------------- */

/* host:443 by name, or each address that the load balancer has with the host as its server name.  A wildcard is no
 * name that could be asked for. */
static void
endpoints_add(const struct reading *reading, const json_t *use, json_t *names, json_t *secrets)
{
        char key[600] = "", text[800];
        json_t *row = secret_of(reading, use, key, sizeof key), *host, *address;
        size_t i, k;

        json_array_foreach((json_t *)json_list(use, "hosts"), i, host)
        {
                const char *name = json_is_string(host) ? json_string_value(host) : "";
                const json_t *addresses = json_list(use, "addresses");
                if (*name == '\0' || strchr(name, '*') != NULL)
                        continue;
                for (k = 0; k == 0 || k < json_array_size(addresses); k++) {
                        address = json_array_get(addresses, k);
                        if (address != NULL)
                                snprintf(text, sizeof text, "%.300s#%.253s", json_string_value(address), name);
                        else
                                snprintf(text, sizeof text, "%.253s:443", name);
                        if (json_array_size(names) >= ENDPOINTS_MOST || json_has(secrets, text))
                                continue;
                        json_push(names, json_bytes(text, strlen(text)));
                        json_object_set_new(secrets, text, row != NULL ? json_string(key) : json_string(""));
                }
        }
}

static int
sweep(struct reading *reading, struct error *err)
{
        scoped_json names = json_array();
        scoped_json secrets = json_object();
        struct tls_places places = {.names = names,
                                    .family = "all",
                                    .ca_file = target_text(reading->session->target, "trust_file"),
                                    .timeout_ms = SWEEP_MS,
                                    .certificates = reading->certificates,
                                    .rows = json_array()};
        size_t i, k;
        json_t *one, *id;

        json_put(reading->facts, "endpoints", places.rows);
        json_array_foreach((json_t *)json_list(reading->found, "uses"), i, one)
        {
                /* What is routed in plain answers in plain. */
                if (*json_text(one, "secret", "") != '\0' || *json_text(one, "secret_namespace", "") != '\0' ||
                    json_flag(one, "elsewhere", false))
                        endpoints_add(reading, one, names, secrets);
        }
        if (tls_places_sweep(&places, &reading->session->deadline, err) != 0)
                return -1;
        json_array_foreach(places.rows, i, one)
        {
                const char *key = json_text(secrets, json_text(one, "endpoint", ""), "");
                json_t *row = json_object_get(reading->secrets, key);
                places_add(reading, json_list(one, "chain"), json_text(one, "place", ""), "", false);
                json_array_foreach((json_t *)json_list(row, "chain"), k, id)
                {
                        if (k == 0)
                                json_object_set(one, "secret_leaf", id);
                }
                if (row == NULL)
                        continue;
                json_put_text(one, "secret", key);
                json_put_flag(row, "swept", !json_has(one, "error") || json_flag(row, "swept", false));
        }
        return 0;
}

/* --- bundles, and the auditor's own ------------------------------------------------------------------------------- */

struct own {
        json_t *certificates, *ids;
};

static void
own_visit(void *context, X509 *certificate)
{
        struct own *own = context;
        char id[X509_SHA256_TEXT];

        x509_sha256(certificate, id);
        if (json_object_get(own->certificates, id) == NULL)
                json_put(own->certificates, id, x509_facts(certificate));
        json_push(own->ids, json_string(id));
}

static int
own_read(struct reading *reading, json_t *rows, const char *what, const char *pem, const char *file, struct error *err)
{
        const struct kubernetes_access *access = kubernetes_access_of(kubernetes_session(reading->session, NULL));
        char path[1500];
        size_t i;
        json_t *row;

        snprintf(path, sizeof path, "%s of %.1200s", what, access->where);
        if (pem != NULL) {
                struct own own = {.certificates = reading->certificates, .ids = json_array()};
                struct x509_pem text = {.visit = own_visit, .context = &own};
                x509_read_pem(pem, strlen(pem), &text);
                row = json_push(rows, json_object());
                json_put(row, "certificates", own.ids);
        } else if (file != NULL) {
                scoped_json names = json_array();
                scoped_json read = json_array();
                json_push(names, json_bytes(file, strlen(file)));
                struct certificate_files files = {.names = names, .certificates = reading->certificates, .rows = read};
                if (certificate_files_read(&files, &reading->session->deadline, err) != 0)
                        return -1;
                json_array_extend(rows, read);
        }
        json_array_foreach(rows, i, row)
        {
                if (json_has(row, "owner"))
                        continue;
                json_put_text(row, "path", path);
                json_put_text(row, "owner", "");
        }
        return 0;
}

static int
others_read(struct reading *reading, struct error *err)
{
        const struct kubernetes_access *access = kubernetes_access_of(kubernetes_session(reading->session, NULL));
        json_t *bundles = json_array(), *own = json_array(), *row;
        json_t *sources = json_deep_copy(json_list(reading->found, "sources"));
        const json_t *lists[] = {bundles, own};
        size_t i;

        json_put(reading->facts, "bundles", bundles);
        json_put(reading->facts, "own", own);
        json_put(reading->facts, "sources", sources);
        if (cluster_bundles_read(reading->session, reading->certificates, bundles, sources, err) != 0 ||
            own_read(reading, own, "client certificate", access->certificate_pem, access->certificate_file, err) != 0 ||
            own_read(reading, own, "authority", access->ca_pem, access->ca_file, err) != 0)
                return -1;
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
                json_array_foreach((json_t *)lists[k], i, row)
                {
                        const char *problem = json_text(row, "problem", NULL);
                        json_put_flag(row, "bundle", is_bundle(reading->certificates, json_list(row, "certificates")));
                        places_add(reading, json_list(row, "certificates"), json_text(row, "path", ""),
                                   json_text(row, "owner", ""), false);
                        if (problem != NULL)
                                put_problem(row, problem, "put the PEM certificate of the webhook's authority there");
                        json_object_del(row, "problem");
                        json_object_del(row, "owner");
                }
        }
        return 0;
}

/* --- gaps --------------------------------------------------------------------------------------------------------- */

/* CRT-3 names what was not read by itself; expiry, owners and soundness of it are unknown. */
static int
gaps_put(json_t *facts)
{
        static const struct {
                const char *list, *name, *kind, *controls;
        } lists[] = {{"sources", "name", "source", "CRT-2,CRT-4,CRT-6"},
                     {"secrets", "path", "Secret", "CRT-2"},
                     {"bundles", "path", "caBundle", "CRT-2"},
                     {"own", "path", "file", "CRT-2"},
                     {"endpoints", "place", "endpoint", "CRT-2,CRT-6"}};
        size_t i;
        json_t *row;

        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
                json_array_foreach(json_object_get(facts, lists[k].list), i, row)
                {
                        const json_t *failed = json_map(row, "error");
                        struct resource resource = {.kind = lists[k].kind, .name = json_text(row, lists[k].name, "?")};
                        struct error why;
                        if (failed == NULL)
                                continue;
                        if (k == 1)
                                resource = (struct resource){"Secret", json_text(row, "namespace", ""),
                                                             json_text(row, "object", "")};
                        error_set(&why, reason_from_name(json_text(failed, "reason", "")), "%s",
                                  json_text(failed, "text", "could not be read"));
                        error_remedy(&why, "%s", json_text(failed, "remedy", ""));
                        if (facts_gap(facts, lists[k].list, lists[k].controls, &resource, &why) != 0)
                                return -1;
                }
        }
        return 0;
}

int
cluster_certificates_read(struct session *session, json_t *facts, struct error *err)
{
        scoped_json certificates = NULL;
        scoped_json secrets = json_object();
        struct reading reading = {.session = session, .facts = facts, .secrets = secrets};
        json_t *rows = json_array(), *hosts = json_array(), *one;
        size_t i;

        json_put(facts, "secrets", rows);
        json_put(facts, "hosts", hosts);
        if (cluster_tls(session, &reading.found, err) != 0)
                return -1;
        certificates = json_deep_copy(json_map(reading.found, "certificates"));
        reading.certificates = certificates;
        json_array_foreach((json_t *)json_list(reading.found, "secrets"), i, one) secret_read(&reading, rows, one);
        json_array_foreach((json_t *)json_list(reading.found, "uses"), i, one) use_read(&reading, hosts, one);
        json_put_flag(facts, "no_trust", json_flag(reading.found, "no_trust", false));
        if (others_read(&reading, err) != 0)
                return -1;
        const json_t *wanted = target_value(session->target, "sweep");
        if (json_is_true(wanted) && sweep(&reading, err) != 0)
                return -1;
        const struct cluster *cluster = cluster_read(session, CLUSTER_NAMESPACES, err);
        if (cluster == NULL)
                return -1;
        cluster_gap(cluster, CLUSTER_NAMESPACES, "namespaces", "CRT-4", facts);
        if (json_put(facts, "certificates", certificates_claim(certificates, session->target)) != 0 ||
            gaps_put(facts) != 0)
                return error_memory(err, "certificates of the cluster");
        return 0;
}

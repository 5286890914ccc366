/* cert-manager's objects and the Secrets that it should fill, as facts. */

#include "cert_manager_facts.h"

#include <stdio.h>
#include <string.h>

#include "cluster.h"
#include "cluster_tls.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

enum { CERTIFICATES, ISSUERS, CLUSTER_ISSUERS, ORDERS, CHALLENGES, LISTS };
enum { ROWS_MOST = 20000, MESSAGE_LONGEST = 500 };

struct reading {
        json_t *certificates, *issuers, *challenges;
        json_t *orders; /* "namespace/certificate" -> the newest one */
        const json_t *owner_labels;
        bool capped;
};

/* --- parts of objects --------------------------------------------------------------------------------------------- */

static bool
deleted(const json_t *object)
{
        return json_text(json_map(object, "metadata"), "deletionTimestamp", NULL) != NULL;
}

static void
put_moment(json_t *row, const char *key, const json_t *from, const char *name)
{
        int64_t at_ms;

        if (moment_parse(json_text(from, name, ""), &at_ms))
                json_put_whole(row, key, at_ms);
}

/* Go's durations: "2160h0m0s". */
static void
put_duration(json_t *row, const char *key, const json_t *from, const char *name)
{
        int64_t length_ms;

        if (duration_parse(json_text(from, name, ""), &length_ms))
                json_put_whole(row, key, length_ms);
}

static void
put_message(json_t *row, const char *key, const char *text)
{
        size_t length = strlen(text);

        json_put_bytes(row, key, text, length > MESSAGE_LONGEST ? MESSAGE_LONGEST : length);
}

static void
put_ready(json_t *row, const json_t *object)
{
        size_t i;
        json_t *condition;

        json_array_foreach((json_t *)json_list(json_map(object, "status"), "conditions"), i, condition)
        {
                const char *status = json_text(condition, "status", "");
                if (strcmp(json_text(condition, "type", ""), "Ready") != 0 || strcmp(status, "Unknown") == 0)
                        continue;
                json_put_flag(row, "ready", strcmp(status, "True") == 0);
                json_put_text(row, "reason", json_text(condition, "reason", ""));
                put_message(row, "message", json_text(condition, "message", ""));
                put_moment(row, "since_ms", condition, "lastTransitionTime");
        }
}

static json_t *
row_new(const json_t *object)
{
        json_t *row = json_object();

        json_put_text(row, "namespace", kubernetes_namespace(object));
        json_put_text(row, "name", kubernetes_name(object));
        put_moment(row, "created_ms", json_map(object, "metadata"), "creationTimestamp");
        return row;
}

static json_t *
row_add(struct reading *reading, json_t *rows, const json_t *object)
{
        if (json_array_size(rows) < ROWS_MOST)
                return json_push(rows, row_new(object));
        reading->capped = true;
        return NULL;
}

/* --- visitors ----------------------------------------------------------------------------------------------------- */

static int
certificate_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec"), *status = json_map(object, "status");
        const json_t *issuer = json_map(spec, "issuerRef");
        size_t i;
        json_t *name, *row = deleted(object) ? NULL : row_add(reading, reading->certificates, object);

        if (row == NULL)
                return 0;
        json_put_text(row, "secret", json_text(spec, "secretName", ""));
        json_t *names = json_array();
        json_array_foreach((json_t *)json_list(spec, "dnsNames"), i, name)
        {
                if (json_is_string(name) && i < 50)
                        json_array_append(names, name);
        }
        json_put(row, "dns_names", names);
        json_put(row, "issuer",
                 json_pack("{s:s, s:s, s:s}", "group", json_text(issuer, "group", "cert-manager.io"), "kind",
                           json_text(issuer, "kind", "Issuer"), "name", json_text(issuer, "name", "")));
        json_put_flag(row, "authority", json_flag(spec, "isCA", false));
        put_duration(row, "renew_before_ms", spec, "renewBefore");
        put_duration(row, "duration_ms", spec, "duration");
        if (json_has(spec, "renewBeforePercentage"))
                json_put_whole(row, "renew_before_percent", json_whole(spec, "renewBeforePercentage", 0));
        put_ready(row, object);
        put_moment(row, "not_before_ms", status, "notBefore");
        put_moment(row, "not_after_ms", status, "notAfter");
        put_moment(row, "renewal_ms", status, "renewalTime");
        put_moment(row, "failed_ms", status, "lastFailureTime");
        json_put_whole(row, "attempts", json_whole(status, "failedIssuanceAttempts", 0));
        json_put_whole(row, "revision", json_whole(status, "revision", 0));
        json_put_text(row, "owner", cluster_owner(object, reading->owner_labels));
        return 0;
}

static int
issuer_visit(struct reading *reading, const char *kind, const json_t *object)
{
        static const char *const types[][2] = {
                {"acme", "acme"}, {"ca", "ca"}, {"selfSigned", "selfsigned"}, {"vault", "vault"}, {"venafi", "venafi"}};
        const json_t *spec = json_map(object, "spec");
        const char *type = "unknown";
        json_t *row = deleted(object) ? NULL : row_add(reading, reading->issuers, object);

        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
                if (json_map(spec, types[i][0]) != NULL)
                        type = types[i][1];
        }
        if (row == NULL)
                return 0;
        json_put_text(row, "kind", kind);
        json_put_text(row, "type", type);
        json_put_text(row, "server", json_text(json_map(spec, "acme"), "server", ""));
        put_ready(row, object);
        return 0;
}

static int
namespaced_issuer_visit(void *context, const json_t *object)
{
        return issuer_visit(context, "Issuer", object);
}

static int
cluster_issuer_visit(void *context, const json_t *object)
{
        return issuer_visit(context, "ClusterIssuer", object);
}

/* cert-manager copies the annotations of a CertificateRequest to its Order: the certificate's name is among them. */
static int
order_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *status = json_map(object, "status");
        const char *certificate = json_text(json_at(object, "metadata", "annotations", NULL),
                                            "cert-manager.io/certificate-name", "");
        char key[600];

        if (deleted(object))
                return 0;
        snprintf(key, sizeof key, "%.253s/%.253s", kubernetes_namespace(object),
                 *certificate != '\0' ? certificate : kubernetes_name(object));
        json_t *row = row_new(object);
        const json_t *known = json_object_get(reading->orders, key);
        if (json_whole(known, "created_ms", -1) >= json_whole(row, "created_ms", 0) ||
            (known == NULL && json_object_size(reading->orders) >= ROWS_MOST)) {
                reading->capped = reading->capped || known == NULL;
                json_decref(row);
                return 0;
        }
        json_put_text(row, "certificate", certificate);
        json_put_text(row, "state", json_text(status, "state", "pending"));
        put_message(row, "reason", json_text(status, "reason", ""));
        return json_put(reading->orders, key, row);
}

static int
challenge_visit(void *context, const json_t *object)
{
        struct reading *reading = context;
        const json_t *spec = json_map(object, "spec"), *status = json_map(object, "status"), *owner;
        const char *state = json_text(status, "state", "pending"), *order = "";
        size_t i;
        json_t *reference, *row;

        if (deleted(object) || strcmp(state, "valid") == 0)
                return 0;
        owner = json_list(json_map(object, "metadata"), "ownerReferences");
        json_array_foreach((json_t *)owner, i, reference)
        {
                if (strcmp(json_text(reference, "kind", ""), "Order") == 0)
                        order = json_text(reference, "name", "");
        }
        if ((row = row_add(reading, reading->challenges, object)) == NULL)
                return 0;
        json_put_text(row, "order", order);
        json_put_text(row, "dns_name", json_text(spec, "dnsName", ""));
        json_put_text(row, "type", json_text(spec, "type", ""));
        json_put_text(row, "state", state);
        put_message(row, "reason", json_text(status, "reason", ""));
        return 0;
}

/* --- sorting ------------------------------------------------------------------------------------------------------ */

/* Puts the values of an array or an object under `key`, sorted. */
static int
put_sorted(json_t *facts, const char *key, const json_t *rows)
{
        static const char *const order[] = {"kind", "namespace", "name", NULL};
        scoped_json list = json_array();
        const char *unused;
        json_t *row;

        if (json_is_array(rows) && json_array_extend(list, (json_t *)rows) != 0)
                return -1;
        json_object_foreach((json_t *)rows, unused, row)
        {
                if (json_array_append(list, row) != 0)
                        return -1;
        }
        return list != NULL && json_sort(list, order) == 0 ? json_put(facts, key, scope_keep(list)) : -1;
}

/* --- Secrets ------------------------------------------------------------------------------------------------------ */

static void
use_add(json_t *row, const char *kind, const char *namespace_, const char *name)
{
        json_t *users = json_object_get(row, "used_by");
        char text[700];

        snprintf(text, sizeof text, "%s %s/%s", kind, namespace_, name);
        if (!json_holds(users, text) && json_array_size(users) < 20)
                json_push(users, json_bytes(text, strlen(text)));
}

static json_t *
secret_row(json_t *rows, const char *namespace_, const char *name)
{
        char key[600];
        json_t *row;

        snprintf(key, sizeof key, "%.253s/%.253s", namespace_, name);
        if ((row = json_object_get(rows, key)) != NULL)
                return row;
        row = json_object();
        json_put_text(row, "namespace", namespace_);
        json_put_text(row, "name", name);
        json_put(row, "used_by", json_array());
        json_object_set_new(rows, key, row);
        return row;
}

static void
secret_take(json_t *rows, const json_t *secret, const json_t *certificates)
{
        const json_t *leaf = json_object_get(certificates,
                                             json_string_value(json_array_get(json_list(secret, "chain"), 0)));
        json_t *row = secret_row(rows, json_text(secret, "namespace", ""), json_text(secret, "name", ""));

        json_put_flag(row, "exists", true);
        json_put_text(row, "type", json_text(secret, "type", ""));
        json_put_text(row, "owner", json_text(secret, "owner", ""));
        if (json_has(secret, "certificate"))
                json_put_text(row, "certificate", json_text(secret, "certificate", ""));
        if (leaf == NULL)
                return;
        json_put_whole(row, "not_before_ms", json_whole(leaf, "not_before_ms", 0));
        json_put_whole(row, "not_after_ms", json_whole(leaf, "not_after_ms", 0));
        json_put_flag(row, "self_signed", json_flag(leaf, "self_signed", false));
        json_put(row, "names", json_deep_copy(json_object_get(leaf, "names")));
}

/* Where only the Secret's name is known (Istio), every Secret of that name may be meant. */
static void
use_take(json_t *rows, const json_t *use)
{
        const char *name = json_text(use, "secret", ""), *namespace_ = json_text(use, "secret_namespace", "");
        const char *kind = json_text(use, "kind", ""), *key;
        json_t *row;

        if (*name == '\0')
                return;
        if (*namespace_ != '\0') {
                use_add(secret_row(rows, namespace_, name), kind, json_text(use, "namespace", ""),
                        json_text(use, "name", ""));
                return;
        }
        json_object_foreach(rows, key, row)
        {
                if (strcmp(json_text(row, "name", ""), name) == 0)
                        use_add(row, kind, json_text(use, "namespace", ""), json_text(use, "name", ""));
        }
}

/* Workloads that mount a TLS Secret use it. */
static void
mounts_take(json_t *rows, const struct cluster *cluster)
{
        char key[600];
        size_t k;
        json_t *name;

        for (size_t i = 0; i < cluster->workload_count; i++) {
                const struct cluster_workload *workload = &cluster->workloads[i];
                scoped_json names = *workload->secrets_json != '\0' ? json_loads(workload->secrets_json, 0, NULL)
                                                                    : NULL;
                json_array_foreach(names, k, name)
                {
                        snprintf(key, sizeof key, "%.253s/%.253s", workload->namespace_, json_string_value(name));
                        json_t *row = json_object_get(rows, key);
                        if (row != NULL && workload->deleted_ms == 0)
                                use_add(row, workload->kind, workload->namespace_, workload->name);
                }
        }
}

static int
secrets_put(json_t *facts, const json_t *found, const struct cluster *cluster)
{
        scoped_json rows = json_object();
        size_t i;
        json_t *one;
        const char *key;

        json_array_foreach((json_t *)json_list(found, "secrets"), i, one)
        {
                if (strcmp(json_text(one, "type", ""), "kubernetes.io/tls") == 0)
                        secret_take(rows, one, json_map(found, "certificates"));
        }
        json_array_foreach((json_t *)json_list(found, "uses"), i, one) use_take(rows, one);
        mounts_take(rows, cluster);
        /* Whether one is missing can be told only where all could be read. */
        json_object_foreach(rows, key, one)
        {
                if (cluster_tls_error(found, "Secrets") == NULL && !json_has(one, "exists"))
                        json_put_flag(one, "exists", false);
        }
        return put_sorted(facts, "secrets", rows);
}

static int
gaps_put(json_t *facts, const json_t *found)
{
        size_t i;
        json_t *source;

        json_array_foreach((json_t *)json_list(found, "sources"), i, source)
        {
                const json_t *failed = json_map(source, "error");
                struct error why;
                if (failed == NULL)
                        continue;
                error_set(&why, reason_from_name(json_text(failed, "reason", "")), "%s", json_text(failed, "text", ""));
                error_remedy(&why, "%s", json_text(failed, "remedy", ""));
                if (facts_gap(facts, json_text(source, "name", ""), "CRT-1", NULL, &why) != 0)
                        return -1;
        }
        return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int
reading_put(const struct reading *reading, const struct kubernetes_list *lists, json_t *facts, struct error *err)
{
        scoped_json orders = json_array();
        const char *unused;
        json_t *order;

        json_object_foreach(reading->orders, unused, order)
        {
                if (strcmp(json_text(order, "state", ""), "valid") != 0)
                        json_array_append(orders, order);
        }
        json_put_flag(facts, "installed", lists[CERTIFICATES].error.reason != REASON_UNSUPPORTED);
        if (put_sorted(facts, "certificates", reading->certificates) != 0 ||
            put_sorted(facts, "issuers", reading->issuers) != 0 || put_sorted(facts, "orders", orders) != 0 ||
            put_sorted(facts, "challenges", reading->challenges) != 0)
                return error_memory(err, "cert-manager");
        for (size_t i = 0; i < LISTS; i++) {
                if (kubernetes_list_gap(&lists[i], i == CERTIFICATES ? "CRT-1,CRT-5" : "CRT-1", facts) != 0)
                        return error_memory(err, "cert-manager");
        }
        if (reading->capped && kubernetes_capped_gap("cert-manager has", ROWS_MOST, "CRT-1", facts) != 0)
                return error_memory(err, "cert-manager");
        return 0;
}

int
cert_manager_read(struct session *session, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_json certificates = json_array();
        scoped_json issuers = json_array();
        scoped_json challenges = json_array();
        scoped_json orders = json_object();
        struct reading reading = {.certificates = certificates,
                                  .issuers = issuers,
                                  .challenges = challenges,
                                  .orders = orders,
                                  .owner_labels = target_value(session->target, "owner_labels")};
        const json_t *found;

        if (kubernetes == NULL || cluster_tls(session, &found, err) != 0)
                return -1;
        struct kubernetes_list lists[LISTS] = {
                [CERTIFICATES] = {.group = "cert-manager.io",
                                  .resource = "certificates",
                                  .versions = {"v1"},
                                  .visit = certificate_visit},
                [ISSUERS] = {.group = "cert-manager.io",
                             .resource = "issuers",
                             .versions = {"v1"},
                             .visit = namespaced_issuer_visit},
                [CLUSTER_ISSUERS] = {.group = "cert-manager.io",
                                     .resource = "clusterissuers",
                                     .versions = {"v1"},
                                     .cluster_scoped = true,
                                     .visit = cluster_issuer_visit},
                [ORDERS] = {.group = "acme.cert-manager.io",
                            .resource = "orders",
                            .versions = {"v1"},
                            .visit = order_visit},
                [CHALLENGES] = {.group = "acme.cert-manager.io",
                                .resource = "challenges",
                                .versions = {"v1"},
                                .visit = challenge_visit},
        };
        for (size_t i = 0; i < LISTS; i++) {
                lists[i].product = "cert-manager";
                lists[i].context = &reading;
        }
        if (kubernetes_lists(kubernetes, lists, LISTS, err) != 0 || reading_put(&reading, lists, facts, err) != 0)
                return -1;
        const struct cluster *cluster = cluster_read(session, CLUSTER_WORKLOADS, err);
        if (cluster == NULL)
                return -1;
        cluster_gap(cluster, CLUSTER_DEPLOYMENTS, "deployments", "CRT-1", facts);
        cluster_gap(cluster, CLUSTER_STATEFULSETS, "statefulsets", "CRT-1", facts);
        cluster_gap(cluster, CLUSTER_DAEMONSETS, "daemonsets", "CRT-1", facts);
        cluster_gap(cluster, CLUSTER_ROLLOUTS, "rollouts", "CRT-1", facts);
        if (secrets_put(facts, found, cluster) != 0 || gaps_put(facts, found) != 0)
                return error_memory(err, "cert-manager");
        return 0;
}

/* The addresses of databases in the environment of workloads, as facts. */

#include "pools_facts.h"

#include <math.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "dsn.h"
#include "facts.h"
#include "json.h"
#include "kubernetes.h"
#include "policy.h"
#include "scope.h"

enum {
        DSNS_MOST = 5000,
        SOURCES_MOST = 300,    /* Secrets and ConfigMaps, by name */
        LISTS_AT_ONCE = 16,    /* of them, side by side */
        VALUE_LARGEST = 65536, /* bytes of a variable's value, as base64 */
        VARIABLES_MOST = 200,  /* of one container */
};

/* A value that stands in another object. */
struct reference {
        json_t *row;        /* the variable's, owned; of a whole object (envFrom): a row to copy for each variable */
        const char *key;    /* owned by `row`'s text "key"; NULL: every key */
        const char *object; /* the same, "object" */
        const char *prefix; /* the same, "prefix" */
        bool secret, optional, found;
};

struct reading {
        const struct cluster *cluster;
        const json_t *workloads, *variables; /* globs */
        json_t *rows;                        /* borrowed from the facts */
        struct reference *references;        /* owned */
        size_t reference_count, reference_room, seen;
        const char *kind;
        bool capped, failed;
};

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void
dsn_put(struct reading *reading, json_t *row, const char *value, const char *source)
{
        struct dsn dsn;

        if (!dsn_parse(value, &dsn))
                return;
        if (json_array_size(reading->rows) >= DSNS_MOST) {
                reading->capped = true;
                return;
        }
        json_t *out = json_push(reading->rows, json_copy(row));
        json_object_del(out, "key");
        json_object_del(out, "object");
        json_object_del(out, "prefix");
        json_put_text(out, "source", source);
        json_put_text(out, "scheme", dsn.scheme);
        if (*dsn.host != '\0')
                json_put_text(out, "host", dsn.host);
        if (!isnan(dsn.limit))
                json_put_real(out, "limit", dsn.limit);
        if (!isnan(dsn.timeout_s))
                json_put_real(out, "timeout_s", dsn.timeout_s);
        if (!isnan(dsn.idle_s))
                json_put_real(out, "idle_s", dsn.idle_s);
        json_put_flag(out, "pgbouncer", dsn.pgbouncer);
        if (dsn.limit_unsound)
                json_put_flag(out, "limit_unsound", true);
        if (dsn.timeout_unsound)
                json_put_flag(out, "timeout_unsound", true);
        OPENSSL_cleanse(&dsn, sizeof dsn);
}

static void
reference_add(struct reading *reading, const json_t *row, bool secret, const json_t *where, const char *key,
              const char *prefix)
{
        const char *object = json_text(where, "name", NULL);

        if (object == NULL)
                return;
        if (reading->reference_count == reading->reference_room) {
                size_t room = reading->reference_room > 0 ? reading->reference_room * 2 : 64;
                struct reference *grown = room <= DSNS_MOST * 2 ? reallocarray(reading->references, room, sizeof *grown)
                                                                : NULL;
                if (grown == NULL) {
                        reading->capped = true;
                        return;
                }
                reading->references = grown;
                reading->reference_room = room;
        }
        json_t *copy = json_copy((json_t *)row);
        json_put_text(copy, "object", object);
        json_put_text(copy, "key", key != NULL ? key : "");
        json_put_text(copy, "prefix", prefix);
        reading->references[reading->reference_count++] = (struct reference){
                .row = copy,
                .object = json_text(copy, "object", ""),
                .key = key != NULL ? json_text(copy, "key", "") : NULL,
                .prefix = json_text(copy, "prefix", ""),
                .secret = secret,
                .optional = json_flag(where, "optional", false)};
}

/* --- workloads ---------------------------------------------------------------------------------------------------- */

static void
container_read(struct reading *reading, const json_t *container, json_t *row)
{
        size_t i;
        json_t *one;

        json_put_text(row, "container", json_text(container, "name", ""));
        json_array_foreach((json_t *)json_list(container, "env"), i, one)
        {
                const char *name = json_text(one, "name", "");
                const json_t *from = json_map(one, "valueFrom"), *secret = json_map(from, "secretKeyRef");
                const json_t *map = json_map(from, "configMapKeyRef");
                if (i >= VARIABLES_MOST || !json_globs_match(reading->variables, name))
                        continue;
                json_put_text(row, "variable", name);
                if (json_text(one, "value", NULL) != NULL)
                        dsn_put(reading, row, json_text(one, "value", ""), "the manifest");
                else if (secret != NULL || map != NULL)
                        reference_add(reading, row, secret != NULL, secret != NULL ? secret : map,
                                      json_text(secret != NULL ? secret : map, "key", ""), "");
        }
        json_put_text(row, "variable", "");
        json_array_foreach((json_t *)json_list(container, "envFrom"), i, one)
        {
                const json_t *secret = json_map(one, "secretRef"), *map = json_map(one, "configMapRef");
                if (i < VARIABLES_MOST)
                        reference_add(reading, row, secret != NULL, secret != NULL ? secret : map, NULL,
                                      json_text(one, "prefix", ""));
        }
}

static int64_t
most_replicas(const struct reading *reading, const struct cluster_workload *workload, const char **autoscaler)
{
        int64_t most = workload->replicas;

        for (size_t i = 0; i < reading->cluster->autoscaler_count; i++) {
                const struct cluster_autoscaler *hpa = &reading->cluster->autoscalers[i];
                if (strcmp(hpa->namespace_, workload->namespace_) == 0 &&
                    strcmp(hpa->target_name, workload->name) == 0 && strcmp(hpa->target_kind, workload->kind) == 0 &&
                    hpa->deleted_ms == 0 && hpa->max > most) {
                        most = hpa->max;
                        *autoscaler = hpa->name;
                }
        }
        return most;
}

static int
workload_visit(void *context, const json_t *item)
{
        struct reading *reading = context;
        const char *namespace_ = kubernetes_namespace(item), *name = kubernetes_name(item), *autoscaler = NULL;
        const struct cluster_workload *workload = cluster_workload(reading->cluster, reading->kind, namespace_, name);
        scoped_json row = json_object();
        char full[600];
        size_t i;
        json_t *container;

        snprintf(full, sizeof full, "%.255s/%.255s", namespace_, name);
        if (workload == NULL || workload->deleted_ms > 0 || !json_globs_match(reading->workloads, full))
                return 0;
        reading->seen++;
        json_put_text(row, "kind", reading->kind);
        json_put_text(row, "namespace", namespace_);
        json_put_text(row, "name", name);
        json_put_whole(row, "replicas", workload->replicas);
        json_put_whole(row, "most", most_replicas(reading, workload, &autoscaler));
        if (autoscaler != NULL)
                json_put_text(row, "autoscaler", autoscaler);
        json_array_foreach((json_t *)json_list(json_at(item, "spec", "template", "spec", NULL), "containers"), i,
                           container) container_read(reading, container, row);
        return 0;
}

/* One kind after the other: a visitor is not told which list its item is of. */
static int
workloads_read(struct reading *reading, struct kubernetes *kubernetes, json_t *facts, struct error *err)
{
        static const char *const without[] = {"managedFields", "volumes", "volumeMounts", "affinity", "status", NULL};
        static const struct {
                const char *kind, *group, *resource, *version;
        } kinds[] = {{"DaemonSet", "apps", "daemonsets", "v1"},
                     {"Deployment", "apps", "deployments", "v1"},
                     {"Rollout", "argoproj.io", "rollouts", "v1alpha1"},
                     {"StatefulSet", "apps", "statefulsets", "v1"}};

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
                struct kubernetes_list list = {.group = kinds[i].group,
                                               .resource = kinds[i].resource,
                                               .versions = {kinds[i].version},
                                               .without = without,
                                               .visit = workload_visit,
                                               .context = reading};
                reading->kind = kinds[i].kind;
                if (kubernetes_lists(kubernetes, &list, 1, err) != 0)
                        return -1;
                kubernetes_list_gap(&list, "DBC-3,DBC-5", facts);
        }
        return 0;
}

/* --- Secrets and ConfigMaps --------------------------------------------------------------------------------------- */

struct sources {
        struct reading *reading;
        bool secret;
};

/* One value; decoded and wiped here. */
static void
value_read(struct reading *reading, const struct reference *reference, const char *key, const char *text)
{
        unsigned char plain[VALUE_LARGEST];
        char variable[512], source[700];
        size_t length = strlen(text);

        if (reference->key == NULL) {
                snprintf(variable, sizeof variable, "%.200s%.253s", reference->prefix, key);
                if (!json_globs_match(reading->variables, variable))
                        return;
                json_put_text(reference->row, "variable", variable);
        }
        if (length >= VALUE_LARGEST)
                return;
        snprintf(source, sizeof source, "%s %.255s/%.253s", reference->secret ? "Secret" : "ConfigMap",
                 reference->object, key);
        if (!reference->secret) {
                dsn_put(reading, reference->row, text, source);
                return;
        }
        int got = EVP_DecodeBlock(plain, (const unsigned char *)text, (int)length);
        if (got > 0) {
                plain[got] = '\0';
                dsn_put(reading, reference->row, (const char *)plain, source);
        }
        OPENSSL_cleanse(plain, length);
}

static int
source_visit(void *context, const json_t *item)
{
        struct sources *sources = context;
        struct reading *reading = sources->reading;
        const json_t *data = json_map(item, "data");
        const char *namespace_ = kubernetes_namespace(item), *name = kubernetes_name(item), *key;
        json_t *value;

        for (size_t i = 0; i < reading->reference_count; i++) {
                struct reference *reference = &reading->references[i];
                if (reference->secret != sources->secret || strcmp(reference->object, name) != 0 ||
                    strcmp(json_text(reference->row, "namespace", ""), namespace_) != 0)
                        continue;
                if (reference->key != NULL) {
                        const char *text = json_text(data, reference->key, NULL);
                        reference->found = text != NULL;
                        if (text != NULL)
                                value_read(reading, reference, reference->key, text);
                        continue;
                }
                reference->found = true;
                json_object_foreach((json_t *)data, key, value)
                {
                        if (json_is_string(value))
                                value_read(reading, reference, key, json_string_value(value));
                }
        }
        return 0;
}

/* The names of the objects that are referred to, each once. */
static size_t
names_of(struct reading *reading, bool secret, const char *names[SOURCES_MOST])
{
        size_t count = 0;

        for (size_t i = 0; i < reading->reference_count; i++) {
                const struct reference *reference = &reading->references[i];
                bool known = reference->secret != secret;
                for (size_t k = 0; k < count && !known; k++)
                        known = strcmp(names[k], reference->object) == 0;
                if (!known && count == SOURCES_MOST)
                        reading->capped = true;
                else if (!known)
                        names[count++] = reference->object;
        }
        return count;
}

static int
sources_read(struct reading *reading, struct kubernetes *kubernetes, bool secret, json_t *facts, struct error *err)
{
        static const char *const without[] = {"managedFields", "annotations", NULL};
        struct sources sources = {reading, secret};
        const char *names[SOURCES_MOST];
        size_t count = names_of(reading, secret, names);
        struct error refused = {0};

        for (size_t first = 0; first < count && refused.reason == REASON_NONE; first += LISTS_AT_ONCE) {
                struct kubernetes_list lists[LISTS_AT_ONCE] = {0};
                char queries[LISTS_AT_ONCE][320];
                size_t size = count - first < LISTS_AT_ONCE ? count - first : LISTS_AT_ONCE;
                for (size_t i = 0; i < size; i++) {
                        /* Names of objects are of letters, digits, '-' and '.': nothing to escape. */
                        snprintf(queries[i], sizeof queries[i], "fieldSelector=metadata.name%%3D%.253s",
                                 names[first + i]);
                        lists[i] = (struct kubernetes_list){.group = "",
                                                            .resource = secret ? "secrets" : "configmaps",
                                                            .versions = {"v1"},
                                                            .query = queries[i],
                                                            .without = without,
                                                            .visit = source_visit,
                                                            .context = &sources};
                }
                if (kubernetes_lists(kubernetes, lists, size, err) != 0)
                        return -1;
                for (size_t i = 0; i < size && refused.reason == REASON_NONE; i++)
                        refused = lists[i].error;
        }
        if (refused.reason != REASON_NONE)
                facts_gap(facts, secret ? "secrets" : "configmaps", "DBC-3,DBC-5", NULL, &refused);
        return 0;
}

/* A variable whose object or key is not there: its pods do not even start, unless it is optional. */
static void
missing_put(struct reading *reading, const json_t *facts)
{
        char why[700];

        for (size_t i = 0; i < reading->reference_count; i++) {
                struct reference *reference = &reading->references[i];
                if (reference->found || reference->optional || reference->key == NULL ||
                    facts_lacks(facts, reference->secret ? "secrets" : "configmaps") || reading->capped)
                        continue;
                json_t *row = json_push(reading->rows, json_copy(reference->row));
                snprintf(why, sizeof why, "%s %.255s has no key %.253s, or is not there",
                         reference->secret ? "Secret" : "ConfigMap", reference->object, reference->key);
                json_object_del(row, "key");
                json_object_del(row, "object");
                json_object_del(row, "prefix");
                json_put_text(row, "missing", why);
        }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static int
reading_fill(struct reading *reading, struct session *session, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);

        reading->cluster = kubernetes != NULL ? cluster_read(session, CLUSTER_WORKLOADS | CLUSTER_AUTOSCALERS, err)
                                              : NULL;
        if (reading->cluster == NULL)
                return -1;
        cluster_gap(reading->cluster, CLUSTER_AUTOSCALERS, "autoscalers", "DBC-3", facts);
        if (workloads_read(reading, kubernetes, facts, err) != 0 ||
            sources_read(reading, kubernetes, true, facts, err) != 0 ||
            sources_read(reading, kubernetes, false, facts, err) != 0)
                return -1;
        missing_put(reading, facts);
        return 0;
}

int
pools_facts_read(struct session *session, json_t *facts, struct error *err)
{
        static const char *const order[] = {"namespace", "name", "kind", "container", "variable", "source", NULL};
        scoped_json rows = json_array();
        scoped_json every = json_pack("[s]", "*");
        scoped_json variables = json_pack("[s, s, s]", "DATABASE_URL", "*_DATABASE_URL", "*_DSN");
        const json_t *named = session->policy != NULL ? policy_value(session->policy, "DBC-3", "workloads") : NULL;
        const json_t *looked = session->policy != NULL ? policy_value(session->policy, "DBC-3", "variables") : NULL;
        struct reading reading = {.rows = rows,
                                  .workloads = named != NULL ? named : every,
                                  .variables = looked != NULL ? looked : variables};

        int result = reading_fill(&reading, session, facts, err);
        for (size_t i = 0; i < reading.reference_count; i++)
                json_decref(reading.references[i].row);
        free(reading.references);
        if (result != 0)
                return -1;
        if (reading.capped) {
                struct error most = {0};
                error_set(&most, REASON_TOO_LITTLE_DATA,
                          "more than %d DSNs, or than %d Secrets or ConfigMaps: the rest was not read", DSNS_MOST,
                          SOURCES_MOST);
                error_remedy(&most, "name the workloads: policy: {DBC-3: {workloads: [\"namespace/*\"]}}");
                facts_gap(facts, "dsns", "DBC-3,DBC-5", NULL, &most);
        }
        json_put_whole(facts, "workloads", (int64_t)reading.seen);
        return json_sort(rows, order) == 0 && json_put(facts, "dsns", json_incref(rows)) == 0
                       ? 0
                       : error_memory(err, "pools");
}

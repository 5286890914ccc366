/* caBundles of webhook configurations, APIServices and conversion webhooks. */

#include "cluster_bundles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_tls.h"
#include "json.h"
#include "kubernetes.h"
#include "scope.h"

enum { VALIDATING, MUTATING, APISERVICES, DEFINITIONS, LISTS };
enum { ROWS_MOST = 5000, DEFINITIONS_PAGE = 25 /* a definition may be a megabyte */ };

struct bundles {
        json_t *certificates;
        const json_t *owner_labels;
        json_t *rows; /* of this list */
        const char *kind;
        bool capped;
};

/* --- rows --------------------------------------------------------------------------------------------------------- */

static json_t *
row_for(struct bundles *bundles, const json_t *object, json_t *row)
{
        char path[400];

        if (row != NULL)
                return row;
        if (json_array_size(bundles->rows) >= ROWS_MOST) {
                bundles->capped = true;
                return NULL;
        }
        row = json_push(bundles->rows, json_object());
        snprintf(path, sizeof path, "%s %.300s", bundles->kind, kubernetes_name(object));
        json_put_text(row, "path", path);
        json_put_text(row, "kind", bundles->kind);
        json_put_text(row, "name", kubernetes_name(object));
        json_put_text(row, "owner", cluster_owner(object, bundles->owner_labels));
        json_put(row, "certificates", json_array());
        return row;
}

/* The webhooks of one configuration mostly share a bundle: an id is noted once. */
static json_t *
bundle_add(struct bundles *bundles, const json_t *object, json_t *row, const char *what, const char *base64)
{
        scoped_json ids = json_array();
        char text[300];
        size_t i, k;
        json_t *id, *known;

        row = row_for(bundles, object, row);
        if (row == NULL)
                return NULL;
        const char *problem = cluster_base64_certificates(base64, bundles->certificates, ids);
        if (*problem != '\0' && !json_has(row, "problem")) {
                snprintf(text, sizeof text, "caBundle%s%.200s: %s", *what != '\0' ? " of " : "", what, problem);
                json_put_text(row, "problem", text);
        }
        json_t *all = json_object_get(row, "certificates");
        json_array_foreach(ids, i, id)
        {
                json_array_foreach(all, k, known)
                {
                        if (json_equal(known, id))
                                break;
                }
                if (k == json_array_size(all))
                        json_array_append(all, id);
        }
        return row;
}

/* --- visitors ----------------------------------------------------------------------------------------------------- */

static int
webhooks_visit(void *context, const json_t *object)
{
        size_t i;
        json_t *webhook, *row = NULL;

        json_array_foreach((json_t *)json_list(object, "webhooks"), i, webhook)
        {
                const char *bundle = json_text(json_map(webhook, "clientConfig"), "caBundle", "");
                if (*bundle != '\0')
                        row = bundle_add(context, object, row, json_text(webhook, "name", ""), bundle);
        }
        return 0;
}

static int
apiservice_visit(void *context, const json_t *object)
{
        const char *bundle = json_text(json_map(object, "spec"), "caBundle", "");

        if (*bundle != '\0')
                bundle_add(context, object, NULL, "", bundle);
        return 0;
}

static int
definition_visit(void *context, const json_t *object)
{
        const char *bundle = json_text(json_at(object, "spec", "conversion", "webhook", "clientConfig", NULL),
                                       "caBundle", "");

        if (*bundle != '\0')
                bundle_add(context, object, NULL, "its conversion webhook", bundle);
        return 0;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

int
cluster_bundles_read(struct session *session, json_t *certificates, json_t *rows, json_t *sources, struct error *err)
{
        static const struct {
                const char *group, *resource, *kind, *source;
                kubernetes_visit visit;
        } table[LISTS] = {
                [VALIDATING] = {"admissionregistration.k8s.io", "validatingwebhookconfigurations",
                                "ValidatingWebhookConfiguration", "ValidatingWebhookConfigurations", webhooks_visit},
                [MUTATING] = {"admissionregistration.k8s.io", "mutatingwebhookconfigurations",
                              "MutatingWebhookConfiguration", "MutatingWebhookConfigurations", webhooks_visit},
                [APISERVICES] = {"apiregistration.k8s.io", "apiservices", "APIService", "APIServices",
                                 apiservice_visit},
                [DEFINITIONS] = {"apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition",
                                 "CustomResourceDefinitions", definition_visit},
        };
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct bundles bundles[LISTS];
        struct kubernetes_list lists[LISTS];
        int result = -1;

        if (kubernetes == NULL)
                return -1;
        for (size_t i = 0; i < LISTS; i++) {
                bundles[i] = (struct bundles){.certificates = certificates,
                                              .owner_labels = target_value(session->target, "owner_labels"),
                                              .rows = json_array(),
                                              .kind = table[i].kind};
                lists[i] = (struct kubernetes_list){.group = table[i].group,
                                                    .resource = table[i].resource,
                                                    .versions = {"v1"},
                                                    .cluster_scoped = true,
                                                    .page = i == DEFINITIONS ? DEFINITIONS_PAGE : 0,
                                                    .visit = table[i].visit,
                                                    .context = &bundles[i]};
        }
        result = kubernetes_lists(kubernetes, lists, LISTS, err);
        for (size_t i = 0; i < LISTS; i++) {
                if (result == 0) {
                        json_array_extend(rows, bundles[i].rows); /* a list comes in the order of its names */
                        cluster_source(sources, table[i].source, &lists[i].error, lists[i].count, bundles[i].capped);
                }
                json_decref(bundles[i].rows);
        }
        return result;
}

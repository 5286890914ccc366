/* A Kubernetes API server, read only: GET and nothing else, page by page, several lists side by side.
 *
 * The client belongs to its session and thread.  Items handed to a visitor are borrowed for the length of the call: a
 * visitor reduces what it is given, so that memory does not grow with the cluster.  Secrets' values reach a visitor as
 * the server sent them: visitors of Secrets keep names and certificate data only. Sources: Kubernetes API concepts
 * (paging, 410 Gone, discovery); the recorded answers of a 1.32 server in tests/fixtures. */
#ifndef ROUNDS_KUBERNETES_H
#define ROUNDS_KUBERNETES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "session.h"

extern const struct target_kind kind_kubernetes;

struct kubernetes;
struct kubernetes_access;

/* The session's client, opened on first use; NULL with the error of the first try, which is kept: a server that could
 * not be reached is not asked twice in one run. */
struct kubernetes *kubernetes_session(struct session *session, struct error *err);

/* Non-zero ends the list with an error (REASON_INTERNAL, out of memory). */
typedef int (*kubernetes_visit)(void *context, const json_t *item);

struct kubernetes_list {
        const char *group;          /* "" for the core group, "keda.sh" */
        const char *resource;       /* plural: "scaledobjects" */
        const char *versions[4];    /* acceptable ones, best first: {"v2", "v1"} */
        const char *product;        /* for the words of an absent definition: "KEDA"; NULL: the group's name */
        const char *query;          /* further query, escaped: "fieldSelector=..."; NULL */
        const char *const *without; /* members to drop before parsing, with json_without(); NULL: managedFields alone */
        bool metadata_only;         /* ask for PartialObjectMetadata: items without spec and status */
        unsigned page;              /* items per answer where they are large; 0: 500 */
        bool cluster_scoped;        /* nodes, namespaces, storageclasses: `namespaces` of the target does not apply */
        bool excluded_too;          /* visit items of namespaces that the target excludes as well */
        kubernetes_visit visit;
        void *context;

        /* Filled: */
        struct error
                error; /* REASON_NONE: complete.  REASON_UNSUPPORTED: the definition is not installed.  REASON_DENIED:
                          with the RBAC rule to add.  What was visited before an error stays visited. */
        const char *version; /* the one of `versions` that was asked; NULL when none is served */
        size_t count;        /* items visited */
};

/* Reads every list, in parallel pages on one connection.  -1 only when the whole could not go on (deadline,
 * interrupted, the server gone); each list's own failure stands in its `error`. */
int kubernetes_lists(struct kubernetes *kubernetes, struct kubernetes_list *lists, size_t count, struct error *err)
        __attribute__((warn_unused_result));

/* Why a list could not be read, as a gap of these controls; a definition that is not installed is none.  -1 when memory
 * ran out. */
int kubernetes_list_gap(const struct kubernetes_list *list, const char *controls, json_t *facts);

/* That more objects of a kind were listed than the `most` that are kept, as the gap "objects"; `whose` begins the
 * sentence: "there are", "cert-manager has".  -1 when memory ran out. */
int kubernetes_capped_gap(const char *whose, int most, const char *controls, json_t *facts);

/* One object or document by path ("/version", "/apis/metrics.k8s.io/v1beta1/nodes"); new. */
int kubernetes_get(struct kubernetes *kubernetes, const char *path, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* A text by path (a pod's log), at most `largest` bytes; malloc'd. */
int kubernetes_text(struct kubernetes *kubernetes, const char *path, size_t largest, char **text, size_t *length,
                    struct error *err) __attribute__((warn_unused_result));

/* True when the server serves this resource in one of the versions; `version` (borrowed from `versions`) says which. */
int kubernetes_serves(struct kubernetes *kubernetes, const char *group, const char *resource,
                      const char *const versions[4], const char **version, bool *serves, struct error *err)
        __attribute__((warn_unused_result));

/* The server's Date header of the newest answer and the wall-clock times around it (for clock audits); 0 when none. */
void kubernetes_clock(const struct kubernetes *kubernetes, int64_t *date_ms, int64_t *sent_ms, int64_t *received_ms);

/* Where the client was found to be, and with which certificates (keys are none of a caller's business); borrowed. */
const struct kubernetes_access *kubernetes_access_of(const struct kubernetes *kubernetes);

/* How many requests were made and bytes received so far. */
void kubernetes_traffic(const struct kubernetes *kubernetes, size_t *requests, size_t *bytes);

/* Whether the target's settings look at this namespace (include and exclude globs). */
bool kubernetes_in_scope(const struct kubernetes *kubernetes, const char *namespace_);

/* --- reading objects ---------------------------------------------------------------------------------------------- */

/* A quantity ("250m", "1.5Gi", "2e3", "100M") in its base unit (cores, bytes); NAN when it is none.
 * Source: Kubernetes API, resource.Quantity. */
double kubernetes_quantity(const json_t *value);

/* metadata.name / metadata.namespace; "" when missing. */
const char *kubernetes_name(const json_t *item);
const char *kubernetes_namespace(const json_t *item);

/* Whether an object whose label `key` of the expression has this value (NULL: none) fits it: In, NotIn, Exists,
 * DoesNotExist.  No other operator does. */
bool kubernetes_expression_holds(const json_t *expression, const char *label);

/* True when a label selector (matchLabels, matchExpressions) selects these labels.  An empty selector selects
 * everything, a missing one (NULL or null) nothing. */
bool kubernetes_selects(const json_t *selector, const json_t *labels);

/* --- where the server is (kubeconfig.c) --------------------------------------------------------------------------- */

/* Everything needed to connect; strings owned, release with kubernetes_access_free().  PEM texts come from embedded
 * data. */
struct kubernetes_access {
        char *server; /* https://host:port, without a trailing slash */
        char *ca_file, *ca_pem;
        char *certificate_file, *certificate_pem;
        char *key_file, *key_pem;
        char *token, *token_file; /* token_file is read again before it grows old */
        char *user, *password;
        char *server_name, *proxy;
        bool insecure;
        char *where; /* "context prod of ~/.kube/config", "in-cluster service account": for errors and facts */
};

/* From the target's settings: "in-cluster" or a context of one or several kubeconfig files (setting, KUBECONFIG,
 * ~/.kube/config), exec plugins run under the deadline, without a shell. */
int kubernetes_access_find(const struct session *session, struct kubernetes_access *access, struct error *err)
        __attribute__((warn_unused_result));
void kubernetes_access_free(struct kubernetes_access *access);

#endif

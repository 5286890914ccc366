/* The Kubernetes API: one client per session, discovery, single documents. */

#include "kubernetes_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "certificate_owner.h"
#include "json.h"
#include "scope.h"
#include "secret.h"
#include "session_client.h"

enum { SIDE_BY_SIDE = 8, TOKEN_FRESH_MS = 60000, TOKEN_LARGEST = 64 * 1024, URL_LARGEST = 16 * 1024 };

const char *const kubernetes_accept[] = {"Accept: application/json", NULL};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void
kubernetes_close(void *object)
{
        struct kubernetes *kubernetes = object;

        http_close(kubernetes->http);
        kubernetes_access_free(&kubernetes->access);
        json_decref(kubernetes->groups);
        json_decref(kubernetes->resources);
        free(kubernetes);
}

/* A projected service account token is replaced on disk well before it expires: reading it once a minute is enough. */
static int
token_refresh(struct kubernetes *kubernetes, struct error *err)
{
        const char *path = kubernetes->access.token_file;
        char text[TOKEN_LARGEST];

        if (path == NULL ||
            (kubernetes->token_read_ms != 0 && monotonic_ms() - kubernetes->token_read_ms < TOKEN_FRESH_MS))
                return 0;
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        if (file == NULL) {
                error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
                return error_remedy(err, "mount the service account's token, or name another token_file");
        }
        size_t length = fread(text, 1, sizeof text - 1, file);
        while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
                length--;
        text[length] = '\0';
        if (length == 0 || strpbrk(text, "\r\n") != NULL)
                return error_set(err, REASON_CONFIGURATION, "%s: this is no token", path);
        secret_remember(text);
        kubernetes->token_read_ms = monotonic_ms();
        int result = http_set_bearer(kubernetes->http, text, err);
        explicit_bzero(text, sizeof text);
        return result;
}

static int
kubernetes_open(void *object, struct session *session, struct error *err)
{
        struct kubernetes *kubernetes = object;
        struct kubernetes_access *access = &kubernetes->access;

        kubernetes->session = session;
        kubernetes->namespaces = target_value(session->target, "namespaces");
        kubernetes->resources = json_object();
        if (kubernetes->resources == NULL)
                return error_memory(err, "Kubernetes client");
        if (kubernetes_access_find(session, access, err) != 0)
                return -1;
        struct http_options options = {
                .ca_file = access->ca_file,
                .ca_pem = access->ca_pem,
                .certificate_file = access->certificate_file,
                .certificate_pem = access->certificate_pem,
                .key_file = access->key_file,
                .key_pem = access->key_pem,
                .server_name = access->server_name,
                .insecure = access->insecure,
                .user = access->user,
                .password = access->password,
                .bearer = access->token,
                .proxy = access->proxy,
        };
        return http_open(&options, &kubernetes->http, err);
}

struct kubernetes *
kubernetes_session(struct session *session, struct error *err)
{
        static const struct session_client client = {"Kubernetes client", sizeof(struct kubernetes),
                                                     offsetof(struct kubernetes, broken), kubernetes_open,
                                                     kubernetes_close};

        return session_client(session, &client, err);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

void
kubernetes_count(struct kubernetes *kubernetes, const struct http_answer *answer)
{
        kubernetes->requests += (size_t)answer->attempts;
        kubernetes->bytes += answer->wire_bytes;
        if (answer->date_ms != 0) {
                kubernetes->date_ms = answer->date_ms;
                kubernetes->sent_ms = answer->sent_ms;
                kubernetes->received_ms = answer->received_ms;
        }
}

/* A server that cannot be reached at all is not asked again in this run. */
static bool
server_gone(const struct http_answer *answers, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                enum reason reason = answers[i].error.reason;
                if (answers[i].status != 0 || (reason != REASON_UNREACHABLE && reason != REASON_TLS))
                        return false;
        }
        return count > 0;
}

int
kubernetes_fetch(struct kubernetes *kubernetes, const struct http_request *requests, size_t count,
                 struct http_answer *answers, struct error *err)
{
        for (size_t i = 0; i < count; i++)
                answers[i] = (struct http_answer){0};
        if (token_refresh(kubernetes, err) != 0)
                return -1;
        int result = http_fetch_all(kubernetes->http, requests, count, SIDE_BY_SIDE, &kubernetes->session->deadline,
                                    answers, err);
        if (result == 0 && server_gone(answers, count)) {
                kubernetes->broken = answers[0].error;
                error_wrap(&kubernetes->broken, "%s", kubernetes->access.server);
                if (err != NULL)
                        *err = kubernetes->broken;
                result = -1;
        }
        return result;
}

/* The message of a Status object, or the first words of whatever came. */
void
kubernetes_answer_error(const struct kubernetes *kubernetes, const struct http_answer *answer, const char *what,
                        struct error *err)
{
        scoped_json status = json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.length, 0,
                                        NULL);
        const char *message = json_text(status, "message", NULL);

        http_status_error(answer, what, err);
        if (message != NULL)
                error_set(err, err->reason, "%s: the API server answered %d: %s", what, answer->status, message);
        if (answer->status == 401)
                error_remedy(err, "the token or certificate of %s is not accepted: renew it", kubernetes->access.where);
}

static int
one(struct kubernetes *kubernetes, const char *path, struct http_answer *answer, struct error *err)
{
        scoped_buffer url = BUFFER_INIT(URL_LARGEST);

        if (kubernetes->broken.reason != REASON_NONE) {
                *err = kubernetes->broken;
                return -1;
        }
        if (buffer_format(&url, "%s%s", kubernetes->access.server, path) != 0)
                return error_memory(err, path);
        struct http_request request = {.url = url.data, .headers = kubernetes_accept};
        if (kubernetes_fetch(kubernetes, &request, 1, answer, err) != 0)
                return -1;
        kubernetes_count(kubernetes, answer);
        if (answer->error.reason != REASON_NONE) {
                *err = answer->error;
                return error_wrap(err, "%s", path);
        }
        if (answer->status != 200) {
                kubernetes_answer_error(kubernetes, answer, path, err);
                return -1;
        }
        return 0;
}

int
kubernetes_get(struct kubernetes *kubernetes, const char *path, json_t **out, struct error *err)
{
        scoped_answer answer = {0};
        json_error_t mistake;

        if (one(kubernetes, path, &answer, err) != 0)
                return -1;
        *out = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, 0, &mistake);
        return *out != NULL ? 0 : error_set(err, REASON_PROTOCOL, "%s: the answer is not JSON: %s", path, mistake.text);
}

int
kubernetes_text(struct kubernetes *kubernetes, const char *path, size_t largest, char **text, size_t *length,
                struct error *err)
{
        scoped_answer answer = {0};

        if (one(kubernetes, path, &answer, err) != 0)
                return -1;
        *length = answer.body.length < largest ? answer.body.length : largest;
        *text = strndup(answer.body.data != NULL ? answer.body.data : "", *length);
        return *text != NULL ? 0 : error_memory(err, path);
}

/* --- discovery ---------------------------------------------------------------------------------------------------- */

/* Asked before a list, since a forbidden list of an absent definition is answered 403, not 404. */
static int
group_serves(struct kubernetes *kubernetes, const char *group, const char *version, bool *serves, struct error *err)
{
        size_t i;
        json_t *one_group;

        *serves = *group == '\0';
        if (*serves)
                return 0;
        if (kubernetes->groups == NULL && kubernetes_get(kubernetes, "/apis", &kubernetes->groups, err) != 0)
                return -1;
        json_array_foreach((json_t *)json_list(kubernetes->groups, "groups"), i, one_group)
        {
                if (strcmp(json_text(one_group, "name", ""), group) != 0)
                        continue;
                if (json_find(json_list(one_group, "versions"), "version", version) != NULL)
                        *serves = true;
        }
        return 0;
}

static int
resources_read(struct kubernetes *kubernetes, const char *group, const char *version, const json_t **out,
               struct error *err)
{
        char path[512];

        snprintf(path, sizeof path, *group == '\0' ? "/api%s/%s" : "/apis/%s/%s", group, version);
        *out = json_object_get(kubernetes->resources, path);
        if (*out != NULL)
                return 0;
        scoped_json answer = NULL;
        json_t *names = json_array();
        size_t i;
        json_t *resource;
        if (json_put(kubernetes->resources, path, names) != 0)
                return error_memory(err, path);
        if (kubernetes_get(kubernetes, path, &answer, err) != 0) {
                json_object_del(kubernetes->resources, path);
                return -1;
        }
        json_array_foreach((json_t *)json_list(answer, "resources"), i, resource)
        {
                json_t *name = json_object_get(resource, "name");
                if (json_is_string(name))
                        json_array_append(names, name);
        }
        *out = names;
        return 0;
}

int
kubernetes_serves(struct kubernetes *kubernetes, const char *group, const char *resource, const char *const versions[4],
                  const char **version, bool *serves, struct error *err)
{
        *serves = false;
        for (int v = 0; v < 4 && versions[v] != NULL; v++) {
                const json_t *names;
                bool has;
                if (group_serves(kubernetes, group, versions[v], &has, err) != 0)
                        return -1;
                if (!has)
                        continue;
                if (resources_read(kubernetes, group, versions[v], &names, err) != 0)
                        return -1;
                if (json_holds(names, resource)) {
                        *version = versions[v];
                        *serves = true;
                        return 0;
                }
        }
        return 0;
}

/* --- small answers ------------------------------------------------------------------------------------------------ */

void
kubernetes_clock(const struct kubernetes *kubernetes, int64_t *date_ms, int64_t *sent_ms, int64_t *received_ms)
{
        *date_ms = kubernetes->date_ms;
        *sent_ms = kubernetes->sent_ms;
        *received_ms = kubernetes->received_ms;
}

const struct kubernetes_access *
kubernetes_access_of(const struct kubernetes *kubernetes)
{
        return &kubernetes->access;
}

void
kubernetes_traffic(const struct kubernetes *kubernetes, size_t *requests, size_t *bytes)
{
        *requests = kubernetes->requests;
        *bytes = kubernetes->bytes;
}

bool
kubernetes_in_scope(const struct kubernetes *kubernetes, const char *namespace_)
{
        return !json_globs_match(target_value(kubernetes->session->target, "exclude_namespaces"), namespace_);
}

static int
kubernetes_connect(struct session *session, char *server, size_t size, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_json version = NULL;

        if (kubernetes == NULL || kubernetes_get(kubernetes, "/version", &version, err) != 0)
                return -1;
        snprintf(server, size, "Kubernetes %s at %s (%s)", json_text(version, "gitVersion", "of unknown version"),
                 kubernetes->access.server, kubernetes->access.where);
        return 0;
}

static const struct setting settings[] = {
        {.name = "context",
         .type = SETTING_TEXT,
         .fallback = "in-cluster",
         .words = "in-cluster (the pod's service account), or a context of the kubeconfig files"},
        {.name = "kubeconfig",
         .type = SETTING_LIST,
         .item = SETTING_PATH,
         .words = "kubeconfig files, first definition wins; default: KUBECONFIG, then ~/.kube/config"},
        {.name = "server",
         .type = SETTING_URL,
         .choices = "https|http",
         .words = "address of the API server, instead of a context"},
        {.name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the API server's certificate"},
        {.name = "token", .type = SETTING_SECRET, .words = "bearer token for `server`"},
        {.name = "namespaces",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .words = "look at these namespaces alone, each listed by itself (for a Role instead of a ClusterRole)"},
        {.name = "exclude_namespaces",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .words = "namespaces that are none of your business, as globs"},
        {.name = "owner_labels",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[owner, team]",
         .words = "labels or annotations that name an object's owner; first on the object, then on its namespace"},
        {.name = "owners",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = certificate_owner_rule,
         .fallback = "[]",
         .words = "who renews which certificate, before any label; the first rule that matches counts"},
        {.name = "managed",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[]",
         .words = "names or places of certificates that something other than cert-manager renews by itself"},
        {.name = "sweep",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "connect to the hosts of Ingresses and Gateways and compare what they serve with their Secrets"},
        {.name = "trust_file",
         .type = SETTING_PATH,
         .words = "PEM file of authorities that are trusted, besides the system's, for certificates of the cluster"},
        {.name = "prometheus",
         .type = SETTING_TEXT,
         .words = "target of kind prometheus that has the cluster's cAdvisor metrics: peaks of memory are asked of it"},
        {.type = SETTING_END},
};

/* The Prometheus that is named must be one of the targets. */
static void
kubernetes_review(const struct target *target, const struct target *const *targets, target_mistake *tell, void *context)
{
        const char *name = target_text(target, "prometheus");
        char text[300];

        if (name == NULL || *name == '\0')
                return;
        for (size_t i = 0; targets[i] != NULL; i++) {
                if (strcmp(targets[i]->name, name) == 0 && strcmp(targets[i]->kind->name, "prometheus") == 0)
                        return;
        }
        snprintf(text, sizeof text, "prometheus: there is no target \"%.100s\" of kind prometheus", name);
        tell(context, NULL, 0, text);
}

const struct target_kind kind_kubernetes = {
        .name = "kubernetes",
        .words = "a Kubernetes cluster, through its API server",
        .settings = settings,
        .connect = kubernetes_connect,
        .review = kubernetes_review,
};

/* Prometheus and Alertmanager: connections, documents, and what their refusals mean. */

#include "prometheus_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"
#include "secret.h"
#include "session_client.h"

/* Servers and proxies take addresses of some 8 KiB; longer queries go into a form, which the API reads alike. */
enum { ANSWER_LARGEST = 32 * 1024 * 1024, QUERY_LARGEST = 256 * 1024, ADDRESS_LONGEST = 4000, ATTEMPTS = 2 };

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void
prometheus_close(void *object)
{
        struct prometheus *prometheus = object;

        http_close(prometheus->http);
        http_close(prometheus->alertmanager_http);
        free(prometheus->url);
        free(prometheus->alertmanager_url);
        free(prometheus->tenant);
        free(prometheus);
}

static char *
without_slash(const char *url)
{
        size_t length = strlen(url);

        while (length > 0 && url[length - 1] == '/')
                length--;
        return strndup(url, length);
}

/* Scheme, host and port. */
static size_t
origin_length(const char *url)
{
        const char *host = strstr(url, "://");

        return host == NULL ? strlen(url) : (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
}

static bool
same_origin(const char *a, const char *b)
{
        size_t length = origin_length(a);

        return length == origin_length(b) && strncmp(a, b, length) == 0;
}

/* A client with the credentials of that name ("" or "alertmanager_"); none of them where `bare`. */
static int
client_open(const struct target *target, const char *prefix, bool bare, struct http **out, struct error *err)
{
        char name[64];
        scoped_secret bearer = NULL;
        scoped_secret password = NULL;
        struct http_options options = {
                .ca_file = target_text(target, "ca_file"),
                .certificate_file = target_text(target, "certificate_file"),
                .key_file = target_text(target, "key_file"),
                .server_name = *prefix == '\0' ? target_text(target, "server_name") : NULL,
                .insecure = json_flag(target->settings, "insecure", false),
                .attempts = ATTEMPTS,
                .largest = ANSWER_LARGEST,
        };

        if (!bare) {
                snprintf(name, sizeof name, "%sbearer", prefix);
                if (secret_read(target, name, &bearer, err) != 0)
                        return -1;
                snprintf(name, sizeof name, "%spassword", prefix);
                if (secret_read(target, name, &password, err) != 0)
                        return -1;
                snprintf(name, sizeof name, "%suser", prefix);
                options.bearer = bearer;
                options.user = target_text(target, name);
                options.password = password;
        }
        return http_open(&options, out, err);
}

static bool
alertmanager_has_credentials(const struct target *target)
{
        return target_text(target, "alertmanager_user") != NULL || target_value(target, "alertmanager_bearer") != NULL;
}

static int
prometheus_open(void *object, struct session *session, struct error *err)
{
        struct prometheus *prometheus = object;
        const struct target *target = session->target;
        const char *url = target_text(target, "url"), *alertmanager = target_text(target, "alertmanager");
        const char *tenant = target_text(target, "tenant");

        prometheus->session = session;
        prometheus->target = target;
        if (url == NULL) {
                error_set(err, REASON_CONFIGURATION, "%s: no Prometheus is named", target->name);
                return error_remedy(err, "add url: URL to the target %s", target->name);
        }
        prometheus->url = without_slash(url);
        if (prometheus->url == NULL)
                return error_memory(err, "Prometheus client");
        if (tenant != NULL &&
            (strpbrk(tenant, "\r\n") != NULL || asprintf(&prometheus->tenant, "X-Scope-OrgID: %s", tenant) < 0)) {
                prometheus->tenant = NULL;
                return error_set(err, REASON_CONFIGURATION, "%s: tenant: this cannot be a header", target->name);
        }
        if (client_open(target, "", false, &prometheus->http, err) != 0)
                return -1;
        if (alertmanager == NULL)
                return 0;
        prometheus->alertmanager_url = without_slash(alertmanager);
        if (prometheus->alertmanager_url == NULL)
                return error_memory(err, "Prometheus client");
        /* Credentials for one server are not shown to another. */
        if (alertmanager_has_credentials(target))
                return client_open(target, "alertmanager_", false, &prometheus->alertmanager_http, err);
        return client_open(target, "", !same_origin(url, alertmanager), &prometheus->alertmanager_http, err);
}

struct prometheus *
prometheus_session(struct session *session, struct error *err)
{
        static const struct session_client client = {"Prometheus client", sizeof(struct prometheus),
                                                     offsetof(struct prometheus, broken), prometheus_open,
                                                     prometheus_close};

        return session_client(session, &client, err);
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

static bool
is_html(const struct http_answer *answer)
{
        return answer->content_type != NULL && strcmp(answer->content_type, "text/html") == 0;
}

/* The API's own errors carry a type; 400, 422, 500 and 503 tell less. */
static enum reason
refusal_reason(const char *type)
{
        if (strcmp(type, "timeout") == 0 || strcmp(type, "canceled") == 0)
                return REASON_TIMEOUT;
        if (strcmp(type, "unavailable") == 0 || strcmp(type, "internal") == 0)
                return REASON_UNREACHABLE;
        if (strcmp(type, "not_found") == 0)
                return REASON_UNSUPPORTED;
        return REASON_PROTOCOL; /* bad_data, execution */
}

static int
refused(const struct http_answer *answer, const char *setting, const char *what, struct error *err)
{
        int status = answer->status;

        if (status >= 300 && status < 400) {
                scoped_string where = http_header(answer, "Location");
                error_set(err, REASON_DENIED, "%s: the server sends on to %.200s (%d): a login page, or a moved API",
                          what, where != NULL ? where : "nowhere", status);
                return error_remedy(err, "set %s to the API's own address, or give credentials that the proxy takes",
                                    setting);
        }
        scoped_json body = json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.length, 0, NULL);
        const char *type = json_text(body, "errorType", NULL), *text = json_text(body, "error", "no reason given");
        if (type != NULL)
                return error_set(err, refusal_reason(type), "%s: %s: %.600s", what, type, text);
        if (is_html(answer))
                error_set(err, status == 401 || status == 403 ? REASON_DENIED : REASON_PROTOCOL,
                          "%s: the server answered %d with a web page, not with the API's JSON", what, status);
        else
                http_status_error(answer, what, err);
        if (status == 401 || status == 403)
                error_remedy(err, "give bearer_file, or user and password_file, that may read the API");
        else if (status == 404) {
                err->reason = REASON_UNSUPPORTED;
                error_remedy(err, "add the path prefix to %s (--web.external-url or --web.route-prefix of the server)",
                             setting);
        }
        return -1;
}

static int
no_api(const struct http_answer *answer, const char *setting, const char *what, struct error *err)
{
        if (is_html(answer))
                error_set(err, REASON_PROTOCOL,
                          "%s: a web page came instead of the API's JSON: a proxy or a login stands before it", what);
        else
                error_set(err, REASON_PROTOCOL, "%s: the answer is not the API's JSON", what);
        return error_remedy(err, "set %s to the API's own address, with its path prefix", setting);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void
clock_note(struct prometheus *prometheus, const struct http_answer *answer)
{
        if (answer->date_ms != 0) {
                prometheus->date_ms = answer->date_ms;
                prometheus->sent_ms = answer->sent_ms;
                prometheus->received_ms = answer->received_ms;
        }
}

int
prometheus_fetch(struct prometheus *prometheus, const char *path, const char *query, const char *what, json_t **data,
                 struct error *err)
{
        scoped_buffer url = BUFFER_INIT(QUERY_LARGEST);
        scoped_answer answer = {0};
        const char *headers[] = {"Accept: application/json", prometheus->tenant, NULL, NULL};
        struct http_request request = {.headers = headers};
        bool form = query != NULL && strlen(query) > ADDRESS_LONGEST;

        if (prometheus->broken.reason != REASON_NONE) {
                *err = prometheus->broken;
                return -1;
        }
        if (form) {
                headers[prometheus->tenant != NULL ? 2 : 1] = "Content-Type: application/x-www-form-urlencoded";
                request.body = query;
                request.body_length = strlen(query);
        }
        if (buffer_format(&url, "%s%s%s%s", prometheus->url, path, query != NULL && !form ? "?" : "",
                          query != NULL && !form ? query : "") != 0)
                return error_memory(err, what);
        request.url = url.data;
        if (http_fetch(prometheus->http, &request, &prometheus->session->deadline, &answer, err) != 0) {
                error_wrap(err, "%s", what);
                if (err->reason == REASON_UNREACHABLE || err->reason == REASON_TLS)
                        prometheus->broken = *err;
                return -1;
        }
        clock_note(prometheus, &answer);
        if (answer.status != 200)
                return refused(&answer, "url", what, err);
        scoped_json body = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, 0, NULL);
        if (strcmp(json_text(body, "status", ""), "success") != 0 || !json_has(body, "data"))
                return no_api(&answer, "url", what, err);
        *data = json_incref(json_object_get(body, "data"));
        return 0;
}

int
prometheus_get(struct prometheus *prometheus, const char *path, const char *query, json_t **data, struct error *err)
{
        return prometheus_fetch(prometheus, path, query, path, data, err);
}

int
prometheus_rules(struct prometheus *prometheus, json_t **out, struct error *err)
{
        scoped_json data = NULL;

        if (prometheus_get(prometheus, "/api/v1/rules", "exclude_alerts=true", &data, err) != 0)
                return -1;
        json_t *groups = json_object_get(data, "groups");
        if (!json_is_array(groups))
                return error_set(err, REASON_PROTOCOL, "/api/v1/rules: the answer has no groups");
        *out = json_incref(groups);
        return 0;
}

int
prometheus_version(struct prometheus *prometheus, char *version, size_t size, struct error *err)
{
        scoped_json data = NULL;

        *version = '\0';
        if (prometheus_get(prometheus, "/api/v1/status/buildinfo", NULL, &data, err) != 0)
                return err->reason == REASON_UNSUPPORTED ? 0 : -1;
        snprintf(version, size, "%s", json_text(data, "version", ""));
        return 0;
}

/* --- Alertmanager ------------------------------------------------------------------------------------------------- */

bool
prometheus_has_alertmanager(const struct prometheus *prometheus)
{
        return prometheus->alertmanager_url != NULL;
}

int
prometheus_alertmanager(struct prometheus *prometheus, const char *path, json_t **out, struct error *err)
{
        static const char *const headers[] = {"Accept: application/json", NULL};
        scoped_buffer url = BUFFER_INIT(QUERY_LARGEST);
        scoped_answer answer = {0};
        char what[300];

        if (prometheus->alertmanager_url == NULL) {
                error_set(err, REASON_CONFIGURATION, "%s: no Alertmanager is named", prometheus->target->name);
                return error_remedy(err, "add alertmanager: URL to the target %s", prometheus->target->name);
        }
        snprintf(what, sizeof what, "Alertmanager %s", path);
        if (buffer_format(&url, "%s%s", prometheus->alertmanager_url, path) != 0)
                return error_memory(err, what);
        struct http_request request = {.url = url.data, .headers = headers};
        if (http_fetch(prometheus->alertmanager_http, &request, &prometheus->session->deadline, &answer, err) != 0)
                return error_wrap(err, "%s", what);
        if (answer.status != 200)
                return refused(&answer, "alertmanager", what, err);
        *out = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, 0, NULL);
        return *out != NULL ? 0 : no_api(&answer, "alertmanager", what, err);
}

void
prometheus_clock(const struct prometheus *prometheus, int64_t *date_ms, int64_t *sent_ms, int64_t *received_ms)
{
        *date_ms = prometheus->date_ms;
        *sent_ms = prometheus->sent_ms;
        *received_ms = prometheus->received_ms;
}

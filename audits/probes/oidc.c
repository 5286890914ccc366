/* OpenID Connect: discovery and a token of one's own. */

#include "oidc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "jwt.h"
#include "oidc_client.h"
#include "scope.h"
#include "secret.h"

enum { URL_LARGEST = 4096, DOCUMENT_LARGEST = 4 << 20 };

int
oidc_open(const struct session *session, struct http **http, struct error *err)
{
        const struct target *target = session->target;
        struct http_options options = {.ca_file = target_text(target, "ca_file"),
                                       .insecure = json_is_true(target_value(target, "insecure")),
                                       .largest = DOCUMENT_LARGEST};

        return http_open(&options, http, err);
}

int
oidc_json(struct session *session, struct http *http, const char *url, const char *bearer, json_t **out,
          struct error *err)
{
        scoped_answer answer = {0};
        scoped_buffer header = BUFFER_INIT(80 * 1024);
        const char *headers[] = {NULL, NULL};

        if (bearer != NULL) {
                buffer_format(&header, "Authorization: Bearer %s", bearer);
                headers[0] = header.data;
        }
        int result = http_fetch(http, &(struct http_request){.url = url, .headers = headers}, &session->deadline,
                                &answer, err);
        if (header.data != NULL)
                memset(header.data, 0, header.length);
        if (result != 0)
                return error_wrap(err, "%s", url);
        if (answer.status != 200)
                return http_status_error(&answer, url, err);
        *out = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, 0, NULL);
        if (json_is_object(*out) || json_is_array(*out))
                return 0;
        json_decref(*out);
        *out = NULL;
        return error_set(err, REASON_PROTOCOL, "%s: the answer is no JSON", url);
}

static void
form_add(struct buffer *form, const char *name, const char *value)
{
        buffer_format(form, "%s%s=", form->length > 0 ? "&" : "", name);
        http_escape(form, value);
}

int
oidc_token(struct session *session, struct http *http, const char *endpoint, char **token, double *expires_in,
           struct error *err)
{
        const struct target *target = session->target;
        const char *client = target_text(target, "client_id"), *scope = target_text(target, "scope"),
                   *resource = target_text(target, "audience");
        scoped_secret secret = NULL;
        scoped_buffer form = BUFFER_INIT(128 * 1024);
        scoped_answer answer = {0};
        scoped_json body = NULL;
        static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                              "Accept: application/json", NULL};

        if (secret_read(target, "client_secret", &secret, err) != 0)
                return -1;
        form_add(&form, "grant_type", "client_credentials");
        form_add(&form, "client_id", client);
        if (secret != NULL)
                form_add(&form, "client_secret", secret);
        if (scope != NULL)
                form_add(&form, "scope", scope);
        if (resource != NULL) {
                form_add(&form, "resource", resource);
                form_add(&form, "audience", resource);
        }
        if (form.failed)
                return error_memory(err, "a request for a token");
        struct http_request request = {
                .url = endpoint, .headers = headers, .body = form.data, .body_length = form.length};
        int result = http_fetch(http, &request, &session->deadline, &answer, err);
        memset(form.data, 0, form.length);
        if (result != 0)
                return error_wrap(err, "%s", endpoint);
        body = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, 0, NULL);
        const char *given = json_text(body, "access_token", NULL);
        if (answer.status != 200 || given == NULL) {
                error_set(err,
                          answer.status == 400 || answer.status == 401 || answer.status == 403 ? REASON_DENIED
                                                                                               : REASON_PROTOCOL,
                          "%s: no token (%d %s %.200s)", endpoint, answer.status, json_text(body, "error", ""),
                          json_text(body, "error_description", ""));
                return error_remedy(err,
                                    "allow the grant client_credentials to client %s, and look at its secret and scope",
                                    client);
        }
        *expires_in = json_real_or(body, "expires_in", NAN);
        *token = strdup(given);
        if (*token == NULL)
                return error_memory(err, "a token");
        secret_remember(*token);
        return 0;
}

/* --- what a provider says -------------------------------------------------------------------------------------------
 */

static bool
same_issuer(const char *a, const char *b)
{
        size_t left = strlen(a), right = strlen(b);

        /* A slash at the end is the most usual slip, and no difference that matters to a lifetime. */
        left -= left > 0 && a[left - 1] == '/';
        right -= right > 0 && b[right - 1] == '/';
        return left == right && strncmp(a, b, left) == 0;
}

static int
token_look(struct session *session, struct http *http, const json_t *discovery, json_t *out, struct error *err)
{
        const char *endpoint = json_text(discovery, "token_endpoint", NULL),
                   *keys_url = json_text(discovery, "jwks_uri", NULL);
        scoped_secret token = NULL;
        scoped_json header = NULL;
        scoped_json claims = NULL;
        scoped_json keys = NULL;
        struct error opaque = {0};
        double expires_in;

        if (endpoint == NULL)
                return error_set(err, REASON_PROTOCOL, "the discovery document names no token_endpoint");
        if (oidc_token(session, http, endpoint, &token, &expires_in, err) != 0)
                return -1;
        json_put_real(out, "expires_in_s", expires_in);
        if (jwt_read(token, &header, &claims, &opaque) != 0)
                return json_put_text(out, "type", "opaque");
        double issued = json_real_or(claims, "iat", NAN), expires = json_real_or(claims, "exp", NAN);
        json_put_text(out, "type", "jwt");
        json_put_text(out, "alg", json_text(header, "alg", ""));
        json_put_real(out, "lifetime_s", expires - issued);
        json_put_flag(out, "issuer_matches",
                      same_issuer(json_text(claims, "iss", ""), json_text(discovery, "issuer", "")));
        if (keys_url != NULL && oidc_json(session, http, keys_url, NULL, &keys, err) != 0)
                return -1;
        return json_put_text(out, "check", jwt_check_name(jwt_verify(token, keys)));
}

int
oidc_look(struct session *session, json_t **out, struct error *err)
{
        const char *issuer = target_text(session->target, "issuer");
        scoped_json seen = json_object();
        scoped_json discovery = NULL;
        struct http *http = NULL;
        char url[URL_LARGEST];
        int result = -1;

        if (oidc_open(session, &http, err) != 0)
                return -1;
        snprintf(url, sizeof url, "%.*s/.well-known/openid-configuration",
                 (int)(strlen(issuer) - (issuer[strlen(issuer) - 1] == '/')), issuer);
        if (oidc_json(session, http, url, NULL, &discovery, err) == 0) {
                json_t *algorithms = json_object_get(discovery, "id_token_signing_alg_values_supported");
                json_put_text(seen, "issuer", json_text(discovery, "issuer", ""));
                json_put_flag(seen, "issuer_matches", same_issuer(json_text(discovery, "issuer", ""), issuer));
                json_put(seen, "algorithms", json_is_array(algorithms) ? json_incref(algorithms) : json_array());
                result = 0;
                if (target_text(session->target, "client_id") != NULL) {
                        json_t *token = json_object();
                        result = token_look(session, http, discovery, token, err);
                        json_put(seen, "token", token);
                }
        }
        http_close(http);
        if (result == 0)
                *out = scope_keep(seen);
        return result;
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
oidc_connect(struct session *session, char *server, size_t size, struct error *err)
{
        scoped_json seen = NULL;

        if (oidc_look(session, &seen, err) != 0)
                return -1;
        snprintf(server, size, "OpenID provider %s%s", json_text(seen, "issuer", "?"),
                 json_map(seen, "token") != NULL ? ", a token was issued" : "");
        return 0;
}

static const struct setting settings[] = {
        {.name = "issuer",
         .type = SETTING_URL,
         .choices = "https|http",
         .required = true,
         .words = "the issuer, as its discovery document names it"},
        {.name = "client_id",
         .type = SETTING_TEXT,
         .words = "client that may ask for a token by client credentials; without it no token is looked at"},
        {.name = "client_secret", .type = SETTING_SECRET, .words = "its secret"},
        {.name = "scope", .type = SETTING_TEXT, .words = "scope to ask for"},
        {.name = "audience",
         .type = SETTING_TEXT,
         .words = "resource (audience) to ask for; some providers issue a JWT only then"},
        {.name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the provider's certificate"},
        {.name = "insecure",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "do not verify the certificate: never on a network you do not own"},
        {.type = SETTING_END},
};

const struct target_kind kind_oidc = {
        .name = "oidc",
        .words = "an OpenID Connect provider",
        .settings = settings,
        .connect = oidc_connect,
};

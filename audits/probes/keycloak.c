/* Realms of Keycloak, from its administration API or from export files. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "oidc.h"
#include "oidc_client.h"
#include "scope.h"
#include "secret.h"

enum { URL_LARGEST = 4096, REALMS_MOST = 200, CLIENTS_MOST = 5000 };
static const off_t EXPORT_LARGEST = 64 << 20;

/* What judging needs of a realm; everything else (users, keys, secrets of clients) stays behind. */
static const char *const fields[] = {"enabled",
                                     "bruteForceProtected",
                                     "permanentLockout",
                                     "maxTemporaryLockouts",
                                     "failureFactor",
                                     "waitIncrementSeconds",
                                     "maxFailureWaitSeconds",
                                     "maxDeltaTimeSeconds",
                                     "bruteForceStrategy",
                                     "accessTokenLifespan",
                                     "accessTokenLifespanForImplicitFlow",
                                     "revokeRefreshToken",
                                     "refreshTokenMaxReuse",
                                     "ssoSessionIdleTimeout",
                                     "ssoSessionMaxLifespan"};

static void
clients_reduce(json_t *row, const json_t *clients)
{
        json_t *kept = json_array(), *client;
        size_t i;

        json_put(row, "clients", kept);
        json_array_foreach((json_t *)clients, i, client)
        {
                const char *own = json_text(json_map(client, "attributes"), "access.token.lifespan", NULL);
                if (own == NULL || *own == '\0' || i >= CLIENTS_MOST || !json_flag(client, "enabled", true))
                        continue;
                json_t *entry = json_push(kept, json_object());
                json_put_text(entry, "client", json_text(client, "clientId", "?"));
                json_put_whole(entry, "lifespan_s", strtoll(own, NULL, 10));
        }
}

static void
realm_reduce(json_t *rows, const json_t *realm, const json_t *clients, const char *from)
{
        json_t *row = json_push(rows, json_object());

        json_put_text(row, "realm", json_text(realm, "realm", "?"));
        json_put_text(row, "from", from);
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
                json_t *value = json_object_get(realm, fields[i]);
                if (json_is_boolean(value) || json_is_number(value) || json_is_string(value))
                        json_object_set(row, fields[i], value);
        }
        clients_reduce(row, clients);
}

static void
realm_failed(json_t *rows, const char *realm, const struct error *err)
{
        json_t *row = json_push(rows, json_object()), *told = json_object();

        json_put_text(row, "realm", realm);
        json_put_text(told, "reason", reason_name(err->reason));
        json_put_text(told, "text", err->text);
        json_put_text(told, "remedy", err->remedy);
        json_put(row, "error", told);
}

/* --- export files ------------------------------------------------------------------------------------------------- */

static int
export_read(const char *path, json_t *rows, struct error *err)
{
        scoped(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat status;
        scoped_json document = NULL;
        json_error_t where;

        if (fd < 0 || fstat(fd, &status) != 0) {
                error_set(err, errno == EACCES ? REASON_DENIED : REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
                return error_remedy(
                        err, "export the realm again (kc.sh export --realm NAME --file ...), readable for this user");
        }
        if (!S_ISREG(status.st_mode) || status.st_size > EXPORT_LARGEST)
                return error_set(err, REASON_CONFIGURATION, "%s: no file, or larger than 64 MiB", path);
        document = json_loadfd(fd, 0, &where);
        if (document == NULL)
                return error_set(err, REASON_PROTOCOL, "%s:%d:%d: no JSON: %s", path, where.line, where.column,
                                 where.text);
        if (json_is_object(document)) {
                realm_reduce(rows, document, json_list(document, "clients"), path);
                return 0;
        }
        size_t i;
        json_t *realm;
        json_array_foreach(document, i, realm) realm_reduce(rows, realm, json_list(realm, "clients"), path);
        return 0;
}

/* --- the API ------------------------------------------------------------------------------------------------------ */

static int
realm_read(struct session *session, struct http *http, const char *base, const char *name, const char *token,
           json_t *rows, struct error *err)
{
        scoped_json realm = NULL;
        scoped_json clients = NULL;
        scoped_buffer escaped = BUFFER_INIT(1024);
        char url[URL_LARGEST];

        http_escape(&escaped, name);
        snprintf(url, sizeof url, "%s/admin/realms/%s", base, escaped.data != NULL ? escaped.data : "");
        if (oidc_json(session, http, url, token, &realm, err) != 0)
                goto denied;
        snprintf(url, sizeof url, "%s/admin/realms/%s/clients?max=%d", base, escaped.data, CLIENTS_MOST);
        if (oidc_json(session, http, url, token, &clients, err) != 0)
                goto denied;
        realm_reduce(rows, realm, clients, "API");
        return 0;
denied:
        if (err->reason == REASON_DENIED)
                error_remedy(err,
                             "give the service account of client %s the roles view-realm and view-clients of "
                             "realm-management in realm %s",
                             target_text(session->target, "client_id"), name);
        return -1;
}

static int
api_read(struct session *session, const char *url, json_t *rows, struct error *err)
{
        const json_t *realms = target_value(session->target, "realms");
        const char *home = target_text(session->target, "token_realm");
        char base[URL_LARGEST / 2], endpoint[URL_LARGEST];
        scoped_secret token = NULL;
        struct http *http = NULL;
        double expires_in;
        int result = -1;

        snprintf(base, sizeof base, "%.*s", (int)(strlen(url) - (url[strlen(url) - 1] == '/')), url);
        if (oidc_open(session, &http, err) != 0)
                return -1;
        if (home == NULL)
                home = json_string_value(json_array_get(realms, 0));
        snprintf(endpoint, sizeof endpoint, "%s/realms/%s/protocol/openid-connect/token", base,
                 home != NULL ? home : "master");
        if (oidc_token(session, http, endpoint, &token, &expires_in, err) == 0) {
                result = 0;
                for (size_t i = 0; i < json_array_size(realms) && i < REALMS_MOST; i++) {
                        const char *name = json_string_value(json_array_get(realms, i));
                        struct error one = {0};
                        if (name != NULL && realm_read(session, http, base, name, token, rows, &one) != 0)
                                realm_failed(rows, name, &one);
                }
        }
        http_close(http);
        return result;
}

int
keycloak_realms(struct session *session, json_t **out, struct error *err)
{
        const char *url = target_text(session->target, "url");
        const json_t *exports = target_value(session->target, "exports");
        scoped_json rows = json_array();

        if (url == NULL && json_array_size(exports) == 0) {
                error_set(err, REASON_CONFIGURATION, "neither url nor exports is given");
                return error_remedy(
                        err,
                        "give the server's url with realms, client_id and its secret, or the paths of realm exports");
        }
        for (size_t i = 0; i < json_array_size(exports); i++) {
                const char *path = json_string_value(json_array_get(exports, i));
                struct error one = {0};
                if (path != NULL && export_read(path, rows, &one) != 0)
                        realm_failed(rows, path, &one);
        }
        if (url != NULL && api_read(session, url, rows, err) != 0)
                return -1;
        *out = scope_keep(rows);
        return 0;
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
keycloak_connect(struct session *session, char *server, size_t size, struct error *err)
{
        scoped_json rows = NULL;
        size_t i;
        json_t *row;

        if (keycloak_realms(session, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                const json_t *failed = json_map(row, "error");
                if (failed != NULL) {
                        error_set(err, reason_from_name(json_text(failed, "reason", "")), "%s",
                                  json_text(failed, "text", "?"));
                        return error_remedy(err, "%s", json_text(failed, "remedy", ""));
                }
        }
        snprintf(server, size, "Keycloak, %zu realm%s", json_array_size(rows), json_array_size(rows) == 1 ? "" : "s");
        return 0;
}

static const struct setting settings[] = {
        {.name = "url", .type = SETTING_URL, .choices = "https|http", .words = "base URL of the server"},
        {.name = "realms", .type = SETTING_LIST, .item = SETTING_TEXT, .fallback = "[]", .words = "realms to look at"},
        {.name = "client_id",
         .type = SETTING_TEXT,
         .fallback = "rounds",
         .words = "client with a service account that may view realm and clients"},
        {.name = "client_secret", .type = SETTING_SECRET, .words = "its secret"},
        {.name = "token_realm", .type = SETTING_TEXT, .words = "realm of that client; default: the first of realms"},
        {.name = "scope", .type = SETTING_TEXT, .words = "scope to ask for"},
        {.name = "audience", .type = SETTING_TEXT, .words = "audience to ask for"},
        {.name = "exports",
         .type = SETTING_LIST,
         .item = SETTING_PATH,
         .fallback = "[]",
         .words = "realm exports, instead of the API or beside it"},
        {.name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the server's certificate"},
        {.name = "insecure",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "do not verify the certificate: never on a network you do not own"},
        {.type = SETTING_END},
};

const struct target_kind kind_keycloak = {
        .name = "keycloak",
        .words = "realms of a Keycloak server, or their exports",
        .settings = settings,
        .connect = keycloak_connect,
};

/* Where the API server is and who we are: in-cluster service account, kubeconfig files, exec plugins. */

#include "kubernetes.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "command_run.h"
#include "json.h"
#include "scope.h"
#include "secret.h"
#include "yaml_text.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

enum { FILES_MOST = 16, CREDENTIAL_LARGEST = 1024 * 1024, PLUGIN_MS = 15000 };

void
kubernetes_access_free(struct kubernetes_access *way)
{
        free(way->server);
        free(way->ca_file);
        free(way->ca_pem);
        free(way->certificate_file);
        free(way->certificate_pem);
        free(way->key_file);
        secret_free(way->key_pem);
        secret_free(way->token);
        free(way->token_file);
        free(way->user);
        secret_free(way->password);
        free(way->server_name);
        free(way->proxy);
        free(way->where);
        *way = (struct kubernetes_access){0};
}

/* --- in-cluster --------------------------------------------------------------------------------------------------- */

static int
from_service_account(struct kubernetes_access *way, struct error *err)
{
        const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");

        if (host == NULL || access(ACCOUNT "/token", R_OK) != 0) {
                error_set(err, REASON_CONFIGURATION, "not inside a cluster: there is no service account at " ACCOUNT);
                return error_remedy(err,
                                    "name a `context` of a kubeconfig file, or run as a pod with a service account");
        }
        if (asprintf(&way->server, strchr(host, ':') != NULL ? "https://[%s]:%s" : "https://%s:%s", host,
                     port != NULL ? port : "443") < 0) {
                way->server = NULL;
                return error_memory(err, "service account");
        }
        way->ca_file = strdup(ACCOUNT "/ca.crt");
        way->token_file = strdup(ACCOUNT "/token");
        way->where = strdup("in-cluster service account");
        return way->ca_file != NULL && way->token_file != NULL && way->where != NULL
                       ? 0
                       : error_memory(err, "service account");
}

/* --- kubeconfig --------------------------------------------------------------------------------------------------- */

/* A file's part of the merged configuration; paths inside it are relative to its folder. */
struct kubeconfig {
        json_t *document;
        char *path;
};

struct kubeconfigs {
        struct kubeconfig files[FILES_MOST];
        size_t count;
        char *tried; /* for the error when nothing was found */
};

static void
kubeconfigs_free(struct kubeconfigs *all)
{
        for (size_t i = 0; i < all->count; i++) {
                json_decref(all->files[i].document);
                free(all->files[i].path);
        }
        free(all->tried);
}

static int
kubeconfig_add(struct kubeconfigs *all, const char *path, bool must_exist, struct error *err)
{
        if (all->count == FILES_MOST)
                return error_set(err, REASON_CONFIGURATION, "more than %d kubeconfig files", FILES_MOST);
        if (!must_exist && access(path, F_OK) != 0)
                return 0; /* as kubectl does with the parts of KUBECONFIG */
        struct kubeconfig *file = &all->files[all->count];
        if (yaml_read_file(path, CREDENTIAL_LARGEST, &file->document, err) != 0)
                return -1;
        file->path = strdup(path);
        all->count++;
        return file->path != NULL ? 0 : error_memory(err, path);
}

static int
kubeconfigs_load(const struct target *target, struct kubeconfigs *all, struct error *err)
{
        const json_t *chosen = target_value(target, "kubeconfig");
        const char *variable = getenv("KUBECONFIG"), *home = getenv("HOME");
        size_t i;
        json_t *path;

        if (json_array_size(chosen) > 0) {
                json_array_foreach((json_t *)chosen, i, path)
                {
                        if (kubeconfig_add(all, json_string_value(path), true, err) != 0)
                                return -1;
                }
                return 0;
        }
        if (variable != NULL && *variable != '\0') {
                scoped_string copy = strdup(variable);
                char *rest = copy;
                for (char *part; copy != NULL && (part = strsep(&rest, ":")) != NULL;) {
                        if (*part != '\0' && kubeconfig_add(all, part, false, err) != 0)
                                return -1;
                }
                all->tried = strdup(variable);
                return copy != NULL ? 0 : error_memory(err, "KUBECONFIG");
        }
        scoped_string standard = NULL;
        if (asprintf(&standard, "%s/.kube/config", home != NULL ? home : "") < 0) {
                standard = NULL;
                return error_memory(err, "kubeconfig");
        }
        all->tried = strdup(standard);
        return kubeconfig_add(all, standard, false, err);
}

/* The entry of `list` ("clusters") called `name`, and its file: the first one wins. */
static const json_t *
entry(const struct kubeconfigs *all, const char *list, const char *part, const char *name,
      const struct kubeconfig **file)
{
        for (size_t i = 0; i < all->count; i++) {
                size_t j;
                json_t *one;
                json_array_foreach((json_t *)json_list(all->files[i].document, list), j, one)
                {
                        if (strcmp(json_text(one, "name", ""), name) == 0) {
                                *file = &all->files[i];
                                return json_object_get(one, part);
                        }
                }
        }
        return NULL;
}

static char *
path_beside(const struct kubeconfig *file, const char *path)
{
        const char *slash = strrchr(file->path, '/');
        char *whole = NULL;

        if (path[0] == '/' || slash == NULL)
                return strdup(path);
        return asprintf(&whole, "%.*s/%s", (int)(slash - file->path), file->path, path) < 0 ? NULL : whole;
}

static int
decode(const char *base64, const char *what, char **out, struct error *err)
{
        size_t length = strlen(base64);
        unsigned char *bytes = malloc(length / 4 * 3 + 4);

        if (bytes == NULL)
                return error_memory(err, what);
        int got = EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)length);
        if (length > CREDENTIAL_LARGEST || got < 0) {
                free(bytes);
                return error_set(err, REASON_CONFIGURATION, "%s is not base64", what);
        }
        bytes[got] = '\0';
        *out = (char *)bytes;
        return 0;
}

/* "certificate-authority" names a file, "certificate-authority-data" holds the PEM: data wins, as in kubectl. */
static int
credential(const struct kubeconfig *file, const json_t *from, const char *key, char **path, char **pem,
           struct error *err)
{
        char data_key[64];

        snprintf(data_key, sizeof data_key, "%s-data", key);
        const char *data = json_text(from, data_key, ""), *name = json_text(from, key, "");
        if (*data != '\0')
                return decode(data, data_key, pem, err);
        if (*name == '\0')
                return 0;
        *path = path_beside(file, name);
        return *path != NULL ? 0 : error_memory(err, key);
}

static int
copy(const json_t *from, const char *key, char **to, struct error *err)
{
        const char *text = json_text(from, key, "");

        if (*text == '\0')
                return 0;
        *to = strdup(text);
        return *to != NULL ? 0 : error_memory(err, key);
}

static int
cluster_take(const struct kubeconfigs *all, const char *name, struct kubernetes_access *way, struct error *err)
{
        const struct kubeconfig *file;
        const json_t *cluster = entry(all, "clusters", "cluster", name, &file);

        if (cluster == NULL)
                return error_set(err, REASON_CONFIGURATION, "the kubeconfig defines no cluster \"%s\"", name);
        way->insecure = json_flag(cluster, "insecure-skip-tls-verify", false);
        if (copy(cluster, "server", &way->server, err) != 0 || copy(cluster, "proxy-url", &way->proxy, err) != 0 ||
            copy(cluster, "tls-server-name", &way->server_name, err) != 0 ||
            credential(file, cluster, "certificate-authority", &way->ca_file, &way->ca_pem, err) != 0)
                return -1;
        if (way->server == NULL)
                return error_set(err, REASON_CONFIGURATION, "cluster \"%s\" of the kubeconfig names no server", name);
        size_t length = strlen(way->server);
        while (length > 0 && way->server[length - 1] == '/')
                way->server[--length] = '\0';
        return 0;
}

/* --- exec plugins ------------------------------------------------------------------------------------------------- */

static int
plugin_output(const json_t *answer, struct kubernetes_access *way, struct error *err)
{
        const json_t *status = json_map(answer, "status");

        if (copy(status, "token", &way->token, err) != 0 ||
            copy(status, "clientCertificateData", &way->certificate_pem, err) != 0 ||
            copy(status, "clientKeyData", &way->key_pem, err) != 0)
                return -1;
        if (way->token == NULL && way->certificate_pem == NULL)
                return error_set(err, REASON_DENIED, "its answer holds neither a token nor a certificate");
        return 0;
}

static int
plugin_run(const struct session *session, const struct kubeconfig *file, const json_t *exec,
           struct kubernetes_access *way, struct error *err)
{
        const char *argv[64] = {NULL}, *extra[64] = {NULL};
        char *owned[64] = {NULL};
        size_t arguments = 0, variables = 0, i;
        json_t *one;
        scoped_buffer output = BUFFER_INIT(CREDENTIAL_LARGEST);
        scoped_string program = NULL;
        scoped_string info = NULL;
        const char *name = json_text(exec, "command", "");

        /* A command with a slash is relative to its file's folder, as in kubectl; one without is looked for on PATH. */
        program = strchr(name, '/') != NULL ? path_beside(file, name) : strdup(name);
        if (program == NULL || asprintf(&info,
                                        "KUBERNETES_EXEC_INFO={\"apiVersion\":\"%s\",\"kind\":\"ExecCredential\","
                                        "\"spec\":{\"interactive\":false}}",
                                        json_text(exec, "apiVersion", "client.authentication.k8s.io/v1")) < 0)
                return error_memory(err, "exec plugin");
        argv[arguments++] = program;
        json_array_foreach((json_t *)json_list(exec, "args"), i, one)
        {
                if (json_is_string(one) && arguments < 62)
                        argv[arguments++] = json_string_value(one);
        }
        extra[variables++] = info;
        json_array_foreach((json_t *)json_list(exec, "env"), i, one)
        {
                if (variables < 62 && asprintf(&owned[variables], "%s=%s", json_text(one, "name", ""),
                                               json_text(one, "value", "")) >= 0) {
                        extra[variables] = owned[variables];
                        variables++;
                }
        }
        struct deadline deadline = deadline_within(session->deadline, PLUGIN_MS);
        int result = command_run(argv, extra, &deadline, &output, err);
        for (size_t v = 0; v < variables; v++)
                secret_free(owned[v]);
        if (result != 0) {
                error_remedy(err, "run the command by hand: it must print an ExecCredential without asking anything");
                return error_wrap(err, "exec plugin");
        }
        json_t *answer = json_loadb(output.data != NULL ? output.data : "", output.length, 0, NULL);
        if (answer == NULL)
                result = error_set(err, REASON_PROTOCOL, "its answer is not JSON");
        else
                result = plugin_output(answer, way, err);
        json_decref(answer);
        if (output.data != NULL)
                explicit_bzero(output.data, output.length);
        return result == 0 ? 0 : error_wrap(err, "exec plugin %s", program);
}

static int
user_take(const struct session *session, const struct kubeconfigs *all, const char *name, struct kubernetes_access *way,
          struct error *err)
{
        const struct kubeconfig *file;
        const json_t *user = entry(all, "users", "user", name, &file);

        if (user == NULL)
                return error_set(err, REASON_CONFIGURATION, "the kubeconfig defines no user \"%s\"", name);
        const char *token_file = json_text(user, "tokenFile", "");
        if (credential(file, user, "client-certificate", &way->certificate_file, &way->certificate_pem, err) != 0 ||
            credential(file, user, "client-key", &way->key_file, &way->key_pem, err) != 0 ||
            copy(user, "token", &way->token, err) != 0 || copy(user, "username", &way->user, err) != 0 ||
            copy(user, "password", &way->password, err) != 0)
                return -1;
        if (*token_file != '\0' && (way->token_file = path_beside(file, token_file)) == NULL)
                return error_memory(err, "tokenFile");
        if (json_map(user, "auth-provider") != NULL && way->token == NULL) {
                error_set(err, REASON_UNSUPPORTED, "user \"%s\": auth-provider was removed in Kubernetes 1.26", name);
                return error_remedy(err, "use an exec plugin, a certificate or a token instead");
        }
        return json_map(user, "exec") != NULL ? plugin_run(session, file, json_map(user, "exec"), way, err) : 0;
}

static int
context_take(const struct session *session, const struct kubeconfigs *all, const char *name,
             struct kubernetes_access *way, struct error *err)
{
        const struct kubeconfig *file;
        const json_t *context = entry(all, "contexts", "context", name, &file);

        if (context == NULL) {
                error_set(err, REASON_CONFIGURATION, "no context \"%s\" in %s", name,
                          all->count > 0       ? all->files[0].path
                          : all->tried != NULL ? all->tried
                                               : "any kubeconfig");
                return error_remedy(err, "kubectl config get-contexts lists them; `kubeconfig` names the file");
        }
        if (asprintf(&way->where, "context %s of %s", name, file->path) < 0) {
                way->where = NULL;
                return error_memory(err, "kubeconfig");
        }
        const char *user = json_text(context, "user", "");
        if (cluster_take(all, json_text(context, "cluster", ""), way, err) != 0)
                return -1;
        return *user != '\0' ? user_take(session, all, user, way, err) : 0;
}

/* --- the target's own words --------------------------------------------------------------------------------------- */

static int
from_settings(const struct target *target, const char *server, struct kubernetes_access *way, struct error *err)
{
        const char *ca_file = target_text(target, "ca_file");

        way->server = strdup(server);
        way->where = strdup("server and token of the target's settings");
        if (ca_file != NULL)
                way->ca_file = strdup(ca_file);
        if (way->server == NULL || way->where == NULL || (ca_file != NULL && way->ca_file == NULL))
                return error_memory(err, "settings");
        size_t length = strlen(way->server);
        while (length > 0 && way->server[length - 1] == '/')
                way->server[--length] = '\0';
        return secret_read(target, "token", &way->token, err);
}

int
kubernetes_access_find(const struct session *session, struct kubernetes_access *way, struct error *err)
{
        const char *context = target_text(session->target, "context"), *server = target_text(session->target, "server");
        struct kubeconfigs all = {.count = 0};
        int result;

        if (server != NULL)
                return from_settings(session->target, server, way, err);
        if (context == NULL || strcmp(context, "in-cluster") == 0)
                return from_service_account(way, err);
        result = kubeconfigs_load(session->target, &all, err);
        if (result == 0)
                result = context_take(session, &all, context, way, err);
        kubeconfigs_free(&all);
        if (result == 0) {
                secret_remember(way->token != NULL ? way->token : "");
                secret_remember(way->password != NULL ? way->password : "");
        }
        return result;
}

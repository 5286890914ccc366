/* Values that Kubernetes keeps: a container's environment as the kubelet would build it, ConfigMaps, Secrets, any
 * object. */

#include "value_sources.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "http.h"
#include "json.h"
#include "kubernetes.h"
#include "scope.h"

enum { PATH_LARGEST = 2048, VALUE_LARGEST = 1024 * 1024, EXPANSIONS_MOST = 200 };

/* --- names -------------------------------------------------------------------------------------------------------- */

/* Kinds that run containers, and where their pods' specification stands. */
static const struct workload_kind {
        const char *kind, *base, *resource;
        const char *spec; /* JSON pointer */
} workload_kinds[] = {
        {"Deployment", "/apis/apps/v1", "deployments", "/spec/template"},
        {"StatefulSet", "/apis/apps/v1", "statefulsets", "/spec/template"},
        {"DaemonSet", "/apis/apps/v1", "daemonsets", "/spec/template"},
        {"Rollout", "/apis/argoproj.io/v1alpha1", "rollouts", "/spec/template"},
        {"CronJob", "/apis/batch/v1", "cronjobs", "/spec/jobTemplate/spec/template"},
        {"Job", "/apis/batch/v1", "jobs", "/spec/template"},
        {"Pod", "/api/v1", "pods", ""},
};

static const struct workload_kind *
workload_split(const char *text, char namespace_[256], char name[256])
{
        const char *first = strchr(text, '/'), *last = strrchr(text, '/');
        size_t length = first != NULL ? (size_t)(first - text) : 0;

        if (first == NULL || length == 0 || length > 255 || last[1] == '\0' || strlen(last + 1) > 255)
                return NULL;
        snprintf(namespace_, 256, "%.*s", (int)length, text);
        snprintf(name, 256, "%s", last + 1);
        if (first == last)
                return &workload_kinds[0];
        for (size_t i = 0; i < sizeof workload_kinds / sizeof *workload_kinds; i++) {
                size_t size = (size_t)(last - first - 1);
                if (strlen(workload_kinds[i].kind) == size && strncasecmp(workload_kinds[i].kind, first + 1, size) == 0)
                        return &workload_kinds[i];
        }
        return NULL;
}

bool
value_workload_sound(const char *workload, char *why, size_t size)
{
        char namespace_[256], name[256];

        if (workload_split(workload, namespace_, name) != NULL)
                return true;
        snprintf(why, size,
                 "workload is namespace/name of a Deployment, or namespace/kind/name (Deployment, StatefulSet, "
                 "DaemonSet, Rollout, CronJob, Job, Pod)");
        return false;
}

bool
value_object_name_sound(const char *name, char *why, size_t size)
{
        const char *slash = strchr(name, '/');

        if (slash != NULL && slash > name && slash[1] != '\0' && strchr(slash + 1, '/') == NULL)
                return true;
        snprintf(why, size, "\"%.80s\" is not namespace/name", name);
        return false;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

static int
object_get(struct session *session, const char *base, const char *resource, const char *namespace_, const char *name,
           json_t **out, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_buffer path = BUFFER_INIT(PATH_LARGEST);
        const char *group = strncmp(base, "/apis/", 6) == 0 ? base + 6 : "";

        if (kubernetes == NULL)
                return -1;
        buffer_format(&path, "%s/namespaces/", base);
        http_escape(&path, namespace_);
        buffer_format(&path, "/%s/", resource);
        if (http_escape(&path, name) != 0 || path.failed)
                return error_set(err, REASON_CONFIGURATION, "%s/%s is too long a name", namespace_, name);
        if (kubernetes_get(kubernetes, path.data, out, err) == 0)
                return 0;
        if (err->reason == REASON_DENIED && *err->remedy == '\0')
                error_remedy(
                        err,
                        "add to a Role of rounds in %s: {apiGroups: [\"%.*s\"], resources: [\"%s\"], resourceNames: "
                        "[\"%s\"], verbs: [\"get\"]}",
                        namespace_, (int)strcspn(group, "/"), group, resource, name);
        return -1;
}

static bool
is_missing(const struct error *err)
{
        return err->reason == REASON_UNSUPPORTED;
}

/* A Secret's value, decoded; NULL when it is no base64. */
static json_t *
secret_decode(const char *base64)
{
        size_t length = strlen(base64);
        unsigned char *bytes = length <= VALUE_LARGEST ? malloc(length / 4 * 3 + 4) : NULL;

        if (bytes == NULL)
                return NULL;
        int got = EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)length);
        for (size_t i = length; got > 0 && i > 0 && base64[i - 1] == '='; i--)
                got--;
        json_t *text = got >= 0 ? json_bytes((const char *)bytes, (size_t)got) : NULL;
        explicit_bzero(bytes, length / 4 * 3 + 4);
        free(bytes);
        return text;
}

/* data[key] of a ConfigMap or Secret, new; NULL when it has none. */
static json_t *
entry_of(const json_t *object, const char *key, bool secret)
{
        const json_t *data = json_map(object, "data");

        if (!secret)
                return json_incref(json_object_get(data, key));
        const char *base64 = json_text(data, key, NULL);
        return base64 != NULL ? secret_decode(base64) : NULL;
}

static int
entry_read(struct session *session, const char *place, const char *key, bool secret, struct value *value,
           struct error *err)
{
        char namespace_[256] = "";
        const char *name = strchr(place, '/');
        scoped_json object = NULL;

        if (name != NULL)
                snprintf(namespace_, sizeof namespace_, "%.*s", (int)(name - place), place);
        snprintf(value->place, sizeof value->place, "%.100s of %s %.200s", key, secret ? "Secret" : "ConfigMap", place);
        value->secret = secret || value_name_is_secret(key);
        if (object_get(session, "/api/v1", secret ? "secrets" : "configmaps", namespace_, name != NULL ? name + 1 : "",
                       &object, err) != 0) {
                if (is_missing(err))
                        error_remedy(err, "name a %s that exists", secret ? "Secret" : "ConfigMap");
                return -1;
        }
        value->json = entry_of(object, key, secret);
        if (value->json == NULL)
                snprintf(value->absence, sizeof value->absence, "the %s has no key %.200s",
                         secret ? "Secret" : "ConfigMap", key);
        return 0;
}

int
value_from_config_map(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const char *format = json_text(source, "format", NULL);

        if (entry_read(session, json_text(source, "config_map", ""), json_text(source, "key", ""), false, value, err) !=
            0)
                return -1;
        if (format == NULL || !json_is_string(value->json))
                return 0;
        json_t *text = value->json;
        int result = value_document(json_string_value(text), json_string_length(text), format, &value->json, err);
        json_decref(text);
        return result == 0 ? 0 : error_wrap(err, "%s", value->place);
}

int
value_from_secret(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        return entry_read(session, json_text(source, "secret", ""), json_text(source, "key", ""), true, value, err);
}

int
value_from_object(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        const char *path = json_text(source, "object", "");
        struct kubernetes *kubernetes = kubernetes_session(session, err);

        snprintf(value->place, sizeof value->place, "%.200s of %.100s", path, session->target->name);
        if (kubernetes == NULL)
                return -1;
        if ((strncmp(path, "/api/", 5) != 0 && strncmp(path, "/apis/", 6) != 0) || strstr(path, "..") != NULL)
                return error_set(err, REASON_CONFIGURATION, "object is a path below /api/ or /apis/");
        if (kubernetes_get(kubernetes, path, &value->json, err) != 0)
                return -1;
        /* Whatever a Secret holds is one. */
        value->secret = strstr(path, "/secrets") != NULL || strcmp(json_text(value->json, "kind", ""), "Secret") == 0;
        return 0;
}

/* --- environment -------------------------------------------------------------------------------------------------- */

struct environment {
        struct session *session;
        const char *namespace_;
        const json_t *container;
        int expansions;
};

static int environment_find(struct environment *environment, const char *name, size_t before, struct value *value,
                            struct error *err);

/* $(NAME) in a value stands for an earlier variable, $$ for a dollar.  Source: Kubernetes API, EnvVar.value. */
static int
expand(struct environment *environment, const char *text, size_t before, struct value *value, struct error *err)
{
        scoped_buffer out = BUFFER_INIT(VALUE_LARGEST);

        for (const char *at = text; *at != '\0'; at++) {
                const char *close = at[0] == '$' && at[1] == '(' ? strchr(at, ')') : NULL;
                if (at[0] == '$' && at[1] == '$') {
                        buffer_char(&out, *++at);
                } else if (close != NULL && environment->expansions++ < EXPANSIONS_MOST) {
                        scoped_string name = strndup(at + 2, (size_t)(close - at - 2));
                        scoped_value inner = {.json = NULL};
                        if (name == NULL)
                                return error_memory(err, "environment");
                        if (environment_find(environment, name, before, &inner, err) != 0)
                                return -1;
                        value->secret = value->secret || inner.secret;
                        if (json_is_string(inner.json))
                                buffer_text(&out, json_string_value(inner.json));
                        else
                                buffer_add(&out, at, (size_t)(close - at) + 1);
                        at = close;
                } else {
                        buffer_char(&out, *at);
                }
        }
        value->json = out.failed ? NULL : json_bytes(out.data != NULL ? out.data : "", out.length);
        if (out.data != NULL)
                explicit_bzero(out.data, out.length);
        return value->json != NULL
                       ? 0
                       : error_set(err, REASON_PROTOCOL, "the variable is larger than %d bytes", VALUE_LARGEST);
}

/* configMapKeyRef, secretKeyRef, configMapRef, secretRef: the key of the object that `reference` names. */
static int
reference_read(const struct environment *environment, const json_t *reference, const char *key, bool secret,
               struct value *value, struct error *err)
{
        scoped_json object = NULL;
        const char *name = json_text(reference, "name", "");

        value->secret = value->secret || secret;
        if (object_get(environment->session, "/api/v1", secret ? "secrets" : "configmaps", environment->namespace_,
                       name, &object, err) != 0) {
                if (!is_missing(err))
                        return -1;
                snprintf(value->absence, sizeof value->absence, "%s %.200s does not exist",
                         secret ? "Secret" : "ConfigMap", name);
                return json_flag(reference, "optional", false)
                               ? 0
                               : error_set(err, REASON_UNSUPPORTED, "%s: the container cannot start", value->absence);
        }
        value->json = entry_of(object, key, secret);
        if (value->json == NULL)
                snprintf(value->absence, sizeof value->absence, "%s %.150s has no key %.100s",
                         secret ? "Secret" : "ConfigMap", name, key);
        return 0;
}

static int
entry_value(struct environment *environment, const json_t *entry, size_t index, struct value *value, struct error *err)
{
        const json_t *from = json_map(entry, "valueFrom"), *reference;

        if (from == NULL)
                return expand(environment, json_text(entry, "value", ""), index, value, err);
        if ((reference = json_map(from, "configMapKeyRef")) != NULL)
                return reference_read(environment, reference, json_text(reference, "key", ""), false, value, err);
        if ((reference = json_map(from, "secretKeyRef")) != NULL)
                return reference_read(environment, reference, json_text(reference, "key", ""), true, value, err);
        return error_set(err, REASON_UNSUPPORTED,
                         "%s: the variable is taken from the pod itself (fieldRef or the like)", value->place);
}

/* The variable as it stands before the entry `before` of env: the last such entry wins, else the last envFrom that has
 * it.
 */
static int
environment_find(struct environment *environment, const char *name, size_t before, struct value *value,
                 struct error *err)
{
        const json_t *env = json_list(environment->container, "env"),
                     *from = json_list(environment->container, "envFrom");
        size_t count = json_array_size(env);

        for (size_t i = before < count ? before : count; i-- > 0;) {
                const json_t *entry = json_array_get(env, i);
                if (strcmp(json_text(entry, "name", ""), name) == 0)
                        return entry_value(environment, entry, i, value, err);
        }
        for (size_t i = json_array_size(from); i-- > 0;) {
                const json_t *source = json_array_get(from, i), *reference;
                const char *prefix = json_text(source, "prefix", "");
                if (strncmp(name, prefix, strlen(prefix)) != 0)
                        continue;
                const char *key = name + strlen(prefix);
                bool secret = (reference = json_map(source, "secretRef")) != NULL;
                if (!secret && (reference = json_map(source, "configMapRef")) == NULL)
                        continue;
                scoped_value found = {.json = NULL};
                if (reference_read(environment, reference, key, secret, &found, err) != 0)
                        return -1;
                if (found.json != NULL) {
                        value->json = scope_keep(found.json);
                        value->secret = value->secret || secret;
                        return 0;
                }
        }
        snprintf(value->absence, sizeof value->absence, "the variable is not set");
        return 0;
}

int
value_from_environment(struct session *session, const json_t *source, struct value *value, struct error *err)
{
        char namespace_[256], name[256];
        const char *variable = json_text(source, "env", ""), *container = json_text(source, "container", NULL);
        const struct workload_kind *kind = workload_split(json_text(source, "workload", ""), namespace_, name);
        scoped_json object = NULL;
        bool met = false;
        size_t i;
        json_t *row;

        if (kind == NULL)
                return error_set(err, REASON_CONFIGURATION, "workload is no namespace/name");
        snprintf(value->place, sizeof value->place, "%.100s of %s %.120s/%.120s", variable, kind->kind, namespace_,
                 name);
        value->secret = value_name_is_secret(variable);
        if (object_get(session, kind->base, kind->resource, namespace_, name, &object, err) != 0) {
                if (is_missing(err))
                        error_remedy(err, "name a workload that exists: kubectl -n %s get %s", namespace_,
                                     kind->resource);
                return -1;
        }
        const json_t *spec = json_object_get(json_pointer(object, kind->spec), "spec");
        json_array_foreach((json_t *)json_list(spec, "containers"), i, row)
        {
                struct environment environment = {.session = session, .namespace_ = namespace_, .container = row};
                if (container != NULL && strcmp(json_text(row, "name", ""), container) != 0)
                        continue;
                met = true;
                if (environment_find(&environment, variable, SIZE_MAX, value, err) != 0)
                        return error_wrap(err, "%s", value->place);
                if (value->json != NULL)
                        return 0;
        }
        if (met)
                return 0;
        error_set(err, REASON_CONFIGURATION, "%s %s/%s has no container%s%s", kind->kind, namespace_, name,
                  container != NULL ? " " : "", container != NULL ? container : "");
        return error_remedy(err, "name one of its containers");
}

/* KEDA's objects: ScaledObjects, ScaledJobs and the authentications they name, reduced to what audits judge. */

#include "keda.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "scope.h"

enum { TEXT_LARGEST = 1000 };

static const struct keda_trigger trigger_table[] = {
        {"activemq", {"destinationName"}, {NULL}, {"targetQueueSize"}, 10},
        {"apache-kafka", {"topic", "consumerGroup"}, {NULL}, {"lagThreshold"}, 10},
        {"artemis-queue", {"queueName"}, {NULL}, {"queueLength"}, 10},
        {"aws-sqs-queue", {"queueURL", "queueURLFromEnv"}, {NULL}, {"queueLength"}, 5},
        {"azure-queue", {"queueName"}, {NULL}, {"queueLength"}, 5},
        {"azure-servicebus", {"queueName", "topicName"}, {NULL}, {"messageCount"}, 5},
        {"beanstalkd", {"tube"}, {NULL}, {"value"}, 0},
        {"gcp-pubsub", {"subscriptionName", "topicName"}, {NULL}, {"value", "subscriptionSize"}, 10},
        {"graphite", {NULL}, {"query"}, {"threshold"}, 0},
        {"ibmmq", {"queueName"}, {NULL}, {"queueDepth"}, 20},
        {"kafka", {"topic", "consumerGroup"}, {NULL}, {"lagThreshold"}, 10},
        {"metrics-api", {"valueLocation"}, {NULL}, {"targetValue"}, 0},
        {"mongodb", {"collection"}, {"query"}, {"queryValue"}, 0},
        {"mssql", {NULL}, {"query"}, {"targetValue"}, 0},
        {"mysql", {NULL}, {"query"}, {"queryValue"}, 0},
        {"nats-jetstream", {"stream", "consumer"}, {NULL}, {"lagThreshold"}, 10},
        {"postgresql", {NULL}, {"query"}, {"targetQueryValue"}, 0},
        {"prometheus", {NULL}, {"query"}, {"threshold"}, 0},
        {"pulsar", {"topic"}, {NULL}, {"msgBacklogThreshold", "msgBacklog"}, 10},
        {"rabbitmq", {"queueName"}, {NULL}, {"value", "queueLength"}, 20},
        {"redis", {"listName"}, {NULL}, {"listLength"}, 5},
        {"redis-cluster", {"listName"}, {NULL}, {"listLength"}, 5},
        {"redis-cluster-streams", {"stream"}, {NULL}, {"lagCount", "pendingEntriesCount", "streamLength"}, 5},
        {"redis-sentinel", {"listName"}, {NULL}, {"listLength"}, 5},
        {"redis-sentinel-streams", {"stream"}, {NULL}, {"lagCount", "pendingEntriesCount", "streamLength"}, 5},
        {"redis-streams", {"stream"}, {NULL}, {"lagCount", "pendingEntriesCount", "streamLength"}, 5},
        {"solace-event-queue", {"queueName"}, {NULL}, {"messageCountTarget"}, 0},
};

const struct keda_trigger *
keda_trigger_find(const char *type)
{
        for (size_t i = 0; i < sizeof trigger_table / sizeof trigger_table[0]; i++) {
                if (strcmp(trigger_table[i].type, type) == 0)
                        return &trigger_table[i];
        }
        return NULL;
}

/* --- triggers ----------------------------------------------------------------------------------------------------- */

static void
text_keep(json_t *row, const char *key, const char *text)
{
        size_t length = strlen(text);

        json_put_bytes(row, key, text, length < TEXT_LARGEST ? length : TEXT_LARGEST);
}

/* KEDA's metadata are texts by its schema; numbers pass where the schema was loosened. */
static void
threshold_read(const struct keda_trigger *known, const json_t *metadata, json_t *row)
{
        for (size_t i = 0; i < 4 && known->thresholds[i] != NULL; i++) {
                const json_t *value = json_object_get(metadata, known->thresholds[i]);
                if (json_is_number(value)) {
                        json_put_real(row, "threshold", json_number_value(value));
                        return;
                }
                const char *text = json_string_value(value);
                if (text == NULL)
                        continue;
                char *end;
                double number = strtod(text, &end);
                if (end != text && *end == '\0' && isfinite(number))
                        json_put_real(row, "threshold", number);
                else
                        text_keep(row, "threshold_text", text);
                return;
        }
        if (known->fallback > 0) {
                json_put_real(row, "threshold", known->fallback);
                json_put_flag(row, "by_default", true);
        }
}

/* The last step of a queue's address is its name: https://sqs.eu-west-1.amazonaws.com/1234/batch-jobs. */
static const char *
list_name(const char *text)
{
        const char *slash = strstr(text, "://") != NULL ? strrchr(text, '/') : NULL;

        return slash != NULL && slash[1] != '\0' ? slash + 1 : text;
}

static json_t *
trigger_read(const json_t *trigger)
{
        const json_t *metadata = json_map(trigger, "metadata"), *auth = json_map(trigger, "authenticationRef");
        const char *type = json_text(trigger, "type", "");
        const struct keda_trigger *known = keda_trigger_find(type);
        json_t *row = json_object();

        text_keep(row, "type", type);
        if (json_has(trigger, "name"))
                text_keep(row, "name", json_text(trigger, "name", ""));
        if (auth != NULL) {
                char name[600];
                snprintf(name, sizeof name, "%s/%s", json_text(auth, "kind", "TriggerAuthentication"),
                         json_text(auth, "name", ""));
                text_keep(row, "auth", name);
        }
        if (known == NULL)
                return row;
        for (size_t i = 0; i < 4 && known->lists[i] != NULL && !json_has(row, "list"); i++) {
                const char *list = json_text(metadata, known->lists[i], NULL);
                if (list != NULL)
                        text_keep(row, "list", list_name(list));
        }
        for (size_t i = 0; i < 2 && known->queries[i] != NULL && !json_has(row, "query"); i++) {
                const char *query = json_text(metadata, known->queries[i], NULL);
                if (query != NULL)
                        text_keep(row, "query", query);
        }
        threshold_read(known, metadata, row);
        if (strcmp(json_text(trigger, "metricType", ""), "Value") == 0)
                json_put_flag(row, "per_replica", false);
        if (strcmp(json_text(metadata, "mode", ""), "MessageRate") == 0)
                json_put_flag(row, "rate", true);
        return row;
}

/* --- objects ------------------------------------------------------------------------------------------------------ */

/* "true", "at 3 replicas"; NULL when it is not paused.  The annotations are KEDA's own; status.Paused follows them. */
static const char *
paused_read(const json_t *item, char *text, size_t size)
{
        const json_t *annotations = json_at(item, "metadata", "annotations", NULL);
        const char *flag = json_text(annotations, "autoscaling.keda.sh/paused", "");
        const char *replicas = json_text(annotations, "autoscaling.keda.sh/paused-replicas", NULL);

        if (replicas != NULL)
                snprintf(text, size, "at %.20s replicas", replicas);
        else if (*flag != '\0' && strcmp(flag, "false") != 0)
                snprintf(text, size, "as it is");
        else
                return NULL;
        return text;
}

static void
ready_read(const json_t *item, json_t *row)
{
        size_t i;
        json_t *condition;

        json_array_foreach((json_t *)json_list(json_object_get(item, "status"), "conditions"), i, condition)
        {
                if (strcmp(json_text(condition, "type", ""), "Ready") != 0)
                        continue;
                json_t *ready = json_object();
                text_keep(ready, "status", json_text(condition, "status", ""));
                text_keep(ready, "reason", json_text(condition, "reason", ""));
                text_keep(ready, "message", json_text(condition, "message", ""));
                json_put(row, "ready", ready);
                return;
        }
}

/* apiVersion and kind may be left out: then it is a Deployment. */
static void
scaler_read(const json_t *item, const char *kind, json_t *row)
{
        const json_t *metadata = json_object_get(item, "metadata"), *spec = json_object_get(item, "spec");
        const json_t *target = json_map(spec, "scaleTargetRef");
        const char *hpa = json_text(json_at(spec, "advanced", "horizontalPodAutoscalerConfig", NULL), "name", NULL);
        bool job = strcmp(kind, "ScaledJob") == 0;
        char text[64];
        int64_t created_ms = 0;

        json_put_text(row, "kind", kind);
        text_keep(row, "namespace", kubernetes_namespace(item));
        text_keep(row, "name", kubernetes_name(item));
        text_keep(row, "target_kind", job ? "Job" : json_text(target, "kind", "Deployment"));
        text_keep(row, "target_name", job ? kubernetes_name(item) : json_text(target, "name", ""));
        json_put_whole(row, "min", json_whole(spec, "minReplicaCount", 0));
        json_put_whole(row, "max", json_whole(spec, "maxReplicaCount", 100));
        if (json_has(spec, "idleReplicaCount"))
                json_put_whole(row, "idle", json_whole(spec, "idleReplicaCount", -1));
        if (!job)
                text_keep(row, "hpa", json_text(json_object_get(item, "status"), "hpaName", hpa != NULL ? hpa : ""));
        if (paused_read(item, text, sizeof text) != NULL)
                json_put_text(row, "paused", text);
        if (json_map(spec, "fallback") != NULL)
                json_put_whole(row, "fallback", json_whole(json_object_get(spec, "fallback"), "replicas", -1));
        ready_read(item, row);
        if (moment_parse(json_text(metadata, "creationTimestamp", ""), &created_ms))
                json_put_whole(row, "created_ms", created_ms);
        json_t *triggers = json_array(), *trigger;
        size_t i;
        json_array_foreach((json_t *)json_list(spec, "triggers"), i, trigger)
                json_push(triggers, trigger_read(trigger));
        json_put(row, "triggers", triggers);
}

static int
scaler_visit(struct keda *keda, const json_t *item, const char *kind)
{
        if (json_has(json_object_get(item, "metadata"), "deletionTimestamp"))
                return 0;
        json_t *row = json_push(keda->scalers, json_object());
        if (row == NULL)
                return -1;
        scaler_read(item, kind, row);
        return 0;
}

static int
object_visit(void *context, const json_t *item)
{
        return scaler_visit(context, item, "ScaledObject");
}

static int
job_visit(void *context, const json_t *item)
{
        return scaler_visit(context, item, "ScaledJob");
}

/* "namespace/TriggerAuthentication/name" of those there are. */
static int
auth_visit(void *context, const json_t *item)
{
        char key[800];
        const char *namespace_ = kubernetes_namespace(item);

        snprintf(key, sizeof key, "%s/%s/%s", namespace_,
                 *namespace_ != '\0' ? "TriggerAuthentication" : "ClusterTriggerAuthentication", kubernetes_name(item));
        return json_put(context, key, json_true());
}

static void
auths_check(const struct keda *keda, const json_t *auths)
{
        size_t i, j;
        json_t *row, *trigger;
        char key[1200];

        json_array_foreach(keda->scalers, i, row)
        {
                json_array_foreach((json_t *)json_list(row, "triggers"), j, trigger)
                {
                        const char *auth = json_text(trigger, "auth", NULL);
                        if (auth == NULL)
                                continue;
                        bool whole_cluster = strncmp(auth, "Cluster", 7) == 0;
                        snprintf(key, sizeof key, "%s/%s", whole_cluster ? "" : json_text(row, "namespace", ""), auth);
                        if (!json_has(auths, key))
                                json_put_flag(trigger, "auth_missing", true);
                }
        }
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void
keda_close(void *object)
{
        struct keda *keda = object;

        json_decref(keda->scalers);
        free(keda);
}

static int
keda_read(struct kubernetes *kubernetes, struct keda *keda, struct error *err)
{
        static const char *const order[] = {"namespace", "name", "kind", NULL};
        scoped_json auths = json_object();
        struct kubernetes_list lists[4] = {
                {.resource = "scaledobjects", .visit = object_visit, .context = keda},
                {.resource = "scaledjobs", .visit = job_visit, .context = keda},
                {.resource = "triggerauthentications", .visit = auth_visit, .context = auths},
                {.resource = "clustertriggerauthentications",
                 .cluster_scoped = true,
                 .visit = auth_visit,
                 .context = auths},
        };

        for (size_t i = 0; i < 4; i++) {
                lists[i].group = "keda.sh";
                lists[i].product = "KEDA";
                lists[i].versions[0] = "v1alpha1";
                lists[i].versions[1] = "v1";
        }
        if (auths == NULL || keda->scalers == NULL)
                return error_memory(err, "KEDA");
        if (kubernetes_lists(kubernetes, lists, 4, err) != 0)
                return -1;
        /* Before 2.0 there were no ScaledJobs: their absence alone is none of KEDA. */
        keda->error = lists[0].error;
        if (keda->error.reason == REASON_NONE && lists[1].error.reason != REASON_UNSUPPORTED)
                keda->error = lists[1].error;
        keda->auths_error = lists[2].error.reason != REASON_NONE ? lists[2].error : lists[3].error;
        if (keda->auths_error.reason == REASON_NONE)
                auths_check(keda, auths);
        return json_sort(keda->scalers, order) == 0 ? 0 : error_memory(err, "KEDA");
}

const struct keda *
keda_session(struct session *session, struct error *err)
{
        static const char key;
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct keda *keda = session_get(session, &key);

        if (kubernetes == NULL || keda != NULL)
                return kubernetes != NULL ? keda : NULL;
        keda = calloc(1, sizeof *keda);
        if (keda == NULL) {
                error_memory(err, "KEDA");
                return NULL;
        }
        keda->scalers = json_array();
        if (keda_read(kubernetes, keda, err) != 0) {
                keda_close(keda);
                return NULL;
        }
        if (session_put(session, &key, keda, keda_close) != 0) {
                error_memory(err, "KEDA");
                return NULL;
        }
        return keda;
}

/* --- queues and replicas ------------------------------------------------------------------------------------------ */

static bool
in_name(char c)
{
        return isalnum((unsigned char)c) || c == '-' || c == '_';
}

bool
keda_names_queue(const char *text, const char *name)
{
        size_t length = strlen(name);

        if (length == 0)
                return false;
        for (const char *at = strstr(text, name); at != NULL; at = strstr(at + 1, name)) {
                if ((at == text || !in_name(at[-1])) && !in_name(at[length]))
                        return true;
        }
        return false;
}

bool
keda_trigger_names(const json_t *trigger, const char *queue)
{
        return keda_names_queue(json_text(trigger, "list", ""), queue) ||
               keda_names_queue(json_text(trigger, "query", ""), queue);
}

double
keda_replicas_each(const json_t *scaler, const json_t *trigger)
{
        double replicas = (double)json_whole(scaler, "min", 0);
        bool each = json_flag(trigger, "per_replica", true) &&
                    strcmp(json_text(scaler, "kind", ""), "ScaledObject") == 0;

        return each && replicas > 1 ? replicas : 1;
}

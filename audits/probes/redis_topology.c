/* Which Redis servers a target means: one server, a Sentinel's master, every shard of a cluster. */

#include "redis_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letter_settings.h"
#include "json.h"
#include "scope.h"
#include "session_client.h"

enum { SERVERS_MOST = 1024 };

/* What the session keeps: the first connection, and those to the other servers. */
struct redis_target {
        struct redis_place place;
        struct redis *first;
        struct redis **nodes; /* the first one may be among them */
        struct redis *
                *readers; /* as many: where scans read, a replica of a node or the node itself; NULL: not yet looked */
        size_t count;
        json_t *failed;
        bool looked; /* nodes were looked for */
        struct error broken;
};

static void
redis_target_close(void *object)
{
        struct redis_target *all = object;

        for (size_t i = 0; i < all->count; i++) {
                if (all->readers != NULL && all->readers[i] != all->nodes[i])
                        redis_close(all->readers[i]);
                if (all->nodes[i] != all->first)
                        redis_close(all->nodes[i]);
        }
        redis_close(all->first);
        free(all->nodes);
        free(all->readers);
        json_decref(all->failed);
        redis_place_free(&all->place);
        free(all);
}

/* --- Sentinel ----------------------------------------------------------------------------------------------------- */

/* Asks each Sentinel in turn who the master is, and connects to it. */
static struct redis *
through_sentinel(struct session *session, struct redis_target *all, const json_t *sentinels, const char *name,
                 struct error *err)
{
        size_t i;
        json_t *one;

        error_set(err, REASON_CONFIGURATION, "no sentinel is configured");
        json_array_foreach((json_t *)sentinels, i, one)
        {
                struct redis_place place = {.tls = all->place.tls};
                char host[256], port[16] = "26379", command[400];
                const char *text = json_string_value(one), *colon = text != NULL ? strrchr(text, ':') : NULL;
                if (text == NULL)
                        continue;
                snprintf(host, sizeof host, "%.*s", colon != NULL ? (int)(colon - text) : (int)strlen(text), text);
                if (colon != NULL)
                        snprintf(port, sizeof port, "%s", colon + 1);
                struct redis *sentinel = redis_open(session, &place, host, port, err);
                if (sentinel == NULL)
                        continue;
                scoped_reply reply = NULL;
                struct redis *master = NULL;
                snprintf(command, sizeof command, "SENTINEL GET-MASTER-ADDR-BY-NAME %s", name);
                if (redis_ask(sentinel, command, &reply, err) == 0) {
                        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
                                master = redis_open(session, &all->place, reply->element[0]->str,
                                                    reply->element[1]->str, err);
                        else
                                error_set(err, REASON_CONFIGURATION, "the sentinel %s knows no master \"%s\"", text,
                                          name);
                }
                redis_close(sentinel);
                if (master != NULL)
                        return master;
        }
        return NULL;
}

static int
redis_target_open(void *object, struct session *session, struct error *err)
{
        struct redis_target *all = object;
        const json_t *sentinels = target_value(session->target, "sentinels");
        const char *name = target_text(session->target, "sentinel_master");

        if (redis_place_read(session->target, &all->place, err) != 0)
                return -1;
        all->first = json_array_size(sentinels) > 0
                             ? through_sentinel(session, all, sentinels, name != NULL ? name : "mymaster", err)
                             : redis_open(session, &all->place, NULL, NULL, err);
        return all->first != NULL ? 0 : -1;
}

static struct redis_target *
redis_target_of(struct session *session, struct error *err)
{
        static const struct session_client client = {"Redis target", sizeof(struct redis_target),
                                                     offsetof(struct redis_target, broken), redis_target_open,
                                                     redis_target_close};

        return session_client(session, &client, err);
}

struct redis *
redis_session(struct session *session, struct error *err)
{
        struct redis_target *all = redis_target_of(session, err);

        return all != NULL ? all->first : NULL;
}

/* --- cluster ------------------------------------------------------------------------------------------------------ */

/* One line of CLUSTER NODES: id address flags master ping pong epoch link slots... */
struct shard {
        char host[256], port[16], flags[128];
        bool has_slots;
};

static bool
shard_read(char *line, struct shard *shard)
{
        char *fields[9] = {NULL}, *rest = line;
        size_t count = 0;

        for (char *field; count < 9 && (field = strsep(&rest, " ")) != NULL;)
                fields[count++] = field;
        if (count < 8)
                return false;
        char *address = fields[1];
        address[strcspn(address, "@,")] = '\0'; /* "host:port@bus,hostname" */
        char *colon = strrchr(address, ':');
        if (colon == NULL)
                return false;
        *colon = '\0';
        snprintf(shard->host, sizeof shard->host, "%s", address);
        snprintf(shard->port, sizeof shard->port, "%s", colon + 1);
        snprintf(shard->flags, sizeof shard->flags, "%s", fields[2]);
        shard->has_slots = fields[8] != NULL && *fields[8] != '\0';
        return true;
}

static int
failed_note(json_t *failed, const struct shard *shard, const struct error *err)
{
        json_t *note = json_push(failed, json_object());
        char address[300];

        snprintf(address, sizeof address, "%s:%s", shard->host, shard->port);
        return note == NULL || json_put_text(note, "address", address) != 0 ||
                               json_put_text(note, "reason", reason_name(err->reason)) != 0 ||
                               json_put_text(note, "text", err->text) != 0
                       ? -1
                       : 0;
}

static int
shards_open(struct session *session, struct redis_target *all, const struct shard *shards, size_t count,
            struct error *err)
{
        for (size_t i = 0; i < count; i++) {
                struct error why = {0};
                if (strstr(shards[i].flags, "master") == NULL || !shards[i].has_slots)
                        continue;
                const char *host = shards[i].host[0] != '\0' ? shards[i].host : NULL; /* it does not know its own */
                struct redis *node = redis_open(session, &all->place, host, shards[i].port, &why);
                if (node != NULL)
                        all->nodes[all->count++] = node;
                else if (failed_note(all->failed, &shards[i], &why) != 0)
                        return error_memory(err, "cluster");
        }
        return all->count > 0 ? 0
                              : error_set(err, REASON_UNREACHABLE, "%s: no primary of the cluster could be reached",
                                          redis_server(all->first)->address);
}

static int
cluster_open(struct session *session, struct redis_target *all, struct error *err)
{
        scoped_reply reply = NULL;
        size_t count = 0;

        if (redis_ask(all->first, "CLUSTER NODES", &reply, err) != 0)
                return -1;
        struct shard *shards = calloc(SERVERS_MOST, sizeof *shards);
        scoped_string text = reply->type == REDIS_REPLY_STRING ? strndup(reply->str, (size_t)reply->len) : strdup("");
        all->nodes = calloc(SERVERS_MOST, sizeof(struct redis *));
        if (shards == NULL || text == NULL || all->nodes == NULL) {
                free(shards);
                return error_memory(err, "cluster");
        }
        char *rest = text;
        for (char *line; count < SERVERS_MOST && (line = strsep(&rest, "\n")) != NULL;)
                count += shard_read(line, &shards[count]);
        int result = shards_open(session, all, shards, count, err);
        free(shards);
        return result;
}

int
redis_nodes(struct session *session, struct redis *const **out, size_t *count, json_t **failed, struct error *err)
{
        struct redis_target *all = redis_target_of(session, err);

        if (all == NULL)
                return -1;
        if (!all->looked) {
                all->looked = true;
                all->failed = json_array();
                int result;
                if (strcmp(redis_server(all->first)->mode, "cluster") == 0) {
                        result = cluster_open(session, all, err);
                } else {
                        all->nodes = calloc(1, sizeof(struct redis *));
                        result = all->nodes != NULL ? 0 : error_memory(err, "Redis target");
                        if (result == 0)
                                all->nodes[all->count++] = all->first;
                }
                if (result != 0)
                        all->broken = *err;
        }
        if (all->broken.reason != REASON_NONE) {
                *err = all->broken;
                return -1;
        }
        *out = all->nodes;
        *count = all->count;
        *failed = json_incref(all->failed);
        return 0;
}

int
redis_scan_nodes(struct session *session, struct redis *const **out, size_t *count, json_t **failed, struct error *err)
{
        const char *from = target_text(session->target, "read_from");
        bool replicas = from != NULL ? strcmp(from, "replica") == 0
                                     : json_array_size(target_value(session->target, "sentinels")) > 0;
        struct redis *const *nodes;

        if (redis_nodes(session, &nodes, count, failed, err) != 0)
                return -1;
        struct redis_target *all = redis_target_of(session, err);
        if (all == NULL)
                return -1;
        if (all->readers == NULL) {
                all->readers = calloc(all->count + 1, sizeof(struct redis *));
                if (all->readers == NULL)
                        return error_memory(err, "Redis target");
                for (size_t i = 0; i < all->count; i++) {
                        struct redis *replica = replicas ? redis_replica_open(session, &all->place, nodes[i]) : NULL;
                        all->readers[i] = replica != NULL ? replica : nodes[i];
                }
        }
        *out = all->readers;
        return 0;
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
redis_connect(struct session *session, char *server, size_t size, struct error *err)
{
        struct redis *redis = redis_session(session, err);

        if (redis == NULL)
                return -1;
        const struct redis_server *answered = redis_server(redis);
        snprintf(server, size, "Redis %s at %s, %s, %s", answered->version, answered->address, answered->mode,
                 answered->role);
        return 0;
}

static const struct setting key_class[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "what the class is called in reports"},
        {.name = "match",
         .type = SETTING_GLOB,
         .required = true,
         .words = "keys that belong to it; the first match wins"},
        {.name = "ttl",
         .type = SETTING_DURATION,
         .words = "longest time to live its keys may have; absent: the policy's of that name"},
        {.name = "expires",
         .type = SETTING_BOOLEAN,
         .fallback = "true",
         .words = "false: keys of this class are meant to stay"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "url",
         .type = SETTING_URL,
         .choices = "redis|rediss|unix",
         .required = true,
         .words = "redis://host:port/database, rediss:// for TLS, unix:///path?db=n"},
        {.name = "role", .type = SETTING_CHOICE, .choices = "cache|queue|mixed", .words = "what the server is for"},
        {.name = "user", .type = SETTING_TEXT, .words = "ACL user"},
        {.name = "password", .type = SETTING_SECRET, .words = "password of the user, or of the server"},
        {.name = "ca_file",
         .type = SETTING_PATH,
         .words = "authority that signed the server's certificate; default: the system's"},
        {.name = "certificate_file", .type = SETTING_PATH, .words = "client certificate, PEM"},
        {.name = "key_file", .type = SETTING_PATH, .words = "its key; default: in certificate_file"},
        {.name = "server_name",
         .type = SETTING_TEXT,
         .words = "name in the server's certificate, when it is not the host"},
        {.name = "insecure",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "do not verify the server's certificate"},
        {.name = "sentinels",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .words = "host:port of Sentinels, asked in turn who the master is; the url then gives scheme and database"},
        {.name = "sentinel_master", .type = SETTING_TEXT, .fallback = "mymaster", .words = "the master's name there"},
        {.name = "read_from",
         .type = SETTING_CHOICE,
         .choices = "primary|replica",
         .words = "where key spaces are scanned: replica takes one that is in step, and the primary where none is; "
                  "default: replica behind Sentinels, else primary"},
        {.name = "scan_rate",
         .type = SETTING_INTEGER,
         .fallback = "0",
         .min = 0,
         .max = 1e9,
         .words = "most commands a second that a scan sends; 0: as fast as the server answers"},
        {.name = "scan_brake",
         .type = SETTING_DURATION,
         .fallback = "20ms",
         .min = 0,
         .max = 60000,
         .words = "a scan goes slower when the server takes longer than this to answer a batch; 0: never"},
        {.name = "scan_keys",
         .type = SETTING_INTEGER,
         .fallback = "0",
         .min = 0,
         .max = 1e12,
         .words = "keys to look at, as a sample; 0: all"},
        {.name = "key_classes",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = key_class,
         .words = "kinds of key by glob, for time to live and memory"},
        {.name = "queues",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = redis_queue_fields,
         .words = "queues to look at; absent: every BullMQ queue that the key space shows"},
        {.name = "queue_prefixes",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[bull, \"{bull}\"]",
         .words = "what the keys of BullMQ queues begin with, where they are looked for"},
        {.name = "queue_window",
         .type = SETTING_DURATION,
         .fallback = "10s",
         .min = 0,
         .max = 600000,
         .words = "how long a queue's growth is watched; 0: one look, no growth"},
        {.name = "queue_sample",
         .type = SETTING_INTEGER,
         .fallback = "200",
         .min = 1,
         .max = 10000,
         .words = "jobs looked at per queue, newest and oldest of every state"},
        {.name = "dead_letters",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = dead_letter_redis_fields,
         .words = "dead letters: lists, or BullMQ queues' failed jobs; absent: those of every BullMQ queue"},
        {.type = SETTING_END},
};

const struct target_kind kind_redis = {
        .name = "redis",
        .words = "Redis or Valkey: one server, a Sentinel's master, or a cluster",
        .settings = settings,
        .connect = redis_connect,
};

/* Opening a Redis connection: where, as whom, and what answered. */

#include "redis_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "json.h"
#include "scope.h"
#include "secret.h"

enum { OUTPUT_LARGEST = 16 * 1024 * 1024, ELEMENTS_MOST = 4 * 1024 * 1024, OPEN_MS = 10000 };

/* --- where -------------------------------------------------------------------------------------------------------- */

static int
part(CURLU *url, CURLUPart which, unsigned flags, char **out)
{
        char *text = NULL;
        CURLUcode code = curl_url_get(url, which, &text, flags);

        *out = code == CURLUE_OK ? strdup(text) : NULL;
        curl_free(text);
        return code == CURLUE_OK && *out == NULL ? -1 : 0;
}

static int
url_read(const char *text, struct redis_place *place, struct error *err)
{
        CURLU *url = curl_url();
        scoped_string path = NULL;
        scoped_string scheme = NULL;
        int result = 0;

        if (url == NULL)
                return error_memory(err, "URL");
        if (curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
            part(url, CURLUPART_SCHEME, 0, &scheme) != 0 || part(url, CURLUPART_HOST, 0, &place->host) != 0 ||
            part(url, CURLUPART_PORT, 0, &place->port) != 0 || part(url, CURLUPART_PATH, 0, &path) != 0 ||
            part(url, CURLUPART_USER, CURLU_URLDECODE, &place->user) != 0 || scheme == NULL || place->host == NULL)
                result = error_set(err, REASON_CONFIGURATION, "the url is not redis://host:port/database");
        curl_url_cleanup(url);
        if (result != 0)
                return result;
        place->tls = strcmp(scheme, "rediss") == 0;
        /* An IPv6 address stands in brackets in a URL, and nowhere else. */
        size_t length = strlen(place->host);
        if (place->host[0] == '[') {
                memmove(place->host, place->host + 1, length - 2);
                place->host[length - 2] = '\0';
        }
        if (place->port == NULL && (place->port = strdup("6379")) == NULL)
                return error_memory(err, "URL");
        place->database = path != NULL && path[0] == '/' ? atoi(path + 1) : 0;
        return 0;
}

int
redis_place_read(const struct target *target, struct redis_place *place, struct error *err)
{
        const char *url = target_text(target, "url"), *user = target_text(target, "user");

        *place = (struct redis_place){.database = 0};
        if (url == NULL)
                return error_set(err, REASON_CONFIGURATION, "the target has no url");
        if (strncmp(url, "unix:", 5) == 0) {
                const char *path = url + 5;
                path += strncmp(path, "//", 2) == 0 ? 2 : 0;
                place->unix_path = strndup(path, strcspn(path, "?"));
                const char *database = strstr(path, "db=");
                place->database = database != NULL ? atoi(database + 3) : 0;
                if (place->unix_path == NULL)
                        return error_memory(err, "url");
        } else if (url_read(url, place, err) != 0) {
                redis_place_free(place);
                return -1;
        }
        if (user != NULL) {
                free(place->user);
                place->user = strdup(user);
                if (place->user == NULL) {
                        redis_place_free(place);
                        return error_memory(err, "user");
                }
        }
        if (secret_read(target, "password", &place->password, err) != 0) {
                redis_place_free(place);
                return -1;
        }
        return 0;
}

void
redis_place_free(struct redis_place *place)
{
        free(place->host);
        free(place->port);
        free(place->unix_path);
        free(place->user);
        secret_free(place->password);
        *place = (struct redis_place){.database = 0};
}

/* --- as whom ------------------------------------------------------------------------------------------------------ */

static int
authenticate(struct redis *redis, const struct redis_place *place, struct error *err)
{
        struct redis_word words[3] = {REDIS_WORD("AUTH")};
        size_t count = 1;
        scoped_reply reply = NULL;

        if (place->password == NULL)
                return 0;
        if (place->user != NULL)
                words[count++] = REDIS_WORD(place->user);
        words[count++] = REDIS_WORD(place->password);
        int result = redis_send(redis, words, count, err);
        if (result == 0)
                result = redis_take(redis, &reply, err);
        return result == 0 ? redis_reply_error(redis, reply, "AUTH", err) : -1;
}

/* A courtesy that a server, a proxy or an ACL may refuse without harm. */
static bool
courtesy(struct redis *redis, const char *command)
{
        scoped_reply reply = NULL;
        struct error refused;

        return redis_ask(redis, command, &reply, &refused) == 0;
}

static int
introduce(struct redis *redis, struct error *err)
{
        scoped_json info = NULL;
        struct redis_server *server = &redis->server;

        courtesy(redis, "CLIENT SETNAME rounds");
        server->no_touch = courtesy(redis, "CLIENT NO-TOUCH ON");
        server->no_evict = courtesy(redis, "CLIENT NO-EVICT ON");
        if (redis_info(redis, "all", &info, err) != 0)
                return -1;
        const json_t *section = json_object_get(info, "server");
        snprintf(server->version, sizeof server->version, "%s", json_text(section, "redis_version", "unknown"));
        snprintf(server->run_id, sizeof server->run_id, "%s", json_text(section, "run_id", ""));
        snprintf(server->mode, sizeof server->mode, "%s", json_text(section, "redis_mode", "standalone"));
        snprintf(server->eviction, sizeof server->eviction, "%s",
                 json_text(json_object_get(info, "memory"), "maxmemory_policy", ""));
        section = json_object_get(info, "replication");
        snprintf(server->role, sizeof server->role, "%s",
                 json_text(section, "role", strcmp(server->mode, "sentinel") == 0 ? "sentinel" : "master"));
        snprintf(server->replid, sizeof server->replid, "%s", json_text(section, "master_replid", ""));
        if (json_has(section, "master_host"))
                snprintf(server->primary, sizeof server->primary, "%.200s:%.16s", json_text(section, "master_host", ""),
                         json_text(section, "master_port", "6379"));
        return 0;
}

static int
greet(struct redis *redis, const struct redis_place *place, struct error *err)
{
        char select[32];
        scoped_reply reply = NULL;

        if (authenticate(redis, place, err) != 0 || introduce(redis, err) != 0)
                return -1;
        redis->server.database = place->database;
        if (place->database == 0)
                return 0;
        snprintf(select, sizeof select, "SELECT %d", place->database);
        return redis_ask(redis, select, &reply, err);
}

/* A peer that announces more elements than any answer of ours has must not make us allocate for them. */
#if HIREDIS_MAJOR >= 1
#define ELEMENTS size_t
#else
#define ELEMENTS int
#endif

static void *
array_create(const redisReadTask *task, ELEMENTS elements)
{
        const struct redis *redis = task->privdata;

        return elements > ELEMENTS_MOST ? NULL : redis->default_array(task, elements);
}

/* The reader's functions lie in the connection itself, and it finds the connection through them. */
static void
reader_bind(struct redis *redis)
{
        redis->reader->fn = &redis->functions;
        redis->reader->privdata = redis;
}

struct redis *
redis_open(const struct session *session, const struct redis_place *place, const char *host, const char *port,
           struct error *err)
{
        const struct target *target = session->target;
        struct redis *redis = calloc(1, sizeof *redis);
        struct transport_options options = {
                .host = host != NULL ? host : place->host,
                .port = port != NULL ? port : place->port,
                .unix_path = host != NULL ? NULL : place->unix_path,
                .tls = place->tls,
                .ca_file = target_text(target, "ca_file"),
                .certificate_file = target_text(target, "certificate_file"),
                .key_file = target_text(target, "key_file"),
                .server_name = target_text(target, "server_name"),
                .insecure = json_is_true(target_value(target, "insecure")),
        };

        if (redis == NULL || (redis->reader = redisReaderCreate()) == NULL) {
                free(redis);
                error_memory(err, "Redis connection");
                return NULL;
        }
        redis->output = BUFFER_INIT(OUTPUT_LARGEST);
        redis->functions = *redis->reader->fn;
        redis->default_array = redis->functions.createArray;
        redis->functions.createArray = array_create;
        reader_bind(redis);
        redis->place = place;
        redis->host = host != NULL ? strdup(host) : NULL;
        redis->port = port != NULL ? strdup(port) : NULL;
        if ((host != NULL && redis->host == NULL) || (port != NULL && redis->port == NULL)) {
                redis_close(redis);
                error_memory(err, "Redis connection");
                return NULL;
        }
        if (options.unix_path != NULL)
                snprintf(redis->server.address, sizeof redis->server.address, "%s", options.unix_path);
        else
                snprintf(redis->server.address, sizeof redis->server.address, "%s:%s", options.host, options.port);
        struct session opening = *session;
        /* One that another server named: a shard, a replica, a Sentinel's master. */
        if (host != NULL)
                opening.deadline = deadline_share(&session->deadline, 4, OPEN_MS);
        redis->session = &opening;
        if (transport_open(&options, &opening.deadline, &redis->transport, err) != 0 || greet(redis, place, err) != 0) {
                redis_close(redis);
                return NULL;
        }
        redis->session = session;
        return redis;
}

int
redis_reopen(struct redis *redis, struct error *err)
{
        scoped_reply reply = NULL;
        struct redis *fresh = redis_open(redis->session, redis->place, redis->host, redis->port, err);

        if (fresh == NULL)
                return -1;
        fresh->reads_replica = redis->reads_replica;
        if (fresh->reads_replica && redis_ask(fresh, "READONLY", &reply, err) != 0) {
                redis_close(fresh);
                return -1;
        }
        fresh->sent += redis->sent;
        struct redis old = *redis;
        *redis = *fresh;
        *fresh = old;
        reader_bind(redis);
        redis_close(fresh);
        return 0;
}

void
redis_close(void *object)
{
        struct redis *redis = object;

        if (redis == NULL)
                return;
        transport_close(redis->transport);
        redisReaderFree(redis->reader);
        buffer_free(&redis->output);
        free(redis->host);
        free(redis->port);
        free(redis);
}

/* The same question to every server of a Redis target. */

#include "redis_servers.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <strings.h>

#include "facts.h"
#include "json.h"
#include "scope.h"

const char *
redis_pair_value(const struct redisReply *reply, const char *name)
{
        if (reply->type != REDIS_REPLY_ARRAY)
                return NULL;
        for (size_t i = 0; i + 1 < reply->elements; i += 2) {
                const struct redisReply *key = reply->element[i], *value = reply->element[i + 1];
                if (key->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING &&
                    strcasecmp(key->str, name) == 0)
                        return value->str;
        }
        return NULL;
}

int
redis_server_put(const struct redis *redis, json_t *row)
{
        const struct redis_server *server = redis_server(redis);

        return json_put_text(row, "address", server->address) != 0 ||
                               json_put_text(row, "run_id", server->run_id) != 0 ||
                               json_put_text(row, "replid", server->replid) != 0 ||
                               json_put_text(row, "primary", server->primary) != 0 ||
                               json_put_text(row, "version", server->version) != 0 ||
                               json_put_text(row, "mode", server->mode) != 0 ||
                               json_put_text(row, "replication", server->role) != 0 ||
                               json_put_whole(row, "database", server->database) != 0
                       ? -1
                       : 0;
}

int
redis_unreachable_note(json_t *facts, const json_t *failed, const char *part, const char *controls, struct error *err)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)failed, i, one)
        {
                struct error why;
                struct resource resource = {.kind = "server", .name = json_text(one, "address", "?")};
                error_set(&why, reason_from_name(json_text(one, "reason", "unreachable")), "%s",
                          json_text(one, "text", ""));
                if (facts_gap(facts, part, controls, &resource, &why) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

static int
server_row(struct redis *redis, json_t *facts, json_t *servers, const char *controls, redis_server_read read,
           struct error *err)
{
        const struct redis_server *server = redis_server(redis);
        struct resource resource = {.kind = "server", .name = server->address};
        struct error why = {0};
        scoped_json row = json_object();

        if (redis_server_put(redis, row) != 0)
                return error_memory(err, "facts");
        if (read(redis, row, &why) == 0)
                return json_push(servers, scope_keep(row)) != NULL ? 0 : error_memory(err, "facts");
        if (why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL) {
                *err = why;
                return -1;
        }
        return facts_gap(facts, "server", controls, &resource, &why) == 0 ? 0 : error_memory(err, "facts");
}

int
redis_servers_read(struct session *session, json_t *facts, const char *controls, redis_server_read read,
                   struct error *err)
{
        struct redis *const *nodes;
        size_t count;
        scoped_json failed = NULL;
        const char *role = target_text(session->target, "role");

        if (redis_nodes(session, &nodes, &count, &failed, err) != 0)
                return -1;
        json_t *servers = json_array();
        if (json_put(facts, "servers", servers) != 0 || (role != NULL && json_put_text(facts, "role", role) != 0))
                return error_memory(err, "facts");
        if (redis_unreachable_note(facts, failed, "server", controls, err) != 0)
                return -1;
        for (size_t i = 0; i < count; i++) {
                if (server_row(nodes[i], facts, servers, controls, read, err) != 0)
                        return -1;
        }
        return 0;
}

/* A replica that can answer for its primary: linked, in step, and willing to be read. */

#include "redis_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { REPLICAS_MOST = 32, LAG_MOST_S = 10 };

struct replica {
        char host[256], port[16];
        bool online;
        long lag_s;
};

/* "ip=10.0.0.2,port=6379,state=online,offset=1,lag=0", as a primary's INFO replication has it. */
static bool
replica_read(const char *text, struct replica *replica)
{
        char copy[512], *rest = copy;

        *replica = (struct replica){.lag_s = -1};
        snprintf(copy, sizeof copy, "%s", text);
        for (char *part; (part = strsep(&rest, ",")) != NULL;) {
                if (strncmp(part, "ip=", 3) == 0)
                        snprintf(replica->host, sizeof replica->host, "%.255s", part + 3);
                else if (strncmp(part, "port=", 5) == 0)
                        snprintf(replica->port, sizeof replica->port, "%.15s", part + 5);
                else if (strncmp(part, "lag=", 4) == 0)
                        replica->lag_s = strtol(part + 4, NULL, 10);
                else
                        replica->online = replica->online || strcmp(part, "state=online") == 0;
        }
        return replica->host[0] != '\0' && replica->port[0] != '\0';
}

/* A replica that lost its primary, or is still taking its data over, would answer from yesterday. */
static bool
is_in_step(struct redis *redis, const struct redis *primary)
{
        scoped_json info = NULL;
        scoped_reply reply = NULL;
        struct error refused;

        redis->reads_replica = strcmp(redis_server(primary)->mode, "cluster") == 0;
        if (redis->reads_replica && redis_ask(redis, "READONLY", &reply, &refused) != 0)
                return false;
        if (redis_info(redis, "replication", &info, &refused) != 0)
                return false;
        const json_t *section = json_object_get(info, "replication");
        return strcmp(json_text(section, "master_link_status", ""), "up") == 0 &&
               strcmp(json_text(section, "master_sync_in_progress", "0"), "0") == 0 &&
               strcmp(redis_server(redis)->replid, redis_server(primary)->replid) == 0;
}

struct redis *
redis_replica_open(const struct session *session, const struct redis_place *place, struct redis *primary)
{
        scoped_json info = NULL;
        struct error refused;

        if (redis_info(primary, "replication", &info, &refused) != 0)
                return NULL;
        for (int i = 0; i < REPLICAS_MOST; i++) {
                char name[24];
                struct replica replica;
                snprintf(name, sizeof name, "slave%d", i);
                if (!replica_read(json_text(json_object_get(info, "replication"), name, ""), &replica) ||
                    !replica.online || replica.lag_s > LAG_MOST_S)
                        continue;
                struct redis *redis = redis_open(session, place, replica.host, replica.port, &refused);
                if (redis != NULL && is_in_step(redis, primary))
                        return redis;
                redis_close(redis);
        }
        return NULL;
}

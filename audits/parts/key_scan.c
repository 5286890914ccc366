/* The scan of a Redis target's keys: its servers one after another, and from run to run. */

#include "key_scan.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "key_classes.h"
#include "moment.h"
#include "policy.h"
#include "redis.h"
#include "redis_scan.h"
#include "redis_servers.h"
#include "scope.h"

static const char kept_name[] = "redis_keys"; /* of session_keep() */

/* --- one server --------------------------------------------------------------------------------------------------- */

/* Keys in databases that this target does not look at: {"db1": 500}.  A server that hides INFO keyspace has none. */
static int
server_put(struct redis *redis, json_t *row)
{
        scoped_json info = NULL;
        json_t *others = json_object(), *counts;
        const char *name;
        struct error refused;

        if (redis_server_put(redis, row) != 0 || json_put(row, "other_databases", others) != 0)
                return -1;
        if (redis_info(redis, "keyspace", &info, &refused) != 0)
                return 0;
        json_object_foreach(json_object_get(info, "keyspace"), name, counts)
        {
                long long keys = 0;
                if (strncmp(name, "db", 2) == 0 && atoi(name + 2) != redis_server(redis)->database &&
                    sscanf(json_string_value(counts), "keys=%lld", &keys) == 1 && json_object_size(others) < 64 &&
                    json_put_whole(others, name, keys) != 0)
                        return -1;
        }
        return 0;
}

static int
key_add(void *context, const struct key_seen *key)
{
        return key_classes_add(context, key);
}

/* What a scan came to, beside the server it was of. */
static int
scan_put(json_t *row, const struct redis_scan *scan, int64_t before)
{
        json_t *told = json_object();

        return json_put(row, "scan", told) != 0 || json_put_whole(told, "there", scan->there) != 0 ||
                               json_put_whole(told, "seen", scan->seen) != 0 ||
                               json_put_whole(told, "seen_before", before) != 0 ||
                               json_put_whole(told, "vanished", scan->vanished) != 0 ||
                               json_put_whole(told, "commands", (int64_t)scan->commands) != 0 ||
                               json_put_whole(told, "took_ms", scan->took_ms) != 0 ||
                               json_put_whole(told, "braked_ms", scan->braked_ms) != 0 ||
                               json_put_whole(told, "brakes", scan->brakes) != 0 ||
                               json_put_whole(told, "slowest_us", scan->slowest_us) != 0 ||
                               json_put_whole(told, "mended", scan->mended) != 0 ||
                               json_put_flag(told, "complete", scan->complete) != 0
                       ? -1
                       : 0;
}

/* The scans of all servers of the target, added up. */
struct looking {
        struct session *session;
        struct key_classes *classes;
        json_t *facts, *servers;
        struct redis *const *nodes;
        size_t count;
        const json_t *earlier; /* what an earlier run kept, when this one goes on from it; borrowed from the session */
        json_t *stops;         /* where each server's scan stands: [{run_id, database, cursor, skip, seen}] */
        bool sizes, sampled;
        int64_t vanished, most;
};

/* Where an earlier run stopped on this server; NULL when nothing goes on. */
static const json_t *
stop_of(const json_t *kept, const struct redis_server *server)
{
        size_t i;
        json_t *stop;

        json_array_foreach((json_t *)json_list(kept, "servers"), i, stop)
        {
                if (strcmp(json_text(stop, "run_id", ""), server->run_id) == 0 &&
                    json_whole(stop, "database", -1) == server->database)
                        return stop;
        }
        return NULL;
}

/* `cursor` NULL: this server's scan is done with. */
static int
stop_put(json_t *stops, const struct redis_server *server, const char *cursor, int64_t skip, int64_t seen)
{
        json_t *stop = json_push(stops, json_object());

        return stop == NULL || json_put_text(stop, "run_id", server->run_id) != 0 ||
                               json_put_whole(stop, "database", server->database) != 0 ||
                               (cursor != NULL && json_put_text(stop, "cursor", cursor) != 0) ||
                               json_put_whole(stop, "skip", skip) != 0 || json_put_whole(stop, "seen", seen) != 0
                       ? -1
                       : 0;
}

/* How much of the key space was seen of a scan that did not come to its end. */
static void
part_tell(const struct looking *looking, struct error *why, const struct redis_scan *scan,
          const struct redis_server *server, int64_t before)
{
        long long seen = (long long)(scan->seen + before);
        bool goes_on = looking->most == 0 && *server->run_id != '\0';
        char part[80] = "";

        if (scan->there > 0)
                snprintf(part, sizeof part, " of %lld (%.0f %%)", (long long)scan->there,
                         fmin(100, 100 * (double)seen / (double)scan->there));
        if (!scan->out_of_time) {
                error_wrap(why, "the scan broke off after %lld keys%s, which are judged as a sample", seen, part);
                return;
        }
        error_set(why, REASON_TIMEOUT,
                  "%s: the time for this target was over after %lld keys%s: they are judged as a "
                  "sample%s",
                  server->address, seen, part, goes_on ? ", and the next run goes on from there" : "");
        error_remedy(why, "give the target a longer timeout, a higher scan_rate or scan_brake, or set scan_keys to "
                          "look at a sample that begins elsewhere in every run");
}

static struct redis_scan_order
scan_order(const struct looking *looking, struct redis *redis, const json_t *stop)
{
        const struct target *target = looking->session->target;
        int64_t left_ms = deadline_left_ms(&looking->session->deadline);

        return (struct redis_scan_order){
                .sizes = redis_has_memory_usage(redis),
                .rate = json_integer_value(target_value(target, "scan_rate")),
                .brake_us = json_integer_value(target_value(target, "scan_brake")) * 1000,
                .most = looking->most,
                .cursor = json_text(stop, "cursor", NULL),
                .skip = json_whole(stop, "skip", 0),
                .start = (uint64_t)looking->session->now_ms * UINT64_C(0x9e3779b97f4a7c15) >> 16,
                .leave_ms = left_ms / 10 < 5000 ? left_ms / 10 : 5000,
        };
}

static int
server_look(struct looking *looking, struct redis *redis, struct error *err)
{
        const struct redis_server *server = redis_server(redis);
        const json_t *stop = stop_of(looking->earlier, server);
        int64_t before = json_whole(stop, "seen", 0);
        struct resource resource = {.kind = "server", .name = server->address};
        struct redis_scan_order order = scan_order(looking, redis, stop);
        struct redis_scan scan = {.complete = true, .there = before};
        struct error why = {0};
        int result = 0;

        looking->sizes = looking->sizes && order.sizes;
        if (stop == NULL || order.cursor != NULL)
                result = redis_scan(redis, looking->session, &order, key_add, looking->classes, &scan, &why);
        looking->vanished += scan.vanished;
        looking->sampled = looking->sampled || !scan.complete;
        if (stop_put(looking->stops, server, scan.complete ? NULL : scan.cursor, scan.skip, before + scan.seen) != 0)
                return error_memory(err, "facts");
        bool over = why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL;
        if (result != 0 && (over || (looking->count == 1 && scan.seen + before == 0))) {
                *err = why;
                return -1;
        }
        json_t *row = json_push(looking->servers, json_object());
        if (row == NULL || server_put(redis, row) != 0 || scan_put(row, &scan, before) != 0)
                return error_memory(err, "facts");
        if (result == 0 && !scan.out_of_time)
                return 0;
        part_tell(looking, &why, &scan, server, before);
        return facts_gap(looking->facts, "scan", "RED-1,RED-5", &resource, &why) == 0 ? 0 : error_memory(err, "facts");
}

/* --- from run to run ---------------------------------------------------------------------------------------------- */

static json_t *
classes_of(const struct session *session)
{
        const json_t *classes = target_value(session->target, "key_classes");

        return classes != NULL ? json_deep_copy(classes) : json_array();
}

/* Whether what an earlier run kept can be gone on from: recent enough, of the same classes, of the same processes. */
static bool
kept_fits(const struct looking *looking, const json_t *kept)
{
        const struct session *session = looking->session;

        if (kept == NULL || looking->most > 0)
                return false;
        double within = session->policy != NULL ? policy_number(session->policy, "RED-1", "resume") : 0;
        int64_t age_ms = session->now_ms - json_whole(kept, "since_ms", 0);
        scoped_json classes = classes_of(session);
        if (age_ms < 0 || (double)age_ms > within || json_array_size(json_list(kept, "servers")) != looking->count ||
            !json_equal(json_list(kept, "classes"), classes))
                return false;
        for (size_t i = 0; i < looking->count; i++) {
                const struct redis_server *server = redis_server(looking->nodes[i]);
                if (*server->run_id == '\0' || stop_of(kept, server) == NULL ||
                    json_flag(kept, "sizes", false) != redis_has_memory_usage(looking->nodes[i]))
                        return false;
        }
        return true;
}

static int
resume(struct looking *looking, struct error *err)
{
        const json_t *kept = session_recall(looking->session, kept_name);
        char since[MOMENT_TEXT];

        if (!kept_fits(looking, kept))
                return 0;
        json_t *told = json_object();
        looking->earlier = kept;
        looking->vanished = json_whole(kept, "vanished", 0);
        moment_format(json_whole(kept, "since_ms", 0), since);
        return json_put(looking->facts, "resumed", told) != 0 || json_put_text(told, "since", since) != 0 ||
                               json_put_whole(told, "runs", json_whole(kept, "runs", 0) + 1) != 0 ||
                               key_classes_resume(looking->classes, json_map(kept, "state")) != 0
                       ? error_memory(err, "keys")
                       : 0;
}

/* Servers whose turn did not come stand where they stood. */
static int
stops_fill(struct looking *looking)
{
        for (size_t i = json_array_size(looking->stops); i < looking->count; i++) {
                const struct redis_server *server = redis_server(looking->nodes[i]);
                const json_t *stop = stop_of(looking->earlier, server);
                const char *cursor = stop != NULL ? json_text(stop, "cursor", NULL) : "0";
                if (stop_put(looking->stops, server, cursor, json_whole(stop, "skip", 0),
                             json_whole(stop, "seen", 0)) != 0)
                        return -1;
        }
        return 0;
}

/* A scan that came to its end, or a sample, leaves nothing behind. */
static int
keep(struct looking *looking)
{
        struct session *session = looking->session;
        json_t *state = looking->sampled && looking->most == 0 ? key_classes_state(looking->classes) : NULL;

        if (state == NULL)
                return session_keep(session, kept_name, NULL);
        json_t *kept = json_object();
        int64_t since_ms = json_whole(looking->earlier, "since_ms", session->now_ms);
        if (stops_fill(looking) != 0 || json_put(kept, "state", state) != 0 ||
            json_put(kept, "classes", classes_of(session)) != 0 ||
            json_put(kept, "servers", json_incref(looking->stops)) != 0 ||
            json_put_whole(kept, "since_ms", since_ms) != 0 ||
            json_put_whole(kept, "runs", json_whole(looking->earlier, "runs", 0) + 1) != 0 ||
            json_put_whole(kept, "vanished", looking->vanished) != 0 ||
            json_put_flag(kept, "sizes", looking->sizes) != 0) {
                json_decref(kept);
                return -1;
        }
        return session_keep(session, kept_name, kept);
}

/* --- the target --------------------------------------------------------------------------------------------------- */

static int
servers_look(struct looking *looking, struct error *err)
{
        const char *role = target_text(looking->session->target, "role");
        json_t *facts = looking->facts;

        for (size_t i = 0; i < looking->count; i++) {
                if (server_look(looking, looking->nodes[i], err) != 0) {
                        looking->sampled = true;
                        return -1;
                }
        }
        return json_put(facts, "keyspace", key_classes_json(looking->classes)) != 0 ||
                               json_put_flag(facts, "sizes", looking->sizes) != 0 ||
                               json_put_flag(facts, "sampled", looking->sampled) != 0 ||
                               json_put_whole(facts, "vanished", looking->vanished) != 0 ||
                               json_put_text(facts, "role", role != NULL ? role : "") != 0
                       ? error_memory(err, "facts")
                       : 0;
}

int
key_scan_collect(struct session *session, json_t *facts, struct error *err)
{
        struct looking looking = {.session = session, .facts = facts, .servers = json_array(), .sizes = true};
        scoped_json failed = NULL;
        scoped_json stops = json_array();

        looking.stops = stops;
        if (json_put(facts, "servers", looking.servers) != 0)
                return error_memory(err, "facts");
        if (redis_scan_nodes(session, &looking.nodes, &looking.count, &failed, err) != 0 ||
            redis_unreachable_note(facts, failed, "scan", "RED-1,RED-5", err) != 0)
                return -1;
        int64_t most = json_integer_value(target_value(session->target, "scan_keys"));
        if (most == 0 && session->policy != NULL)
                most = policy_whole(session->policy, "RED-1", "sample");
        looking.most = (most + (int64_t)looking.count - 1) / (int64_t)looking.count;
        looking.classes = key_classes_open(target_value(session->target, "key_classes"));
        if (looking.classes == NULL)
                return error_memory(err, "keys");
        int result = resume(&looking, err);
        if (result == 0)
                result = servers_look(&looking, err);
        if (keep(&looking) != 0 && result == 0)
                result = error_memory(err, "keys");
        key_classes_close(looking.classes);
        return result;
}

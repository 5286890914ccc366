/* Command counters of Redis servers over a window, and the pollers of empty queues. */

#include "redis_commands.h"

#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "redis_pollers.h"
#include "redis_servers.h"
#include "scope.h"

enum { COMMANDS_TOLD = 40 };

/* One look at a server's counters. */
struct look {
        json_t *info; /* owned */
        uint64_t own; /* commands of ours before this look */
        int64_t at_ms;
};

static void
looks_free(struct look *looks, size_t count)
{
        for (size_t i = 0; looks != NULL && i < count; i++)
                json_decref(looks[i].info);
        free(looks);
}

/* "calls=8,usec=16,usec_per_call=2.00": the first number. */
static double
calls_of(const json_t *value)
{
        const char *text = json_string_value(value);

        return text != NULL && strncmp(text, "calls=", 6) == 0 ? strtod(text + 6, NULL) : NAN;
}

static int
look_take(struct redis *redis, struct look *look, struct error *err)
{
        look->own = redis_sent(redis);
        look->at_ms = monotonic_ms();
        return redis_info(redis, "all", &look->info, err);
}

/* --- the window --------------------------------------------------------------------------------------------------- */

struct growth {
        const char *name;
        double calls;
};

static int
by_calls(const void *a, const void *b)
{
        const struct growth *left = a, *right = b;

        if (left->calls != right->calls)
                return left->calls < right->calls ? 1 : -1;
        return strcmp(left->name, right->name);
}

/* What each command grew by, ours (one INFO) taken out, most first.  -1 in *sum when the server tells no commandstats;
 * *fell when a counter went back. */
static int
commands_put(const struct look *first, const struct look *last, json_t *row, double *sum, bool *fell)
{
        const json_t *before = json_object_get(first->info, "commandstats");
        const json_t *after = json_object_get(last->info, "commandstats");
        scoped(scope_free) struct growth *growths = calloc(json_object_size(after) + 1, sizeof *growths);
        size_t count = 0;
        const char *name;
        json_t *value, *told = json_object();

        if (growths == NULL || json_put(row, "by_command", told) != 0)
                return -1;
        *sum = json_object_size(after) > 0 ? 0 : -1;
        json_object_foreach((json_t *)after, name, value)
        {
                double now = calls_of(value), then = calls_of(json_object_get(before, name));
                if (isnan(now) || strncmp(name, "cmdstat_", 8) != 0)
                        continue;
                double grown = now - (isnan(then) ? 0 : then);
                *fell = *fell || grown < 0;
                grown -= strcmp(name, "cmdstat_info") == 0 ? (double)(last->own - first->own) : 0;
                if (grown <= 0)
                        continue;
                *sum += grown;
                growths[count++] = (struct growth){name + 8, grown};
        }
        qsort(growths, count, sizeof *growths, by_calls);
        for (size_t i = 0; i < count && i < COMMANDS_TOLD; i++) {
                if (json_put_real(told, growths[i].name, growths[i].calls) != 0)
                        return -1;
        }
        return 0;
}

static int
window_put(const struct look *first, const struct look *last, json_t *row)
{
        double before = redis_info_number(first->info, "stats", "total_commands_processed", NAN);
        double after = redis_info_number(last->info, "stats", "total_commands_processed", NAN), own = 0;
        double commands;
        bool fell = false;
        json_t *window = json_object();

        if (json_put(row, "window", window) != 0 || commands_put(first, last, row, &commands, &fell) != 0)
                return -1;
        bool by_command = commands >= 0;
        own = (double)(last->own - first->own);
        fell = fell || after < before;
        if (!by_command)
                commands = fmax(after - before - own, 0);
        return json_put_text(row, "counted_by", by_command ? "commandstats" : "total_commands_processed") != 0 ||
                               json_put_whole(window, "ms", last->at_ms - first->at_ms) != 0 ||
                               json_put_real(window, "commands", fell ? NAN : commands) != 0 ||
                               json_put_real(window, "own", own) != 0 || json_put_flag(window, "reset", fell) != 0
                       ? -1
                       : 0;
}

/* --- one server --------------------------------------------------------------------------------------------------- */

static int
server_put(struct redis *redis, const struct session *session, const struct look *first, const struct look *last,
           json_t *servers, struct error *err)
{
        json_t *row = json_push(servers, json_object());
        double total = redis_info_number(last->info, "stats", "total_commands_processed", NAN);
        const char *name;
        json_t *value;

        if (isnan(total)) { /* hidden: the sum of the commands is the next best */
                json_object_foreach(json_object_get(last->info, "commandstats"), name, value)
                {
                        double calls = calls_of(value);
                        total = isnan(calls) ? total : isnan(total) ? calls : total + calls;
                }
        }
        if (row == NULL || redis_server_put(redis, row) != 0 ||
            json_put_real(row, "uptime_s", redis_info_number(last->info, "server", "uptime_in_seconds", NAN)) != 0 ||
            json_put_real(row, "total", total) != 0 || json_put_whole(row, "own", (int64_t)last->own) != 0 ||
            window_put(first, last, row) != 0)
                return error_memory(err, "facts");
        return redis_pollers_put(redis, &session->deadline, row, err);
}

/* A server that failed is a gap, unless it is the only one, or the run itself is over. */
static int
server_lost(struct redis *redis, size_t count, const char *controls, json_t *facts, const struct error *why,
            struct error *err)
{
        struct resource resource = {.kind = "server", .name = redis_server(redis)->address};

        if (count == 1 || why->reason == REASON_INTERRUPTED || why->reason == REASON_INTERNAL) {
                *err = *why;
                return -1;
        }
        return facts_gap(facts, "commands", controls, &resource, why) == 0 ? 0 : error_memory(err, "facts");
}

int
redis_commands_read(struct session *session, int64_t window_ms, const char *controls, json_t *facts, struct error *err)
{
        struct redis *const *nodes;
        size_t count;
        scoped_json failed = NULL;
        json_t *servers = json_array();
        struct error why = {0};

        if (json_put(facts, "servers", servers) != 0 || json_put_whole(facts, "window_ms", window_ms) != 0)
                return error_memory(err, "facts");
        if (redis_nodes(session, &nodes, &count, &failed, err) != 0 ||
            redis_unreachable_note(facts, failed, "commands", controls, err) != 0)
                return -1;
        struct look *looks = calloc(2 * count + 1, sizeof *looks);
        if (looks == NULL)
                return error_memory(err, "counters");
        int result = 0;
        for (size_t i = 0; i < count && result == 0; i++) {
                if (look_take(nodes[i], &looks[2 * i], &why) != 0)
                        result = server_lost(nodes[i], count, controls, facts, &why, err);
        }
        if (result == 0 && window_ms > 0)
                result = deadline_sleep(&session->deadline, window_ms, err);
        for (size_t i = 0; i < count && result == 0; i++) {
                struct look *first = &looks[2 * i], *last = &looks[2 * i + 1];
                if (first->info == NULL)
                        continue;
                why = (struct error){0};
                if (look_take(nodes[i], last, &why) != 0 ||
                    server_put(nodes[i], session, first, last, servers, &why) != 0)
                        result = server_lost(nodes[i], count, controls, facts, &why, err);
        }
        looks_free(looks, 2 * count);
        return result;
}

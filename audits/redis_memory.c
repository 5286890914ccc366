/* Redis memory: is it bounded, evicted in the right way, and when is it full?  Controls: RED-2, RED-3. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "redis.h"
#include "redis_servers.h"
#include "scope.h"
#include "trend.h"

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* INFO tells all of it; a server so old or so closed that it does not is asked by CONFIG GET. */
static void
configured(struct redis *redis, const char *name, json_t *row, const char *key, bool number)
{
        scoped_reply reply = NULL;
        char command[80];
        struct error refused;

        if (json_has(row, key))
                return;
        snprintf(command, sizeof command, "CONFIG GET %s", name);
        if (redis_ask(redis, command, &reply, &refused) != 0)
                return;
        const char *value = redis_pair_value(reply, name);
        if (value != NULL && number)
                json_put_real(row, key, strtod(value, NULL));
        else if (value != NULL)
                json_put_text(row, key, value);
}

static int
server_read(struct redis *redis, json_t *row, struct error *err)
{
        scoped_json info = NULL;
        static const struct {
                const char *section, *field, *key;
        } numbers[] = {
                {"memory", "used_memory", "used"},
                {"memory", "used_memory_peak", "peak"},
                {"memory", "maxmemory", "limit"},
                {"memory", "total_system_memory", "system"},
                {"memory", "mem_fragmentation_ratio", "fragmentation"},
                {"stats", "evicted_keys", "evicted"},
                {"stats", "expired_keys", "expired"},
                {"server", "uptime_in_seconds", "uptime_s"},
        };

        if (redis_info(redis, NULL, &info, err) != 0)
                return -1;
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
                double value = redis_info_number(info, numbers[i].section, numbers[i].field, NAN);
                if (!isnan(value))
                        json_put_real(row, numbers[i].key, value);
        }
        const char *policy = json_text(json_object_get(info, "memory"), "maxmemory_policy", NULL);
        if (policy != NULL)
                json_put_text(row, "policy", policy);
        configured(redis, "maxmemory", row, "limit", true);
        configured(redis, "maxmemory-policy", row, "policy", false);
        return 0;
}

static int
redis_memory_collect(struct session *session, json_t *facts, struct error *err)
{
        return redis_servers_read(session, facts, "RED-2,RED-3", server_read, err);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

static bool
listed(const struct policy *policy, const char *setting, const char *word)
{
        return json_holds(policy_value(policy, "RED-2", setting), word);
}

/* RED-2 of one server whose role is known. */
static void
policy_judge(const struct judge *j, const json_t *server, const char *role, const struct resource *resource,
             size_t index)
{
        const char *policy = json_text(server, "policy", NULL);
        double limit = json_real_or(server, "limit", NAN);
        bool cache = strcmp(role, "cache") == 0;
        struct findings *out = j->out;

        if (policy == NULL || isnan(limit)) {
                findings_error(out, "RED-2", resource, REASON_UNSUPPORTED,
                               "The server tells neither in INFO nor in CONFIG how it evicts.",
                               "Allow CONFIG GET to the user: ACL SETUSER rounds +config|get");
                return;
        }
        bool right = cache ? limit > 0 && listed(j->policy, "cache_policies", policy)
                           : listed(j->policy, "queue_policies", policy);
        const char *observed = findings_text(out, "%s, maxmemory %s", policy,
                                             limit > 0 ? findings_size(out, limit) : "unlimited");
        const char *expected = cache ? "volatile-lru with a maxmemory (policy cache_policies)"
                                     : "noeviction (policy queue_policies)";
        if (right) {
                findings_pass(out, "RED-2", resource, observed, expected,
                              cache ? "Only keys that may expire are evicted, and memory is bounded."
                                    : "Nothing of a queue is ever evicted.");
                return;
        }
        const char *message =
                !cache      ? "Jobs and their data can be evicted when memory is short: they are lost without a trace."
                : limit > 0 ? "Under memory pressure this cache evicts the wrong keys, or refuses writes."
                            : "Nothing bounds this cache: it grows until the machine, or the kernel, ends it.";
        const char *remedy =
                !cache ? "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf; a cache that shares the "
                         "server "
                         "must move to one of its own."
                : limit > 0 ? "CONFIG SET maxmemory-policy volatile-lru, and the same in redis.conf."
                            : "CONFIG SET maxmemory 2gb and maxmemory-policy volatile-lru, and the same in redis.conf.";
        findings_add(out, &(struct finding){.control = "RED-2",
                                            .resource = *resource,
                                            .status = STATUS_FAIL,
                                            .severity = policy_severity(j->policy, "RED-2", false),
                                            .observed = observed,
                                            .expected = expected,
                                            .message = message,
                                            .remedy = remedy,
                                            .evidence = findings_text(out, "/servers/%zu", index)});
}

static void
fail_memory(const struct judge *j, const struct resource *resource, bool severe, const char *observed,
            const char *expected, const char *message, const char *remedy, size_t index)
{
        findings_fail(j->out, "RED-3", resource, policy_severity(j->policy, "RED-3", severe), observed, expected,
                      message, remedy, findings_text(j->out, "/servers/%zu", index));
}

/* Against what memory is measured: its own limit, else the policy's, else the machine's. */
static double
limit_of(const struct judge *j, const json_t *server, const char **source)
{
        double limit = json_real_or(server, "limit", 0), stated = policy_number(j->policy, "RED-3", "limit");
        double machine = json_real_or(server, "system", 0);

        *source = limit > 0 ? "maxmemory" : stated > 0 ? "policy" : "the machine's memory";
        return limit > 0 ? limit : stated > 0 ? stated : machine;
}

static void
used_judge(const struct judge *j, const json_t *server, const char *address, size_t index)
{
        struct resource resource = {.kind = "server", .name = address};
        double used = json_real_or(server, "used", NAN), warn = policy_number(j->policy, "RED-3", "used");
        double severe = policy_number(j->policy, "RED-3", "used_severe");
        const char *source;
        double limit = limit_of(j, server, &source);
        struct findings *out = j->out;

        if (isnan(used) || !(limit > 0)) {
                findings_error(out, "RED-3", &resource, REASON_TOO_LITTLE_DATA,
                               isnan(used) ? "The server does not tell how much memory it uses."
                                           : "The server has no maxmemory and does not tell the machine's memory.",
                               "Set maxmemory, or the policy RED-3 limit, to the memory that the plan gives.");
                return;
        }
        double percent = used / limit * 100;
        const char *observed = findings_text(out, "%.0f %% of %s in use (%s, by %s)", percent,
                                             findings_size(out, limit), findings_size(out, used), source);
        const char *expected = findings_text(out, "at most %g %%, beyond %g %% SEV1", warn, severe);
        if (percent <= warn)
                findings_pass(out, "RED-3", &resource, observed, expected, "There is room.");
        else
                fail_memory(j, &resource, percent > severe, observed, expected,
                            percent > severe ? "Memory is nearly full: a queue refuses writes, a cache evicts."
                                             : "Memory is fuller than it should be.",
                            "Look for keys without a TTL and oversized values (RED-1, RED-5) first; then raise "
                            "maxmemory, or the plan.",
                            index);
}

static void
date_judge(const struct judge *j, const json_t *server, const char *address, size_t index)
{
        struct resource resource = {.kind = "projection", .name = findings_text(j->out, "memory of %s", address)};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);
        const char *source;
        double used = json_real_or(server, "used", NAN), limit = limit_of(j, server, &source);
        int64_t horizon = policy_whole(j->policy, "RED-3", "horizon"), now = history_now(j->history);
        struct trend_question question = {.now_ms = now, .limit = limit > 0 ? limit : NAN};

        if (isnan(used))
                return;
        if (trend == NULL || trend_judge(j->history, "redis_memory.used_bytes", address, used, &question, resource.name,
                                         "bytes", j->out, trend) != 0) {
                j->out->failed = true;
                return;
        }
        const char *expected = findings_text(j->out, "not full within %s", findings_duration(j->out, (double)horizon)),
                   *told = trend_words(trend, "bytes", j->out);
        if (trend->verdict == TREND_TOO_LITTLE)
                findings_error(
                        j->out, "RED-3", &resource, REASON_TOO_LITTLE_DATA, told,
                        "let the nightly rounds run on, or import earlier figures as series redis_memory.used_bytes");
        else if (trend->full_on_ms != 0 && trend->full_on_ms - now <= horizon)
                fail_memory(j, &resource, false, told, expected, "Memory will be full soon.",
                            "Find what grows (RED-1 shows it by class), or raise maxmemory in time.", index);
        else
                findings_pass(j->out, "RED-3", &resource, told, expected, "Memory lasts.");
}

/* Keys evicted since the last run: counters begin anew when the server does. */
static void
evicted_judge(const struct judge *j, const json_t *server, const char *address, size_t index)
{
        struct resource resource = {.kind = "evictions", .name = address};
        double now = json_real_or(server, "evicted", NAN), allowed = policy_number(j->policy, "RED-3", "evicted");
        const struct sample *last = history_last(j->history, "redis_memory.evicted_keys", address);
        struct findings *out = j->out;

        findings_sample(out, "redis_memory.evicted_keys", address, now);
        if (isnan(now))
                return;
        double since = last == NULL || last->value > now ? now : now - last->value;
        const char *observed =
                last == NULL || last->value > now
                        ? findings_text(out, "%.0f keys evicted since the server started %s ago", since,
                                        findings_duration(out, 1000 * fmax(0, json_real_or(server, "uptime_s", 0))))
                        : findings_text(out, "%.0f keys evicted since the last run", since);
        const char *expected = findings_text(out, "at most %.0f", allowed);
        if (since <= allowed)
                findings_pass(out, "RED-3", &resource, observed, expected,
                              "Memory was never so short that keys had to go.");
        else
                fail_memory(j, &resource, false, observed, expected,
                            "Memory was short: the server threw keys away to go on.",
                            "Raise maxmemory, or shorten the TTLs of what fills it.", index);
}

static void
row_add(const struct judge *j, const json_t *server, const char *address, const char *role)
{
        json_t *row = json_object();

        json_put_text(row, "id", address);
        json_put_text(row, "version", json_text(server, "version", ""));
        json_put_text(row, "role", role);
        json_put_text(row, "policy", json_text(server, "policy", ""));
        json_put_real(row, "used_bytes", json_real_or(server, "used", NAN));
        json_put_real(row, "limit_bytes", json_real_or(server, "limit", NAN));
        json_put_real(row, "fragmentation", json_real_or(server, "fragmentation", NAN));
        findings_inventory(j->out, "redis_servers", row);
}

static void
redis_memory_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                   struct findings *out)
{
        struct judge j = {facts, policy, history, out};
        const json_t *servers = json_list(facts, "servers");
        const char *role = json_text(facts, "role", "");
        size_t i, judged = 0;
        json_t *server;

        json_array_foreach((json_t *)servers, i, server)
        {
                const char *address = json_text(server, "address", NULL);
                if (address == NULL)
                        continue;
                judged++;
                row_add(&j, server, address, role);
                if (strcmp(role, "cache") == 0 || strcmp(role, "queue") == 0 || strcmp(role, "mixed") == 0)
                        policy_judge(&j, server, role, &(struct resource){.kind = "server", .name = address}, i);
                used_judge(&j, server, address, i);
                date_judge(&j, server, address, i);
                evicted_judge(&j, server, address, i);
        }
        if (judged > 0 && *role == '\0')
                findings_skip(out, "RED-2",
                              "Whether keys may be evicted depends on what the server is for, which is not configured.",
                              "give the target a role: cache, queue or mixed");
        if (judged == 0 && json_array_size(json_list(facts, "gaps")) == 0) {
                findings_error(out, "RED-2", NULL, REASON_TOO_LITTLE_DATA, "No server was seen.", NULL);
                findings_error(out, "RED-3", NULL, REASON_TOO_LITTLE_DATA, "No server was seen.", NULL);
        }
}

const struct audit audit_redis_memory = {
        .name = "redis_memory",
        .summary = "memory limits, eviction, and the date when memory is full",
        .looks_at = {"redis"},
        .controls = {"RED-2", "RED-3"},
        .needs = "ACL SETUSER rounds +@connection +info +config|get",
        .samples = {"redis_memory.*"},
        .collect = redis_memory_collect,
        .judge = redis_memory_judge,
};

/* Pooler against server: do all pools fit into max_connections, and does the pooler let go of a connection before the
 * server cuts it?  Cross-layer, from the newest facts of both.  Controls: DBC-2, DBC-4. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "json.h"
#include "pool_sum.h"

/* A value as a number, as text, or as an object with "setting" or "value". */
static double
number_of(const json_t *value)
{
        char *end;

        if (json_is_object(value))
                value = json_has(value, "setting") ? json_object_get(value, "setting")
                                                   : json_object_get(value, "value");
        if (json_is_number(value))
                return json_number_value(value);
        if (!json_is_string(value) || *json_string_value(value) == '\0')
                return NAN;
        double number = strtod(json_string_value(value), &end);
        return *end == '\0' ? number : NAN;
}

/* A server parameter from the facts of whatever audit of `target` read it, in the server's own unit.  NAN: nobody did.
 */
static double
server_setting(const json_t *facts, const char *target, const char *name)
{
        size_t i;
        json_t *entry;

        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                const json_t *seen = json_map(entry, "facts");
                if (strcmp(json_text(entry, "target", ""), target) != 0 ||
                    strcmp(json_text(entry, "kind", ""), "pgbouncer") == 0)
                        continue;
                static const char *const parts[] = {"settings", "server"};
                for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
                        double number = number_of(json_at(seen, parts[k], name, NULL));
                        if (isfinite(number))
                                return number;
                }
        }
        return NAN;
}

/* The poolers in front of one server. */
struct side {
        const json_t *entries[16];
        size_t count;
        const char *server;
        const char *names; /* "pooler, pooler-b" */
};

static const char *
server_of(const json_t *entry)
{
        if (strcmp(json_text(entry, "audit", ""), "pgbouncer") != 0 || json_map(entry, "facts") == NULL)
                return NULL;
        return json_text(json_map(entry, "settings"), "databases_of", NULL);
}

static struct pool_sum
side_sum(const struct side *side, double replacement)
{
        struct pool_sum all = {0};

        for (size_t i = 0; i < side->count; i++) {
                struct pool_sum one = pool_sum(json_map(side->entries[i], "facts"), replacement);
                all.servers += one.servers;
                all.every_user += one.every_user;
                all.pools += one.pools;
                all.instances += one.instances;
                all.capped = all.capped || one.capped;
                all.reserves = all.reserves || one.reserves;
                all.defaults = fmax(all.defaults, one.defaults);
        }
        return all;
}

/* The smallest change that mends: the largest default_pool_size that fits, else the server's limit. */
static const char *
smallest_change(const struct side *side, const struct pool_sum *now, double room, double reserved, struct findings *out)
{
        double fits = 0;

        for (double low = 1, high = fmin(now->defaults, 100000) - 1; low <= high;) {
                double middle = floor((low + high) / 2);
                if (side_sum(side, middle).servers <= room) {
                        fits = middle;
                        low = middle + 1;
                } else {
                        high = middle - 1;
                }
        }
        const char *raise = findings_text(out, "raise max_connections of %s to %.0f (a restart)", side->server,
                                          now->servers + reserved);
        if (fits >= 1)
                return findings_text(out,
                                     "set default_pool_size = %.0f (now %.0f) in pgbouncer.ini of %s and RELOAD; or %s",
                                     fits, now->defaults, side->names, raise);
        return findings_text(out,
                             "smaller default pools alone do not mend it: lower the pool_size, reserve_pool_size or "
                             "max_db_connections of single databases of %s by %.0f connections in all; or %s",
                             side->names, now->servers - room, raise);
}

static void
judge_room(const json_t *facts, const struct side *side, const struct policy *policy, struct findings *out)
{
        struct resource resource = {.kind = "pools", .name = side->server};
        double most = server_setting(facts, side->server, "max_connections");
        double superuser = server_setting(facts, side->server, "superuser_reserved_connections");
        double others = server_setting(facts, side->server, "reserved_connections"); /* since 16 */
        double reserved = (isfinite(superuser) ? superuser : 3) + (isfinite(others) ? others : 0);
        struct pool_sum sum = side_sum(side, 0);

        if (!isfinite(most) || most <= 0) {
                findings_error(out, "DBC-4", &resource, REASON_STALE,
                               findings_text(out, "max_connections of %s is not known: no facts of it are new enough",
                                             side->server),
                               "run the audits of that target in the same job, before this one");
                return;
        }
        if (sum.instances <= 0 || sum.pools == 0) {
                findings_error(out, "DBC-4", &resource, REASON_STALE,
                               findings_text(out, "%s shows no database that belongs to %s", side->names, side->server),
                               "look at SHOW DATABASES, and at `hosts` of the pooler's target");
                return;
        }
        double room = most - reserved;
        const char *observed = findings_text(
                out,
                "%s opens up to %.0f (%zu pool%s%s, %.0f instance%s%s); %s takes %.0f (max_connections %.0f less %.0f "
                "reserved)",
                side->names, sum.servers, sum.pools, sum.pools == 1 ? "" : "s", sum.reserves ? " with reserve" : "",
                sum.instances, sum.instances > 1 ? "s" : "", sum.capped ? ", capped" : "", side->server, room, most,
                reserved);
        const char *expected = findings_text(out, "at most %.0f", room);

        if (sum.servers > room)
                findings_add(out,
                             &(struct finding){.control = "DBC-4",
                                               .resource = resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(policy, "DBC-4", false),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = "Full pools need more connections than the server takes: "
                                                          "under load clients get \"too many clients already\"",
                                               .remedy = smallest_change(side, &sum, room, reserved, out)});
        else
                findings_pass(
                        out, "DBC-4", &resource, observed, expected,
                        sum.every_user > room
                                ? findings_text(out,
                                                "The pools in use fit; if every user that PgBouncer knows used every "
                                                "database it would be %.0f",
                                                sum.every_user)
                                : "All pools fit into the server at once");
        findings_sample(out, "pool_headroom.servers", side->server, sum.servers);
}

/* Whoever holds an idle connection must let go of it before the next one down cuts it. */
static void
judge_order(const json_t *facts, const struct side *side, const struct policy *policy, struct findings *out)
{
        struct resource resource = {.kind = "timeouts", .name = side->server};
        double cut = server_setting(facts, side->server, "idle_session_ms") / 1000; /* since 14 */
        double longest = 0;
        bool never = false, seen = false;

        for (size_t i = 0; i < side->count; i++) {
                size_t k;
                json_t *instance;
                json_array_foreach((json_t *)json_list(json_map(side->entries[i], "facts"), "instances"), k, instance)
                {
                        double idle = json_real_or(json_map(instance, "config"), "server_idle_timeout", NAN);
                        if (!isfinite(idle))
                                continue;
                        seen = true;
                        never = never || idle <= 0;
                        longest = fmax(longest, idle);
                }
        }
        if (!seen || !isfinite(cut)) {
                findings_error(out, "DBC-2", &resource, REASON_STALE,
                               findings_text(out, "%s not known: the order of the idle timeouts cannot be told",
                                             !seen ? "server_idle_timeout of the pooler is"
                                                   : "idle_session_timeout of the server is"),
                               "run the audits of both targets in the same job; servers before version 14 have no "
                               "idle_session_timeout: waive this one");
                return;
        }
        const char *observed = findings_text(out, "%s: server_idle_timeout %.0f s; %s: idle_session_timeout %s",
                                             side->names, never ? 0.0 : longest, side->server,
                                             cut > 0 ? findings_duration(out, cut * 1000) : "off");
        const char *expected = "the pooler gives a connection back before the server cuts it";
        if (cut > 0 && (never || longest >= cut))
                findings_add(
                        out,
                        &(struct finding){
                                .control = "DBC-2",
                                .resource = resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(policy, "DBC-2", false),
                                .observed = observed,
                                .expected = expected,
                                .message = "The server cuts idle connections that the pooler still believes in: the "
                                           "next client to get one sees an error",
                                .remedy = findings_text(out,
                                                        "set server_idle_timeout = %.0f in pgbouncer.ini of %s, or "
                                                        "ALTER ROLE ... SET idle_session_timeout = 0 for the pooler's "
                                                        "roles on %s",
                                                        fmax(floor(cut / 2), 1), side->names, side->server)});
        else
                findings_pass(out, "DBC-2", &resource, observed, expected, "The idle timeouts are in the right order");
}

static void
headroom_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *targets = json_list(facts, "targets");
        size_t poolers = 0, judged = 0, i, k;
        json_t *entry, *other;

        (void)history;
        json_array_foreach((json_t *)targets, i, entry)
        {
                const char *server = server_of(entry);
                struct side side = {.server = server, .names = ""};
                bool done = false;
                poolers += strcmp(json_text(entry, "audit", ""), "pgbouncer") == 0;
                if (server == NULL)
                        continue;
                json_array_foreach((json_t *)targets, k, other)
                {
                        const char *its = server_of(other);
                        if (its == NULL || strcmp(its, server) != 0)
                                continue;
                        done = done || k < i; /* judged with an earlier pooler of the same server */
                        if (side.count < sizeof side.entries / sizeof side.entries[0]) {
                                side.names = findings_text(out, "%s%s%s", side.names, side.count > 0 ? ", " : "",
                                                           json_text(other, "target", "?"));
                                side.entries[side.count++] = other;
                        }
                }
                if (done)
                        continue;
                judged++;
                judge_room(facts, &side, policy, out);
                judge_order(facts, &side, policy, out);
        }
        if (judged > 0)
                return;
        const char *why = poolers == 0 ? "no target of kind pgbouncer was seen"
                                       : "no pooler says whose databases it serves";
        findings_skip(out, "DBC-2", why, "set databases_of on the pgbouncer target");
        findings_skip(out, "DBC-4", why, "set databases_of on the pgbouncer target");
}

const struct audit audit_pool_headroom = {
        .name = "pool_headroom",
        .summary = "all pools of a pooler against the server behind it",
        .controls = {"DBC-2", "DBC-4"},
        .needs = "facts of the pgbouncer, connections and pg_settings audits",
        .joins = {"pgbouncer", "connections", "pg_settings"},
        .judge = headroom_judge,
};

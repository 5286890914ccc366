/* Redis keys: do they expire, which patterns never do, and which values are too large?  Controls: RED-1, RED-5. */

#include "audit.h"

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
#include "redis.h"
#include "redis_servers.h"
#include "scope.h"
#include "share.h"

enum { SCAN_COUNT = 1000, BRAKE_MOST_MS = 500 };

/* --- the scan ----------------------------------------------------------------------------------------------------- */

struct scan {
        struct key_classes *classes;
        const struct session *session;
        bool memory;      /* MEMORY USAGE is answered */
        int64_t rate;     /* commands a second, 0: as fast as the server answers */
        int64_t brake_us; /* round trip from which to go slower; 0: no brake */
        int64_t most;     /* keys to look at, 0: all */
        int64_t seen, vanished, braked_ms, started_ms;
        uint64_t commands;
};

/* Waits as long as the ceiling on commands asks, and longer when the server has become slow to answer. */
static int
scan_pace(struct scan *scan, const struct redis *redis, struct error *err)
{
        int64_t wait = 0;

        if (scan->rate > 0) {
                int64_t due = (int64_t)(scan->commands * 1000 / (uint64_t)scan->rate);
                wait = due - (monotonic_ms() - scan->started_ms);
        }
        if (scan->brake_us > 0 && redis_round_trip_us(redis) > scan->brake_us) {
                int64_t back = redis_round_trip_us(redis) / 1000 * 2;
                wait = back > wait ? back : wait;
                scan->braked_ms += back;
        }
        wait = wait > BRAKE_MOST_MS ? BRAKE_MOST_MS : wait;
        return wait > 0 ? deadline_sleep(&scan->session->deadline, wait, err) : 0;
}

static int64_t
whole(const struct redisReply *reply, int64_t fallback)
{
        return reply->type == REDIS_REPLY_INTEGER ? reply->integer : fallback;
}

/* One key's three answers, in the order they were asked.  A key that vanished in between is counted, not judged. */
static int
key_take(struct scan *scan, struct redis *redis, const struct redisReply *name, struct error *err)
{
        scoped_reply ttl = NULL;
        scoped_reply type = NULL;
        scoped_reply size = NULL;

        if (redis_take(redis, &ttl, err) != 0 || redis_take(redis, &type, err) != 0 ||
            (scan->memory && redis_take(redis, &size, err) != 0))
                return -1;
        int64_t ttl_ms = whole(ttl, -2);
        if (ttl_ms == -2 || type->type != REDIS_REPLY_STATUS || strcmp(type->str, "none") == 0) {
                scan->vanished++;
                return redis_reply_error(redis, ttl, "PTTL", err) != 0 ? -1
                                                                       : redis_reply_error(redis, type, "TYPE", err);
        }
        struct key_seen key = {.name = name->str,
                               .length = (size_t)name->len,
                               .type = type->str,
                               .ttl_ms = ttl_ms,
                               .size_bytes = size != NULL ? whole(size, -1) : -1};
        scan->seen++;
        return key_classes_add(scan->classes, &key) == 0 ? 0 : error_memory(err, "keys");
}

static int
keys_ask(struct scan *scan, struct redis *redis, const struct redisReply *keys, struct error *err)
{
        for (size_t i = 0; i < keys->elements; i++) {
                struct redis_word name = {keys->element[i]->str, (size_t)keys->element[i]->len};
                const struct redis_word ttl[] = {REDIS_WORD("PTTL"), name}, type[] = {REDIS_WORD("TYPE"), name};
                const struct redis_word size[] = {REDIS_WORD("MEMORY"), REDIS_WORD("USAGE"), name};
                if (redis_send(redis, ttl, 2, err) != 0 || redis_send(redis, type, 2, err) != 0 ||
                    (scan->memory && redis_send(redis, size, 3, err) != 0))
                        return -1;
                scan->commands += scan->memory ? 3 : 2;
        }
        for (size_t i = 0; i < keys->elements; i++) {
                if (key_take(scan, redis, keys->element[i], err) != 0)
                        return -1;
        }
        return 0;
}

static int
cursor_ask(struct redis *redis, const char *cursor, struct error *err)
{
        char count[16];

        snprintf(count, sizeof count, "%d", SCAN_COUNT);
        const struct redis_word words[] = {REDIS_WORD("SCAN"), REDIS_WORD(cursor), REDIS_WORD("COUNT"),
                                           REDIS_WORD(count)};
        return redis_send(redis, words, 4, err);
}

/* One server's key space.  The next SCAN travels with the questions about this batch, so that the server is never idle.
 */
static int
server_scan(struct scan *scan, struct redis *redis, struct error *err)
{
        char cursor[32] = "0";
        scoped_reply batch = NULL;

        if (cursor_ask(redis, cursor, err) != 0 || redis_take(redis, &batch, err) != 0)
                return -1;
        for (;;) {
                if (redis_reply_error(redis, batch, "SCAN", err) != 0)
                        return -1;
                if (batch->type != REDIS_REPLY_ARRAY || batch->elements != 2 ||
                    batch->element[0]->type != REDIS_REPLY_STRING || batch->element[1]->type != REDIS_REPLY_ARRAY)
                        return error_set(err, REASON_PROTOCOL, "%s: the answer to SCAN is no page of keys",
                                         redis_server(redis)->address);
                snprintf(cursor, sizeof cursor, "%s", batch->element[0]->str);
                bool last = strcmp(cursor, "0") == 0 || (scan->most > 0 && scan->seen >= scan->most);
                if (keys_ask(scan, redis, batch->element[1], err) != 0 || scan_pace(scan, redis, err) != 0)
                        return -1;
                if (last)
                        return 0;
                redis_reply_free(batch);
                batch = NULL;
                scan->commands++;
                if (cursor_ask(redis, cursor, err) != 0 || redis_take(redis, &batch, err) != 0)
                        return -1;
        }
}

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* Whether the server and our rights give MEMORY USAGE; asked of a name that is hardly there. */
static bool
has_memory(struct redis *redis)
{
        scoped_reply reply = NULL;
        struct error refused;

        /* In a cluster the name may belong to another server: MOVED says that the command itself is allowed. */
        return redis_ask(redis, "MEMORY USAGE rounds:is:this:allowed", &reply, &refused) == 0 ||
               strstr(refused.text, "MOVED ") != NULL;
}

/* Keys in databases that this target does not look at: {"db1": 500}.  A server that hides INFO keyspace has none. */
static int
server_note(struct redis *redis, json_t *servers, struct error *err)
{
        scoped_json info = NULL;
        json_t *row = json_push(servers, json_object()), *others = json_object(), *counts;
        const char *name;
        struct error refused;

        if (row == NULL || redis_server_put(redis, row) != 0 || json_put(row, "other_databases", others) != 0)
                return error_memory(err, "facts");
        if (redis_info(redis, "keyspace", &info, &refused) != 0)
                return 0;
        json_object_foreach(json_object_get(info, "keyspace"), name, counts)
        {
                long long keys = 0;
                if (strncmp(name, "db", 2) == 0 && atoi(name + 2) != redis_server(redis)->database &&
                    sscanf(json_string_value(counts), "keys=%lld", &keys) == 1 && json_object_size(others) < 64 &&
                    json_put_whole(others, name, keys) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

static int
redis_keys_collect(struct session *session, json_t *facts, struct error *err)
{
        const struct target *target = session->target;
        const char *role = target_text(target, "role");
        struct redis *const *nodes;
        size_t count;
        scoped_json failed = NULL;
        struct scan scan = {.session = session,
                            .rate = json_integer_value(target_value(target, "scan_rate")),
                            .brake_us = json_integer_value(target_value(target, "scan_brake")) * 1000,
                            .most = json_integer_value(target_value(target, "scan_keys")),
                            .started_ms = monotonic_ms()};

        if (redis_nodes(session, &nodes, &count, &failed, err) != 0)
                return -1;
        scan.classes = key_classes_open(target_value(target, "key_classes"));
        if (scan.classes == NULL)
                return error_memory(err, "keys");
        json_t *servers = json_array();
        int result = json_put(facts, "servers", servers) == 0 ? 0 : error_memory(err, "facts");
        if (result == 0)
                result = redis_unreachable_note(facts, failed, "scan", "RED-1,RED-5", err);
        for (size_t i = 0; i < count && result == 0; i++) {
                struct resource resource = {.kind = "server", .name = redis_server(nodes[i])->address};
                scan.memory = has_memory(nodes[i]);
                struct error why = {0};
                if (server_scan(&scan, nodes[i], &why) == 0) {
                        result = server_note(nodes[i], servers, err);
                } else if (count == 1 || why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL) {
                        *err = why;
                        result = -1;
                } else {
                        facts_gap(facts, "scan", "RED-1,RED-5", &resource, &why);
                }
        }
        if (result == 0 && (json_put(facts, "keyspace", key_classes_json(scan.classes)) != 0 ||
                            json_put_flag(facts, "sizes", scan.memory) != 0 ||
                            json_put_flag(facts, "sampled", scan.most > 0 && scan.seen >= scan.most) != 0 ||
                            json_put_whole(facts, "vanished", scan.vanished) != 0 ||
                            json_put_text(facts, "role", role != NULL ? role : "") != 0))
                result = error_memory(err, "facts");
        key_classes_close(scan.classes);
        return result;
}

static int
redis_keys_check(struct session *session, struct rights *rights, struct error *err)
{
        struct redis *redis = redis_session(session, err);
        scoped_reply reply = NULL;
        struct error refused;

        if (redis == NULL)
                return -1;
        bool scans = redis_ask(redis, "SCAN 0 COUNT 1", &reply, &refused) == 0;
        rights_add(rights, scans, "SCAN, PTTL, TYPE on every key",
                   "ACL SETUSER rounds ~* +scan +pttl +type +memory|usage");
        rights_add(rights, has_memory(redis), "MEMORY USAGE (sizes)", "ACL SETUSER rounds +memory|usage");
        return 0;
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts, *keyspace;
        const struct policy *policy;
        struct findings *out;
};

static const char *
keys_words(const struct judge *j, double hits, double keys)
{
        double low, high;

        if (!json_flag(j->facts, "sampled", false))
                return findings_text(j->out, "%.0f of %.0f keys (%.1f %%)", hits, keys,
                                     keys > 0 ? 100 * hits / keys : 0);
        share_interval(hits, keys, &low, &high);
        return findings_text(j->out, "%.1f %% of a sample of %.0f keys (%.1f to %.1f %%)", 100 * hits / keys, keys, low,
                             high);
}

/* The longest time to live of a class: its own, else the policy's of that name; -1 when neither is set. */
static double
bound_of(const struct judge *j, const json_t *class)
{
        double own = json_real_or(class, "bound_ms", -1);
        const json_t *ttls = policy_value(j->policy, "RED-1", "ttls");

        return own >= 0 ? own : json_real_or(ttls, json_text(class, "name", ""), -1);
}

static void
inventory_add(const struct judge *j, const json_t *row, const char *name, const char *match, bool declared)
{
        const json_t *ttl = json_map(row, "ttl");
        json_t *out = json_object();

        json_put_text(out, "id", name);
        json_put_text(out, "match", match);
        json_put_flag(out, "declared", declared);
        json_put_whole(out, "keys", json_whole(row, "keys", 0));
        json_put_real(out, "bytes", json_real_or(row, "bytes", -1) >= 0 ? json_real_or(row, "bytes", 0) : NAN);
        json_put_whole(out, "without_ttl", json_whole(row, "without_ttl", 0));
        json_put_real(out, "ttl_p50_seconds", json_real_or(ttl, "p50_ms", NAN) / 1000);
        json_put_real(out, "ttl_max_seconds", json_real_or(ttl, "max_ms", NAN) / 1000);
        json_put_text(out, "example", json_text(row, "example", ""));
        findings_inventory(j->out, "key_classes", out);
}

static void
class_judge(const struct judge *j, const json_t *class, size_t index)
{
        const char *name = json_text(class, "name", "?"), *match = json_text(class, "match", "?");
        double keys = json_real_or(class, "keys", 0), lasting = json_real_or(class, "without_ttl", 0);
        double bound = bound_of(j, class), longest = json_real_or(json_map(class, "ttl"), "max_ms", 0);
        double allowed = policy_number(j->policy, "RED-1", "without_ttl");
        struct resource resource = {.kind = "key class", .name = name};
        struct findings *out = j->out;

        inventory_add(j, class, name, match, true);
        findings_sample(out, "redis_keys.class_keys", name, keys);
        findings_sample(out, "redis_keys.class_bytes", name, json_real_or(class, "bytes", NAN));
        if (keys == 0) {
                findings_error(out, "RED-1", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "No key matches %s: nothing was seen of this class.", match),
                               "check the pattern of the key class, and whether the cache is used at all");
                return;
        }
        const char *expected = bound >= 0 ? findings_text(out, "every key expires, within %s",
                                                          findings_duration(out, bound))
                                          : "every key expires";
        struct finding finding = {.control = "RED-1",
                                  .resource = resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(j->policy, "RED-1", false),
                                  .expected = expected,
                                  .evidence = findings_text(out, "/keyspace/classes/%zu", index)};
        if (!json_flag(class, "expires", true)) {
                findings_pass(out, "RED-1", &resource, keys_words(j, lasting, keys),
                              "keys that are meant to stay (expires: false)",
                              "The configuration says that keys of this class stay.");
                return;
        }
        if (100 * lasting / keys > allowed) {
                double size = json_real_or(class, "bytes", -1);
                finding.observed = findings_text(
                        out, "%s never expire%s, for example %s", keys_words(j, lasting, keys),
                        size >= 0 ? findings_text(out, " (the class holds %s)", findings_size(out, size)) : "",
                        json_text(class, "example", "?"));
                finding.message =
                        "Keys of this class stay for ever: the cache fills up, and volatile-lru may not evict them.";
                finding.remedy = findings_text(
                        out,
                        "Write them with a TTL (SET ... PX, or EXPIRE in the same pipeline); EXPIRE those "
                        "that are there: redis-cli --scan --pattern '%s'.",
                        match);
        } else if (bound >= 0 && longest > bound * 1.001) {
                finding.observed = findings_text(
                        out, "TTLs up to %s (half below %s)", findings_duration(out, longest),
                        findings_duration(out, json_real_or(json_map(class, "ttl"), "p50_ms", 0)));
                finding.message = "Keys of this class live longer than they should: what is served from them is older "
                                  "than promised.";
                finding.remedy = findings_text(out, "Write them with a TTL of at most %s.",
                                               findings_duration(out, bound));
        } else {
                findings_pass(out, "RED-1", &resource,
                              findings_text(out, "%.0f keys, TTLs up to %s", keys, findings_duration(out, longest)),
                              expected, "Keys of this class expire in time.");
                return;
        }
        findings_add(out, &finding);
}

static void
unclassified_judge(const struct judge *j)
{
        double all = json_real_or(j->keyspace, "keys", 0), outside = json_real_or(j->keyspace, "unclassified", 0);
        double bound = policy_number(j->policy, "RED-1", "unclassified"), lasting = 0;
        struct resource resource = {.kind = "key class", .name = "(unclassified)"};
        const json_t *patterns = json_list(j->keyspace, "patterns"), *worst = NULL;
        struct findings *out = j->out;
        size_t i;
        json_t *pattern;

        json_array_foreach((json_t *)patterns, i, pattern)
        {
                double stays = json_real_or(pattern, "without_ttl", 0);
                if (i < 20)
                        inventory_add(j, pattern, json_text(pattern, "pattern", "?"),
                                      json_text(pattern, "pattern", "?"), false);
                lasting += stays;
                if (stays > json_real_or(worst, "without_ttl", 0))
                        worst = pattern;
        }
        if (all == 0) {
                findings_error(out, "RED-1", &resource, REASON_TOO_LITTLE_DATA,
                               "The key space is empty: nothing was seen.", "check the url's database number");
                return;
        }
        const char *observed = findings_text(out, "%.1f %% of %.0f keys are in no class, %.0f of them never expire%s%s",
                                             100 * outside / all, all, lasting, worst != NULL ? ", most of all " : "",
                                             worst != NULL ? json_text(worst, "pattern", "?") : "");
        const char *expected = findings_text(out, "at most %g %% in no class", bound);
        bool cache = strcmp(json_text(j->facts, "role", ""), "cache") == 0;
        if (100 * outside / all <= bound) {
                findings_pass(out, "RED-1", &resource, observed, expected, "Nearly every key belongs to a class.");
        } else if (cache) {
                findings_add(out,
                             &(struct finding){.control = "RED-1",
                                               .resource = resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, "RED-1", false),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = "Many keys of the cache belong to no class: nobody said how "
                                                          "long they may live.",
                                               .remedy = "Add key_classes for the patterns that the inventory lists.",
                                               .evidence = "/keyspace/patterns"});
        } else {
                findings_add(out,
                             &(struct finding){.control = "RED-1",
                                               .resource = resource,
                                               .status = STATUS_SKIP,
                                               .observed = observed,
                                               .message = "Keys in no class are listed, but only a cache's are judged.",
                                               .remedy = "give the target a role, and key_classes for the patterns "
                                                         "that the inventory lists"});
        }
}

static void
sizes_judge(const struct judge *j)
{
        double bound = policy_number(j->policy, "RED-5", "largest");
        const char *name;
        json_t *type, *large;
        size_t i, over = 0, types = 0;
        double largest = 0;
        struct findings *out = j->out;

        if (!json_flag(j->facts, "sizes", false)) {
                findings_error(out, "RED-5", NULL, REASON_UNSUPPORTED,
                               "The server does not answer MEMORY USAGE: no size was seen.",
                               "ACL SETUSER rounds +memory|usage; a service that hides it cannot be assessed");
                return;
        }
        json_object_foreach((json_t *)json_map(j->keyspace, "types"), name, type)
        {
                types++;
                json_array_foreach((json_t *)json_list(type, "largest"), i, large)
                {
                        double size = json_real_or(large, "bytes", 0);
                        largest = size > largest ? size : largest;
                        if (size <= bound)
                                continue;
                        over++;
                        findings_add(
                                out,
                                &(struct finding){
                                        .control = "RED-5",
                                        .resource = {.kind = name, .name = json_text(large, "name", "?")},
                                        .status = STATUS_FAIL,
                                        .severity = policy_severity(j->policy, "RED-5", false),
                                        .observed = findings_text(out, "%s in memory", findings_size(out, size)),
                                        .expected = findings_text(out, "at most %s", findings_size(out, bound)),
                                        .message = "One value is so large that reading or deleting it holds "
                                                   "up everybody else.",
                                        .remedy = "Split it, compress it, or keep it in object storage; "
                                                  "delete with UNLINK.",
                                        .evidence = findings_text(out, "/keyspace/types/%s/largest/%zu", name, i)});
                }
        }
        if (types == 0)
                findings_error(out, "RED-5", NULL, REASON_TOO_LITTLE_DATA, "No value was seen.",
                               "check the url's database number");
        else if (over == 0)
                findings_pass(out, "RED-5", NULL,
                              findings_text(out, "the largest value takes %s", findings_size(out, largest)),
                              findings_text(out, "at most %s", findings_size(out, bound)), "No value is oversized.");
}

static void
redis_keys_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {facts, json_map(facts, "keyspace"), policy, out};
        size_t i;
        json_t *class;

        (void)history;
        if (j.keyspace == NULL) {
                findings_error(out, "RED-1", NULL, REASON_TOO_LITTLE_DATA, "No key space is in the facts.", NULL);
                findings_error(out, "RED-5", NULL, REASON_TOO_LITTLE_DATA, "No key space is in the facts.", NULL);
                return;
        }
        json_array_foreach((json_t *)json_list(j.keyspace, "classes"), i, class) class_judge(&j, class, i);
        unclassified_judge(&j);
        sizes_judge(&j);
}

const struct audit audit_redis_keys = {
        .name = "redis_keys",
        .summary = "times to live by class and discovered pattern, and the largest values",
        .looks_at = {"redis"},
        .controls = {"RED-1", "RED-5"},
        .needs = "ACL SETUSER rounds ~* +@connection +info +scan +pttl +type +memory|usage",
        .collect = redis_keys_collect,
        .judge = redis_keys_judge,
        .check = redis_keys_check,
};

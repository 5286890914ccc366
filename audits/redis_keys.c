/* Redis keys: do they expire, which patterns never do, and which values are too large?  Controls: RED-1, RED-5,
 * LAT-2. */

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
#include "redis_scan.h"
#include "redis_servers.h"
#include "scope.h"
#include "score_cache.h"
#include "share.h"

/* --- collecting --------------------------------------------------------------------------------------------------- */

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
scan_put(json_t *row, const struct redis_scan *scan)
{
        json_t *told = json_object();

        return json_put(row, "scan", told) != 0 || json_put_whole(told, "there", scan->there) != 0 ||
                               json_put_whole(told, "seen", scan->seen) != 0 ||
                               json_put_whole(told, "vanished", scan->vanished) != 0 ||
                               json_put_whole(told, "commands", (int64_t)scan->commands) != 0 ||
                               json_put_whole(told, "took_ms", scan->took_ms) != 0 ||
                               json_put_whole(told, "braked_ms", scan->braked_ms) != 0 ||
                               json_put_whole(told, "brakes", scan->brakes) != 0 ||
                               json_put_whole(told, "slowest_us", scan->slowest_us) != 0 ||
                               json_put_flag(told, "complete", scan->complete) != 0
                       ? -1
                       : 0;
}

/* How much of the key space a scan saw that did not come to its end. */
static void
part_tell(struct error *why, const struct redis_scan *scan, const char *address)
{
        char part[80] = "";

        if (scan->there > 0)
                snprintf(part, sizeof part, " of %lld (%.0f %%)", (long long)scan->there,
                         fmin(100, 100 * (double)scan->seen / (double)scan->there));
        if (scan->out_of_time) {
                error_set(why, REASON_TIMEOUT,
                          "%s: the time for this target was over after %lld keys%s: they are judged as a sample",
                          address, (long long)scan->seen, part);
                error_remedy(why,
                             "give the target a longer timeout, a higher scan_rate or scan_brake, or set scan_keys to "
                             "look at a sample that begins elsewhere in every run");
        } else {
                error_wrap(why, "the scan broke off after %lld keys%s, which are judged as a sample",
                           (long long)scan->seen, part);
        }
}

/* The scans of all servers of the target, added up. */
struct looking {
        struct session *session;
        struct key_classes *classes;
        json_t *facts, *servers;
        size_t count;
        bool sizes, sampled;
        int64_t vanished, most;
};

static int
server_look(struct looking *looking, struct redis *redis, struct error *err)
{
        const struct target *target = looking->session->target;
        int64_t left_ms = deadline_left_ms(&looking->session->deadline);
        struct resource resource = {.kind = "server", .name = redis_server(redis)->address};
        struct redis_scan_order order = {.sizes = redis_has_memory_usage(redis),
                                         .rate = json_integer_value(target_value(target, "scan_rate")),
                                         .brake_us = json_integer_value(target_value(target, "scan_brake")) * 1000,
                                         .most = looking->most,
                                         .start = (uint64_t)looking->session->now_ms * UINT64_C(0x9e3779b97f4a7c15) >>
                                                  16,
                                         .leave_ms = left_ms / 10 < 5000 ? left_ms / 10 : 5000};
        struct redis_scan scan;
        struct error why = {0};

        looking->sizes = looking->sizes && order.sizes;
        int result = redis_scan(redis, looking->session, &order, key_add, looking->classes, &scan, &why);
        bool over = why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL;
        if (result != 0 && (over || (looking->count == 1 && scan.seen == 0))) {
                *err = why;
                return -1;
        }
        json_t *row = json_push(looking->servers, json_object());
        if (row == NULL || server_put(redis, row) != 0 || scan_put(row, &scan) != 0)
                return error_memory(err, "facts");
        looking->vanished += scan.vanished;
        looking->sampled = looking->sampled || !scan.complete;
        if (result == 0 && !scan.out_of_time)
                return 0;
        part_tell(&why, &scan, redis_server(redis)->address);
        return facts_gap(looking->facts, "scan", "RED-1,RED-5", &resource, &why) == 0 ? 0 : error_memory(err, "facts");
}

static int
servers_look(struct looking *looking, struct redis *const *nodes, struct error *err)
{
        const char *role = target_text(looking->session->target, "role");
        json_t *facts = looking->facts;

        for (size_t i = 0; i < looking->count; i++) {
                if (server_look(looking, nodes[i], err) != 0)
                        return -1;
        }
        return json_put(facts, "keyspace", key_classes_json(looking->classes)) != 0 ||
                               json_put_flag(facts, "sizes", looking->sizes) != 0 ||
                               json_put_flag(facts, "sampled", looking->sampled) != 0 ||
                               json_put_whole(facts, "vanished", looking->vanished) != 0 ||
                               json_put_text(facts, "role", role != NULL ? role : "") != 0
                       ? error_memory(err, "facts")
                       : 0;
}

static int
redis_keys_collect(struct session *session, json_t *facts, struct error *err)
{
        struct looking looking = {.session = session, .facts = facts, .servers = json_array(), .sizes = true};
        struct redis *const *nodes;
        scoped_json failed = NULL;

        if (json_put(facts, "servers", looking.servers) != 0)
                return error_memory(err, "facts");
        if (redis_scan_nodes(session, &nodes, &looking.count, &failed, err) != 0 ||
            redis_unreachable_note(facts, failed, "scan", "RED-1,RED-5", err) != 0)
                return -1;
        int64_t most = json_integer_value(target_value(session->target, "scan_keys"));
        if (most == 0 && session->policy != NULL)
                most = policy_whole(session->policy, "RED-1", "sample");
        looking.most = (most + (int64_t)looking.count - 1) / (int64_t)looking.count;
        looking.classes = key_classes_open(target_value(session->target, "key_classes"));
        if (looking.classes == NULL)
                return error_memory(err, "keys");
        int result = servers_look(&looking, nodes, err);
        key_classes_close(looking.classes);
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
        rights_add(rights, redis_has_memory_usage(redis), "MEMORY USAGE (sizes)", "ACL SETUSER rounds +memory|usage");
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

/* What a sample without a single hit still leaves open. */
static const char *
sample_words(const struct judge *j, double keys)
{
        double low, high;

        if (!json_flag(j->facts, "sampled", false) || keys <= 0)
                return "";
        share_interval(0, keys, &low, &high);
        return findings_text(j->out, " of a sample (up to %.2g %% of the class may be otherwise)", high);
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
                              findings_text(out, "%.0f keys%s, TTLs up to %s", keys, sample_words(j, keys),
                                            findings_duration(out, longest)),
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
        else if (over == 0 && !facts_lacks(j->facts, "scan"))
                findings_pass(out, "RED-5", NULL,
                              findings_text(out, "the largest value %stakes %s",
                                            json_flag(j->facts, "sampled", false) ? "of a sample " : "",
                                            findings_size(out, largest)),
                              findings_text(out, "at most %s", findings_size(out, bound)), "No value is oversized.");
}

static void
redis_keys_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {facts, json_map(facts, "keyspace"), policy, out};
        size_t i;
        json_t *class;

        (void)history;
        score_cache_judge(facts, policy, out);
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
        .controls = {"RED-1", "RED-5", "LAT-2"},
        .needs = "ACL SETUSER rounds ~* +@connection +info +dbsize +scan +pttl +type +memory|usage",
        .collect = redis_keys_collect,
        .judge = redis_keys_judge,
        .check = redis_keys_check,
};

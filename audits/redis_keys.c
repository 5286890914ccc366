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
#include "key_scan.h"
#include "moment.h"
#include "redis.h"
#include "redis_scan.h"
#include "scope.h"
#include "score_cache.h"
#include "share.h"

/* --- rights ------------------------------------------------------------------------------------------------------- */

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
                   "ACL SETUSER rounds ~* +scan +pttl +type +strlen +memory|usage");
        rights_add(rights, redis_has_memory_usage(redis), "MEMORY USAGE (sizes)", "ACL SETUSER rounds +memory|usage");
        return 0;
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts, *keyspace;
        const struct policy *policy;
        struct findings *out;
};

/* Over which runs a scan went that could not be done in one. */
static const char *
runs_words(const struct judge *j, const char *comma)
{
        const json_t *resumed = json_map(j->facts, "resumed");

        return resumed != NULL
                       ? findings_text(j->out, "%s seen in %lld runs since %.10s", comma,
                                       (long long)json_whole(resumed, "runs", 0), json_text(resumed, "since", "?"))
                       : "";
}

static const char *
keys_words(const struct judge *j, double hits, double keys)
{
        double low, high;

        if (!json_flag(j->facts, "sampled", false))
                return findings_text(j->out, "%.0f of %.0f keys (%.1f %%%s)", hits, keys,
                                     keys > 0 ? 100 * hits / keys : 0, runs_words(j, ";"));
        share_interval(hits, keys, &low, &high);
        return findings_text(j->out, "%.1f %% of a sample of %.0f keys (%.1f to %.1f %%%s)", 100 * hits / keys, keys,
                             low, high, runs_words(j, ";"));
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
                              findings_text(out, "%.0f keys%s, TTLs up to %s%s", keys, sample_words(j, keys),
                                            findings_duration(out, longest), runs_words(j, ",")),
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
                              findings_text(out, "the largest value %stakes %s%s",
                                            json_flag(j->facts, "sampled", false) ? "of a sample " : "",
                                            findings_size(out, largest), runs_words(j, ",")),
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
        .needs = "ACL SETUSER rounds ~* +@connection +info +dbsize +scan +pttl +type +strlen +memory|usage",
        .collect = key_scan_collect,
        .judge = redis_keys_judge,
        .check = redis_keys_check,
};

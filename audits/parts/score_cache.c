/* The cache of scoring results: is its key class in use, and does every key of it expire soon? */

#include "score_cache.h"

#include <string.h>

#include "facts.h"
#include "json.h"

/* The class of this name in the facts; *index says where. */
static const json_t *
class_find(const json_t *facts, const char *name, size_t *index)
{
        const json_t *classes = json_list(json_map(facts, "keyspace"), "classes");

        for (*index = 0; *index < json_array_size(classes); ++*index) {
                if (strcmp(json_text(json_array_get(classes, *index), "name", ""), name) == 0)
                        return json_array_get(classes, *index);
        }
        return NULL;
}

void
score_cache_judge(const json_t *facts, const struct policy *policy, struct findings *out)
{
        const char *name = policy_text(policy, "LAT-2", "class");
        double bound = policy_number(policy, "LAT-2", "ttl");
        size_t index;
        const json_t *class = class_find(facts, name, &index);
        double keys = json_real_or(class, "keys", 0), lasting = json_real_or(class, "without_ttl", 0);
        double longest = json_real_or(json_map(class, "ttl"), "max_ms", 0);
        struct resource resource = {.kind = "key class", .name = name};
        struct finding finding = {.control = "LAT-2",
                                  .resource = resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(policy, "LAT-2", false)};

        if (class == NULL) {
                findings_skip(out, "LAT-2",
                              findings_text(out, "not configured: this server has no key class \"%s\"", name),
                              "where scoring results are cached, add a key class of that name: {name: score, match: "
                              "\"score:*\"}");
                return;
        }
        finding.expected = findings_text(out, "keys, each of which expires within %s", findings_duration(out, bound));
        finding.evidence = findings_text(out, "/keyspace/classes/%zu", index);
        const char *match = json_text(class, "match", "?");
        /* A part of the keys shows what is wrong in it, but not that the rest is empty. */
        if ((facts_lacks(facts, "scan") && !(lasting > 0) && !(longest > bound * 1.001)) ||
            (!(keys > 0) && json_flag(facts, "sampled", false))) {
                findings_error(out, "LAT-2", &resource, REASON_TOO_LITTLE_DATA,
                               "Only a part of the keys was looked at, and nothing wrong was seen in it.", NULL);
                return;
        }
        if (!(keys > 0)) {
                finding.observed = findings_text(out, "no key matches %s", match);
                finding.message = "The cache of scoring results is empty: every lookup is scored anew.";
                finding.remedy =
                        "Switch the cache on, or correct the pattern of the class to what the application writes.";
        } else if (lasting > 0) {
                finding.observed = findings_text(out, "%.0f of %.0f keys never expire, for example %s", lasting, keys,
                                                 json_text(class, "example", "?"));
                finding.message = "Scoring results stay in the cache for good: decisions are made on scores that are "
                                  "long out of date.";
                finding.remedy = findings_text(out, "Write them with a TTL: SET key value PX %.0f.", bound);
        } else if (longest > bound * 1.001) {
                finding.observed = findings_text(out, "%.0f keys, TTLs up to %s", keys,
                                                 findings_duration(out, longest));
                finding.message =
                        "Scoring results live longer in the cache than they may: decisions are made on old scores.";
                finding.remedy = findings_text(out, "Write them with a TTL of at most %s.",
                                               findings_duration(out, bound));
        } else {
                findings_pass(out, "LAT-2", &resource,
                              findings_text(out, "%.0f keys, TTLs up to %s", keys, findings_duration(out, longest)),
                              finding.expected, "Scoring results are cached, and not for too long.");
                return;
        }
        findings_add(out, &finding);
}

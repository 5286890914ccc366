/* How the judges of alert rules name a rule, and where they point in the facts. */

#include "alert_judges.h"

#include <string.h>

#include "json.h"

static bool
is_namesake(const struct alert_rule *a, const struct alert_rule *b, const char *severity)
{
        return strcmp(json_text(a->facts, "name", "?"), json_text(b->facts, "name", "?")) == 0 &&
               strcmp(json_text(a->facts, "group", ""), json_text(b->facts, "group", "")) == 0 &&
               (severity == NULL || strcmp(json_text(json_map(a->facts, "labels"), severity, ""),
                                           json_text(json_map(b->facts, "labels"), severity, "")) == 0);
}

const char *
alert_rule_name(const struct alert_judge *j, const struct alert_rule *rule)
{
        const char *label = policy_text(j->policy, "ALR-11", "severity_label");
        const char *name = json_text(rule->facts, "name", "?");
        const char *severity = json_text(json_map(rule->facts, "labels"), label, "no severity");
        size_t namesakes = 0, same_severity = 0, number = 0;

        for (size_t i = 0; i < j->site->count; i++) {
                const struct alert_rule *other = &j->site->rules[i];
                namesakes += is_namesake(rule, other, NULL);
                if (!is_namesake(rule, other, label))
                        continue;
                same_severity++;
                if (other <= rule)
                        number++;
        }
        if (namesakes <= 1)
                return name;
        if (same_severity <= 1)
                return findings_text(j->out, "%s (%s)", name, severity);
        return findings_text(j->out, "%s (%s, %zu)", name, severity, number);
}

const char *
alert_evidence(const struct alert_judge *j, const struct alert_rule *rule)
{
        const json_t *list = json_list(j->facts, rule->loaded ? "rules" : "objects");
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)list, i, one)
        {
                if (one == rule->facts)
                        return findings_text(j->out, "/%s/%zu", rule->loaded ? "rules" : "objects", i);
        }
        return NULL;
}

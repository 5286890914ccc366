/* At which values the alert rules on one matter fire. */

#include "alert_levels.h"

#include <math.h>
#include <string.h>

#include "alert_wanted.h"
#include "json.h"
#include "scope.h"

static void
matcher_put(struct alert_level *level, const struct promql_matcher *matcher, struct findings *keep)
{
        static const char *const ops[] = {"=", "!=", "=~", "!~"};

        level->label = findings_text(keep, "%s", matcher->label);
        level->op = ops[matcher->match];
        level->value = findings_text(keep, "%.*s", (int)matcher->value.length, matcher->value.bytes);
}

/* The better of two comparisons of one rule is the one that is kept: strict enough before looser. */
static void
rule_compare(const struct alert_site *site, const struct alert_rule *rule, const struct alert_wanted *wanted,
             struct alert_comparison *best)
{
        struct alert_comparison found;

        alert_compare(&site->world, wanted->promql->root, wanted->hold_ms, rule->promql->root, rule->hold_ms, &found);
        if (found.standing > best->standing)
                *best = found;
}

static void
level_add(struct alert_levels *out, const json_t *entry, const struct alert_rule *rule,
          const struct alert_comparison *found, struct findings *keep)
{
        if (found->standing == ALERT_OTHER || (found->notes & ALERT_ALWAYS) != 0 || !isfinite(found->threshold) ||
            out->count == ALERT_LEVELS_MOST)
                return;
        struct alert_level *level = &out->rows[out->count++];
        const json_t *clusters = json_object_get(json_map(entry, "settings"), "rules_of");
        *level = (struct alert_level){.target = json_text(entry, "target", "?"),
                                      .alert = json_text(rule->facts, "name", "?"),
                                      .expression = alert_expression(rule->promql->root, keep),
                                      .threshold = found->threshold,
                                      .wanted = found->wanted,
                                      .hold_ms = found->hold_ms,
                                      .loaded = rule->loaded,
                                      .narrowed = (found->notes & ALERT_NARROWED) != 0,
                                      .label = "",
                                      .op = "=",
                                      .value = "",
                                      .clusters = json_array_size(clusters) > 0 ? clusters : NULL};
        if (level->narrowed && found->matcher != NULL)
                matcher_put(level, found->matcher, keep);
}

static int
site_look(const json_t *entry, const struct alert_wanted *wanted, size_t count, const json_t *place_labels,
          struct alert_levels *out, struct findings *keep)
{
        scoped_site *site = alert_site_open(json_map(entry, "facts"), place_labels);

        if (site == NULL)
                return -1;
        for (size_t i = 0; i < site->count; i++) {
                const struct alert_rule *rule = &site->rules[i];
                struct alert_comparison best = {.standing = ALERT_OTHER};
                for (size_t k = 0; k < count && rule->promql != NULL; k++)
                        rule_compare(site, rule, &wanted[k], &best);
                if (rule->promql != NULL)
                        level_add(out, entry, rule, &best, keep);
        }
        return 0;
}

enum { WANTED_MOST = 32 };

int
alert_levels_find(const json_t *facts, const json_t *texts, const json_t *place_labels, struct alert_levels *out,
                  struct findings *keep, struct error *err)
{
        struct alert_wanted wanted[WANTED_MOST];
        size_t count = 0, i;
        json_t *one;
        int result = 0;

        out->count = out->targets = 0;
        json_array_foreach((json_t *)texts, i, one)
        {
                if (!json_is_string(one) || count == WANTED_MOST)
                        continue;
                result = alert_wanted_read(json_string_value(one), &wanted[count], err);
                if (result != 0)
                        break;
                count++;
        }
        json_array_foreach((json_t *)json_list(facts, "targets"), i, one)
        {
                if (result != 0 || strcmp(json_text(one, "audit", ""), "alerts") != 0 || json_map(one, "facts") == NULL)
                        continue;
                out->targets++;
                if (site_look(one, wanted, count, place_labels, out, keep) != 0)
                        result = error_memory(err, "alert rules");
        }
        for (i = 0; i < count; i++)
                alert_wanted_free(&wanted[i]);
        return result;
}

bool
alert_level_of_cluster(const struct alert_level *level, const char *cluster)
{
        return level->clusters == NULL || json_holds(level->clusters, cluster);
}

/* The place where alert rules run: rules parsed, series looked up. */

#include "alert_site.h"

#include <stdlib.h>
#include <string.h>

#include "alert_series.h"
#include "json.h"
#include "scope.h"

struct alert_recording {
        const char *name;
        struct promql *promql;
};

enum { KEY_LARGEST = 64 * 1024 };

/* --- what is known ------------------------------------------------------------------------------------------------ */

static const struct promql_node *
recorded(void *context, const char *name)
{
        const struct alert_site *site = context;

        for (size_t i = 0; i < site->recording_count; i++) {
                if (strcmp(site->recordings[i].name, name) == 0)
                        return site->recordings[i].promql->root;
        }
        return NULL;
}

const json_t *
alert_site_selector(const struct alert_site *site, const struct promql_node *selector)
{
        scoped_buffer key = BUFFER_INIT(KEY_LARGEST);

        alert_selector_key(selector, &key);
        return key.data != NULL ? json_object_get(site->selectors, key.data) : NULL;
}

static long
series(void *context, const struct promql_node *selector)
{
        return (long)json_whole(alert_site_selector(context, selector), "series", -1);
}

static int
narrows(void *context, const struct promql_node *selector, const struct promql_matcher *matcher)
{
        const json_t *facts = alert_site_selector(context, selector);
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(facts, "matchers"), i, one)
        {
                int64_t without = json_whole(one, "without", -1), all = json_whole(facts, "series", -1);
                if (strcmp(json_text(one, "label", ""), matcher->label) == 0 && without >= 0 && all >= 0)
                        return without > all;
        }
        return -1;
}

static bool
is_place(void *context, const char *label)
{
        const struct alert_site *site = context;

        return json_holds(site->place_labels, label);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static void
rule_add(struct alert_site *site, const json_t *facts, bool loaded)
{
        struct alert_rule *rule = &site->rules[site->count++];
        const char *text = json_text(facts, "expr", "");

        *rule = (struct alert_rule){.facts = facts, .hold_ms = json_whole(facts, "for_ms", 0), .loaded = loaded};
        if (promql_parse(text, strlen(text), &rule->promql, &rule->error) != 0)
                rule->promql = NULL;
}

static bool
is_loaded(const struct alert_site *site, const json_t *facts, struct promql *promql)
{
        for (size_t i = 0; i < site->count; i++) {
                const struct alert_rule *rule = &site->rules[i];
                if (!rule->loaded || strcmp(json_text(rule->facts, "name", ""), json_text(facts, "name", "")) != 0)
                        continue;
                if (promql == NULL || rule->promql == NULL || promql_equal(promql->root, rule->promql->root))
                        return true;
        }
        return false;
}

static void
rules_add(struct alert_site *site)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(site->facts, "rules"), i, one) rule_add(site, one, true);
        json_array_foreach((json_t *)json_list(site->facts, "objects"), i, one)
        {
                rule_add(site, one, false);
                struct alert_rule *added = &site->rules[site->count - 1];
                if (is_loaded(site, one, added->promql)) {
                        promql_free(added->promql);
                        site->count--;
                }
        }
}

static void
recordings_add(struct alert_site *site, const char *key)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(site->facts, key), i, one)
        {
                struct alert_recording *recording = &site->recordings[site->recording_count];
                const char *text = json_text(one, "expr", "");
                struct error err;
                recording->name = json_text(one, "name", "");
                if (*recording->name != '\0' && promql_parse(text, strlen(text), &recording->promql, &err) == 0)
                        site->recording_count++;
        }
}

struct alert_site *
alert_site_open(const json_t *facts, const json_t *place_labels)
{
        struct alert_site *site = calloc(1, sizeof *site);
        size_t rules = json_array_size(json_list(facts, "rules")) + json_array_size(json_list(facts, "objects"));
        size_t recordings = json_array_size(json_list(facts, "recordings")) +
                            json_array_size(json_list(facts, "object_recordings"));
        size_t i;
        json_t *one;

        if (site == NULL)
                return NULL;
        site->facts = facts;
        site->place_labels = place_labels;
        site->rules = calloc(rules + 1, sizeof *site->rules);
        site->recordings = calloc(recordings + 1, sizeof *site->recordings);
        site->selectors = json_object();
        if (site->rules == NULL || site->recordings == NULL || site->selectors == NULL) {
                alert_site_close(site);
                return NULL;
        }
        json_array_foreach((json_t *)json_list(facts, "selectors"), i, one)
        {
                if (json_text(one, "selector", NULL) != NULL)
                        json_object_set(site->selectors, json_text(one, "selector", ""), one);
        }
        rules_add(site);
        recordings_add(site, "recordings");
        recordings_add(site, "object_recordings");
        site->world = (struct alert_world){site, recorded, series, narrows, is_place};
        return site;
}

void
alert_site_close(struct alert_site *site)
{
        if (site == NULL)
                return;
        for (size_t i = 0; i < site->count; i++)
                promql_free(site->rules[i].promql);
        for (size_t i = 0; i < site->recording_count; i++)
                promql_free(site->recordings[i].promql);
        free(site->rules);
        free(site->recordings);
        json_decref(site->selectors);
        free(site);
}

/* The effective policy: shipped defaults, overlaid by configuration. */

#include "policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue.h"
#include "json.h"
#include "policy_check.h"
#include "scope.h"

struct policy {
        json_t *values; /* {"DSK-7": {"slot_retained": 1000000000, "severity": "SEV2"?, "enabled": true?}} */
};

static const struct setting common[] = {
        {.name = "severity",
         .type = SETTING_CHOICE,
         .choices = "SEV1|SEV2|SEV3|SEV4",
         .words = "severity of a failing finding, instead of the catalogue's"},
        {.name = "enabled", .type = SETTING_BOOLEAN, .words = "false: the control is skipped"},
        {.type = SETTING_END},
};

const struct setting *
policy_common(void)
{
        return common;
}

static const struct setting *
setting_find(const struct setting *table, const char *name)
{
        for (; table != NULL && table->type != SETTING_END; table++) {
                if (strcmp(table->name, name) == 0)
                        return table;
        }
        return NULL;
}

const struct setting *
policy_setting(const char *control, const char *name)
{
        const struct control *row = control_find(control);
        const struct setting *found = row != NULL ? setting_find(row->settings, name) : NULL;

        return found != NULL ? found : setting_find(common, name);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static struct policy *
policy_new(json_t *stolen, struct error *err)
{
        struct policy *policy = stolen != NULL ? calloc(1, sizeof *policy) : NULL;

        if (policy == NULL) {
                json_decref(stolen);
                error_memory(err, "policy");
                return NULL;
        }
        policy->values = stolen;
        return policy;
}

struct policy *
policy_default(struct error *err)
{
        json_t *values = json_object();

        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *control = playbooks[i]->controls; control->id != NULL; control++) {
                        if (json_put(values, control->id, settings_defaults(control->settings)) != 0) {
                                json_decref(values);
                                values = NULL;
                                break;
                        }
                }
        }
        return policy_new(values, err);
}

void
policy_free(struct policy *policy)
{
        if (policy == NULL)
                return;
        json_decref(policy->values);
        free(policy);
}

json_t *
policy_check(struct settings_check *check, yaml_node_t *node, const char *what)
{
        json_t *out = json_object();

        if (node->type != YAML_MAPPING_NODE) {
                problems_at(check->problems, node, "%s must be a mapping of control ids", what);
                return out;
        }
        for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
             pair++) {
                yaml_node_t *key = yaml_item(check->text, pair->key), *value = yaml_item(check->text, pair->value);
                const char *id = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "";
                const struct control *control = control_find(id);
                char place[200];
                if (control == NULL) {
                        problems_at(check->problems, key, "%s: there is no control \"%.60s\" (rounds list controls)",
                                    what, id);
                        continue;
                }
                snprintf(place, sizeof place, "%s: %s", what, id);
                if (json_object_get(out, id) != NULL)
                        problems_at(check->problems, key, "%s stands here a second time", place);
                json_put(out, id, settings_check_overrides(check, value, control->settings, common, place));
        }
        return out;
}

int
policy_overlay_checked(const struct policy *base, const json_t *checked, struct policy **out, struct error *err)
{
        const char *id;
        json_t *values;
        json_t *copy = json_deep_copy(base->values);

        json_object_foreach((json_t *)checked, id, values)
        {
                json_t *own = json_object_get(copy, id);
                if (own != NULL && json_object_update(own, values) != 0) {
                        json_decref(copy);
                        return error_memory(err, "policy");
                }
        }
        *out = policy_new(copy, err);
        return *out != NULL ? 0 : -1;
}

int
policy_overlay(const struct policy *base, const json_t *overrides, struct policy **out, struct error *err)
{
        struct problems problems = {.file = "policy"};
        scoped_string text = json_dumps(overrides != NULL && !json_is_null(overrides) ? overrides : NULL,
                                        JSON_ENCODE_ANY);
        const char *source = text != NULL ? text : "{}";
        struct yaml_text *yaml = yaml_open(source, strlen(source), &problems); /* JSON is YAML */
        int result = -1;

        if (yaml != NULL) {
                struct settings_check check = {.text = yaml, .problems = &problems};
                scoped_json checked = policy_check(&check, yaml_root(yaml), "policy");
                if (problems.count == 0)
                        result = policy_overlay_checked(base, checked, out, err);
        }
        if (problems.count > 0)
                error_set(err, REASON_CONFIGURATION, "%s", problems.rows[0].text);
        yaml_close(yaml);
        problems_free(&problems);
        return result;
}

json_t *
policy_json(const struct policy *policy)
{
        return json_deep_copy(policy->values);
}

struct policy *
policy_from_json(const json_t *stored, struct error *err)
{
        struct policy *policy = policy_default(err);
        const char *id, *name;
        json_t *values, *value, *own;

        if (policy == NULL)
                return NULL;
        json_object_foreach((json_t *)stored, id, values)
        {
                own = json_object_get(policy->values, id);
                json_object_foreach(values, name, value)
                {
                        if (own != NULL && policy_setting(id, name) != NULL)
                                json_object_set(own, name, value);
                }
        }
        return policy;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* A judge that asks for what is not declared would judge by nothing at all. */
static const json_t *
value_of(const struct policy *policy, const char *control, const char *setting)
{
        if (policy_setting(control, setting) == NULL) {
                fprintf(stderr, "rounds: no policy setting %s %s is declared\n", control, setting);
                abort();
        }
        return json_object_get(json_object_get(policy->values, control), setting);
}

double
policy_number(const struct policy *policy, const char *control, const char *setting)
{
        return json_number_value(value_of(policy, control, setting));
}

int64_t
policy_whole(const struct policy *policy, const char *control, const char *setting)
{
        const json_t *value = value_of(policy, control, setting);

        return json_is_integer(value) ? json_integer_value(value) : (int64_t)json_number_value(value);
}

bool
policy_flag(const struct policy *policy, const char *control, const char *setting)
{
        return json_is_true(value_of(policy, control, setting));
}

const char *
policy_text(const struct policy *policy, const char *control, const char *setting)
{
        const char *text = json_string_value(value_of(policy, control, setting));

        return text != NULL ? text : "";
}

const json_t *
policy_value(const struct policy *policy, const char *control, const char *setting)
{
        return value_of(policy, control, setting);
}

enum severity
policy_severity(const struct policy *policy, const char *control, bool past_bound)
{
        const struct control *row = control_find(control);
        enum severity set = severity_from_name(policy_text(policy, control, "severity"));

        if (row == NULL || set != SEV_NONE)
                return set != SEV_NONE ? set : SEV3;
        return past_bound && row->severity_past != SEV_NONE ? row->severity_past : row->severity;
}

bool
policy_enabled(const struct policy *policy, const char *control)
{
        const json_t *value = json_object_get(json_object_get(policy->values, control), "enabled");

        return !json_is_false(value);
}

/* rounds.yaml: the whole file checked, every mistake told at once. */

#include "config.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "cadence.h"
#include "custom.h"
#include "json.h"
#include "policy_check.h"
#include "scope.h"
#include "zone.h"

/* What the configuration owns besides its struct. */
struct config_memory {
        char *path, *directory, *store;
        json_t *tree;
        struct target *rows;
        bool *flawed; /* one a target: its table of settings has refused something */
        const struct target **targets;
        struct policy **policies; /* one a target; NULL: the common one */
        const struct policy **views;
        struct policy *policy;
        struct job *jobs;
        const char **lists[512]; /* the jobs' NULL-terminated arrays of names */
        size_t list_count;
};

struct loader {
        struct settings_check check;
        struct config *config;
        struct config_memory *memory;
};

static const char *
scalar(const yaml_node_t *node)
{
        return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* --- targets ------------------------------------------------------------------------------------------------------ */

static const struct target_kind *
kind_of(struct loader *loader, yaml_node_t *node)
{
        const char *names[64] = {NULL}, *close;
        yaml_node_t *kind = settings_find(&loader->check, node, "kind");
        const char *name = scalar(kind);

        if (name == NULL)
                return NULL; /* "lacks kind" is told with the rest */
        const struct target_kind *found = target_kind_find(name);
        if (found != NULL)
                return found;
        for (size_t i = 0; target_kinds[i] != NULL && i < 63; i++)
                names[i] = target_kinds[i]->name;
        close = settings_closest(name, names);
        problems_at(loader->check.problems, kind, "there is no kind of target \"%.60s\"%s%s%s", name,
                    close != NULL ? ": did you mean \"" : "", close != NULL ? close : " (rounds list kinds)",
                    close != NULL ? "\"?" : "");
        return NULL;
}

/* Passwords do not stand in configuration files: neither as password=..., nor as user:password@ of a URL. */
static bool
holds_password(const char *dsn)
{
        const char *scheme = strstr(dsn, "://"), *at = scheme != NULL ? strchr(scheme, '@') : NULL;
        const char *colon = scheme != NULL ? strchr(scheme + 3, ':') : NULL;

        for (const char *word = dsn; (word = strcasestr(word, "password")) != NULL; word += 8) {
                if (word[8 + strspn(word + 8, " ")] == '=')
                        return true;
        }
        return at != NULL && colon != NULL && colon < at;
}

static const char *const target_further[] = {"policy", NULL};

static void
target_read(struct loader *loader, yaml_node_t *node, size_t index)
{
        struct config_memory *memory = loader->memory;
        const struct setting *common = config_target_settings();
        char what[200];
        const char *name = scalar(settings_find(&loader->check, node, "name"));

        snprintf(what, sizeof what, name != NULL ? "target %.100s" : "target", name);
        if (node->type != YAML_MAPPING_NODE) {
                problems_at(loader->check.problems, node, "a target must be a mapping");
                return;
        }
        const struct target_kind *kind = kind_of(loader, node);
        struct setting all[256];
        size_t count = 0;
        for (const struct setting *s = common; s->type != SETTING_END; s++)
                all[count++] = *s;
        for (const struct setting *s = kind != NULL ? kind->settings : NULL;
             s != NULL && s->type != SETTING_END && count < 255; s++)
                all[count++] = *s;
        all[count] = (struct setting){.type = SETTING_END};
        /* Without its kind, a target's own settings cannot be told from mistakes. */
        json_t *checked = kind != NULL || name == NULL
                                  ? settings_check_map(&loader->check, node, all, what, target_further)
                                  : json_object();
        json_array_append_new(json_object_get(memory->tree, "targets"), checked);
        if (name != NULL && name[0] == '\0')
                problems_at(loader->check.problems, node, "a target needs a name that is not empty");
        for (size_t i = 0; name != NULL && i < index; i++) {
                if (memory->rows[i].name != NULL && strcmp(memory->rows[i].name, name) == 0)
                        problems_at(loader->check.problems, node, "%s: there is another target of that name", what);
        }
        yaml_node_t *dsn = settings_find(&loader->check, node, "dsn");
        if (scalar(dsn) != NULL && holds_password(scalar(dsn)))
                problems_at(loader->check.problems, dsn,
                            "%s: dsn holds a password: keep it in password_file or password_env", what);
        memory->rows[index] = (struct target){.name = json_text(checked, "name", ""),
                                              .kind = kind,
                                              .owner = json_text(checked, "owner", ""),
                                              .settings = checked};
        memory->targets[index] = &memory->rows[index];
        yaml_node_t *policy = settings_find(&loader->check, node, "policy");
        if (policy != NULL) {
                char place[220];
                snprintf(place, sizeof place, "%s: policy", what);
                json_put(checked, "policy", policy_check(&loader->check, policy, place));
        }
}

/* `custom` at the top level: one target of that name and kind, whose rules it holds. */
static void
custom_read(struct loader *loader, yaml_node_t *node, size_t index)
{
        struct config_memory *memory = loader->memory;
        const struct target_kind *kind = target_kind_find("custom");
        json_t *checked = settings_defaults(config_target_settings());
        size_t before = loader->check.problems->count;

        json_put_text(checked, "name", "custom");
        json_put_text(checked, "kind", "custom");
        json_t *rules = settings_check_value(&loader->check, node, &kind->settings[0], "custom");
        json_put(checked, kind->settings[0].name, rules != NULL ? rules : json_array());
        json_array_append_new(json_object_get(memory->tree, "targets"), checked);
        for (size_t i = 0; i < index; i++) {
                if (memory->rows[i].name != NULL && strcmp(memory->rows[i].name, "custom") == 0)
                        problems_at(loader->check.problems, node,
                                    "custom: there is a target of that name: write its rules under its `controls`");
        }
        memory->rows[index] = (struct target){.name = json_text(checked, "name", ""),
                                              .kind = kind,
                                              .owner = json_text(checked, "owner", ""),
                                              .settings = checked};
        memory->targets[index] = &memory->rows[index];
        memory->flawed[index] = loader->check.problems->count > before;
}

static void
targets_read(struct loader *loader, yaml_node_t *node, yaml_node_t *custom)
{
        struct config_memory *memory = loader->memory;
        size_t count = 0;

        json_put(memory->tree, "targets", json_array());
        if (node != NULL && node->type == YAML_SEQUENCE_NODE)
                count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
        else if (node != NULL)
                problems_at(loader->check.problems, node, "targets must be a list");
        memory->rows = calloc(count + 2, sizeof *memory->rows);
        memory->flawed = calloc(count + 2, sizeof *memory->flawed);
        memory->targets = calloc(count + 2, sizeof *memory->targets);
        memory->policies = calloc(count + 2, sizeof *memory->policies);
        memory->views = calloc(count + 2, sizeof *memory->views);
        if (memory->rows == NULL || memory->flawed == NULL || memory->targets == NULL || memory->policies == NULL ||
            memory->views == NULL) {
                problems_add(loader->check.problems, 1, 1, "out of memory");
                return;
        }
        for (size_t i = 0; i < count; i++) {
                size_t before = loader->check.problems->count;
                target_read(loader, yaml_item(loader->check.text, node->data.sequence.items.start[i]), i);
                memory->flawed[i] = loader->check.problems->count > before;
        }
        if (custom != NULL)
                custom_read(loader, custom, count);
        loader->config->target_count = count + (custom != NULL);
}

/* --- mistakes that tables cannot tell ----------------------------------------------------------------------------- */

struct reviewer {
        struct loader *loader;
        yaml_node_t *node;  /* the target's */
        yaml_node_t *items; /* of the target `custom`: its rules themselves */
        const char *name;
};

static void
mistake_tell(void *context, const char *list, size_t index, const char *text)
{
        const struct reviewer *reviewer = context;
        yaml_node_t *items = list != NULL ? settings_find(&reviewer->loader->check, reviewer->node, list) : NULL;

        items = reviewer->items != NULL ? reviewer->items : items;
        const yaml_node_t *node = reviewer->node;

        if (items != NULL && items->type == YAML_SEQUENCE_NODE &&
            index < (size_t)(items->data.sequence.items.top - items->data.sequence.items.start))
                node = yaml_item(reviewer->loader->check.text, items->data.sequence.items.start[index]);
        if (list != NULL)
                problems_at(reviewer->loader->check.problems, node, "target %.100s: %s[%zu]: %s", reviewer->name, list,
                            index, text);
        else
                problems_at(reviewer->loader->check.problems, node, "target %.100s: %s", reviewer->name, text);
}

/* A target whose table has refused something is not reviewed: what was refused is not there. */
static void
targets_review(struct loader *loader, yaml_node_t *node, yaml_node_t *custom)
{
        const struct config_memory *memory = loader->memory;

        for (size_t i = 0; i < loader->config->target_count; i++) {
                const struct target *target = &memory->rows[i];
                bool listed = custom == NULL || i + 1 < loader->config->target_count;
                struct reviewer reviewer = {
                        .loader = loader,
                        .node = listed ? yaml_item(loader->check.text, node->data.sequence.items.start[i]) : custom,
                        .items = listed ? NULL : custom,
                        .name = target->name};
                if (!memory->flawed[i] && target->kind != NULL && target->kind->review != NULL)
                        target->kind->review(target, memory->targets, mistake_tell, &reviewer);
        }
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

/* "all", of audits a cadence, or a list of names: an array of borrowed strings, NULL for all. */
static const char *const *
names_read(struct loader *loader, yaml_node_t *job, const char *key, json_t *out, bool audit_names)
{
        const struct setting list = {.name = key, .type = SETTING_LIST, .item = SETTING_TEXT};
        yaml_node_t *node = settings_find(&loader->check, job, key);
        struct config_memory *memory = loader->memory;
        char why[100];

        if (node == NULL || (scalar(node) != NULL && strcmp(scalar(node), "all") == 0))
                return NULL;
        json_t *names = audit_names ? cadence_audits(scalar(node)) : NULL;
        bool listed = node->type == YAML_SEQUENCE_NODE;
        if (names == NULL && !listed) {
                problems_at(loader->check.problems, node, "%s must be all%s, or a list", key,
                            audit_names ? ", nightly, weekly, monthly" : "");
                return NULL;
        }
        snprintf(why, sizeof why, "%s", key);
        if (names == NULL)
                names = settings_check_value(&loader->check, node, &list, why);
        json_put(out, key, names);
        for (size_t i = 0;
             audit_names && listed && i < (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
             i++) {
                yaml_node_t *item = yaml_item(loader->check.text, node->data.sequence.items.start[i]);
                const char *known[256] = {NULL};
                for (size_t j = 0; audits[j] != NULL && j < 255; j++)
                        known[j] = audits[j]->name;
                if (scalar(item) == NULL || audit_find(scalar(item)) != NULL)
                        continue;
                const char *close = settings_closest(scalar(item), known);
                problems_at(loader->check.problems, item, "there is no audit \"%.60s\"%s%s%s", scalar(item),
                            close != NULL ? ": did you mean \"" : "", close != NULL ? close : " (rounds list audits)",
                            close != NULL ? "\"?" : "");
        }
        size_t count = json_array_size(names), i;
        json_t *name;
        const char **array = memory->list_count < 512 ? calloc(count + 1, sizeof *array) : NULL;
        if (array == NULL)
                return NULL;
        json_array_foreach(names, i, name) array[i] = json_string_value(name);
        memory->lists[memory->list_count++] = array;
        return array;
}

static const char *const job_further[] = {"audits", "targets", NULL};

static void
job_read(struct loader *loader, const char *name, yaml_node_t *node, json_t *all, struct job *job)
{
        const json_t *tree = loader->memory->tree;
        char what[120];

        snprintf(what, sizeof what, "job %.100s", name);
        json_t *checked = settings_check_map(&loader->check, node, config_job_settings(), what, job_further);
        json_put(all, name, checked);
        /* The key in the tree outlives the YAML text. */
        job->name = json_object_iter_key(json_object_iter_at(all, name));
        job->audits = names_read(loader, node, "audits", checked, true);
        job->targets = names_read(loader, node, "targets", checked, false);
        job->report = json_object_get(checked, "report");
        job->fail_on = json_text(checked, "fail_on", json_text(tree, "fail_on", "SEV3"));
        job->min_coverage = json_real_or(checked, "min_coverage", json_real_or(tree, "min_coverage", 100));
        job->timeout_ms = json_whole(checked, "timeout", 1800000);
        if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] != '\0' ||
            *name == '\0')
                problems_at(loader->check.problems, node, "%s: a job's name holds letters, digits, - and _ only", what);
}

static void
jobs_read(struct loader *loader, yaml_node_t *node)
{
        struct config_memory *memory = loader->memory;
        json_t *all = json_object();

        json_put(memory->tree, "jobs", all);
        if (node == NULL)
                return;
        if (node->type != YAML_MAPPING_NODE) {
                problems_at(loader->check.problems, node, "jobs must be a mapping of names");
                return;
        }
        size_t count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
        memory->jobs = calloc(count + 1, sizeof *memory->jobs);
        for (size_t i = 0; memory->jobs != NULL && i < count; i++) {
                const yaml_node_pair_t *pair = &node->data.mapping.pairs.start[i];
                yaml_node_t *key = yaml_item(loader->check.text, pair->key);
                if (scalar(key) == NULL || json_object_get(all, scalar(key)) != NULL)
                        problems_at(loader->check.problems, key,
                                    scalar(key) == NULL ? "a job's name must be a text"
                                                        : "this job stands here a second time");
                else
                        job_read(loader, scalar(key), yaml_item(loader->check.text, pair->value), all,
                                 &memory->jobs[loader->config->job_count++]);
        }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

/* What other files of the engine check: sources that several controls share. */
static const char *const further[] = {"targets", "custom", "policy", "jobs", NULL};

static void
policies_make(struct loader *loader, yaml_node_t *node)
{
        struct config_memory *memory = loader->memory;
        struct error err = {0};
        struct policy *shipped = policy_default(&err);
        json_t *overrides = node != NULL ? policy_check(&loader->check, node, "policy") : json_object();

        json_put(memory->tree, "policy", overrides);
        if (shipped == NULL || policy_overlay_checked(shipped, overrides, &memory->policy, &err) != 0)
                problems_add(loader->check.problems, 1, 1, "%s", err.text);
        policy_free(shipped);
        for (size_t i = 0; memory->policy != NULL && i < loader->config->target_count; i++) {
                const json_t *own = json_object_get(memory->rows[i].settings, "policy");
                if (own != NULL && policy_overlay_checked(memory->policy, own, &memory->policies[i], &err) != 0)
                        problems_add(loader->check.problems, 1, 1, "%s", err.text);
                memory->views[i] = memory->policies[i] != NULL ? memory->policies[i] : memory->policy;
        }
}

static void
places_check(struct loader *loader, yaml_node_t *root)
{
        struct config *config = loader->config;
        struct error err = {0};
        struct zone *zone = NULL;
        const char *store = json_text(loader->memory->tree, "store", "");

        if (zone_open(config->timezone, &zone, &err) != 0) {
                yaml_node_t *node = settings_find(&loader->check, root, "timezone");
                problems_at(loader->check.problems, node != NULL ? node : root, "timezone: %s", err.text);
        }
        zone_close(zone);
        if (strncmp(store, "sqlite:", 7) != 0 || store[7] == '\0') {
                yaml_node_t *node = settings_find(&loader->check, root, "store");
                problems_at(loader->check.problems, node != NULL ? node : root, "store must be sqlite:PATH");
                return;
        }
        const char *directory = store[7] == '/' ? "" : loader->memory->directory;
        if (asprintf(&loader->memory->store, "sqlite:%s%s%s", directory, *directory != '\0' ? "/" : "", store + 7) < 0)
                loader->memory->store = NULL;
}

static void
config_fill(struct config *config, struct config_memory *memory)
{
        const json_t *tree = memory->tree, *retention = json_map(tree, "retention");

        config->organisation = json_text(tree, "organisation", "");
        config->timezone = json_text(tree, "timezone", "UTC");
        config->templates = json_text(tree, "templates", NULL);
        config->waivers = json_text(tree, "waivers", NULL);
        config->concurrency = (unsigned)json_whole(tree, "concurrency", 8);
        config->retention = (struct retention){.facts_ms = json_whole(retention, "facts", 0),
                                               .findings_ms = json_whole(retention, "findings", 0),
                                               .samples_ms = json_whole(retention, "samples", 0)};
        config->owners = json_list(tree, "owners");
        config->tree = tree;
}

static char *
folder_of(const char *path)
{
        const char *slash = strrchr(path, '/');
        scoped_string folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));

        return folder != NULL ? realpath(folder, NULL) : NULL;
}

static void
config_read(struct loader *loader)
{
        struct config *config = loader->config;
        struct config_memory *memory = loader->memory;
        yaml_node_t *root = yaml_root(loader->check.text);

        memory->tree = settings_check_map(&loader->check, root, config_settings(), "the configuration", further);
        if (root->type != YAML_MAPPING_NODE)
                return;
        config_fill(config, memory);
        yaml_node_t *targets = settings_find(&loader->check, root, "targets");
        yaml_node_t *custom = settings_find(&loader->check, root, "custom");
        targets_read(loader, targets, custom);
        targets_review(loader, targets, custom);
        policies_make(loader, settings_find(&loader->check, root, "policy"));
        jobs_read(loader, settings_find(&loader->check, root, "jobs"));
        places_check(loader, root);
        config->store = memory->store;
        config->targets = memory->targets;
        config->policies = memory->views;
        config->policy = memory->policy;
        config->jobs = memory->jobs;
}

struct config *
config_open(const char *path, struct problems *problems)
{
        struct config *config = calloc(1, sizeof *config);
        struct config_memory *memory = calloc(1, sizeof *memory);
        size_t before = problems->count;

        if (config == NULL || memory == NULL) {
                free(config);
                free(memory);
                problems_add(problems, 0, 0, "out of memory");
                return NULL;
        }
        config->memory = memory;
        memory->path = strdup(path);
        memory->directory = folder_of(path);
        config->path = memory->path;
        struct yaml_text *text = yaml_open_file(path, problems);
        if (text != NULL) {
                struct loader loader = {.check = {.text = text, .problems = problems, .directory = memory->directory},
                                        .config = config,
                                        .memory = memory};
                config_read(&loader);
                yaml_close(text);
        }
        if (problems->count == before)
                return config;
        config_close(config);
        return NULL;
}

void
config_close(struct config *config)
{
        if (config == NULL)
                return;
        struct config_memory *memory = config->memory;
        for (size_t i = 0; memory->policies != NULL && i < config->target_count; i++)
                policy_free(memory->policies[i]);
        for (size_t i = 0; i < memory->list_count; i++)
                free(memory->lists[i]);
        policy_free(memory->policy);
        json_decref(memory->tree);
        free(memory->path);
        free(memory->directory);
        free(memory->store);
        free(memory->rows);
        free(memory->flawed);
        free(memory->targets);
        free(memory->policies);
        free(memory->views);
        free(memory->jobs);
        free(memory);
        free(config);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

const struct job *
config_job(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->job_count; i++) {
                if (strcmp(config->jobs[i].name, name) == 0)
                        return &config->jobs[i];
        }
        return NULL;
}

const struct policy *
config_policy(const struct config *config, const struct target *target)
{
        for (size_t i = 0; i < config->target_count; i++) {
                if (config->targets[i] == target)
                        return config->policies[i];
        }
        return config->policy;
}

const char *
config_owner(const struct config *config, const char *target, const struct resource *resource)
{
        const char *space = resource->namespace_ != NULL ? resource->namespace_ : "";
        const char *name = resource->name != NULL ? resource->name : "";
        scoped_string place = NULL;
        size_t i;
        json_t *rule;

        if (json_array_size(config->owners) == 0 || asprintf(&place, "%s/%s", space, name) < 0) {
                place = NULL;
                return NULL;
        }
        json_array_foreach((json_t *)config->owners, i, rule)
        {
                const char *glob = json_text(rule, "match", "");
                if ((target != NULL && fnmatch(glob, target, 0) == 0) ||
                    (*name != '\0' && fnmatch(glob, name, 0) == 0) || (*space != '\0' && fnmatch(glob, place, 0) == 0))
                        return json_text(rule, "owner", NULL);
        }
        return NULL;
}

const json_t *
config_rule(const struct config *config, const char *control)
{
        const json_t *rule = NULL;

        for (size_t i = 0; rule == NULL && i < config->target_count; i++) {
                if (strcmp(config->targets[i]->kind->name, "custom") == 0)
                        rule = json_find(target_value(config->targets[i], "controls"), "id", control);
        }
        return rule;
}

json_t *
config_record(const struct config *config)
{
        scoped_json record = json_object();
        json_t *list = json_array(), *policies = json_object();

        if (json_put(record, "targets", list) != 0 || json_put(record, "policies", policies) != 0 ||
            json_put(record, "policy", policy_json(config->policy)) != 0 ||
            json_put_text(record, "organisation", config->organisation) != 0 ||
            json_put_text(record, "timezone", config->timezone) != 0)
                return NULL;
        for (size_t i = 0; i < config->target_count; i++) {
                const struct target *target = config->targets[i];
                json_t *row = json_push(list, json_object());
                if (row == NULL || json_put_text(row, "name", target->name) != 0 ||
                    json_put_text(row, "kind", target->kind->name) != 0 ||
                    json_put_text(row, "owner", target->owner) != 0)
                        return NULL;
                if (config->policies[i] != config->policy &&
                    json_put(policies, target->name, policy_json(config->policies[i])) != 0)
                        return NULL;
        }
        return scope_keep(record);
}

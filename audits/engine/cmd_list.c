/* rounds list: what there is. */

#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "buffer.h"
#include "catalogue.h"
#include "cluster_role.h"
#include "columns.h"
#include "invocation.h"
#include "json.h"
#include "moment.h"
#include "policy_check.h"
#include "scope.h"
#include "settings_check.h"
#include "store.h"
#include "waiver.h"

typedef int (*lister)(const struct invocation *invocation, json_t *rows);

static void
join(char *text, size_t size, const char *const *words)
{
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; words[i] != NULL && used < size; i++)
                used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
}

/* The audits that answer for a control, "" when there is none. */
static void
audits_of(const char *control, char *text, size_t size)
{
        const char *names[32] = {NULL};
        size_t count = 0;

        for (size_t i = 0; audits[i] != NULL; i++) {
                for (size_t j = 0; j < 12 && audits[i]->controls[j] != NULL && count < 31; j++) {
                        if (strcmp(audits[i]->controls[j], control) == 0)
                                names[count++] = audits[i]->name;
                }
        }
        join(text, size, names);
}

/* Controls of the user's own come after the catalogue's, as in reports. */
static void
own_controls_push(const struct config *config, json_t *rows)
{
        size_t r;
        json_t *rule;

        for (size_t i = 0; i < config->target_count; i++) {
                if (strcmp(config->targets[i]->kind->name, "custom") != 0)
                        continue;
                json_array_foreach((json_t *)target_value(config->targets[i], "controls"), r, rule)
                        json_push(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", json_text(rule, "id", ""),
                                                  "severity", json_text(rule, "severity", ""), "job", "", "audits",
                                                  "custom", "title", json_text(rule, "title", "")));
        }
}

static int
list_controls(const struct invocation *invocation, json_t *rows)
{
        char names[300], job[4];
        struct config *config = invocation->config_found ? invocation_config(invocation) : NULL;

        if (invocation->config_found && config == NULL)
                return EXIT_USAGE;
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *c = playbooks[i]->controls; c->id != NULL; c++) {
                        audits_of(c->id, names, sizeof names);
                        snprintf(job, sizeof job, "%s%s%s", c->cadence & JOB_NIGHTLY ? "N" : "",
                                 c->cadence & JOB_WEEKLY ? "W" : "", c->cadence & JOB_MONTHLY ? "M" : "");
                        json_push(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", c->id, "severity",
                                                  severity_name(c->severity), "job", job, "audits", names, "title",
                                                  c->title));
                }
        }
        if (config != NULL)
                own_controls_push(config, rows);
        config_close(config);
        return EXIT_ASSESSED;
}

static int
list_audits(const struct invocation *invocation, json_t *rows)
{
        char kinds[200], controls[200];

        (void)invocation;
        for (size_t i = 0; audits[i] != NULL; i++) {
                join(kinds, sizeof kinds, audits[i]->looks_at);
                join(controls, sizeof controls, audits[i]->controls);
                json_push(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "audit", audits[i]->name, "looks at",
                                          *kinds != '\0' ? kinds : "(other audits)", "controls", controls, "needs",
                                          audits[i]->needs != NULL ? audits[i]->needs : "a connection", "summary",
                                          audits[i]->summary));
        }
        return EXIT_ASSESSED;
}

static int
list_kinds(const struct invocation *invocation, json_t *rows)
{
        (void)invocation;
        for (size_t i = 0; target_kinds[i] != NULL; i++)
                json_push(rows, json_pack("{s:s, s:s}", "kind", target_kinds[i]->name, "is", target_kinds[i]->words));
        return EXIT_ASSESSED;
}

static void
settings_push(json_t *rows, const char *where, const struct setting *table, const char *prefix)
{
        for (; table != NULL && table->type != SETTING_END; table++) {
                char name[200], takes[300];
                snprintf(name, sizeof name, "%s%s%s", prefix, table->name,
                         table->type == SETTING_SECRET ? "_file / _env" : "");
                settings_type_words(table, takes, sizeof takes);
                json_push(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "where", where, "setting", name, "default",
                                          table->fallback != NULL ? table->fallback
                                          : table->required       ? "(required)"
                                                                  : "",
                                          "takes", takes, "words", table->words));
                snprintf(name, sizeof name, "%s%s%s.", prefix, table->name, table->type == SETTING_OBJECT ? "" : "[]");
                if (table->fields != NULL)
                        settings_push(rows, where, table->fields, name);
        }
}

/* What a job has beside the settings of its table: words or lists. */
static const struct {
        const char *name, *takes, *words;
} job_lists[] = {
        {"audits", "all, nightly, weekly, monthly, or a list",
         "audits to call for; a cadence stands for those whose controls ship so often, and what ships more often"},
        {"targets", "all, or a list of patterns", "targets to look at"},
};

static int
list_settings(const struct invocation *invocation, json_t *rows)
{
        char where[80];

        (void)invocation;
        settings_push(rows, "top level", config_settings(), "");
        settings_push(rows, "custom", target_kind_find("custom")->settings->fields, "custom[].");
        for (size_t i = 0; i < sizeof job_lists / sizeof job_lists[0]; i++)
                json_push(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "where", "jobs", "setting", job_lists[i].name,
                                          "default", "all", "takes", job_lists[i].takes, "words", job_lists[i].words));
        settings_push(rows, "jobs", config_job_settings(), "");
        settings_push(rows, "every target", config_target_settings(), "");
        for (size_t i = 0; target_kinds[i] != NULL; i++) {
                snprintf(where, sizeof where, "kind %s", target_kinds[i]->name);
                settings_push(rows, where, target_kinds[i]->settings, "");
        }
        settings_push(rows, "policy, every control", policy_common(), "");
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *c = playbooks[i]->controls; c->id != NULL; c++) {
                        snprintf(where, sizeof where, "policy %s", c->id);
                        settings_push(rows, where, c->settings, "");
                }
        }
        return EXIT_ASSESSED;
}

static int
list_targets(const struct invocation *invocation, json_t *rows)
{
        struct config *config = invocation_config(invocation);

        if (config == NULL)
                return EXIT_USAGE;
        for (size_t i = 0; i < config->target_count; i++) {
                const char *names[64] = {NULL};
                char text[600];
                size_t count = 0;
                for (size_t j = 0; audits[j] != NULL && count < 63; j++) {
                        for (size_t k = 0; k < 8 && audits[j]->looks_at[k] != NULL; k++) {
                                if (strcmp(audits[j]->looks_at[k], config->targets[i]->kind->name) == 0)
                                        names[count++] = audits[j]->name;
                        }
                }
                join(text, sizeof text, names);
                json_push(rows, json_pack("{s:s, s:s, s:s, s:s}", "target", config->targets[i]->name, "kind",
                                          config->targets[i]->kind->name, "owner", config->targets[i]->owner, "audits",
                                          text));
        }
        config_close(config);
        return EXIT_ASSESSED;
}

static int
list_runs(const struct invocation *invocation, json_t *rows)
{
        static const char *const states[] = {"running", "finished", "interrupted", "died"};
        struct config *config = invocation_config(invocation);
        struct store *store = NULL;
        struct error err = {0};
        scoped_json runs = NULL;
        size_t i;
        json_t *run;

        if (config == NULL)
                return EXIT_USAGE;
        int failed = store_open(config->store, true, &store, &err) != 0 ||
                     store_run_list(store, NULL, 100, &runs, &err) != 0;
        json_array_foreach(runs, i, run)
        {
                char started[MOMENT_TEXT], took[DURATION_TEXT] = "";
                int64_t begun = json_whole(run, "started_ms", 0), ended = json_whole(run, "finished_ms", 0);
                moment_format(begun, started);
                if (ended > 0)
                        duration_format(ended - begun, took);
                int64_t state = json_whole(run, "state", -1);
                const char *shown = json_text(run, "state", state >= 0 && state < 4 ? states[state] : "");
                json_push(rows, json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "run", json_whole(run, "id", 0), "job",
                                          json_text(run, "job", ""), "started", started, "took", took, "state", shown,
                                          "host", json_text(run, "host", "")));
        }
        store_close(store);
        config_close(config);
        return failed ? invocation_fail(EXIT_STORE, &err) : EXIT_ASSESSED;
}

static int
list_waivers(const struct invocation *invocation, json_t *rows)
{
        struct config *config = invocation_config(invocation);
        struct problems problems = {.file = config != NULL ? config->waivers : NULL};

        if (config == NULL)
                return EXIT_USAGE;
        struct waivers *waivers = waivers_open(config->waivers, config, &problems);
        for (size_t i = 0; i < problems.count; i++)
                fprintf(stderr, "%s:%zu:%zu: %s\n", problems.file, problems.rows[i].line, problems.rows[i].column,
                        problems.rows[i].text);
        int status = waivers == NULL ? EXIT_USAGE : EXIT_ASSESSED;
        if (waivers != NULL) {
                scoped_json list = waivers_json(waivers, moment_now());
                json_array_extend(rows, list);
        }
        waivers_close(waivers);
        problems_free(&problems);
        config_close(config);
        return status;
}

static const struct {
        const char *what;
        lister list;
        const char *keys[8];
} lists[] = {
        {"controls", list_controls, {"id", "severity", "job", "audits", "title"}},
        {"audits", list_audits, {"audit", "looks at", "controls", "summary", "needs"}},
        {"targets", list_targets, {"target", "kind", "owner", "audits"}},
        {"runs", list_runs, {"run", "job", "started", "took", "state", "host"}},
        {"waivers", list_waivers, {"id", "control", "target", "resource", "expires", "state", "approver", "reason"}},
        {"kinds", list_kinds, {"kind", "is"}},
        {"settings", list_settings, {"where", "setting", "default", "takes", "words"}},
};

static int
list_role(void)
{
        scoped_buffer role = BUFFER_INIT(1 << 20);
        struct error err = {0};

        if (cluster_role_write(&role, &err) != 0)
                return invocation_fail(EXIT_USAGE, &err);
        fputs(role.data, stdout);
        return EXIT_ASSESSED;
}

static int
list_run(const struct invocation *invocation)
{
        const char *names[16] = {NULL};
        size_t count = sizeof lists / sizeof lists[0];

        if (invocation_has(invocation, "rbac") && strcmp(invocation->arguments[0], "audits") != 0)
                return invocation_usage(invocation, "--rbac goes with audits");
        if (invocation_has(invocation, "rbac"))
                return list_role();
        for (size_t i = 0; i < count; i++) {
                names[i] = lists[i].what;
                if (strcmp(lists[i].what, invocation->arguments[0]) != 0)
                        continue;
                scoped_json rows = json_array();
                int status = lists[i].list(invocation, rows);
                const char *keys[9] = {NULL};
                memcpy(keys, lists[i].keys, sizeof lists[i].keys);
                if (status == EXIT_ASSESSED && invocation_has(invocation, "json")) {
                        json_dumpf(rows, stdout, JSON_INDENT(2));
                        putchar('\n');
                } else if (status == EXIT_ASSESSED) {
                        columns_print(rows, keys, stdout);
                }
                return status;
        }
        const char *close = settings_closest(invocation->arguments[0], names);
        return invocation_usage(invocation, "there is no list of \"%s\"%s%s%s", invocation->arguments[0],
                                close != NULL ? ": did you mean \"" : "", close != NULL ? close : "",
                                close != NULL ? "\"?" : "");
}

static const struct command_option options[] = {
        {"json", 0, NULL, "as a JSON array"},
        {"rbac", 0, NULL, "with audits: the ClusterRole that audits of a Kubernetes cluster need"},
        {0},
};

const struct command command_list = {
        .name = "list",
        .arguments = "controls|audits|targets|runs|waivers|kinds|settings",
        .summary = "list what there is",
        .details = "controls: the catalogue, with severity, job (N nightly, W weekly, M monthly) and audits, and "
                   "controls of your own.  "
                   "audits: what they look at, answer for and need.  kinds: of target.  settings: every setting of "
                   "rounds.yaml "
                   "with its default, policy among them.  targets, waivers: of the configuration.  runs: of the store.",
        .options = options,
        .least = 1,
        .most = 1,
        .run = list_run,
};

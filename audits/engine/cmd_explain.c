/* rounds explain: why a control matters, how to look by hand, how to mend, and what applies here. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "catalogue.h"
#include "custom.h"
#include "invocation.h"
#include "json.h"
#include "log.h"
#include "moment.h"
#include "policy_check.h"
#include "scope.h"
#include "templates.h"

/* A value as one would write it in rounds.yaml. */
static void
value_print(const struct setting *setting, const json_t *value)
{
        char text[80];

        if (value == NULL) {
                fputs("(unset)", stdout);
        } else if (setting->type == SETTING_DURATION) {
                duration_format(json_integer_value(value), text);
                fputs(text, stdout);
        } else if (setting->type == SETTING_SIZE) {
                size_format((double)json_integer_value(value), text);
                fputs(text, stdout);
        } else if (setting->type == SETTING_PERCENT) {
                printf("%g%%", json_number_value(value));
        } else if (json_is_string(value)) {
                fputs(json_string_value(value), stdout);
        } else if (setting->type == SETTING_LIST && setting->item == SETTING_DURATION) {
                for (size_t i = 0; i < json_array_size(value); i++) {
                        duration_format(json_integer_value(json_array_get(value, i)), text);
                        printf("%s%s", i > 0 ? ", " : "", text);
                }
        } else {
                scoped_string shown = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
                fputs(shown != NULL ? shown : "?", stdout);
        }
}

static void
policy_print(const struct control *control, const struct config *config, const struct policy *policy)
{
        const json_t *given = config != NULL ? json_at(config->tree, "policy", control->id, NULL) : NULL;

        if (control->settings == NULL)
                return;
        puts("\n## Policy in force here\n");
        for (const struct setting *s = control->settings; s->type != SETTING_END; s++) {
                printf("    %-20s ", s->name);
                value_print(s, policy_value(policy, control->id, s->name));
                printf("  (%s: %s)\n", json_object_get(given, s->name) != NULL ? config->path : "as shipped", s->words);
        }
        for (size_t i = 0; config != NULL && i < config->target_count; i++) {
                const json_t *own = json_at(config->targets[i]->settings, "policy", control->id, NULL);
                for (const struct setting *s = control->settings; own != NULL && s->type != SETTING_END; s++) {
                        if (json_object_get(own, s->name) == NULL)
                                continue;
                        printf("    %-20s ", s->name);
                        value_print(s, json_object_get(own, s->name));
                        printf("  (target %s)\n", config->targets[i]->name);
                }
        }
}

static int
control_explain(const struct control *control, const struct config *config, const struct policy *policy)
{
        scoped_string page = NULL;
        char name[64];
        size_t size;
        struct error err;

        snprintf(name, sizeof name, "controls/%s.md", control->id);
        if (template_read(config != NULL ? config->templates : NULL, name, &page, &size, &err) == 0)
                fputs(page, stdout);
        else
                printf("# %s %s\n", control->id, control->title);
        policy_print(control, config, policy);
        printf("\n## Audits\n\n");
        bool any = false;
        for (size_t i = 0; audits[i] != NULL; i++) {
                for (size_t j = 0; j < 12 && audits[i]->controls[j] != NULL; j++) {
                        if (strcmp(audits[i]->controls[j], control->id) != 0)
                                continue;
                        any = true;
                        printf("    %s: %s\n        needs %s\n", audits[i]->name, audits[i]->summary,
                               audits[i]->needs != NULL ? audits[i]->needs : "a connection");
                }
        }
        if (!any)
                puts("    none in this build");
        printf("\n## Severity and clauses\n\n    %s", severity_name(control->severity));
        if (control->severity_past != SEV_NONE)
                printf(", past the stated bound %s", severity_name(control->severity_past));
        for (size_t i = 0; i < 12 && control->frameworks[i] != NULL; i++)
                printf("%s%s", i == 0 ? "\n    " : ", ", control->frameworks[i]);
        putchar('\n');
        return EXIT_ASSESSED;
}

/* A control of the user's own: what its rule says. */
static int
rule_explain(const json_t *rule)
{
        const json_t *from = json_map(rule, "from");
        char expected[600];
        scoped_string source = json_dumps(from, JSON_SORT_KEYS);

        custom_expected(json_map(rule, "expect"), expected, sizeof expected);
        printf("# %s %s\n\n", json_text(rule, "id", ""), json_text(rule, "title", ""));
        if (json_text(rule, "text", NULL) != NULL)
                printf("## Why it matters\n\n%s\n\n", json_text(rule, "text", ""));
        if (json_text(rule, "remedy", NULL) != NULL)
                printf("## Mend\n\n%s\n\n", json_text(rule, "remedy", ""));
        printf("## How rounds judges\n\nThe value of %s is expected to be %s.  Without a value: %s.\n\n",
               source != NULL ? source : "?", expected, json_text(rule, "if_absent", "error"));
        printf("## Severity\n\n    %s, a control of your own\n", json_text(rule, "severity", ""));
        return EXIT_ASSESSED;
}

static const struct control *
control_closest(const char *word)
{
        char upper[32];

        snprintf(upper, sizeof upper, "%s", word);
        for (char *c = upper; *c != '\0'; c++)
                *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        return control_find(upper);
}

static int
explain_run(const struct invocation *invocation)
{
        struct error err = {0};
        bool all = invocation_has(invocation, "all");
        struct config *config = invocation->config_found ? invocation_config(invocation) : NULL;

        if (invocation->config_found && config == NULL)
                return EXIT_USAGE;
        struct policy *shipped = policy_default(&err);
        if (shipped == NULL)
                return invocation_fail(EXIT_USAGE, &err);
        const struct policy *policy = config != NULL ? config->policy : shipped;
        int status = EXIT_ASSESSED;
        if (!all && invocation->count == 0)
                status = invocation_usage(invocation, "name a control, or give --all");
        for (int i = 0; i < invocation->count; i++) {
                const struct control *control = control_closest(invocation->arguments[i]);
                if (i > 0)
                        putchar('\n');
                const json_t *rule = config != NULL ? config_rule(config, invocation->arguments[i]) : NULL;
                if (control != NULL)
                        control_explain(control, config, policy);
                else if (rule != NULL)
                        rule_explain(rule);
                else
                        status = invocation_usage(invocation, "there is no control \"%s\" (rounds list controls)",
                                                  invocation->arguments[i]);
        }
        for (size_t i = 0; all && playbooks[i] != NULL; i++) {
                for (const struct control *c = playbooks[i]->controls; c->id != NULL; c++) {
                        control_explain(c, config, policy);
                        putchar('\n');
                }
        }
        policy_free(shipped);
        config_close(config);
        return status;
}

static const struct command_option options[] = {
        {"all", 'a', NULL, "every control of the catalogue"},
        {0},
};

const struct command command_explain = {
        .name = "explain",
        .arguments = "CONTROL...",
        .summary = "say why a control matters, how to look by hand, how to mend it",
        .options = options,
        .most = -1,
        .run = explain_run,
};

/* The command table, and what every command shares: options, configuration, complaints. */

#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

extern const struct command command_attest;
extern const struct command command_check;
extern const struct command command_diff;
extern const struct command command_explain;
extern const struct command command_import;
extern const struct command command_init;
extern const struct command command_list;
extern const struct command command_rejudge;
extern const struct command command_report;
extern const struct command command_run_job;
extern const struct command command_status;
extern const struct command command_version;

const struct command *const commands[] = {
        &command_init,
        &command_check,
        &command_run_job,
        &command_report,
        &command_diff,
        &command_rejudge,
        &command_import,
        &command_list,
        &command_explain,
        &command_attest,
        &command_status,
        &command_version,
        NULL,
};

const struct command *
command_find(const char *name)
{
        for (size_t i = 0; commands[i] != NULL; i++) {
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
        }
        return NULL;
}

static const struct command_option common[] = {
        {"config", 'c', "FILE", "configuration (default: $ROUNDS_CONFIG, ./rounds.yaml, /etc/rounds/rounds.yaml)"},
        {"color", 0, "WHEN", "auto, always or never (NO_COLOR counts as never)"},
        {"quiet", 'q', NULL, "say nothing but errors"},
        {"verbose", 'v', NULL, "say more on standard error"},
        {"help", 'h', NULL, "this text"},
        {0},
};

const struct command_option *
command_common_options(void)
{
        return common;
}

const char *
invocation_value(const struct invocation *invocation, const char *name)
{
        const struct command_option *options = invocation->command->options;

        for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
                if (strcmp(options[i].name, name) == 0)
                        return invocation->values[i];
        }
        fprintf(stderr, "rounds: %s declares no option %s\n", invocation->command->name, name);
        abort();
}

bool
invocation_has(const struct invocation *invocation, const char *name)
{
        return invocation_value(invocation, name) != NULL;
}

struct config *
invocation_config(const struct invocation *invocation)
{
        struct problems problems = {.file = invocation->config_path};

        if (!invocation->config_found) {
                log_error("there is no configuration: %s (rounds init writes one, --config names one)",
                          invocation->config_path);
                return NULL;
        }
        struct config *config = config_open(invocation->config_path, &problems);
        for (size_t i = 0; i < problems.count; i++) {
                const struct problem *row = &problems.rows[i];
                if (row->line > 0)
                        fprintf(stderr, "%s:%zu:%zu: %s\n", problems.file, row->line, row->column,
                                row->text != NULL ? row->text : "out of memory");
                else
                        fprintf(stderr, "%s: %s\n", problems.file, row->text != NULL ? row->text : "out of memory");
        }
        if (problems.dropped > 0)
                fprintf(stderr, "%s: and %zu more\n", problems.file, problems.dropped);
        problems_free(&problems);
        return config;
}

int
invocation_fail(enum exit_status status, const struct error *err)
{
        log_error("%s", err->text);
        if (err->remedy[0] != '\0')
                fprintf(stderr, "        %s\n", err->remedy);
        return (int)status;
}

int
invocation_usage(const struct invocation *invocation, const char *format, ...)
{
        char text[500];
        va_list list;

        va_start(list, format);
        vsnprintf(text, sizeof text, format, list);
        va_end(list);
        log_error("%s: %s (rounds %s --help)", invocation->command->name, text, invocation->command->name);
        return EXIT_USAGE;
}

/* What every command shares: the options that were given, the configuration, complaints. */

#include "invocation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

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

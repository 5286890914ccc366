/* The commands: one line each, in the order of the help text; and the options that all of them take. */

#include "command.h"

#include <string.h>

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

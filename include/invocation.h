/* A command as it was called: what run() of a `struct command` gets, and how it complains. */
#ifndef ROUNDS_INVOCATION_H
#define ROUNDS_INVOCATION_H

#include <stdbool.h>

#include "command.h"
#include "config.h"
#include "error.h"
#include "exit_status.h"

/* What the user asked for.  Everything is borrowed for the length of run(). */
struct invocation {
        const struct command *command;
        const char *const *arguments; /* NULL-terminated */
        int count;
        const char *config_path; /* as found: --config, ROUNDS_CONFIG, ./rounds.yaml, /etc/rounds/rounds.yaml */
        bool config_found;       /* such a file exists */
        bool colour;             /* standard output takes colours (--color, NO_COLOR, a terminal) */
        bool terminal;           /* standard output is a terminal */
        bool quiet;
        int verbose;
        const char *const *values; /* of the command's options, in the table's order; a switch that was given is "" */
};

/* The value of an option, NULL when it was not given.  An undeclared name aborts. */
const char *invocation_value(const struct invocation *invocation, const char *name);
bool invocation_has(const struct invocation *invocation, const char *name);

/* The configuration; NULL when it cannot be used: every mistake has been printed then, and the command returns
 * EXIT_USAGE. */
struct config *invocation_config(const struct invocation *invocation);

/* Prints "rounds: error: text" and the remedy on standard error and returns `status`. */
int invocation_fail(enum exit_status status, const struct error *err);

/* The same for a mistake in the call, pointing to --help; always EXIT_USAGE. */
int invocation_usage(const struct invocation *invocation, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

#endif

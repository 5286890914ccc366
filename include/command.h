/* Commands: one `const struct command` per audits/engine/cmd_*.c, listed in audits/engine/command.c.
 *
 * A command's options stand in its table; help texts, the manual and completions are made from it.  Its run() gets what
 * was parsed and returns an exit status. */
#ifndef ROUNDS_COMMAND_H
#define ROUNDS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "error.h"
#include "exit_status.h"

struct command_option {
        const char *name;  /* "fail-on", without the dashes; NULL ends the table */
        char letter;       /* 'n', or 0 */
        const char *value; /* "SEV": the option takes a value; NULL: it is a switch */
        const char *words; /* one line */
};

struct invocation;

struct command {
        const char *name;
        const char *arguments;                /* "JOB", "[A] [B]", "" */
        const char *summary;                  /* one line, no full stop */
        const char *details;                  /* a paragraph or more for --help and the manual; may be NULL */
        const struct command_option *options; /* may be NULL */
        int least, most;                      /* how many arguments; most -1: any number */
        int (*run)(const struct invocation *invocation);
};

extern const struct command *const commands[]; /* NULL-terminated, in the order of the help text */
const struct command *command_find(const char *name);
const struct command_option *command_common_options(void); /* config, color, verbose, quiet, help */

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

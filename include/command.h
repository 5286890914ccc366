/* Commands: one `const struct command` per audits/engine/cmd_*.c, listed in audits/engine/command.c.
 *
 * A command's options stand in its table; help texts, the manual and completions are made from it.  Its run() gets what
 * was parsed (invocation.h) and returns an exit status. */
#ifndef ROUNDS_COMMAND_H
#define ROUNDS_COMMAND_H

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

#endif

/* Help texts, the manual page and shell completions, made from the tables of commands. */
#ifndef ROUNDS_HELP_H
#define ROUNDS_HELP_H

#include <stdio.h>

#include "command.h"

void help_overview(FILE *stream);
void help_command(const struct command *command, FILE *stream);

/* rounds(1) in man's macros; completions for "bash", "zsh" or "fish".  -1 for an unknown shell. */
void help_manual(FILE *stream);
int help_completion(const char *shell, FILE *stream);

#endif

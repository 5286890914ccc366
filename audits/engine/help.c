/* Help texts from the tables of commands. */

#include "help.h"

#include <stdbool.h>
#include <string.h>

static void
option_print(const struct command_option *option, FILE *stream)
{
        char text[80];

        snprintf(text, sizeof text, "%c%c%s--%s%s%s", option->letter != 0 ? '-' : ' ',
                 option->letter != 0 ? option->letter : ' ', option->letter != 0 ? ", " : "  ", option->name,
                 option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
        fprintf(stream, "  %-28s %s\n", text, option->words);
}

void
help_overview(FILE *stream)
{
        fputs("usage: rounds COMMAND [OPTIONS] [ARGUMENTS]\n\n"
              "Makes the rounds of a platform: looks at it read-only, judges what it saw, keeps\n"
              "history, and writes reports.\n\n",
              stream);
        for (size_t i = 0; commands[i] != NULL; i++)
                fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
        fputs("\noptions of every command:\n", stream);
        for (const struct command_option *option = command_common_options(); option->name != NULL; option++)
                option_print(option, stream);
        fputs("\nexit status:\n"
              "  0  everything was assessed, nothing at or above --fail-on\n"
              "  1  findings at or above --fail-on (default SEV3)\n"
              "  2  not fully assessed (below --min-coverage)\n"
              "  3  usage or configuration\n"
              "  4  the store or a report could not be written\n"
              "The highest that applies wins.\n"
              "\nrounds COMMAND --help explains a command, rounds explain CONTROL a control.\n"
              "rounds help --man prints the manual page; rounds help --completion bash, zsh or fish a completion.\n",
              stream);
}

void
help_command(const struct command *command, FILE *stream)
{
        fprintf(stream, "usage: rounds %s%s%s%s\n\n%s\n", command->name, command->options != NULL ? " [OPTIONS]" : "",
                *command->arguments != '\0' ? " " : "", command->arguments, command->summary);
        if (command->details != NULL)
                fprintf(stream, "\n%s\n", command->details);
        fputs("\noptions:\n", stream);
        for (const struct command_option *option = command->options; option != NULL && option->name != NULL; option++)
                option_print(option, stream);
        for (const struct command_option *option = command_common_options(); option->name != NULL; option++)
                option_print(option, stream);
}

/* --- the manual page ---------------------------------------------------------------------------------------------- */

/* Text for roff: backslashes and leading dots are its own. */
static void
roff(const char *text, FILE *stream)
{
        for (bool start = true; *text != '\0'; text++) {
                if (start && (*text == '.' || *text == '\''))
                        fputs("\\&", stream);
                if (*text == '\\' || *text == '-')
                        fputc('\\', stream);
                fputc(*text, stream);
                if (*text == '\\')
                        fputc('e', stream);
                start = *text == '\n';
        }
}

static void
manual_options(const struct command_option *options, FILE *stream)
{
        for (; options != NULL && options->name != NULL; options++) {
                fputs(".TP\n", stream);
                if (options->letter != 0)
                        fprintf(stream, ".BR \\-%c ,\n", options->letter);
                fputs(".B \\-\\-", stream);
                roff(options->name, stream);
                if (options->value != NULL)
                        fprintf(stream, "\n.I %s", options->value);
                fputc('\n', stream);
                roff(options->words, stream);
                fputc('\n', stream);
        }
}

void
help_manual(FILE *stream)
{
        fprintf(stream,
                ".TH ROUNDS 1 \"\" \"rounds %s\" \"User Commands\"\n.SH NAME\n"
                "rounds \\- audit a platform every night, week and month\n"
                ".SH SYNOPSIS\n.B rounds\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n.SH COMMANDS\n",
                ROUNDS_VERSION);
        for (size_t i = 0; commands[i] != NULL; i++) {
                fprintf(stream, ".SS \"rounds %s%s%s\"\n", commands[i]->name,
                        *commands[i]->arguments != '\0' ? " " : "", commands[i]->arguments);
                roff(commands[i]->summary, stream);
                fputs(".\n", stream);
                if (commands[i]->details != NULL) {
                        fputs(".PP\n", stream);
                        roff(commands[i]->details, stream);
                        fputc('\n', stream);
                }
                manual_options(commands[i]->options, stream);
        }
        fputs(".SH OPTIONS OF EVERY COMMAND\n", stream);
        manual_options(command_common_options(), stream);
        fputs(".SH EXIT STATUS\n"
              ".TP\n.B 0\neverything was assessed, nothing at or above \\-\\-fail\\-on\n"
              ".TP\n.B 1\nfindings at or above \\-\\-fail\\-on (default SEV3)\n"
              ".TP\n.B 2\nnot fully assessed (below \\-\\-min\\-coverage)\n"
              ".TP\n.B 3\nusage or configuration\n"
              ".TP\n.B 4\nthe store or a report could not be written\n"
              ".PP\nThe highest that applies wins.  \"rounds status\" answers like a monitoring plugin instead.\n"
              ".SH FILES\n.I ./rounds.yaml\n.br\n.I /etc/rounds/rounds.yaml\n"
              ".SH ENVIRONMENT\n.BR ROUNDS_CONFIG ,\n.B NO_COLOR\n",
              stream);
}

/* --- completion --------------------------------------------------------------------------------------------------- */

/* Text in single quotes; `quote` is how the shell writes one inside them. */
static void
quoted(const char *text, const char *quote, FILE *stream)
{
        fputc('\'', stream);
        for (; *text != '\0'; text++) {
                if (*text == '\'')
                        fputs(quote, stream);
                else
                        fputc(*text, stream);
        }
        fputc('\'', stream);
}

static void
completion_bash(FILE *stream)
{
        fputs("_rounds() {\n        local word=${COMP_WORDS[COMP_CWORD]} words\n        if [ \"$COMP_CWORD\" -eq 1 ]; "
              "then\n"
              "                words=\"",
              stream);
        for (size_t i = 0; commands[i] != NULL; i++)
                fprintf(stream, "%s ", commands[i]->name);
        fputs("help\"\n        else\n                case ${COMP_WORDS[1]} in\n", stream);
        for (size_t i = 0; commands[i] != NULL; i++) {
                fprintf(stream, "                %s) words=\"", commands[i]->name);
                for (const struct command_option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
                        fprintf(stream, "--%s ", o->name);
                for (const struct command_option *o = command_common_options(); o->name != NULL; o++)
                        fprintf(stream, "--%s ", o->name);
                fputs("\" ;;\n", stream);
        }
        fputs("                esac\n        fi\n        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
              "\"$word\")\n}\n"
              "complete -o default -F _rounds rounds\n",
              stream);
}

static void
completion_zsh(FILE *stream)
{
        fputs("#compdef rounds\nlocal -a verbs\nverbs=(\n", stream);
        for (size_t i = 0; commands[i] != NULL; i++) {
                fprintf(stream, "        %s:", commands[i]->name);
                quoted(commands[i]->summary, "'\\''", stream);
                fputc('\n', stream);
        }
        fputs("        help:'explain a command'\n)\nif (( CURRENT == 2 )); then\n        _describe command verbs\n     "
              "   return\nfi\ncase $words[2] "
              "in\n",
              stream);
        for (size_t i = 0; commands[i] != NULL; i++) {
                fprintf(stream, "%s) _arguments", commands[i]->name);
                for (const struct command_option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
                        fprintf(stream, " '--%s%s'", o->name, o->value != NULL ? "=:value:_files" : "");
                for (const struct command_option *o = command_common_options(); o->name != NULL; o++)
                        fprintf(stream, " '--%s%s'", o->name, o->value != NULL ? "=:value:_files" : "");
                fputs(" '*:argument:_files' ;;\n", stream);
        }
        fputs("esac\n", stream);
}

static void
fish_option(const char *command, const struct command_option *option, FILE *stream)
{
        fputs("complete -c rounds", stream);
        if (command != NULL)
                fprintf(stream, " -n '__fish_seen_subcommand_from %s'", command);
        fprintf(stream, " -l %s%s -d ", option->name, option->value != NULL ? " -r" : "");
        quoted(option->words, "\\'", stream);
        fputc('\n', stream);
}

static void
completion_fish(FILE *stream)
{
        for (size_t i = 0; commands[i] != NULL; i++) {
                fprintf(stream, "complete -c rounds -n __fish_use_subcommand -a %s -d ", commands[i]->name);
                quoted(commands[i]->summary, "\\'", stream);
                fputc('\n', stream);
                for (const struct command_option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
                        fish_option(commands[i]->name, o, stream);
        }
        fputs("complete -c rounds -n __fish_use_subcommand -a help -d 'explain a command'\n", stream);
        for (const struct command_option *o = command_common_options(); o->name != NULL; o++)
                fish_option(NULL, o, stream);
}

int
help_completion(const char *shell, FILE *stream)
{
        if (strcmp(shell, "bash") == 0)
                completion_bash(stream);
        else if (strcmp(shell, "zsh") == 0)
                completion_zsh(stream);
        else if (strcmp(shell, "fish") == 0)
                completion_fish(stream);
        else
                return -1;
        return 0;
}

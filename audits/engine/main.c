/* rounds: which command, which options, which configuration file. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "help.h"
#include "invocation.h"
#include "log.h"
#include "settings_check.h"

enum { OPTIONS_MOST = 48, ARGUMENTS_MOST = 1024 };

/* What is being parsed: the command's own options first, then the common ones. */
struct parse {
        const struct command *command;
        const char *values[OPTIONS_MOST]; /* of the command's options */
        const char *common[OPTIONS_MOST];
        const char *arguments[ARGUMENTS_MOST + 1];
        int count, verbose;
};

static const struct command_option *
option_find(const struct command_option *options, const char *name, size_t length, char letter, size_t *index)
{
        for (*index = 0; options != NULL && options[*index].name != NULL; ++*index) {
                const struct command_option *option = &options[*index];
                if (letter != 0 ? option->letter == letter
                                : strlen(option->name) == length && strncmp(option->name, name, length) == 0)
                        return option;
        }
        return NULL;
}

static int
unknown_option(const struct parse *parse, const char *word)
{
        const char *names[2 * OPTIONS_MOST] = {NULL}, *close;
        size_t count = 0;
        char name[64];

        for (const struct command_option *o = parse->command->options; o != NULL && o->name != NULL; o++)
                names[count++] = o->name;
        for (const struct command_option *o = command_common_options(); o->name != NULL; o++)
                names[count++] = o->name;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
        close = settings_closest(name + strspn(name, "-"), names);
        log_error("%s: unknown option %s%s%s%s", parse->command->name, name, close != NULL ? ": did you mean --" : "",
                  close != NULL ? close : "", close != NULL ? "?" : "");
        return -1;
}

/* One word that begins with "-": 0, or -1 after a complaint.  *used counts the words taken. */
static int
option_take(struct parse *parse, char *const *words, int *used)
{
        const char *word = words[0], *name = word + 2, *value = NULL;
        size_t length = strcspn(name, "="), index;
        char letter = word[1] != '-' ? word[1] : 0;
        const char **slots = parse->values;
        const struct command_option *option = option_find(parse->command->options, name, length, letter, &index);

        *used = 1;
        if (option == NULL) {
                option = option_find(command_common_options(), name, length, letter, &index);
                slots = parse->common;
        }
        if (option == NULL)
                return unknown_option(parse, word);
        if (letter == 0 && name[length] == '=')
                value = name + length + 1;
        else if (letter != 0 && word[2] != '\0')
                value = word + 2;
        if (option->value == NULL) {
                parse->verbose += option->letter == 'v'
                                          ? (letter != 0 && value != NULL ? (int)strspn(value, "v") : 0) + 1
                                          : 0;
                if (value != NULL && !(option->letter == 'v' && strspn(value, "v") == strlen(value))) {
                        log_error("%s: --%s takes no value", parse->command->name, option->name);
                        return -1;
                }
                value = "";
        } else if (value == NULL) {
                if (words[1] == NULL) {
                        log_error("%s: --%s wants a value: %s", parse->command->name, option->name, option->value);
                        return -1;
                }
                value = words[1];
                *used = 2;
        }
        slots[index] = value;
        return 0;
}

static int
words_take(struct parse *parse, char *const *words)
{
        bool options = true;

        while (*words != NULL) {
                int used = 1;
                if (options && strcmp(*words, "--") == 0) {
                        options = false;
                } else if (options && (*words)[0] == '-' && (*words)[1] != '\0') {
                        if (option_take(parse, words, &used) != 0)
                                return -1;
                } else if (parse->count == ARGUMENTS_MOST) {
                        log_error("%s: too many arguments", parse->command->name);
                        return -1;
                } else {
                        parse->arguments[parse->count++] = *words;
                }
                words += used;
        }
        return 0;
}

static const char *
common_value(const struct parse *parse, const char *name)
{
        size_t index;

        option_find(command_common_options(), name, strlen(name), 0, &index);
        return parse->common[index];
}

static void
config_find(const struct parse *parse, struct invocation *invocation)
{
        const char *asked = common_value(parse, "config"), *variable = getenv("ROUNDS_CONFIG");
        const char *places[] = {asked, variable != NULL && *variable != '\0' ? variable : NULL, "rounds.yaml",
                                "/etc/rounds/rounds.yaml"};

        for (size_t i = 0; i < 4 && invocation->config_path == NULL; i++) {
                /* A file that was named is the one, there or not. */
                if (places[i] != NULL && (i < 2 || access(places[i], F_OK) == 0))
                        invocation->config_path = places[i];
        }
        if (invocation->config_path == NULL)
                invocation->config_path = "rounds.yaml";
        invocation->config_found = access(invocation->config_path, F_OK) == 0;
}

static bool
colour_wanted(const char *when, bool terminal)
{
        const char *never = getenv("NO_COLOR"), *kind = getenv("TERM");

        if (when != NULL && strcmp(when, "always") == 0)
                return true;
        if (when != NULL && strcmp(when, "never") == 0)
                return false;
        return terminal && (never == NULL || *never == '\0') && kind != NULL && strcmp(kind, "dumb") != 0;
}

static int
command_start(struct parse *parse)
{
        const struct command *command = parse->command;
        const char *when = common_value(parse, "color");
        struct invocation invocation = {
                .command = command,
                .arguments = parse->arguments,
                .count = parse->count,
                .terminal = isatty(STDOUT_FILENO) == 1,
                .quiet = common_value(parse, "quiet") != NULL,
                .verbose = parse->verbose,
                .values = parse->values,
        };

        if (common_value(parse, "help") != NULL) {
                help_command(command, stdout);
                return EXIT_ASSESSED;
        }
        if (when != NULL && strcmp(when, "auto") != 0 && strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
                return invocation_usage(&invocation, "--color is auto, always or never, not \"%s\"", when);
        if (parse->count < command->least)
                return invocation_usage(&invocation, "an argument is missing: %s", command->arguments);
        if (command->most >= 0 && parse->count > command->most)
                return invocation_usage(&invocation, "too many arguments; it takes %s",
                                        *command->arguments != '\0' ? command->arguments : "none");
        invocation.colour = colour_wanted(when, invocation.terminal);
        config_find(parse, &invocation);
        log_set_level(invocation.quiet
                              ? LOG_LEVEL_ERROR
                              : (enum log_level)(LOG_LEVEL_WARNING + (parse->verbose > 2 ? 2 : parse->verbose)));
        return command->run(&invocation);
}

static int
unknown_command(const char *word)
{
        const char *names[64] = {"help"};
        size_t count = 1;

        for (size_t i = 0; commands[i] != NULL && count < 63; i++)
                names[count++] = commands[i]->name;
        const char *close = settings_closest(word, names);
        log_error("there is no command \"%s\"%s%s%s (rounds --help)", word, close != NULL ? ": did you mean \"" : "",
                  close != NULL ? close : "", close != NULL ? "\"?" : "");
        return EXIT_USAGE;
}

/* rounds help ... */
static int
help_run(char *const *words, int count)
{
        const struct command *about = count > 0 ? command_find(words[0]) : NULL;

        if (count > 0 && strcmp(words[0], "--completion") == 0) {
                if (count > 1 && help_completion(words[1], stdout) == 0)
                        return EXIT_ASSESSED;
                log_error("help: --completion is for bash, zsh or fish");
                return EXIT_USAGE;
        }
        if (count > 0 && strcmp(words[0], "--man") == 0)
                help_manual(stdout);
        else if (about != NULL)
                help_command(about, stdout);
        else if (count > 0)
                return unknown_command(words[0]);
        else
                help_overview(stdout);
        return EXIT_ASSESSED;
}

static int
top_level(int argc, char **argv)
{
        struct parse parse = {.command = NULL};

        if (argc < 2) {
                help_overview(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
                return help_run(argv + 2, argc - 2);
        parse.command = command_find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
        if (parse.command == NULL)
                return unknown_command(argv[1]);
        if (words_take(&parse, argv + 2) != 0)
                return EXIT_USAGE;
        return command_start(&parse);
}

int
main(int argc, char **argv)
{
        /* A peer that hangs up and a file-size limit are errors of one call, not the end of the program. */
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
        int status = top_level(argc, argv);

        errno = 0;
        if (fflush(stdout) != 0 || ferror(stdout)) {
                /* What failed while a command wrote has been told by it. */
                if (errno != 0 && errno != EPIPE && status < EXIT_STORE)
                        log_error("standard output: %s", strerror(errno));
                return status > EXIT_STORE ? status : EXIT_STORE;
        }
        return status;
}

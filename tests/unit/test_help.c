/* Help texts, the manual page and completions mention every command and every option of the tables they are made from.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"
#include "help.h"
#include "scope.h"

/* What a writer of help writes, malloc'd. */
static char *
text_of(void (*write)(FILE *stream))
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        write(stream);
        assert_int_equal(fclose(stream), 0);
        return text;
}

static char *
completion_of(const char *shell)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        assert_int_equal(help_completion(shell, stream), 0);
        assert_int_equal(fclose(stream), 0);
        return text;
}

static void
must_hold(const char *where, const char *text, const char *wanted)
{
        if (strstr(text, wanted) == NULL)
                fail_msg("%s does not have \"%s\"", where, wanted);
}

/* The text from `from` to `to` (NULL: the end), malloc'd: what is said of one command. */
static char *
part_of(const char *where, const char *text, const char *from, const char *to)
{
        const char *begin = strstr(text, from), *end = begin != NULL && to != NULL ? strstr(begin, to) : NULL;

        if (begin == NULL)
                fail_msg("%s does not have \"%s\"", where, from);
        return end != NULL ? strndup(begin, (size_t)(end - begin)) : strdup(begin);
}

/* "fail-on" as roff has it: "fail\-on". */
static void
roff_name(const char *name, char *text, size_t size)
{
        size_t used = 0;

        for (; *name != '\0' && used + 2 < size; name++) {
                if (*name == '-')
                        text[used++] = '\\';
                text[used++] = *name;
        }
        text[used] = '\0';
}

static void
each_option(const struct command *command, void (*look)(const struct command *, const struct command_option *))
{
        for (const struct command_option *option = command->options; option != NULL && option->name != NULL; option++)
                look(command, option);
        for (const struct command_option *option = command_common_options(); option->name != NULL; option++)
                look(command, option);
}

/* --- help and the manual ------------------------------------------------------------------------------------------ */

static void
help_has(const struct command *command, const struct command_option *option)
{
        char *text = NULL, wanted[100];
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_non_null(stream);
        help_command(command, stream);
        assert_int_equal(fclose(stream), 0);
        snprintf(wanted, sizeof wanted, "--%s%s%s ", option->name, option->value != NULL ? " " : "",
                 option->value != NULL ? option->value : "");
        must_hold(command->name, text, wanted);
        must_hold(command->name, text, option->words);
        free(text);
}

static void
manual_has(const struct command *command, const struct command_option *option)
{
        scoped_string manual = text_of(help_manual);
        char heading[100], name[60], wanted[100];
        bool common = true;

        for (const struct command_option *own = command->options; own != NULL && own->name != NULL; own++)
                common = common && own != option;
        snprintf(heading, sizeof heading, common ? ".SH OPTIONS OF EVERY COMMAND" : ".SS \"rounds %s", command->name);
        scoped_string part = part_of("the manual", manual, heading, common ? NULL : "\n.S");
        roff_name(option->name, name, sizeof name);
        snprintf(wanted, sizeof wanted, ".B \\-\\-%s\n", name);
        must_hold(command->name, part, wanted);
}

static void
everything_is_in_help_and_manual(void **state)
{
        scoped_string overview = text_of(help_overview);

        (void)state;
        for (size_t i = 0; commands[i] != NULL; i++) {
                must_hold("the overview", overview, commands[i]->name);
                must_hold("the overview", overview, commands[i]->summary);
                each_option(commands[i], help_has);
                each_option(commands[i], manual_has);
        }
}

/* --- completions -------------------------------------------------------------------------------------------------- */

static void
bash_has(const struct command *command, const struct command_option *option)
{
        scoped_string text = completion_of("bash");
        char from[60], wanted[60];

        snprintf(from, sizeof from, " %s) words=", command->name);
        scoped_string part = part_of("bash's completion", text, from, "\n");
        snprintf(wanted, sizeof wanted, "--%s ", option->name);
        must_hold(command->name, part, wanted);
}

static void
zsh_has(const struct command *command, const struct command_option *option)
{
        scoped_string text = completion_of("zsh");
        char from[60], wanted[60];

        snprintf(from, sizeof from, "\n%s) _arguments", command->name);
        scoped_string part = part_of("zsh's completion", text, from, ";;");
        snprintf(wanted, sizeof wanted, "'--%s%s", option->name, option->value != NULL ? "=:" : "'");
        must_hold(command->name, part, wanted);
}

static void
fish_has(const struct command *command, const struct command_option *option)
{
        scoped_string text = completion_of("fish");
        char own[120], common[120];

        snprintf(own, sizeof own, "-n '__fish_seen_subcommand_from %s' -l %s -", command->name, option->name);
        snprintf(common, sizeof common, "\ncomplete -c rounds -l %s -", option->name);
        if (strstr(text, own) == NULL && strstr(text, common) == NULL)
                fail_msg("fish's completion does not have --%s of %s", option->name, command->name);
}

static void
everything_is_completed(void **state)
{
        static const char *const shells[] = {"bash", "zsh", "fish"};

        (void)state;
        for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
                scoped_string text = completion_of(shells[i]);
                for (size_t j = 0; commands[j] != NULL; j++)
                        must_hold(shells[i], text, commands[j]->name);
                must_hold(shells[i], text, "help");
        }
        for (size_t i = 0; commands[i] != NULL; i++) {
                each_option(commands[i], bash_has);
                each_option(commands[i], zsh_has);
                each_option(commands[i], fish_has);
        }
        assert_int_equal(help_completion("cmd.exe", stderr), -1);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(everything_is_in_help_and_manual),
                                           cmocka_unit_test(everything_is_completed)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

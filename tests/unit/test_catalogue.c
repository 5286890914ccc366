/* The catalogue stands up to its own promise: every control has the published duty, an audit, a page, fixtures of each
 * verdict and a test against real services.  What is missing is named, all of it. */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit.h"
#include "buffer.h"
#include "catalogue.h"
#include "json.h"
#include "scope.h"

static size_t wrong;

static void complain(const char *id, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
complain(const char *id, const char *format, ...)
{
        va_list list;

        wrong++;
        fprintf(stderr, "%s: ", id);
        va_start(list, format);
        vfprintf(stderr, format, list);
        va_end(list);
        fputc('\n', stderr);
}

static void
each_control(void (*look)(const struct control *control))
{
        wrong = 0;
        for (size_t i = 0; playbooks[i] != NULL; i++) {
                for (const struct control *control = playbooks[i]->controls; control->id != NULL; control++)
                        look(control);
        }
        if (wrong > 0)
                fail_msg("%zu things are missing (named above)", wrong);
}

static bool
answers_for(const struct audit *audit, const char *control)
{
        for (size_t i = 0; i < sizeof audit->controls / sizeof *audit->controls && audit->controls[i] != NULL; i++) {
                if (strcmp(audit->controls[i], control) == 0)
                        return true;
        }
        return false;
}

/* --- the published duties ----------------------------------------------------------------------------------------- */

/* The first two cells of a row, blanks off. */
static bool
row_read(char *line, const char **id, const char **duty)
{
        char *cells[2], *rest = line + 1;

        if (*line != '|')
                return false;
        for (size_t i = 0; i < 2; i++) {
                cells[i] = strsep(&rest, "|");
                if (rest == NULL)
                        return false;
                cells[i] += strspn(cells[i], " ");
                for (size_t end = strlen(cells[i]); end > 0 && cells[i][end - 1] == ' ';)
                        cells[i][--end] = '\0';
        }
        *id = cells[0];
        *duty = cells[1];
        return strlen(*id) >= 5 && strspn(*id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 && (*id)[3] == '-' &&
               strspn(*id + 4, "0123456789") == strlen(*id + 4);
}

static void
duties_are_the_published_ones(void **state)
{
        const char *path = getenv("ROUNDS_CATALOGUE");
        scoped(scope_fclose) FILE *file = fopen(path != NULL ? path : "../shared/CONTROLS.md", "r");
        char line[8192];
        size_t rows = 0;

        (void)state;
        if (file == NULL) {
                print_message("SKIPPED: no published catalogue to hold the duties against (set ROUNDS_CATALOGUE)\n");
                skip();
        }
        wrong = 0;
        while (fgets(line, sizeof line, file) != NULL) {
                const char *id, *duty;
                if (!row_read(line, &id, &duty))
                        continue;
                rows++;
                const struct control *control = control_find(id);
                /* Of section 11 the row names the alert alone; the title says what is asked of it. */
                size_t length = strncmp(id, "ALR-", 4) == 0 ? strlen(duty) : SIZE_MAX;
                if (control == NULL)
                        complain(id, "is published and not in the code");
                else if (strncmp(control->title, duty, length) != 0)
                        complain(id, "the duty is \"%s\", here \"%s\"", duty, control->title);
        }
        if (rows == 0)
                complain("catalogue", "holds no row");
        if (wrong > 0)
                fail_msg("%zu things are missing (named above)", wrong);
}

/* --- audits and pages --------------------------------------------------------------------------------------------- */

static void
audit_and_page(const struct control *control)
{
        char path[100];
        size_t i = 0;

        while (audits[i] != NULL && !answers_for(audits[i], control->id))
                i++;
        if (audits[i] == NULL)
                complain(control->id, "no audit answers for it");
        snprintf(path, sizeof path, "templates/controls/%s.md", control->id);
        scoped(scope_fclose) FILE *page = fopen(path, "r");
        if (page == NULL)
                complain(control->id, "%s is not there", path);
}

static void
every_control_has_an_audit_and_a_page(void **state)
{
        (void)state;
        each_control(audit_and_page);
}

/* --- fixtures ----------------------------------------------------------------------------------------------------- */

static json_t *verdicts; /* {"DSK-7": {"pass": 3, "fail": 9, "error": 2}} */

static int
visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

/* Calls `visit` for every file of a folder whose name ends so. */
static void
each_file(const char *folder, const char *ending, void (*visit)(const char *path))
{
        struct dirent **files;
        int count = scandir(folder, &files, visible, alphasort);

        for (int i = 0; i < count; i++) {
                char path[800];
                size_t length = strlen(files[i]->d_name), end = strlen(ending);
                snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
                if (length > end && strcmp(files[i]->d_name + length - end, ending) == 0)
                        visit(path);
                free(files[i]);
        }
        if (count >= 0)
                free(files);
}

static void
fixture_count(const char *path)
{
        scoped_json fixture = json_load_file(path, 0, NULL);
        size_t i;
        json_t *wanted;

        json_array_foreach((json_t *)json_list(fixture, "expect"), i, wanted)
        {
                const char *id = json_text(wanted, "control", ""), *status = json_text(wanted, "status", "");
                json_t *counts = json_object_get(verdicts, id);
                if (counts == NULL) {
                        counts = json_object();
                        assert_int_equal(json_put(verdicts, id, counts), 0);
                }
                assert_int_equal(json_put_whole(counts, status, json_whole(counts, status, 0) + 1), 0);
        }
}

static void
three_verdicts(const struct control *control)
{
        static const char *const statuses[] = {"pass", "fail", "error"};

        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
                if (json_whole(json_object_get(verdicts, control->id), statuses[i], 0) == 0)
                        complain(control->id, "no fixture expects a finding \"%s\" of it", statuses[i]);
        }
}

static void
every_verdict_is_expected_of_every_control(void **state)
{
        (void)state;
        verdicts = json_object();
        for (size_t i = 0; audits[i] != NULL; i++) {
                char folder[200];
                snprintf(folder, sizeof folder, "tests/fixtures/facts/%s", audits[i]->name);
                each_file(folder, ".json", fixture_count);
        }
        each_control(three_verdicts);
        json_decref(verdicts);
}

/* --- integration tests -------------------------------------------------------------------------------------------- */

static struct buffer scripts = {.largest = 16 << 20};

static void
script_add(const char *path)
{
        scoped(scope_fclose) FILE *file = fopen(path, "r");
        char chunk[16384];
        size_t got;

        assert_non_null(file);
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
                assert_int_equal(buffer_add(&scripts, chunk, got), 0);
}

static bool
word_byte(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* As a word: "DSK-1" is not in "DSK-10", "wal" not in "wallet". */
static bool
scripts_name(const char *word)
{
        size_t length = strlen(word);

        for (const char *at = scripts.data; (at = strstr(at, word)) != NULL; at++) {
                if ((at == scripts.data || !word_byte(at[-1])) && !word_byte(at[length]))
                        return true;
        }
        return false;
}

static void
tried_for_real(const struct control *control)
{
        char list[120];

        if (scripts_name(control->id))
                return;
        for (size_t i = 0; audits[i] != NULL; i++) {
                /* A job of the test's configuration runs the audit by its name. */
                snprintf(list, sizeof list, "audits: [%s", audits[i]->name);
                if (answers_for(audits[i], control->id) && scripts_name(list))
                        return;
        }
        complain(control->id, "no integration test names it or runs an audit that answers for it");
}

static void
every_control_is_tried_against_real_services(void **state)
{
        (void)state;
        each_file("tests/integration", ".test.sh", script_add);
        assert_true(scripts.length > 0);
        each_control(tried_for_real);
        buffer_free(&scripts);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(duties_are_the_published_ones),
                                           cmocka_unit_test(every_control_has_an_audit_and_a_page),
                                           cmocka_unit_test(every_verdict_is_expected_of_every_control),
                                           cmocka_unit_test(every_control_is_tried_against_real_services)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

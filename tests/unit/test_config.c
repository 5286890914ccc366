/* Mistakes in rounds.yaml and in waivers: every one is told, at its place, and nothing else happens.
 *
 * tests/fixtures/config/NAME.yaml and tests/fixtures/waivers/NAME.yaml beside NAME.expected, the whole complaint.
 * GOLDEN=accept rewrites the expectations (`make golden`); review the difference. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "config.h"
#include "waiver.h"

enum { COMPLAINT_LARGEST = 1 << 20 };

/* What the file's reader complains of, as the program prints it, with the file's name alone. */
static void
complaint(const char *path, bool waivers, struct buffer *out)
{
        struct problems problems = {.file = path};
        void *read = waivers ? (void *)waivers_open(path, NULL, &problems) : (void *)config_open(path, &problems);

        for (size_t i = 0; i < problems.count; i++)
                buffer_format(out, "%zu:%zu: %s\n", problems.rows[i].line, problems.rows[i].column,
                              problems.rows[i].text);
        if (problems.dropped > 0)
                buffer_format(out, "and %zu more\n", problems.dropped);
        if (read != NULL)
                buffer_text(out, "accepted\n");
        if (read != NULL && waivers)
                waivers_close(read);
        else if (read != NULL)
                config_close(read);
        problems_free(&problems);
}

static void
compare(const char *path, bool waivers, size_t *wrong)
{
        struct buffer now = BUFFER_INIT(COMPLAINT_LARGEST), then = BUFFER_INIT(COMPLAINT_LARGEST);
        char expected[600], line[4096];
        const char *golden = getenv("GOLDEN");

        complaint(path, waivers, &now);
        snprintf(expected, sizeof expected, "%.*s.expected", (int)(strlen(path) - strlen(".yaml")), path);
        FILE *file = fopen(expected, golden != NULL && strcmp(golden, "accept") == 0 ? "w+e" : "re");
        if (file == NULL) {
                printf("%s is missing\n", expected);
                ++*wrong;
        } else if (golden != NULL && strcmp(golden, "accept") == 0) {
                fputs(now.data != NULL ? now.data : "", file);
        } else {
                while (fgets(line, sizeof line, file) != NULL)
                        buffer_text(&then, line);
                if (now.length != then.length || memcmp(now.data, then.data, now.length) != 0) {
                        printf("%s\n--- expected\n%s--- now\n%s", path, then.data, now.data);
                        ++*wrong;
                }
        }
        if (file != NULL)
                fclose(file);
        buffer_free(&now);
        buffer_free(&then);
}

static void
compare_all(const char *pattern, bool waivers, size_t least)
{
        glob_t found;
        size_t wrong = 0;

        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        assert_true(found.gl_pathc >= least);
        for (size_t i = 0; i < found.gl_pathc; i++)
                compare(found.gl_pathv[i], waivers, &wrong);
        globfree(&found);
        assert_int_equal(wrong, 0);
}

static void
test_configuration(void **state)
{
        (void)state;
        compare_all("tests/fixtures/config/*.yaml", false, 14);
}

static void
test_waivers(void **state)
{
        (void)state;
        compare_all("tests/fixtures/waivers/*.yaml", true, 3);
}

/* A file that is not there, and a folder in its place. */
static void
test_unreadable(void **state)
{
        static const char *const paths[] = {"tests/fixtures/config/no-such-file.yaml", "tests/fixtures/config"};

        (void)state;
        for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
                struct problems problems = {.file = paths[i]};
                assert_null(config_open(paths[i], &problems));
                assert_int_equal(problems.count, 1);
                assert_true(strlen(problems.rows[0].text) > 5);
                problems_free(&problems);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_configuration),
                cmocka_unit_test(test_waivers),
                cmocka_unit_test(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reports: compared whole with accepted ones, the same bytes twice, hostile texts, and files that are whole or
 * untouched.
 *
 * GOLDEN=accept rewrites the accepted reports (`make golden`); review the difference. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "report.h"
#include "scope.h"
#include "support_rounds.h"
#include "utf8.h"
#include "view.h"

static const struct report_options options = {.templates = "tests/fixtures/golden/templates",
                                              .timezone = "Europe/Berlin"};

static struct view *
opened(struct rounds *rounds)
{
        struct error err = {0};
        struct view *view = NULL;

        if (view_open(rounds->store, 0, NULL, 0, &view, &err) != 0)
                fail_msg("%s", err.text);
        return view;
}

static char *
rendered(const struct view *view, const char *format)
{
        struct error err = {0};
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        int result = strcmp(format, "txt") == 0 ? report_terminal(view, false, 80, stream, &err)
                                                : report_stream(view, format, &options, stream, &err);

        fclose(stream);
        if (result != 0)
                fail_msg("%s: %s", format, err.text);
        assert_int_equal(strlen(text), size);
        return text;
}

static char *
file_text(const char *path)
{
        FILE *file = fopen(path, "re");
        char *text = calloc(1, 1 << 20);

        if (file != NULL) {
                text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
                fclose(file);
        }
        return text;
}

/* Renders the newest run in each format and compares with NAME.FORMAT. */
static void
compare(struct rounds *rounds, const char *name, const char *const *formats)
{
        const char *golden = getenv("GOLDEN");
        struct view *view = opened(rounds);

        for (size_t i = 0; formats[i] != NULL; i++) {
                char path[128];
                scoped_string got = rendered(view, formats[i]);
                scoped_string again = rendered(view, formats[i]);
                assert_string_equal(got, again);
                snprintf(path, sizeof path, "tests/fixtures/golden/%s.%s", name, formats[i]);
                if (golden != NULL && strcmp(golden, "accept") == 0) {
                        FILE *file = fopen(path, "we");
                        assert_non_null(file);
                        fputs(got, file);
                        fclose(file);
                }
                scoped_string expected = file_text(path);
                if (strcmp(got, expected) != 0) {
                        size_t at = 0;
                        while (got[at] == expected[at] && got[at] != '\0')
                                at++;
                        at = at > 60 ? at - 60 : 0;
                        fail_msg("%s differs; accepted: \"%.200s\"; now: \"%.200s\"; run `make golden` and review",
                                 path, expected + at, got + at);
                }
        }
        view_close(view);
}

static void
test_golden(void **state)
{
        struct rounds rounds;

        (void)state;
        rounds_open(&rounds);
        rounds_sample(&rounds);
        compare(&rounds, "nightly", (const char *const[]){"md", "html", "txt", NULL});
        rounds_close(&rounds);
        rounds_open(&rounds);
        rounds_hostile(&rounds);
        compare(&rounds, "hostile", (const char *const[]){"md", "html", NULL});
        rounds_close(&rounds);
}

/* No text of a target's comes to life, and none is lost. */
static void
test_hostile(void **state)
{
        static const struct {
                const char *format, *never[8], *shown[4];
        } cases[] = {
                {"html",
                 {"<script", "<img", "onerror=alert(1)>", "</title></td>", "\x1B", "\xE2\x80\xAE", "\xC2\x9B"},
                 {"&lt;script&gt;alert(1)&lt;/script&gt;", "[U+202E]", "\xE2\x90\x9B[31mred", "{{mustache}}"}},
                {"md",
                 {"<script", "<img", " [link](", "\n# heading", "\n* item", "\x1B", "\xE2\x80\xAE", " @everyone"},
                 {"a\\|b c\\|d", "[U+202E]", "\xE2\x90\x9B\\[31mred", "&lt;script&gt;"}},
                {"txt", {"\x1B", "\x07", "\xC2\x9B", "\xE2\x80\xAE"}, {"<script>"}},
        };
        struct rounds rounds;

        (void)state;
        rounds_open(&rounds);
        rounds_hostile(&rounds);
        struct view *view = opened(&rounds);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_string got = rendered(view, cases[i].format);
                for (size_t k = 0; k < 8 && cases[i].never[k] != NULL; k++) {
                        if (strstr(got, cases[i].never[k]) != NULL)
                                fail_msg("%s: \"%s\" got through", cases[i].format, cases[i].never[k]);
                }
                for (size_t k = 0; k < 4 && cases[i].shown[k] != NULL; k++) {
                        if (strstr(got, cases[i].shown[k]) == NULL)
                                fail_msg("%s: \"%s\" is not there", cases[i].format, cases[i].shown[k]);
                }
                size_t length = strlen(got);
                for (size_t at = 0, taken; at < length; at += taken) {
                        taken = utf8_length(got + at, length - at);
                        assert_true(taken > 0);
                }
        }
        /* A terminal gets no line wider than it is: the longest word of 10,000 letters included. */
        scoped_string text = rendered(view, "txt");
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
                assert_true(strcspn(line, "\n") <= 3 * 80);
        view_close(view);
        rounds_close(&rounds);
}

struct told {
        char paths[4][600];
        size_t count;
};

static void
tell(void *context, const char *path)
{
        struct told *told = context;

        snprintf(told->paths[told->count++], sizeof told->paths[0], "%s", path);
}

static void
test_files(void **state)
{
        struct rounds rounds;
        struct told told = {0};
        struct error err = {0};
        char folder[400], path[600], target[600] = "";
        struct stat status;

        (void)state;
        rounds_open(&rounds);
        rounds_sample(&rounds);
        struct view *view = opened(&rounds);
        snprintf(folder, sizeof folder, "%s/a/reports", rounds.folder);
        struct report_options here = options;
        here.directory = folder;
        here.formats = "md, html";
        here.latest = true;
        assert_int_equal(report_write(view, &here, tell, &told, &err), 0);
        assert_int_equal(told.count, 2);
        snprintf(path, sizeof path, "%s/nightly-20261124T031244Z.md", folder);
        assert_string_equal(told.paths[0], path);
        scoped_string written = file_text(path);
        scoped_string streamed = rendered(view, "md");
        assert_string_equal(written, streamed);
        snprintf(path, sizeof path, "%s/nightly-latest.html", folder);
        assert_true(readlink(path, target, sizeof target - 1) > 0);
        assert_string_equal(target, "nightly-20261124T031244Z.html");
        assert_int_equal(stat(path, &status), 0);
        view_close(view);
        rounds_close(&rounds);
}

/* A renderer that fails (its template is broken) and a folder that is none: the old report stays, the error names it.
 */
static void
test_failure_leaves_the_old_report(void **state)
{
        struct rounds rounds;
        struct error err = {0};
        char folder[400], path[600], command[1000];

        (void)state;
        rounds_open(&rounds);
        rounds_sample(&rounds);
        struct view *view = opened(&rounds);
        snprintf(folder, sizeof folder, "%s/reports", rounds.folder);
        struct report_options here = options;
        here.directory = folder;
        here.formats = "md";
        assert_int_equal(report_write(view, &here, NULL, NULL, &err), 0);
        snprintf(path, sizeof path, "%s/nightly-20261124T031244Z.md", folder);
        scoped_string before = file_text(path);
        snprintf(command, sizeof command,
                 "mkdir '%s/templates' && echo 'half {{#open}}' > '%s/templates/report.md.mustache'", rounds.folder,
                 rounds.folder);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "%s/templates", rounds.folder);
        here.templates = command;
        assert_int_equal(report_write(view, &here, NULL, NULL, &err), -1);
        assert_non_null(strstr(err.text, "report.md.mustache:"));
        scoped_string after = file_text(path);
        assert_string_equal(before, after);
        assert_true(strlen(after) > 1000);
        char listed[64] = "";
        char list[1100];
        snprintf(list, sizeof list, "ls -A '%s' | wc -l", folder);
        FILE *pipe = popen(list, "re");
        assert_non_null(fgets(listed, sizeof listed, pipe));
        pclose(pipe);
        assert_int_equal(atoi(listed), 1); /* no temporary file is left */
        here.templates = options.templates;
        here.directory = path; /* a file */
        assert_int_equal(report_write(view, &here, NULL, NULL, &err), -1);
        assert_non_null(strstr(err.text, path));
        here.formats = "md,pdf";
        assert_int_equal(report_write(view, &here, NULL, NULL, &err), -1);
        assert_non_null(strstr(err.text, "\"pdf\" is not known"));
        view_close(view);
        rounds_close(&rounds);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_failure_leaves_the_old_report),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

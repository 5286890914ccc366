/* The Mustache engine against its published specification, and against mistakes and endless templates. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "escape.h"
#include "json.h"
#include "mustache.h"
#include "scope.h"

static int
partial_of(void *context, const char *name, char **source, size_t *size, struct error *err)
{
        const char *text = json_text(context, name, NULL);

        (void)err;
        *source = text != NULL ? strdup(text) : NULL;
        *size = text != NULL ? strlen(text) : 0;
        return 0;
}

static int
filled(const char *source, const json_t *data, json_t *partials, char **out, struct error *err)
{
        struct mustache *template;
        struct mustache_value root = mustache_json(data);
        size_t size;

        if (mustache_compile("test", source, strlen(source), &template, err) != 0)
                return -1;
        FILE *stream = open_memstream(out, &size);
        int result = mustache_render(template, &root, escape_html, partial_of, partials, stream, err);
        fclose(stream);
        mustache_free(template);
        return result;
}

/* The specification's folder: named by the environment, else looked for beside the source tree. */
static bool
specification(char path[512])
{
        const char *named = getenv("ROUNDS_MUSTACHE_SPEC");
        char up[256] = "";

        if (named != NULL) {
                snprintf(path, 512, "%s", named);
                return access(path, R_OK) == 0;
        }
        for (int i = 0; i < 8; i++) {
                snprintf(path, 512, "%s../shared/mustache-spec", up);
                if (access(path, R_OK) == 0)
                        return true;
                strncat(up, "../", sizeof up - strlen(up) - 1);
        }
        return false;
}

static void
test_specification(void **state)
{
        static const char *const files[] = {"comments", "delimiters", "interpolation",
                                            "inverted", "partials",   "sections"};
        char folder[512], path[600];
        size_t cases = 0, failed = 0;

        (void)state;
        if (!specification(folder)) {
                fprintf(stderr,
                        "SKIPPED: the Mustache specification is not here; set ROUNDS_MUSTACHE_SPEC to its folder\n");
                skip();
        }
        for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
                size_t index;
                json_t *test;
                snprintf(path, sizeof path, "%s/%s.json", folder, files[f]);
                scoped_json spec = json_load_file(path, 0, NULL);
                assert_non_null(spec);
                json_array_foreach(json_object_get(spec, "tests"), index, test)
                {
                        scoped_string got = NULL;
                        struct error err;
                        int result = filled(json_text(test, "template", ""), json_object_get(test, "data"),
                                            json_object_get(test, "partials"), &got, &err);
                        const char *expected = json_text(test, "expected", "");
                        cases++;
                        if (result == 0 && strcmp(got, expected) == 0)
                                continue;
                        failed++;
                        fprintf(stderr, "%s: %s\n expected [%s]\n got      [%s]\n", files[f],
                                json_text(test, "name", "?"), expected, result == 0 ? got : err.text);
                }
        }
        assert_int_equal(failed, 0);
        assert_true(cases > 100);
}

static void
test_mistakes(void **state)
{
        static const struct {
                const char *template, *text;
        } rows[] = {
                {"a\n{{name", "test:2: a tag that is not closed"},
                {"{{#a}}\n\n{{/b}}", "test:3: a section is closed by another name"},
                {"{{#a}}", "a section is not closed"},
                {"{{/a}}", "closed that was not opened"},
                {"{{#a.b}}{{/a}}", "by another name"},
                {"{{ }}", "a tag without a name"},
                {"{{a.b.c.d.e.f.g.h.i.j.k.l.m}}", "more than 12 parts"},
                {"{{=<%=}}", "delimiters that cannot be used"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct mustache *template = NULL;
                struct error err = {0};
                assert_int_equal(mustache_compile("test", rows[i].template, strlen(rows[i].template), &template, &err),
                                 -1);
                assert_int_equal(err.reason, REASON_CONFIGURATION);
                if (strstr(err.text, rows[i].text) == NULL)
                        fail_msg("%s: got \"%s\"", rows[i].text, err.text);
        }
}

static void
test_endless_partial_ends(void **state)
{
        scoped_json data = json_pack("{}");
        scoped_json partials = json_pack("{s:s, s:s}", "ping", "{{>pong}}", "pong", "  {{>ping}}");
        scoped_string got = NULL;
        struct error err;

        (void)state;
        assert_int_equal(filled("{{>ping}}", data, partials, &got, &err), -1);
        assert_non_null(strstr(err.text, "nested deeper than 32"));
}

static void
test_nesting_is_bounded(void **state)
{
        char source[65 * 12 + 1] = "";
        struct mustache *template = NULL;
        struct error err;

        (void)state;
        for (int i = 0; i < 65; i++)
                strcat(source, "{{#a}}");
        for (int i = 0; i < 65; i++)
                strcat(source, "{{/a}}");
        assert_int_equal(mustache_compile("test", source, strlen(source), &template, &err), -1);
        assert_non_null(strstr(err.text, "deeper than 64"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_specification),
                cmocka_unit_test(test_mistakes),
                cmocka_unit_test(test_endless_partial_ends),
                cmocka_unit_test(test_nesting_is_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

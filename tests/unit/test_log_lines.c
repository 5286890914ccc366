/* Lines of logs: what counts as structured, and that nothing of a line is kept. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "log_lines.h"
#include "scope.h"

static void
lines(void **state)
{
        static const struct {
                const char *text;
                bool whole;
                size_t lines, json, named;
                const char *shape;
        } rows[] = {
                {"", true, 0, 0, 0, ""},
                {"\n \r\n\t\n", true, 0, 0, 0, ""},
                {"{\"requestId\": \"a\"}\n{\"reqid\": 7}\n", true, 2, 2, 2, ""},
                {"{\"level\": 30, \"msg\": \"hunter2\"}\n", true, 1, 1, 0, "{level, msg}"},
                {"{\"req\": {\"ctx\": {\"requestid\": \"x\"}}}\n", true, 1, 1, 1, ""},
                {"{\"a\": {\"b\": {\"c\": {\"requestId\": \"x\"}}}}\n", true, 1, 1, 0, "{a}"},
                {"{\"requestId\": \"\"}\n{\"requestId\": null}\n", true, 2, 2, 0, "{requestId}"},
                {"{\"jane@example.com\": 1}\n", true, 1, 1, 0, "{?}"},
                {"[2026-11-24 03:00] user jane logged in: 42\n", true, 1, 0, 0, "[0-0-0 0:0] a a a a: 0"},
                {"[1, 2]\n\"x\"\n{broken\n", true, 3, 0, 0, "[0, 0]"},
                {"{\"requestId\": \"a\"}\n{\"requestId\": \"b", false, 1, 1, 1, ""},
                {"{\"requestId\": \"a\"}", true, 1, 1, 1, ""},
        };
        scoped_json names = json_pack("[s, s]", "requestId", "reqId");

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct log_lines sum = {0};
                log_lines_count(rows[i].text, strlen(rows[i].text), rows[i].whole, names, &sum);
                assert_int_equal(sum.lines, rows[i].lines);
                assert_int_equal(sum.json, rows[i].json);
                assert_int_equal(sum.named, rows[i].named);
                assert_string_equal(sum.shape, rows[i].shape);
        }
}

/* Many fields, long names: the shape stays in its bounds. */
static void
bounds(void **state)
{
        scoped_json object = json_object();
        scoped_json names = json_array();
        struct log_lines sum = {0};
        char key[64];

        (void)state;
        for (int i = 0; i < 40; i++) {
                memset(key, 'a' + i % 26, sizeof key);
                key[i % 2 == 0 ? 24 : 40] = '\0';
                json_object_set_new(object, key, json_true());
        }
        scoped_string text = json_dumps(object, JSON_COMPACT);
        log_lines_count(text, strlen(text), true, names, &sum);
        assert_int_equal(sum.json, 1);
        assert_true(strlen(sum.shape) < LOG_SHAPE);
        assert_int_equal(sum.shape[strlen(sum.shape) - 1], '}');
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(bounds)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Looking into JSON whose shape nobody promised. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"
#include "scope.h"

/* The place of the row that json_find() finds, -1 for none; rows carry their own under "at". */
static void
rows_are_found_by_a_text(void **state)
{
        static const struct {
                const char *list, *text;
                int at;
        } cases[] = {
                {"[{\"at\": 0, \"name\": \"a\"}, {\"at\": 1, \"name\": \"b\"}]", "b", 1},
                {"[{\"at\": 0, \"name\": \"a\"}, {\"at\": 1, \"name\": \"a\"}]", "a", 0},
                {"[{\"at\": 0, \"name\": \"ab\"}]", "a", -1},
                {"[null, 7, \"a\", [\"a\"], {\"name\": 7}, {\"at\": 5, \"name\": \"a\"}]", "a", 5},
                {"[{\"at\": 0, \"name\": \"a\"}, {\"at\": 1}]", "", 1},
                {"{\"name\": \"a\"}", "a", -1},
                {"[]", "a", -1},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_json list = json_loads(cases[i].list, 0, NULL);
                assert_non_null(list);
                assert_int_equal(json_whole(json_find(list, "name", cases[i].text), "at", -1), cases[i].at);
        }
        assert_null(json_find(NULL, "name", "a"));
}

static void
texts_are_found_in_a_list(void **state)
{
        static const struct {
                const char *list, *text;
                bool holds;
        } cases[] = {
                {"[\"a\", \"b\"]", "b", true}, {"[\"ab\"]", "a", false}, {"[null, 7, {\"a\": 1}, \"a\"]", "a", true},
                {"[\"\"]", "", true},          {"[]", "", false},        {"{\"a\": \"a\"}", "a", false},
                {"[[\"a\"]]", "a", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_json list = json_loads(cases[i].list, 0, NULL);
                assert_non_null(list);
                assert_int_equal(json_holds(list, cases[i].text), cases[i].holds);
        }
        assert_false(json_holds(NULL, "a"));
}

static void
an_earlier_row_is_told(void **state)
{
        static const char list[] =
                "[{\"name\": \"a\"}, {\"name\": \"b\"}, {\"name\": \"a\"}, {\"name\": \"a\"}, {\"name\": \"c\"}]";
        static const bool repeats[] = {false, false, true, true, false};
        scoped_json rows = json_loads(list, 0, NULL);

        (void)state;
        for (size_t i = 0; i < sizeof repeats; i++)
                assert_int_equal(json_repeats(rows, i, "name"), repeats[i]);
}

static void
values_are_told_as_texts(void **state)
{
        static const struct {
                const char *value, *text; /* text NULL: none */
        } cases[] = {
                {"\"a b\"", "a b"},
                {"\" \\t a\\r\\n\"", "a"},
                {"\"\"", ""},
                {"7", "7"},
                {"0.5", "0.5"},
                {"true", "true"},
                {"false", "false"},
                {"null", NULL},
                {"[\"a\"]", NULL},
                {"{}", NULL},
                {"\"1234567\"", "1234567"},
                {"\"12345678\"", NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_json value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
                char text[8] = "?";
                assert_int_equal(json_scalar(value, text, sizeof text), cases[i].text != NULL);
                if (cases[i].text != NULL)
                        assert_string_equal(text, cases[i].text);
        }
}

static void
rows_are_sorted_by_their_texts(void **state)
{
        static const char *const keys[] = {"a", "b", NULL};
        static const struct {
                const char *list, *sorted;
        } cases[] = {
                {"[]", "[]"},
                {"[{\"a\":\"2\"},{\"a\":\"1\"}]", "[{\"a\":\"1\"},{\"a\":\"2\"}]"},
                {"[{\"a\":\"1\",\"b\":\"z\"},{\"a\":\"1\",\"b\":\"y\"}]",
                 "[{\"a\":\"1\",\"b\":\"y\"},{\"a\":\"1\",\"b\":\"z\"}]"},
                {"[{\"b\":\"1\"},{\"b\":\"0\"},{\"a\":\"0\"}]", "[{\"b\":\"0\"},{\"b\":\"1\"},{\"a\":\"0\"}]"},
                {"[{\"a\":\"x\"},7,null]", "[7,null,{\"a\":\"x\"}]"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_json list = json_loads(cases[i].list, 0, NULL);
                assert_int_equal(json_sort(list, keys), 0);
                scoped_string text = json_dumps(list, JSON_COMPACT);
                assert_string_equal(text, cases[i].sorted);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rows_are_found_by_a_text),       cmocka_unit_test(texts_are_found_in_a_list),
                cmocka_unit_test(an_earlier_row_is_told),         cmocka_unit_test(values_are_told_as_texts),
                cmocka_unit_test(rows_are_sorted_by_their_texts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

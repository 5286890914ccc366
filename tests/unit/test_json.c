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

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(rows_are_found_by_a_text),
                cmocka_unit_test(texts_are_found_in_a_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

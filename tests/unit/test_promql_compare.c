/* What a PromQL tree tells: selectors, thresholds on either side, parts joined by set operators, equality. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "scope.h"
#include "support_promql.h"

static void
test_selector(void **state)
{
        struct promql *promql = promql_parsed(
                "rate({__name__=\"a_total\", job=~\"x.*\", env!=\"dev\"}[1h30m] @ 10.5 offset -1m) > 0");
        const struct promql_node *list[2], *selector;

        (void)state;
        assert_int_equal(promql_selectors(promql->root, list, 2), 1);
        selector = list[0];
        assert_string_equal(selector->name, "a_total");
        assert_int_equal(selector->matcher_count, 2);
        assert_int_equal(promql_matcher(selector, "env")->match, PROMQL_IS_NOT);
        assert_string_equal(promql_matcher(selector, "job")->value.bytes, "x.*");
        assert_null(promql_matcher(selector, "zone"));
        assert_int_equal(selector->range.ms, 5400000);
        assert_int_equal(selector->offset.ms, -60000);
        assert_true(selector->at == PROMQL_AT_TIME && selector->at_seconds == 10.5);
        assert_int_equal(selector->start, 5);
        assert_memory_equal(promql->text + selector->start, "{__name__", 9);
        assert_memory_equal(promql->text + selector->end - 10, "offset -1m", 10);
        promql_free(promql);
}

static void
test_comparison(void **state)
{
        static const struct {
                const char *text, *subject; /* NULL: none is found */
                enum promql_operator op;
                double threshold;
        } cases[] = {
                {"foo > 5", "foo", PROMQL_GREATER, 5},
                {"5 < foo", "foo", PROMQL_GREATER, 5},
                {"(86400 * 7 >= (a - time()))", "a - time()", PROMQL_LESS_EQUAL, 604800},
                {"foo == bool 0", "foo", PROMQL_EQUAL, 0},
                {"sum(foo) by (x) <= -0.5", "sum by (x) (foo)", PROMQL_LESS_EQUAL, -0.5},
                {"vector(3) != foo", "foo", PROMQL_NOT_EQUAL, 3},
                {"foo > bar", NULL, PROMQL_ADD, 0},
                {"foo", NULL, PROMQL_ADD, 0},
                {"foo > 1 and bar > 2", NULL, PROMQL_ADD, 0},
                {"1 > bool 2", NULL, PROMQL_ADD, 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct promql *promql = promql_parsed(cases[i].text);
                struct promql_comparison found;

                assert_int_equal(promql_comparison(promql->root, &found), cases[i].subject != NULL);
                if (cases[i].subject != NULL) {
                        scoped_string subject = promql_printed(found.subject);

                        assert_string_equal(subject, cases[i].subject);
                        assert_int_equal(found.op, cases[i].op);
                        assert_true(found.threshold == cases[i].threshold);
                        assert_int_equal(found.flipped, promql_constant(found.node->children[0], &(double){0}));
                }
                promql_free(promql);
        }
}

static void
test_parts(void **state)
{
        static const struct {
                const char *text;
                const char *roles; /* a: always, e: either, n: never */
        } cases[] = {
                {"a > 1", "a"},
                {"a > 1 and b < 2", "aa"},
                {"a > 1 and (b < 2 or c)", "aee"},
                {"a or b or c", "eee"},
                {"(a and b) unless on (x) (c or d)", "aann"},
                {"a or (b and c) unless d", "eeen"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct promql *promql = promql_parsed(cases[i].text);
                struct promql_part parts[8];
                size_t count = promql_parts(promql->root, parts, 8);
                char roles[9] = "";

                assert_int_equal(count, strlen(cases[i].roles));
                for (size_t k = 0; k < count; k++)
                        roles[k] = "aen"[parts[k].role];
                assert_string_equal(roles, cases[i].roles);
                assert_int_equal(promql_parts(promql->root, parts, 0), count);
                promql_free(promql);
        }
}

static void
test_equal(void **state)
{
        static const struct {
                const char *left, *right;
                bool equal;
        } cases[] = {
                {"sum(rate(a{x=\"1\",y=\"2\"}[5m])) by (p, q)", "sum by (q, p) (rate(a{y='2', x='1'}[300s]))", true},
                {"((a)) + b", "a + (b)", true},
                {"a > 1000", "a > 1e3", true},
                {"a > 60 * 5", "a > 5m", true},
                {"{__name__=\"a\"}", "a", true},
                {"a offset 0s", "a", true},
                {"a / on (x, y) b", "a / on (y, x) b", true},
                {"a / on (x) b", "a / ignoring (x) b", false},
                {"a + b", "b + a", false},
                {"a > 1", "a >= 1", false},
                {"a[5m]", "a[6m]", false},
                {"a{x=\"1\"}", "a{x!=\"1\"}", false},
                {"a{x=\"1\"}", "a{x=\"1\",y=\"1\"}", false},
                {"sum by (x) (a)", "sum without (x) (a)", false},
                {"sum(a)", "max(a)", false},
                {"vector(1)", "1", false},
                {"a @ start()", "a @ end()", false},
                {"a == bool 1", "a == 1", false},
                {"a[step()]", "a[step()]", true},
                {"a[step()]", "a[range()]", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct promql *left = promql_parsed(cases[i].left), *right = promql_parsed(cases[i].right);

                if (promql_equal(left->root, right->root) != cases[i].equal ||
                    promql_equal(right->root, left->root) != cases[i].equal)
                        fail_msg("%s, %s", cases[i].left, cases[i].right);
                promql_free(left);
                promql_free(right);
        }
}

static void
test_covers(void **state)
{
        static const struct {
                const char *wide, *narrow;
                bool covers;
        } cases[] = {
                {"a", "a{x=\"1\"}", true},
                {"a{x=\"1\"}", "a", false},
                {"a{x=\"1\"}", "a{y=\"2\",x=\"1\"}", true},
                {"a", "b", false},
                {"{x=\"1\"}", "a{x=\"1\"}", true},
                {"a{x=\"1\"}", "a{x=\"2\"}", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct promql *wide = promql_parsed(cases[i].wide), *narrow = promql_parsed(cases[i].narrow);

                assert_int_equal(promql_covers(wide->root, narrow->root), cases[i].covers);
                promql_free(wide);
                promql_free(narrow);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_selector), cmocka_unit_test(test_comparison), cmocka_unit_test(test_parts),
                cmocka_unit_test(test_equal),    cmocka_unit_test(test_covers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

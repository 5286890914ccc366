/* Trees of waiting sessions: chains, several blockers, circles, rows that make no sense. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lock_tree.h"
#include "scope.h"

/* pid, blocker, waited_ms */
struct edge {
        int pid, blocker, waited_ms;
};

static const struct {
        const char *words;
        struct edge edges[8];
        const char *wanted; /* "root: pid<behind(depth) ..." */
} cases[] = {
        {"nobody waits", {{0}}, ""},
        {"one behind one", {{2, 1, 10}}, "1: 2<1(1) "},
        {"a chain", {{3, 2, 5}, {2, 1, 10}, {4, 3, 1}}, "1: 2<1(1) 3<2(2) 4<3(3) "},
        {"the longest wait comes first", {{2, 1, 10}, {3, 1, 30}, {4, 3, 20}}, "1: 3<1(1) 4<3(2) 2<1(1) "},
        {"of two blockers the one that waits for nobody", {{3, 2, 5}, {3, 1, 5}, {2, 1, 9}}, "1: 2<1(1) 3<1(1) "},
        {"two trees, the longest wait first", {{2, 1, 10}, {12, 11, 99}}, "11: 12<11(1) 1: 2<1(1) "},
        {"a tree's place is that of its longest wait",
         {{2, 1, 1}, {3, 2, 50}, {12, 11, 20}},
         "1: 2<1(1) 3<2(2) 11: 12<11(1) "},
        {"a prepared transaction", {{2, 0, 10}, {3, 2, 5}}, "0: 2<0(1) 3<2(2) "},
        {"a circle", {{1, 2, 5}, {2, 3, 5}, {3, 1, 5}, {4, 3, 1}}, "1: 3<1(1) 2<3(2) 4<3(2) "},
        {"behind itself", {{1, 1, 5}}, ""},
        {"no pid", {{-4, 1, 5}, {3, -1, 5}}, ""},
        {"a wait of less than nothing", {{2, 1, -5}}, "1: 2<1(1) "},
};

static void
shown(const struct lock_tree *tree, char *text, size_t size)
{
        size_t at = 0;

        *text = '\0';
        for (size_t from = 0; from < tree->count;) {
                size_t span = lock_tree_span(tree, from);
                at += (size_t)snprintf(text + at, size - at, "%d: ", (int)tree->waits[from].root);
                for (size_t i = from; i < from + span; i++)
                        at += (size_t)snprintf(text + at, size - at, "%d<%d(%zu) ", (int)tree->waits[i].pid,
                                               (int)tree->waits[i].behind, tree->waits[i].depth);
                from += span;
        }
}

static void
test_trees(void **state)
{
        (void)state;
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
                scoped_json rows = json_array();
                scoped_lock_tree tree = {0};
                char text[400];
                for (size_t e = 0; e < 8 && cases[c].edges[e].pid != 0; e++) {
                        const struct edge *edge = &cases[c].edges[e];
                        json_array_append_new(rows, json_pack("{s:i, s:i, s:i}", "pid", edge->pid, "blocker",
                                                              edge->blocker, "waited_ms", edge->waited_ms));
                }
                assert_int_equal(0, lock_tree_build(rows, &tree));
                shown(&tree, text, sizeof text);
                if (strcmp(text, cases[c].wanted) != 0)
                        fail_msg("%s: \"%s\", wanted \"%s\"", cases[c].words, text, cases[c].wanted);
        }
}

/* A long chain in the worst order, as a hostile row count would have it. */
static void
test_long_chain(void **state)
{
        scoped_json rows = json_array();
        scoped_lock_tree tree = {0};

        (void)state;
        for (int pid = 2; pid <= 1500; pid++)
                json_array_insert_new(rows, 0,
                                      json_pack("{s:i, s:i, s:i}", "pid", pid, "blocker", pid - 1, "waited_ms", pid));
        assert_int_equal(0, lock_tree_build(rows, &tree));
        assert_int_equal(1499, tree.count);
        assert_int_equal(1499, lock_tree_span(&tree, 0));
        assert_int_equal(1499, tree.waits[1498].depth);
        assert_int_equal(1, tree.waits[1498].root);
}

static void
test_shapeless(void **state)
{
        scoped_json rows = json_pack("[n, s, i, {s:s}, {s:i}]", "x", 3, "pid", "x", "pid", 3);
        scoped_lock_tree tree = {0};

        (void)state;
        assert_int_equal(0, lock_tree_build(rows, &tree));
        assert_int_equal(0, tree.count);
        lock_tree_free(&tree);
        assert_int_equal(0, lock_tree_build(NULL, &tree));
        assert_int_equal(0, tree.count);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees), cmocka_unit_test(test_long_chain),
                                           cmocka_unit_test(test_shapeless)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

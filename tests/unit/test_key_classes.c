/* Keys by class and discovered pattern: what is counted, what names fold into, and a scan that goes on in another run.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "key_classes.h"
#include "scope.h"

static json_t *
classes_new(void)
{
        return json_pack("[{s:s, s:s, s:i}, {s:s, s:s, s:b}]", "name", "decision", "match", "decision:*", "ttl", 60000,
                         "name", "flags", "match", "flag:*", "expires", 0);
}

static void
add(struct key_classes *all, const char *name, size_t length, const char *type, int64_t ttl_ms, int64_t size)
{
        struct key_seen key = {.name = name, .length = length, .type = type, .ttl_ms = ttl_ms, .size_bytes = size};

        assert_int_equal(key_classes_add(all, &key), 0);
}

static void
add_text(struct key_classes *all, const char *name, int64_t ttl_ms)
{
        add(all, name, strlen(name), "string", ttl_ms, 100);
}

static const json_t *
pattern(const json_t *told, const char *name)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(told, "patterns"), i, row)
        {
                if (strcmp(json_text(row, "pattern", ""), name) == 0)
                        return row;
        }
        return NULL;
}

static void
test_counts(void **state)
{
        scoped_json classes = classes_new();
        struct key_classes *all = key_classes_open(classes);

        (void)state;
        for (int i = 1; i <= 100; i++) {
                char name[64];
                snprintf(name, sizeof name, "decision:%d", i);
                add_text(all, name, i * 1000); /* 40 of them beyond a minute */
                snprintf(name, sizeof name, "t:acme:policies:%d", i);
                add_text(all, name, i == 50 ? -1 : 5000);
        }
        add(all, "flag:a", 6, "hash", -1, 3000000);
        scoped_json told = key_classes_json(all);
        const json_t *decision = json_array_get(json_list(told, "classes"), 0);
        assert_int_equal(json_whole(decision, "keys", 0), 100);
        assert_int_equal(json_whole(decision, "too_long", 0), 40);
        assert_int_equal(json_whole(decision, "bytes", 0), 10000);
        assert_int_equal(json_whole(json_map(decision, "ttl"), "max_ms", 0), 100000);
        double median = json_real_or(json_map(decision, "ttl"), "p50_ms", 0);
        assert_true(median > 47500 && median < 52500 * 1.05);
        const json_t *policies = pattern(told, "t:acme:policies:<id>");
        assert_int_equal(json_whole(policies, "keys", 0), 100);
        assert_int_equal(json_whole(policies, "without_ttl", 0), 1);
        assert_string_equal(json_text(policies, "example", ""), "t:acme:policies:50");
        assert_int_equal(json_whole(told, "unclassified", 0), 100);
        assert_int_equal(json_whole(told, "keys", 0), 201);
        const json_t *large = json_array_get(json_list(json_at(told, "types", "hash", NULL), "largest"), 0);
        assert_string_equal(json_text(large, "name", ""), "flag:a");
        key_classes_close(all);
}

/* Words that name one thing, or too many of them in one place, are a variable; bytes that are no text break nothing. */
static void
test_patterns(void **state)
{
        static const char *const words[] = {"red", "green", "blue"};
        struct key_classes *all = key_classes_open(NULL);

        (void)state;
        for (int i = 0; i < 3; i++)
                add_text(all, words[i], 1);
        for (int i = 0; i < 60; i++) { /* sixty words of letters alone: more than a place may have */
                char name[64];
                snprintf(name, sizeof name, "user:%c%c:cart", 'a' + i % 26, 'a' + i / 26);
                add_text(all, name, 1);
        }
        for (int i = 0; i < 4; i++) { /* the same word and a NUL in it, in names that differ after it */
                add(all, "ab\0cdef", 7, "string", 1, 10);
                add(all, "ab", 2, "string", 1, 10);
        }
        add(all, "", 0, "string", 1, 10);
        add(all, "\xff\xfe:x", 4, "string", 1, 10);
        scoped_json told = key_classes_json(all);
        assert_int_equal(json_whole(pattern(told, "red"), "keys", 0), 1);
        assert_int_equal(json_whole(pattern(told, "user:<id>:cart"), "keys", 0), 60);
        assert_int_equal(json_whole(pattern(told, "ab"), "keys", 0), 4);
        assert_int_equal(json_whole(pattern(told, "<id>"), "keys", 0), 5);
        assert_int_equal(json_whole(pattern(told, "<id>:x"), "keys", 0), 1);
        key_classes_close(all);
}

/* The i-th of many keys of all sorts. */
static void
add_nth(struct key_classes *all, int i)
{
        static const char *const types[] = {"string", "string", "hash", "zset"};
        char name[96];

        switch (i % 5) {
        case 0:
                snprintf(name, sizeof name, "decision:%d", i);
                break;
        case 1:
                snprintf(name, sizeof name, "flag:%c", 'a' + i % 26);
                break;
        case 2:
                snprintf(name, sizeof name, "user:%c%c:cart", 'a' + i % 26, 'a' + i / 5 % 26);
                break;
        case 3:
                snprintf(name, sizeof name, "t:tenant%d:offers:active", i % 7);
                break;
        default:
                snprintf(name, sizeof name, "x:%d:y:%d|\xff<b>", i, i * 7);
                break;
        }
        add(all, name, strlen(name), types[i % 4], i % 11 == 0 ? -1 : (int64_t)i * i, i % 13 == 0 ? -1 : i * 37 % 9001);
}

/* In two runs, or three, comes to the same as in one: what is put away loses nothing on its way through text. */
static void
test_resume(void **state)
{
        enum { KEYS = 3000 };
        static const int stops[][3] = {{1500, KEYS}, {1, 2999, KEYS}, {0, KEYS}, {40, 41, KEYS}};
        scoped_json classes = classes_new();
        struct key_classes *whole = key_classes_open(classes);

        (void)state;
        for (int i = 0; i < KEYS; i++)
                add_nth(whole, i);
        scoped_json wanted = key_classes_json(whole);
        key_classes_close(whole);
        for (size_t s = 0; s < sizeof stops / sizeof *stops; s++) {
                json_t *kept = NULL;
                scoped_json told = NULL;
                for (int i = 0, part = 0; part < 3 && (part == 0 || stops[s][part] > 0); part++) {
                        struct key_classes *all = key_classes_open(classes);
                        assert_int_equal(key_classes_resume(all, kept), 0);
                        json_decref(kept);
                        for (; i < stops[s][part]; i++)
                                add_nth(all, i);
                        scoped_json here = key_classes_state(all);
                        scoped_string text = json_dumps(here, 0);
                        assert_non_null(text);
                        kept = json_loads(text, 0, NULL);
                        json_decref(told);
                        told = key_classes_json(all);
                        key_classes_close(all);
                }
                json_decref(kept);
                scoped_string a = json_dumps(told, JSON_INDENT(1) | JSON_SORT_KEYS);
                scoped_string b = json_dumps(wanted, JSON_INDENT(1) | JSON_SORT_KEYS);
                assert_string_equal(a, b);
        }
}

/* A state that something else wrote is no reason to fall. */
static void
test_odd_states(void **state)
{
        static const char *const odd[] = {
                "null",
                "[]",
                "{\"keys\": \"x\", \"classes\": 3, \"types\": {}, \"root\": []}",
                "{\"classes\": [{}, {\"tally\": {\"keys\": 3, \"ttls\": [[-1, 2], [999999, 2], [1], 7]}}, {}, {}]}",
                "{\"types\": [{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}",
                "{\"types\": [{\"largest\": [1,2,3,4,5,6,7,8,9]}], \"root\": {\"children\": [{\"children\": "
                "[{\"children\": "
                "[{\"children\": [{\"children\": [{\"children\": [{\"children\": [{\"children\": [{\"children\": "
                "[{\"word\": \"too deep\"}]}]}]}]}]}]}]}]}]}}"};

        (void)state;
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
                scoped_json classes = classes_new();
                scoped_json read = json_loads(odd[i], JSON_DECODE_ANY, NULL);
                struct key_classes *all = key_classes_open(classes);
                assert_non_null(read);
                assert_int_equal(key_classes_resume(all, read), 0);
                add_nth(all, 5);
                scoped_json told = key_classes_json(all);
                assert_int_equal(json_whole(told, "keys", 0), 1);
                key_classes_close(all);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_patterns),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_odd_states),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Members dropped from a JSON text before it is parsed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_slim.h"

static void
texts(void **state)
{
        static const char *const keys[] = {"env", "managedFields", NULL};
        static const struct {
                const char *before, *after;
        } rows[] = {
                {"{\"a\":1,\"env\":[1,{\"b\":2}],\"c\":3}", "{\"a\":1,\"c\":3}"},
                {"{\"env\":[],\"c\":3}", "{\"c\":3}"},
                {"{\"a\":1,\"env\":{}}", "{\"a\":1}"},
                {"{\"a\":1 , \"env\" : { } }", "{\"a\":1 }"},
                {"{\"env\":{}}", "{}"},
                {"{\"env\":[],\"managedFields\":[{\"env\":[]}]}", "{}"},
                {"{\"labels\":{\"env\":\"prod\",\"a\":\"env\"}}", "{\"labels\":{\"env\":\"prod\",\"a\":\"env\"}}"},
                {"{\"env\":null,\"managedFields\":1}", "{\"env\":null,\"managedFields\":1}"},
                {"[\"env\",[1]]", "[\"env\",[1]]"},
                {"{\"a\":\"\\\"env\\\":[1]\"}", "{\"a\":\"\\\"env\\\":[1]\"}"},
                {"{\"a\":\"\\\\\",\"env\":[\"]\\\"]\"],\"b\":1}", "{\"a\":\"\\\\\",\"b\":1}"},
                {"{\"environment\":[1],\"en\":[2]}", "{\"environment\":[1],\"en\":[2]}"},
                {"{\"x\":[{\"env\":[1]},{\"env\":[2],\"y\":1}]}", "{\"x\":[{},{\"y\":1}]}"},
                {"", ""},
                {"\"", "\""},
                {"{\"env\"", "{\"env\""},
                {"{\"env\":", "{\"env\":"},
                {"{\"env\":[", "{"},
                {"{\"a\":1,\"env\":[\"", "{\"a\":1"},
                {"]}\"\"env\":[}", "]}\"\"env\":[}"},
                {"{\"a\\", "{\"a\\"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                /* Of the exact size, so that a sanitizer sees a step too far. */
                size_t length = strlen(rows[i].before);
                char *text = malloc(length + (length == 0));
                assert_non_null(text);
                memcpy(text, rows[i].before, length);
                size_t left = json_without(text, length, keys);
                if (left != strlen(rows[i].after) || memcmp(text, rows[i].after, left) != 0)
                        fail_msg("%s became %.*s", rows[i].before, (int)left, text);
                free(text);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(texts)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

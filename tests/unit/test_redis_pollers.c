/* The names that BullMQ's workers give their connections. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis_pollers.h"

static const struct {
        const char *name, *prefix, *queue; /* prefix NULL: no worker's name */
} cases[] = {
        {"bull:YmF0Y2gtam9icw==", "bull", "batch-jobs"},
        {"bull:cGlwZWxpbmUtam9icw==", "bull", "pipeline-jobs"},
        {"bull:ZHNhci1qb2Jz:w:worker:1", "bull", "dsar-jobs"},
        {"{bull}:YQ==", "{bull}", "a"},
        {"a:b:YWI=", "a:b", "ab"},
        {"bull:w4TDlsOc", "bull", "\xc3\x84\xc3\x96\xc3\x9c"},
        {"", NULL, NULL},
        {"rounds", NULL, NULL},
        {"bull:", NULL, NULL},
        {":YQ==", NULL, NULL},
        {"bull:YQ=", NULL, NULL},
        {"bull:====", NULL, NULL},
        {"bull:Y!==", NULL, NULL},
        {"bull:AAAA", NULL, NULL}, /* three NULs */
        {"bull:Cg==", NULL, NULL}, /* a line feed */
};

static void
names_read(void **state)
{
        char prefix[128], queue[128];

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                bool is_one = redis_worker_name(cases[i].name, strlen(cases[i].name), prefix, queue);
                if (is_one != (cases[i].prefix != NULL))
                        fail_msg("\"%s\": %s", cases[i].name, is_one ? "taken for a worker" : "not taken for a worker");
                if (!is_one)
                        continue;
                assert_string_equal(prefix, cases[i].prefix);
                assert_string_equal(queue, cases[i].queue);
        }
}

static void
long_names_read(void **state)
{
        char name[700], prefix[128], queue[128];

        (void)state;
        memset(name, 'Y', sizeof name);
        memcpy(name, "bull:", 5);
        for (size_t length = 5; length < sizeof name; length++) {
                if (!redis_worker_name(name, length, prefix, queue))
                        continue;
                assert_true(strlen(queue) < 128);
        }
        memset(name, 'p', 200);
        memcpy(name + 200, ":YQ==", 5);
        assert_false(redis_worker_name(name, 205, prefix, queue));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(names_read), cmocka_unit_test(long_names_read)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

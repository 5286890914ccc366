/* Which day an object belongs to. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive_days.h"

static const struct {
        const char *key, *day; /* NULL: none */
} cases[] = {
        {"daily/2026-11-23.json.gz", "2026-11-23"},
        {"daily/2026/11/23/part-0001.json", "2026-11-23"},
        {"dlq_20261123T030000Z.json", "2026-11-23"},
        {"dlq-202611230300.json", "2026-11-23"},
        {"year=2026/month=11/day=23/x.parquet", "2026-11-23"},
        {"2026_11_23", "2026-11-23"},
        {"2026.11.23", "2026-11-23"},
        {"2024-02-29", "2024-02-29"},
        {"2026-01-01/export-2026-11-23.json", "2026-11-23"}, /* the last one counts */
        {"20261123", "2026-11-23"},
        {"2026-02-29", NULL},
        {"2026-13-01", NULL},
        {"2026-00-10", NULL},
        {"2026-11-31", NULL},
        {"1999-11-23", NULL},
        {"2100-01-01", NULL},
        {"part-120261123", NULL}, /* the middle of a number */
        {"2026-11", NULL},
        {"2026-1123", NULL},
        {"202611-23", NULL},
        {"", NULL},
        {"2026", NULL},
        {"latest.json", NULL},
        {"\xff\xfe\x01", NULL},
};

static void
days_of_keys(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                char day[DAY_TEXT] = "";
                bool found = day_of_key(cases[i].key, day);
                if (found != (cases[i].day != NULL) || (found && strcmp(day, cases[i].day) != 0))
                        fail_msg("\"%s\": %s", cases[i].key, found ? day : "no day");
        }
}

static void
days_of_moments(void **state)
{
        char day[DAY_TEXT];

        (void)state;
        day_of_moment(INT64_C(1795489200000), day); /* 2026-11-24T03:00:00Z */
        assert_string_equal(day, "2026-11-24");
        day_of_moment(INT64_C(1795478399999), day);
        assert_string_equal(day, "2026-11-23");
        day_of_moment(-5, day);
        assert_string_equal(day, "1970-01-01");
        assert_true(day_before(INT64_C(1795489200000), 30, "2026-10-24"));
        assert_false(day_before(INT64_C(1795489200000), 30, "2026-10-25"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(days_of_keys), cmocka_unit_test(days_of_moments)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bounds of partitions of every kind, their periods, and how the next one is written. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "moment.h"
#include "partition_bounds.h"

static const char *
shown(int64_t at_ms, char text[MOMENT_TEXT])
{
        if (at_ms == PARTITION_OPEN_BEGIN || at_ms == PARTITION_OPEN_END)
                return at_ms == PARTITION_OPEN_END ? "max" : "min";
        moment_format(at_ms, text);
        return text;
}

static const struct {
        const char *bound, *from, *until; /* from NULL: no moments */
        enum partition_unit unit;
        enum partition_period period;
        bool coarse;
} ranges[] = {
        {"FOR VALUES FROM ('2026-10-01') TO ('2026-11-01')", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
         PARTITION_DATE, PERIOD_MONTH, false},
        {"FOR VALUES FROM ('2026-02-01 00:00:00') TO ('2026-03-01 00:00:00')", "2026-02-01T00:00:00Z",
         "2026-03-01T00:00:00Z", PARTITION_TIMESTAMP, PERIOD_MONTH, false},
        {"FOR VALUES FROM ('2026-09-30 22:00:00+00') TO ('2026-10-31 23:00:00+00')", "2026-09-30T22:00:00Z",
         "2026-10-31T23:00:00Z", PARTITION_TIMESTAMPTZ, PERIOD_MONTH, false},
        {"FOR VALUES FROM ('2026-10-01 05:30:00+05:30') TO ('2026-10-01 21:00:00-03')", "2026-10-01T00:00:00Z",
         "2026-10-02T00:00:00Z", PARTITION_TIMESTAMPTZ, PERIOD_DAY, false},
        {"FOR VALUES FROM ('2026-10-01', 5) TO ('2026-10-08', MINVALUE)", "2026-10-01T00:00:00Z",
         "2026-10-08T00:00:00Z", PARTITION_DATE, PERIOD_WEEK, false},
        {"FOR VALUES FROM (MINVALUE) TO ('2026-11-01')", "min", "2026-11-01T00:00:00Z", PARTITION_DATE, PERIOD_OTHER,
         true},
        {"FOR VALUES FROM ('2026-11-01') TO (MAXVALUE)", "2026-11-01T00:00:00Z", "max", PARTITION_DATE, PERIOD_OTHER,
         true},
        {"FOR VALUES FROM ('-infinity') TO ('infinity')", "min", "max", PARTITION_NO_UNIT, PERIOD_OTHER, true},
        {"FOR VALUES FROM ('2026-10-01') TO ('2027-01-01')", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z",
         PARTITION_DATE, PERIOD_QUARTER, true},
        {"FOR VALUES FROM ('2026-01-01') TO ('2026-07-01')", "2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z",
         PARTITION_DATE, PERIOD_HALF_YEAR, true},
        {"FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z",
         PARTITION_DATE, PERIOD_YEAR, true},
        {"FOR VALUES FROM ('1790812800') TO ('1793491200')", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
         PARTITION_SECONDS, PERIOD_MONTH, false},
        {"FOR VALUES FROM (1790812800000) TO (1793491200000)", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
         PARTITION_MILLISECONDS, PERIOD_MONTH, false},
        {"FOR VALUES FROM ('1790812800000000') TO ('1790816400000000')", "2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z",
         PARTITION_MICROSECONDS, PERIOD_HOUR, false},
        {"FOR VALUES FROM ('1790812800000000000') TO ('1793491200000000000')", "2026-10-01T00:00:00Z",
         "2026-11-01T00:00:00Z", PARTITION_NANOSECONDS, PERIOD_MONTH, false},
        {"FOR VALUES FROM (20261001) TO (20261101)", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z",
         PARTITION_DAY_DIGITS, PERIOD_MONTH, false},
        {"FOR VALUES FROM (202610) TO (202611)", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", PARTITION_MONTH_DIGITS,
         PERIOD_MONTH, false},
        {"FOR VALUES FROM ('01a0f4c2-c400-0000-0000-000000000000') TO ('01a19467-e800-0000-0000-000000000000')",
         "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", PARTITION_UUID, PERIOD_MONTH, false},
        {"FOR VALUES FROM (1) TO (1000000)", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES FROM ('a') TO ('m')", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES FROM ('2026-10-01') TO (5)", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES FROM ('2026-13-01') TO ('2027-01-01')", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES FROM ('2026-11-01') TO ('2026-10-01')", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES FROM ('2026-10-01') TO (20261101)", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES WITH (modulus 4, remainder 0)", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FOR VALUES IN ('2026-10-01')", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"DEFAULT", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FROM (", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"FROM (') TO (", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
        {"", NULL, NULL, PARTITION_NO_UNIT, PERIOD_OTHER, false},
};

static void
test_ranges(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
                struct partition_range range = {0};
                char from[MOMENT_TEXT], until[MOMENT_TEXT];
                bool got = partition_range_parse(ranges[i].bound, &range);
                if (got != (ranges[i].from != NULL))
                        fail_msg("%s: %s", ranges[i].bound, got ? "was read" : "was not read");
                if (!got)
                        continue;
                if (strcmp(shown(range.from_ms, from), ranges[i].from) != 0 ||
                    strcmp(shown(range.until_ms, until), ranges[i].until) != 0 || range.unit != ranges[i].unit)
                        fail_msg("%s: %s to %s, unit %d", ranges[i].bound, shown(range.from_ms, from),
                                 shown(range.until_ms, until), (int)range.unit);
                if (partition_period_of(&range) != ranges[i].period || partition_is_coarse(&range) != ranges[i].coarse)
                        fail_msg("%s: %s", ranges[i].bound, partition_period_name(partition_period_of(&range)));
        }
}

static void
test_checks(void **state)
{
        struct partition_range range;
        char text[MOMENT_TEXT];

        (void)state;
        assert_true(
                partition_check_parse("CHECK (((at >= '2026-10-01'::date) AND (at < '2026-11-01'::date)))", &range));
        assert_string_equal(shown(range.from_ms, text), "2026-10-01T00:00:00Z");
        assert_string_equal(shown(range.until_ms, text), "2026-11-01T00:00:00Z");
        assert_true(partition_check_parse(
                "CHECK (((at >= '2026-10-01 00:00:00+00'::timestamp with time zone) AND (at < '2026-11-01 "
                "00:00:00+00'::timestamp with time zone)))",
                &range));
        assert_int_equal(range.unit, PARTITION_TIMESTAMPTZ);
        assert_true(
                partition_check_parse("CHECK (((at < '2026-11-01'::date) AND (at >= '2026-10-01'::date)))", &range));
        assert_false(partition_check_parse("CHECK ((at >= '2026-10-01'::date))", &range));
        assert_false(partition_check_parse("CHECK ((a <> b) AND (c >= 5))", &range));
        assert_false(partition_check_parse("", &range));
}

static void
test_moments(void **state)
{
        enum partition_unit unit;
        int64_t at_ms;

        (void)state;
        assert_true(partition_moment_parse("2026-10-01 12:00:00.25+00", &at_ms, &unit));
        assert_true(at_ms == 1790812800250 + 12 * HOUR_MS);
        assert_false(partition_moment_parse("infinity", &at_ms, &unit));
        assert_false(partition_moment_parse("2026-10-01 25", &at_ms, &unit));
        assert_false(partition_moment_parse("2026-10-01 12:00:00 BC", &at_ms, &unit));
        assert_false(partition_moment_parse("17", &at_ms, &unit));
        assert_false(partition_moment_parse("", &at_ms, &unit));
}

static void
test_next(void **state)
{
        static const struct {
                const char *from;
                enum partition_period period;
                const char *end, *suffix; /* end NULL: not known */
        } cases[] = {
                {"2026-11-01", PERIOD_MONTH, "2026-12-01T00:00:00Z", "2026_11"},
                {"2026-12-01", PERIOD_MONTH, "2027-01-01T00:00:00Z", "2026_12"},
                {"2028-02-01", PERIOD_MONTH, "2028-03-01T00:00:00Z", "2028_02"},
                {"2026-11-15", PERIOD_MONTH, NULL, "2026_11"},
                {"2026-10-31T23:00:00Z", PERIOD_MONTH, NULL, "2026_10"},
                {"2026-12-31", PERIOD_DAY, "2027-01-01T00:00:00Z", "2026_12_31"},
                {"2026-12-28", PERIOD_WEEK, "2027-01-04T00:00:00Z", "2026_12_28"},
                {"2026-10-01", PERIOD_QUARTER, "2027-01-01T00:00:00Z", "2026_10"},
                {"2026-07-01", PERIOD_HALF_YEAR, "2027-01-01T00:00:00Z", "2026_07"},
                {"2026-01-01", PERIOD_YEAR, "2027-01-01T00:00:00Z", "2026_01"},
                {"2026-11-01T05:00:00Z", PERIOD_HOUR, "2026-11-01T06:00:00Z", "2026_11_01_05"},
                {"2026-11-01", PERIOD_OTHER, NULL, "2026_11_01"},
        };
        struct findings *out = findings_new();

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                int64_t from_ms = 0;
                char text[MOMENT_TEXT];
                assert_true(moment_parse(cases[i].from, &from_ms));
                int64_t end_ms = partition_period_end(from_ms, cases[i].period);
                if (cases[i].end == NULL)
                        assert_true(end_ms == from_ms);
                else
                        assert_string_equal(shown(end_ms, text), cases[i].end);
                assert_string_equal(partition_suffix(out, from_ms, cases[i].period), cases[i].suffix);
        }
        findings_free(out);
}

static void
test_written(void **state)
{
        static const char *const wanted[] = {
                [PARTITION_DATE] = "'2026-10-01'",
                [PARTITION_TIMESTAMP] = "'2026-10-01'",
                [PARTITION_TIMESTAMPTZ] = "'2026-10-01 00:00:00+00'",
                [PARTITION_SECONDS] = "1790812800",
                [PARTITION_MILLISECONDS] = "1790812800000",
                [PARTITION_MICROSECONDS] = "1790812800000000",
                [PARTITION_NANOSECONDS] = "1790812800000000000",
                [PARTITION_DAY_DIGITS] = "20261001",
                [PARTITION_MONTH_DIGITS] = "202610",
                [PARTITION_UUID] = "'01a0f4c2-c400-0000-0000-000000000000'",
        };
        struct findings *out = findings_new();

        (void)state;
        for (int unit = PARTITION_DATE; unit <= PARTITION_UUID; unit++)
                assert_string_equal(partition_bound_text(out, 1790812800000, (enum partition_unit)unit), wanted[unit]);
        assert_string_equal(partition_bound_text(out, PARTITION_OPEN_END, PARTITION_DATE), "MAXVALUE");
        findings_free(out);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ranges), cmocka_unit_test(test_checks),  cmocka_unit_test(test_moments),
                cmocka_unit_test(test_next),   cmocka_unit_test(test_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

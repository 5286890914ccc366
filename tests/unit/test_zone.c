/* Time zones: summer and winter, the hours around a change, years past the file's last transition, names that are none.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "moment.h"
#include "zone.h"

static void
test_moments(void **state)
{
        static const struct {
                const char *zone, *utc, *shown;
        } rows[] = {
                {NULL, "2026-11-24T03:12:44Z", "2026-11-24 03:12 UTC"},
                {"UTC", "1969-12-31T23:59:59Z", "1969-12-31 23:59 UTC"},
                {"Europe/Berlin", "2026-11-24T03:12:44Z", "2026-11-24 04:12 CET"},
                {"Europe/Berlin", "2026-07-24T03:12:44Z", "2026-07-24 05:12 CEST"},
                {"Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29 01:59 CET"},
                {"Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29 03:00 CEST"},
                {"Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25 02:59 CEST"},
                {"Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25 02:00 CET"},
                {"Europe/Berlin", "2099-07-01T12:00:00Z", "2099-07-01 14:00 CEST"},
                {"Europe/Berlin", "2099-12-01T12:00:00Z", "2099-12-01 13:00 CET"},
                {"America/New_York", "2026-11-01T05:59:00Z", "2026-11-01 01:59 EDT"},
                {"America/New_York", "2026-11-01T06:00:00Z", "2026-11-01 01:00 EST"},
                {"America/New_York", "2080-03-10T06:59:00Z", "2080-03-10 01:59 EST"},
                {"America/New_York", "2080-03-10T07:00:00Z", "2080-03-10 03:00 EDT"},
                {"Australia/Sydney", "2050-01-15T00:00:00Z", "2050-01-15 11:00 AEDT"},
                {"Asia/Kolkata", "2026-11-24T03:12:44Z", "2026-11-24 08:42 IST"},
                {"Asia/Kathmandu", "2050-11-24T03:12:44Z", "2050-11-24 08:57 +0545"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                scoped_zone zone = NULL;
                struct error err = {0};
                char text[ZONE_TEXT];
                int64_t moment_ms;
                if (zone_open(rows[i].zone, &zone, &err) != 0)
                        fail_msg("%s", err.text);
                assert_true(moment_parse(rows[i].utc, &moment_ms));
                zone_moment(zone, moment_ms, text);
                assert_string_equal(text, rows[i].shown);
        }
}

/* Every third day and some hours, through 120 years, against the C library in a process whose TZ is set. */
static void
test_agrees_with_the_c_library(void **state)
{
        static const char *const names[] = {"Europe/London",     "America/Sao_Paulo", "Australia/Lord_Howe",
                                            "Africa/Casablanca", "Pacific/Chatham",   "America/St_Johns"};

        (void)state;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                scoped_zone zone = NULL;
                struct error err = {0};
                assert_int_equal(zone_open(names[i], &zone, &err), 0);
                setenv("TZ", names[i], 1);
                tzset();
                for (time_t at = -300000000; at < 3500000000; at += 266777) {
                        struct tm theirs, ours;
                        localtime_r(&at, &theirs);
                        zone_clock(zone, (int64_t)at * 1000, &ours);
                        if (theirs.tm_gmtoff != ours.tm_gmtoff || theirs.tm_hour != ours.tm_hour ||
                            strcmp(theirs.tm_zone, ours.tm_zone) != 0)
                                fail_msg("%s at %ld: %s, the C library says %s", names[i], (long)at, ours.tm_zone,
                                         theirs.tm_zone);
                }
                unsetenv("TZ");
                tzset();
        }
}

static void
test_names_that_are_none(void **state)
{
        static const char *const names[] = {"Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "Europe", "a b"};

        (void)state;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                scoped_zone zone = NULL;
                struct error err = {0};
                assert_int_equal(zone_open(names[i], &zone, &err), -1);
                assert_int_equal(err.reason, REASON_CONFIGURATION);
                assert_null(zone);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_moments),
                cmocka_unit_test(test_agrees_with_the_c_library),
                cmocka_unit_test(test_names_that_are_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Cron schedules: what is one, and when it starts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cron.h"
#include "moment.h"

static void
schedules(void **state)
{
        /* The first starts from 2026-11-23 (a Monday) 00:00 UTC on. */
        static const struct {
                const char *schedule, *zone;
                const char *starts[4];
        } rows[] = {
                {"30 4 * * *", NULL, {"2026-11-23T04:30:00Z", "2026-11-24T04:30:00Z", "2026-11-25T04:30:00Z"}},
                {"*/15 * * * *", NULL, {"2026-11-23T00:00:00Z", "2026-11-23T00:15:00Z", "2026-11-23T00:30:00Z"}},
                {"5/20 3 * * *", NULL, {"2026-11-23T03:05:00Z", "2026-11-23T03:25:00Z", "2026-11-23T03:45:00Z"}},
                {"0 11 * * MON", "Europe/Berlin", {"2026-11-23T10:00:00Z", "2026-11-30T10:00:00Z"}},
                {"0 11 * * mon", "America/New_York", {"2026-11-23T16:00:00Z"}},
                {"0 0 * * *", "Asia/Kolkata", {"2026-11-23T18:30:00Z", "2026-11-24T18:30:00Z"}},
                {"CRON_TZ=Europe/Berlin 0 11 * * *", "Europe/Berlin", {"2026-11-23T10:00:00Z"}},
                {"0 2 1,15 * *", NULL, {"2026-12-01T02:00:00Z", "2026-12-15T02:00:00Z"}},
                {"0 2 28-30/2 NOV *", NULL, {"2026-11-28T02:00:00Z", "2026-11-30T02:00:00Z", "2027-11-28T02:00:00Z"}},
                {"0 2 13 * FRI",
                 NULL,
                 {"2026-11-27T02:00:00Z", "2026-12-04T02:00:00Z", "2026-12-11T02:00:00Z", "2026-12-13T02:00:00Z"}},
                {"0 2 ? * 0", NULL, {"2026-11-29T02:00:00Z"}},
                {"0 2 * * 7", NULL, {"2026-11-29T02:00:00Z", "2026-12-06T02:00:00Z"}},
                {"0 2 * * SAT-7", NULL, {"2026-11-28T02:00:00Z", "2026-11-29T02:00:00Z", "2026-12-05T02:00:00Z"}},
                {"0 2 29 2 *", NULL, {"2028-02-29T02:00:00Z"}},
                {"0 8-18/5 * * MON-FRI",
                 NULL,
                 {"2026-11-23T08:00:00Z", "2026-11-23T13:00:00Z", "2026-11-23T18:00:00Z", "2026-11-24T08:00:00Z"}},
                {"@daily", NULL, {"2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"}},
                {"@weekly", NULL, {"2026-11-29T00:00:00Z"}},
                {"@monthly", NULL, {"2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"}},
                {"@yearly", NULL, {"2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"}},
                {"@hourly", NULL, {"2026-11-23T00:00:00Z", "2026-11-23T01:00:00Z"}},
                {"@every 90m", NULL, {"2026-11-23T00:00:00Z", "2026-11-23T01:30:00Z", "2026-11-23T03:00:00Z"}},
                /* Spring forward in Berlin on 2027-03-28: 02:30 does not come.  Autumn on 2027-10-31: it comes once. */
                {"30 2 28 3 *", "Europe/Berlin", {"2028-03-28T00:30:00Z"}},
                {"30 2 31 10 *", "Europe/Berlin", {"2027-10-31T00:30:00Z", "2028-10-31T01:30:00Z"}},
                {"0 3 28 3 *", "Europe/Berlin", {"2027-03-28T01:00:00Z"}},
        };
        int64_t from, starts[4];

        (void)state;
        assert_true(moment_parse("2026-11-23T00:00:00Z", &from));
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct cron cron;
                struct zone *zone = NULL;
                struct error err;
                char why[200], text[MOMENT_TEXT];
                if (!cron_parse(rows[i].schedule, &cron, why, sizeof why))
                        fail_msg("%s: %s", rows[i].schedule, why);
                assert_int_equal(zone_open(rows[i].zone, &zone, &err), 0);
                size_t count = cron_starts(&cron, zone, from, from + 1200 * DAY_MS, starts, 4);
                for (size_t s = 0; s < 4 && rows[i].starts[s] != NULL; s++) {
                        moment_format(s < count ? starts[s] : 0, text);
                        if (strcmp(text, rows[i].starts[s]) != 0)
                                fail_msg("%s: start %zu is %s instead of %s", rows[i].schedule, s, text,
                                         rows[i].starts[s]);
                }
                zone_close(zone);
        }
}

static void
no_schedules(void **state)
{
        static const char *const rows[] = {"",
                                           "* * * *",
                                           "* * * * * *",
                                           "60 * * * *",
                                           "* 24 * * *",
                                           "* * 0 * *",
                                           "* * 32 * *",
                                           "* * * 13 *",
                                           "* * * * 8",
                                           "*/0 * * * *",
                                           "5-1 * * * *",
                                           "a * * * *",
                                           "* * * MOND *",
                                           "1,,2 * * * *",
                                           "1- * * * *",
                                           "-1 * * * *",
                                           "*/MON * * * *",
                                           "@often",
                                           "@every",
                                           "@every x",
                                           "@every 0s",
                                           "TZ=Europe/Berlin",
                                           "TZ= * * * * *",
                                           "99999999999 * * * *"};
        struct cron cron;
        char why[200];

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                why[0] = '\0';
                if (cron_parse(rows[i], &cron, why, sizeof why) || why[0] == '\0')
                        fail_msg("\"%s\" was taken", rows[i]);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(schedules), cmocka_unit_test(no_schedules)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The calendar of duties: whole, folded, escaped, the same bytes twice. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scope.h"
#include "view.h"

static char *
rendered(const struct view *view, const char *zone)
{
        const struct report_options options = {.timezone = zone};
        struct error err = {0};
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (report_stream(view, "ics", &options, stream, &err) != 0)
                fail_msg("%s", err.text);
        fclose(stream);
        assert_int_equal(strlen(text), size);
        return text;
}

/* Lines as a reader joins them again: folds undone. */
static char *
unfolded(const char *text)
{
        char *whole = calloc(1, strlen(text) + 1), *to = whole;

        for (const char *c = text; *c != '\0'; c++) {
                if (strncmp(c, "\r\n ", 3) == 0)
                        c += 2;
                else
                        *to++ = *c;
        }
        return whole;
}

static void
lines_check(const char *text)
{
        while (*text != '\0') {
                const char *end = strstr(text, "\r\n");
                assert_non_null(end);
                assert_true(end - text <= 75);
                for (const char *c = text; c < end; c++)
                        assert_true((unsigned char)*c >= ' ' && *c != 0x7F);
                /* No line begins in the middle of a character. */
                const char *first = *text == ' ' ? text + 1 : text;
                assert_true(((unsigned char)*first & 0xC0) != 0x80);
                text = end + 2;
        }
}

static void
duties_become_events(void **state)
{
        (void)state;
        scoped_json first = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", "LAT-3 load-test", "due",
                                      "2026-11-30T23:30:00Z", "control", "LAT-3", "duty",
                                      "load-tested; every week, with \\ and \xC3\xA4\xC3\xB6\xC3\xBC", "evidence",
                                      "load-test", "last", "2026-11-23T23:30:00Z", "owner", "");
        scoped_json second = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", "NOD-5 x", "due", "2026-12-24T03:00:00Z",
                                       "control", "NOD-5", "evidence", "a\r\nBEGIN:VALARM\x1B|<script>", "owner",
                                       "ops");
        scoped_json broken = json_pack("{s:s, s:s}", "id", "x", "due", "soon");
        const struct view_row rows[] = {{"proofs", first}, {"proofs", second}, {"proofs", broken}};
        const struct view_inventory inventory[] = {{"databases", rows, 1}, {"duties", rows, 3}};
        const struct view_waiver waivers[] = {{.id = "W-1",
                                               .control = "DSK-7",
                                               .target = "",
                                               .reason = "moves",
                                               .owner = "data",
                                               .approver = "jane",
                                               .ticket = "OPS-1",
                                               .expires_ms = 1796515200000,
                                               .state = WAIVER_IN_FORCE},
                                              {.id = "W-0",
                                               .control = "DSK-7",
                                               .target = "",
                                               .reason = "",
                                               .owner = "",
                                               .approver = "",
                                               .ticket = "",
                                               .expires_ms = 1,
                                               .state = WAIVER_EXPIRED}};
        const struct view view = {.run = {.id = 1, .started_ms = 1795489200000},
                                  .organisation = "",
                                  .timezone = "",
                                  .inventory = inventory,
                                  .inventory_count = 2,
                                  .waivers = waivers,
                                  .waiver_count = 2};
        scoped_string text = rendered(&view, "Europe/Berlin");
        scoped_string again = rendered(&view, "Europe/Berlin");
        scoped_string utc = rendered(&view, NULL);

        assert_string_equal(text, again);
        lines_check(text);
        scoped_string whole = unfolded(text);
        static const char *const wanted[] = {
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//rounds//duties//EN\r\n",
                /* Half past eleven in London is the next day in Berlin. */
                "DTSTAMP:20261124T030000Z\r\nDTSTART;VALUE=DATE:20261201\r\nDTEND;VALUE=DATE:20261202\r\n",
                "SUMMARY:LAT-3 due: load-tested\\; every week\\, with \\\\ and \xC3\xA4\xC3\xB6\xC3\xBC\r\n",
                "DESCRIPTION:Evidence load-test of proofs\\; last done 2026-11-23T23:30:00Z\r\n",
                "DESCRIPTION:Evidence a \\nBEGIN:VALARM |<script> of proofs\\; last done never\\; owner ops\r\n",
                "SUMMARY:Waiver W-1 of DSK-7 ends\r\nDESCRIPTION:moves\\; owner data\\; ",
                "approved by jane\\; ticket OPS-1\r\nCATEGORIES:WAIVER\r\n",
                "TRIGGER:-P1D\r\n",
                "END:VEVENT\r\nEND:VCALENDAR\r\n",
        };
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
                if (strstr(whole, wanted[i]) == NULL)
                        fail_msg("missing: %s\nin: %s", wanted[i], whole);
        }
        size_t events = 0;
        for (const char *at = whole; (at = strstr(at, "BEGIN:VEVENT")) != NULL; at++)
                events++;
        assert_int_equal(3, events);
        assert_null(strstr(whole, "W-0"));
        assert_non_null(strstr(utc, "DTSTART;VALUE=DATE:20261130\r\n"));
}

static void
an_empty_calendar_is_one(void **state)
{
        (void)state;
        const struct view view = {.organisation = "Example", .timezone = ""};
        scoped_string text = rendered(&view, NULL);

        assert_non_null(strstr(text, "X-WR-CALNAME:Example: duties\r\nEND:VCALENDAR\r\n"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(duties_become_events),
                cmocka_unit_test(an_empty_calendar_is_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

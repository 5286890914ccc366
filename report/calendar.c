/* The calendar: when each periodic duty is due again, when waivers end; iCalendar (RFC 5545), for any calendar program.
 *
 * One event a duty, of a whole day in the report's time zone, with a reminder the day before.  An event keeps its UID
 * from report to report, so that a program that reads the newest file moves events instead of gathering them. */

#include <string.h>
#include <time.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "utf8.h"
#include "view.h"
#include "zone.h"

enum { LINE_MOST = 75 }; /* octets, without the line break (RFC 5545, 3.1) */

struct calendar {
        FILE *stream;
        const struct view *view;
        const struct zone *zone;
        size_t column; /* octets on the current line */
};

/* --- content lines ------------------------------------------------------------------------------------------------ */

/* Bytes that must stay together: a line is folded before them when they do not fit. */
static void
put(struct calendar *calendar, const char *bytes, size_t length)
{
        if (calendar->column + length > LINE_MOST) {
                fputs("\r\n ", calendar->stream);
                calendar->column = 1;
        }
        fwrite(bytes, 1, length, calendar->stream);
        calendar->column += length;
}

static void
line_end(struct calendar *calendar)
{
        fputs("\r\n", calendar->stream);
        calendar->column = 0;
}

/* Text as it is: names of properties, dates. */
static void
put_plain(struct calendar *calendar, const char *text)
{
        for (; *text != '\0'; text++)
                put(calendar, text, 1);
}

/* TEXT values: backslash, semicolon, comma and newline are escaped, other controls become spaces (RFC 5545, 3.3.11). */
static void
put_text(struct calendar *calendar, const char *text)
{
        size_t left = strlen(text);

        while (left > 0) {
                size_t length = utf8_length(text, left);
                if (length == 0) {
                        put(calendar, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
                        length = 1;
                } else if (*text == '\n') {
                        put(calendar, "\\n", 2);
                } else if (*text == '\\' || *text == ';' || *text == ',') {
                        const char pair[2] = {'\\', *text};
                        put(calendar, pair, 2);
                } else if ((unsigned char)*text < ' ' || *text == 0x7F) {
                        put(calendar, " ", 1);
                } else {
                        put(calendar, text, length);
                }
                text += length;
                left -= length;
        }
}

static void
line(struct calendar *calendar, const char *property, const char *value)
{
        put_plain(calendar, property);
        put_plain(calendar, value);
        line_end(calendar);
}

static void
text_line(struct calendar *calendar, const char *property, const char *const *parts)
{
        put_plain(calendar, property);
        for (; *parts != NULL; parts++)
                put_text(calendar, *parts);
        line_end(calendar);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

struct event {
        const char *control, *target, *name; /* identity */
        int64_t at_ms;
        const char *summary[7], *description[12];
        const char *category;
};

static void
date_format(const struct zone *zone, int64_t at_ms, int days, char text[16])
{
        struct tm clock;

        zone_clock(zone, at_ms + days * DAY_MS, &clock);
        strftime(text, 16, "%Y%m%d", &clock);
}

static void
stamp_format(int64_t at_ms, char text[24])
{
        time_t seconds = (time_t)(at_ms / 1000);
        struct tm utc;

        if (gmtime_r(&seconds, &utc) == NULL || strftime(text, 24, "%Y%m%dT%H%M%SZ", &utc) == 0)
                snprintf(text, 24, "19700101T000000Z");
}

static void
event_write(struct calendar *calendar, const struct event *event)
{
        char text[24], uid[FINGERPRINT_TEXT];
        const struct resource resource = {.kind = "event", .name = event->name};

        finding_fingerprint(event->control, event->target, &resource, uid);
        line(calendar, "BEGIN:", "VEVENT");
        put_plain(calendar, "UID:");
        put_plain(calendar, uid);
        line(calendar, "@", "rounds");
        stamp_format(calendar->view->run.started_ms, text);
        line(calendar, "DTSTAMP:", text);
        date_format(calendar->zone, event->at_ms, 0, text);
        line(calendar, "DTSTART;VALUE=DATE:", text);
        date_format(calendar->zone, event->at_ms, 1, text);
        line(calendar, "DTEND;VALUE=DATE:", text);
        text_line(calendar, "SUMMARY:", event->summary);
        text_line(calendar, "DESCRIPTION:", event->description);
        line(calendar, "CATEGORIES:", event->category);
        line(calendar, "TRANSP:", "TRANSPARENT");
        line(calendar, "BEGIN:", "VALARM");
        line(calendar, "ACTION:", "DISPLAY");
        line(calendar, "TRIGGER:", "-P1D");
        text_line(calendar, "DESCRIPTION:", event->summary);
        line(calendar, "END:", "VALARM");
        line(calendar, "END:", "VEVENT");
}

static void
duties_write(struct calendar *calendar)
{
        const struct view *view = calendar->view;

        for (size_t i = 0; i < view->inventory_count; i++) {
                const struct view_inventory *inventory = &view->inventory[i];
                for (size_t r = 0; strcmp(inventory->kind, "duties") == 0 && r < inventory->count; r++) {
                        const json_t *row = inventory->rows[r].row;
                        const char *control = json_text(row, "control", ""), *owner = json_text(row, "owner", "");
                        struct event event = {.control = control,
                                              .target = inventory->rows[r].target,
                                              .name = json_text(row, "evidence", json_text(row, "id", "")),
                                              .summary = {control, " due: ", json_text(row, "duty", ""), NULL},
                                              .description = {"Evidence ", json_text(row, "evidence", "?"), " of ",
                                                              inventory->rows[r].target, "; last done ",
                                                              json_text(row, "last", "never"),
                                                              *owner != '\0' ? "; owner " : NULL, owner, NULL},
                                              .category = "DUTY"};
                        if (moment_parse(json_text(row, "due", ""), &event.at_ms))
                                event_write(calendar, &event);
                }
        }
}

static void
waivers_write(struct calendar *calendar)
{
        const struct view *view = calendar->view;

        for (size_t i = 0; i < view->waiver_count; i++) {
                const struct view_waiver *waiver = &view->waivers[i];
                if (waiver->state == WAIVER_EXPIRED || waiver->expires_ms <= 0)
                        continue;
                const struct event event = {
                        .control = waiver->control,
                        .target = waiver->target,
                        .name = waiver->id,
                        .at_ms = waiver->expires_ms,
                        .summary = {"Waiver ", waiver->id, " of ",
                                    *waiver->control != '\0' ? waiver->control : "a finding", " ends", NULL},
                        .description = {waiver->reason, "; owner ", waiver->owner, "; approved by ", waiver->approver,
                                        *waiver->ticket != '\0' ? "; ticket " : NULL, waiver->ticket, NULL},
                        .category = "WAIVER"};
                event_write(calendar, &event);
        }
}

static int
calendar_write(const struct view *view, const struct report_options *options, FILE *stream, struct error *err)
{
        const char *name = options->timezone != NULL ? options->timezone
                           : *view->timezone != '\0' ? view->timezone
                                                     : "UTC";
        const char *const title[] = {*view->organisation != '\0' ? view->organisation : "rounds", ": duties", NULL};
        scoped_zone zone = NULL;

        if (zone_open(name, &zone, err) != 0)
                return -1;
        struct calendar calendar = {.stream = stream, .view = view, .zone = zone};
        line(&calendar, "BEGIN:", "VCALENDAR");
        line(&calendar, "VERSION:", "2.0");
        line(&calendar, "PRODID:", "-//rounds//duties//EN");
        line(&calendar, "METHOD:", "PUBLISH");
        text_line(&calendar, "X-WR-CALNAME:", title);
        duties_write(&calendar);
        waivers_write(&calendar);
        line(&calendar, "END:", "VCALENDAR");
        return 0;
}

const struct renderer renderer_calendar = {
        .name = "ics",
        .extension = "ics",
        .words = "calendar of duties and of waivers that end, for calendar programs",
        .write = calendar_write,
};

/* Cron schedules: reading them, and when they start. */

#include "cron.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "moment.h"

struct field {
        const char *name;
        int least, most;
        const char *const *words; /* names from `least` on; NULL */
};

static const char *const month_words[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const day_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[] = {
        {"minute", 0, 59, NULL},          {"hour", 0, 23, NULL},
        {"day of month", 1, 31, NULL},    {"month", 1, 12, month_words},
        {"day of week", 0, 7, day_words},
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* A number or a name at *at; -1 when it is neither. */
static int
value_take(const struct field *field, const char **at)
{
        if (isdigit((unsigned char)**at)) {
                char *end;
                long value = strtol(*at, &end, 10);
                if (end - *at > 4)
                        return -1;
                *at = end;
                return (int)value;
        }
        for (int i = 0; field->words != NULL && field->words[i] != NULL; i++) {
                if (strncasecmp(*at, field->words[i], 3) == 0 && !isalnum((unsigned char)(*at)[3])) {
                        *at += 3;
                        return field->least + i;
                }
        }
        return -1;
}

/* One member of a list: "*", "5", "1-5", "MON-FRI/2", "3/10" (from 3 on).  *any: it leaves the field unrestricted. */
static bool
member_take(const struct field *field, const char **at, uint64_t *bits, bool *any)
{
        int from = field->least, until = field->most, step = 1;
        bool whole = **at == '*' || **at == '?';

        if (whole) {
                (*at)++;
                /* 7 is Sunday's second name: a star must not count it twice. */
                until = field->words == day_words ? 6 : until;
        } else {
                from = value_take(field, at);
                if (from < 0)
                        return false;
                until = from;
                if (**at == '-') {
                        (*at)++;
                        until = value_take(field, at);
                }
        }
        if (**at == '/') {
                (*at)++;
                const char *digits = *at;
                step = value_take(&fields[0], at);
                if (!isdigit((unsigned char)*digits) || step < 1)
                        return false;
                if (!whole && until == from)
                        until = field->words == day_words ? 6 : field->most;
        }
        if (from < field->least || until > field->most || from > until)
                return false;
        for (int i = from; i <= until; i += step)
                *bits |= 1ULL << (field->words == day_words && i == 7 ? 0 : i);
        *any |= whole && step == 1;
        return true;
}

static bool
field_take(const struct field *field, const char **at, uint64_t *bits, bool *any, char *why, size_t size)
{
        const char *from = *at;

        *bits = 0;
        *any = false;
        for (;;) {
                if (!member_take(field, at, bits, any))
                        break;
                if (**at == ',') {
                        (*at)++;
                        continue;
                }
                if (**at == '\0' || **at == ' ' || **at == '\t')
                        return true;
                break;
        }
        snprintf(why, size, "the %s \"%.*s\" cannot be read", field->name, (int)strcspn(from, " \t"), from);
        return false;
}

static const char *
macro_meaning(const char *text)
{
        static const struct {
                const char *macro, *meaning;
        } rows[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
                    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
                    {"@hourly", "0 * * * *"}};

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (strcmp(text, rows[i].macro) == 0)
                        return rows[i].meaning;
        }
        return NULL;
}

/* "TZ=" and "CRON_TZ=" in front; false for one without an end. */
static bool
zone_take(const char **at, struct cron *cron)
{
        size_t head = strncmp(*at, "TZ=", 3) == 0 ? 3 : strncmp(*at, "CRON_TZ=", 8) == 0 ? 8 : 0;
        size_t length = strcspn(*at + head, " ");

        if (head == 0)
                return true;
        if (length == 0 || length >= sizeof cron->zone || (*at)[head + length] == '\0')
                return false;
        memcpy(cron->zone, *at + head, length);
        cron->zone[length] = '\0';
        *at += head + length;
        *at += strspn(*at, " ");
        return true;
}

bool
cron_parse(const char *text, struct cron *cron, char *why, size_t size)
{
        uint64_t bits[5];
        bool any[5];

        *cron = (struct cron){0};
        snprintf(why, size, "it is empty");
        const char *at = text + strspn(text, " \t");
        if (!zone_take(&at, cron)) {
                snprintf(why, size, "its time zone cannot be read");
                return false;
        }
        if (strncmp(at, "@every ", 7) == 0) {
                if (duration_parse(at + 7, &cron->every_ms) && cron->every_ms >= SECOND_MS)
                        return true;
                snprintf(why, size, "the length of time after @every cannot be read");
                return false;
        }
        if (*at == '@' && (at = macro_meaning(at)) == NULL) {
                snprintf(why, size, "there is no such macro");
                return false;
        }
        for (int f = 0; f < 5; f++) {
                if (*at == '\0') {
                        snprintf(why, size, "it has %d fields of 5", f);
                        return false;
                }
                if (!field_take(&fields[f], &at, &bits[f], &any[f], why, size))
                        return false;
                at += strspn(at, " \t");
        }
        if (*at != '\0') {
                snprintf(why, size, "it has more than 5 fields");
                return false;
        }
        cron->minutes = bits[0];
        cron->hours = (uint32_t)bits[1];
        cron->days = (uint32_t)bits[2];
        cron->months = (uint32_t)bits[3];
        cron->weekdays = (uint32_t)bits[4];
        cron->any_day = any[2];
        cron->any_weekday = any[4];
        return true;
}

/* --- starts ------------------------------------------------------------------------------------------------------- */

static int64_t
floor_div(int64_t a, int64_t b)
{
        return a / b - (a % b < 0 ? 1 : 0);
}

/* Day of the month and month of a day since 1970-01-01.  Source: H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", civil_from_days. */
static void
civil_of(int64_t day, int *month, int *day_of_month)
{
        int64_t shifted = day + 719468, era = floor_div(shifted, 146097);
        int64_t of_era = shifted - era * 146097;
        int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
        int64_t march = (5 * of_year + 2) / 153;

        *day_of_month = (int)(of_year - (153 * march + 2) / 5 + 1);
        *month = (int)(march < 10 ? march + 3 : march - 9);
}

static bool
day_matches(const struct cron *cron, int64_t day)
{
        int month, of_month, weekday = (int)(((day + 4) % 7 + 7) % 7);

        civil_of(day, &month, &of_month);
        bool in_month = cron->days >> of_month & 1, in_week = cron->weekdays >> weekday & 1;
        if (!(cron->months >> month & 1))
                return false;
        return cron->any_day || cron->any_weekday ? in_month && in_week : in_month || in_week;
}

/* The moment of a local time; false when the zone skips it. */
static bool
moment_of_local(const struct zone *zone, int64_t local_ms, int64_t *moment_ms)
{
        int64_t guess = local_ms - zone_offset(zone, local_ms) * SECOND_MS;
        int64_t before = local_ms - zone_offset(zone, guess - 12 * HOUR_MS) * SECOND_MS;
        int64_t after = local_ms - zone_offset(zone, guess + 12 * HOUR_MS) * SECOND_MS;
        int64_t first = before < after ? before : after, second = before < after ? after : before;

        *moment_ms = first + zone_offset(zone, first) * SECOND_MS == local_ms ? first : second;
        return *moment_ms + zone_offset(zone, *moment_ms) * SECOND_MS == local_ms;
}

struct walk {
        int64_t *starts;
        size_t most, count;
};

static void
day_starts(const struct cron *cron, const struct zone *zone, int64_t day, int64_t from_ms, int64_t until_ms,
           struct walk *walk)
{
        for (int hour = 0; hour < 24; hour++) {
                if (!(cron->hours >> hour & 1))
                        continue;
                for (int minute = 0; minute < 60; minute++) {
                        int64_t moment;
                        if (!(cron->minutes >> minute & 1) ||
                            !moment_of_local(zone, day * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS, &moment) ||
                            moment < from_ms || moment >= until_ms)
                                continue;
                        if (walk->count < walk->most)
                                walk->starts[walk->count++] = moment;
                }
        }
}

static int64_t
local_day(const struct zone *zone, int64_t moment_ms)
{
        return floor_div(moment_ms + zone_offset(zone, moment_ms) * SECOND_MS, DAY_MS);
}

size_t
cron_starts(const struct cron *cron, const struct zone *zone, int64_t from_ms, int64_t until_ms, int64_t *starts,
            size_t most)
{
        struct walk walk = {.starts = starts, .most = most};

        if (cron->every_ms > 0) {
                for (int64_t at = from_ms; at < until_ms && walk.count < most; at += cron->every_ms)
                        starts[walk.count++] = at;
                return walk.count;
        }
        for (int64_t day = local_day(zone, from_ms); day <= local_day(zone, until_ms) && walk.count < most; day++) {
                if (day_matches(cron, day))
                        day_starts(cron, zone, day, from_ms, until_ms, &walk);
        }
        return walk.count;
}

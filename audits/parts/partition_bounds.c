/* Bounds of partitions as moments. */

#include "partition_bounds.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "moment.h"

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int64_t
civil_ms(int year, int month, int day)
{
        struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};

        return (int64_t)timegm(&tm) * SECOND_MS;
}

static bool
is_civil(int year, int month, int day)
{
        return year >= 1900 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* "2026-10-01", "2026-10-01 12:00:00.5", "2026-10-01 00:00:00+02", "...+05:30". */
static bool
moment_text(const char *text, int64_t *at_ms, enum partition_unit *unit)
{
        int year, month, day, hour = 0, minute = 0, length = 0, zone_hour = 0, zone_minute = 0;
        double second = 0;

        if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &length) != 3 || !is_civil(year, month, day))
                return false;
        *at_ms = civil_ms(year, month, day);
        *unit = PARTITION_DATE;
        text += length;
        if (*text == '\0')
                return true;
        if (sscanf(text, "%*1[ T]%2d:%2d:%lf%n", &hour, &minute, &second, &length) != 3 ||
            !(second >= 0 && second < 61))
                return false;
        *at_ms += hour * HOUR_MS + minute * MINUTE_MS + (int64_t)floor(second * 1000);
        *unit = PARTITION_TIMESTAMP;
        text += length;
        if (*text == '\0')
                return true;
        char sign = *text;
        if ((sign != '+' && sign != '-') || sscanf(text + 1, "%2d%n", &zone_hour, &length) != 1)
                return false;
        text += 1 + length;
        if (*text == ':' && sscanf(text, ":%2d%n", &zone_minute, &length) == 1)
                text += length;
        int64_t zone = zone_hour * HOUR_MS + zone_minute * MINUTE_MS;
        *at_ms -= sign == '+' ? zone : -zone;
        *unit = PARTITION_TIMESTAMPTZ;
        return *text == '\0';
}

static bool
moment_number(const char *text, int64_t *at_ms, enum partition_unit *unit)
{
        char *end;
        int64_t value = strtoll(text, &end, 10);
        int year = (int)(value / 10000 % 100000), month = (int)(value / 100 % 100), day = (int)(value % 100);

        if (end == text || *end != '\0' || value < 0)
                return false;
        /* Eight digits are a date, six a month; epochs have nine and more (seconds since 1973). */
        if (value >= 19000101 && value <= 99991231 && is_civil(year, month, day)) {
                *at_ms = civil_ms(year, month, day);
                *unit = PARTITION_DAY_DIGITS;
        } else if (value >= 190001 && value <= 999912 && is_civil((int)(value / 100), (int)(value % 100), 1)) {
                *at_ms = civil_ms((int)(value / 100), (int)(value % 100), 1);
                *unit = PARTITION_MONTH_DIGITS;
        } else if (value >= 100000000 && value < 10000000000) {
                *at_ms = value * SECOND_MS;
                *unit = PARTITION_SECONDS;
        } else if (value >= 100000000000 && value < 10000000000000) {
                *at_ms = value;
                *unit = PARTITION_MILLISECONDS;
        } else if (value >= 100000000000000 && value < 10000000000000000) {
                *at_ms = value / 1000;
                *unit = PARTITION_MICROSECONDS;
        } else if (value >= 100000000000000000) {
                *at_ms = value / 1000000;
                *unit = PARTITION_NANOSECONDS;
        } else {
                return false;
        }
        return true;
}

static bool
moment_uuid(const char *text, int64_t *at_ms, enum partition_unit *unit)
{
        char digits[13] = "";
        char *end;

        if (strlen(text) != 36 || text[8] != '-' || text[13] != '-')
                return false;
        snprintf(digits, sizeof digits, "%.8s%.4s", text, text + 9);
        *at_ms = (int64_t)strtoull(digits, &end, 16);
        *unit = PARTITION_UUID;
        return *end == '\0';
}

bool
partition_moment_parse(const char *text, int64_t *at_ms, enum partition_unit *unit)
{
        return moment_number(text, at_ms, unit) || moment_uuid(text, at_ms, unit) || moment_text(text, at_ms, unit);
}

/* One value: in quotes or bare, up to a comma or parenthesis; a cast may follow. */
static bool
value_read(const char *from, int64_t *at_ms, enum partition_unit *unit)
{
        char text[64];
        size_t length;

        from += strspn(from, " (");
        if (strncmp(from, "MINVALUE", 8) == 0 || strncmp(from, "'-infinity'", 11) == 0) {
                *at_ms = PARTITION_OPEN_BEGIN;
                return true;
        }
        if (strncmp(from, "MAXVALUE", 8) == 0 || strncmp(from, "'infinity'", 10) == 0) {
                *at_ms = PARTITION_OPEN_END;
                return true;
        }
        bool quoted = *from == '\'';
        from += quoted;
        length = strcspn(from, quoted ? "'" : ",): ");
        if (length == 0 || length >= sizeof text)
                return false;
        memcpy(text, from, length);
        text[length] = '\0';
        return partition_moment_parse(text, at_ms, unit);
}

static bool
ends_read(const char *from, const char *until, struct partition_range *range)
{
        enum partition_unit first = PARTITION_NO_UNIT, second = PARTITION_NO_UNIT;

        if (!value_read(from, &range->from_ms, &first) || !value_read(until, &range->until_ms, &second))
                return false;
        if (first != second && first != PARTITION_NO_UNIT && second != PARTITION_NO_UNIT)
                return false;
        range->unit = first != PARTITION_NO_UNIT ? first : second;
        return range->from_ms < range->until_ms;
}

bool
partition_range_parse(const char *bound, struct partition_range *range)
{
        const char *from = strstr(bound, "FROM ("), *until = strstr(bound, ") TO (");

        return from != NULL && until != NULL && ends_read(from + 5, until + 5, range);
}

bool
partition_check_parse(const char *check, struct partition_range *range)
{
        const char *from = strstr(check, ">= "), *until = check;

        /* The first "<" that is none of "<=" and "<>". */
        while ((until = strchr(until, '<')) != NULL && until[1] != ' ')
                until++;
        return from != NULL && until != NULL && ends_read(from + 3, until + 2, range);
}

/* --- periods ------------------------------------------------------------------------------------------------------ */

static const struct {
        const char *name;
        int64_t shortest_ms, longest_ms;
} periods[] = {
        [PERIOD_OTHER] = {"other", 0, 0},
        [PERIOD_HOUR] = {"hour", HOUR_MS, HOUR_MS},
        [PERIOD_DAY] = {"day", 23 * HOUR_MS, 25 * HOUR_MS},
        [PERIOD_WEEK] = {"week", 7 * DAY_MS - HOUR_MS, 7 * DAY_MS + HOUR_MS},
        [PERIOD_MONTH] = {"month", 28 * DAY_MS - HOUR_MS, 31 * DAY_MS + HOUR_MS},
        [PERIOD_QUARTER] = {"quarter", 90 * DAY_MS - HOUR_MS, 92 * DAY_MS + HOUR_MS},
        [PERIOD_HALF_YEAR] = {"half-year", 181 * DAY_MS - HOUR_MS, 184 * DAY_MS + HOUR_MS},
        [PERIOD_YEAR] = {"year", 365 * DAY_MS - HOUR_MS, 366 * DAY_MS + HOUR_MS},
};

const char *
partition_period_name(enum partition_period period)
{
        return period <= PERIOD_YEAR ? periods[period].name : "other";
}

static int64_t
length_ms(const struct partition_range *range)
{
        if (range->from_ms == PARTITION_OPEN_BEGIN || range->until_ms == PARTITION_OPEN_END)
                return INT64_MAX;
        return range->until_ms - range->from_ms;
}

enum partition_period
partition_period_of(const struct partition_range *range)
{
        int64_t length = length_ms(range);

        for (enum partition_period period = PERIOD_HOUR; period <= PERIOD_YEAR; period++) {
                if (length >= periods[period].shortest_ms && length <= periods[period].longest_ms)
                        return period;
        }
        return PERIOD_OTHER;
}

bool
partition_is_coarse(const struct partition_range *range)
{
        return length_ms(range) > periods[PERIOD_MONTH].longest_ms;
}

static struct tm
civil_of(int64_t at_ms)
{
        time_t seconds = (time_t)(at_ms / SECOND_MS - (at_ms % SECOND_MS < 0));
        struct tm tm = {0};

        gmtime_r(&seconds, &tm);
        return tm;
}

int64_t
partition_period_end(int64_t from_ms, enum partition_period period)
{
        static const int months[] = {
                [PERIOD_MONTH] = 1, [PERIOD_QUARTER] = 3, [PERIOD_HALF_YEAR] = 6, [PERIOD_YEAR] = 12};
        struct tm tm = civil_of(from_ms);

        if (period == PERIOD_OTHER || from_ms % (period == PERIOD_HOUR ? HOUR_MS : DAY_MS) != 0)
                return from_ms;
        if (period < PERIOD_MONTH)
                return from_ms + (period == PERIOD_HOUR ? HOUR_MS : period == PERIOD_DAY ? DAY_MS : 7 * DAY_MS);
        if (tm.tm_mday != 1)
                return from_ms;
        tm.tm_mon += months[period];
        return (int64_t)timegm(&tm) * SECOND_MS;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

const char *
partition_bound_text(struct findings *out, int64_t at_ms, enum partition_unit unit)
{
        struct tm tm = civil_of(at_ms);
        char day[40];

        if (at_ms == PARTITION_OPEN_BEGIN || at_ms == PARTITION_OPEN_END)
                return at_ms == PARTITION_OPEN_END ? "MAXVALUE" : "MINVALUE";
        strftime(day, sizeof day, unit == PARTITION_DAY_DIGITS ? "%Y%m%d" : "%Y-%m-%d", &tm);
        switch (unit) {
        case PARTITION_SECONDS:
                return findings_text(out, "%lld", at_ms / SECOND_MS);
        case PARTITION_MILLISECONDS:
                return findings_text(out, "%" PRId64, at_ms);
        case PARTITION_MICROSECONDS:
                return findings_text(out, "%" PRId64 "000", at_ms);
        case PARTITION_NANOSECONDS:
                return findings_text(out, "%" PRId64 "000000", at_ms);
        case PARTITION_DAY_DIGITS:
                return findings_text(out, "%s", day);
        case PARTITION_MONTH_DIGITS:
                return findings_text(out, "%d%02d", tm.tm_year + 1900, tm.tm_mon + 1);
        case PARTITION_UUID:
                return findings_text(out, "'%08" PRIx64 "-%04" PRIx64 "-0000-0000-000000000000'",
                                     (uint64_t)at_ms >> 16 & 0xffffffff, (uint64_t)at_ms & 0xffff);
        case PARTITION_TIMESTAMPTZ:
                return findings_text(out, "'%s %02d:%02d:%02d+00'", day, tm.tm_hour, tm.tm_min, tm.tm_sec);
        default:
                if (at_ms % DAY_MS != 0)
                        return findings_text(out, "'%s %02d:%02d:%02d'", day, tm.tm_hour, tm.tm_min, tm.tm_sec);
                return findings_text(out, "'%s'", day);
        }
}

const char *
partition_suffix(struct findings *out, int64_t from_ms, enum partition_period period)
{
        struct tm tm = civil_of(from_ms);
        char text[40];

        strftime(text, sizeof text,
                 period == PERIOD_HOUR   ? "%Y_%m_%d_%H"
                 : period < PERIOD_MONTH ? "%Y_%m_%d"
                                         : "%Y_%m",
                 &tm);
        return findings_text(out, "%s", text);
}

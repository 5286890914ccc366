/* Times, durations and sizes: parsed strictly, shown for people. */

#include "moment.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t
moment_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

double
moment_now_fine(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

void
moment_format(int64_t moment_ms, char text[MOMENT_TEXT])
{
        time_t seconds = (time_t)(moment_ms / 1000 - (moment_ms % 1000 < 0));
        struct tm broken;

        if (gmtime_r(&seconds, &broken) == NULL || strftime(text, MOMENT_TEXT, "%Y-%m-%dT%H:%M:%SZ", &broken) == 0)
                snprintf(text, MOMENT_TEXT, "?");
}

/* Exactly `digits` decimal digits at *text, advanced past them; -1 when they are not there. */
static int
number(const char **text, int digits)
{
        int value = 0;

        for (int i = 0; i < digits; i++) {
                if (!isdigit((unsigned char)**text))
                        return -1;
                value = value * 10 + (*(*text)++ - '0');
        }
        return value;
}

static int
days_of_month(int year, int month)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool
moment_parse(const char *text, int64_t *moment_ms)
{
        struct tm broken = {0};
        int fraction_ms = 0, offset_minutes = 0;
        int year = number(&text, 4);

        if (year < 0 || *text++ != '-')
                return false;
        int month = number(&text, 2);
        if (month < 1 || month > 12 || *text++ != '-')
                return false;
        int day = number(&text, 2);
        if (day < 1 || day > days_of_month(year, month))
                return false;
        if (*text != '\0') {
                if (*text != 'T' && *text != 't' && *text != ' ')
                        return false;
                text++;
                broken.tm_hour = number(&text, 2);
                if (broken.tm_hour < 0 || broken.tm_hour > 23 || *text++ != ':')
                        return false;
                broken.tm_min = number(&text, 2);
                if (broken.tm_min < 0 || broken.tm_min > 59 || *text++ != ':')
                        return false;
                broken.tm_sec = number(&text, 2);
                if (broken.tm_sec < 0 || broken.tm_sec > 60)
                        return false;
                if (*text == '.') {
                        int scale = 100;
                        if (!isdigit((unsigned char)*++text))
                                return false;
                        for (; isdigit((unsigned char)*text); text++, scale /= 10)
                                fraction_ms += (*text - '0') * scale;
                }
                if (*text == '+' || *text == '-') {
                        int sign = *text++ == '-' ? -1 : 1;
                        int hours = number(&text, 2);
                        if (*text == ':')
                                text++;
                        int minutes = number(&text, 2);
                        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
                                return false;
                        offset_minutes = sign * (hours * 60 + minutes);
                } else if (*text == 'Z' || *text == 'z') {
                        text++;
                } else {
                        return false;
                }
                if (*text != '\0')
                        return false;
        }
        broken.tm_year = year - 1900;
        broken.tm_mon = month - 1;
        broken.tm_mday = day;
        *moment_ms = (int64_t)timegm(&broken) * 1000 + fraction_ms - (int64_t)offset_minutes * 60000;
        return true;
}

void
duration_format(int64_t duration_ms, char text[DURATION_TEXT])
{
        static const struct {
                int64_t ms;
                const char *word;
                int64_t both_below; /* the next smaller unit is shown below this many */
        } units[] = {{DAY_MS, "d", 3}, {HOUR_MS, "h", 10}, {MINUTE_MS, "min", 5}, {SECOND_MS, "s", 0}, {1, "ms", 0}};
        const char *sign = duration_ms < 0 ? "-" : "";
        /* The least number has no opposite. */
        int64_t left = duration_ms == INT64_MIN ? INT64_MAX : duration_ms < 0 ? -duration_ms : duration_ms;
        size_t i = 0;

        if (left == 0) {
                snprintf(text, DURATION_TEXT, "0 s");
                return;
        }
        while (left < units[i].ms)
                i++;
        int64_t whole = left / units[i].ms;
        int64_t rest = whole < units[i].both_below ? left % units[i].ms / units[i + 1].ms : 0;
        if (rest > 0)
                snprintf(text, DURATION_TEXT, "%s%" PRId64 " %s %" PRId64 " %s", sign, whole, units[i].word, rest,
                         units[i + 1].word);
        else
                snprintf(text, DURATION_TEXT, "%s%" PRId64 " %s", sign, whole, units[i].word);
}

/* A bound that somebody wrote as "8MB" is shown as that; what was measured is hardly ever so round. */
static bool
size_decimal(double bytes, char text[SIZE_TEXT])
{
        static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
        double decimal = 1000, binary = 1024;
        size_t i = 0;

        while (fabs(bytes) >= decimal * 1000 && i + 1 < sizeof units / sizeof units[0]) {
                decimal *= 1000;
                binary *= 1024;
                i++;
        }
        if (fabs(bytes) < decimal || fmod(bytes, decimal / 10) != 0 || fmod(bytes, binary) == 0)
                return false;
        snprintf(text, SIZE_TEXT, "%g %s", bytes / decimal, units[i]);
        return true;
}

void
size_format(double bytes, char text[SIZE_TEXT])
{
        if (size_decimal(bytes, text))
                return;
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        size_t i = 0;

        while (fabs(bytes) >= 1024 && i + 1 < sizeof units / sizeof units[0]) {
                bytes /= 1024;
                i++;
        }
        snprintf(text, SIZE_TEXT, i == 0 || fabs(bytes) >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
}

struct unit {
        const char *name;
        double factor;
};

/* A number with one of `units`; *text is advanced past both. */
static bool
quantity(const char **text, const struct unit *units, size_t count, double *value)
{
        char *end;

        if (!isdigit((unsigned char)**text))
                return false;
        for (const char *c = *text; *c != '\0' && !isalpha((unsigned char)*c); c++) {
                if (!isdigit((unsigned char)*c) && *c != '.')
                        return false;
        }
        double amount = strtod(*text, &end);
        size_t length = strspn(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        for (size_t i = 0; i < count; i++) {
                if (strlen(units[i].name) == length && strncmp(units[i].name, end, length) == 0) {
                        *value = amount * units[i].factor;
                        *text = end + length;
                        return true;
                }
        }
        return false;
}

bool
duration_parse(const char *text, int64_t *duration_ms)
{
        static const struct unit units[] = {{"ms", 1},      {"s", SECOND_MS}, {"m", MINUTE_MS}, {"min", MINUTE_MS},
                                            {"h", HOUR_MS}, {"d", DAY_MS},    {"w", 7 * DAY_MS}};
        double total = 0, part;

        if (strcmp(text, "0") == 0) {
                *duration_ms = 0;
                return true;
        }
        do {
                if (!quantity(&text, units, sizeof units / sizeof units[0], &part))
                        return false;
                total += part;
        } while (*text != '\0');
        if (total > 9e15)
                return false;
        *duration_ms = llround(total);
        return true;
}

bool
size_parse(const char *text, int64_t *bytes)
{
        static const struct unit units[] = {
                {"B", 1},     {"KB", 1e3},     {"kB", 1e3},        {"MB", 1e6},           {"GB", 1e9},
                {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}};
        double value;

        if (strcmp(text, "0") == 0) {
                *bytes = 0;
                return true;
        }
        if (!quantity(&text, units, sizeof units / sizeof units[0], &value) || *text != '\0' || value > 9e18)
                return false;
        *bytes = (int64_t)value;
        return true;
}

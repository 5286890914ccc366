/* Dates in keys of objects. */

#include "archive_days.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "moment.h"

/* `count` digits at `at` as a number; -1 when they are not all digits. */
static int
number_at(const char *at, int count)
{
        int value = 0;

        for (int i = 0; i < count; i++) {
                if (!isdigit((unsigned char)at[i]))
                        return -1;
                value = value * 10 + (at[i] - '0');
        }
        return value;
}

static bool
is_date(int year, int month, int day)
{
        static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

        if (year < 2000 || year > 2099 || month < 1 || month > 12 || day < 1)
                return false;
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        return day <= lengths[month - 1] + (month == 2 && leap);
}

/* What stands between the parts of a date: nothing, one mark, or a mark and a name ("/month="). */
static int
gap_at(const char *at)
{
        if (strncmp(at, "/month=", 7) == 0)
                return 7;
        if (strncmp(at, "/day=", 5) == 0)
                return 5;
        return *at != '\0' && strchr("-/_.", *at) != NULL ? 1 : 0;
}

/* A date that begins at `at`, and is not the middle of a longer number. */
static bool
date_at(const char *key, const char *at, char day[DAY_TEXT])
{
        if (at > key && isdigit((unsigned char)at[-1]))
                return false;
        int year = number_at(at, 4);
        if (year < 0)
                return false;
        int gap = gap_at(at + 4), month = number_at(at + 4 + gap, 2);
        if (month < 0)
                return false;
        const char *rest = at + 6 + gap;
        int second = gap_at(rest), number = number_at(rest + second, 2);
        if (number < 0 || (gap == 0) != (second == 0) || !is_date(year, month, number))
                return false;
        /* 20261123T0300 and 20261123-0300 are dates with a time; 202611230300 is one too, 2026112 is none. */
        snprintf(day, DAY_TEXT, "%04d-%02d-%02d", year % 10000, month % 100, number % 100);
        return true;
}

bool
day_of_key(const char *key, char day[DAY_TEXT])
{
        bool found = false;
        size_t length = strlen(key);

        for (size_t i = 0; i + 8 <= length; i++)
                found = date_at(key, key + i, day) || found;
        return found;
}

void
day_of_moment(int64_t moment_ms, char day[DAY_TEXT])
{
        time_t seconds = (time_t)((moment_ms > 0 ? moment_ms : 0) / 1000);
        struct tm parts;

        if (gmtime_r(&seconds, &parts) == NULL || strftime(day, DAY_TEXT, "%Y-%m-%d", &parts) == 0)
                memcpy(day, "1970-01-01", DAY_TEXT);
}

bool
day_before(int64_t now_ms, int days, const char *day)
{
        char first[DAY_TEXT];

        day_of_moment(now_ms - (int64_t)days * DAY_MS, first);
        return strcmp(day, first) < 0;
}

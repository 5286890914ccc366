/* Time zones from TZif files (RFC 8536), with the rule in the footer for what lies after the last transition. */

#include "zone.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "moment.h"
#include "scope.h"

enum { FILE_LARGEST = 256 * 1024, HEADER = 44, NAME_LONGEST = 15 };

struct kind {
        int32_t offset_s;
        char name[NAME_LONGEST + 1];
};

/* "M3.5.0/2": the last Sunday of March at two. */
struct change_day {
        int month, week, weekday;
        int32_t at_s;
};

struct zone {
        int64_t *at_s; /* transitions */
        uint8_t *kind_of;
        size_t count;
        struct kind kinds[256];
        size_t kind_count;
        bool has_rule, has_summer;
        struct kind standard, summer;
        struct change_day summer_begins, summer_ends;
};

/* --- the rule: POSIX TZ, as far as the database uses it ---------------------------------------------------- */

static bool
rule_name(const char **text, char name[NAME_LONGEST + 1])
{
        const char *c = *text;
        bool quoted = *c == '<';
        size_t length;

        c += quoted;
        length = quoted ? strcspn(c, ">") : strspn(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        if (length < 3 || length > NAME_LONGEST || (quoted && c[length] != '>'))
                return false;
        memcpy(name, c, length);
        name[length] = '\0';
        *text = c + length + quoted;
        return true;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static bool
rule_time(const char **text, int32_t *seconds)
{
        int sign = 1, part[3] = {0}, i = 0;

        if (**text == '-' || **text == '+')
                sign = *(*text)++ == '-' ? -1 : 1;
        do {
                char *end;
                if (**text < '0' || **text > '9')
                        return false;
                long value = strtol(*text, &end, 10);
                if (value > 167)
                        return false;
                part[i++] = (int)value;
                *text = end;
        } while (i < 3 && **text == ':' && (*text)++);
        *seconds = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
        return true;
}

static bool
rule_day(const char **text, struct change_day *day)
{
        int taken = 0;

        if (sscanf(*text, ",M%2d.%1d.%1d%n", &day->month, &day->week, &day->weekday, &taken) != 3 || day->month < 1 ||
            day->month > 12 || day->week < 1 || day->week > 5 || day->weekday > 6)
                return false;
        *text += taken;
        day->at_s = 7200;
        if (**text != '/')
                return true;
        (*text)++;
        return rule_time(text, &day->at_s);
}

/* Days of the year counted without a rule for months ("J60") are used by no zone of the database's recent editions:
 * such a rule is refused, and the last transition's kind stays. */
static bool
rule_read(struct zone *zone, const char *text)
{
        int32_t west;

        if (!rule_name(&text, zone->standard.name) || !rule_time(&text, &west))
                return false;
        zone->standard.offset_s = -west;
        if (*text == '\0')
                return true;
        if (!rule_name(&text, zone->summer.name))
                return false;
        zone->summer.offset_s = zone->standard.offset_s + 3600;
        if (*text != ',') {
                if (!rule_time(&text, &west))
                        return false;
                zone->summer.offset_s = -west;
        }
        zone->has_summer = true;
        return rule_day(&text, &zone->summer_begins) && rule_day(&text, &zone->summer_ends) && *text == '\0';
}

/* The moment (seconds, UTC) of a change in `year`, told by the clock that is `offset_s` ahead before it. */
static int64_t
change_at(const struct change_day *day, int year, int32_t offset_s)
{
        struct tm first = {.tm_year = year - 1900, .tm_mon = day->month - 1, .tm_mday = 1};
        int64_t at = timegm(&first); /* fills tm_wday */
        int month_day = 1 + (day->weekday - first.tm_wday + 7) % 7 + (day->week - 1) * 7;
        struct tm last = {.tm_year = year - 1900, .tm_mon = day->month, .tm_mday = 0};

        timegm(&last);
        while (month_day > last.tm_mday)
                month_day -= 7;
        return at + (int64_t)(month_day - 1) * 86400 + day->at_s - offset_s;
}

static const struct kind *
rule_kind(const struct zone *zone, int64_t at_s)
{
        time_t local = (time_t)(at_s + zone->standard.offset_s);
        struct tm broken;

        if (!zone->has_summer || gmtime_r(&local, &broken) == NULL)
                return &zone->standard;
        int year = broken.tm_year + 1900;
        int64_t begins = change_at(&zone->summer_begins, year, zone->standard.offset_s);
        int64_t ends = change_at(&zone->summer_ends, year, zone->summer.offset_s);
        bool summer = begins < ends ? at_s >= begins && at_s < ends : at_s >= begins || at_s < ends;
        return summer ? &zone->summer : &zone->standard;
}

/* --- the file ----------------------------------------------------------------------------------------------- */

static int64_t
big_endian(const unsigned char *bytes, size_t size)
{
        uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;

        for (size_t i = 0; i < size; i++)
                value = value << 8 | bytes[i];
        return (int64_t)value;
}

struct block {
        uint32_t utc_count, std_count, leap_count, time_count, kind_count, name_bytes;
        size_t time_size; /* 4 in the first block, 8 in the second */
};

static bool
block_read(const unsigned char *bytes, size_t left, size_t time_size, struct block *block)
{
        uint32_t *const fields[] = {&block->utc_count,  &block->std_count,  &block->leap_count,
                                    &block->time_count, &block->kind_count, &block->name_bytes};

        if (left < HEADER || memcmp(bytes, "TZif", 4) != 0)
                return false;
        for (size_t i = 0; i < 6; i++) {
                *fields[i] = (uint32_t)big_endian(bytes + 20 + 4 * i, 4);
                if (*fields[i] > FILE_LARGEST)
                        return false;
        }
        block->time_size = time_size;
        return true;
}

static size_t
block_size(const struct block *b)
{
        return b->time_count * (b->time_size + 1) + b->kind_count * 6 + b->name_bytes +
               b->leap_count * (b->time_size + 4) + b->std_count + b->utc_count;
}

static bool
zone_fill(struct zone *zone, const struct block *b, const unsigned char *body)
{
        const unsigned char *kinds = body + b->time_count * (b->time_size + 1);
        const char *names = (const char *)kinds + b->kind_count * 6;

        if (b->kind_count == 0 || b->kind_count > 256)
                return false;
        zone->at_s = calloc(b->time_count + 1, sizeof *zone->at_s);
        zone->kind_of = calloc(b->time_count + 1, 1);
        if (zone->at_s == NULL || zone->kind_of == NULL)
                return false;
        zone->count = b->time_count;
        zone->kind_count = b->kind_count;
        for (size_t i = 0; i < b->time_count; i++) {
                zone->at_s[i] = big_endian(body + i * b->time_size, b->time_size);
                zone->kind_of[i] = body[b->time_count * b->time_size + i];
                if (zone->kind_of[i] >= b->kind_count)
                        return false;
        }
        for (size_t i = 0; i < b->kind_count; i++) {
                size_t name = kinds[6 * i + 5];
                if (name >= b->name_bytes)
                        return false;
                zone->kinds[i].offset_s = (int32_t)big_endian(kinds + 6 * i, 4);
                snprintf(zone->kinds[i].name, sizeof zone->kinds[i].name, "%.*s",
                         (int)strnlen(names + name, b->name_bytes - name), names + name);
        }
        return true;
}

static bool
zone_parse(struct zone *zone, const unsigned char *bytes, size_t size)
{
        struct block block;
        size_t at = 0;

        if (!block_read(bytes, size, 4, &block))
                return false;
        if (bytes[4] >= '2') { /* the second block repeats everything with 64-bit times */
                at = HEADER + block_size(&block);
                if (at > size || !block_read(bytes + at, size - at, 8, &block))
                        return false;
        }
        if (size - at < HEADER + block_size(&block) || !zone_fill(zone, &block, bytes + at + HEADER))
                return false;
        at += HEADER + block_size(&block);
        if (at < size && bytes[at] == '\n') {
                char rule[128];
                size_t length = strcspn((const char *)bytes + at + 1, "\n");
                if (length > 0 && length < sizeof rule) {
                        memcpy(rule, bytes + at + 1, length);
                        rule[length] = '\0';
                        zone->has_rule = rule_read(zone, rule);
                }
        }
        return true;
}

static int
file_read(const char *name, unsigned char *bytes, size_t *size, struct error *err)
{
        scoped_string path = NULL;

        if (asprintf(&path, "/usr/share/zoneinfo/%s", name) < 0) {
                path = NULL;
                return error_memory(err, name);
        }
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        if (file == NULL || (*size = fread(bytes, 1, FILE_LARGEST - 1, file)) == 0) {
                error_set(err, REASON_CONFIGURATION, "time zone \"%s\": not in the system's database", name);
                return error_remedy(err, "use a name such as Europe/Berlin, and install the package tzdata");
        }
        bytes[*size] = '\0';
        return 0;
}

int
zone_open(const char *name, struct zone **out, struct error *err)
{
        struct zone *zone = calloc(1, sizeof *zone);
        unsigned char *bytes = malloc(FILE_LARGEST);
        bool utc = name == NULL || *name == '\0' || strcmp(name, "UTC") == 0;
        size_t size = 0;
        int result = -1;

        if (zone == NULL || bytes == NULL) {
                error_memory(err, "a time zone");
        } else if (utc) {
                zone->has_rule = true;
                snprintf(zone->standard.name, sizeof zone->standard.name, "UTC");
                result = 0;
        } else if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != strlen(name) ||
                   *name == '/' || strlen(name) > 64) {
                error_set(err, REASON_CONFIGURATION, "time zone \"%.64s\": not a name of the time zone database", name);
        } else if (file_read(name, bytes, &size, err) == 0) {
                result = zone_parse(zone, bytes, size)
                                 ? 0
                                 : error_set(err, REASON_CONFIGURATION, "time zone \"%s\": its file is damaged", name);
        }
        free(bytes);
        if (result == 0)
                *out = zone;
        else
                zone_close(zone);
        return result;
}

void
zone_close(struct zone *zone)
{
        if (zone == NULL)
                return;
        free(zone->at_s);
        free(zone->kind_of);
        free(zone);
}

/* --- asking ------------------------------------------------------------------------------------------------- */

static const struct kind *
kind_at(const struct zone *zone, int64_t at_s)
{
        size_t low = 0, high = zone->count;

        if (zone->has_rule && (zone->count == 0 || at_s >= zone->at_s[zone->count - 1]))
                return rule_kind(zone, at_s);
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (zone->at_s[middle] <= at_s)
                        low = middle + 1;
                else
                        high = middle;
        }
        return &zone->kinds[low > 0 ? zone->kind_of[low - 1] : 0];
}

static int64_t
floor_seconds(int64_t moment_ms)
{
        return moment_ms / 1000 - (moment_ms % 1000 < 0);
}

int32_t
zone_offset(const struct zone *zone, int64_t moment_ms)
{
        return kind_at(zone, floor_seconds(moment_ms))->offset_s;
}

void
zone_clock(const struct zone *zone, int64_t moment_ms, struct tm *clock)
{
        int64_t at_s = floor_seconds(moment_ms);
        const struct kind *kind = kind_at(zone, at_s);
        time_t local = (time_t)(at_s + kind->offset_s);

        if (gmtime_r(&local, clock) == NULL)
                *clock = (struct tm){.tm_mday = 1, .tm_year = 70};
        clock->tm_gmtoff = kind->offset_s;
        clock->tm_zone = kind->name;
}

void
zone_moment(const struct zone *zone, int64_t moment_ms, char text[ZONE_TEXT])
{
        struct tm clock;

        zone_clock(zone, moment_ms, &clock);
        if (strftime(text, ZONE_TEXT, "%Y-%m-%d %H:%M %Z", &clock) == 0)
                snprintf(text, ZONE_TEXT, "?");
}

void
zone_day(const struct zone *zone, int64_t moment_ms, char text[ZONE_TEXT])
{
        struct tm clock;

        zone_clock(zone, moment_ms, &clock);
        if (strftime(text, ZONE_TEXT, "%Y-%m-%d", &clock) == 0)
                snprintf(text, ZONE_TEXT, "?");
}

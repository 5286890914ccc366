/* Cron schedules as Kubernetes reads them: five fields, lists, ranges, steps, names, macros, time zones.
 *
 * Source: robfig/cron v3, ParseStandard (what the CronJob controller uses).  A day matches when both the day of the
 * month and the day of the week do, or, when both are restricted, either.  A local time that a zone skips does not
 * come; one that comes twice counts once. */
#ifndef ROUNDS_CRON_H
#define ROUNDS_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zone.h"

struct cron {
        uint64_t minutes;               /* bit 0 to 59 */
        uint32_t hours, days, weekdays; /* bit 0 to 23, 1 to 31, 0 (Sunday) to 6 */
        uint32_t months;                /* bit 1 to 12 */
        bool any_day, any_weekday;      /* written as * or ? */
        int64_t every_ms;               /* of "@every 90m"; then the fields are empty */
        char zone[64];                  /* of "CRON_TZ=Europe/Berlin 0 11 * * *"; "" */
};

/* False for what is no schedule, with a few words in `why`. */
bool cron_parse(const char *text, struct cron *cron, char *why, size_t size);

/* Starts from `from_ms` (inclusive) until `until_ms` (exclusive), oldest first, at most `most`; how many.  `zone` is
 * where the wall clock hangs.  A schedule "@every" starts from `from_ms` on. */
size_t cron_starts(const struct cron *cron, const struct zone *zone, int64_t from_ms, int64_t until_ms, int64_t *starts,
                   size_t most);

#endif

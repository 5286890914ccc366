/* Days of an archive: which day an object belongs to, as text, "2026-11-23" (UTC). */
#ifndef ROUNDS_ARCHIVE_DAYS_H
#define ROUNDS_ARCHIVE_DAYS_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_TEXT 11

/* The last date in an object's key: 2026-11-23, 2026/11/23, 2026_11_23, 20261123, year=2026/month=11/day=23.  False
 * when there is none; dates that no calendar has, and years outside 2000 to 2099, are none. */
bool day_of_key(const char *key, char day[DAY_TEXT]);

/* The UTC day of a moment; "1970-01-01" for one before. */
void day_of_moment(int64_t moment_ms, char day[DAY_TEXT]);

/* True when `day` is earlier than `days` days before `now_ms`. */
bool day_before(int64_t now_ms, int days, const char *day);

#endif

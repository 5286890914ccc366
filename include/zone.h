/* Time zones: UTC moments shown on the wall clock of an IANA zone, without touching the process's TZ.
 *
 * Reads TZif files (RFC 8536, versions 1 to 4) from the system's database; moments past the last transition follow the
 * file's POSIX rule, so daylight saving is right in any year. */
#ifndef ROUNDS_ZONE_H
#define ROUNDS_ZONE_H

#include <stdint.h>
#include <time.h>

#include "error.h"

struct zone;

/* NULL or "" or "UTC": UTC, which needs no file.  REASON_CONFIGURATION for a name that is not in the database. */
int zone_open(const char *name, struct zone **out, struct error *err) __attribute__((warn_unused_result));
void zone_close(struct zone *zone);

/* Seconds east of UTC at that moment. */
int32_t zone_offset(const struct zone *zone, int64_t moment_ms);

/* The wall clock at that moment (tm_gmtoff and tm_zone set; tm_zone is borrowed from the zone). */
void zone_clock(const struct zone *zone, int64_t moment_ms, struct tm *clock);

/* "2026-11-24 04:12 CET", and "2026-11-24" alone. */
#define ZONE_TEXT 64
void zone_moment(const struct zone *zone, int64_t moment_ms, char text[ZONE_TEXT]);
void zone_day(const struct zone *zone, int64_t moment_ms, char text[ZONE_TEXT]);

#define scoped_zone __attribute__((cleanup(zone_scope_close))) struct zone *
static inline void
zone_scope_close(struct zone **zone)
{
        zone_close(*zone);
}

#endif

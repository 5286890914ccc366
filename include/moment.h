/* Wall-clock times: int64_t milliseconds since the epoch, UTC.  Shown in a configured zone by renderers only. */
#ifndef ROUNDS_MOMENT_H
#define ROUNDS_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND_MS 1000LL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

int64_t moment_now(void);

/* The same with the fraction of a millisecond, for comparing clocks. */
double moment_now_fine(void);

/* RFC 3339 in UTC with seconds ("2026-11-24T03:12:44Z"); `text` holds at least MOMENT_TEXT bytes. */
#define MOMENT_TEXT 40
void moment_format(int64_t moment_ms, char text[MOMENT_TEXT]);

/* RFC 3339 with any offset and fraction, or a bare date (midnight UTC).  False when it is neither. */
bool moment_parse(const char *text, int64_t *moment_ms);

/* A length of time for people: "12 d", "3 h", "5 min", "40 s", two units where the second matters ("1 d 4 h").
 * Negative ones carry a minus sign.  `text` holds at least DURATION_TEXT bytes. */
#define DURATION_TEXT 48
void duration_format(int64_t duration_ms, char text[DURATION_TEXT]);

/* Bytes for people, binary units: "512 B", "1.5 GiB".  `text` holds at least SIZE_TEXT bytes. */
#define SIZE_TEXT 32
void size_format(double bytes, char text[SIZE_TEXT]);

/* "30s", "5m", "24h", "7d", "2w", "500ms", combined as "1h30m" -> milliseconds.  "0" needs no unit. */
bool duration_parse(const char *text, int64_t *duration_ms);

/* "512B", "1KB" (1000), "1KiB" (1024), MB MiB GB GiB TB TiB -> bytes.  "0" needs no unit. */
bool size_parse(const char *text, int64_t *bytes);

#endif

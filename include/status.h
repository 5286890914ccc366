/* Did the rounds happen?  One line for a monitoring system (the Monitoring Plugins' output and exit codes). */
#ifndef ROUNDS_STATUS_H
#define ROUNDS_STATUS_H

#include <stdint.h>

#include "error.h"
#include "store.h"

enum plugin_code { PLUGIN_OK, PLUGIN_WARNING, PLUGIN_CRITICAL, PLUGIN_UNKNOWN };

#define STATUS_LINE 1024

/* Judges the newest ended run of `job` (any job when NULL) at `now_ms`:
 *   critical  none has ended within `max_age_ms`
 *   warning   it was interrupted, or assessed less than it was asked to, or a newer one died
 * What the rounds found is told as performance data and does not change the code: that is the reports' business.
 * "ROUNDS OK: nightly ended 3 h ago, 98.2 % assessed, 4 findings (1 SEV1) | age=10800s;;93600;0 ...", no newline.
 * -1 (and PLUGIN_UNKNOWN) when the store cannot be read. */
int status_judge(struct store *store, const char *job, int64_t max_age_ms, int64_t now_ms, char line[STATUS_LINE],
                 enum plugin_code *code, struct error *err) __attribute__((warn_unused_result));

#endif

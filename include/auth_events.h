/* The log of sign-ins of an application, as the setting `auth_events` of a postgres target describes it.
 *
 * What is read is counted by the database: names, addresses, the fullest five minutes, runs of failures.  Names leave
 * it shortened and hashed unless `show_names` says otherwise.  Read-only, under the target's statement timeout, and not
 * at all where the plan would read a large table from end to end. */
#ifndef ROUNDS_AUTH_EVENTS_H
#define ROUNDS_AUTH_EVENTS_H

#include <jansson.h>
#include <stdint.h>

#include "buffer.h"
#include "postgres.h"

/* The common table expression "e" (at, name, address, failed, locked) of the last `window_ms`, into `sql`.
 * REASON_CONFIGURATION when neither a table with its columns nor a query is given. */
int auth_events_sql(const json_t *settings, int64_t window_ms, struct buffer *sql, struct error *err)
        __attribute__((warn_unused_result));

/* Fills `facts`: totals {attempts, failures, names, addresses, first_ms, last_ms}, peak {at_ms, failures, attempts},
 * sprayed [{name, addresses, failures}], spraying [{address, names, failures, opened}], streaks [{name, failures}].
 * What cannot be read becomes gaps.  -1 when nothing can be read. */
int auth_events_read(struct session *session, const json_t *settings, int64_t window_ms, json_t *facts,
                     struct error *err) __attribute__((warn_unused_result));

#endif

/* A PostgreSQL server: one connection per database, read-only, short-tempered (statement, lock and idle timeouts),
 * known as `rounds` to pg_stat_activity.
 *
 * Connections belong to the session and its thread.  Rows reach the caller as JSON objects by column name: integers,
 * reals and booleans by their type, null as null, everything else as text; so an audit's SQL names its columns as its
 * facts do.  A value longer than 64 KiB is cut. */
#ifndef ROUNDS_POSTGRES_H
#define ROUNDS_POSTGRES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "session.h"

extern const struct target_kind kind_postgres;

struct postgres;

/* The session's server, connected on first use to the DSN's database; NULL with the error of the first try, which is
 * kept: a server that could not be reached is not asked twice in one run. */
struct postgres *postgres_session(struct session *session, struct error *err);

int postgres_version(const struct postgres *server);      /* as server_version_num: 150008 */
bool postgres_is_replica(const struct postgres *server);  /* in recovery */
const char *postgres_home(const struct postgres *server); /* the DSN's database */

/* True when the server went away during the run: nothing more is asked of it, postgres_session() gives its error. */
bool postgres_is_gone(const struct postgres *server);

/* Databases that can be connected to and that `include` and `exclude` of the target select, sorted, NULL-terminated;
 * borrowed.  NULL on error. */
const char *const *postgres_databases(struct postgres *server, struct error *err);

/* Every row of one statement in `database` (NULL: home), streamed; `row` is borrowed for the length of the call,
 * json_incref keeps it.  Non-zero from the visitor ends the statement with an error (REASON_INTERNAL, out of memory).
 * `parameters`: NULL-terminated texts for $1 ...; NULL: none.
 * The reason tells what went wrong: REASON_DENIED (42501, class 28), REASON_UNSUPPORTED (an object or function that
 * this version does not have), REASON_TIMEOUT (statement or lock timeout, deadline), REASON_UNREACHABLE. */
typedef int (*postgres_visit)(void *context, json_t *row);
int postgres_query(struct postgres *server, const char *database, const char *sql, const char *const *parameters,
                   postgres_visit visit, void *context, struct error *err) __attribute__((warn_unused_result));

/* The same into a new array of at most `most` rows (further ones are dropped). */
int postgres_rows(struct postgres *server, const char *database, const char *sql, const char *const *parameters,
                  size_t most, json_t **rows, struct error *err) __attribute__((warn_unused_result));

/* The first row, new; an empty object when there is none. */
int postgres_row(struct postgres *server, const char *database, const char *sql, json_t **row, struct error *err)
        __attribute__((warn_unused_result));

/* Lets statements run for up to `timeout_ms` until called with 0 (the target's own setting again): for exact
 * measurements within a budget. */
void postgres_patience(struct postgres *server, int64_t timeout_ms);

#endif

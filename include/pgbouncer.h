/* PgBouncer's admin console: every address behind the configured name, one connection each, SHOW and nothing else.
 *
 * The console speaks the simple protocol only and knows no statement but its own; rows come back as text.  The session
 * owns the connections. */
#ifndef ROUNDS_PGBOUNCER_H
#define ROUNDS_PGBOUNCER_H

#include <jansson.h>
#include <stddef.h>

#include "error.h"
#include "session.h"

extern const struct target_kind kind_pgbouncer;

struct pgbouncer_instance;

struct pgbouncer {
        struct pgbouncer_instance *const *instances; /* by address */
        size_t count;
};

/* Connections to every address, opened on first use; an address that does not answer is an instance whose show fails.
 * NULL when no address answers, with the first error. */
const struct pgbouncer *pgbouncer_session(struct session *session, struct error *err);

/* "10.0.0.7:6432" */
const char *pgbouncer_address(const struct pgbouncer_instance *instance);

/* Rows of `SHOW what` (a constant of ours, never input): a new array of objects, every column as text or null, at most
 * 10,000 rows.  -1 with REASON_UNSUPPORTED when this version does not know it. */
int pgbouncer_show(struct pgbouncer_instance *instance, const struct deadline *deadline, const char *what,
                   json_t **rows, struct error *err) __attribute__((warn_unused_result));

#endif

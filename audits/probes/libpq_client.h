/* libpq without blocking: what PostgreSQL and PgBouncer's console have in common.  Nobody but their probes includes
 * this. */
#ifndef ROUNDS_LIBPQ_CLIENT_H
#define ROUNDS_LIBPQ_CLIENT_H

#include <libpq-fe.h>
#include <stddef.h>

#include "deadline.h"
#include "error.h"

enum { LIBPQ_OPTIONS_MOST = 64 };

/* The error of a connection in its service's words, with the remedy that fits it; always -1. */
typedef int (*libpq_failed)(const PGconn *connection, struct error *err);

/* A dsn's options; release with libpq_options_free().  NULL and REASON_CONFIGURATION when it cannot be read. */
PQconninfoOption *libpq_options(const char *dsn, struct error *err);
void libpq_options_free(PQconninfoOption **options); /* for scoped(); PQconninfoFree() alike */

/* The value of an option, NULL when it is not set; borrowed. */
const char *libpq_option(const PQconninfoOption *options, const char *name);

/* Options with others laid over them, as PQconnectStartParams() wants them.  Names and values are borrowed. */
struct libpq_parameters {
        const char *names[LIBPQ_OPTIONS_MOST + 8], *values[LIBPQ_OPTIONS_MOST + 8];
        size_t count;
};
void libpq_parameter(struct libpq_parameters *parameters, const char *name, const char *value); /* NULL: no change */
void libpq_parameters_add(struct libpq_parameters *parameters, const PQconninfoOption *options);

/* Until a connection that was started is open and non-blocking.  `silence` is the remedy when nobody answered; NULL:
 * none. */
int libpq_connect_wait(PGconn *connection, const struct deadline *deadline, libpq_failed failed, const char *silence,
                       struct error *err) __attribute__((warn_unused_result));

/* Until everything is sent. */
int libpq_flush(PGconn *connection, const struct deadline *deadline, libpq_failed failed, struct error *err)
        __attribute__((warn_unused_result));

/* The next result, NULL at the end (and no error); the caller clears it. */
int libpq_next(PGconn *connection, const struct deadline *deadline, libpq_failed failed, PGresult **result,
               struct error *err) __attribute__((warn_unused_result));
void libpq_result_free(PGresult **result); /* for scoped() */

#endif

/* What the files of the PostgreSQL probe (postgres*.c) share among themselves; nobody else includes this. */
#ifndef ROUNDS_POSTGRES_CLIENT_H
#define ROUNDS_POSTGRES_CLIENT_H

#include <libpq-fe.h>

#include "postgres.h"

/* Databases are visited one after the other, audit by audit: a few stay connected, the longest unused one makes room.
 */
enum { POSTGRES_CONNECTIONS = 8 };

/* The DSN's names as libpq wants them, resolved once in a run: lists of equal length. */
struct postgres_hosts {
        char names[4096], addresses[4096], ports[4096];
};

struct postgres_open {
        PGconn *connection;
        char *database;
        uint64_t used;
};

/* A database that did not let us in: not tried twice in one run, since each try may cost the whole time of a connect.
 */
struct postgres_closed {
        char *database;
        struct error why;
};

struct postgres {
        struct session *session; /* borrowed */
        struct postgres_open open[POSTGRES_CONNECTIONS];
        uint64_t uses;
        struct postgres_closed closed[POSTGRES_CONNECTIONS];
        size_t closed_count;
        struct postgres_hosts *hosts; /* owned; NULL before they were resolved, or where the DSN tells addresses */
        char *home;
        char **databases; /* NULL-terminated */
        size_t database_count;
        bool listed;
        int version;
        bool replica;
        int64_t statement_ms, lock_ms, patience_ms;
        bool failed;
        struct error failure;
};

/* A new connection to a database (NULL: home), courteous already; the caller's. */
PGconn *postgres_connection_open(struct postgres *server, const char *database, struct error *err);

/* The connection to a database (NULL: home), opened when there is none; the server's. */
PGconn *postgres_connection(struct postgres *server, const char *database, struct error *err);

/* Closes a connection whose state is not known any more. */
void postgres_drop(struct postgres *server, const PGconn *connection);

/* One command string, simple protocol without `parameters`; rows go to `visit` (NULL: none are expected). */
int postgres_send(struct postgres *server, PGconn *connection, const char *sql, const char *const *parameters,
                  postgres_visit visit, void *context, struct error *err) __attribute__((warn_unused_result));

/* The server's words as an error, by their SQLSTATE (may be NULL); of a failed connection, where libpq tells none, by
 * the words alone.  Always -1. */
int postgres_error(const char *state, const char *words, struct error *err);
int postgres_connection_error(const PGconn *connection, struct error *err);

#endif

/* A database's address as applications write it ("postgresql://user:password@host/db?connection_limit=5"), reduced to
 * what may be known of it: never user, password, database or any other parameter.
 * Source: Prisma, "PostgreSQL connector": connection_limit, pool_timeout (seconds; 0 waits for ever), pgbouncer,
 * max_idle_connection_lifetime (seconds). */
#ifndef ROUNDS_DSN_H
#define ROUNDS_DSN_H

#include <stdbool.h>

struct dsn {
        char scheme[24];
        char host[256];       /* the first one where several are given; "" when it is none or made of a variable */
        double limit;         /* connection_limit; NAN: not stated */
        double timeout_s;     /* pool_timeout; NAN: not stated */
        double idle_s;        /* max_idle_connection_lifetime; NAN: not stated */
        bool pgbouncer;       /* pgbouncer=true */
        bool limit_unsound;   /* connection_limit is stated, and is no number (or a variable) */
        bool timeout_unsound; /* the same of pool_timeout */
};

/* False when `text` is no address of a PostgreSQL database in the form of a URL. */
bool dsn_parse(const char *text, struct dsn *dsn);

#endif

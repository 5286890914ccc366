/* How many server connections a pooler can open: arithmetic over the facts of the pgbouncer audit.
 *
 * Source: PgBouncer's manual, config page: default_pool_size, reserve_pool_size, max_db_connections,
 * max_user_connections, force_user, the per-database and per-user overrides. */
#ifndef ROUNDS_POOL_SUM_H
#define ROUNDS_POOL_SUM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct pool_sum {
        double servers;    /* all pools full, reserve included, caps applied, all instances */
        double every_user; /* the same, if each user that PgBouncer knows used each database without a forced user */
        size_t pools;      /* (database, user) pairs counted, per instance the mean */
        double instances;  /* counted, or declared when that is more */
        bool capped;       /* a cap made it smaller */
        bool reserves;     /* reserve pools are part of it */
        double defaults;   /* default_pool_size of the first instance; 0: unknown */
};

/* `facts` of the pgbouncer audit.  `pool_size`: takes the place of default_pool_size where that is in force; 0: as it
 * is.  With it a caller finds the largest that fits. */
struct pool_sum pool_sum(const json_t *facts, double pool_size);

/* True for the console's own pseudo database. */
bool pool_is_console(const char *database);

#endif

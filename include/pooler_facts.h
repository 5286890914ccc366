/* The facts of a pooler, as the pgbouncer audit and the cross-layer audits over it read them:
 *
 *   {"instances": [{"address", "version", "config": {key: number}, "lists": {key: number},
 *     "databases": [{name, host, port, database, force_user, pool_size, reserve_pool, max_connections, ...}],
 *     "pools": [{database, user, cl_active, cl_waiting, sv_active, ..., maxwait, maxwait_us}],
 *     "users": [{name, pool_size, reserve_pool, max_user_connections}], "stats": [{database, wait_us, ...}]}],
 *    "declared": instances as configured, "hosts": hosts of the databases that belong to `databases_of`}
 *
 * An instance that does not answer is a gap for DBC-2, DBC-4 and DBC-5. */
#ifndef ROUNDS_POOLER_FACTS_H
#define ROUNDS_POOLER_FACTS_H

#include <jansson.h>

#include "error.h"
#include "session.h"

int pooler_facts(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif

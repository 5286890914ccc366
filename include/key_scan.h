/* Looks at the keys of every server of a Redis target, in one run or in several. */
#ifndef ROUNDS_KEY_SCAN_H
#define ROUNDS_KEY_SCAN_H

#include <jansson.h>

#include "error.h"
#include "session.h"

/* Facts: {"keyspace" (key_classes.h), "sizes", "sampled", "vanished", "role", "servers": [{who (redis_servers.h),
 * "other_databases": {"db1": keys}, "scan": {there, seen, seen_before, vanished, commands, took_ms, braked_ms, brakes,
 * slowest_us, mended, complete}}], and, of a scan that goes on from earlier runs, "resumed": {"since", "runs"}}.
 *
 * A scan of all keys that stopped early is kept for the next run on the target (session_keep()): which goes on from
 * there when the same processes serve the same key classes, and no more than RED-1's `resume` has passed.  Its
 * keyspace holds what all of them saw. */
int key_scan_collect(struct session *session, json_t *facts, struct error *err) __attribute__((warn_unused_result));

#endif

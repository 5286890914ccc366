/* One pass over a server's key space: the name, time to live, type and size of every key, or of a sample of them.
 *
 * SCAN goes through the hash table, so that whatever part was seen is a sample drawn by the keys' hashes, not by age or
 * name.  Two pages are under way at a time: the server answers about one while we read about the other.  The scan gives
 * way when the server becomes slow: see `brake_us`.  A scan that stopped can go on, in another run too, as long as the
 * same process serves the keys: the order of its table is its own. */
#ifndef ROUNDS_REDIS_SCAN_H
#define ROUNDS_REDIS_SCAN_H

#include "key_classes.h"
#include "redis.h"

struct redis_scan_order {
        bool sizes;   /* memory of each key; of a string mostly its length and what keys of such names take beside it */
        int64_t rate; /* commands a second at most; 0: as fast as the server answers */
        int64_t brake_us; /* round trip from which the scan gives way, or half of what others did before it; 0: never */
        int64_t most;     /* keys to see; 0: every one */
        const char
                *cursor; /* where an earlier scan stopped, and how many keys after it were seen; NULL: the beginning */
        int64_t skip;
        uint64_t start;   /* of a sample: where in the table it begins; any number */
        int64_t leave_ms; /* of the session's deadline: left to others; the scan ends early for it */
};

struct redis_scan {
        int64_t seen, vanished; /* keys; gone between SCAN and the questions about them */
        int64_t there;          /* DBSIZE at the start; -1: not told */
        int64_t near_us;        /* the round trip of a small question before the scan */
        int64_t took_ms, braked_ms, brakes, slowest_us;
        uint64_t commands;
        int64_t mended;  /* times the connection broke and was opened again */
        char cursor[32]; /* where to go on when it is not complete, and how many keys after it were seen */
        int64_t skip;
        bool complete;    /* the whole table was gone through */
        bool out_of_time; /* ended early for the deadline */
};

/* `key` is borrowed for the length of the call; non-zero ends the scan as a failure (out of memory). */
typedef int (*redis_key_visit)(void *context, const struct key_seen *key);

/* -1 when the server could not be asked, or stopped answering; `out` then tells how far it got.  The connection is
 * left without replies to come. */
int redis_scan(struct redis *redis, const struct session *session, const struct redis_scan_order *order,
               redis_key_visit visit, void *context, struct redis_scan *out, struct error *err)
        __attribute__((warn_unused_result));

/* Whether the server and our rights give MEMORY USAGE; asked of a name that is hardly there. */
bool redis_has_memory_usage(struct redis *redis);

#endif

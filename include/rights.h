/* What `rounds check` prints for one audit of one target: each right that it needs, and the remedy where it is not
 * held. Values only: the rows hold their own text. */
#ifndef ROUNDS_RIGHTS_H
#define ROUNDS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

struct right {
        char what[160]; /* "role pg_monitor" */
        bool held;
        char remedy[320]; /* the exact GRANT or RBAC rule when it is not held */
};

struct rights {
        struct right rows[32];
        size_t count;
};

/* Adds one right; past the array's end it is dropped. */
void rights_add(struct rights *rights, bool held, const char *what, const char *remedy);

#endif

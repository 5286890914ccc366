/* Names to addresses under a deadline, by c-ares: getaddrinfo() would block for as long as a resolver likes. */
#ifndef ROUNDS_RESOLVE_H
#define ROUNDS_RESOLVE_H

#include <stddef.h>

#include "deadline.h"
#include "error.h"

#define RESOLVE_TEXT 64

struct resolved {
        char address[RESOLVE_TEXT]; /* numeric: "10.0.0.7", "2001:db8::1" */
};

/* Every address of `host` (a name, or numeric itself), sorted and without repeats, at most `room` of them.
 * REASON_UNREACHABLE when there is none, REASON_TIMEOUT. */
int resolve_name(const char *host, const struct deadline *deadline, struct resolved *out, size_t room, size_t *count,
                 struct error *err) __attribute__((warn_unused_result));

#endif

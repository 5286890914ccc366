/* Errors travel as values: a reason code, a text that names the thing and the cause, and a remedy.
 *
 * A function that can fail returns 0 or -1 and fills the `struct error` given to it; the text is made where
 * the failure happens and gains context on the way up ("kaireon-db: SELECT ...: permission denied").
 * Nothing is printed below main.  A struct error owns nothing and may be copied and thrown away freely.
 * Texts are UTF-8 with control characters replaced; never put a secret into one. */
#ifndef ROUNDS_ERROR_H
#define ROUNDS_ERROR_H

#include <stdbool.h>

/* Why something could not be assessed.  The names (reason_name) stand in reports: never renamed. */
enum reason {
        REASON_NONE,            /* "" */
        REASON_UNREACHABLE,     /* "unreachable": no address, refused, reset */
        REASON_TIMEOUT,         /* "timeout": the deadline passed */
        REASON_DENIED,          /* "denied": authentication or a missing right */
        REASON_TLS,             /* "tls": handshake or trust failed */
        REASON_PROTOCOL,        /* "protocol": the peer said something that cannot be understood */
        REASON_STALE,           /* "stale": what was read is too old to judge */
        REASON_TOO_LITTLE_DATA, /* "too-little-data" */
        REASON_UNSUPPORTED,     /* "unsupported": this server, version or service hides or lacks it */
        REASON_CONFIGURATION,   /* "configuration": what was configured cannot be used (a file is missing ...) */
        REASON_INTERRUPTED,     /* "interrupted": the run was ended by a signal */
        REASON_INTERNAL,        /* "internal": out of memory, a broken invariant: our fault */
};

struct error {
        enum reason reason;
        char text[1000];  /* what, where, why */
        char remedy[600]; /* what to do, exact where possible (a GRANT, an RBAC rule); may be empty */
};

/* Sets reason and text, clears the remedy.  Always returns -1, so that `return error_set(...)` reads well.
 * `err` may be NULL when the caller does not care. */
int error_set(struct error *err, enum reason reason, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text; keeps reason and remedy.  Always returns -1. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the remedy.  Always returns -1. */
int error_remedy(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, with the place that ran out.  Always returns -1. */
int error_memory(struct error *err, const char *what);

/* The public name of a reason ("too-little-data"), static storage; "" for REASON_NONE. */
const char *reason_name(enum reason reason);

/* The reason of a public name; REASON_INTERNAL for an unknown one. */
enum reason reason_from_name(const char *name);

#endif

/* A client that the audits of one target share: opened when the first of them asks, kept in the session, closed with
 * it.
 *
 * One that could not be opened is kept as well, with its error: a server that was not there is not asked twice in one
 * run.  The client's own struct holds that error; a client may fill it later, when its server went away. */
#ifndef ROUNDS_SESSION_CLIENT_H
#define ROUNDS_SESSION_CLIENT_H

#include <stddef.h>

#include "error.h"
#include "session.h"

/* Static: its address is the client's key in the session. */
struct session_client {
        const char *what; /* "S3 client", for the words of an error */
        size_t size;      /* of the client's struct, which begins zeroed */
        size_t broken;    /* where in it its `struct error` lies; REASON_NONE: it may be used */
        int (*open)(void *client, struct session *session, struct error *err);
        void (*close)(void *client); /* frees it, however far it was opened */
};

/* The session's client, borrowed; NULL with its error (`err` may be NULL). */
void *session_client(struct session *session, const struct session_client *kind, struct error *err);

#endif

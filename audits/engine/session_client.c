/* Clients that are opened once a session, or fail once. */

#include "session_client.h"

#include <stdlib.h>

static void *
client_new(struct session *session, const struct session_client *kind)
{
        char *client = calloc(1, kind->size);

        if (client == NULL)
                return NULL;
        struct error *broken = (struct error *)(void *)(client + kind->broken);
        if (kind->open(client, session, broken) == 0)
                broken->reason = REASON_NONE; /* an error on the way that did not matter in the end */
        return session_put(session, kind, client, kind->close) == 0 ? client : NULL;
}

void *
session_client(struct session *session, const struct session_client *kind, struct error *err)
{
        char *client = session_get(session, kind);

        if (client == NULL && (client = client_new(session, kind)) == NULL) {
                error_memory(err, kind->what);
                return NULL;
        }
        const struct error *broken = (const struct error *)(const void *)(client + kind->broken);
        if (broken->reason == REASON_NONE)
                return client;
        if (err != NULL)
                *err = *broken;
        return NULL;
}

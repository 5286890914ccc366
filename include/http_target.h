/* A target of kind `http`: some service's own HTTP interface, asked for documents below one base address.
 *
 * What the target's configuration says (headers, credentials, authority, client certificate) goes with every request;
 * the client is opened once and belongs to its session.  GET alone is ever sent, and no redirect is followed. */
#ifndef ROUNDS_HTTP_TARGET_H
#define ROUNDS_HTTP_TARGET_H

#include <jansson.h>

#include "http.h"
#include "session.h"

extern const struct target_kind kind_http;

/* One answer of any status to GET `path` (with its query, already escaped; joined to the base address by one slash, ""
 * is the base itself).  -1 when no answer came; a server that cannot be reached is not asked again in this run.
 * REASON_CONFIGURATION for a path that would leave the base: a whole URL, "..", or white space.  The caller frees
 * the answer in every case. */
int http_target_fetch(struct session *session, const char *path, struct http_answer *answer, struct error *err)
        __attribute__((warn_unused_result));

/* The same, which must succeed (2xx) and be JSON, whatever its type says; *out is new. */
int http_target_json(struct session *session, const char *path, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* The same as bytes, malloc'd and NUL-terminated. */
int http_target_bytes(struct session *session, const char *path, char **bytes, size_t *length, struct error *err)
        __attribute__((warn_unused_result));

#endif

/* AWS Signature Version 4: the Authorization header of one request to S3, RDS, CloudWatch or STS.
 *
 * Done here because libcurl 7.88 signs the query as it stands, where the service wants it sorted and re-encoded.
 * Source: AWS General Reference, "Create a signed AWS API request"; tested against its published vectors. */
#ifndef ROUNDS_SIGV4_H
#define ROUNDS_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct sigv4_credentials {
        const char *access_key;
        const char *secret_key;
        const char *session_token; /* NULL: long-lived keys */
};

struct sigv4_request {
        const char *method;           /* "GET" */
        const char *host;             /* as in the Host header, with the port unless it is the scheme's own */
        const char *path;             /* percent-encoded, begins with "/" */
        const char *query;            /* without "?", percent-encoded, in any order; NULL or "" */
        const char *region, *service; /* "eu-central-1", "s3" */
        int64_t at_ms;                /* wall clock, UTC */
        const char *body;             /* NULL: empty */
        size_t body_length;
        /* Further headers that are signed, "name: value", names in lower case, NULL-terminated; may be NULL. */
        const char *const *headers;
};

/* The headers to send, "Name: value", NULL-terminated: the caller's, then x-amz-date, x-amz-content-sha256,
 * x-amz-security-token (when there is one) and Authorization.  New; free with sigv4_free(). */
int sigv4_sign(const struct sigv4_credentials *credentials, const struct sigv4_request *request, char ***headers,
               struct error *err) __attribute__((warn_unused_result));
void sigv4_free(char **headers);

#endif

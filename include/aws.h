/* Who we are to AWS and its look-alikes: keys of the target's own, the profile that it names, the environment, a
 * credentials file, a web identity (IRSA), or a container's endpoint, in that order; the first that is configured is
 * the one used, and half a pair of keys is an error. */
#ifndef ROUNDS_AWS_H
#define ROUNDS_AWS_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "session.h"
#include "sigv4.h"

struct aws_credentials {
        char *access_key, *secret_key, *session_token; /* owned; token NULL for long-lived keys */
        char where[200];                               /* "environment", "profile default of ~/.aws/credentials" */
};

/* The settings every AWS-like target has: access_key (secret), secret_key (secret), session_token (secret), profile,
 * region, endpoint, ca_file.  For kinds' settings tables. */
#define AWS_SETTINGS                                                                                                 \
        {.name = "region",                                                                                           \
         .type = SETTING_TEXT,                                                                                       \
         .fallback = "us-east-1",                                                                                    \
         .words = "region that requests are signed for"},                                                            \
                {.name = "profile", .type = SETTING_TEXT, .words = "profile of the shared credentials file"},        \
                {.name = "access_key",                                                                               \
                 .type = SETTING_SECRET,                                                                             \
                 .words = "access key; default: environment, file, web identity, container"},                        \
                {.name = "secret_key", .type = SETTING_SECRET, .words = "its secret"},                               \
                {.name = "session_token", .type = SETTING_SECRET, .words = "its session token, for temporary keys"}, \
        {                                                                                                            \
                .name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the endpoint's certificate" \
        }

/* REASON_CONFIGURATION when none is to be found, with what was looked at. */
int aws_credentials_find(const struct session *session, struct http *http, struct aws_credentials *out,
                         struct error *err) __attribute__((warn_unused_result));
void aws_credentials_free(struct aws_credentials *credentials);

/* A signed request; `path` and `query` percent-encoded.  An answer of any status is 0. */
struct aws_request {
        const char *method;   /* NULL: GET */
        const char *endpoint; /* "https://s3.eu-central-1.amazonaws.com", without a path */
        const char *path, *query;
        const char *region, *service;
        const char *body;           /* NULL: none */
        const char *const *headers; /* signed ones, lower case; may be NULL */
};
int aws_fetch(struct http *http, const struct aws_credentials *credentials, const struct aws_request *request,
              const struct deadline *deadline, struct http_answer *answer, struct error *err)
        __attribute__((warn_unused_result));

/* The error of an answer whose status is no success, with the service's own code and message out of its XML.  Always
 * -1. */
int aws_status_error(const struct http_answer *answer, const char *what, struct error *err);

#endif

/* HTTP for every probe that speaks it: libcurl under a deadline, bounded, in parallel on one connection where the
 * server can.
 *
 * Nothing but http and https; redirects are not followed (credentials would travel); bodies have a cap after
 * decompression; certificates are verified unless the target's configuration says otherwise.  One client belongs to one
 * thread. */
#ifndef ROUNDS_HTTP_H
#define ROUNDS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "deadline.h"
#include "error.h"

/* How to reach a server.  Every string is copied by http_open(); NULL means unset.  PEM texts win over files. */
struct http_options {
        const char *ca_file;
        const char *ca_pem;
        const char *certificate_file, *key_file; /* client certificate */
        const char *certificate_pem, *key_pem;
        const char *server_name;     /* name to verify instead of the URL's host */
        bool insecure;               /* do not verify; the target's configuration must ask for it */
        const char *user, *password; /* basic authentication */
        const char *bearer;          /* Authorization: Bearer ... */
        const char *proxy;
        int attempts;   /* tries of one GET on 429, 502, 503, 504 and lost connections; 0 means 3 */
        size_t largest; /* cap on one decoded body, bytes; 0 means 64 MiB */
};

struct http; /* a client with its connections */

int http_open(const struct http_options *options, struct http **out, struct error *err)
        __attribute__((warn_unused_result));
void http_close(struct http *http);
void http_close_object(void *http); /* the same, for session_put() */

/* Replaces the bearer token (a service account's file is read again when it was renewed). */
int http_set_bearer(struct http *http, const char *bearer, struct error *err) __attribute__((warn_unused_result));

struct http_request {
        const char *url;
        const char *method;         /* NULL: GET, or POST when there is a body */
        const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
        const char *body;
        size_t body_length;
        /* Called with the body as it comes, instead of keeping it in the answer; non-zero ends the transfer with an
         * error (REASON_PROTOCOL).  Such a request is not tried again once its first byte was handed over. */
        int (*receive)(void *context, const char *bytes, size_t length);
        void *context;
};

struct http_answer {
        int status;                   /* 200, 404 ...; 0 when no answer came */
        struct buffer body;           /* decoded */
        char *content_type;           /* without parameters, lower case; NULL when absent */
        char *headers;                /* as received, CRLF between them; see http_header() */
        int64_t date_ms;              /* the Date header, UTC; 0 when absent or unreadable */
        int64_t sent_ms, received_ms; /* wall clock around the first byte: the error bound of date_ms */
        size_t wire_bytes;            /* as transferred, before decompression */
        int attempts;
        struct error error; /* of http_fetch_all(): why this one failed; reason NONE when it did not */
};

void http_answer_free(struct http_answer *answer);
#define scoped_answer __attribute__((cleanup(http_answer_free))) struct http_answer

/* One request.  0 when an answer of any status came; -1 when none did (unreachable, tls, timeout, protocol). */
int http_fetch(struct http *http, const struct http_request *request, const struct deadline *deadline,
               struct http_answer *answer, struct error *err) __attribute__((warn_unused_result));

/* Many requests side by side, at most `parallel` at a time, multiplexed on one connection where the server speaks
 * HTTP/2.  One answer has half of the time that is left, so that what hangs does not take it from what is asked next.
 * Every answer is filled (its error says what failed).  -1 only when the deadline or a cancel ended the whole.
 */
int http_fetch_all(struct http *http, const struct http_request *requests, size_t count, unsigned parallel,
                   const struct deadline *deadline, struct http_answer *answers, struct error *err)
        __attribute__((warn_unused_result));

/* The value of a header of the final answer, malloc'd; NULL when absent. */
char *http_header(const struct http_answer *answer, const char *name);

/* An error for an answer whose status is no success: 401/403 denied, 404 unsupported, 408/504 timeout, 429 and 5xx
 * unreachable, else protocol; with the first words of the body.  `what` names the request without its secrets.  Always
 * -1. */
int http_status_error(const struct http_answer *answer, const char *what, struct error *err);

/* Appends `text` percent-encoded for a query value or path segment (RFC 3986 unreserved characters stay). */
int http_escape(struct buffer *buffer, const char *text);

#endif

/* What is said in plain before TLS begins: a state machine per protocol, fed with bytes, without I/O.
 *
 * Sources: PostgreSQL protocol (SSLRequest), MySQL (SSL Request packet), RFC 3207 (SMTP), RFC 2595 (IMAP, POP3), RFC
 * 4511 and 4513 (LDAP StartTLS), RFC 4217 (FTP). */
#ifndef ROUNDS_STARTTLS_H
#define ROUNDS_STARTTLS_H

#include <stddef.h>

#include "buffer.h"
#include "error.h"

enum starttls_protocol {
        STARTTLS_NONE, /* TLS from the first byte */
        STARTTLS_POSTGRES,
        STARTTLS_MYSQL,
        STARTTLS_SMTP,
        STARTTLS_IMAP,
        STARTTLS_POP3,
        STARTTLS_LDAP,
        STARTTLS_FTP,
        STARTTLS_UNKNOWN,
};

/* By name: "postgres", "smtp" ...; "redis" and "https" speak TLS at once; STARTTLS_UNKNOWN for others. */
enum starttls_protocol starttls_find(const char *name);

struct starttls {
        enum starttls_protocol protocol;
        int step;
};

enum starttls_result {
        STARTTLS_WAIT, /* more bytes are needed */
        STARTTLS_DONE, /* TLS may begin */
        STARTTLS_FAIL, /* see err: REASON_TLS when it is refused, REASON_PROTOCOL when this is another protocol */
};

/* Consumes what came (from `in`, taking bytes off its front) and adds what is to be sent to `out`.  Call it first with
 * an empty `in`. */
enum starttls_result starttls_step(struct starttls *state, struct buffer *in, struct buffer *out, struct error *err);

#endif

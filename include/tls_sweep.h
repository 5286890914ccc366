/* A sweep of TLS endpoints: thousands side by side, event-driven, a slow one delays nobody but itself.
 *
 * Nothing is sent after the handshake but a close.  Trust is judged here, since only here are the certificates
 * themselves; times are not: whether a certificate has expired is for whoever judges the facts. */
#ifndef ROUNDS_TLS_SWEEP_H
#define ROUNDS_TLS_SWEEP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deadline.h"
#include "error.h"
#include "resolve.h"
#include "starttls.h"
#include "target.h"

/* "host:port", "[2001:db8::1]:443", "db:5432+postgres", "10.0.0.7:443#www.example.com", both together. */
struct tls_endpoint {
        const char *text; /* as configured, borrowed */
        char host[256], port[6], server_name[256];
        enum starttls_protocol protocol;
};

/* -1 with REASON_CONFIGURATION and what is wrong. */
int tls_endpoint_parse(const char *text, struct tls_endpoint *out, struct error *err)
        __attribute__((warn_unused_result));

/* One address of one endpoint. */
struct tls_place {
        const struct tls_endpoint *endpoint;
        struct resolved address;

        /* Filled: the row is owned by the place, NULL when `error` says why.
         * {tls, cipher, leaf, chain [ids as sent], trusted, trust ("" or why not), public, name_ok, asks_client,
         * handshake ("" or why it failed after the certificates were seen), ocsp {status, this_ms, next_ms, sound}} */
        json_t *row;
        struct error error;
};

struct tls_trust; /* the system's store and a CA file; shared between threads */

/* `ca_file` may be NULL.  REASON_CONFIGURATION when it cannot be read. */
int tls_trust_open(const char *ca_file, struct tls_trust **out, struct error *err) __attribute__((warn_unused_result));
void tls_trust_close(struct tls_trust *trust);
/* True when neither the system nor the file gives a single authority: nothing can be judged trusted or not. */
bool tls_trust_empty(const struct tls_trust *trust);

struct tls_sweep {
        struct tls_place *places;
        size_t count;
        const struct tls_trust *trust;
        const char *certificate_file, *key_file; /* shown to servers that ask; NULL: none */
        int64_t timeout_ms;                      /* of one endpoint, from its connect to its certificate */
        json_t *certificates;                    /* object: id -> x509_facts(); filled */
};

/* -1 only when the sweep as a whole could not be done (no memory, a client certificate that cannot be read).  Places
 * not done at the deadline have REASON_TIMEOUT or REASON_INTERRUPTED. */
int tls_sweep(struct tls_sweep *sweep, const struct deadline *deadline, struct error *err)
        __attribute__((warn_unused_result));

/* --- a configured target of this kind (tls_target.c) -------------------------------------------------------------- */

extern const struct target_kind kind_tls;

/* Everything the target names, swept once per session: {"endpoints": [{endpoint, address, host, port, protocol,
 * error {reason, text, remedy} or the row above}], "files": [...], "certificates": [{..., owner, managed, places}],
 * "no_trust"}; sorted.  Borrowed from the session. */
int tls_session(struct session *session, const json_t **found, struct error *err) __attribute__((warn_unused_result));

#endif

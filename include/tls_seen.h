/* What a handshake showed, as facts: chain, trust, name, stapled OCSP. */
#ifndef ROUNDS_TLS_SEEN_H
#define ROUNDS_TLS_SEEN_H

#include <jansson.h>
#include <openssl/ssl.h>
#include <pthread.h>

#include "tls_sweep.h"

/* Certificates met so far, each described once; shared by the threads of a sweep. */
struct tls_album {
        pthread_mutex_t lock;
        json_t *certificates; /* borrowed object: id -> facts */
        json_t *chains;       /* borrowed object: ids as sent -> {public, trusted, trust} */
};

/* The certificate's id in `text`, described in the album if it is new. */
int tls_album_add(struct tls_album *album, X509 *certificate, char *text);

/* Puts {public, trusted, trust ("" or why not)} of a chain into `row`; the leaf is its first or stands beside it. */
void tls_trust_verify(const struct tls_trust *trust, X509 *leaf, STACK_OF(X509) * chain, json_t *row);

/* The row of a place; NULL when no certificate was shown or memory ran out. */
json_t *tls_seen(SSL *ssl, const struct tls_endpoint *endpoint, const struct tls_trust *trust, struct tls_album *album);

#endif

/* A certificate as facts: names, dates, key, signature.  Never a private key. */
#ifndef ROUNDS_X509_READ_H
#define ROUNDS_X509_READ_H

#include <jansson.h>
#include <openssl/x509.h>

#define X509_SHA256_TEXT 65

/* SHA-256 of the DER form, 64 hexadecimal digits. */
void x509_sha256(const X509 *certificate, char text[X509_SHA256_TEXT]);

/* {id, subject, issuer, common_name, names [], serial, not_before_ms, not_after_ms, key, key_bits, signature,
 * weak_signature, self_signed, authority, must_staple}: names of any encoding as UTF-8, control characters kept as they
 * are for the renderers to show.  New; NULL when memory ran out. */
json_t *x509_facts(X509 *certificate);

/* A PEM text, block by block: certificates are visited (borrowed), private keys counted and never parsed. */
struct x509_pem {
        void (*visit)(void *context, X509 *certificate);
        void *context;
        size_t keys, broken; /* blocks: private keys; certificates that cannot be read.  Filled. */
};
void x509_read_pem(const char *bytes, size_t length, struct x509_pem *pem);

#endif

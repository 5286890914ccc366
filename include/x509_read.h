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

#endif

/* Signed attestations: somebody says, at a time, that something was done, for some controls; Ed25519 (RFC 8032).
 *
 * What is signed is a text of fixed lines, so that who reads a configuration can check it with any tool:
 *      rounds attestation 1
 *      who: jane@example.com
 *      at: 2026-11-20T09:00:00Z
 *      covers: NOD-5
 *      outcome: pass
 *      what: capacity packet of October read and accepted
 * each line ended by one newline.  Keys and signatures are written in base64; a public key is its 32 raw bytes. */
#ifndef ROUNDS_ATTESTATION_H
#define ROUNDS_ATTESTATION_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"

#define ATTESTATION_KEY       64  /* base64 of 32 bytes and a NUL */
#define ATTESTATION_SIGNATURE 128 /* base64 of 64 bytes and a NUL */

struct attestation {
        const char *who, *what, *outcome; /* one line each */
        int64_t at_ms;
        const json_t *covers; /* array of texts */
};

enum signature_state {
        SIGNATURE_VALID,
        SIGNATURE_WRONG,     /* the text or the signature was changed, or another key has signed */
        SIGNATURE_UNTRUSTED, /* no key of that name is configured */
        SIGNATURE_MISSING,
};
const char *signature_name(enum signature_state state); /* "valid", "wrong", "untrusted", "missing" */

/* Signs with the private key of a PEM file; fills the signature and the public key that checks it.
 * REASON_CONFIGURATION for a file that holds no Ed25519 key, and for fields of several lines. */
int attestation_sign(const struct attestation *attestation, const char *key_file, char signature[ATTESTATION_SIGNATURE],
                     char public_key[ATTESTATION_KEY], struct error *err) __attribute__((warn_unused_result));

/* Checks a signature against a public key (base64 of the raw key, or of its DER form); NULLs mean "none". */
enum signature_state attestation_verify(const struct attestation *attestation, const char *public_key,
                                        const char *signature);

#endif

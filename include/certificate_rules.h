/* What a certificate, and what a server shows, is worth.  Pure. */
#ifndef ROUNDS_CERTIFICATE_RULES_H
#define ROUNDS_CERTIFICATE_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "finding.h"
#include "policy.h"

/* Life left at `now_ms` against the steps of CRT-2. */
struct expiry {
        int64_t left_ms;        /* negative when it has expired */
        bool by_share;          /* short-lived and managed: judged by the share of its life that is left */
        double share;           /* of its life that is left, percent */
        enum severity severity; /* SEV_NONE: enough is left */
        int64_t step_ms;        /* the step that it is under */
};
/* False when the dates are missing or make no sense. */
bool certificate_expiry(const json_t *certificate, const struct policy *policy, int64_t now_ms, struct expiry *out);

/* The longest validity, in days, that the CA/Browser Forum allows a public certificate issued then. */
int certificate_validity_limit(int64_t issued_ms);

/* True when the certificate's subjectAltNames hold this host name (or this very wildcard, "*.example.com").  A wildcard
 * stands for one whole label; the common name counts for nothing.  Source: RFC 9525. */
bool certificate_names_host(const json_t *certificate, const char *host);

/* Everything that is unsound about what a place shows, as sentences in `out` (empty: sound). `leaf` is its
 * certificate, `all` the object of certificates by id. */
void certificate_faults(const json_t *place, const json_t *leaf, const json_t *all, bool no_trust,
                        const struct policy *policy, int64_t now_ms, struct buffer *out);

#endif

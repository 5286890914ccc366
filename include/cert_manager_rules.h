/* What is wrong with the renewal of one Certificate of cert-manager.  Pure. */
#ifndef ROUNDS_CERT_MANAGER_RULES_H
#define ROUNDS_CERT_MANAGER_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "finding.h"
#include "policy.h"

struct renewals {
        const json_t *facts; /* of cert_manager_read() */
        const struct policy *policy;
        struct findings *out; /* for the texts alone */
        int64_t now_ms;
};

/* A moment of the facts; 0 for one that is missing, or that no calendar has. */
int64_t renewal_moment(const json_t *row, const char *key);

/* When cert-manager means to renew: what it says itself, else its rule (renewBefore, a share of the life, a third of
 * it); 0 when nothing was issued yet. */
int64_t renewal_due(const json_t *certificate);

/* The issuer that a Certificate names, NULL when it was not seen. */
const json_t *renewal_issuer(const struct renewals *renewals, const json_t *certificate);

/* True when the issuer is one of cert-manager's own kinds, and issuers of that kind were read: it can be missing. */
bool renewal_issuer_known(const struct renewals *renewals, const json_t *certificate);

/* "ClusterIssuer letsencrypt (acme)" */
const char *renewal_issuer_words(const struct renewals *renewals, const json_t *certificate);

/* Everything that is wrong with it, as sentences in `faults` (empty: it renews itself); `remedy` is what mends the
 * first of it, exact where orders or challenges say more. */
void renewal_faults(const struct renewals *renewals, const json_t *certificate, struct buffer *faults,
                    const char **remedy);

/* A day ("2026-12-06"), and a length of time without its sign. */
const char *renewal_day(struct findings *out, int64_t at_ms);
const char *renewal_length(struct findings *out, int64_t length_ms);

#endif

/* Findings about certificates: what every audit that meets certificates says of them (CRT-2, CRT-3, CRT-4, CRT-6).
 *
 * Facts that it reads: "certificates" [{x509_facts()..., owner, managed, places []}], "no_trust".  A judge begins, says
 * which certificates it met where it matters, and then has them judged. */
#ifndef ROUNDS_CERTIFICATE_JUDGE_H
#define ROUNDS_CERTIFICATE_JUDGE_H

#include <jansson.h>
#include <stdbool.h>

#include "finding.h"
#include "history.h"
#include "policy.h"

struct certificate_judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        const char *series;      /* of samples that say when a place was read last: "certificates.swept" */
        const char *authorities; /* the target's setting for authorities of one's own: "ca_file" */

        /* Filled: */
        int64_t now_ms;
        json_t *all;    /* id -> certificate */
        json_t *met;    /* ids seen outside of bundles of authorities: these are judged */
        json_t *served; /* ids that some place shows as its own */
        json_t *labels; /* how many certificates met have that name */
};

/* False when memory ran out; certificate_judge_end() is due all the same. */
bool certificate_judge_begin(struct certificate_judge *judge);
void certificate_judge_end(struct certificate_judge *judge);

/* Notes ids as met; a place's chain as met and its leaf as served. */
void certificate_judge_meet(struct certificate_judge *judge, const json_t *ids);
void certificate_judge_serve(struct certificate_judge *judge, const json_t *place);

/* An inventory row of every certificate; CRT-2 of those that were met, CRT-4 of those of them that somebody here must
 * renew.  How many the latter are. */
size_t certificate_judge_all(const struct certificate_judge *judge);

/* CRT-6 of one place ({leaf, chain, trusted, name_ok, ...} as tls_seen() makes them); one with an `error` is passed
 * over (a gap says so). */
void certificate_judge_place(const struct certificate_judge *judge, const json_t *place,
                             const struct resource *resource, const char *evidence);

/* CRT-3 of one place: read now (`failed` is NULL); else read lately enough, and named all the same; else a fault. */
void certificate_judge_sweep(const struct certificate_judge *judge, const json_t *failed,
                             const struct resource *resource, const char *evidence);

#endif

/* Endpoints by name: parsed, resolved to every address side by side, swept, and put down as rows. */
#ifndef ROUNDS_TLS_PLACES_H
#define ROUNDS_TLS_PLACES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"
#include "error.h"

struct tls_places {
        const json_t *names;                     /* array of endpoints as tls_endpoint_parse() takes them */
        const char *family;                      /* which addresses: "all", "ipv4", "ipv6" */
        const char *ca_file;                     /* NULL: the system's authorities alone */
        const char *certificate_file, *key_file; /* shown to servers that ask; NULL: none */
        int64_t timeout_ms;                      /* of one endpoint; naming it has as long again */
        json_t *certificates;                    /* object: id -> x509_facts(); filled */
        json_t *rows;                            /* array, filled: see tls_session() in tls_sweep.h */
        bool no_trust;                           /* not a single authority is known here; filled */
};

/* -1 only when the sweep as a whole could not be done; what one endpoint did not say stands in its row. */
int tls_places_sweep(struct tls_places *places, const struct deadline *deadline, struct error *err)
        __attribute__((warn_unused_result));

#endif

/* Whose a certificate is and where it was seen: the rules that every kind of target with certificates shares. */
#ifndef ROUNDS_CERTIFICATE_OWNER_H
#define ROUNDS_CERTIFICATE_OWNER_H

#include <jansson.h>

#include "settings.h"
#include "target.h"

/* The fields of one rule of a target's `owners`: {match, owner}. */
extern const struct setting certificate_owner_rule[];

/* Notes in `certificates` (object: id -> x509_facts()) that the one called `id` was seen at `place`; an unknown id is
 * passed over. */
void certificate_place(json_t *certificates, const char *id, const char *place);

/* The certificates as an array sorted by id (so that facts of an unchanged platform are the same bytes), each with
 * `owner` (the target's first rule that matches, else what it has, else the target's own) and `managed` (what it has,
 * or one of the target's `managed` globs).  New; NULL when memory ran out.  The elements are shared with the object. */
json_t *certificates_claim(json_t *certificates, const struct target *target);

#endif

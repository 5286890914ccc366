/* Which audits a job calls for by how often their controls ship: `audits: nightly` in rounds.yaml. */
#ifndef ROUNDS_CADENCE_H
#define ROUNDS_CADENCE_H

#include <jansson.h>

/* The names of the audits that `word` stands for, in alphabetical order; new.  "nightly": those with a control that
 * ships nightly, and the user's own controls.  "weekly": these and those with a weekly one.  "monthly": every audit.
 * NULL when it is none of these words, or memory is short. */
json_t *cadence_audits(const char *word);

#endif

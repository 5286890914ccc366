/* From facts to findings, complete: gaps, the judge's own, and the engine's safety net.  Pure, like judging itself.
 *
 * Whatever happened, the result holds at least one finding per control of the audit: a control that is switched off is
 * skipped, one that the judge said nothing about is an error.  Shared by runs and by rejudging. */
#ifndef ROUNDS_ASSESS_H
#define ROUNDS_ASSESS_H

#include <jansson.h>
#include <stdbool.h>

#include "audit.h"
#include "error.h"
#include "finding.h"
#include "history.h"
#include "policy.h"

/* Judges `facts`.  NULL when memory ran out. */
struct findings *assess_facts(const struct audit *audit, const json_t *facts, const struct policy *policy,
                              const struct history *history);

/* Collecting of `target` (NULL: a cross-layer audit's) failed: an error per control with the reason, the text and the
 * remedy of `why`. */
struct findings *assess_failure(const struct audit *audit, const struct target *target, const struct policy *policy,
                                const struct error *why);

/* Nothing to look at: a skip per control. */
struct findings *assess_skip(const struct audit *audit, const struct target *target, const char *why);

/* False when every control of the audit is switched off: then it need not collect either. */
bool assess_wanted(const struct audit *audit, const struct policy *policy);

#endif

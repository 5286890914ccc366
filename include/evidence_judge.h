/* Judging the facts of the evidence audit; in a file of its own beside the collecting.
 *
 * Facts: {"evidence": [{name, owner, controls? [ids], max_age_ms?, state: "found" | "none" | "unread", place, at,
 * outcome, covers [texts], p99_ms?, p95_ms?, error_rate?, who?, what?, attestations? [{who, at, what, covers, outcome,
 * state}], reason?, error?, remedy?}]}. */
#ifndef ROUNDS_EVIDENCE_JUDGE_H
#define ROUNDS_EVIDENCE_JUDGE_H

#include <jansson.h>

#include "finding.h"
#include "history.h"
#include "policy.h"

void evidence_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                    struct findings *out);

/* True when the item of these facts is for `control`: it says so, or its name is the one in the control's `evidence`
 * policy. */
bool evidence_is_for(const json_t *row, const char *control, const struct policy *policy);

#endif

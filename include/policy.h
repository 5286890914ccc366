/* The bounds a judge measures against: shipped defaults, overridden per control, then per target.
 *
 * Settings are declared beside their control in audits/engine/controls_*.c.  Names asked for here must be
 * declared there: an unknown one is a programming error and aborts.  Results are borrowed from the policy. */
#ifndef ROUNDS_POLICY_H
#define ROUNDS_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "finding.h"

struct policy;

/* Numbers in their stored unit: durations milliseconds, sizes bytes, percentages 0 to 100. */
double policy_number(const struct policy *policy, const char *control, const char *setting);
int64_t policy_whole(const struct policy *policy, const char *control, const char *setting);
bool policy_flag(const struct policy *policy, const char *control, const char *setting);
const char *policy_text(const struct policy *policy, const char *control, const char *setting);    /* "" if unset */
const json_t *policy_value(const struct policy *policy, const char *control, const char *setting); /* or NULL */

/* The severity of a failing finding: the catalogue's, unless the configuration sets `severity` for the control.
 * `past_bound` asks for the second severity of a control that has two (the catalogue's "SEV2, SEV1"). */
enum severity policy_severity(const struct policy *policy, const char *control, bool past_bound);

/* False when the configuration says `enabled: false` for the control: the engine skips it, judges need not ask. */
bool policy_enabled(const struct policy *policy, const char *control);

/* The shipped policy alone; the caller frees it with policy_free(). */
struct policy *policy_default(struct error *err);

/* A copy of `base` with `overrides` ({"DSK-7": {"slot_retained": "1GB"}}, values as written in YAML) laid over it.
 * -1 with REASON_CONFIGURATION naming the first bad key or value. */
int policy_overlay(const struct policy *base, const json_t *overrides, struct policy **out, struct error *err)
        __attribute__((warn_unused_result));

void policy_free(struct policy *policy);

/* The whole effective policy as JSON ({"DSK-7": {...}}), new; for the store and for evidence. */
json_t *policy_json(const struct policy *policy);

/* The inverse: a policy from what the store kept (settings unknown to this build are dropped). */
struct policy *policy_from_json(const json_t *stored, struct error *err);

#endif

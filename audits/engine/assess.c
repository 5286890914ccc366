/* Findings of one audit of one target, made complete. */

#include "assess.h"

#include <string.h>

#include "facts.h"

#define CONTROLS (sizeof((struct audit *)0)->controls / sizeof(char *))

static const char switched_off[] = "switched off: the policy sets enabled: false for this control";

/* The n-th control that the audit answers for, of this target: the audit's own, or the configuration's. */
static const char *
control_at(const struct audit *audit, const struct target *target, size_t index)
{
        if (audit->control_of != NULL)
                return target != NULL ? audit->control_of(target, index) : NULL;
        return index < CONTROLS ? audit->controls[index] : NULL;
}

bool
assess_wanted(const struct audit *audit, const struct policy *policy)
{
        if (audit->control_of != NULL)
                return true;
        for (size_t i = 0; i < CONTROLS && audit->controls[i] != NULL; i++) {
                if (policy_enabled(policy, audit->controls[i]))
                        return true;
        }
        return false;
}

/* Takes out what was found for a control that is switched off. */
static void
findings_drop(struct findings *findings, const char *control)
{
        size_t kept = 0;

        for (size_t i = 0; i < findings->count; i++) {
                if (strcmp(findings->rows[i].control, control) != 0)
                        findings->rows[kept++] = findings->rows[i];
        }
        findings->count = kept;
}

static bool
has_control(const struct findings *findings, const char *control)
{
        for (size_t i = 0; i < findings->count; i++) {
                if (strcmp(findings->rows[i].control, control) == 0)
                        return true;
        }
        return false;
}

struct findings *
assess_facts(const struct audit *audit, const json_t *facts, const struct policy *policy, const struct history *history)
{
        struct findings *findings = findings_new();

        if (findings == NULL)
                return NULL;
        facts_judge_gaps(facts, findings);
        audit->judge(facts, policy, history, findings);
        for (size_t i = 0; i < CONTROLS && audit->controls[i] != NULL; i++) {
                const char *control = audit->controls[i];
                if (!policy_enabled(policy, control)) {
                        findings_drop(findings, control);
                        findings_skip(findings, control, switched_off, NULL);
                } else if (!has_control(findings, control)) {
                        findings_error(findings, control, NULL, REASON_TOO_LITTLE_DATA,
                                       "the audit saw nothing to judge", NULL);
                }
        }
        if (!findings->failed)
                return findings;
        findings_free(findings);
        return NULL;
}

struct findings *
assess_failure(const struct audit *audit, const struct target *target, const struct policy *policy,
               const struct error *why)
{
        struct findings *findings = findings_new();
        const char *control;

        for (size_t i = 0; findings != NULL && (control = control_at(audit, target, i)) != NULL; i++) {
                if (!policy_enabled(policy, control))
                        findings_skip(findings, control, switched_off, NULL);
                else
                        findings_error(findings, control, NULL,
                                       why->reason != REASON_NONE ? why->reason : REASON_INTERNAL,
                                       *why->text != '\0' ? why->text : "could not be read, for no stated reason",
                                       *why->remedy != '\0' ? why->remedy : NULL);
        }
        return findings;
}

struct findings *
assess_skip(const struct audit *audit, const struct target *target, const char *why)
{
        struct findings *findings = findings_new();
        const char *control;

        for (size_t i = 0; findings != NULL && (control = control_at(audit, target, i)) != NULL; i++)
                findings_skip(findings, control, why, NULL);
        return findings;
}

/* The parts of the audit `alerts`: what they share, and one judge each. */
#ifndef ROUNDS_ALERT_JUDGES_H
#define ROUNDS_ALERT_JUDGES_H

#include "alert_wanted.h"
#include "history.h"
#include "policy.h"
#include "prometheus.h"

struct alert_judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        struct alert_site *site;
};

/* The rule's name; with its severity, and a number, where others of its group have the same. */
const char *alert_rule_name(const struct alert_judge *j, const struct alert_rule *rule);

/* JSON pointer to the rule in the facts. */
const char *alert_evidence(const struct alert_judge *j, const struct alert_rule *rule);

/* The receivers it reaches and what may keep it from them, for people; "" when no routing is known. */
const char *alert_reach_text(const struct alert_judge *j, const struct alert_rule *rule);

void alert_steps_judge(const struct alert_judge *j); /* CRT-2: a rule for every step before expiry */
void alert_depth_judge(const struct alert_judge *j); /* DLQ-1: the threshold of the dead-letter alert */
void alert_reach_judge(const struct alert_judge *j); /* ALR-11; after the others, which mark what is watched */

#endif

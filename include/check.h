/* What `rounds check` finds out: does each target answer, and does it grant what its audits need? */
#ifndef ROUNDS_CHECK_H
#define ROUNDS_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "audit.h"
#include "plan.h"

struct check_order {
        const struct plan *plan;
        const struct target *const *targets; /* every configured one, NULL-terminated */
        unsigned threads;
        int64_t now_ms;
        int64_t timeout_ms; /* of the whole check */
        int64_t grace_ms;   /* 0: 10 s */
        struct cancel *cancel;
};

/* Connects to every target of the plan and asks its audits for their rights.  A new array, in the plan's order:
 * {"target", "kind", "server" (what answered, "" when nothing did), "took_ms", "ok", "reason", "error", "remedy",
 *  "audits": [{"audit", "needs", "ok", "skipped", "reason", "error", "remedy",
 *              "rights": [{"what", "held", "remedy"}]}]}.
 * `ok` is true when the connection stands and every right is held.  *lost: targets whose thread hangs (then the order
 * must live until the process ends). */
int check_targets(const struct check_order *order, json_t **out, size_t *lost, struct error *err)
        __attribute__((warn_unused_result));

/* The answers for people: per target what answered and how fast, then what each audit needs and does not hold, with the
 * exact remedy. */
void check_print(const json_t *checked, FILE *stream);

/* True when every target is ok. */
bool check_all_ok(const json_t *checked);

#endif

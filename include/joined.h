/* The facts of a cross-layer audit: the newest facts of the audits that it joins, of every configured target. */
#ifndef ROUNDS_JOINED_H
#define ROUNDS_JOINED_H

#include <jansson.h>
#include <stdint.h>

#include "audit.h"
#include "error.h"
#include "store.h"

/* A new object {"targets": [...]} as audit.h has it; `now_ms` is the run's start, ages count from it.  Only settings
 * that name another configured target are shown (the references). */
int joined_facts(struct store *store, const struct audit *audit, const struct target *const *targets, int64_t now_ms,
                 json_t **out, struct error *err) __attribute__((warn_unused_result));

#endif

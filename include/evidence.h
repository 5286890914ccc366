/* Evidence: what a document says of something that was done: when, with what outcome, covering what.
 *
 * The form is a JSON object with at least a time and an outcome; the usual names are known (time, finishedAt, outcome,
 * result, passed, covers, images, latencyMs.p99, totals.errorRate ...) and `fields` names others by JSON pointer. Pure.
 */
#ifndef ROUNDS_EVIDENCE_H
#define ROUNDS_EVIDENCE_H

#include <jansson.h>
#include <stdint.h>

#include "target.h"

extern const struct target_kind kind_evidence;
extern const struct setting evidence_fields[]; /* time, outcome, covers, p99, p95, error_rate: JSON pointers */

/* Puts into `row` what `document` says: "at" (RFC 3339), "outcome" ("pass", "fail"), "covers" (sorted texts, at most
 * 1000), "p99_ms", "p95_ms", "error_rate" (0 to 1); what it does not say is left out.  `name` is the document's own
 * name: a date in it (2026-11-20 or 20261120) is the time when the document has none.  -1 when memory ran out. */
int evidence_describe(json_t *row, const json_t *document, const json_t *fields, const char *name)
        __attribute__((warn_unused_result));

#endif

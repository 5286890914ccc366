/* Facts that could not be read: noted in the facts themselves, under "gaps", so that evidence and rejudging see them.
 *
 * A gap is {"part": "slots", "resource": {kind, namespace, name} or absent, "controls": ["DSK-7"], "reason": "denied",
 * "text": ..., "remedy": ...}.  The engine turns each into `error` findings for the controls it names. */
#ifndef ROUNDS_FACTS_H
#define ROUNDS_FACTS_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "finding.h"

/* Notes that `part` could not be read, because of `err`, for the controls in `controls` (comma-separated ids).
 * `resource` may be NULL.  0, or -1 when memory ran out. */
int facts_gap(json_t *facts, const char *part, const char *controls, const struct resource *resource,
              const struct error *err);

/* True when a gap for `part` is noted. */
bool facts_lacks(const json_t *facts, const char *part);

/* Makes error findings of every gap.  Called by the engine (and by the fixture tests) before judge(). */
void facts_judge_gaps(const json_t *facts, struct findings *out);

#endif

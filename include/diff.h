/* Two runs compared, for `rounds diff`: every change on a line, or as JSON. */
#ifndef ROUNDS_DIFF_H
#define ROUNDS_DIFF_H

#include <stdbool.h>
#include <stdio.h>

#include "error.h"
#include "view.h"

/* One line a change, grouped; `width` 0: as long as it takes. */
int diff_text(const struct view *view, bool colour, int width, FILE *stream, struct error *err)
        __attribute__((warn_unused_result));

/* {"schema": "rounds.diff/1", "from": {id, job, started}, "to": {...}, "counts": {new, worse, still, fixed,
 * incomparable}, "changes": [{change, why, control, target, resource{kind, namespace, name}, severity, before, message,
 * fingerprint}]}; one change a line. */
int diff_json(const struct view *view, FILE *stream, struct error *err) __attribute__((warn_unused_result));

#endif

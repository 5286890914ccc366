/* Do the messages of a queue fit their JSON Schema?  Sums up; keeps no message.
 *
 * What is kept: how many were looked at, and for those that do not fit where (a JSON pointer, places in lists as *) and
 * why.  Neither holds a value; names of fields may stand in a pointer. */
#ifndef ROUNDS_MESSAGE_CHECK_H
#define ROUNDS_MESSAGE_CHECK_H

#include <jansson.h>
#include <stddef.h>

#include "error.h"

struct message_check;

/* The schema that `settings` (a row with schema or schema_file) names; *out is NULL when it names none.
 * REASON_UNSUPPORTED for a keyword that is not known, REASON_CONFIGURATION for a file that cannot be read. */
int message_check_open(const json_t *settings, struct message_check **out, struct error *err)
        __attribute__((warn_unused_result));
void message_check_close(struct message_check *check);

/* A message as bytes (which may be no JSON) or as JSON.  NULL for `check` does nothing.  -1: memory ran out. */
int message_check_bytes(struct message_check *check, const char *bytes, size_t length);
int message_check_value(struct message_check *check, const json_t *value);

/* {"messages", "fit", "misfits": [{"where", "why", "messages"}, ...]}, most frequent first, at most 20; new. */
json_t *message_check_json(const struct message_check *check);

#endif

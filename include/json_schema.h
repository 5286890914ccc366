/* Does a message fit its JSON Schema?  For queues whose messages have a contract (DLQ-5).
 *
 * No maintained C library of Debian 12 does this, so a checked subset of drafts 7 to 2020-12 stands here: all of the
 * validation and applicator vocabularies, $ref inside the document ($defs, definitions, JSON pointers, $anchor), and
 * `format` for date-time, date, uuid, ipv4, ipv6 and email.  What it does not know ($dynamicRef, unevaluatedItems,
 * unevaluatedProperties, a $ref to another document, an unknown format where `format` is asked for) is an error of the
 * schema, never a silent pass. */
#ifndef ROUNDS_JSON_SCHEMA_H
#define ROUNDS_JSON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

struct json_schema;

/* Compiles `document` (borrowed: it must outlive the schema).  REASON_UNSUPPORTED names a keyword that is not known
 * here and where it stands, REASON_CONFIGURATION a malformed schema. */
int json_schema_open(const json_t *document, struct json_schema **out, struct error *err)
        __attribute__((warn_unused_result));
void json_schema_close(struct json_schema *schema);

/* True when `value` fits.  Otherwise `where` (a JSON pointer into the value) and `why` say what does not fit first;
 * neither holds any part of the value but its keys' names.  Nesting and work are bounded: past the bound a value does
 * not fit. */
bool json_schema_fits(const struct json_schema *schema, const json_t *value, char *where, size_t where_size, char *why,
                      size_t why_size);

#endif

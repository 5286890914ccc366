/* Secrets: read late, wiped early, and never printed.
 *
 * A setting of type SETTING_SECRET is a place ({"file": ...} or {"env": ...}).  Its value is read when a
 * probe connects.  Every value read is remembered (as long as the process lives) so that secret_redact() can
 * remove it from texts and facts as the last line of defence. */
#ifndef ROUNDS_SECRET_H
#define ROUNDS_SECRET_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "target.h"

/* The value of target's secret `name` ("password" reads the settings password_file / password_env).
 * A file's one trailing newline is removed; at most 64 KiB.  *value is malloc'd, release with secret_free();
 * NULL (and 0 returned) when the target has no such secret.  REASON_CONFIGURATION when it cannot be read. */
int secret_read(const struct target *target, const char *name, char **value, struct error *err)
        __attribute__((warn_unused_result));

/* The same for a place found elsewhere in a checked tree. */
int secret_read_place(const json_t *place, const char *what, char **value, struct error *err)
        __attribute__((warn_unused_result));

/* Overwrites and frees; accepts NULL. */
void secret_free(char *value);

static inline void
secret_scope_free(char **value)
{
        secret_free(*value);
}
#define scoped_secret __attribute__((cleanup(secret_scope_free))) char *

/* Remembers a value found elsewhere (a password inside a DSN): shorter than 4 bytes is ignored. */
void secret_remember(const char *value);

/* Replaces every remembered value in `text` by "[redacted]", in place (the text only gets shorter or the
 * secret is overwritten with '*' when it is shorter than the word). */
void secret_redact_text(char *text);

/* The same for every string and key in a JSON document. */
void secret_redact(json_t *document);

#endif

/* One value from a configured source: SQL, a Redis key, an HTTP document, a workload's environment, a ConfigMap, a
 * Secret, any Kubernetes object, a Prometheus query, or a file.
 *
 * The source is a checked object of `value_source_settings`: one of sql, redis, get, env, config_map, secret, object,
 * query and file says what is read, `target` says of which target; then `pointer` picks a part of a document and
 * `capture` a part of a text.  Shared by kind `settings`, by custom controls and by evidence.
 *
 * A value knows whether it is a secret: whoever reads one that is keeps what it was compared with and never the value.
 * It belongs to the caller: value_free() wipes it. */
#ifndef ROUNDS_VALUE_H
#define ROUNDS_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "rights.h"
#include "session.h"

extern const struct setting value_source_settings[];

struct value {
        json_t *json;      /* text, number, boolean, null, or a whole document; NULL: the source has no such value */
        bool secret;       /* from a Secret, or by a variable whose name says so */
        char place[400];   /* "WORKER_INPROCESS of Deployment kaireon/kaireon-worker": never the value */
        char absence[300]; /* why json is NULL: "the variable is not set" */
};

/* Reads the value.  -1 when it cannot be told (unreachable, denied, no such workload ...); a value that is not there is
 * no failure: json is NULL then, with the reason in `absence`. */
int value_read(struct session *session, const json_t *source, struct value *value, struct error *err)
        __attribute__((warn_unused_result));

/* For `check` of an audit: the right `what` to read the value of a row's `from`, which is held when it can be read. */
void value_right_add(struct session *session, const json_t *row, const char *what, struct rights *rights);

/* Wipes and frees what a value holds. */
void value_free(struct value *value);
#define scoped_value __attribute__((cleanup(value_free))) struct value

/* What is wrong with a checked source in itself and against the configured targets (NULL-terminated): false, with words
 * of at most `size` bytes.  For mistakes that a table of settings cannot tell. */
bool value_source_sound(const json_t *source, const struct target *const *targets, char *why, size_t size);

/* The review of a list whose rows have such a source under `from`: what is wrong with that of row `index` is told as a
 * mistake of `list`. */
void value_source_review(const char *list, size_t index, const json_t *row, const struct target *const *targets,
                         target_mistake *tell, void *context);

/* True for "namespace/name"; else false, with words. */
bool value_object_name_sound(const char *name, char *why, size_t size);

/* The text of a file as a document: "json", "yaml", "env" (NAME=value lines into an object of texts) or "text".  New.
 */
int value_document(const char *bytes, size_t length, const char *format, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* Takes out of `text`, in place, what looks like a credential: keys by their known beginnings (krn_, ghp_, AKIA ...),
 * JSON web tokens, passwords in URLs and after "password=", private keys. */
void value_redact(char *text);

/* True for a variable or key that by its name holds a secret (PASSWORD, SECRET, TOKEN, _KEY, DSN, DATABASE_URL ...). */
bool value_name_is_secret(const char *name);

#endif

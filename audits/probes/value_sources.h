/* The inside of value.c: the readers, one per kind of source, and what narrows what they read.  Each reader fills
 * `value` (json, secret, place, absence) from a checked source whose own keys are there; `session` is the source's
 * target's (the asking audit's for a file). */
#ifndef ROUNDS_VALUE_SOURCES_H
#define ROUNDS_VALUE_SOURCES_H

#include "value.h"

int value_from_sql(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_redis(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_http(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_prometheus(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_file(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_environment(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_config_map(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_secret(struct session *session, const json_t *source, struct value *value, struct error *err);
int value_from_object(struct session *session, const json_t *source, struct value *value, struct error *err);

/* Only the part of the document that the JSON pointer names, only the part of the text that the pattern captures: put
 * in the place of the whole, which is wiped.  A part that is not there is an absence. */
int value_apply_pointer(const char *pointer, struct value *value, struct error *err);
int value_apply_capture(const char *pattern, struct value *value, struct error *err);

/* False, with words, when the commands or references of a source cannot be meant. */
bool value_redis_sound(const json_t *words, char *why, size_t size);
bool value_workload_sound(const char *workload, char *why, size_t size);

#endif

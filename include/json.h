/* Reading JSON whose shape nobody promised: every getter takes any value (NULL included) and falls back.
 *
 * jansson's words: results are *borrowed* unless said otherwise.  Facts from an old store, a fixture or an API
 * server go through these, so a missing field, a null or a wrong type is a fallback and never a crash. */
#ifndef ROUNDS_JSON_H
#define ROUNDS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* object[key] if it is a string, else fallback (which may be NULL). */
const char *json_text(const json_t *object, const char *key, const char *fallback);

/* object[key] if it is an integer or a real with an integral value, else fallback. */
int64_t json_whole(const json_t *object, const char *key, int64_t fallback);

/* object[key] if it is an integer or a real, else fallback. */
double json_real_or(const json_t *object, const char *key, double fallback);

/* object[key] if it is a boolean, else fallback. */
bool json_flag(const json_t *object, const char *key, bool fallback);

/* object[key] if it is an array / an object, else NULL.  NULL is accepted by jansson's iteration. */
const json_t *json_list(const json_t *object, const char *key);
const json_t *json_map(const json_t *object, const char *key);

/* A walk along keys: json_at(o, "spec", "template", "metadata", NULL).  NULL where a step is missing. */
const json_t *json_at(const json_t *object, ...) __attribute__((sentinel));

/* The value that a JSON pointer names ("" is the whole, "/a/0/b~1c" steps into objects and arrays); NULL when there is
 * none. Source: RFC 6901. */
const json_t *json_pointer(const json_t *document, const char *pointer);

/* The first object of an array whose `key` is this text (an absent key is ""); NULL when there is none. */
const json_t *json_find(const json_t *list, const char *key, const char *text);

/* True when an earlier object of the array has the same text under `key` as the one at `index`. */
bool json_repeats(const json_t *list, size_t index, const char *key);

/* True when the text stands in an array of texts; false for no array. */
bool json_holds(const json_t *list, const char *text);

/* True when one of the shell patterns in `globs` (an array of texts) fits `text`; false for no array. */
bool json_globs_match(const json_t *globs, const char *text);

/* True when object has the key and it is not null. */
bool json_has(const json_t *object, const char *key);

/* A text, number or boolean as a text, without the white space around it; false for anything else, and for a text that
 * does not fit. */
bool json_scalar(const json_t *value, char *text, size_t size);

/* Setters that never fail silently: they return 0, or -1 when memory ran out.  Bytes that are not UTF-8 are
 * replaced by U+FFFD, in keys too, since jansson would refuse them.  Text NULL stores null. */
int json_put_text(json_t *object, const char *key, const char *text);
int json_put_bytes(json_t *object, const char *key, const char *bytes, size_t length);
int json_put_whole(json_t *object, const char *key, int64_t value);
int json_put_real(json_t *object, const char *key, double value); /* NaN and infinities store null */
int json_put_flag(json_t *object, const char *key, bool value);
int json_put(json_t *object, const char *key, json_t *stolen); /* a NULL value is an error */

/* object[list] = the values of `rows` (an object, borrowed) as an array in the order of their keys, so that the same
 * cluster gives the same facts.  -1 when memory ran out. */
int json_put_sorted(json_t *object, const char *list, const json_t *rows);

/* Sorts an array of objects by their texts under these keys, the first first (NULL-terminated; an absent one is ""). -1
 * when memory ran out. */
int json_sort(json_t *list, const char *const *keys) __attribute__((warn_unused_result));

/* Appends `stolen` and returns it borrowed, NULL when memory ran out. */
json_t *json_push(json_t *array, json_t *stolen);

/* A new string from bytes of any kind (see above). */
json_t *json_bytes(const char *bytes, size_t length);

#endif

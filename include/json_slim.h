/* Taking out of a JSON text what nobody will read, before it is parsed: a tree costs ten times its text.
 *
 * Pages of Kubernetes objects are half managedFields, volumes and environment; what is dropped here is neither built
 * nor held in memory. */
#ifndef ROUNDS_JSON_SLIM_H
#define ROUNDS_JSON_SLIM_H

#include <stddef.h>

/* Drops members whose key is one of `keys` (NULL-terminated) and whose value is an array or an object, wherever they
 * stand; members with other values stay, so that a label called "env" is not lost.  In place; returns the new length.
 * Text that is no JSON comes out as text that is no JSON. */
size_t json_without(char *text, size_t length, const char *const *keys);

#endif

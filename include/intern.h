/* Texts kept once, and small arrays beside them: memory for rows that are many, alike and released together.
 *
 * Everything handed out lives as long as the `struct intern` and is never moved.  Each function returns NULL (and sets
 * `failed`) when memory or the cap ran out. */
#ifndef ROUNDS_INTERN_H
#define ROUNDS_INTERN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct intern;

/* `largest`: cap on the bytes handed out. */
struct intern *intern_new(size_t largest);
void intern_free(struct intern *intern);

/* Equal texts give equal pointers; "" for NULL. */
const char *intern_text(struct intern *intern, const char *text);

/* The value as compact JSON with sorted keys, kept once; "" for NULL and null. */
const char *intern_json(struct intern *intern, const json_t *value);

/* A copy of a text that will hardly come twice: not looked up. */
const char *intern_copy(struct intern *intern, const char *text);

/* Zeroed memory for `count` things of `size` bytes, aligned for any of them. */
void *intern_array(struct intern *intern, size_t count, size_t size);

bool intern_failed(const struct intern *intern);
size_t intern_bytes(const struct intern *intern);

#endif

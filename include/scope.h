/* Scope-bound clean-up, so that an early return is a safe return.
 *
 * `scoped(free_string) char *s = NULL;` releases s when it leaves scope.  A pointer handed to somebody
 * else is taken out first with scope_keep(), which leaves NULL behind. */
#ifndef ROUNDS_SCOPE_H
#define ROUNDS_SCOPE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define scoped(function) __attribute__((cleanup(function)))

/* The pointer's value; the variable is NULL afterwards, so its clean-up does nothing. */
#define scope_keep(pointer)                            \
        __extension__({                                \
                __typeof__(pointer) kept_ = (pointer); \
                (pointer) = NULL;                      \
                kept_;                                 \
        })

static inline void
scope_free(void *pointer)
{
        free(*(void **)pointer);
}

static inline void
scope_close(const int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static inline void
scope_fclose(FILE **file)
{
        if (*file != NULL)
                fclose(*file);
}

static inline void
scope_json(json_t **value)
{
        json_decref(*value);
}

#define scoped_string scoped(scope_free) char *
#define scoped_json   scoped(scope_json) json_t *

#endif

/* What the names of keys seen so far tell of the next one: keys whose names look alike are mostly of one type.
 *
 * Where that type has been `string` often enough, STRLEN answers for both type and size: it is refused for any other
 * type.  Memory is the value's length and what keys of this shape take beside it, measured on one in 32.
 * Pure: no connection.  Bounded: a table of fixed size, where frequent shapes keep their place. */
#ifndef ROUNDS_REDIS_SHAPES_H
#define ROUNDS_REDIS_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_shapes;

enum redis_ask {
        ASK_TYPE,   /* TYPE and MEMORY USAGE: nothing is known */
        ASK_LENGTH, /* STRLEN */
        ASK_BOTH,   /* STRLEN and MEMORY USAGE, to learn what lies beside the value */
};

struct redis_shapes *redis_shapes_new(void); /* NULL when memory ran out */
void redis_shapes_free(struct redis_shapes *shapes);

/* What to ask of a key of this name.  ASK_TYPE always after too many wrong guesses. */
enum redis_ask redis_shapes_ask(struct redis_shapes *shapes, const char *name, size_t length);

/* TYPE's answer. */
void redis_shapes_type(struct redis_shapes *shapes, const char *name, size_t length, const char *type);

/* STRLEN's and MEMORY USAGE's. */
void redis_shapes_weigh(struct redis_shapes *shapes, const char *name, size_t length, int64_t value, int64_t memory);

/* STRLEN was refused: no string.  A few such guesses in a whole scan end the guessing: each is an error in the
 * server's statistics. */
void redis_shapes_wrong(struct redis_shapes *shapes, const char *name, size_t length);

/* Keys of this shape are asked for their type from now on. */
void redis_shapes_spoil(struct redis_shapes *shapes, const char *name, size_t length);

/* The memory of a string of this length, bytes; -1 when nothing of its shape was weighed. */
int64_t redis_shapes_memory(struct redis_shapes *shapes, const char *name, size_t length, int64_t value);

#endif

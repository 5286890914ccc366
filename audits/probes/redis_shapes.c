/* Shapes of key names: a direct-mapped table of hashes, types seen, and memory beside the value. */

#include "redis_shapes.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
        ROWS = 4096, /* a power of two */
        SURE = 16,   /* strings seen in a row, or weighed, before a shape is trusted */
        WEIGH_EVERY = 32,
        STRENGTH_MOST = 64, /* names of other shapes that a row outlives */
        WORD_MOST = 24,     /* a longer word names one thing, not a kind of things */
        WRONG_MOST = 16,
};

struct shape {
        uint64_t hash; /* 0: free */
        uint32_t strength, strings, asked, weighed;
        bool spoilt;    /* not strings alone */
        int64_t beside; /* bytes of memory beside the values, of all that were weighed */
};

struct redis_shapes {
        struct shape rows[ROWS];
        unsigned wrong;
};

struct redis_shapes *
redis_shapes_new(void)
{
        return calloc(1, sizeof(struct redis_shapes));
}

void
redis_shapes_free(struct redis_shapes *shapes)
{
        free(shapes);
}

/* FNV-1a (Fowler, Noll, Vo) over a name's words and what stands between them; a word with a digit in it, or a long one,
 * counts as one and the same. */
static uint64_t
shape_hash(const char *name, size_t length)
{
        const uint64_t prime = UINT64_C(0x100000001b3), start = UINT64_C(0xcbf29ce484222325);
        uint64_t hash = start;

        for (size_t i = 0; i < length;) {
                uint64_t word = hash;
                bool digit = false;
                size_t from = i;
                for (; i < length && isalnum((unsigned char)name[i]); i++) {
                        word = (word ^ (unsigned char)name[i]) * prime;
                        digit = digit || isdigit((unsigned char)name[i]);
                }
                if (i > from)
                        hash = digit || i - from > WORD_MOST ? (hash ^ 0x100) * prime : word;
                else
                        hash = (hash ^ (unsigned char)name[i++]) * prime;
        }
        return hash != 0 ? hash : 1;
}

static struct shape *
shape_row(struct redis_shapes *shapes, uint64_t hash)
{
        return &shapes->rows[(hash ^ hash >> 32) % ROWS];
}

/* The row of this name's shape; NULL when it has none. */
static struct shape *
shape_of(struct redis_shapes *shapes, const char *name, size_t length)
{
        uint64_t hash = shape_hash(name, length);
        struct shape *row = shape_row(shapes, hash);

        return row->hash == hash ? row : NULL;
}

enum redis_ask
redis_shapes_ask(struct redis_shapes *shapes, const char *name, size_t length)
{
        if (shapes->wrong >= WRONG_MOST)
                return ASK_TYPE;
        uint64_t hash = shape_hash(name, length);
        struct shape *row = shape_row(shapes, hash);
        if (row->hash != hash) {
                if (row->strength > 0)
                        row->strength--;
                else
                        *row = (struct shape){.hash = hash};
                return ASK_TYPE;
        }
        row->strength += row->strength < STRENGTH_MOST;
        if (row->spoilt || row->strings < SURE)
                return ASK_TYPE;
        return row->asked++ % WEIGH_EVERY == 0 || row->weighed < SURE ? ASK_BOTH : ASK_LENGTH;
}

void
redis_shapes_type(struct redis_shapes *shapes, const char *name, size_t length, const char *type)
{
        struct shape *row = shape_of(shapes, name, length);

        if (row == NULL)
                return;
        if (strcmp(type, "string") == 0)
                row->strings++;
        else
                row->spoilt = true;
}

void
redis_shapes_weigh(struct redis_shapes *shapes, const char *name, size_t length, int64_t value, int64_t memory)
{
        struct shape *row = shape_of(shapes, name, length);

        if (row == NULL || memory < value)
                return;
        row->weighed++;
        row->beside += memory - value;
}

void
redis_shapes_wrong(struct redis_shapes *shapes, const char *name, size_t length)
{
        shapes->wrong++;
        redis_shapes_spoil(shapes, name, length);
}

void
redis_shapes_spoil(struct redis_shapes *shapes, const char *name, size_t length)
{
        struct shape *row = shape_of(shapes, name, length);

        if (row != NULL)
                row->spoilt = true;
}

int64_t
redis_shapes_memory(struct redis_shapes *shapes, const char *name, size_t length, int64_t value)
{
        const struct shape *row = shape_of(shapes, name, length);

        return row != NULL && row->weighed > 0 ? value + llround((double)row->beside / row->weighed) : -1;
}

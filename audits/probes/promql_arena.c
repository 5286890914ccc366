/* Memory of one parsed expression. */

#include "promql_arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "promql_parts.h"

/* The largest tree that the bounds on text and nodes allow takes less. */
#define ARENA_LIMIT (16 << 20)

struct promql_block {
        struct promql_block *next;
        size_t used, size;
        max_align_t memory[];
};

struct promql_arena *
promql_arena_new(void)
{
        return calloc(1, sizeof(struct promql_arena));
}

void
promql_arena_free(struct promql_arena *arena)
{
        if (arena == NULL)
                return;
        for (struct promql_block *block = arena->blocks, *next; block != NULL; block = next) {
                next = block->next;
                free(block);
        }
        free(arena);
}

void *
promql_allocate(struct promql_arena *arena, size_t size)
{
        struct promql_block *block = arena->blocks;
        void *memory;

        size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
        if (size > ARENA_LIMIT || arena->bytes + size > ARENA_LIMIT)
                return NULL;
        if (block == NULL || block->size - block->used < size) {
                size_t room = size > 4000 ? size : 4000;

                block = calloc(1, sizeof(*block) + room);
                if (block == NULL)
                        return NULL;
                block->size = room;
                block->next = arena->blocks;
                arena->blocks = block;
        }
        memory = (char *)block->memory + block->used;
        block->used += size;
        arena->bytes += size;
        return memory;
}

char *
promql_copy(struct promql_arena *arena, const char *bytes, size_t length)
{
        char *copy = promql_allocate(arena, length + 1);

        if (copy != NULL)
                memcpy(copy, bytes, length);
        return copy;
}

/* Lists double when their count is a power of two: the old place stays in the arena, at most as much again. */
void *
promql_grow(struct promql_arena *arena, void *list, size_t count, size_t size)
{
        void *larger;

        if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
                return list;
        larger = promql_allocate(arena, (count == 0 ? 4 : count * 2) * size);
        if (larger != NULL && count > 0)
                memcpy(larger, list, count * size);
        return larger;
}

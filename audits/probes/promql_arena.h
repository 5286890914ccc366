/* Memory of one parsed expression: blocks that are freed together, bounded in number of nodes and bytes. */
#ifndef ROUNDS_PROMQL_ARENA_H
#define ROUNDS_PROMQL_ARENA_H

#include <stddef.h>

struct promql_block;

struct promql_arena {
        struct promql_block *blocks;
        size_t bytes; /* handed out so far */
        size_t nodes;
};

struct promql_arena *promql_arena_new(void);
void promql_arena_free(struct promql_arena *arena);

#endif

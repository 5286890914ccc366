/* Who waits for whom: edges of pg_blocking_pids() as trees, each under the session that waits for nobody.
 *
 * A row is a waiting session and one that blocks it: {"pid", "blocker", "waited_ms", ...}; a session that several block
 * has several rows.  Blocker 0 is a prepared transaction (manual, "System Information Functions").  Rows of any shape
 * are stood; those without pids are left out. */
#ifndef ROUNDS_LOCK_TREE_H
#define ROUNDS_LOCK_TREE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct lock_wait {
        int64_t pid, behind, root; /* who waits, for whom, and who holds them all up */
        int64_t waited_ms;
        size_t depth;      /* 1: directly behind the root */
        size_t index;      /* of the row taken for it */
        const json_t *row; /* borrowed */
};

/* Roots in the order of their longest wait, the waiting sessions of each in a row, every one after whom it waits for.
 */
struct lock_tree {
        struct lock_wait *waits; /* owned */
        size_t count;
};

/* Of several blockers that one counts which waits for nobody itself, else the first.  Where all of a circle wait for
 * each other (a deadlock that the server is about to find), the lowest pid is the root.  0, or -1 when memory ran out.
 */
int lock_tree_build(const json_t *rows, struct lock_tree *tree) __attribute__((warn_unused_result));

void lock_tree_free(struct lock_tree *tree);

/* How many waits from `from` on share its root. */
size_t lock_tree_span(const struct lock_tree *tree, size_t from);

#define scoped_lock_tree __attribute__((cleanup(lock_tree_free))) struct lock_tree

#endif

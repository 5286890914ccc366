/* Edges between sessions as trees under those that wait for nobody. */

#include "lock_tree.h"

#include <stdbool.h>
#include <stdlib.h>

#include "json.h"

enum { ROWS_MOST = 5000 };

/* While a tree is built: the waits, sorted by pid. */
struct building {
        struct lock_wait *waits;
        size_t count;
};

static int
by_pid_then_row(const void *left, const void *right)
{
        const struct lock_wait *a = left, *b = right;

        if (a->pid != b->pid)
                return a->pid < b->pid ? -1 : 1;
        return a->index < b->index ? -1 : a->index > b->index;
}

static int
by_pid(const void *left, const void *right)
{
        const struct lock_wait *a = left, *b = right;

        return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static struct lock_wait *
wait_of(const struct building *building, int64_t pid)
{
        struct lock_wait key = {.pid = pid};

        return building->count == 0 ? NULL
                                    : bsearch(&key, building->waits, building->count, sizeof *building->waits, by_pid);
}

/* Every session once, behind the best of its blockers.  The rows are sorted by pid. */
static void
choose_blockers(struct building *building, size_t rows)
{
        /* First one row per session, so that "waits itself" can be asked; then the better row, if there is one. */
        struct lock_wait *all = building->waits;
        size_t kept = 0;

        for (size_t i = 0; i < rows; i++) {
                bool found = false;
                for (size_t k = 0; k < rows && !found; k++)
                        found = all[k].pid == all[i].behind;
                all[i].depth = found ? 1 : 0; /* for now: whether the blocker waits itself */
        }
        for (size_t i = 0; i < rows; i++) {
                if (kept == 0 || all[kept - 1].pid != all[i].pid)
                        all[kept++] = all[i];
                else if (all[kept - 1].depth == 1 && all[i].depth == 0)
                        all[kept - 1] = all[i];
        }
        building->count = kept;
}

/* Takes out one wait of every circle: the lowest pid's.  `root` serves as the mark of the walk. */
static void
break_circles(struct building *building)
{
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; i < building->count; i++)
                        building->waits[i].root = -1;
                for (size_t i = 0; i < building->count && !again; i++) {
                        struct lock_wait *at = &building->waits[i], *lowest = NULL;
                        while (at != NULL && at->root == -1) {
                                at->root = (int64_t)i;
                                at = wait_of(building, at->behind);
                        }
                        if (at == NULL || at->root != (int64_t)i)
                                continue;
                        const struct lock_wait *start = at;
                        do {
                                lowest = lowest == NULL || at->pid < lowest->pid ? at : lowest;
                                at = wait_of(building, at->behind);
                        } while (at != start);
                        building->count--;
                        for (size_t k = (size_t)(lowest - building->waits); k < building->count; k++)
                                building->waits[k] = building->waits[k + 1];
                        again = true;
                }
        }
}

static void
find_roots(struct building *building)
{
        for (size_t i = 0; i < building->count; i++) {
                struct lock_wait *wait = &building->waits[i];
                const struct lock_wait *up;
                wait->root = wait->behind;
                wait->depth = 1;
                while ((up = wait_of(building, wait->root)) != NULL) {
                        wait->root = up->behind;
                        wait->depth++;
                }
        }
}

/* Those directly behind `pid`, longest first, each followed by those behind it. */
static void
put_behind(const struct building *building, int64_t pid, bool *done, struct lock_tree *tree)
{
        for (;;) {
                size_t best = building->count;
                for (size_t i = 0; i < building->count; i++) {
                        if (!done[i] && building->waits[i].behind == pid &&
                            (best == building->count || building->waits[i].waited_ms > building->waits[best].waited_ms))
                                best = i;
                }
                if (best == building->count)
                        return;
                done[best] = true;
                tree->waits[tree->count++] = building->waits[best];
                put_behind(building, building->waits[best].pid, done, tree);
        }
}

static void
put_all(const struct building *building, bool *done, struct lock_tree *tree)
{
        for (;;) {
                const struct lock_wait *longest = NULL;
                for (size_t i = 0; i < building->count; i++) {
                        const struct lock_wait *wait = &building->waits[i];
                        if (!done[i] && (longest == NULL || wait->waited_ms > longest->waited_ms))
                                longest = wait;
                }
                if (longest == NULL)
                        return;
                put_behind(building, longest->root, done, tree);
        }
}

int
lock_tree_build(const json_t *rows, struct lock_tree *tree)
{
        size_t most = json_array_size(rows), read = 0, i;
        json_t *row;

        *tree = (struct lock_tree){0};
        most = most < ROWS_MOST ? most : ROWS_MOST;
        struct building building = {.waits = calloc(most + 1, sizeof *building.waits)};
        bool *done = calloc(most + 1, sizeof *done);
        tree->waits = calloc(most + 1, sizeof *tree->waits);
        if (building.waits == NULL || done == NULL || tree->waits == NULL) {
                free(building.waits);
                free(done);
                lock_tree_free(tree);
                return -1;
        }
        json_array_foreach((json_t *)rows, i, row)
        {
                int64_t pid = json_whole(row, "pid", 0), blocker = json_whole(row, "blocker", -1),
                        waited = json_whole(row, "waited_ms", 0);
                if (read < most && pid > 0 && blocker >= 0 && blocker != pid)
                        building.waits[read++] = (struct lock_wait){.pid = pid,
                                                                    .behind = blocker,
                                                                    .waited_ms = waited > 0 ? waited : 0,
                                                                    .index = i,
                                                                    .row = row};
        }
        qsort(building.waits, read, sizeof *building.waits, by_pid_then_row);
        choose_blockers(&building, read);
        break_circles(&building);
        find_roots(&building);
        put_all(&building, done, tree);
        free(building.waits);
        free(done);
        return 0;
}

void
lock_tree_free(struct lock_tree *tree)
{
        free(tree->waits);
        *tree = (struct lock_tree){0};
}

size_t
lock_tree_span(const struct lock_tree *tree, size_t from)
{
        size_t span = 0;

        while (from + span < tree->count && tree->waits[from + span].root == tree->waits[from].root)
                span++;
        return span;
}

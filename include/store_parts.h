/* What the files of the store (store*.c) share among themselves; nobody else includes this. */
#ifndef ROUNDS_STORE_PARTS_H
#define ROUNDS_STORE_PARTS_H

#include <pthread.h>

#include "buffer.h"
#include "database.h"
#include "store.h"

/* A lock file held for a run. */
struct job_lock {
        int64_t run;
        int fd;
};

struct store {
        struct database *database;
        pthread_mutex_t lock; /* recursive: a visitor may ask the store for more */
        char *path;
        bool read_only;
        struct job_lock *locks;
        size_t lock_count;
        char *findings_query; /* owned; made once: it holds the catalogue's order */
};

/* `scoped_lock held = store_lock(store);` serialises one call. */
static inline pthread_mutex_t *
store_lock(struct store *store)
{
        pthread_mutex_lock(&store->lock);
        return &store->lock;
}

static inline void
store_unlock(pthread_mutex_t **lock)
{
        pthread_mutex_unlock(*lock);
}
#define scoped_lock __attribute__((cleanup(store_unlock), unused)) pthread_mutex_t *

/* Takes the flock of job and shard, or REASON_CONFIGURATION "already running, process N".  `*fd` is the caller's. */
int store_lock_job(const char *path, const char *job, const char *shard, int *fd, struct error *err)
        __attribute__((warn_unused_result));

/* Canonical JSON (sorted keys, no white space), remembered secrets removed: malloc'd, the caller frees it. */
int pack_text(const json_t *value, char **text, struct error *err) __attribute__((warn_unused_result));

/* The same under zstd; *bytes is malloc'd. */
int pack_json(const json_t *value, void **bytes, size_t *size, struct error *err) __attribute__((warn_unused_result));

/* A new value from what pack_json() made; at most 256 MiB of text. */
int unpack_json(const void *bytes, size_t size, json_t **value, struct error *err) __attribute__((warn_unused_result));

/* `text` without remembered secrets, a copy in `scratch` (borrowed until the next use of that scratch).  NULL stays
 * NULL. Where memory runs out it is "" and scratch->failed stays set: look before the row is written. */
#define SCRATCH ((size_t)64 << 20)
const char *pack_clean(const char *text, struct buffer *scratch);

/* Findings of one result: interned, first_seen kept up, inserted.  In a transaction of the caller.  `again`: the result
 * is of an old run that is judged anew (its old findings are still there to be replaced). */
struct finding_context {
        struct store *store;
        int64_t run, run_started_ms, result;
        const struct result *given;
        finding_filter filter;
        void *filter_context;
        bool again;
        bool newest; /* no later run has a result of this target and audit: open lines may change */
};
int store_findings_put(const struct finding_context *context, struct error *err) __attribute__((warn_unused_result));

int store_inventory_put(struct store *store, int64_t result, const struct findings *findings, struct error *err)
        __attribute__((warn_unused_result));
int store_samples_put(struct store *store, const char *target, int64_t at_ms, const struct findings *findings,
                      struct error *err) __attribute__((warn_unused_result));

#endif

/* Two runs of a job in a real store, as the report tests read them: what changed between them is of every kind. */
#ifndef ROUNDS_SUPPORT_ROUNDS_H
#define ROUNDS_SUPPORT_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

#include "store.h"

#define ROUNDS_THEN ((int64_t)1795403564000) /* 2026-11-23T03:12:44Z */
#define ROUNDS_NOW  ((int64_t)1795489964000) /* 2026-11-24T03:12:44Z */

/* A store in a new folder under TMPDIR; rounds_close() removes it. */
struct rounds {
        char folder[256], where[300];
        struct store *store;
};
void rounds_open(struct rounds *rounds);
void rounds_close(struct rounds *rounds);

/* Begins a run with a configuration (stolen; may be NULL); its id. */
int64_t rounds_begin(struct rounds *rounds, const char *job, int64_t at_ms, json_t *config);
void rounds_end(struct rounds *rounds, int64_t run, int64_t at_ms);

/* Keeps one result of one target; `findings` are freed. */
void rounds_put(struct rounds *rounds, int64_t run, const char *target, const char *kind, const char *owner,
                const char *audit, int64_t at_ms, struct findings *findings);

/* The two nightly runs of a small platform: 12 targets' worth of everything a report can say. */
void rounds_sample(struct rounds *rounds);

/* One run whose every text is hostile. */
void rounds_hostile(struct rounds *rounds);

#endif

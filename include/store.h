/* History: runs, results, findings, inventory, samples, facts.  One SQL schema, numbered forward-only migrations.
 *
 * A store handle may be used from several threads: calls are serialised inside.  Every row handed to a callback is
 * borrowed for the length of the call.  Errors are REASON_CONFIGURATION (cannot open, a newer schema) or
 * REASON_INTERNAL (disk full, corrupt) with what to do; commands turn them into exit status 4. */
#ifndef ROUNDS_STORE_H
#define ROUNDS_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "finding.h"
#include "history.h"

struct store;

/* `where`: "sqlite:PATH" (created when missing unless `read_only`). */
int store_open(const char *where, bool read_only, struct store **out, struct error *err)
        __attribute__((warn_unused_result));
void store_close(struct store *store);

/* --- runs ------------------------------------------------------------------------------------------------- */

enum run_state { RUN_RUNNING, RUN_FINISHED, RUN_INTERRUPTED, RUN_DIED };

struct run {
        int64_t id;
        const char *job;
        int64_t started_ms, finished_ms;    /* 0 while running */
        const char *version, *host, *shard; /* shard "0/1" */
        enum run_state state;
        double min_coverage; /* percent, as asked of this run */
};

/* Locks the job (flock beside the file; held until store_run_end or death) and records the start; runs of the same job
 * still marked running by a dead process become RUN_DIED.  REASON_CONFIGURATION "already running, process N" when
 * another process holds it.  `config` ({policy, waivers, targets without secrets, timezone, organisation}) is borrowed.
 */
int store_run_begin(struct store *store, const struct run *run, const json_t *config, int64_t *id, struct error *err)
        __attribute__((warn_unused_result));
int store_run_end(struct store *store, int64_t run, enum run_state state, int64_t finished_ms, struct error *err)
        __attribute__((warn_unused_result));

/* The run with this id; 0: the newest of `job` (any job when NULL) that ended (finished or interrupted: a run that died
 * is nothing to report on or to compare with).  New object {id, job, started_ms, finished_ms, version, host, shard,
 * state, min_coverage, config}; -1 REASON_CONFIGURATION when there is none. */
int store_run_read(struct store *store, int64_t id, const char *job, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* The newest ended run of the same job before `run`: its id, or 0. */
int store_run_before(struct store *store, int64_t run, int64_t *id, struct error *err)
        __attribute__((warn_unused_result));

/* Newest first, at most `limit`: array of the objects of store_run_read without config. */
int store_run_list(struct store *store, const char *job, int limit, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* --- results ---------------------------------------------------------------------------------------------- */

struct result {
        const char *target, *kind, *owner, *audit;
        int64_t started_ms;
        int64_t took_ms;
        const json_t *facts; /* NULL when collecting failed */
        const struct findings *findings;
};

/* What the store adds to a finding when it keeps it. */
struct finding_row {
        struct finding finding;
        const char *fingerprint;
        const char *target, *audit, *owner; /* owner resolved */
        const char *waiver;                 /* id of the waiver that applies; NULL */
        const char *note;                   /* "waiver W-3 expired on 2026-11-01"; NULL */
        int64_t first_seen_ms; /* start of the first run of the unbroken line of fails (waived ones too) of this
                                  fingerprint; a run that could not assess it does not break the line, and an error
                                  within it still carries it; 0 where nothing fails */
};

/* Decides, for one fresh finding, whether a waiver applies (status becomes STATUS_WAIVED then): see waiver.h. */
typedef void (*finding_filter)(void *context, struct finding_row *row);

/* One target's results in one transaction: facts, findings (first_seen kept up), inventory, samples. */
int store_results_put(struct store *store, int64_t run, const struct result *results, size_t count,
                      finding_filter filter, void *context, struct error *err) __attribute__((warn_unused_result));

/* Replaces findings and inventory of one result of an old run (rejudge); facts and samples stay, and so do the
 * first_seen of later runs. */
int store_result_rejudge(struct store *store, int64_t run, const struct result *result, finding_filter filter,
                         void *context, struct error *err) __attribute__((warn_unused_result));

typedef int (*finding_visit)(void *context, const struct finding_row *row); /* non-zero ends the walk */
typedef int (*inventory_visit)(void *context, const char *kind, const char *target, const json_t *row);
typedef int (*facts_visit)(void *context, const char *target, const char *kind, const char *owner, const char *audit,
                           int64_t at_ms, const json_t *facts);

/* How many findings of a run there are, by status and severity, without reading them. */
struct finding_counts {
        size_t by_status[STATUS_PASS + 1];
        size_t fails[SEV4 + 1]; /* fails by severity */
};
int store_findings_count(struct store *store, int64_t run, struct finding_counts *counts, struct error *err)
        __attribute__((warn_unused_result));

/* Ordered by status, severity, control order, target, resource: deterministic. */
int store_findings_each(struct store *store, int64_t run, finding_visit visit, void *context, struct error *err)
        __attribute__((warn_unused_result));
/* Ordered by kind, target, id. */
int store_inventory_each(struct store *store, int64_t run, inventory_visit visit, void *context, struct error *err)
        __attribute__((warn_unused_result));
/* Facts of one run, ordered by target and audit. */
int store_facts_each(struct store *store, int64_t run, facts_visit visit, void *context, struct error *err)
        __attribute__((warn_unused_result));
/* The newest facts of every (target, audit) among `audits` (NULL-terminated) taken in [since_ms, until_ms], ordered by
 * target and audit. */
int store_facts_newest(struct store *store, const char *const *audits, int64_t since_ms, int64_t until_ms,
                       facts_visit visit, void *context, struct error *err) __attribute__((warn_unused_result));

/* --- samples ---------------------------------------------------------------------------------------------- */

/* Adds to `history` the samples of `series` ("wal.*" is a prefix) of one target in [since_ms, until_ms). */
int store_samples_load(struct store *store, const char *target, const char *series, int64_t since_ms, int64_t until_ms,
                       struct history *history, struct error *err) __attribute__((warn_unused_result));

/* Imports one sample (rounds import); an existing one of the same moment is replaced.  Between begin and end. */
int store_import_begin(struct store *store, struct error *err) __attribute__((warn_unused_result));
int store_import_sample(struct store *store, const char *target, const char *series, const char *resource,
                        int64_t at_ms, double value, struct error *err) __attribute__((warn_unused_result));
int store_import_end(struct store *store, bool keep, struct error *err) __attribute__((warn_unused_result));

/* --- the auditor's own memory (packets produced, attestations, scan cursors) -------------------------------- */

/* What audits leave for their next run, a note for each target: see session_keep().  It goes when facts as old would.
 */
#define STORE_KEPT "kept"

int store_note_put(struct store *store, const char *topic, const char *name, int64_t at_ms, const json_t *note,
                   struct error *err) __attribute__((warn_unused_result));
/* The note of this topic and name, new; NULL when there is none, or none that can be read. */
int store_note_read(struct store *store, const char *topic, const char *name, json_t **note, struct error *err)
        __attribute__((warn_unused_result));
/* One note per topic and name: the newest replaces.  Newest first: array of {name, at_ms, note}. */
int store_note_list(struct store *store, const char *topic, json_t **out, struct error *err)
        __attribute__((warn_unused_result));

/* --- upkeep ----------------------------------------------------------------------------------------------- */

struct retention {
        int64_t facts_ms, findings_ms, samples_ms; /* 0: for good */
};

/* Deletes what is older, never the two newest runs of a job. */
int store_prune(struct store *store, const struct retention *keep, int64_t now_ms, struct error *err)
        __attribute__((warn_unused_result));

#endif

/* Reports: one view of one run, many renderers.  Reads the store only; opens no connection to a target.
 *
 * Files are written to a temporary name in the same folder, synced and renamed: a reader never sees half a report, and
 * on any failure the old report stays.  The same store and the same run give the same bytes in every format. */
#ifndef ROUNDS_REPORT_H
#define ROUNDS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "store.h"

struct report_options {
        const char *directory; /* where files go; created when missing */
        const char *formats;   /* comma-separated: "md,html,xlsx,json,ics" */
        const char *templates; /* overriding directory, or NULL */
        const char *timezone;  /* IANA name for shown times; NULL: UTC */
        const char *organisation;
        bool latest; /* also keep a stable name, "NAME-latest.EXT", as a symbolic link */
};

struct view;

/* The model of one run (0: the newest ended run of `job`) with the change since the run before it.
 * `since`: compare with this run instead; 0: the one before. */
int view_open(struct store *store, int64_t run, const char *job, int64_t since, struct view **out, struct error *err)
        __attribute__((warn_unused_result));
void view_close(struct view *view);

/* Writes every format and tells each path ("JOB-20261124T031244Z.html") to `told`. */
int report_write(const struct view *view, const struct report_options *options,
                 void (*told)(void *context, const char *path), void *context, struct error *err)
        __attribute__((warn_unused_result));

/* One format to an open stream (`rounds report --format md --output -`). */
int report_stream(const struct view *view, const char *format, const struct report_options *options, FILE *stream,
                  struct error *err) __attribute__((warn_unused_result));

/* The short summary that `run` and `diff` print on a terminal. */
int report_terminal(const struct view *view, bool colour, int width, FILE *stream, struct error *err)
        __attribute__((warn_unused_result));

/* Figures that decide exit statuses and `status`. */
struct view_figures {
        int64_t run, started_ms, finished_ms;
        size_t pass, fail, error, skip, waived;
        size_t by_severity[5];   /* fails, indexed by enum severity */
        double coverage_percent; /* assessed / (assessed + error) */
        double score_percent;
        size_t fresh, worse, still, fixed, incomparable;
};
void view_figures(const struct view *view, struct view_figures *out);

/* Writes out what a stream still holds.  -1 when that, or anything before it, failed: a reader that went away, a full
 * disk. */
int report_flush(FILE *stream, struct error *err) __attribute__((warn_unused_result));

#endif

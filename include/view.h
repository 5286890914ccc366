/* The view: the model of one run that every renderer reads, so that formats cannot disagree.
 *
 * Plain structs; everything is owned by the view, borrowed by renderers, and never changed while they read.  Strings
 * are UTF-8 as the store keeps them (write them as hostile: they came from servers) and never NULL unless stated; ""
 * means unset. Times are milliseconds since the epoch, UTC; renderers show them through zone.h.  100,000 findings must
 * fit into 300 MB together with a renderer: do not build a second copy of them, stream. */
#ifndef ROUNDS_VIEW_H
#define ROUNDS_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "catalogue.h"
#include "error.h"
#include "finding.h"
#include "report.h"

/* What became of a finding since the previous run. */
enum change {
        CHANGE_NONE,         /* "" : passes, skips, errors and waived ones; everything when there is no previous run */
        CHANGE_NEW,          /* "new": fails now, did not before (or was not seen before) */
        CHANGE_WORSE,        /* "worse": failed before at a lower severity */
        CHANGE_STILL,        /* "still" */
        CHANGE_FIXED,        /* "fixed": failed before; passes now, or is gone while its target was assessed */
        CHANGE_INCOMPARABLE, /* "incomparable": failed before and was not assessed now, or judged under another policy
                              */
};

/* Static storage. */
const char *change_name(enum change change);

struct view_finding {
        const char *fingerprint;
        const char *control;  /* "DSK-7" */
        const char *playbook; /* "DSK" */
        const char *audit, *target;
        struct resource resource; /* its strings are "" where unset, never NULL */
        enum status status;
        enum severity severity; /* of a fail; SEV_NONE otherwise */
        enum reason reason;
        const char *observed, *expected, *message;
        const char *remedy; /* "": the control's page says it */
        const char *owner;
        const char *evidence;
        const char *waiver;    /* id of the waiver that applies, "" for none */
        const char *note;      /* "waiver W-3 expired on 2026-11-01" */
        int64_t first_seen_ms; /* 0 where it never failed */
        enum change change;
        const char *change_why;    /* of fixed and incomparable ones: "passes now", "denied now: ..." ; else "" */
        enum severity before;      /* its severity in the previous run, SEV_NONE when it did not fail then */
        const struct control *row; /* the catalogue's; NULL for a control of the user's own */
        size_t order;              /* control_order() */
};

/* References into the view's findings, in reading order. */
struct view_list {
        const struct view_finding **rows;
        size_t count;
};

/* One kind of inventory: "certificates", "databases" ... */
struct view_row {
        const char *target;
        const json_t *row; /* a flat object with "id" */
};
struct view_inventory {
        const char *kind;
        const struct view_row *rows; /* by target, id */
        size_t count;
};

struct view_control {
        const char *id, *title, *playbook;
        const struct control *row; /* NULL for a control of the user's own */
        enum status worst;         /* fail, error, waived, skip, pass: the first of these that occurs */
        enum severity severity;    /* the worst among its fails */
        size_t counts[5];          /* by enum status */
        struct view_list findings; /* every finding of this control */
};

struct view_playbook {
        const char *prefix, *title; /* "DSK", "Database disk" */
        enum status worst;
        enum severity severity;
        size_t counts[5];
        const struct view_control *controls; /* in catalogue order, those with findings */
        size_t control_count;
};

struct view_target {
        const char *name, *kind, *owner;
        size_t counts[5];
        enum status worst;
        enum severity severity;
};

/* What could not be assessed, said once per (status, target, reason, text) however many findings it stands for. */
struct view_gap {
        enum status status; /* STATUS_ERROR, or STATUS_SKIP (nothing to assess, or not configured) */
        const char *target;
        enum reason reason;
        const char *text, *remedy;
        const char *controls; /* "DSK-7, DBC-1", catalogue order */
        size_t count;         /* findings */
        const char *resource; /* the only resource it is about, or "" */
};

enum waiver_state { WAIVER_IN_FORCE, WAIVER_EXPIRING, WAIVER_EXPIRED };

struct view_waiver {
        const char *id, *control, *target, *resource, *fingerprint; /* "" where it does not say */
        const char *reason, *owner, *approver, *ticket;
        int64_t created_ms, expires_ms;
        enum waiver_state state; /* expiring: within 14 days of the run */
        bool unused;             /* matched no finding of this run */
        bool too_broad; /* without a fingerprint: leaves target and resource open, or any control; or matched > 20 */
        size_t matched;
};

struct view_run {
        int64_t id, started_ms, finished_ms;
        const char *job, *version, *host, *shard;
        const char *state; /* "finished" "interrupted" "died" "running" */
};

struct view {
        struct view_run run;
        struct view_run previous;            /* id 0: there is none */
        const char *organisation, *timezone; /* as the run's configuration had them; "" */
        struct view_figures figures;
        char grade; /* 'A' to 'F'; '-' when nothing was assessed */

        const struct view_finding *findings; /* fail, error, waived, skip, pass; severity; control; target; resource */
        size_t count;

        /* fresh, worse, still point into `findings`, fixed into what the previous run found, incomparable into both. */
        struct view_list fresh, worse, still, fixed, incomparable;

        const struct view_playbook *playbooks; /* catalogue order, those with findings */
        size_t playbook_count;
        const struct view_control *controls; /* catalogue order, those with findings */
        size_t control_count;
        const struct view_target *targets; /* by name */
        size_t target_count;
        const struct view_gap *gaps; /* errors first, then skips; by target, reason */
        size_t gap_count;
        const struct view_waiver *waivers; /* expired, expiring, in force; by id */
        size_t waiver_count;
        const struct view_inventory *inventory; /* by kind; without "projections" */
        size_t inventory_count;
        struct view_inventory projections; /* rows as the JSON report's contract has them */

        struct view_parts *parts; /* owned: what all of the above points into */
};

/* Whole days from the run's start to a moment: -1 is over since yesterday, 0 less than a day either way. */
double view_days_left(const struct view *view, int64_t moment_ms);

/* --- renderers -------------------------------------------------------------------------------------------- */

/* One format.  Deterministic: same view, same bytes.  REASON_INTERNAL errors name what failed.  Write errors of
 * `stream` are left to the caller, who checks ferror(). */
struct renderer {
        const char *name;      /* "md", as --format has it */
        const char *extension; /* "md" */
        const char *words;     /* "Markdown, small enough to paste" */
        bool binary;           /* never to a terminal */
        int (*write)(const struct view *view, const struct report_options *options, FILE *stream, struct error *err);
};

extern const struct renderer renderer_markdown, renderer_html, renderer_xlsx, renderer_json, renderer_calendar;

/* Every format, NULL-terminated (report/write.c). */
extern const struct renderer *const renderers[];
const struct renderer *renderer_find(const char *name); /* NULL when there is none */

#endif

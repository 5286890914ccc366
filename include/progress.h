/* The live line of a run on a terminal: "12 of 40 targets, waiting for kaireon-db (34 s), about 2 min left". */
#ifndef ROUNDS_PROGRESS_H
#define ROUNDS_PROGRESS_H

#include <stdint.h>
#include <stdio.h>

#include "runner.h"

struct progress {
        FILE *stream;     /* a terminal */
        const char *noun; /* "targets" */
        int64_t drawn_ms; /* monotonic; at most ten lines a second */
        char shown[256];  /* what stands there now */
};

/* An observer's callback; `context` is a struct progress. */
void progress_show(void *context, const struct run_progress *progress);

/* Clears the line. */
void progress_end(struct progress *progress);

/* The line itself, at most `columns` wide, without control characters whatever a target is called. */
void progress_text(const struct run_progress *progress, const char *noun, int columns, char *text, size_t size);

/* Columns of the terminal behind `stream`, 80 when it does not say. */
int progress_columns(FILE *stream);

#endif

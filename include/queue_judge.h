/* Judging one queue: of the audit `queues` (the shape of a row: queue_read.h) or of `queue_metrics` (kind "metric", the
 * shape of a row: queue_metrics.c).  Pure. */
#ifndef ROUNDS_QUEUE_JUDGE_H
#define ROUNDS_QUEUE_JUDGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "finding.h"
#include "history.h"
#include "policy.h"

struct queue_judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        const json_t *row;
        const char *name, *kind, *key, *owner; /* of the row; owner may be NULL */
        const char *series;                    /* the sample under which the depth is kept */
        size_t index;
};

/* WRK-4: depth, age, growth; paused queues and absent workers; finished jobs that are never trimmed. */
void queue_backlog_judge(const struct queue_judge *j);

/* WRK-2: active jobs older than their limit, and those that no worker holds. */
void queue_active_judge(const struct queue_judge *j);

/* WRK-5 and DLQ-5: retry options and messages of a sample. */
void queue_retries_judge(const struct queue_judge *j);
void queue_schema_judge(const struct queue_judge *j);

/* A failing finding about this queue; owner and evidence are filled in. */
void queue_fail(const struct queue_judge *j, const char *control, const struct resource *resource, bool severe,
                const char *observed, const char *expected, const char *message, const char *remedy);

/* A word for a shell: quoted where it needs to be. */
const char *queue_shell(const struct queue_judge *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

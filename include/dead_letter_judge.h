/* Judging the dead letters of one source (the shape of a row: dead_letters.h).  Pure. */
#ifndef ROUNDS_DEAD_LETTER_JUDGE_H
#define ROUNDS_DEAD_LETTER_JUDGE_H

#include <jansson.h>
#include <stdbool.h>

#include "finding.h"
#include "history.h"
#include "policy.h"

struct dead_letter_judge {
        const json_t *row;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        const char *name, *owner; /* of the row; owner may be NULL */
        const char *series;       /* the sample under which their number is kept */
        const char *evidence;     /* the row in the facts */
        double total, seen;       /* how many there are, and how many were looked at */
        bool count_only;          /* a source that tells their number and nothing else */
};

/* DLQ-1: their number, and decision requests among them.  Adds the sample. */
void dead_letter_depth_judge(const struct dead_letter_judge *j);

/* A finding about this source: a pass with SEV_NONE. */
void dead_letter_tell(const struct dead_letter_judge *j, const char *control, enum severity severity,
                      const char *observed, const char *expected, const char *message, const char *remedy);

#endif

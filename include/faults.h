/* Several faults of one object in one finding: a finding's identity is its control and resource, so that an object that
 * is wrong in three ways is one line of the report with three things to see. */
#ifndef ROUNDS_FAULTS_H
#define ROUNDS_FAULTS_H

#include "buffer.h"
#include "finding.h"

struct faults {
        struct findings *out;            /* borrowed */
        struct buffer observed, message; /* owned: joined by "; " and by blanks */
        const char *remedy;              /* the first one given */
        size_t count;
};

#define FAULTS_INIT(findings) \
        ((struct faults){.out = (findings), .observed = BUFFER_INIT(16384), .message = BUFFER_INIT(16384)})

/* What was observed (a few words), what follows from it (a sentence), and the command that mends it (NULL: none). */
void faults_add(struct faults *faults, const char *observed, const char *message, const char *remedy);

/* Adds one failing finding when there is any fault, and empties the faults; true when there was none.  `finding` names
 * control, resource, severity, expected and evidence. */
bool faults_report(struct faults *faults, const struct finding *finding);

#endif

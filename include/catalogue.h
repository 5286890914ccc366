/* The control catalogue: one table row per control, the list of ids that reports, waivers and evidence use.
 *
 * Rows live in audits/engine/controls_*.c, one file per playbook, gathered in catalogue.c.  Static storage. */
#ifndef ROUNDS_CATALOGUE_H
#define ROUNDS_CATALOGUE_H

#include <stddef.h>

#include "finding.h"
#include "settings.h"

enum { JOB_NIGHTLY = 1, JOB_WEEKLY = 2, JOB_MONTHLY = 4 };

struct control {
        const char *id;                 /* "DSK-7" */
        const char *title;              /* the duty, as CONTROLS.md words it */
        enum severity severity;         /* of a failing finding */
        enum severity severity_past;    /* past the stated bound; SEV_NONE when there is only one */
        unsigned cadence;               /* JOB_* it ships in */
        const struct setting *settings; /* its policy with defaults; NULL: none */
        const char *frameworks[12];     /* "SOC2:CC6.1", "ISO27001:A.8.24", "NIST:SC-17", "PCI4:4.2.1.1" */
};

struct playbook {
        const char *prefix;             /* "DSK" */
        const char *title;              /* "Database disk" */
        const struct control *controls; /* ends with id NULL */
};

extern const struct playbook *const playbooks[]; /* NULL-terminated, in the catalogue's order */

const struct control *control_find(const char *id); /* NULL when there is none */
const struct playbook *control_playbook(const char *id);

/* Position in the catalogue's order, for sorting ("DSK-10" after "DSK-9"); SIZE_MAX for an unknown id. */
size_t control_order(const char *id);

#endif

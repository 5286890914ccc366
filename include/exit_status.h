/* Exit statuses, as the design has them. */
#ifndef ROUNDS_EXIT_STATUS_H
#define ROUNDS_EXIT_STATUS_H

/* The exit statuses of every command but `status`, which answers like a monitoring plugin.  The highest that applies
 * wins. */
enum exit_status {
        EXIT_ASSESSED = 0,     /* everything was assessed, nothing at or above --fail-on */
        EXIT_FINDINGS = 1,     /* findings at or above --fail-on */
        EXIT_NOT_ASSESSED = 2, /* not fully assessed */
        EXIT_USAGE = 3,        /* usage or configuration */
        EXIT_STORE = 4,        /* the store or a report could not be written */
};

#endif

/* Targets of kind source: folders of source code on this machine, read file by file.
 *
 * Symbolic links are not followed; sizes, depth and number of files are bounded, and what was left out is told. */
#ifndef ROUNDS_SOURCE_FILES_H
#define ROUNDS_SOURCE_FILES_H

#include <stddef.h>

#include "session.h"

extern const struct target_kind kind_source;

struct source_file {
        const char *path;  /* as found */
        const char *shown; /* relative to the folder that was configured */
        const char *text;  /* not NUL-terminated */
        size_t length;
};

struct source_tally {
        size_t files;     /* handed to the visitor */
        size_t too_large; /* over 2 MiB: generated, not written */
        size_t unreadable;
        char first_unreadable[400]; /* path and why */
        bool cut;                   /* files_most was met */
};

/* Borrowed for the length of the call; non-zero ends the reading with the visitor's error. */
typedef int (*source_visit)(void *context, const struct source_file *file, struct error *err);

/* Every file under the target's paths that `include` names and `exclude` does not and for which `wanted` is true, in
 * the order of names.  REASON_CONFIGURATION when a path is not there, _TIMEOUT past the session's deadline. */
int source_files_read(struct session *session, bool (*wanted)(const char *path), source_visit visit, void *context,
                      struct source_tally *tally, struct error *err) __attribute__((warn_unused_result));

#endif

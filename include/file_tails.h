/* Targets of kind files: log files on this machine, of which the last part is read.
 *
 * Nothing but regular files is opened, symbolic links of globs are followed as the shell would, and each file is read
 * once from its end: a file that is written to meanwhile costs no more. */
#ifndef ROUNDS_FILE_TAILS_H
#define ROUNDS_FILE_TAILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

extern const struct target_kind kind_files;

struct file_tail {
        const char *path;
        const char *text; /* not NUL-terminated; begins with a whole line */
        size_t length;
        int64_t modified_ms;
        const struct error *error; /* why it could not be read; NULL: it could */
};

/* Called per file in the order of names; borrowed for the length of the call.  Non-zero ends the reading (-1, memory).
 */
typedef int (*file_visit)(void *context, const struct file_tail *tail);

/* The newest `most` files of each path of the target (a glob), at most `bytes` of the end of each.  A glob that names
 * nothing is visited once with its error. */
int file_tails_read(struct session *session, size_t most, size_t bytes, file_visit visit, void *context,
                    struct error *err) __attribute__((warn_unused_result));

#endif

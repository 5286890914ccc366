/* Templates, style sheets and control pages: compiled into the binary, overridable by a directory. */
#ifndef ROUNDS_TEMPLATES_H
#define ROUNDS_TEMPLATES_H

#include <stddef.h>

#include "error.h"

struct template_file {
        const char *name; /* "report.html.mustache", "controls/DSK-7.md" */
        const char *data; /* NUL-terminated beyond `size` */
        size_t size;
};

/* Everything built in, NULL-name terminated, sorted by name. */
extern const struct template_file template_files[];

/* The text of `name`: from `directory` when it has such a file (directory may be NULL), else the built-in one.
 * *text is malloc'd and NUL-terminated; the caller frees it.  At most 4 MiB.  REASON_CONFIGURATION when neither exists.
 */
int template_read(const char *directory, const char *name, char **text, size_t *size, struct error *err)
        __attribute__((warn_unused_result));

#endif

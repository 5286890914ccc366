/* Templates, style sheets and control pages: from a directory when it has them, else built in. */

#include "templates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "scope.h"

enum { TEMPLATE_LARGEST = 4 * 1024 * 1024 };

static int
from_file(const char *path, char **text, size_t *size, bool *there, struct error *err)
{
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        scoped_buffer content = BUFFER_INIT(TEMPLATE_LARGEST);
        char chunk[16384];
        size_t got;

        *there = file != NULL || errno != ENOENT;
        if (file == NULL)
                return *there ? error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno)) : 0;
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
                if (buffer_add(&content, chunk, got) != 0)
                        return error_set(err, REASON_CONFIGURATION, "%s: larger than 4 MiB", path);
        }
        if (ferror(file))
                return error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
        *size = content.length;
        *text = buffer_take(&content);
        return *text != NULL ? 0 : error_memory(err, path);
}

static int
by_name(const void *name, const void *file)
{
        return strcmp(name, ((const struct template_file *)file)->name);
}

int
template_read(const char *directory, const char *name, char **text, size_t *size, struct error *err)
{
        if (directory != NULL) {
                scoped_string path = NULL;
                bool there;
                if (asprintf(&path, "%s/%s", directory, name) < 0) {
                        path = NULL;
                        return error_memory(err, name);
                }
                if (from_file(path, text, size, &there, err) != 0)
                        return -1;
                if (there)
                        return 0;
        }
        size_t count = 0;
        while (template_files[count].name != NULL)
                count++;
        const struct template_file *file = bsearch(name, template_files, count, sizeof *file, by_name);
        if (file == NULL)
                return error_set(err, REASON_CONFIGURATION, "there is no template \"%s\"", name);
        *text = malloc(file->size + 1);
        if (*text == NULL)
                return error_memory(err, name);
        memcpy(*text, file->data, file->size);
        (*text)[file->size] = '\0';
        *size = file->size;
        return 0;
}

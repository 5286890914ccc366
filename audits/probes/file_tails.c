/* The ends of log files. */

#include "file_tails.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moment.h"
#include "scope.h"

enum { FILES_MOST = 10000 };

static int
visit_failed(const char *path, enum reason reason, const char *why, file_visit visit, void *context)
{
        struct error failed = {0};

        error_set(&failed, reason, "%s: %s", path, why);
        error_remedy(&failed, "let this user read it (a group for logs), or name another file");
        return visit(context, &(struct file_tail){.path = path, .error = &failed});
}

static int
tail_read(const char *path, size_t bytes, file_visit visit, void *context, struct error *err)
{
        scoped(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) != 0)
                return visit_failed(path, errno == EACCES ? REASON_DENIED : REASON_CONFIGURATION, strerror(errno),
                                    visit, context);
        if (!S_ISREG(status.st_mode))
                return visit_failed(path, REASON_CONFIGURATION, "not a regular file", visit, context);
        size_t want = (uint64_t)status.st_size < bytes ? (size_t)status.st_size : bytes, length = 0;
        off_t start = status.st_size - (off_t)want;
        scoped_string text = malloc(want + 1);
        if (text == NULL)
                return error_memory(err, path);
        for (ssize_t got; length < want; length += (size_t)got) {
                got = pread(fd, text + length, want - length, start + (off_t)length);
                if (got <= 0)
                        break;
        }
        /* The first line of a part is a part of a line. */
        const char *begin = text;
        if (start > 0) {
                const char *end = memchr(text, '\n', length);
                begin = end != NULL ? end + 1 : text + length;
        }
        return visit(context, &(struct file_tail){.path = path,
                                                  .text = begin,
                                                  .length = length - (size_t)(begin - text),
                                                  .modified_ms = (int64_t)status.st_mtim.tv_sec * SECOND_MS});
}

struct found {
        const char *path;
        int64_t modified_ns;
};

static int
by_newest(const void *a, const void *b)
{
        const struct found *left = a, *right = b;

        if (left->modified_ns != right->modified_ns)
                return left->modified_ns > right->modified_ns ? -1 : 1;
        return strcmp(left->path, right->path);
}

static int
glob_read(struct session *session, const char *pattern, size_t most, size_t bytes, file_visit visit, void *context,
          struct error *err)
{
        glob_t names;
        int result = 0, globbed = glob(pattern, 0, NULL, &names);
        size_t count = globbed == 0 ? names.gl_pathc < FILES_MOST ? names.gl_pathc : FILES_MOST : 0;
        struct found *order = calloc(count + 1, sizeof *order);

        if (order == NULL) {
                result = error_memory(err, pattern);
        } else if (count == 0) {
                result = visit_failed(pattern, globbed == GLOB_ABORTED ? REASON_DENIED : REASON_CONFIGURATION,
                                      globbed == GLOB_ABORTED ? "the folder cannot be read" : "no such file", visit,
                                      context);
        }
        for (size_t i = 0; order != NULL && i < count; i++) {
                struct stat status;
                order[i].path = names.gl_pathv[i];
                if (stat(order[i].path, &status) == 0)
                        order[i].modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
        }
        if (order != NULL)
                qsort(order, count, sizeof *order, by_newest);
        for (size_t i = 0; result == 0 && i < count && i < most; i++) {
                if (deadline_left_ms(&session->deadline) == 0)
                        result = error_set(err,
                                           deadline_cancelled(&session->deadline) ? REASON_INTERRUPTED : REASON_TIMEOUT,
                                           "%s: not read in time", order[i].path);
                else
                        result = tail_read(order[i].path, bytes, visit, context, err);
        }
        free(order);
        globfree(&names);
        return result;
}

int
file_tails_read(struct session *session, size_t most, size_t bytes, file_visit visit, void *context, struct error *err)
{
        const json_t *paths = target_value(session->target, "logs");

        for (size_t i = 0; i < json_array_size(paths); i++) {
                const char *path = json_string_value(json_array_get(paths, i));
                if (path != NULL && glob_read(session, path, most, bytes, visit, context, err) != 0)
                        return -1;
        }
        return 0;
}

/* --- the kind
 * ---------------------------------------------------------------------------------------------------------- */

static int
count_visit(void *context, const struct file_tail *tail)
{
        struct error *first = context;

        if (tail->error != NULL && first->reason == REASON_NONE)
                *first = *tail->error;
        return 0;
}

static int
files_connect(struct session *session, char *server, size_t size, struct error *err)
{
        struct error first = {0};

        if (file_tails_read(session, 1, 0, count_visit, &first, err) != 0)
                return -1;
        if (first.reason != REASON_NONE) {
                *err = first;
                return -1;
        }
        snprintf(server, size, "log files");
        return 0;
}

static const struct setting settings[] = {
        {.name = "logs",
         .type = SETTING_LIST,
         .item = SETTING_PATH,
         .required = true,
         .words = "log files of applications, as paths or globs; the newest of each are sampled"},
        {.type = SETTING_END},
};

const struct target_kind kind_files = {
        .name = "files",
        .words = "log files of applications on this machine",
        .settings = settings,
        .connect = files_connect,
};

/* Reports onto disk: every format under a temporary name, synced, renamed; the old report stays until the new one is
 * whole. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "scope.h"
#include "view.h"

const struct renderer *const renderers[] = {&renderer_markdown, &renderer_html,     &renderer_xlsx,
                                            &renderer_json,     &renderer_calendar, NULL};

const struct renderer *
renderer_find(const char *name)
{
        for (size_t i = 0; renderers[i] != NULL; i++) {
                if (strcmp(renderers[i]->name, name) == 0)
                        return renderers[i];
        }
        return NULL;
}

static int
format_unknown(const char *name, struct error *err)
{
        error_set(err, REASON_CONFIGURATION, "report format \"%.40s\" is not known", name);
        return error_remedy(err, "use one or more of md, html, xlsx, json, ics, separated by commas");
}

/* --- names ---------------------------------------------------------------------------------------------------- */

/* A job's name as part of a file name: nothing that a shell, a file system or a URL would take for more. */
static void
name_clean(const char *job, char *name, size_t size)
{
        size_t i = 0;

        for (; job[i] != '\0' && i + 1 < size; i++) {
                char c = job[i];
                bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                             c == '-' || (c == '.' && i > 0);
                name[i] = plain ? c : '_';
        }
        if (i == 0)
                name[i++] = '_';
        name[i] = '\0';
}

struct names {
        char *folder, *whole, *temporary, *latest, *target;
};

static void
names_free(struct names *names)
{
        free(names->folder);
        free(names->whole);
        free(names->temporary);
        free(names->latest);
        free(names->target);
}

static int
names_make(const struct view *view, const struct report_options *options, const struct renderer *renderer,
           struct names *names, struct error *err)
{
        time_t seconds = (time_t)(view->run.started_ms / 1000);
        char job[65], stamp[32] = "";
        struct tm utc;
        const char *folder = options->directory != NULL && *options->directory != '\0' ? options->directory : ".";

        name_clean(view->run.job, job, sizeof job);
        if (gmtime_r(&seconds, &utc) == NULL || strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc) == 0)
                snprintf(stamp, sizeof stamp, "run%lld", (long long)view->run.id);
        names->folder = strdup(folder);
        if (names->folder == NULL || asprintf(&names->target, "%s-%s.%s", job, stamp, renderer->extension) < 0 ||
            asprintf(&names->whole, "%s/%s", folder, names->target) < 0 ||
            asprintf(&names->temporary, "%s/.%s.%ld.tmp", folder, names->target, (long)getpid()) < 0 ||
            asprintf(&names->latest, "%s/%s-latest.%s", folder, job, renderer->extension) < 0)
                return error_memory(err, "a report's name");
        return 0;
}

/* --- one file ------------------------------------------------------------------------------------------------- */

static int
file_error(const char *doing, const char *path, int number, struct error *err)
{
        error_set(err, REASON_CONFIGURATION, "report %s: %s: %s", path, doing, strerror(number));
        if (number == ENOSPC || number == EDQUOT)
                return error_remedy(err, "free space there, or set another folder; the report before it is untouched");
        return error_remedy(err, "make the folder writable for this user, or set another; the report before it is "
                                 "untouched");
}

static int
render_stream(const struct renderer *renderer, const struct view *view, const struct report_options *options,
              const char *path, struct error *err)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        FILE *stream = fd >= 0 ? fdopen(fd, "w") : NULL;

        if (stream == NULL) {
                int number = errno;
                if (fd >= 0)
                        close(fd);
                return file_error("cannot be made", path, number, err);
        }
        errno = 0;
        int result = renderer->write(view, options, stream, err);
        int number = 0;
        if (fflush(stream) != 0 || ferror(stream))
                number = errno != 0 ? errno : EIO;
        if (fclose(stream) != 0 && number == 0)
                number = errno;
        if (result != 0)
                return error_wrap(err, "report %s", path);
        return number != 0 ? file_error("cannot be written", path, number, err) : 0;
}

/* Makes a file's content, or a folder's entries, survive a power cut. */
static int
path_sync(const char *path, int flags, struct error *err)
{
        scoped(scope_close) int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

        /* Some file systems cannot sync a folder: EINVAL there is no loss. */
        if (fd < 0 || (fsync(fd) != 0 && !((flags & O_DIRECTORY) != 0 && errno == EINVAL)))
                return file_error("cannot be synced", path, errno, err);
        return 0;
}

/* The stable name, replaced in one step as well. */
static int
latest_link(const struct names *names, struct error *err)
{
        scoped_string temporary = NULL;

        if (asprintf(&temporary, "%s.link", names->temporary) < 0) {
                temporary = NULL;
                return error_memory(err, names->latest);
        }
        unlink(temporary);
        if (symlink(names->target, temporary) != 0 || rename(temporary, names->latest) != 0) {
                int number = errno;
                unlink(temporary);
                return file_error("cannot be linked", names->latest, number, err);
        }
        return 0;
}

static int
write_one(const struct renderer *renderer, const struct view *view, const struct report_options *options,
          const struct names *names, struct error *err)
{
        unlink(names->temporary); /* left by a process of the same number that died */
        int result = render_stream(renderer, view, options, names->temporary, err);
        if (result == 0)
                result = path_sync(names->temporary, 0, err);
        if (result == 0 && rename(names->temporary, names->whole) != 0)
                result = file_error("cannot be renamed", names->whole, errno, err);
        if (result != 0) {
                unlink(names->temporary);
                return -1;
        }
        if (options->latest && latest_link(names, err) != 0)
                return -1;
        return path_sync(names->folder, O_DIRECTORY, err);
}

/* --- all of them ---------------------------------------------------------------------------------------------- */

static int
folder_make(const char *folder, struct error *err)
{
        scoped_string path = strdup(folder);

        if (path == NULL)
                return error_memory(err, folder);
        for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(path, 0777) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
                        return file_error("cannot be made", path, errno, err);
                *slash = '/';
        }
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
                return file_error("cannot be made", path, errno, err);
        return 0;
}

/* The next name of a comma-separated list into `name`; false at the end. */
static bool
format_next(const char **list, char name[41])
{
        size_t length;

        *list += strspn(*list, ", ");
        length = strcspn(*list, ", ");
        if (length == 0)
                return false;
        snprintf(name, 41, "%.*s", length > 40 ? 40 : (int)length, *list);
        *list += length;
        return true;
}

int
report_write(const struct view *view, const struct report_options *options,
             void (*told)(void *context, const char *path), void *context, struct error *err)
{
        const char *list = options->formats != NULL ? options->formats : "";
        char name[41];
        bool failed = false;

        while (format_next(&list, name)) {
                if (renderer_find(name) == NULL)
                        return format_unknown(name, err);
        }
        if (options->directory != NULL && *options->directory != '\0' && folder_make(options->directory, err) != 0)
                return -1;
        /* One format's trouble is not another's: the rest is written all the same, and the first trouble is told. */
        for (list = options->formats != NULL ? options->formats : ""; format_next(&list, name);) {
                const struct renderer *renderer = renderer_find(name);
                scoped(names_free) struct names names = {0};
                struct error trouble = {0};
                if (names_make(view, options, renderer, &names, &trouble) == 0 &&
                    write_one(renderer, view, options, &names, &trouble) == 0) {
                        if (told != NULL)
                                told(context, names.whole);
                } else if (!failed) {
                        failed = true;
                        if (err != NULL)
                                *err = trouble;
                }
        }
        return failed ? -1 : 0;
}

int
report_flush(FILE *stream, struct error *err)
{
        if (fflush(stream) == 0 && !ferror(stream))
                return 0;
        int number = errno != 0 ? errno : EIO;
        if (number == EPIPE)
                return error_set(err, REASON_CONFIGURATION, "the output was not read to its end: its reader went away");
        error_set(err, REASON_CONFIGURATION, "standard output: %s", strerror(number));
        return error_remedy(err, number == ENOSPC || number == EDQUOT ? "free space where the output goes"
                                                                      : "look at where the output goes");
}

int
report_stream(const struct view *view, const char *format, const struct report_options *options, FILE *stream,
              struct error *err)
{
        const struct renderer *renderer = renderer_find(format);
        int result;

        if (renderer == NULL)
                return format_unknown(format, err);
        errno = 0;
        result = renderer->write(view, options, stream, err);
        return result == 0 ? report_flush(stream, err) : result;
}

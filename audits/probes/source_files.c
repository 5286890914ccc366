/* Folders of source code. */

#include "source_files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "scope.h"

static const off_t FILE_LARGEST = 2 * 1024 * 1024;
enum { DEPTH_MOST = 64 };

struct reading {
        struct session *session;
        const json_t *include, *exclude;
        int64_t most;
        bool (*wanted)(const char *path);
        source_visit visit;
        void *context;
        struct source_tally *tally;
};

static void
unreadable(struct reading *reading, const char *path, int number)
{
        if (reading->tally->unreadable++ == 0)
                snprintf(reading->tally->first_unreadable, sizeof reading->tally->first_unreadable, "%.300s: %s", path,
                         strerror(number));
}

static int
file_read(struct reading *reading, const char *path, const char *shown, struct error *err)
{
        scoped(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) != 0) {
                unreadable(reading, path, errno);
                return 0;
        }
        if (!S_ISREG(status.st_mode))
                return 0;
        if (status.st_size > FILE_LARGEST) {
                reading->tally->too_large++;
                return 0;
        }
        scoped_string text = malloc((size_t)status.st_size + 1);
        if (text == NULL)
                return error_memory(err, path);
        size_t length = 0;
        for (ssize_t got; length < (size_t)status.st_size; length += (size_t)got) {
                got = read(fd, text + length, (size_t)status.st_size - length);
                if (got <= 0) {
                        if (got < 0)
                                unreadable(reading, path, errno);
                        break;
                }
        }
        reading->tally->files++;
        return reading->visit(reading->context,
                              &(struct source_file){.path = path, .shown = shown, .text = text, .length = length}, err);
}

static bool
is_left_out(const struct reading *reading, const FTSENT *entry, const char *shown)
{
        return json_globs_match(reading->exclude, entry->fts_name) || json_globs_match(reading->exclude, shown);
}

static int
entry_read(struct reading *reading, FTS *tree, FTSENT *entry, size_t prefix, struct error *err)
{
        const char *shown = strlen(entry->fts_path) > prefix ? entry->fts_path + prefix : entry->fts_name;

        while (*shown == '/')
                shown++;
        switch (entry->fts_info) {
        case FTS_D:
                if (entry->fts_level > DEPTH_MOST || (entry->fts_level > 0 && is_left_out(reading, entry, shown)))
                        fts_set(tree, entry, FTS_SKIP);
                return 0;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
                unreadable(reading, entry->fts_path, entry->fts_errno);
                return 0;
        case FTS_F:
        case FTS_NSOK:
                break;
        default:
                return 0;
        }
        if (!reading->wanted(entry->fts_name) || is_left_out(reading, entry, shown))
                return 0;
        if (json_array_size(reading->include) > 0 && !json_globs_match(reading->include, entry->fts_name) &&
            !json_globs_match(reading->include, shown))
                return 0;
        if ((int64_t)reading->tally->files >= reading->most) {
                reading->tally->cut = true;
                return 0;
        }
        return file_read(reading, entry->fts_path, shown, err);
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int
path_read(struct reading *reading, const char *path, struct error *err)
{
        char *const roots[] = {(char *)path, NULL};
        FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, by_name);
        int result = 0;

        if (tree == NULL)
                return error_set(err, REASON_INTERNAL, "%s: %s", path, strerror(errno));
        for (FTSENT *entry; result == 0 && (entry = fts_read(tree)) != NULL;) {
                if (entry->fts_level == 0 && entry->fts_info == FTS_NS) {
                        error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(entry->fts_errno));
                        result = error_remedy(err, "name a folder or file that is there in `paths`");
                } else if (deadline_left_ms(&reading->session->deadline) == 0) {
                        error_set(err,
                                  deadline_cancelled(&reading->session->deadline) ? REASON_INTERRUPTED : REASON_TIMEOUT,
                                  "%s: not read to its end in time", path);
                        result = error_remedy(err, "raise the target's timeout, or leave folders out with `exclude`");
                } else {
                        result = entry_read(reading, tree, entry, strlen(path), err);
                }
        }
        fts_close(tree);
        return result;
}

int
source_files_read(struct session *session, bool (*wanted)(const char *path), source_visit visit, void *context,
                  struct source_tally *tally, struct error *err)
{
        const json_t *paths = target_value(session->target, "paths");
        struct reading reading = {
                .session = session,
                .include = target_value(session->target, "include"),
                .exclude = target_value(session->target, "exclude"),
                .most = json_whole(session->target->settings, "files_most", 20000),
                .wanted = wanted,
                .visit = visit,
                .context = context,
                .tally = tally,
        };

        *tally = (struct source_tally){0};
        for (size_t i = 0; i < json_array_size(paths); i++) {
                const char *path = json_string_value(json_array_get(paths, i));
                if (path != NULL && path_read(&reading, path, err) != 0)
                        return -1;
        }
        return 0;
}

/* --- the kind -------------------------------------------------------------------------------------------------------
 */

static int
source_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const json_t *paths = target_value(session->target, "paths");

        for (size_t i = 0; i < json_array_size(paths); i++) {
                const char *path = json_string_value(json_array_get(paths, i));
                if (path != NULL && access(path, R_OK) != 0) {
                        error_set(err, errno == EACCES ? REASON_DENIED : REASON_CONFIGURATION, "%s: %s", path,
                                  strerror(errno));
                        return error_remedy(err, "name folders or files that this user can read in `paths`");
                }
        }
        snprintf(server, size, "%zu path%s", json_array_size(paths), json_array_size(paths) == 1 ? "" : "s");
        return 0;
}

static const struct setting pair[] = {
        {.name = "acquire",
         .type = SETTING_TEXT,
         .required = true,
         .words = "call that takes something: a method's name, or object.method with * in the object"},
        {.name = "release", .type = SETTING_TEXT, .required = true, .words = "method that gives it back"},
        {.name = "by",
         .type = SETTING_CHOICE,
         .choices = "value|owner",
         .fallback = "value",
         .words = "value: value.release(); owner: object.release(value)"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "paths",
         .type = SETTING_LIST,
         .item = SETTING_PATH,
         .required = true,
         .words = "folders and files of JavaScript and TypeScript"},
        {.name = "include",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[]",
         .words = "file names or relative paths to read; none: every one with a usual ending"},
        {.name = "exclude",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[node_modules, dist, build, coverage, .git, \"*.d.ts\", \"*.min.js\", \"*.test.*\", "
                     "\"*.spec.*\", __tests__]",
         .words = "names or relative paths of files and folders to leave out"},
        {.name = "pairs",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = pair,
         .fallback = "[]",
         .words = "further calls that take a connection and give it back"},
        {.name = "files_most",
         .type = SETTING_INTEGER,
         .fallback = "20000",
         .min = 1,
         .max = 1e+07,
         .words = "source files read at most"},
        {.type = SETTING_END},
};

const struct target_kind kind_source = {
        .name = "source",
        .words = "folders of JavaScript and TypeScript source code",
        .settings = settings,
        .connect = source_connect,
};

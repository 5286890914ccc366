/* rounds import: samples from elsewhere, so that a new installation projects on its first day. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "csv.h"
#include "invocation.h"
#include "moment.h"
#include "scope.h"
#include "store.h"
#include "utf8.h"

enum { COLUMNS = 5, NAME_MOST = 120, RESOURCE_MOST = 500, TOLD_MOST = 200 };

static const char *const column_names[COLUMNS] = {"target", "series", "resource", "time", "value"};

struct import {
        const struct config *config;
        struct store *store;
        const char *name; /* of the file */
        int64_t now_ms;
        bool skip_bad;
        size_t places[COLUMNS]; /* field of each column */
        size_t fields;          /* in the header */
        size_t good, bad;
        bool store_failed;
        struct error store_error;
};

static void
complain(struct import *import, size_t line, const char *text)
{
        if (import->bad++ < TOLD_MOST)
                fprintf(stderr, "%s:%zu: %s\n", import->name, line, text);
        else if (import->bad == TOLD_MOST + 1)
                fprintf(stderr, "%s: more lines are bad\n", import->name);
}

/* --- one line ----------------------------------------------------------------------------------------------------- */

static bool
target_known(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->target_count; i++) {
                if (strcmp(config->targets[i]->name, name) == 0)
                        return true;
        }
        return false;
}

/* True when an audit reads the series: "disk_growth.*" takes all of that beginning. */
static bool
series_read(const char *series)
{
        for (size_t i = 0; audits[i] != NULL; i++) {
                for (size_t k = 0; k < sizeof audits[i]->samples / sizeof audits[i]->samples[0]; k++) {
                        const char *own = audits[i]->samples[k];
                        if (own == NULL)
                                break;
                        size_t length = strlen(own);
                        if (strcmp(own, series) == 0 ||
                            (length > 1 && own[length - 1] == '*' && strncmp(own, series, length - 1) == 0 &&
                             strlen(series) >= length))
                                return true;
                }
        }
        return false;
}

static bool
is_utf8(const char *text)
{
        for (size_t left = strlen(text), length; left > 0; text += length, left -= length) {
                length = utf8_length(text, left);
                if (length == 0)
                        return false;
        }
        return true;
}

static int
parse_value(const char *text, double *value)
{
        char *end;

        if (*text == '\0' || strspn(text, "0123456789+-.eE") != strlen(text))
                return -1;
        *value = strtod(text, &end);
        return *end == '\0' && isfinite(*value) ? 0 : -1;
}

/* What is wrong with a line, NULL when nothing is. */
static int
check_line(const struct import *import, const char *const *values, int64_t *at_ms, double *value, struct error *err)
{
        for (int i = 0; i < COLUMNS; i++) {
                if (!is_utf8(values[i]))
                        return error_set(err, REASON_CONFIGURATION, "%s is not UTF-8", column_names[i]);
        }
        if (!target_known(import->config, values[0]))
                return error_set(err, REASON_CONFIGURATION, "no target \"%.100s\" is configured", values[0]);
        if (strlen(values[1]) > NAME_MOST || !series_read(values[1]))
                return error_set(err, REASON_CONFIGURATION, "no audit reads a series \"%.100s\"", values[1]);
        if (strlen(values[2]) > RESOURCE_MOST)
                return error_set(err, REASON_CONFIGURATION, "resource is longer than %d bytes", RESOURCE_MOST);
        if (!moment_parse(values[3], at_ms))
                return error_set(err, REASON_CONFIGURATION, "time \"%.60s\" is not RFC 3339 (2026-11-24T03:00:00Z)",
                                 values[3]);
        if (*at_ms > import->now_ms)
                return error_set(err, REASON_CONFIGURATION, "time %.60s has not come yet", values[3]);
        if (parse_value(values[4], value) != 0)
                return error_set(err, REASON_CONFIGURATION, "value \"%.60s\" is not a number", values[4]);
        return 0;
}

static void
import_line(struct import *import, const struct csv *csv)
{
        const char *values[COLUMNS];
        struct error err = {0};
        int64_t at_ms = 0;
        double value = 0;

        if (csv->count != import->fields) {
                error_set(&err, REASON_CONFIGURATION, "%zu fields where the header has %zu", csv->count,
                          import->fields);
                complain(import, csv->line, err.text);
                return;
        }
        for (int i = 0; i < COLUMNS; i++)
                values[i] = csv->fields[import->places[i]];
        if (check_line(import, values, &at_ms, &value, &err) != 0) {
                complain(import, csv->line, err.text);
                return;
        }
        if (store_import_sample(import->store, values[0], values[1], values[2], at_ms, value, &import->store_error) !=
            0)
                import->store_failed = true;
        else
                import->good++;
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

/* The columns in any order, each once, and no other. */
static int
read_header(struct import *import, struct csv *csv)
{
        bool seen[COLUMNS] = {false};
        struct error err = {0};
        size_t before = import->bad;
        int got = csv_next(csv, &err);

        if (got != 1) {
                complain(import, 1,
                         got == 0 ? "the file is empty; the first line must be target,series,resource,time,value"
                                  : err.text);
                return -1;
        }
        for (size_t i = 0; i < csv->count; i++) {
                int column = 0;
                while (column < COLUMNS && strcmp(column_names[column], csv->fields[i]) != 0)
                        column++;
                if (column == COLUMNS)
                        error_set(&err, REASON_CONFIGURATION,
                                  "column \"%.60s\" is not known; there are target, series, "
                                  "resource, time, value",
                                  csv->fields[i]);
                else if (seen[column])
                        error_set(&err, REASON_CONFIGURATION, "column %s stands twice", column_names[column]);
                else
                        err.text[0] = '\0';
                if (err.text[0] != '\0') {
                        complain(import, csv->line, err.text);
                        continue;
                }
                seen[column] = true;
                import->places[column] = i;
        }
        for (int column = 0; column < COLUMNS; column++) {
                if (seen[column])
                        continue;
                error_set(&err, REASON_CONFIGURATION, "column %s is missing", column_names[column]);
                complain(import, csv->line, err.text);
        }
        import->fields = csv->count;
        return import->bad > before ? -1 : 0;
}

/* A header that is not understood is never skipped: nothing after it could be. */
static int
import_stream(struct import *import, FILE *stream)
{
        scoped(scope_free) struct csv *csv = malloc(sizeof *csv);
        struct error err = {0};
        int got;

        if (csv == NULL)
                return error_memory(&import->store_error, "import");
        csv_start(csv, stream);
        if (read_header(import, csv) != 0)
                return -1;
        while (!import->store_failed && (got = csv_next(csv, &err)) != 0) {
                if (got < 0)
                        complain(import, csv->line, err.text);
                else
                        import_line(import, csv);
        }
        return 0;
}

static int
import_file(struct import *import, const char *path)
{
        import->name = strcmp(path, "-") == 0 ? "standard input" : path;
        if (strcmp(path, "-") == 0)
                return import_stream(import, stdin);
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        if (file == NULL) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                import->bad++;
                return -1;
        }
        return import_stream(import, file);
}

static int
import_all(struct import *import, const struct invocation *invocation)
{
        struct error err = {0};
        bool usable = true;

        if (store_import_begin(import->store, &err) != 0)
                return invocation_fail(EXIT_STORE, &err);
        for (int i = 0; i < invocation->count; i++)
                usable = import_file(import, invocation->arguments[i]) == 0 && usable;
        bool keep = usable && !import->store_failed && (import->bad == 0 || import->skip_bad);
        if (store_import_end(import->store, keep, &err) != 0)
                return invocation_fail(EXIT_STORE, &err);
        if (import->store_failed)
                return invocation_fail(EXIT_STORE, &import->store_error);
        if (!keep) {
                fprintf(stderr, "rounds: nothing was imported: %zu mistake(s)%s\n", import->bad,
                        usable ? " (--skip-bad leaves bad lines out)" : "");
                return EXIT_USAGE;
        }
        if (!invocation->quiet) {
                printf("imported %zu sample(s)", import->good);
                if (import->bad > 0)
                        printf(", left %zu bad line(s) out", import->bad);
                printf("\n");
        }
        return EXIT_ASSESSED;
}

static int
import_run(const struct invocation *invocation)
{
        struct config *config = invocation_config(invocation);
        struct import import = {
                .config = config, .now_ms = moment_now(), .skip_bad = invocation_has(invocation, "skip-bad")};
        struct error err = {0};

        if (config == NULL)
                return EXIT_USAGE;
        int status = store_open(config->store, false, &import.store, &err) != 0 ? invocation_fail(EXIT_STORE, &err)
                                                                                : import_all(&import, invocation);
        store_close(import.store);
        config_close(config);
        return status;
}

static const struct command_option options[] = {
        {"skip-bad", 0, NULL, "import the good lines although others are bad"},
        {0},
};

extern const struct command command_import;
const struct command command_import = {
        .name = "import",
        .arguments = "FILE...",
        .summary = "samples from elsewhere, for projections from the first day",
        .details =
                "Reads comma-separated files (- is standard input) whose first line names the columns target, series, "
                "resource, time and value: a configured target, a series that an audit reads (such as "
                "disk_growth.volume_used_bytes), what of the target it measures (may be empty), an RFC 3339 time, a "
                "number.  Every bad line is told with its file, line and mistake, and then nothing is imported unless "
                "--skip-bad is given.  Importing a file twice changes nothing: a sample of the same moment is "
                "replaced.",
        .options = options,
        .least = 1,
        .most = -1,
        .run = import_run,
};

/* rounds report: the reports of a run, written again or to standard output. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "invocation.h"
#include "json.h"
#include "report.h"
#include "store.h"
#include "view.h"

/* What is to be written, once the options and the job's settings have spoken. */
struct wish {
        struct report_options options;
        struct buffer formats;
        bool to_stdout;
};

static bool
number_of(const struct invocation *invocation, const char *name, int64_t *number)
{
        const char *text = invocation_value(invocation, name);
        char *end;

        *number = 0;
        if (text == NULL)
                return true;
        *number = strtoll(text, &end, 10);
        return end != text && *end == '\0' && *number > 0;
}

/* Formats and folder: what was asked for, else what the job's `report` says, else everything into this folder. */
static void
wish_settle(const struct invocation *invocation, const struct config *config, const struct view *view,
            struct wish *wish)
{
        const struct job *job = config_job(config, view->run.job);
        const json_t *report = job != NULL ? job->report : NULL;
        const char *formats = invocation_value(invocation, "format"), *output = invocation_value(invocation, "output");
        const json_t *format;
        size_t index;

        wish->to_stdout = output != NULL && strcmp(output, "-") == 0;
        if (formats == NULL && wish->to_stdout)
                formats = "md";
        if (formats != NULL)
                buffer_text(&wish->formats, formats);
        json_array_foreach((json_t *)(formats == NULL ? json_list(report, "formats") : NULL), index, format)
        {
                buffer_format(&wish->formats, "%s%s", index > 0 ? "," : "", json_string_value(format));
        }
        if (wish->formats.length == 0)
                buffer_text(&wish->formats, "md,html,xlsx,json");
        wish->options = (struct report_options){
                .directory = output != NULL ? output : json_text(report, "to", "."),
                .formats = wish->formats.data,
                .templates = invocation_has(invocation, "templates") ? invocation_value(invocation, "templates")
                                                                     : config->templates,
                .timezone = config->timezone,
                .organisation = config->organisation,
                .latest = output == NULL && json_flag(report, "latest", false),
        };
}

static void
tell(void *context, const char *path)
{
        const struct invocation *invocation = context;

        if (!invocation->quiet)
                puts(path);
}

static int
report_show(const struct invocation *invocation, const struct view *view, const struct wish *wish)
{
        struct error err = {0};
        int result;

        for (const char *list = wish->options.formats; *list != '\0';) {
                char name[32];
                size_t length = strcspn(list, ", ");
                snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), list);
                const struct renderer *renderer = renderer_find(name);
                if (length > 0 && renderer == NULL)
                        return invocation_usage(invocation, "format \"%s\" is not known: md, html, xlsx, json, ics",
                                                name);
                if (length > 0 && wish->to_stdout && renderer->binary && invocation->terminal)
                        return invocation_usage(invocation,
                                                "%s does not belong on a terminal: name a folder with --output", name);
                list += length + strspn(list + length, ", ");
        }
        if (wish->to_stdout && strchr(wish->options.formats, ',') != NULL)
                return invocation_usage(invocation, "one format only can go to standard output");
        if (wish->to_stdout)
                result = report_stream(view, wish->options.formats, &wish->options, stdout, &err);
        else
                result = report_write(view, &wish->options, tell, (void *)invocation, &err);
        return result == 0 ? EXIT_ASSESSED : invocation_fail(EXIT_STORE, &err);
}

static int
report_run(const struct invocation *invocation)
{
        int64_t run, since;
        struct store *store = NULL;
        struct view *view = NULL;
        struct error err = {0};
        int status;

        if (!number_of(invocation, "run", &run) || !number_of(invocation, "since", &since))
                return invocation_usage(invocation, "--run and --since take the number of a run");
        struct config *config = invocation_config(invocation);
        if (config == NULL)
                return EXIT_USAGE;
        if (store_open(config->store, true, &store, &err) != 0) {
                status = invocation_fail(EXIT_STORE, &err);
        } else if (view_open(store, run, invocation_value(invocation, "job"), since, &view, &err) != 0) {
                status = invocation_fail(err.reason == REASON_CONFIGURATION ? EXIT_USAGE : EXIT_STORE, &err);
        } else {
                struct wish wish = {.formats = BUFFER_INIT(4096)};
                wish_settle(invocation, config, view, &wish);
                status = wish.formats.failed ? invocation_usage(invocation, "--format is too long")
                                             : report_show(invocation, view, &wish);
                buffer_free(&wish.formats);
        }
        view_close(view);
        store_close(store);
        config_close(config);
        return status;
}

static const struct command_option options[] = {
        {"run", 'r', "N", "the run (default: the newest that ended)"},
        {"job", 'j', "JOB", "the newest run of this job"},
        {"format", 'f', "LIST",
         "md, html, xlsx, json, ics, separated by commas (default: the job's, else the first four)"},
        {"output", 'o', "DIR", "folder for the files, or - for standard output (default: the job's, else this folder)"},
        {"since", 's', "N", "compare with this run (default: the one before)"},
        {"templates", 't', "DIR", "folder whose templates win over the built-in ones"},
        {0},
};

extern const struct command command_report;
const struct command command_report = {
        .name = "report",
        .arguments = "",
        .summary = "write the reports of a run",
        .details =
                "Reads the store only and looks at nothing.  Files are called JOB-YYYYMMDDTHHMMSSZ.EXT after the start "
                "of "
                "the run, are written whole or not at all, and are the same bytes each time.  Their paths are printed.",
        .options = options,
        .least = 0,
        .most = 0,
        .run = report_run,
};

/* rounds diff: what changed between two runs. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "diff.h"
#include "invocation.h"
#include "report.h"
#include "store.h"
#include "view.h"

/* A run's number as the user wrote it; false when it is none. */
static bool
run_number(const char *text, int64_t *run)
{
        char *end;
        long long number = strtoll(text, &end, 10);

        *run = number;
        return end != text && *end == '\0' && number > 0;
}

static int
terminal_width(void)
{
        struct winsize size;

        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int
diff_show(const struct invocation *invocation, const struct view *view)
{
        struct error err = {0};
        int result = invocation_has(invocation, "json")
                             ? diff_json(view, stdout, &err)
                             : diff_text(view, invocation->colour, invocation->terminal ? terminal_width() : 0, stdout,
                                         &err);

        if (result != 0)
                return invocation_fail(EXIT_STORE, &err);
        return view->fresh.count + view->worse.count > 0 ? EXIT_FINDINGS : EXIT_ASSESSED;
}

static int
diff_run(const struct invocation *invocation)
{
        int64_t since = 0, run = 0;
        struct store *store = NULL;
        struct view *view = NULL;
        struct error err = {0};
        int status;

        if (invocation->count > 0 && !run_number(invocation->arguments[0], &since))
                return invocation_usage(invocation, "\"%s\" is not the number of a run", invocation->arguments[0]);
        if (invocation->count > 1 && !run_number(invocation->arguments[1], &run))
                return invocation_usage(invocation, "\"%s\" is not the number of a run", invocation->arguments[1]);
        struct config *config = invocation_config(invocation);
        if (config == NULL)
                return EXIT_USAGE;
        if (store_open(config->store, true, &store, &err) != 0) {
                status = invocation_fail(EXIT_STORE, &err);
        } else if (view_open(store, run, invocation_value(invocation, "job"), since, &view, &err) != 0) {
                status = invocation_fail(err.reason == REASON_CONFIGURATION ? EXIT_USAGE : EXIT_STORE, &err);
        } else if (view->previous.id == 0) {
                error_set(&err, REASON_CONFIGURATION, "run %lld is the first of its job: there is nothing before it",
                          (long long)view->run.id);
                status = invocation_fail(EXIT_USAGE, &err);
        } else if (view->previous.started_ms > view->run.started_ms) {
                error_set(&err, REASON_CONFIGURATION, "run %lld is later than run %lld: name the earlier one first",
                          (long long)view->previous.id, (long long)view->run.id);
                status = invocation_fail(EXIT_USAGE, &err);
        } else {
                status = diff_show(invocation, view);
        }
        view_close(view);
        store_close(store);
        config_close(config);
        return status;
}

static const struct command_option options[] = {
        {"job", 'j', "JOB", "the newest runs of this job, when no run is named"},
        {"json", 0, NULL, "as JSON, one change a line"},
        {0},
};

extern const struct command command_diff;
const struct command command_diff = {
        .name = "diff",
        .arguments = "[A] [B]",
        .summary = "what changed between two runs",
        .details =
                "Compares run A with the later run B (`rounds list runs` has their numbers): what is new, worse, still "
                "failing, fixed, and what can no longer be compared because it was not assessed or was judged under "
                "another policy.  Without B the newest run is taken, without A the one before it.  The exit status is "
                "1 when something is new or worse, else 0.",
        .options = options,
        .least = 0,
        .most = 2,
        .run = diff_run,
};

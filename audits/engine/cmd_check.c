/* rounds check: the configuration, a real connection to each target, and the rights that each audit needs there. */

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "log.h"
#include "moment.h"
#include "scene.h"
#include "scope.h"
#include "signals.h"

#define TARGET_TIMEOUT_MS (MINUTE_MS)
#define CHECK_TIMEOUT_MS  (10 * MINUTE_MS)

static const struct command_option check_options[] = {
        {"json", 0, NULL, "print a JSON array instead of text"},
        {0},
};

/* 0 when every argument names a configured target (or matches one). */
static int
check_arguments(const struct invocation *invocation, const struct config *config)
{
        for (int i = 0; i < invocation->count; i++) {
                bool matched = false;
                for (size_t j = 0; j < config->target_count && !matched; j++)
                        matched = fnmatch(invocation->arguments[i], config->targets[j]->name, 0) == 0;
                if (!matched)
                        return invocation_usage(invocation, "there is no target \"%s\" in %s", invocation->arguments[i],
                                                config->path);
        }
        return EXIT_ASSESSED;
}

static int
print_answers(const struct invocation *invocation, const json_t *checked)
{
        if (!invocation_has(invocation, "json")) {
                check_print(checked, stdout);
                return EXIT_ASSESSED;
        }
        if (json_dumpf(checked, stdout, JSON_INDENT(2) | JSON_SORT_KEYS) != 0)
                return EXIT_STORE;
        putchar('\n');
        return EXIT_ASSESSED;
}

static int
check_watched(const struct invocation *invocation, const struct scene *scene, const struct plan *plan, size_t *lost)
{
        struct error err = {0};
        struct signals *signals = NULL;
        json_t *checked = NULL;
        /* A thread that is left behind looks at these until the process ends. */
        struct cancel *cancel = calloc(1, sizeof *cancel);
        struct check_order *order = calloc(1, sizeof *order);

        if (cancel == NULL || order == NULL || cancel_open(cancel, &err) != 0 ||
            signals_watch(cancel, &signals, &err) != 0) {
                free(cancel);
                free(order);
                return invocation_fail(EXIT_USAGE, &err);
        }
        *order = (struct check_order){.plan = plan,
                                      .targets = scene->config->targets,
                                      .threads = scene->config->concurrency,
                                      .now_ms = scene->now_ms,
                                      .timeout_ms = CHECK_TIMEOUT_MS,
                                      .cancel = cancel};
        int status = check_targets(order, &checked, lost, &err) == 0 ? EXIT_ASSESSED
                                                                     : invocation_fail(EXIT_NOT_ASSESSED, &err);
        signals_end(signals);
        if (status == EXIT_ASSESSED)
                status = print_answers(invocation, checked);
        if (status == EXIT_ASSESSED && !check_all_ok(checked))
                status = EXIT_NOT_ASSESSED;
        json_decref(checked);
        if (*lost == 0) {
                cancel_close(cancel);
                free(cancel);
                free(order);
        }
        return status;
}

static int
check_run(const struct invocation *invocation)
{
        struct scene scene = {0};
        struct plan *plan = NULL;
        struct error err = {0};
        size_t lost = 0;
        int status = (int)scene_open(invocation, &scene);

        if (status == EXIT_ASSESSED)
                status = check_arguments(invocation, scene.config);
        if (status != EXIT_ASSESSED) {
                scene_close(&scene);
                return status;
        }
        scene.now_ms = moment_now();
        const struct plan_request request = {.audits = audits,
                                             .targets = scene.config->targets,
                                             .globs = invocation->count > 0 ? invocation->arguments : NULL,
                                             .timeout_ms = TARGET_TIMEOUT_MS,
                                             .every_target = true};
        if (plan_make(&request, &plan, &err) != 0)
                status = invocation_fail(EXIT_USAGE, &err);
        else
                status = check_watched(invocation, &scene, plan, &lost);
        if (lost > 0) {
                fflush(NULL);
                _exit(status);
        }
        plan_free(plan);
        scene_close(&scene);
        return status;
}

const struct command command_check = {
        .name = "check",
        .arguments = "[TARGET...]",
        .summary = "check the configuration, the connections and the rights",
        .details =
                "Reads the configuration and the waivers, then connects to each target (or to those named, patterns "
                "allowed) and tells what answered, how fast, and which rights the audits need there: what is missing "
                "stands with the exact grant. Exit status 0 when all is well, 2 when a target does not answer or a "
                "right is missing, 3 for mistakes in the configuration.",
        .options = check_options,
        .most = -1,
        .run = check_run,
};

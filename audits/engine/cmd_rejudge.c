/* rounds rejudge: the facts of an old run under today's policy. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "json.h"
#include "moment.h"
#include "rejudge.h"
#include "scene.h"
#include "scope.h"

static const struct command_option rejudge_options[] = {
        {"dry-run", 'n', NULL, "tell what would change, keep nothing"},
        {"policy", 0, "WHICH", "today: as configured now (default); then: as it was when the run was made"},
        {0},
};

struct rejudging {
        struct scene scene; /* first: the scene's callbacks take it */
        bool then;
        struct policy *policy_then;
        json_t *policies;     /* target -> stored policy, borrowed */
        struct policy **made; /* of the targets met so far, owned */
        char **made_for;      /* their names, owned */
        size_t count;
};

/* --- policies ----------------------------------------------------------------------------------------------- */

static const struct policy *
policy_now(const struct scene *scene, const char *target)
{
        for (size_t i = 0; i < scene->config->target_count; i++) {
                if (strcmp(scene->config->targets[i]->name, target) == 0)
                        return config_policy(scene->config, scene->config->targets[i]);
        }
        return config_policy(scene->config, NULL); /* of no target, or of one that is gone */
}

static const struct policy *
policy_then(struct rejudging *work, const char *target)
{
        const json_t *stored = json_object_get(work->policies, target);

        for (size_t i = 0; i < work->count; i++) {
                if (strcmp(work->made_for[i], target) == 0)
                        return work->made[i];
        }
        if (stored == NULL)
                return work->policy_then;
        struct policy **made = reallocarray(work->made, work->count + 1, sizeof *made);
        char **names = reallocarray(work->made_for, work->count + 1, sizeof *names);
        work->made = made != NULL ? made : work->made;
        work->made_for = names != NULL ? names : work->made_for;
        struct policy *policy = policy_from_json(stored, NULL);
        char *name = strdup(target);
        if (made == NULL || names == NULL || policy == NULL || name == NULL) {
                policy_free(policy);
                free(name);
                return work->policy_then;
        }
        work->made_for[work->count] = name;
        return work->made[work->count++] = policy;
}

static const struct policy *
policy_of(void *context, const char *target)
{
        struct rejudging *work = context;

        return work->then ? policy_then(work, target) : policy_now(&work->scene, target);
}

/* --- telling ------------------------------------------------------------------------------------------------ */

/* Names and messages hold what servers said: no sequence in them may come to life on a terminal. */
static void
text_tell(const char *before, const char *text)
{
        if (text == NULL)
                return;
        fputs(before, stdout);
        escape_terminal(stdout, text, strlen(text));
}

static void
verdict_tell(bool there, enum status status, enum severity severity)
{
        printf("%s%s%s", there ? status_name(status) : "none", there && severity != SEV_NONE ? " " : "",
               there ? severity_name(severity) : "");
}

static void
tell_change(void *context, const struct rejudge_change *change)
{
        const struct resource *about = &change->resource;

        (void)context;
        text_tell("", change->control);
        text_tell(" ", *change->target != '\0' ? change->target : "(all targets)");
        text_tell(" ", about->kind);
        text_tell(" ", about->namespace_);
        text_tell(" ", about->name);
        fputs(": ", stdout);
        verdict_tell(change->was, change->status_was, change->severity_was);
        fputs(" -> ", stdout);
        verdict_tell(change->is, change->status_is, change->severity_is);
        text_tell(": ", change->message);
        putchar('\n');
}

static int
judge(const struct invocation *invocation, struct rejudging *work, const json_t *run)
{
        struct rejudge_figures figures;
        struct error err = {0};
        const struct rejudge_order order = {.store = work->scene.store,
                                            .run = json_whole(run, "id", 0),
                                            .started_ms = json_whole(run, "started_ms", 0),
                                            .audits = audits,
                                            .policy_of = policy_of,
                                            .filter = scene_filter,
                                            .changed = invocation->quiet ? NULL : tell_change,
                                            .context = work,
                                            .dry_run = invocation_has(invocation, "dry-run")};

        if (rejudge_run(&order, &figures, &err) != 0)
                return invocation_fail(EXIT_STORE, &err);
        if (!invocation->quiet)
                printf("run %lld: %zu results judged again, %zu findings, %zu %s\n", (long long)order.run,
                       figures.results, figures.findings, figures.changed, order.dry_run ? "would change" : "changed");
        if (figures.unknown > 0)
                printf("%zu results are of audits that this rounds does not have: left as they were\n",
                       figures.unknown);
        return EXIT_ASSESSED;
}

static int
rejudge_with(const struct invocation *invocation, struct rejudging *work, int64_t id)
{
        struct error err = {0};
        json_t *read = NULL;

        if (store_run_read(work->scene.store, id, NULL, &read, &err) != 0)
                return invocation_fail(err.reason == REASON_CONFIGURATION ? EXIT_USAGE : EXIT_STORE, &err);
        scoped_json run = read;
        const json_t *config = json_map(run, "config");
        work->scene.now_ms = json_whole(run, "started_ms", 0); /* waivers as of then */
        work->policies = (json_t *)json_map(config, "policies");
        if (work->then) {
                work->policy_then = policy_from_json(json_map(config, "policy"), &err);
                if (work->policy_then == NULL)
                        return invocation_fail(EXIT_STORE, &err);
        }
        return judge(invocation, work, run);
}

static int
rejudge_run_command(const struct invocation *invocation)
{
        const char *which = invocation_value(invocation, "policy");
        struct rejudging work = {.then = which != NULL && strcmp(which, "then") == 0};
        char *end = NULL;
        long long id = invocation->count > 0 ? strtoll(invocation->arguments[0], &end, 10) : 0;

        if (which != NULL && !work.then && strcmp(which, "today") != 0)
                return invocation_usage(invocation, "--policy is today or then, not \"%s\"", which);
        if (invocation->count > 0 && (id <= 0 || *end != '\0'))
                return invocation_usage(invocation, "\"%s\" is not the number of a run (rounds list runs)",
                                        invocation->arguments[0]);
        int status = (int)scene_open(invocation, &work.scene);
        if (status == EXIT_ASSESSED)
                status = (int)scene_store(&work.scene, invocation_has(invocation, "dry-run"));
        if (status == EXIT_ASSESSED)
                status = rejudge_with(invocation, &work, id);
        for (size_t i = 0; i < work.count; i++) {
                policy_free(work.made[i]);
                free(work.made_for[i]);
        }
        free(work.made);
        free(work.made_for);
        policy_free(work.policy_then);
        scene_close(&work.scene);
        return status;
}

const struct command command_rejudge = {
        .name = "rejudge",
        .arguments = "[RUN]",
        .summary = "judge the facts of an old run again",
        .details =
                "Takes the facts that a run has stored (the newest run when none is named), judges them under today's "
                "policy and waivers and prints which verdicts change. With the policy of then the findings come out "
                "byte for byte as they were.",
        .options = rejudge_options,
        .most = 1,
        .run = rejudge_run_command,
};

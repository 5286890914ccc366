/* Configuration, waivers and store, for the commands that need them together. */

#include "scene.h"

#include <stdio.h>

enum exit_status
scene_open(const struct invocation *invocation, struct scene *scene)
{
        *scene = (struct scene){.config = invocation_config(invocation)};
        if (scene->config == NULL)
                return EXIT_USAGE;
        struct problems problems = {.file = scene->config->waivers};
        scene->waivers = waivers_open(scene->config->waivers, scene->config, &problems);
        for (size_t i = 0; i < problems.count; i++)
                fprintf(stderr, "%s:%zu:%zu: %s\n", problems.file, problems.rows[i].line, problems.rows[i].column,
                        problems.rows[i].text != NULL ? problems.rows[i].text : "out of memory");
        problems_free(&problems);
        if (scene->waivers != NULL)
                return EXIT_ASSESSED;
        scene_close(scene);
        return EXIT_USAGE;
}

enum exit_status
scene_store(struct scene *scene, bool read_only)
{
        struct error err = {0};

        if (store_open(scene->config->store, read_only, &scene->store, &err) == 0)
                return EXIT_ASSESSED;
        return (enum exit_status)invocation_fail(EXIT_STORE, &err);
}

void
scene_close(struct scene *scene)
{
        store_close(scene->store);
        waivers_close(scene->waivers);
        config_close(scene->config);
        *scene = (struct scene){0};
}

void
scene_filter(void *context, struct finding_row *row)
{
        struct scene *scene = context;

        if (row->finding.owner == NULL) {
                const char *owner = config_owner(scene->config, row->target, &row->finding.resource);
                row->owner = owner != NULL ? owner : row->owner;
        }
        waivers_apply(scene->waivers, scene->now_ms, row);
}

const struct policy *
scene_policy(void *context, const struct target *target)
{
        return config_policy(((struct scene *)context)->config, target);
}

/* What a command that runs, checks or judges stands on: configuration, waivers, store; opened and closed together. */
#ifndef ROUNDS_SCENE_H
#define ROUNDS_SCENE_H

#include "invocation.h"
#include "plan.h"
#include "store.h"
#include "waiver.h"

struct scene {
        struct config *config;
        struct waivers *waivers;
        struct store *store; /* NULL until scene_store() */
        int64_t now_ms;      /* waivers are judged at this moment */
};

/* Reads the configuration and the waivers.  EXIT_ASSESSED, or EXIT_USAGE after every mistake was printed. */
enum exit_status scene_open(const struct invocation *invocation, struct scene *scene);

/* Opens the store; EXIT_STORE after the error was printed. */
enum exit_status scene_store(struct scene *scene, bool read_only);

void scene_close(struct scene *scene);

/* A finding_filter (`context` is a scene): the owner that the rules name where the finding names none, then waivers. */
void scene_filter(void *context, struct finding_row *row);

/* The policy of a target, NULL: of none in particular (`context` is a scene). */
const struct policy *scene_policy(void *context, const struct target *target);

#endif

/* rounds.yaml: read whole, checked whole, then borrowed by everybody for as long as the process lives. */
#ifndef ROUNDS_CONFIG_H
#define ROUNDS_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy.h"
#include "settings.h"
#include "store.h"
#include "target.h"
#include "yaml_text.h"

struct job {
        const char *name;
        const char *const *audits;  /* names, NULL-terminated; NULL: all */
        const char *const *targets; /* globs, NULL-terminated; NULL: all */
        const json_t *report;       /* {"formats": [...], "to": path, "latest": bool}; NULL: none */
        const char *fail_on;        /* "SEV3" */
        double min_coverage;        /* percent */
        int64_t timeout_ms;         /* of the whole run */
};

struct config {
        const char *path;
        const char *organisation, *timezone; /* never NULL */
        const char *store;                   /* "sqlite:/absolute/path" */
        const char *templates;               /* directory, or NULL */
        const char *waivers;                 /* file, or NULL */
        unsigned concurrency;
        struct retention retention;
        const struct target *const *targets; /* NULL-terminated */
        size_t target_count;
        const struct policy *const *policies; /* of each target, in the same order */
        const struct policy *policy;          /* of no target in particular */
        const struct job *jobs;
        size_t job_count;
        const json_t *owners; /* [{"match": glob, "owner": ...}]: the first match on target, resource or place */
        const json_t *tree;   /* everything, checked: sources (settings, evidence, custom) are read from here */
        struct config_memory *memory; /* owns all of the above */
};

/* Reads `path`.  Every mistake is added to `problems`; NULL when there is any. */
struct config *config_open(const char *path, struct problems *problems);
void config_close(struct config *config);

/* NULL when there is none. */
const struct job *config_job(const struct config *config, const char *name);

/* The policy that applies to `target` (NULL: to none in particular). */
const struct policy *config_policy(const struct config *config, const struct target *target);

/* The owner that the rules name for a resource of a target; NULL when no rule matches. */
const char *config_owner(const struct config *config, const char *target, const struct resource *resource);

/* The rule of a control of the user's own (see custom.h), of whichever target of kind custom; NULL when there is none.
 */
const json_t *config_rule(const struct config *config, const char *control);

/* What a run keeps about how it was configured: {policy, policies {target: ...}, targets [{name, kind, owner}],
 * organisation, timezone}; no secret, no place of one.  New. */
json_t *config_record(const struct config *config);

/* The tables of settings, for manuals and completion: top level, jobs, common to all targets. */
const struct setting *config_settings(void);
const struct setting *config_job_settings(void);
const struct setting *config_target_settings(void);

#endif

/* KEDA's scalers of a cluster: read once per session, reduced, shared by the audits that ask for them.
 *
 * Only those parts of a trigger's metadata are kept that name the list and the threshold; addresses, hosts and whatever
 * may hold a credential are not.  Source: KEDA 2.x, scaler reference; keda.sh/v1alpha1 definitions. */
#ifndef ROUNDS_KEDA_H
#define ROUNDS_KEDA_H

#include <jansson.h>
#include <stdbool.h>

#include "session.h"

struct keda {
        /* [{kind: ScaledObject|ScaledJob, namespace, name, target_kind, target_name, min, max, idle?, hpa, paused?:
         * text, fallback?, ready: {status, reason, message}?, created_ms, triggers: [{type, name?, list?, query?,
         * threshold?: number, threshold_text?, by_default?: true, rate?: true, per_replica?: false, auth?:
         *   "TriggerAuthentication/name", auth_missing?: true}]}], sorted by namespace, name and kind; objects being
         * deleted are left out */
        json_t *scalers;
        struct error error;       /* of ScaledObjects or ScaledJobs; REASON_UNSUPPORTED: KEDA is not installed */
        struct error auths_error; /* of the authentications: then auth_missing is never said */
};

/* Borrowed from the session; NULL when the server cannot be asked at all. */
const struct keda *keda_session(struct session *session, struct error *err);

/* What a trigger type measures. */
struct keda_trigger {
        const char *type;
        const char *lists[4];      /* metadata keys that name the list, first one that is there */
        const char *queries[2];    /* metadata keys of a query that may name it */
        const char *thresholds[4]; /* metadata keys of the threshold, first one that is there */
        double fallback;           /* KEDA's own threshold when none is given; 0: it must be given */
};

/* NULL for one that does not measure the length of a list (cpu, memory, cron ...). */
const struct keda_trigger *keda_trigger_find(const char *type);

/* True when `text` holds `name` as a word of its own: "bull:batch-jobs:wait", queue="batch-jobs", .../batch-jobs. */
bool keda_names_queue(const char *text, const char *name);

/* True when the list or the query of a trigger of those facts names the queue. */
bool keda_trigger_names(const json_t *trigger, const char *queue);

/* What a trigger's threshold must be multiplied by to be the length at which a worker is added: with a target per
 * replica nothing is added until the list is longer than threshold x the replicas there are anyway; at least 1.
 * Source: HorizontalPodAutoscaler, algorithm for AverageValue: desired = ceil(sum / target). */
double keda_replicas_each(const json_t *scaler, const json_t *trigger);

#endif

/* KEDA against Prometheus: do workers scale well before the alert on their backlog fires?  Cross-layer, from the newest
 * facts of both.  Controls: WRK-1, ALR-2. */

#include <math.h>
#include <string.h>

#include "alert_levels.h"
#include "audit.h"
#include "facts.h"
#include "faults.h"
#include "json.h"
#include "keda.h"
#include "scope.h"

struct judge {
        const struct policy *policy;
        struct findings *out;
        struct alert_levels levels;
        double lead;                         /* share of an alert's threshold at which scaling must have begun */
        double begins[ALERT_LEVELS_MOST];    /* per level: the scaler that begins last although it may; 0: none */
        const char *last[ALERT_LEVELS_MOST]; /* its words */
        size_t compared;                     /* pairs of a trigger and a rule */
};

/* A rule on one queue says nothing of the others. */
static bool
is_about(const struct judge *j, const struct alert_level *level, const char *cluster, const json_t *trigger)
{
        if (!alert_level_of_cluster(level, cluster))
                return false;
        if (!level->narrowed || strcmp(level->op, "=") != 0 ||
            !json_holds(policy_value(j->policy, "WRK-1", "queues"), level->value))
                return true;
        return keda_trigger_names(trigger, level->value);
}

/* The rule that fires first of those about a trigger; of equals the one that is loaded.  The count when there is none.
 */
static size_t
first_to_fire(const struct judge *j, const char *cluster, const json_t *trigger)
{
        size_t best = j->levels.count;

        for (size_t i = 0; i < j->levels.count; i++) {
                const struct alert_level *level = &j->levels.rows[i], *known = &j->levels.rows[best];
                if (!is_about(j, level, cluster, trigger))
                        continue;
                if (best == j->levels.count || level->threshold < known->threshold ||
                    (level->threshold <= known->threshold && level->loaded && !known->loaded))
                        best = i;
        }
        return best;
}

/* The smallest change on KEDA's side: a lower threshold, or fewer replicas that each count it. */
static const char *
scaler_remedy(const struct judge *j, const json_t *scaler, double wanted, double replicas)
{
        const char *kind = json_text(scaler, "kind", "");
        const char *edit = findings_text(j->out, "kubectl -n %s edit %s %s", json_text(scaler, "namespace", "?"),
                                         strcmp(kind, "ScaledJob") == 0 ? "scaledjob" : "scaledobject",
                                         json_text(scaler, "name", "?"));
        double threshold = floor(wanted / replicas);

        return threshold >= 1 ? findings_text(j->out, "%s: a threshold of %g", edit, threshold)
                              : findings_text(j->out,
                                              "%s: a smaller minReplicaCount, or metricType: Value with a threshold of "
                                              "%g: %g replicas times any threshold is above it",
                                              edit, fmax(floor(wanted), 1), replicas);
}

static void
trigger_judge(struct judge *j, const char *cluster, const json_t *scaler, const json_t *trigger, struct faults *faults,
              size_t *compared)
{
        double threshold = json_real_or(trigger, "threshold", NAN), replicas = keda_replicas_each(scaler, trigger);
        double begins = threshold * replicas;
        size_t index = first_to_fire(j, cluster, trigger);

        if (keda_trigger_find(json_text(trigger, "type", "")) == NULL || !isfinite(begins) || begins <= 0 ||
            json_flag(trigger, "rate", false) || index == j->levels.count)
                return;
        const struct alert_level *level = &j->levels.rows[index];
        double bound = j->lead * level->threshold;
        const char *words = replicas > 1
                                    ? findings_text(j->out, "scaling begins at %g waiting (%g for each of %g replicas)",
                                                    begins, threshold, replicas)
                                    : findings_text(j->out, "scaling begins at %g waiting", begins);

        ++*compared;
        if (begins <= bound)
                return;
        if (begins <= j->lead * level->wanted) { /* as early as wanted: it is the alert that comes too soon */
                if (begins > j->begins[index]) {
                        j->begins[index] = begins;
                        j->last[index] = findings_text(j->out, "%s %s/%s on %s: %s", json_text(scaler, "kind", "?"),
                                                       json_text(scaler, "namespace", "?"),
                                                       json_text(scaler, "name", "?"), cluster, words);
                }
                return;
        }
        faults_add(faults,
                   findings_text(j->out, "%s; alert %s on %s fires above %g", words, level->alert, level->target,
                                 level->threshold),
                   begins >= level->threshold
                           ? "The alert wakes people before the machine adds a worker."
                           : "New workers have no time to take hold: the alert fires while they start.",
                   scaler_remedy(j, scaler, bound, replicas));
}

static void
cluster_judge(struct judge *j, const json_t *entry, size_t index)
{
        const json_t *facts = json_map(entry, "facts");
        const char *cluster = json_text(entry, "target", "?");
        struct resource whole = {.kind = "scaling and alert", .name = cluster};
        size_t i, k, well = 0, judged = 0;
        json_t *scaler, *trigger;

        if (facts_lacks(facts, "scalers")) {
                findings_error(
                        j->out, "WRK-1", &whole, REASON_STALE,
                        findings_text(j->out, "The scalers of %s could not be read: nothing to compare.", cluster),
                        "grant what the audit keda of that target asks for");
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "scalers"), i, scaler)
        {
                struct faults faults = FAULTS_INIT(j->out);
                size_t compared = 0;
                json_array_foreach((json_t *)json_list(scaler, "triggers"), k, trigger)
                {
                        trigger_judge(j, cluster, scaler, trigger, &faults, &compared);
                }
                struct finding finding = {
                        .control = "WRK-1",
                        .resource = {.kind = "scaling and alert",
                                     .namespace_ = cluster,
                                     .name = findings_text(j->out, "%s %s/%s", json_text(scaler, "kind", "?"),
                                                           json_text(scaler, "namespace", "?"),
                                                           json_text(scaler, "name", "?"))},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "WRK-1", false),
                        .expected = findings_text(j->out, "scaling begins at most at %g %% of the alert's threshold",
                                                  j->lead * 100),
                        .owner = json_text(entry, "owner", NULL),
                        .evidence = findings_text(j->out, "/targets/%zu/facts/scalers/%zu", index, i)};
                judged += compared > 0;
                well += faults_report(&faults, &finding) && compared > 0;
                j->compared += compared;
        }
        if (well > 0)
                findings_pass(j->out, "WRK-1", &whole,
                              findings_text(j->out, "%zu of %zu scalers on %s begin early", well, judged, cluster),
                              findings_text(j->out, "at most at %g %% of the alert's threshold", j->lead * 100),
                              "Scaling begins early enough for the alert that ALR-2 wants.");
}

static void
alerts_judge(const struct judge *j)
{
        size_t well = 0;

        for (size_t i = 0; i < j->levels.count; i++) {
                const struct alert_level *level = &j->levels.rows[i];
                if (j->begins[i] <= 0) {
                        well++;
                        continue;
                }
                findings_add(
                        j->out,
                        &(struct finding){
                                .control = "ALR-2",
                                .resource = {.kind = "alert and scaling",
                                             .namespace_ = level->target,
                                             .name = level->alert},
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "ALR-2", false),
                                .observed = findings_text(j->out, "fires above %g (%s); %s", level->threshold,
                                                          level->expression, j->last[i]),
                                .expected = findings_text(j->out, "scaling begins at most at %g %% of it",
                                                          j->lead * 100),
                                .message = "The alert fires before, or while, workers are added, although they are "
                                           "added as early as wanted: it wakes people for what the machine solves.",
                                .remedy = findings_text(j->out, "let the rule fire above %g (the playbook wants %g)",
                                                        ceil(j->begins[i] / j->lead), level->wanted)});
        }
        if (well > 0)
                findings_pass(j->out, "ALR-2", &(struct resource){.kind = "alert and scaling"},
                              findings_text(j->out, "%zu of %zu rules", well, j->levels.count),
                              "a backlog alert that leaves time to scale",
                              "The alert on the backlog leaves scaling the time it needs.");
}

static void
both_skip(struct findings *out, const char *why, const char *remedy)
{
        findings_skip(out, "WRK-1", why, remedy);
        findings_skip(out, "ALR-2", why, remedy);
}

/* The expressions of every alert that ALR-2 wants; new. */
static json_t *
wanted_texts(const struct policy *policy)
{
        json_t *texts = json_array(), *entry, *text;
        size_t i, k;

        json_array_foreach((json_t *)policy_value(policy, "ALR-2", "rules"), i, entry)
        {
                json_array_foreach((json_t *)json_list(entry, "any"), k, text) json_array_append(texts, text);
        }
        return texts;
}

static void
scaling_alerts_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                     struct findings *out)
{
        struct judge j = {.policy = policy, .out = out, .lead = policy_number(policy, "WRK-1", "lead") / 100};
        scoped_json texts = wanted_texts(policy);
        size_t clusters = 0, installed = 0, i, before = out->count;
        struct error err;
        json_t *entry;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                bool scaled = strcmp(json_text(entry, "audit", ""), "keda") == 0 && json_map(entry, "facts") != NULL;
                clusters += scaled;
                installed += scaled && json_flag(json_map(entry, "facts"), "installed", true);
        }
        if (alert_levels_find(facts, texts, policy_value(policy, "ALR-11", "scope_labels"), &j.levels, out, &err) !=
            0) {
                findings_error(out, "ALR-2", NULL, REASON_CONFIGURATION, err.text,
                               "mend the expression in the policy of ALR-2");
                findings_error(out, "WRK-1", NULL, REASON_CONFIGURATION, err.text,
                               "mend the expression in the policy of ALR-2");
                return;
        }
        if (clusters == 0 || j.levels.targets == 0) {
                both_skip(out,
                          clusters == 0 ? "no scalers of KEDA were seen in the last 26 h: nothing to compare"
                                        : "no alert rules were seen in the last 26 h: nothing to compare",
                          clusters == 0 ? "run the audit keda of a kubernetes target"
                                        : "run the audit alerts of a prometheus target");
                return;
        }
        if (installed == 0 || j.levels.count == 0) {
                both_skip(out,
                          installed == 0 ? "KEDA is not installed: nothing scales on the length of a queue"
                                         : "no rule is about the backlog of workers: nothing to compare",
                          installed == 0 ? NULL : "ALR-2 of the audit alerts says which rule is wanted");
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), "keda") == 0 && json_map(entry, "facts") != NULL &&
                    json_flag(json_map(entry, "facts"), "installed", true))
                        cluster_judge(&j, entry, i);
        }
        if (j.compared > 0)
                alerts_judge(&j);
        else if (out->count == before)
                both_skip(out, "no trigger measures a queue that a rule is about: nothing to compare",
                          "WRK-1 of the audit keda says what its triggers lack");
        else
                findings_skip(out, "ALR-2", "no scaler could be compared with it", NULL);
}

const struct audit audit_scaling_alerts = {
        .name = "scaling_alerts",
        .summary = "KEDA's thresholds against the alert on the backlog",
        .controls = {"WRK-1", "ALR-2"},
        .needs = "facts of the keda and alerts audits",
        .joins = {"keda", "alerts"},
        .judge = scaling_alerts_judge,
};

/* Disruption budgets under judgement: does each critical workload have one that works, and does any stand in the way?
 * Control: NOD-2. */

#include "workloads_budgets.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "faults.h"
#include "json.h"

enum { SHOWN_MOST = 5 };

/* --- arithmetic --------------------------------------------------------------------------------------------------- */

/* "2" or "50%" of `replicas`; NAN for what is neither. */
static double
amount_of(const char *text, double replicas)
{
        char *end;
        double number = strtod(text, &end);

        if (end == text || !(number >= 0) || !isfinite(number))
                return NAN;
        if (strcmp(end, "%") == 0)
                return ceil(number * replicas / 100);
        return *end == '\0' ? number : NAN;
}

double
budget_allows(const json_t *budget, double replicas)
{
        const char *least = json_text(budget, "min_available", ""), *most = json_text(budget, "max_unavailable", "");

        if (*most != '\0')
                return fmin(amount_of(most, replicas), replicas);
        return *least != '\0' ? fmax(replicas - amount_of(least, replicas), 0) : NAN;
}

static const char *
bound_text(struct findings *out, const json_t *budget)
{
        const char *least = json_text(budget, "min_available", ""), *most = json_text(budget, "max_unavailable", "");

        return *most != '\0' ? findings_text(out, "maxUnavailable %s", most)
                             : findings_text(out, "minAvailable %s", *least != '\0' ? least : "not stated");
}

/* --- one budget --------------------------------------------------------------------------------------------------- */

struct sums {
        double replicas, least; /* of all that the budget covers; least: at the minimum of their autoscalers */
        const char *autoscaler; /* one whose minimum is less; NULL: none */
};

static struct sums
sums_of(const json_t *covers)
{
        struct sums sums = {0};
        size_t i;
        json_t *cover;

        json_array_foreach((json_t *)covers, i, cover)
        {
                double now = fmax(json_real_or(cover, "replicas", 0), 0), least = json_real_or(cover, "least", now);
                sums.replicas += now;
                sums.least += fmin(fmax(least, 0), now);
                if (least < now)
                        sums.autoscaler = json_text(cover, "autoscaler", NULL);
        }
        return sums;
}

/* Nothing is selected: neither by what was read nor, by its status, by the controller. */
static bool
selects_nothing(const json_t *facts, const json_t *budget)
{
        return json_array_size(json_list(budget, "covers")) == 0 && json_whole(budget, "expected", 0) <= 0 &&
               !facts_lacks(facts, "workloads") && !facts_lacks(facts, "pods");
}

static void
budget_faults(const json_t *facts, const json_t *budget, struct faults *faults)
{
        struct findings *out = faults->out;
        const char *namespace_ = json_text(budget, "namespace", "?"), *name = json_text(budget, "name", "?");
        const char *bound = bound_text(out, budget);
        const char *loosen = findings_text(out,
                                           "kubectl -n %s patch pdb %s --type merge -p '{\"spec\": {\"minAvailable\": "
                                           "null, \"maxUnavailable\": 1}}'",
                                           namespace_, name);
        struct sums sums = sums_of(json_list(budget, "covers"));

        if (selects_nothing(facts, budget))
                faults_add(faults, "selects no pod", "It protects nothing: its selector fits no pod and no workload.",
                           findings_text(out, "kubectl -n %s delete pdb %s, or mend its selector", namespace_, name));
        if (sums.replicas > 0 && budget_allows(budget, sums.replicas) < 1)
                faults_add(faults, findings_text(out, "%s of %.0f replicas", bound, sums.replicas),
                           "It never lets a pod go, however healthy all are: a node that holds one of them cannot be "
                           "drained, and upgrades and the autoscaler wait for ever.",
                           sums.replicas < 2 ? findings_text(out, "give it a second replica, then %s", loosen)
                                             : loosen);
        else if (sums.least > 0 && budget_allows(budget, sums.least) < 1)
                faults_add(
                        faults,
                        findings_text(out, "%s, and autoscaler %s goes down to %.0f replicas", bound,
                                      sums.autoscaler != NULL ? sums.autoscaler : "?", sums.least),
                        "It contradicts the autoscaler: at its minimum no pod may go, and no node that holds one can "
                        "be drained.",
                        loosen);
        if (strcmp(json_text(budget, "reason", ""), "SyncFailed") == 0)
                faults_add(faults, "DisruptionAllowed is False: SyncFailed",
                           "The controller cannot tell how many pods there should be, and allows no disruption: it "
                           "selects pods whose owner has no scale.",
                           findings_text(out, "kubectl -n %s describe pdb %s", namespace_, name));
}

static size_t
budgets_judge(const json_t *facts, const struct policy *policy, struct findings *out, size_t *seen)
{
        size_t i, well = 0;
        json_t *budget;

        json_array_foreach((json_t *)json_list(facts, "budgets"), i, budget)
        {
                struct faults faults = FAULTS_INIT(out);
                const char *name = json_text(budget, "name", NULL);
                if (name == NULL)
                        continue;
                ++*seen;
                budget_faults(facts, budget, &faults);
                if (faults_report(&faults,
                                  &(struct finding){.control = "NOD-2",
                                                    .resource = {"PodDisruptionBudget",
                                                                 json_text(budget, "namespace", "?"), name},
                                                    .severity = policy_severity(policy, "NOD-2", false),
                                                    .expected = "selects pods and lets at least one go when all are "
                                                                "healthy",
                                                    .evidence = findings_text(out, "/budgets/%zu", i)}))
                        well++;
        }
        return well;
}

/* --- workloads ---------------------------------------------------------------------------------------------------- */

static const char *
names_text(struct findings *out, const json_t *names)
{
        scoped_buffer text = BUFFER_INIT(4096);
        size_t i;
        json_t *name;

        json_array_foreach((json_t *)names, i, name)
        {
                if (i == SHOWN_MOST) {
                        buffer_format(&text, " and %zu more", json_array_size(names) - i);
                        break;
                }
                buffer_format(&text, "%s%s", i > 0 ? ", " : "", json_is_string(name) ? json_string_value(name) : "?");
        }
        return findings_text(out, "%s", text.data != NULL ? text.data : "");
}

/* A drain leaves pods of DaemonSets alone, and jobs are run again. */
static bool
can_be_drained(const json_t *workload)
{
        static const char *const kinds[] = {"DaemonSet", "CronJob", "Job", "Pod"};
        const char *kind = json_text(workload, "kind", "Pod");

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
                if (strcmp(kind, kinds[i]) == 0)
                        return false;
        }
        return json_whole(workload, "replicas", 0) > 0 && !json_flag(workload, "deleted", false);
}

static const char *
create_remedy(struct findings *out, const json_t *workload)
{
        const char *namespace_ = json_text(workload, "namespace", "?"), *name = json_text(workload, "name", "?");
        const char *create = findings_text(out,
                                           "kubectl -n %s create poddisruptionbudget %s --selector=%s "
                                           "--max-unavailable=1",
                                           namespace_, name, json_text(workload, "selector", "LABELS-OF-ITS-PODS"));

        return json_whole(workload, "replicas", 0) > 1
                       ? create
                       : findings_text(out,
                                       "run two replicas at least (with one, a budget either does nothing or blocks "
                                       "every drain), then %s",
                                       create);
}

struct tally {
        size_t critical, well;
};

static void
workload_judge(const json_t *facts, const json_t *workload, bool critical, size_t index, const struct policy *policy,
               struct findings *out, struct tally *tally)
{
        const json_t *budgets = json_list(workload, "budgets");
        struct finding finding = {.control = "NOD-2",
                                  .resource = {json_text(workload, "kind", "?"), json_text(workload, "namespace", "?"),
                                               json_text(workload, "name", "?")},
                                  .severity = policy_severity(policy, "NOD-2", false),
                                  .expected = "exactly one disruption budget",
                                  .evidence = findings_text(out, "/workloads/%zu", index)};
        struct faults faults = FAULTS_INIT(out);
        int64_t replicas = json_whole(workload, "replicas", 0);

        if (json_array_size(budgets) > 1)
                faults_add(&faults,
                           findings_text(out, "%zu budgets: %s", json_array_size(budgets), names_text(out, budgets)),
                           "A pod that two budgets select cannot be evicted at all: the API server refuses.",
                           findings_text(out, "kubectl -n %s delete pdb %s (keep one)", finding.resource.namespace_,
                                         json_is_string(json_array_get(budgets, 1))
                                                 ? json_string_value(json_array_get(budgets, 1))
                                                 : "NAME"));
        else if (critical && json_array_size(budgets) == 0 && !facts_lacks(facts, "budgets"))
                faults_add(
                        &faults,
                        findings_text(out, "no budget, %lld replica%s", (long long)replicas, replicas == 1 ? "" : "s"),
                        "A drain of nodes may take all of its pods at once.", create_remedy(out, workload));
        if (critical)
                tally->critical++;
        if (faults_report(&faults, &finding) && critical && json_array_size(budgets) == 1)
                tally->well++;
}

void
workloads_budgets_judge(const json_t *facts, const struct policy *policy, struct findings *out)
{
        const json_t *wanted = policy_value(policy, "NOD-2", "workloads");
        struct tally tally = {0};
        size_t i, budgets = 0, well = budgets_judge(facts, policy, out, &budgets);
        json_t *workload;

        json_array_foreach((json_t *)json_list(facts, "workloads"), i, workload)
        {
                const char *name = findings_text(out, "%s/%s", json_text(workload, "namespace", "?"),
                                                 json_text(workload, "name", "?"));
                if (can_be_drained(workload))
                        workload_judge(facts, workload, json_globs_match(wanted, name), i, policy, out, &tally);
        }
        if (tally.well > 0 || well > 0)
                findings_pass(out, "NOD-2", NULL,
                              findings_text(out,
                                            "%zu of %zu critical workloads with one budget; %zu of %zu budgets work",
                                            tally.well, tally.critical, well, budgets),
                              "one budget each, which lets a pod go when all are healthy",
                              "Their pods go one by one when nodes are drained.");
        if (tally.critical == 0 && !facts_lacks(facts, "workloads"))
                findings_skip(out, "NOD-2", "No workload of this cluster is one that the policy calls critical.",
                              "Name them: policy: {NOD-2: {workloads: [\"namespace/*\"]}}.");
}

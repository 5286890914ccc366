/* cert-manager against Prometheus: is every certificate renewed before an alert on its expiry fires, and is a renewal
 * that fails told of in time?  Cross-layer, from the newest facts of both.  Controls: CRT-1, CRT-2. */

#include <math.h>
#include <string.h>

#include "alert_levels.h"
#include "alert_route.h"
#include "audit.h"
#include "cert_manager_rules.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

/* Certificates that a rule is too eager for. */
struct eager {
        size_t count;
        double least_ms; /* the shortest time before expiry at which one of them is renewed */
        const char *example;
};

struct judge {
        const struct policy *policy;
        struct findings *out;
        struct alert_levels levels;
        struct eager eager[ALERT_LEVELS_MOST];
        double slack_ms; /* how long a renewal may take */
};

/* One certificate of one cluster. */
struct renewal {
        const json_t *certificate;
        const char *cluster, *namespace_, *name;
        double life_ms, lead_ms; /* its whole life; how long before its end it is renewed */
};

/* One cluster, summed up. */
struct summary {
        size_t judged, early;        /* certificates; those renewed before every alert that could wait for them */
        size_t late;                 /* whose failed renewal is told of below the step that is wanted */
        double worst_ms, worst_seen; /* the step of the worst of them, and what tells of it (0: nothing) */
        const char *worst;
};

static bool
is_namespace(const char *label)
{
        return strcmp(label, "namespace") == 0 || strcmp(label, "exported_namespace") == 0;
}

/* Whether a rule sees this very certificate, as far as the label it is narrowed by is one of a certificate. */
static bool
is_about(const struct alert_level *level, const struct renewal *renewal)
{
        const char *own = is_namespace(level->label)          ? renewal->namespace_
                          : strcmp(level->label, "name") == 0 ? renewal->name
                                                              : NULL;

        if (!alert_level_of_cluster(level, renewal->cluster))
                return false;
        return !level->narrowed || (own != NULL && label_matches(level->op, level->value, own) == 1);
}

static double
longest_step(const struct judge *j, double at_most_ms)
{
        double longest = 0;
        size_t i;
        json_t *step;

        json_array_foreach((json_t *)policy_value(j->policy, "CRT-2", "steps"), i, step)
        {
                double step_ms = json_number_value(step);
                if (step_ms <= at_most_ms)
                        longest = fmax(longest, step_ms);
        }
        return longest;
}

static const char *
length_words(const struct judge *j, double ms)
{
        return renewal_length(j->out, (int64_t)ms);
}

/* A step that the policy wants, and early enough to be beaten: with two thirds of its life before it a certificate can
 * be renewed earlier; otherwise it is the rule that must give way. */
static bool
can_renew_before(const struct judge *j, const struct renewal *renewal, double at_ms)
{
        return at_ms <= longest_step(j, INFINITY) && at_ms + DAY_MS <= renewal->life_ms / 3 * 2;
}

static void
eager_note(struct judge *j, size_t index, const struct renewal *renewal)
{
        struct eager *eager = &j->eager[index];

        if (eager->count++ > 0 && renewal->lead_ms >= eager->least_ms)
                return;
        eager->least_ms = renewal->lead_ms;
        eager->example = findings_text(j->out, "Certificate %s/%s on %s, which lives %s, is renewed %s before its end",
                                       renewal->namespace_, renewal->name, renewal->cluster,
                                       length_words(j, renewal->life_ms), length_words(j, renewal->lead_ms));
}

static void
late_tell(const struct judge *j, const struct renewal *renewal, const struct alert_level *level, const char *owner,
          const char *evidence)
{
        double at_ms = level->threshold * 1000;
        double hours = ceil((at_ms + DAY_MS) / HOUR_MS);

        findings_add(
                j->out,
                &(struct finding){
                        .control = "CRT-1",
                        .resource = {.kind = "renewal and alert",
                                     .namespace_ = renewal->cluster,
                                     .name = findings_text(j->out, "%s/%s", renewal->namespace_, renewal->name)},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "CRT-1", false),
                        .observed = findings_text(j->out, "renewed %s before its end; alert %s on %s fires at %s",
                                                  length_words(j, renewal->lead_ms), level->alert, level->target,
                                                  length_words(j, at_ms)),
                        .expected = "renewal begins before an alert on expiry fires",
                        .message = "Every healthy renewal begins with an alarm: the one that fails will look like the "
                                   "others.",
                        .remedy = findings_text(j->out,
                                                "kubectl -n %s patch certificate %s --type merge -p "
                                                "'{\"spec\":{\"renewBefore\":\"%.0fh\"}}' (longer than %s)",
                                                renewal->namespace_, renewal->name, hours, length_words(j, at_ms)),
                        .owner = owner,
                        .evidence = evidence});
}

static void
notice_judge(const struct judge *j, const struct renewal *renewal, double seen_ms, struct summary *summary)
{
        double step_ms = longest_step(j, renewal->lead_ms + j->slack_ms);

        if (step_ms <= 0 || seen_ms >= step_ms)
                return;
        if (summary->late++ > 0 && step_ms - seen_ms <= summary->worst_ms - summary->worst_seen)
                return;
        summary->worst_ms = step_ms;
        summary->worst_seen = seen_ms;
        summary->worst = findings_text(j->out, "%s/%s, renewed %s before its end", renewal->namespace_, renewal->name,
                                       length_words(j, renewal->lead_ms));
}

static void
certificate_judge(struct judge *j, const struct renewal *renewal, const char *owner, const char *evidence,
                  struct summary *summary)
{
        const struct alert_level *late = NULL;
        double seen_ms = 0;

        for (size_t i = 0; i < j->levels.count; i++) {
                const struct alert_level *level = &j->levels.rows[i];
                double at_ms = level->threshold * 1000;
                if (!is_about(level, renewal) || at_ms <= 0)
                        continue;
                if (at_ms - renewal->lead_ms <= (double)level->hold_ms + j->slack_ms)
                        seen_ms = fmax(seen_ms, at_ms);
                else if (!can_renew_before(j, renewal, at_ms))
                        eager_note(j, i, renewal);
                else if (late == NULL || level->threshold > late->threshold)
                        late = level;
        }
        summary->judged++;
        notice_judge(j, renewal, seen_ms, summary);
        if (late != NULL)
                late_tell(j, renewal, late, owner, evidence);
        else
                summary->early++;
}

static void
summary_tell(const struct judge *j, const char *cluster, const struct summary *summary)
{
        struct resource resource = {.kind = "renewal and alert", .name = cluster};
        struct resource notice = {.kind = "notice of failed renewals", .name = cluster};
        const char *series = json_string_value(json_array_get(policy_value(j->policy, "CRT-2", "alert_series"), 0));

        if (summary->early > 0)
                findings_pass(j->out, "CRT-1", &resource,
                              findings_text(j->out, "%zu of %zu certificates on %s", summary->early, summary->judged,
                                            cluster),
                              "renewal begins before an alert on expiry fires",
                              "They are renewed before any alert that the policy wants would fire.");
        if (summary->late == 0) {
                findings_pass(j->out, "CRT-2", &notice, findings_text(j->out, "%zu certificates", summary->judged),
                              "an alert at the first step after a renewal is due",
                              "A renewal that fails is told of at the first step after it was due.");
                return;
        }
        findings_add(j->out,
                     &(struct finding){
                             .control = "CRT-2",
                             .resource = notice,
                             .status = STATUS_FAIL,
                             .severity = policy_severity(j->policy, "ALR-7", true),
                             .observed = findings_text(j->out, "%zu of %zu certificates: %s: %s", summary->late,
                                                       summary->judged, summary->worst,
                                                       summary->worst_seen > 0
                                                               ? findings_text(j->out, "the next alert is at %s",
                                                                               length_words(j, summary->worst_seen))
                                                               : "no alert comes after"),
                             .expected = findings_text(j->out, "an alert at %s", length_words(j, summary->worst_ms)),
                             .message = "A renewal that fails goes unseen until little is left.",
                             .remedy = findings_text(j->out, "one more rule: expr: '(%s) < %.0f', for: 1h",
                                                     series != NULL ? series : "cert_expiry_seconds",
                                                     summary->worst_ms / 1000)});
}

static void
eager_tell(const struct judge *j)
{
        for (size_t i = 0; i < j->levels.count; i++) {
                const struct alert_level *level = &j->levels.rows[i];
                const struct eager *eager = &j->eager[i];
                if (eager->count == 0)
                        continue;
                findings_add(
                        j->out,
                        &(struct finding){
                                .control = "CRT-2",
                                .resource = {.kind = "alert and renewal",
                                             .namespace_ = level->target,
                                             .name = findings_text(j->out, "%s: %s", level->alert, level->expression)},
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "ALR-7", true),
                                .observed = findings_text(
                                        j->out, "fires at %s; %s%s", length_words(j, level->threshold * 1000),
                                        eager->example,
                                        eager->count > 1 ? findings_text(j->out, " (and %zu more)", eager->count - 1)
                                                         : ""),
                                .expected = "no alert while renewal is not due yet",
                                .message = "The alert fires on every healthy renewal: nobody looks any more when one "
                                           "fails.",
                                .remedy = findings_text(j->out,
                                                        "let the rule fire below %.0f (seconds), or leave these "
                                                        "certificates out of it by a matcher and give them a rule of "
                                                        "their own",
                                                        floor(eager->least_ms / 1000))});
        }
}

static bool
is_cluster(const json_t *entry)
{
        return strcmp(json_text(entry, "audit", ""), "cert_manager") == 0 && json_map(entry, "facts") != NULL;
}

/* True when a certificate was judged, or an error said why not. */
static bool
cluster_judge(struct judge *j, const json_t *entry, size_t index)
{
        const json_t *facts = json_map(entry, "facts"), *exempt = policy_value(j->policy, "CRT-1", "exempt");
        const char *cluster = json_text(entry, "target", "?"), *owner = json_text(entry, "owner", NULL);
        struct resource whole = {.kind = "renewal and alert", .name = cluster};
        struct summary summary = {0};
        size_t i;
        json_t *one;

        if (facts_lacks(facts, "certificates")) {
                static const char *const controls[] = {"CRT-1", "CRT-2"};
                for (i = 0; i < 2; i++)
                        findings_error(j->out, controls[i], &whole, REASON_STALE,
                                       findings_text(j->out,
                                                     "The Certificates of %s could not be read: nothing to compare.",
                                                     cluster),
                                       "grant what the audit cert_manager of that target asks for");
                return true;
        }
        json_array_foreach((json_t *)json_list(facts, "certificates"), i, one)
        {
                int64_t from = json_whole(one, "not_before_ms", 0), until = json_whole(one, "not_after_ms", 0);
                int64_t due = renewal_due(one);
                struct renewal renewal = {.certificate = one,
                                          .cluster = cluster,
                                          .namespace_ = json_text(one, "namespace", "?"),
                                          .name = json_text(one, "name", "?"),
                                          .life_ms = (double)until - (double)from,
                                          .lead_ms = (double)until - (double)due};
                const char *secret = findings_text(j->out, "%s/%s", renewal.namespace_, json_text(one, "secret", "?"));
                if (from <= 0 || due <= from || until <= due || json_globs_match(exempt, secret))
                        continue;
                certificate_judge(j, &renewal, owner,
                                  findings_text(j->out, "/targets/%zu/facts/certificates/%zu", index, i), &summary);
        }
        if (summary.judged > 0)
                summary_tell(j, cluster, &summary);
        return summary.judged > 0;
}

static void
both_skip(struct findings *out, const char *why, const char *remedy)
{
        findings_skip(out, "CRT-1", why, remedy);
        findings_skip(out, "CRT-2", why, remedy);
}

/* Labels that tell where a rule looks; a namespace may be the certificate's own, and is compared with it.  New. */
static json_t *
places(const struct policy *policy)
{
        json_t *labels = json_array(), *label;
        size_t i;

        json_array_foreach((json_t *)policy_value(policy, "ALR-11", "scope_labels"), i, label)
        {
                if (json_is_string(label) && !is_namespace(json_string_value(label)))
                        json_array_append(labels, label);
        }
        return labels;
}

static json_t *
wanted_texts(const struct policy *policy, struct findings *out)
{
        json_t *texts = json_array(), *series;
        size_t i;

        json_array_foreach((json_t *)policy_value(policy, "CRT-2", "alert_series"), i, series)
        {
                if (json_is_string(series))
                        json_push(texts, json_string(findings_text(out, "(%s) < 1", json_string_value(series))));
        }
        return texts;
}

static void
renewal_alerts_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                     struct findings *out)
{
        struct judge j = {.policy = policy, .out = out, .slack_ms = (double)policy_whole(policy, "CRT-1", "overdue")};
        scoped_json texts = wanted_texts(policy, out);
        scoped_json labels = places(policy);
        size_t clusters = 0, i;
        bool told = false;
        struct error err;
        json_t *entry;

        (void)history;
        if (alert_levels_find(facts, texts, labels, &j.levels, out, &err) != 0) {
                static const char remedy[] = "mend alert_series in the policy of CRT-2";
                findings_error(out, "CRT-1", NULL, REASON_CONFIGURATION, err.text, remedy);
                findings_error(out, "CRT-2", NULL, REASON_CONFIGURATION, err.text, remedy);
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry) clusters += is_cluster(entry);
        if (clusters == 0 || j.levels.targets == 0) {
                both_skip(out,
                          clusters == 0 ? "no facts of cert-manager from the last 26 h: nothing to compare"
                                        : "no alert rules were seen in the last 26 h: nothing to compare",
                          clusters == 0 ? "run the audit cert_manager of a kubernetes target"
                                        : "run the audit alerts of a prometheus target");
                return;
        }
        if (j.levels.count == 0) {
                both_skip(out, "no rule is about the expiry of certificates: nothing to compare",
                          "CRT-2 of the audit alerts says which rules are wanted");
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                if (is_cluster(entry) && json_flag(json_map(entry, "facts"), "installed", true) &&
                    cluster_judge(&j, entry, i))
                        told = true;
        }
        eager_tell(&j);
        if (!told)
                both_skip(out, "cert-manager has issued no certificate: nothing to compare", NULL);
}

const struct audit audit_renewal_alerts = {
        .name = "renewal_alerts",
        .summary = "cert-manager's renewals against the alerts on expiry",
        .controls = {"CRT-1", "CRT-2"},
        .needs = "facts of the cert_manager and alerts audits",
        .joins = {"cert_manager", "alerts"},
        .judge = renewal_alerts_judge,
};

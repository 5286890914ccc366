/* Alert rules: does every playbook's alert exist, is it strict enough, can it fire, and does it reach someone?
 * Controls: ALR-1 to ALR-11, DLQ-1 (its rule), CRT-2 (its rules). */

#include "audit.h"

#include "alert_facts.h"
#include "alert_judges.h"
#include "facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "scope.h"

static int
alerts_collect(struct session *session, json_t *facts, struct error *err)
{
        return alert_facts_read(session, facts, err);
}

/* --- ALR-1 to ALR-10: there, and strict enough? --------------------------------------------------------------------
 */

static const char *
rule_text(const struct alert_rule *rule, struct findings *out)
{
        return findings_text(out, "%s (%s): %s for %s", json_text(rule->facts, "name", "?"),
                             json_text(rule->facts, "group", "?"), alert_expression(rule->promql->root, out),
                             findings_duration(out, (double)rule->hold_ms));
}

static const char *
snippet(const char *alert, const char *expr, int64_t hold_ms, struct findings *out)
{
        return findings_text(out,
                             "{alert: \"%s\", expr: '%s', for: %s, labels: {severity: critical}, annotations: "
                             "{runbook_url: \"https://...\"}}",
                             alert, expr, alert_for_text(hold_ms, out));
}

static void
missing_tell(const struct alert_judge *j, const char *control, const struct resource *resource, const json_t *texts)
{
        const char *first = json_string_value(json_array_get(texts, 0));
        struct alert_wanted wanted;
        struct error err;

        if (first == NULL || alert_wanted_read(first, &wanted, &err) != 0)
                return;
        findings_add(j->out, &(struct finding){.control = control,
                                               .resource = *resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, control, false),
                                               .observed = findings_text(j->out, "none of %zu alert rules is about it",
                                                                         j->site->count),
                                               .expected = findings_text(j->out, "%s", first),
                                               .message = "Nobody is told when this happens: no rule watches it.",
                                               .remedy = snippet(resource->name, wanted.text, wanted.hold_ms, j->out)});
        alert_wanted_free(&wanted);
}

static const char *
expected_text(const struct alert_nearest *nearest, struct findings *out)
{
        return findings_text(out, "%s for at most %s", nearest->wanted,
                             findings_duration(out, (double)nearest->wanted_hold_ms));
}

/* 10 a second where 10 a minute was meant stands in the runbook itself: told by itself, whatever the rule's other
 * faults are. */
static void
per_minute_tell(const struct alert_judge *j, const char *control, const struct alert_nearest *nearest)
{
        const struct alert_rule *rule = nearest->rule;

        findings_add(j->out,
                     &(struct finding){.control = control,
                                       .resource = {.kind = "threshold unit",
                                                    .namespace_ = json_text(rule->facts, "group", ""),
                                                    .name = alert_rule_name(j, rule)},
                                       .status = STATUS_FAIL,
                                       .severity = policy_severity(j->policy, control, true),
                                       .observed = rule_text(rule, j->out),
                                       .expected = expected_text(nearest, j->out),
                                       .message = findings_text(
                                               j->out,
                                               "rate() counts per second: this fires at %g a minute. An attacker held "
                                               "to %g a minute never trips it; the runbook means a figure per minute.",
                                               nearest->comparison.threshold * 60, nearest->comparison.wanted * 60),
                                       .remedy = findings_text(j->out, "expr: '%s' (correct the runbook as well)",
                                                               nearest->wanted),
                                       .evidence = alert_evidence(j, rule)});
}

static void
nearest_judge(const struct alert_judge *j, const char *control, const struct resource *resource,
              const struct alert_nearest *nearest)
{
        const struct alert_comparison *c = &nearest->comparison;
        struct findings *out = j->out;
        const char *observed = rule_text(nearest->rule, out), *expected = expected_text(nearest, out);

        if (c->standing == ALERT_ENOUGH) {
                const char *unless = c->notes & ALERT_UNLESS && c->other != NULL
                                             ? findings_text(out, " It is silent while %s.",
                                                             alert_expression(c->other, out))
                                             : "";
                const char *words = c->notes & ALERT_STRICTER || c->hold_ms < nearest->wanted_hold_ms
                                            ? "Its alert exists, and fires earlier than it must."
                                            : "Its alert exists, as strict as it must be.";
                findings_pass(out, control, resource, observed, expected, findings_text(out, "%s%s", words, unless));
                return;
        }
        findings_add(out, &(struct finding){.control = control,
                                            .resource = *resource,
                                            .status = STATUS_FAIL,
                                            .severity = policy_severity(j->policy, control, true),
                                            .observed = observed,
                                            .expected = expected,
                                            .message = findings_text(out, "Its alert is looser than it must be. %s",
                                                                     alert_looser_words(nearest, out)),
                                            .remedy = findings_text(out, "In group %s, rule %s: expr: '%s', for: %s",
                                                                    json_text(nearest->rule->facts, "group", "?"),
                                                                    json_text(nearest->rule->facts, "name", "?"),
                                                                    nearest->wanted,
                                                                    alert_for_text(nearest->wanted_hold_ms, out)),
                                            .evidence = alert_evidence(j, nearest->rule)});
        if (c->notes & ALERT_PER_MINUTE)
                per_minute_tell(j, control, nearest);
}

static void
control_judge(const struct alert_judge *j, const char *control)
{
        size_t i, judged = 0;
        json_t *entry;

        json_array_foreach((json_t *)policy_value(j->policy, control, "rules"), i, entry)
        {
                const json_t *texts = json_list(entry, "any");
                struct resource resource = {.kind = "alert", .name = json_text(entry, "alert", "?")};
                struct alert_nearest nearest;
                struct error err;
                judged++;
                if (alert_nearest_find(j->site, texts, &nearest, j->out, &err) != 0)
                        findings_error(j->out, control, &resource, REASON_CONFIGURATION, err.text,
                                       "mend the expression in the policy of this control");
                else if (nearest.rule == NULL)
                        missing_tell(j, control, &resource, texts);
                else
                        nearest_judge(j, control, &resource, &nearest);
        }
        if (judged == 0)
                findings_skip(j->out, control, "The policy wants no alert for it.", "list one under its `rules`");
}

/* --- what is told of each rule ------------------------------------------------------------------------------------ */

static void
inventory_add(const struct alert_judge *j)
{
        for (size_t i = 0; i < j->site->count; i++) {
                const struct alert_rule *rule = &j->site->rules[i];
                json_t *row = json_object();
                json_put_text(row, "id",
                              findings_text(j->out, "%s/%s/%zu", json_text(rule->facts, "group", ""),
                                            json_text(rule->facts, "name", ""), i));
                json_put_text(row, "alert", json_text(rule->facts, "name", "?"));
                json_put_text(row, "group", json_text(rule->facts, "group", ""));
                json_put_text(row, "expression", json_text(rule->facts, "expr", ""));
                json_put_whole(row, "for_ms", rule->hold_ms);
                json_put_text(row, "severity",
                              json_text(json_map(rule->facts, "labels"),
                                        policy_text(j->policy, "ALR-11", "severity_label"), ""));
                json_put_text(row, "health", json_text(rule->facts, "health", ""));
                json_put_flag(row, "loaded", rule->loaded);
                json_put_flag(row, "of_a_playbook", rule->watched);
                json_put_text(row, "reaches", rule->watched && rule->loaded ? alert_reach_text(j, rule) : "");
                findings_inventory(j->out, "alert_rules", row);
        }
}

static void
alerts_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        static const char *const controls[] = {"ALR-1", "ALR-2", "ALR-3", "ALR-4", "ALR-5",
                                               "ALR-6", "ALR-7", "ALR-8", "ALR-9", "ALR-10"};
        scoped_site *site = alert_site_open(facts, policy_value(policy, "ALR-11", "scope_labels"));
        struct alert_judge j = {facts, policy, history, out, site};

        if (site == NULL) {
                out->failed = true;
                return;
        }
        for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
                control_judge(&j, controls[i]);
        alert_steps_judge(&j);
        alert_depth_judge(&j);
        alert_reach_judge(&j);
        inventory_add(&j);
}

/* For the objects of the clusters that rules_of names; Prometheus and Alertmanager only need to answer. */
static const char needs[] = "RBAC: list prometheusrules.monitoring.coreos.com";

static int
clusters_check(struct session *session, struct rights *rights, struct error *err)
{
        const json_t *targets = target_value(session->target, "rules_of");
        size_t i;
        json_t *target;

        json_array_foreach((json_t *)targets, i, target)
        {
                struct session *other = session_reference(session, json_string_value(target), err);
                if (other == NULL || kubernetes_rights_check(other, needs, rights, err) != 0)
                        return -1;
        }
        return 0;
}

static int
alerts_check(struct session *session, struct rights *rights, struct error *err)
{
        if (clusters_check(session, rights, err) != 0)
                return -1;
        if (target_text(session->target, "url") == NULL)
                return 0;
        struct prometheus *prometheus = prometheus_session(session, err);
        static const struct {
                const char *path, *query, *what;
        } reads[] = {{"/api/v1/rules", "type=alert", "reads rules"},
                     {"/api/v1/targets", "state=active", "reads targets (scrape intervals)"},
                     {"/api/v1/status/config", NULL, "reads the configuration (external labels)"}};

        if (prometheus == NULL)
                return -1;
        for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
                scoped_json data = NULL;
                struct error refused = {0};
                bool held = prometheus_get(prometheus, reads[i].path, reads[i].query, &data, &refused) == 0;
                rights_add(rights, held, reads[i].what, refused.text);
        }
        rights_add(rights, prometheus_has_alertmanager(prometheus), "Alertmanager is named",
                   "add alertmanager: URL to the target: routing (ALR-11) is not judged without it");
        return 0;
}

const struct audit audit_alerts = {
        .name = "alerts",
        .summary = "alert rules of the playbooks: there, strict enough, able to fire, routed",
        .looks_at = {"prometheus"},
        .controls = {"ALR-1", "ALR-2", "ALR-3", "ALR-4", "ALR-5", "ALR-6", "ALR-7", "ALR-8", "ALR-9", "ALR-10",
                     "ALR-11", "CRT-2", "DLQ-1"},
        .needs = needs,
        .collect = alerts_collect,
        .judge = alerts_judge,
        .check = alerts_check,
};

/* ALR-11: every watched rule is healthy, can fire, says how bad it is and what to do, and reaches a receiver. */

#include "alert_judges.h"

#include <stdlib.h>
#include <string.h>

#include "alert_route.h"
#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

static const char control[] = "ALR-11";

enum { OTHERS_MOST = 50 };

static struct resource
resource_of(const struct alert_judge *j, const struct alert_rule *rule, const char *kind)
{
        return (struct resource){
                .kind = kind, .namespace_ = json_text(rule->facts, "group", ""), .name = alert_rule_name(j, rule)};
}

static void
fail(const struct alert_judge *j, const struct alert_rule *rule, const char *kind, bool lesser, const char *observed,
     const char *expected, const char *message, const char *remedy)
{
        struct resource resource = resource_of(j, rule, kind);

        findings_fail(j->out, control, &resource, policy_severity(j->policy, control, lesser), observed, expected,
                      message, remedy, alert_evidence(j, rule));
}

/* --- healthy, and able to fire ------------------------------------------------------------------------------------ */

static bool
is_unhealthy(const struct alert_rule *rule)
{
        return strcmp(json_text(rule->facts, "health", ""), "err") == 0;
}

static void
unhealthy_tell(const struct alert_judge *j, const struct alert_rule *rule)
{
        fail(j, rule, "alert rule", !rule->watched, json_text(rule->facts, "error", "health err, no reason told"),
             "health ok", "Prometheus cannot evaluate this rule: it does not fire.",
             "Mend the expression: promtool check rules FILE, then try it in /graph.");
}

static bool
fire_judge(const struct alert_judge *j, const struct alert_rule *rule)
{
        struct alert_fault fault;

        if (is_unhealthy(rule)) {
                unhealthy_tell(j, rule);
                return false;
        }
        if (!alert_cannot_fire(j->site, rule, j->out, &fault))
                return true;
        fail(j, rule, "alert rule", false, fault.observed, "an expression that can become true, on series that exist",
             fault.message, fault.remedy);
        return false;
}

/* --- labels ------------------------------------------------------------------------------------------------------- */

static bool
labels_judge(const struct alert_judge *j, const struct alert_rule *rule)
{
        const char *severity = policy_text(j->policy, control, "severity_label");
        const char *runbook = policy_text(j->policy, control, "runbook_annotation");
        bool has_severity = *json_text(json_map(rule->facts, "labels"), severity, "") != '\0';
        bool has_runbook = json_holds(json_list(rule->facts, "annotations"), runbook);

        if (has_severity && has_runbook)
                return true;
        fail(j, rule, "alert labels", true,
             has_runbook    ? findings_text(j->out, "no label %s", severity)
             : has_severity ? findings_text(j->out, "no annotation %s", runbook)
                            : findings_text(j->out, "neither a label %s nor an annotation %s", severity, runbook),
             findings_text(j->out, "a label %s and an annotation %s", severity, runbook),
             has_runbook    ? "Nobody can tell how bad it is, and routing by severity passes it by."
             : has_severity ? "Whoever is woken by it is not told what to do."
                            : "It tells neither how bad it is nor what to do.",
             findings_text(j->out, "%s%s%s",
                           has_severity ? "" : findings_text(j->out, "labels: {%s: critical}", severity),
                           has_severity || has_runbook ? "" : ", ",
                           has_runbook ? "" : findings_text(j->out, "annotations: {%s: \"https://...\"}", runbook)));
        return false;
}

/* --- routing ------------------------------------------------------------------------------------------------------ */

static const char *
joined(const json_t *texts, struct findings *out)
{
        scoped_buffer text = BUFFER_INIT(1000);
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)texts, i, one)
                buffer_format(&text, "%s%s", i > 0 ? ", " : "", json_is_string(one) ? json_string_value(one) : "?");
        return findings_text(out, "%s", text.data != NULL ? text.data : "");
}

/* What an on-call engineer wants to know of each receiver reached: who, by what, and when not. */
static const char *
receivers_text(const json_t *reached, struct findings *out)
{
        scoped_buffer text = BUFFER_INIT(2000);
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)reached, i, one)
        {
                const json_t *integrations = json_list(one, "integrations"), *mute = json_list(one, "mute"),
                             *active = json_list(one, "active");
                buffer_format(&text, "%s%s%.80s (%s)", i > 0 ? ", " : "",
                              json_flag(one, "sure", false) ? "" : "perhaps ", json_text(one, "receiver", "?"),
                              !json_flag(one, "exists", false)     ? "does not exist"
                              : json_array_size(integrations) == 0 ? "without any integration"
                                                                   : joined(integrations, out));
                if (json_array_size(mute) > 0)
                        buffer_format(&text, ", muted during %s", joined(mute, out));
                if (json_array_size(active) > 0)
                        buffer_format(&text, ", only during %s", joined(active, out));
        }
        return findings_text(out, "%s", text.length > 0 ? text.data : "no receiver");
}

static bool
reaches_someone(const json_t *reached)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)reached, i, one)
        {
                if (json_array_size(json_list(one, "integrations")) > 0)
                        return true;
        }
        return false;
}

const char *
alert_reach_text(const struct alert_judge *j, const struct alert_rule *rule)
{
        const json_t *routing = json_map(j->facts, "routing");

        if (routing == NULL)
                return "";
        scoped_json labels = alert_labels(j->site, rule);
        scoped_json reached = alert_routes(routing, labels);
        scoped_json inhibitors = alert_inhibitors(routing, labels);
        return findings_text(j->out, "%s%s%s%s", receivers_text(reached, j->out),
                             json_array_size(inhibitors) > 0 ? "; inhibited while " : "", joined(inhibitors, j->out),
                             json_array_size(inhibitors) > 0 ? " fires" : "");
}

static bool
route_judge(const struct alert_judge *j, const struct alert_rule *rule)
{
        scoped_json labels = alert_labels(j->site, rule);
        scoped_json reached = alert_routes(json_map(j->facts, "routing"), labels);
        const char *severity = policy_text(j->policy, control, "severity_label");

        if (reaches_someone(reached))
                return true;
        fail(j, rule, "alert route", false, findings_text(j->out, "routed to %s", alert_reach_text(j, rule)),
             "a receiver that exists and has an integration",
             json_array_size(reached) == 0 ? "Alertmanager has no route for it: nobody is told."
                                           : "Alertmanager routes it to a receiver that tells nobody.",
             findings_text(j->out,
                           "Add a route for its labels, or an integration to the receiver; look with: amtool config "
                           "routes test --config.file=alertmanager.yml alertname=%s %s=%s",
                           json_text(rule->facts, "name", "?"), severity,
                           json_text(json_map(rule->facts, "labels"), severity, "''")));
        return false;
}

static bool
silence_judge(const struct alert_judge *j, const struct alert_rule *rule)
{
        scoped_json labels = alert_labels(j->site, rule);
        int64_t now = history_now(j->history), longest = policy_whole(j->policy, control, "silence"), ends;
        size_t i;
        json_t *silence;

        json_array_foreach((json_t *)json_list(j->facts, "silences"), i, silence)
        {
                if (json_array_size(json_list(silence, "matchers")) == 0 ||
                    alert_matched(json_list(silence, "matchers"), labels) != ALERT_SURELY ||
                    !moment_parse(json_text(silence, "ends", ""), &ends) || ends - now <= longest)
                        continue;
                fail(j, rule, "alert silence", true,
                     findings_text(j->out, "silenced by %.80s for another %s, until %s", json_text(silence, "by", "?"),
                                   findings_duration(j->out, (double)(ends - now)), json_text(silence, "ends", "?")),
                     findings_text(j->out, "no silence that lasts longer than %s",
                                   findings_duration(j->out, (double)longest)),
                     "A silence keeps it from everybody for long: what it watches is not watched.",
                     "Expire the silence (amtool silence expire ID), or mend what makes the alert a nuisance.");
                return false;
        }
        return true;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static void
senders_judge(const struct alert_judge *j)
{
        if (json_whole(j->facts, "alertmanagers", -1) != 0)
                return;
        findings_add(j->out,
                     &(struct finding){.control = control,
                                       .resource = {.kind = "Prometheus", .name = "alerting"},
                                       .status = STATUS_FAIL,
                                       .severity = policy_severity(j->policy, control, false),
                                       .observed = "Prometheus sends to no Alertmanager",
                                       .expected = "at least one that is active",
                                       .message = "Whatever fires is kept by Prometheus: nobody is told of any alert.",
                                       .remedy = "alerting: {alertmanagers: [{static_configs: [{targets: "
                                                 "[\"alertmanager:9093\"]}]}]} in prometheus.yml; look at "
                                                 "/api/v1/alertmanagers"});
}

static void
unloaded_tell(const struct alert_judge *j, const struct alert_rule *rule)
{
        fail(j, rule, "PrometheusRule", false,
             findings_text(j->out, "%s is in the cluster, Prometheus has not loaded it",
                           json_text(rule->facts, "source", "?")),
             "loaded by Prometheus", "The rule exists as an object only: nothing evaluates it.",
             "Give the PrometheusRule the labels that ruleSelector and ruleNamespaceSelector of the Prometheus object "
             "ask "
             "for (kubectl get prometheus -A -o yaml), and look at the operator's log for a refused rule.");
}

static void
unread_tell(const struct alert_judge *j, const struct alert_rule *rule)
{
        struct resource resource = resource_of(j, rule, "alert rule");

        findings_error(j->out, control, &resource, REASON_UNSUPPORTED,
                       findings_text(j->out, "The expression cannot be read: %s", rule->error.text),
                       "promtool check rules FILE says whether the server can; if so, judge this rule by hand");
}

/* True when nothing is wrong with a rule that belongs to a playbook. */
static bool
rule_judge(const struct alert_judge *j, const struct alert_rule *rule)
{
        bool well = true;

        if (!rule->loaded) {
                unloaded_tell(j, rule);
                return false;
        }
        well = fire_judge(j, rule);
        well = labels_judge(j, rule) && well;
        if (json_map(j->facts, "routing") != NULL) {
                well = route_judge(j, rule) && well;
                well = silence_judge(j, rule) && well;
        }
        return well;
}

/* What was not looked at is not claimed. */
static void
well_tell(const struct alert_judge *j, size_t well, size_t watched)
{
        struct resource resource = {.kind = "alert rules", .name = "of the playbooks"};
        bool fire = json_list(j->facts, "selectors") != NULL && !facts_lacks(j->facts, "series"),
             reach = json_map(j->facts, "routing") != NULL;

        findings_pass(j->out, control, &resource, findings_text(j->out, "%zu of %zu rules", well, watched),
                      "every rule of a playbook",
                      fire && reach ? "These can fire, say how bad it is and what to do, and reach a receiver."
                      : fire        ? "These can fire, and say how bad it is and what to do."
                      : reach       ? "These say how bad it is and what to do, and would reach a receiver."
                                    : "These say how bad it is and what to do.");
}

void
alert_reach_judge(const struct alert_judge *j)
{
        size_t watched = 0, well = 0, others = 0, count = j->site->count;

        senders_judge(j);
        for (size_t i = 0; i < count; i++) {
                const struct alert_rule *rule = &j->site->rules[i];
                if (rule->watched) {
                        watched++;
                        well += rule_judge(j, rule);
                } else if (rule->loaded && is_unhealthy(rule) && others++ < OTHERS_MOST) {
                        unhealthy_tell(j, rule);
                } else if (rule->promql == NULL && !is_unhealthy(rule) && others++ < OTHERS_MOST) {
                        unread_tell(j, rule);
                }
        }
        if (!json_flag(j->facts, "prometheus", true))
                findings_skip(
                        j->out, control,
                        "No Prometheus is named: whether the rules are loaded, can fire and reach anybody was not "
                        "looked at.",
                        "add url: URL to the target");
        else if (json_map(j->facts, "routing") == NULL && !facts_lacks(j->facts, "routing"))
                findings_skip(j->out, control, "No Alertmanager is named: where alerts go was not looked at.",
                              "add alertmanager: URL to the target");
        if (watched == 0)
                findings_error(j->out, control, NULL, REASON_TOO_LITTLE_DATA,
                               "None of the playbooks' alerts exists: there is nothing to follow to a receiver.",
                               "add the rules that ALR-1 to ALR-10 ask for");
        else if (well > 0)
                well_tell(j, well, watched);
}

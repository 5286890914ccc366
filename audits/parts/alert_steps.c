/* The rules that other playbooks ask for: certificates at every step before expiry (CRT-2), dead letters early (DLQ-1).
 */

#include "alert_judges.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

enum { STEPS_MOST = 16, HOLD_MS = 3600 * 1000 };

/* --- CRT-2 -------------------------------------------------------------------------------------------------------- */

/* True when a rule fires with at least `step_ms` left, but not so much that it is another step's (`above_ms`, 0: none).
 */
static int
step_watched(const struct alert_judge *j, int64_t step_ms, int64_t above_ms, bool *watched, struct error *err)
{
        size_t i;
        json_t *subject;

        *watched = false;
        json_array_foreach((json_t *)policy_value(j->policy, "CRT-2", "alert_series"), i, subject)
        {
                struct alert_wanted wanted;
                scoped_buffer text = BUFFER_INIT(8192);
                if (!json_is_string(subject))
                        continue;
                buffer_format(&text, "(%s) < %lld", json_string_value(subject), (long long)(step_ms / 1000));
                if (text.failed)
                        return error_set(err, REASON_CONFIGURATION, "alert_series: too long");
                if (alert_wanted_read(text.data, &wanted, err) != 0)
                        return -1;
                for (size_t k = 0; k < j->site->count; k++) {
                        const struct alert_rule *rule = &j->site->rules[k];
                        struct alert_comparison found;
                        if (rule->promql == NULL)
                                continue;
                        alert_compare(&j->site->world, wanted.promql->root, HOLD_MS, rule->promql->root, rule->hold_ms,
                                      &found);
                        if (found.standing == ALERT_ENOUGH &&
                            (above_ms == 0 || found.threshold * 1000 < (double)above_ms))
                                *watched = true;
                }
                alert_wanted_free(&wanted);
        }
        return 0;
}

void
alert_steps_judge(const struct alert_judge *j)
{
        static const char control[] = "CRT-2";
        struct resource resource = {.kind = "alert", .name = "certificate expiry"};
        const json_t *steps = policy_value(j->policy, control, "steps");
        scoped_buffer wanted = BUFFER_INIT(1000), seen = BUFFER_INIT(1000), missing = BUFFER_INIT(1000);
        struct error err;
        int64_t above_ms = 0;
        size_t i, lacking = 0;
        json_t *step;

        json_array_foreach((json_t *)steps, i, step)
        {
                int64_t step_ms = (int64_t)json_number_value(step);
                bool watched;
                if (step_watched(j, step_ms, above_ms, &watched, &err) != 0) {
                        findings_error(j->out, control, &resource, REASON_CONFIGURATION, err.text,
                                       "mend alert_series in the policy of CRT-2");
                        return;
                }
                const char *text = findings_duration(j->out, (double)step_ms);
                struct buffer *list = watched ? &seen : &missing;
                buffer_format(&wanted, "%s%s", i > 0 ? ", " : "", text);
                buffer_format(list, "%s%s", list->length > 0 ? ", " : "", text);
                lacking += !watched;
                above_ms = step_ms;
        }
        const char *observed = findings_text(j->out, "rules at %s", seen.length > 0 ? seen.data : "none of the steps");
        const char *expected = findings_text(j->out, "a rule at each of %s", wanted.length > 0 ? wanted.data : "-");
        if (i == 0 || lacking == 0) {
                findings_pass(j->out, control, &resource, observed, expected,
                              "Expiry is told by an alert at every step.");
                return;
        }
        const char *series = json_string_value(json_array_get(policy_value(j->policy, control, "alert_series"), 0));
        findings_add(j->out,
                     &(struct finding){
                             .control = control,
                             .resource = resource,
                             .status = STATUS_FAIL,
                             .severity = policy_severity(j->policy, "ALR-7", lacking < i),
                             .observed = observed,
                             .expected = expected,
                             .message = findings_text(
                                     j->out, "No alert tells of a certificate with %s left%s.", missing.data,
                                     seen.length > 0 ? ": the runbook's own list of steps wants it" : ""),
                             .remedy = findings_text(j->out, "A rule for each step, the first: expr: '(%s) < %lld'",
                                                     series != NULL ? series : "cert_expiry_seconds",
                                                     (long long)(json_number_value(json_array_get(steps, 0)) / 1000))});
}

/* --- DLQ-1 -------------------------------------------------------------------------------------------------------- */

void
alert_depth_judge(const struct alert_judge *j)
{
        static const char control[] = "DLQ-1";
        struct resource resource = {.kind = "alert", .name = "dead-letter alert"};
        const char *series = policy_text(j->policy, control, "series");
        int64_t depth = policy_whole(j->policy, control, "depth");
        struct alert_nearest nearest;
        struct error err;
        /* Its threshold is what this control asks for: how long it waits is ALR-6's. */
        scoped_json texts = json_pack("[s]",
                                      findings_text(j->out, "sum(%s) > %lld for 365d", series, (long long)depth));
        const char *expected = findings_text(j->out, "a rule on %s that fires above %lld at the latest", series,
                                             (long long)depth);

        if (alert_nearest_find(j->site, texts, &nearest, j->out, &err) != 0) {
                findings_error(j->out, control, &resource, REASON_CONFIGURATION, err.text,
                               "name a metric as `series` in the policy of DLQ-1");
                return;
        }
        const char *remedy = findings_text(j->out, "expr: 'sum(%s) > %lld'", series, (long long)depth);
        struct finding finding = {.control = control,
                                  .resource = resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(j->policy, control, false),
                                  .expected = expected,
                                  .remedy = remedy};
        if (nearest.rule == NULL) {
                finding.observed = findings_text(j->out, "no rule on %s", series);
                finding.message = "No alert tells how many dead letters there are.";
                findings_add(j->out, &finding);
                return;
        }
        finding.observed = findings_text(j->out, "%s: %s", json_text(nearest.rule->facts, "name", "?"),
                                         alert_expression(nearest.rule->promql->root, j->out));
        finding.evidence = alert_evidence(j, nearest.rule);
        if (nearest.comparison.notes & ALERT_THRESHOLD) {
                finding.message = findings_text(
                        j->out,
                        "The dead-letter alert stands at %g, the prevention list wants %lld: %g "
                        "messages are lost before anybody is told.",
                        nearest.comparison.threshold, (long long)depth, nearest.comparison.threshold);
                findings_add(j->out, &finding);
        } else if (nearest.comparison.notes & ALERT_PER_SERIES) {
                finding.message = "It compares every tenant by itself: aggregate first, or many tenants with some dead "
                                  "letters each are never told.";
                findings_add(j->out, &finding);
        } else {
                findings_pass(j->out, control, &resource, finding.observed, expected,
                              "The dead-letter alert fires early.");
        }
}

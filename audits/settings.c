/* Settings of an application, wherever they stand: caches, workers, timeouts, breakers, retries, logins and tokens.
 * Controls: LAT-2, RED-6, WRK-2, WRK-3, API-5, ATH-1, ATH-2, ATH-3. */

#include "audit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "scope.h"
#include "setting_duty.h"
#include "settings_target.h"
#include "value.h"

enum { SHOWN_MOST = 160 };

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* What a value that is no secret looks like at its source, for people. */
static int
put_shown(json_t *row, const json_t *value)
{
        scoped_string dumped = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
        const char *text = json_is_string(value) ? json_string_value(value) : dumped != NULL ? dumped : "";
        char shown[SHOWN_MOST + 1];

        snprintf(shown, sizeof shown, "%s", text);
        value_redact(shown);
        return json_put_text(row, "shown", shown);
}

static int
put_meaning(json_t *row, const struct meaning *meaning)
{
        switch (meaning->kind) {
        case MEANS_SWITCH:
                return json_put_flag(row, "value", meaning->on);
        case MEANS_UNBOUNDED:
                return json_put_text(row, "value", "unbounded");
        default:
                return json_put_real(row, "value", meaning->number);
        }
}

/* A secret's value ends here: what it means is compared with the item's own bound, and the verdict alone is kept. */
static int
put_verdict(json_t *row, const struct setting_duty *duty, const struct meaning *meaning, bool bounded, double bound,
            struct error *err)
{
        bool needs_bound = duty->form == DUTY_COUNT || duty->form == DUTY_DURATION || duty->form == DUTY_RATE;

        if (needs_bound && !bounded) {
                error_set(err, REASON_CONFIGURATION, "the value is a secret, and nothing says what it is held to");
                return error_remedy(err, "give this setting a `bound`: it is compared while it is read, and not kept");
        }
        return json_put_flag(row, "holds", setting_holds(duty, meaning, bound)) == 0 ? 0 : error_memory(err, "facts");
}

static int
setting_read(struct session *session, const json_t *item, const struct setting_duty *duty, json_t *row,
             struct error *err)
{
        scoped_value value = {.json = NULL};
        struct meaning meaning;
        char why[200];
        double bound = 0;
        const char *own = json_text(item, "bound", NULL);
        bool bounded = own != NULL && setting_bound(duty, own, &bound);

        if (bounded && json_put_real(row, "bound", bound) != 0)
                return error_memory(err, "facts");
        if (value_read(session, json_map(item, "from"), &value, err) != 0)
                return -1;
        if (json_put_text(row, "place", value.place) != 0 || json_put_flag(row, "secret", value.secret) != 0 ||
            json_put_text(row, "state", value.json != NULL ? "set" : "unset") != 0 ||
            json_put_text(row, "absence", value.absence) != 0)
                return error_memory(err, "facts");
        if (value.json == NULL)
                return 0;
        if (!setting_meaning(duty, value.json, json_text(item, "unit", NULL), json_real_or(item, "per", 60000),
                             &meaning, why, sizeof why)) {
                error_set(err, REASON_CONFIGURATION, "%s: the value is %s", value.place, why);
                return -1;
        }
        if (value.secret)
                return put_verdict(row, duty, &meaning, bounded, bound, err);
        return put_shown(row, value.json) == 0 && put_meaning(row, &meaning) == 0 ? 0 : error_memory(err, "facts");
}

static int
settings_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *rows = json_array();
        size_t i;
        json_t *item;

        if (json_put(facts, "settings", rows) != 0)
                return error_memory(err, "facts");
        json_array_foreach((json_t *)target_value(session->target, "settings"), i, item)
        {
                const struct setting_duty *duty = setting_duty_find(json_text(item, "is", ""));
                const char *name = json_text(item, "name", "");
                struct resource resource = {.kind = "setting", .name = name};
                struct error why = {0};
                json_t *row = json_push(rows, json_object());
                if (duty == NULL)
                        continue;
                if (json_put_text(row, "name", name) != 0 || json_put_text(row, "is", duty->is) != 0 ||
                    json_put_text(row, "of", json_text(item, "of", "")) != 0 ||
                    json_put_text(row, "owner", json_text(item, "owner", "")) != 0)
                        return error_memory(err, "facts");
                if (setting_read(session, item, duty, row, &why) == 0)
                        continue;
                if (why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL) {
                        *err = why;
                        return -1;
                }
                if (json_put_text(row, "state", "unread") != 0 ||
                    facts_gap(facts, name, duty->control, &resource, &why) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

static int
settings_check(struct session *session, struct rights *rights, struct error *err)
{
        size_t i;
        json_t *item;

        (void)err;
        json_array_foreach((json_t *)target_value(session->target, "settings"), i, item)
        {
                char what[160];
                snprintf(what, sizeof what, "read %s", json_text(item, "name", ""));
                value_right_add(session, item, what, rights);
        }
        return 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

struct judge {
        const struct policy *policy;
        struct findings *out;
};

/* The bound that an item is held to: its own, else what the policy says of its control (and of its job type). */
static double
bound_of(const struct judge *judge, const struct setting_duty *duty, const json_t *row)
{
        double own = json_real_or(row, "bound", NAN), by_type = NAN;

        if (duty->policy == NULL || duty->form == DUTY_SWITCH)
                return NAN;
        if (strcmp(duty->is, "job_timeout") == 0)
                by_type = json_real_or(policy_value(judge->policy, "WRK-2", "limits"), json_text(row, "of", ""), NAN);
        if (!isnan(own))
                return own;
        return !isnan(by_type) ? by_type : policy_number(judge->policy, duty->control, duty->policy);
}

/* A number in the unit of its duty, for people. */
static const char *
amount_words(struct findings *out, const struct setting_duty *duty, double amount)
{
        switch (duty->form) {
        case DUTY_DURATION:
                return findings_duration(out, amount);
        case DUTY_RATE:
                return findings_text(out, "%.6g a minute", amount);
        default:
                return findings_text(out, "%.15g", amount);
        }
}

static const char *
expected_words(const struct judge *judge, const struct setting_duty *duty, double bound)
{
        struct findings *out = judge->out;

        if (duty->form == DUTY_SWITCH)
                return duty->wanted ? "on" : "off";
        if (duty->form == DUTY_BACKOFF)
                return "a backoff";
        return findings_text(out, "%s %s%s", duty->at_least ? "at least" : "at most", amount_words(out, duty, bound),
                             duty->form == DUTY_DURATION ? "" : ", and above 0");
}

/* Reads the facts of an item back; false when they say nothing. */
static bool
meaning_of(const json_t *row, struct meaning *meaning)
{
        const json_t *value = json_object_get(row, "value");

        *meaning = (struct meaning){.kind = MEANS_NUMBER};
        if (json_is_boolean(value)) {
                meaning->kind = MEANS_SWITCH;
                meaning->on = json_is_true(value);
        } else if (json_is_number(value)) {
                meaning->number = json_number_value(value);
        } else if (json_is_string(value)) {
                meaning->kind = MEANS_UNBOUNDED;
        } else {
                return false;
        }
        return true;
}

static const char *
observed_words(const struct judge *judge, const struct setting_duty *duty, const json_t *row,
               const struct meaning *meaning)
{
        struct findings *out = judge->out;
        const char *shown = json_text(row, "shown", ""), *place = json_text(row, "place", "?");
        const char *means = "without a bound";

        if (meaning->kind == MEANS_SWITCH)
                means = duty->form == DUTY_BACKOFF ? (meaning->on ? "a backoff" : "no backoff")
                        : meaning->on              ? "on"
                                                   : "off";
        else if (meaning->kind == MEANS_NUMBER)
                means = amount_words(out, duty, meaning->number);
        return findings_text(out, "%s (\"%s\", %s)", means, shown, place);
}

/* What the item's value comes to. */
struct outcome {
        bool known, holds;
        const char *observed;
};

static struct outcome
outcome_of(const struct judge *judge, const struct setting_duty *duty, const json_t *row, double bound)
{
        struct outcome outcome = {.observed = ""};
        struct meaning meaning;
        const char *state = json_text(row, "state", ""), *place = json_text(row, "place", "?");

        if (strcmp(state, "unset") == 0) {
                meaning = (struct meaning){.kind = MEANS_SWITCH, .on = duty->unset_is_on};
                outcome.known = true;
                outcome.holds = duty->form == DUTY_SWITCH && setting_holds(duty, &meaning, bound);
                outcome.observed = findings_text(judge->out, "not set%s (%s: %s)",
                                                 duty->form != DUTY_SWITCH ? ""
                                                 : duty->unset_is_on       ? ", which means on"
                                                                           : ", which means off",
                                                 place, json_text(row, "absence", "absent"));
        } else if (json_flag(row, "secret", false) && json_is_boolean(json_object_get(row, "holds"))) {
                outcome.known = true;
                outcome.holds = json_flag(row, "holds", false);
                outcome.observed = findings_text(judge->out, "a value that %s (%s; not shown, it is a secret)",
                                                 outcome.holds ? "holds" : "does not hold", place);
        } else if (strcmp(state, "set") == 0 && meaning_of(row, &meaning)) {
                outcome.known = true;
                outcome.holds = setting_holds(duty, &meaning, bound);
                outcome.observed = observed_words(judge, duty, row, &meaning);
        }
        return outcome;
}

static void
inventory_add(const struct judge *judge, const struct setting_duty *duty, const json_t *row, const char *expected,
              const char *verdict)
{
        json_t *out = json_object();

        json_put_text(out, "id", json_text(row, "name", "?"));
        json_put_text(out, "name", json_text(row, "name", "?"));
        json_put_text(out, "control", duty->control);
        json_put_text(out, "is", duty->is);
        json_put_text(out, "of", json_text(row, "of", ""));
        json_put_text(out, "value",
                      json_flag(row, "secret", false)                   ? "(secret)"
                      : strcmp(json_text(row, "state", ""), "set") == 0 ? json_text(row, "shown", "")
                                                                        : json_text(row, "state", "unread"));
        json_put_text(out, "expected", expected);
        json_put_text(out, "verdict", verdict);
        json_put_text(out, "place", json_text(row, "place", ""));
        findings_inventory(judge->out, "settings", out);
}

static const char *
remedy_words(const struct judge *judge, const struct setting_duty *duty, const json_t *row, const char *expected)
{
        const char *place = json_text(row, "place", "the setting");

        if (duty->form == DUTY_SWITCH)
                return findings_text(judge->out, "Switch it %s (%s), and restart what reads it.",
                                     duty->wanted ? "on" : "off", place);
        return findings_text(judge->out, "Set it to %s (%s), and restart what reads it.", expected, place);
}

static void
setting_judge(const struct judge *judge, const struct setting_duty *duty, const json_t *row, size_t index)
{
        const char *name = json_text(row, "name", "?"), *of = json_text(row, "of", ""),
                   *owner = json_text(row, "owner", "");
        struct resource resource = {.kind = "setting", .name = name};
        struct findings *out = judge->out;
        double bound = bound_of(judge, duty, row);
        const char *expected = expected_words(judge, duty, bound);
        /* The policy may do without rotation; then either position is sound. */
        bool wanted = duty->form != DUTY_SWITCH || duty->policy == NULL ||
                      policy_flag(judge->policy, duty->control, duty->policy);
        struct outcome outcome = outcome_of(judge, duty, row, bound);
        const char *verdict = !outcome.known ? "error" : outcome.holds || !wanted ? "pass" : "fail";

        inventory_add(judge, duty, row, expected, verdict);
        if (!outcome.known) {
                if (strcmp(json_text(row, "state", ""), "unread") != 0)
                        findings_error(out, duty->control, &resource, REASON_TOO_LITTLE_DATA,
                                       "The facts do not say what this setting is.", NULL);
                return; /* unread: its gap has become the error */
        }
        findings_add(out,
                     &(struct finding){
                             .control = duty->control,
                             .resource = resource,
                             .status = strcmp(verdict, "pass") == 0 ? STATUS_PASS : STATUS_FAIL,
                             .severity = strcmp(verdict, "pass") == 0
                                                 ? SEV_NONE
                                                 : policy_severity(judge->policy, duty->control, false),
                             .observed = outcome.observed,
                             .expected = expected,
                             .message = findings_text(out, "%s%s%s", of, *of != '\0' ? ": " : "",
                                                      strcmp(verdict, "pass") == 0 ? duty->success : duty->failure),
                             .remedy = strcmp(verdict, "pass") == 0 ? NULL : remedy_words(judge, duty, row, expected),
                             .owner = *owner != '\0' ? owner : NULL,
                             .evidence = findings_text(out, "/settings/%zu", index),
                     });
}

static const char *const settings_controls[] = {"LAT-2", "RED-6", "WRK-2", "WRK-3", "API-5", "ATH-1", "ATH-2", "ATH-3"};

static void
settings_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const struct judge judge = {policy, out};
        bool met[sizeof settings_controls / sizeof *settings_controls] = {false};
        size_t i;
        json_t *row;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "settings"), i, row)
        {
                const struct setting_duty *duty = setting_duty_find(json_text(row, "is", ""));
                if (duty == NULL)
                        continue;
                for (size_t c = 0; c < sizeof met; c++)
                        met[c] = met[c] || strcmp(settings_controls[c], duty->control) == 0;
                setting_judge(&judge, duty, row, i);
        }
        for (size_t c = 0; c < sizeof met; c++) {
                if (!met[c])
                        findings_skip(out, settings_controls[c],
                                      "not configured: no setting of this target is for this control",
                                      "add one under `settings` (rounds explain says which words of `is` are for it)");
        }
}

const struct audit audit_settings = {
        .name = "settings",
        .summary = "single settings of applications: caches, workers, timeouts, breakers, retries, logins, tokens",
        .looks_at = {"settings"},
        .controls = {"LAT-2", "RED-6", "WRK-2", "WRK-3", "API-5", "ATH-1", "ATH-2", "ATH-3"},
        .needs = "read access to each place that holds a setting",
        .collect = settings_collect,
        .judge = settings_judge,
        .check = settings_check,
};

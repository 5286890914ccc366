/* Controls of the user's own: one value each, compared as the configuration says.  Controls: those that it names. */

#include "audit.h"

#include <stdio.h>
#include <string.h>

#include "custom.h"
#include "json.h"
#include "scope.h"
#include "value.h"

enum { SHOWN_MOST = 200, WORDS_MOST = 600 };

/* The id of a target's n-th control, for those who must say something of each although nothing was collected. */
static const char *
custom_control(const struct target *target, size_t index)
{
        return json_text(json_array_get(target_value(target, "controls"), index), "id", NULL);
}

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* Of a secret the verdict is kept, of anything else the value (its credentials taken out). */
static int
put_value(struct session *session, const json_t *rule, const struct value *value, json_t *row, struct error *err)
{
        char why[200], shown[SHOWN_MOST + 1];
        bool holds;
        const char *unit = json_text(rule, "unit", NULL);

        if (!custom_holds(json_map(rule, "expect"), value->json, unit, session->now_ms, &holds, why, sizeof why))
                return error_set(err, REASON_CONFIGURATION, "%s: the value is %s", value->place, why);
        if (value->secret)
                return json_put_flag(row, "holds", holds) == 0 ? 0 : error_memory(err, "facts");
        if (json_is_string(value->json)) {
                snprintf(shown, sizeof shown, "%s", json_string_value(value->json));
                value_redact(shown);
                /* What was cut or blotted can no longer be compared: then the verdict stands for it. */
                if (strcmp(shown, json_string_value(value->json)) != 0 && json_put_flag(row, "holds", holds) != 0)
                        return error_memory(err, "facts");
                return json_put_text(row, "value", shown) == 0 ? 0 : error_memory(err, "facts");
        }
        return json_put(row, "value", json_deep_copy(value->json)) == 0 ? 0 : error_memory(err, "facts");
}

static int
rule_read(struct session *session, const json_t *rule, json_t *row, struct error *err)
{
        scoped_value value = {.json = NULL};

        if (value_read(session, json_map(rule, "from"), &value, err) != 0)
                return -1;
        if (json_put_text(row, "place", value.place) != 0 || json_put_flag(row, "secret", value.secret) != 0 ||
            json_put_text(row, "state", value.json != NULL ? "set" : "absent") != 0 ||
            json_put_text(row, "absence", value.absence) != 0)
                return error_memory(err, "facts");
        return value.json != NULL ? put_value(session, rule, &value, row, err) : 0;
}

/* What judging needs of a rule goes into the facts: they are judged again as they were meant then. */
static int
put_rule(const json_t *rule, json_t *row)
{
        static const char *const texts[] = {"id", "title", "unit", "if_absent", "severity", "owner", "text", "remedy"};
        const char *target = json_text(json_map(rule, "from"), "target", NULL);

        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                if (json_has(rule, texts[i]) && json_put_text(row, texts[i], json_text(rule, texts[i], "")) != 0)
                        return -1;
        }
        return json_put_text(row, "of", target != NULL ? target : "") != 0 ||
                               json_put(row, "expect", json_deep_copy(json_map(rule, "expect"))) != 0
                       ? -1
                       : 0;
}

static int
custom_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *rows = json_array();
        size_t i;
        json_t *rule;

        if (json_put(facts, "controls", rows) != 0)
                return error_memory(err, "facts");
        json_array_foreach((json_t *)target_value(session->target, "controls"), i, rule)
        {
                struct error why = {0};
                json_t *row = json_push(rows, json_object());
                if (put_rule(rule, row) != 0)
                        return error_memory(err, "facts");
                if (rule_read(session, rule, row, &why) == 0)
                        continue;
                if (why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL) {
                        *err = why;
                        return -1;
                }
                if (json_put_text(row, "state", "unread") != 0 ||
                    json_put_text(row, "reason", reason_name(why.reason)) != 0 ||
                    json_put_text(row, "error", why.text) != 0 || json_put_text(row, "help", why.remedy) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

static int
custom_check(struct session *session, struct rights *rights, struct error *err)
{
        size_t i;
        json_t *rule;

        (void)err;
        json_array_foreach((json_t *)target_value(session->target, "controls"), i, rule)
        {
                char what[160];
                snprintf(what, sizeof what, "read the value of %s", json_text(rule, "id", ""));
                value_right_add(session, rule, what, rights);
        }
        return 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

struct verdict {
        enum status status;
        enum reason reason;
        const char *observed, *message, *remedy;
};

static const char *
shown_of(struct findings *out, const json_t *row)
{
        const json_t *value = json_object_get(row, "value");
        scoped_string dumped = json_is_string(value) ? NULL
                                                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(10));
        const char *unit = json_text(row, "unit", ""),
                   *text = json_is_string(value) ? json_string_value(value) : dumped;

        return findings_text(out, "%s%s%s", text != NULL ? text : "?", *unit != '\0' ? " " : "", unit);
}

static struct verdict
set_judge(const json_t *row, int64_t now_ms, struct findings *out)
{
        struct verdict verdict = {.status = STATUS_ERROR, .reason = REASON_TOO_LITTLE_DATA};
        bool holds = json_flag(row, "holds", false), known = json_is_boolean(json_object_get(row, "holds"));
        const char *place = json_text(row, "place", "?");
        char why[200] = "";

        if (!known)
                known = json_has(row, "value") &&
                        custom_holds(json_map(row, "expect"), json_object_get(row, "value"),
                                     json_text(row, "unit", NULL), now_ms, &holds, why, sizeof why);
        if (!known) {
                verdict.message = findings_text(out, "The value cannot be compared%s%s.",
                                                *why != '\0' ? ": it is " : "", why);
                return verdict;
        }
        verdict.status = holds ? STATUS_PASS : STATUS_FAIL;
        verdict.observed = json_flag(row, "secret", false)
                                   ? findings_text(out, "a value that %s (%s; not shown, it is a secret)",
                                                   holds ? "holds" : "does not hold", place)
                                   : findings_text(out, "%s (%s)", shown_of(out, row), place);
        return verdict;
}

static struct verdict
rule_judge(const json_t *row, int64_t now_ms, struct findings *out)
{
        const char *state = json_text(row, "state", ""), *absent = json_text(row, "if_absent", "error");
        struct verdict verdict = {.status = STATUS_ERROR, .reason = REASON_TOO_LITTLE_DATA};

        if (strcmp(state, "set") == 0)
                return set_judge(row, now_ms, out);
        if (strcmp(state, "unread") == 0) {
                verdict.reason = reason_from_name(json_text(row, "reason", "internal"));
                verdict.message = json_text(row, "error", "The value could not be read.");
                verdict.remedy = json_text(row, "help", NULL);
        } else if (strcmp(state, "absent") == 0) {
                verdict.observed = findings_text(out, "no value (%s: %s)", json_text(row, "place", "?"),
                                                 json_text(row, "absence", "absent"));
                verdict.message = findings_text(out, "There is no value: %s.", json_text(row, "absence", "absent"));
                verdict.remedy = "check the source; if_absent says whether that is a failure";
                verdict.status = strcmp(absent, "pass") == 0   ? STATUS_PASS
                                 : strcmp(absent, "fail") == 0 ? STATUS_FAIL
                                                               : STATUS_ERROR;
        } else {
                verdict.message = "The facts do not say what the value is.";
        }
        return verdict;
}

static void
inventory_add(const json_t *row, const struct verdict *verdict, const char *expected, struct findings *out)
{
        json_t *listed = json_object();

        json_put_text(listed, "id", json_text(row, "id", "?"));
        json_put_text(listed, "control", json_text(row, "id", "?"));
        json_put_text(listed, "title", json_text(row, "title", ""));
        json_put_text(listed, "value", verdict->observed != NULL ? verdict->observed : "");
        json_put_text(listed, "expected", expected);
        json_put_text(listed, "verdict", status_name(verdict->status));
        findings_inventory(out, "custom", listed);
}

static void
control_judge(const json_t *row, size_t index, int64_t now_ms, struct findings *out)
{
        const char *id = json_text(row, "id", NULL), *of = json_text(row, "of", ""),
                   *owner = json_text(row, "owner", "");
        struct verdict verdict = rule_judge(row, now_ms, out);
        enum severity severity = severity_from_name(json_text(row, "severity", "SEV3"));
        char expected[WORDS_MOST];
        struct resource resource = {.kind = *of != '\0' ? "target" : NULL, .name = *of != '\0' ? of : NULL};

        if (id == NULL || *id == '\0')
                return;
        custom_expected(json_map(row, "expect"), expected, sizeof expected);
        inventory_add(row, &verdict, expected, out);
        if (json_flag(row, "secret", false) == false && json_has(row, "value"))
                findings_sample(out, "custom.value", id,
                                custom_number(json_object_get(row, "value"), json_text(row, "unit", NULL)));
        const char *title = json_text(row, "title", id), *text = json_text(row, "text", NULL);
        if (verdict.message == NULL || verdict.status == STATUS_FAIL)
                verdict.message = verdict.status == STATUS_PASS ? findings_text(out, "%s.", title)
                                                                : findings_text(out, "%s", text != NULL ? text : title);
        if (verdict.status == STATUS_FAIL)
                verdict.remedy = json_text(row, "remedy", verdict.remedy);
        findings_add(out, &(struct finding){.control = id,
                                            .resource = resource,
                                            .status = verdict.status,
                                            .severity = verdict.status != STATUS_FAIL ? SEV_NONE
                                                        : severity != SEV_NONE        ? severity
                                                                                      : SEV3,
                                            .reason = verdict.status == STATUS_ERROR ? verdict.reason : REASON_NONE,
                                            .observed = verdict.observed,
                                            .expected = expected,
                                            .message = verdict.message,
                                            .remedy = verdict.remedy,
                                            .owner = *owner != '\0' ? owner : NULL,
                                            .evidence = findings_text(out, "/controls/%zu", index)});
}

static void
custom_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        size_t i;
        json_t *row;

        (void)policy;
        json_array_foreach((json_t *)json_list(facts, "controls"), i, row)
                control_judge(row, i, history_now(history), out);
}

const struct audit audit_custom = {
        .name = "custom",
        .summary = "controls of your own: one value each, and what is expected of it",
        .looks_at = {"custom"},
        .needs = "read access to each place that holds a value",
        .control_of = custom_control,
        .collect = custom_collect,
        .judge = custom_judge,
        .check = custom_check,
};

/* Evidence judged: age, outcome, what it covers, whose word it is; and when each duty is due again. */

#include "evidence_judge.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "catalogue.h"
#include "json.h"
#include "moment.h"

#define FUTURE_MS HOUR_MS /* clocks may differ by less */

/* Controls that evidence is the usual source of, and the policy setting that says how old it may be. */
static const struct {
        const char *control, *age, *named; /* named: setting that names the evidence; NULL: none */
} known[] = {
        {"LAT-3", "age", "evidence"}, {"CRT-5", "age", "evidence"}, {"NOD-5", "age", "evidence"},
        {"ATH-5", "age", "evidence"}, {"DLQ-2", "age", NULL},       {"API-4", NULL, "evidence"},
};

struct judge {
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

bool
evidence_is_for(const json_t *row, const char *control, const struct policy *policy)
{
        const json_t *controls = json_list(row, "controls");

        if (json_holds(controls, control))
                return true;
        for (size_t i = 0; controls == NULL && i < sizeof known / sizeof *known; i++) {
                if (strcmp(known[i].control, control) == 0 && known[i].named != NULL)
                        return strcmp(policy_text(policy, control, known[i].named), json_text(row, "name", "")) == 0;
        }
        return false;
}

/* How old it may be, ms; 0: no bound is known. */
static double
age_bound(const struct judge *judge, const char *control, const json_t *row)
{
        double own = json_real_or(row, "max_age_ms", 0);

        for (size_t i = 0; !(own > 0) && i < sizeof known / sizeof *known; i++) {
                if (strcmp(known[i].control, control) == 0 && known[i].age != NULL)
                        return policy_number(judge->policy, control, known[i].age);
        }
        return own > 0 ? own : 0;
}

/* --- the calendar ------------------------------------------------------------------------------------------------- */

static void
duty_add(const struct judge *judge, const char *control, const json_t *row, int64_t at_ms, double bound)
{
        const struct control *known_control = control_find(control);
        int64_t now_ms = history_now(judge->history);
        double due_ms = at_ms > 0 ? (double)at_ms + bound : (double)now_ms;
        char due[MOMENT_TEXT];
        json_t *duty = json_object();

        if (!(bound > 0) || !(due_ms < 4e12) || due_ms < 0)
                return json_decref(duty);
        moment_format((int64_t)due_ms, due);
        json_put_text(duty, "id", findings_text(judge->out, "%s %s", control, json_text(row, "name", "?")));
        json_put_text(duty, "due", due);
        json_put_text(duty, "control", control);
        json_put_text(duty, "duty", known_control != NULL ? known_control->title : "");
        json_put_text(duty, "evidence", json_text(row, "name", "?"));
        json_put_text(duty, "last", at_ms > 0 ? json_text(row, "at", "") : "never");
        json_put_text(duty, "state", due_ms <= (double)now_ms ? "overdue" : "ahead");
        json_put_text(duty, "owner", json_text(row, "owner", ""));
        findings_inventory(judge->out, "duties", duty);
}

/* --- one proof for one control ------------------------------------------------------------------------------------ */

struct proof {
        const char *control;
        const json_t *row;
        struct resource resource;
        const char *evidence; /* JSON pointer into the facts */
        const char *expected;
        int64_t at_ms;
        double age_ms, bound;
};

static void
proof_fail(const struct judge *judge, const struct proof *proof, const char *observed, const char *message,
           const char *remedy)
{
        const char *owner = json_text(proof->row, "owner", "");

        findings_add(judge->out, &(struct finding){.control = proof->control,
                                                   .resource = proof->resource,
                                                   .status = STATUS_FAIL,
                                                   .severity = policy_severity(judge->policy, proof->control, false),
                                                   .observed = observed,
                                                   .expected = proof->expected,
                                                   .message = message,
                                                   .remedy = remedy,
                                                   .owner = *owner != '\0' ? owner : NULL,
                                                   .evidence = proof->evidence});
}

static const char *
observed_words(const struct judge *judge, const struct proof *proof)
{
        struct findings *out = judge->out;
        const char *who = json_text(proof->row, "who", NULL);
        double p99 = json_real_or(proof->row, "p99_ms", NAN);

        return findings_text(out, "%s, %s ago (%s%s%s)%s", json_text(proof->row, "outcome", "no outcome"),
                             findings_duration(out, proof->age_ms < 0 ? 0 : proof->age_ms),
                             json_text(proof->row, "place", "?"), who != NULL ? ", signed by " : "",
                             who != NULL ? who : "", isnan(p99) ? "" : findings_text(out, ", p99 %.6g ms", p99));
}

/* What LAT-3 asks beyond the rest; true when a finding was made. */
static bool
load_judge(const struct judge *judge, const struct proof *proof)
{
        double bound = policy_number(judge->policy, "LAT-3", "p99"),
               most = policy_number(judge->policy, "LAT-3", "error_rate");
        double p99 = json_real_or(proof->row, "p99_ms", NAN), p95 = json_real_or(proof->row, "p95_ms", NAN);
        double rate = 100 * json_real_or(proof->row, "error_rate", NAN);
        struct findings *out = judge->out;

        if (p99 > bound || p95 > bound)
                proof_fail(judge, proof,
                           findings_text(out, "%s %.6g ms, %s ago", p99 > bound ? "p99" : "p95 already",
                                         p99 > bound ? p99 : p95, findings_duration(out, proof->age_ms)),
                           "Under load, decisions take longer than they may.",
                           "Compare the profile of the run with the last good one: queries (LAT-4), caches (LAT-2), "
                           "pools (DBC-4).");
        else if (rate > most)
                proof_fail(judge, proof,
                           findings_text(out, "%.3g %% of requests failed, %s ago", rate,
                                         findings_duration(out, proof->age_ms)),
                           "Under load, too many requests fail.",
                           "Look at the errors of the run before at its latency.");
        else if (isnan(p99))
                findings_error(out, "LAT-3", &proof->resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "The load test's document (%s) does not say its p99%s.",
                                             json_text(proof->row, "place", "?"), isnan(p95) ? "" : ", only its p95"),
                               "write latencyMs.p99 into it, or name the place with fields: {p99: /pointer}");
        else
                return false;
        return true;
}

static void
found_judge(const struct judge *judge, const struct proof *proof)
{
        const char *outcome = json_text(proof->row, "outcome", NULL), *place = json_text(proof->row, "place", "?");
        double rate = json_real_or(proof->row, "error_rate", NAN);
        bool load = strcmp(proof->control, "LAT-3") == 0;
        struct findings *out = judge->out;

        if (proof->at_ms == 0) {
                findings_error(out, proof->control, &proof->resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "%s does not say when it was done.", place),
                               "write the time into it (RFC 3339), or name the place with fields: {time: /pointer}");
        } else if (proof->age_ms < -(double)FUTURE_MS) {
                findings_error(out, proof->control, &proof->resource, REASON_PROTOCOL,
                               findings_text(out, "%s is dated %s from now: its clock or its date is wrong.", place,
                                             findings_duration(out, -proof->age_ms)),
                               "correct the date");
        } else if (proof->bound > 0 && proof->age_ms > proof->bound) {
                proof_fail(judge, proof, observed_words(judge, proof), "It was done, but too long ago.",
                           findings_text(out, "Do it again, and leave its evidence at %s.", place));
        } else if (outcome != NULL && strcmp(outcome, "fail") == 0) {
                proof_fail(judge, proof, observed_words(judge, proof), "It was done, and it failed.",
                           "Mend what it found, and do it again.");
        } else if (outcome == NULL && !(load && !isnan(rate))) {
                findings_error(
                        out, proof->control, &proof->resource, REASON_TOO_LITTLE_DATA,
                        findings_text(out, "%s does not say how it went.", place),
                        "write its outcome into it (pass or fail), or name the place with fields: {outcome: /pointer}");
        } else if (!load || !load_judge(judge, proof)) {
                findings_pass(out, proof->control, &proof->resource, observed_words(judge, proof), proof->expected,
                              "It was done in time, and with success.");
        }
}

static void
proof_judge(const struct judge *judge, const char *control, const json_t *row, size_t index)
{
        const char *name = json_text(row, "name", "?"), *state = json_text(row, "state", "");
        struct findings *out = judge->out;
        struct proof proof = {.control = control,
                              .row = row,
                              .resource = {.kind = "evidence", .name = name},
                              .evidence = findings_text(out, "/evidence/%zu", index),
                              .bound = age_bound(judge, control, row)};

        if (!moment_parse(json_text(row, "at", ""), &proof.at_ms))
                proof.at_ms = 0;
        proof.age_ms = (double)history_now(judge->history) - (double)proof.at_ms;
        proof.expected = proof.bound > 0 ? findings_text(out, "success within %s", findings_duration(out, proof.bound))
                                         : "success";
        if (strcmp(control, "LAT-3") == 0)
                proof.expected = findings_text(out, "%s, p99 at most %s", proof.expected,
                                               findings_duration(out, policy_number(judge->policy, "LAT-3", "p99")));
        if (strcmp(state, "unread") != 0)
                duty_add(judge, control, row, proof.at_ms, proof.bound);
        if (strcmp(state, "found") == 0) {
                found_judge(judge, &proof);
        } else if (strcmp(state, "none") == 0) {
                proof_fail(judge, &proof, findings_text(out, "nothing at %s", json_text(row, "place", "?")),
                           "There is no evidence that it was ever done.",
                           findings_text(out, "Do it, and leave its evidence at %s.",
                                         json_text(row, "place", "the place configured")));
        } else {
                findings_error(out, control, &proof.resource,
                               reason_from_name(json_text(row, "reason", "too-little-data")),
                               json_text(row, "error", "The facts do not say whether there is evidence."),
                               json_text(row, "remedy", NULL));
        }
}

/* --- signed words ------------------------------------------------------------------------------------------------- */

/* A word whose signature is no good is a finding, whatever else there is: somebody changed it, or pretends. */
static void
words_judge(const struct judge *judge, const char *control, const json_t *row, size_t index)
{
        const json_t *words = json_list(row, "attestations");
        struct findings *out = judge->out;
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)words, i, one)
        {
                const char *state = json_text(one, "state", "missing"), *who = json_text(one, "who", "?");
                if (strcmp(state, "valid") == 0)
                        continue;
                struct proof proof = {.control = control,
                                      .row = row,
                                      .expected = "signed with the key of who says it",
                                      .resource = {.kind = "attestation",
                                                   .namespace_ = json_text(row, "name", "?"),
                                                   .name = findings_text(out, "%s %s", who, json_text(one, "at", "?"))},
                                      .evidence = findings_text(out, "/evidence/%zu/attestations/%zu", index, i)};
                const char *message =
                        "The signature does not fit the words: they were changed, or another key has signed.";
                if (strcmp(state, "untrusted") == 0)
                        message = "Nobody has said which key is this person's.";
                else if (strcmp(state, "missing") == 0)
                        message = "The words are not signed: anybody may have written them.";
                proof_fail(judge, &proof,
                           findings_text(out, "%s: \"%s\" of %s", state, json_text(one, "what", ""),
                                         json_text(one, "at", "?")),
                           message,
                           strcmp(state, "untrusted") == 0
                                   ? findings_text(
                                             out,
                                             "Put the public key of %s under `keys` of the target, after asking them.",
                                             who)
                                   : findings_text(
                                             out,
                                             "Let %s sign it: rounds attest --key FILE --who ... prints what to paste.",
                                             who));
        }
}

static void
words_inventory(const struct judge *judge, const json_t *row)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(row, "attestations"), i, one)
        {
                json_t *listed = json_object();
                const char *who = json_text(one, "who", "?"), *at = json_text(one, "at", "?");
                json_put_text(listed, "id",
                              findings_text(judge->out, "%s %s %s", json_text(row, "name", "?"), who, at));
                json_put_text(listed, "who", who);
                json_put_text(listed, "at", at);
                json_put_text(listed, "what", json_text(one, "what", ""));
                json_put(listed, "covers",
                         json_list(one, "covers") != NULL ? json_deep_copy(json_list(one, "covers")) : json_array());
                json_put_text(listed, "outcome", json_text(one, "outcome", ""));
                json_put_text(listed, "signature", json_text(one, "state", "missing"));
                findings_inventory(judge->out, "attestations", listed);
        }
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static bool
is_known(const char *control)
{
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
                if (strcmp(known[i].control, control) == 0)
                        return true;
        }
        return false;
}

/* Every item for one control; how many there are. */
static size_t
control_judge(const struct judge *judge, const json_t *rows, const char *control)
{
        size_t i, met = 0;
        json_t *row;

        json_array_foreach((json_t *)rows, i, row)
        {
                if (!evidence_is_for(row, control, judge->policy))
                        continue;
                met++;
                words_judge(judge, control, row, i);
                /* Which images API-4's evidence covers is judged beside those that run (audit promotion): here it must
                 * be there. */
                proof_judge(judge, control, row, i);
        }
        return met;
}

void
evidence_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const struct judge judge = {policy, history, out};
        const json_t *rows = json_list(facts, "evidence");
        size_t i;
        json_t *row;

        for (i = 0; i < sizeof known / sizeof *known; i++) {
                if (control_judge(&judge, rows, known[i].control) == 0)
                        findings_skip(out, known[i].control,
                                      "not configured: no evidence of this target is for this control",
                                      "add an item under `evidence`, with `controls`");
        }
        /* Other controls that items name, each once, in the catalogue's order. */
        for (size_t p = 0; playbooks[p] != NULL; p++) {
                for (const struct control *control = playbooks[p]->controls; control->id != NULL; control++) {
                        if (!is_known(control->id) && policy_enabled(policy, control->id))
                                control_judge(&judge, rows, control->id);
                }
        }
        json_array_foreach((json_t *)rows, i, row) words_inventory(&judge, row);
}

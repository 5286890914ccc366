/* Wrong passwords sent to a staging system: does it limit them, does the account lock?  Controls: ATH-1, ATH-2. */

#include <inttypes.h>
#include <string.h>

#include "audit.h"
#include "facts.h"
#include "json.h"
#include "login.h"
#include "moment.h"

/* What the answers tell, in the order in which they came. */
struct course {
        int64_t sent, limited, locked; /* how many; the attempt that was first limited, first locked (0: none) */
        int64_t open;                  /* wrong passwords that were let through as such, before any limit or lock */
        int64_t took_ms;               /* from the first to the last answer */
        bool unexpected;               /* the last answer was neither a refusal nor a limit: */
        int64_t status;                /*   its status */
        const char *retry_after;       /* of the 429; "" when it did not say */
};

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        struct course course;
        const char *url, *account;
};

static struct course
course_read(const json_t *facts)
{
        struct course course = {.retry_after = ""};
        size_t i;
        json_t *answer;

        json_array_foreach((json_t *)json_list(facts, "answers"), i, answer)
        {
                const char *outcome = json_text(answer, "outcome", "unexpected");
                course.sent++;
                course.took_ms = json_whole(answer, "at_ms", course.took_ms);
                if (strcmp(outcome, "limited") == 0 && course.limited == 0) {
                        course.limited = course.sent;
                        course.retry_after = json_text(answer, "retry_after", "");
                } else if (strcmp(outcome, "locked") == 0 && course.locked == 0) {
                        course.locked = course.sent;
                } else if (strcmp(outcome, "failed") == 0 && course.locked == 0 && course.limited == 0) {
                        course.open++;
                } else if (strcmp(outcome, "failed") != 0 && strcmp(outcome, "locked") != 0 &&
                           strcmp(outcome, "limited") != 0) {
                        course.unexpected = true;
                        course.status = json_whole(answer, "status", 0);
                }
        }
        return course;
}

static void
told(const struct judge *j, const char *control, const struct resource *resource, bool good, const char *observed,
     const char *expected, const char *message, const char *remedy)
{
        findings_add(j->out, &(struct finding){.control = control,
                                               .resource = *resource,
                                               .status = good ? STATUS_PASS : STATUS_FAIL,
                                               .severity = good ? SEV_NONE : policy_severity(j->policy, control, false),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = good ? NULL : remedy,
                                               .evidence = "/answers"});
}

/* A 429 that comes in time is seen however slowly it was asked for; that none comes is seen within a minute alone. */
static void
limit_judge(const struct judge *j)
{
        const struct course *c = &j->course;
        struct resource resource = {.kind = "sign-in", .name = j->url};
        int64_t rate = (int64_t)policy_number(j->policy, "ATH-1", "rate");
        const char *expected = findings_text(j->out, "429 by attempt %" PRId64, rate + 1);
        const char *time = findings_duration(j->out, (double)c->took_ms);

        if (c->limited > 0) {
                told(j, "ATH-1", &resource, c->limited <= rate + 1,
                     findings_text(j->out, "429 at attempt %" PRId64 ", after %s%s%s", c->limited, time,
                                   *c->retry_after != '\0' ? ", Retry-After " : "", c->retry_after),
                     expected,
                     c->limited <= rate + 1 ? "Wrong passwords from one address are limited."
                                            : "The limit comes later than wanted: more guesses a minute than agreed.",
                     findings_text(j->out, "lower the limit of this endpoint to %" PRId64 " a minute and address",
                                   rate));
        } else if (c->sent <= rate) {
                findings_error(j->out, "ATH-1", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "%" PRId64 " wrong passwords were sent, fewer than are allowed (%" PRId64
                                             "): whether there is a limit is not seen",
                                             c->sent, rate),
                               findings_text(j->out, "set `attempts: %" PRId64 "` on the target", rate + 1));
        } else if (c->took_ms > MINUTE_MS) {
                findings_error(j->out, "ATH-1", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "%" PRId64 " wrong passwords took %s: a limit by the minute is not "
                                             "seen that way",
                                             c->sent, time),
                               "set a shorter `pause` on the target");
        } else {
                told(j, "ATH-1", &resource, false,
                     findings_text(j->out, "%" PRId64 " wrong passwords in %s, no 429", c->sent, time), expected,
                     "One address may try passwords as fast as it can.",
                     findings_text(j->out,
                                   "limit %s by address at the edge and in the application: %" PRId64
                                   " failures a minute, then 429 with Retry-After",
                                   j->url, rate));
        }
}

static void
lock_judge(const struct judge *j)
{
        const struct course *c = &j->course;
        struct resource resource = {.kind = "account", .namespace_ = j->url, .name = j->account};
        int64_t most = policy_whole(j->policy, "ATH-2", "failures");
        const char *expected = findings_text(j->out, "locked after at most %" PRId64 " failures", most);

        if (!json_flag(j->facts, "lock_told", false)) {
                findings_skip(j->out, "ATH-2", "not configured: nothing says how a locked account answers",
                              "set `locked_status` or `locked_text` on the target, where the sign-in tells it");
        } else if (c->locked == 1) {
                findings_error(j->out, "ATH-2", &resource, REASON_TOO_LITTLE_DATA,
                               "The account was locked before the first wrong password: when it locks is not seen",
                               "unlock the test account, and see why its last lock has not ended: one that never ends "
                               "lets anybody shut its owner out");
        } else if (c->locked > 0) {
                bool good = c->open <= most;
                told(j, "ATH-2", &resource, good, findings_text(j->out, "locked after %" PRId64 " failures", c->open),
                     expected,
                     good ? "The account locks in time (for how long is not seen here)."
                          : "The account locks later than wanted: more guesses than agreed.",
                     findings_text(j->out, "lock accounts after %" PRId64 " failures", most));
        } else if (c->open <= most) {
                findings_error(j->out, "ATH-2", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "%" PRId64 " wrong passwords came through%s: whether the account locks "
                                             "after %" PRId64 " is not seen",
                                             c->open, c->limited > 0 ? " before the limit by address" : "", most),
                               c->limited > 0
                                       ? "judge it from the identity provider, the settings or the log of sign-ins"
                                       : "set more `attempts` on the target");
        } else {
                told(j, "ATH-2", &resource, false,
                     findings_text(j->out, "%" PRId64 " failures in a row, no lock", c->open), expected,
                     "The account can be guessed at for ever, from many addresses, under every limit by address.",
                     findings_text(j->out, "lock accounts after %" PRId64 " failures for %s", most,
                                   findings_duration(j->out, policy_number(j->policy, "ATH-2", "duration"))));
        }
}

static void
probe_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.facts = facts,
                          .policy = policy,
                          .out = out,
                          .course = course_read(facts),
                          .url = json_text(facts, "url", "?"),
                          .account = json_text(facts, "account", "?")};

        (void)history;
        if (facts_lacks(facts, "attempts")) /* told already: an answer that did not come */
                return;
        if (j.course.sent == 0 || j.course.unexpected) {
                static const char *const controls[] = {"ATH-1", "ATH-2"};
                const char *why = j.course.sent == 0
                                          ? "no answer was seen"
                                          : findings_text(out,
                                                          "wrong password %" PRId64 " was answered by status %" PRId64
                                                          ", which is no refusal: the probe stopped there",
                                                          j.course.sent, j.course.status);
                for (size_t i = 0; i < 2; i++)
                        findings_error(out, controls[i], &(struct resource){.kind = "sign-in", .name = j.url},
                                       REASON_PROTOCOL, why,
                                       "try it by hand (rounds explain ATH-1); where the sign-in refuses with that "
                                       "status, add it to `failed` of the target");
                return;
        }
        limit_judge(&j);
        lock_judge(&j);
}

static int
probe_check(struct session *session, struct rights *rights, struct error *err)
{
        struct error why = {0};

        (void)err;
        rights_add(rights, login_is_allowed(session->target, &why), "may send wrong passwords to a staging system",
                   why.remedy);
        return 0;
}

const struct audit audit_login_probe = {
        .name = "login_probe",
        .summary = "wrong passwords sent to a staging system: its limit, its lock (off unless switched on)",
        .looks_at = {"login"},
        .controls = {"ATH-1", "ATH-2"},
        .needs = "a staging system and a test account; `staging: true` and `active: true`: it SENDS sign-ins",
        .collect = login_read,
        .judge = probe_judge,
        .check = probe_check,
};

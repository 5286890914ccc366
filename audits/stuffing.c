/* Credential stuffing: does the log of sign-ins show one, and do accounts lock?  Controls: ATH-2, ATH-4. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "auth_events.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "prometheus.h"
#include "scope.h"

/* --- collect ------------------------------------------------------------------------------------------------------ */

static int
metric_read(struct prometheus *prometheus, const char *expression, const char *key, json_t *facts, struct error *err)
{
        double value;
        bool found;

        if (prometheus_number(prometheus, expression, 0, &value, &found, err) != 0)
                return -1;
        return json_put_real(facts, key, found ? value : NAN);
}

/* The same question to the application's own counters. */
static int
metrics_read(struct session *session, int64_t window_ms, json_t *facts, struct error *err)
{
        struct prometheus *prometheus = prometheus_session(session, err);
        const char *failures = policy_text(session->policy, "ATH-4", "failures_metric"),
                   *attempts = policy_text(session->policy, "ATH-4", "attempts_metric");
        char expression[900];

        if (prometheus == NULL)
                return -1;
        json_put_text(facts, "failures_metric", failures);
        json_put_text(facts, "attempts_metric", attempts);
        snprintf(expression, sizeof expression, "count(last_over_time(%s[%" PRId64 "s]))", failures, window_ms / 1000);
        if (metric_read(prometheus, expression, "series", facts, err) != 0)
                return -1;
        snprintf(expression, sizeof expression, "count(last_over_time(%s[%" PRId64 "s])) or vector(0)", attempts,
                 window_ms / 1000);
        if (metric_read(prometheus, expression, "attempts_series", facts, err) != 0)
                return -1;
        /* The steps of a subquery stand at whole five minutes: a Prometheus that is younger has none yet. */
        snprintf(expression, sizeof expression,
                 "max_over_time(sum(increase(%s[5m]))[%" PRId64 "s:5m]) or sum(increase(%s[5m]))", failures,
                 window_ms / 1000, failures);
        if (metric_read(prometheus, expression, "peak_failures", facts, err) != 0)
                return -1;
        snprintf(expression, sizeof expression, "sum(increase(%s[%" PRId64 "s])) / sum(increase(%s[%" PRId64 "s]))",
                 failures, window_ms / 1000, attempts, window_ms / 1000);
        return metric_read(prometheus, expression, "failed_share", facts, err);
}

static int
stuffing_collect(struct session *session, json_t *facts, struct error *err)
{
        int64_t window_ms = session->policy != NULL ? policy_whole(session->policy, "ATH-4", "window") : DAY_MS;

        json_put_whole(facts, "window_ms", window_ms);
        json_put_text(facts, "kind", session->target->kind->name);
        if (session->target->kind == &kind_prometheus)
                return metrics_read(session, window_ms, facts, err);
        return auth_events_read(session, target_value(session->target, "auth_events"), window_ms, facts, err);
}

static bool
stuffing_applies(const struct target *target, char *why, size_t size)
{
        if (strcmp(target->kind->name, "postgres") != 0 || target_value(target, "auth_events") != NULL)
                return true;
        snprintf(why, size, "not configured: the target names no log of sign-ins (auth_events)");
        return false;
}

/* --- judge -------------------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        const char *window;
};

static void
fail(const struct judge *j, const char *control, const struct resource *resource, bool severe, const char *observed,
     const char *expected, const char *message, const char *remedy, const char *evidence)
{
        findings_fail(j->out, control, resource, policy_severity(j->policy, control, severe), observed, expected,
                      message, remedy, evidence);
}

/* One address that tries many names: and worse, one that got in. */
static size_t
spraying_judge(const struct judge *j)
{
        int64_t most = policy_whole(j->policy, "ATH-4", "names");
        size_t i, found = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "spraying"), i, row)
        {
                int64_t names = json_whole(row, "names", 0), opened = json_whole(row, "opened", 0);
                const char *address = json_text(row, "address", NULL);
                if (names <= most || address == NULL)
                        continue;
                found++;
                fail(j, "ATH-4", &(struct resource){.kind = "address", .name = address}, opened > 0,
                     findings_text(j->out,
                                   "%" PRId64 " failures on %" PRId64 " names in %s, got into %" PRId64
                                   " accounts afterwards",
                                   json_whole(row, "failures", 0), names, j->window, opened),
                     findings_text(j->out, "one address fails on at most %" PRId64 " names", most),
                     opened > 0 ? "This address tried many accounts and got into some: treat them as taken over."
                                : "This address tries one account after the other.",
                     opened > 0 ? "End the sessions of the accounts that this address signed in to, reset their "
                                  "passwords, block the address; then look "
                                  "at what they did."
                                : "Block the address at the edge, and let the rate limit of ATH-1 count failures per "
                                  "address.",
                     findings_text(j->out, "/spraying/%zu", i));
        }
        return found;
}

static size_t
sprayed_judge(const struct judge *j)
{
        int64_t most = policy_whole(j->policy, "ATH-4", "addresses");
        size_t i, found = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "sprayed"), i, row)
        {
                int64_t addresses = json_whole(row, "addresses", 0);
                const char *name = json_text(row, "name", NULL);
                if (addresses <= most || name == NULL)
                        continue;
                found++;
                fail(j, "ATH-4", &(struct resource){.kind = "account", .name = name}, false,
                     findings_text(j->out, "%" PRId64 " failures from %" PRId64 " addresses in %s",
                                   json_whole(row, "failures", 0), addresses, j->window),
                     findings_text(j->out, "one name fails from at most %" PRId64 " addresses", most),
                     "This account is tried from many addresses: no limit per address stops that.",
                     "Ask for a second factor, and lock the account for a while after failures (ATH-2) whatever the "
                     "address.",
                     findings_text(j->out, "/sprayed/%zu", i));
        }
        return found;
}

static void
rate_judge(const struct judge *j, double peak, double share, const char *when, const char *evidence)
{
        double rate = policy_number(j->policy, "ATH-4", "rate"), most = policy_number(j->policy, "ATH-4", "share");
        struct resource rates = {.kind = "rate", .name = "failures in 5 minutes"},
                        shares = {.kind = "rate", .name = "share of failures"};

        if (!isnan(peak)) {
                const char *observed = findings_text(j->out, "%.0f failures in the fullest 5 minutes%s", peak, when);
                const char *expected = findings_text(j->out, "at most %g in 5 minutes", rate);
                if (peak > rate)
                        fail(j, "ATH-4", &rates, false, observed, expected,
                             "More sign-ins failed at once than people who mistype make.",
                             "Look at that time in the log by address and by name; the alert of ALR-10 should have "
                             "fired.",
                             evidence);
                else
                        findings_pass(j->out, "ATH-4", &rates, observed, expected,
                                      "Failures come as rarely as people mistype.");
        }
        if (isnan(share))
                return;
        const char *observed = findings_text(j->out, "%.1f %% of attempts failed in %s", share, j->window);
        const char *expected = findings_text(j->out, "at most %g %%", most);
        if (share > most)
                fail(j, "ATH-4", &shares, false, observed, expected,
                     "More of the sign-ins fail than people who mistype explain.",
                     "Look at the failures by address and by name; a client with an old password does the same.",
                     evidence);
        else
                findings_pass(j->out, "ATH-4", &shares, observed, expected, "Most sign-ins succeed.");
}

static void
streaks_judge(const struct judge *j, int64_t attempts)
{
        int64_t most = policy_whole(j->policy, "ATH-2", "failures");
        size_t i, found = 0;
        json_t *row;

        if (facts_lacks(j->facts, "streaks"))
                return;
        json_array_foreach((json_t *)json_list(j->facts, "streaks"), i, row)
        {
                int64_t failures = json_whole(row, "failures", 0);
                const char *name = json_text(row, "name", NULL);
                if (failures <= most || name == NULL)
                        continue;
                found++;
                fail(j, "ATH-2", &(struct resource){.kind = "account", .name = name}, false,
                     findings_text(j->out, "%" PRId64 " failures in a row without a lock in %s", failures, j->window),
                     findings_text(j->out, "a lock after at most %" PRId64 " failures", most),
                     "This account failed more often than it may, and was not locked: its password can be guessed.",
                     "Turn account lockout on; if locks are logged, say how in auth_events (locked).",
                     findings_text(j->out, "/streaks/%zu", i));
        }
        if (found == 0)
                findings_pass(
                        j->out, "ATH-2", &(struct resource){.kind = "log", .name = "sign-ins"},
                        findings_text(j->out,
                                      "the longest run of failures is %" PRId64 ", of %" PRId64 " attempts in %s",
                                      json_whole(json_array_get(json_list(j->facts, "streaks"), 0), "failures", 0),
                                      attempts, j->window),
                        findings_text(j->out, "a lock after at most %" PRId64 " failures", most),
                        "No account failed more often in a row than it may.");
}

static void
log_judge(const struct judge *j)
{
        const json_t *totals = json_map(j->facts, "totals"), *peak = json_map(j->facts, "peak");
        int64_t attempts = json_whole(totals, "attempts", 0), at_ms = json_whole(peak, "at_ms", 0);
        char moment[MOMENT_TEXT];

        if (facts_lacks(j->facts, "totals"))
                return;
        if (attempts <= 0) {
                const char *message = findings_text(
                        j->out,
                        "The log of sign-ins holds nothing of the last %s: nobody signs in, or it is not written.",
                        j->window);
                findings_error(j->out, "ATH-2", NULL, REASON_TOO_LITTLE_DATA, message,
                               "look at the table and at auth_events");
                findings_error(j->out, "ATH-4", NULL, REASON_TOO_LITTLE_DATA, message,
                               "look at the table and at auth_events");
                return;
        }
        moment_format(at_ms, moment);
        rate_judge(j, json_real_or(peak, "failures", NAN),
                   100 * json_real_or(totals, "failures", NAN) / (double)attempts,
                   at_ms > 0 ? findings_text(j->out, " (from %.16sZ)", moment) : "", "/peak");
        size_t found = spraying_judge(j) + sprayed_judge(j);
        if (found == 0 && !facts_lacks(j->facts, "spraying") && !facts_lacks(j->facts, "sprayed"))
                findings_pass(j->out, "ATH-4", &(struct resource){.kind = "log", .name = "sign-ins"},
                              findings_text(j->out,
                                            "%" PRId64 " attempts on %" PRId64 " names from %" PRId64
                                            " addresses in %s",
                                            attempts, json_whole(totals, "names", 0),
                                            json_whole(totals, "addresses", 0), j->window),
                              "no name tried from many addresses, no address trying many names",
                              "Nobody tries names or passwords in series.");
        streaks_judge(j, attempts);
        findings_sample(j->out, "stuffing.failures", "", json_real_or(totals, "failures", NAN));
}

/* Why the share of failures is not known. */
static void
share_error(const struct judge *j)
{
        const char *metric = json_text(j->facts, "attempts_metric", "attempts_metric");
        struct resource shares = {.kind = "rate", .name = "share of failures"};

        if (json_real_or(j->facts, "attempts_series", 0) > 0)
                findings_error(j->out, "ATH-4", &shares, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out, "%s has not risen in %s: nobody signed in, or it is too new.",
                                             metric, j->window),
                               "sign in once, and look whether it counts");
        else
                findings_error(j->out, "ATH-4", &shares, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "There is no series %s: the application does not count sign-ins, or not "
                                             "under this name.",
                                             metric),
                               "export it, or set policy ATH-4 attempts_metric to what there is");
}

static void
metrics_judge(const struct judge *j)
{
        const char *metric = json_text(j->facts, "failures_metric", "?");

        findings_skip(j->out, "ATH-2", "Whether accounts lock is not to be seen in metrics.",
                      "name the log of sign-ins: auth_events of a postgres target");
        if (!(json_real_or(j->facts, "series", 0) > 0)) {
                findings_error(j->out, "ATH-4", &(struct resource){.kind = "series", .name = metric},
                               REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "There is no series %s: the application does not count failed sign-ins, "
                                             "or not under this name.",
                                             metric),
                               "export it, or set policy ATH-4 failures_metric and attempts_metric to what there is");
                return;
        }
        double peak = json_real_or(j->facts, "peak_failures", NAN), share = json_real_or(j->facts, "failed_share", NAN);
        bool attempted = !json_has(j->facts, "attempts_series") || json_real_or(j->facts, "attempts_series", 0) > 0;
        if (isnan(peak))
                findings_error(
                        j->out, "ATH-4", &(struct resource){.kind = "series", .name = metric}, REASON_TOO_LITTLE_DATA,
                        findings_text(j->out,
                                      "%s is there, but no rate can be made of it: it has too few samples in %s.",
                                      metric, j->window),
                        "nothing, if the service is new; otherwise look at the scrape of the application");
        rate_judge(j, peak, 100 * share, "", "/peak_failures");
        if (isnan(share) && (!isnan(peak) || !attempted))
                share_error(j);
}

static void
stuffing_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.facts = facts, .policy = policy, .out = out};

        (void)history;
        j.window = findings_duration(out, json_real_or(facts, "window_ms", (double)DAY_MS));
        if (strcmp(json_text(facts, "kind", ""), "prometheus") == 0)
                metrics_judge(&j);
        else
                log_judge(&j);
}

const struct audit audit_stuffing = {
        .name = "stuffing",
        .summary = "the log of sign-ins: names tried from many addresses, addresses trying many names, accounts that "
                   "do not lock",
        .looks_at = {"postgres", "prometheus"},
        .controls = {"ATH-2", "ATH-4"},
        .needs = "GRANT SELECT on the table of sign-ins; or to query Prometheus",
        .collect = stuffing_collect,
        .judge = stuffing_judge,
        .applies = stuffing_applies,
};

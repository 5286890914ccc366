/* Account lockout of Keycloak realms: soon enough, long enough, and not for good.  Controls: ATH-2.
 *
 * Source: Keycloak Server Administration Guide, "Brute force attacks". */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "oidc.h"

static int
lockout_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *realms = NULL;

        if (keycloak_realms(session, &realms, err) != 0)
                return -1;
        return json_put(facts, "realms", realms) == 0 ? 0 : error_memory(err, "realms");
}

struct judge {
        const struct policy *policy;
        struct findings *out;
        const char *realm, *evidence;
};

static void
tell(const struct judge *j, const char *what, bool good, const char *observed, const char *expected,
     const char *message, const char *remedy)
{
        findings_add(j->out, &(struct finding){.control = "ATH-2",
                                               .resource = {.kind = "realm", .namespace_ = j->realm, .name = what},
                                               .status = good ? STATUS_PASS : STATUS_FAIL,
                                               .severity = good ? SEV_NONE : policy_severity(j->policy, "ATH-2", false),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = good ? NULL : remedy,
                                               .evidence = j->evidence});
}

/* How long the first lock lasts: the increment, cut at the longest wait. */
static double
first_wait_ms(const json_t *realm)
{
        double increment = json_real_or(realm, "waitIncrementSeconds", 60),
               most = json_real_or(realm, "maxFailureWaitSeconds", 900);

        return 1000 * fmin(increment, most);
}

static void
duration_judge(const struct judge *j, const json_t *realm)
{
        double least = policy_number(j->policy, "ATH-2", "duration"), wait = first_wait_ms(realm);
        const char *expected = findings_text(j->out, "locked for at least %s, and not for good",
                                             findings_duration(j->out, least));

        if (json_flag(realm, "permanentLockout", false)) {
                tell(j, "duration", false, "permanentLockout true", expected,
                     "Accounts lock for good: whoever knows a name can shut its owner out, and a script can shut out "
                     "everybody.",
                     findings_text(j->out,
                                   "kcadm.sh update realms/%s -s permanentLockout=false -s waitIncrementSeconds=%.0f "
                                   "-s maxFailureWaitSeconds=%.0f",
                                   j->realm, least / 1000, least / 1000));
                return;
        }
        tell(j, "duration", wait >= least,
             findings_text(j->out, "locked for %s at first", findings_duration(j->out, wait)), expected,
             wait >= least ? "A lock lasts long enough to stop guessing, and opens again by itself."
                           : "A lock is over before guessing becomes useless.",
             findings_text(
                     j->out, "kcadm.sh update realms/%s -s waitIncrementSeconds=%.0f -s maxFailureWaitSeconds=%.0f",
                     j->realm, least / 1000, fmax(least / 1000, json_real_or(realm, "maxFailureWaitSeconds", 900))));
}

static void
realm_judge(struct judge *j, const json_t *realm)
{
        int64_t most = policy_whole(j->policy, "ATH-2", "failures"), failures = json_whole(realm, "failureFactor", 30);
        const char *expected = findings_text(j->out, "a lock after at most %" PRId64 " failures", most);

        if (!json_flag(realm, "bruteForceProtected", false)) {
                tell(j, "failures", false, "bruteForceProtected false", expected,
                     "Accounts never lock: a password can be guessed at for ever.",
                     findings_text(j->out,
                                   "kcadm.sh update realms/%s -s bruteForceProtected=true -s failureFactor=%" PRId64
                                   " -s waitIncrementSeconds=%.0f -s maxFailureWaitSeconds=%.0f",
                                   j->realm, most, policy_number(j->policy, "ATH-2", "duration") / 1000,
                                   policy_number(j->policy, "ATH-2", "duration") / 1000));
                return;
        }
        tell(j, "failures", failures > 0 && failures <= most, findings_text(j->out, "failureFactor %" PRId64, failures),
             expected,
             failures > 0 && failures <= most ? "An account locks after few failures."
                                              : "An account takes too many guesses before it locks.",
             findings_text(j->out, "kcadm.sh update realms/%s -s failureFactor=%" PRId64, j->realm, most));
        duration_judge(j, realm);
}

static void
lockout_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.policy = policy, .out = out};
        size_t i;
        json_t *realm;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "realms"), i, realm)
        {
                const json_t *failed = json_map(realm, "error");
                if (!json_is_object(realm))
                        continue;
                j.realm = json_text(realm, "realm", "?");
                j.evidence = findings_text(out, "/realms/%zu", i);
                if (failed != NULL)
                        findings_error(out, "ATH-2", &(struct resource){.kind = "realm", .name = j.realm},
                                       reason_from_name(json_text(failed, "reason", "internal")),
                                       json_text(failed, "text", "not read"), json_text(failed, "remedy", NULL));
                else
                        realm_judge(&j, realm);
        }
        if (out->count == 0)
                findings_error(out, "ATH-2", NULL, REASON_TOO_LITTLE_DATA, "No realm was seen.",
                               "name the realms in the target's `realms`");
}

const struct audit audit_lockout = {
        .name = "lockout",
        .summary = "Keycloak realms: accounts lock soon enough, long enough, and not for good",
        .looks_at = {"keycloak"},
        .controls = {"ATH-2"},
        .needs = "a client's service account with view-realm and view-clients, or realm exports",
        .collect = lockout_collect,
        .judge = lockout_judge,
};

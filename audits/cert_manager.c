/* cert-manager: is every TLS Secret in use renewed by itself, and does renewal work?  Controls: CRT-1, CRT-5. */

#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cert_manager_facts.h"
#include "cert_manager_rules.h"
#include "facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "scope.h"

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        struct renewals renewals;
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        json_t *secrets; /* "namespace/name" -> its row */
        json_t *claimed; /* "namespace/name" of Secrets that a Certificate fills */
        json_t *told;    /* issuers of which a finding was made */
        size_t good, faulty, exempt, unused;
        const char *left_out; /* the first Secret that nothing refers to */
};

static const char *
key_of(const struct judge *j, const char *namespace_, const char *name)
{
        return findings_text(j->out, "%s/%s", namespace_, name);
}

static bool
exempt(struct judge *j, const char *namespace_, const char *name)
{
        if (!json_globs_match(policy_value(j->policy, "CRT-1", "exempt"), key_of(j, namespace_, name)))
                return false;
        j->exempt++;
        return true;
}

static const char *
owner_of(const json_t *one, const json_t *other)
{
        const char *owner = json_text(one, "owner", "");

        owner = *owner != '\0' ? owner : json_text(other, "owner", "");
        return *owner != '\0' ? owner : NULL;
}

static const char *
users_of(const struct judge *j, const json_t *secret)
{
        const char *users = "";
        size_t i;
        json_t *user;

        json_array_foreach((json_t *)json_list(secret, "used_by"), i, user)
        {
                if (json_is_string(user))
                        users = findings_text(j->out, "%s%s%s", users, *users != '\0' ? ", " : "",
                                              json_string_value(user));
        }
        return users;
}

/* One finding per issuer that is missing or not Ready, however many certificates name it. */
static void
issuer_judge(struct judge *j, const json_t *certificate)
{
        const json_t *reference = json_map(certificate, "issuer"), *issuer = renewal_issuer(&j->renewals, certificate);
        const char *kind = json_text(reference, "kind", "Issuer"), *name = json_text(reference, "name", "");
        bool whole = strcmp(kind, "ClusterIssuer") == 0;
        const char *namespace_ = whole ? NULL : json_text(certificate, "namespace", "");
        const char *message = json_text(issuer, "message", "no message told");
        const char *identity = findings_text(j->out, "%s %s/%s", kind, whole ? "" : namespace_, name);

        if (!renewal_issuer_known(&j->renewals, certificate) || json_has(j->told, identity) ||
            (issuer != NULL && json_flag(issuer, "ready", true)))
                return;
        json_put_flag(j->told, identity, true);
        j->faulty++;
        findings_add(
                j->out,
                &(struct finding){
                        .control = "CRT-1",
                        .resource = {.kind = kind, .namespace_ = namespace_, .name = name},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "CRT-1", false),
                        .observed = issuer == NULL ? "it does not exist"
                                                   : findings_text(j->out, "not Ready: %s",
                                                                   json_text(issuer, "reason", "no reason told")),
                        .expected = "a Ready issuer",
                        .message = issuer == NULL
                                           ? "Certificates name an issuer that does not exist: none of them is "
                                             "renewed."
                                           : findings_text(j->out, "No Certificate of this issuer is renewed: %s",
                                                           message),
                        .remedy = whole ? findings_text(j->out, "kubectl describe clusterissuer %s", name)
                                        : findings_text(j->out, "kubectl -n %s describe issuer %s", namespace_, name)});
}

static void
put_moment(json_t *row, const char *key, int64_t at_ms)
{
        char text[MOMENT_TEXT];

        if (at_ms <= 0 || at_ms > 253402300799000)
                return;
        moment_format(at_ms, text);
        json_put_text(row, key, text);
}

static void
inventory_add(const struct judge *j, const json_t *certificate, const json_t *secret)
{
        json_t *row = json_object();
        const char *owner = owner_of(certificate, secret);

        json_put_text(row, "id",
                      key_of(j, json_text(certificate, "namespace", ""), json_text(certificate, "name", "")));
        json_put_text(row, "secret", json_text(certificate, "secret", ""));
        json_put_text(row, "issuer", renewal_issuer_words(&j->renewals, certificate));
        json_put_flag(row, "ready", json_flag(certificate, "ready", false));
        put_moment(row, "not_after", renewal_moment(certificate, "not_after_ms"));
        put_moment(row, "renewal", renewal_due(certificate));
        json_put_text(row, "owner", owner != NULL ? owner : "");
        json_put_text(row, "used_by", users_of(j, secret));
        findings_inventory(j->out, "renewals", row);
}

/* Too young to be judged: cert-manager is at work. */
static bool
still_issuing(const struct judge *j, const json_t *certificate)
{
        int64_t created = renewal_moment(certificate, "created_ms");

        return !json_flag(certificate, "ready", false) && json_whole(certificate, "revision", 0) == 0 && created > 0 &&
               j->renewals.now_ms - created <= policy_whole(j->policy, "CRT-1", "overdue");
}

static void
certificate_judge(struct judge *j, const json_t *certificate, size_t index)
{
        const char *namespace_ = json_text(certificate, "namespace", ""),
                   *secret = json_text(certificate, "secret", "");
        const char *name = json_text(certificate, "name", "?"), *remedy = NULL;
        const json_t *row = json_object_get(j->secrets, key_of(j, namespace_, secret));
        struct resource resource = {.kind = "Secret", .namespace_ = namespace_, .name = secret};
        int64_t until = renewal_moment(certificate, "not_after_ms");
        scoped_buffer faults = BUFFER_INIT(6000);

        inventory_add(j, certificate, row);
        if (exempt(j, namespace_, secret))
                return;
        issuer_judge(j, certificate);
        if (still_issuing(j, certificate)) {
                j->faulty++;
                findings_error(j->out, "CRT-1", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out, "Certificate %s was made just now and is being issued.", name),
                               findings_text(j->out, "cmctl status certificate %s -n %s", name, namespace_));
                return;
        }
        renewal_faults(&j->renewals, certificate, &faults, &remedy);
        if (faults.length == 0) {
                j->good++;
                return;
        }
        j->faulty++;
        findings_add(
                j->out,
                &(struct finding){.control = "CRT-1",
                                  .resource = resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(j->policy, "CRT-1", false),
                                  .observed = findings_text(j->out, "Certificate %s of %s, %s%s%s", name,
                                                            renewal_issuer_words(&j->renewals, certificate),
                                                            !json_has(certificate, "ready") ? "not said to be Ready"
                                                            : json_flag(certificate, "ready", false) ? "Ready"
                                                                                                     : "not Ready",
                                                            until > 0 ? ", until " : "",
                                                            until > 0 ? renewal_day(j->out, until) : ""),
                                  .expected = "a Ready Certificate of an ACME issuer, renewed on time (policy issuers, "
                                              "overdue, alert)",
                                  .message = findings_text(j->out, "%s", faults.data),
                                  .remedy = remedy,
                                  .owner = owner_of(certificate, row),
                                  .evidence = findings_text(j->out, "/certificates/%zu", index)});
}

/* --- Secrets that no Certificate fills ---------------------------------------------------------------------------- */

static void
secret_judge(struct judge *j, const json_t *secret, size_t index)
{
        const char *namespace_ = json_text(secret, "namespace", ""), *name = json_text(secret, "name", "");
        const char *annotated = json_text(secret, "certificate", ""), *users = users_of(j, secret), *message;
        int64_t until = renewal_moment(secret, "not_after_ms");
        struct findings *out = j->out;

        if (json_has(j->claimed, key_of(j, namespace_, name)) || exempt(j, namespace_, name))
                return;
        if (*users == '\0' && *annotated == '\0') {
                if (j->unused++ == 0)
                        j->left_out = key_of(j, namespace_, name);
                return;
        }
        if (!json_flag(j->facts, "installed", false))
                message = "cert-manager is not installed: nothing renews this certificate.";
        else if (*annotated != '\0')
                message = findings_text(
                        out, "Certificate %s, which filled this Secret, is gone: nothing renews it any more.",
                        annotated);
        else
                message = "No Certificate fills this Secret: nothing renews it.";
        j->faulty++;
        findings_add(out,
                     &(struct finding){
                             .control = "CRT-1",
                             .resource = {.kind = "Secret", .namespace_ = namespace_, .name = name},
                             .status = STATUS_FAIL,
                             .severity = policy_severity(j->policy, "CRT-1", false),
                             .observed = findings_text(
                                     out, "%s%s%s%s%s%s",
                                     json_flag(secret, "exists", true) ? "kept by hand" : "the Secret does not exist",
                                     json_flag(secret, "self_signed", false) ? ", self-signed" : "",
                                     until > 0 ? ", until " : "", until > 0 ? renewal_day(out, until) : "",
                                     *users != '\0' ? ", used by " : "", users),
                             .expected = "a Ready Certificate of an ACME issuer (policy issuers)",
                             .message = message,
                             .remedy = findings_text(out,
                                                     "Make a Certificate in namespace %s with secretName %s and the "
                                                     "issuerRef of an ACME issuer; for an Ingress the annotation "
                                                     "cert-manager.io/cluster-issuer is enough.",
                                                     namespace_, name),
                             .owner = owner_of(secret, NULL),
                             .evidence = findings_text(out, "/secrets/%zu", index)});
}

/* --- CRT-5: renewal rehearsed in staging -------------------------------------------------------------------------- */

struct rehearsal {
        size_t seen;
        int64_t newest_ms, renewed_ms; /* issued for whatever reason; issued again */
        const char *newest, *renewed;
};

static bool
is_staging(const struct judge *j, const char *namespace_, const char *name, const json_t *names, const char *more,
           const char *server)
{
        const json_t *globs = policy_value(j->policy, "CRT-5", "staging");
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)names, i, one)
        {
                if (json_is_string(one) && json_globs_match(globs, json_string_value(one)))
                        return true;
        }
        return json_globs_match(globs, key_of(j, namespace_, name)) || json_globs_match(globs, namespace_) ||
               (*more != '\0' && json_globs_match(globs, more)) || (*server != '\0' && json_globs_match(globs, server));
}

static void
rehearsal_see(const struct judge *j, struct rehearsal *rehearsal, const char *namespace_, const char *name,
              int64_t from_ms, bool again)
{
        rehearsal->seen++;
        if (from_ms > rehearsal->newest_ms) {
                rehearsal->newest_ms = from_ms;
                rehearsal->newest = key_of(j, namespace_, name);
        }
        if (again && from_ms > rehearsal->renewed_ms) {
                rehearsal->renewed_ms = from_ms;
                rehearsal->renewed = key_of(j, namespace_, name);
        }
}

static void
rehearsals_gather(const struct judge *j, struct rehearsal *rehearsal)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(j->facts, "certificates"), i, one)
        {
                const char *namespace_ = json_text(one, "namespace", ""), *name = json_text(one, "name", "");
                if (is_staging(j, namespace_, name, json_list(one, "dns_names"),
                               json_text(json_map(one, "issuer"), "name", ""),
                               json_text(renewal_issuer(&j->renewals, one), "server", "")))
                        rehearsal_see(j, rehearsal, namespace_, name, renewal_moment(one, "not_before_ms"),
                                      json_whole(one, "revision", 0) != 1);
        }
        json_array_foreach((json_t *)json_list(j->facts, "secrets"), i, one)
        {
                const char *namespace_ = json_text(one, "namespace", ""), *name = json_text(one, "name", "");
                if (!json_has(j->claimed, key_of(j, namespace_, name)) && renewal_moment(one, "not_before_ms") > 0 &&
                    is_staging(j, namespace_, name, json_list(one, "names"), "", ""))
                        rehearsal_see(j, rehearsal, namespace_, name, renewal_moment(one, "not_before_ms"), true);
        }
}

static void
rehearsal_judge(const struct judge *j)
{
        struct rehearsal rehearsal = {.newest = "", .renewed = ""};
        int64_t bound = policy_whole(j->policy, "CRT-5", "age"), now_ms = j->renewals.now_ms;
        struct findings *out = j->out;
        const char *expected = findings_text(out, "a staging certificate reissued in the last %s (policy age)",
                                             renewal_length(out, bound));

        rehearsals_gather(j, &rehearsal);
        if (rehearsal.seen == 0 && facts_lacks(j->facts, "certificates"))
                return; /* the gap says so */
        if (rehearsal.seen == 0) {
                findings_skip(
                        out, "CRT-5", "The cluster holds no certificate whose names or place say staging.",
                        "Name staging namespaces, issuers or hosts in the policy CRT-5 staging, or keep evidence of "
                        "the rehearsal elsewhere (an evidence target).");
                return;
        }
        if (rehearsal.renewed_ms > 0 && now_ms - rehearsal.renewed_ms <= bound) {
                findings_pass(out, "CRT-5", NULL,
                              findings_text(out, "%s reissued %s ago", rehearsal.renewed,
                                            renewal_length(out, now_ms - rehearsal.renewed_ms)),
                              expected, "Renewal was rehearsed lately.");
                return;
        }
        bool first = rehearsal.newest_ms > 0 && now_ms - rehearsal.newest_ms <= bound;
        if (first) {
                findings_error(out, "CRT-5", NULL, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "%s was issued %s ago for the first time: that rehearses no renewal.",
                                             rehearsal.newest, renewal_length(out, now_ms - rehearsal.newest_ms)),
                               "Renew it once: cmctl renew NAME -n NAMESPACE.");
                return;
        }
        findings_add(
                out,
                &(struct finding){
                        .control = "CRT-5",
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "CRT-5", false),
                        .observed = rehearsal.newest_ms > 0
                                            ? findings_text(out, "%s was issued last, %s ago", rehearsal.newest,
                                                            renewal_length(out, now_ms - rehearsal.newest_ms))
                                            : findings_text(out,
                                                            "none of the staging certificates (%zu) was ever issued",
                                                            rehearsal.seen),
                        .expected = expected,
                        .message = "Nobody has seen renewal work in staging lately: the first to try it is "
                                   "production.",
                        .remedy = "Renew one by hand (cmctl renew NAME -n NAMESPACE), or give staging "
                                  "certificates a duration under a month."});
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void
summary_add(const struct judge *j)
{
        struct findings *out = j->out;
        const char *aside = "";

        if (j->unused > 0)
                aside = findings_text(out, "; %zu that nothing refers to left out (%s%s)", j->unused, j->left_out,
                                      j->unused > 1 ? " ..." : "");
        if (j->exempt > 0)
                aside = findings_text(out, "%s; %zu exempt by policy", aside, j->exempt);
        if (j->good > 0) {
                findings_pass(out, "CRT-1", NULL,
                              findings_text(out, "%zu Secret%s renewed by cert-manager%s", j->good,
                                            j->good == 1 ? "" : "s", aside),
                              "a Ready Certificate of an ACME issuer, renewed on time",
                              "These certificates are renewed by themselves.");
                return;
        }
        if (j->faulty > 0 || json_array_size(json_list(j->facts, "gaps")) > 0)
                return;
        findings_skip(
                out, "CRT-1",
                findings_text(out, "%s, and no Ingress, Gateway or pod uses a TLS Secret%s.",
                              json_flag(j->facts, "installed", false) ? "There are no Certificates"
                                                                      : "cert-manager is not installed",
                              aside),
                "Nothing needs to be renewed here; certificates outside of the cluster are for a target of kind tls.");
}

static void
cert_manager_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                   struct findings *out)
{
        scoped_json secrets = json_object();
        scoped_json claimed = json_object();
        scoped_json told = json_object();
        struct judge j = {.renewals = {.facts = facts, .policy = policy, .out = out, .now_ms = history_now(history)},
                          .facts = facts,
                          .policy = policy,
                          .out = out,
                          .secrets = secrets,
                          .claimed = claimed,
                          .told = told};
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(facts, "secrets"), i, one)
                json_object_set(secrets, key_of(&j, json_text(one, "namespace", ""), json_text(one, "name", "")), one);
        json_array_foreach((json_t *)json_list(facts, "certificates"), i, one)
        {
                json_put_flag(claimed, key_of(&j, json_text(one, "namespace", ""), json_text(one, "secret", "")), true);
        }
        json_array_foreach((json_t *)json_list(facts, "certificates"), i, one) certificate_judge(&j, one, i);
        /* Without the Certificates nobody can say which Secrets they fill. */
        json_array_foreach((json_t *)json_list(facts, "secrets"), i, one)
        {
                if (!facts_lacks(facts, "certificates"))
                        secret_judge(&j, one, i);
        }
        summary_add(&j);
        rehearsal_judge(&j);
}

static const char NEEDS[] =
        "RBAC: list certificates.cert-manager.io, issuers.cert-manager.io, clusterissuers.cert-manager.io, "
        "orders.acme.cert-manager.io, challenges.acme.cert-manager.io, secrets, ingresses.networking.k8s.io, "
        "gateways.gateway.networking.k8s.io, gateways.networking.istio.io, namespaces, deployments.apps, "
        "statefulsets.apps, daemonsets.apps, rollouts.argoproj.io";

static int
cert_manager_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

const struct audit audit_cert_manager = {
        .name = "cert_manager",
        .summary = "cert-manager: automatic renewal of the TLS Secrets in use",
        .looks_at = {"kubernetes"},
        .controls = {"CRT-1", "CRT-5"},
        .needs = NEEDS,
        .collect = cert_manager_read,
        .judge = cert_manager_judge,
        .check = cert_manager_check,
};

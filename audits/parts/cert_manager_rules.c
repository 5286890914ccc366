/* Rules of automatic renewal: issuers, orders and challenges, dates. */

#include "cert_manager_rules.h"

#include <inttypes.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"

/* One certificate while its faults are gathered. */
struct fault {
        const struct renewals *renewals;
        const json_t *certificate;
        struct buffer *text;
        const char *remedy; /* of the first fault; an order's or a challenge's is more exact */
        const char *exact;
};

const char *
renewal_length(struct findings *out, int64_t length_ms)
{
        return findings_duration(out, length_ms < 0 ? -(double)length_ms : (double)length_ms);
}

const char *
renewal_day(struct findings *out, int64_t at_ms)
{
        char text[MOMENT_TEXT];

        if (at_ms <= 0 || at_ms > 253402300799000)
                return "an unknown day";
        moment_format(at_ms, text);
        return findings_text(out, "%.10s", text);
}

int64_t
renewal_moment(const json_t *row, const char *key)
{
        int64_t at_ms = json_whole(row, key, 0);

        return at_ms > 0 && at_ms < 253402300800000 ? at_ms : 0;
}

static void
say(struct fault *fault, const char *remedy, const char *sentence)
{
        size_t length = strlen(sentence);

        buffer_format(fault->text, "%s%s%s", fault->text->length > 0 ? " " : "", sentence,
                      length > 0 && sentence[length - 1] == '.' ? "" : ".");
        if (fault->remedy == NULL)
                fault->remedy = remedy;
}

/* --- issuers ------------------------------------------------------------------------------------------------------ */

static bool
own_group(const json_t *reference)
{
        return strcmp(json_text(reference, "group", "cert-manager.io"), "cert-manager.io") == 0;
}

const json_t *
renewal_issuer(const struct renewals *renewals, const json_t *certificate)
{
        const json_t *reference = json_map(certificate, "issuer");
        const char *kind = json_text(reference, "kind", "Issuer"), *name = json_text(reference, "name", "");
        const char *namespace_ = json_text(certificate, "namespace", "");
        size_t i;
        json_t *issuer;

        json_array_foreach((json_t *)json_list(renewals->facts, "issuers"), i, issuer)
        {
                if (own_group(reference) && strcmp(json_text(issuer, "kind", ""), kind) == 0 &&
                    strcmp(json_text(issuer, "name", ""), name) == 0 &&
                    (strcmp(kind, "ClusterIssuer") == 0 || strcmp(json_text(issuer, "namespace", ""), namespace_) == 0))
                        return issuer;
        }
        return NULL;
}

bool
renewal_issuer_known(const struct renewals *renewals, const json_t *certificate)
{
        const json_t *reference = json_map(certificate, "issuer");
        bool whole = strcmp(json_text(reference, "kind", "Issuer"), "ClusterIssuer") == 0;

        return reference != NULL && own_group(reference) &&
               !facts_lacks(renewals->facts, whole ? "clusterissuers" : "issuers");
}

const char *
renewal_issuer_words(const struct renewals *renewals, const json_t *certificate)
{
        const json_t *reference = json_map(certificate, "issuer"), *issuer = renewal_issuer(renewals, certificate);

        return findings_text(renewals->out, "%s %s (%s)", json_text(reference, "kind", "Issuer"),
                             json_text(reference, "name", "?"),
                             !own_group(reference)                         ? json_text(reference, "group", "?")
                             : issuer != NULL                              ? json_text(issuer, "type", "unknown")
                             : renewal_issuer_known(renewals, certificate) ? "missing"
                                                                           : "not read");
}

/* An authority of one's own is no fault of the Certificate that makes it: nothing but ca and selfsigned could. */
static void
issuer_faults(struct fault *fault)
{
        const struct renewals *r = fault->renewals;
        const json_t *reference = json_map(fault->certificate, "issuer"),
                     *issuer = renewal_issuer(r, fault->certificate);
        const char *type = !own_group(reference) ? json_text(reference, "group", "") : json_text(issuer, "type", NULL);
        const char *words = renewal_issuer_words(r, fault->certificate), *text;

        if (type == NULL || json_flag(fault->certificate, "authority", false) ||
            json_holds(policy_value(r->policy, "CRT-1", "issuers"), type))
                return;
        if (strcmp(type, "selfsigned") == 0)
                text = findings_text(r->out, "Its issuer %s lets it sign itself: no client trusts it.", words);
        else if (strcmp(type, "ca") == 0)
                text = findings_text(
                        r->out,
                        "Its issuer %s signs with a key that lies in the cluster: only clients that were given "
                        "this authority trust it, and nobody renews the authority.",
                        words);
        else
                text = findings_text(r->out, "Its issuer %s is of a kind that the policy does not name.", words);
        say(fault,
            findings_text(
                    r->out,
                    "Issue it by ACME (issuerRef of an acme issuer), or, where %s is meant, allow it: policy CRT-1 "
                    "issuers: [acme, %s].",
                    type, type),
            text);
}

/* --- orders and challenges ---------------------------------------------------------------------------------------- */

static bool
has_failed(const char *state)
{
        return strcmp(state, "invalid") == 0 || strcmp(state, "errored") == 0 || strcmp(state, "expired") == 0;
}

static void
challenge_faults(struct fault *fault, const char *order)
{
        const struct renewals *r = fault->renewals;
        const char *namespace_ = json_text(fault->certificate, "namespace", "");
        size_t i;
        json_t *challenge;

        json_array_foreach((json_t *)json_list(r->facts, "challenges"), i, challenge)
        {
                const char *state = json_text(challenge, "state", ""), *reason = json_text(challenge, "reason", "");
                if (strcmp(json_text(challenge, "namespace", ""), namespace_) != 0 ||
                    strcmp(json_text(challenge, "order", ""), order) != 0 || (!has_failed(state) && *reason == '\0'))
                        continue;
                const char *remedy = findings_text(r->out, "kubectl -n %s describe challenge %s", namespace_,
                                                   json_text(challenge, "name", ""));
                fault->exact = fault->exact != NULL ? fault->exact : remedy;
                say(fault, remedy,
                    findings_text(r->out, "Its %s challenge for %s is %s: %s", json_text(challenge, "type", "?"),
                                  json_text(challenge, "dns_name", "?"), *state != '\0' ? state : "pending",
                                  *reason != '\0' ? reason : "no reason told"));
        }
}

/* The newest order of the certificate, when it failed or waits for longer than renewal may take. */
static void
order_faults(struct fault *fault)
{
        const struct renewals *r = fault->renewals;
        const char *namespace_ = json_text(fault->certificate, "namespace", "");
        int64_t patience = policy_whole(r->policy, "CRT-1", "overdue");
        size_t i;
        json_t *order;

        json_array_foreach((json_t *)json_list(r->facts, "orders"), i, order)
        {
                const char *state = json_text(order, "state", ""), *reason = json_text(order, "reason", "");
                const char *name = json_text(order, "name", "?");
                int64_t created = renewal_moment(order, "created_ms"), age = created > 0 ? r->now_ms - created : 0;
                if (strcmp(json_text(order, "namespace", ""), namespace_) != 0 ||
                    strcmp(json_text(order, "certificate", ""), json_text(fault->certificate, "name", "?")) != 0 ||
                    (!has_failed(state) && age <= patience))
                        continue;
                challenge_faults(fault, name);
                const char *remedy = findings_text(r->out, "kubectl -n %s describe order %s", namespace_, name);
                fault->exact = fault->exact != NULL ? fault->exact : remedy;
                say(fault, remedy,
                    findings_text(r->out, "Its newest order %s, made %s ago, is %s%s%s", name,
                                  renewal_length(r->out, age), *state != '\0' ? state : "pending",
                                  *reason != '\0' ? ": " : "", reason));
        }
}

/* --- dates -------------------------------------------------------------------------------------------------------- */

int64_t
renewal_due(const json_t *certificate)
{
        int64_t from = renewal_moment(certificate, "not_before_ms"),
                until = renewal_moment(certificate, "not_after_ms");
        int64_t due = renewal_moment(certificate, "renewal_ms"), before = json_whole(certificate, "renew_before_ms", 0);
        int64_t percent = json_whole(certificate, "renew_before_percent", 0);

        if (due > 0)
                return due;
        if (from <= 0 || until <= from)
                return 0;
        if (before > 0 && before < until - from)
                return until - before;
        if (percent > 0 && percent < 100)
                return until - (until - from) / 100 * percent;
        return until - (until - from) / 3;
}

static void
ready_faults(struct fault *fault, const char *remedy)
{
        const json_t *certificate = fault->certificate;
        struct findings *out = fault->renewals->out;
        const char *message = json_text(certificate, "message", "");
        int64_t created = renewal_moment(certificate, "created_ms");

        if (!json_has(certificate, "ready"))
                say(fault, remedy,
                    findings_text(
                            out, "cert-manager has not said in %s whether it is Ready: is its controller running?",
                            created > 0 ? renewal_length(out, fault->renewals->now_ms - created) : "all the time"));
        else if (!json_flag(certificate, "ready", false))
                say(fault, remedy,
                    findings_text(out, "It is not Ready (%s): %s", json_text(certificate, "reason", "no reason told"),
                                  *message != '\0' ? message : "no message told"));
}

static void
date_faults(struct fault *fault, const char *remedy)
{
        const struct renewals *r = fault->renewals;
        const json_t *certificate = fault->certificate;
        int64_t due = renewal_due(certificate), attempts = json_whole(certificate, "attempts", 0);
        int64_t failed = renewal_moment(certificate, "failed_ms");

        if (due > 0 && due <= r->now_ms && r->now_ms - due > policy_whole(r->policy, "CRT-1", "overdue"))
                say(fault, remedy,
                    findings_text(r->out, "Its renewal was due %s ago, on %s.", renewal_length(r->out, r->now_ms - due),
                                  renewal_day(r->out, due)));
        if (attempts > 0)
                say(fault, remedy,
                    findings_text(r->out, "%" PRId64 " attempt%s in a row failed, the last %s ago.", attempts,
                                  attempts == 1 ? "" : "s",
                                  failed > 0 ? renewal_length(r->out, r->now_ms - failed) : "some time"));
}

/* Renewal must begin before the alert on expiry fires: otherwise every renewal begins with a false alarm, and one that
 * fails leaves less time than the alert promises. */
static void
alert_faults(struct fault *fault)
{
        const struct renewals *r = fault->renewals;
        const json_t *certificate = fault->certificate;
        int64_t from = renewal_moment(certificate, "not_before_ms"),
                until = renewal_moment(certificate, "not_after_ms");
        int64_t due = renewal_due(certificate), alert = policy_whole(r->policy, "CRT-1", "alert");
        int64_t before = json_whole(certificate, "renew_before_ms", until - due); /* what was asked for, if it was */

        if (alert == 0 || from <= 0 || due <= from || until <= due || until - from <= 2 * alert || before <= 0 ||
            before > alert)
                return;
        say(fault,
            findings_text(r->out, "Set renewBefore of Certificate %s to more than %s (a third of the life is usual).",
                          json_text(certificate, "name", "?"), renewal_length(r->out, alert)),
            findings_text(
                    r->out,
                    "It is renewed %s before it expires, and the alert on expiry fires at %s (policy alert): every "
                    "renewal begins with an alarm.",
                    renewal_length(r->out, before), renewal_length(r->out, alert)));
}

void
renewal_faults(const struct renewals *renewals, const json_t *certificate, struct buffer *faults, const char **remedy)
{
        struct fault fault = {.renewals = renewals, .certificate = certificate, .text = faults};
        const char *name = json_text(certificate, "name", ""), *namespace_ = json_text(certificate, "namespace", "");
        const char *look = findings_text(renewals->out, "cmctl status certificate %s -n %s", name, namespace_);

        ready_faults(&fault, look);
        order_faults(&fault);
        date_faults(&fault, findings_text(renewals->out, "%s; then cmctl renew %s -n %s", look, name, namespace_));
        issuer_faults(&fault);
        alert_faults(&fault);
        *remedy = fault.exact != NULL ? fault.exact : fault.remedy;
}

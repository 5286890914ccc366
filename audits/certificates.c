/* Certificates: what is served and what lies in files; when it expires, whose it is, whether it is sound.  Controls:
 * CRT-2, CRT-3, CRT-4, CRT-6. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "certificate_rules.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "scope.h"
#include "tls_sweep.h"

static const char SWEPT[] = "certificates.swept";

/* --- what is read --------------------------------------------------------------------------------------------------
 */

/* A place that could not be read hides its certificates' expiry and soundness; CRT-3 names it in judge(). */
static int
note_unread(json_t *facts, const char *list, const char *name, const char *kind, const char *controls)
{
        size_t i;
        json_t *row;

        json_array_foreach(json_object_get(facts, list), i, row)
        {
                const json_t *failed = json_map(row, "error");
                struct resource resource = {.kind = kind, .name = json_text(row, name, "?")};
                struct error why;
                if (failed == NULL)
                        continue;
                error_set(&why, reason_from_name(json_text(failed, "reason", "unreachable")), "%s",
                          json_text(failed, "text", "could not be read"));
                error_remedy(&why, "%s", json_text(failed, "remedy", ""));
                if (facts_gap(facts, list, controls, &resource, &why) != 0)
                        return -1;
        }
        return 0;
}

static int
certificates_collect(struct session *session, json_t *facts, struct error *err)
{
        const json_t *found;

        if (tls_session(session, &found, err) != 0)
                return -1;
        scoped_json copy = json_deep_copy(found);
        if (copy == NULL || json_object_update(facts, copy) != 0 ||
            note_unread(facts, "endpoints", "place", "endpoint", "CRT-2,CRT-6") != 0 ||
            note_unread(facts, "files", "path", "file", "CRT-2") != 0)
                return error_memory(err, "certificates");
        return 0;
}

/* --- what is judged ------------------------------------------------------------------------------------------------
 */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        int64_t now_ms;
        json_t *all;    /* id -> certificate */
        json_t *met;    /* ids seen outside of bundles of authorities */
        json_t *served; /* ids that some endpoint shows as its own */
        json_t *labels; /* how many certificates met have that name */
};

static const char *
length_of(struct findings *out, int64_t duration_ms)
{
        char text[DURATION_TEXT];

        duration_format(duration_ms < 0 ? -duration_ms : duration_ms, text);
        return findings_text(out, "%s", text);
}

/* The name people know it by. */
static const char *
label_of(const json_t *certificate)
{
        const char *name = json_text(certificate, "common_name", "");

        if (name[0] == '\0')
                name = json_string_value(json_array_get(json_list(certificate, "names"), 0));
        if (name == NULL || name[0] == '\0')
                name = json_text(certificate, "subject", "");
        return name[0] != '\0' ? name : "certificate without a name";
}

static const char *
first_place(const json_t *certificate)
{
        const char *place = json_string_value(json_array_get(json_list(certificate, "places"), 0));

        return place != NULL ? place : "an unknown place";
}

static const char *
places_words(struct findings *out, const json_t *certificate, size_t most)
{
        const json_t *places = json_list(certificate, "places");
        size_t count = json_array_size(places);
        const char *text = first_place(certificate);

        for (size_t i = 1; i < count && i < most; i++) {
                const char *place = json_string_value(json_array_get(places, i));
                text = findings_text(out, "%s, %s", text, place != NULL ? place : "?");
        }
        return count > most ? findings_text(out, "%s and %zu more", text, count - most) : text;
}

/* Stable when a certificate is renewed in its place: the name people know, with a place where two share it. */
static struct resource
resource_of(const struct judge *j, const json_t *certificate)
{
        const char *label = label_of(certificate);
        bool shared = json_integer_value(json_object_get(j->labels, label)) > 1;

        return (struct resource){.kind = "certificate",
                                 .name = shared ? findings_text(j->out, "%.200s (%s)", label, first_place(certificate))
                                                : findings_text(j->out, "%.300s", label)};
}

static void
expiry_judge(const struct judge *j, const json_t *certificate, size_t index)
{
        struct resource resource = resource_of(j, certificate);
        struct expiry expiry;
        char until[MOMENT_TEXT];

        if (!certificate_expiry(certificate, j->policy, j->now_ms, &expiry)) {
                findings_error(j->out, "CRT-2", &resource, REASON_PROTOCOL,
                               "The dates in this certificate make no sense.", "Have it issued anew.");
                return;
        }
        moment_format(json_whole(certificate, "not_after_ms", 0), until);
        bool expired = expiry.left_ms <= 0;
        const char *left = length_of(j->out, expiry.left_ms);
        const char *observed = expired ? findings_text(j->out, "expired %s ago, on %.10s", left, until)
                                       : findings_text(j->out, "%s left, until %.10s", left, until);
        const char *expected =
                expiry.by_share
                        ? findings_text(j->out, "at least %.0f %% of its life left (policy managed_left)",
                                        policy_number(j->policy, "CRT-2", "managed_left"))
                        : findings_text(j->out, "more than %s left (policy steps)",
                                        length_of(j->out, json_integer_value(json_array_get(
                                                                  policy_value(j->policy, "CRT-2", "steps"), 0))));
        const char *owner = json_text(certificate, "owner", "");
        struct finding finding = {.control = "CRT-2",
                                  .resource = resource,
                                  .status = expiry.severity == SEV_NONE ? STATUS_PASS : STATUS_FAIL,
                                  .severity = expiry.severity,
                                  .observed = observed,
                                  .expected = expected,
                                  .owner = owner[0] != '\0' ? owner : NULL,
                                  .evidence = findings_text(j->out, "/certificates/%zu", index)};
        if (expiry.severity == SEV_NONE)
                finding.message = "It is valid for long enough.";
        else if (expired)
                finding.message = findings_text(j->out, "Whoever checks it is refused now: %s.",
                                                places_words(j->out, certificate, 3));
        else
                finding.message = findings_text(j->out, "On %.10s everybody who checks it will be refused: %s.", until,
                                                places_words(j->out, certificate, 3));
        if (expiry.severity != SEV_NONE)
                finding.remedy = expiry.by_share
                                         ? "Something renews this certificate and does not: look at its log."
                                         : "Renew it, put it in every one of its places, and reload the servers.";
        findings_add(j->out, &finding);
}

static void
owner_judge(const struct judge *j, const json_t *certificate, size_t index)
{
        const char *owner = json_text(certificate, "owner", "");
        struct resource resource = resource_of(j, certificate);

        if (owner[0] != '\0') {
                findings_pass(j->out, "CRT-4", &resource, owner, "an owner", "It is known who renews it.");
                return;
        }
        findings_add(j->out,
                     &(struct finding){.control = "CRT-4",
                                       .resource = resource,
                                       .status = STATUS_FAIL,
                                       .severity = policy_severity(j->policy, "CRT-4", false),
                                       .observed = "no owner",
                                       .expected = "an owner",
                                       .message = "Nobody is named to renew this certificate.",
                                       .remedy = "Name an owner in the target's owners rules, or an owner of the "
                                                 "whole target.",
                                       .evidence = findings_text(j->out, "/certificates/%zu", index)});
}

static void
inventory_add(const struct judge *j, const json_t *certificate)
{
        json_t *row = json_object();
        int64_t until = json_whole(certificate, "not_after_ms", 0), from = json_whole(certificate, "not_before_ms", 0);
        char text[MOMENT_TEXT];

        json_put_text(row, "id", json_text(certificate, "id", ""));
        json_put_text(row, "subject", label_of(certificate));
        if (until > 0 && until < 253402300800000) {
                moment_format(until, text);
                json_put_text(row, "not_after", text);
                json_put_whole(row, "days_left", (json_int_t)trunc((double)(until - j->now_ms) / (double)DAY_MS));
        }
        json_put_text(row, "owner", json_text(certificate, "owner", ""));
        json_put_text(row, "issuer", json_text(certificate, "issuer", ""));
        json_put_text(row, "where", places_words(j->out, certificate, 20));
        size_t names = json_array_size(json_list(certificate, "names"));
        const char *all = "";
        for (size_t i = 0; i < names && i < 20; i++) {
                const char *name = json_string_value(json_array_get(json_list(certificate, "names"), i));
                all = findings_text(j->out, "%s%s%s", all, i > 0 ? ", " : "", name != NULL ? name : "?");
        }
        json_put_text(row, "names", all);
        if (from > 0) {
                moment_format(from, text);
                json_put_text(row, "not_before", text);
        }
        json_put_text(row, "key",
                      findings_text(j->out, "%s %" PRId64, json_text(certificate, "key", "?"),
                                    json_whole(certificate, "key_bits", 0)));
        json_put_text(row, "signature", json_text(certificate, "signature", ""));
        json_put_text(row, "serial", json_text(certificate, "serial", ""));
        json_put_text(row, "use",
                      json_object_get(j->served, json_text(certificate, "id", "")) != NULL ? "served"
                      : json_flag(certificate, "authority", false)                         ? "authority"
                                                                                           : "kept");
        findings_inventory(j->out, "certificates", row);
}

/* What to do about the first thing that is wrong. */
static const char *
place_remedy(const json_t *place, bool no_trust)
{
        if (!json_flag(place, "name_ok", true))
                return "Have a certificate issued that has this name as a subjectAltName, or, where the server answers "
                       "to "
                       "several names, add #name to the endpoint.";
        if (!no_trust && !json_flag(place, "trusted", true))
                return json_array_size(json_list(place, "chain")) <= 1
                               ? "Serve the whole chain (leaf first, then its intermediates); an authority of your own "
                                 "belongs into the target's ca_file."
                               : "Have it issued by an authority that clients trust, or name yours in the target's "
                                 "ca_file.";
        return "Have a new certificate issued that mends this, and put it in its place.";
}

static void
place_judge(const struct judge *j, const json_t *place, size_t index)
{
        struct resource resource = {.kind = "endpoint", .name = json_text(place, "place", "?")};
        const json_t *leaf = json_object_get(j->all, json_text(place, "leaf", ""));
        bool no_trust = json_flag(j->facts, "no_trust", false);
        scoped_buffer faults = BUFFER_INIT(4000);

        if (json_map(place, "error") != NULL)
                return; /* a gap says so */
        if (leaf == NULL || !json_has(place, "trusted") || !json_has(place, "name_ok")) {
                findings_error(j->out, "CRT-6", &resource, REASON_INTERNAL,
                               "The facts lack its certificate, or what it is worth.", NULL);
                return;
        }
        certificate_faults(place, leaf, j->all, no_trust, j->policy, j->now_ms, &faults);
        const char *observed = findings_text(j->out, "%.200s by %s", label_of(leaf), json_text(place, "tls", "TLS"));
        static const char expected[] = "right name, trusted chain, not revoked, strong enough, not valid for too long";
        if (faults.length == 0 && no_trust) {
                findings_error(j->out, "CRT-6", &resource, REASON_CONFIGURATION,
                               "No authority is trusted on this machine, so that trust cannot be judged.",
                               "Install the Debian package ca-certificates, or set the target's ca_file.");
        } else if (faults.length == 0) {
                findings_pass(j->out, "CRT-6", &resource, observed, expected, "What it serves is sound.");
        } else {
                const char *owner = json_text(leaf, "owner", "");
                findings_add(j->out, &(struct finding){.control = "CRT-6",
                                                       .resource = resource,
                                                       .status = STATUS_FAIL,
                                                       .severity = policy_severity(j->policy, "CRT-6", false),
                                                       .observed = observed,
                                                       .expected = expected,
                                                       .message = findings_text(j->out, "%s", faults.data),
                                                       .owner = owner[0] != '\0' ? owner : NULL,
                                                       .remedy = place_remedy(place, no_trust),
                                                       .evidence = findings_text(j->out, "/endpoints/%zu", index)});
        }
}

static enum reason
reason_of(const json_t *failed)
{
        return reason_from_name(json_text(failed, "reason", "unreachable"));
}

/* CRT-3 of one place: read now; else read lately enough, and named all the same; else a fault. */
static void
sweep_judge(const struct judge *j, const json_t *place, const char *kind, const char *name, const char *path)
{
        struct resource resource = {.kind = kind, .name = name};
        const json_t *failed = json_map(place, "error");
        int64_t bound = policy_whole(j->policy, "CRT-3", "age");
        const char *expected = findings_text(j->out, "read in the last %s (policy age)", length_of(j->out, bound));

        if (failed == NULL && json_text(place, "leaf", NULL) == NULL && json_list(place, "certificates") == NULL) {
                findings_error(j->out, "CRT-3", &resource, REASON_INTERNAL, "The facts do not say what was read there.",
                               NULL);
                return;
        }
        if (failed == NULL) {
                findings_pass(j->out, "CRT-3", &resource, "read now", expected, "Its certificates were read.");
                findings_sample(j->out, SWEPT, name, 1);
                return;
        }
        const struct sample *last = history_last(j->history, SWEPT, name);
        const char *text = json_text(failed, "text", "It could not be read.");
        const char *remedy = json_text(failed, "remedy", "");
        if (last != NULL && j->now_ms - last->at_ms <= bound) {
                findings_error(j->out, "CRT-3", &resource, reason_of(failed),
                               findings_text(j->out, "%s (last read %s ago)", text,
                                             length_of(j->out, j->now_ms - last->at_ms)),
                               remedy[0] != '\0' ? remedy : NULL);
                return;
        }
        if (last == NULL) {
                findings_error(j->out, "CRT-3", &resource, reason_of(failed), text, remedy[0] != '\0' ? remedy : NULL);
                return;
        }
        findings_add(j->out, &(struct finding){.control = "CRT-3",
                                               .resource = resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, "CRT-3", false),
                                               .observed = findings_text(j->out, "last read %s ago",
                                                                         length_of(j->out, j->now_ms - last->at_ms)),
                                               .expected = expected,
                                               .message = text,
                                               .remedy = remedy[0] != '\0' ? remedy : NULL,
                                               .evidence = path});
}

/* Which certificates were met where it matters: a bundle of authorities is what is trusted, not what is served. */
static void
gather(struct judge *j)
{
        size_t i, k;
        json_t *row, *id;

        json_array_foreach((json_t *)json_list(j->facts, "certificates"), i, row)
        {
                const char *name = json_text(row, "id", "");
                if (name[0] != '\0')
                        json_object_set(j->all, name, row);
        }
        json_array_foreach((json_t *)json_list(j->facts, "endpoints"), i, row)
        {
                const char *leaf = json_text(row, "leaf", NULL);
                if (leaf != NULL) {
                        json_put_flag(j->met, leaf, true);
                        json_put_flag(j->served, leaf, true);
                }
                json_array_foreach((json_t *)json_list(row, "chain"), k, id)
                {
                        if (json_is_string(id))
                                json_put_flag(j->met, json_string_value(id), true);
                }
        }
        json_array_foreach((json_t *)json_list(j->facts, "files"), i, row)
        {
                if (json_flag(row, "bundle", false))
                        continue;
                json_array_foreach((json_t *)json_list(row, "certificates"), k, id)
                {
                        if (json_is_string(id))
                                json_put_flag(j->met, json_string_value(id), true);
                }
        }
}

static void
count_labels(const struct judge *j)
{
        size_t i;
        json_t *certificate;

        json_array_foreach((json_t *)json_list(j->facts, "certificates"), i, certificate)
        {
                const char *label = label_of(certificate);
                if (json_object_get(j->met, json_text(certificate, "id", "")) != NULL)
                        json_put_whole(j->labels, label, json_whole(j->labels, label, 0) + 1);
        }
}

static void
judge_certificates(const struct judge *j, size_t *owned)
{
        size_t i;
        json_t *certificate;

        json_array_foreach((json_t *)json_list(j->facts, "certificates"), i, certificate)
        {
                const char *id = json_text(certificate, "id", "");
                if (id[0] == '\0')
                        continue;
                inventory_add(j, certificate);
                if (json_object_get(j->met, id) == NULL)
                        continue;
                expiry_judge(j, certificate, i);
                /* Intermediates belong to whoever runs the authority; one that signs itself is ours, or a server's. */
                if (json_object_get(j->served, id) != NULL || !json_flag(certificate, "authority", false) ||
                    json_flag(certificate, "self_signed", false)) {
                        owner_judge(j, certificate, i);
                        ++*owned;
                }
        }
}

static void
judge_places(const struct judge *j, size_t *endpoints)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "endpoints"), i, row)
        {
                place_judge(j, row, i);
                sweep_judge(j, row, "endpoint", json_text(row, "place", "?"),
                            findings_text(j->out, "/endpoints/%zu", i));
                ++*endpoints;
        }
        json_array_foreach((json_t *)json_list(j->facts, "files"), i, row)
                sweep_judge(j, row, "file", json_text(row, "path", "?"), findings_text(j->out, "/files/%zu", i));
}

static void
certificates_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                   struct findings *out)
{
        scoped_json all = json_object();
        scoped_json met = json_object();
        scoped_json served = json_object();
        scoped_json labels = json_object();
        struct judge j = {.facts = facts,
                          .policy = policy,
                          .history = history,
                          .out = out,
                          .now_ms = history_now(history),
                          .all = all,
                          .met = met,
                          .served = served,
                          .labels = labels};
        size_t owned = 0, endpoints = 0;
        static const char nothing[] =
                "Nothing was found to look at: no endpoint answers and no file holds a certificate.";
        static const char remedy[] = "Name endpoints and files of this target, and mend those that cannot be read.";

        gather(&j);
        count_labels(&j);
        judge_certificates(&j, &owned);
        judge_places(&j, &endpoints);
        if (json_object_size(met) == 0)
                findings_error(out, "CRT-2", NULL, REASON_TOO_LITTLE_DATA, nothing, remedy);
        if (owned == 0)
                findings_error(out, "CRT-4", NULL, REASON_TOO_LITTLE_DATA, nothing, remedy);
        if (json_array_size(json_list(facts, "endpoints")) + json_array_size(json_list(facts, "files")) == 0)
                findings_error(out, "CRT-3", NULL, REASON_TOO_LITTLE_DATA, nothing, remedy);
        if (endpoints == 0)
                findings_skip(out, "CRT-6", "This target names no endpoint, only files: nothing is served from it.",
                              "Add the endpoints that serve these certificates.");
}

const struct audit audit_certificates = {
        .name = "certificates",
        .summary = "TLS endpoints and certificate files: expiry, owner, soundness",
        .looks_at = {"tls"},
        .controls = {"CRT-2", "CRT-3", "CRT-4", "CRT-6"},
        .needs = "to reach the endpoints and to read the certificate files (keys are never parsed)",
        .samples = {"certificates.swept"},
        .collect = certificates_collect,
        .judge = certificates_judge,
};

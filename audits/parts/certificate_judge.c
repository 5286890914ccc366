/* Findings about certificates and about what serves them. */

#include "certificate_judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "certificate_rules.h"
#include "json.h"
#include "moment.h"

/* --- gathering ---------------------------------------------------------------------------------------------------- */

bool
certificate_judge_begin(struct certificate_judge *j)
{
        size_t i;
        json_t *row;

        j->now_ms = history_now(j->history);
        j->all = json_object();
        j->met = json_object();
        j->served = json_object();
        j->labels = json_object();
        json_array_foreach((json_t *)json_list(j->facts, "certificates"), i, row)
        {
                const char *name = json_text(row, "id", "");
                if (name[0] != '\0')
                        json_object_set(j->all, name, row);
        }
        return j->labels != NULL;
}

void
certificate_judge_end(struct certificate_judge *j)
{
        json_decref(j->all);
        json_decref(j->met);
        json_decref(j->served);
        json_decref(j->labels);
}

void
certificate_judge_meet(struct certificate_judge *j, const json_t *ids)
{
        size_t i;
        json_t *id;

        json_array_foreach((json_t *)ids, i, id)
        {
                if (json_is_string(id))
                        json_put_flag(j->met, json_string_value(id), true);
        }
}

void
certificate_judge_serve(struct certificate_judge *j, const json_t *place)
{
        const char *leaf = json_text(place, "leaf", NULL);

        if (leaf != NULL) {
                json_put_flag(j->met, leaf, true);
                json_put_flag(j->served, leaf, true);
        }
        certificate_judge_meet(j, json_list(place, "chain"));
}

/* --- one certificate ---------------------------------------------------------------------------------------------- */

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
resource_of(const struct certificate_judge *j, const json_t *certificate)
{
        const char *label = label_of(certificate);
        bool shared = json_integer_value(json_object_get(j->labels, label)) > 1;

        return (struct resource){.kind = "certificate",
                                 .name = shared ? findings_text(j->out, "%.200s (%s)", label, first_place(certificate))
                                                : findings_text(j->out, "%.300s", label)};
}

static void
expiry_judge(const struct certificate_judge *j, const json_t *certificate, size_t index)
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
owner_judge(const struct certificate_judge *j, const json_t *certificate, size_t index)
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
inventory_add(const struct certificate_judge *j, const json_t *certificate)
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

static void
count_labels(const struct certificate_judge *j)
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

size_t
certificate_judge_all(const struct certificate_judge *j)
{
        size_t i, owned = 0;
        json_t *certificate;

        count_labels(j);
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
                        owned++;
                }
        }
        return owned;
}

/* --- one place ---------------------------------------------------------------------------------------------------- */

/* What to do about the first thing that is wrong. */
static const char *
place_remedy(const struct certificate_judge *j, const json_t *place, bool no_trust)
{
        const char *held = json_text(place, "secret_leaf", ""), *setting = j->authorities;

        if (*held != '\0' && strcmp(held, json_text(place, "leaf", held)) != 0)
                return "Have what serves it take up the Secret: its log says why it did not (kubectl logs), a restart "
                       "mostly "
                       "mends it.";
        if (!json_flag(place, "name_ok", true))
                return "Have a certificate issued that has this name as a subjectAltName, or, where the server answers "
                       "to "
                       "several names, add #name to the endpoint.";
        if (!no_trust && !json_flag(place, "trusted", true))
                return json_array_size(json_list(place, "chain")) <= 1
                               ? findings_text(
                                         j->out,
                                         "Serve the whole chain (leaf first, then its intermediates); an authority of "
                                         "your own belongs into the target's %s.",
                                         setting)
                               : findings_text(
                                         j->out,
                                         "Have it issued by an authority that clients trust, or name yours in the "
                                         "target's %s.",
                                         setting);
        return "Have a new certificate issued that mends this, and put it in its place.";
}

void
certificate_judge_place(const struct certificate_judge *j, const json_t *place, const struct resource *which,
                        const char *evidence)
{
        struct resource resource = *which;
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
                               findings_text(j->out,
                                             "Install the Debian package ca-certificates, or set the target's %s.",
                                             j->authorities));
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
                                                       .remedy = place_remedy(j, place, no_trust),
                                                       .evidence = evidence});
        }
}

static enum reason
reason_of(const json_t *failed)
{
        return reason_from_name(json_text(failed, "reason", "unreachable"));
}

/* CRT-3 of one place: read now; else read lately enough, and named all the same; else a fault. */
void
certificate_judge_sweep(const struct certificate_judge *j, const json_t *failed, const struct resource *which,
                        const char *path)
{
        struct resource resource = *which;
        const char *name = resource.namespace_ == NULL
                                   ? resource.name
                                   : findings_text(j->out, "%s/%s", resource.namespace_, resource.name);
        int64_t bound = policy_whole(j->policy, "CRT-3", "age");
        const char *expected = findings_text(j->out, "read in the last %s (policy age)", length_of(j->out, bound));

        if (failed == NULL) {
                findings_pass(j->out, "CRT-3", &resource, "read now", expected, "Its certificates were read.");
                findings_sample(j->out, j->series, name, 1);
                return;
        }
        const struct sample *last = history_last(j->history, j->series, name);
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

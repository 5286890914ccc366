/* Rules for certificates: expiry by steps, soundness by the CA/Browser Forum's and the policy's bounds. */

#include "certificate_rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "moment.h"

/* The year 9999: RFC 5280's date of what has no end. */
static const int64_t MOMENT_MOST = 253402300800000;

/* --- expiry --------------------------------------------------------------------------------------------------------
 */

static enum severity
step_severity(const struct policy *policy, size_t step, size_t steps)
{
        static const enum severity five[] = {SEV4, SEV3, SEV2, SEV2, SEV1};
        enum severity first = policy_severity(policy, "CRT-2", false), last = policy_severity(policy, "CRT-2", true);

        if (first == last)
                return first; /* the configuration says one for all */
        if (step + 1 >= steps)
                return last;
        return step < 3 ? five[step] : SEV2;
}

bool
certificate_expiry(const json_t *certificate, const struct policy *policy, int64_t now_ms, struct expiry *out)
{
        int64_t from = json_whole(certificate, "not_before_ms", 0), until = json_whole(certificate, "not_after_ms", 0);
        const json_t *steps = policy_value(policy, "CRT-2", "steps");
        size_t i, count = json_array_size(steps);
        json_t *step;

        *out = (struct expiry){.severity = SEV_NONE};
        if (from < -MOMENT_MOST || until <= 0 || until > MOMENT_MOST || until <= from ||
            until - from > 400LL * 365 * DAY_MS)
                return false;
        out->left_ms = until - now_ms;
        out->share = 100.0 * (double)out->left_ms / (double)(until - from);
        if (json_flag(certificate, "managed", false) && until - from <= policy_whole(policy, "CRT-2", "short_lived")) {
                double bound = policy_number(policy, "CRT-2", "managed_left");
                out->by_share = true;
                if (out->left_ms <= 0)
                        out->severity = policy_severity(policy, "CRT-2", true);
                else if (out->share < bound)
                        out->severity = step_severity(policy, out->share < bound / 2 ? 2 : 1, 5);
                return true;
        }
        json_array_foreach((json_t *)steps, i, step)
        {
                int64_t length = json_integer_value(step);
                if (out->left_ms <= length) {
                        out->severity = step_severity(policy, i, count);
                        out->step_ms = length;
                }
        }
        if (out->left_ms <= 0)
                out->severity = policy_severity(policy, "CRT-2", true);
        return true;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

bool
certificate_names_host(const json_t *certificate, const char *host)
{
        const char *dot = strchr(host, '.');
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(certificate, "names"), i, one)
        {
                const char *name = json_is_string(one) ? json_string_value(one) : "";
                if (*host != '\0' && strcasecmp(name, host) == 0)
                        return true;
                if (strncmp(name, "*.", 2) == 0 && dot != NULL && dot != host && host[0] != '*' &&
                    strcasecmp(name + 1, dot) == 0)
                        return true;
        }
        return false;
}

/* --- soundness -----------------------------------------------------------------------------------------------------
 */

int
certificate_validity_limit(int64_t issued_ms)
{
        /* CA/Browser Forum Baseline Requirements 6.3.2, with the steps of ballot SC-081v3. */
        static const struct {
                int64_t from_ms;
                int days;
        } limits[] = {
                {1868227200000, 47},  /* 2029-03-15 */
                {1805068800000, 100}, /* 2027-03-15 */
                {1773532800000, 200}, /* 2026-03-15 */
                {1598918400000, 398}, /* 2020-09-01 */
                {1519862400000, 825}, /* 2018-03-01 */
        };

        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
                if (issued_ms >= limits[i].from_ms)
                        return limits[i].days;
        }
        return 1187; /* 39 months, before that */
}

static void
strength_faults(const json_t *certificate, const struct policy *policy, bool root, const char *which,
                struct buffer *out)
{
        const char *key = json_text(certificate, "key", "");
        int64_t bits = json_whole(certificate, "key_bits", 0);
        int64_t bound = strncmp(key, "RSA", 3) == 0 || strcmp(key, "DSA") == 0
                                ? policy_whole(policy, "CRT-6", "rsa_bits")
                        : strcmp(key, "EC") == 0 ? policy_whole(policy, "CRT-6", "ec_bits")
                                                 : 0;

        if (bits > 0 && bits < bound)
                buffer_format(out, "%s key is %s of %" PRId64 " bits, less than %" PRId64 ". ", which, key, bits,
                              bound);
        /* A root's signature on itself proves nothing and harms nobody. */
        if (!root && json_flag(certificate, "weak_signature", false))
                buffer_format(out, "%s signature is weak (%s). ", which, json_text(certificate, "signature", "?"));
}

static void
validity_faults(const json_t *leaf, bool is_public, int64_t now_ms, struct buffer *out)
{
        int64_t from = json_whole(leaf, "not_before_ms", 0), until = json_whole(leaf, "not_after_ms", 0);
        char text[MOMENT_TEXT];

        if (from < -MOMENT_MOST || from > MOMENT_MOST || until < -MOMENT_MOST || until > MOMENT_MOST)
                return; /* CRT-2 says that they make no sense */
        if (from > now_ms) {
                moment_format(from, text);
                buffer_format(out, "It is not valid before %s. ", text);
        }
        int64_t days = (until - from + SECOND_MS + DAY_MS - 1) / DAY_MS;
        int limit = certificate_validity_limit(from);
        if (is_public && until > from && days > limit)
                buffer_format(out,
                              "It is valid for %" PRId64 " days; browsers accept %d of a certificate issued then. ",
                              days, limit);
}

static void
revocation_faults(const json_t *place, const json_t *leaf, bool is_public, const struct policy *policy, int64_t now_ms,
                  struct buffer *out)
{
        const json_t *ocsp = json_map(place, "ocsp");
        const char *status = json_text(ocsp, "status", "");
        int64_t next = json_whole(ocsp, "next_ms", 0);

        if (ocsp == NULL && json_flag(leaf, "must_staple", false))
                buffer_text(out, "It demands a stapled OCSP response and the server staples none: strict clients "
                                 "refuse it. ");
        else if (ocsp == NULL && is_public && policy_flag(policy, "CRT-6", "ocsp"))
                buffer_text(out, "The server staples no OCSP response (policy ocsp). ");
        if (ocsp == NULL)
                return;
        if (strcmp(status, "revoked") == 0)
                buffer_text(out, "It is revoked, says the OCSP response that the server staples itself. ");
        else if (strcmp(status, "good") != 0)
                buffer_format(out, "The stapled OCSP response is %s. ", status);
        if (!json_flag(ocsp, "sound", true))
                buffer_text(out, "The stapled OCSP response is not signed by the issuer. ");
        if (next > 0 && next < now_ms)
                buffer_text(out, "The stapled OCSP response is out of date. ");
}

void
certificate_faults(const json_t *place, const json_t *leaf, const json_t *all, bool no_trust,
                   const struct policy *policy, int64_t now_ms, struct buffer *out)
{
        bool is_public = json_flag(place, "public", false);
        const char *trust = json_text(place, "trust", ""), *handshake = json_text(place, "handshake", "");
        size_t i;
        json_t *id;

        const char *secret = json_text(place, "secret", ""), *held = json_text(place, "secret_leaf", "");

        /* Where a Secret should be served, its own certificate and no other. */
        if (*held != '\0' && strcmp(held, json_text(place, "leaf", held)) != 0)
                buffer_format(out,
                              "It is not the certificate of Secret %s: what serves it did not take up the new one. ",
                              secret);
        if (!json_flag(place, "name_ok", true))
                buffer_format(out, "It does not name %s. ", json_text(place, "name", "this server"));
        if (!no_trust && !json_flag(place, "trusted", true))
                buffer_format(out, "It is not trusted: %s. ", trust[0] != '\0' ? trust : "no reason is told");
        /* A server that wants a client's certificate and gets none may break off; that is what it is there for. */
        if (handshake[0] != '\0' && !json_flag(place, "asks_client", false))
                buffer_format(out, "After it was shown, %s. ", handshake);
        validity_faults(leaf, is_public, now_ms, out);
        strength_faults(leaf, policy, false, "Its", out);
        json_array_foreach((json_t *)json_list(place, "chain"), i, id)
        {
                const json_t *one = json_is_string(id) ? json_object_get(all, json_string_value(id)) : NULL;
                if (i > 0 && one != NULL)
                        strength_faults(one, policy, json_flag(one, "self_signed", false), "An intermediate's", out);
        }
        revocation_faults(place, leaf, is_public, policy, now_ms, out);
        while (out->length > 0 && out->data[out->length - 1] == ' ')
                out->data[--out->length] = '\0';
}

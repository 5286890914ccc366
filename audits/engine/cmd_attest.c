/* rounds attest: signs that something was done, and prints what to paste into the configuration. */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attestation.h"
#include "catalogue.h"
#include "invocation.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

/* "NOD-5,LAT-3" as an array; NULL when it names nothing. */
static json_t *
covers_read(const char *list)
{
        scoped_json covers = json_array();

        while (*list != '\0') {
                size_t length = strcspn(list, ", ");
                if (length > 0)
                        json_push(covers, json_bytes(list, length));
                list += length;
                list += strspn(list, ", ");
        }
        return json_array_size(covers) > 0 ? scope_keep(covers) : NULL;
}

/* Text as a YAML scalar: JSON's quotes are YAML's. */
static void
print_quoted(const char *key, const char *text, const char *end)
{
        scoped_json value = json_string(text);
        scoped_string quoted = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

        printf("%s: %s%s", key, quoted != NULL ? quoted : "\"\"", end);
}

static void
print_item(const struct attestation *said, const char *signature, const char *public_key)
{
        char at[MOMENT_TEXT];
        size_t i;
        json_t *one;

        moment_format(said->at_ms, at);
        printf("# under attestations: of the evidence it is for\n- {");
        print_quoted("who", said->who, ", ");
        printf("at: \"%s\", covers: [", at);
        json_array_foreach((json_t *)said->covers, i, one) printf("%s%s", i > 0 ? ", " : "", json_string_value(one));
        printf("], outcome: %s,\n   ", said->outcome);
        print_quoted("what", said->what, ",\n   ");
        printf("signature: \"%s\"}\n# under keys: of the target, once, after comparing it with its owner\n", signature);
        scoped_json name = json_string(said->who);
        scoped_string quoted = name != NULL ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
        printf("# %s: \"%s\"\n", quoted != NULL ? quoted : "?", public_key);
}

static int
attest_run(const struct invocation *invocation)
{
        const char *key = invocation_value(invocation, "key"), *who = invocation_value(invocation, "who");
        const char *what = invocation_value(invocation, "what"), *list = invocation_value(invocation, "control");
        const char *outcome = invocation_value(invocation, "outcome"), *at = invocation_value(invocation, "at");
        struct attestation said = {
                .who = who, .what = what, .outcome = outcome != NULL ? outcome : "pass", .at_ms = moment_now()};
        char signature[ATTESTATION_SIGNATURE], public_key[ATTESTATION_KEY];
        struct error err = {0};
        size_t i;
        json_t *id;

        if (key == NULL || who == NULL || what == NULL || list == NULL)
                return invocation_usage(invocation, "needs --key, --who, --what and --control");
        if (strcmp(said.outcome, "pass") != 0 && strcmp(said.outcome, "fail") != 0)
                return invocation_usage(invocation, "--outcome is pass or fail");
        if (at != NULL && !moment_parse(at, &said.at_ms))
                return invocation_usage(invocation, "\"%s\" is no date or RFC 3339 time", at);
        /* Whole seconds: as they are written, so they are signed. */
        said.at_ms -= said.at_ms % SECOND_MS;
        scoped_json covers = covers_read(list);
        json_array_foreach(covers, i, id)
        {
                const char *text = json_string_value(id);
                if (control_find(text) == NULL && strncmp(text, "sha256:", 7) != 0)
                        return invocation_usage(invocation, "there is no control \"%s\" (rounds list controls)", text);
        }
        if (covers == NULL)
                return invocation_usage(invocation, "--control names none");
        said.covers = covers;
        if (attestation_sign(&said, key, signature, public_key, &err) != 0)
                return invocation_fail(EXIT_USAGE, &err);
        print_item(&said, signature, public_key);
        return EXIT_ASSESSED;
}

static const struct command_option options[] = {
        {"key", 'k', "FILE", "your private Ed25519 key, PEM (openssl genpkey -algorithm ed25519 -out FILE)"},
        {"who", 'w', "NAME", "who says it, as the target's `keys` names you"},
        {"control", 'C', "ID", "controls it is for, separated by commas; image digests (sha256:...) as well"},
        {"what", 0, "TEXT", "what was done, one line"},
        {"outcome", 0, "WORD", "pass (default) or fail"},
        {"at", 0, "TIME", "when it was done, a date or RFC 3339; default: now"},
        {0},
};

extern const struct command command_attest;
const struct command command_attest = {
        .name = "attest",
        .arguments = "",
        .summary = "sign that something was done, for the configuration",
        .details = "Prints an attestation to paste into a target of kind evidence: who, when, what, for which "
                   "controls, signed "
                   "with your Ed25519 key.  Reports list who attested what and when; a signature that does not fit is "
                   "a finding.  "
                   "Nothing is sent anywhere, and no configuration is needed.",
        .options = options,
        .least = 0,
        .most = 0,
        .run = attest_run,
};

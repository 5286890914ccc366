/* What evidence documents say, and signed words: signed, checked, changed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "attestation.h"
#include "evidence.h"
#include "moment.h"
#include "scope.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
        const char *document, *fields, *name, *wanted;
} documents[] = {
        {"{\"time\": \"2026-11-20T10:00:00+01:00\", \"outcome\": \"pass\", \"covers\": [\"b\", \"a\", 7]}", "{}",
         "x.json", "{\"at\": \"2026-11-20T09:00:00Z\", \"outcome\": \"pass\", \"covers\": [\"a\", \"b\"]}"},
        {"{\"latencyMs\": {\"p95\": 120.5}, \"totals\": {\"errorRate\": 0.002}}", "{}",
         "2026-11-20-recommend-peak.json",
         "{\"at\": \"2026-11-20T00:00:00Z\", \"p95_ms\": 120.5, \"error_rate\": 0.002}"},
        {"{\"latencyMs\": {\"p99\": 180}, \"finishedAt\": 1795489200, \"passed\": true}", "{}", "x",
         "{\"at\": \"2026-11-24T03:00:00Z\", \"p99_ms\": 180.0, \"outcome\": \"pass\"}"},
        {"{\"timestamp\": 1795489200000, \"result\": \"FAILED\", \"image\": \"r/a@sha256:1\"}", "{}", "x",
         "{\"at\": \"2026-11-24T03:00:00Z\", \"outcome\": \"fail\", \"covers\": [\"r/a@sha256:1\"]}"},
        {"{\"images\": [{\"name\": \"a\", \"digest\": \"sha256:1\"}, {\"image\": \"x\"}, {}]}", "{}",
         "20261120T0300Z.json", "{\"at\": \"2026-11-20T00:00:00Z\", \"covers\": [\"sha256:1\", \"x\"]}"},
        {"{\"a\": {\"b\": \"2026-11-20\"}, \"c\": \"green\", \"time\": \"2001-01-01\"}",
         "{\"time\": \"/a/b\", \"outcome\": \"/c\"}", "2026-01-01.json",
         "{\"at\": \"2026-11-20T00:00:00Z\", \"outcome\": \"pass\"}"},
        {"{\"outcome\": \"maybe\", \"p99\": \"12\", \"errorRate\": -1}", "{\"time\": \"/nowhere\"}", "2026-11-20.json",
         "{}"},
        {"[1, 2]", "{}", "v1.20261120.json", "{\"at\": \"2026-11-20T00:00:00Z\"}"},
        {"{\"time\": 12, \"status\": 3}", "{}", "2026-13-45-x-12345678901.json", "{}"},
        {"null", "{}", "", "{}"},
};

static void
documents_say(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(documents); i++) {
                scoped_json document = json_loads(documents[i].document, JSON_DECODE_ANY, NULL);
                scoped_json fields = json_loads(documents[i].fields, 0, NULL);
                scoped_json wanted = json_loads(documents[i].wanted, 0, NULL);
                scoped_json row = json_object();
                assert_int_equal(0, evidence_describe(row, document, fields, documents[i].name));
                if (!json_equal(row, wanted)) {
                        scoped_string got = json_dumps(row, JSON_SORT_KEYS);
                        fail_msg("%s: %s, wanted %s", documents[i].document, got, documents[i].wanted);
                }
        }
}

/* RFC 8032, section 7.1, test 1: the secret key as PKCS#8. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMRE"
                              "VoMLxbbR9VrlzkrQG0S9\n"
                              "-----END PRIVATE KEY-----\n";

static char *
key_write(const char *text)
{
        static char path[64];

        snprintf(path, sizeof path, "/tmp/test_evidence_XXXXXX");
        int fd = mkstemp(path);
        assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
        close(fd);
        return path;
}

static void
words_are_signed_and_checked(void **state)
{
        (void)state;
        char signature[ATTESTATION_SIGNATURE], public_key[ATTESTATION_KEY], der[200], changed[ATTESTATION_SIGNATURE];
        scoped_json covers = json_pack("[s, s]", "NOD-5", "LAT-3");
        scoped_json fewer = json_pack("[s]", "NOD-5");
        const struct attestation said = {
                .who = "jane", .what = "October read", .outcome = "pass", .at_ms = 1795489200000, .covers = covers};
        struct error err = {0};
        char *path = key_write(key_pem);

        if (attestation_sign(&said, path, signature, public_key, &err) != 0)
                fail_msg("%s", err.text);
        unlink(path);
        assert_int_equal(SIGNATURE_VALID, attestation_verify(&said, public_key, signature));
        /* The same key as openssl pkey -pubout -outform DER | base64 writes it: twelve bytes before it. */
        snprintf(der, sizeof der, "MCowBQYDK2VwAyEA%s", public_key);
        assert_int_equal(SIGNATURE_VALID, attestation_verify(&said, der, signature));

        struct attestation other[] = {said, said, said, said, said};
        other[0].who = "john";
        other[1].what = "October read ";
        other[2].outcome = "fail";
        other[3].at_ms += 1000;
        other[4].covers = fewer;
        for (size_t i = 0; i < COUNT(other); i++)
                assert_int_equal(SIGNATURE_WRONG, attestation_verify(&other[i], public_key, signature));
        snprintf(changed, sizeof changed, "%s", signature);
        changed[10] = changed[10] == 'A' ? 'B' : 'A';
        assert_int_equal(SIGNATURE_WRONG, attestation_verify(&said, public_key, changed));
        assert_int_equal(SIGNATURE_WRONG, attestation_verify(&said, public_key, "nonsense"));
        assert_int_equal(SIGNATURE_MISSING, attestation_verify(&said, public_key, NULL));
        assert_int_equal(SIGNATURE_MISSING, attestation_verify(&said, public_key, ""));
        assert_int_equal(SIGNATURE_UNTRUSTED, attestation_verify(&said, NULL, signature));
        assert_int_equal(SIGNATURE_UNTRUSTED, attestation_verify(&said, "AAAA", signature));
}

static void
bad_keys_and_fields_are_refused(void **state)
{
        (void)state;
        char signature[ATTESTATION_SIGNATURE], public_key[ATTESTATION_KEY];
        scoped_json covers = json_pack("[s]", "NOD-5");
        struct attestation said = {.who = "jane", .what = "x", .outcome = "pass", .covers = covers};
        struct error err = {0};
        char *path = key_write("no key at all");

        assert_int_equal(-1, attestation_sign(&said, path, signature, public_key, &err));
        assert_non_null(strstr(err.remedy, "openssl genpkey"));
        unlink(path);
        assert_int_equal(-1, attestation_sign(&said, path, signature, public_key, &err));
        path = key_write(key_pem);
        said.what = "x\ncovers: ATH-5";
        assert_int_equal(-1, attestation_sign(&said, path, signature, public_key, &err));
        unlink(path);
        /* A line more than was signed must not pass as one field. */
        assert_int_not_equal(SIGNATURE_VALID, attestation_verify(&said, public_key, "QUJD"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(documents_say),
                cmocka_unit_test(words_are_signed_and_checked),
                cmocka_unit_test(bad_keys_and_fields_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

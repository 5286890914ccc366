/* Signature Version 4 against vectors that AWS publishes (General Reference; Amazon S3 API Reference). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "moment.h"
#include "sigv4.h"

struct vector {
        const char *name, *access_key, *secret_key, *at;
        struct sigv4_request request;
        const char *signature;
};

#define SUITE  "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "2015-08-30T12:36:00Z"
#define S3     "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "2013-05-24T00:00:00Z"
#define BUCKET "examplebucket.s3.amazonaws.com"

static const char *const range[] = {"range: bytes=0-9", NULL};
static const char *const form[] = {"content-type: application/x-www-form-urlencoded; charset=utf-8", NULL};

static const struct vector vectors[] = {
        {"get-vanilla",
         SUITE,
         {"GET", "example.amazonaws.com", "/", "", "us-east-1", "service", 0, NULL, 0, NULL},
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"get-vanilla-query-order-key-case",
         SUITE,
         {"GET", "example.amazonaws.com", "/", "Param2=value2&Param1=value1", "us-east-1", "service", 0, NULL, 0, NULL},
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"IAM ListUsers",
         SUITE,
         {"GET", "iam.amazonaws.com", "/", "Action=ListUsers&Version=2010-05-08", "us-east-1", "iam", 0, NULL, 0, form},
         "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
        {"S3 GET object with a range",
         S3,
         {"GET", BUCKET, "/test.txt", NULL, "us-east-1", "s3", 0, NULL, 0, range},
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {"S3 GET bucket lifecycle: a parameter without a value",
         S3,
         {"GET", BUCKET, "/", "lifecycle", "us-east-1", "s3", 0, NULL, 0, NULL},
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"S3 list, sorted by us",
         S3,
         {"GET", BUCKET, "/", "prefix=J&max-keys=2", "us-east-1", "s3", 0, NULL, 0, NULL},
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static const char *
authorization(char **headers)
{
        const char *last = NULL;

        for (size_t i = 0; headers[i] != NULL; i++)
                last = headers[i];
        return last;
}

static void
published_vectors(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
                const struct vector *v = &vectors[i];
                struct sigv4_request request = v->request;
                struct error err = {0};
                char **headers;
                assert_true(moment_parse(v->at, &request.at_ms));
                assert_int_equal(0, sigv4_sign(&(struct sigv4_credentials){v->access_key, v->secret_key, NULL},
                                               &request, &headers, &err));
                const char *got = strstr(authorization(headers), "Signature=");
                if (got == NULL || strcmp(got + 10, v->signature) != 0)
                        fail_msg("%s: %s", v->name, authorization(headers));
                sigv4_free(headers);
        }
}

static void
session_token_is_signed(void **state)
{
        struct sigv4_request request = vectors[3].request;
        struct error err = {0};
        char **headers;

        (void)state;
        assert_int_equal(0, sigv4_sign(&(struct sigv4_credentials){"a", "b", "tok"}, &request, &headers, &err));
        assert_non_null(strstr(authorization(headers),
                               "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token"));
        sigv4_free(headers);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(published_vectors),
                                           cmocka_unit_test(session_token_is_signed)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

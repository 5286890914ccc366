/* What may be told of messages and their errors: errors reduced to what they have in common, shapes, places, times. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "error_text.h"
#include "message_check.h"
#include "message_shape.h"
#include "moment.h"
#include "scope.h"

static void
errors_are_reduced(void **state)
{
        static const struct {
                const char *text, *reduced;
        } cases[] = {
                {"", ""},
                {"   timeout  after\t30000 ms ", "timeout after <n> ms"},
                {"first line\nsecond line", "first line"},
                {"connect ECONNREFUSED 10.0.0.7:5432", "connect ECONNREFUSED <n>:<n>"},
                {"HTTP500 from v2", "HTTP<n> from v<n>"},
                {"no user 'o''neil' here", "no user <text><text> here"},
                {"field \"birth \\\" date\" is missing", "field <text> is missing"},
                {"customer's data isn't there", "customer's data isn't there"},
                {"it's an open \"quote", "it's an open \"quote"},
                {"job 550e8400-e29b-41d4-a716-446655440000 failed", "job <id> failed"},
                {"token 9f86d081884c7d65 expired", "token <id> expired"},
                {"deadbeef is a word", "deadbeef is a word"},
                {"order ORD-2026-00017-XYZ-9 rejected", "order <id> rejected"},
                {"user jane.doe@example.com not found", "user <email> not found"},
                {"GET https://api.example.com/v1/x?key=1 failed", "GET <url> failed"},
                {"key krn_live_abc123XYZ refused", "key <key> refused"},
                {"(krn_a) [12]", "(<key>) [<n>]"},
                {"caf\xC3\xA9 \xFF bad", "caf\xC3\xA9 ? bad"},
                {"1.5e3, 1,234.50", "<n>e<n>, <n>,<n>"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char reduced[ERROR_TEXT];
                error_text_reduce(cases[i].text, strlen(cases[i].text), reduced);
                assert_string_equal(reduced, cases[i].reduced);
        }
}

static void
long_errors_are_cut_at_a_character(void **state)
{
        char text[3000], reduced[ERROR_TEXT];

        (void)state;
        for (size_t i = 0; i + 2 < sizeof text; i += 2)
                memcpy(text + i, "\xC3\xA9", 2);
        text[sizeof text - 2] = '\0';
        error_text_reduce(text, strlen(text), reduced);
        assert_true(strlen(reduced) < ERROR_TEXT);
        scoped_json valid = json_string(reduced);
        assert_non_null(valid);
}

static void
keys_are_blotted_out(void **state)
{
        char text[] = "a krn_live-1_x, krn_";

        (void)state;
        error_text_redact(text);
        assert_string_equal(text, "a krn_********, krn_");
}

static void
places_are_found(void **state)
{
        static const struct {
                const char *pointer, *found; /* NULL: nothing */
        } cases[] = {
                {"", "{'a':{'b/c':[1,{'~':2}]}}"},
                {"/a/b~1c/0", "1"},
                {"/a/b~1c/1/~0", "2"},
                {"/a/x", NULL},
                {"/a/b~1c/x", NULL},
                {"/a/b~1c/7", NULL},
                {"a", NULL},
                {"/a/b~1c/0/0", NULL},
        };
        scoped_json message = json_loads("{\"a\":{\"b/c\":[1,{\"~\":2}]}}", 0, NULL);

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const json_t *found = message_pointer(message, cases[i].pointer);
                if (cases[i].found == NULL) {
                        assert_null(found);
                        continue;
                }
                scoped_string text = json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY);
                for (char *c = text; *c != '\0'; c++)
                        *c = *c == '"' ? '\'' : *c;
                assert_string_equal(text, cases[i].found);
        }
}

static void
times_are_read(void **state)
{
        static const struct {
                const char *value; /* JSON */
                const char *at;    /* RFC 3339, NULL: no time */
        } cases[] = {
                {"\"2026-11-24T03:00:00Z\"", "2026-11-24T03:00:00Z"},
                {"\"2026-11-24 03:00:00.5+00\"", "2026-11-24T03:00:00Z"},
                {"\"2026-11-24 03:00:00+02\"", "2026-11-24T01:00:00Z"},
                {"\"2026-11-24 03:00:00\"", "2026-11-24T03:00:00Z"},
                {"1795489200", "2026-11-24T03:00:00Z"},
                {"1795489200000", "2026-11-24T03:00:00Z"},
                {"\"1795489200000\"", "2026-11-24T03:00:00Z"},
                {"1795489200.25", "2026-11-24T03:00:00Z"},
                {"0", NULL},
                {"-5", NULL},
                {"1e300", NULL},
                {"\"yesterday\"", NULL},
                {"\"\"", NULL},
                {"null", NULL},
                {"[]", NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                scoped_json value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
                char text[MOMENT_TEXT];
                int64_t at_ms;
                bool is_time = message_moment(value, &at_ms);
                if (cases[i].at == NULL) {
                        assert_false(is_time);
                        continue;
                }
                assert_true(is_time);
                moment_format(at_ms / 1000 * 1000, text);
                assert_string_equal(text, cases[i].at);
        }
}

static void
shapes_hold_no_value(void **state)
{
        static const struct {
                const char *message, *shape;
        } cases[] = {
                {"{\"b\":1,\"a\":\"secret\"}", "{a: text, b: number}"},
                {"[{\"x\":true},{\"y\":1}]", "[{x: boolean}]"},
                {"{\"n\":null,\"l\":[]}", "{l: [], n: null}"},
                {"{\"550e8400-e29b-41d4-a716-446655440000\":1}", "{<id>: number}"},
                {"\"text\"", "text"},
                {"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}}", "{a: {b: {c: {d: {e: ..}}}}}"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                scoped_json message = json_loads(cases[i].message, JSON_DECODE_ANY, NULL);
                char shape[200], tiny[8];
                message_shape(message, shape, sizeof shape);
                assert_string_equal(shape, cases[i].shape);
                message_shape(message, tiny, sizeof tiny);
                assert_true(strlen(tiny) < sizeof tiny);
        }
}

static void
misfits_are_summed_up(void **state)
{
        scoped_json settings = json_loads("{\"schema\":{\"properties\":{\"l\":{\"items\":{\"type\":\"integer\"}}}}}", 0,
                                          NULL);
        struct message_check *check = NULL;
        struct error err = {0};

        (void)state;
        assert_int_equal(0, message_check_open(settings, &check, &err));
        static const char *const messages[] = {"{\"l\":[1,\"a\"]}", "{\"l\":[\"krn_secret\"]}", "{\"l\":[1]}",
                                               "no json"};
        for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
                assert_int_equal(0, message_check_bytes(check, messages[i], strlen(messages[i])));
        scoped_json sum = message_check_json(check);
        scoped_string text = json_dumps(sum, JSON_SORT_KEYS | JSON_COMPACT);
        assert_non_null(strstr(text, "\"fit\":1,\"messages\":4"));
        assert_non_null(strstr(text, "\"messages\":2,\"where\":\"/l/*\""));
        assert_non_null(strstr(text, "is not JSON"));
        assert_null(strstr(text, "secret"));
        message_check_close(check);
}

static void
schemas_that_cannot_be_used_are_told(void **state)
{
        static const struct {
                const char *settings;
                enum reason reason;
                const char *text;
        } cases[] = {
                {"{\"schema\":{\"unevaluatedItems\":false}}", REASON_UNSUPPORTED, "unevaluatedItems"},
                {"{\"schema_file\":\"/nowhere/schema.json\"}", REASON_CONFIGURATION,
                 "/nowhere/schema.json: No such file"},
                {"{\"schema_file\":\"/dev/null\"}", REASON_CONFIGURATION, "line"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                scoped_json settings = json_loads(cases[i].settings, 0, NULL);
                struct message_check *check = NULL;
                struct error err = {0};
                assert_int_equal(-1, message_check_open(settings, &check, &err));
                assert_null(check);
                assert_int_equal(cases[i].reason, err.reason);
                assert_non_null(strstr(err.text, cases[i].text));
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(errors_are_reduced),    cmocka_unit_test(long_errors_are_cut_at_a_character),
                cmocka_unit_test(keys_are_blotted_out),  cmocka_unit_test(places_are_found),
                cmocka_unit_test(times_are_read),        cmocka_unit_test(shapes_hold_no_value),
                cmocka_unit_test(misfits_are_summed_up), cmocka_unit_test(schemas_that_cannot_be_used_are_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

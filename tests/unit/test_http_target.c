/* A target of kind http against a scripted server, and sessions of other targets: opened once, closed with their own.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_target.h"
#include "json.h"
#include "scope.h"
#include "support_listener.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" body

/* A target at `port` with the settings that a checked configuration would have filled in, and `more`. */
static json_t *
settings_at(int port, const char *base, const char *more)
{
        char text[1000];

        snprintf(text, sizeof text,
                 "{\"url\": \"http://127.0.0.1:%d%s\", \"api_key_header\": \"X-API-Key\", \"check_path\": \"\", "
                 "\"insecure\": false, \"largest\": 4096%s%s}",
                 port, base, *more != '\0' ? ", " : "", more);
        json_t *settings = json_loads(text, 0, NULL);
        assert_non_null(settings);
        return settings;
}

static const struct {
        const char *name, *base, *path;
        const char *say;
        const char *more;
        const char *asked;   /* the request's beginning; NULL: nothing may be sent */
        const char *carries; /* a line of the request */
        enum reason reason;
        const char *says; /* what the error holds */
} documents[] = {
        {"a document", "/api", "/v1/x?a=1", OK("{\"a\": 1}"), "", "GET /api/v1/x?a=1 HTTP", NULL, REASON_NONE, NULL},
        {"one slash between", "/api/", "/v1", OK("[]"), "", "GET /api/v1 HTTP", NULL, REASON_NONE, NULL},
        {"a slash is added", "/api", "v1", OK("3"), "", "GET /api/v1 HTTP", NULL, REASON_NONE, NULL},
        {"the base itself", "/health", "", OK("\"up\""), "", "GET /health HTTP", NULL, REASON_NONE, NULL},
        {"headers travel", "", "/x", OK("{}"), "\"headers\": {\"X-Tenant\": \"acme\"}", "GET /x HTTP",
         "X-Tenant: acme\r\n", REASON_NONE, NULL},
        {"a key travels", "", "/x", OK("{}"), "\"api_key\": {\"env\": \"TEST_KEY\"}", "GET /x HTTP",
         "X-API-Key: krn_test_0123456789\r\n", REASON_NONE, NULL},
        {"a token travels", "", "/x", OK("{}"), "\"bearer\": {\"env\": \"TEST_KEY\"}", "GET /x HTTP",
         "Authorization: Bearer krn_test_0123456789\r\n", REASON_NONE, NULL},
        {"no secret inline", "", "/x", OK("{}"), "\"headers\": {\"authorization\": \"Bearer x\"}", NULL, NULL,
         REASON_CONFIGURATION, "is a secret"},
        {"no second header", "", "/x", OK("{}"), "\"headers\": {\"X-A\": \"1\\r\\nX-B: 2\"}", NULL, NULL,
         REASON_CONFIGURATION, "spans lines"},
        {"no upward path", "/api", "/../admin", OK("{}"), "", NULL, NULL, REASON_CONFIGURATION, "is no path below"},
        {"no other host", "/api", "http://127.0.0.1:1/", OK("{}"), "", NULL, NULL, REASON_CONFIGURATION,
         "is no path below"},
        {"no other authority", "", "//127.0.0.1:1/", OK("{}"), "", NULL, NULL, REASON_CONFIGURATION,
         "is no path below"},
        {"no line of its own", "", "/x HTTP/1.1\r\nX: y", OK("{}"), "", NULL, NULL, REASON_CONFIGURATION,
         "is no path below"},
        {"dots inside a name stay", "", "/a..b/x?q=..", OK("{}"), "", "GET /a..b/x?q=.. HTTP", NULL, REASON_NONE, NULL},
        {"no JSON", "", "/x", OK("<html>"), "", "GET /x HTTP", NULL, REASON_PROTOCOL, "is not JSON"},
        {"nothing at all", "", "/x", OK(""), "", "GET /x HTTP", NULL, REASON_PROTOCOL, "is not JSON"},
        {"refused", "", "/x", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "", "GET /x HTTP", NULL,
         REASON_DENIED, "GET /x"},
        {"not there", "", "/x?key=s3cret", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "",
         "GET /x?key=s3cret HTTP", NULL, REASON_UNSUPPORTED, "GET /x:"},
};

static void
asks_below_its_base(void **state)
{
        (void)state;
        setenv("TEST_KEY", "krn_test_0123456789", 1);
        for (size_t i = 0; i < COUNT(documents); i++) {
                const struct listener_step step = {.say = documents[i].say};
                int port;
                struct listener *listener = listener_start(&step, 1, &port);
                scoped_json settings = settings_at(port, documents[i].base, documents[i].more);
                const struct target target = {.name = "api", .kind = &kind_http, .owner = "", .settings = settings};
                struct session session = {.target = &target, .deadline = deadline_in(5000, NULL)};
                struct error err = {0};
                scoped_json document = NULL;

                int result = http_target_json(&session, documents[i].path, &document, &err);
                if ((result == 0) != (documents[i].reason == REASON_NONE) ||
                    (result != 0 && err.reason != documents[i].reason))
                        fail_msg("%s: %s", documents[i].name, err.text);
                if (documents[i].says != NULL && strstr(err.text, documents[i].says) == NULL)
                        fail_msg("%s: says \"%s\"", documents[i].name, err.text);
                if (strstr(err.text, "s3cret") != NULL || strstr(err.text, "krn_test") != NULL)
                        fail_msg("%s: tells a secret: %s", documents[i].name, err.text);
                const char *asked = listener_request(listener);
                if (documents[i].asked == NULL) {
                        assert_int_equal(0, listener_accepted(listener));
                } else if (strncmp(asked, documents[i].asked, strlen(documents[i].asked)) != 0 ||
                           (documents[i].carries != NULL && strstr(asked, documents[i].carries) == NULL)) {
                        fail_msg("%s: asked \"%s\"", documents[i].name, asked);
                }
                session_end(&session);
                listener_stop(listener);
        }
        unsetenv("TEST_KEY");
}

static void
a_lost_server_is_asked_once(void **state)
{
        (void)state;
        scoped_json settings = settings_at(1, "", "");
        const struct target target = {.name = "api", .kind = &kind_http, .owner = "", .settings = settings};
        struct session session = {.target = &target, .deadline = deadline_in(20000, NULL)};
        struct error err = {0};
        scoped_json document = NULL;

        assert_int_equal(-1, http_target_json(&session, "/x", &document, &err));
        assert_int_equal(REASON_UNREACHABLE, err.reason);
        int64_t begun_ms = monotonic_ms();
        assert_int_equal(-1, http_target_json(&session, "/y", &document, &err));
        assert_int_equal(REASON_UNREACHABLE, err.reason);
        assert_true(monotonic_ms() - begun_ms < 100);
        session_end(&session);
}

static int closed;

static void
count_close(void *object)
{
        (void)object;
        closed++;
}

static void
sessions_of_other_targets(void **state)
{
        (void)state;
        static const char key;
        const struct target a = {.name = "a", .kind = &kind_http, .owner = ""},
                            b = {.name = "b", .kind = &kind_http, .owner = ""};
        const struct target *const all[] = {&a, &b, NULL};
        struct session session = {.target = &a, .now_ms = 7, .targets = all, .deadline = deadline_in(1000, NULL)};
        struct error err = {0};

        assert_ptr_equal(&session, session_reference(&session, "a", &err));
        struct session *other = session_reference(&session, "b", &err);
        assert_non_null(other);
        assert_ptr_equal(&b, other->target);
        assert_int_equal(7, other->now_ms);
        assert_ptr_equal(other, session_reference(&session, "b", &err));
        assert_int_equal(session.deadline.at_ms, other->deadline.at_ms);
        assert_int_equal(0, session_put(other, &key, &session, count_close));
        session.deadline = deadline_in(5, NULL);
        session_reference(&session, "b", &err);
        assert_int_equal(session.deadline.at_ms, other->deadline.at_ms);
        assert_null(session_reference(&session, "c", &err));
        assert_int_equal(REASON_CONFIGURATION, err.reason);
        assert_non_null(strstr(err.text, "no target \"c\""));
        closed = 0;
        session_end(&session);
        assert_int_equal(1, closed);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(asks_below_its_base),
                cmocka_unit_test(a_lost_server_is_asked_once),
                cmocka_unit_test(sessions_of_other_targets),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

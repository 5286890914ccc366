/* The HTTP probe against a scripted server: what it takes, what it refuses, when it tries again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"
#include "scope.h"
#include "support_listener.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OK "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 03:00:00 GMT\r\nContent-Type: Application/JSON; charset=utf-8\r\n"

struct http_case {
        const char *name;
        struct listener_step steps[3];
        size_t step_count;
        size_t largest;
        int timeout_ms;
        int status; /* 0: an error */
        enum reason reason;
        const char *body;
        int accepted;
};

static const struct http_case cases[] = {
        {"plain", {{.say = OK "Content-Length: 2\r\n\r\n{}"}}, 1, 0, 3000, 200, REASON_NONE, "{}", 1},
        {"not found is an answer",
         {{.say = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"}},
         1,
         0,
         3000,
         404,
         REASON_NONE,
         "gone",
         1},
        {"busy, then well",
         {{.say = "HTTP/1.1 429 Slow Down\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
          {.say = OK "Content-Length: 2\r\n\r\nok"}},
         2,
         0,
         5000,
         200,
         REASON_NONE,
         "ok",
         2},
        {"busy for good",
         {{.say = "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"}},
         1,
         0,
         9000,
         503,
         REASON_NONE,
         "",
         3},
        {"asked to wait longer than the deadline",
         {{.say = "HTTP/1.1 503 No\r\nRetry-After: 20\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"}},
         1,
         0,
         1000,
         503,
         REASON_NONE,
         "",
         1},
        {"truncated", {{.say = OK "Content-Length: 200\r\n\r\nhalf"}}, 1, 0, 3000, 0, REASON_PROTOCOL, NULL, 1},
        {"hung up at once", {{.say = NULL}}, 1, 0, 9000, 0, REASON_UNREACHABLE, NULL, 3},
        {"never answers", {{.say = NULL, .stall_ms = 5000}}, 1, 0, 300, 0, REASON_TIMEOUT, NULL, 1},
        {"no HTTP at all", {{.say = "-ERR unknown command\r\n"}}, 1, 0, 3000, 0, REASON_PROTOCOL, NULL, 1},
        {"too large",
         {{.say = OK "\r\n0123456789012345678901234567890123456789012345678901234567890123456789"}},
         1,
         32,
         3000,
         0,
         REASON_PROTOCOL,
         NULL,
         1},
        {"endless",
         {{.say = OK "\r\n01234567890123456789", .repeat = 100000}},
         1,
         100000,
         5000,
         0,
         REASON_PROTOCOL,
         NULL,
         1},
        {"redirect is not followed",
         {{.say = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"}},
         1,
         0,
         3000,
         302,
         REASON_NONE,
         "",
         1},
};

static void
one_request(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct http_case *c = &cases[i];
                struct error err = {0};
                struct http *http;
                char url[64];
                int port;
                struct listener *listener = listener_start(c->steps, c->step_count, &port);
                snprintf(url, sizeof url, "http://127.0.0.1:%d/x", port);
                assert_int_equal(
                        0, http_open(&(struct http_options){.largest = c->largest, .bearer = "s3cret"}, &http, &err));
                struct deadline deadline = deadline_in(c->timeout_ms, NULL);
                scoped_answer answer = {0};
                int result = http_fetch(http, &(struct http_request){.url = url}, &deadline, &answer, &err);
                if (result != (c->status == 0 ? -1 : 0) || (c->status == 0 && err.reason != c->reason) ||
                    (c->status != 0 && answer.status != c->status) || listener_accepted(listener) != c->accepted)
                        fail_msg("%s: result %d, status %d, reason %s, text \"%s\", %d connections", c->name, result,
                                 answer.status, reason_name(err.reason), err.text, listener_accepted(listener));
                if (c->body != NULL)
                        assert_string_equal(c->body, answer.body.data != NULL ? answer.body.data : "");
                assert_null(strstr(err.text, "s3cret"));
                if (c->status == 200) {
                        assert_non_null(strstr(listener_request(listener), "Authorization: Bearer s3cret\r\n"));
                        assert_string_equal("application/json", answer.content_type);
                        assert_int_equal(1795489200000LL, answer.date_ms);
                }
                http_close(http);
                listener_stop(listener);
        }
}

static void
many_requests(void **state)
{
        static const struct listener_step steps[] = {
                {.say = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1"},
                {.say = "HTTP/1.1 403 No\r\nContent-Length: 10\r\nConnection: close\r\n\r\nforbidden!"},
                {.say = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n3"},
        };
        struct error err = {0};
        struct http *http;
        struct http_answer answers[4];
        struct http_request requests[4];
        char url[64];
        int port, denied = 0;

        (void)state;
        struct listener *listener = listener_start(steps, COUNT(steps), &port);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
        for (size_t i = 0; i < 4; i++)
                requests[i] = (struct http_request){.url = i == 3 ? "http://127.0.0.1:1/" : url};
        assert_int_equal(0, http_open(&(struct http_options){0}, &http, &err));
        struct deadline deadline = deadline_in(9000, NULL);
        assert_int_equal(0, http_fetch_all(http, requests, 4, 2, &deadline, answers, &err));
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(REASON_NONE, answers[i].error.reason);
                denied += answers[i].status == 403;
                if (answers[i].status == 403) {
                        http_status_error(&answers[i], "GET /", &err);
                        assert_int_equal(REASON_DENIED, err.reason);
                        assert_non_null(strstr(err.text, "403: forbidden!"));
                }
        }
        assert_int_equal(1, denied);
        assert_int_equal(REASON_UNREACHABLE, answers[3].error.reason);
        for (size_t i = 0; i < 4; i++)
                http_answer_free(&answers[i]);
        http_close(http);
        listener_stop(listener);
}

static void
cancelled(void **state)
{
        static const struct listener_step steps[] = {{.stall_ms = 3000}};
        struct error err = {0};
        struct http *http;
        struct cancel cancel;
        char url[64];
        int port;

        (void)state;
        struct listener *listener = listener_start(steps, 1, &port);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
        assert_int_equal(0, cancel_open(&cancel, &err));
        cancel_now(&cancel);
        assert_int_equal(0, http_open(&(struct http_options){0}, &http, &err));
        struct deadline deadline = deadline_in(9000, &cancel);
        int64_t before = monotonic_ms();
        scoped_answer answer = {0};
        assert_int_equal(-1, http_fetch(http, &(struct http_request){.url = url}, &deadline, &answer, &err));
        assert_int_equal(REASON_INTERRUPTED, err.reason);
        assert_true(monotonic_ms() - before < 1000);
        http_close(http);
        cancel_close(&cancel);
        listener_stop(listener);
}

static void
escapes(void **state)
{
        scoped_buffer text = BUFFER_INIT(100);

        (void)state;
        assert_int_equal(0, http_escape(&text, "a b/c&\xC3\xA9~"));
        assert_string_equal("a%20b%2Fc%26%C3%A9~", text.data);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(one_request), cmocka_unit_test(many_requests),
                                           cmocka_unit_test(cancelled), cmocka_unit_test(escapes)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

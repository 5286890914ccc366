/* The Prometheus probe against a scripted server: what it reads, how it cuts long times up, what refusals mean. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "moment.h"
#include "prometheus.h"
#include "scope.h"
#include "support_listener.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HEAD(status, type) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\nConnection: close\r\n\r\n"
#define OK                 HEAD("200 OK", "application/json")

/* A session with one prometheus target behind a listener. */
struct scene {
        struct listener *listener;
        struct target target;
        struct session session;
        struct prometheus *prometheus;
};

static void
scene_open(struct scene *scene, const struct listener_step *steps, size_t count)
{
        struct error err = {0};
        char url[64];
        int port;

        scene->listener = listener_start(steps, count, &port);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/metrics/", port);
        scene->target = (struct target){.name = "metrics",
                                        .kind = &kind_prometheus,
                                        .owner = "",
                                        .settings = json_pack("{s:s, s:s}", "url", url, "tenant", "kaireon")};
        scene->session = (struct session){.target = &scene->target, .deadline = deadline_in(5000, NULL)};
        scene->prometheus = prometheus_session(&scene->session, &err);
        if (scene->prometheus == NULL)
                fail_msg("%s", err.text);
}

static void
scene_close(struct scene *scene)
{
        session_end(&scene->session);
        json_decref((json_t *)scene->target.settings);
        listener_stop(scene->listener);
}

static const struct {
        const char *name, *say, *rows, *text, *remedy;
        enum reason reason;
} answers[] = {
        {"a vector, in the order of its labels",
         OK "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
            "{\"metric\":{\"t\":\"b\"},\"value\":[1795489200.5,\"2.5\"]},"
            "{\"metric\":{\"t\":\"a\"},\"value\":[1795489200.5,\"+Inf\"]},"
            "{\"metric\":{},\"value\":[1795489200,\"NaN\"]}]}}",
         "[{\"at_ms\":1795489200500,\"labels\":{\"t\":\"a\"},\"text\":\"+Inf\",\"value\":null},"
         "{\"at_ms\":1795489200500,\"labels\":{\"t\":\"b\"},\"value\":2.5},"
         "{\"at_ms\":1795489200000,\"labels\":{},\"value\":null}]",
         NULL, NULL, REASON_NONE},
        {"a scalar", OK "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"7\"]}}",
         "[{\"at_ms\":1000,\"labels\":{},\"value\":7.0}]", NULL, NULL, REASON_NONE},
        {"nothing", OK "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}", "[]", NULL, NULL,
         REASON_NONE},
        {"a refused expression",
         HEAD("400 Bad Request", "application/json") "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":"
                                                     "\"1:4: parse error\"}",
         NULL, "bad_data: 1:4: parse error", NULL, REASON_PROTOCOL},
        {"an expression that cannot be evaluated",
         HEAD("422 Unprocessable Entity", "application/json") "{\"status\":\"error\",\"errorType\":\"execution\","
                                                              "\"error\":\"many-to-many matching\"}",
         NULL, "many-to-many matching", NULL, REASON_PROTOCOL},
        {"no time left there",
         HEAD("400 Bad Request", "application/json") "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":"
                                                     "\"query timed out\"}",
         NULL, "query timed out", NULL, REASON_TIMEOUT},
        {"no credentials", HEAD("401 Unauthorized", "text/plain") "Unauthorized", NULL, "401", "bearer_file",
         REASON_DENIED},
        {"forbidden by a web page", HEAD("403 Forbidden", "text/html") "<html>", NULL, "web page", "bearer_file",
         REASON_DENIED},
        {"another path", HEAD("404 Not Found", "text/plain") "404 page not found", NULL, "404", "path prefix",
         REASON_UNSUPPORTED},
        {"a login",
         "HTTP/1.1 302 Found\r\nLocation: https://sso.example.com/login\r\nContent-Length: 0\r\nConnection: "
         "close\r\n\r\n",
         NULL, "sends on to https://sso.example.com/login", "credentials", REASON_DENIED},
        {"a proxy's page", HEAD("200 OK", "text/html") "<html>welcome</html>", NULL, "web page", "path prefix",
         REASON_PROTOCOL},
        {"no JSON", OK "{\"status\":\"succ", NULL, "not the API's JSON", "path prefix", REASON_PROTOCOL},
        {"another API", OK "{\"status\":\"success\"}", NULL, "not the API's JSON", "path prefix", REASON_PROTOCOL},
        {"a matrix", OK "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", NULL,
         "the answer is a matrix", NULL, REASON_PROTOCOL},
};

static void
instant(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(answers); i++) {
                struct scene scene;
                struct error err = {0};
                scoped_json rows = NULL;
                scene_open(&scene, &(struct listener_step){.say = answers[i].say}, 1);
                int result = prometheus_query(scene.prometheus, "up{job=\"a b\"} > 1", 1500, &rows, &err);
                scoped_string text = rows != NULL ? json_dumps(rows, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
                if ((result == 0) != (answers[i].rows != NULL) || err.reason != answers[i].reason ||
                    (text != NULL && strcmp(text, answers[i].rows) != 0) ||
                    (result != 0 && strstr(err.text, answers[i].text) == NULL) ||
                    (answers[i].remedy != NULL && strstr(err.remedy, answers[i].remedy) == NULL))
                        fail_msg("%s: %s, %s: %s (%s)", answers[i].name, text, reason_name(err.reason), err.text,
                                 err.remedy);
                const char *request = listener_request(scene.listener);
                assert_non_null(strstr(request, "GET /metrics/api/v1/query?query=up%7Bjob%3D%22a%20b%22%7D%20%3E%201"
                                                "&time=1.500&timeout="));
                assert_non_null(strstr(request, "\r\nX-Scope-OrgID: kaireon\r\n"));
                scene_close(&scene);
        }
}

static void
long_expressions_travel_as_a_form(void **state)
{
        (void)state;
        struct scene scene;
        struct error err = {0};
        char expression[6000];
        double value;
        bool found;

        memset(expression, 'a', sizeof expression - 1);
        expression[sizeof expression - 1] = '\0';
        scene_open(&scene, &(struct listener_step){.say = answers[1].say}, 1);
        assert_int_equal(prometheus_number(scene.prometheus, expression, 0, &value, &found, &err), 0);
        assert_true(found && value == 7);
        assert_non_null(strstr(listener_request(scene.listener), "POST /metrics/api/v1/query HTTP"));
        scene_close(&scene);
}

struct seen {
        size_t calls, points;
        int64_t last_ms;
};

static int
note(void *context, const json_t *labels, const struct prometheus_point *points, size_t count)
{
        struct seen *seen = context;

        assert_string_equal(json_text(labels, "t", ""), "a");
        seen->calls++;
        seen->points += count;
        seen->last_ms = points[count - 1].at_ms;
        return 0;
}

#define TWO_POINTS(first, second)                                                                               \
        OK "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"t\":\"a\"}," \
           "\"values\":[[" first ",\"1\"],[" second ",\"2\"]]}]}}"

static void
ranges_are_cut(void **state)
{
        (void)state;
        static const struct listener_step steps[] = {{.say = TWO_POINTS("0", "60")},
                                                     {.say = TWO_POINTS("600000", "600060.5")}};
        struct scene scene;
        struct error err = {0};
        struct seen seen = {0};

        scene_open(&scene, steps, COUNT(steps));
        /* 15,001 points of a minute: more than a server gives at once */
        assert_int_equal(prometheus_range(scene.prometheus, "x", 0, 15000 * MINUTE_MS, MINUTE_MS, 0, note, &seen, &err),
                         0);
        assert_int_equal(listener_accepted(scene.listener), 2);
        assert_int_equal(seen.calls, 2);
        assert_int_equal(seen.points, 4);
        assert_int_equal(seen.last_ms, 600060500);
        assert_non_null(strstr(listener_request(scene.listener), "&start=600000.000&end=900000.000&step=60.000"));
        assert_int_equal(prometheus_range(scene.prometheus, "x", 0, MINUTE_MS, MINUTE_MS, 1, note, &seen, &err), -1);
        assert_int_equal(err.reason, REASON_TOO_LITTLE_DATA);
        scene_close(&scene);
}

static void
series_are_counted(void **state)
{
        (void)state;
        struct scene scene;
        struct error err = {0};
        scoped_json rows = NULL;
        bool more = false;

        scene_open(&scene,
                   &(struct listener_step){.say = OK "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\"},"
                                                     "{\"__name__\":\"up\",\"job\":\"x\"}]}"},
                   1);
        assert_int_equal(prometheus_series(scene.prometheus, "up", 1000, 2000, 1, &rows, &more, &err), 0);
        assert_int_equal(json_array_size(rows), 1);
        assert_true(more);
        assert_non_null(strstr(listener_request(scene.listener),
                               "/metrics/api/v1/series?match[]=up&start=1.000&end=2.000&limit=2"));
        scene_close(&scene);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(instant),
                cmocka_unit_test(long_expressions_travel_as_a_form),
                cmocka_unit_test(ranges_are_cut),
                cmocka_unit_test(series_are_counted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}

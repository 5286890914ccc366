/* Alertmanager's configurations as it prints them, and where alerts go. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "alert_route.h"
#include "buffer.h"
#include "json.h"
#include "scope.h"

static const struct {
        const char *text, *json; /* NULL: no matcher */
} matchers[] = {
        {"severity=\"critical\"", "{\"label\":\"severity\",\"op\":\"=\",\"value\":\"critical\"}"},
        {"severity = critical", "{\"label\":\"severity\",\"op\":\"=\",\"value\":\"critical\"}"},
        {"{foo=~\"a|b\"}", "{\"label\":\"foo\",\"op\":\"=~\",\"value\":\"a|b\"}"},
        {"foo!~\"a\\\"b\\\\c\\n\"", "{\"label\":\"foo\",\"op\":\"!~\",\"value\":\"a\\\"b\\\\c\\n\"}"},
        {"\"a b\"!=\"\"", "{\"label\":\"a b\",\"op\":\"!=\",\"value\":\"\"}"},
        {"foo=", "{\"label\":\"foo\",\"op\":\"=\",\"value\":\"\"}"},
        {"foo", NULL},
        {"", NULL},
        {"=bar", NULL},
        {"foo=\"bar", NULL},
        {"\"foo", NULL},
};

static void
matchers_are_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof matchers / sizeof matchers[0]; i++) {
                scoped_json matcher = alert_matcher_read(matchers[i].text);
                scoped_string text = matcher != NULL ? json_dumps(matcher, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
                if ((text == NULL) != (matchers[i].json == NULL) ||
                    (text != NULL && strcmp(text, matchers[i].json) != 0))
                        fail_msg("%s: %s", matchers[i].text, text != NULL ? text : "none");
        }
}

static const struct {
        const char *op, *wanted, *value;
        int matches;
} values[] = {
        {"=", "a", "a", 1},       {"=", "a", "ab", 0},     {"!=", "a", "b", 1},  {"=~", "a|b", "b", 1},
        {"=~", "a|b", "ab", 0},   {"=~", "a.*", "abc", 1}, {"=~", "", "", 1},    {"=~", ".+", "", 0},
        {"!~", "a|b", "ab", 1},   {"=~", "(", "a", -1},    {"!~", "(", "a", -1}, {"=~", "(?i)abc", "ABC", 1},
        {"=~", "a.b", "a\nb", 1}, {"=", "", "", 1},        {"!=", "", "", 0},
};

static void
values_are_matched(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
                int got = label_matches(values[i].op, values[i].wanted, values[i].value);
                if (got != values[i].matches)
                        fail_msg("%s %s on %s: %d", values[i].op, values[i].wanted, values[i].value, got);
        }
}

static const char tree[] =
        "route:\n"
        "  receiver: default\n"
        "  group_by: ['...']\n"
        "  routes:\n"
        "  - {match: {severity: info}, receiver: 'null'}\n"
        "  - match_re: {service: ^(foo|bar)$}\n"
        "    receiver: team\n"
        "    continue: true\n"
        "    mute_time_intervals: [weekends]\n"
        "    routes:\n"
        "    - {matchers: ['severity=\"critical\"', 'env!=\"dev\"'], receiver: pager}\n"
        "  - matchers: ['a=\"1,2\", b=~\"x|y\"']\n"
        "    receiver: both\n"
        "  - {match: {code: 500}, receiver: gone}\n"
        "receivers:\n"
        "- name: default\n  email_configs: [{to: secret@example.com}]\n"
        "- name: 'null'\n"
        "- name: team\n  slack_configs: [{api_url: 'https://hooks/secret'}]\n  webhook_configs: []\n"
        "- name: pager\n  pagerduty_configs: [{service_key: secret}]\n"
        "- {name: both, opsgenie_configs: [{}], webhook_configs: [{}]}\n"
        "inhibit_rules:\n"
        "- {source_match: {alertname: Down}, target_match_re: {severity: warning|info}, equal: [x]}\n"
        "- {source_matchers: ['severity=\"critical\"'], target_matchers: ['severity=\"critical\"']}\n";

static const struct {
        const char *labels;
        const char *receivers; /* "?" before those that are not sure */
        const char *inhibitors;
} routed[] = {
        {"{\"severity\": [\"critical\"], \"service\": [\"\"], \"a\": [\"\"], \"code\": [\"\"]}", "default", ""},
        {"{\"severity\": [\"info\"]}", "null", "alertname=\"Down\""},
        {"{\"severity\": [\"critical\"], \"env\": [\"prod\"], \"service\": [\"foo\"], \"a\": [\"\"], \"code\": [\"\"]}",
         "pager", ""},
        {"{\"severity\": [\"page\"], \"service\": [\"bar\"], \"a\": [\"\"], \"code\": [\"\"]}", "team", ""},
        {"{\"severity\": [\"page\"], \"service\": [\"bar\"], \"a\": [\"1,2\"], \"b\": [\"y\"]}", "team both", ""},
        {"{\"severity\": [\"page\"], \"service\": [\"foobar\"], \"a\": [\"\"], \"code\": [\"500\"]}", "gone", ""},
        /* a service that may be several, labels that may be anything */
        {"{\"severity\": [\"page\"], \"service\": [\"foo\", \"x\"], \"a\": [\"\"], \"code\": [\"\"]}", "?team ?default",
         ""},
        {"{\"severity\": [\"page\"], \"service\": [\"\"], \"a\": [\"\"]}", "?gone ?default", ""},
        {"{}", "?null ?pager ?team ?both ?gone ?default", ""},
};

static void
alerts_are_routed(void **state)
{
        scoped_json routing = NULL;
        struct error err = {0};

        (void)state;
        assert_int_equal(alert_routing_read(tree, &routing, &err), 0);
        scoped_string all = json_dumps(routing, 0);
        assert_null(strstr(all, "secret"));
        scoped_json names = alert_routing_labels(routing);
        scoped_string listed = json_dumps(names, JSON_COMPACT);
        assert_string_equal(listed, "[\"a\",\"b\",\"code\",\"env\",\"service\",\"severity\"]");
        for (size_t i = 0; i < sizeof routed / sizeof routed[0]; i++) {
                scoped_json labels = json_loads(routed[i].labels, 0, NULL);
                scoped_json reached = alert_routes(routing, labels);
                scoped_json inhibitors = alert_inhibitors(routing, labels);
                scoped_buffer text = BUFFER_INIT(1000);
                size_t k;
                json_t *one;
                json_array_foreach(reached, k, one)
                        buffer_format(&text, "%s%s%s", k > 0 ? " " : "", json_flag(one, "sure", false) ? "" : "?",
                                      json_text(one, "receiver", ""));
                if (text.data == NULL || strcmp(text.data, routed[i].receivers) != 0)
                        fail_msg("%s: %s, not %s", routed[i].labels, text.data, routed[i].receivers);
                const char *inhibitor = json_string_value(json_array_get(inhibitors, 0));
                assert_string_equal(inhibitor != NULL ? inhibitor : "", routed[i].inhibitors);
        }
        json_t *team = json_array_get(json_object_get(routing, "receivers"), 2);
        scoped_string receiver = json_dumps(team, JSON_COMPACT);
        assert_string_equal(receiver, "{\"name\":\"team\",\"integrations\":[\"slack\"]}");
}

static void
no_configuration(void **state)
{
        static const char *const texts[] = {"", "- a", "route: [", "a: *b", "42"};

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                scoped_json routing = NULL;
                struct error err = {0};
                assert_int_equal(alert_routing_read(texts[i], &routing, &err), -1);
                assert_int_equal(err.reason, REASON_PROTOCOL);
        }
        scoped_json routing = NULL;
        struct error err = {0};
        assert_int_equal(alert_routing_read("route: 7\nreceivers: {a: b}", &routing, &err), 0);
        scoped_json reached = alert_routes(routing, NULL);
        assert_int_equal(json_array_size(reached), 1);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(matchers_are_read),
                cmocka_unit_test(values_are_matched),
                cmocka_unit_test(alerts_are_routed),
                cmocka_unit_test(no_configuration),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

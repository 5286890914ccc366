/* nginx's configuration: what is read, which location serves a path, what limits it; and the rules of Traefik. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "json.h"
#include "nginx_files.h"
#include "rate_limit_routes.h"
#include "scope.h"

static char *
write_file(const char *name, const char *text)
{
        const char *folder = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
        char *path = NULL;

        assert_true(asprintf(&path, "%s/nginx-%ld-%s", folder, (long)getpid(), name) > 0);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
        return path;
}

#define HTTP(server)                                                                                            \
        "user nobody; # words\nhttp { limit_req_zone $binary_remote_addr zone=login:10m rate=10r/m;\n"          \
        " limit_req_zone $binary_remote_addr zone=fast:10m rate=5r/s; limit_req_zone $server_name zone=all:1m " \
        "rate=5r/m;\n"                                                                                          \
        " server { server_name api.test www.test; " server " } }\n"

/* What limits /api/auth/login, as "location: zone rate address ..." */
static const struct {
        const char *about, *configuration, *expect;
} cases[] = {
        {"a location of its own", HTTP("location / { } location /api/auth/ { limit_req zone=login burst=5 nodelay; }"),
         "/api/auth/: login 10 address"},
        {"the server's limit is inherited", HTTP("limit_req zone=login; location / { proxy_pass http://x; }"),
         "/: login 10 address"},
        {"a location's own limit replaces it", HTTP("limit_req zone=login; location /api { limit_req zone=fast; }"),
         "/api: fast 300 address"},
        {"the longest beginning wins",
         HTTP("location /api { limit_req zone=login; } location /api/auth { limit_req zone=fast; }"),
         "/api/auth: fast 300 address"},
        {"an exact one wins", HTTP("location /api/auth/ { } location = /api/auth/login { limit_req zone=login; }"),
         "/api/auth/login: login 10 address"},
        {"a pattern wins over a beginning", HTTP("location /api/auth/ { limit_req zone=login; } location ~ ^/api/ { }"),
         "^/api/:"},
        {"unless that is final", HTTP("location ^~ /api/auth/ { limit_req zone=login; } location ~ ^/api/ { }"),
         "/api/auth/: login 10 address"},
        {"patterns that do not care for case", HTTP("location ~* ^/API/AUTH { limit_req zone=login; }"),
         "^/API/AUTH: login 10 address"},
        {"nested locations", HTTP("location /api { location /api/auth { limit_req zone=login; } }"),
         "/api/auth: login 10 address"},
        {"a zone that counts all together", HTTP("location / { limit_req zone=all; }"), "/: all 5 all"},
        {"a zone that is not there", HTTP("location / { limit_req zone=missing; }"), "/: missing nan all"},
        {"two limits", HTTP("location / { limit_req zone=login; limit_req zone=all; }"),
         "/: login 10 address all 5 all"},
        {"a dry run", HTTP("limit_req_dry_run on; location / { limit_req zone=login; }"), "/: login 10 address dry"},
        {"no location", HTTP("limit_req zone=login;"), ": login 10 address"},
        {"a server that redirects takes no password", HTTP("return 301 https://api.test$request_uri;"), ""},
        {"quotes, escapes and comments", HTTP("location \"/api/auth/\" { # { ;\n limit_req 'zone=login' ; }"),
         "/api/auth/: login 10 address"},
        {"braces in a pattern", HTTP("location ~ \"^/api/[a-z]{4}/\" { limit_req zone=login; }"),
         "^/api/[a-z]{4}/: login 10 address"},
        {"variables in braces", HTTP("set $a ${host}x; location / { limit_req zone=login; }"), "/: login 10 address"},
};

static void
test_limits(void **state)
{
        size_t wrong = 0;

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_string path = write_file("limits.conf", cases[i].configuration);
                scoped_json tree = NULL;
                scoped_json routes = json_array();
                struct error err = {0};
                char text[500] = "";
                size_t used = 0, k;
                json_t *limit;
                if (nginx_read(path, &tree, &err) != 0) {
                        print_error("%s: %s\n", cases[i].about, err.text);
                        wrong++;
                        continue;
                }
                assert_int_equal(nginx_limits(tree, "/api/auth/login", NULL, routes), 0);
                const json_t *route = json_array_get(routes, 0);
                if (route != NULL)
                        used += (size_t)snprintf(text, sizeof text, "%s:", json_text(route, "location", "?"));
                json_array_foreach((json_t *)json_list(route, "limits"), k, limit) used += (size_t)snprintf(
                        text + used, sizeof text - used, " %s %g %s%s", strchr(json_text(limit, "what", "=?"), '=') + 1,
                        json_real_or(limit, "per_minute", NAN),
                        json_flag(limit, "per_address", false) ? "address" : "all",
                        json_flag(limit, "dry_run", false) ? " dry" : "");
                if (strcmp(text, cases[i].expect) != 0) {
                        print_error("%s: \"%s\", wanted \"%s\"\n", cases[i].about, text, cases[i].expect);
                        wrong++;
                }
                unlink(path);
        }
        assert_int_equal(wrong, 0);
}

static void
test_refused(void **state)
{
        static const char *const texts[] = {"http {", "http { server { }",     "}",    "http { } }", "listen 80",
                                            "a \"b",  "include nothing.conf;", "a b }"};

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                scoped_string path = write_file("refused.conf", texts[i]);
                json_t *tree = NULL;
                struct error err = {0};
                assert_int_equal(nginx_read(path, &tree, &err), -1);
                assert_true(err.reason != REASON_NONE);
                assert_non_null(strstr(err.text, "refused.conf"));
                unlink(path);
        }
}

static void
test_includes(void **state)
{
        scoped_string loop = write_file("loop.conf", "");
        scoped_string zone = write_file("zone.inc", "limit_req_zone $remote_addr zone=z:1m rate=3r/m;\n");
        scoped_json tree = NULL;
        scoped_json routes = json_array();
        struct error err = {0};
        char text[2000];

        (void)state;
        snprintf(text, sizeof text,
                 "http { include %s; include %s.none*; server { location / { limit_req zone=z; } } }", zone, zone);
        scoped_string main = write_file("main.conf", text);
        assert_int_equal(nginx_read(main, &tree, &err), 0);
        assert_int_equal(nginx_limits(tree, "/login", NULL, routes), 0);
        assert_float_equal(
                json_real_or(json_array_get(json_list(json_array_get(routes, 0), "limits"), 0), "per_minute", 0), 3,
                0.001);
        /* A file that includes itself ends. */
        FILE *file = fopen(loop, "w");
        fprintf(file, "include %s;\n", loop);
        fclose(file);
        json_t *never = NULL;
        assert_int_equal(nginx_read(loop, &never, &err), -1);
        assert_non_null(strstr(err.text, "nest too deeply"));
        unlink(loop);
        unlink(zone);
        unlink(main);
}

static void
test_traefik(void **state)
{
        static const struct {
                const char *rule, *path;
                bool fits;
        } rules[] = {
                {"Host(`a`) && PathPrefix(`/api`)", "/api/auth/login", true},
                {"PathPrefix(`/web`, `/api`)", "/api/auth/login", true},
                {"PathPrefix(`/web`)", "/api/auth/login", false},
                {"Path(`/login`)", "/login", true},
                {"Path(`/login`)", "/login/x", false},
                {"Host(`a`)", "/anything", true},
                {"Path(`/x`) || PathPrefix(`/api`)", "/api/y", true},
                {"PathRegexp(`^/api`)", "/api/y", true},
                {"PathPrefix(", "/api", false},
                {"", "/api", true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
                assert_int_equal(traefik_rule_fits(rules[i].rule, rules[i].path), rules[i].fits);
        assert_true(path_is_under("/api/auth", "/api"));
        assert_true(path_is_under("/api", "/api/"));
        assert_true(path_is_under("/x", "/"));
        assert_false(path_is_under("/apix", "/api"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_includes),
                cmocka_unit_test(test_traefik),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Where the API server is and who we are: tables of kubeconfig files, and exec plugins that behave and misbehave. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "json.h"
#include "kubernetes.h"
#include "scope.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char folder[64];

static void
write_file(const char *name, const char *text, mode_t mode)
{
        char path[128];

        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static int
setup(void **state)
{
        (void)state;
        snprintf(folder, sizeof folder, "/tmp/rounds-kubeconfig-XXXXXX");
        unsetenv("KUBECONFIG");
        unsetenv("KUBERNETES_SERVICE_HOST");
        return mkdtemp(folder) != NULL ? setenv("HOME", folder, 1) : -1;
}

static int
teardown(void **state)
{
        char command[128];

        (void)state;
        snprintf(command, sizeof command, "rm -rf %s", folder);
        return system(command);
}

/* What is found with these settings (JSON); a file named in `kubeconfig` lies in the test's folder. */
static int
find(const char *settings, int64_t timeout_ms, struct kubernetes_access *way, struct error *err)
{
        scoped_json checked = json_loads(settings, 0, NULL);
        size_t i;
        json_t *name;

        assert_non_null(checked);
        json_array_foreach(json_object_get(checked, "kubeconfig"), i, name)
        {
                char path[128];
                snprintf(path, sizeof path, "%s/%s", folder, json_string_value(name));
                assert_int_equal(json_string_set(name, path), 0);
        }
        struct target target = {.name = "prod", .owner = "", .settings = checked};
        struct session session = {.target = &target, .deadline = deadline_in(timeout_ms, NULL)};
        *way = (struct kubernetes_access){0};
        *err = (struct error){0};
        return kubernetes_access_find(&session, way, err);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

#define CONTEXT(cluster, user) \
        "apiVersion: v1\nkind: Config\ncontexts:\n- name: prod\n  context: {cluster: " cluster ", user: " user "}\n"
#define CLUSTER(fields)      "clusters:\n- name: main\n  cluster: {" fields "}\n"
#define USER(fields)         "users:\n- name: rounds\n  user: {" fields "}\n"
#define WHOLE(cluster, user) CONTEXT("main", "rounds") CLUSTER(cluster) USER(user)
#define SERVER               "server: 'https://api.example:6443'"

static const struct {
        const char *about, *one, *two; /* the files one.yaml and two.yaml; NULL: not there */
        const char *member, *value;    /* of what is found; "~" stands for the folder; member NULL: an error */
        enum reason reason;
        const char *says;
} files[] = {
        {"a token", WHOLE(SERVER, "token: abcdef"), NULL, "token", "abcdef", REASON_NONE, NULL},
        {"slashes at the end go", WHOLE("server: 'https://api.example:6443//'", ""), NULL, "server",
         "https://api.example:6443", REASON_NONE, NULL},
        {"where it was found", WHOLE(SERVER, ""), NULL, "where", "context prod of ~/one.yaml", REASON_NONE, NULL},
        {"a path beside the file", WHOLE(SERVER ", certificate-authority: pki/ca.pem", ""), NULL, "ca_file",
         "~/pki/ca.pem", REASON_NONE, NULL},
        {"an absolute path", WHOLE(SERVER ", certificate-authority: /etc/ca.pem", ""), NULL, "ca_file", "/etc/ca.pem",
         REASON_NONE, NULL},
        {"data before the file", WHOLE(SERVER ", certificate-authority: ca.pem, certificate-authority-data: Y2E=", ""),
         NULL, "ca_pem", "ca", REASON_NONE, NULL},
        {"a key as data", WHOLE(SERVER, "client-key-data: a2V5"), NULL, "key_pem", "key", REASON_NONE, NULL},
        {"a token's file", WHOLE(SERVER, "tokenFile: token"), NULL, "token_file", "~/token", REASON_NONE, NULL},
        {"a password", WHOLE(SERVER, "username: u, password: p"), NULL, "password", "p", REASON_NONE, NULL},
        {"a proxy", WHOLE(SERVER ", proxy-url: 'http://p:1'", ""), NULL, "proxy", "http://p:1", REASON_NONE, NULL},
        {"nobody", CONTEXT("main", "''") CLUSTER(SERVER), NULL, "server", "https://api.example:6443", REASON_NONE,
         NULL},
        {"the parts lie in two files", CONTEXT("main", "rounds") USER("token: first"),
         CLUSTER(SERVER ", certificate-authority: ca.pem") USER("token: second"), "ca_file", "~/ca.pem", REASON_NONE,
         NULL},
        {"the first file wins", CONTEXT("main", "rounds") USER("token: first"), CLUSTER(SERVER) USER("token: second"),
         "token", "first", REASON_NONE, NULL},
        {"no such context", "contexts: []\n", NULL, NULL, NULL, REASON_CONFIGURATION, "no context \"prod\" in "},
        {"no such cluster", CONTEXT("main", "rounds") USER("token: x"), NULL, NULL, NULL, REASON_CONFIGURATION,
         "no cluster \"main\""},
        {"no such user", CONTEXT("main", "rounds") CLUSTER(SERVER), NULL, NULL, NULL, REASON_CONFIGURATION,
         "no user \"rounds\""},
        {"no server", WHOLE("insecure-skip-tls-verify: true", ""), NULL, NULL, NULL, REASON_CONFIGURATION,
         "names no server"},
        {"no base64", WHOLE(SERVER ", certificate-authority-data: '!!!!'", ""), NULL, NULL, NULL, REASON_CONFIGURATION,
         "certificate-authority-data is not base64"},
        {"an ancient plugin", WHOLE(SERVER, "auth-provider: {name: gcp}"), NULL, NULL, NULL, REASON_UNSUPPORTED,
         "auth-provider was removed"},
        {"no YAML", "a: [", NULL, NULL, NULL, REASON_CONFIGURATION, "one.yaml"},
        {"lists of nothing", "contexts: 3\nclusters: {}\nusers: x\n", NULL, NULL, NULL, REASON_CONFIGURATION,
         "no context \"prod\""},
        {"a context of the wrong shape", "contexts: [null, 3, {name: prod, context: [1]}]\n", NULL, NULL, NULL,
         REASON_CONFIGURATION, "no cluster \"\""},
        {"values of the wrong shape", WHOLE("server: [1]", "token: {a: b}"), NULL, NULL, NULL, REASON_CONFIGURATION,
         "names no server"},
};

static const char *
member_of(const struct kubernetes_access *way, const char *name)
{
        const struct {
                const char *name, *value;
        } members[] = {{"server", way->server},         {"ca_file", way->ca_file},
                       {"ca_pem", way->ca_pem},         {"key_pem", way->key_pem},
                       {"token_file", way->token_file}, {"token", way->token},
                       {"proxy", way->proxy},           {"password", way->password},
                       {"where", way->where},           {"certificate_pem", way->certificate_pem}};

        for (size_t i = 0; i < COUNT(members); i++) {
                if (strcmp(members[i].name, name) == 0)
                        return members[i].value;
        }
        fail_msg("no member %s", name);
        return NULL;
}

static void
check(const char *about, int result, const struct kubernetes_access *way, const struct error *err, const char *member,
      const char *value, enum reason reason, const char *says)
{
        char expected[200];

        if (member == NULL) {
                if (result == 0 || err->reason != reason || strstr(err->text, says) == NULL)
                        fail_msg("%s: %d, %s: %s", about, result, reason_name(err->reason), err->text);
                return;
        }
        if (result != 0)
                fail_msg("%s: %s", about, err->text);
        int before = (int)strcspn(value, "~");
        bool shortened = value[before] == '~';
        snprintf(expected, sizeof expected, "%.*s%s%s", before, value, shortened ? folder : "",
                 value + before + shortened);
        const char *got = member_of(way, member);
        if (got == NULL || strcmp(got, expected) != 0)
                fail_msg("%s: %s is %s, not %s", about, member, got != NULL ? got : "missing", expected);
}

static void
files_are_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(files); i++) {
                struct kubernetes_access way;
                struct error err;
                write_file("one.yaml", files[i].one, 0600);
                write_file("two.yaml", files[i].two != NULL ? files[i].two : "{}\n", 0600);
                int result = find("{\"context\": \"prod\", \"kubeconfig\": [\"one.yaml\", \"two.yaml\"]}", 1000, &way,
                                  &err);
                check(files[i].about, result, &way, &err, files[i].member, files[i].value, files[i].reason,
                      files[i].says);
                kubernetes_access_free(&way);
        }
}

static void
places_are_looked_at(void **state)
{
        struct kubernetes_access way;
        struct error err;
        char variable[300], standard[128];

        (void)state;
        write_file("one.yaml", WHOLE(SERVER, "token: abcdef"), 0600);
        assert_int_equal(find("{\"context\": \"prod\"}", 1000, &way, &err), -1);
        assert_non_null(strstr(err.text, "/.kube/config")); /* says where it looked */
        assert_non_null(strstr(err.remedy, "get-contexts"));
        kubernetes_access_free(&way);
        snprintf(variable, sizeof variable, "%s/missing.yaml::%s/one.yaml", folder, folder);
        setenv("KUBECONFIG", variable, 1);
        assert_int_equal(find("{\"context\": \"prod\"}", 1000, &way, &err), 0);
        assert_string_equal(way.token, "abcdef");
        kubernetes_access_free(&way);
        setenv("KUBECONFIG", "/nowhere", 1);
        assert_int_equal(find("{\"context\": \"prod\"}", 1000, &way, &err), -1);
        assert_non_null(strstr(err.text, "in /nowhere"));
        kubernetes_access_free(&way);
        unsetenv("KUBECONFIG");
        snprintf(standard, sizeof standard, "%s/.kube", folder);
        assert_int_equal(mkdir(standard, 0700), 0);
        write_file(".kube/config", WHOLE(SERVER, "token: home"), 0600);
        assert_int_equal(find("{\"context\": \"prod\"}", 1000, &way, &err), 0);
        assert_string_equal(way.token, "home");
        kubernetes_access_free(&way);
        assert_int_equal(find("{\"context\": \"prod\", \"kubeconfig\": [\"gone.yaml\"]}", 1000, &way, &err), -1);
        assert_int_equal(err.reason, REASON_CONFIGURATION); /* a file that was named must be there */
        kubernetes_access_free(&way);
        assert_int_equal(find("{}", 1000, &way, &err), -1);
        assert_non_null(strstr(err.text, "not inside a cluster"));
        kubernetes_access_free(&way);
}

static void
settings_come_first(void **state)
{
        struct kubernetes_access way;
        struct error err;

        (void)state;
        setenv("ROUNDS_TEST_TOKEN", "from the setting", 1);
        assert_int_equal(find("{\"server\": \"https://s:1//\", \"context\": \"prod\", \"ca_file\": \"/ca\", \"token\": "
                              "{\"env\": \"ROUNDS_TEST_TOKEN\"}}",
                              1000, &way, &err),
                         0);
        assert_string_equal(way.server, "https://s:1");
        assert_string_equal(way.token, "from the setting");
        assert_string_equal(way.ca_file, "/ca");
        kubernetes_access_free(&way);
}

/* --- exec plugins ------------------------------------------------------------------------------------------------- */

#define EXEC(fields)   WHOLE(SERVER, "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, " fields "}")
#define ANSWER(status) "echo '{\"kind\": \"ExecCredential\", \"status\": {" status "}}'\n"

static const struct {
        const char *about, *config, *plugin;
        const char *member, *value;
        enum reason reason;
        const char *says;
} plugins[] = {
        {"a token", EXEC(""), ANSWER("\"token\": \"t0ken\""), "token", "t0ken", REASON_NONE, NULL},
        {"a certificate", EXEC(""), ANSWER("\"clientCertificateData\": \"C\", \"clientKeyData\": \"K\""),
         "certificate_pem", "C", REASON_NONE, NULL},
        {"arguments and environment", EXEC("args: ['a b', '$(id)'], env: [{name: ROUNDS_ASK, value: '1 2'}]"),
         "echo \"{\\\"status\\\": {\\\"token\\\": \\\"$#/$1/$2/$ROUNDS_ASK\\\"}}\"\n", "token", "2/a b/$(id)/1 2",
         REASON_NONE, NULL},
        {"its environment goes before ours", EXEC("env: [{name: HOME, value: /there}]"),
         "echo \"{\\\"status\\\": {\\\"token\\\": \\\"$HOME\\\"}}\"\n", "token", "/there", REASON_NONE, NULL},
        {"it is told that nobody answers", EXEC(""),
         "case $KUBERNETES_EXEC_INFO in *'\"interactive\":false'*) " ANSWER("\"token\": \"told\"") ";; esac\n", "token",
         "told", REASON_NONE, NULL},
        {"nothing is on its input", EXEC(""), "read -r line || " ANSWER("\"token\": \"empty\""), "token", "empty",
         REASON_NONE, NULL},
        {"it fails", EXEC(""), "echo secret >&2; exit 3\n", NULL, NULL, REASON_DENIED, "ended with status 3"},
        {"it is killed", EXEC(""), "kill -9 $$\n", NULL, NULL, REASON_DENIED, "ended with status 137"},
        {"it says nothing", EXEC(""), "exit 0\n", NULL, NULL, REASON_PROTOCOL, "its answer is not JSON"},
        {"no JSON", EXEC(""), "echo Please log in\n", NULL, NULL, REASON_PROTOCOL, "its answer is not JSON"},
        {"a list", EXEC(""), "echo '[1, 2]'\n", NULL, NULL, REASON_DENIED, "neither a token nor a certificate"},
        {"no status", EXEC(""), "echo '{\"status\": 3}'\n", NULL, NULL, REASON_DENIED,
         "neither a token nor a certificate"},
        {"a token of the wrong shape", EXEC(""), ANSWER("\"token\": {\"a\": 1}"), NULL, NULL, REASON_DENIED,
         "neither a token nor a certificate"},
        {"endless output", EXEC(""), "exec cat /dev/zero\n", NULL, NULL, REASON_PROTOCOL, "output is larger than"},
        {"it hangs", EXEC(""), "sleep 60\n", NULL, NULL, REASON_TIMEOUT, "no answer in time"},
        {"it hangs behind its answer", EXEC(""), ANSWER("\"token\": \"x\"") "exec >&-\nsleep 60\n", NULL, NULL,
         REASON_TIMEOUT, "no answer in time"},
        {"what it started holds its output", EXEC(""), "sleep 60 &\n" ANSWER("\"token\": \"x\""), NULL, NULL,
         REASON_TIMEOUT, "no answer in time"},
        {"it is not there", WHOLE(SERVER, "exec: {command: ./no-plugin}"), "", NULL, NULL, REASON_CONFIGURATION,
         "no-plugin"},
        {"it has no name", WHOLE(SERVER, "exec: {args: [a]}"), "", NULL, NULL, REASON_CONFIGURATION, "exec plugin"},
};

static void
plugins_run(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(plugins); i++) {
                char script[1000];
                struct kubernetes_access way;
                struct error err;
                bool hangs = plugins[i].reason == REASON_TIMEOUT;
                int64_t began = monotonic_ms();
                snprintf(script, sizeof script, "#!/bin/sh\n%s", plugins[i].plugin);
                write_file("plugin", script, 0700);
                write_file("one.yaml", plugins[i].config, 0600);
                int result = find("{\"context\": \"prod\", \"kubeconfig\": [\"one.yaml\"]}", hangs ? 500 : 20000, &way,
                                  &err);
                check(plugins[i].about, result, &way, &err, plugins[i].member, plugins[i].value, plugins[i].reason,
                      plugins[i].says);
                if (hangs && monotonic_ms() - began > 10000)
                        fail_msg("%s: %lld ms", plugins[i].about, (long long)(monotonic_ms() - began));
                if (result != 0 && strstr(err.remedy, "by hand") == NULL && err.reason != REASON_PROTOCOL &&
                    strstr(err.text, "neither") == NULL)
                        fail_msg("%s: no remedy", plugins[i].about);
                assert_null(strstr(err.text, "secret"));
                kubernetes_access_free(&way);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(files_are_read), cmocka_unit_test(places_are_looked_at),
                                           cmocka_unit_test(settings_come_first), cmocka_unit_test(plugins_run)};

        return cmocka_run_group_tests(tests, setup, teardown);
}

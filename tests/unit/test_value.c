/* Values from configured sources: documents, pointers, captures, environments as the kubelet builds them, and what is
 * taken out of texts before anything is kept. */

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
#include "kubernetes.h"
#include "postgres.h"
#include "redis.h"
#include "scope.h"
#include "support_listener.h"
#include "value.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- documents and pointers --------------------------------------------------------------------------------------- */

static const struct {
        const char *format, *text, *wanted; /* wanted NULL: an error */
} documents[] = {
        {"json", "{\"a\": [1, true]}", "{\"a\": [1, true]}"},
        {"json", "5", "5"},
        {"json", "{\"a\": 1, \"a\": 2}", NULL},
        {"json", "{nonsense", NULL},
        {"yaml", "a: 15m\nb: [1, 'x']\n", "{\"a\": \"15m\", \"b\": [1, \"x\"]}"},
        {"yaml", "a: [", NULL},
        {"env", "A=1\nexport B = two words \n#C=3\nD='q # x' # y\nE=\"a\\nb\\\"\"\nF=x # y\nG=\nH=a#b\nnothing\n",
         "{\"A\": \"1\", \"B\": \"two words\", \"D\": \"q # x\", \"E\": \"a\\nb\\\"\", \"F\": \"x\", \"G\": \"\", "
         "\"H\": \"a#b\"}"},
        {"env", "", "{}"},
        {"env", "A=1\nA=2", "{\"A\": \"2\"}"},
        {"env", "A=1\n\xff=2\nB=\xff", "{\"A\": \"1\", \"\xEF\xBF\xBD\": \"2\", \"B\": \"\xEF\xBF\xBD\"}"},
        {"text", " 12 \n\n", "\" 12\""},
        {"text", "", "\"\""},
};

static void
texts_become_documents(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(documents); i++) {
                struct error err = {0};
                scoped_json out = NULL;
                scoped_json wanted = documents[i].wanted != NULL
                                             ? json_loads(documents[i].wanted, JSON_DECODE_ANY, NULL)
                                             : NULL;
                int result = value_document(documents[i].text, strlen(documents[i].text), documents[i].format, &out,
                                            &err);
                if ((result == 0) != (wanted != NULL) || (result == 0 && !json_equal(out, wanted))) {
                        scoped_string got = json_dumps(out, JSON_ENCODE_ANY);
                        fail_msg("%s %s: %s %s", documents[i].format, documents[i].text, got, err.text);
                }
        }
}

static const struct {
        const char *pointer, *wanted; /* NULL: nothing there */
} pointers[] = {
        {"", "{\"a/b\": {\"m~n\": [10, {\"\": 3}]}, \"\": 1}"},
        {"/", "1"},
        {"/a~1b/m~0n/0", "10"},
        {"/a~1b/m~0n/1/", "3"},
        {"/a~1b/m~0n/2", NULL},
        {"/a~1b/m~0n/00", NULL},
        {"/a~1b/m~0n/-1", NULL},
        {"/a~1b/m~0n/99999999999999999999", NULL},
        {"/a/b", NULL},
        {"a", NULL},
        {"/a~1b/m~0n/0/x", NULL},
};

static void
pointers_step(void **state)
{
        (void)state;
        scoped_json document = json_loads(pointers[0].wanted, 0, NULL);
        for (size_t i = 0; i < COUNT(pointers); i++) {
                scoped_json wanted = pointers[i].wanted != NULL ? json_loads(pointers[i].wanted, JSON_DECODE_ANY, NULL)
                                                                : NULL;
                const json_t *got = json_pointer(document, pointers[i].pointer);
                if ((got == NULL) != (wanted == NULL) || (got != NULL && !json_equal((json_t *)got, wanted)))
                        fail_msg("%s", pointers[i].pointer);
        }
}

/* --- redaction ---------------------------------------------------------------------------------------------------- */

static const struct {
        const char *text, *wanted;
} redactions[] = {
        {"key krn_live_0123456789abcdef end", "key [redacted] end"},
        {"krn_x", "krn_x"},
        {"darkrn_0123456789abcdef", "darkrn_0123456789abcdef"},
        {"postgres://app:hunter2@db:5432/x?connection_limit=5", "postgres://app:*******@db:5432/x?connection_limit=5"},
        {"postgres://app:a-long-password@db/x", "postgres://app:[redacted]@db/x"},
        {"redis://:p@ss:word-long@h:1", "redis://:[redacted]@h:1"},
        {"https://ghp_0123456789abcdef:x-oauth-basic@github.com/a, password=hunter2",
         "https://[redacted]:[redacted]@github.com/a, password=*******"},
        {"https://ghp_0123456789abcdef@github.com/a", "https://[redacted]@github.com/a"},
        {"https://token:hunter2@h/a", "https://token:*******@h/a"},
        {"https://example.com:8080/a@b", "https://example.com:8080/a@b"},
        {"host=db password=hunter2 dbname=x", "host=db password=******* dbname=x"},
        {"{\"password\": \"hunter2hunter2\", \"a\": 1}", "{\"password\": \"[redacted]\", \"a\": 1}"},
        {"Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [redacted]"},
        {"AKIAIOSFODNN7EXAMPLE", "[redacted]"},
        {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def-ghi", "[redacted]"},
        {"-----BEGIN RSA PRIVATE KEY-----\nabc", "[redacted]"},
        {"every 15m, tokens 3", "every 15m, tokens 3"},
        {"", ""},
};

static void
credentials_are_taken_out(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(redactions); i++) {
                char text[300];
                snprintf(text, sizeof text, "%s", redactions[i].text);
                value_redact(text);
                if (strcmp(text, redactions[i].wanted) != 0)
                        fail_msg("\"%s\" became \"%s\", wanted \"%s\"", redactions[i].text, text, redactions[i].wanted);
        }
        assert_true(value_name_is_secret("DATABASE_URL"));
        assert_true(value_name_is_secret("stripe_secret_key"));
        assert_true(value_name_is_secret("API_TOKEN"));
        assert_false(value_name_is_secret("WORKER_INPROCESS"));
        assert_false(value_name_is_secret("ACCESS_TOKEN_TTL"));
}

/* --- mistakes ----------------------------------------------------------------------------------------------------- */

static const struct target db = {.name = "db", .kind = &kind_postgres, .owner = ""};
static const struct target cache = {.name = "cache", .kind = &kind_redis, .owner = ""};
static const struct target api = {.name = "api", .kind = &kind_http, .owner = ""};
static const struct target prod = {.name = "prod", .kind = &kind_kubernetes, .owner = ""};
static const struct target *const targets[] = {&db, &cache, &api, &prod, NULL};

static const struct {
        const char *source, *why; /* NULL: sound */
} mistakes[] = {
        {"{\"target\": \"db\", \"sql\": \"SELECT 1\", \"database\": \"app\"}", NULL},
        {"{\"target\": \"cache\", \"redis\": [\"hget\", \"a\", \"b\"]}", NULL},
        {"{\"target\": \"api\", \"get\": \"/x\", \"pointer\": \"/a\"}", NULL},
        {"{\"target\": \"prod\", \"env\": \"A\", \"workload\": \"ns/statefulset/x\", \"container\": \"c\"}", NULL},
        {"{\"target\": \"prod\", \"config_map\": \"ns/x\", \"key\": \"a\", \"format\": \"yaml\", \"pointer\": \"/a\"}",
         NULL},
        {"{\"file\": \"/etc/x\", \"capture\": \"^deny = ([0-9]+)\"}", NULL},
        {"{}", "nothing says"},
        {"{\"file\": \"/x\", \"get\": \"/y\"}", "more than one place"},
        {"{\"sql\": \"SELECT 1\"}", "needs `target`"},
        {"{\"target\": \"nobody\", \"sql\": \"SELECT 1\"}", "there is no target \"nobody\""},
        {"{\"target\": \"cache\", \"sql\": \"SELECT 1\"}", "is of kind redis"},
        {"{\"file\": \"/x\", \"target\": \"db\"}", "target does not go with file"},
        {"{\"file\": \"/x\", \"workload\": \"a/b\"}", "workload does not go with file"},
        {"{\"target\": \"prod\", \"env\": \"A\"}", "env needs workload"},
        {"{\"target\": \"prod\", \"env\": \"A\", \"workload\": \"x\"}", "workload is namespace/name"},
        {"{\"target\": \"prod\", \"env\": \"A\", \"workload\": \"ns/replicaset/x\"}", "workload is namespace/name"},
        {"{\"target\": \"prod\", \"secret\": \"x\", \"key\": \"a\"}", "is not namespace/name"},
        {"{\"target\": \"prod\", \"object\": \"/api/v1/nodes/a\"}", "object needs pointer"},
        {"{\"target\": \"cache\", \"redis\": [\"SET\", \"a\", \"b\"]}", "the first word is one of GET"},
        {"{\"target\": \"cache\", \"redis\": []}", "the first word is one of GET"},
        {"{\"target\": \"cache\", \"redis\": [\"GET\", \"a\", \"b\"]}", "takes 2 words"},
        {"{\"file\": \"/x\", \"capture\": \"(\"}", "no regular expression"},
        {"{\"file\": \"/x\", \"pointer\": \"a\"}", "must begin with /"},
};

static void
mistakes_are_told(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(mistakes); i++) {
                scoped_json source = json_loads(mistakes[i].source, 0, NULL);
                char why[300] = "";
                bool sound = value_source_sound(source, targets, why, sizeof why);
                if (sound != (mistakes[i].why == NULL) || (!sound && strstr(why, mistakes[i].why) == NULL))
                        fail_msg("%s: %s", mistakes[i].source, why);
        }
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static const struct {
        const char *name, *content, *source; /* of the source: what stands beside `file` */
        const char *wanted;                  /* NULL: absent or an error */
        const char *says;                    /* of the absence or the error */
} files[] = {
        {"a.json", "{\"cache\": {\"on\": true}}", "\"pointer\": \"/cache/on\"", "true", NULL},
        {"a.json", "{\"cache\": {\"on\": true}}", "\"pointer\": \"/cache/off\"", NULL, "nothing at /cache/off"},
        {"a.yaml", "jobs: {scoring: 45s}", "\"pointer\": \"/jobs/scoring\"", "\"45s\"", NULL},
        {"a.yaml", "x: ~", "\"key\": \"x\"", NULL, "it is null"},
        {".env", "A=1\nURL=postgres://u:p@h/d?pool_timeout=10",
         "\"key\": \"URL\", \"capture\": \"pool_timeout=([0-9]+)\"", "\"10\"", NULL},
        {".env.local", "A=1", "\"key\": \"B\"", NULL, "the file has no B"},
        {"faillock.conf", "# deny = 3\ndeny = 5\n", "\"capture\": \"^deny *= *([0-9]+)\"", "\"5\"", NULL},
        {"faillock.conf", "deny = 5\n", "\"capture\": \"^deny\"", "\"deny\"", NULL},
        {"faillock.conf", "deny = 5\n", "\"capture\": \"^lock\"", NULL, "no part of the text"},
        {"plain.txt", "17\n", "", "\"17\"", NULL},
        {"plain.txt", "17\n", "\"key\": \"a\"", NULL, "say its format"},
        {"bad.json", "{\"password\": hunter2}", "\"key\": \"a\"", NULL, "is not JSON"},
        {NULL, NULL, "", NULL, "No such file"},
};

static void
files_hold_values(void **state)
{
        (void)state;
        char folder[] = "/tmp/test_value_XXXXXX";
        assert_non_null(mkdtemp(folder));
        for (size_t i = 0; i < COUNT(files); i++) {
                char path[200], text[600];
                snprintf(path, sizeof path, "%s/%s", folder, files[i].name != NULL ? files[i].name : "nothing");
                if (files[i].name != NULL) {
                        FILE *file = fopen(path, "w");
                        assert_non_null(file);
                        fputs(files[i].content, file);
                        fclose(file);
                }
                snprintf(text, sizeof text, "{\"file\": \"%s\"%s%s}", path, *files[i].source != '\0' ? ", " : "",
                         files[i].source);
                scoped_json source = json_loads(text, 0, NULL);
                scoped_json wanted = files[i].wanted != NULL ? json_loads(files[i].wanted, JSON_DECODE_ANY, NULL)
                                                             : NULL;
                struct session session = {.target = &db, .deadline = deadline_in(1000, NULL)};
                scoped_value value = {.json = NULL};
                struct error err = {0};
                int result = value_read(&session, source, &value, &err);
                const char *said = result == 0 ? value.absence : err.text;
                if ((wanted != NULL && !json_equal(value.json, wanted)) || (wanted == NULL && value.json != NULL) ||
                    (files[i].says != NULL && strstr(said, files[i].says) == NULL) || strstr(said, "hunter2") != NULL)
                        fail_msg("%s: \"%s\"", text, said);
                unlink(path);
        }
        rmdir(folder);
}

/* --- environments ------------------------------------------------------------------------------------------------- */

#define ANSWER(body) "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" body
#define MISSING      "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define DEPLOYMENT(container)                                                                                 \
        ANSWER("{\"kind\": \"Deployment\", \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": " \
               "\"side\"}, {\"name\": \"app\", " container "}]}}}}")

static const struct {
        const char *name;
        const char *answers[3];
        const char *wanted; /* NULL: absent or an error */
        bool secret;
        const char *says;
} environments[] = {
        {"plain", {DEPLOYMENT("\"env\": [{\"name\": \"A\", \"value\": \"1\"}]")}, "1", false, NULL},
        {"empty", {DEPLOYMENT("\"env\": [{\"name\": \"A\"}]")}, "", false, NULL},
        {"not set", {DEPLOYMENT("\"env\": []")}, NULL, false, "the variable is not set"},
        {"the last one wins",
         {DEPLOYMENT("\"env\": [{\"name\": \"A\", \"value\": \"1\"}, {\"name\": \"A\", \"value\": \"2\"}]")},
         "2",
         false,
         NULL},
        {"expanded",
         {DEPLOYMENT(
                 "\"env\": [{\"name\": \"B\", \"value\": \"x\"}, {\"name\": \"A\", \"value\": \"$(B)-$$(B)-$(C)\"}]")},
         "x-$(B)-$(C)",
         false,
         NULL},
        {"in itself", {DEPLOYMENT("\"env\": [{\"name\": \"A\", \"value\": \"$(A)\"}]")}, "$(A)", false, NULL},
        {"of a ConfigMap",
         {DEPLOYMENT("\"env\": [{\"name\": \"A\", \"valueFrom\": {\"configMapKeyRef\": {\"name\": \"c\", \"key\": "
                     "\"k\"}}}]"),
          ANSWER("{\"data\": {\"k\": \"v\"}}")},
         "v",
         false,
         NULL},
        {"of a Secret",
         {DEPLOYMENT(
                  "\"env\": [{\"name\": \"A\", \"valueFrom\": {\"secretKeyRef\": {\"name\": \"c\", \"key\": \"k\"}}}]"),
          ANSWER("{\"data\": {\"k\": \"aHVudGVyMg==\"}}")},
         "hunter2",
         true,
         NULL},
        {"holding a Secret",
         {DEPLOYMENT(
                  "\"env\": [{\"name\": \"P\", \"valueFrom\": {\"secretKeyRef\": {\"name\": \"c\", \"key\": \"k\"}}}, "
                  "{\"name\": \"A\", \"value\": \"u:$(P)\"}]"),
          ANSWER("{\"data\": {\"k\": \"aHVudGVyMg==\"}}")},
         "u:hunter2",
         true,
         NULL},
        {"of the first that has it, last first",
         {DEPLOYMENT("\"envFrom\": [{\"configMapRef\": {\"name\": \"one\"}}, {\"configMapRef\": {\"name\": \"two\"}}]"),
          ANSWER("{\"data\": {\"B\": \"2\"}}"), ANSWER("{\"data\": {\"A\": \"1\"}}")},
         "1",
         false,
         NULL},
        {"with a prefix",
         {DEPLOYMENT("\"envFrom\": [{\"prefix\": \"X_\", \"configMapRef\": {\"name\": \"one\"}}]")},
         NULL,
         false,
         "the variable is not set"},
        {"env before envFrom",
         {DEPLOYMENT(
                 "\"env\": [{\"name\": \"A\", \"value\": \"1\"}], \"envFrom\": [{\"secretRef\": {\"name\": \"s\"}}]")},
         "1",
         false,
         NULL},
        {"of an optional one that is missing",
         {DEPLOYMENT("\"envFrom\": [{\"configMapRef\": {\"name\": \"one\", \"optional\": true}}]"), MISSING},
         NULL,
         false,
         "the variable is not set"},
        {"of one that is missing",
         {DEPLOYMENT("\"envFrom\": [{\"configMapRef\": {\"name\": \"one\"}}]"), MISSING},
         NULL,
         false,
         "ConfigMap one does not exist"},
        {"no such workload", {MISSING}, NULL, false, "deployments/web"},
        {"of the pod itself",
         {DEPLOYMENT(
                 "\"env\": [{\"name\": \"A\", \"valueFrom\": {\"fieldRef\": {\"fieldPath\": \"metadata.name\"}}}]")},
         NULL,
         false,
         "taken from the pod itself"},
};

static void
environments_as_the_kubelet_builds_them(void **state)
{
        (void)state;
        scoped_json source = json_loads("{\"target\": \"prod\", \"env\": \"A\", \"workload\": \"ns/web\"}", 0, NULL);
        for (size_t i = 0; i < COUNT(environments); i++) {
                struct listener_step steps[3];
                size_t count = 0;
                int port;
                while (count < 3 && environments[i].answers[count] != NULL) {
                        steps[count] = (struct listener_step){.say = environments[i].answers[count]};
                        count++;
                }
                struct listener *listener = listener_start(steps, count, &port);
                char text[100];
                snprintf(text, sizeof text, "{\"server\": \"http://127.0.0.1:%d\"}", port);
                scoped_json settings = json_loads(text, 0, NULL);
                const struct target cluster = {
                        .name = "prod", .kind = &kind_kubernetes, .owner = "", .settings = settings};
                const struct target *const all[] = {&cluster, NULL};
                struct session session = {.target = &cluster, .targets = all, .deadline = deadline_in(5000, NULL)};
                scoped_value value = {.json = NULL};
                struct error err = {0};
                int result = value_read(&session, source, &value, &err);
                const char *said = result == 0 ? value.absence : err.text, *got = json_string_value(value.json);
                if ((got == NULL) != (environments[i].wanted == NULL) ||
                    (got != NULL && strcmp(got, environments[i].wanted) != 0) ||
                    (got != NULL && value.secret != environments[i].secret) ||
                    (environments[i].says != NULL && strstr(said, environments[i].says) == NULL))
                        fail_msg("%s: got \"%s\", said \"%s\"", environments[i].name, got, said);
                assert_null(strstr(value.place, "hunter2"));
                session_end(&session);
                listener_stop(listener);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(texts_become_documents),    cmocka_unit_test(pointers_step),
                cmocka_unit_test(credentials_are_taken_out), cmocka_unit_test(mistakes_are_told),
                cmocka_unit_test(files_hold_values),         cmocka_unit_test(environments_as_the_kubelet_builds_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

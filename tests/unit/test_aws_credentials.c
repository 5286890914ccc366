/* Who we are to AWS: which source wins, files of every shape, and token services and endpoints that misbehave. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws.h"
#include "json.h"
#include "scope.h"
#include "support_listener.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char folder[64];

/* Everything that a source is told by. */
static const char *const variables[] = {"AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_PROFILE",
                                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                                        "AWS_ROLE_ARN",
                                        "AWS_ENDPOINT_URL_STS",
                                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"};

static int
setup(void **state)
{
        (void)state;
        snprintf(folder, sizeof folder, "/tmp/rounds-aws-XXXXXX");
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

static const char *
file_with(const char *name, const char *text)
{
        static char path[128];

        snprintf(path, sizeof path, "%s/%s", folder, name);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return path;
}

/* "NAME=value;NAME=value" of the environment, nothing else of AWS's. */
static void
environment_be(const char *pairs)
{
        scoped_string copy = strdup(pairs);
        char *rest = copy;

        for (size_t i = 0; i < COUNT(variables); i++)
                unsetenv(variables[i]);
        for (char *pair; (pair = strsep(&rest, ";")) != NULL;) {
                char *equals = strchr(pair, '=');
                if (equals == NULL)
                        continue;
                *equals = '\0';
                setenv(pair, equals + 1, 1);
        }
}

/* "access/secret/token" of what is found with these settings, or the error's text. */
static void
find(const char *settings, char *text, size_t size, char *where, struct error *err)
{
        scoped_json checked = json_loads(settings, 0, NULL);
        struct http_options options = {.attempts = 1};
        struct http *http = NULL;
        struct aws_credentials found;

        assert_non_null(checked);
        assert_int_equal(http_open(&options, &http, err), 0);
        struct target target = {.name = "backups", .owner = "", .settings = checked};
        struct session session = {.target = &target, .deadline = deadline_in(3000, NULL)};
        *err = (struct error){0};
        if (aws_credentials_find(&session, http, &found, err) != 0) {
                if (found.access_key != NULL || found.secret_key != NULL)
                        fail_msg("an error leaves keys behind: %s", err->text);
                snprintf(text, size, "%s", err->text);
                *where = '\0';
        } else {
                snprintf(text, size, "%s/%s/%s", found.access_key, found.secret_key,
                         found.session_token != NULL ? found.session_token : "");
                snprintf(where, sizeof found.where, "%s", found.where);
        }
        aws_credentials_free(&found);
        http_close(http);
}

/* --- files and variables ------------------------------------------------------------------------------------------ */

#define OWN            "\"access_key\": {\"env\": \"TEST_ACCESS\"}, \"secret_key\": {\"env\": \"TEST_SECRET\"}"
#define IN_ENVIRONMENT "AWS_ACCESS_KEY_ID=EA;AWS_SECRET_ACCESS_KEY=ES"

static const struct {
        const char *about, *settings, *environment;
        const char *file;  /* ~/.aws/credentials */
        const char *found; /* "access/secret/token"; NULL: an error */
        const char *says;  /* of the error, or of where */
} sources[] = {
        {"the target's own come first", "{" OWN "}", IN_ENVIRONMENT, "", "TA/TS/", "the target's settings"},
        {"with a token", "{" OWN ", \"session_token\": {\"env\": \"TEST_TOKEN\"}}", "", "", "TA/TS/TT", "settings"},
        {"half a pair", "{\"access_key\": {\"env\": \"TEST_ACCESS\"}}", IN_ENVIRONMENT, "", NULL,
         "access_key is set, but secret_key is not"},
        {"the other half", "{\"secret_key\": {\"env\": \"TEST_SECRET\"}}", IN_ENVIRONMENT, "", NULL,
         "secret_key is set, but access_key is not"},
        {"a variable that is not set", "{\"access_key\": {\"env\": \"TEST_NONE\"}}", IN_ENVIRONMENT, "", NULL,
         "TEST_NONE is not set"},
        {"the environment", "{}", IN_ENVIRONMENT ";AWS_SESSION_TOKEN=ET", "[default]\naws_access_key_id=FA\n",
         "EA/ES/ET", "the environment"},
        {"half an environment", "{}", "AWS_ACCESS_KEY_ID=EA", "", NULL, "only one is in the environment"},
        {"an empty environment", "{}", "AWS_ACCESS_KEY_ID=;AWS_SECRET_ACCESS_KEY=",
         "[default]\naws_access_key_id=FA\n"
         "aws_secret_access_key=FS\n",
         "FA/FS/", "profile default of"},
        {"a profile that was named, before the environment", "{\"profile\": \"audit\"}", IN_ENVIRONMENT,
         "[default]\naws_access_key_id=no\naws_secret_access_key=no\n[audit]\naws_access_key_id = PA\n"
         "aws_secret_access_key = PS\naws_session_token = PT\n",
         "PA/PS/PT", "profile audit of"},
        {"a profile that is not there", "{\"profile\": \"gone\"}", IN_ENVIRONMENT,
         "[default]\naws_access_key_id=FA\naws_secret_access_key=FS\n", NULL, "no keys for the profile \"gone\""},
        {"a profile of the environment", "{}", "AWS_PROFILE=audit",
         "[audit]\naws_access_key_id=PA\naws_secret_access_key=PS\n[other]\naws_access_key_id=OA\n", "PA/PS/", "audit"},
        {"spaces, comments, carriage returns", "{}", "",
         " [ default ] \r\n# aws_access_key_id = no\r\n; aws_access_key_id = no\r\naws_access_key_id\t=  FA \r\n"
         "aws_secret_access_key = F=S/+ \r\nregion = x\r\n",
         "FA/F=S/+/", "default"},
        {"half a profile", "{}", "", "[default]\naws_access_key_id=FA\n", NULL, "no AWS credentials"},
        {"a profile without its section", "{}", "", "aws_access_key_id=FA\naws_secret_access_key=FS\n", NULL,
         "no AWS credentials"},
        {"a section that does not end", "{}", "", "[default\naws_access_key_id=FA\naws_secret_access_key=FS", "FA/FS/",
         "default"},
        {"a file that was named and is not there", "{}", "AWS_SHARED_CREDENTIALS_FILE=/nowhere/keys", "", NULL,
         "/nowhere/keys: No such file"},
        {"nothing at all", "{}", "", "", NULL, "no AWS credentials"},
        {"a web identity whose token is gone", "{}", "AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere/token;AWS_ROLE_ARN=arn:x",
         "", NULL, "/nowhere/token: No such file"},
        {"a container's token that is gone", "{}",
         "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/;AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/nowhere/t", "",
         NULL, "/nowhere/t: No such file"},
        {"a container's endpoint that is gone", "{}", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/", "",
         NULL, "container credentials: "},
};

static void
sources_are_tried(void **state)
{
        char path[128];

        (void)state;
        setenv("TEST_ACCESS", "TA", 1);
        setenv("TEST_SECRET", "TS", 1);
        setenv("TEST_TOKEN", "TT", 1);
        snprintf(path, sizeof path, "mkdir -p %s/.aws", folder);
        assert_int_equal(system(path), 0);
        for (size_t i = 0; i < COUNT(sources); i++) {
                char text[1100], where[200];
                struct error err;
                environment_be(sources[i].environment);
                file_with(".aws/credentials", sources[i].file);
                find(sources[i].settings, text, sizeof text, where, &err);
                if (sources[i].found != NULL
                            ? strcmp(text, sources[i].found) != 0 || strstr(where, sources[i].says) == NULL
                            : err.reason == REASON_NONE || strstr(text, sources[i].says) == NULL)
                        fail_msg("%s: %s (%s)", sources[i].about, text, where);
        }
        file_with(".aws/credentials", "");
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define STS(body)                                                                                    \
        OK "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" \
           "<AssumeRoleWithWebIdentityResult>" body "</AssumeRoleWithWebIdentityResult>"             \
           "</AssumeRoleWithWebIdentityResponse>"
#define KEYS "<AccessKeyId>WA</AccessKeyId><SecretAccessKey>WS</SecretAccessKey>"

static const struct {
        const char *about;
        bool container; /* the container's endpoint; else the token service */
        const char *say;
        const char *carries; /* by the request */
        const char *found;
        enum reason reason;
        const char *says;
} answers[] = {
        {"web identity", false, STS("<Credentials>" KEYS "<SessionToken>WT</SessionToken></Credentials>"),
         "&WebIdentityToken=e.y%2BJ", "WA/WS/WT", REASON_NONE, "web identity"},
        {"the role, escaped", false, STS("<Credentials>" KEYS "</Credentials>"),
         "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole", "WA/WS/", REASON_NONE, "web identity"},
        {"refused", false,
         "HTTP/1.1 403 Forbidden\r\nConnection: "
         "close\r\n\r\n<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not "
         "authorized</Message></Error></ErrorResponse>",
         "POST / ", NULL, REASON_DENIED, "web identity: 403 AccessDenied: Not authorized"},
        {"an expired token", false,
         "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<ErrorResponse><Error><Code>ExpiredToken</Code>"
         "</Error></ErrorResponse>",
         "POST / ", NULL, REASON_DENIED, "400 ExpiredToken"},
        {"half a pair", false, STS("<Credentials><AccessKeyId>WA</AccessKeyId></Credentials>"), "POST / ", NULL,
         REASON_PROTOCOL, "the answer holds no keys"},
        {"no keys", false, STS(""), "POST / ", NULL, REASON_PROTOCOL, "the answer holds no keys"},
        {"keys that are elements", false,
         STS("<Credentials><AccessKeyId><a>1</a></AccessKeyId><SecretAccessKey><a>1</a></SecretAccessKey></"
             "Credentials>"),
         "POST / ", NULL, REASON_PROTOCOL, "the answer holds no keys"},
        {"no XML", false, OK "{}", "POST / ", NULL, REASON_PROTOCOL, "web identity: "},
        {"nothing", false, OK, "POST / ", NULL, REASON_PROTOCOL, "web identity: "},
        {"entities", false, OK "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "POST / ", NULL, REASON_PROTOCOL,
         "web identity: "},
        {"a container", true, OK "{\"AccessKeyId\": \"CA\", \"SecretAccessKey\": \"CS\", \"Token\": \"CT\"}",
         "Authorization: Bearer pod-token\r\n", "CA/CS/CT", REASON_NONE, "the container's endpoint"},
        {"a container that refuses", true, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n", "GET /keys ", NULL,
         REASON_DENIED, "container credentials"},
        {"a container without keys", true, OK "{\"AccessKeyId\": 3, \"SecretAccessKey\": null}", "GET /keys ", NULL,
         REASON_PROTOCOL, "the answer holds no keys"},
        {"a container that lists", true, OK "[]", "GET /keys ", NULL, REASON_PROTOCOL, "the answer holds no keys"},
        {"a container that says nothing", true, OK, "GET /keys ", NULL, REASON_PROTOCOL, "the answer holds no keys"},
};

static void
answers_are_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(answers); i++) {
                struct listener_step step = {.say = answers[i].say};
                char environment[600], text[1100], where[200];
                struct error err;
                int port;
                struct listener *listener = listener_start(&step, 1, &port);
                assert_non_null(listener);
                if (answers[i].container)
                        snprintf(environment, sizeof environment,
                                 "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%d/keys;"
                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s",
                                 port, file_with("pod", "Bearer pod-token\n"));
                else
                        snprintf(environment, sizeof environment,
                                 "AWS_ENDPOINT_URL_STS=http://127.0.0.1:%d/;AWS_ROLE_ARN=arn:aws:iam::1:role/rounds;"
                                 "AWS_WEB_IDENTITY_TOKEN_FILE=%s",
                                 port, file_with("token", "e.y+J\n"));
                environment_be(environment);
                find("{\"region\": \"eu-central-1\"}", text, sizeof text, where, &err);
                bool well = answers[i].found != NULL
                                    ? strcmp(text, answers[i].found) == 0 && strcmp(where, answers[i].says) == 0
                                    : err.reason == answers[i].reason && strstr(text, answers[i].says) != NULL;
                if (!well)
                        fail_msg("%s: %s: %s (%s)", answers[i].about, reason_name(err.reason), text, where);
                if (strstr(listener_request(listener), answers[i].carries) == NULL)
                        fail_msg("%s: asked\n%s", answers[i].about, listener_request(listener));
                listener_stop(listener);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(sources_are_tried), cmocka_unit_test(answers_are_read)};

        return cmocka_run_group_tests(tests, setup, teardown);
}

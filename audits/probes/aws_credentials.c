/* Finding AWS credentials: target, environment, file, web identity, container. */

#include "aws.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"
#include "secret.h"
#include "xml.h"

enum { FILE_LARGEST = 256 * 1024, ASK_MS = 10000 };

void
aws_credentials_free(struct aws_credentials *credentials)
{
        secret_free(credentials->access_key);
        secret_free(credentials->secret_key);
        secret_free(credentials->session_token);
        *credentials = (struct aws_credentials){0};
}

static char *
or_null(const char *text)
{
        return text != NULL && *text != '\0' ? strdup(text) : NULL;
}

/* 1 when both keys are there. */
static int
take(struct aws_credentials *out, const char *access, const char *secret, const char *token, const char *where)
{
        out->access_key = or_null(access);
        out->secret_key = or_null(secret);
        out->session_token = or_null(token);
        snprintf(out->where, sizeof out->where, "%s", where);
        if (out->access_key == NULL || out->secret_key == NULL) {
                aws_credentials_free(out);
                return 0;
        }
        secret_remember(out->secret_key);
        if (out->session_token != NULL)
                secret_remember(out->session_token);
        return 1;
}

/* Each source returns 1 (taken), 0 (not configured) or -1 (configured, but of no use). */

static int
from_target(const struct target *target, struct aws_credentials *out, struct error *err)
{
        scoped_secret access = NULL;
        scoped_secret secret = NULL;
        scoped_secret token = NULL;

        if (secret_read(target, "access_key", &access, err) != 0 ||
            secret_read(target, "secret_key", &secret, err) != 0 ||
            secret_read(target, "session_token", &token, err) != 0)
                return -1;
        if ((access != NULL) != (secret != NULL))
                return error_set(err, REASON_CONFIGURATION, "%s is set, but %s is not",
                                 access != NULL ? "access_key" : "secret_key",
                                 access != NULL ? "secret_key" : "access_key");
        return take(out, access, secret, token, "the target's settings");
}

static int
from_environment(struct aws_credentials *out, struct error *err)
{
        const char *access = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");

        if ((access != NULL && *access != '\0') != (secret != NULL && *secret != '\0'))
                return error_set(err, REASON_CONFIGURATION,
                                 "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is in the environment");
        return take(out, access, secret, getenv("AWS_SESSION_TOKEN"), "the environment");
}

static int
file_read(const char *path, char **text, struct error *err)
{
        scoped(scope_fclose) FILE *file = fopen(path, "re");

        if (file == NULL)
                return error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
        *text = calloc(1, FILE_LARGEST);
        if (*text == NULL)
                return error_memory(err, path);
        size_t length = fread(*text, 1, FILE_LARGEST - 1, file);
        while (length > 0 && isspace((unsigned char)(*text)[length - 1]))
                (*text)[--length] = '\0';
        return 0;
}

static char *
trimmed(char *text)
{
        while (isspace((unsigned char)*text))
                text++;
        size_t length = strlen(text);
        while (length > 0 && isspace((unsigned char)text[length - 1]))
                text[--length] = '\0';
        return text;
}

/* The section [profile] of an INI file. */
static void
profile_find(char *text, const char *profile, const char *values[3])
{
        static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"};
        bool inside = false;

        for (char *line; (line = strsep(&text, "\n")) != NULL;) {
                char *equals = strchr(line, '=');
                line = trimmed(line);
                if (*line == '[') {
                        line[strcspn(line, "]")] = '\0';
                        inside = strcmp(trimmed(line + 1), profile) == 0;
                } else if (inside && equals != NULL && *line != '#' && *line != ';') {
                        *equals = '\0';
                        for (size_t i = 0; i < 3; i++) {
                                if (strcmp(trimmed(line), names[i]) == 0)
                                        values[i] = trimmed(equals + 1);
                        }
                }
        }
}

static int
from_file(const struct target *target, struct aws_credentials *out, struct error *err)
{
        const char *asked = target_text(target, "profile"), *chosen = getenv("AWS_SHARED_CREDENTIALS_FILE");
        const char *home = getenv("HOME"), *variable = getenv("AWS_PROFILE");
        const char *profile = asked != NULL ? asked : variable != NULL ? variable : "default";
        const char *values[3] = {NULL};
        char path[1024], where[200];
        scoped_secret text = NULL;
        struct error missing;

        snprintf(path, sizeof path, chosen != NULL ? "%s%s" : "%s/.aws/credentials",
                 chosen != NULL ? chosen
                 : home != NULL ? home
                                : "",
                 "");
        if (file_read(path, &text, &missing) != 0) {
                if (asked == NULL && chosen == NULL)
                        return 0;
                *err = missing;
                return -1;
        }
        profile_find(text, profile, values);
        snprintf(where, sizeof where, "profile %.40s of %.120s", profile, path);
        int taken = take(out, values[0], values[1], values[2], where);
        if (taken == 0 && asked != NULL)
                return error_set(err, REASON_CONFIGURATION, "%s: no keys for the profile \"%s\"", path, asked);
        return taken;
}

/* STS trades a projected service account token for keys; the request itself is not signed. */
static int
from_web_identity(const struct session *session, struct http *http, struct aws_credentials *out, struct error *err)
{
        const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = getenv("AWS_ROLE_ARN");
        const char *region = target_text(session->target, "region"), *endpoint = getenv("AWS_ENDPOINT_URL_STS");
        scoped_secret token = NULL;
        scoped_buffer body = BUFFER_INIT(FILE_LARGEST);
        scoped_answer answer = {0};
        scoped_json document = NULL;
        char url[300];

        if (file == NULL || role == NULL)
                return 0;
        if (file_read(file, &token, err) != 0)
                return -1;
        buffer_text(&body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=rounds&RoleArn=");
        http_escape(&body, role);
        buffer_text(&body, "&WebIdentityToken=");
        http_escape(&body, token);
        if (body.failed)
                return error_memory(err, "web identity");
        snprintf(url, sizeof url, "https://sts.%s.amazonaws.com/", region != NULL ? region : "us-east-1");
        struct http_request request = {
                .url = endpoint != NULL ? endpoint : url, .body = body.data, .body_length = body.length};
        struct deadline deadline = deadline_within(session->deadline, ASK_MS);
        if (http_fetch(http, &request, &deadline, &answer, err) != 0)
                return error_wrap(err, "web identity");
        explicit_bzero(body.data, body.length);
        if (answer.status != 200)
                return aws_status_error(&answer, "web identity", err);
        if (xml_read(answer.body.data != NULL ? answer.body.data : "", answer.body.length, NULL, 0, &document, err) !=
            0)
                return error_wrap(err, "web identity");
        const json_t *keys = xml_at(document, "AssumeRoleWithWebIdentityResult", "Credentials", NULL);
        if (take(out, xml_text(keys, "AccessKeyId", NULL), xml_text(keys, "SecretAccessKey", NULL),
                 xml_text(keys, "SessionToken", NULL), "web identity") == 0)
                return error_set(err, REASON_PROTOCOL, "web identity: the answer holds no keys");
        return 1;
}

static int
from_container(const struct session *session, struct http *http, struct aws_credentials *out, struct error *err)
{
        const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
        const char *token_file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        scoped_secret from_token_file = NULL;
        scoped_buffer header = BUFFER_INIT(FILE_LARGEST);
        scoped_answer answer = {0};
        char url[1024];

        if (relative == NULL && full == NULL)
                return 0;
        snprintf(url, sizeof url, "%s%s", relative != NULL ? "http://169.254.170.2" : "",
                 relative != NULL ? relative : full);
        if (token_file != NULL) {
                if (file_read(token_file, &from_token_file, err) != 0)
                        return -1;
                token = from_token_file;
        }
        if (buffer_format(&header, "Authorization: %s", token != NULL ? token : "") != 0)
                return error_memory(err, "container credentials");
        const char *const headers[] = {token != NULL ? header.data : NULL, NULL};
        struct deadline deadline = deadline_within(session->deadline, ASK_MS);
        if (http_fetch(http, &(struct http_request){.url = url, .headers = headers}, &deadline, &answer, err) != 0)
                return error_wrap(err, "container credentials");
        if (answer.status != 200)
                return http_status_error(&answer, "container credentials", err);
        scoped_json keys = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, 0, NULL);
        if (take(out, json_text(keys, "AccessKeyId", NULL), json_text(keys, "SecretAccessKey", NULL),
                 json_text(keys, "Token", NULL), "the container's endpoint") == 0)
                return error_set(err, REASON_PROTOCOL, "container credentials: the answer holds no keys");
        return 1;
}

int
aws_credentials_find(const struct session *session, struct http *http, struct aws_credentials *out, struct error *err)
{
        *out = (struct aws_credentials){0};
        int found = from_target(session->target, out, err);

        if (found == 0 && target_text(session->target, "profile") != NULL)
                found = from_file(session->target, out, err);
        if (found == 0)
                found = from_environment(out, err);
        if (found == 0)
                found = from_file(session->target, out, err);
        if (found == 0)
                found = from_web_identity(session, http, out, err);
        if (found == 0)
                found = from_container(session, http, out, err);
        if (found == 1)
                return 0;
        if (found < 0)
                return -1;
        error_set(err, REASON_CONFIGURATION,
                  "no AWS credentials: neither in the target, the environment, a credentials file, a web identity nor "
                  "a container");
        return error_remedy(err, "set access_key_file and secret_key_file, or run where a role is given");
}

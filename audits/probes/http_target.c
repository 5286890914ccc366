/* Any service's HTTP interface as a target: documents below one base address. */

#include "http_target.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dead_letter_settings.h"
#include "json.h"
#include "scope.h"
#include "secret.h"
#include "session_client.h"

enum { URL_LARGEST = 8192, HEADERS_MOST = 32, HEADER_LARGEST = 80 * 1024 };

struct http_target {
        struct http *http;
        char *headers[HEADERS_MOST + 1]; /* "Name: value", owned, NULL-terminated; one of them may be a secret */
        size_t header_count;
        struct error broken; /* why the session has no client, or what it lost the server by */
};

static void
target_close(void *object)
{
        struct http_target *target = object;

        http_close(target->http);
        for (size_t i = 0; i < target->header_count; i++)
                secret_free(target->headers[i]);
        free(target);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int
header_add(struct http_target *target, const char *name, const char *value, struct error *err)
{
        scoped_buffer line = BUFFER_INIT(HEADER_LARGEST);

        if (*name == '\0' ||
            name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] != '\0')
                return error_set(err, REASON_CONFIGURATION, "headers: \"%.60s\" is no header's name", name);
        if (strpbrk(value, "\r\n") != NULL)
                return error_set(err, REASON_CONFIGURATION, "headers: the value of %.60s spans lines", name);
        if (target->header_count == HEADERS_MOST)
                return error_set(err, REASON_CONFIGURATION, "headers: more than %d", HEADERS_MOST);
        if (buffer_format(&line, "%s: %s", name, value) != 0)
                return error_memory(err, "headers");
        target->headers[target->header_count++] = buffer_take(&line);
        return 0;
}

/* What stands inline is no secret: the headers that carry credentials have settings of their own. */
static int
headers_read(struct http_target *target, const struct target *configured, struct error *err)
{
        static const char *const secrets[] = {"Authorization", "Proxy-Authorization", "Cookie"};
        const json_t *headers = target_value(configured, "headers");
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)headers, name, value)
        {
                for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
                        if (strcasecmp(name, secrets[i]) == 0)
                                return error_set(
                                        err, REASON_CONFIGURATION,
                                        "headers: %s is a secret: use bearer_file, password_file or api_key_file",
                                        secrets[i]);
                }
                if (header_add(target, name, json_string_value(value), err) != 0)
                        return -1;
        }
        return 0;
}

static int
target_open(void *object, struct session *session, struct error *err)
{
        struct http_target *target = object;
        const struct target *configured = session->target;
        scoped_secret bearer = NULL;
        scoped_secret password = NULL;
        scoped_secret key = NULL;

        if (secret_read(configured, "bearer", &bearer, err) != 0 ||
            secret_read(configured, "password", &password, err) != 0 ||
            secret_read(configured, "api_key", &key, err) != 0 || headers_read(target, configured, err) != 0)
                return -1;
        if (key != NULL && header_add(target, target_text(configured, "api_key_header"), key, err) != 0)
                return -1;
        struct http_options options = {
                .ca_file = target_text(configured, "ca_file"),
                .certificate_file = target_text(configured, "certificate_file"),
                .key_file = target_text(configured, "key_file"),
                .server_name = target_text(configured, "server_name"),
                .insecure = json_is_true(target_value(configured, "insecure")),
                .user = target_text(configured, "user"),
                .password = password,
                .bearer = bearer,
                .largest = (size_t)json_integer_value(target_value(configured, "largest")),
        };
        return http_open(&options, &target->http, err);
}

static struct http_target *
target_session(struct session *session, struct error *err)
{
        static const struct session_client client = {"HTTP client", sizeof(struct http_target),
                                                     offsetof(struct http_target, broken), target_open, target_close};

        return session_client(session, &client, err);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* A path stays below the base: what is asked for was configured for this server and its credentials. */
static bool
path_is_sound(const char *path)
{
        for (const char *c = path; *c != '\0'; c++) {
                if (iscntrl((unsigned char)*c) || *c == ' ' || *c == '#')
                        return false;
        }
        for (const char *segment = path; segment != NULL && segment < path + strcspn(path, "?");) {
                segment += *segment == '/';
                size_t length = strcspn(segment, "/?");
                if (length == 2 && strncmp(segment, "..", 2) == 0)
                        return false;
                segment = segment[length] == '/' ? segment + length : NULL;
        }
        return strncmp(path, "http://", 7) != 0 && strncmp(path, "https://", 8) != 0 && strncmp(path, "//", 2) != 0;
}

static int
url_join(const char *base, const char *path, struct buffer *url, struct error *err)
{
        size_t length = strlen(base);

        if (!path_is_sound(path))
                return error_set(err, REASON_CONFIGURATION, "\"%.200s\" is no path below %s", path, base);
        while (*path != '\0' && length > 0 && base[length - 1] == '/')
                length--;
        if (buffer_add(url, base, length) != 0 ||
            (*path != '\0' && *path != '/' && *path != '?' && buffer_char(url, '/') != 0) ||
            buffer_text(url, path) != 0)
                return error_set(err, REASON_CONFIGURATION, "the URL is longer than %d bytes", URL_LARGEST);
        return 0;
}

int
http_target_fetch(struct session *session, const char *path, struct http_answer *answer, struct error *err)
{
        struct http_target *target = target_session(session, err);
        scoped_buffer url = BUFFER_INIT(URL_LARGEST);
        struct error own = {0};

        *answer = (struct http_answer){0};
        if (target == NULL || url_join(target_text(session->target, "url"), path, &url, err) != 0)
                return -1;
        const struct http_request request = {.url = url.data, .headers = (const char *const *)target->headers};
        if (http_fetch(target->http, &request, &session->deadline, answer, &own) == 0)
                return 0;
        if (own.reason == REASON_UNREACHABLE || own.reason == REASON_TLS)
                target->broken = own;
        if (err != NULL)
                *err = own;
        return -1;
}

/* GET `path`, which must answer 2xx. */
static int
fetch_document(struct session *session, const char *path, struct http_answer *answer, struct error *err)
{
        char what[300];

        snprintf(what, sizeof what, "GET %.*s", (int)strcspn(path, "?"), *path != '\0' ? path : "/");
        if (http_target_fetch(session, path, answer, err) != 0)
                return error_wrap(err, "%s", what);
        if (answer->status >= 200 && answer->status <= 299)
                return 0;
        http_status_error(answer, what, err);
        if (answer->status == 401 || answer->status == 403)
                error_remedy(err,
                             "give target %s credentials that may read it: bearer_file, user and password_file, or "
                             "api_key_file",
                             session->target->name);
        return -1;
}

int
http_target_json(struct session *session, const char *path, json_t **out, struct error *err)
{
        scoped_answer answer = {0};
        json_error_t mistake;

        *out = NULL;
        if (fetch_document(session, path, &answer, err) != 0)
                return -1;
        *out = json_loadb(answer.body.data != NULL ? answer.body.data : "", answer.body.length, JSON_DECODE_ANY,
                          &mistake);
        if (*out != NULL)
                return 0;
        return error_set(err, REASON_PROTOCOL, "GET %.200s: the answer (%s) is not JSON: line %d: %s", path,
                         answer.content_type != NULL ? answer.content_type : "of no type", mistake.line, mistake.text);
}

int
http_target_bytes(struct session *session, const char *path, char **bytes, size_t *length, struct error *err)
{
        scoped_answer answer = {0};

        *bytes = NULL;
        if (fetch_document(session, path, &answer, err) != 0)
                return -1;
        *length = answer.body.length;
        *bytes = answer.body.data != NULL ? buffer_take(&answer.body) : strdup("");
        return *bytes != NULL ? 0 : error_memory(err, path);
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
target_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const char *path = target_text(session->target, "check_path");
        scoped_answer answer = {0};

        if (http_target_fetch(session, path, &answer, err) != 0)
                return -1;
        if (answer.status == 401 || answer.status == 403 || answer.status >= 500) {
                http_status_error(&answer, "GET of check_path", err);
                return -1;
        }
        scoped_string name = http_header(&answer, "Server");
        snprintf(server, size, "%.100s at %.120s, status %d", name != NULL ? name : "HTTP server",
                 target_text(session->target, "url"), answer.status);
        return 0;
}

static const struct setting settings[] = {
        {.name = "url",
         .type = SETTING_URL,
         .choices = "https|http",
         .required = true,
         .words = "base address; paths asked for are below it"},
        {.name = "check_path",
         .type = SETTING_TEXT,
         .fallback = "",
         .words = "path that `rounds check` asks for; any answer but 401, 403 and 5xx will do"},
        {.name = "headers",
         .type = SETTING_MAP,
         .item = SETTING_TEXT,
         .words = "headers sent with every request; no secrets"},
        {.name = "bearer", .type = SETTING_SECRET, .words = "token sent as Authorization: Bearer"},
        {.name = "user", .type = SETTING_TEXT, .words = "user of basic authentication"},
        {.name = "password", .type = SETTING_SECRET, .words = "password of basic authentication"},
        {.name = "api_key", .type = SETTING_SECRET, .words = "key sent in the header api_key_header"},
        {.name = "api_key_header", .type = SETTING_TEXT, .fallback = "X-API-Key", .words = "header of the api_key"},
        {.name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the server's certificate"},
        {.name = "certificate_file", .type = SETTING_PATH, .words = "certificate shown to the server"},
        {.name = "key_file", .type = SETTING_PATH, .words = "key of certificate_file"},
        {.name = "server_name", .type = SETTING_TEXT, .words = "name in the certificate, where it is not the URL's"},
        {.name = "insecure",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "true: the server's certificate is not verified"},
        {.name = "largest",
         .type = SETTING_SIZE,
         .fallback = "8MiB",
         .min = 1024,
         .max = 1073741824.0,
         .words = "largest answer"},
        {.name = "dead_letters",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = dead_letter_http_fields,
         .words = "dead letters behind a path"},
        {.type = SETTING_END},
};

const struct target_kind kind_http = {
        .name = "http",
        .words = "a service's own HTTP interface: documents below one address",
        .settings = settings,
        .connect = target_connect,
};

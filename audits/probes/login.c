/* The sign-in of a staging system, tried with wrong passwords. */

#include "login.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "facts.h"
#include "http.h"
#include "json.h"
#include "scope.h"

enum { BODY_LARGEST = 16 * 1024, ANSWER_LARGEST = 256 * 1024, ANSWER_WAIT_MS = 10000, HEADER_LARGEST = 300 };

/* --- what may be sent, and what will be --------------------------------------------------------------------------- */

static bool
is_set(const struct target *target, const char *name)
{
        return json_is_true(target_value(target, name));
}

bool
login_is_allowed(const struct target *target, struct error *err)
{
        bool staging = is_set(target, "staging");

        if (staging && is_set(target, "active"))
                return true;
        error_set(err, REASON_CONFIGURATION, "%s: nothing was sent: %s", target->name,
                  !staging ? "the target is not marked as staging" : "the probe is not switched on");
        error_remedy(err,
                     "set `staging: true` (never for a production system) and `active: true` on target %s: it then "
                     "sends wrong passwords for its test account; or leave the target out",
                     target->name);
        return false;
}

static int64_t
whole(const struct target *target, const char *name)
{
        return json_integer_value(target_value(target, name));
}

/* An address without its query, which may hold a key. */
static int
plain_length(const char *url)
{
        size_t length = strcspn(url, "?#");

        return length > 300 ? 300 : (int)length;
}

static void
login_announce(const struct target *target, char *text, size_t size)
{
        struct error err;
        const char *url = target_text(target, "url");

        if (login_is_allowed(target, &err))
                snprintf(text, size,
                         "at most %" PRId64 " times %s %.*s as %.100s, each with a random wrong password, %" PRId64
                         " ms apart, until it answers 429",
                         whole(target, "attempts"), target_text(target, "method"), plain_length(url), url,
                         target_text(target, "account"), whole(target, "pause"));
        else
                snprintf(text, size, "nothing: it needs `staging: true` and `active: true`");
}

/* --- one request -------------------------------------------------------------------------------------------------- */

/* `text` as the content type wants it: JSON's escapes, a form's, or as it is. */
static int
value_add(struct buffer *body, const char *type, const char *text)
{
        if (strstr(type, "x-www-form-urlencoded") != NULL)
                return http_escape(body, text);
        if (strstr(type, "json") == NULL)
                return buffer_text(body, text);
        scoped_json value = json_string(text);
        char *quoted = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
        if (quoted == NULL)
                return -1;
        int result = buffer_add(body, quoted + 1, strlen(quoted) - 2);
        free(quoted);
        return result;
}

static int
body_make(const struct target *target, const char *password, struct buffer *body)
{
        static const char account_mark[] = "{account}", password_mark[] = "{password}";
        const char *type = target_text(target, "content_type");

        for (const char *at = target_text(target, "body"); *at != '\0';) {
                int result;
                if (strncmp(at, account_mark, strlen(account_mark)) == 0) {
                        result = value_add(body, type, target_text(target, "account"));
                        at += strlen(account_mark);
                } else if (strncmp(at, password_mark, strlen(password_mark)) == 0) {
                        result = buffer_text(body, password);
                        at += strlen(password_mark);
                } else {
                        result = buffer_char(body, *at++);
                }
                if (result != 0)
                        return -1;
        }
        return 0;
}

/* "wrong-" and 32 hexadecimal digits: it says what it is in a log, needs no escape, and is nobody's. */
static int
password_make(char *text, size_t size, struct error *err)
{
        uint64_t random[2];

        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
                return error_set(err, REASON_INTERNAL, "no random numbers");
        snprintf(text, size, "wrong-%016" PRIx64 "%016" PRIx64, random[0], random[1]);
        return 0;
}

static int
login_send(struct http *http, const struct session *session, struct http_answer *answer, struct error *err)
{
        const struct target *target = session->target;
        const char *type = target_text(target, "content_type");
        scoped_buffer body = BUFFER_INIT(BODY_LARGEST);
        char password[64], header[HEADER_LARGEST];
        struct deadline deadline = deadline_within(session->deadline, ANSWER_WAIT_MS);

        if (password_make(password, sizeof password, err) != 0)
                return -1;
        if (body_make(target, password, &body) != 0)
                return error_set(err, REASON_CONFIGURATION, "body: longer than %d bytes", BODY_LARGEST);
        snprintf(header, sizeof header, "Content-Type: %s", type);
        const char *const headers[] = {header, NULL};
        const struct http_request request = {.url = target_text(target, "url"),
                                             .method = target_text(target, "method"),
                                             .headers = headers,
                                             .body = body.data,
                                             .body_length = body.length};
        return http_fetch(http, &request, &deadline, answer, err);
}

/* --- what came back ----------------------------------------------------------------------------------------------- */

static bool
is_among(const struct target *target, const char *list, int status)
{
        const json_t *statuses = target_value(target, list);
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)statuses, i, one)
        {
                if (json_integer_value(one) == status)
                        return true;
        }
        return false;
}

static const char *
outcome_of(const struct target *target, const struct http_answer *answer)
{
        const char *locked = target_text(target, "locked_text");
        const char *body = answer->body.data != NULL ? answer->body.data : "";

        if (answer->status == 429)
                return "limited";
        if (is_among(target, "locked_status", answer->status) ||
            (locked != NULL && *locked != '\0' && strstr(body, locked) != NULL))
                return "locked";
        return is_among(target, "failed", answer->status) ? "failed" : "unexpected";
}

static const char *
answer_add(const struct target *target, const struct http_answer *answer, int64_t attempt, int64_t at_ms,
           json_t *answers)
{
        const char *outcome = outcome_of(target, answer);
        scoped_string wait = http_header(answer, "Retry-After");
        json_t *row = json_push(answers, json_object());

        json_put_whole(row, "attempt", attempt);
        json_put_whole(row, "status", answer->status);
        json_put_text(row, "outcome", outcome);
        json_put_whole(row, "at_ms", at_ms);
        if (wait != NULL && strlen(wait) <= 60)
                json_put_text(row, "retry_after", wait);
        return outcome;
}

static int
attempts_make(struct session *session, struct http *http, json_t *facts, json_t *answers, struct error *err)
{
        const struct target *target = session->target;
        int64_t most = whole(target, "attempts"), begun_ms = monotonic_ms();

        for (int64_t i = 1; i <= most; i++) {
                scoped_answer answer = {0};
                struct error lost = {0};
                if ((i > 1 && deadline_sleep(&session->deadline, whole(target, "pause"), &lost) != 0) ||
                    login_send(http, session, &answer, &lost) != 0) {
                        error_wrap(&lost, "wrong password %" PRId64 " of %" PRId64, i, most);
                        if (i > 1)
                                return facts_gap(facts, "attempts", "ATH-1,ATH-2", NULL, &lost);
                        *err = lost;
                        return -1;
                }
                const char *outcome = answer_add(target, &answer, i, monotonic_ms() - begun_ms, answers);
                if (strcmp(outcome, "limited") == 0 || strcmp(outcome, "unexpected") == 0)
                        return 0;
        }
        return 0;
}

static int
login_open(const struct target *target, struct http **http, struct error *err)
{
        const struct http_options options = {.ca_file = target_text(target, "ca_file"),
                                             .server_name = target_text(target, "server_name"),
                                             .insecure = is_set(target, "insecure"),
                                             .attempts = 1,
                                             .largest = ANSWER_LARGEST};

        return http_open(&options, http, err);
}

int
login_read(struct session *session, json_t *facts, struct error *err)
{
        const struct target *target = session->target;
        const char *url = target_text(target, "url"), *told = target_text(target, "locked_text");
        json_t *answers = json_array();
        struct http *http = NULL;

        if (json_put(facts, "answers", answers) != 0)
                return error_memory(err, "answers");
        json_put_bytes(facts, "url", url, (size_t)plain_length(url));
        json_put_text(facts, "method", target_text(target, "method"));
        json_put_text(facts, "account", target_text(target, "account"));
        json_put_whole(facts, "attempts", whole(target, "attempts"));
        json_put_whole(facts, "pause_ms", whole(target, "pause"));
        json_put_flag(facts, "lock_told",
                      (told != NULL && *told != '\0') || json_array_size(target_value(target, "locked_status")) > 0);
        if (!login_is_allowed(target, err) || login_open(target, &http, err) != 0)
                return -1;
        int result = attempts_make(session, http, facts, answers, err);
        http_close(http);
        return result;
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

/* A plain GET: whoever answers at all is there.  No sign-in is sent here. */
static int
login_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const char *url = target_text(session->target, "url");
        scoped_answer answer = {0};
        struct http *http = NULL;
        const struct http_request request = {.url = url};

        if (login_open(session->target, &http, err) != 0)
                return -1;
        int result = http_fetch(http, &request, &session->deadline, &answer, err);
        http_close(http);
        if (result == 0)
                snprintf(server, size, "sign-in at %.*s, GET answered %d", plain_length(url), url, answer.status);
        return result;
}

static void
login_review(const struct target *target, const struct target *const *targets, target_mistake *tell, void *context)
{
        const char *body = target_text(target, "body"), *type = target_text(target, "content_type");

        (void)targets;
        if (strstr(body, "{password}") == NULL || strstr(body, "{account}") == NULL)
                tell(context, NULL, 0, "body must hold {account} and {password}");
        if (strlen(type) > HEADER_LARGEST - 20 || strpbrk(type, "\r\n") != NULL)
                tell(context, NULL, 0, "content_type is none");
}

static const struct setting settings[] = {
        {.name = "url",
         .type = SETTING_URL,
         .choices = "https|http",
         .required = true,
         .words = "the sign-in that wrong passwords are sent to"},
        {.name = "account", .type = SETTING_TEXT, .required = true, .words = "a test account: it may get locked"},
        {.name = "staging",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "true: this is no production system; nothing is sent without it"},
        {.name = "active",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "true: send the sign-ins; nothing is sent without it"},
        {.name = "attempts",
         .type = SETTING_INTEGER,
         .fallback = "11",
         .min = 1,
         .max = 20,
         .words = "most wrong passwords in one run; 429 must come by the eleventh"},
        {.name = "pause",
         .type = SETTING_DURATION,
         .fallback = "1s",
         .min = 0,
         .max = 5000,
         .words = "time between two of them"},
        {.name = "method", .type = SETTING_CHOICE, .choices = "POST|PUT", .fallback = "POST", .words = "HTTP method"},
        {.name = "content_type", .type = SETTING_TEXT, .fallback = "application/json", .words = "type of the body"},
        {.name = "body",
         .type = SETTING_TEXT,
         .fallback = "{\"username\": \"{account}\", \"password\": \"{password}\"}",
         .words = "what is sent; {account} and {password} are put in, escaped as the type wants"},
        {.name = "failed",
         .type = SETTING_LIST,
         .item = SETTING_INTEGER,
         .fallback = "[400, 401, 403, 422]",
         .min = 200,
         .max = 599,
         .words = "statuses that refuse a sign-in; any other but 429 ends the probe"},
        {.name = "locked_status",
         .type = SETTING_LIST,
         .item = SETTING_INTEGER,
         .fallback = "[]",
         .min = 200,
         .max = 599,
         .words = "statuses by which a locked account is told apart"},
        {.name = "locked_text", .type = SETTING_TEXT, .words = "text in the answer that tells a locked account"},
        {.name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the server's certificate"},
        {.name = "server_name", .type = SETTING_TEXT, .words = "name in the certificate, where it is not the URL's"},
        {.name = "insecure",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "true: the server's certificate is not verified"},
        {.type = SETTING_END},
};

const struct target_kind kind_login = {
        .name = "login",
        .words = "the sign-in of a staging system: wrong passwords are SENT to it (off unless switched on)",
        .settings = settings,
        .connect = login_connect,
        .review = login_review,
        .announce = login_announce,
};

/* S3: lists, protection, objects. */

#include "s3.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws.h"
#include "json.h"
#include "moment.h"
#include "scope.h"
#include "session_client.h"
#include "xml.h"

enum { PAGE = 1000, TEXT_LARGEST = 16 * 1024, KEY_LARGEST = 1025 /* S3: 1,024 bytes */ };

struct s3 {
        struct http *http;
        struct aws_credentials credentials;
        const struct session *session;
        const char *endpoint, *region; /* borrowed from the target's settings */
        bool path_style;
        struct error broken;
};

static void
s3_close(void *object)
{
        struct s3 *s3 = object;

        http_close(s3->http);
        aws_credentials_free(&s3->credentials);
        free(s3);
}

static int
s3_open(void *object, struct session *session, struct error *err)
{
        struct s3 *s3 = object;
        const struct target *target = session->target;
        const char *style = target_text(target, "style");
        struct http_options options = {.ca_file = target_text(target, "ca_file")};

        s3->session = session;
        s3->endpoint = target_text(target, "endpoint");
        s3->region = target_text(target, "region");
        s3->path_style = style != NULL ? strcmp(style, "path") == 0 : s3->endpoint != NULL;
        return http_open(&options, &s3->http, err) == 0 &&
                               aws_credentials_find(session, s3->http, &s3->credentials, err) == 0
                       ? 0
                       : -1;
}

struct s3 *
s3_session(struct session *session, struct error *err)
{
        static const struct session_client client = {"S3 client", sizeof(struct s3), offsetof(struct s3, broken),
                                                     s3_open, s3_close};

        return session_client(session, &client, err);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* A key's slashes stay, everything else is escaped segment by segment. */
static int
escape_key(struct buffer *out, const char *key)
{
        while (*key != '\0') {
                char segment[1100];
                size_t length = strcspn(key, "/");
                if (length >= sizeof segment)
                        return -1;
                memcpy(segment, key, length);
                segment[length] = '\0';
                http_escape(out, segment);
                key += length;
                if (*key == '/') {
                        buffer_char(out, '/');
                        key++;
                }
        }
        return out->failed ? -1 : 0;
}

/* One signed GET on a bucket (key NULL) or an object. */
static int
fetch(struct s3 *s3, const char *bucket, const char *key, const char *query, struct http_answer *answer,
      struct error *err)
{
        scoped_buffer endpoint = BUFFER_INIT(TEXT_LARGEST), path = BUFFER_INIT(TEXT_LARGEST);
        const char *base = s3->endpoint, *scheme;

        if (base == NULL) {
                buffer_format(&endpoint,
                              s3->path_style ? "https://s3.%s.amazonaws.com" : "https://%2$s.s3.%1$s.amazonaws.com",
                              s3->region, bucket);
        } else if (s3->path_style || (scheme = strstr(base, "://")) == NULL) {
                buffer_text(&endpoint, base);
        } else {
                buffer_format(&endpoint, "%.*s://%s.%s", (int)(scheme - base), base, bucket, scheme + 3);
        }
        buffer_char(&path, '/');
        if (s3->path_style)
                buffer_text(&path, bucket);
        if (key != NULL) {
                if (s3->path_style)
                        buffer_char(&path, '/');
                escape_key(&path, key);
        }
        if (endpoint.failed || path.failed)
                return error_set(err, REASON_CONFIGURATION, "%s: the name is too long", bucket);
        size_t length = endpoint.length;
        while (length > 0 && endpoint.data[length - 1] == '/')
                endpoint.data[--length] = '\0';
        struct aws_request request = {
                .endpoint = endpoint.data, .path = path.data, .query = query, .region = s3->region, .service = "s3"};
        if (aws_fetch(s3->http, &s3->credentials, &request, &s3->session->deadline, answer, err) != 0)
                return error_wrap(err, "%s/%s", endpoint.data, bucket);
        return 0;
}

static int
fetch_xml(struct s3 *s3, const char *bucket, const char *query, const char *wanted, json_t **out, struct error *err)
{
        scoped_answer answer = {0};
        char what[300], root[128] = "";

        if (fetch(s3, bucket, NULL, query, &answer, err) != 0)
                return -1;
        snprintf(what, sizeof what, "bucket %s", bucket);
        if (answer.status != 200)
                return aws_status_error(&answer, what, err);
        if (xml_read(answer.body.data != NULL ? answer.body.data : "", answer.body.length, root, sizeof root, out,
                     err) != 0)
                return error_wrap(err, "%s", what);
        /* A store that does not know a question may answer another one: with a list, say. */
        if (strcmp(root, wanted) == 0)
                return 0;
        json_decref(*out);
        *out = NULL;
        return error_set(err, REASON_UNSUPPORTED, "%s: asked for %s, the store answers %s", what, wanted, root);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* A key as asked for by encoding-type=url: names may hold bytes that XML cannot. */
static const char *
key_decode(const char *key, char plain[KEY_LARGEST])
{
        size_t used = 0;

        for (; *key != '\0' && used + 1 < KEY_LARGEST; key++) {
                char digits[3] = {0};
                if (key[0] == '%' && isxdigit((unsigned char)key[1]) && isxdigit((unsigned char)key[2])) {
                        memcpy(digits, key + 1, 2);
                        plain[used++] = (char)strtol(digits, NULL, 16);
                        key += 2;
                } else {
                        plain[used++] = (char)(*key == '+' ? ' ' : *key);
                }
        }
        plain[used] = '\0';
        return plain;
}

static int
page_visit(const json_t *page, size_t *seen, size_t most, s3_visit visit, void *context)
{
        bool encoded = strcmp(xml_text(page, "EncodingType", ""), "url") == 0;
        size_t i;
        json_t *content;

        json_array_foreach((json_t *)xml_list(page, "Contents"), i, content)
        {
                char plain[KEY_LARGEST];
                const char *key = xml_text(content, "Key", "");
                struct s3_object object = {.key = encoded ? key_decode(key, plain) : key,
                                           .size_bytes = strtoll(xml_text(content, "Size", "0"), NULL, 10)};
                if (!moment_parse(xml_text(content, "LastModified", ""), &object.modified_ms))
                        object.modified_ms = 0;
                if ((*seen)++ == most || visit(context, &object) != 0)
                        return 1;
        }
        return 0;
}

int
s3_list(struct s3 *s3, const char *bucket, const char *prefix, size_t most, s3_visit visit, void *context,
        struct error *err)
{
        scoped_string token = NULL;
        size_t seen = 0;

        for (;;) {
                scoped_buffer query = BUFFER_INIT(TEXT_LARGEST);
                scoped_json page = NULL;
                buffer_format(&query, "list-type=2&encoding-type=url&max-keys=%d&prefix=", PAGE);
                http_escape(&query, prefix != NULL ? prefix : "");
                if (token != NULL) {
                        buffer_text(&query, "&continuation-token=");
                        http_escape(&query, token);
                }
                if (query.failed)
                        return error_set(err, REASON_PROTOCOL, "bucket %s: the continuation token is too long", bucket);
                if (fetch_xml(s3, bucket, query.data, "ListBucketResult", &page, err) != 0)
                        return -1;
                if (page_visit(page, &seen, most, visit, context) != 0)
                        return seen <= most ? 0
                                            : error_set(err, REASON_TOO_LITTLE_DATA,
                                                        "bucket %s holds more than %zu objects under %s", bucket, most,
                                                        prefix != NULL ? prefix : "/");
                const char *next = xml_text(page, "NextContinuationToken", "");
                if (strcmp(xml_text(page, "IsTruncated", "false"), "true") != 0 || *next == '\0')
                        return 0;
                if (token != NULL && strcmp(token, next) == 0)
                        return error_set(err, REASON_PROTOCOL, "bucket %s: the list does not advance", bucket);
                free(token);
                token = strdup(next);
                if (token == NULL)
                        return error_memory(err, "S3 list");
        }
}

/* --- protection --------------------------------------------------------------------------------------------------- */

static json_t *
encryption(const json_t *answer)
{
        const json_t *rule = xml_at(answer, "Rule", "ApplyServerSideEncryptionByDefault", NULL);

        return json_pack("{s:b, s:s}", "known", 1, "algorithm", xml_text(rule, "SSEAlgorithm", "none"));
}

static json_t *
public_access_block(const json_t *answer)
{
        static const char *const parts[] = {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy",
                                            "RestrictPublicBuckets"};
        int all = 1;

        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
                all = all && strcmp(xml_text(answer, parts[i], "false"), "true") == 0;
        return json_pack("{s:b, s:b}", "known", 1, "all", all);
}

static json_t *
policy(const json_t *answer)
{
        return json_pack("{s:b, s:b}", "known", 1, "public",
                         strcmp(xml_text(answer, "IsPublic", "false"), "true") == 0);
}

static json_t *
acl(const json_t *answer)
{
        const json_t *grants = xml_list(xml_at(answer, "AccessControlList", NULL), "Grant");
        size_t i;
        json_t *grant;
        int public = 0;

        json_array_foreach((json_t *)grants, i, grant)
        {
                const char *group = xml_text(xml_at(grant, "Grantee", NULL), "URI", "");
                public = public || strstr(group, "/AllUsers") != NULL || strstr(group, "/AuthenticatedUsers") != NULL;
        }
        return json_pack("{s:b, s:b}", "known", 1, "public", public);
}

static json_t *
object_lock(const json_t *answer)
{
        const json_t *retention = xml_at(answer, "Rule", "DefaultRetention", NULL);

        return json_pack("{s:b, s:b, s:s, s:i}", "known", 1, "enabled",
                         strcmp(xml_text(answer, "ObjectLockEnabled", ""), "Enabled") == 0, "mode",
                         xml_text(retention, "Mode", ""), "days", atoi(xml_text(retention, "Days", "0")));
}

static json_t *
versioning(const json_t *answer)
{
        return json_pack("{s:b, s:s}", "known", 1, "status", xml_text(answer, "Status", "off"));
}

/* `absent` is the answer that "nothing is configured" has for this question: an error code of S3 that is no failure. */
static const struct {
        const char *name, *query, *root, *absent, *absent_facts;
        json_t *(*read)(const json_t *answer);
} questions[] = {
        {"encryption", "encryption", "ServerSideEncryptionConfiguration",
         "ServerSideEncryptionConfigurationNotFoundError", "{\"known\":true,\"algorithm\":\"none\"}", encryption},
        {"public_access_block", "publicAccessBlock", "PublicAccessBlockConfiguration",
         "NoSuchPublicAccessBlockConfiguration", "{\"known\":true,\"all\":false}", public_access_block},
        {"policy", "policyStatus", "PolicyStatus", "NoSuchBucketPolicy", "{\"known\":true,\"public\":false}", policy},
        {"acl", "acl", "AccessControlPolicy", "", NULL, acl},
        {"object_lock", "object-lock", "ObjectLockConfiguration", "ObjectLockConfigurationNotFoundError",
         "{\"known\":true,\"enabled\":false,\"mode\":\"\",\"days\":0}", object_lock},
        {"versioning", "versioning", "VersioningConfiguration", "", NULL, versioning},
};

int
s3_protection(struct s3 *s3, const char *bucket, json_t **out, struct error *err)
{
        scoped_json all = json_object();

        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
                scoped_json answer = NULL;
                json_t *facts;
                struct error why = {0};
                if (fetch_xml(s3, bucket, questions[i].query, questions[i].root, &answer, &why) == 0) {
                        facts = questions[i].read(answer);
                } else if (why.reason == REASON_INTERRUPTED || why.reason == REASON_TIMEOUT ||
                           why.reason == REASON_INTERNAL) {
                        *err = why;
                        return -1;
                } else if (*questions[i].absent != '\0' && strstr(why.text, questions[i].absent) != NULL) {
                        facts = json_loads(questions[i].absent_facts, 0, NULL);
                } else {
                        facts = json_pack("{s:b, s:s, s:s}", "known", 0, "reason", reason_name(why.reason), "text",
                                          why.text);
                }
                if (json_put(all, questions[i].name, facts) != 0)
                        return error_memory(err, "S3");
        }
        *out = scope_keep(all);
        return 0;
}

int
s3_read(struct s3 *s3, const char *bucket, const char *key, size_t largest, char **bytes, size_t *length,
        struct error *err)
{
        scoped_answer answer = {0};

        if (fetch(s3, bucket, key, NULL, &answer, err) != 0)
                return -1;
        if (answer.status != 200)
                return aws_status_error(&answer, key, err);
        if (answer.body.length > largest)
                return error_set(err, REASON_PROTOCOL, "%s: larger than %zu bytes", key, largest);
        *length = answer.body.length;
        *bytes = buffer_take(&answer.body);
        return *bytes != NULL ? 0 : error_memory(err, key);
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
first_only(void *context, const struct s3_object *object)
{
        (void)context, (void)object;
        return 1;
}

static int
s3_connect(struct session *session, char *server, size_t size, struct error *err)
{
        struct s3 *s3 = s3_session(session, err);
        const char *bucket = target_text(session->target, "bucket");

        if (s3 == NULL || s3_list(s3, bucket, target_text(session->target, "prefix"), 1000, first_only, NULL, err) != 0)
                return -1;
        snprintf(server, size, "bucket %s at %s, as %s", bucket, s3->endpoint != NULL ? s3->endpoint : "Amazon S3",
                 s3->credentials.where);
        return 0;
}

static const struct setting settings[] = {
        {.name = "bucket", .type = SETTING_TEXT, .required = true, .words = "the bucket"},
        {.name = "prefix", .type = SETTING_TEXT, .fallback = "", .words = "objects under this beginning of their key"},
        {.name = "endpoint",
         .type = SETTING_URL,
         .choices = "https|http",
         .words = "the store's URL; default: Amazon's of the region"},
        {.name = "style",
         .type = SETTING_CHOICE,
         .choices = "path|virtual",
         .words = "how the bucket is named in the URL; default: path for an endpoint of your own, else virtual"},
        AWS_SETTINGS,
        {.type = SETTING_END},
};

const struct target_kind kind_s3 = {
        .name = "s3",
        .words = "a bucket of Amazon S3 or of a store that speaks like it",
        .settings = settings,
        .connect = s3_connect,
};

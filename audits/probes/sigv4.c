/* AWS Signature Version 4. */

#include "sigv4.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buffer.h"
#include "scope.h"

enum { HEADERS_MOST = 32, TEXT_LARGEST = 256 * 1024, DIGEST = 32 };

/* --- digests ------------------------------------------------------------------------------------------------------ */

static void
hex(const unsigned char digest[DIGEST], char text[2 * DIGEST + 1])
{
        for (size_t i = 0; i < DIGEST; i++)
                snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static int
sha256_hex(const void *bytes, size_t length, char text[2 * DIGEST + 1])
{
        unsigned char digest[DIGEST];

        if (EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL) != 1)
                return -1;
        hex(digest, text);
        return 0;
}

static int
hmac(const void *key, size_t key_length, const char *text, unsigned char digest[DIGEST])
{
        unsigned int length = DIGEST;

        return HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text, strlen(text), digest, &length) !=
                               NULL
                       ? 0
                       : -1;
}

/* --- the canonical request ---------------------------------------------------------------------------------------- */

static int
by_text(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Parameters sorted by encoded name, then value; one without "=" gets it. */
static int
canonical_query(struct buffer *out, const char *query)
{
        scoped_string copy = strdup(query != NULL ? query : "");
        char *parts[1024];
        size_t count = 0;

        if (copy == NULL)
                return -1;
        char *rest = copy;
        for (char *part; (part = strsep(&rest, "&")) != NULL;) {
                if (*part == '\0')
                        continue;
                if (count == sizeof parts / sizeof parts[0])
                        return -1;
                parts[count++] = part;
        }
        /* "=" sorts after some characters that names may hold ("-", "."): replace it while sorting by a byte below all.
         */
        for (size_t i = 0; i < count; i++) {
                char *equals = strchr(parts[i], '=');
                if (equals != NULL)
                        *equals = '\x01';
        }
        qsort(parts, count, sizeof parts[0], by_text);
        for (size_t i = 0; i < count; i++) {
                char *equals = strchr(parts[i], '\x01');
                if (equals != NULL)
                        *equals = '=';
                buffer_format(out, "%s%s%s", i > 0 ? "&" : "", parts[i], equals == NULL ? "=" : "");
        }
        return out->failed ? -1 : 0;
}

struct header {
        char *name, *value; /* name in lower case; value trimmed, inner runs of spaces folded */
};

struct headers {
        struct header rows[HEADERS_MOST];
        size_t count;
};

static void
headers_free(struct headers *headers)
{
        for (size_t i = 0; i < headers->count; i++) {
                free(headers->rows[i].name);
                free(headers->rows[i].value);
        }
}

static int
headers_add(struct headers *headers, const char *name, size_t name_length, const char *value)
{
        if (headers->count == HEADERS_MOST)
                return -1;
        struct header *row = &headers->rows[headers->count];
        row->name = strndup(name, name_length);
        row->value = strdup(value);
        headers->count++;
        if (row->name == NULL || row->value == NULL)
                return -1;
        for (char *c = row->name; *c != '\0'; c++)
                *c = (char)tolower((unsigned char)*c);
        char *to = row->value;
        for (const char *from = row->value; *from != '\0'; from++) {
                if (*from == ' ' && (to == row->value || to[-1] == ' '))
                        continue;
                *to++ = *from;
        }
        while (to > row->value && to[-1] == ' ')
                to--;
        *to = '\0';
        return 0;
}

static int
by_name(const void *a, const void *b)
{
        return strcmp(((const struct header *)a)->name, ((const struct header *)b)->name);
}

static int
headers_gather(struct headers *headers, const struct sigv4_credentials *credentials,
               const struct sigv4_request *request, const char *stamp, const char *body_digest)
{
        int failed = headers_add(headers, "host", 4, request->host) | headers_add(headers, "x-amz-date", 10, stamp);

        /* S3 wants the digest of the body as a header; the others take it, but their vectors do without. */
        if (strcmp(request->service, "s3") == 0)
                failed |= headers_add(headers, "x-amz-content-sha256", 20, body_digest);
        if (credentials->session_token != NULL)
                failed |= headers_add(headers, "x-amz-security-token", 20, credentials->session_token);
        for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL && failed == 0; i++) {
                const char *colon = strchr(request->headers[i], ':');
                failed = colon == NULL || headers_add(headers, request->headers[i],
                                                      (size_t)(colon - request->headers[i]), colon + 1) != 0;
        }
        qsort(headers->rows, headers->count, sizeof headers->rows[0], by_name);
        return failed != 0 ? -1 : 0;
}

static int
signed_names(struct buffer *out, const struct headers *headers)
{
        for (size_t i = 0; i < headers->count; i++)
                buffer_format(out, "%s%s", i > 0 ? ";" : "", headers->rows[i].name);
        return out->failed ? -1 : 0;
}

static int
canonical_request(struct buffer *out, const struct sigv4_request *request, const struct headers *headers,
                  const char *names, const char *body_digest)
{
        buffer_format(out, "%s\n%s\n", request->method, request->path);
        if (canonical_query(out, request->query) != 0)
                return -1;
        buffer_char(out, '\n');
        for (size_t i = 0; i < headers->count; i++)
                buffer_format(out, "%s:%s\n", headers->rows[i].name, headers->rows[i].value);
        buffer_format(out, "\n%s\n%s", names, body_digest);
        return out->failed ? -1 : 0;
}

/* --- the signature ------------------------------------------------------------------------------------------------ */

static int
signature(const struct sigv4_credentials *credentials, const struct sigv4_request *request, const char *day,
          const char *to_sign, char text[2 * DIGEST + 1])
{
        scoped_buffer first = BUFFER_INIT(TEXT_LARGEST);
        unsigned char a[DIGEST], b[DIGEST];
        int failed = buffer_format(&first, "AWS4%s", credentials->secret_key);

        failed = failed != 0 || hmac(first.data, first.length, day, a) != 0 ||
                 hmac(a, DIGEST, request->region, b) != 0 || hmac(b, DIGEST, request->service, a) != 0 ||
                 hmac(a, DIGEST, "aws4_request", b) != 0 || hmac(b, DIGEST, to_sign, a) != 0;
        if (first.data != NULL)
                explicit_bzero(first.data, first.length);
        explicit_bzero(b, sizeof b);
        if (failed)
                return -1;
        hex(a, text);
        return 0;
}

static int
header_lines(const struct headers *headers, const char *authorization, char ***out)
{
        char **lines = calloc(headers->count + 2, sizeof *lines);
        size_t count = 0;

        if (lines == NULL)
                return -1;
        for (size_t i = 0; i < headers->count; i++) {
                if (strcmp(headers->rows[i].name, "host") == 0)
                        continue; /* the HTTP client sends it */
                if (asprintf(&lines[count], "%s: %s", headers->rows[i].name, headers->rows[i].value) < 0) {
                        lines[count] = NULL;
                        sigv4_free(lines);
                        return -1;
                }
                count++;
        }
        if (asprintf(&lines[count], "Authorization: %s", authorization) < 0) {
                lines[count] = NULL;
                sigv4_free(lines);
                return -1;
        }
        *out = lines;
        return 0;
}

static int
sign(const struct sigv4_credentials *credentials, const struct sigv4_request *request, struct headers *headers,
     char ***out)
{
        char stamp[20], day[10], scope[256], body_digest[2 * DIGEST + 1], digest[2 * DIGEST + 1], proof[2 * DIGEST + 1];
        scoped_buffer names = BUFFER_INIT(TEXT_LARGEST), canonical = BUFFER_INIT(TEXT_LARGEST);
        scoped_buffer to_sign = BUFFER_INIT(TEXT_LARGEST), authorization = BUFFER_INIT(TEXT_LARGEST);
        time_t seconds = (time_t)(request->at_ms / 1000);
        struct tm broken;

        if (gmtime_r(&seconds, &broken) == NULL || strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &broken) == 0 ||
            strftime(day, sizeof day, "%Y%m%d", &broken) == 0 ||
            sha256_hex(request->body != NULL ? request->body : "", request->body != NULL ? request->body_length : 0,
                       body_digest) != 0)
                return -1;
        snprintf(scope, sizeof scope, "%s/%s/%s/aws4_request", day, request->region, request->service);
        if (headers_gather(headers, credentials, request, stamp, body_digest) != 0 ||
            signed_names(&names, headers) != 0 ||
            canonical_request(&canonical, request, headers, names.data, body_digest) != 0 ||
            sha256_hex(canonical.data, canonical.length, digest) != 0 ||
            buffer_format(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, digest) != 0 ||
            signature(credentials, request, day, to_sign.data, proof) != 0 ||
            buffer_format(&authorization, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                          credentials->access_key, scope, names.data, proof) != 0)
                return -1;
        return header_lines(headers, authorization.data, out);
}

int
sigv4_sign(const struct sigv4_credentials *credentials, const struct sigv4_request *request, char ***out,
           struct error *err)
{
        struct headers headers = {.count = 0};
        int result = sign(credentials, request, &headers, out);

        headers_free(&headers);
        return result == 0 ? 0 : error_set(err, REASON_INTERNAL, "%s: the request could not be signed", request->host);
}

void
sigv4_free(char **headers)
{
        for (size_t i = 0; headers != NULL && headers[i] != NULL; i++)
                free(headers[i]);
        free(headers);
}

/* Signed requests to AWS-like services, and what their errors say. */

#include "aws.h"

#include <stdio.h>
#include <string.h>

#include "moment.h"
#include "scope.h"
#include "xml.h"

enum { URL_LARGEST = 16 * 1024 };

int
aws_fetch(struct http *http, const struct aws_credentials *credentials, const struct aws_request *request,
          const struct deadline *deadline, struct http_answer *answer, struct error *err)
{
        const char *host = strstr(request->endpoint, "://");
        const char *query = request->query != NULL ? request->query : "";
        scoped_buffer url = BUFFER_INIT(URL_LARGEST);
        char **headers = NULL;

        if (host == NULL)
                return error_set(err, REASON_CONFIGURATION, "%s: no URL", request->endpoint);
        struct sigv4_credentials keys = {credentials->access_key, credentials->secret_key, credentials->session_token};
        struct sigv4_request unsigned_ = {
                .method = request->method != NULL ? request->method : "GET",
                .host = host + 3,
                .path = request->path,
                .query = query,
                .region = request->region,
                .service = request->service,
                .at_ms = moment_now(),
                .body = request->body,
                .body_length = request->body != NULL ? strlen(request->body) : 0,
                .headers = request->headers,
        };
        if (buffer_format(&url, "%s%s%s%s", request->endpoint, request->path, *query != '\0' ? "?" : "", query) != 0)
                return error_set(err, REASON_INTERNAL, "%s: the request is too long", request->endpoint);
        if (sigv4_sign(&keys, &unsigned_, &headers, err) != 0)
                return -1;
        struct http_request signed_ = {.url = url.data,
                                       .method = request->method,
                                       .headers = (const char *const *)headers,
                                       .body = request->body,
                                       .body_length = unsigned_.body_length};
        int result = http_fetch(http, &signed_, deadline, answer, err);
        sigv4_free(headers);
        return result;
}

int
aws_status_error(const struct http_answer *answer, const char *what, struct error *err)
{
        scoped_json body = NULL;
        struct error ignored;
        const char *text = answer->body.data != NULL ? answer->body.data : "";

        http_status_error(answer, what, err);
        if (xml_read(text, answer->body.length, NULL, 0, &body, &ignored) != 0)
                return -1;
        /* S3 answers <Error>, the query services <ErrorResponse><Error>. */
        const json_t *error = xml_at(body, "Error", NULL) != NULL ? xml_at(body, "Error", NULL) : body;
        const char *code = xml_text(error, "Code", "");
        if (*code == '\0')
                return -1;
        enum reason reason = err->reason;
        if (strcmp(code, "RequestTimeTooSkewed") == 0) {
                error_set(err, REASON_DENIED, "%s: %s", what, code);
                return error_remedy(err, "the clock of this machine is wrong by more than 15 minutes: mend it");
        }
        if (strcmp(code, "SignatureDoesNotMatch") == 0 || strcmp(code, "InvalidAccessKeyId") == 0 ||
            strcmp(code, "ExpiredToken") == 0)
                reason = REASON_DENIED;
        return error_set(err, reason, "%s: %d %s: %.300s", what, answer->status, code, xml_text(error, "Message", ""));
}

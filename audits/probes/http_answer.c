/* HTTP's answers: their headers, the error that an unwelcome status is, giving them back; and escapes for requests. */

#include "http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
http_answer_free(struct http_answer *answer)
{
        buffer_free(&answer->body);
        free(answer->content_type);
        free(answer->headers);
        answer->content_type = NULL;
        answer->headers = NULL;
}

char *
http_header(const struct http_answer *answer, const char *name)
{
        size_t length = strlen(name);

        for (const char *line = answer->headers; line != NULL && *line != '\0';) {
                size_t size = strcspn(line, "\r\n");
                if (size > length && line[length] == ':' && strncasecmp(line, name, length) == 0) {
                        const char *value = line + length + 1, *end = line + size;
                        while (value < end && isspace((unsigned char)*value))
                                value++;
                        while (end > value && isspace((unsigned char)end[-1]))
                                end--;
                        return strndup(value, (size_t)(end - value));
                }
                line += size;
                line += strspn(line, "\r\n");
        }
        return NULL;
}

int
http_status_error(const struct http_answer *answer, const char *what, struct error *err)
{
        enum reason reason = REASON_PROTOCOL;
        int status = answer->status;
        int shown = answer->body.length > 200 ? 200 : (int)answer->body.length;

        if (status == 401 || status == 403 || status == 407)
                reason = REASON_DENIED;
        else if (status == 404 || status == 405 || status == 501)
                reason = REASON_UNSUPPORTED;
        else if (status == 408 || status == 504)
                reason = REASON_TIMEOUT;
        else if (status == 429 || status >= 500)
                reason = REASON_UNREACHABLE;
        return error_set(err, reason, "%s: the server answered %d%s%.*s", what, status, shown > 0 ? ": " : "", shown,
                         shown > 0 ? answer->body.data : "");
}

int
http_escape(struct buffer *buffer, const char *text)
{
        for (; *text != '\0'; text++) {
                unsigned char c = (unsigned char)*text;
                int failed = isalnum(c) || strchr("-._~", c) != NULL ? buffer_char(buffer, (char)c)
                                                                     : buffer_format(buffer, "%%%02X", c);
                if (failed != 0)
                        return -1;
        }
        return 0;
}

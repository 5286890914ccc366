/* What the judges of a queue share: how a fault is told, and how a key is written for a shell. */

#include "queue_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
queue_fail(const struct queue_judge *j, const char *control, const struct resource *resource, bool severe,
           const char *observed, const char *expected, const char *message, const char *remedy)
{
        findings_add(j->out, &(struct finding){.control = control,
                                               .resource = *resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, control, severe),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = remedy,
                                               .owner = j->owner,
                                               .evidence = findings_text(j->out, "/queues/%zu", j->index)});
}

const char *
queue_shell(const struct queue_judge *j, const char *format, ...)
{
        char text[1000], quoted[2100];
        size_t length = 0;
        va_list list;

        va_start(list, format);
        vsnprintf(text, sizeof text / 2, format, list);
        va_end(list);
        if (text[0] != '\0' &&
            text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:./@")] == '\0')
                return findings_text(j->out, "%s", text);
        quoted[length++] = '\'';
        for (const char *c = text; *c != '\0'; c++) {
                if (*c == '\'') {
                        memcpy(quoted + length, "'\\''", 4);
                        length += 4;
                } else {
                        quoted[length++] = *c;
                }
        }
        quoted[length++] = '\'';
        quoted[length] = '\0';
        return findings_text(j->out, "%s", quoted);
}

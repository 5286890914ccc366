/* Errors as values: reason codes, texts that gain context on the way up, remedies. */

#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
        [REASON_NONE] = "",
        [REASON_UNREACHABLE] = "unreachable",
        [REASON_TIMEOUT] = "timeout",
        [REASON_DENIED] = "denied",
        [REASON_TLS] = "tls",
        [REASON_PROTOCOL] = "protocol",
        [REASON_STALE] = "stale",
        [REASON_TOO_LITTLE_DATA] = "too-little-data",
        [REASON_UNSUPPORTED] = "unsupported",
        [REASON_CONFIGURATION] = "configuration",
        [REASON_INTERRUPTED] = "interrupted",
        [REASON_INTERNAL] = "internal",
};

#define NAMES (sizeof names / sizeof names[0])

/* A server's own words end up here: keep them on one line, and cut UTF-8 only between characters. */
static void
tidy(char *text, size_t size)
{
        size_t length = strlen(text);

        if (length == size - 1) {
                while (length > 0 && ((unsigned char)text[length - 1] & 0xC0) == 0x80)
                        length--;
                if (length > 0 && (unsigned char)text[length - 1] >= 0xC0)
                        length--;
                text[length] = '\0';
        }
        for (char *c = text; *c != '\0'; c++) {
                if ((unsigned char)*c < 0x20 || *c == 0x7F)
                        *c = ' ';
        }
        while (length > 0 && text[length - 1] == ' ')
                text[--length] = '\0';
}

int
error_set(struct error *err, enum reason reason, const char *format, ...)
{
        va_list list;

        if (err == NULL)
                return -1;
        err->reason = reason;
        err->remedy[0] = '\0';
        va_start(list, format);
        vsnprintf(err->text, sizeof err->text, format, list);
        va_end(list);
        tidy(err->text, sizeof err->text);
        return -1;
}

int
error_wrap(struct error *err, const char *format, ...)
{
        char context[sizeof err->text];
        char text[sizeof err->text];
        va_list list;

        if (err == NULL)
                return -1;
        va_start(list, format);
        vsnprintf(context, sizeof context, format, list);
        va_end(list);
        memcpy(text, err->text, sizeof text);
        size_t used = strlen(context);
        if (used > sizeof err->text - 3)
                used = sizeof err->text - 3;
        memcpy(err->text, context, used);
        memcpy(err->text + used, ": ", 2);
        used += 2;
        size_t rest = strnlen(text, sizeof err->text - 1 - used);
        memcpy(err->text + used, text, rest);
        err->text[used + rest] = '\0';
        tidy(err->text, sizeof err->text);
        return -1;
}

int
error_remedy(struct error *err, const char *format, ...)
{
        va_list list;

        if (err == NULL)
                return -1;
        va_start(list, format);
        vsnprintf(err->remedy, sizeof err->remedy, format, list);
        va_end(list);
        tidy(err->remedy, sizeof err->remedy);
        return -1;
}

int
error_memory(struct error *err, const char *what)
{
        return error_set(err, REASON_INTERNAL, "%s: out of memory", what);
}

const char *
reason_name(enum reason reason)
{
        return (size_t)reason < NAMES ? names[reason] : "internal";
}

enum reason
reason_from_name(const char *name)
{
        for (size_t i = 0; i < NAMES; i++) {
                if (strcmp(names[i], name) == 0)
                        return (enum reason)i;
        }
        return REASON_INTERNAL;
}

/* JSON Schema's formats, those that are held against a text.  Source: JSON Schema, Validation, section 7.3. */

#include "json_schema_rules.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "moment.h"

static bool
is_moment(const char *text)
{
        int64_t ignored;

        return strlen(text) > 10 && moment_parse(text, &ignored);
}

static bool
is_date(const char *text)
{
        int64_t ignored;

        return strlen(text) == 10 && moment_parse(text, &ignored);
}

static bool
is_uuid(const char *text)
{
        for (size_t i = 0; i < 36; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;
                if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
                        return false;
        }
        return text[36] == '\0';
}

static bool
is_ipv4(const char *text)
{
        struct in_addr ignored;

        return inet_pton(AF_INET, text, &ignored) == 1;
}

static bool
is_ipv6(const char *text)
{
        struct in6_addr ignored;

        return inet_pton(AF_INET6, text, &ignored) == 1;
}

static bool
is_email(const char *text)
{
        const char *at = strrchr(text, '@');

        return at != NULL && at != text && at[1] != '\0' && strpbrk(text, " \t\r\n") == NULL;
}

static const struct {
        const char *name;
        bool (*holds)(const char *text);
} formats[] = {{"date-time", is_moment}, {"date", is_date}, {"uuid", is_uuid},
               {"ipv4", is_ipv4},        {"ipv6", is_ipv6}, {"email", is_email}};

#define FORMATS (sizeof formats / sizeof formats[0])

bool
schema_format_known(const char *format)
{
        for (size_t i = 0; i < FORMATS; i++) {
                if (strcmp(formats[i].name, format) == 0)
                        return true;
        }
        return false;
}

bool
schema_format_holds(const char *format, const char *text)
{
        for (size_t i = 0; i < FORMATS; i++) {
                if (strcmp(formats[i].name, format) == 0)
                        return formats[i].holds(text);
        }
        return true;
}

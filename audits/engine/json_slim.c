/* Dropping members of a JSON text in place. */

#include "json_slim.h"

#include <stdbool.h>
#include <string.h>

/* The place after the string that begins at `at` (its opening quote), or `end`. */
static const char *
string_end(const char *at, const char *end)
{
        for (const char *quote = at + 1; quote < end; quote++) {
                quote = memchr(quote, '"', (size_t)(end - quote));
                if (quote == NULL)
                        return end;
                const char *slash = quote;
                while (slash > at + 1 && slash[-1] == '\\')
                        slash--;
                if ((quote - slash) % 2 == 0)
                        return quote + 1;
        }
        return end;
}

static const char *
blank_end(const char *at, const char *end)
{
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
                at++;
        return at;
}

/* The place after the array or object that begins at `at`, or `end`. */
static const char *
value_end(const char *at, const char *end)
{
        size_t depth = 0;

        while (at < end) {
                if (*at == '"') {
                        at = string_end(at, end);
                        continue;
                }
                if (*at == '{' || *at == '[')
                        depth++;
                else if ((*at == '}' || *at == ']') && --depth == 0)
                        return at + 1;
                at++;
        }
        return end;
}

static bool
dropped(const char *key, size_t length, const char *const *keys)
{
        for (; *keys != NULL; keys++) {
                if (strlen(*keys) == length && memcmp(*keys, key, length) == 0)
                        return true;
        }
        return false;
}

size_t
json_without(char *text, size_t length, const char *const *keys)
{
        const char *at = text, *end = text + length;
        char *out = text;

        while (at < end) {
                if (*at != '"') {
                        *out++ = *at++;
                        continue;
                }
                const char *after = string_end(at, end), *colon = blank_end(after, end);
                const char *value = colon < end && *colon == ':' ? blank_end(colon + 1, end) : end;
                if (value == end || (*value != '{' && *value != '[') ||
                    !dropped(at + 1, (size_t)(after - at) - 2, keys)) {
                        memmove(out, at, (size_t)(after - at));
                        out += after - at;
                        at = after;
                        continue;
                }
                at = blank_end(value_end(value, end), end);
                if (at < end && *at == ',') {
                        at++;
                        continue;
                }
                /* The last member: the comma before it goes instead. */
                while (out > text && (out[-1] == ' ' || out[-1] == '\n' || out[-1] == '\r' || out[-1] == '\t'))
                        out--;
                if (out > text && out[-1] == ',')
                        out--;
        }
        return (size_t)(out - text);
}

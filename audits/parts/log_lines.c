/* Lines of a log, counted and forgotten. */

#include "log_lines.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scope.h"

enum { DEPTH_MOST = 2, NAME_MOST = 24 };

static bool
is_identifier(const json_t *value)
{
        return json_is_number(value) || (json_is_string(value) && json_string_length(value) > 0);
}

static bool
is_named(const json_t *object, const json_t *names, int depth)
{
        const char *key;
        json_t *value, *name;
        size_t i;

        json_object_foreach((json_t *)object, key, value)
        {
                json_array_foreach((json_t *)names, i, name)
                {
                        if (json_is_string(name) && strcasecmp(json_string_value(name), key) == 0 &&
                            is_identifier(value))
                                return true;
                }
                if (json_is_object(value) && depth < DEPTH_MOST && is_named(value, names, depth + 1))
                        return true;
        }
        return false;
}

/* Names of fields alone: what is in them is nobody's business. */
static void
object_shape(const json_t *object, char shape[LOG_SHAPE])
{
        size_t used = (size_t)snprintf(shape, LOG_SHAPE, "{");
        const char *key;
        json_t *value;

        json_object_foreach((json_t *)object, key, value)
        {
                if (used + NAME_MOST + 8 >= LOG_SHAPE) {
                        used += (size_t)snprintf(shape + used, LOG_SHAPE - used, ", ...");
                        break;
                }
                /* A field's name that is none may be somebody's: digits and blanks give it away. */
                bool plain = strlen(key) <= NAME_MOST && key[strcspn(key, " @/\\:0123456789")] == '\0';
                used += (size_t)snprintf(shape + used, LOG_SHAPE - used, "%s%s", used > 1 ? ", " : "",
                                         plain ? key : "?");
        }
        snprintf(shape + used, LOG_SHAPE - used, "}");
}

static void
text_shape(const char *line, size_t length, char shape[LOG_SHAPE])
{
        size_t used = 0;

        for (size_t i = 0; i < length && used < 60; i++) {
                unsigned char c = (unsigned char)line[i];
                char mark = isdigit(c) ? '0' : isalpha(c) || c >= 0x80 || c == '_' ? 'a' : isprint(c) ? (char)c : ' ';
                if (used > 0 && shape[used - 1] == mark && (mark == 'a' || mark == '0' || mark == ' '))
                        continue;
                shape[used++] = mark;
        }
        shape[used] = '\0';
}

static void
line_count(const char *line, size_t length, const json_t *names, struct log_lines *sum)
{
        while (length > 0 && isspace((unsigned char)line[length - 1]))
                length--;
        while (length > 0 && isspace((unsigned char)*line)) {
                line++;
                length--;
        }
        if (length == 0)
                return;
        sum->lines++;
        scoped_json object = *line == '{' ? json_loadb(line, length, 0, NULL) : NULL;
        if (json_is_object(object)) {
                sum->json++;
                if (is_named(object, names, 0))
                        sum->named++;
                else if (*sum->shape == '\0')
                        object_shape(object, sum->shape);
        } else if (*sum->shape == '\0') {
                text_shape(line, length, sum->shape);
        }
}

void
log_lines_count(const char *text, size_t length, bool whole, const json_t *names, struct log_lines *sum)
{
        while (length > 0) {
                const char *end = memchr(text, '\n', length);
                size_t size = end != NULL ? (size_t)(end - text) : length;
                if (end != NULL || whole)
                        line_count(text, size, names, sum);
                size += end != NULL ? 1 : 0;
                text += size;
                length -= size;
        }
}

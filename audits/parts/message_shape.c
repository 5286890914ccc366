/* Places in a message, and its shape. */

#include "message_shape.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error_text.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

enum { DEEPEST = 4, FIELDS_MOST = 40, STEP_LONGEST = 200 };

/* --- places ------------------------------------------------------------------------------------------------------- */

/* One step of a pointer with ~1 and ~0 undone; false when it is too long. */
static bool
step_read(const char *at, size_t length, char step[STEP_LONGEST])
{
        size_t out = 0;

        for (size_t i = 0; i < length; i++) {
                char c = at[i];
                if (c == '~' && i + 1 < length && (at[i + 1] == '0' || at[i + 1] == '1'))
                        c = at[++i] == '0' ? '~' : '/';
                if (out + 1 >= STEP_LONGEST)
                        return false;
                step[out++] = c;
        }
        step[out] = '\0';
        return true;
}

const json_t *
message_pointer(const json_t *message, const char *pointer)
{
        while (message != NULL && *pointer == '/') {
                char step[STEP_LONGEST];
                size_t length = strcspn(pointer + 1, "/");
                if (!step_read(pointer + 1, length, step))
                        return NULL;
                if (json_is_array(message)) {
                        char *end;
                        unsigned long index = strtoul(step, &end, 10);
                        message = isdigit((unsigned char)step[0]) && *end == '\0' ? json_array_get(message, index)
                                                                                  : NULL;
                } else {
                        message = json_object_get(message, step);
                }
                pointer += 1 + length;
        }
        return *pointer == '\0' ? message : NULL;
}

/* Numbers below this many are seconds: as milliseconds it is March 1973, as seconds the year 5138. */
static const double SECONDS_BELOW = 1e11;

bool
message_moment(const json_t *value, int64_t *at_ms)
{
        const char *text = json_string_value(value);
        char *end, copy[64];
        double number = json_is_number(value) ? json_number_value(value) : NAN;

        if (text != NULL) {
                number = strtod(text, &end);
                if (*text == '\0' || *end != '\0' || end == text)
                        number = NAN;
        }
        if (!isnan(number)) {
                if (!(number > 0) || number > 1e15)
                        return false;
                *at_ms = (int64_t)(number < SECONDS_BELOW ? number * 1000 : number);
                return true;
        }
        if (text == NULL || strlen(text) + 8 > sizeof copy)
                return false;
        if (moment_parse(text, at_ms))
                return true;
        /* PostgreSQL: a blank for the T, an offset of hours alone, or none. */
        snprintf(copy, sizeof copy, "%s", text);
        if (strlen(copy) > 10 && copy[10] == ' ')
                copy[10] = 'T';
        size_t length = strlen(copy), zone = strcspn(copy + (length > 11 ? 11 : length), "+-Z");
        size_t at = (length > 11 ? 11 : length) + zone;
        if (at == length)
                snprintf(copy + length, sizeof copy - length, "Z");
        else if (length - at == 3)
                snprintf(copy + length, sizeof copy - length, ":00");
        return moment_parse(copy, at_ms);
}

/* --- shape -------------------------------------------------------------------------------------------------------- */

struct writer {
        char *text;
        size_t size, length;
};

static void
put(struct writer *w, const char *text)
{
        int written = snprintf(w->text + w->length, w->size - w->length, "%s", text);

        w->length = w->length + (size_t)written < w->size ? w->length + (size_t)written : w->size - 1;
}

static int
by_name(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void shape(struct writer *w, const json_t *value, int depth);

static void
fields(struct writer *w, const json_t *object, int depth)
{
        const char *names[FIELDS_MOST], *name;
        size_t count = 0;
        json_t *value;

        json_object_foreach((json_t *)object, name, value)
        {
                if (count < FIELDS_MOST)
                        names[count++] = name;
        }
        qsort(names, count, sizeof *names, by_name);
        put(w, "{");
        for (size_t i = 0; i < count; i++) {
                char shown[ERROR_TEXT];
                error_text_reduce(names[i], strlen(names[i]), shown);
                put(w, i > 0 ? ", " : "");
                put(w, shown);
                put(w, ": ");
                shape(w, json_object_get(object, names[i]), depth + 1);
        }
        put(w, json_object_size(object) > count ? ", ..}" : "}");
}

static void
shape(struct writer *w, const json_t *value, int depth)
{
        if (depth > DEEPEST) {
                put(w, "..");
        } else if (json_is_object(value)) {
                fields(w, value, depth);
        } else if (json_is_array(value)) {
                put(w, "[");
                if (json_array_size(value) > 0)
                        shape(w, json_array_get(value, 0), depth + 1);
                put(w, "]");
        } else {
                put(w, json_is_string(value)    ? "text"
                       : json_is_number(value)  ? "number"
                       : json_is_boolean(value) ? "boolean"
                                                : "null");
        }
}

void
message_shape(const json_t *message, char *text, size_t size)
{
        struct writer w = {.text = text, .size = size};

        *text = '\0';
        shape(&w, message, 0);
}

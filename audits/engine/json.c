/* JSON of unknown shape: getters that fall back, setters that take any bytes. */

#include "json.h"

#include <ctype.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "scope.h"
#include "utf8.h"

const char *
json_text(const json_t *object, const char *key, const char *fallback)
{
        const json_t *value = json_object_get(object, key);

        return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t
json_whole(const json_t *object, const char *key, int64_t fallback)
{
        const json_t *value = json_object_get(object, key);

        if (json_is_integer(value))
                return json_integer_value(value);
        if (json_is_real(value)) {
                double real = json_real_value(value);
                if (real == floor(real) && fabs(real) < 9007199254740992.0)
                        return (int64_t)real;
        }
        return fallback;
}

double
json_real_or(const json_t *object, const char *key, double fallback)
{
        const json_t *value = json_object_get(object, key);

        return json_is_number(value) ? json_number_value(value) : fallback;
}

bool
json_flag(const json_t *object, const char *key, bool fallback)
{
        const json_t *value = json_object_get(object, key);

        return json_is_boolean(value) ? json_boolean_value(value) : fallback;
}

const json_t *
json_list(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        return json_is_array(value) ? value : NULL;
}

const json_t *
json_map(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        return json_is_object(value) ? value : NULL;
}

const json_t *
json_at(const json_t *object, ...)
{
        va_list keys;
        const char *key;

        va_start(keys, object);
        while (object != NULL && (key = va_arg(keys, const char *)) != NULL)
                object = json_object_get(object, key);
        va_end(keys);
        return object;
}

/* One step of a pointer, "~0" and "~1" undone. */
static const json_t *
pointer_step(const json_t *value, const char *step, size_t length)
{
        char key[1024];
        size_t size = 0, index = 0;

        for (size_t i = 0; i < length && size < sizeof key - 1; i++) {
                bool tilde = step[i] == '~' && i + 1 < length && (step[i + 1] == '0' || step[i + 1] == '1');
                key[size++] = !tilde ? step[i] : step[i + 1] == '0' ? '~' : '/';
                i += tilde;
        }
        key[size] = '\0';
        if (json_is_object(value))
                return json_object_get(value, key);
        if (size == 0 || size > 9 || key[strspn(key, "0123456789")] != '\0' || (key[0] == '0' && size > 1))
                return NULL;
        for (size_t i = 0; i < size; i++)
                index = index * 10 + (size_t)(key[i] - '0');
        return json_array_get(value, index);
}

const json_t *
json_pointer(const json_t *document, const char *pointer)
{
        while (document != NULL && *pointer != '\0') {
                if (*pointer != '/')
                        return NULL;
                size_t length = strcspn(++pointer, "/");
                document = pointer_step(document, pointer, length);
                pointer += length;
        }
        return document;
}

const json_t *
json_find(const json_t *list, const char *key, const char *text)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)list, i, row)
        {
                if (strcmp(json_text(row, key, ""), text) == 0)
                        return row;
        }
        return NULL;
}

bool
json_repeats(const json_t *list, size_t index, const char *key)
{
        const json_t *row = json_array_get(list, index);

        return json_find(list, key, json_text(row, key, "")) != row;
}

bool
json_holds(const json_t *list, const char *text)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)list, i, one)
        {
                if (json_is_string(one) && strcmp(json_string_value(one), text) == 0)
                        return true;
        }
        return false;
}

bool
json_globs_match(const json_t *globs, const char *text)
{
        size_t i;
        json_t *glob;

        json_array_foreach((json_t *)globs, i, glob)
        {
                if (json_is_string(glob) && fnmatch(json_string_value(glob), text, 0) == 0)
                        return true;
        }
        return false;
}

bool
json_has(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        return value != NULL && !json_is_null(value);
}

json_t *
json_bytes(const char *bytes, size_t length)
{
        json_t *plain = json_stringn(bytes, length);

        if (plain != NULL)
                return plain;
        scoped_buffer mended = BUFFER_INIT(length * 3 + 3);
        for (size_t i = 0; i < length;) {
                size_t step = utf8_length(bytes + i, length - i);
                if (step > 0) {
                        buffer_add(&mended, bytes + i, step);
                        i += step;
                } else {
                        buffer_text(&mended, UTF8_REPLACEMENT);
                        i++;
                }
        }
        return mended.failed ? NULL : json_stringn(mended.data != NULL ? mended.data : "", mended.length);
}

int
json_put(json_t *object, const char *key, json_t *stolen)
{
        if (json_object_set(object, key, stolen) == 0) {
                json_decref(stolen);
                return 0;
        }
        /* The key may come from a server or a file as well. */
        scoped_json mended = key != NULL && stolen != NULL ? json_bytes(key, strlen(key)) : NULL;
        if (mended != NULL && strcmp(json_string_value(mended), key) != 0)
                return json_object_set_new(object, json_string_value(mended), stolen);
        json_decref(stolen);
        return -1;
}

int
json_put_bytes(json_t *object, const char *key, const char *bytes, size_t length)
{
        return json_put(object, key, json_bytes(bytes, length));
}

int
json_put_text(json_t *object, const char *key, const char *text)
{
        return text == NULL ? json_put(object, key, json_null()) : json_put_bytes(object, key, text, strlen(text));
}

int
json_put_whole(json_t *object, const char *key, int64_t value)
{
        return json_put(object, key, json_integer(value));
}

int
json_put_real(json_t *object, const char *key, double value)
{
        return json_put(object, key, isfinite(value) ? json_real(value) : json_null());
}

int
json_put_flag(json_t *object, const char *key, bool value)
{
        return json_put(object, key, json_boolean(value));
}

json_t *
json_push(json_t *array, json_t *stolen)
{
        return json_array_append_new(array, stolen) == 0 ? stolen : NULL;
}

int
json_put_sorted(json_t *object, const char *list, const json_t *rows)
{
        json_t *sorted = json_array(), *row;
        scoped_string text = json_dumps(rows, JSON_SORT_KEYS | JSON_COMPACT);
        scoped_json ordered = text != NULL ? json_loads(text, 0, NULL) : NULL;
        const char *key;

        if (json_put(object, list, sorted) != 0 || ordered == NULL)
                return -1;
        json_object_foreach(ordered, key, row)
        {
                if (json_array_append(sorted, row) != 0)
                        return -1;
        }
        return 0;
}

static int
rows_compare(const void *left, const void *right, void *context)
{
        const json_t *one = *(json_t *const *)left, *other = *(json_t *const *)right;
        int order = 0;

        for (const char *const *keys = context; order == 0 && *keys != NULL; keys++)
                order = strcmp(json_text(one, *keys, ""), json_text(other, *keys, ""));
        return order;
}

int
json_sort(json_t *list, const char *const *keys)
{
        size_t count = json_array_size(list), i;
        scoped(scope_free) json_t **rows = calloc(count + 1, sizeof(json_t *));
        json_t *row;

        if (rows == NULL)
                return -1;
        json_array_foreach(list, i, row) rows[i] = json_incref(row);
        qsort_r(rows, count, sizeof(json_t *), rows_compare, (void *)keys);
        for (i = 0; i < count; i++)
                json_array_set_new(list, i, rows[i]);
        return 0;
}

bool
json_scalar(const json_t *value, char *text, size_t size)
{
        if (json_is_string(value)) {
                const char *from = json_string_value(value);
                from += strspn(from, " \t\r\n");
                size_t length = strlen(from);
                while (length > 0 && isspace((unsigned char)from[length - 1]))
                        length--;
                if (length >= size)
                        return false;
                snprintf(text, size, "%.*s", (int)length, from);
        } else if (json_is_integer(value)) {
                snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        } else if (json_is_real(value)) {
                snprintf(text, size, "%.15g", json_real_value(value));
        } else if (json_is_boolean(value)) {
                snprintf(text, size, "%s", json_is_true(value) ? "true" : "false");
        } else {
                return false;
        }
        return true;
}

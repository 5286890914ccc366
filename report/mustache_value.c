/* Values for templates: JSON documents, strings, truths and counts. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mustache.h"

static bool
text_truth(const struct mustache_value *self)
{
        const char *text = self->at;

        return text != NULL && *text != '\0';
}

static void
text_print(const struct mustache_value *self, FILE *stream, mustache_escape escape)
{
        const char *text = self->at;

        if (text != NULL)
                escape(stream, text, strlen(text));
}

static const struct mustache_type type_text = {.truth = text_truth, .print = text_print};

struct mustache_value
mustache_text(const char *text)
{
        return (struct mustache_value){.type = &type_text, .at = text};
}

static bool
count_truth(const struct mustache_value *self)
{
        return self->index > 0;
}

static void
count_print(const struct mustache_value *self, FILE *stream, mustache_escape escape)
{
        escape(stream, self->text, strlen(self->text));
}

static const struct mustache_type type_truth = {.truth = count_truth};
static const struct mustache_type type_count = {.truth = count_truth, .print = count_print};

struct mustache_value
mustache_truth(bool truth)
{
        return (struct mustache_value){.type = &type_truth, .index = truth ? 1 : 0};
}

struct mustache_value
mustache_count(size_t count)
{
        struct mustache_value value = {.type = &type_count, .index = count};

        snprintf(value.text, sizeof value.text, "%zu", count);
        return value;
}

/* --- JSON --- */

static bool
json_member(const struct mustache_value *self, const char *name, struct mustache_value *found)
{
        const json_t *member = json_object_get(self->at, name);

        if (member == NULL)
                return false;
        *found = mustache_json(member);
        return true;
}

static bool
json_item(const struct mustache_value *self, size_t index, struct mustache_value *found)
{
        const json_t *item = json_array_get(self->at, index);

        if (item == NULL)
                return false;
        *found = mustache_json(item);
        return true;
}

static bool
json_truth(const struct mustache_value *self)
{
        const json_t *value = self->at;

        if (json_is_string(value))
                return json_string_length(value) > 0;
        return value != NULL && !json_is_null(value) && !json_is_false(value);
}

/* The shortest decimal that reads back as the same double: "1.21", not "1.21000000000000008". */
static void
real_format(double value, char *text, size_t size)
{
        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, size, "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        return;
        }
}

static void
json_print(const struct mustache_value *self, FILE *stream, mustache_escape escape)
{
        const json_t *value = self->at;
        char text[40] = "";

        if (json_is_string(value)) {
                escape(stream, json_string_value(value), json_string_length(value));
                return;
        }
        if (json_is_integer(value))
                snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        else if (json_is_real(value))
                real_format(json_real_value(value), text, sizeof text);
        else if (json_is_boolean(value))
                snprintf(text, sizeof text, "%s", json_is_true(value) ? "true" : "false");
        escape(stream, text, strlen(text));
}

static const struct mustache_type type_json = {.find = json_member, .truth = json_truth, .print = json_print};
static const struct mustache_type type_json_list = {.item = json_item, .print = json_print};

struct mustache_value
mustache_json(const json_t *value)
{
        return (struct mustache_value){.type = json_is_array(value) ? &type_json_list : &type_json, .at = value};
}

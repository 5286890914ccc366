/* The model: how templates find their way through a view, whatever they ask for. */

#include "model.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "escape.h"
#include "headline.h"

/* --- scratch -------------------------------------------------------------------------------------------------- */

struct scratch {
        struct scratch *next;
        max_align_t data[];
};

void
model_fail(struct model *model, const struct error *err)
{
        if (!model->failed && model->err != NULL)
                *model->err = *err;
        model->failed = true;
}

void *
model_room(struct model *model, size_t bytes)
{
        struct scratch *piece = calloc(1, sizeof *piece + bytes);

        if (piece == NULL) {
                struct error err;
                error_memory(&err, "a report");
                model_fail(model, &err);
                return NULL;
        }
        piece->next = model->scratch;
        model->scratch = piece;
        return piece->data;
}

const char *
model_format(struct model *model, const char *format, ...)
{
        va_list list, again;

        va_start(list, format);
        va_copy(again, list);
        int length = vsnprintf(NULL, 0, format, list);
        va_end(list);
        char *text = length >= 0 ? model_room(model, (size_t)length + 1) : NULL;
        if (text != NULL)
                vsnprintf(text, (size_t)length + 1, format, again);
        va_end(again);
        return text != NULL ? text : "";
}

/* --- texts, markup, lists ------------------------------------------------------------------------------------- */

static bool
text_truth(const struct mustache_value *self)
{
        return *(const char *)self->at != '\0';
}

/* A text that is longer than anybody reads is cut, and says so. */
static void
text_print(const struct mustache_value *self, FILE *stream, mustache_escape escape)
{
        const struct model *model = self->context;
        const char *text = self->at;
        size_t shown = text_prefix(text, model->limits->text_runes);

        escape(stream, text, shown);
        if (text[shown] != '\0') {
                static const char note[] = "\xE2\x80\xA6 (cut; the whole is in the JSON report)";
                escape(stream, note, sizeof note - 1);
        }
}

static void
markup_print(const struct mustache_value *self, FILE *stream, mustache_escape escape)
{
        (void)escape;
        fputs_unlocked(self->at, stream);
}

static bool
list_item(const struct mustache_value *self, size_t index, struct mustache_value *found)
{
        const struct model_list *list = self->more;

        if (index >= self->index)
                return false;
        const char *at = (const char *)self->at + index * list->stride;
        *found = (struct mustache_value){.type = list->type,
                                         .at = list->reference ? *(const void *const *)(const void *)at : at,
                                         .context = self->context,
                                         .index = index};
        return true;
}

static const struct mustache_type type_text = {.truth = text_truth, .print = text_print};
static const struct mustache_type type_markup = {.truth = text_truth, .print = markup_print};
static const struct mustache_type type_list = {.item = list_item};

struct mustache_value
model_text(struct model *model, const char *text)
{
        return (struct mustache_value){.type = &type_text, .at = text != NULL ? text : "", .context = model};
}

struct mustache_value
model_markup(struct model *model, const char *markup)
{
        return (struct mustache_value){.type = &type_markup, .at = markup, .context = model};
}

struct mustache_value
model_count(size_t count)
{
        struct mustache_value value = mustache_count(count);

        count_format(count, value.text);
        return value;
}

struct mustache_value
model_list_value(struct model *model, const void *rows, size_t count, const struct model_list *list)
{
        return (struct mustache_value){.type = &type_list, .at = rows, .more = list, .context = model, .index = count};
}

struct mustache_value
model_value(struct model *model, const void *at, const struct mustache_type *type)
{
        return (struct mustache_value){.type = type, .at = at, .context = model};
}

/* --- fields --------------------------------------------------------------------------------------------------- */

static struct mustache_value
moment_value(struct model *model, int64_t moment_ms, bool day)
{
        char text[ZONE_TEXT];

        if (moment_ms == 0)
                return model_text(model, "");
        if (day)
                zone_day(model->zone, moment_ms, text);
        else
                zone_moment(model->zone, moment_ms, text);
        return model_text(model, model_format(model, "%s", text));
}

bool
model_find(const struct mustache_value *self, const char *name, struct mustache_value *found)
{
        struct model *model = self->context;
        const struct field *field = self->type->table;

        while (field->name != NULL && strcmp(field->name, name) != 0)
                field++;
        if (field->name == NULL)
                return false;
        const void *at = (const char *)self->at + field->offset;
        switch (field->type) {
        case FIELD_TEXT:
                *found = model_text(model, *(const char *const *)at);
                return true;
        case FIELD_COUNT:
                *found = model_count(*(const size_t *)at);
                return true;
        case FIELD_TRUTH:
                *found = mustache_truth(*(const bool *)at);
                return true;
        case FIELD_MOMENT:
        case FIELD_DAY:
                *found = moment_value(model, *(const int64_t *)at, field->type == FIELD_DAY);
                return true;
        case FIELD_MADE:
                return field->make(model, self, found);
        }
        return false;
}

/* --- one filling ---------------------------------------------------------------------------------------------- */

int
model_open(struct model *model, const struct view *view, const struct report_options *options,
           const struct model_limits *limits, bool html, struct error *err)
{
        const char *zone = options->timezone != NULL ? options->timezone : view->timezone;

        *model = (struct model){.view = view, .options = options, .limits = limits, .html = html, .err = err};
        return zone_open(zone, &model->zone, err);
}

void
model_close(struct model *model)
{
        zone_close(model->zone);
        while (model->scratch != NULL) {
                struct scratch *next = model->scratch->next;
                free(model->scratch);
                model->scratch = next;
        }
}

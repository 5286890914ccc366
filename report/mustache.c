/* Mustache templates, filled: a stack of contexts, sections walked, partials compiled once per indentation. */

#include "mustache.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "mustache_template.h"

enum { PARTIALS_DEEPEST = 32, STACK_DEEPEST = 256, PARTIAL_LARGEST = 4 * 1024 * 1024 };

/* A partial as used at one indentation; template NULL: there is no such partial. */
struct partial {
        struct partial *next;
        char *name, *indent;
        struct mustache *template;
};

struct filling {
        const struct mustache_value *stack[STACK_DEEPEST];
        size_t depth, partial_depth;
        mustache_escape escape;
        mustache_partial load;
        void *context;
        struct partial *partials;
        FILE *stream;
        struct error *err;
};

static void
write_plain(FILE *stream, const char *text, size_t length)
{
        fwrite(text, 1, length, stream);
}

static bool
lookup(const struct filling *filling, const struct node *node, struct mustache_value *found)
{
        size_t level = filling->depth;

        if (node->part_count == 0) {
                *found = *filling->stack[level - 1];
                return true;
        }
        while (level-- > 0) {
                const struct mustache_value *context = filling->stack[level];
                if (context->type->find == NULL || !context->type->find(context, node->parts[0], found))
                        continue;
                for (size_t i = 1; i < node->part_count; i++) {
                        struct mustache_value inner = *found;
                        if (inner.type->find == NULL || !inner.type->find(&inner, node->parts[i], found))
                                return false;
                }
                return true;
        }
        return false;
}

static int fill(struct filling *filling, const struct mustache *template, size_t from, size_t to);

static int
fill_within(struct filling *filling, const struct mustache *template, size_t section,
            const struct mustache_value *value)
{
        int result;

        if (filling->depth == STACK_DEEPEST)
                return error_set(filling->err, REASON_CONFIGURATION, "%s: sections nested deeper than %d",
                                 template->name, STACK_DEEPEST);
        filling->stack[filling->depth++] = value;
        result = fill(filling, template, section + 1, template->nodes[section].end);
        filling->depth--;
        return result;
}

static bool
is_true(const struct mustache_value *value)
{
        struct mustache_value first;

        if (value->type->item != NULL)
                return value->type->item(value, 0, &first);
        return value->type->truth == NULL || value->type->truth(value);
}

static int
fill_section(struct filling *filling, const struct mustache *template, size_t index)
{
        struct mustache_value value, item;

        if (!lookup(filling, &template->nodes[index], &value) || !is_true(&value))
                return 0;
        if (value.type->item == NULL)
                return fill_within(filling, template, index, &value);
        for (size_t i = 0; value.type->item(&value, i, &item); i++) {
                if (fill_within(filling, template, index, &item) != 0)
                        return -1;
        }
        return 0;
}

/* The partial's source with the tag's indentation in front of every line. */
static int
partial_compile(struct filling *filling, const char *source, size_t size, struct partial *partial)
{
        scoped_buffer text = BUFFER_INIT(PARTIAL_LARGEST);
        bool line_begins = true;

        for (size_t i = 0; i < size; i++) {
                if (line_begins)
                        buffer_text(&text, partial->indent);
                buffer_char(&text, source[i]);
                line_begins = source[i] == '\n';
        }
        if (text.failed)
                return error_set(filling->err, REASON_CONFIGURATION, "%s: larger than 4 MiB", partial->name);
        return mustache_compile(partial->name, text.length > 0 ? text.data : "", text.length, &partial->template,
                                filling->err);
}

static int
partial_find(struct filling *filling, const struct node *node, const struct partial **found)
{
        char *source = NULL;
        size_t size = 0;
        int result = 0;

        for (const struct partial *p = filling->partials; p != NULL; p = p->next) {
                if (strcmp(p->name, node->name) == 0 && strlen(p->indent) == node->length &&
                    strncmp(p->indent, node->text, node->length) == 0) {
                        *found = p;
                        return 0;
                }
        }
        struct partial *partial = calloc(1, sizeof *partial);
        if (partial == NULL)
                return error_memory(filling->err, node->name);
        partial->next = filling->partials;
        filling->partials = partial;
        partial->name = strdup(node->name);
        partial->indent = strndup(node->length > 0 ? node->text : "", node->length);
        if (partial->name == NULL || partial->indent == NULL)
                return error_memory(filling->err, node->name);
        if (filling->load != NULL)
                result = filling->load(filling->context, node->name, &source, &size, filling->err);
        if (result == 0 && source != NULL)
                result = partial_compile(filling, source, size, partial);
        free(source);
        *found = partial;
        return result;
}

static int
fill_partial(struct filling *filling, const struct node *node)
{
        const struct partial *partial = NULL;
        int result = 0;

        if (filling->partial_depth == PARTIALS_DEEPEST)
                return error_set(filling->err, REASON_CONFIGURATION, "%s: partials nested deeper than %d", node->name,
                                 PARTIALS_DEEPEST);
        if (partial_find(filling, node, &partial) != 0)
                return -1;
        if (partial->template == NULL)
                return 0;
        filling->partial_depth++;
        result = fill(filling, partial->template, 0, partial->template->count);
        filling->partial_depth--;
        return result;
}

static int
fill(struct filling *filling, const struct mustache *template, size_t from, size_t to)
{
        for (size_t i = from; i < to; i++) {
                const struct node *node = &template->nodes[i];
                struct mustache_value value;
                int result = 0;

                switch (node->kind) {
                case NODE_TEXT:
                        write_plain(filling->stream, node->text, node->length);
                        break;
                case NODE_VARIABLE:
                case NODE_RAW:
                        if (lookup(filling, node, &value) && value.type->print != NULL)
                                value.type->print(&value, filling->stream,
                                                  node->kind == NODE_RAW ? write_plain : filling->escape);
                        break;
                case NODE_SECTION:
                        result = fill_section(filling, template, i);
                        i = node->end - 1;
                        break;
                case NODE_INVERTED:
                        if (!lookup(filling, node, &value) || !is_true(&value))
                                result = fill(filling, template, i + 1, node->end);
                        i = node->end - 1;
                        break;
                case NODE_PARTIAL:
                        result = fill_partial(filling, node);
                        break;
                }
                if (result != 0)
                        return -1;
        }
        return 0;
}

int
mustache_render(const struct mustache *template, const struct mustache_value *root, mustache_escape escape,
                mustache_partial partial, void *context, FILE *stream, struct error *err)
{
        struct filling filling = {.stack = {root},
                                  .depth = 1,
                                  .escape = escape != NULL ? escape : write_plain,
                                  .load = partial,
                                  .context = context,
                                  .stream = stream,
                                  .err = err};
        int result = fill(&filling, template, 0, template->count);

        while (filling.partials != NULL) {
                struct partial *next = filling.partials->next;
                free(filling.partials->name);
                free(filling.partials->indent);
                mustache_free(filling.partials->template);
                free(filling.partials);
                filling.partials = next;
        }
        return result;
}

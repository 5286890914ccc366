/* Mustache templates, compiled: tags found, standalone lines taken out, names split, sections closed. */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mustache.h"
#include "mustache_template.h"

enum { SOURCE_LARGEST = 4 * 1024 * 1024, DELIMITER_LONGEST = 16 };

struct parser {
        struct mustache *template;
        const char *at, *end;
        const char *text_from; /* text not yet made a node begins here */
        char open[DELIMITER_LONGEST + 1], close[DELIMITER_LONGEST + 1];
        size_t sections[NEST_DEEPEST]; /* indices of open ones */
        size_t depth;
        struct error *err;
};

struct tag {
        char sigil;            /* '&' for both unescaped forms; 0 for a plain variable */
        const char *from, *to; /* the whole tag */
        const char *name;
        size_t length;
};

static int
mistake(const struct parser *parser, const char *at, const char *what)
{
        int line = 1;

        for (const char *c = parser->template->source; c < at; c++)
                line += *c == '\n';
        return error_set(parser->err, REASON_CONFIGURATION, "%s:%d: %s", parser->template->name, line, what);
}

static struct node *
node_add(struct parser *parser, enum node_kind kind)
{
        struct mustache *template = parser->template;

        if (template->count == template->capacity) {
                size_t capacity = template->capacity == 0 ? 64 : template->capacity * 2;
                struct node *nodes = realloc(template->nodes, capacity * sizeof *nodes);
                if (nodes == NULL) {
                        error_memory(parser->err, template->name);
                        return NULL;
                }
                template->nodes = nodes;
                template->capacity = capacity;
        }
        struct node *node = &template->nodes[template->count++];
        *node = (struct node){.kind = kind};
        return node;
}

static int
text_until(struct parser *parser, const char *end)
{
        if (end <= parser->text_from)
                return 0;
        struct node *node = node_add(parser, NODE_TEXT);
        if (node == NULL)
                return -1;
        node->text = parser->text_from;
        node->length = (size_t)(end - parser->text_from);
        return 0;
}

/* Splits "a.b.c" into the node. */
static int
name_set(struct parser *parser, struct node *node, const struct tag *tag, bool dotted)
{
        node->name = strndup(tag->name, tag->length);
        if (node->name == NULL)
                return error_memory(parser->err, parser->template->name);
        if (tag->length == 0)
                return mistake(parser, tag->from, "a tag without a name");
        if (dotted && strcmp(node->name, ".") == 0)
                return 0;
        node->parts[node->part_count++] = node->name;
        for (char *c = node->name; dotted && *c != '\0'; c++) {
                if (*c != '.')
                        continue;
                if (node->part_count == NAME_PARTS)
                        return mistake(parser, tag->from, "a name of more than 12 parts");
                *c = '\0';
                node->parts[node->part_count++] = c + 1;
        }
        return 0;
}

static bool
is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static bool
is_space(char c)
{
        return is_blank(c) || c == '\r' || c == '\n';
}

/* Reads the tag that begins at parser->at (its opening delimiter is there). */
static int
tag_read(struct parser *parser, struct tag *tag)
{
        size_t open = strlen(parser->open), close = strlen(parser->close);
        const char *c = parser->at + open, *stop;
        char closing[DELIMITER_LONGEST + 2];

        tag->from = parser->at;
        tag->sigil = 0;
        memcpy(closing, parser->close, close + 1);
        if (c < parser->end && *c != '\0' && strchr("#^/>!=&{", *c) != NULL) {
                tag->sigil = *c++;
                if (tag->sigil == '{' || tag->sigil == '=') {
                        closing[0] = tag->sigil == '{' ? '}' : '=';
                        memcpy(closing + 1, parser->close, close + 1);
                }
        }
        stop = memmem(c, (size_t)(parser->end - c), closing, strlen(closing));
        if (stop == NULL)
                return mistake(parser, tag->from, "a tag that is not closed");
        tag->to = stop + strlen(closing);
        while (c < stop && is_space(*c))
                c++;
        while (stop > c && is_space(stop[-1]))
                stop--;
        tag->name = c;
        tag->length = (size_t)(stop - c);
        if (tag->sigil == '{')
                tag->sigil = '&';
        return 0;
}

/* True when nothing but blanks stands beside the tag in its lines; then *from and *to take those in. */
static bool
stands_alone(const struct parser *parser, const struct tag *tag, const char **from, const char **to)
{
        const char *begin = tag->from, *end = tag->to;

        while (begin > parser->template->source && is_blank(begin[-1]))
                begin--;
        if (begin > parser->template->source && begin[-1] != '\n')
                return false;
        while (end < parser->end && is_blank(*end))
                end++;
        if (end + 1 < parser->end && end[0] == '\r' && end[1] == '\n')
                end += 2;
        else if (end < parser->end && *end == '\n')
                end++;
        else if (end < parser->end)
                return false;
        *from = begin;
        *to = end;
        return true;
}

static int
delimiters_set(struct parser *parser, const struct tag *tag)
{
        const char *c = tag->name, *end = tag->name + tag->length;
        size_t open = 0, close;

        while (c + open < end && !is_space(c[open]))
                open++;
        const char *second = c + open;
        while (second < end && is_space(*second))
                second++;
        close = (size_t)(end - second);
        if (open == 0 || close == 0 || open > DELIMITER_LONGEST || close > DELIMITER_LONGEST ||
            memchr(c, '=', open) != NULL || memchr(second, '=', close) != NULL)
                return mistake(parser, tag->from, "delimiters that cannot be used");
        memcpy(parser->open, c, open);
        parser->open[open] = '\0';
        memcpy(parser->close, second, close);
        parser->close[close] = '\0';
        return 0;
}

static int
section_close(struct parser *parser, const struct tag *tag)
{
        struct node closing = {0};
        bool same;

        if (parser->depth == 0)
                return mistake(parser, tag->from, "a section is closed that was not opened");
        struct node *opened = &parser->template->nodes[parser->sections[--parser->depth]];
        if (name_set(parser, &closing, tag, true) != 0) {
                free(closing.name);
                return -1;
        }
        same = closing.part_count == opened->part_count;
        for (size_t i = 0; same && i < closing.part_count; i++)
                same = strcmp(closing.parts[i], opened->parts[i]) == 0;
        free(closing.name);
        if (!same)
                return mistake(parser, tag->from, "a section is closed by another name than it was opened with");
        opened->end = parser->template->count;
        return 0;
}

static int
section_open(struct parser *parser, const struct tag *tag)
{
        struct node *node = node_add(parser, tag->sigil == '#' ? NODE_SECTION : NODE_INVERTED);

        if (node == NULL || name_set(parser, node, tag, true) != 0)
                return -1;
        if (parser->depth == NEST_DEEPEST)
                return mistake(parser, tag->from, "sections nested deeper than 64");
        parser->sections[parser->depth++] = parser->template->count - 1;
        return 0;
}

static int
tag_add(struct parser *parser, const struct tag *tag, const char *indent, size_t indent_length)
{
        struct node *node;

        switch (tag->sigil) {
        case '!':
                return 0;
        case '=':
                return delimiters_set(parser, tag);
        case '#':
        case '^':
                return section_open(parser, tag);
        case '/':
                return section_close(parser, tag);
        case '>':
                node = node_add(parser, NODE_PARTIAL);
                if (node == NULL)
                        return -1;
                node->text = indent;
                node->length = indent_length;
                return name_set(parser, node, tag, false);
        default:
                node = node_add(parser, tag->sigil == '&' ? NODE_RAW : NODE_VARIABLE);
                return node == NULL ? -1 : name_set(parser, node, tag, true);
        }
}

static int
parse(struct parser *parser)
{
        while (parser->at < parser->end) {
                struct tag tag;
                const char *from, *to;
                const char *found = memmem(parser->at, (size_t)(parser->end - parser->at), parser->open,
                                           strlen(parser->open));

                if (found == NULL)
                        break;
                parser->at = found;
                if (tag_read(parser, &tag) != 0)
                        return -1;
                bool alone = tag.sigil != 0 && tag.sigil != '&' && stands_alone(parser, &tag, &from, &to);
                if (!alone) {
                        from = tag.from;
                        to = tag.to;
                }
                if (text_until(parser, from) != 0)
                        return -1;
                if (tag_add(parser, &tag, from, alone ? (size_t)(tag.from - from) : 0) != 0)
                        return -1;
                parser->at = parser->text_from = to;
        }
        if (parser->depth > 0)
                return mistake(parser, parser->end, "a section is not closed");
        return text_until(parser, parser->end);
}

int
mustache_compile(const char *name, const char *source, size_t size, struct mustache **out, struct error *err)
{
        if (size > SOURCE_LARGEST)
                return error_set(err, REASON_CONFIGURATION, "%s: larger than 4 MiB", name);
        struct mustache *template = calloc(1, sizeof *template);
        if (template == NULL)
                return error_memory(err, name);
        template->name = strdup(name);
        template->source = malloc(size + 1);
        if (template->name == NULL || template->source == NULL) {
                mustache_free(template);
                return error_memory(err, name);
        }
        memcpy(template->source, source, size);
        template->source[size] = '\0';
        struct parser parser = {.template = template,
                                .at = template->source,
                                .end = template->source + size,
                                .text_from = template->source,
                                .open = "{{",
                                .close = "}}",
                                .err = err};
        if (parse(&parser) != 0) {
                mustache_free(template);
                return -1;
        }
        *out = template;
        return 0;
}

void
mustache_free(struct mustache *template)
{
        if (template == NULL)
                return;
        for (size_t i = 0; i < template->count; i++)
                free(template->nodes[i].name);
        free(template->nodes);
        free(template->name);
        free(template->source);
        free(template);
}

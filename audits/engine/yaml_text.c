/* YAML documents with places, on libyaml's document tree. */

#include "yaml_text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "scope.h"
#include "utf8.h"

enum { FILE_LARGEST = 4 * 1024 * 1024, PROBLEMS_MOST = 200, DEPTH_MOST = 64, NODES_MOST = 200000 };

struct yaml_text {
        yaml_document_t document;
        bool loaded;
        int nodes; /* converted so far: aliases make a small file a large tree */
};

/* --- problems ----------------------------------------------------------------------------------------------------- */

void
problems_add(struct problems *problems, size_t line, size_t column, const char *format, ...)
{
        va_list list;
        char *text = NULL;

        if (problems->count == PROBLEMS_MOST) {
                problems->dropped++;
                return;
        }
        struct problem *rows = reallocarray(problems->rows, problems->count + 1, sizeof *rows);
        if (rows == NULL) {
                problems->dropped++;
                return;
        }
        problems->rows = rows;
        va_start(list, format);
        if (vasprintf(&text, format, list) < 0)
                text = NULL;
        va_end(list);
        for (char *c = text; c != NULL && *c != '\0'; c++) {
                if ((unsigned char)*c < 0x20 || *c == 0x7F)
                        *c = ' ';
        }
        rows[problems->count++] = (struct problem){.line = line, .column = column, .text = text};
}

void
problems_at(struct problems *problems, const yaml_node_t *node, const char *format, ...)
{
        char text[600];
        va_list list;

        va_start(list, format);
        vsnprintf(text, sizeof text, format, list);
        va_end(list);
        problems_add(problems, node->start_mark.line + 1, node->start_mark.column + 1, "%s", text);
}

void
problems_free(struct problems *problems)
{
        for (size_t i = 0; i < problems->count; i++)
                free(problems->rows[i].text);
        free(problems->rows);
        problems->rows = NULL;
        problems->count = problems->dropped = 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* libyaml loads a document recursively without a bound: a first pass over the events bounds the nesting, and sees that
 * there is one document only. */
static bool
events_fit(const char *bytes, size_t length, struct problems *problems)
{
        yaml_parser_t parser;
        int depth = 0, documents = 0, events = 0;
        bool fits = true, done = false;

        if (!yaml_parser_initialize(&parser))
                return false;
        yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, length);
        while (fits && !done) {
                yaml_event_t event;
                if (!yaml_parser_parse(&parser, &event)) {
                        problems_add(problems, parser.problem_mark.line + 1, parser.problem_mark.column + 1, "%s%s%s",
                                     parser.context != NULL ? parser.context : "", parser.context != NULL ? ": " : "",
                                     parser.problem != NULL ? parser.problem : "this is not YAML");
                        fits = false;
                        break;
                }
                size_t line = event.start_mark.line + 1, column = event.start_mark.column + 1;
                depth += event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT;
                depth -= event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
                documents += event.type == YAML_DOCUMENT_START_EVENT;
                done = event.type == YAML_STREAM_END_EVENT;
                yaml_event_delete(&event);
                if (depth > DEPTH_MOST || documents > 1 || ++events > NODES_MOST) {
                        problems_add(problems, line, column,
                                     documents > 1        ? "a second document: one file holds one document"
                                     : depth > DEPTH_MOST ? "nested more than %d deep"
                                                          : "too many entries",
                                     DEPTH_MOST);
                        fits = false;
                }
        }
        yaml_parser_delete(&parser);
        return fits;
}

static bool
utf8_fits(const char *bytes, size_t length, struct problems *problems)
{
        size_t line = 1, start = 0;

        for (size_t i = 0; i < length;) {
                size_t step = utf8_length(bytes + i, length - i);
                if (step == 0) {
                        problems_add(problems, line, i - start + 1, "this byte (0x%02X) is not UTF-8",
                                     (unsigned char)bytes[i]);
                        return false;
                }
                if (bytes[i] == '\n') {
                        line++;
                        start = i + 1;
                }
                i += step;
        }
        return true;
}

struct yaml_text *
yaml_open(const char *bytes, size_t length, struct problems *problems)
{
        yaml_parser_t parser;

        if (!utf8_fits(bytes, length, problems) || !events_fit(bytes, length, problems))
                return NULL;
        struct yaml_text *text = calloc(1, sizeof *text);
        if (text == NULL || !yaml_parser_initialize(&parser)) {
                free(text);
                problems_add(problems, 1, 1, "out of memory");
                return NULL;
        }
        yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, length);
        text->loaded = yaml_parser_load(&parser, &text->document) != 0;
        if (!text->loaded)
                problems_add(problems, parser.problem_mark.line + 1, parser.problem_mark.column + 1, "%s",
                             parser.problem != NULL ? parser.problem : "this is not YAML");
        else if (yaml_document_get_root_node(&text->document) == NULL)
                problems_add(problems, 1, 1, "the file is empty");
        yaml_parser_delete(&parser);
        if (problems->count == 0)
                return text;
        yaml_close(text);
        return NULL;
}

static int
file_read(const char *path, size_t largest, struct buffer *content, struct error *err)
{
        scoped(scope_fclose) FILE *file = fopen(path, "re");
        char chunk[16384];
        size_t got;

        if (file == NULL) {
                error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno));
                return error_remedy(err, "check the name and the rights of the file");
        }
        *content = BUFFER_INIT(largest);
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
                if (buffer_add(content, chunk, got) != 0)
                        return error_set(err, REASON_CONFIGURATION, "%s: larger than %zu bytes", path, largest);
        }
        return ferror(file) ? error_set(err, REASON_CONFIGURATION, "%s: %s", path, strerror(errno)) : 0;
}

struct yaml_text *
yaml_open_file(const char *path, struct problems *problems)
{
        scoped_buffer content = BUFFER_INIT(0);
        struct error err;

        if (file_read(path, FILE_LARGEST, &content, &err) != 0) {
                /* The file's name stands before every problem: once is enough. */
                const char *why = strncmp(err.text, path, strlen(path)) == 0 ? err.text + strlen(path) + 2 : err.text;
                problems_add(problems, 0, 0, "%s", why);
                return NULL;
        }
        return yaml_open(content.data != NULL ? content.data : "", content.length, problems);
}

void
yaml_close(struct yaml_text *text)
{
        if (text == NULL)
                return;
        if (text->loaded)
                yaml_document_delete(&text->document);
        free(text);
}

yaml_node_t *
yaml_root(struct yaml_text *text)
{
        return yaml_document_get_root_node(&text->document);
}

yaml_node_t *
yaml_item(struct yaml_text *text, int index)
{
        return yaml_document_get_node(&text->document, index);
}

/* --- as JSON ------------------------------------------------------------------------------------------------------ */

bool
yaml_is_null(const yaml_node_t *node)
{
        static const char *const words[] = {"", "~", "null", "Null", "NULL"};

        if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
                return false;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
                if (strcmp((const char *)node->data.scalar.value, words[i]) == 0)
                        return true;
        }
        return false;
}

/* A plain scalar by the core schema (YAML 1.2, section 10.3.2). */
static json_t *
plain_json(const char *text, size_t length)
{
        char *end;

        if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0 || strcmp(text, "TRUE") == 0)
                return json_true();
        if (strcmp(text, "false") == 0 || strcmp(text, "False") == 0 || strcmp(text, "FALSE") == 0)
                return json_false();
        if (length > 0 && length < 40 && strspn(text, "+-0123456789.eE") == length &&
            strpbrk(text, "0123456789") != NULL) {
                errno = 0;
                long long whole = strtoll(text, &end, 10);
                if (*end == '\0' && errno == 0)
                        return json_integer(whole);
                double real = strtod(text, &end);
                if (*end == '\0' && isfinite(real))
                        return json_real(real);
        }
        return json_bytes(text, length);
}

static json_t *
node_json(struct yaml_text *text, const yaml_node_t *node, int depth)
{
        if (node == NULL || depth > DEPTH_MOST || text->nodes++ > NODES_MOST)
                return NULL;
        if (node->type == YAML_SCALAR_NODE) {
                const char *value = (const char *)node->data.scalar.value;
                if (yaml_is_null(node))
                        return json_null();
                if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
                        return plain_json(value, node->data.scalar.length);
                return json_bytes(value, node->data.scalar.length);
        }
        scoped_json result = node->type == YAML_SEQUENCE_NODE ? json_array() : json_object();
        if (node->type == YAML_SEQUENCE_NODE) {
                for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
                     item++) {
                        if (json_push(result, node_json(text, yaml_item(text, *item), depth + 1)) == NULL)
                                return NULL;
                }
        } else {
                for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
                     pair++) {
                        const yaml_node_t *key = yaml_item(text, pair->key);
                        if (key->type != YAML_SCALAR_NODE ||
                            json_put(result, (const char *)key->data.scalar.value,
                                     node_json(text, yaml_item(text, pair->value), depth + 1)) != 0)
                                return NULL;
                }
        }
        return scope_keep(result);
}

json_t *
yaml_json(struct yaml_text *text, yaml_node_t *node, struct problems *problems)
{
        text->nodes = 0;
        json_t *result = node_json(text, node, 0);
        if (result == NULL)
                problems_at(problems, node, "too large once its aliases are followed, or a key that is no text");
        return result;
}

int
yaml_read_bytes(const char *bytes, size_t length, const char *what, json_t **out, struct error *err)
{
        struct problems problems = {.file = what};
        struct yaml_text *text = yaml_open(bytes, length, &problems);

        *out = text != NULL ? yaml_json(text, yaml_root(text), &problems) : NULL;
        yaml_close(text);
        if (*out == NULL && problems.count > 0)
                error_set(err, REASON_CONFIGURATION, "%s:%zu:%zu: %s", what, problems.rows[0].line,
                          problems.rows[0].column, problems.rows[0].text);
        problems_free(&problems);
        return *out != NULL ? 0 : -1;
}

int
yaml_read_file(const char *path, size_t largest, json_t **out, struct error *err)
{
        scoped_buffer content = BUFFER_INIT(0);

        if (file_read(path, largest, &content, err) != 0)
                return -1;
        return yaml_read_bytes(content.data != NULL ? content.data : "", content.length, path, out, err);
}

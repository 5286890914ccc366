/* JavaScript and TypeScript through tree-sitter. */

#include "javascript.h"

#include <ctype.h>
#include <string.h>

#ifdef WITH_GRAMMARS
const TSLanguage *tree_sitter_javascript(void);
const TSLanguage *tree_sitter_typescript(void);
const TSLanguage *tree_sitter_tsx(void);
#endif

/* --- languages ---------------------------------------------------------------------------------------------------- */

enum grammar { GRAMMAR_NONE, GRAMMAR_JAVASCRIPT, GRAMMAR_TYPESCRIPT, GRAMMAR_TSX };

static enum grammar
grammar_of(const char *path)
{
        static const struct {
                const char *ending;
                enum grammar grammar;
        } endings[] = {{".js", GRAMMAR_JAVASCRIPT},  {".jsx", GRAMMAR_JAVASCRIPT}, {".mjs", GRAMMAR_JAVASCRIPT},
                       {".cjs", GRAMMAR_JAVASCRIPT}, {".ts", GRAMMAR_TYPESCRIPT},  {".mts", GRAMMAR_TYPESCRIPT},
                       {".cts", GRAMMAR_TYPESCRIPT}, {".tsx", GRAMMAR_TSX}};
        const char *dot = strrchr(path, '.');

        for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++) {
                if (strcmp(dot, endings[i].ending) == 0)
                        return endings[i].grammar;
        }
        return GRAMMAR_NONE;
}

static const TSLanguage *
language_of(enum grammar grammar)
{
#ifdef WITH_GRAMMARS
        switch (grammar) {
        case GRAMMAR_JAVASCRIPT:
                return tree_sitter_javascript();
        case GRAMMAR_TYPESCRIPT:
                return tree_sitter_typescript();
        case GRAMMAR_TSX:
                return tree_sitter_tsx();
        case GRAMMAR_NONE:
                break;
        }
#else
        (void)grammar;
#endif
        return NULL;
}

bool
javascript_available(void)
{
        return language_of(GRAMMAR_JAVASCRIPT) != NULL;
}

bool
javascript_is_source(const char *path)
{
        return grammar_of(path) != GRAMMAR_NONE;
}

/* tree-sitter 0.20 counts the children of a node in 16 bits while it gives up on what it cannot reduce, and frees what
 * it did not allocate past that (tried: 70,000 opening brackets).  Fewer tokens than that can never be so many
 * children. */
enum { TOKENS_MOST = 60000 };

static bool
is_word(unsigned char c)
{
        return isalnum(c) || c == '_' || c == '$' || c >= 0x80;
}

static bool
has_too_many_tokens(const char *text, size_t length)
{
        size_t tokens = 0;

        for (size_t i = 0; i < length && tokens <= TOKENS_MOST; i++) {
                unsigned char c = (unsigned char)text[i];
                if (!isspace(c) && (!is_word(c) || i == 0 || !is_word((unsigned char)text[i - 1])))
                        tokens++;
        }
        return tokens > TOKENS_MOST;
}

int
javascript_parse(const char *path, const char *text, size_t length, const struct deadline *deadline,
                 struct javascript *out, struct error *err)
{
        const TSLanguage *language = language_of(grammar_of(path));
        TSParser *parser = language != NULL ? ts_parser_new() : NULL;

        *out = (struct javascript){.text = text, .length = length};
        if (has_too_many_tokens(text, length)) {
                ts_parser_delete(parser);
                return error_set(err, REASON_TOO_LITTLE_DATA, "%s: more than %d tokens: generated, not written", path,
                                 TOKENS_MOST);
        }
        if (parser == NULL || !ts_parser_set_language(parser, language)) {
                ts_parser_delete(parser);
                return error_set(err, REASON_UNSUPPORTED, "%s: there is no grammar for it in this program", path);
        }
        ts_parser_set_timeout_micros(parser, 1000ULL * (uint64_t)deadline_left_ms(deadline) + 1);
        out->tree = ts_parser_parse_string(parser, NULL, text, (uint32_t)length);
        ts_parser_delete(parser);
        if (out->tree == NULL)
                return error_set(err, REASON_TIMEOUT, "%s: not parsed in time", path);
        out->broken = ts_node_has_error(ts_tree_root_node(out->tree));
        return 0;
}

void
javascript_free(struct javascript *source)
{
        if (source->tree != NULL)
                ts_tree_delete(source->tree);
        source->tree = NULL;
}

/* --- nodes -------------------------------------------------------------------------------------------------------- */

bool
node_is(TSNode node, const char *type)
{
        return !ts_node_is_null(node) && strcmp(ts_node_type(node), type) == 0;
}

TSNode
node_field(TSNode node, const char *field)
{
        return ts_node_is_null(node) ? node : ts_node_child_by_field_name(node, field, (uint32_t)strlen(field));
}

uint32_t
node_line(TSNode node)
{
        return ts_node_is_null(node) ? 0 : ts_node_start_point(node).row + 1;
}

bool
node_reads(const struct javascript *source, TSNode node, const char *text)
{
        size_t length = strlen(text);

        if (ts_node_is_null(node) || ts_node_end_byte(node) - ts_node_start_byte(node) != length)
                return false;
        return memcmp(source->text + ts_node_start_byte(node), text, length) == 0;
}

bool
nodes_read_alike(const struct javascript *source, TSNode a, TSNode b)
{
        if (ts_node_is_null(a) || ts_node_is_null(b))
                return ts_node_is_null(a) && ts_node_is_null(b);
        uint32_t length = ts_node_end_byte(a) - ts_node_start_byte(a);
        return length == ts_node_end_byte(b) - ts_node_start_byte(b) &&
               memcmp(source->text + ts_node_start_byte(a), source->text + ts_node_start_byte(b), length) == 0;
}

void
node_text(const struct javascript *source, TSNode node, char *text, size_t size)
{
        size_t used = 0;
        bool space = false;

        for (uint32_t i = ts_node_is_null(node) ? 0 : ts_node_start_byte(node);
             !ts_node_is_null(node) && i < ts_node_end_byte(node) && used + 2 < size; i++) {
                if (isspace((unsigned char)source->text[i])) {
                        space = used > 0;
                        continue;
                }
                if (space)
                        text[used++] = ' ';
                space = false;
                text[used++] = source->text[i];
        }
        text[used] = '\0';
}

bool
node_is_function(TSNode node)
{
        static const char *const types[] = {"function_declaration",
                                            "function_expression",
                                            "function",
                                            "arrow_function",
                                            "method_definition",
                                            "generator_function",
                                            "generator_function_declaration",
                                            NULL};

        for (size_t i = 0; types[i] != NULL; i++) {
                if (node_is(node, types[i]))
                        return ts_node_is_named(node);
        }
        return false;
}

TSNode
node_function(TSNode node)
{
        do {
                node = ts_node_parent(node);
        } while (!ts_node_is_null(node) && !node_is_function(node));
        return node;
}

bool
node_within(TSNode inner, TSNode outer)
{
        return !ts_node_is_null(outer) && !ts_node_is_null(inner) &&
               ts_node_start_byte(inner) >= ts_node_start_byte(outer) &&
               ts_node_end_byte(inner) <= ts_node_end_byte(outer);
}

static TSNode
callee(TSNode call)
{
        return node_is(call, "new_expression") ? node_field(call, "constructor") : node_field(call, "function");
}

TSNode
call_name(TSNode call)
{
        TSNode named = callee(call);

        if (node_is(named, "member_expression"))
                return node_field(named, "property");
        return node_is(named, "identifier") ? named : (TSNode){.id = NULL};
}

TSNode
call_object(TSNode call)
{
        TSNode named = callee(call);

        return node_is(named, "member_expression") ? node_field(named, "object") : (TSNode){.id = NULL};
}

TSNode
call_arguments(TSNode call)
{
        return node_field(call, "arguments");
}

bool
javascript_walk(TSNode root, bool into_functions, node_visit visit, void *context)
{
        TSTreeCursor cursor = ts_tree_cursor_new(root);
        bool going = true, down = true;
        unsigned depth = 0;

        while (going) {
                TSNode node = ts_tree_cursor_current_node(&cursor);
                if (down) {
                        going = visit(context, node);
                        if (!going)
                                break;
                        bool enter = into_functions || depth == 0 || !node_is_function(node);
                        if (enter && ts_tree_cursor_goto_first_child(&cursor)) {
                                depth++;
                                continue;
                        }
                }
                if (depth == 0)
                        break;
                if (ts_tree_cursor_goto_next_sibling(&cursor)) {
                        down = true;
                } else {
                        ts_tree_cursor_goto_parent(&cursor);
                        depth--;
                        down = false;
                }
        }
        ts_tree_cursor_delete(&cursor);
        return going;
}

/* JavaScript and TypeScript source, parsed by tree-sitter.
 *
 * The grammars come from the npm packages tree-sitter-javascript and tree-sitter-typescript when the program is built;
 * without them javascript_available() is false and nothing can be parsed.  A struct javascript owns its tree and
 * borrows the text; nodes are values of tree-sitter and live as long as it.  Text is hostile: a file that does not
 * parse is parsed as far as it goes, nesting is bounded by the walkers. */
#ifndef ROUNDS_JAVASCRIPT_H
#define ROUNDS_JAVASCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tree_sitter/api.h>

#include "deadline.h"
#include "error.h"

struct javascript {
        const char *text;
        size_t length;
        TSTree *tree;
        bool broken; /* some part is no JavaScript or TypeScript as the grammar knows it */
};

/* Was the program built with the grammars? */
bool javascript_available(void);

/* True for names that end in .js .jsx .mjs .cjs .ts .tsx .mts .cts. */
bool javascript_is_source(const char *path);

/* Parses `text` by the grammar that the name's ending asks for.  REASON_UNSUPPORTED without a grammar, _TIMEOUT past
 * the deadline, _TOO_LITTLE_DATA for a file too large to be parsed (over 60,000 tokens, about 250 KiB of code). */
int javascript_parse(const char *path, const char *text, size_t length, const struct deadline *deadline,
                     struct javascript *out, struct error *err) __attribute__((warn_unused_result));
void javascript_free(struct javascript *source);

/* --- nodes -------------------------------------------------------------------------------------------------------- */

bool node_is(TSNode node, const char *type); /* false for the null node */
TSNode node_field(TSNode node, const char *field);
uint32_t node_line(TSNode node); /* counted from 1 */

/* Is the node's text exactly `text`? */
bool node_reads(const struct javascript *source, TSNode node, const char *text);
bool nodes_read_alike(const struct javascript *source, TSNode a, TSNode b);

/* The node's text with white space folded, cut at size - 1 bytes. */
void node_text(const struct javascript *source, TSNode node, char *text, size_t size);

/* Any kind of function, methods and arrows included. */
bool node_is_function(TSNode node);

/* The innermost function around the node, the null node at the top level of the module. */
TSNode node_function(TSNode node);

bool node_within(TSNode inner, TSNode outer);

/* The last name of what a call calls ("connect" of this.pool.connect(...)), the null node when it has none, and what
 * stands before it ("this.pool"; the null node for a plain name).  Works for `new Name(...)` too. */
TSNode call_name(TSNode call);
TSNode call_object(TSNode call);
TSNode call_arguments(TSNode call);

/* Every node of a tree in the order of the text.  `into_functions` false: what stands inside nested functions is left
 * out.  visit returns false to end the walk; so does javascript_walk then. */
typedef bool (*node_visit)(void *context, TSNode node);
bool javascript_walk(TSNode root, bool into_functions, node_visit visit, void *context);

#endif

/* Does every path of a function give back what the function took? */

#include "acquire_exits.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

enum { ACQUIRES_MOST = 500 };

/* --- which calls take ----------------------------------------------------------------------------------------------
 */

static bool
arguments_hold_function(TSNode call)
{
        TSNode arguments = call_arguments(call);

        for (uint32_t i = 0; !ts_node_is_null(arguments) && i < ts_node_named_child_count(arguments); i++) {
                if (node_is_function(ts_node_named_child(arguments, i)))
                        return true;
        }
        return false;
}

/* Does the file take the module in, by import or require? */
static bool
takes_in(const struct javascript *source, const char *module)
{
        char quoted[2][64];

        snprintf(quoted[0], sizeof quoted[0], "'%s'", module);
        snprintf(quoted[1], sizeof quoted[1], "\"%s\"", module);
        return memmem(source->text, source->length, quoted[0], strlen(quoted[0])) != NULL ||
               memmem(source->text, source->length, quoted[1], strlen(quoted[1])) != NULL;
}

static bool
rule_fits(const struct javascript *source, const struct acquire_rule *rule, TSNode call)
{
        char object[ACQUIRE_TEXT];

        if (node_is(call, "new_expression") != rule->constructor || !node_reads(source, call_name(call), rule->method))
                return false;
        if ((rule->bare && arguments_hold_function(call)) || (rule->module != NULL && !takes_in(source, rule->module)))
                return false;
        if (rule->object == NULL)
                return true;
        node_text(source, call_object(call), object, sizeof object);
        return fnmatch(rule->object, object, FNM_CASEFOLD) == 0;
}

static const struct acquire_rule *
rule_of(const struct javascript *source, const struct acquire_rule *more, TSNode call)
{
        for (const struct acquire_rule *r = more; r != NULL && r->name != NULL; r++) {
                if (rule_fits(source, r, call))
                        return r;
        }
        for (const struct acquire_rule *r = acquire_rules; r->name != NULL; r++) {
                if (rule_fits(source, r, call))
                        return r;
        }
        return NULL;
}

/* The statement that holds the node, for its end and for what stands beside it. */
static TSNode
statement_of(TSNode node)
{
        while (!ts_node_is_null(node)) {
                TSNode parent = ts_node_parent(node);
                if (ts_node_is_null(parent) || node_is(parent, "statement_block") || node_is(parent, "program") ||
                    node_is(parent, "switch_case") || node_is_function(parent))
                        return node;
                node = parent;
        }
        return node;
}

/* `await`, brackets and type assertions around a value are nothing of their own. */
static TSNode
value_of(TSNode call)
{
        TSNode node = call, parent = ts_node_parent(call);

        while (node_is(parent, "await_expression") || node_is(parent, "parenthesized_expression") ||
               node_is(parent, "as_expression") || node_is(parent, "non_null_expression") ||
               node_is(parent, "satisfies_expression")) {
                node = parent;
                parent = ts_node_parent(parent);
        }
        return node;
}

/* `using client = ...` gives back by itself (ECMAScript explicit resource management). */
static bool
is_using(const struct javascript *source, TSNode value)
{
        uint32_t end = ts_node_start_byte(value), start = end;

        while (start > 0 && source->text[start - 1] != '\n' && source->text[start - 1] != ';' && end - start < 80)
                start--;
        for (uint32_t i = start; i + 6 <= end; i++) {
                if (memcmp(source->text + i, "using ", 6) == 0)
                        return true;
        }
        return false;
}

/* const {client, release} = ...: the function that gives back, by its name. */
static TSNode
pattern_gives(const struct taking *t, TSNode pattern)
{
        for (uint32_t i = 0; i < ts_node_named_child_count(pattern); i++) {
                TSNode part = ts_node_named_child(pattern, i), key = part, name = part;
                if (node_is(part, "pair_pattern")) {
                        key = node_field(part, "key");
                        name = node_field(part, "value");
                }
                if (is_release_name(t, key) || node_reads(t->source, key, "done"))
                        return name;
        }
        return (TSNode){.id = NULL};
}

struct chain_search {
        const struct taking *taking;
        const char *inside; /* count only what stands in a callback of this method; NULL: anywhere */
        bool found;
};

static bool
chain_visit(void *context, TSNode node)
{
        struct chain_search *search = context;

        if (!node_is(node, "call_expression"))
                return true;
        if (search->inside != NULL && node_reads(search->taking->source, call_name(node), search->inside)) {
                struct chain_search within = {.taking = search->taking};
                javascript_walk(call_arguments(node), true, chain_visit, &within);
                search->found |= within.found;
        } else if (search->inside == NULL && is_release_name(search->taking, call_name(node))) {
                search->found = true;
        }
        return !search->found;
}

/* pool.connect().then(...).finally(...): does a callback of `method` give back, or one of `inside` in it? */
static bool
chain_releases(const struct taking *t, TSNode top, const char *method, const char *inside)
{
        for (TSNode node = top; node_is(node, "call_expression"); node = call_object(node)) {
                struct chain_search search = {.taking = t, .inside = inside};
                if (ts_node_eq(node, t->call))
                        break;
                if (!node_reads(t->source, call_name(node), method))
                        continue;
                javascript_walk(call_arguments(node), true, chain_visit, &search);
                if (search.found)
                        return true;
        }
        return false;
}

/* A method called on the value (or on its promise) at once. */
static void
verdict_chain(const struct taking *t, TSNode value, struct outcome *out)
{
        TSNode top = value;

        for (TSNode up = ts_node_parent(top); node_is(up, "member_expression") || node_is(up, "call_expression");
             up = ts_node_parent(up)) {
                if (node_is(up, "call_expression") && !node_within(t->call, node_field(up, "function")))
                        break;
                top = up;
        }
        if (node_is(value, "await_expression") || node_is(value, "parenthesized_expression"))
                out->verdict = "never";
        else if (chain_releases(t, top, "finally", NULL) || chain_releases(t, top, "then", "finally"))
                out->verdict = "finally";
        else if (chain_releases(t, top, "then", NULL) && chain_releases(t, top, "catch", NULL))
                out->verdict = "handler";
        else if (chain_releases(t, top, "then", NULL)) {
                out->verdict = "path";
                out->leak_line = node_line(top);
                snprintf(out->leak, sizeof out->leak, "when the promise is rejected: give it back in .finally()");
        } else {
                out->verdict = "never";
        }
}

/* pool.connect((err, client, done) => ...): the callback is the function, done or client.release() gives back. */
static void
verdict_callback(struct taking *t, TSNode callback, struct outcome *out)
{
        TSNode names = node_field(callback, "parameters"), body = node_field(callback, "body");
        uint32_t count = ts_node_is_null(names) ? 0 : ts_node_named_child_count(names);

        t->function = callback;
        t->statement = names;
        t->variable = count > 1 ? ts_node_named_child(names, 1) : (TSNode){.id = NULL};
        t->call = names;
        if (count > 2)
                t->gives = ts_node_named_child(names, 2);
        javascript_walk(body, true, taking_look, t);
        if (t->release_count == 0 && !ts_node_is_null(t->gives)) {
                t->gives = (TSNode){.id = NULL};
                javascript_walk(body, true, taking_look, t);
        }
        if (t->release_count == 0)
                out->verdict = t->by_closure || t->leaves ? "transferred" : "never";
        else
                /* With callbacks there is no finally: an error that is thrown ends the process, not the path. */
                out->verdict = "straight";
}

static void
verdict_kept(struct taking *t, TSNode name, TSNode value, struct outcome *out)
{
        t->statement = statement_of(value);
        if (node_is(name, "object_pattern")) {
                t->gives = pattern_gives(t, name);
                if (ts_node_is_null(t->gives)) {
                        out->verdict = "never";
                        return;
                }
        } else if (node_is(name, "identifier")) {
                t->variable = name;
        } else {
                out->verdict = "transferred";
                return;
        }
        javascript_walk(t->function, true, taking_look, t);
        verdict_find(t, out);
}

static void
verdict_of(struct taking *t, struct outcome *out)
{
        TSNode value = value_of(t->call), parent = ts_node_parent(value), arguments = call_arguments(t->call);

        for (uint32_t i = 0; !ts_node_is_null(arguments) && i < ts_node_named_child_count(arguments); i++) {
                TSNode callback = ts_node_named_child(arguments, i);
                if (node_is_function(callback)) {
                        verdict_callback(t, callback, out);
                        return;
                }
        }
        if ((node_is(parent, "variable_declarator") || node_is(parent, "assignment_expression")) &&
            is_using(t->source, value))
                out->verdict = "scoped";
        else if (node_is(parent, "variable_declarator"))
                verdict_kept(t, node_field(parent, "name"), value, out);
        else if (node_is(parent, "assignment_expression"))
                verdict_kept(t, node_field(parent, "left"), value, out);
        else if (node_is(parent, "member_expression"))
                verdict_chain(t, value, out);
        else
                out->verdict = node_is(parent, "expression_statement") ? "dropped" : "transferred";
}

/* --- transactions of one client ----------------------------------------------------------------------------------- */

struct outside_search {
        const struct javascript *source;
        TSNode client, found;
};

static bool
outside_visit(void *context, TSNode node)
{
        struct outside_search *search = context;

        if (!node_is(node, "call_expression"))
                return true;
        for (TSNode object = call_object(node); !ts_node_is_null(object);
             object = node_is(object, "member_expression") ? node_field(object, "object") : (TSNode){.id = NULL}) {
                if (nodes_read_alike(search->source, object, search->client)) {
                        search->found = node;
                        return false;
                }
        }
        return true;
}

/* prisma.$transaction(async (tx) => ...): gives back by itself, unless prisma is used inside instead of tx: then each
 * transaction waits for a second connection of the same pool. */
static void
verdict_transaction(const struct javascript *source, TSNode call, struct outcome *out)
{
        struct outside_search search = {.source = source, .client = call_object(call), .found = {.id = NULL}};
        out->verdict = "scoped";
        javascript_walk(call_arguments(call), true, outside_visit, &search);
        if (ts_node_is_null(search.found))
                return;
        out->verdict = "outside";
        out->leak_line = node_line(search.found);
        called_text(source, search.found, out->leak, sizeof out->leak);
}

/* --- one file ----------------------------------------------------------------------------------------------------- */

struct scan {
        const struct javascript *source;
        const struct acquire_rule *more;
        json_t *out;
        size_t count;
        bool failed;
};

static void
scan_add(struct scan *scan, const struct taking *t, const char *rule, TSNode call, const struct outcome *outcome)
{
        json_t *row = json_push(scan->out, json_object());
        char text[ACQUIRE_TEXT];

        called_text(scan->source, call, text, sizeof text);
        scan->failed |= json_put_whole(row, "line", node_line(call)) != 0 || json_put_text(row, "rule", rule) != 0 ||
                        json_put_text(row, "call", text) != 0 || json_put_text(row, "verdict", outcome->verdict) != 0;
        if (t != NULL && !ts_node_is_null(t->variable)) {
                node_text(scan->source, t->variable, text, sizeof text);
                scan->failed |= json_put_text(row, "variable", text) != 0;
        }
        if (outcome->leak_line != 0)
                scan->failed |= json_put_whole(row, "leak_line", outcome->leak_line) != 0 ||
                                json_put_text(row, "leak", outcome->leak) != 0;
        if (outcome->release_line != 0)
                scan->failed |= json_put_whole(row, "release_line", outcome->release_line) != 0;
        scan->count++;
}

static bool
scan_visit(void *context, TSNode node)
{
        struct scan *scan = context;
        struct outcome outcome = {.verdict = NULL};

        if (!node_is(node, "call_expression") && !node_is(node, "new_expression"))
                return true;
        if (node_reads(scan->source, call_name(node), "$transaction") && arguments_hold_function(node)) {
                verdict_transaction(scan->source, node, &outcome);
                scan_add(scan, NULL, "Prisma", node, &outcome);
                return scan->count < ACQUIRES_MOST && !scan->failed;
        }
        struct taking taking = {.source = scan->source,
                                .rule = rule_of(scan->source, scan->more, node),
                                .call = node,
                                .function = node_function(node),
                                .variable = {.id = NULL},
                                .gives = {.id = NULL}};
        /* What a module takes when it is loaded lives as long as the process. */
        if (taking.rule == NULL || ts_node_is_null(taking.function))
                return true;
        verdict_of(&taking, &outcome);
        scan_add(scan, &taking, taking.rule->name, node, &outcome);
        return scan->count < ACQUIRES_MOST && !scan->failed;
}

int
acquire_paths(const struct javascript *source, const struct acquire_rule *more, json_t *out)
{
        struct scan scan = {.source = source, .more = more, .out = out};

        javascript_walk(ts_tree_root_node(source->tree), true, scan_visit, &scan);
        return scan.failed ? -1 : 0;
}

/* What a function does with what it took: each place that gives back, and what may leave the function before. */

#include "acquire_exits.h"

#include <stdio.h>
#include <string.h>

/* --- what gives back -----------------------------------------------------------------------------------------------
 */

bool
is_release_name(const struct taking *t, TSNode name)
{
        for (size_t i = 0; i < sizeof t->rule->release / sizeof *t->rule->release && t->rule->release[i] != NULL; i++) {
                if (node_reads(t->source, name, t->rule->release[i]))
                        return true;
        }
        return false;
}

static bool
arguments_name(const struct taking *t, TSNode call)
{
        TSNode arguments = call_arguments(call);

        for (uint32_t i = 0; !ts_node_is_null(arguments) && i < ts_node_named_child_count(arguments); i++) {
                if (nodes_read_alike(t->source, ts_node_named_child(arguments, i), t->variable))
                        return true;
        }
        return false;
}

static bool
is_release(const struct taking *t, TSNode call)
{
        if (!node_is(call, "call_expression"))
                return false;
        if (!ts_node_is_null(t->gives))
                return nodes_read_alike(t->source, node_field(call, "function"), t->gives);
        if (!is_release_name(t, call_name(call)))
                return false;
        return t->rule->by_owner ? arguments_name(t, call)
                                 : nodes_read_alike(t->source, call_object(call), t->variable);
}

/* Is `node` the value itself, or an array, object or promise literal that holds it? */
static bool
holds_value(const struct taking *t, TSNode node)
{
        if (ts_node_is_null(node))
                return false;
        if (nodes_read_alike(t->source, node, t->variable))
                return true;
        if (!node_is(node, "object") && !node_is(node, "array") && !node_is(node, "pair") &&
            !node_is(node, "parenthesized_expression") && !node_is(node, "as_expression"))
                return false;
        for (uint32_t i = 0; i < ts_node_named_child_count(node); i++) {
                if (holds_value(t, ts_node_named_child(node, i)))
                        return true;
        }
        return false;
}

/* The value is returned, stored in an object, put into a collection or handed to a constructor. */
static bool
lets_go(const struct taking *t, TSNode node)
{
        static const char *const keepers[] = {"push", "set", "add", "unshift", "resolve"};

        if (ts_node_is_null(t->variable))
                return false;
        if (node_is(node, "return_statement") || node_is(node, "yield_expression"))
                return holds_value(t, ts_node_named_child(node, 0));
        if (node_is(node, "assignment_expression"))
                return node_is(node_field(node, "left"), "member_expression") &&
                       holds_value(t, node_field(node, "right"));
        if (node_is(node, "new_expression"))
                return arguments_name(t, node);
        if (!node_is(node, "call_expression") || !arguments_name(t, node))
                return false;
        for (size_t i = 0; i < sizeof keepers / sizeof keepers[0]; i++) {
                if (node_reads(t->source, call_name(node), keepers[i]))
                        return true;
        }
        return false;
}

bool
taking_look(void *context, TSNode node)
{
        struct taking *t = context;

        if (ts_node_start_byte(node) < ts_node_start_byte(t->statement) || node_within(t->call, node) ||
            !ts_node_is_named(node))
                return true;
        if (is_release(t, node)) {
                TSNode around = node_function(node);
                if (!ts_node_eq(around, t->function))
                        t->by_closure = true;
                else if (t->release_count < RELEASES_MOST)
                        t->releases[t->release_count++] = node;
        } else if (lets_go(t, node)) {
                t->leaves = true;
        }
        return true;
}

/* --- what may leave before that --------------------------------------------------------------------------------------
 */

struct exit_search {
        const struct javascript *source;
        uint32_t from, until; /* bytes */
        TSNode found;
};

static bool
is_console(const struct javascript *source, TSNode call)
{
        return node_reads(source, call_object(call), "console");
}

static bool
exit_visit(void *context, TSNode node)
{
        struct exit_search *search = context;
        uint32_t start = ts_node_start_byte(node);

        if (start < search->from || start >= search->until || !ts_node_is_named(node))
                return true;
        if (node_is(node, "return_statement") || node_is(node, "throw_statement") ||
            node_is(node, "await_expression") || node_is(node, "new_expression") ||
            (node_is(node, "call_expression") && !is_console(search->source, node))) {
                search->found = node;
                return false;
        }
        return true;
}

/* The first thing between two places of the function that ends it, or may: return, throw, or a call that may throw. */
static TSNode
exit_between(const struct taking *t, uint32_t from, uint32_t until)
{
        struct exit_search search = {.source = t->source, .from = from, .until = until, .found = {.id = NULL}};

        javascript_walk(t->function, false, exit_visit, &search);
        return search.found;
}

/* What is called, not with what: arguments may hold anything. */
void
called_text(const struct javascript *source, TSNode node, char *text, size_t size)
{
        while (node_is(node, "await_expression"))
                node = ts_node_named_child(node, 0);
        if (node_is(node, "call_expression"))
                node = node_field(node, "function");
        else if (node_is(node, "new_expression"))
                node = node_field(node, "constructor");
        /* ... a chain of calls has arguments further in. */
        while (node_is(node, "member_expression") && node_is(node_field(node, "object"), "call_expression"))
                node = node_field(node, "property");
        if (node_is(node, "identifier") || node_is(node, "property_identifier") || node_is(node, "member_expression"))
                node_text(source, node, text, size);
        else
                snprintf(text, size, "a call");
}

static void
leak_tell(const struct taking *t, TSNode where, struct outcome *out)
{
        char text[ACQUIRE_TEXT];

        out->verdict = "path";
        out->leak_line = node_line(where);
        called_text(t->source, where, text, sizeof text);
        if (node_is(where, "return_statement"))
                snprintf(out->leak, sizeof out->leak, "it returns first");
        else if (node_is(where, "throw_statement"))
                snprintf(out->leak, sizeof out->leak, "it throws first");
        else
                snprintf(out->leak, sizeof out->leak, "when %s throws", text);
}

/* --- try statements --------------------------------------------------------------------------------------------------
 */

/* The innermost node of `type` around `node` inside the function; null when there is none. */
static TSNode
around(const struct taking *t, TSNode node, const char *type)
{
        for (node = ts_node_parent(node); !ts_node_is_null(node) && !ts_node_eq(node, t->function);
             node = ts_node_parent(node)) {
                if (node_is(node, type))
                        return node;
        }
        return (TSNode){.id = NULL};
}

/* A condition that asks something else than whether there is a value. */
static bool
is_conditional(const struct taking *t, TSNode release, TSNode inside)
{
        for (TSNode node = ts_node_parent(release); !ts_node_is_null(node) && !ts_node_eq(node, inside);
             node = ts_node_parent(node)) {
                char condition[ACQUIRE_TEXT], name[ACQUIRE_TEXT];
                if (node_is(node, "switch_case") || node_is(node, "while_statement") || node_is(node, "for_statement"))
                        return true;
                if (!node_is(node, "if_statement") || node_within(t->statement, node))
                        continue;
                node_text(t->source, node_field(node, "condition"), condition, sizeof condition);
                node_text(t->source, t->variable, name, sizeof name);
                if (*name == '\0' || strstr(condition, name) == NULL)
                        return true;
        }
        return false;
}

/* Given back in a finally clause whose try begins before anything can fail. */
static bool
by_finally(const struct taking *t, TSNode release, struct outcome *out)
{
        TSNode clause = around(t, release, "finally_clause");
        TSNode attempt = ts_node_is_null(clause) ? clause : ts_node_parent(clause);

        if (ts_node_is_null(clause) || is_conditional(t, release, clause))
                return false;
        out->release_line = node_line(release);
        if (node_within(t->statement, node_field(attempt, "body"))) {
                out->verdict = "finally";
                return true;
        }
        if (ts_node_start_byte(attempt) < ts_node_end_byte(t->statement))
                return false;
        TSNode leak = exit_between(t, ts_node_end_byte(t->statement), ts_node_start_byte(attempt));
        out->verdict = "finally";
        if (!ts_node_is_null(leak))
                leak_tell(t, leak, out);
        return true;
}

/* Given back on the way on and in the catch clause of the same try. */
static bool
by_handler(const struct taking *t, struct outcome *out)
{
        for (size_t i = 0; i < t->release_count; i++) {
                TSNode clause = around(t, t->releases[i], "catch_clause");
                TSNode attempt = ts_node_is_null(clause) ? clause : ts_node_parent(clause);
                if (ts_node_is_null(clause) || is_conditional(t, t->releases[i], clause))
                        continue;
                bool covers = node_within(t->statement, node_field(attempt, "body")) ||
                              (ts_node_start_byte(attempt) >= ts_node_end_byte(t->statement) &&
                               ts_node_is_null(
                                       exit_between(t, ts_node_end_byte(t->statement), ts_node_start_byte(attempt))));
                for (size_t k = 0; covers && k < t->release_count; k++) {
                        TSNode other = t->releases[k];
                        bool goes_on = node_within(other, node_field(attempt, "body")) ||
                                       ts_node_start_byte(other) >= ts_node_end_byte(attempt);
                        if (goes_on && !is_conditional(t, other, t->function)) {
                                out->verdict = "handler";
                                out->release_line = node_line(other);
                                return true;
                        }
                }
        }
        return false;
}

/* --- the verdict -----------------------------------------------------------------------------------------------------
 */

void
verdict_find(const struct taking *t, struct outcome *out)
{
        for (size_t i = 0; i < t->release_count; i++) {
                if (by_finally(t, t->releases[i], out))
                        return;
        }
        if (by_handler(t, out))
                return;
        if (t->leaves || t->by_closure) {
                out->verdict = "transferred";
                return;
        }
        if (t->release_count == 0) {
                out->verdict = "never";
                return;
        }
        TSNode first = t->releases[0];
        out->release_line = node_line(first);
        TSNode leak = exit_between(t, ts_node_end_byte(t->statement), ts_node_start_byte(first));
        if (!ts_node_is_null(leak) && !node_within(first, leak)) {
                leak_tell(t, leak, out);
        } else if (is_conditional(t, first, t->function)) {
                out->verdict = "path";
                out->leak_line = node_line(first);
                snprintf(out->leak, sizeof out->leak, "when the condition around it does not hold");
        } else {
                out->verdict = "straight";
        }
}

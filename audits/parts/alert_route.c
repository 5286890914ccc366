/* Where an alert goes: the routing tree walked with what is known of its labels. */

#define PCRE2_CODE_UNIT_WIDTH 8

#include "alert_route.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "scope.h"

enum { MATCH_LIMIT = 100000, DEPTH_MOST = 64, ROUTES_MOST = 200 };

/* --- matchers ----------------------------------------------------------------------------------------------------- */

/* Go's regular expressions, for what rules use of them, read alike in PCRE. */
static int
pattern_matches(const char *pattern, const char *value)
{
        int code, result;
        PCRE2_SIZE place;
        pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                             PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL, &code,
                                             &place, NULL);
        pcre2_match_data *data = compiled != NULL ? pcre2_match_data_create(1, NULL) : NULL;
        pcre2_match_context *context = pcre2_match_context_create(NULL);

        result = -1;
        if (data != NULL && context != NULL) {
                pcre2_set_match_limit(context, MATCH_LIMIT);
                int found = pcre2_match(compiled, (PCRE2_SPTR)value, strlen(value), 0, 0, data, context);
                result = found >= 0 ? 1 : found == PCRE2_ERROR_NOMATCH ? 0 : -1;
        }
        pcre2_match_context_free(context);
        pcre2_match_data_free(data);
        pcre2_code_free(compiled);
        return result;
}

int
label_matches(const char *op, const char *wanted, const char *value)
{
        bool negative = op[0] == '!';
        int matches = strcmp(op, "=") == 0 || strcmp(op, "!=") == 0 ? strcmp(wanted, value) == 0
                                                                    : pattern_matches(wanted, value);

        return matches < 0 ? -1 : matches != negative;
}

static enum alert_sure
matcher_matched(const json_t *matcher, const json_t *labels)
{
        const json_t *values = json_list(labels, json_text(matcher, "label", ""));
        size_t i, fulfilled = 0, failed = 0;
        json_t *value;

        json_array_foreach((json_t *)values, i, value)
        {
                int matches = label_matches(json_text(matcher, "op", "="), json_text(matcher, "value", ""),
                                            json_is_string(value) ? json_string_value(value) : "");
                fulfilled += matches == 1;
                failed += matches == 0;
        }
        return fulfilled > 0 && failed == 0   ? ALERT_SURELY
               : failed > 0 && fulfilled == 0 ? ALERT_NEVER_SURE
                                              : ALERT_PERHAPS;
}

enum alert_sure
alert_matched(const json_t *matchers, const json_t *labels)
{
        enum alert_sure sure = ALERT_SURELY;
        size_t i;
        json_t *matcher;

        json_array_foreach((json_t *)matchers, i, matcher)
        {
                enum alert_sure one = matcher_matched(matcher, labels);
                if (one < sure)
                        sure = one;
        }
        return sure;
}

/* --- the tree ----------------------------------------------------------------------------------------------------- */

struct walk {
        const json_t *routing, *labels;
        json_t *reached;
};

static json_t *
list_copy(const json_t *list)
{
        return json_is_array(list) ? json_deep_copy(list) : json_array();
}

static void
reached_add(struct walk *walk, const json_t *route, bool sure)
{
        const char *name = json_text(route, "receiver", "");
        const json_t *receiver = json_find(json_list(walk->routing, "receivers"), "name", name);
        size_t i;
        json_t *other;

        json_array_foreach(walk->reached, i, other)
        {
                if (strcmp(json_text(other, "receiver", ""), name) == 0 && json_flag(other, "sure", false) >= sure)
                        return;
        }
        if (json_array_size(walk->reached) < ROUTES_MOST)
                json_push(walk->reached,
                          json_pack("{s:s, s:b, s:b, s:o, s:o, s:o}", "receiver", name, "sure", sure, "exists",
                                    receiver != NULL, "integrations", list_copy(json_list(receiver, "integrations")),
                                    "mute", list_copy(json_list(route, "mute")), "active",
                                    list_copy(json_list(route, "active"))));
}

/* Children in order; the first that matches without `continue` ends the search; when none matches, the route itself is
 * where the alert goes. */
static enum alert_sure
route_walk(struct walk *walk, const json_t *route, enum alert_sure sure, int depth)
{
        enum alert_sure own = depth > 0 ? alert_matched(json_list(route, "matchers"), walk->labels) : ALERT_SURELY;
        bool taken = false, perhaps_taken = false;
        size_t i;
        json_t *child;

        if (own == ALERT_NEVER_SURE || depth > DEPTH_MOST)
                return ALERT_NEVER_SURE;
        if (own < sure)
                sure = own;
        json_array_foreach((json_t *)json_list(route, "routes"), i, child)
        {
                enum alert_sure below = route_walk(walk, child, sure, depth + 1);
                if (below == ALERT_NEVER_SURE)
                        continue;
                taken = taken || below == ALERT_SURELY;
                perhaps_taken = perhaps_taken || below == ALERT_PERHAPS;
                if (json_flag(child, "continue", false))
                        continue;
                if (below == ALERT_SURELY)
                        break;
                sure = ALERT_PERHAPS; /* what follows is reached only when this child is not taken */
        }
        if (!taken)
                reached_add(walk, route, sure == ALERT_SURELY && !perhaps_taken);
        return own;
}

json_t *
alert_routes(const json_t *routing, const json_t *labels)
{
        struct walk walk = {routing, labels, json_array()};
        const json_t *root = json_map(routing, "route");

        if (root != NULL)
                route_walk(&walk, root, ALERT_SURELY, 0);
        return walk.reached;
}

/* --- inhibitions, labels ------------------------------------------------------------------------------------------ */

static char *
matchers_text(const json_t *matchers)
{
        scoped_buffer text = BUFFER_INIT(1000);
        size_t i;
        json_t *matcher;

        json_array_foreach((json_t *)matchers, i, matcher)
                buffer_format(&text, "%s%s%s\"%s\"", i > 0 ? ", " : "", json_text(matcher, "label", ""),
                              json_text(matcher, "op", "="), json_text(matcher, "value", ""));
        return buffer_take(&text);
}

json_t *
alert_inhibitors(const json_t *routing, const json_t *labels)
{
        json_t *texts = json_array();
        size_t i;
        json_t *rule;

        json_array_foreach((json_t *)json_list(routing, "inhibitions"), i, rule)
        {
                const json_t *target = json_list(rule, "target"), *source = json_list(rule, "source");
                if (alert_matched(target, labels) != ALERT_SURELY || alert_matched(source, labels) == ALERT_SURELY)
                        continue;
                scoped_string text = matchers_text(source);
                if (text != NULL)
                        json_push(texts, json_string(text));
        }
        return texts;
}

static void
labels_gather(const json_t *route, json_t *names, int depth)
{
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)json_list(route, "matchers"), i, one)
                json_object_set_new(names, json_text(one, "label", ""), json_true());
        json_array_foreach((json_t *)json_list(route, "routes"), i, one)
        {
                if (depth < DEPTH_MOST)
                        labels_gather(one, names, depth + 1);
        }
}

static int
text_compare(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *
alert_routing_labels(const json_t *routing)
{
        scoped_json names = json_object();
        json_t *sorted = json_array();
        size_t count = 0;
        const char *name;
        json_t *value;

        labels_gather(json_map(routing, "route"), names, 0);
        scoped(scope_free) const char **list = calloc(json_object_size(names) + 1, sizeof *list);
        json_object_foreach(names, name, value)
        {
                if (list != NULL)
                        list[count++] = name;
        }
        if (list != NULL)
                qsort(list, count, sizeof *list, text_compare);
        for (size_t i = 0; i < count; i++)
                json_push(sorted, json_string(list[i]));
        return sorted;
}

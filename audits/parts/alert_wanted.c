/* What the policy wants alerts for, and which rule comes closest. */

#include "alert_wanted.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"

/* --- reading ------------------------------------------------------------------------------------------------------ */

int
alert_wanted_read(const char *text, struct alert_wanted *out, struct error *err)
{
        const char *at = NULL;
        int64_t hold_ms = 0;
        size_t length = strlen(text);

        for (const char *c = strstr(text, " for "); c != NULL; c = strstr(c + 1, " for "))
                at = c;
        if (at != NULL && duration_parse(at + 5, &hold_ms))
                length = (size_t)(at - text);
        *out = (struct alert_wanted){.hold_ms = hold_ms, .text = strndup(text, length)};
        if (out->text == NULL)
                return error_memory(err, "alert");
        if (promql_parse(text, length, &out->promql, err) == 0)
                return 0;
        alert_wanted_free(out);
        return error_wrap(err, "%s", text);
}

void
alert_wanted_free(struct alert_wanted *wanted)
{
        promql_free(wanted->promql);
        free((char *)wanted->text);
        *wanted = (struct alert_wanted){0};
}

/* --- the closest -------------------------------------------------------------------------------------------------- */

/* Fewer reasons first, among thresholds the closer one. */
static bool
is_closer(const struct alert_nearest *a, const struct alert_nearest *b)
{
        if (b->rule == NULL || a->comparison.standing != b->comparison.standing)
                return b->rule == NULL || a->comparison.standing > b->comparison.standing;
        if (a->rule->loaded != b->rule->loaded)
                return a->rule->loaded;
        int reasons_a = __builtin_popcount(a->comparison.notes), reasons_b = __builtin_popcount(b->comparison.notes);
        if (reasons_a != reasons_b)
                return reasons_a < reasons_b;
        return fabs(a->comparison.threshold - a->comparison.wanted) <
               fabs(b->comparison.threshold - b->comparison.wanted);
}

static void
rule_watch(const struct alert_nearest *one)
{
        one->rule->watched = true;
        one->rule->always |= (one->comparison.notes & ALERT_ALWAYS) != 0;
        one->rule->beyond |= (one->comparison.notes & ALERT_IMPOSSIBLE) != 0;
}

static void
rules_compare(struct alert_site *site, const struct alert_wanted *wanted, const char *text, struct alert_nearest *out)
{
        for (size_t i = 0; i < site->count; i++) {
                struct alert_nearest one = {.rule = &site->rules[i], .wanted = text, .wanted_hold_ms = wanted->hold_ms};
                if (one.rule->promql == NULL)
                        continue;
                alert_compare(&site->world, wanted->promql->root, wanted->hold_ms, one.rule->promql->root,
                              one.rule->hold_ms, &one.comparison);
                if (one.comparison.standing == ALERT_OTHER)
                        continue;
                if (one.comparison.standing == ALERT_ENOUGH)
                        rule_watch(&one);
                if (is_closer(&one, out))
                        *out = one;
        }
}

int
alert_nearest_find(struct alert_site *site, const json_t *texts, struct alert_nearest *out, struct findings *keep,
                   struct error *err)
{
        size_t i;
        json_t *text;

        *out = (struct alert_nearest){0};
        json_array_foreach((json_t *)texts, i, text)
        {
                struct alert_wanted wanted;
                if (!json_is_string(text))
                        continue;
                if (alert_wanted_read(json_string_value(text), &wanted, err) != 0)
                        return -1;
                rules_compare(site, &wanted, findings_text(keep, "%s", wanted.text), out);
                alert_wanted_free(&wanted);
        }
        if (out->rule != NULL)
                rule_watch(out);
        return 0;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

const char *
alert_expression(const struct promql_node *node, struct findings *out)
{
        scoped_buffer text = BUFFER_INIT(64 * 1024);

        promql_print(node, &text);
        return findings_text(out, "%.300s", text.data != NULL ? text.data : "?");
}

static const char *
threshold_words(const struct alert_comparison *comparison, struct findings *out)
{
        if (comparison->notes & ALERT_PER_MINUTE)
                return findings_text(
                        out,
                        "Its threshold is per minute but rate() is per second: it stands at %g a minute where "
                        "%g is wanted, and whoever stays below that is never seen.",
                        comparison->threshold * 60, comparison->wanted * 60);
        if (comparison->notes & ALERT_PERCENT)
                return findings_text(out,
                                     "Its threshold is 100 times the wanted one (%g, not %g): percent against a share.",
                                     comparison->threshold, comparison->wanted);
        if (comparison->notes & ALERT_MILLISECONDS)
                return findings_text(out,
                                     "Its threshold is 1000 times the wanted one (%g, not %g): milliseconds against "
                                     "seconds.",
                                     comparison->threshold, comparison->wanted);
        return findings_text(out, "It fires at %g, wanted is %g.", comparison->threshold, comparison->wanted);
}

static const char *
matcher_text(const struct promql_matcher *matcher, struct findings *out)
{
        static const char *const ops[] = {"=", "!=", "=~", "!~"};

        return matcher == NULL ? "?"
                               : findings_text(out, "%s%s\"%.100s\"", matcher->label, ops[matcher->match],
                                               matcher->value.bytes);
}

const char *
alert_looser_words(const struct alert_nearest *nearest, struct findings *out)
{
        const struct alert_comparison *c = &nearest->comparison;
        unsigned notes = c->notes;
        scoped_buffer text = BUFFER_INIT(4000);

        if (notes & ALERT_THRESHOLD)
                buffer_format(&text, " %s", threshold_words(c, out));
        if (notes & ALERT_HOLD)
                buffer_format(&text, " It waits %s, wanted is %s.", findings_duration(out, (double)c->hold_ms),
                              findings_duration(out, (double)nearest->wanted_hold_ms));
        if (notes & ALERT_NARROWED)
                buffer_format(&text, " The matcher %s leaves series out.", matcher_text(c->matcher, out));
        if (notes & ALERT_PER_SERIES)
                buffer_text(&text,
                            " It compares every series by itself, not their sum: many just below the threshold are "
                            "never seen together.");
        if (notes & ALERT_TOGETHER)
                buffer_text(&text, " It looks at all instances together: one full among idle ones is not seen.");
        if (notes & ALERT_QUANTILE)
                buffer_text(&text, " It looks at a lower quantile.");
        if (notes & ALERT_WINDOW)
                buffer_text(&text, " Its rate is taken over so long a time that a short fault drowns.");
        if (notes & ALERT_CONDITION)
                buffer_format(&text, " It fires only while this holds as well: %s.",
                              c->other != NULL ? alert_expression(c->other, out) : "?");
        return findings_text(out, "%s", text.length > 0 ? text.data + 1 : "");
}

const char *
alert_for_text(int64_t hold_ms, struct findings *out)
{
        long long seconds = (long long)(hold_ms / 1000);

        return seconds > 0 && seconds % 3600 == 0 ? findings_text(out, "%lldh", seconds / 3600)
               : seconds > 0 && seconds % 60 == 0 ? findings_text(out, "%lldm", seconds / 60)
                                                  : findings_text(out, "%llds", seconds);
}

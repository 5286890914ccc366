/* What the policy wants alerts for, and which rule comes closest.
 *
 * The policy writes each as {"alert": "p99 of decisions", "any": ["EXPRESSION for 3m", ...]}: one of them, since series
 * are named differently from one installation to the next. */
#ifndef ROUNDS_ALERT_WANTED_H
#define ROUNDS_ALERT_WANTED_H

#include "alert_site.h"

struct alert_wanted {
        struct promql *promql;
        int64_t hold_ms;
        const char *text; /* the expression without its "for"; owned */
};

/* Reads "EXPRESSION for DURATION" ("for" may be missing: 0). */
int alert_wanted_read(const char *text, struct alert_wanted *out, struct error *err)
        __attribute__((warn_unused_result));
void alert_wanted_free(struct alert_wanted *wanted);

struct alert_nearest {
        struct alert_rule *rule; /* borrowed of the site; NULL: none is about it */
        struct alert_comparison comparison;
        const char *wanted; /* the expression it was compared with, as the policy writes it */
        int64_t wanted_hold_ms;
};

/* The rule that comes closest to one of the texts: strict enough before looser, loaded before not loaded.  It is
 * marked `watched`, and so is every other that is strict enough.  -1 when a text cannot be read (`err` says which). */
int alert_nearest_find(struct alert_site *site, const json_t *texts, struct alert_nearest *out, struct findings *keep,
                       struct error *err) __attribute__((warn_unused_result));

/* Why it is looser, one sentence for each reason; "" when it is not.  Texts live as long as `out`. */
const char *alert_looser_words(const struct alert_nearest *nearest, struct findings *out);

/* A "for" as rule files have it: "5m". */
const char *alert_for_text(int64_t hold_ms, struct findings *out);

/* An expression on one line, at most 300 bytes. */
const char *alert_expression(const struct promql_node *node, struct findings *out);

#endif

/* What an alert expression demands, in a form in which two writings of one demand are equal, and which of two is the
 * stricter.
 *
 * A condition is a sum of terms against a threshold: "100 * a / b > 90", "a > 0.9 * b" and "1 - (b - a) / b > 0.9" are
 * all "a / b > 0.9".  Constants are moved out of sums, quotients and aggregations, increase() becomes rate() times its
 * window, recorded series are replaced by what records them, and units that a name tells (_ms, _seconds, _percent,
 * _ratio) are converted.  Trees are borrowed and must outlive what points into them. */
#ifndef ROUNDS_ALERT_SHAPE_H
#define ROUNDS_ALERT_SHAPE_H

#include "promql.h"

/* What is known about the place where the rule runs.  Any function may be NULL: nothing is known. */
struct alert_world {
        void *context;
        /* The expression that records a series of this name, NULL when none does. */
        const struct promql_node *(*recorded)(void *context, const char *name);
        /* How many series a selector has, -1: unknown. */
        long (*series)(void *context, const struct promql_node *selector);
        /* Whether the selector would have more series without this matcher: 1, 0, or -1: unknown. */
        int (*narrows)(void *context, const struct promql_node *selector, const struct promql_matcher *matcher);
        /* Whether a label tells the place (job, namespace ...): narrowing to one is meant. */
        bool (*is_place)(void *context, const char *label);
};

enum { ALERT_TERMS = 6 };

/* How values of a time are folded: avg_over_time() and its like. */
enum alert_over { ALERT_NOT_OVER, ALERT_OVER_AVERAGE, ALERT_OVER_LOWEST, ALERT_OVER_HIGHEST };

struct alert_atom {
        const struct promql_node *core;      /* a selector, a rate, a quantile ... */
        const struct promql_node *aggregate; /* the sum, avg, min or max around it; NULL: per series */
        enum alert_over over;
        int64_t over_ms;
};

struct alert_term {
        double factor;
        struct alert_atom top, bottom; /* bottom.core NULL: no quotient */
};

/* sum of terms OP threshold */
struct alert_condition {
        struct alert_term terms[ALERT_TERMS];
        size_t count;
        enum promql_operator op;
        double threshold;
        bool always; /* written with bool: there is a result, and so an alert, whatever the value is */
        const struct promql_node *node;
        const struct promql_node *also; /* a comparison inside that must hold as well (3 <= x < 20), NULL: none */
};

/* Reads a comparison; false when it is none or of a form that is not understood. */
bool alert_condition_read(const struct alert_world *world, const struct promql_node *node, struct alert_condition *out);

/* Why a rule is not as strict as what is wanted, or worth telling although it is. */
enum alert_note {
        ALERT_THRESHOLD = 1 << 0,  /* looser threshold */
        ALERT_HOLD = 1 << 1,       /* waits longer before it fires */
        ALERT_NARROWED = 1 << 2,   /* a matcher leaves series out: `matcher` */
        ALERT_PER_SERIES = 1 << 3, /* compares each series by itself where the sum is meant */
        ALERT_TOGETHER = 1 << 4,   /* compares an average over series where each is meant */
        ALERT_QUANTILE = 1 << 5,   /* a lower quantile */
        ALERT_WINDOW = 1 << 6,     /* a rate over a much longer time */
        ALERT_CONDITION = 1 << 7,  /* fires only when something else holds as well: `other` */
        ALERT_STRICTER = 1 << 8,   /* fires earlier than wanted */
        ALERT_UNLESS = 1 << 9,     /* silent while something holds: `other` */
        ALERT_ALWAYS = 1 << 10,    /* fires whatever the value is */
        ALERT_PER_MINUTE =
                1 << 11,         /* the threshold is 60 times the wanted: a figure per minute against one per second */
        ALERT_PERCENT = 1 << 12, /* 100 times: percent against a share */
        ALERT_MILLISECONDS = 1 << 13, /* 1000 times, or a thousandth */
        ALERT_IMPOSSIBLE = 1 << 14,   /* a share above 1 is never reached */
};

enum alert_standing { ALERT_OTHER, ALERT_LOOSER, ALERT_ENOUGH }; /* about something else; less strict; strict enough */

struct alert_comparison {
        enum alert_standing standing;
        unsigned notes;
        double threshold; /* the rule's, as if it were written like the wanted one */
        double wanted;
        int64_t hold_ms; /* the rule's, folds over time included */
        const struct promql_matcher *matcher;
        const struct promql_node *other;
        const struct promql_node *subject; /* the core that was compared, of the rule */
};

/* Compares a rule's expression with a wanted one ("for" of each in milliseconds): the best of its conditions counts. */
void alert_compare(const struct alert_world *world, const struct promql_node *wanted, int64_t wanted_hold_ms,
                   const struct promql_node *rule, int64_t rule_hold_ms, struct alert_comparison *out);

#endif

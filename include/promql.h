/* PromQL: the whole expression language of Prometheus 2.x and 3.x, parsed into a typed tree.
 *
 * Accepted is what some released Prometheus accepts, its experimental syntax included (see `experimental`), so that a
 * rule is never called broken because the server is newer or older.  Nothing is evaluated but constants.
 * One struct promql owns the tree and every string in it; nodes are never changed after parsing.  Input is hostile:
 * text, nodes and nesting are bounded.  Positions are byte offsets into the text.
 * Sources: Prometheus documentation, "Querying basics", "Operators", "Functions", "Feature flags" (2.42 and 3.x). */
#ifndef ROUNDS_PROMQL_H
#define ROUNDS_PROMQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "error.h"

#define PROMQL_TEXT_LIMIT   (64 << 10) /* bytes of one expression */
#define PROMQL_NODE_LIMIT   8192
#define PROMQL_HEIGHT_LIMIT 256 /* of the tree, and of brackets while parsing */

enum promql_type { PROMQL_SCALAR, PROMQL_VECTOR, PROMQL_RANGE, PROMQL_STRING };
const char *promql_type_name(enum promql_type type); /* "scalar" "instant vector" "range vector" "string" */

enum promql_kind {
        PROMQL_NUMBER,    /* 5, 0x1F, Inf, 5m (300 as a number) */
        PROMQL_TEXT,      /* "a string" */
        PROMQL_SELECTOR,  /* metric{label="x"}, with [5m] when `range` is there */
        PROMQL_SUBQUERY,  /* operand[1h:5m] */
        PROMQL_SIGN,      /* -operand or +operand */
        PROMQL_BINARY,    /* left op right */
        PROMQL_CALL,      /* function(arguments) */
        PROMQL_AGGREGATE, /* sum by (x) (operand), topk(parameter, operand) */
        PROMQL_BRACKETS,  /* (operand) */
};

enum promql_operator {
        PROMQL_ADD,
        PROMQL_SUBTRACT,
        PROMQL_MULTIPLY,
        PROMQL_DIVIDE,
        PROMQL_MODULO,
        PROMQL_POWER,
        PROMQL_ATAN2,
        PROMQL_EQUAL,
        PROMQL_NOT_EQUAL,
        PROMQL_LESS,
        PROMQL_LESS_EQUAL,
        PROMQL_GREATER,
        PROMQL_GREATER_EQUAL,
        PROMQL_TRIM_UPPER, /* "</", of native histograms */
        PROMQL_TRIM_LOWER, /* ">/" */
        PROMQL_AND,
        PROMQL_OR,
        PROMQL_UNLESS,
};
const char *promql_operator_text(enum promql_operator op);
bool promql_is_comparison(enum promql_operator op);
bool promql_is_set(enum promql_operator op);

struct promql_text {
        const char *bytes; /* NUL-terminated beyond `length`; may hold NULs and bytes that are not UTF-8 */
        size_t length;
};

enum promql_match { PROMQL_IS, PROMQL_IS_NOT, PROMQL_MATCHES, PROMQL_MATCHES_NOT };

struct promql_matcher {
        const char *label;
        enum promql_match match;
        struct promql_text value;
};

struct promql_labels {
        bool given; /* "by ()" is given and empty */
        const char **names;
        size_t count;
};

enum promql_at { PROMQL_AT_NONE, PROMQL_AT_TIME, PROMQL_AT_START, PROMQL_AT_END };

/* A length of time.  What cannot be known without a query (step(), range()) has known = false. */
struct promql_duration {
        const struct promql_node *expression; /* NULL: not given; usually a PROMQL_NUMBER */
        bool known;
        int64_t ms;
};

/* anchored and smoothed: experimental modifiers of a range */
enum promql_edges { PROMQL_EDGES_PLAIN, PROMQL_EDGES_ANCHORED, PROMQL_EDGES_SMOOTHED };

enum promql_side { PROMQL_ONE_TO_ONE, PROMQL_GROUP_LEFT, PROMQL_GROUP_RIGHT };

struct promql_node {
        enum promql_kind kind;
        enum promql_type type;
        size_t start, end; /* bytes of the text, end exclusive */
        unsigned height;   /* 1 for a leaf */

        double number;           /* NUMBER; SIGN: -1 or 1 */
        bool duration;           /* NUMBER: written with units */
        struct promql_text text; /* TEXT */

        const char *name; /* SELECTOR: the metric's name, also when it was written {__name__="x"} or {"x"}, NULL when
                             there is none; CALL: the function; AGGREGATE: "sum", in lower case */
        struct promql_matcher *matchers; /* SELECTOR: without the one that gives `name` */
        size_t matcher_count;
        struct promql_duration range, step; /* SELECTOR, SUBQUERY (step not given: the server's default) */
        struct promql_duration offset;      /* SELECTOR, SUBQUERY; may be negative */
        enum promql_at at;
        double at_seconds;
        enum promql_edges edges;

        enum promql_operator op;              /* BINARY */
        bool bool_;                           /* BINARY: comparison that returns 0 or 1 */
        bool on;                              /* BINARY: on (labels); otherwise ignoring */
        struct promql_labels labels;          /* BINARY: on or ignoring; AGGREGATE: by or without */
        bool without;                         /* AGGREGATE */
        enum promql_side side;                /* BINARY */
        struct promql_labels include;         /* BINARY: labels of group_left or group_right */
        const double *fill_left, *fill_right; /* BINARY: experimental, NULL when not given */

        const struct promql_node **children; /* SUBQUERY, SIGN, BRACKETS: operand; BINARY: left, right; CALL: arguments;
                                                AGGREGATE: [parameter,] operand, which is always the last */
        size_t child_count;
};

struct promql {
        const struct promql_node *root;
        const char *text;         /* a copy */
        const char *experimental; /* the first feature used that needs a flag somewhere, NULL: none; static storage */
        bool since_3;             /* uses what no Prometheus 2.x reads: 5m as a number, quoted names ... */
        struct promql_arena *arena;
};

/* Parses and checks types.  REASON_PROTOCOL with "LINE:COLUMN: what" when it is not an expression. */
int promql_parse(const char *text, size_t length, struct promql **out, struct error *err)
        __attribute__((warn_unused_result));
void promql_free(struct promql *promql); /* NULL is fine */

/* The expression in one line in a form of its own: what two writings of one tree have in common.  Parses back to an
 * equal tree. */
void promql_print(const struct promql_node *node, struct buffer *out);

/* --- looking at trees ---------------------------------------------------------------------------------------- */

/* The node without brackets around it. */
const struct promql_node *promql_bare(const struct promql_node *node);

/* What an AGGREGATE, SUBQUERY or SIGN works on, without brackets; NULL for other kinds. */
const struct promql_node *promql_operand(const struct promql_node *node);

/* Calls `visit` for the node and everything below it, parents first, left to right, durations' expressions left out.
 * It returns 0 to go on, 1 to leave out what is below this node, -1 to end the walk (which then returns -1). */
typedef int (*promql_visit)(void *context, const struct promql_node *node);
int promql_walk(const struct promql_node *node, promql_visit visit, void *context);

/* Fills `out` with the selectors at and below the node, left to right; returns how many there are. */
size_t promql_selectors(const struct promql_node *node, const struct promql_node **out, size_t room);

/* True for a number, and for arithmetic, brackets, vector() and scalar() over numbers alone. */
bool promql_constant(const struct promql_node *node, double *value);

/* One comparison with a threshold, the threshold on the right whichever side it was written on. */
struct promql_comparison {
        const struct promql_node *node;    /* the BINARY */
        const struct promql_node *subject; /* without brackets */
        enum promql_operator op;           /* of subject op threshold: "5 < x" is x > 5 */
        double threshold;
        bool flipped; /* the threshold was on the left */
};

/* False unless the node (brackets aside) compares something that is not constant with a constant. */
bool promql_comparison(const struct promql_node *node, struct promql_comparison *out);

/* The parts of an expression joined by and, or, unless, in the order written: "a > 1 and b < 2 unless c" has three. */
enum promql_role { PROMQL_ALWAYS, PROMQL_EITHER, PROMQL_NEVER }; /* must hold; one of several; must not hold */
struct promql_part {
        const struct promql_node *node; /* without brackets */
        enum promql_role role;
};
size_t promql_parts(const struct promql_node *node, struct promql_part *out, size_t room);

/* The same expression but for brackets, the order of matchers and of label lists, and the writing of numbers. */
bool promql_equal(const struct promql_node *left, const struct promql_node *right);

/* Every matcher of `wide` stands in `narrow` as well and the names agree: `narrow` selects no other series. */
bool promql_covers(const struct promql_node *wide, const struct promql_node *narrow);

/* The matcher of a label, NULL when the selector has none (the first of several). */
const struct promql_matcher *promql_matcher(const struct promql_node *selector, const char *label);

#endif

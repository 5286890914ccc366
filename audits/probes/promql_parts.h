/* What the files of the PromQL parser share; everybody else reads promql.h. */
#ifndef ROUNDS_PROMQL_PARTS_H
#define ROUNDS_PROMQL_PARTS_H

#include "promql.h"

enum token_kind {
        TOKEN_END,
        TOKEN_WORD,     /* letters, digits, underscores */
        TOKEN_METRIC,   /* a word with colons */
        TOKEN_NUMBER,   /* Inf and NaN are words until a number is wanted */
        TOKEN_DURATION, /* 5m */
        TOKEN_STRING,
        TOKEN_SYMBOL, /* one or two characters, in `symbol` */
        TOKEN_BAD,    /* error already told */
};

struct token {
        enum token_kind kind;
        size_t start, end;
        char symbol[3];
        double number;           /* NUMBER; DURATION: seconds */
        struct promql_text text; /* STRING: unescaped; WORD and METRIC: as written */
};

/* Where words end differs: colons belong to a metric's name, but stand for themselves in braces and after a range. */
enum lexer_mode { LEXER_PLAIN, LEXER_BRACES, LEXER_RANGE };

struct promql_arena;

struct lexer {
        const char *text;
        size_t length, at;
        enum lexer_mode mode;
        struct promql_arena *arena;
        struct error *err;
        bool failed;
        bool since_3; /* something was read that 2.x does not know */
};

/* Reads the token at lexer->at and moves on.  TOKEN_BAD once an error was told. */
struct token lexer_next(struct lexer *lexer);

/* "LINE:COLUMN: ..." into lexer->err, the first time only.  Always returns -1. */
int lexer_fail(struct lexer *lexer, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Memory that lives as long as the tree, zeroed; NULL when the bound was met or memory ran out. */
void *promql_allocate(struct promql_arena *arena, size_t size);
char *promql_copy(struct promql_arena *arena, const char *bytes, size_t length);

/* Aligned growth of a list of pointers or structs in the arena: room for one more of `size` bytes at `count`. */
void *promql_grow(struct promql_arena *arena, void *list, size_t count, size_t size);

#define PROMQL_MANY 1000 /* arguments without an upper bound */

struct promql_function {
        const char *name;
        enum promql_type returns;
        unsigned least, most;
        enum promql_type arguments[5];
        bool experimental;
        bool since_3;
        unsigned kinds; /* where `most` is more than that: how many types are given, the last of which repeats */
};
const struct promql_function *promql_function_find(const char *name);

/* 0: no aggregation; otherwise how many arguments it takes. */
unsigned promql_aggregation(const char *name, enum promql_type *parameter, bool *experimental);

/* Types of a finished node whose children are already checked; -1 with the error told. */
int promql_check(struct lexer *lexer, struct promql_node *node);

/* A selector must not match the empty set of labels, and its regular expressions must be ones. */
int promql_check_selector(struct lexer *lexer, const struct promql_node *node);

/* The value of a constant duration expression, in seconds. */
bool promql_seconds(const struct promql_node *node, double *seconds);

bool promql_is_label(const char *name);  /* [a-zA-Z_][a-zA-Z0-9_]* */
bool promql_is_metric(const char *name); /* the same with colons */

#endif

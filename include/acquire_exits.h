/* What becomes of a connection that code takes: shared by the two files that follow it.
 *
 * acquire_paths.c finds the places, acquire_exits.c what gives back and what leaves the function before;
 * everything is borrowed from the parsed source. */
#ifndef ROUNDS_ACQUIRE_EXITS_H
#define ROUNDS_ACQUIRE_EXITS_H

#include "acquire_paths.h"

enum { ACQUIRE_TEXT = 120, RELEASES_MOST = 64 };

/* One place that takes something, while its function is looked through. */
struct taking {
        const struct javascript *source;
        const struct acquire_rule *rule;
        TSNode call, function, statement;
        TSNode variable; /* the name that holds the value; null when it is destructured */
        TSNode gives;    /* destructured: the function that gives it back */
        TSNode releases[RELEASES_MOST];
        size_t release_count;
        bool by_closure; /* given back inside a nested function: whoever calls that decides when */
        bool leaves;     /* the value leaves the function */
};

/* What came of it. */
struct outcome {
        const char *verdict;
        uint32_t leak_line, release_line;
        char leak[ACQUIRE_TEXT + 64];
};

/* Does the rule of the place name this as giving back? */
bool is_release_name(const struct taking *t, TSNode name);

/* Visits a node of the function after the place: notes what gives the value back and what lets it go.  For
 * javascript_walk(); always true. */
bool taking_look(void *context, TSNode node);

/* The verdict, once everything was visited. */
void verdict_find(const struct taking *t, struct outcome *out);

/* What is called, not with what: arguments may hold anything. */
void called_text(const struct javascript *source, TSNode node, char *text, size_t size);

#endif

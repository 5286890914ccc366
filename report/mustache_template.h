/* A compiled template: a flat list of nodes; a section's body is the nodes up to its `end`. */
#ifndef ROUNDS_MUSTACHE_TEMPLATE_H
#define ROUNDS_MUSTACHE_TEMPLATE_H

#include <stddef.h>

enum node_kind { NODE_TEXT, NODE_VARIABLE, NODE_RAW, NODE_SECTION, NODE_INVERTED, NODE_PARTIAL };

enum { NAME_PARTS = 12, NEST_DEEPEST = 64 };

struct node {
        enum node_kind kind;
        const char *text; /* of NODE_TEXT, into the source; of NODE_PARTIAL, the indentation before it */
        size_t length;
        char *name;                    /* owned; dots replaced by NULs */
        const char *parts[NAME_PARTS]; /* into `name` */
        size_t part_count;             /* 0: the implicit iterator "." */
        size_t end;                    /* of a section: the node after its last */
};

struct mustache {
        char *name, *source;
        struct node *nodes;
        size_t count, capacity;
};

#endif

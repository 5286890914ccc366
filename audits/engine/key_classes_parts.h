/* What the files of the key classes (key_classes*.c, key_patterns.c, key_tally.c) share among themselves; nobody else
 * includes this.
 */
#ifndef ROUNDS_KEY_CLASSES_PARTS_H
#define ROUNDS_KEY_CLASSES_PARTS_H

#include "key_classes.h"

enum {
        BUCKETS = 480, /* of 5 % each: from 1 ms to beyond a hundred years */
        NAME_CUT = 120,
        SEGMENTS_MOST = 8, /* of a name that are looked at for a pattern */
        NODES_MOST = 20000,
        TYPES_MOST = 12,
        LARGEST_TOLD = 5,
};

struct tally {
        uint64_t keys, without_ttl, sized;
        int64_t bytes, ttl_max_ms;
        uint32_t *buckets; /* of TTLs; NULL until the first one */
        char *example;     /* of a key without a TTL, else of any */
        bool example_lasts;
};

struct class {
        const char *name, *match;
        int64_t ttl_ms; /* bound; -1: none */
        bool expires;   /* false: its keys are meant to stay */
        uint64_t too_long;
        struct tally tally;
};

/* A place in names: the words that were met there, and what ended there. */
struct node {
        char *word; /* "<id>" for a variable */
        struct node *children, *next;
        int child_count;
        bool folded; /* every word here is a variable */
        struct tally tally;
};

struct large {
        char *name;
        int64_t bytes, ttl_ms;
};

struct type {
        char name[24];
        uint64_t keys;
        int64_t bytes;
        struct large rows[LARGEST_TOLD]; /* largest first */
        size_t count;
};

struct key_classes {
        struct class *classes;
        size_t class_count;
        struct node root;
        int nodes;
        struct type types[TYPES_MOST];
        size_t type_count;
        uint64_t keys, unclassified;
        int64_t bytes;
};

char *key_name_cut(const char *name, size_t length); /* new: as UTF-8, at most NAME_CUT bytes of it; NULL: no memory */

int tally_add(struct tally *tally, const struct key_seen *key);
void tally_merge(struct tally *into, struct tally *from); /* `from` is empty afterwards */
void tally_free(struct tally *tally);
json_t *tally_json(const struct tally *tally); /* new: what key_classes_json() tells of it */

json_t *large_json(const struct large *large); /* new: {name, bytes, ttl_ms} */

/* Adds a key to the pattern that its name is of. */
int pattern_add(struct key_classes *all, const struct key_seen *key);
json_t *patterns_json(const struct key_classes *all);
struct node *node_child_new(struct key_classes *all, struct node *node, const char *word, size_t length);
void node_free(struct key_classes *all, struct node *node); /* what is below and in it, not itself */

#endif

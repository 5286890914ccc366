/* Tests of PromQL: the corpus under tests/fixtures/promql, mutations of it, and what every tree must hold. */
#ifndef ROUNDS_SUPPORT_PROMQL_H
#define ROUNDS_SUPPORT_PROMQL_H

#include <stdint.h>

#include "promql.h"

struct corpus {
        char **lines;
        size_t count;
};

/* Reads every file, or the one of that name. */
void corpus_read(struct corpus *corpus, const char *only);
void corpus_free(struct corpus *corpus);

/* A number below `below`; the same for the same seed (which must not be 0). */
uint32_t chance(uint32_t *seed, uint32_t below);

/* `text` with one to three parts left out, doubled, swapped or replaced. */
void corpus_mutate(const char *text, uint32_t *seed, struct buffer *out);

/* The parsed text, or the test fails; the print of a node, malloc'd. */
struct promql *promql_parsed(const char *text);
char *promql_printed(const struct promql_node *node);

/* Printing and parsing again gives an equal tree and the same print, or the test fails. */
void promql_round_trip(const struct promql *promql);

#endif

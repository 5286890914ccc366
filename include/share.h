/* Shares seen in a sample, and how far the whole may differ from them. */
#ifndef ROUNDS_SHARE_H
#define ROUNDS_SHARE_H

#include "finding.h"

/* The 95 % interval of a share seen `hits` times in a sample of `n` (Wilson 1927), in percent. */
void share_interval(double hits, double n, double *low, double *high);

/* "12 of 40", or "12 of a sample of 40 (17 to 45 % of all)" when `n` are fewer than the `of` there are. */
const char *share_words(struct findings *findings, double hits, double n, double of);

#endif

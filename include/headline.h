/* The sentences on top of every report and of the terminal's summary: what changed, and whether to act. */
#ifndef ROUNDS_HEADLINE_H
#define ROUNDS_HEADLINE_H

#include <stddef.h>

#include "view.h"

enum tone { TONE_BAD, TONE_WARNING, TONE_UNKNOWN, TONE_GOOD };

#define HEADLINE_TEXT 400

/* "2 new and 1 worse; 5 still failing." into `text`, and how it is meant. */
enum tone headline_verdict(const struct view *view, char text[HEADLINE_TEXT]);

/* "1 SEV1, 2 SEV3" of the fails; "" when there are none. */
void headline_severities(const struct view *view, char text[HEADLINE_TEXT]);

/* A share of a hundred that is never rounded up: "99.9 %", "100 %". */
void percent_format(double percent, char text[16]);

/* 1234567 -> "1,234,567". */
#define COUNT_TEXT 32
void count_format(size_t count, char text[COUNT_TEXT]);

/* A target's name for people: a finding of an audit that joins several targets has none of its own. */
const char *target_words(const char *target);

/* What one finding is about, for people: "slot kaireon/analytics"; the target's name where it is the target itself. */
#define PLACE_TEXT 700
void place_format(const struct view_finding *finding, char text[PLACE_TEXT]);

/* The few findings to begin with: one per control and target, worst first, then what is new or worse, then the oldest.
 */
struct pick {
        const struct view_finding *finding;
        size_t more; /* others of the same control, target and severity */
};
size_t headline_first(const struct view *view, struct pick *picks, size_t most);

#endif

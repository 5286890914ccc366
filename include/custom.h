/* Controls of the user's own, written in configuration alone: one value, what is expected of it, how bad it is when it
 * is not.
 *
 * `custom:` of the configuration becomes one target of that name and kind, {"controls": [rule, ...]}; a rule is {id,
 * title, from {a value's source}, unit?, expect {...}, if_absent, severity, owner?, text?, remedy?}.  Findings carry
 * the rule's id as their control; ids have a prefix of their own, so that they never meet the catalogue's. */
#ifndef ROUNDS_CUSTOM_H
#define ROUNDS_CUSTOM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target.h"

extern const struct target_kind kind_custom;

/* Whether `value` fulfils every expectation of `expect` (checked: at_most, at_least, below, above, equals, not_equals,
 * matches, one_of, newer_than).  `unit` is that of a bare number (ms, s, m, h, B, KiB ...), NULL: none.  *holds says;
 * `words` (of `size` bytes) names what was expected.  False when it cannot be compared, with why (never the value). */
bool custom_holds(const json_t *expect, const json_t *value, const char *unit, int64_t now_ms, bool *holds, char *why,
                  size_t size);

/* "at most 5, and matches ^[a-z]": what a rule expects, for people. */
void custom_expected(const json_t *expect, char *text, size_t size);

/* False, with words, for an expectation that nothing could be held to. */
bool custom_expect_sound(const json_t *expect, char *why, size_t size);

/* The number in a value: as it is, or a duration (ms) or a size (bytes) with its unit; NAN when it is none. */
double custom_number(const json_t *value, const char *unit);

#endif

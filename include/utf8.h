/* UTF-8 that nobody vouched for: walked one well-formed sequence at a time (RFC 3629; table 3-7 of the Unicode
 * Standard). */
#ifndef ROUNDS_UTF8_H
#define ROUNDS_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* What stands in the place of bytes that are not UTF-8: U+FFFD. */
#define UTF8_REPLACEMENT      "\xEF\xBF\xBD"
#define UTF8_REPLACEMENT_RUNE 0xFFFDU

/* The length of the well-formed sequence at `bytes`, of which `left` are readable; 0 when there is none. */
size_t utf8_length(const char *bytes, size_t left);

/* The code point at `bytes` (left > 0) and how many bytes it took (at least 1): an ill-formed byte is U+FFFD, one byte.
 */
uint32_t utf8_decode(const char *bytes, size_t left, size_t *taken);

/* Writes a code point as UTF-8 and returns how many bytes; surrogates and values above U+10FFFF become U+FFFD. */
size_t utf8_encode(uint32_t rune, char bytes[4]);

#endif

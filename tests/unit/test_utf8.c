/* UTF-8: what is well formed, what is not, and how much of it is taken. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "utf8.h"

static const struct {
        const char *bytes;
        size_t length; /* 0: ill-formed */
        uint32_t rune;
} cases[] = {
        {"A", 1, 'A'},
        {"\x7F", 1, 0x7F},
        {"\xC2\x80", 2, 0x80},
        {"\xC3\xA9", 2, 0xE9},
        {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xED\x9F\xBF", 3, 0xD7FF},
        {"\xEF\xBF\xBF", 3, 0xFFFF},
        {"\xF0\x90\x80\x80", 4, 0x10000},
        {"\xF4\x8F\xBF\xBF", 4, 0x10FFFF},
        {"\x80", 0, 0},             /* a continuation alone */
        {"\xC0\x80", 0, 0},         /* overlong */
        {"\xC1\xBF", 0, 0},         /* overlong */
        {"\xE0\x9F\xBF", 0, 0},     /* overlong */
        {"\xED\xA0\x80", 0, 0},     /* a surrogate */
        {"\xF0\x8F\xBF\xBF", 0, 0}, /* overlong */
        {"\xF4\x90\x80\x80", 0, 0}, /* past the last code point */
        {"\xF5\x80\x80\x80", 0, 0},
        {"\xE2\x82", 0, 0}, /* cut short */
        {"\xE2\x28\xA1", 0, 0},
        {"\xFF", 0, 0},
};

static void
test_decode(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                size_t left = strlen(cases[i].bytes), taken = 0;
                uint32_t rune = utf8_decode(cases[i].bytes, left, &taken);

                assert_int_equal(utf8_length(cases[i].bytes, left), cases[i].length);
                assert_int_equal(rune, cases[i].length > 0 ? cases[i].rune : UTF8_REPLACEMENT_RUNE);
                assert_int_equal(taken, cases[i].length > 0 ? cases[i].length : 1);
        }
        assert_int_equal(utf8_length("", 0), 0);
}

static void
test_encode_returns_what_decode_read(void **state)
{
        (void)state;
        for (uint32_t rune = 0; rune <= 0x10FFFF; rune += rune < 0x3000 ? 1 : 251) {
                char bytes[4];
                size_t taken, length = utf8_encode(rune, bytes);
                uint32_t back = utf8_decode(bytes, length, &taken);

                assert_int_equal(taken, length);
                assert_int_equal(back, rune >= 0xD800 && rune <= 0xDFFF ? UTF8_REPLACEMENT_RUNE : rune);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decode),
                cmocka_unit_test(test_encode_returns_what_decode_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Texts kept once: equal texts at equal addresses, a cap that is kept, memory that is aligned. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "intern.h"
#include "scope.h"

static void
equal_texts(void **state)
{
        struct intern *intern = intern_new(64 << 20);
        const char *seen[2000];
        char text[32];

        (void)state;
        assert_non_null(intern);
        for (int i = 0; i < 2000; i++) {
                snprintf(text, sizeof text, "text %d", i);
                seen[i] = intern_text(intern, text);
                assert_string_equal(seen[i], text);
        }
        size_t bytes = intern_bytes(intern);
        for (int i = 0; i < 2000; i++) {
                snprintf(text, sizeof text, "text %d", i);
                assert_ptr_equal(intern_text(intern, text), seen[i]);
        }
        assert_int_equal(intern_bytes(intern), bytes);
        assert_string_equal(intern_text(intern, NULL), "");
        assert_ptr_not_equal(intern_copy(intern, "text 1"), seen[1]);
        assert_string_equal(intern_copy(intern, NULL), "");
        intern_free(intern);
}

static void
equal_values(void **state)
{
        struct intern *intern = intern_new(1 << 20);
        scoped_json one = json_loads("{\"b\": [1, null], \"a\": \"x\"}", 0, NULL);
        scoped_json other = json_loads("{\"a\":\"x\",\"b\":[1,null]}", 0, NULL);

        (void)state;
        assert_string_equal(intern_json(intern, one), "{\"a\":\"x\",\"b\":[1,null]}");
        assert_ptr_equal(intern_json(intern, one), intern_json(intern, other));
        assert_string_equal(intern_json(intern, NULL), "");
        assert_string_equal(intern_json(intern, json_null()), "");
        intern_free(intern);
}

static void
cap(void **state)
{
        struct intern *intern = intern_new(1000);

        (void)state;
        assert_non_null(intern_array(intern, 10, 64));
        assert_false(intern_failed(intern));
        assert_null(intern_array(intern, 10, 64));
        assert_true(intern_failed(intern));
        assert_null(intern_text(intern, "more"));
        intern_free(intern);
        intern = intern_new(1 << 20);
        assert_null(intern_array(intern, SIZE_MAX / 2, 16));
        assert_true(intern_failed(intern));
        intern_free(intern);
        intern_free(NULL);
}

static void
memory(void **state)
{
        struct intern *intern = intern_new(64 << 20);

        (void)state;
        for (size_t i = 1; i < 300; i++) {
                assert_non_null(intern_text(intern, "x"));
                char *room = intern_array(intern, i, 1000);
                assert_non_null(room);
                assert_int_equal((uintptr_t)room % _Alignof(max_align_t), 0);
                for (size_t j = 0; j < i * 1000; j++)
                        if (room[j] != 0)
                                fail_msg("not zero");
                memset(room, 'z', i * 1000);
        }
        assert_string_equal(intern_text(intern, "x"), "x");
        intern_free(intern);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(equal_texts), cmocka_unit_test(equal_values),
                                           cmocka_unit_test(cap), cmocka_unit_test(memory)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

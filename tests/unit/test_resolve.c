/* Addresses that are numbers already: no name server is asked, so the answer is there at once, whatever resolver the
 * machine has. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "resolve.h"

static void
test_numeric(void **state)
{
        static const struct {
                const char *host, *address;
        } rows[] = {{"127.0.0.1", "127.0.0.1"},
                    {"10.255.255.254", "10.255.255.254"},
                    {"::1", "::1"},
                    {"2001:DB8:0::1", "2001:db8::1"}};

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct deadline over = deadline_in(0, NULL); /* no time at all for a question */
                struct resolved out[4];
                struct error err = {0};
                size_t count = 0;
                if (resolve_name(rows[i].host, &over, out, 4, &count, &err) != 0)
                        fail_msg("%s: %s", rows[i].host, err.text);
                assert_int_equal(1, count);
                assert_string_equal(rows[i].address, out[0].address);
        }
}

/* The hosts file is read by c-ares itself. */
static void
test_localhost(void **state)
{
        struct deadline deadline = deadline_in(5000, NULL);
        struct resolved out[8];
        struct error err = {0};
        size_t count = 0;

        (void)state;
        if (resolve_name("localhost", &deadline, out, 8, &count, &err) != 0)
                fail_msg("%s", err.text);
        assert_true(count >= 1);
}

static void
test_no_time(void **state)
{
        struct deadline over = deadline_in(0, NULL);
        struct resolved out[4];
        struct error err = {0};
        size_t count = 0;

        (void)state;
        assert_int_equal(-1, resolve_name("name.invalid", &over, out, 4, &count, &err));
        assert_int_equal(0, count);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_numeric), cmocka_unit_test(test_localhost),
                                           cmocka_unit_test(test_no_time)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

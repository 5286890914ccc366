/* Which hosts a certificate names. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificate_rules.h"
#include "scope.h"

static void
hosts(void **state)
{
        static const struct {
                const char *name, *host;
                bool fits;
        } rows[] = {
                {"api.example", "api.example", true},
                {"API.example", "api.EXAMPLE", true},
                {"api.example", "www.example", false},
                {"api.example", "api.example.org", false},
                {"*.example", "api.example", true},
                {"*.example", "example", false},
                {"*.example", ".example", false},
                {"*.example", "a.b.example", false},
                {"*.example", "*.example", true},
                {"*.example", "*.b.example", false},
                {"*.b.example", "*.a.b.example", false},
                {"a*.example", "ab.example", false},
                {"*", "example", false},
                {"*.", "a.", true},
                {"", "", false},
                {"api.example", "", false},
                {"10.0.0.1", "10.0.0.1", true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                scoped_json certificate = json_pack("{s:[n, s], s:s}", "names", rows[i].name, "common_name",
                                                    "cn.example");
                if (certificate_names_host(certificate, rows[i].host) != rows[i].fits)
                        fail_msg("\"%s\" and \"%s\"", rows[i].name, rows[i].host);
                assert_false(certificate_names_host(certificate, "cn.other"));
        }
        assert_false(certificate_names_host(NULL, "api.example"));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(hosts)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

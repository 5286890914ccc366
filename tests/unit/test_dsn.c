/* Addresses of databases: what is taken out of them, and what never is. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dsn.h"

static void
addresses(void **state)
{
        static const struct {
                const char *text, *scheme, *host;
                double limit, timeout_s;
                bool pgbouncer, limit_unsound, timeout_unsound;
        } rows[] = {
                {"postgresql://u:p@pgbouncer:6432/db?connection_limit=20&pool_timeout=10", "postgresql", "pgbouncer",
                 20, 10, false, false, false},
                {"postgres://u:p@h/db", "postgres", "h", NAN, NAN, false, false, false},
                {"postgresql://h:5432/db?pgbouncer=true&connection_limit=1", "postgresql", "h", 1, NAN, true, false,
                 false},
                {"postgresql+asyncpg://u@h.example/db?pool_timeout=0", "postgresql+asyncpg", "h.example", NAN, 0, false,
                 false, false},
                {"jdbc:postgresql://a:5432,b:5432/db?user=x", "jdbc:postgresql", "a", NAN, NAN, false, false, false},
                {"postgresql://u:pa/ss@w@rd@h/db?connection_limit=5", "postgresql", "h", 5, NAN, false, false, false},
                {"postgresql://u:p@[2001:db8::1]:5432/db", "postgresql", "[2001:db8::1]", NAN, NAN, false, false,
                 false},
                {"postgresql://$(USER):$(PASS)@$(HOST)/db?connection_limit=$(LIMIT)", "postgresql", "", NAN, NAN, false,
                 true, false},
                {"postgresql://user:secret", "postgresql", "", NAN, NAN, false, false, false},
                {"postgresql://h/db?connection_limit=-3&pool_timeout=5s", "postgresql", "h", NAN, NAN, false, true,
                 true},
                {"postgresql://h/db?connection_limit=", "postgresql", "h", NAN, NAN, false, true, false},
                {"postgresql://h/db?xconnection_limit=4&connection_limits=4", "postgresql", "h", NAN, NAN, false, false,
                 false},
                {"\"postgresql://h/db?connection_limit=7\"", "postgresql", "h", 7, NAN, false, false, false},
                {"POSTGRES://h/db", "postgres", "h", NAN, NAN, false, false, false},
                {"postgresql://", "postgresql", "", NAN, NAN, false, false, false},
                {"postgresql:///db?connection_limit=2#x", "postgresql", "", 2, NAN, false, false, false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct dsn dsn;
                assert_true(dsn_parse(rows[i].text, &dsn));
                assert_string_equal(dsn.scheme, rows[i].scheme);
                assert_string_equal(dsn.host, rows[i].host);
                assert_true(isnan(rows[i].limit) ? isnan(dsn.limit) : dsn.limit == rows[i].limit);
                assert_true(isnan(rows[i].timeout_s) ? isnan(dsn.timeout_s) : dsn.timeout_s == rows[i].timeout_s);
                assert_int_equal(dsn.pgbouncer, rows[i].pgbouncer);
                assert_int_equal(dsn.limit_unsound, rows[i].limit_unsound);
                assert_int_equal(dsn.timeout_unsound, rows[i].timeout_unsound);
        }
}

static void
no_addresses(void **state)
{
        static const char *const texts[] = {
                "",         "host=db dbname=x password=y", "mysql://u:p@h/db", "https://x", "postgresqlx://h", "://h",
                "postgres", "redis://h?connection_limit=3"};
        struct dsn dsn;

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_false(dsn_parse(texts[i], &dsn));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(no_addresses)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

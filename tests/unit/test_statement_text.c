/* Statements without their values: what meets, what stays apart, what never shows. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "statement_text.h"

static const struct {
        const char *sql, *wanted;
} cases[] = {
        {"", ""},
        {"SELECT 1", "select ?"},
        {"  select\n\t$1 ;", "select ?"},
        {"SELECT * FROM t WHERE a=1", "select * from t where a = ?"},
        {"SELECT * FROM t WHERE a = $12", "select * from t where a = ?"},
        {"SELECT a.b, count(*) FROM s.\"Odd \"\"Name\"\"\" AS a",
         "select a.b, count(*) from s.\"Odd \"\"Name\"\"\" as a"},
        {"SELECT 'secret', E'it\\'s secret', N'secret', U&'secret', x'5ec', $$secret$$, $q$sec$ret$q$", "select ?"},
        {"SELECT 'a''secret' || name", "select ? || name"},
        {"SELECT $1::text, '5'::int", "select ?::text, ?::int"},
        {"SELECT 1.5, .5, 1e-9, 0x1F, 1_000", "select ?"},
        {"SELECT x1, t2.c3, e1 FROM e", "select x1, t2.c3, e1 from e"},
        {"SELECT a FROM t WHERE id IN ($1, $2, $3)", "select a from t where id in(?)"},
        {"SELECT a FROM t WHERE id IN ($1)", "select a from t where id in(?)"},
        {"INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4), ($5, $6)", "insert into t(a, b) values(?)"},
        {"SELECT a /* secret 'x' /* nested */ still */ FROM t -- secret", "select a from t"},
        {"SELECT a -- secret\nFROM t", "select a from t"},
        {"SELECT 'no end secret", "select ?"},
        {"SELECT a /* no end secret", "select a"},
        {"SELECT $tag$ no end secret", "select ?"},
        {"SELECT a FROM t WHERE j ->> 'secret' = 'x' AND k @> '{}'", "select a from t where j ->> ? = ? and k @> ?"},
        {"SELECT \"no end", "select \"no end"},
        {"SELECT a-- secret\n+b/* secret */*2", "select a + b * ?"},
        {"SELECT \xc3\xa9t\xc3\xa9 FROM \xc3\xbc", "select \xc3\xa9t\xc3\xa9 from \xc3\xbc"},
        {"SELECT '\\'", "select ?"},
        {"$", "$"},
};

static void
test_texts(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                scoped_buffer text = BUFFER_INIT(4096);
                assert_int_equal(0, buffer_text(&text, ""));
                assert_int_equal(0, statement_text(cases[i].sql, &text));
                const char *got = text.data != NULL ? text.data : "";
                if (strcmp(got, cases[i].wanted) != 0)
                        fail_msg("\"%s\" gave \"%s\", wanted \"%s\"", cases[i].sql, got, cases[i].wanted);
                if (strstr(got, "secret") != NULL)
                        fail_msg("\"%s\" shows a value: \"%s\"", cases[i].sql, got);
        }
}

/* Once taken, a text does not change when it is taken again; and no beginning of a statement makes it read past the end
 * (the sanitizers watch). */
static void
test_again(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                for (size_t length = 0; length <= strlen(cases[i].sql); length++) {
                        scoped_buffer once = BUFFER_INIT(4096), twice = BUFFER_INIT(4096);
                        char *beginning = strndup(cases[i].sql, length);
                        assert_int_equal(0, statement_text(beginning, &once));
                        assert_int_equal(0, statement_text(once.data != NULL ? once.data : "", &twice));
                        assert_string_equal(once.data != NULL ? once.data : "", twice.data != NULL ? twice.data : "");
                        free(beginning);
                }
        }
}

static void
test_full(void **state)
{
        scoped_buffer text = BUFFER_INIT(8);

        (void)state;
        assert_int_equal(-1, statement_text("SELECT a FROM somewhere", &text));
}

static void
test_plans(void **state)
{
        static const struct {
                const char *text;
                bool has;
        } rows[] = {{"select ?", true},
                    {"(select ?)", true},
                    {"with x as(select ?) select ?", true},
                    {"values(?)", true},
                    {"selects", false},
                    {"alter role x", false},
                    {"explain select ?", false},
                    {"", false},
                    {"delete from t", true},
                    {"merge into t", true},
                    {"declare c cursor for select ?", false}};

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                if (statement_has_plan(rows[i].text) != rows[i].has)
                        fail_msg("\"%s\"", rows[i].text);
        }
}

/* printf 'select ?' | sha256sum */
static void
test_ids(void **state)
{
        char id[STATEMENT_ID];

        (void)state;
        statement_id("select ?", id);
        assert_string_equal("e1c71d1661ae46e0", id);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_again),
                                           cmocka_unit_test(test_full), cmocka_unit_test(test_plans),
                                           cmocka_unit_test(test_ids)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

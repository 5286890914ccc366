/* RFC 4180, its edges, and what is not it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "scope.h"

/* What reading `text` gives: fields in [], lines as N:, mistakes as !N. */
static void
assert_reads(const char *text, size_t length, const char *wanted)
{
        scoped(scope_fclose) FILE *stream = fmemopen((void *)(uintptr_t)text, length, "r");
        scoped(scope_free) struct csv *csv = malloc(sizeof *csv);
        struct error err = {0};
        char got[4000] = "";
        int result;

        csv_start(csv, stream);
        for (int i = 0; (result = csv_next(csv, &err)) != 0; i++) {
                size_t at = strlen(got);
                assert_true(i < 100);
                at += (size_t)snprintf(got + at, sizeof got - at, result < 0 ? "!%zu" : "%zu:", csv->line);
                for (size_t k = 0; result > 0 && k < csv->count; k++)
                        at += (size_t)snprintf(got + at, sizeof got - at, "[%.40s]", csv->fields[k]);
                snprintf(got + at, sizeof got - at, " ");
        }
        if (strcmp(got, wanted) != 0)
                fail_msg("read %s, wanted %s", got, wanted);
}

static const struct {
        const char *text, *wanted;
} cases[] = {
        {"a,b\nc,d\n", "1:[a][b] 2:[c][d] "},
        {"a,b\r\nc,d", "1:[a][b] 2:[c][d] "},
        {"\xEF\xBB\xBF"
         "a,b\n",
         "1:[a][b] "},
        {",\n,,\n", "1:[][] 2:[][][] "},
        {"\n\na\n\n", "3:[a] "},
        {"\"a,b\",\"c\"\"d\",\"\"\n", "1:[a,b][c\"d][] "},
        {"\"two\nlines\",x\ny\n", "1:[two\nlines][x] 3:[y] "},
        {"a b, c \n", "1:[a b][ c ] "},
        {"a\"b\nc\n", "!1 2:[c] "},
        {"\"a\"b\nc\n", "!1 2:[c] "},
        {"\"a\"\"\nc\n", "!1 "},
        {"a\rb\nc\n", "!1 2:[c] "},
        {"\"a", "!1 "},
        {"", ""},
};

static void
test_records(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                if (cases[i].text[0] != '\0')
                        assert_reads(cases[i].text, strlen(cases[i].text), cases[i].wanted);
        }
        assert_reads("a\0b\nc\n", 6, "!1 2:[c] ");
}

static void
test_bounds(void **state)
{
        static char text[3 * CSV_FIELD];

        (void)state;
        memset(text, 'x', sizeof text);
        memcpy(text + CSV_FIELD + 1, "\nc\n", 3);
        assert_reads(text, CSV_FIELD + 4, "!1 2:[c] ");
        memset(text, ',', CSV_FIELDS);
        memcpy(text + CSV_FIELDS, "\nc\n", 3);
        assert_reads(text, CSV_FIELDS + 3, "!1 2:[c] ");
        memset(text, '"', CSV_FIELD);
        assert_reads(text, CSV_FIELD - 1, "!1 ");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_records), cmocka_unit_test(test_bounds)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

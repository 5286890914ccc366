/* PromQL: a corpus that must parse and come back the same, a table that must not, and what the tree says.
 *
 * With arguments this program is the other half of tests/integration/promql.test.sh:
 *   --verdicts FILE            one line for each expression: "ok", "ok3" (only since 3.0) or "no", a tab, the error
 *   --mutations SEED COUNT     expressions of the corpus with parts left out, doubled, swapped and replaced */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"
#include "support_promql.h"

static void
test_corpus(void **state)
{
        struct corpus corpus = {.count = 0};

        (void)state;
        corpus_read(&corpus, NULL);
        assert_true(corpus.count >= 700);
        for (size_t i = 0; i < corpus.count; i++) {
                struct promql *promql = promql_parsed(corpus.lines[i]);

                promql_round_trip(promql);
                promql_free(promql);
        }
        corpus_free(&corpus);
}

static void
test_corpus_of_version_3(void **state)
{
        struct corpus corpus = {.count = 0};

        (void)state;
        corpus_read(&corpus, "prometheus-3.txt");
        assert_true(corpus.count >= 40);
        for (size_t i = 0; i < corpus.count; i++) {
                struct promql *promql = promql_parsed(corpus.lines[i]);

                if (strncmp(corpus.lines[i], "fill + ", 7) != 0 && !promql->since_3)
                        fail_msg("%s: not marked as new", corpus.lines[i]);
                promql_free(promql);
        }
        corpus_free(&corpus);
}

static const struct {
        const char *text, *error; /* a part of it, position included where it matters */
} refused[] = {
        {"", "1:1: the expression ends where an operand should follow"},
        {"# only a comment", "the expression ends"},
        {"foo bar", "1:5: \"bar\" stands where an operator or the end should"},
        {"foo\n  + + )", "2:7: \")\" stands where an operand should"},
        {"1 == 1", "1:1: a comparison of two scalars needs bool"},
        {"1 + bool 1", "bool goes with comparisons only"},
        {"foo and 1", "\"and\" works on instant vectors"},
        {"1 or 2", "\"or\" works on instant vectors"},
        {"foo + \"a\"", "1:7: \"+\" works on scalars and instant vectors, not on a string"},
        {"foo[5m] > 1", "1:1: \">\" works on scalars and instant vectors, not on a range vector"},
        {"foo + on(a) 1", "matching labels needs an instant vector on both sides"},
        {"foo + group_left bar", "\"group_left\" stands where an operand should"},
        {"foo or on(a) group_left bar", "\"or\" takes no group_left or group_right"},
        {"foo + on(a) group_left(a) bar", "label \"a\" stands in on and in group at once"},
        {"foo and fill(0) bar", "\"and\" takes no fill"},
        {"foo + fill(0) fill_left(1) bar", "\"fill_left\" stands where an operand should"},
        {"sum()", "sum takes 1 argument, not 0"},
        {"sum(a, b)", "sum takes 1 argument, not 2"},
        {"sum(a[5m])", "1:5: sum takes an instant vector, not a range vector"},
        {"topk(foo, foo)", "1:6: topk takes a scalar, not an instant vector"},
        {"count_values(1, foo)", "count_values takes a string, not a scalar"},
        {"sum by (a) (foo) by (b)", "1:18: \"by\" stands"},
        {"sum by (a:b) (foo)", "1:9: \"a:b\" stands where a label should"},
        {"sum by (a (foo)", "stands where \",\" should"},
        {"rate(foo)", "1:6: rate takes a range vector, not an instant vector"},
        {"rate(foo[5m], 1)", "rate() takes 1 argument, not 2"},
        {"rate(foo[5m],)", "\")\" stands where an operand should"},
        {"round()", "round() takes 1 to 2 arguments, not 0"},
        {"label_join(foo, \"a\")", "label_join() takes at least 3 arguments, not 2"},
        {"label_join(foo, \"a\", \",\", b)", "label_join takes a string"},
        {"histogram_quantiles(x, \"q\")", "histogram_quantiles() takes 3 to 12 arguments"},
        {"histogram_quantiles(x, \"q\", \"p\")", "histogram_quantiles takes a scalar"},
        {"sort_by_label(foo, 1)", "sort_by_label takes a string"},
        {"unknown(foo)", "1:1: there is no function \"unknown\""},
        {"RATE(foo[5m])", "there is no function \"RATE\""},
        {"{}", "a selector needs a name or a matcher"},
        {"{job=~\".*\"}", "a selector needs a name or a matcher"},
        {"{a!=\"x\", b=\"\"}", "a selector needs a name or a matcher"},
        {"foo{__name__=\"bar\"}", "the metric's name is given twice"},
        {"{\"foo\", \"bar\"}", "1:9: the metric's name is given twice"},
        {"foo{\"bar\"}", "the metric's name is given twice"},
        {"foo{a}", "1:6: \"}\" stands where =, !=, =~ or !~ should"},
        {"foo{a=b}", "\"b\" stands where a string should"},
        {"foo{a=\"b\" c=\"d\"}", "stands where \",\" should"},
        {"foo{,}", "\",\" stands where a label should"},
        {"foo{a=~\"[\"}", "the regular expression of \"a\""},
        {"foo{a=~\"(?=x)\"}", "a group that RE2 does not have"},
        {"foo{a=~\"(x)\\\\1\"}", "an escape that RE2 does not have"},
        {"foo{a=~\"x{1001}\"}", "more than 1000 repetitions"},
        {"on{}", "1:1: \"on\" stands where an operand should"},
        {"foo[5m", "the expression ends where \"]\" should follow"},
        {"foo[]", "\"]\" stands where a duration should"},
        {"foo[0s]", "1:5: a duration must be greater than 0"},
        {"foo[0.0001]", "a duration must be greater than 0"},
        {"foo[-5m]", "a duration must be greater than 0"},
        {"foo[5m - 5m]", "a duration must be greater than 0"},
        {"foo[300y]", "not a duration"},
        {"foo[1h1d]", "1:5: not a duration: units run from y"},
        {"foo[1h1h]", "not a duration"},
        {"foo[5m][5m]", "a range may follow a selector only"},
        {"foo[5m][5m:]", "a subquery works on an instant vector, not on a range vector"},
        {"1[5m:]", "a subquery works on an instant vector, not on a scalar"},
        {"(foo)[5m]", "a range may follow a selector only"},
        {"foo offset 5m[5m]", "offset and @ follow the range"},
        {"sum(foo) offset 5m", "1:10: offset may follow a selector or a subquery only"},
        {"foo offset 5m offset 5m", "offset is given twice"},
        {"foo offset --5m", "\"-\" stands where a duration should"},
        {"foo @ 1 @ 2", "@ is given twice"},
        {"foo @ Inf", "\"Inf\" stands where a time in seconds"},
        {"foo @ 1e20", "a time out of bounds"},
        {"-foo[5m]", "a sign goes with a scalar or an instant vector"},
        {"+\"a\"", "a sign goes with"},
        {"\"open", "1:1: a string that does not end"},
        {"\"a\nb\"", "a string that does not end"},
        {"\"\\q\"", "an unknown escape"},
        {"\"\\ud800\"", "an unknown escape"},
        {"\"\\400\"", "an unknown escape"},
        {"'\\\"'", "an unknown escape"},
        {"1__0", "not a number"},
        {"1_", "not a number"},
        {"0xg", "not a number"},
        {"0x8000000000000000", "not a number"},
        {"1e999", "not a number"},
        {"1foo", "not a number"},
        {"5mm", "not a duration"},
        {"foo;", "1:4: a character that has no meaning here"},
        {"f\xC3\xB6\xC3\xB6", "a character that has no meaning here"},
        {"\"\xFF\"", "1:2: not UTF-8"},
        {"((foo)", "the expression ends where \")\" should follow"},
        {"foo)", "stands where an operator or the end should"},
        {"info(x, x + y)", "info() takes matchers in braces"},
};

static void
test_refused(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                struct promql *promql = NULL;
                struct error err = {.text = ""};

                if (promql_parse(refused[i].text, strlen(refused[i].text), &promql, &err) == 0)
                        fail_msg("%s is accepted", refused[i].text);
                assert_int_equal(err.reason, REASON_PROTOCOL);
                if (strstr(err.text, refused[i].error) == NULL)
                        fail_msg("%s\nsays   %s\nwanted %s", refused[i].text, err.text, refused[i].error);
        }
}

/* The tree in brackets: what binds to what. */
static void
shape(const struct promql_node *node, struct buffer *out)
{
        if (node->kind == PROMQL_BINARY) {
                buffer_char(out, '(');
                shape(node->children[0], out);
                buffer_format(out, " %s ", promql_operator_text(node->op));
                shape(node->children[1], out);
                buffer_char(out, ')');
        } else if (node->kind == PROMQL_SIGN) {
                buffer_text(out, node->number < 0 ? "(-" : "(+");
                shape(node->children[0], out);
                buffer_char(out, ')');
        } else {
                promql_print(node, out);
        }
}

static void
test_binding(void **state)
{
        static const char *const cases[][2] = {
                {"a + b * c", "(a + (b * c))"},
                {"a * b + c", "((a * b) + c)"},
                {"a - b - c", "((a - b) - c)"},
                {"a ^ b ^ c", "(a ^ (b ^ c))"},
                {"-a ^ b", "(-(a ^ b))"},
                {"-a * b", "((-a) * b)"},
                {"a ^ -b * c", "((a ^ (-b)) * c)"},
                {"2 ^ -1 ^ 2", "(2 ^ (-(1 ^ 2)))"},
                {"a > b + c", "(a > (b + c))"},
                {"a > 1 and b < 2 or c == 3", "(((a > 1) and (b < 2)) or (c == 3))"},
                {"a or b and c unless d", "(a or ((b and c) unless d))"},
                {"a atan2 b + c", "((a atan2 b) + c)"},
                {"a == bool b != bool c", "((a == b) != c)"},
                {"a + b offset 5m", "(a + b offset 5m)"},
                {"a + b[5m:1m]", NULL},
                {"1 + 2 # and so on", "(1 + 2)"},
                {"sum(a) by (x) / sum(b)", "(sum by (x) (a) / sum(b))"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                scoped_buffer out = BUFFER_INIT(4096);
                struct promql *promql = NULL;
                struct error err;

                if (cases[i][1] == NULL) {
                        assert_int_equal(promql_parse(cases[i][0], strlen(cases[i][0]), &promql, &err), -1);
                        continue;
                }
                promql = promql_parsed(cases[i][0]);
                shape(promql->root, &out);
                assert_string_equal(out.data, cases[i][1]);
                promql_free(promql);
        }
}

static void
test_values(void **state)
{
        static const struct {
                const char *text;
                double value;
        } cases[] = {
                {"0x1F", 31},
                {"017", 15},
                {"08", 8},
                {"1_000", 1000},
                {".5", 0.5},
                {"5.", 5},
                {"1e3", 1000},
                {"1E-3", 0.001},
                {"5m", 300},
                {"1h30m", 5400},
                {"1d2ms", 86400.002},
                {"1y", 31536000},
                {"-2 ^ 2", -4},
                {"2 ^ 3 ^ 2", 512},
                {"7 % 4", 3},
                {"86400 * 30", 2592000},
                {"(1 + 2) / 4", 0.75},
                {"vector(5)", 5},
                {"scalar(vector(2)) * 3", 6},
                {"1 - -1", 2},
        };
        double value;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct promql *promql = promql_parsed(cases[i].text);

                assert_true(promql_constant(promql->root, &value));
                if (value != cases[i].value)
                        fail_msg("%s is %g", cases[i].text, value);
                promql_free(promql);
        }
        {
                struct promql *promql = promql_parsed("-Inf + NaN");

                assert_true(promql_constant(promql->root, &value));
                assert_true(isnan(value));
                promql_free(promql);
        }
}

static void
test_strings(void **state)
{
        static const struct {
                const char *text, *value;
                size_t length;
        } cases[] = {
                {"\"a\\n\\t\\\\b\"", "a\n\t\\b", 5},
                {"'it\\'s'", "it's", 4},
                {"`raw \\n \"'`", "raw \\n \"'", 9},
                {"\"\\x41\\101\\u00e9\\U0001F600\"", "AA\xC3\xA9\xF0\x9F\x98\x80", 8},
                {"\"nul \\x00 and \\xff\"", "nul \0 and \xFF", 11},
                {"\"\"", "", 0},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct promql *promql = promql_parsed(cases[i].text);

                assert_int_equal(promql->root->kind, PROMQL_TEXT);
                assert_int_equal(promql->root->text.length, cases[i].length);
                assert_memory_equal(promql->root->text.bytes, cases[i].value, cases[i].length);
                promql_round_trip(promql);
                promql_free(promql);
        }
}

/* Whatever the size and the nesting, an answer: never a crash, never a stack that runs out. */
static void
test_bounds(void **state)
{
        static const char *const repeated[] = {"(",  "-",       "sum(",     "a + ", "foo[",  "a ^ ",       "{a=\"",
                                               "1,", "a[1m:] ", "foo[5m:(", "[",    "a or ", "foo offset "};
        char *text = malloc(PROMQL_TEXT_LIMIT + 2);

        (void)state;
        for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
                size_t step = strlen(repeated[i]), length = 0;
                struct promql *promql = NULL;
                struct error err;

                while (length + step + 1 < PROMQL_TEXT_LIMIT) {
                        memcpy(text + length, repeated[i], step);
                        length += step;
                }
                text[length++] = 'x';
                assert_int_equal(promql_parse(text, length, &promql, &err), -1);
                assert_true(strlen(err.text) > 0);
        }
        {
                struct promql *promql = NULL;
                struct error err;

                memset(text, ' ', PROMQL_TEXT_LIMIT + 1);
                assert_int_equal(promql_parse(text, PROMQL_TEXT_LIMIT + 1, &promql, &err), -1);
                assert_int_equal(promql_parse("a\0b", 3, &promql, &err), -1);
        }
        free(text);
        {
                /* What real rules are made of stays far below: a hundred alternatives. */
                struct buffer out = BUFFER_INIT(65536);
                struct promql *promql;

                for (int i = 0; i < 200; i++)
                        buffer_format(&out, "%sfoo{i=\"%d\"}", i > 0 ? " or " : "", i);
                promql = promql_parsed(out.data);
                promql_round_trip(promql);
                promql_free(promql);
                buffer_free(&out);
        }
}

static void
test_mutations(void **state)
{
        struct corpus corpus = {.count = 0};
        struct buffer out = BUFFER_INIT(1 << 20);
        uint32_t seed = 2463534242;
        size_t accepted = 0;

        (void)state;
        corpus_read(&corpus, NULL);
        for (int i = 0; i < 20000; i++) {
                struct promql *promql = NULL;
                struct error err;

                corpus_mutate(corpus.lines[chance(&seed, (uint32_t)corpus.count)], &seed, &out);
                if (promql_parse(out.data != NULL ? out.data : "", out.length, &promql, &err) != 0)
                        continue;
                accepted++;
                promql_round_trip(promql);
                promql_free(promql);
        }
        assert_true(accepted > 200);
        buffer_free(&out);
        corpus_free(&corpus);
}

static int
verdicts(const char *path)
{
        FILE *file = fopen(path, "r");
        char *line = NULL;
        size_t size = 0;
        ssize_t got;

        if (file == NULL)
                return 1;
        while ((got = getline(&line, &size, file)) > 0) {
                struct promql *promql = NULL;
                struct error err = {.text = ""};

                line[--got] = '\0';
                if (promql_parse(line, (size_t)got, &promql, &err) != 0)
                        printf("no\t%s\n", err.text);
                else
                        printf("%s\t\n", promql->since_3 ? "ok3" : "ok");
                promql_free(promql);
        }
        free(line);
        fclose(file);
        return 0;
}

static int
mutations(uint32_t seed, long count)
{
        struct corpus corpus = {.count = 0};
        struct buffer out = BUFFER_INIT(1 << 20);

        corpus_read(&corpus, NULL);
        for (long i = 0; i < count && corpus.count > 0; i++) {
                corpus_mutate(corpus.lines[chance(&seed, (uint32_t)corpus.count)], &seed, &out);
                if (out.length > 0)
                        printf("%s\n", out.data);
        }
        buffer_free(&out);
        corpus_free(&corpus);
        return 0;
}

int
main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_corpus),  cmocka_unit_test(test_corpus_of_version_3),
                cmocka_unit_test(test_refused), cmocka_unit_test(test_binding),
                cmocka_unit_test(test_values),  cmocka_unit_test(test_strings),
                cmocka_unit_test(test_bounds),  cmocka_unit_test(test_mutations),
        };

        if (argc == 3 && strcmp(argv[1], "--verdicts") == 0)
                return verdicts(argv[2]);
        if (argc == 4 && strcmp(argv[1], "--mutations") == 0)
                return mutations((uint32_t)strtoul(argv[2], NULL, 10) * 2 + 1, strtol(argv[3], NULL, 10));
        return cmocka_run_group_tests(tests, NULL, NULL);
}

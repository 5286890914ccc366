/* Kubernetes quantities and label selectors. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kubernetes.h"
#include "scope.h"

static void
quantities(void **state)
{
        static const struct {
                const char *text;
                double value;
        } rows[] = {{"0", 0},
                    {"1", 1},
                    {"250m", 0.25},
                    {"1.5", 1.5},
                    {".5", 0.5},
                    {"5.", 5},
                    {"100n", 1e-7},
                    {"7u", 7e-6},
                    {"2k", 2000},
                    {"1Ki", 1024},
                    {"1.5Gi", 1.5 * 0x1p30},
                    {"128974848", 128974848.0},
                    {"129e6", 129e6},
                    {"129M", 129e6},
                    {"1E", 1e18},
                    {"1Ei", 0x1p60},
                    {"3e-2", 0.03},
                    {"-4Mi", -4194304.0},
                    {"+2", 2},
                    {"", NAN},
                    {"m", NAN},
                    {"1 Gi", NAN},
                    {"1gi", NAN},
                    {"1Kib", NAN},
                    {"0x10", NAN},
                    {"1e", NAN},
                    {"1.2.3", NAN},
                    {"nan", NAN}};

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                scoped_json text = json_string(rows[i].text);
                double got = kubernetes_quantity(text);
                if (isnan(rows[i].value) ? !isnan(got) : fabs(got - rows[i].value) > 1e-9 * fabs(rows[i].value))
                        fail_msg("\"%s\" became %g", rows[i].text, got);
        }
        assert_true(isnan(kubernetes_quantity(NULL)));
        scoped_json number = json_integer(3);
        assert_true(kubernetes_quantity(number) == 3);
}

static void
selectors(void **state)
{
        static const struct {
                const char *selector;
                bool selects;
        } rows[] = {
                {"{}", true},
                {"null", false},
                {"[]", false},
                {"{\"matchLabels\":{\"app\":\"api\"}}", true},
                {"{\"matchLabels\":{\"app\":\"worker\"}}", false},
                {"{\"matchLabels\":{\"app\":\"api\",\"tier\":\"x\"}}", false},
                {"{\"matchLabels\":{\"app\":1}}", false},
                {"{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"In\",\"values\":[\"a\",\"api\"]}]}", true},
                {"{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"NotIn\",\"values\":[\"api\"]}]}", false},
                {"{\"matchExpressions\":[{\"key\":\"none\",\"operator\":\"NotIn\",\"values\":[\"api\"]}]}", true},
                {"{\"matchExpressions\":[{\"key\":\"none\",\"operator\":\"Exists\"}]}", false},
                {"{\"matchExpressions\":[{\"key\":\"none\",\"operator\":\"DoesNotExist\"}]}", true},
                {"{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Sounds\"}]}", false},
        };
        scoped_json labels = json_pack("{s:s, s:s}", "app", "api", "zone", "a");

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                scoped_json selector = json_loads(rows[i].selector, JSON_DECODE_ANY, NULL);
                if (kubernetes_selects(selector, labels) != rows[i].selects)
                        fail_msg("%s", rows[i].selector);
        }
        assert_false(kubernetes_selects(NULL, labels));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(quantities), cmocka_unit_test(selectors)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

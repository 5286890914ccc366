/* Two writings of an alert: the same, looser, stricter, or about something else. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "alert_shape.h"
#include "support_promql.h"

#define MINUTE 60000

/* --- a world: some recorded series, a single Redis, two namespaces ------------------------------------------------ */

static struct promql *recording; /* of job:errors:ratio5m */

static const struct promql_node *
recorded(void *context, const char *name)
{
        (void)context;
        return strcmp(name, "job:errors:ratio5m") == 0 ? recording->root : NULL;
}

static long
series(void *context, const struct promql_node *selector)
{
        (void)context;
        return strncmp(selector->name, "redis_", 6) == 0 ? 1 : 9;
}

static int
narrows(void *context, const struct promql_node *selector, const struct promql_matcher *matcher)
{
        (void)context;
        (void)selector;
        return strcmp(matcher->label, "env") != 0;
}

static bool
is_place(void *context, const char *label)
{
        (void)context;
        return strcmp(label, "job") == 0;
}

static const struct alert_world world = {
        .recorded = recorded, .series = series, .narrows = narrows, .is_place = is_place};

static const char P99[] = "histogram_quantile(0.99, rate(lat_ms_bucket[5m])) > 200";
static const char MEMORY[] = "redis_used / redis_max > 0.9";
static const char POOL[] = "pool_active / pool_max > 0.9";
static const char DEPTH[] = "sum(depth) > 100";
static const char ERRORS[] = "sum(rate(req_total{status=~\"5..\"}[5m])) / sum(rate(req_total[5m])) > 0.01";
static const char EXPIRY[] = "(not_after - time()) < 604800";
static const char FAILED[] = "rate(failed_total[5m]) * 60 > 10";
static const char PRESSURE[] = "cond{condition=\"Memory\", status=\"true\"} == 1";

#define OTHER  ALERT_OTHER
#define LOOSER ALERT_LOOSER
#define ENOUGH ALERT_ENOUGH

static const struct {
        const char *wanted, *rule;
        int hold_minutes; /* the wanted one is 5 */
        enum alert_standing standing;
        unsigned notes;
} cases[] = {
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket[5m])) > 200", 5, ENOUGH, 0},
        {P99, "200 < histogram_quantile(0.99, sum by (le, pod) (rate(lat_ms_bucket[1m])))", 3, ENOUGH, 0},
        {P99, "histogram_quantile(0.99, sum(rate(lat_seconds_bucket[5m])) by (le)) > 0.2", 5, ENOUGH, 0},
        {P99, "histogram_quantile(0.99, sum by (le) (rate(lat_seconds_bucket[5m]))) * 1000 > 250", 5, LOOSER,
         ALERT_THRESHOLD},
        {P99, "histogram_quantile(0.999, rate(lat_ms_bucket[5m])) > 150", 5, ENOUGH, ALERT_STRICTER},
        {P99, "histogram_quantile(0.95, rate(lat_ms_bucket[5m])) > 200", 5, LOOSER, ALERT_QUANTILE},
        {P99, "histogram_quantile(0.99, rate(lat_ms[5m])) > 200", 5, ENOUGH, 0},
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket[1h])) > 200", 5, LOOSER, ALERT_WINDOW},
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket[5m])) > 200", 10, LOOSER, ALERT_HOLD},
        {P99, "histogram_quantile(0.99, rate(other_ms_bucket[5m])) > 200", 5, OTHER, 0},
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket[5m])) < 200", 5, OTHER, 0},
        {P99, "rate(lat_ms_sum[5m]) / rate(lat_ms_count[5m]) > 200", 5, OTHER, 0},
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket{job=\"api\"}[5m])) > 200", 5, ENOUGH, 0},
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket{env=\"prod\"}[5m])) > 200", 5, ENOUGH, 0},
        {P99, "histogram_quantile(0.99, rate(lat_ms_bucket{channel=\"web\"}[5m])) > 200", 5, LOOSER, ALERT_NARROWED},

        {MEMORY, "redis_used > 0.9 * redis_max", 5, ENOUGH, 0},
        {MEMORY, "redis_max * 0.9 < redis_used", 5, ENOUGH, 0},
        {MEMORY, "100 * redis_used / redis_max > 90", 5, ENOUGH, 0},
        {MEMORY, "redis_used / redis_max * 100 > 80", 5, ENOUGH, ALERT_STRICTER},
        {MEMORY, "redis_used / redis_max > 90", 5, LOOSER, ALERT_THRESHOLD | ALERT_PERCENT | ALERT_IMPOSSIBLE},
        {MEMORY, "1 - (redis_max - redis_used) / redis_max > 0.9", 5, ENOUGH, 0},
        {MEMORY, "(redis_max - redis_used) / redis_max < 0.1", 5, ENOUGH, 0},
        {MEMORY, "redis_max - redis_used < 0.1 * redis_max", 5, ENOUGH, 0},
        {MEMORY, "redis_max / redis_used < 1 / 0.9", 5, ENOUGH, 0},
        {MEMORY, "redis_used / redis_max > 0.9 and redis_max > 0", 5, ENOUGH, 0},
        {MEMORY, "redis_used / redis_max > 0.9 and up == 1", 5, LOOSER, ALERT_CONDITION},
        {MEMORY, "redis_used / redis_max > 0.9 unless on () maintenance == 1", 5, ENOUGH, ALERT_UNLESS},
        {MEMORY, "redis_used / redis_max > 0.9 or up == 0", 5, ENOUGH, 0},
        {MEMORY, "(redis_used / redis_max) > bool 0.9", 5, ENOUGH, ALERT_ALWAYS},
        {MEMORY, "count(redis_used / redis_max > 0.9) > 0", 5, ENOUGH, 0},
        {MEMORY, "sum(redis_used / redis_max > bool 0.9) >= 1", 5, ENOUGH, 0},
        {MEMORY, "max by (pod) (redis_used / redis_max) > 0.9", 5, ENOUGH, 0},
        {MEMORY, "sum(redis_used) / sum(redis_max) > 0.9", 5, ENOUGH, 0}, /* there is one */
        {MEMORY, "min_over_time((redis_used / redis_max)[5m:]) > 0.9", 0, ENOUGH, 0},
        {MEMORY, "redis_used > 90", 5, OTHER, 0},
        {MEMORY, "redis_used", 5, OTHER, 0},
        {MEMORY, "redis_used / redis_max * on (pod) group_left (node) kube_pod_info > 0.9", 5, ENOUGH, 0},
        {POOL, "sum(pool_active) / sum(pool_max) > 0.9", 5, LOOSER, ALERT_TOGETHER},
        {POOL, "avg(pool_active / pool_max) > 0.9", 5, LOOSER, ALERT_TOGETHER},
        {POOL, "sum by (pod) (pool_active) / sum by (pod) (pool_max) > 0.8", 5, LOOSER,
         ALERT_TOGETHER | ALERT_STRICTER},

        {DEPTH, "sum(depth) > 100", 5, ENOUGH, 0},
        {DEPTH, "sum(depth) >= 101", 5, LOOSER, ALERT_THRESHOLD},
        {DEPTH, "depth > 100", 5, LOOSER, ALERT_PER_SERIES},
        {DEPTH, "sum by (tenant) (depth) > 100", 5, LOOSER, ALERT_PER_SERIES},
        {DEPTH, "max(depth) > 500", 5, LOOSER, ALERT_PER_SERIES | ALERT_THRESHOLD},
        {DEPTH, "sum(avg_over_time(depth[5m])) > 100", 0, ENOUGH, 0},
        {DEPTH, "sum(avg_over_time(depth[5m])) > 100", 5, LOOSER, ALERT_HOLD},
        {DEPTH, "sum(max_over_time(depth[30m])) > 100", 5, ENOUGH, 0},
        {DEPTH, "100 < sum without (tenant) (depth)", 5, LOOSER, ALERT_PER_SERIES},

        {ERRORS, "job:errors:ratio5m > 0.01", 5, ENOUGH, 0},
        {ERRORS, "job:errors:ratio5m * 100 > 5", 5, LOOSER, ALERT_THRESHOLD},
        {ERRORS, "sum(increase(req_total{status=~\"5..\"}[5m])) > 0.01 * sum(increase(req_total[5m]))", 5, ENOUGH, 0},
        {ERRORS, "sum by (route) (rate(req_total{status=~\"5..\"}[5m])) / sum by (route) (rate(req_total[5m])) > 0.01",
         5, ENOUGH, 0},
        {ERRORS, "sum(rate(req_total[5m])) / sum(rate(req_total{status=~\"5..\"}[5m])) < 100", 5, ENOUGH, 0},
        {ERRORS, "sum(rate(req_total{status=~\"5..\"}[5m])) > 0.01", 5, OTHER, 0},

        {EXPIRY, "not_after - time() < 86400 * 7", 5, ENOUGH, 0},
        {EXPIRY, "(not_after - time()) / 86400 < 14", 5, ENOUGH, ALERT_STRICTER},
        {EXPIRY, "not_after < time() + 604800", 5, ENOUGH, 0},
        {EXPIRY, "time() > not_after - 604800", 5, ENOUGH, 0},
        {EXPIRY, "time() - not_after > -86400", 5, LOOSER, ALERT_THRESHOLD},
        {EXPIRY, "min(not_after - time()) < 604800", 5, OTHER, 0},
        {EXPIRY, "3 <= round((last_over_time(not_after[10m]) - time()) / 86400, 0.1) < 20", 5, LOOSER,
         ALERT_CONDITION | ALERT_STRICTER},

        {FAILED, "rate(failed_total[5m]) > 10", 5, LOOSER, ALERT_THRESHOLD | ALERT_PER_MINUTE},
        {FAILED, "increase(failed_total[5m]) > 50", 5, ENOUGH, 0},
        {FAILED, "increase(failed_total[1m]) > 10", 5, ENOUGH, 0},
        {FAILED, "60 * sum(rate(failed_total[5m])) > 10", 5, ENOUGH, 0},
        {FAILED, "irate(failed_total[5m]) > 0.1", 5, ENOUGH, ALERT_STRICTER},

        {PRESSURE, "cond{status=\"true\", condition=\"Memory\"} == 1", 5, ENOUGH, 0},
        {PRESSURE, "cond{status=\"true\", condition=\"Memory\"} > 0", 5, ENOUGH, 0},
        {PRESSURE, "sum by (node) (cond{status=\"true\", condition=\"Memory\"}) >= 1", 5, ENOUGH, 0},
        {PRESSURE, "cond{status=\"true\", condition=\"Memory\"} != 0", 5, ENOUGH, 0},
        {PRESSURE, "cond{status=\"true\", condition=\"Memory\"} == 2", 5, OTHER, 0},
        {PRESSURE, "cond{condition=\"Memory\"} == 1", 5, OTHER, 0},
        {PRESSURE, "absent(cond)", 5, OTHER, 0},
        {PRESSURE, "cond{status=\"true\", condition=\"Disk\"} == 1", 5, OTHER, 0},
        {PRESSURE, "cond{status=\"true\", condition=\"memory\"} == 1", 5, ENOUGH, 0},
        {PRESSURE, "cond{status=\"true\", condition=~\"Memory|Disk\"} == 1", 5, ENOUGH, 0},
        {ERRORS, "sum(rate(req_total{status=~\"5[0-9]+\"}[5m])) / sum(rate(req_total[5m])) > 0.01", 5, ENOUGH, 0},
        {ERRORS, "sum(rate(req_total{status=\"500\"}[5m])) / sum(rate(req_total[5m])) > 0.01", 5, LOOSER,
         ALERT_NARROWED},
        {ERRORS, "sum(rate(req_total{status=~\"4..\"}[5m])) / sum(rate(req_total[5m])) > 0.01", 5, OTHER, 0},
};

static void
compared(void **state)
{
        int failed = 0;

        (void)state;
        recording = promql_parsed("sum(rate(req_total{status=~\"5..\"}[5m])) / sum(rate(req_total[5m]))");
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct promql *wanted = promql_parsed(cases[i].wanted), *rule = promql_parsed(cases[i].rule);
                struct alert_comparison found;
                alert_compare(&world, wanted->root, (int64_t)5 * MINUTE, rule->root,
                              (int64_t)cases[i].hold_minutes * MINUTE, &found);
                if (found.standing != cases[i].standing || found.notes != cases[i].notes)
                        print_error("%s\n  against %s\n  is %d notes %#x, not %d notes %#x (%g, %g)\n", cases[i].rule,
                                    cases[i].wanted, found.standing, found.notes, cases[i].standing, cases[i].notes,
                                    found.threshold, found.wanted);
                promql_free(wanted);
                promql_free(rule);
                if (found.standing != cases[i].standing || found.notes != cases[i].notes)
                        failed++;
        }
        promql_free(recording);
        assert_int_equal(failed, 0);
}

/* Every published comparison is as strict as itself, and never about another one's series. */
static void
published(void **state)
{
        static const struct alert_world nowhere = {0};
        struct corpus corpus = {0};
        size_t understood = 0;
        int failed = 0;

        (void)state;
        corpus_read(&corpus, NULL);
        for (size_t i = 0; i < corpus.count; i++) {
                struct promql *promql = NULL;
                struct alert_condition condition;
                struct alert_comparison found;
                struct error err;
                if (promql_parse(corpus.lines[i], strlen(corpus.lines[i]), &promql, &err) != 0)
                        continue;
                alert_compare(&nowhere, promql->root, MINUTE, promql->root, MINUTE, &found);
                if (alert_condition_read(&nowhere, promql->root, &condition)) {
                        understood++;
                        if (found.standing != ALERT_ENOUGH || (found.notes & ~(unsigned)ALERT_ALWAYS) != 0) {
                                print_error("%s: is %d notes %#x of itself\n", corpus.lines[i], found.standing,
                                            found.notes);
                                failed++;
                        }
                }
                promql_free(promql);
        }
        corpus_free(&corpus);
        print_message("%zu comparisons\n", understood);
        assert_int_equal(failed, 0);
        assert_true(understood > 700);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(compared), cmocka_unit_test(published)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

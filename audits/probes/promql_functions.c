/* PromQL's functions and aggregations: names, arities, types (Prometheus documentation, "Query functions"). */

#include <string.h>
#include <strings.h>

#include "promql_parts.h"

#define S PROMQL_SCALAR
#define V PROMQL_VECTOR
#define R PROMQL_RANGE
#define T PROMQL_STRING

/* In alphabetical order, for the search. */
static const struct promql_function functions[] = {
        {"abs", V, 1, 1, {V}, false},
        {"absent", V, 1, 1, {V}, false},
        {"absent_over_time", V, 1, 1, {R}, false},
        {"acos", V, 1, 1, {V}, false},
        {"acosh", V, 1, 1, {V}, false},
        {"asin", V, 1, 1, {V}, false},
        {"asinh", V, 1, 1, {V}, false},
        {"atan", V, 1, 1, {V}, false},
        {"atanh", V, 1, 1, {V}, false},
        {"avg_over_time", V, 1, 1, {R}, false},
        {"ceil", V, 1, 1, {V}, false},
        {"changes", V, 1, 1, {R}, false},
        {"clamp", V, 3, 3, {V, S, S}, false},
        {"clamp_max", V, 2, 2, {V, S}, false},
        {"clamp_min", V, 2, 2, {V, S}, false},
        {"cos", V, 1, 1, {V}, false},
        {"cosh", V, 1, 1, {V}, false},
        {"count_over_time", V, 1, 1, {R}, false},
        {"day_of_month", V, 0, 1, {V}, false},
        {"day_of_week", V, 0, 1, {V}, false},
        {"day_of_year", V, 0, 1, {V}, false},
        {"days_in_month", V, 0, 1, {V}, false},
        {"deg", V, 1, 1, {V}, false},
        {"delta", V, 1, 1, {R}, false},
        {"deriv", V, 1, 1, {R}, false},
        {"double_exponential_smoothing", V, 3, 3, {R, S, S}, true},
        {"end", S, 0, 0, {S}, true},
        {"exp", V, 1, 1, {V}, false},
        {"first_over_time", V, 1, 1, {R}, true},
        {"floor", V, 1, 1, {V}, false},
        {"histogram_avg", V, 1, 1, {V}, false, true},
        {"histogram_count", V, 1, 1, {V}, false},
        {"histogram_fraction", V, 3, 3, {S, S, V}, false},
        {"histogram_quantile", V, 2, 2, {S, V}, false},
        {"histogram_quantiles", V, 3, 12, {V, T, S}, true, true, 3},
        {"histogram_stddev", V, 1, 1, {V}, false, true},
        {"histogram_stdvar", V, 1, 1, {V}, false, true},
        {"histogram_sum", V, 1, 1, {V}, false},
        {"holt_winters", V, 3, 3, {R, S, S}, false}, /* 2.x; renamed in 3.0 */
        {"hour", V, 0, 1, {V}, false},
        {"idelta", V, 1, 1, {R}, false},
        {"increase", V, 1, 1, {R}, false},
        {"info", V, 1, 2, {V, V}, true},
        {"irate", V, 1, 1, {R}, false},
        {"label_join", V, 3, PROMQL_MANY, {V, T}, false, false, 2},
        {"label_replace", V, 5, 5, {V, T, T, T, T}, false},
        {"last_over_time", V, 1, 1, {R}, false},
        {"ln", V, 1, 1, {V}, false},
        {"log10", V, 1, 1, {V}, false},
        {"log2", V, 1, 1, {V}, false},
        {"mad_over_time", V, 1, 1, {R}, true},
        {"max_over_time", V, 1, 1, {R}, false},
        {"min_over_time", V, 1, 1, {R}, false},
        {"minute", V, 0, 1, {V}, false},
        {"month", V, 0, 1, {V}, false},
        {"pi", S, 0, 0, {S}, false},
        {"predict_linear", V, 2, 2, {R, S}, false},
        {"present_over_time", V, 1, 1, {R}, false},
        {"quantile_over_time", V, 2, 2, {S, R}, false},
        {"rad", V, 1, 1, {V}, false},
        {"range", S, 0, 0, {S}, true},
        {"rate", V, 1, 1, {R}, false},
        {"resets", V, 1, 1, {R}, false},
        {"round", V, 1, 2, {V, S}, false},
        {"scalar", S, 1, 1, {V}, false},
        {"sgn", V, 1, 1, {V}, false},
        {"sin", V, 1, 1, {V}, false},
        {"sinh", V, 1, 1, {V}, false},
        {"sort", V, 1, 1, {V}, false},
        {"sort_by_label", V, 1, PROMQL_MANY, {V, T}, true, true, 2},
        {"sort_by_label_desc", V, 1, PROMQL_MANY, {V, T}, true, true, 2},
        {"sort_desc", V, 1, 1, {V}, false},
        {"sqrt", V, 1, 1, {V}, false},
        {"start", S, 0, 0, {S}, true},
        {"stddev_over_time", V, 1, 1, {R}, false},
        {"stdvar_over_time", V, 1, 1, {R}, false},
        {"step", S, 0, 0, {S}, true},
        {"sum_over_time", V, 1, 1, {R}, false},
        {"tan", V, 1, 1, {V}, false},
        {"tanh", V, 1, 1, {V}, false},
        {"time", S, 0, 0, {S}, false},
        {"timeseries_gen", V, 1, 2, {T, T}, true},
        {"timestamp", V, 1, 1, {V}, false},
        {"ts_of_first_over_time", V, 1, 1, {R}, true},
        {"ts_of_last_over_time", V, 1, 1, {R}, true},
        {"ts_of_max_over_time", V, 1, 1, {R}, true},
        {"ts_of_min_over_time", V, 1, 1, {R}, true},
        {"vector", V, 1, 1, {S}, false},
        {"year", V, 0, 1, {V}, false},
};

static const struct {
        const char *name;
        unsigned arguments;
        enum promql_type parameter;
        bool experimental;
} aggregations[] = {
        {"avg", 1, S, false},   {"bottomk", 2, S, false},    {"count", 1, S, false},  {"count_values", 2, T, false},
        {"group", 1, S, false}, {"limit_ratio", 2, S, true}, {"limitk", 2, S, true},  {"max", 1, S, false},
        {"min", 1, S, false},   {"quantile", 2, S, false},   {"stddev", 1, S, false}, {"stdvar", 1, S, false},
        {"sum", 1, S, false},   {"topk", 2, S, false},
};

const struct promql_function *
promql_function_find(const char *name)
{
        size_t low = 0, high = sizeof(functions) / sizeof(functions[0]);

        while (low < high) {
                size_t middle = (low + high) / 2;
                int order = strcmp(name, functions[middle].name);

                if (order == 0)
                        return &functions[middle];
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return NULL;
}

unsigned
promql_aggregation(const char *name, enum promql_type *parameter, bool *experimental)
{
        for (size_t i = 0; i < sizeof(aggregations) / sizeof(aggregations[0]); i++) {
                if (strcasecmp(name, aggregations[i].name) == 0) {
                        *parameter = aggregations[i].parameter;
                        *experimental = aggregations[i].experimental;
                        return aggregations[i].arguments;
                }
        }
        return 0;
}

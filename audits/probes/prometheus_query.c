/* Queries of Prometheus: instant, over a range in chunks, and which series there are. */

#include "prometheus_client.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { QUERY_LARGEST = 256 * 1024, ROWS_MOST = 100000, CHUNK_POINTS = 10000, POINTS_MOST = 2000000 };

/* A query that this run can no longer wait for should end there as well. */
static void
add_timeout(struct prometheus *prometheus, struct buffer *query)
{
        struct deadline own = deadline_share(&prometheus->session->deadline, 2, INT_MAX); /* as the transfer waits */
        int left = deadline_left_ms(&own);

        buffer_format(query, "&timeout=%dms", left > 1 ? left : 1);
}

static void
add_moment(struct buffer *query, const char *name, int64_t moment_ms)
{
        buffer_format(query, "%s%s=%lld.%03d", query->length > 0 ? "&" : "", name, (long long)(moment_ms / 1000),
                      (int)(moment_ms % 1000));
}

/* [unix seconds, "value"] of the API. */
static bool
point_read(const json_t *pair, struct prometheus_point *point)
{
        const json_t *at = json_array_get(pair, 0), *value = json_array_get(pair, 1);

        if (!json_is_number(at))
                return false;
        point->at_ms = (int64_t)llround(json_number_value(at) * 1000);
        point->value = json_is_string(value) ? strtod(json_string_value(value), NULL) : (double)NAN;
        return true;
}

static json_t *
row_new(const json_t *labels, const json_t *pair)
{
        struct prometheus_point point = {.value = (double)NAN};
        json_t *row = json_pack("{s:o}", "labels", labels != NULL ? json_deep_copy(labels) : json_object());

        point_read(pair, &point);
        if (json_put_real(row, "value", point.value) != 0 || json_put_whole(row, "at_ms", point.at_ms) != 0 ||
            (isinf(point.value) && json_put_text(row, "text", point.value > 0 ? "+Inf" : "-Inf") != 0)) {
                json_decref(row);
                return NULL;
        }
        return row;
}

/* --- instant ------------------------------------------------------------------------------------------------------ */

struct keyed {
        char *key; /* the labels as text: what rows are ordered by */
        json_t *row;
};

static int
keyed_compare(const void *a, const void *b)
{
        return strcmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

/* Servers list series in any order. */
static int
rows_sort(json_t *rows)
{
        size_t count = json_array_size(rows), i;
        struct keyed *list = calloc(count + 1, sizeof *list);
        json_t *row;
        int result = list != NULL ? 0 : -1;

        json_array_foreach(rows, i, row)
        {
                if (list == NULL)
                        break;
                list[i].key = json_dumps(json_object_get(row, "labels"), JSON_SORT_KEYS | JSON_COMPACT);
                list[i].row = json_incref(row);
                if (list[i].key == NULL)
                        result = -1;
        }
        if (result == 0) {
                qsort(list, count, sizeof *list, keyed_compare);
                json_array_clear(rows);
                for (i = 0; i < count; i++)
                        result |= json_array_append(rows, list[i].row);
        }
        for (i = 0; list != NULL && i < count; i++) {
                free(list[i].key);
                json_decref(list[i].row);
        }
        free(list);
        return result;
}

int
prometheus_query(struct prometheus *prometheus, const char *expression, int64_t at_ms, json_t **out, struct error *err)
{
        scoped_buffer query = BUFFER_INIT(QUERY_LARGEST);
        scoped_json data = NULL;
        scoped_json rows = json_array();
        size_t i;
        json_t *one;

        buffer_text(&query, "query=");
        http_escape(&query, expression);
        if (at_ms != 0)
                add_moment(&query, "time", at_ms);
        add_timeout(prometheus, &query);
        if (query.failed)
                return error_set(err, REASON_CONFIGURATION, "the expression is too long");
        if (prometheus_fetch(prometheus, "/api/v1/query", query.data, expression, &data, err) != 0)
                return -1;
        const char *type = json_text(data, "resultType", "");
        const json_t *result = json_object_get(data, "result");
        if (strcmp(type, "scalar") == 0) {
                if (json_push(rows, row_new(NULL, result)) == NULL)
                        return error_memory(err, expression);
        } else if (strcmp(type, "vector") != 0) {
                return error_set(err, REASON_PROTOCOL, "%s: the answer is a %s, not an instant vector", expression,
                                 *type != '\0' ? type : "thing of no type");
        } else if (json_array_size(result) > ROWS_MOST) {
                error_set(err, REASON_TOO_LITTLE_DATA, "%s: %zu series, more than %d", expression,
                          json_array_size(result), ROWS_MOST);
                return error_remedy(err, "aggregate the expression");
        }
        if (strcmp(type, "vector") == 0) {
                json_array_foreach((json_t *)result, i, one)
                {
                        if (json_push(rows, row_new(json_map(one, "metric"), json_object_get(one, "value"))) == NULL)
                                return error_memory(err, expression);
                }
        }
        if (rows_sort(rows) != 0)
                return error_memory(err, expression);
        *out = scope_keep(rows);
        return 0;
}

int
prometheus_number(struct prometheus *prometheus, const char *expression, int64_t at_ms, double *value, bool *found,
                  struct error *err)
{
        scoped_json rows = NULL;

        *value = (double)NAN;
        *found = false;
        if (prometheus_query(prometheus, expression, at_ms, &rows, err) != 0)
                return -1;
        if (json_array_size(rows) > 1)
                return error_set(err, REASON_PROTOCOL, "%s: %zu series where one was expected", expression,
                                 json_array_size(rows));
        *found = json_array_size(rows) == 1;
        *value = json_real_or(json_array_get(rows, 0), "value", (double)NAN);
        return 0;
}

/* --- range -------------------------------------------------------------------------------------------------------- */

static int
chunk_visit(const json_t *result, size_t *left, prometheus_visit visit, void *context, const char *what,
            struct error *err)
{
        size_t i, j;
        json_t *series, *pair;

        json_array_foreach((json_t *)result, i, series)
        {
                const json_t *values = json_list(series, "values");
                size_t count = 0, room = json_array_size(values);
                if (room > *left) {
                        error_set(err, REASON_TOO_LITTLE_DATA, "%s: more points than may be read in one run", what);
                        return error_remedy(err, "aggregate the expression, or look at a shorter time");
                }
                *left -= room;
                scoped(scope_free) struct prometheus_point *points = calloc(room + 1, sizeof *points);
                if (points == NULL)
                        return error_memory(err, what);
                json_array_foreach((json_t *)values, j, pair) count += point_read(pair, &points[count]);
                if (count > 0 && visit(context, json_map(series, "metric"), points, count) != 0)
                        return error_memory(err, what);
        }
        return 0;
}

int
prometheus_range(struct prometheus *prometheus, const char *expression, int64_t start_ms, int64_t end_ms,
                 int64_t step_ms, size_t most, prometheus_visit visit, void *context, struct error *err)
{
        size_t left = most > 0 ? most : POINTS_MOST;

        if (step_ms <= 0)
                return error_set(err, REASON_INTERNAL, "%s: a step of %lld ms", expression, (long long)step_ms);
        for (int64_t from = start_ms; from <= end_ms;) {
                scoped_buffer query = BUFFER_INIT(QUERY_LARGEST);
                scoped_json data = NULL;
                int64_t steps = (end_ms - from) / step_ms;
                int64_t to = from + (steps < CHUNK_POINTS ? steps : CHUNK_POINTS - 1) * step_ms;
                buffer_text(&query, "query=");
                http_escape(&query, expression);
                add_moment(&query, "start", from);
                add_moment(&query, "end", to);
                buffer_format(&query, "&step=%lld.%03d", (long long)(step_ms / 1000), (int)(step_ms % 1000));
                add_timeout(prometheus, &query);
                if (query.failed)
                        return error_set(err, REASON_CONFIGURATION, "the expression is too long");
                if (prometheus_fetch(prometheus, "/api/v1/query_range", query.data, expression, &data, err) != 0 ||
                    chunk_visit(json_list(data, "result"), &left, visit, context, expression, err) != 0)
                        return -1;
                from = to + step_ms;
        }
        return 0;
}

/* --- series ------------------------------------------------------------------------------------------------------- */

int
prometheus_series(struct prometheus *prometheus, const char *selector, int64_t start_ms, int64_t end_ms, size_t most,
                  json_t **out, bool *more, struct error *err)
{
        scoped_buffer query = BUFFER_INIT(QUERY_LARGEST);
        scoped_json data = NULL;
        scoped_json rows = json_array();
        size_t i;
        json_t *labels;

        buffer_text(&query, "match[]=");
        http_escape(&query, selector);
        add_moment(&query, "start", start_ms);
        add_moment(&query, "end", end_ms);
        /* Servers before 2.53 do not know `limit` and send everything; one more than `most` tells that there is more.
         */
        buffer_format(&query, "&limit=%zu", most + 1);
        if (query.failed)
                return error_set(err, REASON_CONFIGURATION, "the selector is too long");
        if (prometheus_fetch(prometheus, "/api/v1/series", query.data, selector, &data, err) != 0)
                return -1;
        *more = json_array_size(data) > most;
        json_array_foreach(data, i, labels)
        {
                if (i == most)
                        break;
                if (json_push(rows, json_incref(labels)) == NULL)
                        return error_memory(err, selector);
        }
        *out = scope_keep(rows);
        return 0;
}

static int
text_compare(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
prometheus_label_values(struct prometheus *prometheus, const char *label, const char *selector, int64_t start_ms,
                        int64_t end_ms, json_t **out, struct error *err)
{
        scoped_buffer query = BUFFER_INIT(QUERY_LARGEST), path = BUFFER_INIT(4096);
        scoped_json data = NULL;
        scoped_json values = json_array();
        size_t count = 0, i;
        json_t *one;

        buffer_text(&path, "/api/v1/label/");
        http_escape(&path, label);
        buffer_text(&path, "/values");
        add_moment(&query, "start", start_ms);
        add_moment(&query, "end", end_ms);
        if (selector != NULL) {
                buffer_text(&query, "&match[]=");
                http_escape(&query, selector);
        }
        if (query.failed || path.failed)
                return error_set(err, REASON_CONFIGURATION, "the selector is too long");
        if (prometheus_fetch(prometheus, path.data, query.data, path.data, &data, err) != 0)
                return -1;
        scoped(scope_free) const char **texts = calloc(json_array_size(data) + 1, sizeof *texts);
        if (texts == NULL)
                return error_memory(err, label);
        json_array_foreach(data, i, one)
        {
                if (json_is_string(one))
                        texts[count++] = json_string_value(one);
        }
        qsort(texts, count, sizeof *texts, text_compare);
        for (i = 0; i < count; i++) {
                if (json_push(values, json_string(texts[i])) == NULL)
                        return error_memory(err, label);
        }
        *out = scope_keep(values);
        return 0;
}

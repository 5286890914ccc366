/* Which series there are for the selectors of alert rules. */

#include "alert_series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alert_route.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

enum {
        NAMES_MOST = 600,
        BATCH = 30,       /* names counted by one query */
        SETS_MOST = 1000, /* series of a metric up to which each is looked at */
        VALUES_MOST = 10, /* values of a label shown */
        CHOICES_MOST = 5, /* values of a routing label kept */
        TEXT_LARGEST = 64 * 1024,
        KEPT_DAYS = 400,
};

static const char *const op_texts[] = {"=", "!=", "=~", "!~"};

struct looking {
        struct prometheus *prometheus;
        const json_t *labels;
        int64_t now_ms;
        json_t *names;  /* name -> array of selector facts */
        json_t *counts; /* name -> series now */
};

/* --- which selectors ---------------------------------------------------------------------------------------------- */

void
alert_selector_key(const struct promql_node *selector, struct buffer *out)
{
        struct promql_node bare = *selector;

        bare.range = bare.step = bare.offset = (struct promql_duration){0};
        bare.at = PROMQL_AT_NONE;
        bare.edges = PROMQL_EDGES_PLAIN;
        bare.type = PROMQL_VECTOR;
        promql_print(&bare, out);
}

static json_t *
matchers_json(const struct promql_node *selector)
{
        json_t *list = json_array();

        for (size_t i = 0; i < selector->matcher_count; i++) {
                const struct promql_matcher *matcher = &selector->matchers[i];
                struct promql_node one = {
                        .kind = PROMQL_SELECTOR, .matchers = (struct promql_matcher *)matcher, .matcher_count = 1};
                scoped_buffer text = BUFFER_INIT(TEXT_LARGEST);
                promql_print(&one, &text);
                size_t length = text.length > 2 ? text.length - 2 : 0; /* without its braces */
                json_t *row = json_pack("{s:s%, s:s, s:s}", "text", text.data != NULL ? text.data + 1 : "", length,
                                        "label", matcher->label, "op", op_texts[matcher->match]);
                if (json_put_bytes(row, "value", matcher->value.bytes, matcher->value.length) != 0)
                        json_object_set_new(row, "value", json_string(""));
                json_push(list, row);
        }
        return list;
}

static int
selector_visit(void *context, const struct promql_node *node)
{
        struct looking *looking = context;
        scoped_buffer key = BUFFER_INIT(TEXT_LARGEST);
        size_t i;
        json_t *known;

        if (node->kind != PROMQL_SELECTOR || node->name == NULL)
                return 0;
        alert_selector_key(node, &key);
        json_t *list = json_object_get(looking->names, node->name);
        if (list == NULL) {
                list = json_array();
                if (json_object_set_new(looking->names, node->name, list) != 0)
                        return -1;
        }
        json_array_foreach(list, i, known)
        {
                if (strcmp(json_text(known, "selector", ""), key.data != NULL ? key.data : "") == 0)
                        return 0;
        }
        json_t *row = json_pack("{s:s, s:s, s:o}", "selector", key.data != NULL ? key.data : "", "name", node->name,
                                "matchers", matchers_json(node));
        return json_push(list, row) != NULL ? 0 : -1;
}

/* --- how many of each name ---------------------------------------------------------------------------------------- */

static void
pattern_add(struct buffer *out, const char *name)
{
        for (; *name != '\0'; name++) {
                if (strchr(".*+?()[]{}|^$\\", *name) != NULL)
                        buffer_text(out, "\\\\");
                else if (*name == '"')
                        buffer_char(out, '\\');
                buffer_char(out, *name);
        }
}

static int
batch_count(struct looking *looking, struct buffer *query, struct error *err)
{
        scoped_json rows = NULL;
        size_t i;
        json_t *row;

        buffer_text(query, "\"})");
        if (query->failed)
                return error_memory(err, "query");
        if (prometheus_query(looking->prometheus, query->data, 0, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                const char *name = json_text(json_map(row, "labels"), "__name__", NULL);
                if (name != NULL)
                        json_put_real(looking->counts, name, json_real_or(row, "value", 0));
        }
        return 0;
}

static int
names_count(struct looking *looking, struct error *err)
{
        scoped_buffer query = BUFFER_INIT(TEXT_LARGEST);
        size_t in_batch = 0;
        const char *name;
        json_t *list;

        json_object_foreach(looking->names, name, list)
        {
                if (in_batch == 0)
                        buffer_text(&query, "count by (__name__) ({__name__=~\"");
                else
                        buffer_char(&query, '|');
                pattern_add(&query, name);
                if (++in_batch < BATCH)
                        continue;
                if (batch_count(looking, &query, err) != 0)
                        return -1;
                buffer_clear(&query);
                in_batch = 0;
        }
        return in_batch > 0 ? batch_count(looking, &query, err) : 0;
}

/* --- each selector ------------------------------------------------------------------------------------------------ */

/* Whether a label set fulfils the matchers; all of them, only number `only`, or all but number `but`. */
static bool
set_fits(const json_t *set, const json_t *matchers, size_t only, size_t but)
{
        size_t i;
        json_t *matcher;

        json_array_foreach((json_t *)matchers, i, matcher)
        {
                if ((only != SIZE_MAX && i != only) || i == but)
                        continue;
                /* a pattern that cannot be read is the server's affair: it does not hold here against the rule */
                if (label_matches(json_text(matcher, "op", "="), json_text(matcher, "value", ""),
                                  json_text(set, json_text(matcher, "label", ""), "")) == 0)
                        return false;
        }
        return true;
}

static size_t
sets_count(const json_t *sets, const json_t *matchers, size_t only, size_t but)
{
        size_t i, count = 0;
        json_t *set;

        json_array_foreach((json_t *)sets, i, set) count += set_fits(set, matchers, only, but);
        return count;
}

static int
text_compare(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The values of a label among the sets that fit, sorted; at most `most` and one more. */
static json_t *
values_of(const json_t *sets, const json_t *matchers, const char *label, size_t most)
{
        scoped_json seen = json_object();
        json_t *list = json_array(), *set, *one;
        size_t i, count = 0;
        const char *value;

        json_array_foreach((json_t *)sets, i, set)
        {
                if (json_object_size(seen) <= most && (matchers == NULL || set_fits(set, matchers, SIZE_MAX, SIZE_MAX)))
                        json_object_set_new(seen, json_text(set, label, ""), json_true());
        }
        scoped(scope_free) const char **texts = calloc(json_object_size(seen) + 1, sizeof *texts);
        json_object_foreach(seen, value, one)
        {
                if (texts != NULL)
                        texts[count++] = value;
        }
        if (texts != NULL)
                qsort(texts, count, sizeof *texts, text_compare);
        for (i = 0; i < count; i++)
                json_push(list, json_string(texts[i]));
        return list;
}

static void
matchers_look(const json_t *sets, json_t *matchers)
{
        size_t i;
        json_t *matcher;

        json_array_foreach(matchers, i, matcher)
        {
                const char *label = json_text(matcher, "label", "");
                size_t alone = sets_count(sets, matchers, i, SIZE_MAX), k;
                bool has_label = false;
                json_t *set;
                json_put_whole(matcher, "alone", (int64_t)alone);
                json_put_whole(matcher, "without", (int64_t)sets_count(sets, matchers, SIZE_MAX, i));
                json_array_foreach((json_t *)sets, k, set) has_label = has_label || json_has(set, label);
                json_put_flag(matcher, "has_label", has_label);
                if (alone == 0)
                        json_put(matcher, "values", values_of(sets, NULL, label, VALUES_MOST));
        }
}

static void
labels_look(const struct looking *looking, const json_t *sets, json_t *selector)
{
        json_t *labels = json_object(), *label;
        size_t i;

        json_array_foreach((json_t *)looking->labels, i, label)
        {
                json_t *values = values_of(sets, json_list(selector, "matchers"), json_string_value(label),
                                           CHOICES_MOST);
                if (json_array_size(values) > 0 && json_array_size(values) <= CHOICES_MOST)
                        json_object_set_new(labels, json_string_value(label), values);
                else
                        json_decref(values);
        }
        json_put(selector, "labels", labels);
}

static void
bucket_look(const json_t *values, json_t *selector)
{
        double highest = -INFINITY;
        size_t i;
        json_t *value;

        json_array_foreach((json_t *)values, i, value)
        {
                const char *text = json_is_string(value) ? json_string_value(value) : "";
                double bound = *text != '\0' ? strtod(text, NULL) : INFINITY;
                if (isfinite(bound))
                        highest = fmax(highest, bound);
        }
        if (isfinite(highest))
                json_put_real(selector, "highest_bucket", highest);
}

static bool
is_bucket(const char *name)
{
        size_t length = strlen(name);

        return length > 7 && strcmp(name + length - 7, "_bucket") == 0;
}

/* Of a metric that has few series: each is looked at here. */
static int
selector_look(struct looking *looking, const json_t *sets, json_t *selector, struct error *err)
{
        json_t *matchers = json_object_get(selector, "matchers");
        size_t count = sets_count(sets, matchers, SIZE_MAX, SIZE_MAX);
        bool ever = count > 0, more;

        json_put_whole(selector, "series", (int64_t)count);
        json_put_whole(selector, "of_name", (int64_t)json_array_size(sets));
        json_put(selector, "jobs", values_of(sets, matchers, "job", VALUES_MOST));
        matchers_look(sets, matchers);
        labels_look(looking, sets, selector);
        if (is_bucket(json_text(selector, "name", "")) && count > 0) {
                scoped_json bounds = values_of(sets, matchers, "le", SETS_MOST);
                bucket_look(bounds, selector);
        }
        if (!ever) {
                scoped_json found = NULL;
                if (prometheus_series(looking->prometheus, json_text(selector, "selector", ""),
                                      looking->now_ms - KEPT_DAYS * DAY_MS, looking->now_ms, 1, &found, &more,
                                      err) != 0)
                        return -1;
                ever = json_array_size(found) > 0;
        }
        return json_put_flag(selector, "ever", ever);
}

/* Of a metric that has many: counted by the server. */
static int
selector_count(struct looking *looking, json_t *selector, struct error *err)
{
        scoped_buffer query = BUFFER_INIT(TEXT_LARGEST);
        scoped_json rows = NULL;
        json_t *jobs = json_array(), *row;
        double series = 0;
        size_t i;

        buffer_format(&query, "count by (job) (%s)", json_text(selector, "selector", ""));
        if (query.failed || json_put(selector, "jobs", jobs) != 0)
                return error_memory(err, "query");
        if (prometheus_query(looking->prometheus, query.data, 0, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                series += json_real_or(row, "value", 0);
                if (i < VALUES_MOST)
                        json_push(jobs, json_string(json_text(json_map(row, "labels"), "job", "")));
        }
        json_put_whole(selector, "series", (int64_t)series);
        json_put_flag(selector, "ever", series > 0);
        if (is_bucket(json_text(selector, "name", "")) && series > 0) {
                scoped_json bounds = NULL;
                if (prometheus_label_values(looking->prometheus, "le", json_text(selector, "selector", ""),
                                            looking->now_ms - ALERT_LOOK_BACK_MS, looking->now_ms, &bounds, err) != 0)
                        return -1;
                bucket_look(bounds, selector);
        }
        return 0;
}

static int
name_look(struct looking *looking, const char *name, json_t *selectors, struct error *err)
{
        double now = json_real_or(looking->counts, name, 0);
        scoped_buffer key = BUFFER_INIT(TEXT_LARGEST);
        scoped_json sets = NULL;
        struct promql_node bare = {.kind = PROMQL_SELECTOR, .name = name};
        size_t i;
        json_t *selector;
        bool more = false;

        promql_print(&bare, &key);
        if (key.failed)
                return error_memory(err, name);
        if (now <= SETS_MOST && prometheus_series(looking->prometheus, key.data, looking->now_ms - ALERT_LOOK_BACK_MS,
                                                  looking->now_ms, SETS_MOST * 3, &sets, &more, err) != 0)
                return -1;
        json_array_foreach(selectors, i, selector)
        {
                if ((sets == NULL || more ? selector_count(looking, selector, err)
                                          : selector_look(looking, sets, selector, err)) != 0)
                        return -1;
        }
        return 0;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static int
selectors_gather(struct looking *looking, const char *text, struct error *err)
{
        struct promql *promql = NULL;
        struct error unread;

        if (promql_parse(text, strlen(text), &promql, &unread) != 0)
                return 0; /* the judge tells it */
        int result = promql_walk(promql->root, selector_visit, looking);
        promql_free(promql);
        return result == 0 ? 0 : error_memory(err, "selectors");
}

/* The rules' own selectors, and those of the recordings that they look at, however deep. */
static int
all_gather(struct looking *looking, const json_t *rules, const json_t *recordings, struct error *err)
{
        scoped_json gathered = json_object();
        bool more = true;
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)rules, i, one)
        {
                if (selectors_gather(looking, json_text(one, "expr", ""), err) != 0)
                        return -1;
        }
        while (more) {
                more = false;
                json_array_foreach((json_t *)recordings, i, one)
                {
                        const char *text = json_text(one, "expr", "");
                        if (json_object_get(looking->names, json_text(one, "name", "")) == NULL ||
                            json_object_get(gathered, text) != NULL)
                                continue;
                        if (json_object_set_new(gathered, text, json_true()) != 0)
                                return error_memory(err, "selectors");
                        if (selectors_gather(looking, text, err) != 0)
                                return -1;
                        more = true;
                }
        }
        return 0;
}

static int
rows_sorted(const json_t *names, json_t **out)
{
        static const char *const order[] = {"selector", NULL};
        size_t i;
        const char *name;
        json_t *list, *row;

        *out = json_array();
        json_object_foreach((json_t *)names, name, list)
        {
                json_array_foreach(list, i, row)
                {
                        if (json_has(row, "series") && json_array_append(*out, row) != 0)
                                return -1;
                }
        }
        return *out != NULL ? json_sort(*out, order) : -1;
}

int
alert_series_read(struct prometheus *prometheus, int64_t now_ms, const json_t *rules, const json_t *recordings,
                  const json_t *labels, json_t **out, size_t *left_out, struct error *err)
{
        scoped_json names = json_object();
        scoped_json counts = json_object();
        struct looking looking = {prometheus, labels, now_ms, names, counts};
        const char *name;
        json_t *list;
        size_t looked = 0;

        *left_out = 0;
        if (names == NULL || counts == NULL)
                return error_memory(err, "selectors");
        if (all_gather(&looking, rules, recordings, err) != 0 || names_count(&looking, err) != 0)
                return -1;
        json_object_foreach(names, name, list)
        {
                if (looked++ >= NAMES_MOST)
                        *left_out += json_array_size(list);
                else if (name_look(&looking, name, list, err) != 0)
                        return -1;
        }
        return rows_sorted(names, out) == 0 ? 0 : error_memory(err, "selectors");
}

/* Every judge, from fixture facts: tests/fixtures/facts/<audit>/<case>.json holds facts, policy, history and what must
 * come out (tests/fixtures/README.md).  Then every case again, damaged at each of its places in turn: a judge must not
 * fall over, whatever an old store or a stranger's server left in the facts. */

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "scope.h"

#define FOLDER "tests/fixtures/facts"

static size_t wrong, cases, damages;

static void complain(const char *place, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
complain(const char *place, const char *format, ...)
{
        va_list list;

        wrong++;
        fprintf(stderr, "%s: ", place);
        va_start(list, format);
        vfprintf(stderr, format, list);
        va_end(list);
        fputc('\n', stderr);
}

static void
missing(const char *place, const char *what, const json_t *wanted)
{
        scoped_string shown = json_dumps(wanted, JSON_SORT_KEYS);

        complain(place, "missing %s: %s", what, shown);
}

static struct history *
history_of(const json_t *fixture, const char *place)
{
        int64_t now_ms = 0, at_ms;
        size_t i, j;
        json_t *series, *point;

        if (!moment_parse(json_text(fixture, "now", "2026-11-24T03:00:00Z"), &now_ms))
                complain(place, "\"now\" is no time");
        struct history *history = history_new(now_ms);
        assert_non_null(history);
        json_array_foreach((json_t *)json_list(fixture, "history"), i, series)
        {
                json_array_foreach((json_t *)json_list(series, "samples"), j, point)
                {
                        const char *at = json_string_value(json_array_get(point, 0));
                        if (at == NULL || !moment_parse(at, &at_ms)) {
                                complain(place, "history %zu: sample %zu has no time", i, j);
                                continue;
                        }
                        assert_int_equal(0, history_add(history, json_text(series, "series", ""),
                                                        json_text(series, "resource", ""), at_ms,
                                                        json_number_value(json_array_get(point, 1))));
                }
        }
        return history;
}

/* --- what must come out ----------------------------------------------------------------------------------------- */

static const char *
or_empty(const char *text)
{
        return text != NULL ? text : "";
}

static const char *
identity(const struct resource *resource, char *text, size_t size)
{
        snprintf(text, size, "%s/%s/%s", or_empty(resource->kind), or_empty(resource->namespace_),
                 or_empty(resource->name));
        return strcmp(text, "//") == 0 ? "" : text;
}

static bool
matches(const json_t *wanted, const struct finding *finding)
{
        char text[2048];

        return strcmp(json_text(wanted, "control", ""), finding->control) == 0 &&
               strcmp(json_text(wanted, "status", ""), status_name(finding->status)) == 0 &&
               strcmp(json_text(wanted, "resource", ""), identity(&finding->resource, text, sizeof text)) == 0;
}

static void
finding_compare(const char *place, const json_t *wanted, const struct finding *got)
{
        const struct {
                const char *key, *value;
                bool whole;
        } rows[] = {
                {"severity", severity_name(got->severity), true},
                {"reason", reason_name(got->reason), true},
                {"observed", got->observed, false},
                {"expected", got->expected, false},
                {"message", got->message, false},
                {"remedy", got->remedy, false},
                {"owner", got->owner, false},
                {"evidence", got->evidence, false},
        };

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                const char *text = json_text(wanted, rows[i].key, NULL), *value = or_empty(rows[i].value);
                if (text != NULL && (rows[i].whole ? strcmp(value, text) != 0 : strstr(value, text) == NULL))
                        complain(place, "%s \"%s\": %s is \"%s\", wanted \"%s\"", got->control,
                                 json_text(wanted, "resource", ""), rows[i].key, value, text);
        }
}

static void
findings_compare(const char *place, const json_t *fixture, const struct findings *out)
{
        bool *met = calloc(out->count + 1, sizeof *met);
        char text[2048];
        size_t i;
        json_t *wanted;

        assert_non_null(met);
        json_array_foreach((json_t *)json_list(fixture, "expect"), i, wanted)
        {
                size_t j = 0;
                while (j < out->count && (met[j] || !matches(wanted, &out->rows[j])))
                        j++;
                if (j == out->count) {
                        missing(place, "finding", wanted);
                        continue;
                }
                met[j] = true;
                finding_compare(place, wanted, &out->rows[j]);
        }
        for (size_t j = 0; j < out->count; j++) {
                if (!met[j])
                        complain(place, "unexpected finding: %s %s %s \"%s\" observed \"%s\": %s", out->rows[j].control,
                                 status_name(out->rows[j].status), severity_name(out->rows[j].severity),
                                 identity(&out->rows[j].resource, text, sizeof text), or_empty(out->rows[j].observed),
                                 out->rows[j].message);
        }
        free(met);
}

static bool
holds(const json_t *got, const json_t *wanted)
{
        const char *key;
        json_t *value;

        if (json_is_number(wanted) && json_is_number(got))
                return fabs(json_number_value(wanted) - json_number_value(got)) <=
                       1e-6 * fmax(1, fabs(json_number_value(wanted)));
        if (!json_is_object(wanted))
                return json_equal(wanted, got);
        json_object_foreach((json_t *)wanted, key, value)
        {
                if (!holds(json_object_get(got, key), value))
                        return false;
        }
        return true;
}

static void
rows_compare(const char *place, const json_t *fixture, const struct findings *out)
{
        size_t i, j;
        json_t *wanted;

        json_array_foreach((json_t *)json_list(fixture, "expect_samples"), i, wanted)
        {
                for (j = 0; j < out->sample_count; j++) {
                        scoped_json row = json_pack("{s:s, s:s, s:f}", "series", out->samples[j].series, "resource",
                                                    out->samples[j].resource, "value", out->samples[j].value);
                        if (holds(row, wanted))
                                break;
                }
                if (j == out->sample_count)
                        missing(place, "sample", wanted);
        }
        json_array_foreach((json_t *)json_list(fixture, "expect_inventory"), i, wanted)
        {
                for (j = 0; j < out->inventory_count; j++) {
                        if (strcmp(out->inventory[j].kind, json_text(wanted, "kind", "")) == 0 &&
                            holds(out->inventory[j].row, json_object_get(wanted, "row")))
                                break;
                }
                if (j == out->inventory_count)
                        missing(place, "inventory row", wanted);
        }
}

/* --- judging, whole and damaged --------------------------------------------------------------------------------- */

struct trial {
        const struct audit *audit;
        json_t *facts;
        const struct policy *policy;
        const struct history *history;
        int left; /* bound on the damaged copies of one case */
};

static struct findings *
trial_judge(const struct trial *trial)
{
        struct findings *out = findings_new();

        assert_non_null(out);
        facts_judge_gaps(trial->facts, out);
        trial->audit->judge(trial->facts, trial->policy, trial->history, out);
        assert_false(out->failed);
        return out;
}

static void
trial_damaged(struct trial *trial)
{
        findings_free(trial_judge(trial));
        trial->left--;
        damages++;
}

static json_t *
wrong_value(int which)
{
        switch (which) {
        case 0:
                return json_null();
        case 1:
                return json_string("\xE2\x80\xAE<script>|\n=1");
        case 2:
                return json_integer(-9223372036854775807LL);
        case 3:
                return json_pack("[{}]");
        default:
                return json_pack("{s:[n]}", "x");
        }
}

static void
damage(struct trial *trial, json_t *value)
{
        if (json_is_object(value)) {
                scoped_json whole = json_copy(value);
                const char *key;
                json_t *old;
                json_object_foreach(whole, key, old)
                {
                        for (int which = 0; which < 5 && trial->left > 0; which++) {
                                json_object_set_new(value, key, wrong_value(which));
                                trial_damaged(trial);
                        }
                        json_object_del(value, key);
                        trial_damaged(trial);
                        json_object_set(value, key, old);
                        damage(trial, old);
                }
        } else if (json_is_array(value)) {
                for (size_t i = 0; i < json_array_size(value) && trial->left > 0; i++) {
                        scoped_json old = json_incref(json_array_get(value, i));
                        for (int which = 0; which < 5; which++) {
                                json_array_set_new(value, i, wrong_value(which));
                                trial_damaged(trial);
                        }
                        json_array_set(value, i, old);
                        damage(trial, old);
                }
        }
}

static void
case_run(const struct audit *audit, const char *path)
{
        json_error_t mistake;
        struct error err = {0};
        scoped_json fixture = json_load_file(path, JSON_REJECT_DUPLICATES, &mistake);
        struct policy *policy = NULL;

        if (fixture == NULL) {
                complain(path, "line %d: %s", mistake.line, mistake.text);
                return;
        }
        struct policy *shipped = policy_default(&err);
        if (shipped == NULL || policy_overlay(shipped, json_object_get(fixture, "policy"), &policy, &err) != 0) {
                complain(path, "policy: %s", err.text);
                policy_free(shipped);
                return;
        }
        struct history *history = history_of(fixture, path);
        scoped_json facts = json_deep_copy(json_object_get(fixture, "facts"));
        struct trial trial = {audit, facts, policy, history, 3000};
        struct findings *out = trial_judge(&trial);
        findings_compare(path, fixture, out);
        rows_compare(path, fixture, out);
        findings_free(out);
        damage(&trial, facts);
        history_free(history);
        policy_free(policy);
        policy_free(shipped);
        cases++;
}

static int
plain_name(const struct dirent *entry)
{
        return entry->d_name[0] != '.' && strchr(entry->d_name, '.') == NULL;
}

static int
json_name(const struct dirent *entry)
{
        const char *dot = strrchr(entry->d_name, '.');

        return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".json") == 0;
}

static void
folder_run(const char *name, const char *only)
{
        const struct audit *audit = audit_find(name);
        char folder[400], path[800];
        struct dirent **files;

        snprintf(folder, sizeof folder, FOLDER "/%s", name);
        if (audit == NULL) {
                complain(folder, "there is no audit of that name");
                return;
        }
        int count = scandir(folder, &files, json_name, alphasort);
        for (int i = 0; i < count; i++) {
                snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
                if (only == NULL || strstr(path, only) != NULL)
                        case_run(audit, path);
                free(files[i]);
        }
        if (count >= 0)
                free(files);
}

static void
every_case(void **state)
{
        struct dirent **folders;
        int count = scandir(FOLDER, &folders, plain_name, alphasort);

        (void)state;
        if (count < 0)
                fail_msg("%s: %s (run from the top of the checkout)", FOLDER, strerror(errno));
        for (int i = 0; i < count; i++) {
                folder_run(folders[i]->d_name, getenv("FIXTURE"));
                free(folders[i]);
        }
        free(folders);
        print_message("%zu cases, %zu damaged copies\n", cases, damages);
        if (wrong > 0)
                fail_msg("%zu expectations not met (named above)", wrong);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_case)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

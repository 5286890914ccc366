/* The JSON report: valid for any bytes, fits its published schema, the same bytes each time. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_schema.h"
#include "scope.h"
#include "support_view.h"
#include "templates.h"

static char *
rendered(const struct view *view, size_t *size)
{
        struct report_options options = {.formats = "json"};
        struct error err;
        char *text = NULL;
        FILE *stream = open_memstream(&text, size);

        assert_non_null(stream);
        assert_int_equal(renderer_json.write(view, &options, stream, &err), 0);
        assert_int_equal(fclose(stream), 0);
        return text;
}

static json_t *
parsed(const struct view *view)
{
        size_t size;
        scoped_string text = rendered(view, &size);
        json_error_t error;
        json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

        if (document == NULL)
                fail_msg("line %d column %d: %s", error.line, error.column, error.text);
        return document;
}

static json_t *
schema_read(void)
{
        scoped_string text = NULL;
        size_t size;
        struct error err;
        json_error_t error;
        json_t *document;

        if (template_read(NULL, "report.schema.json", &text, &size, &err) != 0)
                fail_msg("%s", err.text);
        document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        if (document == NULL)
                fail_msg("report.schema.json:%d: %s", error.line, error.text);
        return document;
}

static void
check_fits(json_t *document, bool fits)
{
        scoped_json schema_document = schema_read();
        struct json_schema *schema;
        struct error err;
        char where[400], why[400];

        if (json_schema_open(schema_document, &schema, &err) != 0)
                fail_msg("%s", err.text);
        if (json_schema_fits(schema, document, where, sizeof(where), why, sizeof(why)) != fits)
                fail_msg("%s: %s", fits ? where : "fits though it should not", fits ? why : "");
        json_schema_close(schema);
}

static void
test_fits_the_schema(void **state)
{
        static const size_t sizes[] = {0, 1, 8, 200};

        (void)state;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                struct view *view = support_view(sizes[i]);
                scoped_json document = parsed(view);

                check_fits(document, true);
                assert_int_equal(json_array_size(json_list(document, "findings")), sizes[i]);
                support_view_free(view);
        }
}

/* The schema would be worth nothing if it accepted anything. */
static void
test_schema_refuses(void **state)
{
        static const char *const paths[][3] = {
                {"run", "id"},           {"summary", "grade"}, {"changes", "fixed"}, {"summary", "coverage_percent"},
                {"inventory", "tables"},
        };
        struct view *view = support_view(8);

        (void)state;
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                scoped_json document = parsed(view);

                json_object_set_new(json_object_get(document, paths[i][0]), paths[i][1], json_string("wrong"));
                check_fits(document, false);
                json_object_del(json_object_get(document, paths[i][0]), paths[i][1]);
                check_fits(document, false);
        }
        {
                scoped_json document = parsed(view);

                json_object_set_new(json_array_get(json_object_get(document, "findings"), 0), "status",
                                    json_string("ok"));
                check_fits(document, false);
        }
        support_view_free(view);
}

/* Every name of the contract, by itself: renaming one breaks readers even if the schema is changed with it. */
static void
test_contract_keys(void **state)
{
        static const char *const keys[] = {
                "/schema",
                "/run/id",
                "/run/job",
                "/run/started",
                "/run/finished",
                "/run/version",
                "/run/host",
                "/run/shard",
                "/summary/pass",
                "/summary/fail",
                "/summary/error",
                "/summary/skip",
                "/summary/waived",
                "/summary/by_severity/SEV1",
                "/summary/coverage_percent",
                "/summary/score_percent",
                "/summary/grade",
                "/changes/new",
                "/changes/worse",
                "/changes/still",
                "/changes/fixed",
                "/changes/incomparable",
                "/findings/0/fingerprint",
                "/findings/0/control",
                "/findings/0/playbook",
                "/findings/0/audit",
                "/findings/0/target",
                "/findings/0/resource/kind",
                "/findings/0/resource/namespace",
                "/findings/0/resource/name",
                "/findings/0/status",
                "/findings/0/severity",
                "/findings/0/reason",
                "/findings/0/observed",
                "/findings/0/expected",
                "/findings/0/message",
                "/findings/0/remedy",
                "/findings/0/owner",
                "/findings/0/first_seen",
                "/findings/0/change",
                "/findings/0/waiver",
                "/findings/0/frameworks/0",
                "/inventory/certificates/0/subject",
                "/inventory/tables",
                "/inventory/key_classes",
                "/inventory/queues",
                "/inventory/workloads",
                "/inventory/nodes",
                "/projections/0/subject",
                "/projections/0/full_latest",
                "/controls/0/id",
                "/controls/0/title",
                "/controls/0/playbook",
                "/controls/0/worst",
                "/waivers/0/id",
                "/not_assessed/0/text",
        };
        struct view *view = support_view(8);
        scoped_json document = parsed(view);

        (void)state;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                char path[120], *rest = path, *step;
                const json_t *at = document;

                strcpy(path, keys[i] + 1);
                while (at != NULL && (step = strsep(&rest, "/")) != NULL)
                        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(step)) : json_object_get(at, step);
                if (at == NULL)
                        fail_msg("%s is missing", keys[i]);
        }
        assert_string_equal(json_string_value(json_at(document, "run", "started", NULL)), "2026-11-24T03:12:44Z");
        assert_string_equal(json_text(document, "schema", ""), "rounds.report/1");
        assert_true(json_is_null(json_object_get(json_array_get(json_list(document, "findings"), 7), "severity")));
        assert_true(json_real_or(json_map(document, "summary"), "score_percent", 0) == 100.0 / 3);
        support_view_free(view);
}

static void
test_hostile_strings_come_back(void **state)
{
        struct view *view = support_view(40);
        scoped_json document = parsed(view);

        (void)state;
        for (size_t i = 0; support_hostile[i] != NULL; i++) {
                const json_t *finding = json_array_get(json_list(document, "findings"), i);
                scoped_json expected = json_bytes(support_hostile[i], strlen(support_hostile[i]));

                assert_true(json_equal(expected, json_object_get(finding, "observed")));
        }
        support_view_free(view);
}

static void
test_same_bytes(void **state)
{
        struct view *view = support_view(60), *again = support_view(60);
        size_t size, size_again;
        scoped_string text = rendered(view, &size);
        scoped_string text_again = rendered(again, &size_again);

        (void)state;
        assert_int_equal(size, size_again);
        assert_memory_equal(text, text_again, size);
        support_view_free(view);
        support_view_free(again);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fits_the_schema), cmocka_unit_test(test_schema_refuses),
                cmocka_unit_test(test_contract_keys),   cmocka_unit_test(test_hostile_strings_come_back),
                cmocka_unit_test(test_same_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

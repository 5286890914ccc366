/* Dead letters summed up: what is counted, what is kept, and that nothing grows with what a source holds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dead_letters.h"
#include "json.h"
#include "scope.h"

static const json_t *
first(const json_t *row, const char *list)
{
        return json_array_get(json_list(row, list), 0);
}

/* The class of one message, as the sum tells it. */
static void
class_is(const char *settings_text, const char *message_text, const char *class)
{
        scoped_json settings = json_loads(settings_text, 0, NULL);
        scoped_json message = json_loads(message_text, 0, NULL);
        struct dead_letters *all = dead_letters_open(settings);

        assert_non_null(all);
        assert_int_equal(0, dead_letters_add_message(all, settings, message));
        scoped_json row = dead_letters_json(all, 1, false);
        assert_int_equal(1, json_whole(json_map(first(row, "errors"), "classes"), class, 0));
        dead_letters_close(all);
}

static void
classes_are_found_where_they_stand(void **state)
{
        static const char standard[] = "{\"payload\":\"/payload\",\"class\":\"/kind\"}";

        (void)state;
        class_is(standard, "{\"kind\":\"Transient\"}", "transient");
        class_is(standard, "{\"errorClass\":\"permanent\"}", "permanent");
        class_is(standard, "{\"payload\":{\"failureType\":\"permanent\"}}", "permanent");
        class_is(standard, "{\"payload\":\"{\\\"class\\\":\\\"transient\\\"}\"}", "transient");
        class_is(standard, "{\"payload\":[1]}", "");
        class_is(standard, "{\"kind\":7}", "");
        class_is(standard, "{\"kind\":\"jane@example.com\"}", "");
        class_is(standard, "{\"kind\":\"a word that is far too long to be the name of any class\"}", "");
        class_is("{\"class_fields\":[\"why\"]}", "{\"why\":\"permanent\",\"class\":\"transient\"}", "permanent");
        class_is("{}", "[]", "");
}

static void
messages_are_taken_apart(void **state)
{
        scoped_json settings = json_loads(
                "{\"topic\":\"/t\",\"tenant\":\"/o/tenant\",\"error\":\"/e\",\"retry_count\":\"/n\","
                "\"failed_at\":\"/at\",\"payload\":\"/p\",\"backoff\":\"/b\"}",
                0, NULL);
        scoped_json message = json_loads(
                "{\"t\":\"mail krn_abc\",\"o\":{\"tenant\":17},\"e\":\"code 5 for krn_secret\",\"n\":2,"
                "\"at\":1795489200,\"p\":{\"to\":\"jane\"},\"b\":\"fixed\"}",
                0, NULL);
        struct dead_letters *all = dead_letters_open(settings);

        (void)state;
        assert_int_equal(0, dead_letters_add_message(all, settings, message));
        assert_int_equal(0, dead_letters_add_message(all, settings, NULL));
        scoped_json row = dead_letters_json(all, 9, true);
        assert_string_equal("mail krn_***", json_text(first(row, "topics"), "name", ""));
        assert_string_equal("17", json_text(first(row, "tenants"), "name", ""));
        assert_string_equal("2", json_text(first(row, "replays"), "times", ""));
        assert_string_equal("fixed", json_text(first(row, "backoffs"), "type", ""));
        assert_string_equal("{to: text}", json_text(first(row, "shapes"), "shape", ""));
        assert_true(json_whole(row, "oldest_at_ms", 0) == 1795489200000);
        assert_int_equal(1, json_whole(row, "replays_unknown", 0));
        assert_int_equal(2, json_whole(row, "seen", 0));
        assert_false(json_flag(row, "topics_exact", true));
        scoped_string text = json_dumps(row, JSON_COMPACT);
        assert_null(strstr(text, "secret"));
        assert_null(strstr(text, "jane"));
        assert_non_null(strstr(text, "\"text\":\"code <n> for <key>\""));
        dead_letters_close(all);
}

static void
nothing_grows_without_bound(void **state)
{
        struct dead_letters *all = dead_letters_open(NULL);
        char name[40], error[80];
        int64_t messages = 0, classed = 0;
        size_t i;
        json_t *one;

        (void)state;
        for (int n = 0; n < 3000; n++) {
                snprintf(name, sizeof name, "topic-%c%c%c", 'a' + n % 26, 'a' + n / 26 % 26, 'a' + n / 676 % 26);
                snprintf(error, sizeof error, "error %s", name);
                const struct dead_letter letter = {
                        .topic = name, .tenant = name, .error = error, .class = "transient", .replays = n * 7};
                assert_int_equal(0, dead_letters_add(all, &letter));
        }
        scoped_json row = dead_letters_json(all, 3000, false);
        assert_true(json_array_size(json_list(row, "topics")) <= 501);
        assert_true(json_array_size(json_list(row, "errors")) <= 52);
        json_array_foreach((json_t *)json_list(row, "topics"), i, one) messages += json_whole(one, "messages", 0);
        json_array_foreach((json_t *)json_list(row, "errors"), i, one)
                classed += json_whole(json_map(one, "classes"), "transient", 0);
        assert_int_equal(3000, messages);
        assert_int_equal(3000, classed);
        dead_letters_close(all);
}

static void
a_source_counts_better_than_a_sample(void **state)
{
        struct dead_letters *all = dead_letters_open(NULL);
        const struct dead_letter letter = {.topic = "mail", .replays = -1};

        (void)state;
        assert_int_equal(0, dead_letters_add(all, &letter));
        assert_int_equal(0, dead_letters_topic(all, "mail", 60));
        assert_int_equal(0, dead_letters_topic(all, "journey", 200));
        dead_letters_oldest(all, 5000);
        dead_letters_oldest(all, 9000);
        scoped_json row = dead_letters_json(all, 260, false);
        assert_string_equal("journey", json_text(first(row, "topics"), "name", ""));
        assert_true(json_flag(row, "topics_exact", false));
        assert_int_equal(5000, json_whole(row, "oldest_at_ms", 0));
        assert_string_equal("(no error text)", json_text(first(row, "errors"), "text", ""));
        dead_letters_close(all);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(classes_are_found_where_they_stand),
                cmocka_unit_test(messages_are_taken_apart),
                cmocka_unit_test(nothing_grows_without_bound),
                cmocka_unit_test(a_source_counts_better_than_a_sample),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

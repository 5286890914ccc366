/* Guessing a key's type by its name: when it is sure, what it costs to be wrong, and memory by the value's length. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../audits/probes/redis_shapes.h"

static enum redis_ask
ask(struct redis_shapes *shapes, const char *name)
{
        return redis_shapes_ask(shapes, name, strlen(name));
}

/* Asks about keys NAME0, NAME1 ... and answers as a server with such keys would. */
static int
strings_show(struct redis_shapes *shapes, const char *prefix, const char *type, int count)
{
        int lengths = 0;

        for (int i = 0; i < count; i++) {
                char name[96];
                snprintf(name, sizeof name, "%s%d", prefix, i);
                switch (ask(shapes, name)) {
                case ASK_TYPE:
                        redis_shapes_type(shapes, name, strlen(name), type);
                        break;
                case ASK_BOTH:
                        redis_shapes_weigh(shapes, name, strlen(name), 40, 104);
                        break;
                case ASK_LENGTH:
                        lengths++;
                        break;
                }
        }
        return lengths;
}

static void
test_sure_of_strings(void **state)
{
        struct redis_shapes *shapes = redis_shapes_new();

        (void)state;
        /* The first is new; 16 are asked for their type, 16 weighed, then 31 of 32 are asked for their length alone. */
        int lengths = strings_show(shapes, "decision:tenant12:", "string", 1600);
        assert_in_range(lengths, 1500, 1530);
        assert_int_equal(ask(shapes, "decision:tenant7:9f3") != ASK_TYPE, 1); /* the same shape */
        assert_int_equal(ask(shapes, "decision:tenant7:9f3:lock"), ASK_TYPE); /* another */
        assert_int_equal(redis_shapes_memory(shapes, "decision:tenant1:5", 18, 1000), 1064);
        assert_int_equal(redis_shapes_memory(shapes, "other:5", 7, 1000), -1);
        redis_shapes_free(shapes);
}

static void
test_other_types(void **state)
{
        struct redis_shapes *shapes = redis_shapes_new();

        (void)state;
        assert_int_equal(strings_show(shapes, "bull:jobs:", "hash", 500), 0);
        assert_int_equal(strings_show(shapes, "cap:", "string", 10), 0);
        redis_shapes_type(shapes, "cap:3", 5, "list"); /* one other among the first is enough */
        assert_int_equal(strings_show(shapes, "cap:", "string", 500), 0);
        redis_shapes_free(shapes);
}

static void
test_wrong_guesses_end_it(void **state)
{
        struct redis_shapes *shapes = redis_shapes_new();

        (void)state;
        for (int i = 0; i < 16; i++) {
                char name[32];
                snprintf(name, sizeof name, "%c:", 'a' + i);
                assert_true(strings_show(shapes, name, "string", 100) > 0);
                snprintf(name, sizeof name, "%c:1", 'a' + i);
                redis_shapes_wrong(shapes, name, strlen(name));
                assert_int_equal(ask(shapes, name), ASK_TYPE);
        }
        assert_int_equal(strings_show(shapes, "z:", "string", 1000),
                         0); /* after sixteen, nothing is guessed any more */
        redis_shapes_free(shapes);
}

/* Names that are all different, or of any bytes, neither grow the table nor drive out what is frequent. */
static void
test_hostile_names(void **state)
{
        struct redis_shapes *shapes = redis_shapes_new();

        (void)state;
        assert_true(strings_show(shapes, "session:", "string", 200) > 0);
        for (int i = 0; i < 100000; i++) {
                char name[16];
                int length = snprintf(name, sizeof name, "%c%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                                      'a' + i / 676 % 26, 'a' + i / 17576 % 26);
                redis_shapes_ask(shapes, name, (size_t)length);
                if (i % 50 == 0)
                        ask(shapes, "session:1");
        }
        assert_true(ask(shapes, "session:1") != ASK_TYPE);
        assert_int_equal(redis_shapes_ask(shapes, "\0\xff\n", 3), ASK_TYPE);
        assert_int_equal(redis_shapes_ask(shapes, "", 0), ASK_TYPE);
        redis_shapes_weigh(shapes, "session:1", 9, 100, -1); /* memory that was not told is not learned from */
        assert_int_equal(redis_shapes_memory(shapes, "session:1", 9, 0), 64);
        redis_shapes_free(shapes);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sure_of_strings),
                cmocka_unit_test(test_other_types),
                cmocka_unit_test(test_wrong_guesses_end_it),
                cmocka_unit_test(test_hostile_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

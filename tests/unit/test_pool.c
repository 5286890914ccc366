/* The pool: every task once, side by side, and a hung one costs only itself. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "pool.h"

enum { TASKS = 64 };

struct bench {
        atomic_int begun[TASKS], handed_in[TASKS], lost[TASKS];
        atomic_int together, most_together;
        sem_t release; /* what the hung ones wait for */
        int hung_from, hung_to;
        int64_t pause_ms;
        atomic_int ticks;
        struct cancel cancel;
        atomic_int late; /* hung ones that came back and were refused */
};

static int64_t
limit(void *context, size_t index)
{
        (void)context;
        (void)index;
        return 50;
}

static void
work(void *context, size_t index, struct pool_turn *turn)
{
        struct bench *bench = context;
        struct deadline pause = deadline_in(bench->pause_ms, &bench->cancel);

        atomic_fetch_add(&bench->begun[index], 1);
        int together = atomic_fetch_add(&bench->together, 1) + 1;
        if (together > atomic_load(&bench->most_together))
                atomic_store(&bench->most_together, together);
        bool hung = (int)index >= bench->hung_from && (int)index < bench->hung_to;
        if (hung)
                sem_wait(&bench->release);
        else if (bench->pause_ms > 0)
                deadline_sleep(&pause, bench->pause_ms, NULL);
        atomic_fetch_sub(&bench->together, 1);
        if (pool_claim(turn))
                atomic_fetch_add(&bench->handed_in[index], 1);
        else
                atomic_fetch_add(&bench->late, 1);
}

static void
lose(void *context, size_t index)
{
        atomic_fetch_add(&((struct bench *)context)->lost[index], 1);
}

static void
tick(void *context, const struct pool_state *state)
{
        struct bench *bench = context;

        assert_true(state->done <= state->total && state->running <= state->total);
        atomic_fetch_add(&bench->ticks, 1);
}

static struct bench *
bench_new(void)
{
        struct bench *bench = calloc(1, sizeof *bench);

        sem_init(&bench->release, 0, 0);
        assert_int_equal(cancel_open(&bench->cancel, NULL), 0);
        return bench;
}

static struct pool
pool_of(struct bench *bench, size_t count, unsigned threads)
{
        return (struct pool){.count = count,
                             .threads = threads,
                             .context = bench,
                             .cancel = &bench->cancel,
                             .grace_ms = 1000,
                             .limit_ms = limit,
                             .work = work,
                             .lost = lose,
                             .tick = tick};
}

static void
bench_free(struct bench *bench)
{
        cancel_close(&bench->cancel);
        sem_destroy(&bench->release);
        free(bench);
}

static void
test_all_tasks(void **state)
{
        struct bench *bench = bench_new();
        struct pool pool = pool_of(bench, TASKS, 8);
        size_t lost = 9;

        (void)state;
        bench->pause_ms = 10;
        assert_int_equal(pool_run(&pool, &lost, NULL), 0);
        assert_int_equal(lost, 0);
        for (size_t i = 0; i < TASKS; i++) {
                assert_int_equal(bench->begun[i], 1);
                assert_int_equal(bench->handed_in[i], 1);
        }
        assert_true(bench->most_together > 1 && bench->most_together <= 8);
        assert_true(bench->ticks > 0);
        bench_free(bench);
}

static void
test_no_tasks(void **state)
{
        struct bench *bench = bench_new();
        struct pool pool = pool_of(bench, 0, 8);
        size_t lost = 9;

        (void)state;
        assert_int_equal(pool_run(&pool, &lost, NULL), 0);
        assert_int_equal(lost, 0);
        bench_free(bench);
}

/* As many hung tasks as threads, first in line: everything else is done all the same, and they are answered for. */
static void
test_hung(void **state)
{
        struct bench *bench = bench_new();
        struct pool pool = pool_of(bench, TASKS, 4);
        size_t lost = 0;

        (void)state;
        bench->hung_from = 0;
        bench->hung_to = 4;
        int64_t begun_ms = monotonic_ms();
        assert_int_equal(pool_run(&pool, &lost, NULL), 0);
        assert_int_equal(lost, 4);
        assert_true(monotonic_ms() - begun_ms < 5000);
        for (int i = 0; i < TASKS; i++) {
                assert_int_equal(bench->lost[i], i < 4 ? 1 : 0);
                assert_int_equal(bench->handed_in[i], i < 4 ? 0 : 1);
        }
        /* They come back later and must find their claim refused. */
        for (int i = 0; i < 4; i++)
                sem_post(&bench->release);
        struct deadline patience = deadline_in(5000, NULL);
        while (bench->late < 4 && deadline_left_ms(&patience) > 0)
                deadline_sleep(&patience, 10, NULL);
        assert_int_equal(bench->late, 4);
        bench_free(bench);
}

static void
test_cancel(void **state)
{
        struct bench *bench = bench_new();
        struct pool pool = pool_of(bench, TASKS, 4);
        size_t lost = 0;

        (void)state;
        bench->pause_ms = 60000;
        cancel_now(&bench->cancel);
        int64_t begun_ms = monotonic_ms();
        assert_int_equal(pool_run(&pool, &lost, NULL), 0);
        assert_int_equal(lost, 0);
        assert_true(monotonic_ms() - begun_ms < 5000);
        for (size_t i = 0; i < TASKS; i++)
                assert_int_equal(bench->handed_in[i], 1);
        bench_free(bench);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_tasks), cmocka_unit_test(test_no_tasks),
                                           cmocka_unit_test(test_hung), cmocka_unit_test(test_cancel)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* From the beginning of a run to its exit status. */

#include "round.h"

#include "moment.h"

/* Ends the record of a run that could not be finished: the store may well be full, so that this is an attempt. */
static void
abandon(const struct round_order *order, int64_t run)
{
        struct error ignored;

        if (store_run_end(order->run.store, run, RUN_INTERRUPTED, moment_now(), &ignored) != 0)
                return; /* the next run of this job will mark it as died */
}

int
round_make(const struct round_order *order, struct round_outcome *outcome, struct error *err)
{
        struct run_order run = order->run;
        struct run_outcome ran;

        *outcome = (struct round_outcome){.started_ms = moment_now(), .exit = EXIT_STORE};
        const struct run record = {.job = order->job,
                                   .started_ms = outcome->started_ms,
                                   .version = order->version,
                                   .host = order->host,
                                   .shard = order->shard,
                                   .min_coverage = order->min_coverage};
        if (store_run_begin(run.store, &record, order->config, &outcome->run, err) != 0)
                return -1;
        run.run = outcome->run;
        run.now_ms = outcome->started_ms;
        int result = runner_run(&run, &ran, err);
        outcome->lost = ran.lost;
        outcome->interrupted = ran.interrupted;
        if (result != 0) {
                abandon(order, outcome->run);
                return -1;
        }
        outcome->finished_ms = moment_now();
        if (store_run_end(run.store, outcome->run, ran.interrupted ? RUN_INTERRUPTED : RUN_FINISHED,
                          outcome->finished_ms, err) != 0 ||
            tally_run(run.store, outcome->run, &outcome->tally, err) != 0 ||
            store_prune(run.store, &order->keep, outcome->finished_ms, err) != 0)
                return -1;
        outcome->exit = tally_exit(&outcome->tally, order->fail_on, order->min_coverage);
        /* An interrupted run was not fully assessed, whatever it had been asked for. */
        if (outcome->interrupted && outcome->exit < EXIT_NOT_ASSESSED)
                outcome->exit = EXIT_NOT_ASSESSED;
        return 0;
}

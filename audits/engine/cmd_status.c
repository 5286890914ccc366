/* rounds status: did the rounds happen?  Answers like a monitoring plugin. */

#include <stdio.h>
#include <string.h>

#include "invocation.h"
#include "moment.h"
#include "status.h"

#define MAX_AGE_MS (26 * HOUR_MS)

static const struct command_option status_options[] = {
        {"max-age", 0, "DURATION", "critical when no run ended within this time (default: 26h)"},
        {"job", 'j', "JOB", "look at runs of this job only"},
        {0},
};

/* An answer that a monitoring system understands, also when there is nothing to read. */
static int
unknown(const char *why)
{
        printf("ROUNDS UNKNOWN: %s\n", why);
        return PLUGIN_UNKNOWN;
}

static int
status_run(const struct invocation *invocation)
{
        const char *age = invocation_value(invocation, "max-age"), *job = invocation_value(invocation, "job");
        int64_t max_age_ms = MAX_AGE_MS;
        char line[STATUS_LINE];
        enum plugin_code code = PLUGIN_UNKNOWN;
        struct store *store = NULL;
        struct error err = {0};

        if (age != NULL && (!duration_parse(age, &max_age_ms) || max_age_ms <= 0))
                return unknown("--max-age is a time such as 26h or 8d");
        struct config *config = invocation_config(invocation);
        if (config == NULL)
                return unknown("the configuration cannot be used");
        if (job != NULL && config_job(config, job) == NULL)
                code = (enum plugin_code)unknown("there is no such job in the configuration");
        else if (store_open(config->store, true, &store, &err) != 0 ||
                 status_judge(store, job, max_age_ms, moment_now(), line, &code, &err) != 0)
                code = (enum plugin_code)unknown(err.text);
        else
                printf("%s\n", line);
        store_close(store);
        config_close(config);
        return (int)code;
}

const struct command command_status = {
        .name = "status",
        .arguments = "",
        .summary = "say whether the rounds happened, for a monitoring system",
        .details =
                "One line with performance data, and the exit status of a monitoring plugin: 0 ok, 1 warning (the last "
                "run was interrupted, died or did not assess everything), 2 critical (none ended in time), 3 unknown. "
                "What the rounds found does not change it: that is the reports' business.",
        .options = status_options,
        .run = status_run,
};

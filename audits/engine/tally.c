/* Counting findings. */

#include "tally.h"

#include <string.h>

int
tally_run(struct store *store, int64_t run, struct tally *tally, struct error *err)
{
        struct finding_counts counts;

        *tally = (struct tally){0};
        if (store_findings_count(store, run, &counts, err) != 0)
                return -1;
        memcpy(tally->by_status, counts.by_status, sizeof tally->by_status);
        memcpy(tally->by_severity, counts.fails, sizeof tally->by_severity);
        return 0;
}

double
tally_coverage(const struct tally *tally)
{
        size_t assessed = tally->by_status[STATUS_FAIL] + tally->by_status[STATUS_WAIVED] +
                          tally->by_status[STATUS_PASS];
        size_t wanted = assessed + tally->by_status[STATUS_ERROR];

        return wanted > 0 ? 100.0 * (double)assessed / (double)wanted : 0;
}

enum exit_status
tally_exit(const struct tally *tally, enum severity fail_on, double min_coverage)
{
        if (tally_coverage(tally) < min_coverage)
                return EXIT_NOT_ASSESSED;
        for (int severity = SEV1; severity <= SEV4; severity++) {
                if (tally->by_severity[severity] > 0 && severity_reaches((enum severity)severity, fail_on))
                        return EXIT_FINDINGS;
        }
        return EXIT_ASSESSED;
}

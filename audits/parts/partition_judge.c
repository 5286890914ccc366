/* What the judges of partitions share: how a fault is told, and how a bound is written. */

#include "partition_judge.h"

#include "moment.h"
#include "partition_bounds.h"

void
partition_fail(struct partition_judge *j, const char *kind, const char *database, const char *name,
               const struct finding *words)
{
        struct finding finding = *words;

        finding.control = "DSK-4";
        finding.resource = (struct resource){.kind = kind, .namespace_ = database, .name = name};
        finding.status = STATUS_FAIL;
        finding.severity = policy_severity(j->policy, "DSK-4", false);
        findings_add(j->out, &finding);
}

const char *
partition_day(struct findings *out, int64_t at_ms)
{
        char text[MOMENT_TEXT];

        if (at_ms == PARTITION_OPEN_BEGIN || at_ms == PARTITION_OPEN_END)
                return at_ms == PARTITION_OPEN_END ? "for ever" : "the beginning";
        moment_format(at_ms, text);
        return findings_text(out, at_ms % DAY_MS == 0 ? "%.10s" : "%s", text);
}

/* What the judges of nodes share: how a fault is told. */

#include "nodes_judge.h"

void
nodes_fail(const struct nodes_judge *j, const char *control, struct resource resource, bool severe,
           const char *observed, const char *expected, const char *message, const char *remedy, const char *evidence)
{
        findings_add(j->out, &(struct finding){.control = control,
                                               .resource = resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, control, severe),
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = remedy,
                                               .evidence = evidence});
}

/* What the judges of nodes share: how a fault is told. */

#include "nodes_judge.h"

void
nodes_fail(const struct nodes_judge *j, const char *control, struct resource resource, bool severe,
           const char *observed, const char *expected, const char *message, const char *remedy, const char *evidence)
{
        findings_fail(j->out, control, &resource, policy_severity(j->policy, control, severe), observed, expected,
                      message, remedy, evidence);
}

/* Nodes under pressure, pods that wait, pods that were evicted: what is short of room now. */

#include "nodes_judge.h"

#include <stdbool.h>

#include "facts.h"
#include "faults.h"
#include "json.h"

static void
pressure_judge(const struct nodes_judge *j)
{
        const json_t *nodes = json_list(j->facts, "nodes");
        size_t i, well = 0;
        json_t *node;

        json_array_foreach((json_t *)nodes, i, node)
        {
                struct faults faults = FAULTS_INIT(j->out);
                const char *name = json_text(node, "name", NULL), *pressure = json_text(node, "pressure", NULL);
                int64_t since = json_whole(node, "since_ms", 0);
                if (name == NULL)
                        continue;
                if (pressure != NULL)
                        faults_add(
                                &faults, pressure, "The kubelet evicts pods, or soon will, until the pressure is gone.",
                                findings_text(j->out, "kubectl describe node %s; kubectl top pods -A --sort-by=memory",
                                              name));
                if (!json_flag(node, "ready", true) && !json_flag(node, "leaving", false))
                        faults_add(
                                &faults,
                                findings_text(j->out, "%s%s%s",
                                              json_flag(node, "ready_known", true) ? "not Ready" : "Ready is unknown",
                                              since > 0 ? " for " : "",
                                              since > 0 ? findings_duration(j->out, (double)(j->now_ms - since)) : ""),
                                "Its pods are moved away, or wait for it.",
                                findings_text(j->out, "kubectl describe node %s; journalctl -u kubelet on it", name));
                if (faults_report(&faults, &(struct finding){.control = "NOD-6",
                                                             .resource = {.kind = "Node", .name = name},
                                                             .severity = policy_severity(j->policy, "NOD-6", false),
                                                             .expected = "Ready, without memory, disk or PID pressure",
                                                             .evidence = findings_text(j->out, "/nodes/%zu", i)}))
                        well++;
        }
        if (well > 0)
                findings_pass(j->out, "NOD-6", &(struct resource){.kind = "nodes"},
                              findings_text(j->out, "%zu of %zu nodes", well, json_array_size(nodes)),
                              "Ready, without memory, disk or PID pressure", "They are well.");
}

static void
pending_judge(const struct nodes_judge *j)
{
        double bound = policy_number(j->policy, "NOD-6", "pending");
        size_t i, seen = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "pending"), i, row)
        {
                int64_t since = json_whole(row, "since_ms", 0), unscheduled = json_whole(row, "unscheduled", 0);
                double waits = (double)j->now_ms - (double)since;
                const char *reason = json_text(row, "reason", ""), *message = json_text(row, "message", "");
                const char *namespace_ = json_text(row, "namespace", NULL), *name = json_text(row, "name", NULL);
                if (name == NULL || namespace_ == NULL || since <= 0 || !(waits > bound))
                        continue;
                seen++;
                nodes_fail(j, "NOD-6",
                           (struct resource){
                                   .kind = json_text(row, "kind", "Pod"), .namespace_ = namespace_, .name = name},
                           unscheduled > 0,
                           findings_text(j->out, "%lld pod%s pending, the first for %s%s%s",
                                         (long long)json_whole(row, "pods", 0),
                                         json_whole(row, "pods", 0) == 1 ? "" : "s", findings_duration(j->out, waits),
                                         *reason != '\0' ? ": " : "", reason),
                           findings_text(j->out, "no pod pending for more than %s", findings_duration(j->out, bound)),
                           unscheduled > 0 ? findings_text(j->out, "The scheduler finds no node: %s",
                                                           *message != '\0' ? message : "it gives no reason.")
                                           : "It has its node, but its containers do not start.",
                           unscheduled > 0
                                   ? findings_text(j->out,
                                                   "kubectl -n %s describe pods; then add nodes, or mend requests, "
                                                   "selectors and tolerations",
                                                   namespace_)
                                   : findings_text(j->out, "kubectl -n %s describe pods; kubectl -n %s get events",
                                                   namespace_, namespace_),
                           findings_text(j->out, "/pending/%zu", i));
        }
        if (seen == 0 && !facts_lacks(j->facts, "pods"))
                findings_pass(
                        j->out, "NOD-6", &(struct resource){.kind = "pending pods"}, "none",
                        findings_text(j->out, "no pod pending for more than %s", findings_duration(j->out, bound)),
                        "Every pod finds its node and starts.");
}

static void
evicted_judge(const struct nodes_judge *j)
{
        size_t i, seen = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "evicted"), i, row)
        {
                const char *namespace_ = json_text(row, "namespace", NULL), *name = json_text(row, "name", NULL);
                const char *node = json_text(row, "node", "");
                if (name == NULL || namespace_ == NULL)
                        continue;
                seen++;
                nodes_fail(
                        j, "NOD-6",
                        (struct resource){.kind = findings_text(j->out, "evicted %s", json_text(row, "kind", "Pod")),
                                          .namespace_ = namespace_,
                                          .name = name},
                        true,
                        findings_text(j->out, "%lld pod%s evicted%s%s", (long long)json_whole(row, "pods", 0),
                                      json_whole(row, "pods", 0) == 1 ? "" : "s", *node != '\0' ? ", from " : "", node),
                        "no evicted pod",
                        findings_text(j->out, "A node ran out: %s", json_text(row, "message", "no reason is given.")),
                        findings_text(
                                j->out,
                                "Give it requests that fit what it uses and find what filled the node; then kubectl "
                                "-n %s delete pods --field-selector=status.phase=Failed",
                                namespace_),
                        findings_text(j->out, "/evicted/%zu", i));
        }
        if (seen == 0 && !facts_lacks(j->facts, "pods") && !facts_lacks(j->facts, "events"))
                findings_pass(j->out, "NOD-6", &(struct resource){.kind = "evicted pods"}, "none", "no evicted pod",
                              "No node had to throw a pod out.");
}

void
nodes_pressure_judge(const struct nodes_judge *j)
{
        pressure_judge(j);
        pending_judge(j);
        evicted_judge(j);
}

/* What the workloads of a cluster may open, all replicas together, against the pooler that serves them, or the server
 * where there is no pooler.  Cross-layer, from the newest facts of both.  Control: DBC-3. */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "json.h"

/* What serves them: the target of that audit that the policy names, else the only one. */
static const json_t *
side_find(const json_t *facts, const char *audit, const char *wanted, size_t *count)
{
        const json_t *found = NULL;
        size_t i;
        json_t *entry;

        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), audit) != 0)
                        continue;
                ++*count;
                if (*wanted != '\0' ? strcmp(json_text(entry, "target", ""), wanted) == 0 : found == NULL)
                        found = entry;
        }
        return *wanted == '\0' && *count > 1 ? NULL : found;
}

/* Clients that all its instances admit; instances that did not answer are taken to be like those that did. */
static double
clients_of(const json_t *pooler)
{
        const json_t *facts = json_map(pooler, "facts");
        double sum = 0, declared = json_real_or(facts, "declared", 0);
        size_t i, answered = 0;
        json_t *instance;

        json_array_foreach((json_t *)json_list(facts, "instances"), i, instance)
        {
                double clients = json_real_or(json_map(instance, "config"), "max_client_conn", NAN);
                if (!(clients > 0))
                        continue;
                sum += clients;
                answered++;
        }
        if (answered == 0)
                return NAN;
        return declared > (double)answered ? sum / (double)answered * declared : sum;
}

/* What a side admits: clients of a pooler, or sessions of a server; NAN when it is not known. */
static double
room_of(const json_t *side, bool pooler)
{
        const json_t *server = json_map(json_map(side, "facts"), "server");

        if (pooler)
                return clients_of(side);
        return json_real_or(server, "max_connections", NAN) -
               json_real_or(server, "superuser_reserved_connections", 0) -
               json_real_or(server, "reserved_connections", 0);
}

struct demand {
        double now, most;       /* connections */
        size_t dsns, unbounded; /* unbounded: without a limit, so that no sum holds */
        const char *largest;    /* "Deployment kaireon/api: 20 x 20" */
        double largest_most, largest_limit;
};

static struct demand
demand_of(const json_t *facts, const struct policy *policy, struct findings *out)
{
        const json_t *named = policy_value(policy, "DBC-3", "workloads");
        const json_t *variables = policy_value(policy, "DBC-3", "variables");
        const json_t *hosts = policy_value(policy, "DBC-3", "hosts");
        struct demand demand = {.largest = ""};
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(facts, "dsns"), i, row)
        {
                const char *name = findings_text(out, "%s/%s", json_text(row, "namespace", "?"),
                                                 json_text(row, "name", "?"));
                double limit = json_real_or(row, "limit", NAN), most = json_real_or(row, "most", 0);
                if (!json_is_object(row) || json_has(row, "missing") || !json_globs_match(named, name) ||
                    !json_globs_match(variables, json_text(row, "variable", "")) ||
                    !json_globs_match(hosts, json_text(row, "host", "?")) || !(most > 0))
                        continue;
                demand.dsns++;
                if (!(limit >= 1)) {
                        demand.unbounded++;
                        continue;
                }
                demand.now += limit * fmax(json_real_or(row, "replicas", 0), 0);
                demand.most += limit * most;
                if (limit * most > demand.largest_most) {
                        demand.largest_most = limit * most;
                        demand.largest_limit = limit;
                        demand.largest = findings_text(out, "%s %s: %.0f replicas x %.0f", json_text(row, "kind", "?"),
                                                       name, most, limit);
                }
        }
        return demand;
}

static void
cluster_judge(const json_t *cluster, const json_t *side, bool pooler, const struct policy *policy, struct findings *out)
{
        const char *name = json_text(cluster, "target", "?"), *server = json_text(side, "target", "?");
        struct resource resource = {.kind = "pool demand", .namespace_ = server, .name = name};
        struct demand demand = demand_of(json_map(cluster, "facts"), policy, out);
        double room = room_of(side, pooler);

        if (demand.dsns == 0) {
                findings_skip(out, "DBC-3",
                              findings_text(out, "no workload of %s has a DSN that leads to %s", name, server),
                              "policy: {DBC-3: {hosts: [...]}} names the hosts that are the pooler");
                return;
        }
        if (isnan(room)) {
                findings_error(out, "DBC-3", &resource, REASON_STALE,
                               findings_text(out, "%s of %s is not known",
                                             pooler ? "max_client_conn" : "max_connections", server),
                               pooler ? "run the audit pgbouncer of that target in the same job"
                                      : "run the audit connections of that target in the same job");
                return;
        }
        const char *observed = findings_text(
                out, "up to %.0f connections (now %.0f), the largest %s; %s admits %.0f %s", demand.most, demand.now,
                demand.largest, server, room,
                pooler ? "clients" : "sessions besides those reserved, and no pooler stands before it");
        const char *expected = pooler ? "replicas x connection_limit within what the pooler admits"
                                      : "replicas x connection_limit within max_connections less reserved";
        if (demand.most > room)
                findings_add(
                        out,
                        &(struct finding){
                                .control = "DBC-3",
                                .resource = resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(policy, "DBC-3", false),
                                .observed = observed,
                                .expected = expected,
                                .message = pooler ? "When the autoscalers go to their maximum the pooler refuses the "
                                                    "last ones: "
                                                    "new pods come up and cannot reach the database."
                                                  : "When the autoscalers go to their maximum the server refuses the "
                                                    "last ones "
                                                    "(\"too many clients already\"): new pods come up and cannot work.",
                                .remedy = findings_text(
                                        out,
                                        "lower the connection_limits by the factor %.1f (the largest one's to %.0f), "
                                        "or %s",
                                        demand.most / room, fmax(floor(demand.largest_limit * room / demand.most), 1),
                                        pooler ? findings_text(
                                                         out,
                                                         "set max_client_conn = %.0f on each instance of %s and RELOAD",
                                                         ceil(demand.most), server)
                                               : findings_text(out,
                                                               "put a PgBouncer before %s; max_connections = %.0f "
                                                               "costs memory for each",
                                                               server, ceil(demand.most + 10)))});
        else if (demand.unbounded > 0)
                findings_error(
                        out, "DBC-3", &resource, REASON_TOO_LITTLE_DATA,
                        findings_text(out,
                                      "%zu of %zu DSNs have no connection_limit, so that no sum holds; the rest: "
                                      "%s",
                                      demand.unbounded, demand.dsns, observed),
                        "give each DSN a connection_limit (the findings of audit pools name them)");
        else
                findings_pass(out, "DBC-3", &resource, observed, expected,
                              pooler ? "Even with every autoscaler at its maximum the pooler admits them all."
                                     : "Even with every autoscaler at its maximum the server admits them all.");
        findings_sample(out, "pool_demand.connections", name, demand.most);
}

static void
demand_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const char *wanted = policy_text(policy, "DBC-3", "pooler");
        size_t i, clusters = 0, poolers = 0, servers = 0;
        const json_t *side = side_find(facts, "pgbouncer", wanted, &poolers);
        bool pooler = poolers > 0;
        json_t *entry;

        (void)history;
        if (!pooler)
                side = side_find(facts, "connections", wanted, &servers);
        json_array_foreach((json_t *)json_list(facts, "targets"), i, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), "pools") != 0)
                        continue;
                clusters++;
                if (side != NULL)
                        cluster_judge(entry, side, pooler, policy, out);
        }
        if (clusters > 0 && side != NULL)
                return;
        findings_skip(out, "DBC-3",
                      clusters == 0     ? "no facts of audit pools are new enough"
                      : *wanted != '\0' ? findings_text(out, "no facts of %s are new enough", wanted)
                      : poolers + servers == 0
                              ? "no target of kind pgbouncer or postgres was seen"
                              : findings_text(out,
                                              "there are several %s, and the policy does not say which one serves them",
                                              pooler ? "poolers" : "servers"),
                      clusters == 0 ? "run audit pools of the cluster in the same job"
                                    : "policy: {DBC-3: {pooler: NAME-OF-THE-TARGET}}");
}

const struct audit audit_pool_demand = {
        .name = "pool_demand",
        .summary = "connections of all replicas against the pooler, or the server, that serves them",
        .controls = {"DBC-3"},
        .needs = "facts of the pools, pgbouncer and connections audits",
        .joins = {"pools", "pgbouncer", "connections"},
        .judge = demand_judge,
};

/* DSNs of workloads: do applications bound their pools, and do they give up waiting soon?  Controls: DBC-3, DBC-5. */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "kubernetes_rights.h"
#include "pools_facts.h"

#define NEEDS                                                                                                      \
        "RBAC: list secrets, configmaps, deployments.apps, statefulsets.apps, daemonsets.apps, replicasets.apps, " \
        "rollouts.argoproj.io, horizontalpodautoscalers.autoscaling"

static int
pools_collect(struct session *session, json_t *facts, struct error *err)
{
        return pools_facts_read(session, facts, err);
}

static int
pools_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

struct judge {
        const struct policy *policy;
        struct findings *out;
        size_t seen, limited, timed;
};

static void
fail(const struct judge *j, const char *control, const struct resource *resource, const char *observed,
     const char *expected, const char *message, const char *remedy, size_t index)
{
        findings_fail(j->out, control, resource, policy_severity(j->policy, control, false), observed, expected,
                      message, remedy, findings_text(j->out, "/dsns/%zu", index));
}

/* "add connection_limit=5 to Secret api/DATABASE_URL, then kubectl -n k rollout restart Deployment/api" */
static const char *
remedy_of(const struct judge *j, const json_t *row, const char *parameter)
{
        const char *source = json_text(row, "source", "the manifest");

        return findings_text(j->out, "add %s to the query of the URL in %s, then kubectl -n %s rollout restart %s/%s",
                             parameter, source, json_text(row, "namespace", "?"), json_text(row, "kind", "?"),
                             json_text(row, "name", "?"));
}

/* True when the pool is bounded. */
static bool
limit_judge(const struct judge *j, const json_t *row, const struct resource *resource, size_t index)
{
        double limit = json_real_or(row, "limit", NAN), most = json_real_or(row, "most", NAN);

        if (limit >= 1)
                return true;
        fail(j, "DBC-3", resource,
             json_flag(row, "limit_unsound", false) ? "connection_limit is no number"
             : isnan(limit)                         ? "no connection_limit"
                                                    : findings_text(j->out, "connection_limit %g", limit),
             "a connection_limit in the DSN",
             findings_text(j->out,
                           "Each of up to %.0f replicas opens as many connections as its node has cores for (or more): "
                           "a release or a burst takes them all.",
                           isnan(most) ? 1 : most),
             remedy_of(j, row, "connection_limit=5"), index);
        return false;
}

/* True when waiting ends soon. */
static bool
timeout_judge(const struct judge *j, const json_t *row, const struct resource *resource, size_t index)
{
        double bound = policy_number(j->policy, "DBC-5", "pool_timeout"), timeout = json_real_or(row, "timeout_s", NAN);
        const char *expected = findings_text(j->out, "pool_timeout of at most %s", findings_duration(j->out, bound));

        if (timeout > 0 && timeout * 1000 <= bound)
                return true;
        fail(j, "DBC-5", resource,
             json_flag(row, "timeout_unsound", false) ? "pool_timeout is no number"
             : isnan(timeout)                         ? "no pool_timeout (10 s by default)"
             : timeout <= 0                           ? "pool_timeout 0: for ever"
                                                      : findings_text(j->out, "pool_timeout %g s", timeout),
             expected,
             "While all connections are busy its requests pile up behind the pool instead of failing with a clear "
             "error.",
             remedy_of(j, row, findings_text(j->out, "pool_timeout=%.0f", fmax(floor(bound / 1000), 1))), index);
        return false;
}

static void
inventory_add(const struct judge *j, const json_t *row, const struct resource *resource)
{
        json_t *out = json_object();

        json_put_text(out, "id",
                      findings_text(j->out, "%s %s/%s", resource->kind, resource->namespace_, resource->name));
        json_put_text(out, "source", json_text(row, "source", ""));
        json_put_text(out, "host", json_text(row, "host", ""));
        json_put_real(out, "connection_limit", json_real_or(row, "limit", NAN));
        json_put_real(out, "pool_timeout_s", json_real_or(row, "timeout_s", NAN));
        json_put_flag(out, "pgbouncer", json_flag(row, "pgbouncer", false));
        json_put_whole(out, "replicas", json_whole(row, "replicas", 0));
        json_put_whole(out, "most_replicas", json_whole(row, "most", 0));
        json_put_real(out, "most_connections", json_real_or(row, "limit", NAN) * json_real_or(row, "most", NAN));
        findings_inventory(j->out, "application_pools", out);
}

static void
dsn_judge(struct judge *j, const json_t *row, size_t index)
{
        struct resource resource = {json_text(row, "kind", "?"), json_text(row, "namespace", "?"),
                                    findings_text(j->out, "%s/%s/%s", json_text(row, "name", "?"),
                                                  json_text(row, "container", "?"), json_text(row, "variable", "?"))};
        const char *missing = json_text(row, "missing", NULL);

        j->seen++;
        if (missing != NULL) {
                const char *message = findings_text(j->out, "The variable has no value: %s.", missing);
                const char *remedy = findings_text(j->out, "kubectl -n %s describe %s %s", resource.namespace_,
                                                   resource.kind, json_text(row, "name", "?"));
                findings_error(j->out, "DBC-3", &resource, REASON_TOO_LITTLE_DATA, message, remedy);
                findings_error(j->out, "DBC-5", &resource, REASON_TOO_LITTLE_DATA, message, remedy);
                return;
        }
        inventory_add(j, row, &resource);
        j->limited += limit_judge(j, row, &resource, index) ? 1 : 0;
        j->timed += timeout_judge(j, row, &resource, index) ? 1 : 0;
}

static void
pools_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *named = policy_value(policy, "DBC-3", "workloads");
        const json_t *variables = policy_value(policy, "DBC-3", "variables");
        struct judge j = {.policy = policy, .out = out};
        size_t i;
        json_t *row;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "dsns"), i, row)
        {
                const char *name = json_text(row, "name", NULL);
                if (name != NULL &&
                    json_globs_match(named, findings_text(out, "%s/%s", json_text(row, "namespace", "?"), name)) &&
                    json_globs_match(variables, json_text(row, "variable", "")))
                        dsn_judge(&j, row, i);
        }
        if (j.limited > 0)
                findings_pass(
                        out, "DBC-3", NULL,
                        findings_text(out, "%zu of %zu DSNs of workloads have a connection_limit", j.limited, j.seen),
                        "a connection_limit in each DSN",
                        "Their pools are bounded; audit pool_demand sets the sum against the pooler.");
        if (j.timed > 0)
                findings_pass(
                        out, "DBC-5", NULL,
                        findings_text(out, "%zu of %zu DSNs of workloads give up waiting in time", j.timed, j.seen),
                        findings_text(out, "pool_timeout of at most %s",
                                      findings_duration(out, policy_number(policy, "DBC-5", "pool_timeout"))),
                        "Waiting for a connection fails fast.");
        if (j.seen > 0)
                return;
        const char *why = "No workload that the policy names has a PostgreSQL URL in one of its variables.";
        const char *remedy = "Name the variables that hold them: policy: {DBC-3: {variables: [\"*_DATABASE_URL\"]}}.";
        findings_skip(out, "DBC-3", why, remedy);
        findings_skip(out, "DBC-5", why, remedy);
}

const struct audit audit_pools = {
        .name = "pools",
        .summary = "connection limits and timeouts in the DSNs of workloads",
        .looks_at = {"kubernetes"},
        .controls = {"DBC-3", "DBC-5"},
        .needs = NEEDS,
        .collect = pools_collect,
        .judge = pools_judge,
        .check = pools_check,
};

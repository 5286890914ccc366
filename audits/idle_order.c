/* Idle timeouts of applications and of the pooler before the database, in the right order.  Cross-layer, from the
 * newest facts of both; the order of the pooler and the server is pool_headroom's.  Control: DBC-2. */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "json.h"

/* What Prisma does where the DSN does not say (its documentation, "Connection pool"). */
static const double IDLE_DEFAULT_S = 300;

/* When the pooler cuts an idle client: the soonest of its instances; 0: never; NAN: not known. */
static double
client_cut(const json_t *facts)
{
        double soonest = NAN;
        size_t i;
        json_t *instance;

        json_array_foreach((json_t *)json_list(facts, "instances"), i, instance)
        {
                double cut = json_real_or(json_map(instance, "config"), "client_idle_timeout", NAN);
                if (!(cut >= 0))
                        continue;
                if (isnan(soonest) || soonest <= 0 || (cut > 0 && cut < soonest))
                        soonest = cut;
        }
        return soonest;
}

static bool
leads_to_pooler(const json_t *row, const struct policy *policy)
{
        return json_is_object(row) && !json_has(row, "missing") &&
               json_globs_match(policy_value(policy, "DBC-3", "variables"), json_text(row, "variable", "")) &&
               json_globs_match(policy_value(policy, "DBC-3", "hosts"), json_text(row, "host", "?"));
}

static void
row_fail(const json_t *row, const char *cluster, const char *pooler, double idle, double cut,
         const struct policy *policy, struct findings *out)
{
        const char *name = findings_text(out, "%s/%s/%s", json_text(row, "name", "?"), json_text(row, "container", "?"),
                                         json_text(row, "variable", "?"));
        bool stated = json_has(row, "idle_s");

        findings_add(out,
                     &(struct finding){
                             .control = "DBC-2",
                             .resource = {.kind = "idle timeouts",
                                          .namespace_ = findings_text(out, "%s/%s", cluster,
                                                                      json_text(row, "namespace", "?")),
                                          .name = name},
                             .status = STATUS_FAIL,
                             .severity = policy_severity(policy, "DBC-2", false),
                             .observed = findings_text(
                                     out, "the application keeps an idle connection for %s%s; %s cuts it after %.0f s",
                                     idle > 0 ? findings_text(out, "%.0f s", idle) : "ever",
                                     stated ? "" : " (Prisma's default)", pooler, cut),
                             .expected = "the application gives a connection back before the pooler cuts it",
                             .message = "The pooler cuts idle connections that the application still believes in: the "
                                        "next query on one fails.",
                             .remedy = findings_text(out,
                                                     "add max_idle_connection_lifetime=%.0f to the DSN of %s, or set "
                                                     "client_idle_timeout = 0 in "
                                                     "pgbouncer.ini of %s and RELOAD",
                                                     fmax(floor(cut / 2), 1), name, pooler)});
}

static size_t
cluster_judge(const json_t *cluster, const json_t *pooler, const struct policy *policy, struct findings *out)
{
        const char *name = json_text(cluster, "target", "?"), *server = json_text(pooler, "target", "?");
        struct resource resource = {.kind = "idle timeouts", .namespace_ = name, .name = server};
        double cut = client_cut(json_map(pooler, "facts"));
        size_t i, seen = 0, wrong = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(json_map(cluster, "facts"), "dsns"), i, row)
        {
                double idle = json_real_or(row, "idle_s", IDLE_DEFAULT_S);
                if (!leads_to_pooler(row, policy))
                        continue;
                seen++;
                if (cut > 0 && (idle <= 0 || idle >= cut)) {
                        wrong++;
                        row_fail(row, name, server, idle, cut, policy, out);
                }
        }
        if (seen > 0 && isnan(cut))
                findings_error(out, "DBC-2", &resource, REASON_STALE,
                               findings_text(out, "client_idle_timeout of %s is not known.", server),
                               "run the audit pgbouncer of that target in the same job");
        else if (seen > 0 && wrong == 0)
                findings_pass(
                        out, "DBC-2", &resource,
                        cut > 0 ? findings_text(out,
                                                "%zu DSNs give idle connections back before %s cuts them after %.0f s",
                                                seen, server, cut)
                                : findings_text(out, "client_idle_timeout of %s is 0: it never cuts an idle client",
                                                server),
                        "the application gives a connection back before the pooler cuts it",
                        "The idle timeouts are in the right order.");
        return seen;
}

static void
idle_order_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const char *wanted = policy_text(policy, "DBC-3", "pooler");
        const json_t *targets = json_list(facts, "targets"), *pooler = NULL;
        size_t i, poolers = 0, seen = 0;
        json_t *entry;

        (void)history;
        json_array_foreach((json_t *)targets, i, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), "pgbouncer") != 0)
                        continue;
                poolers++;
                if (*wanted == '\0' ? pooler == NULL : strcmp(json_text(entry, "target", ""), wanted) == 0)
                        pooler = entry;
        }
        if (*wanted == '\0' && poolers > 1)
                pooler = NULL;
        json_array_foreach((json_t *)targets, i, entry)
        {
                if (pooler != NULL && strcmp(json_text(entry, "audit", ""), "pools") == 0)
                        seen += cluster_judge(entry, pooler, policy, out);
        }
        if (seen == 0)
                findings_skip(out, "DBC-2",
                              poolers == 0     ? "no target of kind pgbouncer was seen"
                              : pooler == NULL ? "there are several poolers, and the policy does not say which one "
                                                 "serves the workloads"
                                               : "no workload has a DSN that leads to the pooler",
                              pooler == NULL ? "policy: {DBC-3: {pooler: NAME-OF-THE-TARGET}}"
                                             : "policy: {DBC-3: {hosts: [...]}} names the hosts that are the pooler");
}

const struct audit audit_idle_order = {
        .name = "idle_order",
        .summary = "idle timeouts of applications against those of the pooler that serves them",
        .controls = {"DBC-2"},
        .needs = "facts of the pools and pgbouncer audits",
        .joins = {"pools", "pgbouncer"},
        .judge = idle_order_judge,
};

/* PgBouncer: are clients let in, served without waiting, and are servers given back?  Controls: DBC-2, DBC-4, DBC-5. */

#include <math.h>

#include "audit.h"
#include "json.h"
#include "pool_sum.h"
#include "pooler_facts.h"

/* A run a night for two weeks: fewer looks at the number of clients say nothing about its peak. */
enum { LEAST_LOOKS = 14 };

struct judging {
        const json_t *facts;
        const json_t *instances;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

static double
config_number(const json_t *instance, const char *key)
{
        return json_real_or(json_map(instance, "config"), key, NAN);
}

/* A setting in seconds that must lie in (0, most]: the instances that break it are named, one finding in all, so that
 * addresses, which come and go, are no part of its identity. */
struct bound {
        const char *control, *key;
        double most;            /* seconds */
        const char *zero_words; /* what 0 does */
        const char *high_words; /* what too much of it does */
        const char *pass_words;
};

static void
judge_bound(const struct judging *j, const struct bound *bound)
{
        struct resource resource = {.kind = "setting", .name = bound->key};
        const char *expected = findings_text(j->out, "%s in 1 s to %s", bound->key,
                                             findings_duration(j->out, 1000 * bound->most));
        const char *names = "", *observed = "";
        size_t i, unread = 0, wrong = 0, first = 0;
        bool zero = false;
        json_t *instance;

        json_array_foreach((json_t *)j->instances, i, instance)
        {
                double value = config_number(instance, bound->key);
                const char *address = json_text(instance, "address", "?");
                if (!isfinite(value)) {
                        unread++;
                        continue;
                }
                if (*observed == '\0')
                        observed = findings_text(j->out, "%s = %s", bound->key,
                                                 findings_duration(j->out, 1000 * value));
                if (value > 0 && value <= bound->most)
                        continue;
                if (wrong++ == 0) {
                        first = i;
                        observed = findings_text(j->out, "%s = %s", bound->key,
                                                 findings_duration(j->out, 1000 * value));
                }
                zero = zero || value <= 0;
                names = findings_text(j->out, "%s%s%s", names, *names != '\0' ? ", " : "", address);
        }
        if (wrong > 0) {
                findings_add(j->out,
                             &(struct finding){
                                     .control = bound->control,
                                     .resource = resource,
                                     .status = STATUS_FAIL,
                                     .severity = policy_severity(j->policy, bound->control, false),
                                     .observed = findings_text(j->out, "%s at %s", observed, names),
                                     .expected = expected,
                                     .message = zero ? bound->zero_words : bound->high_words,
                                     .remedy = findings_text(j->out,
                                                             "in pgbouncer.ini set %s = %.0f, then RELOAD on the "
                                                             "admin console",
                                                             bound->key, bound->most),
                                     .evidence = findings_text(j->out, "/instances/%zu/config/%s", first, bound->key)});
                return;
        }
        if (unread > 0 || *observed == '\0') {
                findings_error(
                        j->out, bound->control, &resource, REASON_PROTOCOL,
                        findings_text(j->out, "SHOW CONFIG of %zu instance(s) does not tell %s", unread, bound->key),
                        "is this a PgBouncer of version 1.12 or later? look at SHOW CONFIG on its console");
                return;
        }
        findings_pass(j->out, bound->control, &resource, observed, expected, bound->pass_words);
}

/* What all instances admit, and what they serve now. */
struct clients {
        double admitted, used, worst_share;
        const char *worst;
        size_t worst_index, unread;
};

static struct clients
count_clients(const struct judging *j)
{
        struct clients clients = {.worst_share = -1};
        size_t i, read = 0;
        json_t *instance;

        json_array_foreach((json_t *)j->instances, i, instance)
        {
                double most = config_number(instance, "max_client_conn");
                double used = json_real_or(json_map(instance, "lists"), "used_clients", NAN);
                if (!(most > 0) || !(used >= 0)) {
                        clients.unread++;
                        continue;
                }
                read++;
                clients.admitted += most;
                clients.used += used;
                if (used / most > clients.worst_share) {
                        clients.worst_share = used / most;
                        clients.worst = json_text(instance, "address", "?");
                        clients.worst_index = i;
                }
        }
        double declared = json_real_or(j->facts, "declared", 0);
        if (read > 0 && declared > (double)(read + clients.unread)) {
                clients.admitted *= declared / (double)read;
                clients.used *= declared / (double)read;
        }
        return clients;
}

static void
judge_admission(const struct judging *j, const struct clients *clients)
{
        struct resource resource = {.kind = "setting", .name = "max_client_conn"};
        double factor = policy_number(j->policy, "DBC-4", "factor");
        double declared = policy_number(j->policy, "DBC-4", "peak");
        size_t looks;
        double seen = history_peak(j->history, "pgbouncer.clients", "", policy_whole(j->policy, "DBC-4", "window"),
                                   clients->used, &looks);
        double peak = fmax(declared, seen);
        const char *source = declared >= seen ? "declared" : findings_text(j->out, "observed, %zu looks", looks);
        const char *observed = findings_text(j->out, "max_client_conn = %.0f in all, peak %.0f (%s)", clients->admitted,
                                             peak, source);
        const char *expected = findings_text(j->out, "at least %.0f", ceil(factor * peak));

        if (clients->admitted < factor * peak) {
                findings_add(
                        j->out,
                        &(struct finding){
                                .control = "DBC-4",
                                .resource = resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "DBC-4", false),
                                .observed = observed,
                                .expected = expected,
                                .message = findings_text(j->out,
                                                         "PgBouncer admits fewer than %g times the peak of its "
                                                         "clients: a surge is turned away",
                                                         factor),
                                .remedy = findings_text(
                                        j->out,
                                        "in pgbouncer.ini set max_client_conn = %.0f on each of %zu instance(s), raise "
                                        "its open files limit (ulimit -n) above that plus the pools, then RELOAD",
                                        ceil(factor * peak / (double)json_array_size(j->instances)),
                                        json_array_size(j->instances)),
                                .evidence = "/instances"});
        } else if (declared <= 0 && looks < LEAST_LOOKS) {
                findings_error(j->out, "DBC-4", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "%zu %s at the number of clients cannot show its peak, and none is "
                                             "declared",
                                             looks, looks == 1 ? "look" : "looks"),
                               "declare the peak (policy: DBC-4: peak), or import earlier figures as series "
                               "pgbouncer.clients with rounds import");
        } else {
                findings_pass(j->out, "DBC-4", &resource, observed, expected, "PgBouncer admits a surge over its peak");
        }
}

static void
judge_use(const struct judging *j, const struct clients *clients)
{
        struct resource resource = {.kind = "clients"};
        double bound = policy_number(j->policy, "DBC-4", "used");
        const char *expected = findings_text(j->out, "at most %g %% of max_client_conn in use", bound);
        const char *observed = findings_text(j->out, "%.0f %% in use at %s", 100 * clients->worst_share,
                                             clients->worst);

        if (100 * clients->worst_share > bound)
                findings_add(
                        j->out,
                        &(struct finding){.control = "DBC-4",
                                          .resource = resource,
                                          .status = STATUS_FAIL,
                                          .severity = policy_severity(j->policy, "DBC-4", true),
                                          .observed = observed,
                                          .expected = expected,
                                          .message = "PgBouncer is about to refuse clients: \"no more connections "
                                                     "allowed\"",
                                          .remedy = "SHOW CLIENTS tells who holds them; raise max_client_conn and "
                                                    "RELOAD, and look for an application that leaks connections",
                                          .evidence = findings_text(j->out, "/instances/%zu", clients->worst_index)});
        else
                findings_pass(j->out, "DBC-4", &resource, observed, expected, "there is room for more clients");
}

/* Pools whose clients wait too long, and the row of every pool. */
static void
judge_pools(const struct judging *j)
{
        double bound = policy_number(j->policy, "DBC-4", "maxwait") / 1000;
        size_t i, k, pools = 0, late = 0, unread = 0;
        double waiting = 0, servers = 0, longest = 0;
        json_t *instance, *pool;

        json_array_foreach((json_t *)j->instances, i, instance)
        {
                const char *address = json_text(instance, "address", "?");
                unread += json_list(instance, "pools") == NULL;
                json_array_foreach((json_t *)json_list(instance, "pools"), k, pool)
                {
                        const char *database = json_text(pool, "database", ""), *user = json_text(pool, "user", "");
                        if (pool_is_console(database))
                                continue;
                        double queue = json_real_or(pool, "cl_waiting", 0);
                        double wait = json_real_or(pool, "maxwait", 0) + json_real_or(pool, "maxwait_us", 0) / 1e6;
                        double busy = json_real_or(pool, "sv_active", 0);
                        double open = busy + json_real_or(pool, "sv_idle", 0) + json_real_or(pool, "sv_used", 0) +
                                      json_real_or(pool, "sv_tested", 0) + json_real_or(pool, "sv_login", 0);
                        pools++;
                        waiting += queue;
                        servers += open;
                        longest = fmax(longest, wait);
                        findings_inventory(
                                j->out, "pools",
                                json_pack("{s:o, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "id",
                                          json_string(findings_text(j->out, "%s %s/%s", address, database, user)),
                                          "pooler", address, "database", database, "user", user, "clients",
                                          json_real_or(pool, "cl_active", 0), "waiting", queue, "maxwait_s", wait,
                                          "servers", open, "servers_busy", busy));
                        if (!(queue > 0 && wait > bound))
                                continue;
                        late++;
                        findings_add(
                                j->out,
                                &(struct finding){
                                        .control = "DBC-4",
                                        .resource = {.kind = "pool", .namespace_ = database, .name = user},
                                        .status = STATUS_FAIL,
                                        .severity = policy_severity(j->policy, "DBC-4", false),
                                        .observed = findings_text(j->out, "%.0f client(s) wait at %s, the first for %s",
                                                                  queue, address,
                                                                  findings_duration(j->out, 1000 * wait)),
                                        .expected = findings_text(j->out, "nobody waits longer than %s",
                                                                  findings_duration(j->out, 1000 * bound)),
                                        .message = findings_text(
                                                j->out,
                                                "Clients wait for a server connection: %.0f of this pool "
                                                "are busy",
                                                busy),
                                        .remedy = "look for long transactions that hold the pool's servers "
                                                  "(pg_stat_activity), then enlarge pool_size as far as the server's "
                                                  "max_connections allows",
                                        .evidence = findings_text(j->out, "/instances/%zu/pools/%zu", i, k)});
                }
        }
        findings_sample(j->out, "pgbouncer.waiting", "", waiting);
        findings_sample(j->out, "pgbouncer.servers", "", servers);
        if (unread > 0)
                findings_error(j->out, "DBC-4", &(struct resource){.kind = "pools"}, REASON_PROTOCOL,
                               "SHOW POOLS was not understood", "look at SHOW POOLS on the admin console");
        else if (late == 0)
                findings_pass(
                        j->out, "DBC-4", &(struct resource){.kind = "pools"},
                        findings_text(j->out, "%zu pool(s), longest wait %s", pools,
                                      longest > 0 ? findings_duration(j->out, 1000 * longest) : "0 s"),
                        findings_text(j->out, "nobody waits longer than %s", findings_duration(j->out, 1000 * bound)),
                        "No client waits for a server connection");
}

static void
pgbouncer_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judging j = {.facts = facts,
                            .instances = json_list(facts, "instances"),
                            .policy = policy,
                            .history = history,
                            .out = out};

        if (json_array_size(j.instances) == 0) {
                static const char *const controls[] = {"DBC-2", "DBC-4", "DBC-5"};
                for (size_t i = 0; i < 3; i++)
                        findings_error(out, controls[i], NULL, REASON_PROTOCOL, "no PgBouncer instance was seen",
                                       "run rounds check on this target");
                return;
        }
        judge_bound(&j,
                    &(struct bound){
                            .control = "DBC-2",
                            .key = "server_idle_timeout",
                            .most = policy_number(policy, "DBC-2", "server_idle_timeout") / 1000,
                            .zero_words = "Server connections are never given back: an idle pool keeps its share of "
                                          "max_connections for good",
                            .high_words = "Idle server connections are kept too long",
                            .pass_words = "Idle server connections are given back"});
        judge_bound(&j, &(struct bound){
                                .control = "DBC-5",
                                .key = "query_wait_timeout",
                                .most = policy_number(policy, "DBC-5", "query_wait_timeout") / 1000,
                                .zero_words = "A client may wait for a server connection for ever: when the pool is "
                                              "exhausted, requests hang instead of failing",
                                .high_words = "A client waits too long for a server connection before it is told no",
                                .pass_words = "A client that gets no server connection is told so"});
        struct clients clients = count_clients(&j);
        if (clients.worst_share < 0 || clients.unread > 0)
                findings_error(out, "DBC-4", &(struct resource){.kind = "setting", .name = "max_client_conn"},
                               REASON_PROTOCOL,
                               findings_text(out, "%zu instance(s) do not tell max_client_conn and used_clients",
                                             clients.unread),
                               "look at SHOW CONFIG and SHOW LISTS on the admin console");
        else
                judge_admission(&j, &clients);
        if (clients.worst_share >= 0) {
                judge_use(&j, &clients);
                findings_sample(out, "pgbouncer.clients", "", clients.used);
        }
        judge_pools(&j);
}

const struct audit audit_pgbouncer = {
        .name = "pgbouncer",
        .summary = "clients admitted, clients waiting, idle servers given back",
        .looks_at = {"pgbouncer"},
        .controls = {"DBC-2", "DBC-4", "DBC-5"},
        .needs = "a name in PgBouncer's stats_users (or admin_users)",
        .samples = {"pgbouncer.clients"},
        .collect = pooler_facts,
        .judge = pgbouncer_judge,
};

/* Vacuum and analyze: do they keep up with every large table, does anything hold them back, and how near are the ends
 * of transaction ids and sequences?  Controls: DSK-3. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>

#include "facts.h"
#include "json.h"
#include "postgres_facts.h"
#include "vacuum_facts.h"
#include "vacuum_judge.h"

static void
setting_fail(const struct vacuum_judge *j, const char *database, const char *name, const char *message,
             const char *remedy)
{
        findings_add(j->out, &(struct finding){.control = "DSK-3",
                                               .resource = {.kind = "setting", .namespace_ = database, .name = name},
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, "DSK-3", false),
                                               .observed = "off",
                                               .expected = "on",
                                               .message = message,
                                               .remedy = remedy,
                                               .evidence = database == NULL ? "/server" : "/databases"});
}

/* Autovacuum works only where it is on and where the counters that it decides by are kept. */
static void
settings_judge(const struct vacuum_judge *j)
{
        static const char *const names[] = {"autovacuum", "track_counts"};
        size_t before = j->out->count, i;
        json_t *row;

        for (i = 0; i < 2; i++) {
                if (json_has(j->server, names[i]) && !json_flag(j->server, names[i], true))
                        setting_fail(
                                j, NULL, names[i],
                                "Autovacuum is off for the whole server: dead rows stay, statistics grow old, and "
                                "only the forced vacuum against wraparound still runs.",
                                findings_text(j->out, "ALTER SYSTEM SET %s = on; SELECT pg_reload_conf();", names[i]));
        }
        json_array_foreach((json_t *)json_list(j->facts, "databases"), i, row)
        {
                const char *name = json_text(row, "name", "?");
                if (json_has(row, "track_counts") && !json_flag(row, "track_counts", true))
                        setting_fail(
                                j, name, "track_counts",
                                "Nothing is counted in this database, so autovacuum never finds a table of it due.",
                                findings_text(j->out, "ALTER DATABASE %s RESET track_counts;",
                                              postgres_identifier(j->out, NULL, name)));
        }
        if (j->out->count == before && json_has(j->server, "autovacuum") && json_has(j->server, "track_counts"))
                findings_pass(j->out, "DSK-3", &(struct resource){.kind = "setting", .name = "autovacuum"}, "on", "on",
                              "Autovacuum is on.");
}

/* What the longest-running ones do, so that the reader sees whether one giant table or many small ones fill them. */
static const char *
workers_doing(const struct vacuum_judge *j, const json_t *workers)
{
        const char *text = "";
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)workers, i, row)
        {
                if (i == 3)
                        return findings_text(j->out, "%s; and more", text);
                text = findings_text(j->out, "%s%s%s in %s for %s (pid %" PRId64 ")", text, i > 0 ? "; " : "",
                                     json_text(row, "doing", "?"), json_text(row, "database", "?"),
                                     findings_duration(j->out, json_real_or(row, "busy_ms", NAN)),
                                     json_whole(row, "pid", 0));
        }
        return text;
}

static void
workers_judge(const struct vacuum_judge *j)
{
        const json_t *workers = json_list(j->facts, "workers");
        struct resource resource = {.kind = "autovacuum", .name = "workers"};
        int64_t most = json_whole(j->server, "workers_most", -1);
        double bound = policy_number(j->policy, "DSK-3", "saturated"), all_busy_ms = NAN;
        size_t count = json_array_size(workers), i;
        json_t *row;

        if (workers == NULL || most < 1 || j->standby)
                return;
        json_array_foreach((json_t *)workers, i, row)
                all_busy_ms = fmin(all_busy_ms, json_real_or(row, "busy_ms", NAN)); /* the youngest of them */
        findings_sample(j->out, "vacuum.workers_busy_percent", "", 100.0 * (double)count / (double)most);
        const char *expected = findings_text(j->out, "not all of %" PRId64 " busy for longer than %s", most,
                                             findings_duration(j->out, bound));
        const char *observed = findings_text(j->out, "%zu of %" PRId64 " busy%s%s", count, most, count > 0 ? ": " : "",
                                             workers_doing(j, workers));
        if ((int64_t)count < most || !(all_busy_ms > bound)) {
                findings_pass(j->out, "DSK-3", &resource, observed, expected,
                              "Autovacuum has workers to spare, or was short of them only briefly.");
                return;
        }
        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-3",
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-3", false),
                        .observed = findings_text(j->out, "all %" PRId64 " busy for %s: %s", most,
                                                  findings_duration(j->out, all_busy_ms), workers_doing(j, workers)),
                        .expected = expected,
                        .message = "Every worker of autovacuum has been busy for long: other tables wait for their "
                                   "turn.",
                        .remedy =
                                "Let each do more before it pauses: ALTER SYSTEM SET autovacuum_vacuum_cost_limit = "
                                "2000; SELECT pg_reload_conf();  More autovacuum_max_workers (restart) help where many "
                                "tables wait; they share that limit.",
                        .evidence = "/workers"});
}

static void
vacuum_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *server = json_map(facts, "server");
        struct vacuum_judge j = {.facts = facts,
                                 .server = server,
                                 .policy = policy,
                                 .history = history,
                                 .out = out,
                                 .standby = json_flag(server, "standby", false),
                                 .now_ms = json_real_or(server, "now_ms", (double)history_now(history))};

        if (server == NULL && !facts_lacks(facts, "server"))
                findings_error(out, "DSK-3", NULL, REASON_TOO_LITTLE_DATA, "The facts say nothing about the server.",
                               NULL);
        if (!j.standby)
                settings_judge(&j);
        vacuum_judge_horizon(&j);
        vacuum_judge_ages(&j);
        workers_judge(&j);
        vacuum_judge_tables(&j);
        vacuum_judge_sequences(&j);
        vacuum_judge_indexes(&j);
}

const struct audit audit_vacuum = {
        .name = "vacuum",
        .summary = "vacuum and analyze of large tables, what holds them back, wraparound, sequences, invalid indexes",
        .looks_at = {"postgres"},
        .controls = {"DSK-3"},
        .needs = "GRANT pg_monitor TO rounds; and SELECT on sequences of smallint and integer columns",
        .samples = {"vacuum.*"},
        .collect = vacuum_facts,
        .judge = vacuum_judge,
        .check = postgres_monitor_check,
};

/* Disk growth: how full the volumes are, and when they will be.  Controls: DSK-5. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "audit.h"
#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "postgres_facts.h"
#include "scope.h"
#include "trend.h"

enum { TABLES_MOST = 50, DATABASES_MOST = 5000, TABLESPACES_MOST = 500 };

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* A size that the role may not ask for is null, not an error for all of them. */
static const char databases_sql[] =
        "SELECT datname AS name, CASE WHEN has_database_privilege(oid, 'CONNECT') "
        "OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(oid) END AS bytes "
        "FROM pg_database WHERE datallowconn ORDER BY datname COLLATE \"C\"";

static const char tablespaces_sql[] =
        "SELECT spcname AS name, CASE WHEN has_tablespace_privilege(oid, 'CREATE') "
        "OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_tablespace_size(oid) END AS bytes "
        "FROM pg_tablespace ORDER BY spcname COLLATE \"C\"";

static const char wal_sql[] = "SELECT coalesce(sum(size), 0)::bigint AS bytes FROM pg_ls_waldir()";

static const char temp_sql[] = "SELECT coalesce(sum(t.size), 0)::bigint AS bytes FROM pg_tablespace s, "
                               "pg_ls_tmpdir(s.oid) t WHERE s.spcname <> 'pg_global'";

/* Candidates by relpages, which cost nothing to read (0 says that no vacuum has counted yet: those are looked at); only
 * the largest are measured with indexes and TOAST.  Partitions count for their root: one that is past its month grows
 * no more, the whole does.  (pg_partition_root: since 12.)  Asking for a size waits for who holds or awaits ACCESS
 * EXCLUSIVE on the table or an index of it: of those the pages as last counted are taken. */
static const char tables_sql[] =
        "WITH held AS MATERIALIZED (SELECT DISTINCT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = "
        "l.database "
        "WHERE d.datname = current_database() AND l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL), "
        "locked AS MATERIALIZED (SELECT relation FROM held UNION SELECT i.indrelid FROM held h JOIN pg_index i "
        "ON i.indexrelid = h.relation), "
        "pages AS (SELECT CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END AS root, "
        "c.oid, k.relation IS NOT NULL AS locked, "
        "CASE WHEN c.relpages > 0 OR k.relation IS NOT NULL THEN c.relpages ELSE pg_relation_size(c.oid) / 8192 END "
        "+ coalesce((SELECT t.relpages FROM pg_class t WHERE t.oid = c.reltoastrelid), 0) AS pages "
        "FROM pg_class c LEFT JOIN locked k ON k.relation = c.oid "
        "WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384), "
        "largest AS (SELECT root FROM pages GROUP BY root ORDER BY sum(pages) DESC, root LIMIT 50) "
        "SELECT n.nspname AS schema, c.relname AS name, sum(CASE WHEN NOT p.locked THEN pg_total_relation_size(p.oid) "
        "ELSE current_setting('block_size')::bigint * (p.pages + coalesce((SELECT sum(x.relpages::bigint) FROM "
        "pg_index "
        "i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = p.oid), 0)) END)::bigint AS bytes, "
        "count(*) AS parts FROM largest l JOIN pages p USING (root) JOIN pg_class c ON c.oid = l.root "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') "
        "GROUP BY n.nspname, c.relname ORDER BY 3 DESC, 1, 2 LIMIT 50";

static int
collect_list(struct postgres *server, const char *sql, const char *key, const char *controls, size_t most,
             json_t *facts, struct error *err)
{
        json_t *rows;

        if (postgres_rows(server, NULL, sql, NULL, most, &rows, err) != 0)
                return postgres_gap(server, facts, key, controls, NULL, err);
        return json_put(facts, key, rows) != 0 ? error_memory(err, key) : 0;
}

/* pg_wal and temporary files: what a managed service hides is noted as not seen; the volume's figure then says so. */
static int
collect_hidden(struct postgres *server, const char *sql, const char *key, json_t *facts, struct error *err)
{
        scoped_json row = NULL;

        if (postgres_row(server, NULL, sql, &row, err) == 0)
                return json_put_whole(facts, key, json_whole(row, "bytes", 0)) != 0 ? error_memory(err, key) : 0;
        if (postgres_is_gone(server))
                return -1;
        json_t *unseen = json_object_get(facts, "unseen");
        if ((unseen == NULL && json_put(facts, "unseen", unseen = json_object()) != 0) ||
            json_put_text(unseen, key, err->text) != 0)
                return error_memory(err, key);
        return 0;
}

static int
collect_tables(struct postgres *server, const char *const *databases, json_t *facts, struct error *err)
{
        json_t *all = json_array();

        if (json_put(facts, "tables", all) != 0)
                return error_memory(err, "tables");
        for (; *databases != NULL; databases++) {
                scoped_json rows = NULL;
                size_t i;
                json_t *row;
                if (postgres_rows(server, *databases, tables_sql, NULL, TABLES_MOST, &rows, err) != 0) {
                        if (postgres_gap(server, facts, "tables", "DSK-5", *databases, err) != 0)
                                return -1;
                        continue;
                }
                json_array_foreach(rows, i, row)
                {
                        if (json_put_text(row, "database", *databases) != 0 || json_array_append(all, row) != 0)
                                return error_memory(err, "tables");
                }
        }
        return 0;
}

/* A volume's own query, as a subquery: its two columns get names, and it can be nothing but one SELECT. */
static int
query_volume(struct postgres *server, const char *sql, json_t *out, struct error *err)
{
        int length = (int)strlen(sql);
        scoped_json row = NULL;
        scoped_buffer wrapped = BUFFER_INIT(64 * 1024);

        while (length > 0 && strchr("; \t\r\n", sql[length - 1]) != NULL)
                length--;
        if (buffer_format(&wrapped,
                          "SELECT used::float8 AS used, total::float8 AS total FROM (%.*s\n) AS v(used, total)", length,
                          sql) != 0)
                return error_set(err, REASON_CONFIGURATION, "the query is too long");
        if (postgres_row(server, NULL, wrapped.data, &row, err) != 0)
                return error_remedy(err, "write it as SELECT used_bytes, total_bytes FROM ..., and try it with psql");
        double used = json_real_or(row, "used", NAN), total = json_real_or(row, "total", NAN);
        if (!(used >= 0) || !(total > 0)) {
                error_set(err, REASON_CONFIGURATION, "the query did not give two numbers, bytes used and bytes in all");
                return error_remedy(err, "write it as SELECT used_bytes, total_bytes FROM ...");
        }
        return json_put_real(out, "used", used) != 0 || json_put_real(out, "total", total) != 0
                       ? error_memory(err, "volume")
                       : 0;
}

/* A volume of known size: what lies on it, added up. */
static int
add_volume(const json_t *volume, const json_t *facts, json_t *out)
{
        const json_t *globs = json_list(volume, "tablespaces");
        double used = 0;
        bool hidden = false;
        size_t i;
        json_t *tablespace;

        json_array_foreach((json_t *)json_list(facts, "tablespaces"), i, tablespace)
        {
                if (globs != NULL && !json_globs_match(globs, json_text(tablespace, "name", "")))
                        continue;
                hidden = hidden || !json_has(tablespace, "bytes");
                used += json_real_or(tablespace, "bytes", 0);
        }
        if (json_flag(volume, "wal", true)) {
                hidden = hidden || !json_has(facts, "wal_bytes");
                used += json_real_or(facts, "wal_bytes", 0);
        }
        return json_put_real(out, "used", used) != 0 ||
                               json_put_real(out, "total", json_real_or(volume, "size", 0)) != 0 ||
                               json_put_flag(out, "partial", hidden || facts_lacks(facts, "tablespaces")) != 0
                       ? -1
                       : 0;
}

static int
collect_volumes(struct session *session, struct postgres *server, json_t *facts, struct error *err)
{
        const json_t *configured = target_value(session->target, "volumes");
        json_t *list = json_array(), *volume;
        size_t i;

        if (json_put(facts, "volumes", list) != 0)
                return error_memory(err, "volumes");
        json_array_foreach((json_t *)configured, i, volume)
        {
                const char *name = json_text(volume, "name", ""), *sql = json_text(volume, "query", NULL);
                scoped_json out = json_object();
                *err = (struct error){0};
                if (json_put_text(out, "name", name) != 0 ||
                    json_put_text(out, "source", sql != NULL ? "query" : "size") != 0)
                        return error_memory(err, "volumes");
                if (sql == NULL && !json_has(volume, "size")) {
                        error_set(err, REASON_CONFIGURATION, "volume %s has neither a size nor a query", name);
                } else if (sql == NULL ? add_volume(volume, facts, out) == 0
                                       : query_volume(server, sql, out, err) == 0) {
                        if (json_array_append(list, out) != 0)
                                return error_memory(err, "volumes");
                        continue;
                }
                if (postgres_is_gone(server))
                        return -1;
                if (facts_gap(facts, name, "DSK-5", &(struct resource){.kind = "volume", .name = name}, err) != 0)
                        return error_memory(err, "volumes");
        }
        return 0;
}

static int
growth_collect(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        const char *const *databases = server != NULL ? postgres_databases(server, err) : NULL;

        if (databases == NULL)
                return -1;
        if (json_put_flag(facts, "replica", postgres_is_replica(server)) != 0)
                return error_memory(err, "facts");
        if (collect_list(server, databases_sql, "databases", "DSK-5", DATABASES_MOST, facts, err) != 0 ||
            collect_list(server, tablespaces_sql, "tablespaces", "DSK-5", TABLESPACES_MOST, facts, err) != 0 ||
            collect_hidden(server, wal_sql, "wal_bytes", facts, err) != 0 ||
            (postgres_version(server) >= 120000 && collect_hidden(server, temp_sql, "temp_bytes", facts, err) != 0) ||
            (postgres_version(server) >= 120000 && collect_tables(server, databases, facts, err) != 0))
                return -1;
        return collect_volumes(session, server, facts, err);
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

struct judging {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

static void
judge_used(const struct judging *j, const json_t *volume, size_t index)
{
        const char *name = json_text(volume, "name", "?");
        struct resource resource = {.kind = "volume", .name = name};
        double used = json_real_or(volume, "used", NAN), total = json_real_or(volume, "total", NAN);
        double bound = policy_number(j->policy, "DSK-5", "used"), least = policy_number(j->policy, "DSK-5", "free");

        if (!(used >= 0) || !(total > 0)) {
                findings_error(j->out, "DSK-5", &resource, REASON_PROTOCOL, "used and total bytes are not known", NULL);
                return;
        }
        bool partial = json_flag(volume, "partial", false);
        const char *observed = findings_text(j->out, "%s%.1f %% used: %s of %s", partial ? "at least " : "",
                                             100 * used / total, findings_size(j->out, used),
                                             findings_size(j->out, total));
        /* A small volume would always be short of gigabytes: its share counts alone. */
        bool scarce = total >= 4 * least && total - used < least;
        const char *expected = findings_text(j->out, "at most %g %% used%s%s", bound,
                                             total >= 4 * least ? ", free at least " : "",
                                             total >= 4 * least ? findings_size(j->out, least) : "");
        if (100 * used / total > bound || scarce)
                findings_add(j->out, &(struct finding){
                                             .control = "DSK-5",
                                             .resource = resource,
                                             .status = STATUS_FAIL,
                                             .severity = policy_severity(j->policy, "DSK-5", true),
                                             .observed = observed,
                                             .expected = expected,
                                             .message = "The volume is nearly full: when it is, the server stops",
                                             .remedy = findings_text(
                                                     j->out,
                                                     "enlarge it to %s or more, or free %s: look at WAL (DSK-7), "
                                                     "temporary files (DSK-8), bloat (DSK-6) and old data (DSK-2)",
                                                     findings_size(j->out, used / bound * 100),
                                                     findings_size(j->out, fmax(used - total * bound / 100,
                                                                                scarce ? least - (total - used) : 0))),
                                             .evidence = findings_text(j->out, "/volumes/%zu", index)});
        else if (partial)
                findings_error(j->out, "DSK-5", &resource, REASON_DENIED,
                               findings_text(j->out, "%s, but not all that lies on the volume can be seen", observed),
                               "GRANT pg_monitor TO the role, or give the volume a query (volumes: query)");
        else
                findings_pass(j->out, "DSK-5", &resource, observed, expected, "The volume has room");
}

/* What went wrong with a forecast of the past, for the words of the next. */
static const char *
hold_out_words(const struct judging *j, const struct trend *trend)
{
        if (trend->held_days == 0)
                return "";
        return findings_text(j->out, "; %d days ago it forecast %s, it became %s", trend->held_days,
                             findings_size(j->out, trend->held_forecast), findings_size(j->out, trend->held_actual));
}

static void
judge_date(const struct judging *j, const json_t *volume, const struct trend *trend, size_t index)
{
        const char *name = json_text(volume, "name", "?");
        struct resource resource = {.kind = "projection", .name = name};
        int64_t horizon = policy_whole(j->policy, "DSK-5", "horizon");
        const char *told = trend_words(trend, "bytes", j->out);

        const char *expected = findings_text(j->out, "not full within %s", findings_duration(j->out, (double)horizon));
        const char *observed = findings_text(j->out, "%s, from %zu samples over %" PRId64 " days%s", told,
                                             trend->samples, trend->days, hold_out_words(j, trend));
        if (trend->verdict == TREND_TOO_LITTLE) {
                findings_error(j->out, "DSK-5", &resource, REASON_TOO_LITTLE_DATA, told,
                               "let the nightly rounds run on, or import earlier figures as series "
                               "disk_growth.volume_used_bytes with rounds import");
        } else if (trend->full_on_ms != 0 && trend->full_on_ms - history_now(j->history) <= horizon) {
                double quarter = fmax(trend->slope, 0) * 90;
                findings_add(j->out, &(struct finding){
                                             .control = "DSK-5",
                                             .resource = resource,
                                             .status = STATUS_FAIL,
                                             .severity = policy_severity(j->policy, "DSK-5", false),
                                             .observed = observed,
                                             .expected = expected,
                                             .message = "The volume will be full soon",
                                             .remedy = findings_text(j->out,
                                                                     "%s more would last another 90 days; the fastest "
                                                                     "growing tables are in this report's projections",
                                                                     findings_size(j->out, quarter)),
                                             .evidence = findings_text(j->out, "/volumes/%zu", index)});
        } else {
                bool early = trend->full_earliest_ms != 0 &&
                             trend->full_earliest_ms - history_now(j->history) <= horizon;
                findings_pass(j->out, "DSK-5", &resource, observed, expected,
                              early ? "it should last, but the early end of the range lies within the horizon"
                                    : "The volume lasts");
        }
}

static void
judge_volumes(const struct judging *j)
{
        size_t i, seen = json_array_size(json_list(j->facts, "volumes"));
        json_t *volume;

        json_array_foreach((json_t *)json_list(j->facts, "volumes"), i, volume)
        {
                const char *name = json_text(volume, "name", "?");
                double used = json_real_or(volume, "used", NAN), total = json_real_or(volume, "total", NAN);
                const struct series *limits = history_series(j->history, "disk_growth.volume_total_bytes", name);
                struct trend_question question = {.now_ms = history_now(j->history),
                                                  .limit = total,
                                                  .limits = limits != NULL ? limits->samples : NULL,
                                                  .limit_count = limits != NULL ? limits->count : 0};
                scoped(scope_free) struct trend *trend = malloc(sizeof *trend);
                judge_used(j, volume, i);
                /* Half a figure in the history would look like a purge. */
                if (!(used >= 0) || !(total > 0) || json_flag(volume, "partial", false))
                        continue;
                findings_sample(j->out, "disk_growth.volume_total_bytes", name, total);
                if (trend == NULL || trend_judge(j->history, "disk_growth.volume_used_bytes", name, used, &question,
                                                 findings_text(j->out, "volume %s", name), "bytes", j->out, trend) != 0)
                        j->out->failed = true;
                else
                        judge_date(j, volume, trend, i);
        }
        if (seen == 0 && json_array_size(json_list(j->facts, "gaps")) == 0)
                findings_skip(j->out, "DSK-5", "no volume is configured: growth is projected, but not against a limit",
                              "add volumes: [{name: data, size: 100GiB}] (or query:) to the target");
}

/* Growth without a limit of its own: rows of the report's projections. */
static void
judge_growth(const struct judging *j, const char *series, const char *resource, double bytes, const char *subject)
{
        struct trend_question question = {.now_ms = history_now(j->history), .limit = NAN};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);

        if (!(bytes >= 0))
                return;
        if (trend == NULL ||
            trend_judge(j->history, series, resource, bytes, &question, subject, "bytes", j->out, trend) != 0)
                j->out->failed = true;
}

static void
judge_databases(const struct judging *j)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "databases"), i, row)
        {
                const char *name = json_text(row, "name", "?");
                judge_growth(j, "disk_growth.database_bytes", name, json_real_or(row, "bytes", NAN),
                             findings_text(j->out, "database %s", name));
                if (json_has(row, "bytes"))
                        findings_inventory(j->out, "databases",
                                           json_pack("{s:s, s:s, s:f}", "id", name, "database", name, "bytes",
                                                     json_real_or(row, "bytes", 0)));
        }
        json_array_foreach((json_t *)json_list(j->facts, "tablespaces"), i, row)
        {
                const char *name = json_text(row, "name", "?");
                judge_growth(j, "disk_growth.tablespace_bytes", name, json_real_or(row, "bytes", NAN),
                             findings_text(j->out, "tablespace %s", name));
        }
        judge_growth(j, "disk_growth.wal_bytes", "", json_real_or(j->facts, "wal_bytes", NAN), "pg_wal");
        findings_sample(j->out, "disk_growth.temp_bytes", "", json_real_or(j->facts, "temp_bytes", NAN));
}

/* The largest tables of all databases together; a database has at most TABLES_MOST in the facts. */
static void
judge_tables(const struct judging *j)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "tables"), i, row)
        {
                double bytes = json_real_or(row, "bytes", NAN), larger = 0;
                size_t k;
                json_t *other;
                /* In a server of a hundred databases only the largest of them are worth a line. */
                json_array_foreach((json_t *)json_list(j->facts, "tables"), k, other)
                        larger += json_real_or(other, "bytes", 0) > bytes;
                if (larger >= TABLES_MOST || !(bytes >= 1e6))
                        continue;
                const char *name = findings_text(j->out, "%s.%s.%s", json_text(row, "database", "?"),
                                                 json_text(row, "schema", "?"), json_text(row, "name", "?"));
                judge_growth(j, "disk_growth.table_bytes", name, bytes, findings_text(j->out, "table %s", name));
        }
}

static void
growth_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judging j = {.facts = facts, .policy = policy, .history = history, .out = out};

        if (json_list(facts, "volumes") == NULL) {
                findings_error(out, "DSK-5", NULL, REASON_PROTOCOL, "the facts hold no volumes",
                               "run this audit again");
                return;
        }
        judge_volumes(&j);
        judge_databases(&j);
        judge_tables(&j);
}

const struct audit audit_disk_growth = {
        .name = "disk_growth",
        .summary = "volumes, databases, tablespaces and tables: how full, how fast, when full",
        .looks_at = {"postgres"},
        .controls = {"DSK-5"},
        .needs = "pg_monitor",
        .samples = {"disk_growth.*"},
        .collect = growth_collect,
        .judge = growth_judge,
};

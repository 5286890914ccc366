/* What retention is judged from: the oldest row of each table that a rule names, found without reading the table, and
 * pg_cron's jobs. */

#include "retention_facts.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "partition_bounds.h"
#include "postgres_facts.h"
#include "scope.h"

enum { TABLES_MOST = 200, PARTITIONS_MOST = 36, CANDIDATES_MOST = 10, JOBS_MOST = 500, SMALL_BYTES = 10 * 1000 * 1000 };

static const char server_sql[] = "SELECT pg_is_in_recovery() AS standby, "
                                 "(extract(epoch FROM now()) * 1000)::bigint AS now_ms";

static const struct postgres_part server_parts[] = {{"server", "DSK-2", server_sql, .most = 0}, {0}};

/* --- tables ------------------------------------------------------------------------------------------------------- */

static const char names_sql[] =
        "SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned, "
        "CASE c.relkind WHEN 'p' THEN NULL ELSE c.relpages END * current_setting('block_size')::bigint AS bytes "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
        "AND NOT c.relispartition AND c.relpersistence <> 't' AND c.oid >= 16384 ORDER BY 2, 3";

/* The named column ($2), else the one partitioned by, else the first of a date or time that an index begins with, else
 * the first of a date or time.  The index must be whole, valid and a B-tree: only then min() reads one entry of it. */
static const char column_sql[] =
        "SELECT a.attname AS \"column\", format_type(coalesce(nullif(y.typbasetype, 0), y.oid), NULL) AS type, "
        "format('%I', a.attname) AS quoted_column, format('%I.%I', n.nspname, c.relname) AS quoted, "
        "x.indexed, p.partstrat = 'r' AND p.partattrs[0] = a.attnum AS partitioned_by, "
        "has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable, "
        "CASE WHEN c.relkind = 'p' OR EXISTS (SELECT 1 FROM pg_locks l WHERE l.relation = c.oid "
        "AND l.mode = 'AccessExclusiveLock') THEN NULL ELSE pg_relation_size(c.oid) END AS bytes, "
        "format('GRANT USAGE ON SCHEMA %I TO %I; GRANT SELECT (%I) ON %I.%I TO %I;', n.nspname, current_user, "
        "a.attname, n.nspname, c.relname, current_user) AS remedy, "
        "(SELECT (s.histogram_bounds::text::text[])[1] FROM pg_stats s WHERE s.schemaname = n.nspname AND "
        "s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited LIMIT 1) AS bound "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
        "AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type y ON y.oid = a.atttypid "
        "LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid "
        "CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid "
        "JOIN pg_am m ON m.oid = ic.relam AND m.amname = 'btree' WHERE i.indrelid = c.oid AND i.indisvalid "
        "AND i.indisready AND i.indpred IS NULL AND i.indkey[0] = a.attnum) AS indexed) x "
        "WHERE c.oid = $1::oid AND CASE WHEN $2 <> '' THEN a.attname = $2 ELSE a.atttypid IN (1082, 1114, 1184) "
        "OR p.partattrs[0] = a.attnum AND p.partstrat = 'r' END "
        "ORDER BY (p.partattrs[0] = a.attnum AND p.partstrat = 'r') DESC NULLS LAST, x.indexed DESC, a.attnum LIMIT 1";

/* Partitions with a file that is not empty.  Sub-partitioned and locked ones count as holding rows. */
static const char partitions_sql[] =
        "SELECT n.nspname AS schema, c.relname AS name, pg_get_expr(c.relpartbound, 0) AS bound FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE i.inhparent = $1::oid AND CASE WHEN c.relkind <> 'r' OR c.relpages > 0 OR EXISTS (SELECT 1 FROM "
        "pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock') THEN true "
        "ELSE pg_relation_size(c.oid) > 0 END";

/* One database and one rule at work. */
struct reading {
        struct postgres *server;
        const char *database;
        json_t *facts, *tables;
};

static int
put_moment(json_t *row, const char *key, int64_t at_ms)
{
        if (at_ms == PARTITION_OPEN_BEGIN || at_ms == PARTITION_OPEN_END)
                return json_put(row, key, json_null());
        return json_put_whole(row, key, at_ms);
}

/* Keeps `row` among the `most` of the earliest ends. */
static int
keep_earliest(json_t *list, json_t *row, size_t most)
{
        int64_t until = json_whole(row, "until_ms", INT64_MAX);
        size_t at = json_array_size(list);

        while (at > 0 && json_whole(json_array_get(list, at - 1), "until_ms", INT64_MAX) > until)
                at--;
        if (at >= most)
                return 0;
        if (json_array_insert(list, at, row) != 0)
                return -1;
        return json_array_size(list) > most ? json_array_remove(list, most) : 0;
}

static int
read_partitions(const struct reading *reading, const char *oid, json_t *out, struct error *err)
{
        const char *const parameters[] = {oid, NULL};
        json_t *list = json_array(), *row;
        scoped_json rows = NULL;
        size_t i;

        if (json_put(out, "partitions", list) != 0)
                return error_memory(err, "partitions");
        if (postgres_rows(reading->server, reading->database, partitions_sql, parameters, 20000, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                struct partition_range range;
                if (!partition_range_parse(json_text(row, "bound", ""), &range))
                        continue; /* the default: what is in it is DSK-4's matter */
                json_object_del(row, "bound");
                if (put_moment(row, "from_ms", range.from_ms) != 0 ||
                    put_moment(row, "until_ms", range.until_ms) != 0 || keep_earliest(list, row, PARTITIONS_MOST) != 0)
                        return error_memory(err, "partitions");
        }
        return json_put_text(out, "source", "partitions") != 0 ? error_memory(err, "partitions") : 0;
}

/* min() by the index, or of a table that is read in no time.  The planner is told not to read a large one whatever it
 * thinks; SET LOCAL ends with the statements' own transaction. */
static int
read_least(const struct reading *reading, const json_t *column, bool indexed, json_t *out, struct error *err)
{
        char sql[700];
        scoped_json row = NULL;
        enum partition_unit unit;
        int64_t at_ms;

        snprintf(sql, sizeof sql, "%sSELECT min(%s)::text AS least FROM ONLY %s",
                 indexed ? "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; " : "",
                 json_text(column, "quoted_column", ""), json_text(column, "quoted", ""));
        if (postgres_row(reading->server, reading->database, sql, &row, err) != 0)
                return -1;
        const char *least = json_text(row, "least", NULL), *source = indexed ? "index" : "scan";
        if (least == NULL)
                source = "empty";
        else if (!partition_moment_parse(least, &at_ms, &unit))
                source = "none";
        else if (json_put_whole(out, "oldest_ms", at_ms) != 0)
                return error_memory(err, "oldest row");
        return json_put_text(out, "source", source) != 0 ? error_memory(err, "oldest row") : 0;
}

static int
read_oldest(const struct reading *reading, const char *oid, const json_t *column, json_t *out, struct error *err)
{
        bool readable = json_flag(column, "readable", false), indexed = json_flag(column, "indexed", false);
        int64_t bytes = json_whole(column, "bytes", INT64_MAX), at_ms;
        enum partition_unit unit;

        if (json_flag(column, "partitioned_by", false))
                return read_partitions(reading, oid, out, err);
        if (readable && bytes != INT64_MAX && (indexed || bytes <= SMALL_BYTES))
                return read_least(reading, column, indexed && bytes > 0, out, err);
        if (partition_moment_parse(json_text(column, "bound", ""), &at_ms, &unit))
                return json_put_text(out, "source", "statistics") != 0 || json_put_whole(out, "oldest_ms", at_ms) != 0
                               ? error_memory(err, "oldest row")
                               : 0;
        return json_put_text(out, "source", readable ? "none" : "denied") != 0 ||
                               (!readable && json_put_text(out, "remedy", json_text(column, "remedy", "")) != 0)
                       ? error_memory(err, "oldest row")
                       : 0;
}

/* One table: -1 only when nothing more can be read at all; what failed for it alone is its `why`. */
static int
read_table(const struct reading *reading, const json_t *name, const json_t *rule, size_t rule_index, struct error *err)
{
        char oid[24];
        const char *const parameters[] = {oid, json_text(rule, "column", ""), NULL};
        json_t *out = json_push(reading->tables, json_object());
        scoped_json columns = NULL;

        snprintf(oid, sizeof oid, "%lld", (long long)json_whole(name, "oid", 0));
        if (out == NULL || json_put_whole(out, "rule", (int64_t)rule_index) != 0 ||
            json_put_text(out, "database", reading->database) != 0 ||
            json_put_text(out, "schema", json_text(name, "schema", "")) != 0 ||
            json_put_text(out, "name", json_text(name, "name", "")) != 0 ||
            json_object_set(out, "bytes", json_object_get(name, "bytes")) != 0)
                return error_memory(err, "tables");
        int result = postgres_rows(reading->server, reading->database, column_sql, parameters, 1, &columns, err);
        const json_t *column = json_array_get(columns, 0);
        if (result == 0 && column == NULL)
                return json_put_text(out, "source", "none") != 0 ? error_memory(err, "tables") : 0;
        if (result == 0 && (json_object_set(out, "column", json_object_get(column, "column")) != 0 ||
                            json_object_set(out, "type", json_object_get(column, "type")) != 0))
                return error_memory(err, "tables");
        if (result == 0 && read_oldest(reading, oid, column, out, err) == 0)
                return 0;
        if (postgres_is_gone(reading->server) || err->reason == REASON_INTERRUPTED || err->reason == REASON_INTERNAL)
                return -1;
        return json_put_text(out, "source", "none") != 0 || json_put_text(out, "why", err->text) != 0 ||
                               json_put_text(out, "reason", reason_name(err->reason)) != 0
                       ? error_memory(err, "tables")
                       : 0;
}

static bool
glob_fits(const json_t *rule, const char *key, const char *text)
{
        scoped_json globs = json_array();

        json_array_append(globs, json_object_get(rule, key));
        return json_globs_match(globs, text);
}

static const json_t *
rule_of(const json_t *rules, const char *database, const json_t *name, size_t *index)
{
        char full[140];
        size_t i;
        json_t *rule;

        snprintf(full, sizeof full, "%.63s.%.63s", json_text(name, "schema", ""), json_text(name, "name", ""));
        json_array_foreach((json_t *)rules, i, rule)
        {
                *index = i;
                if (glob_fits(rule, "database", database) &&
                    (glob_fits(rule, "table", json_text(name, "name", "")) || glob_fits(rule, "table", full)))
                        return rule;
        }
        return NULL;
}

static int
read_database(const struct reading *reading, const json_t *rules, struct error *err)
{
        scoped_json names = NULL;
        size_t i, index;
        json_t *name;

        if (json_array_size(rules) == 0)
                return 0;
        if (postgres_rows(reading->server, reading->database, names_sql, NULL, 50000, &names, err) != 0)
                return postgres_gap(reading->server, reading->facts, "tables", "DSK-2", reading->database, err);
        json_array_foreach(names, i, name)
        {
                const json_t *rule = rule_of(rules, reading->database, name, &index);
                if (rule == NULL || json_array_size(reading->tables) >= TABLES_MOST)
                        continue;
                if (read_table(reading, name, rule, index, err) != 0)
                        return -1;
        }
        return 0;
}

/* For who has no rules: which tables look as if they wanted one. */
static const char candidates_sql[] =
        "WITH RECURSIVE down AS (SELECT c.oid AS top, c.oid FROM pg_class c WHERE c.relkind IN ('r', 'p') "
        "AND NOT c.relispartition AND c.relpersistence = 'p' AND c.oid >= 16384 "
        "UNION ALL SELECT d.top, i.inhrelid FROM down d JOIN pg_inherits i ON i.inhparent = d.oid), "
        "largest AS (SELECT d.top, sum(l.relpages::bigint) AS pages FROM down d JOIN pg_class l ON l.oid = d.oid "
        "GROUP BY d.top HAVING sum(l.relpages::bigint) >= 128 ORDER BY 2 DESC, 1 LIMIT 100) "
        "SELECT n.nspname AS schema, c.relname AS name, (t.pages * current_setting('block_size')::bigint)::bigint AS "
        "bytes, a.attname AS \"column\" FROM largest t JOIN pg_class c ON c.oid = t.top JOIN pg_namespace n ON n.oid = "
        "c.relnamespace JOIN LATERAL (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 "
        "AND NOT attisdropped AND atttypid IN (1082, 1114, 1184) ORDER BY attnum LIMIT 1) a ON true "
        "WHERE n.nspname <> 'information_schema' ORDER BY t.pages DESC, 1, 2";

static const struct postgres_part database_parts[] = {
        {"candidates", "DSK-2", candidates_sql, .most = CANDIDATES_MOST},
        {0},
};

/* --- pg_cron ------------------------------------------------------------------------------------------------------ */

/* Its tables show a role its own jobs alone (row security), unless a policy lets it see all. */
static const char filtered_sql[] =
        "SELECT row_security_active('cron.job') AND NOT EXISTS (SELECT 1 FROM pg_policies p CROSS JOIN LATERAL "
        "unnest(p.roles) r WHERE p.schemaname = 'cron' AND p.tablename = 'job' AND p.qual = 'true' AND CASE WHEN r = "
        "'public' THEN true ELSE pg_has_role(r, 'USAGE') END) AS filtered, format('In %s: GRANT USAGE ON SCHEMA cron "
        "TO %I; GRANT "
        "SELECT ON cron.job, cron.job_run_details TO %I; CREATE POLICY rounds_sees ON cron.job FOR SELECT TO %I USING "
        "(true); CREATE POLICY rounds_sees ON cron.job_run_details FOR SELECT TO %I USING (true);', "
        "current_database(), current_user, current_user, current_user, current_user) AS remedy";

static const char jobs_sql[] =
        "SELECT jobid AS id, coalesce(jobname::text, '') AS name, schedule, username::text AS role, active, "
        "command ~* '\\m(delete|truncate|drop|detach|purge|cleanup|retention|partman)' AS purges "
        "FROM cron.job ORDER BY jobid";

/* The newest runs by the primary key: nobody purges this table by itself, and its only index is that one. */
static const char runs_sql[] =
        "SELECT jobid AS id, (extract(epoch FROM max(end_time) FILTER (WHERE status = 'succeeded')) * 1000)::bigint AS "
        "succeeded_ms, (extract(epoch FROM max(start_time)) * 1000)::bigint AS started_ms, "
        "(array_agg(status ORDER BY runid DESC))[1] AS status, count(*) FILTER (WHERE status = 'failed') AS failures, "
        "left(split_part((array_agg(return_message ORDER BY runid DESC) FILTER (WHERE status = 'failed'))[1], E'\\n', "
        "1), 160) AS message FROM (SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 5000) r "
        "GROUP BY jobid ORDER BY jobid";

static const struct postgres_part cron_parts[] = {
        {"jobs_filtered", "DSK-2", filtered_sql, .most = 1},
        {"jobs", "DSK-2", jobs_sql, .most = JOBS_MOST},
        {"runs", "DSK-2", runs_sql, .most = JOBS_MOST},
        {0},
};

/* pg_cron lives in one database of a server; its tables in the schema cron, wherever the extension is. */
static int
read_cron(const struct reading *reading, struct error *err)
{
        static const char sql[] = "SELECT true AS here, has_schema_privilege(n.oid, 'USAGE') AS open FROM "
                                  "pg_extension e, pg_namespace n WHERE e.extname = 'pg_cron' AND n.nspname = 'cron'";
        static const char denied[] = "SELECT true AS filtered, format('In %s: GRANT USAGE ON SCHEMA cron TO %I;', "
                                     "current_database(), current_user) AS remedy";
        static const struct postgres_part denied_parts[] = {{"jobs_filtered", "DSK-2", denied, .most = 1}, {0}};
        scoped_json row = NULL;

        if (postgres_row(reading->server, reading->database, sql, &row, err) != 0)
                return postgres_gap(reading->server, reading->facts, "jobs", "DSK-2", reading->database, err);
        if (!json_flag(row, "here", false))
                return 0;
        return postgres_database_parts(reading->server, reading->database,
                                       json_flag(row, "open", false) ? cron_parts : denied_parts, reading->facts, err);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static int
copy_rules(const json_t *settings, json_t *facts)
{
        json_t *rules = json_array(), *rule;
        size_t i;

        if (json_put(facts, "rules", rules) != 0)
                return -1;
        json_array_foreach((json_t *)settings, i, rule)
        {
                json_t *out = json_push(rules, json_object());
                if (out == NULL || json_put_text(out, "table", json_text(rule, "table", "*")) != 0 ||
                    json_put_text(out, "database", json_text(rule, "database", "*")) != 0 ||
                    json_put_text(out, "column", json_text(rule, "column", "")) != 0 ||
                    json_put_whole(out, "keep_ms", json_whole(rule, "keep", 0)) != 0 ||
                    json_put_flag(out, "hold", json_flag(rule, "hold", false)) != 0)
                        return -1;
        }
        return 0;
}

static int
database_visit(void *context, const char *database, json_t *facts, struct error *err)
{
        struct reading *reading = context;

        reading->database = database;
        return postgres_database_parts(reading->server, database, database_parts, facts, err) != 0 ||
                               read_database(reading, json_list(facts, "rules"), err) != 0 ||
                               read_cron(reading, err) != 0
                       ? -1
                       : 0;
}

int
retention_facts(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        struct reading reading = {.server = server, .facts = facts, .tables = json_array()};

        if (json_put(facts, "tables", reading.tables) != 0 ||
            copy_rules(target_value(session->target, "retention"), facts) != 0)
                return error_memory(err, "facts");
        if (server == NULL || postgres_parts(server, server_parts, facts, err) != 0)
                return -1;
        return postgres_each_database(server, facts, database_visit, &reading, err);
}

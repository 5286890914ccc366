/* What vacuum is judged from: counters of the largest tables, ages, what holds back the oldest xmin, autovacuum's
 * workers, invalid indexes. */

#include "vacuum_facts.h"

#include "postgres_facts.h"

enum { DATABASES_MOST = 5000, HOLDERS_MOST = 50, TABLES_MOST = 200, AGES_MOST = 20, OBJECTS_MOST = 500 };

/* --- of the server ------------------------------------------------------------------------------------------------ */

/* reset_val: what a session starts with, whatever our own was told. */
static const char server_sql[] =
        "WITH s AS MATERIALIZED (SELECT name, reset_val AS v FROM pg_settings) "
        "SELECT pg_is_in_recovery() AS standby, current_setting('server_version_num')::int AS version,"
        " (extract(epoch FROM now()) * 1000)::bigint AS now_ms,"
        " (SELECT v::bool FROM s WHERE name = 'autovacuum') AS autovacuum,"
        " (SELECT v::bool FROM s WHERE name = 'track_counts') AS track_counts,"
        " (SELECT v::int FROM s WHERE name = 'autovacuum_max_workers') AS workers_most,"
        " (SELECT v::bigint FROM s WHERE name = 'autovacuum_freeze_max_age') AS freeze_age,"
        " (SELECT v::bigint FROM s WHERE name = 'autovacuum_multixact_freeze_max_age') AS multixact_freeze_age,"
        " (SELECT v::float8 FROM s WHERE name = 'autovacuum_vacuum_threshold') AS vacuum_threshold,"
        " (SELECT v::float8 FROM s WHERE name = 'autovacuum_vacuum_scale_factor') AS vacuum_scale";

/* Templates and closed databases count as well: each keeps the whole server from cutting off its old transactions. */
static const char databases_sql[] =
        "SELECT d.datname AS name, d.datallowconn AS enterable, age(d.datfrozenxid) AS xid_age,"
        " mxid_age(d.datminmxid) AS multixact_age,"
        " (extract(epoch FROM pg_stat_get_db_stat_reset_time(d.oid)) * 1000)::bigint AS reset_ms,"
        " (SELECT split_part(c.value, '=', 2)::bool FROM pg_db_role_setting s"
        "  CROSS JOIN LATERAL unnest(s.setconfig) AS c(value)"
        "  WHERE s.setdatabase = d.oid AND s.setrole = 0 AND c.value LIKE 'track\\_counts=%' LIMIT 1) AS track_counts "
        "FROM pg_database d ORDER BY d.datname COLLATE \"C\"";

/* A vacuum's own snapshot holds nobody back (progress view), a parallel worker has its leader's, a sender that of its
 * replica (below). */
static const char sessions_sql[] =
        "SELECT a.pid, coalesce(a.usename::text, '') AS role, coalesce(a.datname::text, '') AS database,"
        " coalesce(a.application_name, '') AS application, coalesce(a.state, '') AS state,"
        " coalesce(a.backend_type, '') AS type, greatest(age(a.backend_xmin), age(a.backend_xid)) AS age,"
        " (extract(epoch FROM now() - a.xact_start) * 1000)::bigint AS open_ms,"
        " (extract(epoch FROM now() - a.state_change) * 1000)::bigint AS state_ms "
        "FROM pg_stat_activity a WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)"
        " AND a.pid <> pg_backend_pid() AND coalesce(a.backend_type, '') NOT IN ('walsender', 'parallel worker')"
        " AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid) "
        "ORDER BY 7 DESC NULLS LAST, 8 DESC NULLS LAST, 1";

static const char prepared_sql[] = "SELECT p.gid AS name, p.owner AS role, p.database, age(p.transaction) AS age,"
                                   " (extract(epoch FROM now() - p.prepared) * 1000)::bigint AS open_ms "
                                   "FROM pg_prepared_xacts p ORDER BY 4 DESC, 1";

static const char slots_sql[] =
        "SELECT slot_name AS name, slot_type AS type, coalesce(database::text, '') AS database, active,"
        " age(xmin) AS age, age(catalog_xmin) AS catalog_age FROM pg_replication_slots "
        "WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL ORDER BY greatest(age(xmin), age(catalog_xmin)) DESC, 1";

/* hot_standby_feedback without a slot: the sender carries the replica's xmin. */
static const char replicas_sql[] =
        "SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text) AS name, pid,"
        " coalesce(client_addr::text, 'local') AS address, age(backend_xmin) AS age "
        "FROM pg_stat_replication WHERE backend_xmin IS NOT NULL ORDER BY 4 DESC, 1";

/* What autovacuum itself writes as its query, "autovacuum: VACUUM public.t (to prevent wraparound)". */
static const char workers_sql[] =
        "SELECT pid, coalesce(datname::text, '') AS database, left(coalesce(query, ''), 200) AS doing,"
        " (extract(epoch FROM now() - backend_start) * 1000)::bigint AS busy_ms "
        "FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' ORDER BY 4 DESC, 1";

static const struct postgres_part server_parts[] = {
        {"server", "DSK-3", server_sql, .most = 0},
        {"databases", "DSK-3", databases_sql, .most = DATABASES_MOST},
        {"sessions", "DSK-3", sessions_sql, .most = HOLDERS_MOST},
        {"prepared", "DSK-3", prepared_sql, .most = HOLDERS_MOST},
        {"slots", "DSK-3", slots_sql, .most = HOLDERS_MOST},
        {"replicas", "DSK-3", replicas_sql, .most = HOLDERS_MOST},
        {"workers", "DSK-3", workers_sql, .most = HOLDERS_MOST},
        {"hidden", "DSK-3", postgres_hidden_sql, .most = 0},
        {0},
};

/* --- of each database --------------------------------------------------------------------------------------------- */

/* pg_relation_size opens the relation and would wait for whoever holds or awaits ACCESS EXCLUSIVE on it. */
#define LOCKED                                                                                                         \
        "locked AS MATERIALIZED (SELECT DISTINCT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = l.database " \
        "WHERE d.datname = current_database() AND l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL) "

/* Candidates by relpages, which cost nothing; where nobody counted (until 13 that looks like an empty table) or the
 * rows doubled since it was counted, by size.  A locked one may not be asked for its size: 128 rows a page are assumed
 * where it has not been counted. */
#define TABLES(INSERTED)                                                                                      \
        "WITH " LOCKED ", counted AS (SELECT c.oid, c.relnamespace, c.relname, c.reltuples, c.reloptions, "   \
        "c.reltoastrelid, k.relation IS NOT NULL AS locked, current_setting('block_size')::bigint AS block, " \
        "CASE WHEN k.relation IS NOT NULL THEN greatest(c.relpages, pg_stat_get_live_tuples(c.oid) / 128) "   \
        "WHEN c.relpages = 0 AND (c.reltuples < 0 OR current_setting('server_version_num')::int < 140000) "   \
        "OR pg_stat_get_live_tuples(c.oid) > 2 * c.reltuples "                                                \
        "THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE c.relpages END AS pages "  \
        "FROM pg_class c LEFT JOIN locked k ON k.relation = c.oid "                                           \
        "WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384), "                     \
        "largest AS (SELECT c.*, coalesce(t.relpages, 0) AS toast_pages FROM counted c "                      \
        "LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.pages + coalesce(t.relpages, 0) >= 128 "     \
        "ORDER BY c.pages + coalesce(t.relpages, 0) DESC, c.oid LIMIT 200) "                                  \
        "SELECT n.nspname AS schema, c.relname AS name, c.locked, "                                           \
        "CASE WHEN c.locked THEN c.pages * c.block ELSE pg_relation_size(c.oid) END AS bytes, "               \
        "c.reltuples::float8 AS rows, pg_stat_get_live_tuples(c.oid) AS live, "                               \
        "pg_stat_get_dead_tuples(c.oid) AS dead, pg_stat_get_mod_since_analyze(c.oid) AS changed, " INSERTED  \
        " AS inserted, pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) AS written, "   \
        "(extract(epoch FROM greatest(pg_stat_get_last_vacuum_time(c.oid), "                                  \
        "pg_stat_get_last_autovacuum_time(c.oid))) * 1000)::bigint AS vacuum_ms, "                            \
        "(extract(epoch FROM greatest(pg_stat_get_last_analyze_time(c.oid), "                                 \
        "pg_stat_get_last_autoanalyze_time(c.oid))) * 1000)::bigint AS analyze_ms, "                          \
        "o.enabled AS autovacuum, o.scale, o.threshold, "                                                     \
        "CASE WHEN c.reltoastrelid = 0 THEN 0 WHEN c.locked THEN c.toast_pages * c.block "                    \
        "ELSE pg_relation_size(c.reltoastrelid) END AS toast_bytes, "                                         \
        "pg_stat_get_live_tuples(c.reltoastrelid) AS toast_live, "                                            \
        "pg_stat_get_dead_tuples(c.reltoastrelid) AS toast_dead "                                             \
        "FROM largest c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL (SELECT "            \
        "bool_and(option_value::bool) FILTER (WHERE option_name = 'autovacuum_enabled') AS enabled, "         \
        "max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale, "  \
        "max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS threshold "  \
        "FROM pg_options_to_table(c.reloptions)) o ORDER BY c.pages + c.toast_pages DESC, c.oid"

static const char tables_12_sql[] = TABLES("NULL::bigint");
static const char tables_sql[] = TABLES("pg_stat_get_ins_since_vacuum(c.oid)"); /* 13 */

/* A partitioned table has statistics of its own, which autovacuum never gathers; ANALYZE of it is recorded since 14. */
static const char parents_sql[] =
        "WITH RECURSIVE tree AS (SELECT c.oid AS root, c.oid FROM pg_class c WHERE c.relkind = 'p' "
        "AND NOT c.relispartition UNION ALL SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = "
        "t.oid) "
        "SELECT n.nspname AS schema, c.relname AS name, count(*) AS parts, "
        "(sum(l.relpages::bigint) * current_setting('block_size')::bigint)::bigint AS bytes, "
        "(extract(epoch FROM pg_stat_get_last_analyze_time(c.oid)) * 1000)::bigint AS analyze_ms "
        "FROM tree t JOIN pg_class c ON c.oid = t.root JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_class l ON l.oid = t.oid AND l.relkind = 'r' "
        "GROUP BY n.nspname, c.relname, c.oid ORDER BY 4 DESC, 1, 2";

static const char switched_off_sql[] =
        "SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.reloptions IS NOT NULL AND c.relkind IN ('r', 'm') AND EXISTS (SELECT 1 FROM "
        "pg_options_to_table(c.reloptions) o WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::bool) "
        "ORDER BY 1, 2";

/* System catalogues count too, and so do temporary tables, which autovacuum cannot enter. */
static const char ages_sql[] =
        "WITH oldest AS (SELECT c.*, age(c.relfrozenxid) AS xid_age, mxid_age(c.relminmxid) AS multixact_age "
        "FROM pg_class c WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> 0 "
        "ORDER BY greatest(age(c.relfrozenxid), mxid_age(c.relminmxid)) DESC, c.oid LIMIT 20) "
        "SELECT n.nspname AS schema, coalesce(o.relname, c.relname) AS name, o.oid IS NOT NULL AS toast, "
        "c.relpersistence = 't' AS temporary, c.xid_age, c.multixact_age, "
        "c.relpages * current_setting('block_size')::bigint AS bytes "
        "FROM oldest c LEFT JOIN pg_class o ON c.relkind = 't' AND o.reltoastrelid = c.oid "
        "JOIN pg_namespace n ON n.oid = coalesce(o.relnamespace, c.relnamespace) "
        "ORDER BY greatest(c.xid_age, c.multixact_age) DESC, c.oid";

/* An index of a table on which one is being built now may be that very one, or its twin of REINDEX CONCURRENTLY. */
static const char indexes_sql[] =
        "SELECT n.nspname AS schema, c.relname AS name, tn.nspname AS table_schema, t.relname AS \"table\", "
        "c.relkind = 'I' AS partitioned, c.relname ~ '_cc(new|old)[0-9]*$' AS leftover, i.indisready AS maintained, "
        "c.relpages * current_setting('block_size')::bigint AS bytes "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE NOT i.indisvalid "
        "AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index b WHERE b.datname = current_database() "
        "AND (b.relid = i.indrelid OR b.index_relid = i.indexrelid)) ORDER BY 1, 2";

static const char indexes_11_sql[] =
        "SELECT n.nspname AS schema, c.relname AS name, tn.nspname AS table_schema, t.relname AS \"table\", "
        "c.relkind = 'I' AS partitioned, false AS leftover, i.indisready AS maintained, "
        "c.relpages * current_setting('block_size')::bigint AS bytes "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE NOT i.indisvalid "
        "AND NOT EXISTS (SELECT 1 FROM pg_locks l WHERE l.relation = i.indrelid AND l.mode = "
        "'ShareUpdateExclusiveLock') "
        "ORDER BY 1, 2";

static const struct postgres_part database_parts[] = {
        {"tables", "DSK-3", tables_12_sql, .most = TABLES_MOST, .until = 130000},
        {"tables", "DSK-3", tables_sql, .most = TABLES_MOST, .since = 130000},
        {"parents", "DSK-3", parents_sql, .most = OBJECTS_MOST, .since = 140000},
        {"switched_off", "DSK-3", switched_off_sql, .most = OBJECTS_MOST},
        {"ages", "DSK-3", ages_sql, .most = AGES_MOST},
        {"indexes", "DSK-3", indexes_11_sql, .most = OBJECTS_MOST, .until = 120000},
        {"indexes", "DSK-3", indexes_sql, .most = OBJECTS_MOST, .since = 120000},
        {0},
};

static int
database_visit(void *context, const char *database, json_t *facts, struct error *err)
{
        struct postgres *server = context;

        return postgres_database_parts(server, database, database_parts, facts, err) != 0
                       ? -1
                       : vacuum_sequences(server, database, facts, err);
}

int
vacuum_facts(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);

        if (server == NULL || postgres_parts(server, server_parts, facts, err) != 0)
                return -1;
        return postgres_each_database(server, facts, database_visit, server, err);
}

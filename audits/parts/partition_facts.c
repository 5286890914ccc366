/* What partitioning is judged from: the catalogues alone.  Nothing here opens a user's table, so no lock is waited for
 * (sizes are pages as last counted; of a default partition that nobody holds the real one). */

#include "partition_facts.h"

#include "json.h"
#include "postgres_facts.h"

enum { PARTITIONED_MOST = 5000, PARTITIONS_MOST = 20000, PLAIN_MOST = 100, NAMES_MOST = 5000 };

static const char server_sql[] = "SELECT pg_is_in_recovery() AS standby, "
                                 "(extract(epoch FROM now()) * 1000)::bigint AS now_ms";

static const struct postgres_part server_parts[] = {{"server", "DSK-4", server_sql, .most = 0}, {0}};

/* A partitioned table that is a partition itself has the whole it belongs to as its root. */
static const char partitioned_sql[] =
        "WITH RECURSIVE down AS (SELECT c.oid AS top, c.oid FROM pg_class c WHERE c.relkind = 'p' "
        "UNION ALL SELECT d.top, i.inhrelid FROM down d JOIN pg_inherits i ON i.inhparent = d.oid), "
        "sums AS (SELECT d.top, sum(l.relpages::bigint) AS pages, sum(greatest(l.reltuples, 0)::float8) AS rows, "
        "count(*) AS parts FROM down d JOIN pg_class l ON l.oid = d.oid AND l.relkind <> 'p' GROUP BY d.top), "
        "roots AS (SELECT d.oid, d.top FROM down d JOIN pg_class t ON t.oid = d.top WHERE NOT t.relispartition) "
        "SELECT n.nspname AS schema, c.relname AS name, rn.nspname AS root_schema, r.relname AS root, "
        "CASE p.partstrat WHEN 'r' THEN 'range' WHEN 'l' THEN 'list' ELSE 'hash' END AS strategy, "
        "pg_get_partkeydef(c.oid) AS key, format_type(a.atttypid, NULL) AS type, "
        "(coalesce(s.pages, 0) * current_setting('block_size')::bigint)::bigint AS bytes, "
        "coalesce(s.rows, 0) AS rows, coalesce(s.parts, 0) AS parts "
        "FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = "
        "c.relnamespace "
        "JOIN roots o ON o.oid = c.oid JOIN pg_class r ON r.oid = o.top JOIN pg_namespace rn ON rn.oid = "
        "r.relnamespace "
        "LEFT JOIN sums s ON s.top = c.oid "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0 "
        "WHERE c.relpersistence <> 't' ORDER BY 1, 2";

/* A default partition is empty for sure when its file is; else the counters tell.  Locked ones are not opened: nor does
 * pg_get_expr() open a relation when it is told of none, which a bound has no need of. */
#define PARTITIONS(DETACHING)                                                                                          \
        "SELECT pn.nspname AS parent_schema, p.relname AS parent, n.nspname AS schema, c.relname AS name, "            \
        "pg_get_expr(c.relpartbound, 0) AS bound, t.partdefid = c.oid AS is_default, " DETACHING " AS detaching, "     \
        "c.relpages * current_setting('block_size')::bigint AS bytes, "                                                \
        "CASE WHEN t.partdefid = c.oid AND c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_locks l "                  \
        "WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock') THEN pg_relation_size(c.oid) = 0 END AS empty, " \
        "CASE WHEN c.relkind <> 'r' THEN NULL WHEN pg_stat_get_live_tuples(c.oid) > 0 OR c.reltuples >= 0 "            \
        "AND c.relpages > 0 THEN greatest(pg_stat_get_live_tuples(c.oid), c.reltuples)::float8 END AS rows "           \
        "FROM pg_partitioned_table t JOIN pg_class p ON p.oid = t.partrelid JOIN pg_namespace pn "                     \
        "ON pn.oid = p.relnamespace JOIN pg_inherits i ON i.inhparent = p.oid JOIN pg_class c ON c.oid = i.inhrelid "  \
        "JOIN pg_namespace n ON n.oid = c.relnamespace "                                                               \
        "WHERE p.relpersistence <> 't' AND (t.partstrat = 'r' OR t.partdefid = c.oid OR " DETACHING ") "               \
        "ORDER BY 1, 2, 3, 4"

static const char partitions_13_sql[] = PARTITIONS("false");
static const char partitions_sql[] = PARTITIONS("i.inhdetachpending"); /* 14 */

/* Before 10 a table was partitioned by children with CHECK constraints, and some still are. */
static const char inherited_sql[] =
        "SELECT pn.nspname AS parent_schema, p.relname AS parent, n.nspname AS schema, c.relname AS name, "
        "c.relpages * current_setting('block_size')::bigint AS bytes, "
        "(SELECT left(string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname), 1000) FROM pg_constraint k "
        "WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks "
        "FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'r' "
        "JOIN pg_namespace pn ON pn.oid = p.relnamespace JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r' "
        "JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2, 3, 4";

/* Pages as last counted; where nobody counted, the file's, unless somebody holds the table. */
#define PLAIN                                                                                                          \
        "WITH locked AS MATERIALIZED (SELECT DISTINCT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = "       \
        "l.database WHERE d.datname = current_database() AND l.mode = 'AccessExclusiveLock'), "                        \
        "sized AS (SELECT c.oid, n.nspname, c.relname, c.reltuples, coalesce(t.relpages, 0) + CASE WHEN c.relpages > " \
        "0 "                                                                                                           \
        "OR k.relation IS NOT NULL THEN c.relpages ELSE pg_relation_size(c.oid) / "                                    \
        "current_setting('block_size')::bigint END AS pages "                                                          \
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = "               \
        "c.reltoastrelid LEFT JOIN locked k ON k.relation = c.oid "                                                    \
        "WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relpersistence <> 't' AND c.oid >= 16384 "               \
        "AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT 1 FROM pg_inherits i "                           \
        "WHERE i.inhparent = c.oid OR i.inhrelid = c.oid)) "

/* Of a table's time columns the one whose order is nearest to the rows' own: rows come in by it.  Statistics are shown
 * to those who may read the column; without them the first such column is proposed, and no history. */
static const char plain_sql[] = PLAIN
        ", largest AS (SELECT * FROM sized ORDER BY pages DESC, oid LIMIT 100) "
        "SELECT c.nspname AS schema, c.relname AS name, c.pages * current_setting('block_size')::bigint AS bytes, "
        "(SELECT coalesce(sum(x.relpages::bigint), 0) * current_setting('block_size')::bigint FROM pg_index i "
        "JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid)::bigint AS index_bytes, "
        "c.reltuples::float8 AS rows, w.attname AS \"column\", format_type(w.atttypid, NULL) AS type, "
        "w.correlation::float8 AS correlation, extract(epoch FROM w.bounds[1]::timestamptz) * 1000 AS oldest_ms, "
        "extract(epoch FROM w.bounds[array_upper(w.bounds, 1)]::timestamptz) * 1000 AS newest_ms, "
        "w.bounds IS NOT NULL AS histogram, "
        "(SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid "
        "AND i.indisunique AND w.attnum <> ALL (i.indkey) ORDER BY i.indisprimary DESC, x.relname LIMIT 1) "
        "AS unique_without "
        "FROM largest c LEFT JOIN LATERAL (SELECT a.attname, a.attnum, a.atttypid, s.correlation, s.bounds "
        "FROM pg_attribute a LEFT JOIN LATERAL (SELECT p.correlation, p.histogram_bounds::text::text[] AS bounds "
        "FROM pg_stats p WHERE p.schemaname = c.nspname AND p.tablename = c.relname AND p.attname = a.attname "
        "AND NOT p.inherited OFFSET 0) s ON true WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "AND a.atttypid IN (1082, 1114, 1184) "
        "ORDER BY abs(s.correlation) DESC NULLS LAST, a.attnum LIMIT 1) w ON true ORDER BY c.pages DESC, c.oid";

static const char names_sql[] = PLAIN
        "SELECT nspname AS schema, relname AS name, pages * current_setting('block_size')::bigint AS bytes "
        "FROM sized ORDER BY pages DESC, oid OFFSET 100";

static const char partman_sql[] = "SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n "
                                  "ON n.oid = e.extnamespace WHERE e.extname = 'pg_partman'";

static const struct postgres_part database_parts[] = {
        {"partitioned", "DSK-4", partitioned_sql, .most = PARTITIONED_MOST, .since = 110000},
        {"partitions", "DSK-4", partitions_13_sql, .most = PARTITIONS_MOST, .since = 110000, .until = 140000},
        {"partitions", "DSK-4", partitions_sql, .most = PARTITIONS_MOST, .since = 140000},
        {"inherited", "DSK-4", inherited_sql, .most = PARTITIONS_MOST},
        {"plain", "DSK-4", plain_sql, .most = PLAIN_MOST},
        {"names", "DSK-4", names_sql, .most = NAMES_MOST},
        {"partman", "DSK-4", partman_sql, .most = 1},
        {0},
};

int
partition_facts(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);

        return server == NULL || postgres_parts(server, server_parts, facts, err) != 0 ||
                               postgres_parts_everywhere(server, database_parts, facts, err) != 0
                       ? -1
                       : 0;
}

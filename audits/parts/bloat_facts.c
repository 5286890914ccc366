/* What bloat is judged from: the largest relations of every database with what their statistics say of their rows, and
 * measurements of the worst where pgstattuple is there. */

#include "bloat_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bloat_estimate.h"
#include "facts.h"
#include "json.h"
#include "postgres_facts.h"
#include "scope.h"

enum { COLUMNS_MOST = 1700, MEASURED_MOST = 40, BUDGET_MS = 30000 };

/* A relation's size, or, while somebody holds or awaits ACCESS EXCLUSIVE on it, its pages as last counted: asking for
 * the size would wait for that lock. */
#define LOCKED                                                                                                         \
        "locked AS MATERIALIZED (SELECT DISTINCT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = l.database " \
        "WHERE d.datname = current_database() AND l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL)"
#define SIZE(OID, PAGES)                                                               \
        "CASE WHEN EXISTS (SELECT 1 FROM locked WHERE relation = " OID ") THEN " PAGES \
        " * current_setting('block_size')::bigint ELSE pg_relation_size(" OID ") END"

/* What changed since analyze is counted on the primary alone. */
#define CHANGED(OID) "CASE WHEN NOT pg_is_in_recovery() THEN pg_stat_get_mod_since_analyze(" OID ") END"

/* One row per column of the 500 largest tables from 1 MiB on, in attnum's order.  OFFSET 0 keeps the planner from
 * joining the whole of pg_stats by name, which takes minutes with ten thousand tables.  pg_stats shows a row's
 * statistics to those who may read the column. */
static const char tables_sql[] =
        "WITH " LOCKED
        ", candidate AS (SELECT c.oid, n.nspname, c.relname, c.relpages, c.reltuples, c.reloptions, c.reltoastrelid "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid "
        "WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.oid >= 16384 "
        "AND greatest(c.relpages, t.relpages) >= 128 "
        "ORDER BY c.relpages + coalesce(t.relpages, 0) DESC, c.oid LIMIT 500) "
        "SELECT c.oid::int8 AS oid, c.nspname AS schema, c.relname AS name, " SIZE(
                "c.oid",
                "c.relpages") " AS bytes, "
                              "c.relpages AS stat_pages, c.reltuples::float8 AS rows, "
                              "coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) o "
                              "WHERE o.option_name = 'fillfactor'), 100) AS fill_factor, " CHANGED(
                                      "c.oid") " AS changed, has_table_privilege(c.oid, 'SELECT') AS visible, "
                                               "t.oid::int8 AS toast_oid, t.relpages AS toast_pages, "
                                               "t.reltuples::float8 AS toast_rows, " SIZE(
                                                       "t.oid",
                                                       "t.relpages") " AS toast_bytes, "
                                                                     "a.attisdropped AS dropped, a.attlen AS length, "
                                                                     "a.attalign::text AS align, "
                                                                     "s.avg_width::float8 AS width, "
                                                                     "s.null_frac::float8 AS null_share, "
                                                                     "s.n_distinct::float8 AS distinct "
                                                                     "FROM candidate c LEFT JOIN pg_class t ON t.oid = "
                                                                     "c.reltoastrelid "
                                                                     "LEFT JOIN pg_attribute a ON a.attrelid = c.oid "
                                                                     "AND a.attnum > 0 "
                                                                     "LEFT JOIN LATERAL (SELECT p.avg_width, "
                                                                     "p.null_frac, p.n_distinct FROM pg_stats p WHERE "
                                                                     "p.schemaname = "
                                                                     "c.nspname "
                                                                     "AND p.tablename = c.relname AND p.attname = "
                                                                     "a.attname AND NOT p.inherited OFFSET 0) s ON "
                                                                     "true "
                                                                     "ORDER BY c.relpages DESC, c.oid, a.attnum";

/* The same for B-trees.  A column's statistics are the table's, an expression's are the index's own.  Keys may share an
 * entry when every operator class says that equal keys look equal (support function 4, since 13), the index is neither
 * unique nor covering, and nobody switched it off. */
static const char indexes_sql[] =
        "WITH " LOCKED
        ", candidate AS (SELECT c.oid, n.nspname, c.relname, c.relpages, c.reltuples, c.reloptions, i.indrelid, "
        "i.indkey, "
        "i.indnatts, i.indnkeyatts, i.indisunique, i.indclass, i.indpred IS NOT NULL AS partial, t.relname AS "
        "table_name, "
        "tn.nspname AS table_schema, t.reltuples AS table_rows FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree' JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace "
        "WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND c.relpages >= 128 AND c.oid >= 16384 AND i.indisvalid "
        "AND t.relkind IN ('r', 'm') "
        "ORDER BY c.relpages DESC, c.oid LIMIT 500) "
        "SELECT c.oid::int8 AS oid, c.nspname AS schema, c.relname AS name, c.table_name AS \"table\", " SIZE(
                "c.oid",
                "c.relpages") " AS bytes, c.relpages AS stat_pages, c.reltuples::float8 AS rows, "
                              "c.table_rows::float8 AS table_rows, "
                              "coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) o "
                              "WHERE o.option_name = 'fillfactor'), 90) AS fill_factor, " CHANGED(
                                      "c.indrelid") " AS changed, has_table_privilege(c.indrelid, 'SELECT') AS "
                                                    "visible, "
                                                    "c.indnkeyatts AS keys, c.partial, "
                                                    "current_setting('server_version_num')::int >= 130000 AND NOT "
                                                    "c.indisunique "
                                                    "AND c.indnatts = c.indnkeyatts AND coalesce((SELECT "
                                                    "o.option_value::bool FROM "
                                                    "pg_options_to_table(c.reloptions) o "
                                                    "WHERE o.option_name = 'deduplicate_items'), true) AND NOT EXISTS "
                                                    "(SELECT 1 FROM unnest(c.indclass) k(oid) "
                                                    "JOIN pg_opclass oc ON oc.oid = k.oid WHERE NOT EXISTS (SELECT 1 "
                                                    "FROM pg_amproc p "
                                                    "WHERE p.amprocfamily = oc.opcfamily AND p.amproclefttype = "
                                                    "oc.opcintype "
                                                    "AND p.amprocrighttype = oc.opcintype AND p.amprocnum = 4)) AS "
                                                    "shares, "
                                                    "a.attisdropped AS dropped, a.attlen AS length, a.attalign::text "
                                                    "AS align, s.avg_width::float8 AS width, "
                                                    "s.null_frac::float8 AS null_share, s.n_distinct::float8 AS "
                                                    "distinct "
                                                    "FROM candidate c JOIN pg_attribute a ON a.attrelid = c.oid AND "
                                                    "a.attnum > 0 "
                                                    "LEFT JOIN pg_attribute ta ON ta.attrelid = c.indrelid AND "
                                                    "ta.attnum = c.indkey[a.attnum - 1] AND ta.attnum > "
                                                    "0 "
                                                    "LEFT JOIN LATERAL (SELECT p.avg_width, p.null_frac, p.n_distinct "
                                                    "FROM pg_stats p "
                                                    "WHERE p.schemaname = CASE WHEN ta.attnum IS NULL THEN c.nspname "
                                                    "ELSE c.table_schema END "
                                                    "AND p.tablename = CASE WHEN ta.attnum IS NULL THEN c.relname ELSE "
                                                    "c.table_name END "
                                                    "AND p.attname = coalesce(ta.attname, a.attname) AND NOT "
                                                    "p.inherited OFFSET 0) s ON true "
                                                    "ORDER BY c.relpages DESC, c.oid, a.attnum";

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Columns of one relation are gathered until the next one begins. */
struct reading {
        json_t *facts, *list;
        const char *database;
        bool indexes;
        json_t *first; /* owned: the relation's first row */
        struct bloat_column *columns;
        size_t count, missing;
        double distinct, null_share; /* of the first key column; `unique`: some key column never repeats */
        bool unique;
};

static int
copy_keys(json_t *out, const json_t *row, const char *const *keys)
{
        for (; *keys != NULL; keys++) {
                if (json_object_set(out, *keys, json_object_get(row, *keys)) != 0)
                        return -1;
        }
        return 0;
}

/* A TOAST table has no statistics, but its chunks have one size at most. */
static int
add_toast(const struct reading *reading)
{
        const json_t *row = reading->first;
        char name[300];

        if (json_whole(row, "toast_pages", 0) < 128)
                return 0;
        json_t *out = json_push(reading->list, json_object());
        snprintf(name, sizeof name, "%.200s", json_text(row, "name", ""));
        return out == NULL || json_put_text(out, "database", reading->database) != 0 ||
                               json_put_text(out, "schema", json_text(row, "schema", "")) != 0 ||
                               json_put_text(out, "name", name) != 0 || json_put_text(out, "kind", "toast") != 0 ||
                               json_put_whole(out, "oid", json_whole(row, "toast_oid", 0)) != 0 ||
                               json_put_whole(out, "bytes", json_whole(row, "toast_bytes", 0)) != 0 ||
                               json_put_whole(out, "stat_pages", json_whole(row, "toast_pages", 0)) != 0 ||
                               json_put_real(out, "rows", json_real_or(row, "toast_rows", -1)) != 0
                       ? -1
                       : 0;
}

static int
add_table(const struct reading *reading, json_t *out)
{
        struct bloat_row size = bloat_row_size(reading->columns, reading->count);

        return json_put_text(out, "kind", "table") != 0 || json_put_real(out, "row_bytes", size.bytes) != 0 ||
                               json_put_flag(out, "row_even", size.even) != 0 || add_toast(reading) != 0
                       ? -1
                       : 0;
}

static int
add_index(const struct reading *reading, json_t *out)
{
        const json_t *row = reading->first;
        bool shares = json_flag(row, "shares", false), partial = json_flag(row, "partial", false);
        double rows = json_real_or(row, "rows", 0), table_rows = json_real_or(row, "table_rows", rows);
        double distinct = reading->distinct >= 0 ? reading->distinct : -reading->distinct * table_rows;
        bool alone = reading->count == 1;
        const char *keys = "plain";

        /* Nulls share an entry as if they were a value, so they are counted apart from the width of what is there. */
        double absent = alone ? reading->null_share * rows : 0;
        if (alone)
                reading->columns[0].null_share = 0;
        if (shares && !reading->unique)
                keys = alone && !partial ? "shared" : "unseen";
        struct bloat_row size = bloat_entry_size(reading->columns, reading->count);
        return json_put_text(out, "table", json_text(row, "table", "")) != 0 || json_put_text(out, "keys", keys) != 0 ||
                               json_put_real(out, "entry_bytes", size.bytes) != 0 ||
                               json_put_flag(out, "entry_even", size.even) != 0 ||
                               json_put_real(out, "null_rows", absent) != 0 ||
                               json_put_real(out, "distinct", distinct) != 0
                       ? -1
                       : 0;
}

static int
finish_relation(struct reading *reading)
{
        static const char *const keys[] = {"oid",  "schema",      "name",    "bytes",   "stat_pages",
                                           "rows", "fill_factor", "changed", "visible", NULL};
        scoped_json row = scope_keep(reading->first);

        if (row == NULL)
                return 0;
        json_t *out = json_push(reading->list, json_object());
        reading->first = row;
        int result = out == NULL || json_put_text(out, "database", reading->database) != 0 ||
                                     copy_keys(out, row, keys) != 0 ||
                                     json_put_whole(out, "missing", (int64_t)reading->missing) != 0 ||
                                     (reading->indexes ? add_index(reading, out) : add_table(reading, out)) != 0
                             ? -1
                             : 0;
        reading->first = NULL;
        return result;
}

static int
alignment_of(const char *code)
{
        return *code == 'd' ? 8 : *code == 'i' ? 4 : *code == 's' ? 2 : 1;
}

static int
read_column(void *context, json_t *row)
{
        struct reading *reading = context;

        if (reading->first == NULL || json_whole(reading->first, "oid", 0) != json_whole(row, "oid", 0)) {
                if (finish_relation(reading) != 0)
                        return -1;
                reading->first = json_incref(row);
                reading->count = reading->missing = 0;
                reading->unique = false;
                reading->distinct = json_real_or(row, "distinct", 0);
                reading->null_share = json_real_or(row, "null_share", 0);
        }
        if (!json_has(row, "length") || reading->count == COLUMNS_MOST)
                return 0; /* a table without columns has one row of nulls */
        bool dropped = json_flag(row, "dropped", false);
        bool key = (int64_t)reading->count < json_whole(row, "keys", 0);
        reading->columns[reading->count++] = (struct bloat_column){
                .width = json_real_or(row, "width", 0),
                .null_share = json_real_or(row, "null_share", 0),
                .length = (int)json_whole(row, "length", -1),
                .alignment = alignment_of(json_text(row, "align", "c")),
                .dropped = dropped,
        };
        reading->missing += !dropped && !json_has(row, "width");
        reading->unique = reading->unique || (key && json_real_or(row, "distinct", 0) <= -0.95);
        return 0;
}

/* Most of a hundred databases are small: this question costs a tenth of the two below.  Where it cannot be answered,
 * they tell why. */
static bool
has_large(struct postgres *server, const char *database)
{
        static const char sql[] = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('r', 'm', 't', 'i') "
                                  "AND relpages >= 128 AND oid >= 16384) AS large";
        struct error ignored;
        scoped_json row = NULL;

        return postgres_row(server, database, sql, &row, &ignored) != 0 || json_flag(row, "large", true);
}

static int
read_relations(struct postgres *server, const char *database, bool indexes, json_t *facts, struct error *err)
{
        const char *part = indexes ? "indexes" : "tables";
        scoped(scope_free) struct bloat_column *columns = calloc(COLUMNS_MOST, sizeof *columns);
        struct reading reading = {.facts = facts,
                                  .list = json_object_get(facts, part),
                                  .database = database,
                                  .indexes = indexes,
                                  .columns = columns};

        if (columns == NULL)
                return error_memory(err, "columns");
        int result = postgres_query(server, database, indexes ? indexes_sql : tables_sql, NULL, read_column, &reading,
                                    err);
        if (finish_relation(&reading) != 0)
                return error_memory(err, "facts");
        return result != 0 ? postgres_gap(server, facts, part, "DSK-6", database, err) : 0;
}

/* --- measuring ---------------------------------------------------------------------------------------------------- */

struct candidate {
        json_t *row; /* borrowed from the facts */
        bool index;
        double worth; /* bytes that are wasted by the estimate; half of all where there is none */
};

static int
compare_worth(const void *a, const void *b)
{
        const struct candidate *x = a, *y = b;

        if (x->worth != y->worth)
                return x->worth < y->worth ? 1 : -1;
        return strcmp(json_text(x->row, "name", ""), json_text(y->row, "name", ""));
}

static size_t
find_candidates(const json_t *facts, struct candidate *candidates, size_t room)
{
        double block_size = json_real_or(facts, "block_size", 8192);
        size_t n = 0, i;
        json_t *row;

        for (int index = 0; index < 2; index++) {
                json_array_foreach((json_t *)json_list(facts, index ? "indexes" : "tables"), i, row)
                {
                        struct bloat bloat = bloat_of(row, index, block_size, 10);
                        double worth = bloat.withheld == BLOAT_TOLD ? bloat.waste_bytes : bloat.bytes / 2;
                        if (n < room && worth >= 1e6)
                                candidates[n++] = (struct candidate){row, index, worth};
                }
        }
        qsort(candidates, n, sizeof *candidates, compare_worth);
        return n;
}

/* Where the extension's functions are, quoted; "" when it is not there (or older than the two that are used). */
static void
find_extension(struct postgres *server, const char *database, char *schema, size_t size)
{
        static const char sql[] = "SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n "
                                  "ON n.oid = e.extnamespace WHERE e.extname = 'pgstattuple'";
        struct error err;
        scoped_json row = NULL;

        *schema = '\0';
        if (postgres_row(server, database, sql, &row, &err) == 0)
                snprintf(schema, size, "%s", json_text(row, "schema", ""));
}

static int
measure(struct postgres *server, const struct candidate *candidate, const char *schema, struct error *err)
{
        char sql[700];
        scoped_json exact = NULL;
        long long oid = json_whole(candidate->row, "oid", 0);

        if (candidate->index)
                snprintf(sql, sizeof sql,
                         "SELECT leaf_pages AS leaves, avg_leaf_density AS density, internal_pages AS inner_pages, "
                         "empty_pages + deleted_pages AS lost, index_size AS bytes FROM "
                         "%s.pgstatindex(%lld::oid::regclass)",
                         schema, oid);
        else
                snprintf(sql, sizeof sql,
                         "SELECT approx_free_space AS free, dead_tuple_len AS dead, table_len AS bytes, "
                         "scanned_percent AS scanned FROM %s.pgstattuple_approx(%lld::oid::regclass)",
                         schema, oid);
        if (postgres_row(server, json_text(candidate->row, "database", NULL), sql, &exact, err) != 0)
                return -1;
        return json_put(candidate->row, "exact", scope_keep(exact)) != 0 ? error_memory(err, "measurement") : 0;
}

/* The worst first, until the budget is spent.  What cannot be measured keeps its estimate. */
static int
measure_worst(struct session *session, struct postgres *server, json_t *facts)
{
        enum { ROOM = 20000 };
        const json_t *set = target_value(session->target, "bloat_budget");
        int64_t budget_ms = json_is_integer(set) ? json_integer_value(set) : BUDGET_MS;
        struct deadline budget = deadline_within(session->deadline, budget_ms);
        scoped(scope_free) struct candidate *candidates = calloc(ROOM, sizeof *candidates);
        char schema[140] = "", database[80] = "";
        size_t measured = 0, failed = 0;

        if (candidates == NULL)
                return -1;
        size_t count = budget_ms > 0 ? find_candidates(facts, candidates, ROOM) : 0;
        for (size_t i = 0; i < count && measured < MEASURED_MOST && deadline_left_ms(&budget) > 100; i++) {
                const char *own = json_text(candidates[i].row, "database", "");
                struct error err = {0};
                if (i == 0 || strcmp(own, database) != 0) {
                        snprintf(database, sizeof database, "%s", own);
                        find_extension(server, own, schema, sizeof schema);
                }
                if (*schema == '\0')
                        continue;
                postgres_patience(server, deadline_left_ms(&budget));
                if (measure(server, &candidates[i], schema, &err) == 0)
                        measured++;
                else
                        failed++;
                postgres_patience(server, 0);
                if (err.reason == REASON_INTERNAL)
                        return -1;
        }
        return json_put_whole(facts, "measured", (int64_t)measured) != 0 ||
                               json_put_whole(facts, "unmeasured", (int64_t)failed) != 0
                       ? -1
                       : 0;
}

int
bloat_facts(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        const char *const *databases = server != NULL ? postgres_databases(server, err) : NULL;
        scoped_json row = NULL;
        json_t *names = json_array();

        if (databases == NULL ||
            postgres_row(server, NULL, "SELECT current_setting('block_size')::int AS block_size", &row, err) != 0) {
                json_decref(names);
                return -1;
        }
        if (json_put(facts, "databases", names) != 0 || json_put(facts, "tables", json_array()) != 0 ||
            json_put(facts, "indexes", json_array()) != 0 ||
            json_put_flag(facts, "replica", postgres_is_replica(server)) != 0 ||
            json_put_whole(facts, "block_size", json_whole(row, "block_size", 8192)) != 0)
                return error_memory(err, "facts");
        for (; *databases != NULL; databases++) {
                if (json_push(names, json_string(*databases)) == NULL)
                        return error_memory(err, "facts");
                if (!has_large(server, *databases))
                        continue;
                if (read_relations(server, *databases, false, facts, err) != 0 ||
                    read_relations(server, *databases, true, facts, err) != 0)
                        return -1;
        }
        return measure_worst(session, server, facts) != 0 ? error_memory(err, "facts") : 0;
}

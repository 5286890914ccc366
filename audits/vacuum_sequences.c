/* Sequences of a small range: what the catalogue says of them, and how far each has come. */

#include "vacuum_facts.h"

#include <inttypes.h>

#include "buffer.h"
#include "json.h"
#include "postgres_facts.h"
#include "scope.h"

enum { SEQUENCES_MOST = 5000, BATCH = 200 };

/* A range of 2^62 and more is not used up by anybody: left out, unless a column that the values go to is narrower.
 * Columns: the owning one (serial, identity), and any whose default calls the sequence.  Unlogged relations cannot be
 * read on a standby. */
static const char list_sql[] =
        "SELECT n.nspname AS schema, c.relname AS name, s.seqincrement AS increment, s.seqmin AS low, s.seqmax AS high,"
        " s.seqcycle AS cycles, has_sequence_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AND "
        "(c.relpersistence = 'p' OR NOT pg_is_in_recovery()) AS readable,"
        " w.table_schema, w.\"table\", w.\"column\", w.type, format('%I.%I', n.nspname, c.relname) AS quoted "
        "FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN LATERAL (SELECT tn.nspname AS table_schema, t.relname AS \"table\", a.attname AS \"column\","
        " format_type(coalesce(nullif(y.typbasetype, 0), y.oid), NULL) AS type FROM ("
        "  SELECT d.refobjid AS relation, d.refobjsubid AS number FROM pg_depend d WHERE d.classid = "
        "'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
        "  AND d.deptype IN ('a', 'i') UNION "
        "  SELECT f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid WHERE d.classid = "
        "'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid) u "
        " JOIN pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number"
        " JOIN pg_type y ON y.oid = a.atttypid JOIN pg_class t ON t.oid = u.relation"
        " JOIN pg_namespace tn ON tn.oid = t.relnamespace"
        " ORDER BY CASE coalesce(nullif(y.typbasetype, 0), y.oid) WHEN 21 THEN 1 WHEN 23 THEN 2 ELSE 3 END, 1, 2, 3"
        " LIMIT 1) w ON true "
        "WHERE c.relpersistence <> 't' AND (w.type IN ('smallint', 'integer') OR CASE WHEN s.seqincrement > 0"
        " THEN s.seqmax < 4611686018427387904 ELSE s.seqmin > -4611686018427387904 END) ORDER BY 1, 2";

struct batch {
        json_t *rows;
        size_t first;
};

static int
take_value(void *context, json_t *value)
{
        const struct batch *batch = context;
        json_t *row = json_array_get(batch->rows, batch->first + (size_t)json_whole(value, "at", 0));

        return row == NULL ? 0
               : json_object_set(row, "last", json_object_get(value, "last")) != 0 ||
                               json_object_set(row, "called", json_object_get(value, "called")) != 0
                       ? -1
                       : 0;
}

/* Values of the readable ones of `count` rows in one statement.  A plain SELECT takes ACCESS SHARE, where
 * pg_sequence_last_value() takes ROW EXCLUSIVE; few per statement, so that the lock table is not filled. */
static int
read_batch(struct postgres *server, const char *database, json_t *rows, size_t first, size_t count, struct error *err)
{
        struct batch batch = {rows, first};
        scoped_buffer sql = BUFFER_INIT(BATCH * 512);

        for (size_t i = 0; i < count; i++) {
                const json_t *row = json_array_get(rows, first + i);
                if (json_flag(row, "readable", false))
                        buffer_format(&sql, "%sSELECT %zu AS at, last_value AS last, is_called AS called FROM %s",
                                      sql.length > 0 ? " UNION ALL " : "", i, json_text(row, "quoted", ""));
        }
        if (sql.failed)
                return error_memory(err, "sequences");
        return sql.length == 0 ? 0 : postgres_query(server, database, sql.data, NULL, take_value, &batch, err);
}

/* One that was dropped or is locked now must not hide its neighbours: those of a failed batch are read alone. */
static int
read_values(struct postgres *server, const char *database, json_t *rows, struct error *err)
{
        size_t count = json_array_size(rows);

        for (size_t first = 0; first < count; first += BATCH) {
                size_t some = count - first < BATCH ? count - first : BATCH;
                if (read_batch(server, database, rows, first, some, err) == 0)
                        continue;
                for (size_t i = first; i < first + some; i++) {
                        if (postgres_is_gone(server) || err->reason == REASON_INTERRUPTED)
                                return -1;
                        if (read_batch(server, database, rows, i, 1, err) != 0 &&
                            json_put_text(json_array_get(rows, i), "unread", reason_name(err->reason)) != 0)
                                return error_memory(err, "sequences");
                }
        }
        return 0;
}

int
vacuum_sequences(struct postgres *server, const char *database, json_t *facts, struct error *err)
{
        json_t *all = json_object_get(facts, "sequences"), *row;
        scoped_json rows = NULL;
        size_t i;

        if (all == NULL && json_put(facts, "sequences", all = json_array()) != 0)
                return error_memory(err, "sequences");
        if (postgres_rows(server, database, list_sql, NULL, SEQUENCES_MOST, &rows, err) != 0)
                return postgres_gap(server, facts, "sequences", "DSK-3", database, err);
        if (read_values(server, database, rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                json_object_del(row, "quoted");
                if (json_put_text(row, "database", database) != 0 || json_array_append(all, row) != 0)
                        return error_memory(err, "sequences");
        }
        return 0;
}

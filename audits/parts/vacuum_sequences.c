/* Sequences of a small range: what the catalogue says of them, and how far each has come. */

#include "vacuum_facts.h"

#include <math.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "postgres_facts.h"
#include "scope.h"

enum { SEQUENCES_MOST = 20000, BATCH = 200 };

/* A range of 2^62 and more is not used up by anybody: left out, unless a column that the values go to is narrower.
 * Columns: the owning one (serial, identity), and any whose default calls the sequence.  Unlogged relations cannot be
 * read on a standby. */
static const char list_sql[] =
        "WITH uses AS (SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number FROM pg_depend d "
        "JOIN pg_sequence s ON s.seqrelid = d.objid WHERE d.classid = 'pg_class'::regclass AND d.refclassid = "
        "'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') UNION "
        "SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.refobjid "
        "JOIN pg_attrdef f ON f.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = "
        "'pg_class'::regclass), "
        "narrowest AS (SELECT DISTINCT ON (u.sequence) u.sequence, u.relation, a.attname,"
        " coalesce(nullif(y.typbasetype, 0), y.oid) AS type FROM uses u"
        " JOIN pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number JOIN pg_type y ON y.oid = a.atttypid"
        " ORDER BY u.sequence, CASE coalesce(nullif(y.typbasetype, 0), y.oid) WHEN 21 THEN 1 WHEN 23 THEN 2 ELSE 3 END,"
        " u.relation, u.number) "
        "SELECT n.nspname AS schema, c.relname AS name, s.seqincrement AS increment, s.seqmin AS low, s.seqmax AS high,"
        " s.seqcycle AS cycles, has_sequence_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AND "
        "(c.relpersistence = 'p' OR NOT pg_is_in_recovery()) AS readable, tn.nspname AS table_schema,"
        " t.relname AS \"table\", w.attname AS \"column\", format_type(w.type, NULL) AS type,"
        " format('%I.%I', n.nspname, c.relname) AS quoted "
        "FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN narrowest w ON w.sequence = c.oid LEFT JOIN pg_class t ON t.oid = w.relation "
        "LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace "
        "WHERE c.relpersistence <> 't' AND (w.type IN (21, 23) OR CASE WHEN s.seqincrement > 0"
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

/* Less than a tenth of any end it could have: counted, not kept (the policy's share starts there). */
static bool
is_low(const json_t *row)
{
        const char *type = json_text(row, "type", "");
        double low = fabs(json_real_or(row, "low", 0)), high = fabs(json_real_or(row, "high", 0));
        double most = strcmp(type, "smallint") == 0 ? 32767 : strcmp(type, "integer") == 0 ? 2147483647 : INFINITY;

        /* A range that begins far from 0 is left to the judge. */
        if (fmin(low, high) > 1 || !json_has(row, "last"))
                return false;
        return fabs(json_real_or(row, "last", INFINITY)) < 0.1 * fmin(fmax(low, high), most);
}

static int
keep_rows(const json_t *rows, const char *database, json_t *facts, json_t *all)
{
        int64_t few = json_whole(facts, "sequences_low", 0);
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)rows, i, row)
        {
                if (is_low(row)) {
                        few++;
                        continue;
                }
                json_object_del(row, "quoted");
                if (json_put_text(row, "database", database) != 0 || json_array_append(all, row) != 0)
                        return -1;
        }
        return json_put_whole(facts, "sequences_low", few);
}

int
vacuum_sequences(struct postgres *server, const char *database, json_t *facts, struct error *err)
{
        json_t *all = json_object_get(facts, "sequences");
        scoped_json rows = NULL;

        if (all == NULL && json_put(facts, "sequences", all = json_array()) != 0)
                return error_memory(err, "sequences");
        if (postgres_rows(server, database, list_sql, NULL, SEQUENCES_MOST + 1, &rows, err) != 0)
                return postgres_gap(server, facts, "sequences", "DSK-3", database, err);
        bool more = json_array_size(rows) > SEQUENCES_MOST;
        if (more)
                json_array_remove(rows, SEQUENCES_MOST);
        if (read_values(server, database, rows, err) != 0)
                return -1;
        if (keep_rows(rows, database, facts, all) != 0)
                return error_memory(err, "sequences");
        if (!more)
                return 0;
        error_set(err, REASON_TOO_LITTLE_DATA,
                  "%s has more than %d sequences of a small range: the others were not "
                  "looked at",
                  database, SEQUENCES_MOST);
        return postgres_gap(server, facts, "sequences", "DSK-3", database, err);
}

/* The schema of the store, step by step: numbered, forward only.  A step that was released is never edited. */

#include <stddef.h>

#include "database.h"
#include "moment.h"

/* identities: a fingerprint and what it stands for, once; findings refer to it by a small number.  `failing_since_ms`
 * is the open line of fails (NULL: none), `audit` who reported it last.
 * A run's number is never used again, whatever was pruned; the other numbers stay inside.
 * facts stand apart from results: they are large and leave earlier. */
static const char first[] =
        "CREATE TABLE runs ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " job TEXT NOT NULL,"
        " started_ms INTEGER NOT NULL,"
        " finished_ms INTEGER NOT NULL,"
        " version TEXT NOT NULL,"
        " host TEXT NOT NULL,"
        " shard TEXT NOT NULL,"
        " state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'interrupted', 'died')),"
        " min_coverage REAL NOT NULL,"
        " process INTEGER NOT NULL,"
        " config BLOB NOT NULL"
        ") STRICT;"
        "CREATE INDEX runs_by_job ON runs (job, id);"

        "CREATE TABLE results ("
        " id INTEGER PRIMARY KEY,"
        " run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,"
        " target TEXT NOT NULL,"
        " kind TEXT NOT NULL,"
        " owner TEXT NOT NULL,"
        " audit TEXT NOT NULL,"
        " started_ms INTEGER NOT NULL,"
        " took_ms INTEGER NOT NULL,"
        " UNIQUE (run_id, target, audit)"
        ") STRICT;"
        "CREATE INDEX results_by_audit ON results (audit, target, started_ms);"

        "CREATE TABLE facts ("
        " result_id INTEGER PRIMARY KEY REFERENCES results (id) ON DELETE CASCADE,"
        " body BLOB NOT NULL"
        ") STRICT;"

        "CREATE TABLE identities ("
        " id INTEGER PRIMARY KEY,"
        " fingerprint BLOB NOT NULL UNIQUE,"
        " control TEXT NOT NULL,"
        " target TEXT NOT NULL,"
        " audit TEXT NOT NULL,"
        " resource_kind TEXT,"
        " resource_namespace TEXT,"
        " resource_name TEXT,"
        " failing_since_ms INTEGER"
        ") STRICT;"
        "CREATE INDEX identities_failing ON identities (target, audit, control) WHERE failing_since_ms IS NOT NULL;"

        "CREATE TABLE findings ("
        " id INTEGER PRIMARY KEY,"
        " result_id INTEGER NOT NULL REFERENCES results (id) ON DELETE CASCADE,"
        " identity_id INTEGER NOT NULL REFERENCES identities (id),"
        " status INTEGER NOT NULL,"
        " severity INTEGER NOT NULL,"
        " reason TEXT NOT NULL,"
        " observed TEXT,"
        " expected TEXT,"
        " message TEXT NOT NULL,"
        " remedy TEXT,"
        " owner TEXT NOT NULL,"
        " evidence TEXT,"
        " waiver TEXT,"
        " note TEXT,"
        " first_seen_ms INTEGER NOT NULL"
        ") STRICT;"
        "CREATE INDEX findings_by_result ON findings (result_id);"
        "CREATE INDEX findings_by_identity ON findings (identity_id, result_id);"

        "CREATE TABLE inventory ("
        " id INTEGER PRIMARY KEY,"
        " result_id INTEGER NOT NULL REFERENCES results (id) ON DELETE CASCADE,"
        " kind TEXT NOT NULL,"
        " row_id TEXT NOT NULL,"
        " body TEXT NOT NULL"
        ") STRICT;"
        "CREATE INDEX inventory_by_result ON inventory (result_id);"

        "CREATE TABLE series ("
        " id INTEGER PRIMARY KEY,"
        " target TEXT NOT NULL,"
        " name TEXT NOT NULL,"
        " resource TEXT NOT NULL,"
        " UNIQUE (target, name, resource)"
        ") STRICT;"
        "CREATE TABLE samples ("
        " series_id INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,"
        " at_ms INTEGER NOT NULL,"
        " value REAL NOT NULL,"
        " PRIMARY KEY (series_id, at_ms)"
        ") STRICT, WITHOUT ROWID;"

        "CREATE TABLE notes ("
        " topic TEXT NOT NULL,"
        " name TEXT NOT NULL,"
        " at_ms INTEGER NOT NULL,"
        " body TEXT NOT NULL,"
        " PRIMARY KEY (topic, name)"
        ") STRICT, WITHOUT ROWID;";

static const char *const steps[] = {first};

int
database_schema(void)
{
        return (int)(sizeof steps / sizeof *steps);
}

/* One number of a query without parameters; -1 on error. */
static int
number_of(struct database *database, const char *sql, int64_t *value, struct error *err)
{
        scoped_statement statement = database_statement(database, sql, err);

        if (statement == NULL)
                return -1;
        int step = statement_step(statement, err);
        if (step > 0)
                *value = column_whole(statement, 0);
        return step < 0 ? -1 : 0;
}

/* The version of the schema, 0 for an empty file; a file with other tables is somebody else's. */
static int
current(struct database *database, int64_t *version, struct error *err)
{
        static const char tables[] = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'";
        static const char known[] = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_versions'";
        static const char newest[] = "SELECT COALESCE(max(version), 0) FROM schema_versions";
        int64_t count = 0, ours = 0;

        *version = 0;
        if (number_of(database, known, &ours, err) != 0 || number_of(database, tables, &count, err) != 0)
                return -1;
        if (ours > 0)
                return number_of(database, newest, version, err);
        if (count == 0)
                return 0;
        error_set(err, REASON_CONFIGURATION, "this SQLite file is not a store of rounds: it holds other tables");
        return error_remedy(err, "name another file in `store:`");
}

static int
apply(struct database *database, int64_t from, struct error *err)
{
        static const char record[] = "INSERT INTO schema_versions (version, applied_ms) VALUES ($1, $2)";

        if (from == 0 && database_run(database,
                                      "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY,"
                                      " applied_ms INTEGER NOT NULL) STRICT",
                                      err) != 0)
                return -1;
        for (int64_t step = from; step < database_schema(); step++) {
                if (database_run(database, steps[step], err) != 0)
                        return error_wrap(err, "migration %d", (int)step + 1);
                struct statement *statement = database_statement(database, record, err);
                if (statement == NULL)
                        return -1;
                bind_whole(statement, 1, step + 1);
                bind_whole(statement, 2, moment_now());
                if (statement_finish(statement, err) != 0)
                        return -1;
        }
        return 0;
}

static int
check(int64_t version, bool read_only, struct error *err)
{
        if (version > database_schema()) {
                error_set(err, REASON_CONFIGURATION, "the store has schema %d, this rounds (%s) knows up to %d",
                          (int)version, ROUNDS_VERSION, database_schema());
                return error_remedy(err, "use the newer rounds that wrote it; a store is never migrated back");
        }
        if (read_only && version < database_schema()) {
                error_set(err, REASON_CONFIGURATION, "the store has schema %d, this rounds (%s) reads %d", (int)version,
                          ROUNDS_VERSION, database_schema());
                return error_remedy(err, "run any job once with this rounds: it migrates the store");
        }
        return 0;
}

int
database_migrate(struct database *database, bool read_only, struct error *err)
{
        int64_t version;

        if (current(database, &version, err) != 0 || check(version, read_only, err) != 0)
                return -1;
        if (version == database_schema())
                return 0;
        /* Look again inside the transaction: another process may have migrated meanwhile. */
        if (database_begin(database, err) != 0)
                return -1;
        if (current(database, &version, err) != 0 || check(version, read_only, err) != 0 ||
            apply(database, version, err) != 0) {
                database_rollback(database);
                return -1;
        }
        return database_commit(database, err);
}

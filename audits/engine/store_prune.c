/* Retention: what is older than the settings leaves, in small transactions so that nobody waits long for the store. */

#include <stdlib.h>

#include "scope.h"
#include "store_parts.h"

#define SAMPLES_AT_ONCE 20000
#define FACTS_AT_ONCE   200
#define PAGES_AT_ONCE   2000

/* Runs with two or more newer ones of the same job: only those may go. */
#define OLD_RUNS                                                                   \
        "SELECT r.id FROM runs r WHERE r.started_ms < $1 AND r.state <> 'running'" \
        " AND (SELECT count(*) FROM runs newer WHERE newer.job = r.job AND newer.id > r.id) >= 2"

/* Repeats `sql` ($1: the bound, $2: how many at once) until it deletes nothing, a transaction each. */
static int
prune_rows(struct store *store, const char *sql, int64_t before_ms, int64_t at_once, int64_t *deleted,
           struct error *err)
{
        for (;;) {
                struct statement *statement = database_statement(store->database, sql, err);
                if (statement == NULL)
                        return -1;
                bind_whole(statement, 1, before_ms);
                bind_whole(statement, 2, at_once);
                if (statement_finish(statement, err) != 0)
                        return -1;
                int64_t now = database_changes(store->database);
                if (now == 0)
                        return 0;
                *deleted += now;
        }
}

static int
prune_strays(struct store *store, struct error *err)
{
        static const char identities[] = "DELETE FROM identities WHERE failing_since_ms IS NULL AND NOT EXISTS"
                                         " (SELECT 1 FROM findings f WHERE f.identity_id = identities.id)";
        static const char series[] = "DELETE FROM series WHERE NOT EXISTS"
                                     " (SELECT 1 FROM samples p WHERE p.series_id = series.id)";

        if (statement_finish(database_statement(store->database, identities, err), err) != 0)
                return -1;
        return statement_finish(database_statement(store->database, series, err), err);
}

int
store_prune(struct store *store, const struct retention *keep, int64_t now_ms, struct error *err)
{
        static const char facts[] = "DELETE FROM facts WHERE result_id IN (SELECT f.result_id FROM facts f"
                                    " JOIN results s ON s.id = f.result_id WHERE s.run_id IN (" OLD_RUNS ") LIMIT $2)";
        static const char runs[] = "DELETE FROM runs WHERE id IN (" OLD_RUNS " ORDER BY r.id LIMIT $2)";
        static const char samples[] = "DELETE FROM samples WHERE (series_id, at_ms) IN"
                                      " (SELECT p.series_id, p.at_ms FROM samples p WHERE p.at_ms < $1 LIMIT $2)";
        static const char kept[] = "DELETE FROM notes WHERE topic = '" STORE_KEPT
                                   "' AND name IN (SELECT name FROM notes"
                                   " WHERE topic = '" STORE_KEPT "' AND at_ms < $1 LIMIT $2)";
        scoped_lock held = store_lock(store);
        int64_t deleted = 0;

        if (keep->facts_ms > 0 &&
            (prune_rows(store, facts, now_ms - keep->facts_ms, FACTS_AT_ONCE, &deleted, err) != 0 ||
             prune_rows(store, kept, now_ms - keep->facts_ms, FACTS_AT_ONCE, &deleted, err) != 0))
                return -1;
        if (keep->findings_ms > 0 && prune_rows(store, runs, now_ms - keep->findings_ms, 1, &deleted, err) != 0)
                return -1;
        if (keep->samples_ms > 0 &&
            prune_rows(store, samples, now_ms - keep->samples_ms, SAMPLES_AT_ONCE, &deleted, err) != 0)
                return -1;
        if (deleted == 0)
                return 0;
        if (prune_strays(store, err) != 0)
                return -1;
        return database_shrink(store->database, PAGES_AT_ONCE, err);
}

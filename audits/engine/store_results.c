/* Results into the store: one target's facts, findings, inventory and samples in one transaction; rejudged ones later.
 */

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"
#include "store_parts.h"

static int
run_start(struct store *store, int64_t run, int64_t *started_ms, struct error *err)
{
        static const char find[] = "SELECT started_ms FROM runs WHERE id = $1";
        scoped_statement statement = database_statement(store->database, find, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        int step = statement_step(statement, err);
        if (step == 0)
                return error_set(err, REASON_INTERNAL, "store %s: there is no run %lld", store->path, (long long)run);
        *started_ms = step > 0 ? column_whole(statement, 0) : 0;
        return step < 0 ? -1 : 0;
}

static int
result_insert(struct store *store, int64_t run, const struct result *result, int64_t *id, struct error *err)
{
        static const char insert[] = "INSERT INTO results (run_id, target, kind, owner, audit, started_ms, took_ms)"
                                     " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
        scoped_statement statement = database_statement(store->database, insert, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        bind_text(statement, 2, result->target);
        bind_text(statement, 3, result->kind != NULL ? result->kind : "");
        bind_text(statement, 4, result->owner != NULL ? result->owner : "");
        bind_text(statement, 5, result->audit);
        bind_whole(statement, 6, result->started_ms);
        bind_whole(statement, 7, result->took_ms);
        int step = statement_step(statement, err);
        if (step > 0)
                *id = column_whole(statement, 0);
        return step < 0 ? -1 : 0;
}

static int
facts_insert(struct store *store, int64_t result, const json_t *facts, struct error *err)
{
        static const char insert[] = "INSERT INTO facts (result_id, body) VALUES ($1, $2)";
        scoped(scope_free) void *packed = NULL;
        size_t size;

        if (pack_json(facts, &packed, &size, err) != 0)
                return -1;
        struct statement *statement = database_statement(store->database, insert, err);
        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, result);
        bind_bytes(statement, 2, packed, size);
        return statement_finish(statement, err);
}

int
store_inventory_put(struct store *store, int64_t result, const struct findings *findings, struct error *err)
{
        static const char insert[] = "INSERT INTO inventory (result_id, kind, row_id, body) VALUES ($1, $2, $3, $4)";

        for (size_t i = 0; i < findings->inventory_count; i++) {
                const struct inventory_row *row = &findings->inventory[i];
                scoped_string body = NULL;
                if (pack_text(row->row, &body, err) != 0)
                        return -1;
                scoped_buffer id = BUFFER_INIT(SCRATCH);
                const char *row_id = pack_clean(json_text(row->row, "id", ""), &id);
                if (id.failed)
                        return error_memory(err, "an inventory row");
                struct statement *statement = database_statement(store->database, insert, err);
                if (statement == NULL)
                        return -1;
                bind_whole(statement, 1, result);
                bind_text(statement, 2, row->kind);
                bind_text(statement, 3, row_id);
                bind_text(statement, 4, body);
                if (statement_finish(statement, err) != 0)
                        return -1;
        }
        return 0;
}

static int
result_put(struct store *store, int64_t run, int64_t started_ms, const struct result *result, finding_filter filter,
           void *filter_context, struct error *err)
{
        struct finding_context context = {.store = store,
                                          .run = run,
                                          .run_started_ms = started_ms,
                                          .given = result,
                                          .filter = filter,
                                          .filter_context = filter_context,
                                          .newest = true};

        if (result->findings->failed)
                return error_memory(err, "the findings of a result");
        if (result_insert(store, run, result, &context.result, err) != 0)
                return -1;
        if (result->facts != NULL && facts_insert(store, context.result, result->facts, err) != 0)
                return -1;
        if (store_findings_put(&context, err) != 0 ||
            store_inventory_put(store, context.result, result->findings, err) != 0)
                return -1;
        return store_samples_put(store, result->target, started_ms, result->findings, err);
}

int
store_results_put(struct store *store, int64_t run, const struct result *results, size_t count, finding_filter filter,
                  void *context, struct error *err)
{
        scoped_lock held = store_lock(store);
        int64_t started_ms;

        if (database_begin(store->database, err) != 0)
                return -1;
        int result = run_start(store, run, &started_ms, err);
        for (size_t i = 0; result == 0 && i < count; i++) {
                result = result_put(store, run, started_ms, &results[i], filter, context, err);
                if (result != 0)
                        error_wrap(err, "%s, %s", *results[i].target != '\0' ? results[i].target : "all targets",
                                   results[i].audit);
        }
        if (result == 0)
                return database_commit(store->database, err);
        database_rollback(store->database);
        return -1;
}

/* --- judged again ------------------------------------------------------------------------------------------- */

/* The stored result's number, and whether a later run has looked at the same. */
static int
result_find(struct store *store, int64_t run, const struct result *result, int64_t *id, bool *newest, struct error *err)
{
        static const char find[] = "SELECT id, EXISTS (SELECT 1 FROM results later WHERE later.target = results.target"
                                   " AND later.audit = results.audit AND later.run_id > results.run_id)"
                                   " FROM results WHERE run_id = $1 AND target = $2 AND audit = $3";
        scoped_statement statement = database_statement(store->database, find, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, run);
        bind_text(statement, 2, result->target);
        bind_text(statement, 3, result->audit);
        int step = statement_step(statement, err);
        if (step == 0)
                return error_set(err, REASON_INTERNAL, "store %s: run %lld holds no result of %s for %s", store->path,
                                 (long long)run, result->audit, result->target);
        if (step > 0) {
                *id = column_whole(statement, 0);
                *newest = column_whole(statement, 1) == 0;
        }
        return step < 0 ? -1 : 0;
}

static int
inventory_drop(struct store *store, int64_t result, struct error *err)
{
        static const char drop[] = "DELETE FROM inventory WHERE result_id = $1";
        struct statement *statement = database_statement(store->database, drop, err);

        if (statement == NULL)
                return -1;
        bind_whole(statement, 1, result);
        return statement_finish(statement, err);
}

int
store_result_rejudge(struct store *store, int64_t run, const struct result *result, finding_filter filter,
                     void *context, struct error *err)
{
        struct finding_context fresh = {.store = store,
                                        .run = run,
                                        .given = result,
                                        .filter = filter,
                                        .filter_context = context,
                                        .again = true};
        scoped_lock held = store_lock(store);

        if (result->findings->failed)
                return error_memory(err, "the findings of a result");
        if (database_begin(store->database, err) != 0)
                return -1;
        if (run_start(store, run, &fresh.run_started_ms, err) == 0 &&
            result_find(store, run, result, &fresh.result, &fresh.newest, err) == 0 &&
            store_findings_put(&fresh, err) == 0 && inventory_drop(store, fresh.result, err) == 0 &&
            store_inventory_put(store, fresh.result, result->findings, err) == 0)
                return database_commit(store->database, err);
        database_rollback(store->database);
        return -1;
}

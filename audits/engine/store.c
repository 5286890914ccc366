/* The store: opening, locking, and the record of runs. */

#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"
#include "store_parts.h"

static const char *const state_names[] = {"running", "finished", "interrupted", "died"};

/* --- opening ------------------------------------------------------------------------------------------------ */

static const char *
path_of(const char *where, struct error *err)
{
        static const char scheme[] = "sqlite:";

        if (strncmp(where, scheme, sizeof scheme - 1) == 0 && where[sizeof scheme - 1] != '\0')
                return where + sizeof scheme - 1;
        error_set(err, REASON_CONFIGURATION, "store \"%s\": not of the form sqlite:PATH", where);
        return NULL;
}

int
store_open(const char *where, bool read_only, struct store **out, struct error *err)
{
        const char *path = path_of(where, err);
        pthread_mutexattr_t recursive;

        if (path == NULL)
                return -1;
        struct store *store = calloc(1, sizeof *store);
        if (store == NULL)
                return error_memory(err, "store");
        pthread_mutexattr_init(&recursive);
        pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
        pthread_mutex_init(&store->lock, &recursive);
        pthread_mutexattr_destroy(&recursive);
        store->read_only = read_only;
        store->path = strdup(path);
        if (store->path == NULL) {
                store_close(store);
                return error_memory(err, "store");
        }
        if (database_open(path, read_only, &store->database, err) != 0) {
                store_close(store);
                return -1;
        }
        if (database_migrate(store->database, read_only, err) != 0) {
                store_close(store);
                return error_wrap(err, "store %s", path);
        }
        *out = store;
        return 0;
}

void
store_close(struct store *store)
{
        if (store == NULL)
                return;
        database_close(store->database);
        for (size_t i = 0; i < store->lock_count; i++)
                close(store->locks[i].fd);
        free(store->locks);
        free(store->findings_query);
        free(store->path);
        pthread_mutex_destroy(&store->lock);
        free(store);
}

/* --- the beginning and the end of a run ----------------------------------------------------------------------- */

static int
run_insert(struct store *store, const struct run *run, const void *config, size_t size, int64_t *id, struct error *err)
{
        static const char dead[] = "UPDATE runs SET state = 'died' WHERE job = $1 AND shard = $2 AND state = 'running'";
        static const char insert[] = "INSERT INTO runs (job, started_ms, finished_ms, version, host, shard, state, "
                                     "min_coverage, process, config)"
                                     " VALUES ($1, $2, 0, $3, $4, $5, 'running', $6, $7, $8) RETURNING id";
        const char *shard = run->shard != NULL && *run->shard != '\0' ? run->shard : "0/1";

        /* We hold the lock of this job and shard: whoever is still marked as running is dead. */
        struct statement *stale = database_statement(store->database, dead, err);
        if (stale == NULL)
                return -1;
        bind_text(stale, 1, run->job);
        bind_text(stale, 2, shard);
        if (statement_finish(stale, err) != 0)
                return -1;
        scoped_statement fresh = database_statement(store->database, insert, err);
        if (fresh == NULL)
                return -1;
        bind_text(fresh, 1, run->job);
        bind_whole(fresh, 2, run->started_ms);
        bind_text(fresh, 3, run->version != NULL ? run->version : "");
        bind_text(fresh, 4, run->host != NULL ? run->host : "");
        bind_text(fresh, 5, shard);
        bind_real(fresh, 6, run->min_coverage);
        bind_whole(fresh, 7, getpid());
        bind_bytes(fresh, 8, config, size);
        int step = statement_step(fresh, err);
        if (step == 0)
                return error_set(err, REASON_INTERNAL, "store %s: the run got no number", store->path);
        if (step > 0)
                *id = column_whole(fresh, 0);
        return step < 0 ? -1 : 0;
}

int
store_run_begin(struct store *store, const struct run *run, const json_t *config, int64_t *id, struct error *err)
{
        scoped(scope_free) void *packed = NULL;
        scoped(scope_close) int fd = -1;
        scoped_json nothing = config == NULL ? json_object() : NULL;
        size_t size;

        if (pack_json(config != NULL ? config : nothing, &packed, &size, err) != 0)
                return -1;
        scoped_lock held = store_lock(store);
        struct job_lock *locks = reallocarray(store->locks, store->lock_count + 1, sizeof *locks);
        if (locks == NULL)
                return error_memory(err, "a lock");
        store->locks = locks;
        if (store_lock_job(store->path, run->job, run->shard, &fd, err) != 0 ||
            database_durable(store->database, true, err) != 0 || database_begin(store->database, err) != 0)
                return -1;
        if (run_insert(store, run, packed, size, id, err) != 0) {
                database_rollback(store->database);
                return -1;
        }
        if (database_commit(store->database, err) != 0 || database_durable(store->database, false, err) != 0)
                return -1;
        store->locks[store->lock_count++] = (struct job_lock){.run = *id, .fd = fd};
        fd = -1;
        return 0;
}

static void
unlock_run(struct store *store, int64_t run)
{
        for (size_t i = 0; i < store->lock_count; i++) {
                if (store->locks[i].run == run) {
                        close(store->locks[i].fd);
                        store->locks[i] = store->locks[--store->lock_count];
                        return;
                }
        }
}

int
store_run_end(struct store *store, int64_t run, enum run_state state, int64_t finished_ms, struct error *err)
{
        static const char update[] = "UPDATE runs SET state = $2, finished_ms = $3 WHERE id = $1";
        scoped_lock held = store_lock(store);

        /* With FULL the commit syncs the whole log, so that everything written before it is safe as well. */
        int result = database_durable(store->database, true, err);
        struct statement *statement = result == 0 ? database_statement(store->database, update, err) : NULL;
        if (statement != NULL) {
                bind_whole(statement, 1, run);
                bind_text(statement, 2, state_names[state]);
                bind_whole(statement, 3, finished_ms);
        }
        result = statement_finish(statement, err);
        if (result == 0 && database_changes(store->database) != 1)
                result = error_set(err, REASON_INTERNAL, "store %s: there is no run %lld", store->path, (long long)run);
        if (database_durable(store->database, false, result == 0 ? err : NULL) != 0)
                result = -1;
        unlock_run(store, run);
        return result;
}

/* --- reading runs ------------------------------------------------------------------------------------------- */

/* Columns 0 to 8 as every query below lists them: id, job, started, finished, version, host, shard, state, coverage. */
#define RUN_COLUMNS "id, job, started_ms, finished_ms, version, host, shard, state, min_coverage"

static json_t *
run_object(struct statement *row, struct error *err)
{
        scoped_json run = json_object();

        if (run == NULL || json_put_whole(run, "id", column_whole(row, 0)) != 0 ||
            json_put_text(run, "job", column_text(row, 1)) != 0 ||
            json_put_whole(run, "started_ms", column_whole(row, 2)) != 0 ||
            json_put_whole(run, "finished_ms", column_whole(row, 3)) != 0 ||
            json_put_text(run, "version", column_text(row, 4)) != 0 ||
            json_put_text(run, "host", column_text(row, 5)) != 0 ||
            json_put_text(run, "shard", column_text(row, 6)) != 0 ||
            json_put_text(run, "state", column_text(row, 7)) != 0 ||
            json_put_real(run, "min_coverage", column_real(row, 8)) != 0) {
                error_memory(err, "a run");
                return NULL;
        }
        return statement_sound(row, err) == 0 ? scope_keep(run) : NULL;
}

int
store_run_read(struct store *store, int64_t id, const char *job, json_t **out, struct error *err)
{
        static const char by_id[] = "SELECT " RUN_COLUMNS ", config FROM runs WHERE id = $1";
        static const char newest[] = "SELECT " RUN_COLUMNS ", config FROM runs"
                                     " WHERE state IN ('finished', 'interrupted') ORDER BY id DESC LIMIT 1";
        static const char newest_of[] = "SELECT " RUN_COLUMNS ", config FROM runs"
                                        " WHERE job = $1 AND state IN ('finished', 'interrupted')"
                                        " ORDER BY id DESC LIMIT 1";
        scoped_lock held = store_lock(store);
        scoped_statement row = database_statement(store->database,
                                                  id != 0       ? by_id
                                                  : job != NULL ? newest_of
                                                                : newest,
                                                  err);
        size_t size;

        if (row == NULL)
                return -1;
        if (id != 0)
                bind_whole(row, 1, id);
        else if (job != NULL)
                bind_text(row, 1, job);
        int step = statement_step(row, err);
        if (step < 0)
                return -1;
        if (step == 0 && id != 0)
                return error_set(err, REASON_CONFIGURATION, "store %s: there is no run %lld", store->path,
                                 (long long)id);
        if (step == 0)
                return error_set(err, REASON_CONFIGURATION, "store %s: no run%s%s has ended yet", store->path,
                                 job != NULL ? " of job " : "", job != NULL ? job : "");
        scoped_json run = run_object(row, err);
        if (run == NULL)
                return -1;
        const void *packed = column_bytes(row, 9, &size);
        json_t *config = NULL;
        if (unpack_json(packed, size, &config, err) != 0)
                return error_wrap(err, "store %s: run %lld", store->path, (long long)column_whole(row, 0));
        if (json_put(run, "config", config) != 0)
                return error_memory(err, "a run");
        *out = scope_keep(run);
        return 0;
}

int
store_run_before(struct store *store, int64_t run, int64_t *id, struct error *err)
{
        static const char before[] =
                "SELECT earlier.id FROM runs earlier JOIN runs this ON this.id = $1"
                " WHERE earlier.job = this.job AND earlier.shard = this.shard AND earlier.id < this.id"
                " AND earlier.state IN ('finished', 'interrupted') ORDER BY earlier.id DESC LIMIT 1";
        scoped_lock held = store_lock(store);
        scoped_statement row = database_statement(store->database, before, err);

        if (row == NULL)
                return -1;
        bind_whole(row, 1, run);
        int step = statement_step(row, err);
        *id = step > 0 ? column_whole(row, 0) : 0;
        return step < 0 ? -1 : 0;
}

int
store_run_list(struct store *store, const char *job, int limit, json_t **out, struct error *err)
{
        static const char list[] = "SELECT " RUN_COLUMNS " FROM runs"
                                   " WHERE CAST($1 AS TEXT) IS NULL OR job = $1 ORDER BY id DESC LIMIT $2";
        scoped_lock held = store_lock(store);
        scoped_statement row = database_statement(store->database, list, err);
        scoped_json runs = json_array();
        int step;

        if (row == NULL)
                return -1;
        if (runs == NULL)
                return error_memory(err, "runs");
        bind_text(row, 1, job);
        bind_whole(row, 2, limit);
        while ((step = statement_step(row, err)) > 0) {
                json_t *run = run_object(row, err);
                if (run == NULL || json_push(runs, run) == NULL)
                        return error_memory(err, "runs");
        }
        if (step < 0)
                return -1;
        *out = scope_keep(runs);
        return 0;
}

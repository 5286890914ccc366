/* What PgBouncer's console tells, reduced to what judging needs. */

#include "pooler_facts.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "pgbouncer.h"
#include "scope.h"

/* Columns by name: what a version does not have stays out, what it has beyond is not read.  Versions name a column in
 * two ways at times: the later row wins. */
struct column {
        const char *name;
        const char *as; /* key in the facts */
        bool number;
};

static const struct column database_columns[] = {
        {"name", "name", false},
        {"host", "host", false},
        {"port", "port", true},
        {"database", "database", false},
        {"force_user", "force_user", false},
        {"pool_size", "pool_size", true},
        {"min_pool_size", "min_pool_size", true},
        {"reserve_pool", "reserve_pool", true},      /* until 1.23 */
        {"reserve_pool_size", "reserve_pool", true}, /* since 1.24 */
        {"pool_mode", "pool_mode", false},
        {"max_connections", "max_connections", true},
        {"current_connections", "current_connections", true},
        {"paused", "paused", true},
        {"disabled", "disabled", true},
        {0},
};

static const struct column pool_columns[] = {
        {"database", "database", false},
        {"user", "user", false},
        {"cl_active", "cl_active", true},
        {"cl_waiting", "cl_waiting", true},
        {"sv_active", "sv_active", true},
        {"sv_idle", "sv_idle", true},
        {"sv_used", "sv_used", true},
        {"sv_tested", "sv_tested", true},
        {"sv_login", "sv_login", true},
        {"maxwait", "maxwait", true},
        {"maxwait_us", "maxwait_us", true},
        {"pool_mode", "pool_mode", false},
        {0},
};

static const struct column user_columns[] = {
        {"name", "name", false},
        {"pool_mode", "pool_mode", false},
        {"pool_size", "pool_size", true},
        {"reserve_pool_size", "reserve_pool", true},
        {"max_user_connections", "max_user_connections", true},
        {0},
};

static const struct column stats_columns[] = {
        {"database", "database", false},
        {"total_wait_time", "wait_us", true},
        {"avg_wait_time", "wait_us_mean", true},
        {"total_xact_count", "transactions", true},
        {0},
};

/* Of SHOW CONFIG; nothing in it is kept that could hold a secret or a path. */
static const char *const config_keys[] = {
        "max_client_conn",          "default_pool_size",    "min_pool_size",
        "reserve_pool_size",        "reserve_pool_timeout", "max_db_connections",
        "max_user_connections",     "server_idle_timeout",  "server_lifetime",
        "query_wait_timeout",       "query_timeout",        "client_idle_timeout",
        "idle_transaction_timeout", "server_login_retry",   NULL,
};

static int
put_number(json_t *object, const char *key, const char *text)
{
        char *end;

        if (text == NULL || *text == '\0')
                return 0;
        double value = strtod(text, &end);
        return *end != '\0' ? 0 : json_put_real(object, key, value);
}

static json_t *
reduced(const json_t *row, const struct column *columns)
{
        scoped_json out = json_object();

        for (; out != NULL && columns->name != NULL; columns++) {
                const char *text = json_text(row, columns->name, NULL);
                if (text == NULL)
                        continue;
                if ((columns->number ? put_number(out, columns->as, text) : json_put_text(out, columns->as, text)) != 0)
                        return NULL;
        }
        return scope_keep(out);
}

static int
collect_table(struct pgbouncer_instance *instance, const struct deadline *deadline, const char *what, const char *key,
              const struct column *columns, json_t *out, struct error *err)
{
        static const char *const order[] = {"name", "database", "user", NULL};
        scoped_json rows = NULL;
        scoped_json kept = json_array();
        size_t i;
        json_t *row;

        if (pgbouncer_show(instance, deadline, what, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                if (json_push(kept, reduced(row, columns)) == NULL)
                        return error_memory(err, what);
        }
        /* PgBouncer lists its tables in the order of a hash. */
        return json_sort(kept, order) != 0 || json_put(out, key, scope_keep(kept)) != 0 ? error_memory(err, what) : 0;
}

/* Two columns, name and number: SHOW CONFIG (`wanted` keys) and SHOW LISTS (all of it). */
static int
collect_pairs(struct pgbouncer_instance *instance, const struct deadline *deadline, const char *what, const char *name,
              const char *value, const char *const *wanted, const char *key, json_t *out, struct error *err)
{
        scoped_json rows = NULL;
        scoped_json kept = json_object();
        size_t i;
        json_t *row;

        if (pgbouncer_show(instance, deadline, what, &rows, err) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                const char *label = json_text(row, name, "");
                bool keep = wanted == NULL && *label != '\0';
                for (size_t k = 0; wanted != NULL && wanted[k] != NULL && !keep; k++)
                        keep = strcmp(wanted[k], label) == 0;
                if (keep && put_number(kept, label, json_text(row, value, NULL)) != 0)
                        return error_memory(err, what);
        }
        return json_put(out, key, json_incref(kept)) != 0 ? error_memory(err, what) : 0;
}

static int
collect_version(struct pgbouncer_instance *instance, const struct deadline *deadline, json_t *out, struct error *err)
{
        scoped_json rows = NULL;

        if (pgbouncer_show(instance, deadline, "VERSION", &rows, err) != 0)
                return -1;
        return json_put_text(out, "version", json_text(json_array_get(rows, 0), "version", ""));
}

static int
collect_instance(struct pgbouncer_instance *instance, const struct deadline *deadline, json_t *out, struct error *err)
{
        return json_put_text(out, "address", pgbouncer_address(instance)) != 0 ||
                               collect_version(instance, deadline, out, err) != 0 ||
                               collect_pairs(instance, deadline, "CONFIG", "key", "value", config_keys, "config", out,
                                             err) != 0 ||
                               collect_pairs(instance, deadline, "LISTS", "list", "items", NULL, "lists", out, err) !=
                                       0 ||
                               collect_table(instance, deadline, "DATABASES", "databases", database_columns, out,
                                             err) != 0 ||
                               collect_table(instance, deadline, "POOLS", "pools", pool_columns, out, err) != 0 ||
                               collect_table(instance, deadline, "USERS", "users", user_columns, out, err) != 0 ||
                               collect_table(instance, deadline, "STATS", "stats", stats_columns, out, err) != 0
                       ? -1
                       : 0;
}

/* Which hosts of the pooler's databases are the server `databases_of`: what the target says, else the host in that
 * server's DSN if the pooler uses the same name for it, else all. */
static int
collect_hosts(const struct session *session, json_t *facts)
{
        const json_t *given = target_value(session->target, "hosts");
        const char *name = target_text(session->target, "databases_of");
        const struct target *server = name != NULL ? session_target(session, name) : NULL;
        const char *dsn = server != NULL ? target_text(server, "dsn") : NULL;

        if (json_array_size(given) > 0)
                return json_put(facts, "hosts", json_deep_copy(given));
        PQconninfoOption *options = dsn != NULL ? PQconninfoParse(dsn, NULL) : NULL;
        const char *host = NULL;
        for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
                if (strcmp(option->keyword, "host") == 0)
                        host = option->val;
        }
        bool known = false;
        size_t i, j;
        json_t *instance, *database;
        json_array_foreach((json_t *)json_list(facts, "instances"), i, instance)
        {
                json_array_foreach((json_t *)json_list(instance, "databases"), j, database)
                        known = known || (host != NULL && strcmp(json_text(database, "host", ""), host) == 0);
        }
        int result = known ? json_put(facts, "hosts", json_pack("[s]", host)) : 0;
        PQconninfoFree(options);
        return result;
}

int
pooler_facts(struct session *session, json_t *facts, struct error *err)
{
        const struct pgbouncer *pooler = pgbouncer_session(session, err);
        json_t *list = json_array();
        size_t read = 0;

        if (pooler == NULL) {
                json_decref(list);
                return -1;
        }
        if (json_put(facts, "instances", list) != 0)
                return error_memory(err, "instances");
        for (size_t i = 0; i < pooler->count; i++) {
                struct error failed = {0};
                scoped_json out = json_object();
                if (collect_instance(pooler->instances[i], &session->deadline, out, &failed) == 0) {
                        read++;
                        if (json_push(list, json_incref(out)) == NULL)
                                return error_memory(err, "instances");
                        continue;
                }
                if (failed.reason == REASON_NONE)
                        return error_memory(err, "instances");
                *err = failed;
                const char *address = pgbouncer_address(pooler->instances[i]);
                error_wrap(&failed, "%s", address);
                if (facts_gap(facts, address, "DBC-2,DBC-4,DBC-5",
                              &(struct resource){.kind = "pooler", .name = address}, &failed) != 0)
                        return error_memory(err, "gaps");
        }
        const json_t *declared = target_value(session->target, "instances");
        if ((declared != NULL && json_put(facts, "declared", json_deep_copy(declared)) != 0) ||
            collect_hosts(session, facts) != 0)
                return error_memory(err, "facts");
        return read > 0 ? 0 : -1;
}

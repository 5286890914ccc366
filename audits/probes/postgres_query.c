/* Questions to a database: every row to a visitor, many into an array, or the first alone. */

#include "postgres_client.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "scope.h"

/* The beginning of a statement, for an error's words. */
static int
wrapped(const char *sql, const char *database, struct error *err)
{
        return error_wrap(err, "%s%s%.60s...", database != NULL ? database : "", database != NULL ? ": " : "", sql);
}

static int
timeout_set(struct postgres *server, PGconn *connection, const char *database, int64_t timeout_ms, struct error *err)
{
        char sql[80];

        snprintf(sql, sizeof sql, "SET statement_timeout = %" PRId64, timeout_ms);
        return postgres_send(server, connection, sql, NULL, NULL, NULL, err) == 0 ? 0 : wrapped(sql, database, err);
}

int
postgres_query(struct postgres *server, const char *database, const char *sql, const char *const *parameters,
               postgres_visit visit, void *context, struct error *err)
{
        PGconn *connection = postgres_connection(server, database, err);

        if (connection == NULL ||
            (server->patience_ms > 0 && timeout_set(server, connection, database, server->patience_ms, err) != 0))
                return -1;
        int outcome = postgres_send(server, connection, sql, parameters, visit, context, err);
        if (outcome != 0)
                wrapped(sql, database, err);
        if (server->patience_ms > 0 && (outcome == 0 || err->reason == REASON_TIMEOUT)) {
                struct error ignored;
                connection = postgres_connection(server, database, &ignored);
                if (connection != NULL &&
                    timeout_set(server, connection, database, server->statement_ms, &ignored) != 0)
                        postgres_drop(server, connection);
        }
        return outcome;
}

struct gathering {
        json_t *rows;
        size_t most;
};

static int
gather(void *context, json_t *row)
{
        struct gathering *gathering = context;

        if (json_array_size(gathering->rows) >= gathering->most)
                return 0;
        return json_array_append(gathering->rows, row);
}

int
postgres_rows(struct postgres *server, const char *database, const char *sql, const char *const *parameters,
              size_t most, json_t **rows, struct error *err)
{
        scoped_json list = json_array();
        struct gathering gathering = {.rows = list, .most = most};

        *rows = NULL;
        if (list == NULL)
                return error_memory(err, "rows");
        if (postgres_query(server, database, sql, parameters, gather, &gathering, err) != 0)
                return -1;
        *rows = scope_keep(list);
        return 0;
}

int
postgres_row(struct postgres *server, const char *database, const char *sql, json_t **row, struct error *err)
{
        scoped_json rows = NULL;

        *row = NULL;
        if (postgres_rows(server, database, sql, NULL, 1, &rows, err) != 0)
                return -1;
        *row = json_array_size(rows) > 0 ? json_incref(json_array_get(rows, 0)) : json_object();
        return *row == NULL ? error_memory(err, "rows") : 0;
}

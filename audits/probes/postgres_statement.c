/* One statement: sent, awaited under the deadline, its rows turned to JSON one by one. */

#include "postgres_client.h"

#include <stdlib.h>

#include "json.h"
#include "libpq_client.h"
#include "scope.h"

enum { PARAMETERS_MOST = 16, VALUE_MOST = 64 * 1024 };

/* Type oids that never change (pg_type.dat). */
enum {
        OID_BOOL = 16,
        OID_INT8 = 20,
        OID_INT2 = 21,
        OID_INT4 = 23,
        OID_OID = 26,
        OID_FLOAT4 = 700,
        OID_FLOAT8 = 701,
        OID_NUMERIC = 1700
};

/* --- rows --------------------------------------------------------------------------------------------------------- */

static json_t *
value_of(const PGresult *result, int row, int column)
{
        const char *text = PQgetvalue(result, row, column);
        size_t length = (size_t)PQgetlength(result, row, column);

        if (PQgetisnull(result, row, column))
                return json_null();
        switch (PQftype(result, column)) {
        case OID_BOOL:
                return json_boolean(*text == 't');
        case OID_INT2:
        case OID_INT4:
        case OID_INT8:
        case OID_OID:
                return json_integer(strtoll(text, NULL, 10));
        case OID_FLOAT4:
        case OID_FLOAT8:
        case OID_NUMERIC: {
                double value = strtod(text, NULL);
                return value - value == 0 ? json_real(value) : json_null(); /* NaN and infinities */
        }
        default:
                return json_bytes(text, length < VALUE_MOST ? length : VALUE_MOST);
        }
}

static int
visit_row(const PGresult *result, int row, postgres_visit visit, void *context)
{
        scoped_json object = json_object();

        for (int c = 0; object != NULL && c < PQnfields(result); c++) {
                if (json_put(object, PQfname(result, c), value_of(result, row, c)) != 0)
                        return -1;
        }
        return object == NULL ? -1 : visit(context, object);
}

/* --- waiting ------------------------------------------------------------------------------------------------------ */

/* All results of what was sent.  *broken: the connection is in the middle of something and of no further use. */
static int
receive(PGconn *connection, const struct deadline *deadline, postgres_visit visit, void *context, bool *broken,
        struct error *err)
{
        int outcome = 0;

        for (;;) {
                scoped(libpq_result_free) PGresult *result = NULL;
                if (libpq_next(connection, deadline, postgres_connection_error, &result, err) != 0) {
                        *broken = true;
                        return -1;
                }
                if (result == NULL)
                        return outcome;
                ExecStatusType status = PQresultStatus(result);
                if (status == PGRES_FATAL_ERROR) {
                        outcome = postgres_error(PQresultErrorField(result, PG_DIAG_SQLSTATE),
                                                 PQresultErrorMessage(result), err);
                } else if (status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK) {
                        for (int r = 0; outcome == 0 && visit != NULL && r < PQntuples(result); r++) {
                                if (visit_row(result, r, visit, context) != 0) {
                                        *broken = true;
                                        return error_memory(err, "rows");
                                }
                        }
                } else if (status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
                        *broken = true;
                        return error_set(err, REASON_PROTOCOL, "the server answered a query with %s",
                                         PQresStatus(status));
                }
        }
}

void
postgres_drop(struct postgres *server, const PGconn *connection)
{
        for (size_t i = 0; i < POSTGRES_CONNECTIONS; i++) {
                struct postgres_open *open = &server->open[i];
                if (open->connection != connection)
                        continue;
                PQfinish(open->connection);
                free(open->database);
                *open = (struct postgres_open){0};
        }
}

int
postgres_send(struct postgres *server, PGconn *connection, const char *sql, const char *const *parameters,
              postgres_visit visit, void *context, struct error *err)
{
        int64_t patience = server->patience_ms > server->statement_ms ? server->patience_ms : server->statement_ms;
        struct deadline deadline = deadline_within(server->session->deadline, patience + 2000);
        bool broken = false;
        int count = 0;

        while (parameters != NULL && parameters[count] != NULL && count < PARAMETERS_MOST)
                count++;
        int sent = count > 0 ? PQsendQueryParams(connection, sql, count, NULL, parameters, NULL, NULL, 0)
                             : PQsendQuery(connection, sql);
        if (sent != 1)
                return postgres_connection_error(connection, err);
        PQsetSingleRowMode(connection);
        if (libpq_flush(connection, &deadline, postgres_connection_error, err) != 0)
                broken = true;
        if (!broken && receive(connection, &deadline, visit, context, &broken, err) == 0)
                return 0;
        if (broken || PQstatus(connection) == CONNECTION_BAD)
                postgres_drop(server, connection);
        if (err->reason == REASON_TIMEOUT && *err->remedy == '\0')
                error_remedy(err,
                             "the server does not answer, nor says that it gave up: look at its load and disk, and "
                             "at what lies on the way (firewall, pooler, network)");
        return -1;
}

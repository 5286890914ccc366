/* Statements: sent, awaited under the deadline, rows turned to JSON one by one, errors to reasons. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "libpq_client.h"
#include "postgres_client.h"
#include "scope.h"
#include "secret.h"

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

/* --- errors ------------------------------------------------------------------------------------------------------- */

/* SQLSTATE, whole or its beginning, and what it means to us.  Source: PostgreSQL manual, appendix "Error Codes". */
static const struct {
        const char *state;
        enum reason reason;
        const char *remedy;
} states[] = {
        {"42501", REASON_DENIED, "GRANT pg_monitor TO the role of this target"},
        {"28", REASON_DENIED, "check the role, its password and pg_hba.conf"},
        {"3D000", REASON_CONFIGURATION, "name an existing database in the dsn"},
        {"53300", REASON_UNREACHABLE, "the server has no connection left: see DBC-4, or reserve one for the role"},
        {"57P03", REASON_UNREACHABLE, "the server is starting up or shutting down: try again"},
        {"57014", REASON_TIMEOUT, "raise statement_timeout of this target, or run at a quieter hour"},
        {"55P03", REASON_TIMEOUT, "another session holds a lock: look for it in pg_locks, or raise lock_timeout"},
        {"57P", REASON_UNREACHABLE, "the connection was ended by the server: look at its log"},
        {"08", REASON_UNREACHABLE, ""},
        {"42883", REASON_UNSUPPORTED, ""},
        {"42P01", REASON_UNSUPPORTED, ""},
        {"42703", REASON_UNSUPPORTED, ""},
        {"42704", REASON_UNSUPPORTED, ""},
        {"0A", REASON_UNSUPPORTED, ""},
        {"55000", REASON_UNSUPPORTED, ""},
};

/* What pg_monitor does not bring: the exact right to the object that the server's words name. */
static void
denied_remedy(const char *words, struct error *err)
{
        static const struct {
                const char *before, *right;
        } objects[] = {
                /* Managed services revoke some of these. */
                {"permission denied for function ",
                 "GRANT pg_monitor TO the role of this target; where it has that, a superuser may GRANT EXECUTE ON "
                 "FUNCTION pg_catalog."},
                {"permission denied for schema ", "GRANT USAGE ON SCHEMA "},
                {"permission denied for table ", "GRANT SELECT ON TABLE "},
                {"permission denied for view ", "GRANT SELECT ON TABLE "},
        };

        for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
                const char *name = strstr(words, objects[i].before);
                if (name == NULL)
                        continue;
                name += strlen(objects[i].before);
                error_remedy(err, "%s%.*s TO the role of this target%s", objects[i].right, (int)strcspn(name, "\r\n"),
                             name, i == 0 ? "; where the service hides it, waive this" : "");
                return;
        }
}

static int
error_of(const char *state, const char *words, struct error *err)
{
        int length = (int)strcspn(words, "\n");
        enum reason reason = REASON_PROTOCOL;
        const char *remedy = "";

        for (size_t i = 0; state != NULL && i < sizeof states / sizeof states[0]; i++) {
                if (strncmp(states[i].state, state, strlen(states[i].state)) == 0) {
                        reason = states[i].reason;
                        remedy = states[i].remedy;
                        break;
                }
        }
        error_set(err, reason, "%.*s", length, words);
        secret_redact_text(err->text);
        error_remedy(err, "%s", remedy);
        if (reason == REASON_DENIED)
                denied_remedy(words, err);
        return -1;
}

/* libpq tells no SQLSTATE of a failed connection: the server's words have to do. */
int
postgres_connection_error(const PGconn *connection, struct error *err)
{
        static const struct {
                const char *part, *state;
        } known[] = {
                {"authentication failed", "28P01"},
                {"no pg_hba.conf entry", "28000"},
                {"no password", "28P01"},
                {"does not exist", "3D000"},
                {"not permitted to log in", "28000"},
                {"too many clients", "53300"},
                {"remaining connection slots", "53300"},
                {"too many connections", "53300"},
                {"starting up", "57P03"},
                {"shutting down", "57P03"},
                {"permission denied", "42501"},
        };
        const char *words = PQerrorMessage(connection);

        if (strstr(words, "role \"") != NULL && strstr(words, "does not exist") != NULL)
                return error_of("28000", words, err);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
                if (strstr(words, known[i].part) != NULL)
                        return error_of(known[i].state, words, err);
        }
        error_of("08001", words, err);
        if (strstr(words, "SSL") != NULL || strstr(words, "certificate") != NULL) {
                err->reason = REASON_TLS;
                return error_remedy(err, "check sslmode and sslrootcert of the dsn against the server's certificate");
        }
        return error_remedy(err, "is the server listening there (listen_addresses, port, network policy)?");
}

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
                        outcome = error_of(PQresultErrorField(result, PG_DIAG_SQLSTATE), PQresultErrorMessage(result),
                                           err);
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

/* The beginning of a statement, for an error's words. */
static int
wrapped(const char *sql, const char *database, struct error *err)
{
        return error_wrap(err, "%s%s%.60s...", database != NULL ? database : "", database != NULL ? ": " : "", sql);
}

int
postgres_query(struct postgres *server, const char *database, const char *sql, const char *const *parameters,
               postgres_visit visit, void *context, struct error *err)
{
        PGconn *connection = postgres_connection(server, database, err);

        if (connection == NULL)
                return -1;
        if (server->patience_ms > 0) {
                char set[80];
                snprintf(set, sizeof set, "SET statement_timeout = %" PRId64, server->patience_ms);
                if (postgres_send(server, connection, set, NULL, NULL, NULL, err) != 0)
                        return wrapped(set, database, err);
        }
        int outcome = postgres_send(server, connection, sql, parameters, visit, context, err);
        if (outcome != 0)
                wrapped(sql, database, err);
        if (server->patience_ms > 0 && (outcome == 0 || err->reason == REASON_TIMEOUT)) {
                struct error ignored;
                char set[80];
                snprintf(set, sizeof set, "SET statement_timeout = %" PRId64, server->statement_ms);
                connection = postgres_connection(server, database, &ignored);
                if (connection != NULL && postgres_send(server, connection, set, NULL, NULL, NULL, &ignored) != 0)
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

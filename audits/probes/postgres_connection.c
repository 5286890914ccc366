/* Connections to the databases of a server: opened when first asked for, a few kept. */

#include "postgres_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpq_client.h"
#include "resolve.h"
#include "scope.h"
#include "secret.h"

enum { CONNECT_MS = 10000 };

/* "db1,db2" of the DSN as numeric addresses, in pairs that libpq tries in turn; names are resolved here because libpq's
 * own way would block. */
static int
resolve_hosts(const PQconninfoOption *options, const struct deadline *deadline, struct postgres_hosts *hosts,
              struct error *err)
{
        const size_t size = sizeof hosts->names;
        const char *given = libpq_option(options, "host"), *port_list = libpq_option(options, "port");
        scoped_string names = strdup(given != NULL && *given != '\0' ? given : "localhost");
        scoped_string numbers = strdup(port_list != NULL && *port_list != '\0' ? port_list : "5432");
        char *name, *rest = names, *next = numbers, *port = NULL;
        size_t at = 0, at_address = 0, at_port = 0, found = 0;
        struct error last = {0};

        if (names == NULL || numbers == NULL)
                return error_memory(err, "hosts");
        while ((name = strsep(&rest, ",")) != NULL) {
                struct resolved list[8];
                size_t count;
                char *own = strsep(&next, ",");
                port = own != NULL ? own : port;
                if (resolve_name(name, deadline, list, 8, &count, &last) != 0)
                        continue;
                for (size_t i = 0; i < count; i++, found++) {
                        const char *comma = found > 0 ? "," : "";
                        at += (size_t)snprintf(hosts->names + at, size - at, "%s%.200s", comma, name);
                        at_address += (size_t)snprintf(hosts->addresses + at_address, size - at_address, "%s%s", comma,
                                                       list[i].address);
                        at_port += (size_t)snprintf(hosts->ports + at_port, size - at_port, "%s%.8s", comma, port);
                        if (size - at < 256 || size - at_address < 256)
                                return 0;
                }
        }
        if (found == 0)
                *err = last;
        return found > 0 ? 0 : -1;
}

/* What every connection of ours is told first; a pooler in between would refuse these as startup options. */
static int
be_courteous(struct postgres *server, PGconn *connection, struct error *err)
{
        char sql[400];

        snprintf(sql, sizeof sql,
                 "SET default_transaction_read_only = on; SET statement_timeout = %" PRId64
                 "; SET lock_timeout = %" PRId64
                 "; SET idle_in_transaction_session_timeout = '30s'; SET search_path = pg_catalog, pg_temp; "
                 "SET client_encoding = 'UTF8'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET timezone = "
                 "'UTC'; "
                 "SET extra_float_digits = 1; SET bytea_output = 'hex'",
                 server->statement_ms, server->lock_ms);
        return postgres_send(server, connection, sql, NULL, NULL, NULL, err);
}

PGconn *
postgres_connection_open(struct postgres *server, const char *database, struct error *err)
{
        struct deadline deadline = deadline_within(server->session->deadline, CONNECT_MS);
        const char *dsn = target_text(server->session->target, "dsn");
        scoped(libpq_options_free) PQconninfoOption *options = libpq_options(dsn, err);
        scoped_secret password = NULL;
        struct libpq_parameters parameters = {.count = 0};

        if (options == NULL)
                return NULL;
        secret_remember(libpq_option(options, "password"));
        if (secret_read(server->session->target, "password", &password, err) != 0)
                return NULL;
        const char *host = libpq_option(options, "host");
        bool named = libpq_option(options, "hostaddr") == NULL && (host == NULL || (*host != '/' && *host != '@'));
        if (named && server->hosts == NULL) {
                scoped(scope_free) struct postgres_hosts *hosts = calloc(1, sizeof *hosts);
                if (hosts == NULL) {
                        error_memory(err, "hosts");
                        return NULL;
                }
                if (resolve_hosts(options, &deadline, hosts, err) != 0)
                        return NULL;
                server->hosts = scope_keep(hosts);
        }
        libpq_parameters_add(&parameters, options);
        if (named) {
                libpq_parameter(&parameters, "host", server->hosts->names);
                libpq_parameter(&parameters, "hostaddr", server->hosts->addresses);
                libpq_parameter(&parameters, "port", server->hosts->ports);
        }
        libpq_parameter(&parameters, "dbname", database);
        libpq_parameter(&parameters, "password", password);
        libpq_parameter(&parameters, "application_name", "rounds");
        libpq_parameter(&parameters, "gssencmode", "disable"); /* its negotiation would block */
        PGconn *connection = PQconnectStartParams(parameters.names, parameters.values, 0);
        if (connection == NULL) {
                error_memory(err, "connection");
        } else if (libpq_connect_wait(connection, &deadline, postgres_connection_error,
                                      "is the server up, and does a firewall drop packets on the way?", err) != 0 ||
                   be_courteous(server, connection, err) != 0) {
                PQfinish(connection);
                connection = NULL;
        }
        return connection;
}

/* A database that cannot be reached may be full or closed; a server that does not answer at home either is gone, and
 * waiting for it again for every database and every audit would cost the target all of its time. */
static void
ask_whether_gone(struct postgres *server, const char *database, const struct error *why)
{
        struct error err = {0};

        if (strcmp(database, server->home) != 0) {
                PGconn *home = postgres_connection(server, NULL, &err);
                if (home == NULL || postgres_send(server, home, "SELECT 1", NULL, NULL, NULL, &err) == 0 ||
                    (err.reason != REASON_UNREACHABLE && err.reason != REASON_TIMEOUT))
                        return;
        }
        server->failed = true;
        server->failure = *why;
}

static const struct postgres_closed *
closed_find(const struct postgres *server, const char *database)
{
        for (size_t i = 0; i < server->closed_count; i++) {
                if (strcmp(server->closed[i].database, database) == 0)
                        return &server->closed[i];
        }
        return NULL;
}

static void
closed_remember(struct postgres *server, const char *database, const struct error *why)
{
        if (server->closed_count == POSTGRES_CONNECTIONS)
                return;
        struct postgres_closed *closed = &server->closed[server->closed_count];
        *closed = (struct postgres_closed){.database = strdup(database), .why = *why};
        server->closed_count += closed->database != NULL;
}

PGconn *
postgres_connection(struct postgres *server, const char *database, struct error *err)
{
        struct postgres_open *slot = &server->open[0];

        if (server->failed) {
                *err = server->failure;
                return NULL;
        }
        if (database == NULL)
                database = server->home;
        for (size_t i = 0; i < POSTGRES_CONNECTIONS; i++) {
                struct postgres_open *open = &server->open[i];
                if (open->connection != NULL && strcmp(open->database, database) == 0) {
                        open->used = ++server->uses;
                        return open->connection;
                }
                if (open->used < slot->used)
                        slot = open;
        }
        const struct postgres_closed *closed = closed_find(server, database);
        if (closed != NULL) {
                *err = closed->why;
                return NULL;
        }
        PGconn *connection = postgres_connection_open(server, database, err);
        if (connection == NULL) {
                error_wrap(err, "database %s", database);
                if (err->reason == REASON_UNREACHABLE || err->reason == REASON_TIMEOUT) {
                        ask_whether_gone(server, database, err);
                        if (!server->failed && err->reason == REASON_TIMEOUT)
                                error_remedy(err, "the server answers, this database does not: look in pg_locks for an "
                                                  "AccessExclusiveLock on one of its catalogues");
                        closed_remember(server, database, err);
                }
                return NULL;
        }
        PQfinish(slot->connection);
        free(slot->database);
        *slot = (struct postgres_open){.connection = connection, .database = strdup(database), .used = ++server->uses};
        if (slot->database == NULL) {
                PQfinish(connection);
                slot->connection = NULL;
                error_memory(err, "connection");
                return NULL;
        }
        return connection;
}

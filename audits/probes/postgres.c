/* PostgreSQL over libpq, asynchronous: connections, databases, statements under a deadline. */

#include "postgres_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letter_settings.h"
#include "json.h"
#include "libpq_client.h"
#include "resolve.h"
#include "scope.h"
#include "secret.h"

enum { CONNECT_MS = 10000 };

static const struct setting volume_settings[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "how reports name it"},
        {.name = "size", .type = SETTING_SIZE, .words = "size of the volume; what lies on it is added up by the audit"},
        {.name = "query",
         .type = SETTING_TEXT,
         .words = "instead of size: SQL whose first row gives bytes used and bytes in all, in this order"},
        {.name = "tablespaces",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"*\"]",
         .words = "tablespaces that lie on it"},
        {.name = "wal", .type = SETTING_BOOLEAN, .fallback = "true", .words = "whether pg_wal lies on it"},
        {.type = SETTING_END},
};

static const struct setting retention_settings[] = {
        {.name = "table",
         .type = SETTING_GLOB,
         .required = true,
         .words = "tables the rule is for, as name or schema.name; the first rule that fits counts"},
        {.name = "database", .type = SETTING_GLOB, .fallback = "*", .words = "databases they are in"},
        {.name = "column",
         .type = SETTING_TEXT,
         .words = "when a row came to be; without it the column partitioned by, else an indexed one of a date or time"},
        {.name = "keep", .type = SETTING_DURATION, .required = true, .words = "how long a row is kept"},
        {.name = "hold",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "older rows are allowed, as under a legal hold: their age is shown and not judged"},
        {.type = SETTING_END},
};

static const struct setting auth_event_settings[] = {
        {.name = "database", .type = SETTING_TEXT, .words = "database it lies in; default: the DSN's"},
        {.name = "table",
         .type = SETTING_TEXT,
         .words = "table of sign-ins, as schema.name or the name of one in public"},
        {.name = "time",
         .type = SETTING_TEXT,
         .fallback = "created_at",
         .words = "its column of the time (have an index on it)"},
        {.name = "name",
         .type = SETTING_TEXT,
         .fallback = "user_name",
         .words = "its column of the user name or account"},
        {.name = "address",
         .type = SETTING_TEXT,
         .fallback = "ip_address",
         .words = "its column of the client's address"},
        {.name = "failed",
         .type = SETTING_TEXT,
         .fallback = "NOT success",
         .words = "SQL condition on a row: this sign-in failed"},
        {.name = "locked",
         .type = SETTING_TEXT,
         .fallback = "false",
         .words = "SQL condition on a row: the account was locked, or refused because it is"},
        {.name = "query",
         .type = SETTING_TEXT,
         .words = "instead of a table: SQL, every relation with its schema, that gives columns at, name, address, "
                  "failed, locked"},
        {.name = "show_names",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "show user names whole; else their first two letters and a hash"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "dsn",
         .type = SETTING_TEXT,
         .required = true,
         .words = "libpq connection string without a password: host=db dbname=app user=rounds sslmode=verify-full"},
        {.name = "password", .type = SETTING_SECRET, .words = "password of that role"},
        {.name = "include",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"*\"]",
         .words = "databases that are looked at"},
        {.name = "exclude",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[rdsadmin, cloudsqladmin, \"azure_*\"]",
         .words = "databases that are not, whatever include says"},
        {.name = "statement_timeout",
         .type = SETTING_DURATION,
         .fallback = "10s",
         .words = "longest a statement may take"},
        {.name = "lock_timeout", .type = SETTING_DURATION, .fallback = "1s", .words = "longest wait for a lock"},
        {.name = "bloat_budget",
         .type = SETTING_DURATION,
         .fallback = "30s",
         .words = "time for measuring bloat with pgstattuple; 0: estimates alone"},
        {.name = "retention",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = retention_settings,
         .words = "how long the rows of which tables are kept"},
        {.name = "volumes",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = volume_settings,
         .words = "the volumes that the server's data lies on"},
        {.name = "dead_letters",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = dead_letter_sql_fields,
         .words = "dead letters in tables"},
        {.name = "auth_events",
         .type = SETTING_OBJECT,
         .fields = auth_event_settings,
         .words = "the application's log of sign-ins"},
        {.type = SETTING_END},
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

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

static PGconn *
connection_open(struct postgres *server, const char *database, struct error *err)
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

static void
postgres_close(void *object)
{
        struct postgres *server = object;

        for (size_t i = 0; i < POSTGRES_CONNECTIONS; i++) {
                PQfinish(server->open[i].connection);
                free(server->open[i].database);
        }
        for (size_t i = 0; i < server->closed_count; i++)
                free(server->closed[i].database);
        for (size_t i = 0; i < server->database_count; i++)
                free(server->databases[i]);
        free(server->databases);
        free(server->hosts);
        free(server->home);
        free(server);
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
        PGconn *connection = connection_open(server, database, err);
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

static int
postgres_open(struct postgres *server, struct error *err)
{
        const json_t *own = server->session->target->settings;

        server->statement_ms = json_whole(own, "statement_timeout", 10000);
        server->lock_ms = json_whole(own, "lock_timeout", 1000);
        PGconn *connection = connection_open(server, NULL, err);
        if (connection == NULL)
                return -1;
        server->home = strdup(PQdb(connection));
        server->open[0] = (struct postgres_open){
                .connection = connection, .database = strdup(PQdb(connection)), .used = ++server->uses};
        if (server->home == NULL || server->open[0].database == NULL)
                return error_memory(err, "connection");
        server->version = PQserverVersion(connection);
        scoped_json row = NULL;
        if (postgres_row(server, NULL, "SELECT pg_is_in_recovery() AS replica", &row, err) != 0)
                return -1;
        server->replica = json_flag(row, "replica", false);
        if (server->version < 100000)
                return error_set(err, REASON_UNSUPPORTED, "PostgreSQL %d is older than 10", server->version);
        return 0;
}

struct postgres *
postgres_session(struct session *session, struct error *err)
{
        static const char key;
        struct postgres *server = session_get(session, &key);

        if (server == NULL) {
                server = calloc(1, sizeof *server);
                if (server == NULL || session_put(session, &key, server, postgres_close) != 0) {
                        error_memory(err, "PostgreSQL");
                        return NULL;
                }
                server->session = session;
                server->failed = postgres_open(server, &server->failure) != 0;
        }
        if (server->failed) {
                *err = server->failure;
                return NULL;
        }
        return server;
}

/* --- what it is --------------------------------------------------------------------------------------------------- */

bool
postgres_is_gone(const struct postgres *server)
{
        return server->failed;
}

int
postgres_version(const struct postgres *server)
{
        return server->version;
}

bool
postgres_is_replica(const struct postgres *server)
{
        return server->replica;
}

const char *
postgres_home(const struct postgres *server)
{
        return server->home;
}

void
postgres_patience(struct postgres *server, int64_t timeout_ms)
{
        server->patience_ms = timeout_ms;
}

static int
keep_database(void *context, json_t *row)
{
        struct postgres *server = context;
        const json_t *include = target_value(server->session->target, "include");
        const json_t *exclude = target_value(server->session->target, "exclude");
        const char *name = json_text(row, "datname", "");

        if ((include != NULL && !json_globs_match(include, name)) || json_globs_match(exclude, name))
                return 0;
        char **grown = realloc(server->databases, (server->database_count + 2) * sizeof *grown);
        if (grown == NULL)
                return -1;
        server->databases = grown;
        grown[server->database_count] = strdup(name);
        if (grown[server->database_count] == NULL)
                return -1;
        grown[++server->database_count] = NULL;
        return 0;
}

const char *const *
postgres_databases(struct postgres *server, struct error *err)
{
        static const char sql[] = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate "
                                  "AND has_database_privilege(datname, 'CONNECT') ORDER BY datname COLLATE \"C\"";
        static const char *const none[] = {NULL};

        if (!server->listed) {
                if (postgres_query(server, NULL, sql, NULL, keep_database, server, err) != 0)
                        return NULL;
                server->listed = true;
        }
        return server->databases != NULL ? (const char *const *)server->databases : none;
}

static int
postgres_connect(struct session *session, char *text, size_t size, struct error *err)
{
        const struct postgres *server = postgres_session(session, err);

        if (server == NULL)
                return -1;
        snprintf(text, size, "PostgreSQL %d.%d, %s", server->version / 10000, server->version % 10000,
                 server->replica ? "replica" : "primary");
        return 0;
}

const struct target_kind kind_postgres = {
        .name = "postgres",
        .words = "a PostgreSQL server with all its databases",
        .settings = settings,
        .connect = postgres_connect,
};

/* A PostgreSQL server during one run: what it is, and which of its databases are looked at. */

#include "postgres_client.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "scope.h"

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

static int
postgres_open(struct postgres *server, struct error *err)
{
        const json_t *own = server->session->target->settings;

        server->statement_ms = json_whole(own, "statement_timeout", 10000);
        server->lock_ms = json_whole(own, "lock_timeout", 1000);
        PGconn *connection = postgres_connection_open(server, NULL, err);
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

/* PgBouncer's admin console over libpq: asynchronous, so that no wait outlives its deadline. */

#include "pgbouncer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "libpq_client.h"
#include "resolve.h"
#include "scope.h"
#include "secret.h"
#include "session_client.h"

enum { INSTANCES_MOST = 64, ROWS_MOST = 10000, CONNECT_MS = 10000, SHOW_MS = 10000 };

static const struct setting settings[] = {
        {.name = "dsn",
         .type = SETTING_TEXT,
         .required = true,
         .words = "libpq connection string of the admin console, without a password: host=pgb port=6432 user=rounds"},
        {.name = "password", .type = SETTING_SECRET, .words = "password of that user"},
        {.name = "databases_of",
         .type = SETTING_TEXT,
         .words = "target of kind postgres that the pooler's databases are on"},
        {.name = "hosts",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .words = "hosts, as PgBouncer names them, that are the server databases_of; all when unset"},
        {.name = "instances",
         .type = SETTING_INTEGER,
         .min = 1,
         .max = 1000,
         .words = "poolers behind the name, where a load balancer shows fewer addresses than there are"},
        {.type = SETTING_END},
};

struct pgbouncer_instance {
        char address[RESOLVE_TEXT + 16];
        PGconn *connection;   /* NULL: see failure */
        struct error failure; /* why there is no connection (any more) */
};

struct console {
        struct pgbouncer list;
        struct pgbouncer_instance *rows[INSTANCES_MOST];
        struct error failure; /* of a session that could not be opened at all */
};

static void
console_close(void *object)
{
        struct console *console = object;

        for (size_t i = 0; i < console->list.count; i++) {
                PQfinish(console->rows[i]->connection);
                free(console->rows[i]);
        }
        free(console);
}

/* Why a connection or a command failed, from the words: the console sends no SQLSTATE that tells much. */
static enum reason
reason_of(const char *words)
{
        static const struct {
                const char *part;
                enum reason reason;
        } known[] = {
                {"authentication failed", REASON_DENIED},
                {"no such user", REASON_DENIED},
                {"not allowed", REASON_DENIED},
                {"admin access needed", REASON_DENIED},
                {"no password", REASON_DENIED},
                {"does not exist", REASON_DENIED},
                {"password", REASON_DENIED},
                {"certificate", REASON_TLS},
                {"SSL", REASON_TLS},
                {"no more connections", REASON_UNREACHABLE},
                {"timeout", REASON_TIMEOUT},
                {"no such database", REASON_CONFIGURATION},
        };

        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
                if (strstr(words, known[i].part) != NULL)
                        return known[i].reason;
        }
        return REASON_UNREACHABLE;
}

static int
connection_error(const PGconn *connection, struct error *err)
{
        const char *words = PQerrorMessage(connection);
        enum reason reason = reason_of(words);
        int length = (int)strcspn(words, "\n");

        error_set(err, reason, "%.*s", length, words);
        secret_redact_text(err->text);
        switch (reason) {
        case REASON_DENIED:
                return error_remedy(err, "add the user to stats_users in pgbouncer.ini and to auth_file, then RELOAD");
        case REASON_TLS:
                return error_remedy(err,
                                    "check client_tls_sslmode of PgBouncer against sslmode and sslrootcert of the dsn");
        case REASON_CONFIGURATION:
                return error_remedy(err, "the console's database is called pgbouncer: leave dbname out of the dsn");
        default:
                return error_remedy(err, "is PgBouncer listening there (listen_addr, listen_port, network policy)?");
        }
}

static void
instance_connect(struct pgbouncer_instance *instance, const PQconninfoOption *options, const char *password,
                 const char *host, const char *address, const char *port, const struct session *session)
{
        struct deadline deadline = deadline_share(&session->deadline, 4, CONNECT_MS);
        struct libpq_parameters parameters = {.count = 0};

        libpq_parameters_add(&parameters, options);
        if (libpq_option(options, "dbname") == NULL)
                libpq_parameter(&parameters, "dbname", "pgbouncer");
        libpq_parameter(&parameters, "host", host);
        libpq_parameter(&parameters, "hostaddr", address);
        libpq_parameter(&parameters, "port", port);
        libpq_parameter(&parameters, "password", password);
        libpq_parameter(&parameters, "fallback_application_name", "rounds");
        libpq_parameter(&parameters, "gssencmode", "disable"); /* its negotiation would block */
        instance->connection = PQconnectStartParams(parameters.names, parameters.values, 0);
        if (instance->connection == NULL) {
                error_memory(&instance->failure, "connection");
        } else if (libpq_connect_wait(instance->connection, &deadline, connection_error, NULL, &instance->failure) !=
                   0) {
                PQfinish(instance->connection);
                instance->connection = NULL;
        }
}

static int
add_instance(struct console *console, const PQconninfoOption *options, const char *password, const char *host,
             const char *address, const char *port, const struct session *session, struct error *err)
{
        if (console->list.count == INSTANCES_MOST)
                return 0;
        struct pgbouncer_instance *instance = calloc(1, sizeof *instance);
        if (instance == NULL)
                return error_memory(err, "pooler");
        snprintf(instance->address, sizeof instance->address,
                 address != NULL && strchr(address, ':') != NULL ? "[%.63s]:%.8s" : "%.63s:%.8s",
                 address != NULL ? address : host, port);
        console->rows[console->list.count++] = instance;
        instance_connect(instance, options, password, host, address, port, session);
        return 0;
}

static bool
any_answers(const struct console *console, size_t from)
{
        for (size_t i = from; i < console->list.count; i++) {
                if (console->rows[i]->connection != NULL)
                        return true;
        }
        return false;
}

/* One host of the DSN: every address behind it is an instance of its own.  A name with addresses of both families has
 * them for the same poolers: the second family is only for want of an answer from the first, or pools would count
 * twice. A socket directory is one instance. */
static int
add_host(struct console *console, const PQconninfoOption *options, const char *password, const char *host,
         const char *port, const struct session *session, struct error *err)
{
        struct resolved addresses[INSTANCES_MOST];
        struct deadline deadline = deadline_within(session->deadline, CONNECT_MS);
        size_t count, from = console->list.count;

        if (*host == '/' || *host == '@')
                return add_instance(console, options, password, host, NULL, port, session, err);
        if (resolve_name(host, &deadline, addresses, INSTANCES_MOST, &count, err) != 0)
                return -1;
        for (int family = 4; family <= 6 && !any_answers(console, from); family += 2) {
                for (size_t i = 0; i < count; i++) {
                        if ((strchr(addresses[i].address, ':') != NULL) == (family == 6) &&
                            add_instance(console, options, password, host, addresses[i].address, port, session, err) !=
                                    0)
                                return -1;
                }
        }
        return 0;
}

/* "a,b" and "6432,6433" pair up as in libpq; one port serves all hosts. */
static int
add_hosts(struct console *console, const PQconninfoOption *options, const char *password, const struct session *session,
          struct error *err)
{
        const char *given = libpq_option(options, "hostaddr") != NULL ? libpq_option(options, "hostaddr")
                                                                      : libpq_option(options, "host");
        scoped_string hosts = strdup(given != NULL && *given != '\0' ? given : "localhost");
        scoped_string ports = strdup(libpq_option(options, "port") != NULL ? libpq_option(options, "port") : "6432");
        char *host, *rest = hosts, *next = ports, *port = NULL;

        if (hosts == NULL || ports == NULL)
                return error_memory(err, "pooler");
        while ((host = strsep(&rest, ",")) != NULL) {
                char *own = strsep(&next, ",");
                port = own != NULL ? own : port;
                if (*host != '\0' && add_host(console, options, password, host, port, session, err) != 0)
                        return -1;
        }
        return 0;
}

static int
console_open(void *object, struct session *session, struct error *err)
{
        struct console *console = object;
        const char *dsn = target_text(session->target, "dsn");
        scoped(libpq_options_free) PQconninfoOption *options = libpq_options(dsn, err);
        scoped_secret password = NULL;

        console->list.instances = console->rows;
        if (options == NULL)
                return -1;
        secret_remember(libpq_option(options, "password"));
        if (secret_read(session->target, "password", &password, err) != 0 ||
            add_hosts(console, options, password, session, err) != 0)
                return -1;
        if (any_answers(console, 0))
                return 0;
        if (console->list.count == 0)
                return error_set(err, REASON_CONFIGURATION, "dsn: it names no host");
        *err = console->rows[0]->failure;
        return error_wrap(err, "%s", console->rows[0]->address);
}

const struct pgbouncer *
pgbouncer_session(struct session *session, struct error *err)
{
        static const struct session_client client = {"pooler", sizeof(struct console),
                                                     offsetof(struct console, failure), console_open, console_close};
        const struct console *console = session_client(session, &client, err);

        return console != NULL ? &console->list : NULL;
}

const char *
pgbouncer_address(const struct pgbouncer_instance *instance)
{
        return instance->address;
}

static int
rows_of(const PGresult *result, json_t **rows, struct error *err)
{
        scoped_json list = json_array();
        int count = PQntuples(result) < ROWS_MOST ? PQntuples(result) : ROWS_MOST;

        for (int r = 0; list != NULL && r < count; r++) {
                json_t *row = json_push(list, json_object());
                for (int c = 0; row != NULL && c < PQnfields(result); c++) {
                        if (json_put_text(row, PQfname(result, c),
                                          PQgetisnull(result, r, c) ? NULL : PQgetvalue(result, r, c)) != 0)
                                return error_memory(err, "rows");
                }
                if (row == NULL)
                        return error_memory(err, "rows");
        }
        *rows = scope_keep(list);
        return *rows == NULL ? error_memory(err, "rows") : 0;
}

static int
show(PGconn *connection, const struct deadline *deadline, const char *command, json_t **rows, struct error *err)
{
        int outcome = 0;

        if (PQsendQuery(connection, command) != 1)
                return connection_error(connection, err);
        if (libpq_flush(connection, deadline, connection_error, err) != 0)
                return -1;
        for (;;) {
                scoped(libpq_result_free) PGresult *result = NULL;
                if (libpq_next(connection, deadline, connection_error, &result, err) != 0)
                        return -1;
                if (result == NULL)
                        break;
                if (PQresultStatus(result) == PGRES_TUPLES_OK && *rows == NULL) {
                        outcome = rows_of(result, rows, err);
                } else if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
                        const char *words = PQresultErrorMessage(result);
                        enum reason reason = PQstatus(connection) == CONNECTION_BAD || reason_of(words) == REASON_DENIED
                                                     ? reason_of(words)
                                                     : REASON_UNSUPPORTED;
                        outcome = error_set(err, reason, "%.*s", (int)strcspn(words, "\n"), words);
                        if (reason == REASON_DENIED)
                                error_remedy(err, "add the user to stats_users in pgbouncer.ini, then RELOAD");
                }
        }
        if (outcome == 0 && *rows == NULL)
                return error_set(err, REASON_PROTOCOL, "no rows came back");
        return outcome;
}

int
pgbouncer_show(struct pgbouncer_instance *instance, const struct deadline *deadline, const char *what, json_t **rows,
               struct error *err)
{
        struct deadline own = deadline_share(deadline, 4, SHOW_MS);
        char command[64];

        *rows = NULL;
        if (instance->connection == NULL) {
                *err = instance->failure;
                return -1;
        }
        snprintf(command, sizeof command, "SHOW %.40s", what);
        if (show(instance->connection, &own, command, rows, err) == 0)
                return 0;
        json_decref(*rows);
        *rows = NULL;
        /* After a broken or half-read answer the next one could not be told from it. */
        if (err->reason == REASON_TIMEOUT || err->reason == REASON_INTERRUPTED ||
            PQstatus(instance->connection) == CONNECTION_BAD) {
                instance->failure = *err;
                PQfinish(instance->connection);
                instance->connection = NULL;
        }
        return error_wrap(err, "%s", command);
}

static int
pgbouncer_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const struct pgbouncer *pooler = pgbouncer_session(session, err);
        scoped_json rows = NULL;

        if (pooler == NULL)
                return -1;
        size_t answering = 0, first = pooler->count;
        for (size_t i = pooler->count; i-- > 0;) {
                if (pooler->instances[i]->connection != NULL) {
                        answering++;
                        first = i;
                }
        }
        if (first == pooler->count ||
            pgbouncer_show(pooler->instances[first], &session->deadline, "VERSION", &rows, err) != 0)
                return -1;
        snprintf(server, size, "%s, %zu of %zu instance(s) answer",
                 json_text(json_array_get(rows, 0), "version", "PgBouncer"), answering, pooler->count);
        return 0;
}

const struct target_kind kind_pgbouncer = {
        .name = "pgbouncer",
        .words = "PgBouncer's admin console, every instance behind one name",
        .settings = settings,
        .connect = pgbouncer_connect,
};

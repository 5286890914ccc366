/* What went wrong at a server of PostgreSQL, as reasons and remedies. */

#include "postgres_client.h"

#include <string.h>

#include "secret.h"

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

int
postgres_error(const char *state, const char *words, struct error *err)
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
                return postgres_error("28000", words, err);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
                if (strstr(words, known[i].part) != NULL)
                        return postgres_error(known[i].state, words, err);
        }
        postgres_error("08001", words, err);
        if (strstr(words, "SSL") != NULL || strstr(words, "certificate") != NULL) {
                err->reason = REASON_TLS;
                return error_remedy(err, "check sslmode and sslrootcert of the dsn against the server's certificate");
        }
        return error_remedy(err, "is the server listening there (listen_addresses, port, network policy)?");
}

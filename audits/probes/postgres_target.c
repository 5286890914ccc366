/* The kind of target `postgres`: its settings, and what answers there. */

#include "postgres_client.h"

#include <stdio.h>

#include "dead_letter_settings.h"

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

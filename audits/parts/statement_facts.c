/* pg_stat_statements into facts: found, read, texts without values, the same statement once. */

#include "statement_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "postgres_facts.h"
#include "scope.h"
#include "statement_text.h"

enum { KEPT_MOST = 500, TEXT_MOST = 200 };

/* A parameter of the extension is there when its library was loaded at the server's start, and only then. */
static const char server_sql[] =
        "SELECT EXISTS (SELECT 1 FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded,"
        " (SELECT setting::bigint FROM pg_settings WHERE name = 'pg_stat_statements.max') AS most,"
        " current_setting('server_version_num')::int AS version";

static const char extension_sql[] =
        "SELECT quote_ident(n.nspname) AS schema, e.extversion AS version,"
        " string_to_array(e.extversion, '.')::int[] >= ARRAY[1, 8] AS usable," /* total_exec_time: PostgreSQL 13 */
        " string_to_array(e.extversion, '.')::int[] >= ARRAY[1, 9] AS counts," /* pg_stat_statements_info: 14 */
        " string_to_array(e.extversion, '.')::int[] >= ARRAY[1, 11] AS dates"  /* stats_since: 17 */
        " FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";

/* One view tells of every database.  What a role of ours asked is left out, unless it is a superuser whom others share.
 */
static const char statements_sql[] =
        "SELECT coalesce(d.datname::text, '') AS database, left(s.query, 20000) AS text, s.calls,"
        " s.total_exec_time AS total_ms, %s AS since_ms FROM %s.pg_stat_statements s"
        " LEFT JOIN pg_database d ON d.oid = s.dbid WHERE s.calls > 0"
        " AND s.userid NOT IN (SELECT oid FROM pg_roles WHERE rolname = current_user AND NOT rolsuper)"
        " ORDER BY s.total_exec_time DESC LIMIT 2000";

static const char info_sql[] = "SELECT dealloc AS evictions, (extract(epoch FROM stats_reset) * 1000)::bigint AS "
                               "reset_ms FROM %s.pg_stat_statements_info";

/* Rows on their way into facts. */
struct reading {
        json_t *by_key; /* owned */
        int64_t hidden, utilities;
        struct buffer text;
};

/* At most TEXT_MOST bytes, and no part of a character. */
static size_t
cut_length(const char *text)
{
        size_t length = TEXT_MOST;

        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
                length--;
        return length;
}

/* The same text under several query ids (roles, search paths, an upgrade, lists of several lengths) is one statement.
 */
static int
statement_add(void *context, json_t *row)
{
        struct reading *reading = context;
        const char *database = json_text(row, "database", ""), *sql = json_text(row, "text", "");
        char id[STATEMENT_ID], key[200];

        if (strcmp(sql, "<insufficient privilege>") == 0) {
                reading->hidden++;
                return 0;
        }
        buffer_clear(&reading->text);
        if (statement_text(sql, &reading->text) != 0)
                return -1;
        if (reading->text.length == 0 || !statement_has_plan(reading->text.data)) {
                reading->utilities++;
                return 0;
        }
        statement_id(reading->text.data, id);
        snprintf(key, sizeof key, "%.100s/%s", database, id);
        json_t *known = json_object_get(reading->by_key, key);
        if (known == NULL) {
                size_t length = reading->text.length;
                known = json_object();
                if (json_put(reading->by_key, key, known) != 0 || json_put_text(known, "database", database) != 0 ||
                    json_put_text(known, "id", id) != 0 ||
                    json_put_bytes(known, "text", reading->text.data,
                                   length > TEXT_MOST ? cut_length(reading->text.data) : length) != 0)
                        return -1;
        }
        int64_t since = json_whole(row, "since_ms", 0), earlier = json_whole(known, "since_ms", since);
        return json_put_whole(known, "calls", json_whole(known, "calls", 0) + json_whole(row, "calls", 0)) != 0 ||
                               json_put_real(known, "total_ms",
                                             json_real_or(known, "total_ms", 0) + json_real_or(row, "total_ms", 0)) !=
                                       0 ||
                               (since > 0 && json_put_whole(known, "since_ms", since < earlier ? since : earlier) != 0)
                       ? -1
                       : 0;
}

static int
by_time(const void *left, const void *right)
{
        const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
        double x = json_real_or(a, "total_ms", 0), y = json_real_or(b, "total_ms", 0);

        if (x != y)
                return x > y ? -1 : 1;
        int by = strcmp(json_text(a, "database", ""), json_text(b, "database", ""));
        return by != 0 ? by : strcmp(json_text(a, "id", ""), json_text(b, "id", ""));
}

static int
statements_keep(const struct reading *reading, json_t *facts, struct error *err)
{
        size_t count = json_object_size(reading->by_key), at = 0;
        scoped(scope_free) json_t **rows = calloc(count + 1, sizeof *rows);
        json_t *list = json_array(), *row;
        const char *key;

        if (json_put(facts, "statements", list) != 0 || rows == NULL)
                return error_memory(err, "statements");
        json_object_foreach(reading->by_key, key, row)
        {
                rows[at++] = row;
        }
        qsort(rows, count, sizeof *rows, by_time);
        for (size_t i = 0; i < count && i < KEPT_MOST; i++) {
                if (json_array_append(list, rows[i]) != 0)
                        return error_memory(err, "statements");
        }
        return json_put_whole(facts, "hidden", reading->hidden) != 0 ||
                               json_put_whole(facts, "utilities", reading->utilities) != 0
                       ? error_memory(err, "statements")
                       : 0;
}

static int
statements_read(struct postgres *server, const char *database, const json_t *view, json_t *facts, struct error *err)
{
        struct reading reading = {.by_key = json_object(), .text = BUFFER_INIT(256 * 1024)};
        const char *schema = json_text(view, "schema", "public");
        scoped_buffer sql = BUFFER_INIT(4096);
        json_t *info = NULL;
        int result;

        buffer_format(&sql, statements_sql,
                      json_flag(view, "dates", false) ? "(extract(epoch FROM s.stats_since) * 1000)::bigint" : "0",
                      schema);
        if (sql.failed || reading.by_key == NULL)
                result = error_memory(err, "statements");
        else
                result = postgres_query(server, database, sql.data, NULL, statement_add, &reading, err);
        if (result == 0)
                result = statements_keep(&reading, facts, err);
        json_decref(reading.by_key);
        buffer_free(&reading.text);
        if (result != 0 || !json_flag(view, "counts", false))
                return result;
        buffer_clear(&sql);
        buffer_format(&sql, info_sql, schema);
        if (postgres_row(server, database, sql.data, &info, err) != 0)
                return -1;
        return json_put(facts, "info", info) != 0 ? error_memory(err, "info") : 0;
}

/* The first database that has the extension: the one of the DSN, else any.  NULL: none; a database that cannot be asked
 * is passed over. */
static const char *
view_find(struct postgres *server, json_t **view, struct error *err)
{
        const char *const *names = postgres_databases(server, err);
        const char *home = postgres_home(server);
        struct error ignored;

        *view = NULL;
        if (postgres_row(server, NULL, extension_sql, view, &ignored) == 0 && json_has(*view, "schema"))
                return home;
        for (; names != NULL && *names != NULL && !postgres_is_gone(server); names++) {
                json_decref(*view);
                *view = NULL;
                if (strcmp(*names, home) != 0 && postgres_row(server, *names, extension_sql, view, &ignored) == 0 &&
                    json_has(*view, "schema"))
                        return *names;
        }
        json_decref(*view);
        *view = NULL;
        return NULL;
}

static int
unusable(bool loaded, const char *database, const char *home, const json_t *view, struct error *err)
{
        if (!loaded) {
                error_set(err, REASON_UNSUPPORTED, "pg_stat_statements is not loaded: no times of statements are kept");
                return error_remedy(
                        err,
                        "add pg_stat_statements to shared_preload_libraries (ALTER SYSTEM, or the parameter "
                        "group of the service), restart the server, then in database %s: CREATE EXTENSION "
                        "pg_stat_statements;",
                        home);
        }
        if (database == NULL) {
                error_set(err, REASON_UNSUPPORTED,
                          "pg_stat_statements is loaded, but no database that was looked at has its view");
                return error_remedy(err, "in database %s: CREATE EXTENSION pg_stat_statements;", home);
        }
        error_set(err, REASON_UNSUPPORTED, "pg_stat_statements of database %s is version %s, older than 1.8", database,
                  json_text(view, "version", "?"));
        return error_remedy(err, "in database %s: ALTER EXTENSION pg_stat_statements UPDATE;", database);
}

int
statement_facts_collect(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        json_t *row = NULL;
        scoped_json view = NULL;

        if (server == NULL || postgres_row(server, NULL, server_sql, &row, err) != 0 ||
            json_put(facts, "server", row) != 0)
                return -1;
        bool loaded = json_flag(row, "loaded", false);
        const char *database = loaded ? view_find(server, &view, err) : NULL;
        if (database == NULL || !json_flag(view, "usable", false)) {
                unusable(loaded, database, postgres_home(server), view, err);
                return postgres_gap(server, facts, "pg_stat_statements", "LAT-4", NULL, err);
        }
        if (json_put_text(facts, "database", database) != 0)
                return error_memory(err, "pg_stat_statements");
        if (statements_read(server, database, view, facts, err) != 0)
                return postgres_gap(server, facts, "pg_stat_statements", "LAT-4", NULL, err);
        return 0;
}

int
statement_facts_check(struct session *session, struct rights *rights, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        scoped_json row = NULL;
        scoped_json view = NULL;
        struct error why = {0};

        if (postgres_monitor_check(session, rights, err) != 0 || postgres_row(server, NULL, server_sql, &row, err) != 0)
                return -1;
        bool loaded = json_flag(row, "loaded", false);
        const char *database = loaded ? view_find(server, &view, err) : NULL;
        bool usable = database != NULL && json_flag(view, "usable", false);
        if (!usable)
                unusable(loaded, database, postgres_home(server), view, &why);
        rights_add(rights, usable, "extension pg_stat_statements", why.remedy);
        return 0;
}

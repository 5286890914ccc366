/* An application's log of sign-ins, counted by its own database. */

#include "auth_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "postgres_facts.h"
#include "scope.h"

enum { SQL_LARGEST = 64 * 1024 };
/* In the planner's units, about a page each: from here on a scan of the whole table is no night's small change. */
static const double SCAN_COST_MOST = 50000;

/* --- SQL ------------------------------------------------------------------------------------------------------------
 */

static void
identifier_add(struct buffer *sql, const char *name, size_t length)
{
        buffer_char(sql, '"');
        for (size_t i = 0; i < length; i++) {
                if (name[i] == '"')
                        buffer_char(sql, '"');
                buffer_char(sql, name[i]);
        }
        buffer_char(sql, '"');
}

static void
relation_add(struct buffer *sql, const char *name)
{
        const char *dot = strchr(name, '.');

        /* Connections have no search path: a name alone is one of public. */
        identifier_add(sql, dot != NULL ? name : "public", dot != NULL ? (size_t)(dot - name) : strlen("public"));
        buffer_char(sql, '.');
        name = dot != NULL ? dot + 1 : name;
        identifier_add(sql, name, strlen(name));
}

static void
column_add(struct buffer *sql, const json_t *settings, const char *key, const char *fallback)
{
        const char *name = json_text(settings, key, fallback);

        identifier_add(sql, name, strlen(name));
}

int
auth_events_sql(const json_t *settings, int64_t window_ms, struct buffer *sql, struct error *err)
{
        const char *table = json_text(settings, "table", NULL), *query = json_text(settings, "query", NULL);

        if ((table == NULL) == (query == NULL)) {
                error_set(err, REASON_CONFIGURATION, "auth_events: %s",
                          table == NULL ? "neither table nor query is given" : "both table and query are given");
                return error_remedy(
                        err, "name the table of sign-ins with its columns, or a query that gives at, name, address, "
                             "failed, locked");
        }
        buffer_text(sql, "WITH e AS MATERIALIZED (SELECT ");
        if (query != NULL) {
                buffer_format(
                        sql, "at, name::text AS name, address::text AS address, failed, locked FROM (%s) AS q WHERE at",
                        query);
        } else {
                column_add(sql, settings, "time", "created_at");
                buffer_text(sql, " AS at, ");
                column_add(sql, settings, "name", "user_name");
                buffer_text(sql, "::text AS name, ");
                column_add(sql, settings, "address", "ip_address");
                buffer_format(
                        sql,
                        "::text AS address, coalesce((%s), false) AS failed, coalesce((%s), false) AS locked FROM ",
                        json_text(settings, "failed", "NOT success"), json_text(settings, "locked", "false"));
                relation_add(sql, table);
                buffer_text(sql, " WHERE ");
                column_add(sql, settings, "time", "created_at");
        }
        buffer_format(sql, " > now() - interval '%" PRId64 " seconds') ", window_ms / 1000);
        return sql->failed ? error_set(err, REASON_CONFIGURATION, "auth_events: the query is too long") : 0;
}

/* A name as it may leave the database. */
static const char *
name_sql(const json_t *settings)
{
        return json_flag(settings, "show_names", false) ? "left(name, 120)"
                                                        : "left(name, 2) || '...' || left(md5(name), 6)";
}

/* --- is it cheap? ------------------------------------------------------------------------------------------------- */

static double
scan_cost(const json_t *plan)
{
        double cost = strcmp(json_text(plan, "Node Type", ""), "Seq Scan") == 0 ? json_real_or(plan, "Total Cost", 0)
                                                                                : 0;
        size_t i;
        json_t *child;

        json_array_foreach((json_t *)json_list(plan, "Plans"), i, child)
        {
                double below = scan_cost(child);
                cost = below > cost ? below : cost;
        }
        return cost;
}

/* REASON_UNSUPPORTED when the log could only be read from end to end. */
static int
cost_check(struct postgres *server, const char *database, const char *base, const json_t *settings, struct error *err)
{
        scoped_buffer sql = BUFFER_INIT(SQL_LARGEST);
        scoped_json rows = NULL;
        scoped_json plan = NULL;

        buffer_format(&sql, "EXPLAIN (FORMAT JSON) %sSELECT count(*) FROM e", base);
        if (sql.failed || postgres_rows(server, database, sql.data, NULL, 1, &rows, err) != 0)
                return sql.failed ? error_set(err, REASON_CONFIGURATION, "auth_events: the query is too long") : -1;
        const json_t *value = json_object_get(json_array_get(rows, 0), "QUERY PLAN");
        plan = json_is_string(value) ? json_loads(json_string_value(value), 0, NULL) : json_deep_copy(value);
        if (scan_cost(json_object_get(json_array_get(plan, 0), "Plan")) <= SCAN_COST_MOST)
                return 0;
        error_set(err, REASON_UNSUPPORTED,
                  "the log of sign-ins could only be read from end to end: it is large and has no index on the time");
        return error_remedy(err, "CREATE INDEX CONCURRENTLY ON %s (%s);", json_text(settings, "table", "..."),
                            json_text(settings, "time", "created_at"));
}

/* --- what is counted ---------------------------------------------------------------------------------------------- */

static const struct {
        const char *part, *controls;
        const char *select; /* %1$s: the name as it may be shown */
        size_t most;
} counts[] = {
        {"totals", "ATH-2,ATH-4",
         "SELECT count(*) AS attempts, count(*) FILTER (WHERE failed) AS failures, count(DISTINCT name) AS names,"
         " count(DISTINCT address) AS addresses, (extract(epoch FROM min(at)) * 1000)::bigint AS first_ms,"
         " (extract(epoch FROM max(at)) * 1000)::bigint AS last_ms FROM e",
         0},
        {"peak", "ATH-4",
         "SELECT (floor(extract(epoch FROM at) / 300) * 300000)::bigint AS at_ms, count(*) FILTER (WHERE failed) AS "
         "failures,"
         " count(*) AS attempts FROM e GROUP BY 1 ORDER BY 2 DESC, 1 DESC LIMIT 1",
         0},
        {"sprayed", "ATH-4",
         "SELECT %1$s AS name, count(DISTINCT address) AS addresses, count(*) AS failures FROM e WHERE failed AND name "
         "IS NOT NULL"
         " GROUP BY name ORDER BY 2 DESC, 3 DESC, 1 LIMIT 50",
         50},
        /* opened: accounts that the address got into after it had failed on others. */
        {"spraying", "ATH-4",
         "SELECT address, count(DISTINCT name) FILTER (WHERE failed) AS names, count(*) FILTER (WHERE failed) AS "
         "failures,"
         " count(DISTINCT name) FILTER (WHERE NOT failed AND at > first_failure) AS opened"
         " FROM (SELECT *, min(at) FILTER (WHERE failed) OVER (PARTITION BY address) AS first_failure FROM e) AS f"
         " WHERE address IS NOT NULL GROUP BY address HAVING count(*) FILTER (WHERE failed) > 0 ORDER BY 2 DESC, 3 "
         "DESC, 1 LIMIT 50",
         50},
        /* Runs of failures: a success or a lock ends one. */
        {"streaks", "ATH-2",
         "SELECT %1$s AS name, max(run) AS failures FROM (SELECT name, part, count(*) FILTER (WHERE failed AND NOT "
         "locked) AS run"
         " FROM (SELECT name, failed, locked, count(*) FILTER (WHERE NOT failed OR locked) OVER (PARTITION BY name "
         "ORDER BY at"
         " ROWS UNBOUNDED PRECEDING) AS part FROM e WHERE name IS NOT NULL) AS p GROUP BY name, part) AS r"
         " GROUP BY name HAVING max(run) > 0 ORDER BY 2 DESC, 1 LIMIT 50",
         50},
};

static int
count_read(struct postgres *server, const char *database, const char *base, const char *name, size_t which,
           json_t *facts, struct error *err)
{
        scoped_buffer sql = BUFFER_INIT(SQL_LARGEST);
        json_t *rows = NULL;

        buffer_text(&sql, base);
        for (const char *c = counts[which].select; *c != '\0'; c++) {
                if (strncmp(c, "%1$s", 4) == 0) {
                        buffer_text(&sql, name);
                        c += 3;
                } else {
                        buffer_char(&sql, *c);
                }
        }
        if (sql.failed)
                return error_set(err, REASON_CONFIGURATION, "auth_events: the query is too long");
        if (postgres_rows(server, database, sql.data, NULL, counts[which].most + 1, &rows, err) != 0)
                return -1;
        if (counts[which].most > 0)
                return json_put(facts, counts[which].part, rows);
        json_t *first = json_incref(json_array_get(rows, 0));
        json_decref(rows);
        return json_put(facts, counts[which].part, first != NULL ? first : json_object());
}

int
auth_events_read(struct session *session, const json_t *settings, int64_t window_ms, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        const char *database = json_text(settings, "database", NULL);
        scoped_buffer base = BUFFER_INIT(SQL_LARGEST);

        if (server == NULL || auth_events_sql(settings, window_ms, &base, err) != 0 ||
            cost_check(server, database, base.data, settings, err) != 0)
                return -1;
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
                if (count_read(server, database, base.data, name_sql(settings), i, facts, err) != 0 &&
                    postgres_gap(server, facts, counts[i].part, counts[i].controls, NULL, err) != 0)
                        return -1;
        }
        return 0;
}

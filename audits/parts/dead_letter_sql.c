/* Dead letters in a table, such as an outbox: counted and sampled by statements that read at most so many rows. */

#include "dead_letters.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "json.h"
#include "message_shape.h"
#include "postgres.h"
#include "scope.h"

enum { COUNTED_MOST = 100000, TOPICS_MOST = 500, SQL_LARGEST = 64 * 1024, PAYLOAD_LARGEST = 32 * 1024 };

/* What a message is asked for, and the names that such a column usually has. */
static const struct {
        const char *what, *usual[4];
} columns[] = {
        {"topic", {"topic", "event_type", "eventType", "type"}},
        {"tenant", {"tenant", "tenant_id", "tenantId", NULL}},
        {"error", {"error", "last_error", "lastError", "error_message"}},
        {"retry_count", {"retry_count", "retryCount", "retries", "attempts"}},
        {"failed_at", {"failed_at", "failedAt", "updated_at", "updatedAt"}},
        {"class", {"class", "error_class", "errorClass", "failure_type"}},
        {"backoff", {"backoff", NULL, NULL, NULL}},
        {"payload", {"payload", "data", "body", NULL}},
};

enum { COLUMNS = sizeof columns / sizeof *columns };

struct table {
        char from[SQL_LARGEST / 2]; /* what stands after FROM, called d */
        char quoted[COLUMNS][160];  /* the column of each, quoted; "" where there is none */
};

/* --- what the table is -------------------------------------------------------------------------------------------- */

/* The session has an empty search path: a name without a schema is looked for in public. */
static const char columns_sql[] =
        "SELECT t.oid::regclass::text AS relation, a.attname::text AS name, quote_ident(a.attname) AS quoted,"
        " has_column_privilege(a.attrelid, a.attnum, 'SELECT') AND"
        " has_schema_privilege((SELECT relnamespace FROM pg_class c WHERE c.oid = t.oid), 'USAGE') AS readable,"
        " format('GRANT SELECT ON %s TO %I;', t.oid::regclass, current_user) AS remedy"
        " FROM (SELECT coalesce(to_regclass($1), to_regclass('public.' || $1)) AS oid) t LEFT JOIN pg_attribute a"
        " ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

static const json_t *
column_find(const json_t *rows, const char *name)
{
        return name != NULL ? json_find(rows, "name", name) : NULL;
}

/* The column that the configuration names, which must be there; else the first usual one that is there and readable. */
static int
column_choose(const json_t *settings, const json_t *rows, size_t index, char quoted[160], struct error *err)
{
        const char *configured = json_text(settings, columns[index].what, NULL);
        const json_t *row = column_find(rows, configured);

        if (configured != NULL && row == NULL)
                return error_set(err, REASON_CONFIGURATION, "%s: the table has no column \"%.100s\"",
                                 columns[index].what, configured);
        if (configured != NULL && !json_flag(row, "readable", true)) {
                error_set(err, REASON_DENIED, "column \"%.100s\" may not be read", configured);
                return error_remedy(err, "%s", json_text(row, "remedy", ""));
        }
        for (size_t i = 0; row == NULL && i < 4; i++) {
                const json_t *usual = column_find(rows, columns[index].usual[i]);
                if (json_flag(usual, "readable", false))
                        row = usual;
        }
        snprintf(quoted, 160, "%s", json_text(row, "quoted", ""));
        return 0;
}

static int
table_read(struct postgres *server, const json_t *settings, struct table *table, struct error *err)
{
        const char *name = json_text(settings, "table", ""), *where = json_text(settings, "where", NULL);
        const char *parameters[] = {name, NULL};
        scoped_json rows = NULL;
        bool readable = false;
        size_t i;
        json_t *row;

        if (postgres_rows(server, json_text(settings, "database", NULL), columns_sql, parameters, 1600, &rows, err) !=
            0)
                return -1;
        const json_t *first = json_array_get(rows, 0);
        if (json_text(first, "relation", NULL) == NULL)
                return error_set(err, REASON_CONFIGURATION,
                                 "there is no table \"%.200s\" in database %s (name it schema.table)", name,
                                 json_text(settings, "database", postgres_home(server)));
        json_array_foreach(rows, i, row) readable |= json_flag(row, "readable", false);
        if (!readable) {
                error_set(err, REASON_DENIED, "table %.200s may not be read", name);
                return error_remedy(err, "%s", json_text(first, "remedy", ""));
        }
        snprintf(table->from, sizeof table->from, "%s%s%s%s", json_text(first, "relation", ""),
                 where != NULL ? " WHERE (" : "", where != NULL ? where : "", where != NULL ? ")" : "");
        for (i = 0; i < COLUMNS; i++) {
                if (column_choose(settings, rows, i, table->quoted[i], err) != 0)
                        return -1;
        }
        return 0;
}

/* A SELECT of the configuration: which of the columns it yields, PostgreSQL says. */
static int
query_read(struct postgres *server, const json_t *settings, struct table *table, struct error *err)
{
        const char *sql = json_text(settings, "sql", "");
        size_t length = strlen(sql);
        char probe[SQL_LARGEST];
        scoped_json row = NULL;

        while (length > 0 && (isspace((unsigned char)sql[length - 1]) || sql[length - 1] == ';'))
                length--;
        if (length + 100 > sizeof table->from)
                return error_set(err, REASON_CONFIGURATION, "sql is longer than %zu bytes", sizeof table->from - 100);
        snprintf(table->from, sizeof table->from, "(%.*s) AS q", (int)length, sql);
        snprintf(probe, sizeof probe,
                 "SELECT array_to_string(ARRAY(SELECT json_object_keys(row_to_json(d))), ',') AS names"
                 " FROM (SELECT 1) one LEFT JOIN (SELECT * FROM %s LIMIT 1) d ON true",
                 table->from);
        if (postgres_row(server, json_text(settings, "database", NULL), probe, &row, err) != 0)
                return -1;
        scoped_string names = strdup(json_text(row, "names", ""));
        char *rest = names;
        for (char *name; rest != NULL && (name = strsep(&rest, ",")) != NULL;) {
                for (size_t i = 0; i < COLUMNS; i++) {
                        if (strcmp(name, columns[i].what) == 0)
                                snprintf(table->quoted[i], sizeof table->quoted[i], "%s", columns[i].what);
                }
        }
        return 0;
}

/* --- counts and a sample ------------------------------------------------------------------------------------------ */

struct reading {
        struct dead_letters *all;
        int64_t total;
};

static int
topic_take(void *context, json_t *row)
{
        struct reading *reading = context;

        int64_t at_ms;

        reading->total += json_whole(row, "messages", 0);
        if (message_moment(json_object_get(row, "oldest"), &at_ms))
                dead_letters_oldest(reading->all, at_ms);
        return json_has(row, "topic")
                       ? dead_letters_topic(reading->all, json_text(row, "topic", ""), json_whole(row, "messages", 0))
                       : 0;
}

/* The topics of at most COUNTED_MOST rows; what is past the first TOPICS_MOST comes as one row. */
static int
topics_count(struct postgres *server, const json_t *settings, const struct table *table, struct reading *reading,
             struct error *err)
{
        scoped_buffer sql = BUFFER_INIT(SQL_LARGEST);
        const char *topic = table->quoted[0][0] != '\0' ? table->quoted[0] : "NULL";
        const char *failed_at = table->quoted[4][0] != '\0' ? table->quoted[4] : "NULL::text";

        if (buffer_format(
                    &sql,
                    "WITH d AS MATERIALIZED (SELECT left((%s)::text, 120) AS topic, %s AS at"
                    " FROM %s LIMIT %d),"
                    " c AS (SELECT topic, count(*) AS messages, min(at) AS oldest, row_number() OVER (ORDER BY "
                    "count(*) DESC, topic)"
                    " AS place FROM d GROUP BY topic)"
                    " SELECT CASE WHEN place <= %d THEN topic ELSE '(others)' END AS topic,"
                    " sum(messages)::bigint AS messages, min(oldest)::text AS oldest FROM c GROUP BY 1 ORDER BY 2 DESC",
                    topic, failed_at, table->from, COUNTED_MOST + 1, TOPICS_MOST) != 0)
                return error_memory(err, "dead letters");
        return postgres_query(server, json_text(settings, "database", NULL), sql.data, NULL, topic_take, reading, err);
}

static int
message_take(void *context, json_t *row)
{
        struct reading *reading = context;
        const char *payload = json_text(row, "payload", NULL), *times = json_text(row, "retry_count", NULL);
        scoped_json parsed = payload != NULL ? json_loads(payload, JSON_DECODE_ANY, NULL) : NULL;
        struct dead_letter letter = {.topic = json_text(row, "topic", NULL),
                                     .tenant = json_text(row, "tenant", NULL),
                                     .error = json_text(row, "error", NULL),
                                     .class = json_text(row, "class", NULL),
                                     .backoff = json_text(row, "backoff", NULL),
                                     .payload = parsed,
                                     .replays = -1};

        if (times != NULL && isdigit((unsigned char)*times))
                letter.replays = strtoll(times, NULL, 10);
        if (!message_moment(json_object_get(row, "failed_at"), &letter.at_ms))
                letter.at_ms = 0;
        return dead_letters_add(reading->all, &letter);
}

static int
messages_read(struct postgres *server, const json_t *settings, const struct table *table, struct reading *reading,
              struct error *err)
{
        scoped_buffer sql = BUFFER_INIT(SQL_LARGEST);
        scoped_buffer inner = BUFFER_INIT(SQL_LARGEST);
        int failed = buffer_text(&sql, "SELECT 1 AS seen") | buffer_text(&inner, "SELECT 1 AS one");

        for (size_t i = 0; i < COLUMNS; i++) {
                bool payload = strcmp(columns[i].what, "payload") == 0;
                if (table->quoted[i][0] == '\0')
                        continue;
                failed |= buffer_format(&inner, ", %s AS %s", table->quoted[i], columns[i].what);
                failed |= buffer_format(&sql, ", left(%s::text, %d) AS %s", columns[i].what,
                                        payload ? PAYLOAD_LARGEST : 2000, columns[i].what);
        }
        failed |= buffer_format(&sql, " FROM (%s FROM %s LIMIT %d) AS newest%s LIMIT %lld",
                                inner.data != NULL ? inner.data : "", table->from, COUNTED_MOST + 1,
                                table->quoted[4][0] != '\0' ? " ORDER BY newest.failed_at DESC" : "",
                                (long long)json_whole(settings, "sample", 500));
        if (failed != 0)
                return error_memory(err, "dead letters");
        return postgres_query(server, json_text(settings, "database", NULL), sql.data, NULL, message_take, reading,
                              err);
}

static int
source_sum(struct postgres *server, const json_t *settings, struct reading *reading, struct error *err)
{
        scoped(scope_free) struct table *table = calloc(1, sizeof *table);

        if (table == NULL)
                return error_memory(err, "dead letters");
        if (!json_has(settings, "table") == !json_has(settings, "sql"))
                return error_set(err, REASON_CONFIGURATION, "dead letters need one of `table` and `sql`");
        return (json_has(settings, "table") ? table_read(server, settings, table, err)
                                            : query_read(server, settings, table, err)) != 0 ||
                               topics_count(server, settings, table, reading, err) != 0 ||
                               messages_read(server, settings, table, reading, err) != 0
                       ? -1
                       : 0;
}

static int
source_read(struct postgres *server, const json_t *settings, json_t *sources, struct error *err)
{
        struct reading reading = {.all = dead_letters_open(settings)};
        bool capped;

        if (reading.all == NULL)
                return error_memory(err, "dead letters");
        int result = source_sum(server, settings, &reading, err);
        capped = reading.total > COUNTED_MOST;
        json_t *row = result == 0 ? dead_letters_json(reading.all, capped ? COUNTED_MOST : reading.total, capped)
                                  : NULL;
        dead_letters_close(reading.all);
        if (result != 0) {
                if (err->reason == REASON_DENIED && json_has(settings, "sql"))
                        error_remedy(err, "GRANT SELECT on what the configured sql reads TO the role of this target");
                return -1;
        }
        return dead_letters_push(sources, row, json_text(settings, "name", ""), "sql", settings, true, err);
}

int
dead_letters_sql(struct session *session, json_t *facts, json_t *sources, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        size_t i;
        json_t *settings;

        if (server == NULL)
                return -1;
        json_array_foreach((json_t *)target_value(session->target, "dead_letters"), i, settings)
        {
                struct error why = {0};
                if (source_read(server, settings, sources, &why) != 0 &&
                    dead_letters_lost(facts, json_text(settings, "name", ""), &why, err) != 0)
                        return -1;
                if (postgres_is_gone(server))
                        break;
        }
        return 0;
}

/* Tables of statements turned into facts, and what the audits of PostgreSQL share. */

#include "postgres_facts.h"

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "scope.h"

const char postgres_hidden_sql[] =
        "SELECT count(*) AS hidden, format('GRANT pg_monitor TO %I;', current_user) AS remedy FROM pg_stat_activity"
        " WHERE state IS NULL AND datid IS NOT NULL AND pid <> pg_backend_pid()"
        " AND NOT pg_has_role(current_user, 'pg_monitor', 'USAGE')";

int
postgres_gap(struct postgres *server, json_t *facts, const char *part, const char *controls, const char *database,
             struct error *err)
{
        struct resource resource = {.kind = "database", .name = database};

        if (err->reason == REASON_INTERRUPTED || postgres_is_gone(server) ||
            (err->reason == REASON_UNREACHABLE && database == NULL))
                return -1;
        return facts_gap(facts, part, controls, database != NULL ? &resource : NULL, err) == 0
                       ? 0
                       : error_memory(err, part);
}

static bool
part_applies(const struct postgres_part *part, const struct postgres *server)
{
        int version = postgres_version(server);

        return version >= part->since && (part->until == 0 || version < part->until);
}

int
postgres_parts(struct postgres *server, const struct postgres_part *parts, json_t *facts, struct error *err)
{
        for (; parts->name != NULL; parts++) {
                json_t *got = NULL;
                if (!part_applies(parts, server))
                        continue;
                int result = parts->most > 0 ? postgres_rows(server, NULL, parts->sql, NULL, parts->most, &got, err)
                                             : postgres_row(server, NULL, parts->sql, &got, err);
                if (result != 0) {
                        if (postgres_gap(server, facts, parts->name, parts->controls, NULL, err) != 0)
                                return -1;
                } else if (json_put(facts, parts->name, got) != 0) {
                        return error_memory(err, parts->name);
                }
        }
        return 0;
}

/* The rows of one database, added to those of the others. */
static int
rows_join(json_t *facts, const char *name, const char *database, json_t *rows)
{
        json_t *all = json_object_get(facts, name), *row;
        size_t i;

        if (all == NULL && json_put(facts, name, all = json_array()) != 0)
                return -1;
        json_array_foreach(rows, i, row)
        {
                if (json_put_text(row, "database", database) != 0 || json_array_append(all, row) != 0)
                        return -1;
        }
        return 0;
}

int
postgres_database_parts(struct postgres *server, const char *database, const struct postgres_part *parts, json_t *facts,
                        struct error *err)
{
        for (; parts->name != NULL; parts++) {
                scoped_json rows = NULL;
                if (!part_applies(parts, server))
                        continue;
                if (postgres_rows(server, database, parts->sql, NULL, parts->most > 0 ? parts->most : 1, &rows, err) !=
                    0) {
                        if (postgres_gap(server, facts, parts->name, parts->controls, database, err) != 0)
                                return -1;
                } else if (rows_join(facts, parts->name, database, rows) != 0) {
                        return error_memory(err, parts->name);
                }
        }
        return 0;
}

int
postgres_each_database(struct postgres *server, json_t *facts, postgres_database_visit *visit, void *context,
                       struct error *err)
{
        const char *const *names = postgres_databases(server, err);
        json_t *seen = json_array();

        if (json_put(facts, "databases_seen", seen) != 0)
                return error_memory(err, "databases");
        for (; names != NULL && *names != NULL; names++) {
                if (json_push(seen, json_string(*names)) == NULL)
                        return error_memory(err, "databases");
                if (visit(context, *names, facts, err) != 0)
                        return -1;
        }
        return names != NULL ? 0 : -1;
}

struct everywhere {
        struct postgres *server;
        const struct postgres_part *parts;
};

static int
parts_visit(void *context, const char *database, json_t *facts, struct error *err)
{
        const struct everywhere *asked = context;

        return postgres_database_parts(asked->server, database, asked->parts, facts, err);
}

int
postgres_parts_everywhere(struct postgres *server, const struct postgres_part *parts, json_t *facts, struct error *err)
{
        struct everywhere asked = {server, parts};

        return postgres_each_database(server, facts, parts_visit, &asked, err);
}

int
postgres_monitor_check(struct session *session, struct rights *rights, struct error *err)
{
        static const char sql[] = "SELECT pg_has_role(current_user, 'pg_monitor', 'USAGE') AS monitor,"
                                  " format('GRANT pg_monitor TO %I;', current_user) AS remedy";
        struct postgres *server = postgres_session(session, err);
        scoped_json row = NULL;

        if (server == NULL || postgres_row(server, NULL, sql, &row, err) != 0)
                return -1;
        rights_add(rights, json_flag(row, "monitor", false), "role pg_monitor", json_text(row, "remedy", ""));
        return 0;
}

static void
quote(struct buffer *quoted, const char *name)
{
        buffer_char(quoted, '"');
        for (; *name != '\0'; name++)
                buffer_text(quoted, *name == '"' ? "\"\"" : (const char[]){*name, '\0'});
        buffer_char(quoted, '"');
}

const char *
postgres_identifier(struct findings *out, const char *schema, const char *name)
{
        scoped_buffer quoted = BUFFER_INIT(4096);

        if (schema != NULL) {
                quote(&quoted, schema);
                buffer_char(&quoted, '.');
        }
        quote(&quoted, name);
        return findings_text(out, "%s", quoted.failed ? "\"...\"" : quoted.data);
}

const char *
postgres_relation_name(struct findings *out, const json_t *row)
{
        const char *schema = json_text(row, "schema", NULL), *name = json_text(row, "name", "?");

        return schema != NULL ? findings_text(out, "%s.%s", schema, name) : name;
}

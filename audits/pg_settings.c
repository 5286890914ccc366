/* Idle transactions: are they cut, for every role in every database?  Controls: DBC-1.
 *
 * Those that are open now are the business of `connections`. */

#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "postgres_facts.h"
#include "scope.h"

enum { ROLES_MOST = 5000 };

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* What a session starts with when nothing else is set: the value at the server, not our session's own. */
static const char server_sql[] =
        "SELECT reset_val::bigint AS timeout_ms, source, coalesce(sourcefile, '') AS file,"
        " (SELECT reset_val::bigint FROM pg_settings WHERE name = 'idle_session_timeout') AS idle_session_ms,"
        " (SELECT reset_val::bigint FROM pg_settings WHERE name = 'statement_timeout') AS statement_ms,"
        " (SELECT reset_val::bigint FROM pg_settings WHERE name = 'max_connections') AS max_connections,"
        " (SELECT reset_val::bigint FROM pg_settings WHERE name = 'superuser_reserved_connections')"
        " AS superuser_reserved_connections,"
        " (SELECT reset_val::bigint FROM pg_settings WHERE name = 'reserved_connections') AS reserved_connections"
        " FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'";

/* Our own session set the parameter: what the server and its overrides say stands in the catalogue and in the file. */
static const char file_sql[] =
        "SELECT boot_val::bigint AS boot_ms,"
        " (SELECT setting FROM pg_file_settings WHERE name = 'idle_in_transaction_session_timeout' AND applied"
        "  ORDER BY seqno DESC LIMIT 1) AS file_value FROM pg_settings WHERE name = "
        "'idle_in_transaction_session_timeout'";

/* pg_db_role_setting is readable by everybody; role 0 means every role, database 0 every database. */
static const char overrides_sql[] =
        "SELECT coalesce(r.rolname::text, '') AS role, coalesce(d.datname::text, '') AS database,"
        " split_part(c.value, '=', 2) AS value"
        " FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) AS c(value)"
        " LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase"
        " WHERE lower(split_part(c.value, '=', 1)) = 'idle_in_transaction_session_timeout'"
        " ORDER BY 1, 2";

static const char roles_sql[] = "SELECT rolname AS name, rolsuper AS superuser FROM pg_roles"
                                " WHERE rolcanlogin AND rolname !~ '^pg_' ORDER BY rolname COLLATE \"C\"";

static const struct postgres_part parts[] = {
        {"server", "DBC-1", server_sql, .most = 0},
        {"overrides", "DBC-1", overrides_sql, .most = ROLES_MOST},
        {"roles", "DBC-1", roles_sql, .most = ROLES_MOST},
        {0},
};

static int
pg_settings_collect(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        struct error ignored;
        json_t *file = NULL;

        if (server == NULL || postgres_parts(server, parts, facts, err) != 0)
                return -1;
        /* Readable by superusers only, and a help, not a need: reset_val tells the same for a session without
         * overrides. */
        if (postgres_row(server, NULL, file_sql, &file, &ignored) == 0 && json_put(facts, "file", file) != 0)
                return error_memory(err, "file");
        const char *const *names = postgres_databases(server, err);
        json_t *databases = json_array();
        if (json_put(facts, "databases", databases) != 0)
                return error_memory(err, "databases");
        if (names == NULL)
                return postgres_gap(server, facts, "databases", "DBC-1", NULL, err);
        for (; *names != NULL; names++) {
                if (json_push(databases, json_string(*names)) == NULL)
                        return error_memory(err, "databases");
        }
        return 0;
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

/* A timeout as pg_db_role_setting keeps it: "30000", "30s", "5min", "1h"; -1 when it is none. */
static int64_t
timeout_parse(const char *text)
{
        static const struct {
                const char *unit;
                double ms;
        } units[] = {{"", 1}, {"ms", 1}, {"us", 0.001}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
        char *end;
        double value = strtod(text, &end);

        if (end == text)
                return -1;
        end += strspn(end, " ");
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
                if (strcmp(end, units[i].unit) == 0)
                        return (int64_t)(value * units[i].ms);
        }
        return -1;
}

/* What a session starts with that no role's and no database's override touches: ALTER ROLE ALL, else the server. */
static int64_t
timeout_of_everybody(const json_t *facts, int64_t server_ms)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(facts, "overrides"), i, row)
        {
                if (*json_text(row, "role", "?") == '\0' && *json_text(row, "database", "?") == '\0') {
                        int64_t set = timeout_parse(json_text(row, "value", ""));
                        return set >= 0 ? set : server_ms;
                }
        }
        return server_ms;
}

static const char *
shown(struct findings *out, int64_t timeout_ms)
{
        return timeout_ms == 0 ? "0 (never)" : findings_duration(out, (double)timeout_ms);
}

static bool
within(const struct policy *policy, int64_t timeout_ms)
{
        return timeout_ms > 0 && timeout_ms <= policy_whole(policy, "DBC-1", "timeout");
}

static void
server_judge(const struct policy *policy, int64_t server_ms, struct findings *out)
{
        struct resource resource = {.kind = "setting", .name = "idle_in_transaction_session_timeout"};
        const char *expected = findings_text(out, "more than 0, at most %s",
                                             shown(out, policy_whole(policy, "DBC-1", "timeout")));

        if (within(policy, server_ms)) {
                findings_pass(out, "DBC-1", &resource, shown(out, server_ms), expected,
                              "A transaction that is left open is ended by the server.");
                return;
        }
        findings_add(out,
                     &(struct finding){
                             .control = "DBC-1",
                             .resource = resource,
                             .status = STATUS_FAIL,
                             .severity = policy_severity(policy, "DBC-1", false),
                             .observed = shown(out, server_ms),
                             .expected = expected,
                             .message = server_ms == 0
                                                ? "The server never ends a transaction that is left open: it holds its "
                                                  "locks, its "
                                                  "connection and the cleaning of every table."
                                                : "The server lets transactions stay open longer than they should.",
                             .remedy = findings_text(out,
                                                     "ALTER SYSTEM SET idle_in_transaction_session_timeout = '%" PRId64
                                                     "s'; SELECT pg_reload_conf();",
                                                     policy_whole(policy, "DBC-1", "timeout") / 1000),
                             .evidence = "/server",
                     });
}

/* Only roles that can log in matter; "" is every role. */
static bool
logs_in(const json_t *roles, const char *name)
{
        return *name == '\0' || json_find(roles, "name", name) != NULL;
}

/* One override beyond the bound: of a role, of a database, or of a role in a database. */
static void
override_judge(const struct policy *policy, const json_t *row, size_t index, struct findings *out)
{
        const char *role = json_text(row, "role", ""), *database = json_text(row, "database", "");
        int64_t timeout = timeout_parse(json_text(row, "value", ""));
        struct resource resource = {.kind = *role != '\0' ? "role" : "database",
                                    .namespace_ = *role != '\0' && *database != '\0' ? database : NULL,
                                    .name = *role != '\0' ? role : database};
        const char *who = *role != '\0' ? findings_text(out, "ROLE %s", postgres_identifier(out, NULL, role))
                                        : findings_text(out, "DATABASE %s", postgres_identifier(out, NULL, database));
        const char *where = resource.namespace_ != NULL
                                    ? findings_text(out, " IN DATABASE %s", postgres_identifier(out, NULL, database))
                                    : "";

        findings_add(out, &(struct finding){
                                  .control = "DBC-1",
                                  .resource = resource,
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(policy, "DBC-1", false),
                                  .observed = timeout >= 0 ? findings_text(out, "%s, set by ALTER %s%s",
                                                                           shown(out, timeout), who, where)
                                                           : findings_text(out, "\"%s\", which is no timeout",
                                                                           json_text(row, "value", "")),
                                  .expected = findings_text(out, "more than 0, at most %s",
                                                            shown(out, policy_whole(policy, "DBC-1", "timeout"))),
                                  .message = "An override takes these sessions out of the bound on open transactions.",
                                  .remedy = findings_text(out, "ALTER %s%s RESET idle_in_transaction_session_timeout;",
                                                          who, where),
                                  .evidence = findings_text(out, "/overrides/%zu", index),
                          });
}

static void
overrides_judge(const json_t *facts, const struct policy *policy, struct findings *out)
{
        const json_t *roles = json_list(facts, "roles"), *databases = json_list(facts, "databases");
        const json_t *overrides = json_list(facts, "overrides");
        struct resource all = {.kind = "roles", .name = "overrides"};
        const json_t *exempt = policy_value(policy, "DBC-1", "exempt_roles");
        size_t before = out->count, i;
        json_t *row;

        if (roles == NULL || databases == NULL || overrides == NULL) {
                if (!facts_lacks(facts, "roles") && !facts_lacks(facts, "databases") &&
                    !facts_lacks(facts, "overrides"))
                        findings_error(out, "DBC-1", &all, REASON_TOO_LITTLE_DATA,
                                       "Roles, databases or overrides are not in the facts.", NULL);
                return;
        }
        json_array_foreach((json_t *)overrides, i, row)
        {
                const char *role = json_text(row, "role", ""), *database = json_text(row, "database", "");
                bool everybody = *role == '\0' && *database == '\0'; /* judged as the server's own value */
                if (!everybody && logs_in(roles, role) && !json_globs_match(exempt, role) &&
                    !within(policy, timeout_parse(json_text(row, "value", ""))))
                        override_judge(policy, row, i, out);
        }
        if (json_array_size(roles) == 0 || json_array_size(databases) == 0)
                findings_error(out, "DBC-1", &all, REASON_TOO_LITTLE_DATA,
                               "No role that can log in, or no database, was seen.", NULL);
        else if (out->count == before)
                findings_pass(out, "DBC-1", &all,
                              findings_text(out, "%zu roles in %zu databases, %zu overrides", json_array_size(roles),
                                            json_array_size(databases), json_array_size(overrides)),
                              "no override beyond the bound",
                              "No override lets a role keep transactions open for longer.");
}

static void
pg_settings_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        int64_t server_ms = json_whole(json_map(facts, "server"), "timeout_ms", -1);

        (void)history;
        if (server_ms >= 0) {
                server_judge(policy, timeout_of_everybody(facts, server_ms), out);
        } else if (!facts_lacks(facts, "server")) {
                findings_error(out, "DBC-1",
                               &(struct resource){.kind = "setting", .name = "idle_in_transaction_session_timeout"},
                               REASON_TOO_LITTLE_DATA, "The server's timeout is not in the facts.", NULL);
        }
        overrides_judge(facts, policy, out);
}

const struct audit audit_pg_settings = {
        .name = "pg_settings",
        .summary = "timeout of idle transactions, with every override",
        .looks_at = {"postgres"},
        .controls = {"DBC-1"},
        .needs = "a connection",
        .collect = pg_settings_collect,
        .judge = pg_settings_judge,
};

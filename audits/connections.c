/* Connections: who is connected and doing what, how many more fit, who leaks, who blocks whom.  Controls: DBC-1, DBC-4.
 */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "open_transactions.h"
#include "postgres_facts.h"
#include "scope.h"

enum { ROWS_MOST = 2000, RELATIONS_MOST = 200, DATABASES_ASKED_MOST = 4 };

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* Whoever may not see a session sees no backend_type of it either: such a row with a database is a client for all that
 * can be told.  Background workers, WAL senders and autovacuum take no slot of max_connections. */
#define CLIENTS       "(backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL))"
#define AGE_MS(since) "(extract(epoch FROM clock_timestamp() - " since ") * 1000)::bigint"

static const char server_sql[] =
        "SELECT pg_is_in_recovery() AS replica, current_setting('server_version_num')::int AS version,"
        " current_setting('max_connections')::bigint AS max_connections,"
        " current_setting('superuser_reserved_connections')::bigint AS superuser_reserved_connections,"
        " coalesce(current_setting('reserved_connections', true), '0')::bigint AS reserved_connections," /* 16 */
        " (SELECT count(*) FROM pg_stat_activity WHERE " CLIENTS ") AS used,"
        " (SELECT count(*) FROM pg_stat_activity WHERE " CLIENTS " AND state = 'active') AS active,"
        " (SELECT count(*) FROM pg_stat_activity WHERE " CLIENTS " AND state = 'disabled') AS untracked";

static const char sessions_sql[] =
        "SELECT coalesce(application_name, '') COLLATE \"C\" AS application,"
        " coalesce(usename::text, '') COLLATE \"C\" AS role, coalesce(datname::text, '') COLLATE \"C\" AS database,"
        " coalesce(host(client_addr), CASE WHEN state IS NULL THEN '' ELSE 'local' END) AS client,"
        " coalesce(state, 'hidden') COLLATE \"C\" AS state, count(*) AS count,"
        " max(" AGE_MS("state_change") ") AS longest_ms"
                                       " FROM pg_stat_activity WHERE " CLIENTS " GROUP BY 1, 2, 3, 4, 5"
                                       " ORDER BY count DESC, 1, 2, 3, 4, 5 LIMIT 2000";

static const char idle_sql[] =
        "SELECT pid, coalesce(application_name, '') AS application, coalesce(usename::text, '') AS role,"
        " coalesce(datname::text, '') AS database, coalesce(host(client_addr), 'local') AS client,"
        " " AGE_MS("state_change") " AS idle_ms FROM pg_stat_activity"
                                   " WHERE backend_type = 'client backend' AND state = 'idle' ORDER BY state_change, "
                                   "pid LIMIT 2000";

/* A limit of 0 is a door that was closed on purpose.  Superusers are held to none. */
static const char roles_sql[] =
        "SELECT r.rolname AS name, r.rolconnlimit AS most, (SELECT count(*) FROM pg_stat_activity a"
        "  WHERE a.usesysid = r.oid AND " CLIENTS ") AS used FROM pg_roles r"
        " WHERE r.rolconnlimit > 0 AND r.rolcanlogin AND NOT r.rolsuper ORDER BY r.rolname COLLATE \"C\" LIMIT 2000";

static const char databases_sql[] =
        "SELECT d.datname AS name, d.datconnlimit AS most, (SELECT count(*) FROM pg_stat_activity a"
        "  WHERE a.datid = d.oid AND " CLIENTS ") AS used FROM pg_database d"
        " WHERE d.datconnlimit > 0 AND d.datallowconn ORDER BY d.datname COLLATE \"C\" LIMIT 2000";

/* The first word of a statement tells its kind; nothing else of its text is looked at. */
#define COMMAND                                                                                                        \
        "coalesce(substring(upper(substring(query FROM '^[[:space:](]*([A-Za-z]{2,12})')) FROM '^(SELECT|INSERT|"      \
        "UPDATE|DELETE|MERGE|WITH|VALUES|TABLE|COPY|VACUUM|ANALYZE|CREATE|ALTER|DROP|TRUNCATE|REINDEX|CLUSTER|"        \
        "REFRESH|LOCK|CALL|DO|FETCH|EXECUTE|EXPLAIN|BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW|CHECKPOINT" \
        "|DECLARE|CLOSE|LISTEN|NOTIFY|PREPARE|DEALLOCATE|DISCARD|GRANT|REVOKE|IMPORT)$'), '')"

static const char open_sql[] =
        "SELECT pid, coalesce(usename::text, '') AS role, coalesce(datname::text, '') AS database,"
        " coalesce(application_name, '') AS application, coalesce(host(client_addr), 'local') AS client, state,"
        " " AGE_MS("state_change") " AS state_ms, " AGE_MS(
                "xact_start") " AS transaction_ms,"
                              " " AGE_MS("query_start") " AS query_ms, " COMMAND " AS command,"
                                                        " coalesce(wait_event_type || ': ' || wait_event, '') AS wait,"
                                                        " backend_xmin IS NOT NULL OR backend_xid IS NOT NULL AS "
                                                        "holds_xmin"
                                                        " FROM pg_stat_activity WHERE backend_type = 'client backend' "
                                                        "AND pid <> pg_backend_pid()"
                                                        " AND xact_start IS NOT NULL AND state <> 'idle' ORDER BY "
                                                        "xact_start, pid LIMIT 2000";

/* One look at the locks for all of it.  pg_blocking_pids stops the lock manager for a moment: it is asked for those
 * alone that wait, and for no more than 500.  Who waits for a row waits for its writer's transaction; the relation then
 * stands in the lock on the tuple that the first in the queue holds. */
#define WAITS(since)                                                                                                   \
        "WITH locks AS MATERIALIZED (SELECT * FROM pg_locks), waiting AS MATERIALIZED ("                               \
        " SELECT DISTINCT ON (l.pid) l.*, " AGE_MS(                                                                    \
                since) " AS waited_ms FROM locks l JOIN pg_stat_activity a"                                            \
                       "  ON a.pid = l.pid WHERE NOT l.granted ORDER BY l.pid),"                                       \
                       " longest AS MATERIALIZED (SELECT * FROM waiting ORDER BY waited_ms DESC, pid LIMIT 500)"       \
                       " SELECT w.pid, b.pid AS blocker, w.waited_ms, w.locktype AS type, w.mode AS wants, "           \
                       "coalesce((SELECT"                                                                              \
                       " string_agg(DISTINCT h.mode, ', ') FROM locks h WHERE h.granted AND h.pid = b.pid"             \
                       "  AND h.locktype = w.locktype AND (h.database, h.relation, h.page, h.tuple, h.virtualxid, "    \
                       "h.classid, h.objid,"                                                                           \
                       "  h.objsubid) IS NOT DISTINCT FROM (w.database, w.relation, w.page, w.tuple, w.virtualxid, "   \
                       "w.classid,"                                                                                    \
                       "  w.objid, w.objsubid) AND h.transactionid::text IS NOT DISTINCT FROM "                        \
                       "w.transactionid::text), '') AS holds,"                                                         \
                       " coalesce(w.relation, (SELECT min(t.relation::bigint)::oid FROM locks t WHERE t.pid = w.pid"   \
                       "  AND t.locktype = 'tuple'))::bigint AS relation,"                                             \
                       " coalesce(sa.usename::text, '') AS role, coalesce(sa.datname::text, '') AS database,"          \
                       " coalesce(sa.application_name, '') AS application, coalesce(sb.usename::text, '') AS "         \
                       "blocker_role,"                                                                                 \
                       " coalesce(sb.datname::text, '') AS blocker_database, coalesce(sb.application_name, '') AS "    \
                       "blocker_application, coalesce(sb.state, '') AS blocker_state, " AGE_MS(                        \
                               "sb.state_change") " AS blocker_state_ms, " AGE_MS("sb.xact_start") " AS "              \
                                                                                                   "blocker_"          \
                                                                                                   "transaction_ms"    \
                                                                                                   " FROM longest w "  \
                                                                                                   "JOIN "             \
                                                                                                   "pg_stat_activity " \
                                                                                                   "sa ON sa.pid = "   \
                                                                                                   "w.pid CROSS JOIN " \
                                                                                                   "LATERAL (SELECT "  \
                                                                                                   "p AS pid"          \
                                                                                                   "  FROM "           \
                                                                                                   "unnest(pg_"        \
                                                                                                   "blocking_pids(w."  \
                                                                                                   "pid)) p GROUP BY " \
                                                                                                   "p ORDER BY p IN "  \
                                                                                                   "(SELECT pid FROM " \
                                                                                                   "waiting), p "      \
                                                                                                   "LIMIT 8) b"        \
                                                                                                   " LEFT JOIN "       \
                                                                                                   "pg_stat_activity " \
                                                                                                   "sb ON sb.pid = "   \
                                                                                                   "b.pid ORDER BY "   \
                                                                                                   "w.waited_ms "      \
                                                                                                   "DESC, w.pid, "     \
                                                                                                   "b.pid"

static const char waits_13_sql[] = WAITS("coalesce(a.query_start, a.state_change)");
static const char waits_sql[] = WAITS("coalesce(l.waitstart, a.query_start, a.state_change)"); /* 14 */

static const char prepared_sql[] = "SELECT gid AS name, owner::text AS owner, database::text AS database, " AGE_MS(
        "prepared") " AS age_ms"
                    " FROM pg_prepared_xacts ORDER BY prepared, gid COLLATE \"C\" LIMIT 2000";

static const struct postgres_part parts[] = {
        {"server", "DBC-4", server_sql, .most = 0},
        {"sessions", "DBC-4", sessions_sql, .most = ROWS_MOST},
        {"idle", "DBC-4", idle_sql, .most = ROWS_MOST},
        {"roles", "DBC-4", roles_sql, .most = ROWS_MOST},
        {"databases", "DBC-4", databases_sql, .most = ROWS_MOST},
        {"open", "DBC-1", open_sql, .most = ROWS_MOST},
        {"waits", "DBC-1", waits_13_sql, .most = 2 * ROWS_MOST, .until = 140000},
        {"waits", "DBC-1", waits_sql, .most = 2 * ROWS_MOST, .since = 140000},
        {"prepared", "DBC-1", prepared_sql, .most = ROWS_MOST},
        {"hidden", "DBC-1,DBC-4", postgres_hidden_sql, .most = 0},
        {0},
};

/* Names of the relations that are waited for, from the database they are in.  A name is a comfort: where a catalogue
 * is itself locked, the number has to do. */
static int
relations_name(struct postgres *server, const char *database, const json_t *waits, json_t *relations)
{
        static const char sql[] = "SELECT c.oid::bigint AS oid, format('%I.%I', n.nspname, c.relname) AS name"
                                  " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                                  " WHERE c.oid = ANY ($1::oid[]) ORDER BY 1";
        scoped_buffer list = BUFFER_INIT(16384);
        scoped_json rows = NULL;
        struct error ignored;
        size_t i, count = 0;
        json_t *row;

        json_array_foreach((json_t *)waits, i, row)
        {
                int64_t oid = json_whole(row, "relation", 0);
                if (oid > 0 && count < RELATIONS_MOST && strcmp(json_text(row, "database", ""), database) == 0)
                        buffer_format(&list, "%s%" PRId64, count++ == 0 ? "{" : ",", oid);
        }
        if (count == 0)
                return 0;
        if (buffer_text(&list, "}") != 0)
                return -1;
        if (postgres_rows(server, database, sql, (const char *const[]){list.data, NULL}, RELATIONS_MOST, &rows,
                          &ignored) != 0)
                return 0;
        json_array_foreach(rows, i, row)
        {
                if (json_put_text(row, "database", database) != 0 || json_array_append(relations, row) != 0)
                        return -1;
        }
        return 0;
}

static int
connections_collect(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        const char *asked[DATABASES_ASKED_MOST];
        json_t *relations = json_array(), *row;
        size_t count = 0, i, k;

        if (json_put(facts, "relations", relations) != 0)
                return error_memory(err, "relations");
        if (server == NULL || postgres_parts(server, parts, facts, err) != 0)
                return -1;
        json_array_foreach((json_t *)json_list(facts, "waits"), i, row)
        {
                const char *database = json_text(row, "database", "");
                for (k = 0; k < count && strcmp(asked[k], database) != 0; k++)
                        ;
                if (k < count || count == DATABASES_ASKED_MOST || *database == '\0')
                        continue;
                asked[count++] = database;
                if (relations_name(server, database, json_list(facts, "waits"), relations) != 0)
                        return error_memory(err, "relations");
        }
        return 0;
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

static void
headroom_judge(const struct judge *j)
{
        const json_t *server = json_map(j->facts, "server");
        struct resource resource = {.kind = "setting", .name = "max_connections"};
        double most = json_real_or(server, "max_connections", NAN), used = json_real_or(server, "used", NAN);
        double reserved = json_real_or(server, "superuser_reserved_connections", 0) +
                          json_real_or(server, "reserved_connections", 0);
        double bound = policy_number(j->policy, "DBC-4", "used"), room = most - reserved;
        struct findings *out = j->out;
        size_t looks;

        if (!(room > 0) || !(used >= 0)) {
                if (!facts_lacks(j->facts, "server"))
                        findings_error(out, "DBC-4", &resource, REASON_TOO_LITTLE_DATA,
                                       "max_connections or the sessions in use are not in the facts.", NULL);
                return;
        }
        double peak = history_peak(j->history, "connections.used", "", policy_whole(j->policy, "DBC-4", "window"), used,
                                   &looks);
        findings_sample(out, "connections.used", "", used);
        findings_sample(out, "connections.active", "", json_real_or(server, "active", NAN));
        bool full = 100 * used > bound * room, was_full = 100 * peak > bound * room;
        const char *replica = json_flag(server, "replica", false)
                                      ? "  This is a replica: sessions of its primary are not seen from here."
                                      : "";
        struct finding finding = {
                .control = "DBC-4",
                .resource = resource,
                .status = full || was_full ? STATUS_FAIL : STATUS_PASS,
                .severity = full || was_full ? policy_severity(j->policy, "DBC-4", full) : SEV_NONE,
                .observed = findings_text(
                        out,
                        "%.0f of %.0f in use now (%.0f %%), peak %.0f in %zu look%s; max_connections %.0f less "
                        "%.0f reserved",
                        used, room, 100 * used / room, peak, looks, looks > 1 ? "s" : "", most, reserved),
                .expected = findings_text(out, "at most %g %% in use", bound),
                .evidence = "/server",
        };
        if (full)
                finding.message = findings_text(
                        out, "The server is about to refuse clients: \"too many clients already\".%s", replica);
        else if (was_full)
                finding.message = findings_text(out, "The server has room now, and had next to none at its peak.%s",
                                                replica);
        else
                finding.message = findings_text(out, "The server has room for more connections.%s", replica);
        if (full || was_full)
                finding.remedy = "See who holds them (inventory `connections`); let applications share a PgBouncer, "
                                 "lower their pools, and only then ALTER SYSTEM SET max_connections and restart.";
        findings_add(out, &finding);
}

/* Roles or databases with a CONNECTION LIMIT of their own that is nearly used. */
static void
limits_judge(const struct judge *j, const char *part, const char *kind)
{
        double bound = policy_number(j->policy, "DBC-4", "used");
        struct findings *out = j->out;
        size_t i, sound = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, part), i, row)
        {
                double most = json_real_or(row, "most", NAN), used = json_real_or(row, "used", NAN);
                const char *name = json_text(row, "name", NULL);
                if (name == NULL || !(most > 0) || !(used >= 0))
                        continue;
                if (100 * used <= bound * most) {
                        sound++;
                        continue;
                }
                const char *alter = strcmp(kind, "role") == 0 ? "ROLE" : "DATABASE";
                findings_add(out, &(struct finding){
                                          .control = "DBC-4",
                                          .resource = {.kind = kind, .name = name},
                                          .status = STATUS_FAIL,
                                          .severity = policy_severity(j->policy, "DBC-4", false),
                                          .observed = findings_text(out, "%.0f of %.0f in use", used, most),
                                          .expected = findings_text(out, "at most %g %% of its CONNECTION LIMIT in use",
                                                                    bound),
                                          .message = findings_text(out,
                                                                   "The %s is about to be refused further connections, "
                                                                   "however much room the server has.",
                                                                   kind),
                                          .remedy = findings_text(
                                                  out,
                                                  "Look for sessions that leak, else ALTER %s %s CONNECTION LIMIT "
                                                  "%.0f;",
                                                  alter, postgres_identifier(out, NULL, name), ceil(most * 1.5)),
                                          .evidence = findings_text(out, "/%s/%zu", part, i),
                                  });
        }
        if (sound > 0)
                findings_pass(out, "DBC-4", &(struct resource){.kind = part, .name = "limits"},
                              findings_text(out, "%zu %s with a limit of their own and room left", sound, part),
                              findings_text(out, "at most %g %% of a CONNECTION LIMIT in use", bound),
                              "Own connection limits leave room.");
}

/* Sessions that did nothing for a day were not needed for a day: told per application when it has several. */
static void
leaks_judge(const struct judge *j)
{
        const json_t *idle = json_list(j->facts, "idle");
        double bound = policy_number(j->policy, "DBC-4", "leaked");
        size_t most = (size_t)policy_whole(j->policy, "DBC-4", "leaks"), before = j->out->count, i, k, old = 0;
        struct findings *out = j->out;
        json_t *session, *other;

        json_array_foreach((json_t *)idle, i, session)
        {
                size_t count = 0;
                bool first = true;
                if (!(json_real_or(session, "idle_ms", 0) > bound))
                        continue;
                old++;
                json_array_foreach((json_t *)idle, k, other)
                {
                        if (!(json_real_or(other, "idle_ms", 0) > bound) || !session_same_owner(session, other))
                                continue;
                        first = first && k >= i;
                        count++;
                }
                if (!first || count < most)
                        continue;
                findings_add(
                        out,
                        &(struct finding){
                                .control = "DBC-4",
                                .resource = {.kind = "idle sessions",
                                             .namespace_ = json_text(session, "database", ""),
                                             .name = session_name(out, session)},
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "DBC-4", false),
                                .observed = findings_text(
                                        out, "%zu sessions idle for more than %s, the longest for %s (from %s)", count,
                                        findings_duration(out, bound),
                                        findings_duration(out, json_real_or(session, "idle_ms", 0)),
                                        json_text(session, "client", "?")),
                                .expected = findings_text(out, "fewer than %zu of one application", most),
                                .message = "Connections that nobody used for so long were leaked, or their pool is too "
                                           "large: they take the slots of others.",
                                .remedy = "Give the pool an idle timeout and a smaller least size, or set "
                                          "idle_session_timeout (14 and later) for the role.",
                                .evidence = findings_text(out, "/idle/%zu", i),
                        });
        }
        if (idle == NULL && !facts_lacks(j->facts, "idle"))
                findings_error(out, "DBC-4", &(struct resource){.kind = "sessions", .name = "idle"},
                               REASON_TOO_LITTLE_DATA, "Idle sessions are not in the facts.", NULL);
        else if (idle != NULL && out->count == before && json_whole(json_map(j->facts, "hidden"), "hidden", 0) <= 0 &&
                 json_whole(json_map(j->facts, "server"), "untracked", 0) <= 0)
                findings_pass(out, "DBC-4", &(struct resource){.kind = "sessions", .name = "idle"},
                              findings_text(out, "%zu idle, %zu of them for more than %s", json_array_size(idle), old,
                                            findings_duration(out, bound)),
                              findings_text(out, "fewer than %zu of one application", most),
                              "No application leaves connections lying about.");
}

/* What hides behind a missing right is no pass. */
static void
hidden_judge(const struct judge *j)
{
        const json_t *hidden = json_map(j->facts, "hidden");
        int64_t count = json_whole(hidden, "hidden", 0),
                untracked = json_whole(json_map(j->facts, "server"), "untracked", 0);
        static const char *const controls[] = {"DBC-1", "DBC-4"};
        struct findings *out = j->out;

        for (size_t i = 0; i < 2; i++) {
                struct resource sessions = {.kind = "sessions", .name = i == 0 ? "in a transaction" : "idle"};
                if (count > 0)
                        findings_error(
                                out, controls[i], &sessions, REASON_DENIED,
                                findings_text(out, "The state of %" PRId64 " sessions is hidden from the role.", count),
                                json_text(hidden, "remedy", "GRANT pg_monitor TO rounds;"));
                else if (untracked > 0)
                        findings_error(out, controls[i], &sessions, REASON_TOO_LITTLE_DATA,
                                       findings_text(out,
                                                     "%" PRId64 " sessions have track_activities off: what they do "
                                                     "is not known.",
                                                     untracked),
                                       "ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();");
        }
}

static void
rows_tell(const struct judge *j)
{
        struct findings *out = j->out;
        size_t i;
        json_t *session;

        json_array_foreach((json_t *)json_list(j->facts, "sessions"), i, session)
        {
                json_t *row = json_object();
                json_put_text(row, "id",
                              findings_text(out, "%s/%s/%s/%s", session_name(out, session),
                                            json_text(session, "database", ""), json_text(session, "client", ""),
                                            json_text(session, "state", "")));
                json_put_text(row, "application", json_text(session, "application", ""));
                json_put_text(row, "role", json_text(session, "role", ""));
                json_put_text(row, "database", json_text(session, "database", ""));
                json_put_text(row, "client", json_text(session, "client", ""));
                json_put_text(row, "state", json_text(session, "state", ""));
                json_put_whole(row, "sessions", json_whole(session, "count", 0));
                json_put_real(row, "longest_ms", json_real_or(session, "longest_ms", NAN));
                findings_inventory(out, "connections", row);
        }
}

static void
connections_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge judge = {facts, policy, history, out};

        hidden_judge(&judge);
        headroom_judge(&judge);
        limits_judge(&judge, "roles", "role");
        limits_judge(&judge, "databases", "database");
        leaks_judge(&judge);
        open_transactions_judge(facts, policy, out);
        rows_tell(&judge);
}

const struct audit audit_connections = {
        .name = "connections",
        .summary = "sessions, room for more, open transactions, who blocks whom",
        .looks_at = {"postgres"},
        .controls = {"DBC-1", "DBC-4"},
        .needs = "GRANT pg_monitor TO rounds;",
        .samples = {"connections.used"},
        .collect = connections_collect,
        .judge = connections_judge,
        .check = postgres_monitor_check,
};

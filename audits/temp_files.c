/* Temporary files: left over from sessions that are gone, and how much each database writes.  Controls: DSK-8. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "postgres_facts.h"
#include "scope.h"

enum { ROWS_MOST = 5000, ORPHANS_MOST = 1000, SHOWN = 3 };

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static const char server_sql[] =
        "SELECT (SELECT reset_val::bigint FROM pg_settings WHERE name = 'temp_file_limit') AS limit_kb," /* -1: none */
        " (SELECT reset_val::bigint FROM pg_settings WHERE name = 'log_temp_files') AS log_kb,"          /* -1: off */
        " (extract(epoch FROM now()) * 1000)::bigint AS now_ms, pg_is_in_recovery() AS replica";

/* Needs pg_monitor (12 and later).  Files of parallel hash joins lie in folders of their own, which it does not list.
 */
static const char tablespaces_sql[] =
        "SELECT s.spcname AS name, count(t.name) AS files, coalesce(sum(t.size), 0)::bigint AS bytes"
        " FROM pg_tablespace s LEFT JOIN LATERAL pg_ls_tmpdir(s.oid) t ON true"
        " WHERE s.spcname <> 'pg_global' GROUP BY s.spcname ORDER BY s.spcname COLLATE \"C\"";

/* A file is called pgsql_tmpPID.N after the process that writes it.  It is left over when no such process lives, or one
 * that began after the file was last written: the id was given away again.  Files carry whole seconds. */
static const char orphans_sql[] =
        "SELECT s.spcname AS tablespace, CASE WHEN s.spcname = 'pg_default' THEN 'base/pgsql_tmp/' ELSE 'pg_tblspc/' ||"
        "  s.oid || '/.../pgsql_tmp/' END || t.name AS name, t.size AS bytes,"
        " (extract(epoch FROM now() - t.modification) * 1000)::bigint AS age_ms"
        " FROM pg_tablespace s CROSS JOIN LATERAL pg_ls_tmpdir(s.oid) t"
        " WHERE s.spcname <> 'pg_global' AND t.name ~ '^pgsql_tmp[0-9]{1,10}[.]' AND NOT EXISTS ("
        "  SELECT 1 FROM pg_stat_activity a WHERE a.pid = substring(t.name FROM '^pgsql_tmp([0-9]+)')::bigint"
        "   AND (a.backend_start IS NULL OR a.backend_start < t.modification + interval '1 second'))"
        " ORDER BY t.size DESC, 1, 2 LIMIT 1000";

/* Everything that was written since the counters began, deleted long since for the most part. */
static const char databases_sql[] = "SELECT datname AS name, temp_files AS files, temp_bytes AS bytes,"
                                    " (extract(epoch FROM stats_reset) * 1000)::bigint AS reset_ms"
                                    " FROM pg_stat_database WHERE datname IS NOT NULL ORDER BY datname COLLATE \"C\"";

static const struct postgres_part parts[] = {
        {"server", "DSK-8", server_sql, .most = 0},
        {"tablespaces", "DSK-8", tablespaces_sql, .most = ROWS_MOST},
        {"databases", "DSK-8", databases_sql, .most = ROWS_MOST},
        {0},
};

static bool
listed(const json_t *files, const json_t *file)
{
        size_t i;
        json_t *other;

        json_array_foreach((json_t *)files, i, other)
        {
                if (strcmp(json_text(other, "name", ""), json_text(file, "name", "?")) == 0 &&
                    json_whole(other, "bytes", -1) == json_whole(file, "bytes", -2))
                        return true;
        }
        return false;
}

/* A session that ends while the folder is read looks like one that is gone: what is still there at a second look, and
 * still nobody's, is left over. */
static int
orphans_collect(struct postgres *server, json_t *facts, struct error *err)
{
        scoped_json first = NULL;
        scoped_json second = NULL;
        json_t *orphans = json_array(), *file;
        size_t i;

        if (postgres_rows(server, NULL, orphans_sql, NULL, ORPHANS_MOST, &first, err) != 0 ||
            (json_array_size(first) > 0 &&
             postgres_rows(server, NULL, orphans_sql, NULL, ORPHANS_MOST, &second, err) != 0)) {
                json_decref(orphans);
                return postgres_gap(server, facts, "orphans", "DSK-8", NULL, err);
        }
        if (json_put(facts, "orphans", orphans) != 0)
                return error_memory(err, "orphans");
        json_array_foreach(first, i, file)
        {
                if (listed(second, file) && json_array_append(orphans, file) != 0)
                        return error_memory(err, "orphans");
        }
        return 0;
}

static int
temp_files_collect(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);

        if (server == NULL || postgres_parts(server, parts, facts, err) != 0)
                return -1;
        /* What the first look at the folders was denied, the second is as well: one gap tells it. */
        return facts_lacks(facts, "tablespaces") ? 0 : orphans_collect(server, facts, err);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

/* What was left over in one tablespace. */
struct remains {
        size_t files, first;
        double bytes, oldest_ms;
        const char *names;
};

static struct remains
remains_in(const struct judge *j, const char *tablespace)
{
        struct remains remains = {.names = ""};
        size_t i;
        json_t *file;

        json_array_foreach((json_t *)json_list(j->facts, "orphans"), i, file)
        {
                if (strcmp(json_text(file, "tablespace", ""), tablespace) != 0)
                        continue;
                if (remains.files++ == 0)
                        remains.first = i;
                if (remains.files <= SHOWN)
                        remains.names = findings_text(j->out, "%s%s%s", remains.names, remains.files > 1 ? ", " : "",
                                                      json_text(file, "name", "?"));
                remains.bytes += fmax(0, json_real_or(file, "bytes", 0));
                remains.oldest_ms = fmax(remains.oldest_ms, json_real_or(file, "age_ms", 0));
        }
        return remains;
}

static void
tablespaces_judge(const struct judge *j)
{
        const json_t *tablespaces = json_list(j->facts, "tablespaces");
        double bound = policy_number(j->policy, "DSK-8", "orphaned"), bytes = 0, files = 0;
        struct findings *out = j->out;
        const char *expected = bound > 0 ? findings_text(out, "at most %s left over", findings_size(out, bound))
                                         : "nothing left over";
        struct resource all = {.kind = "files", .name = "pgsql_tmp"};
        size_t i, sound = 0;
        json_t *row;

        json_array_foreach((json_t *)tablespaces, i, row)
        {
                const char *name = json_text(row, "name", NULL);
                if (name == NULL)
                        continue;
                struct remains remains = remains_in(j, name);
                findings_sample(out, "temp_files.bytes", name, json_real_or(row, "bytes", NAN));
                if (remains.bytes <= bound) {
                        bytes += json_real_or(row, "bytes", 0);
                        files += json_real_or(row, "files", 0);
                        sound++;
                        continue;
                }
                findings_add(
                        out,
                        &(struct finding){
                                .control = "DSK-8",
                                .resource = {.kind = "tablespace", .name = name},
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "DSK-8", false),
                                .observed = findings_text(
                                        out, "%s in %zu file%s of sessions that are gone, the oldest %s old",
                                        findings_size(out, remains.bytes), remains.files, remains.files == 1 ? "" : "s",
                                        findings_duration(out, remains.oldest_ms)),
                                .expected = expected,
                                .message =
                                        "Temporary files outlived the sessions that wrote them, mostly after a crash: "
                                        "nothing reads them, and nothing deletes them before the next start.",
                                .remedy = findings_text(
                                        out,
                                        "They go when the server is next restarted; until then by hand, "
                                        "in the data directory, once no process of that number runs: "
                                        "%s%s.  From 14 on set remove_temp_files_after_crash = on.",
                                        remains.names, remains.files > SHOWN ? ", ..." : ""),
                                .evidence = findings_text(out, "/orphans/%zu", remains.first),
                        });
        }
        if (facts_lacks(j->facts, "tablespaces") || facts_lacks(j->facts, "orphans"))
                return;
        if (json_array_size(tablespaces) == 0 || json_list(j->facts, "orphans") == NULL)
                findings_error(out, "DSK-8", &all, REASON_TOO_LITTLE_DATA,
                               "No tablespace, or no list of its temporary files, is in the facts.", NULL);
        else if (sound > 0)
                findings_pass(out, "DSK-8", &all,
                              findings_text(out, "%.0f files, %s, in %zu tablespace%s", files,
                                            findings_size(out, bytes), sound, sound == 1 ? "" : "s"),
                              expected, "Every temporary file belongs to a session that lives.");
}

/* Bytes a day, and since when: NAN when there is nothing to measure from.  A counter that went back began anew. */
static double
rate_of(const struct judge *j, const json_t *database, double bytes, const char **since)
{
        const char *name = json_text(database, "name", "");
        const struct sample *last = history_last(j->history, "temp_files.written_bytes", name);
        double now = (double)history_now(j->history), reset = json_real_or(database, "reset_ms", NAN);
        double from = NAN, before = 0;

        if (last != NULL && !(reset > (double)last->at_ms)) {
                from = (double)last->at_ms;
                before = last->value <= bytes ? last->value : 0;
                *since = "since the last run";
        } else if (reset > 0) {
                from = reset;
                *since = "since the counters were reset";
        }
        /* A minute says nothing of a day. */
        if (!(now - from >= 10 * (double)MINUTE_MS))
                return NAN;
        return (bytes - before) * (double)DAY_MS / (now - from);
}

/* What would help to find who writes them, where it is not set. */
static const char *
settings_hint(const struct judge *j)
{
        const json_t *server = json_map(j->facts, "server");
        bool silent = json_whole(server, "log_kb", 0) < 0, endless = json_whole(server, "limit_kb", 0) == -1;

        return findings_text(j->out, "%s%s",
                             silent ? "  log_temp_files is off: which statement writes them is not logged." : "",
                             endless ? "  temp_file_limit is -1: one statement may fill the volume." : "");
}

static void
database_row(const struct judge *j, const json_t *database, double bytes, double rate)
{
        json_t *row = json_object();

        json_put_text(row, "id", json_text(database, "name", ""));
        json_put_text(row, "database", json_text(database, "name", ""));
        json_put_real(row, "written_bytes", bytes);
        json_put_real(row, "a_day_bytes", rate);
        json_put_whole(row, "files", json_whole(database, "files", 0));
        findings_inventory(j->out, "temp_files", row);
}

static void
database_judge(const struct judge *j, const json_t *database, size_t index, size_t *sound)
{
        double bound = policy_number(j->policy, "DSK-8", "temp_rate"), bytes = json_real_or(database, "bytes", NAN);
        const char *name = json_text(database, "name", NULL), *since = "";
        struct resource resource = {.kind = "database", .name = name};
        struct findings *out = j->out;

        if (name == NULL || !(bytes >= 0))
                return;
        double rate = rate_of(j, database, bytes, &since);
        findings_sample(out, "temp_files.written_bytes", name, bytes);
        database_row(j, database, bytes, rate);
        if (rate > bound)
                findings_add(
                        out,
                        &(struct finding){
                                .control = "DSK-8",
                                .resource = resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "DSK-8", false),
                                .observed = findings_text(out, "%s a day %s", findings_size(out, rate), since),
                                .expected = findings_text(out, "at most %s a day", findings_size(out, bound)),
                                .message = findings_text(out, "Sorts and hashes of this database spill to disk.%s",
                                                         settings_hint(j)),
                                .remedy =
                                        "Find the statements (pg_stat_statements: temp_blks_written; log_temp_files = "
                                        "10MB), give them an index, or their role more work_mem.",
                                .evidence = findings_text(out, "/databases/%zu", index),
                        });
        else if (isnan(rate) && bytes > bound)
                findings_error(out, "DSK-8", &resource, REASON_TOO_LITTLE_DATA,
                               findings_text(out,
                                             "%s were written since counting began, nobody knows when that was: "
                                             "the next run tells the rate.",
                                             findings_size(out, bytes)),
                               "run the audit again after an hour or a day");
        else
                ++*sound; /* all that was ever written is within what a day may write, or the rate is */
}

static void
databases_judge(const struct judge *j)
{
        const json_t *databases = json_list(j->facts, "databases");
        struct resource all = {.kind = "databases", .name = "temp_bytes"};
        double bound = policy_number(j->policy, "DSK-8", "temp_rate");
        size_t i, sound = 0;
        json_t *database;

        json_array_foreach((json_t *)databases, i, database)
        {
                database_judge(j, database, i, &sound);
        }
        if (sound > 0)
                findings_pass(
                        j->out, "DSK-8", &all,
                        findings_text(j->out, "%zu of %zu databases within it", sound, json_array_size(databases)),
                        findings_text(j->out, "at most %s a day", findings_size(j->out, bound)),
                        findings_text(j->out, "Little is spilled to disk.%s", settings_hint(j)));
        else if (json_array_size(databases) == 0 && !facts_lacks(j->facts, "databases"))
                findings_error(j->out, "DSK-8", &all, REASON_TOO_LITTLE_DATA, "No database is in the facts.", NULL);
}

static void
temp_files_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge judge = {facts, policy, history, out};

        tablespaces_judge(&judge);
        databases_judge(&judge);
}

const struct audit audit_temp_files = {
        .name = "temp_files",
        .summary = "temporary files left over, and written by day",
        .looks_at = {"postgres"},
        .controls = {"DSK-8"},
        .needs = "GRANT pg_monitor TO rounds;",
        .samples = {"temp_files.written_bytes"},
        .collect = temp_files_collect,
        .judge = temp_files_judge,
        .check = postgres_monitor_check,
};

/* Write-ahead log: does anything keep PostgreSQL from recycling it?  Controls: DSK-7. */

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

enum { ROWS_MOST = 2000 };

/* --- what is asked ------------------------------------------------------------------------------------------------ */

/* A standby has no current write position: what it replayed is as far as its own slots can be behind. */
#define POSITION "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)"

static const char server_sql[] =
        "SELECT pg_is_in_recovery() AS standby, current_setting('server_version_num')::int AS version,"
        " (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS slot_keep_mb," /* -1: none
                                                                                                             */
        " (SELECT setting::bigint FROM pg_settings WHERE name = 'max_wal_size') AS max_wal_mb,"
        " (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_keep_size') AS wal_keep_mb,"
        " current_setting('archive_mode') AS archive_mode,"
        " (SELECT setting <> '' AND setting <> '(disabled)' FROM pg_settings WHERE name = 'archive_command') AS "
        "has_command,"
        " coalesce((SELECT setting <> '' FROM pg_settings WHERE name = 'archive_library'), false) AS has_library," /* 15
                                                                                                                    */
        " pg_wal_lsn_diff(" POSITION ", '0/0')::bigint AS written";

/* 13: wal_status and safe_wal_size.  A slot that never was used has no restart_lsn and retains nothing. */
static const char slots_sql[] =
        "SELECT slot_name AS name, slot_type AS type, coalesce(database::text, '') AS database, active, temporary,"
        " coalesce(wal_status, '') AS wal_status, safe_wal_size,"
        " pg_wal_lsn_diff(" POSITION ", restart_lsn)::bigint AS retained"
        " FROM pg_replication_slots ORDER BY slot_name COLLATE \"C\"";

static const char archiver_sql[] =
        "SELECT archived_count, failed_count, coalesce(last_failed_wal, '') AS last_failed_wal,"
        " (extract(epoch FROM last_archived_time) * 1000)::bigint AS archived_ms,"
        " (extract(epoch FROM last_failed_time) * 1000)::bigint AS failed_ms,"
        " (extract(epoch FROM stats_reset) * 1000)::bigint AS reset_ms,"
        " (extract(epoch FROM now()) * 1000)::bigint AS now_ms FROM pg_stat_archiver";

static const char replicas_sql[] =
        "SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text) AS name, state, sync_state,"
        " pg_wal_lsn_diff(" POSITION ", replay_lsn)::bigint AS behind,"
        " (extract(epoch FROM replay_lag) * 1000)::bigint AS lag_ms"
        " FROM pg_stat_replication ORDER BY 1";

/* Needs pg_monitor. */
static const char size_sql[] = "SELECT sum(size)::bigint AS bytes, count(*) AS files FROM pg_ls_waldir()";
static const char ready_sql[] = "SELECT count(*) AS ready FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'";

static const struct postgres_part parts[] = {
        {"server", "DSK-7", server_sql, .most = 0},     {"slots", "DSK-7", slots_sql, .most = ROWS_MOST},
        {"archiver", "DSK-7", archiver_sql, .most = 0}, {"replicas", "DSK-7", replicas_sql, .most = ROWS_MOST},
        {"pg_wal", "DSK-7", size_sql, .most = 0},       {0},
};

static const struct postgres_part archive_parts[] = {{"archive_status", "DSK-7", ready_sql, .most = 0}, {0}};

static int
wal_collect(struct session *session, json_t *facts, struct error *err)
{
        struct postgres *server = postgres_session(session, err);

        if (server == NULL || postgres_parts(server, parts, facts, err) != 0)
                return -1;
        const char *mode = json_text(json_map(facts, "server"), "archive_mode", "off");
        return strcmp(mode, "off") == 0 ? 0 : postgres_parts(server, archive_parts, facts, err);
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
};

/* Bytes a day since the last run; NAN when there was none, or the slot went forward since. */
static double
rate_per_day(const struct judge *judge, const char *series, const char *resource, double now)
{
        const struct sample *last = history_last(judge->history, series, resource);

        if (last == NULL || last->value > now || history_now(judge->history) - last->at_ms < 10 * MINUTE_MS)
                return NAN;
        return (now - last->value) * (double)DAY_MS / (double)(history_now(judge->history) - last->at_ms);
}

/* When a slot is lost: "at this rate lost in 5 h"; "" when it cannot be told. */
static const char *
until_lost(const struct judge *judge, const json_t *slot, double rate)
{
        double safe = json_real_or(slot, "safe_wal_size", NAN);

        if (!(rate > 0))
                return "";
        if (!(safe >= 0))
                return findings_text(judge->out, ", growing by %s a day", findings_size(judge->out, rate));
        return findings_text(judge->out, ", growing by %s a day: lost in %s", findings_size(judge->out, rate),
                             findings_duration(judge->out, safe / rate * (double)DAY_MS));
}

static void
slot_fail(const struct judge *judge, const struct resource *resource, size_t index, bool severe, const char *observed,
          const char *expected, const char *message, const char *remedy)
{
        findings_add(judge->out, &(struct finding){
                                         .control = "DSK-7",
                                         .resource = *resource,
                                         .status = STATUS_FAIL,
                                         .severity = policy_severity(judge->policy, "DSK-7", severe),
                                         .observed = observed,
                                         .expected = expected,
                                         .message = message,
                                         .remedy = remedy,
                                         .evidence = findings_text(judge->out, "/slots/%zu", index),
                                 });
}

static void
slot_row(const struct judge *judge, const json_t *slot, const char *name, double retained, double rate)
{
        json_t *row = json_object();

        json_put_text(row, "id", name);
        json_put_text(row, "type", json_text(slot, "type", ""));
        json_put_text(row, "database", json_text(slot, "database", ""));
        json_put_flag(row, "active", json_flag(slot, "active", false));
        json_put_text(row, "wal_status", json_text(slot, "wal_status", ""));
        json_put_real(row, "retained_bytes", retained);
        json_put_real(row, "bytes_per_day", rate);
        findings_inventory(judge->out, "slots", row);
}

static void
slot_judge(const struct judge *judge, const json_t *slot, size_t index)
{
        const char *name = json_text(slot, "name", NULL), *status = json_text(slot, "wal_status", "");
        double retained = json_real_or(slot, "retained", NAN),
               bound = policy_number(judge->policy, "DSK-7", "slot_retained");
        bool active = json_flag(slot, "active", false);
        struct findings *out = judge->out;
        struct resource resource = {.kind = "slot", .name = name};

        if (name == NULL) {
                findings_error(out, "DSK-7",
                               &(struct resource){.kind = "slot", .name = findings_text(out, "%zu", index)},
                               REASON_PROTOCOL, "A replication slot without a name stands in the facts.", NULL);
                return;
        }
        double rate = isnan(retained) ? NAN : rate_per_day(judge, "wal.slot_retained_bytes", name, retained);
        findings_sample(out, "wal.slot_retained_bytes", name, retained);
        slot_row(judge, slot, name, retained, rate);
        const char *drop = findings_text(
                out,
                "If nothing reads it any more: SELECT pg_drop_replication_slot('%s');  Otherwise start "
                "its reader.",
                name);
        const char *observed = isnan(retained)
                                       ? "nothing retained"
                                       : findings_text(out, "%s retained, %s%s", findings_size(out, retained),
                                                       active ? "active" : "inactive", until_lost(judge, slot, rate));
        const char *expected = findings_text(out, "an inactive slot retains at most %s", findings_size(out, bound));
        if (strcmp(status, "lost") == 0)
                slot_fail(
                        judge, &resource, index, true, findings_text(out, "wal_status lost, %s", observed),
                        "wal_status reserved",
                        "The slot has lost WAL that it needed: its reader can never go on from here.",
                        findings_text(
                                out,
                                "Set the reader up anew from a fresh copy, then SELECT pg_drop_replication_slot('%s');",
                                name));
        else if (strcmp(status, "unreserved") == 0)
                slot_fail(
                        judge, &resource, index, true, findings_text(out, "wal_status unreserved, %s", observed),
                        "wal_status reserved", "The slot loses WAL that it needs at the next checkpoint.",
                        findings_text(out, "Let its reader catch up now, or raise max_slot_wal_keep_size.  %s", drop));
        else if (!active && retained > bound)
                slot_fail(judge, &resource, index, false, observed, expected,
                          "Nobody reads this slot, and the server keeps all WAL since it was last read: the disk fills "
                          "up.",
                          drop);
        else
                findings_pass(out, "DSK-7", &resource, observed, expected, "The slot keeps no more WAL than it may.");
}

static void
slots_judge(const struct judge *judge)
{
        const json_t *slots = json_list(judge->facts, "slots");
        int64_t keep = json_whole(json_map(judge->facts, "server"), "slot_keep_mb", -2);
        struct resource setting = {.kind = "setting", .name = "max_slot_wal_keep_size"};
        size_t i;
        json_t *slot;

        json_array_foreach((json_t *)slots, i, slot) slot_judge(judge, slot, i);
        if (keep == -2)
                return;
        if (keep >= 0)
                findings_pass(judge->out, "DSK-7", &setting, findings_size(judge->out, (double)keep * 1048576),
                              "a bound", "A forgotten slot can retain no more WAL than this.");
        else if (json_array_size(slots) == 0)
                findings_pass(judge->out, "DSK-7", &setting, "-1 (no bound), no slot", "a bound where there are slots",
                              "There is no bound, and no replication slot that would need one.");
        else
                findings_add(
                        judge->out,
                        &(struct finding){
                                .control = "DSK-7",
                                .resource = setting,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(judge->policy, "DSK-7", false),
                                .observed = findings_text(judge->out, "-1 (no bound), %zu slot%s",
                                                          json_array_size(slots),
                                                          json_array_size(slots) == 1 ? "" : "s"),
                                .expected = "a bound that the disk can hold",
                                .message =
                                        "Nothing bounds what a slot may retain: one reader that stops fills the disk "
                                        "of the primary.",
                                .remedy = "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();",
                                .evidence = "/server/slot_keep_mb"});
}

static void
archiver_judge(const struct judge *judge)
{
        const json_t *server = json_map(judge->facts, "server"), *archiver = json_map(judge->facts, "archiver");
        struct resource resource = {.kind = "archiver", .name = "archiver"};
        const char *mode = json_text(server, "archive_mode", NULL);
        struct findings *out = judge->out;

        if (mode == NULL || archiver == NULL)
                return;
        double failed = json_real_or(archiver, "failed_count", NAN);
        int64_t failed_ms = json_whole(archiver, "failed_ms", 0), archived_ms = json_whole(archiver, "archived_ms", 0);
        int64_t ready = json_whole(json_map(judge->facts, "archive_status"), "ready", -1);
        bool standby = json_flag(server, "standby", false);
        struct finding finding = {
                .control = "DSK-7", .resource = resource, .status = STATUS_FAIL, .evidence = "/archiver"};
        findings_sample(out, "wal.archive_failures", "", failed);
        if (strcmp(mode, "off") == 0 || (standby && strcmp(mode, "always") != 0)) {
                findings_pass(out, "DSK-7", &resource,
                              findings_text(out, "archive_mode %s%s", mode, standby ? ", standby" : ""),
                              "no failing archiver", "WAL is not archived here, so no archiver holds it back.");
                return;
        }
        finding.severity = policy_severity(judge->policy, "DSK-7", false);
        finding.expected = "the newest attempt to archive succeeded";
        if (!json_flag(server, "has_command", false) && !json_flag(server, "has_library", false)) {
                finding.observed = "archive_mode is on, archive_command and archive_library are empty";
                finding.message =
                        "WAL is kept for an archive that nothing writes: pg_wal grows until the disk is full.";
                finding.remedy = "Set archive_command (or archive_library), or archive_mode = off and restart.";
        } else if (failed_ms > 0 && failed_ms > archived_ms) {
                double ago = json_real_or(archiver, "now_ms", (double)failed_ms) - (double)failed_ms;
                finding.observed = findings_text(
                        out, "failing, last %s ago on %s, %.0f failures%s", findings_duration(out, fmax(0, ago)),
                        json_text(archiver, "last_failed_wal", "?"), failed,
                        ready >= 0 ? findings_text(out, ", %" PRId64 " segments waiting", ready) : "");
                finding.message =
                        "The archiver fails: WAL piles up in pg_wal, and point-in-time recovery ends where it stopped.";
                finding.remedy = "Read the server's log for \"archive command failed\", run the command by hand as the "
                                 "server's user, "
                                 "and mend its target (space, credentials, network).";
        } else {
                findings_pass(out, "DSK-7", &resource,
                              findings_text(out, "%" PRId64 " archived, %.0f failures in all",
                                            json_whole(archiver, "archived_count", 0), isnan(failed) ? 0 : failed),
                              finding.expected, "The archiver keeps up.");
                return;
        }
        findings_add(out, &finding);
}

static void
size_judge(const struct judge *judge)
{
        double size = json_real_or(json_map(judge->facts, "pg_wal"), "bytes", NAN);
        double bound = policy_number(judge->policy, "DSK-7", "wal_size");
        double most = json_real_or(json_map(judge->facts, "server"), "max_wal_mb", 0) * 1048576;
        struct resource resource = {.kind = "directory", .name = "pg_wal"};
        struct findings *out = judge->out;

        if (isnan(size)) {
                if (!facts_lacks(judge->facts, "pg_wal"))
                        findings_error(out, "DSK-7", &resource, REASON_TOO_LITTLE_DATA,
                                       "The size of pg_wal is not in the facts.",
                                       "GRANT pg_monitor TO the role of rounds");
                return;
        }
        findings_sample(out, "wal.directory_bytes", "", size);
        const char *observed = findings_text(out, "%s (max_wal_size %s)", findings_size(out, size),
                                             findings_size(out, most));
        /* A server that may use more by its own settings is not at fault for doing so. */
        double limit = most * 1.5 > bound ? most * 1.5 : bound;
        const char *expected = findings_text(out, "at most %s", findings_size(out, limit));
        if (size <= limit) {
                findings_pass(out, "DSK-7", &resource, observed, expected, "pg_wal has its usual size.");
                return;
        }
        findings_add(
                out,
                &(struct finding){
                        .control = "DSK-7",
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(judge->policy, "DSK-7", false),
                        .observed = observed,
                        .expected = expected,
                        .message = "pg_wal is larger than it should be: something keeps WAL from being recycled.",
                        .remedy = "Look for inactive slots, a failing archiver, a large wal_keep_size, or a replica "
                                  "that is behind.",
                        .evidence = "/pg_wal"});
}

static void
replicas_judge(const struct judge *judge)
{
        double bound = policy_number(judge->policy, "DSK-7", "replica_lag");
        struct findings *out = judge->out;
        size_t i;
        json_t *replica;

        json_array_foreach((json_t *)json_list(judge->facts, "replicas"), i, replica)
        {
                double behind = json_real_or(replica, "behind", NAN);
                struct resource resource = {.kind = "replica", .name = json_text(replica, "name", "unnamed")};
                if (isnan(behind))
                        continue; /* a base backup, or rights that show no position: see the gap */
                findings_sample(out, "wal.replica_behind_bytes", resource.name, behind);
                const char *observed = findings_text(out, "%s behind, %s, %s", findings_size(out, behind),
                                                     json_text(replica, "state", "?"),
                                                     json_text(replica, "sync_state", "?"));
                const char *expected = findings_text(out, "at most %s behind", findings_size(out, bound));
                if (behind <= bound) {
                        findings_pass(out, "DSK-7", &resource, observed, expected, "The replica keeps up.");
                        continue;
                }
                findings_add(
                        out,
                        &(struct finding){
                                .control = "DSK-7",
                                .resource = resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(judge->policy, "DSK-7", false),
                                .observed = observed,
                                .expected = expected,
                                .message = "A replica is far behind: the WAL that it still needs is kept, and reads "
                                           "from it are old.",
                                .remedy = "Look at the replica: long queries (hot_standby_feedback), disk, network.",
                                .evidence = findings_text(out, "/replicas/%zu", i)});
        }
}

static void
wal_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge judge = {facts, policy, history, out};

        if (json_map(facts, "server") == NULL && !facts_lacks(facts, "server"))
                findings_error(out, "DSK-7", NULL, REASON_TOO_LITTLE_DATA, "The facts say nothing about the server.",
                               NULL);
        slots_judge(&judge);
        archiver_judge(&judge);
        size_judge(&judge);
        replicas_judge(&judge);
}

const struct audit audit_wal = {
        .name = "wal",
        .summary = "replication slots, archiver, replicas and pg_wal",
        .looks_at = {"postgres"},
        .controls = {"DSK-7"},
        .needs = "GRANT pg_monitor TO rounds;",
        .samples = {"wal.*"},
        .collect = wal_collect,
        .judge = wal_judge,
        .check = postgres_monitor_check,
};

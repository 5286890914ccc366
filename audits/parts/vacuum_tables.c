/* Large tables: dead rows, and when they were last vacuumed and analysed against what changed since. */

#include "vacuum_judge.h"

#include <math.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "postgres_facts.h"
#include "scope.h"
#include "trend.h"

enum upkeep { UPKEEP_FINE, UPKEEP_LATE, UPKEEP_NEVER, UPKEEP_UNKNOWN };

/* A table's row with what follows from it. */
struct table {
        const json_t *row;
        const char *database, *name, *id; /* id: of its samples */
        double bytes, live, dead, dead_percent, toast_percent;
        double to_vacuum, to_analyze; /* percent of rows that died or came, that changed, since */
        enum upkeep vacuum, analyze;
        bool off; /* autovacuum, by its own option */
};

static double
number(const json_t *row, const char *key)
{
        return fmax(json_real_or(row, key, 0), 0);
}

/* Counters that began after the rows came say nothing of a vacuum before: pg_class knows more rows than were counted
 * in, and nobody has been seen to count them. */
static bool
counters_began_later(const json_t *row)
{
        return json_real_or(row, "rows", -1) > 0 && number(row, "written") < json_real_or(row, "rows", 0) / 2;
}

static enum upkeep
upkeep_of(const struct vacuum_judge *j, const struct table *table, const char *key, double percent)
{
        double bound = policy_number(j->policy, "DSK-3", "age"), last = json_real_or(table->row, key, NAN);
        double reset = json_real_or(vacuum_database(j, table->database), "reset_ms", NAN);

        if (percent < policy_number(j->policy, "DSK-3", "changed"))
                return UPKEEP_FINE;
        if (isfinite(last))
                return j->now_ms - last > bound ? UPKEEP_LATE : UPKEEP_FINE;
        if (isfinite(reset))
                return j->now_ms - reset > bound ? UPKEEP_NEVER : UPKEEP_UNKNOWN;
        return counters_began_later(table->row) ? UPKEEP_UNKNOWN : UPKEEP_NEVER;
}

static struct table
table_read(const struct vacuum_judge *j, const json_t *row)
{
        struct table table = {.row = row, .database = json_text(row, "database", "?")};
        double toast_dead = number(row, "toast_dead"), toast_live = number(row, "toast_live");

        table.name = postgres_relation_name(j->out, row);
        table.id = findings_text(j->out, "%s.%s", table.database, table.name);
        table.bytes = number(row, "bytes") + number(row, "toast_bytes");
        /* After a reset the counter starts from nothing; the catalogue's estimate stays. */
        table.live = fmax(number(row, "live"), number(row, "rows"));
        table.dead = number(row, "dead");
        table.dead_percent = table.live + table.dead > 0 ? 100 * table.dead / (table.live + table.dead) : 0;
        /* TOAST has no such estimate that is worth trusting when small. */
        table.toast_percent = toast_live + toast_dead >= 1000 ? 100 * toast_dead / (toast_live + toast_dead) : 0;
        table.to_vacuum = 100 * (table.dead + number(row, "inserted")) / fmax(table.live, 1);
        table.to_analyze = 100 * number(row, "changed") / fmax(table.live, 1);
        table.off = !json_flag(row, "autovacuum", true);
        table.vacuum = upkeep_of(j, &table, "vacuum_ms", table.to_vacuum);
        table.analyze = upkeep_of(j, &table, "analyze_ms", table.to_analyze);
        return table;
}

static bool
done_lately(const struct vacuum_judge *j, const json_t *row)
{
        double bound = policy_number(j->policy, "DSK-3", "age");

        return j->now_ms - json_real_or(row, "vacuum_ms", -INFINITY) <= bound &&
               j->now_ms - json_real_or(row, "analyze_ms", -INFINITY) <= bound;
}

static void
say(struct findings *out, const char **text, const char *clause)
{
        *text = **text == '\0' ? clause : findings_text(out, "%s; %s", *text, clause);
}

static const char *
upkeep_words(const struct vacuum_judge *j, const struct table *table, const char *verb, const char *key, double percent,
             const char *what)
{
        double last = json_real_or(table->row, key, NAN);

        return findings_text(j->out, "%s %s, %.1f %% of its rows %s%s", isfinite(last) ? "last" : "never",
                             isfinite(last) ? findings_text(j->out, "%s %s ago", verb,
                                                            findings_duration(j->out, fmax(j->now_ms - last, 0)))
                                            : verb,
                             percent, what, isfinite(last) ? " since" : "");
}

/* How the dead share developed, where it did. */
static const char *
trend_clause(const struct vacuum_judge *j, const struct table *table)
{
        struct trend_question question = {.now_ms = history_now(j->history), .limit = 100};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);

        if (trend == NULL ||
            trend_judge(j->history, "vacuum.dead_percent", table->id, table->dead_percent, &question,
                        findings_text(j->out, "dead rows of %s", table->id), "%", j->out, trend) != 0) {
                j->out->failed = true;
                return "";
        }
        return trend->verdict == TREND_RISING ? ", rising" : trend->verdict == TREND_FALLING ? ", falling" : "";
}

/* Dead rows from which autovacuum starts (manual, "The Autovacuum Daemon"). */
static double
threshold_of(const struct vacuum_judge *j, const json_t *row)
{
        double base = json_real_or(row, "threshold", json_real_or(j->server, "vacuum_threshold", 50));
        double scale = json_real_or(row, "scale", json_real_or(j->server, "vacuum_scale", 0.2));

        return base + scale * number(row, "rows");
}

static const char *
mend_words(const struct vacuum_judge *j, const struct table *table, bool vacuum)
{
        const char *name = postgres_identifier(j->out, json_text(table->row, "schema", "?"),
                                               json_text(table->row, "name", "?"));
        const char *text = findings_text(j->out, "In %s: ", table->database), *statement = "ANALYZE";
        double threshold = threshold_of(j, table->row);

        if (vacuum)
                statement = table->analyze == UPKEEP_FINE ? "VACUUM (VERBOSE)" : "VACUUM (VERBOSE, ANALYZE)";
        bool held = j->holder.too_long && (table->dead > 0 || number(table->row, "toast_dead") > 0);
        if (vacuum && held)
                text = findings_text(j->out, "First end what holds vacuum back (%s): %s  %s", j->holder.who,
                                     j->holder.remedy, text);
        text = findings_text(j->out, "%s%s %s;", text, statement, name);
        if (table->off)
                return findings_text(j->out, "%s ALTER TABLE %s RESET (autovacuum_enabled);", text, name);
        if (vacuum && held)
                return text;
        if (!vacuum)
                return findings_text(j->out,
                                     "%s  So that it stays so: ALTER TABLE %s SET (autovacuum_analyze_scale_factor = "
                                     "0.005);",
                                     text, name);
        if (table->dead >= threshold)
                return findings_text(j->out,
                                     "%s  Autovacuum is due from %s dead rows on and does not keep up: look at its "
                                     "workers, autovacuum_vacuum_cost_limit, and locks that cancel it.",
                                     text, vacuum_count(j->out, threshold));
        return findings_text(j->out,
                             "%s  Autovacuum waits for %s dead rows; earlier: ALTER TABLE %s SET "
                             "(autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_insert_scale_factor = 0.01);",
                             text, vacuum_count(j->out, threshold), name);
}

static void
put_moment(json_t *row, const char *key, double at_ms)
{
        char text[MOMENT_TEXT] = "";

        if (isfinite(at_ms) && fabs(at_ms) < 1e15)
                moment_format((int64_t)at_ms, text);
        json_put_text(row, key, *text != '\0' ? text : "never");
}

static void
add_row(const struct vacuum_judge *j, const struct table *table)
{
        json_t *row = json_object();

        json_put_text(row, "id", table->id);
        json_put_text(row, "database", table->database);
        json_put_text(row, "table", table->name);
        json_put_real(row, "size_bytes", table->bytes);
        json_put_real(row, "rows", table->live);
        json_put_real(row, "dead_percent", round(10 * table->dead_percent) / 10);
        json_put_real(row, "changed_percent", round(10 * table->to_analyze) / 10);
        put_moment(row, "last_vacuum", json_real_or(table->row, "vacuum_ms", NAN));
        put_moment(row, "last_analyze", json_real_or(table->row, "analyze_ms", NAN));
        json_put_text(row, "autovacuum", table->off ? "off" : "on");
        findings_inventory(j->out, "vacuum", row);
}

static const char *
message_of(bool vacuum, bool analyze)
{
        return vacuum ? "Vacuum does not keep up with this table: dead rows pile up, index-only scans read the heap, "
                        "and freezing comes all at once."
               : analyze ? "The planner works with old figures of this table and may choose bad plans."
                         : "Nothing vacuums or analyses this table by itself; the next change of its rows goes unseen.";
}

/* True when it is at fault. */
static bool
table_judge(const struct vacuum_judge *j, const struct table *table, size_t index)
{
        double bound = policy_number(j->policy, "DSK-3", "dead"), age = policy_number(j->policy, "DSK-3", "age");
        bool dead = table->dead_percent > bound, toast = table->toast_percent > bound;
        bool off = table->off && !done_lately(j, table->row);
        bool vacuum = table->vacuum == UPKEEP_LATE || table->vacuum == UPKEEP_NEVER;
        bool analyze = table->analyze == UPKEEP_LATE || table->analyze == UPKEEP_NEVER;
        const char *observed = "";

        if (!dead && !toast && !off && !vacuum && !analyze) {
                findings_sample(j->out, "vacuum.dead_percent", table->id, table->dead_percent);
                return false;
        }
        if (dead)
                say(j->out, &observed,
                    findings_text(j->out, "%.0f %% of its rows are dead (%s)%s", table->dead_percent,
                                  vacuum_count(j->out, table->dead), trend_clause(j, table)));
        else
                findings_sample(j->out, "vacuum.dead_percent", table->id, table->dead_percent);
        if (toast)
                say(j->out, &observed, findings_text(j->out, "%.0f %% of its TOAST is dead", table->toast_percent));
        if (vacuum)
                say(j->out, &observed,
                    upkeep_words(j, table, "vacuumed", "vacuum_ms", table->to_vacuum, "died or were added"));
        if (analyze)
                say(j->out, &observed, upkeep_words(j, table, "analysed", "analyze_ms", table->to_analyze, "changed"));
        if (off)
                say(j->out, &observed, "autovacuum is switched off for it");
        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-3",
                        .resource = {.kind = "table", .namespace_ = table->database, .name = table->name},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-3", false),
                        .observed = findings_text(j->out, "%s, %s", findings_size(j->out, table->bytes), observed),
                        .expected = findings_text(j->out,
                                                  "at most %g %% dead; vacuumed and analysed within %s of a change of "
                                                  "%g %%; autovacuum on",
                                                  bound, findings_duration(j->out, age),
                                                  policy_number(j->policy, "DSK-3", "changed")),
                        .message = message_of(dead || toast || vacuum, analyze),
                        .remedy = mend_words(j, table, dead || toast || vacuum || (off && !analyze)),
                        .evidence = findings_text(j->out, "/tables/%zu", index)});
        return true;
}

/* Partitioned tables as a whole: what a query over several partitions is planned with. */
static bool
parent_judge(const struct vacuum_judge *j, const json_t *row, size_t index)
{
        double bound = policy_number(j->policy, "DSK-3", "parent_age"), last = json_real_or(row, "analyze_ms", NAN);
        const char *database = json_text(row, "database", "?"), *name = postgres_relation_name(j->out, row);
        double reset = json_real_or(vacuum_database(j, database), "reset_ms", -INFINITY);

        if (j->now_ms - last <= bound || (!isfinite(last) && j->now_ms - reset <= bound))
                return false;
        findings_add(j->out,
                     &(struct finding){
                             .control = "DSK-3",
                             .resource = {.kind = "partitioned table", .namespace_ = database, .name = name},
                             .status = STATUS_FAIL,
                             .severity = policy_severity(j->policy, "DSK-3", false),
                             .observed = isfinite(last) ? findings_text(j->out, "last analysed as a whole %s ago",
                                                                        findings_duration(j->out, j->now_ms - last))
                                                        : "never analysed as a whole",
                             .expected = findings_text(j->out, "within %s", findings_duration(j->out, bound)),
                             .message = "Autovacuum analyses partitions but never the partitioned table: joins and "
                                        "groups over several partitions are planned without its statistics.",
                             .remedy = findings_text(j->out, "In %s, weekly: ANALYZE %s;", database,
                                                     postgres_identifier(j->out, json_text(row, "schema", "?"),
                                                                         json_text(row, "name", "?"))),
                             .evidence = findings_text(j->out, "/parents/%zu", index)});
        return true;
}

/* Smaller tables without autovacuum are told, not failed: the duty is about large ones. */
static const char *
switched_off_words(const struct vacuum_judge *j)
{
        const json_t *rows = json_list(j->facts, "switched_off");
        const char *names = "";
        size_t i;
        json_t *row;

        if (json_array_size(rows) == 0)
                return "";
        json_array_foreach((json_t *)rows, i, row)
        {
                if (i < 5)
                        names = findings_text(j->out, "%s%s%s.%s", names, i > 0 ? ", " : "",
                                              json_text(row, "database", "?"), postgres_relation_name(j->out, row));
        }
        return findings_text(j->out, "; autovacuum is switched off for %zu table(s): %s%s", json_array_size(rows),
                             names, json_array_size(rows) > 5 ? " and more" : "");
}

struct sum {
        size_t large, failing, unknown;
        const char *unknown_names;
};

static void
add_unknown(const struct vacuum_judge *j, struct sum *sum, const struct table *table)
{
        if (sum->unknown++ < 5)
                sum->unknown_names = findings_text(j->out, "%s%s%s", sum->unknown_names, sum->unknown > 1 ? ", " : "",
                                                   table->id);
}

static void
sum_judge(const struct vacuum_judge *j, const struct sum *sum)
{
        struct resource all = {.kind = "tables", .name = "large tables"};
        const char *size = findings_size(j->out, policy_number(j->policy, "DSK-3", "size"));

        if (sum->unknown > 0)
                findings_error(j->out, "DSK-3", &(struct resource){.kind = "tables", .name = "counters"},
                               REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "The counters of %zu large table(s) were lost or reset lately, and since "
                                             "then nothing vacuumed or analysed them: %s%s",
                                             sum->unknown, sum->unknown_names, sum->unknown > 5 ? " and more" : ""),
                               "ANALYZE them now (autovacuum, too, decides by these counters); the next rounds can "
                               "tell");
        if (sum->large > 0 && sum->failing == 0 && sum->unknown == 0)
                findings_pass(j->out, "DSK-3", &all,
                              findings_text(j->out, "%zu tables from %s on%s", sum->large, size, switched_off_words(j)),
                              "vacuumed and analysed as they change",
                              "Vacuum and analyze keep up with every large table.");
        else if (sum->large == 0 && json_array_size(json_list(j->facts, "databases_seen")) == 0)
                findings_error(j->out, "DSK-3", &all, REASON_TOO_LITTLE_DATA, "No database was entered.",
                               "Check include and exclude of the target, and CONNECT on its databases.");
        else if (sum->large == 0 && json_array_size(json_list(j->facts, "gaps")) == 0)
                findings_pass(j->out, "DSK-3", &all,
                              findings_text(j->out, "no table of %zu database(s) has %s%s",
                                            json_array_size(json_list(j->facts, "databases_seen")), size,
                                            switched_off_words(j)),
                              "vacuumed and analysed as they change", "There is no large table to keep up with.");
}

void
vacuum_judge_tables(const struct vacuum_judge *j)
{
        double size = policy_number(j->policy, "DSK-3", "size");
        struct sum sum = {.unknown_names = ""};
        size_t i;
        json_t *row;

        if (j->standby) {
                findings_error(j->out, "DSK-3", &(struct resource){.kind = "tables", .name = "counters"},
                               REASON_UNSUPPORTED,
                               "This server is a standby: dead rows, changes since analyze, the last vacuum and "
                               "autovacuum's workers are known to the primary alone.",
                               "Add the primary as a target of its own; ages, sequences and invalid indexes are told "
                               "here too");
                return;
        }
        if (j->server != NULL && !json_flag(j->server, "track_counts", true))
                return; /* nothing is counted, which is a finding of its own */
        json_array_foreach((json_t *)json_list(j->facts, "tables"), i, row)
        {
                struct table table = table_read(j, row);
                if (table.bytes < size || !json_flag(vacuum_database(j, table.database), "track_counts", true))
                        continue;
                sum.large++;
                add_row(j, &table);
                bool failing = table_judge(j, &table, i);
                sum.failing += failing;
                if (!failing && (table.vacuum == UPKEEP_UNKNOWN || table.analyze == UPKEEP_UNKNOWN))
                        add_unknown(j, &sum, &table);
        }
        json_array_foreach((json_t *)json_list(j->facts, "parents"), i, row)
        {
                if (number(row, "bytes") < size)
                        continue;
                sum.large++;
                sum.failing += parent_judge(j, row, i);
        }
        if (json_list(j->facts, "tables") != NULL || json_array_size(json_list(j->facts, "databases_seen")) == 0)
                sum_judge(j, &sum);
}

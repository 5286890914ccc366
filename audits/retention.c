/* Retention: is what is older than its time gone, and does the purge still run?  Controls: DSK-2. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "moment.h"
#include "postgres_facts.h"
#include "retention_facts.h"

struct judging {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        int64_t now_ms;
};

/* A table under its rule. */
struct kept {
        const json_t *row;
        const char *database, *name, *quoted, *column, *evidence;
        double keep_ms, grace_ms;
        bool hold;
};

static const char *
day(struct findings *out, double at_ms)
{
        char text[MOMENT_TEXT];

        if (!(fabs(at_ms) < 2e14))
                return "?";
        moment_format((int64_t)at_ms, text);
        return findings_text(out, "%.10s", text);
}

static void
kept_fail(const struct judging *j, const struct kept *kept, const char *observed, const char *message,
          const char *remedy)
{
        findings_add(j->out,
                     &(struct finding){.control = "DSK-2",
                                       .resource = {.kind = "table", .namespace_ = kept->database, .name = kept->name},
                                       .status = STATUS_FAIL,
                                       .severity = policy_severity(j->policy, "DSK-2", false),
                                       .observed = observed,
                                       .expected = findings_text(j->out, "nothing older than %s (and %s of grace)",
                                                                 findings_duration(j->out, kept->keep_ms),
                                                                 findings_duration(j->out, kept->grace_ms)),
                                       .message = message,
                                       .remedy = remedy,
                                       .evidence = kept->evidence});
}

static void
kept_pass(const struct judging *j, const struct kept *kept, const char *observed, const char *message)
{
        findings_pass(
                j->out, "DSK-2", &(struct resource){.kind = "table", .namespace_ = kept->database, .name = kept->name},
                observed,
                kept->hold ? findings_text(j->out, "kept for at least %s; older rows are allowed",
                                           findings_duration(j->out, kept->keep_ms))
                           : findings_text(j->out, "nothing older than %s", findings_duration(j->out, kept->keep_ms)),
                message);
}

static void
kept_error(const struct judging *j, const struct kept *kept, enum reason reason, const char *message,
           const char *remedy)
{
        findings_error(j->out, "DSK-2",
                       &(struct resource){.kind = "table", .namespace_ = kept->database, .name = kept->name}, reason,
                       message, remedy);
}

static void
add_row(const struct judging *j, const struct kept *kept, double oldest_ms)
{
        json_t *row = json_object();
        double age = (double)j->now_ms - oldest_ms;

        json_put_text(row, "id", findings_text(j->out, "%s.%s", kept->database, kept->name));
        json_put_text(row, "database", kept->database);
        json_put_text(row, "table", kept->name);
        json_put_text(row, "column", kept->column);
        json_put_text(row, "keep", findings_duration(j->out, kept->keep_ms));
        json_put_text(row, "oldest", isfinite(oldest_ms) ? day(j->out, oldest_ms) : "");
        json_put_text(row, "known_by", json_text(kept->row, "source", ""));
        json_put_text(row, "hold", kept->hold ? "yes" : "no");
        findings_inventory(j->out, "retention", row);
        if (isfinite(age))
                findings_sample(j->out, "retention.oldest_days",
                                findings_text(j->out, "%s.%s", kept->database, kept->name), age / (double)DAY_MS);
}

static const char *
interval(struct findings *out, double keep_ms)
{
        return fmod(keep_ms, (double)DAY_MS) == 0 ? findings_text(out, "%.0f days", keep_ms / (double)DAY_MS)
                                                  : findings_text(out, "%.0f seconds", keep_ms / 1000);
}

/* In pieces, so that neither locks nor WAL pile up.  A column that is no time is left to who knows what it counts. */
static const char *
purge_words(const struct judging *j, const struct kept *kept)
{
        const char *type = json_text(kept->row, "type", ""), *column = postgres_identifier(j->out, NULL, kept->column);

        if (strcmp(type, "date") != 0 && strncmp(type, "timestamp", 9) != 0)
                return findings_text(j->out, "In %s: delete from %s in pieces of some thousand rows, nightly.",
                                     kept->database, kept->quoted);
        return findings_text(
                j->out,
                "In %s, nightly and until it deletes nothing: DELETE FROM %s WHERE ctid = ANY (ARRAY(SELECT "
                "ctid FROM %s WHERE %s < now() - interval '%s' LIMIT 10000));  Partitioned by month (DSK-4) "
                "a DROP does the same in an instant.",
                kept->database, kept->quoted, kept->quoted, column, interval(j->out, kept->keep_ms));
}

static void
judge_row(const struct judging *j, const struct kept *kept)
{
        double oldest = json_real_or(kept->row, "oldest_ms", NAN), age = (double)j->now_ms - oldest;
        bool estimated = strcmp(json_text(kept->row, "source", ""), "statistics") == 0;

        add_row(j, kept, oldest);
        if (!isfinite(oldest)) {
                kept_error(j, kept, REASON_PROTOCOL, "The oldest row is not in the facts.", NULL);
                return;
        }
        const char *observed = findings_text(j->out, "%s %s of %s: %s old%s", estimated ? "rows as old as" : "oldest",
                                             kept->column, day(j->out, oldest), findings_duration(j->out, fmax(age, 0)),
                                             estimated ? " (from statistics; the oldest may be older)" : "");
        if (age > kept->keep_ms + kept->grace_ms && !kept->hold)
                kept_fail(j, kept, observed,
                          "Rows are there that should have been purged: they cost room, and keeping them longer than "
                          "promised may break the law.",
                          purge_words(j, kept));
        else
                kept_pass(j, kept, observed,
                          kept->hold && age > kept->keep_ms + kept->grace_ms
                                  ? "Rows are older than their time, which a hold allows."
                                  : "Nothing is kept longer than it should be.");
}

/* A partition is due when its last row may be: dropping it earlier would take rows that are still to be kept. */
static void
judge_partitions(const struct judging *j, const struct kept *kept)
{
        const json_t *parts = json_list(kept->row, "partitions"), *first = json_array_get(parts, 0);
        double from = json_real_or(first, "from_ms", NAN), until = json_real_or(first, "until_ms", NAN);
        const char *drops = "";
        size_t due = 0, i;
        json_t *part;

        json_array_foreach((json_t *)parts, i, part)
        {
                double end = json_real_or(part, "until_ms", INFINITY);
                if (!((double)j->now_ms - end > kept->keep_ms + kept->grace_ms))
                        continue;
                if (due++ < 3)
                        drops = findings_text(j->out, "%s DROP TABLE %s;", drops,
                                              postgres_identifier(j->out, json_text(part, "schema", "?"),
                                                                  json_text(part, "name", "?")));
        }
        add_row(j, kept, isfinite(from) ? from : until);
        if (parts == NULL) {
                kept_error(j, kept, REASON_PROTOCOL, "Its partitions are not in the facts.", NULL);
                return;
        }
        const char *observed = first == NULL ? "no partition holds rows"
                                             : findings_text(j->out, "oldest partition %s ends on %s",
                                                             postgres_relation_name(j->out, first), day(j->out, until));
        if (due > 0 && !kept->hold)
                kept_fail(j, kept,
                          findings_text(j->out, "%s, %s past its time%s", observed,
                                        findings_duration(j->out, (double)j->now_ms - until - kept->keep_ms),
                                        due > 1 ? findings_text(j->out, "; %zu partitions are", due) : ""),
                          "Whole partitions are past their time and still there.",
                          findings_text(j->out, "In %s, after a last dump if one is wanted:%s%s", kept->database, drops,
                                        due > 3 ? " and so on." : ""));
        else
                kept_pass(j, kept, observed,
                          due > 0 ? "Partitions are older than their time, which a hold allows."
                                  : "No partition is kept longer than it should be.");
}

static void
judge_unknown(const struct judging *j, const struct kept *kept)
{
        const char *why = json_text(kept->row, "why", NULL), *source = json_text(kept->row, "source", "");

        add_row(j, kept, NAN);
        if (why != NULL)
                kept_error(j, kept, reason_from_name(json_text(kept->row, "reason", "internal")), why, NULL);
        else if (strcmp(source, "denied") == 0)
                kept_error(j, kept, REASON_DENIED,
                           findings_text(j->out, "The role may not read %s, nor its statistics.", kept->column),
                           json_text(kept->row, "remedy", "GRANT pg_read_all_data TO the role"));
        else if (*kept->column == '\0')
                kept_error(j, kept, REASON_CONFIGURATION,
                           "It has no such column, or none of a date or time: nobody can tell how old its rows are.",
                           "Name the column in the rule (retention: column)");
        else
                kept_error(j, kept, REASON_TOO_LITTLE_DATA,
                           findings_text(j->out,
                                         "How old its rows are is not known: %s has no index that begins with it, no "
                                         "statistics, or values that are no times, and the table is not read for it.",
                                         kept->column),
                           findings_text(j->out, "In %s: ANALYZE %s;  or, exact: CREATE INDEX CONCURRENTLY ON %s (%s);",
                                         kept->database, kept->quoted, kept->quoted,
                                         postgres_identifier(j->out, NULL, kept->column)));
}

static void
judge_table(const struct judging *j, const json_t *row, size_t index)
{
        size_t rule_index = (size_t)json_whole(row, "rule", 0);
        const json_t *rule = json_array_get(json_list(j->facts, "rules"), rule_index);
        const char *source = json_text(row, "source", "");
        struct kept kept = {
                .row = row,
                .database = json_text(row, "database", "?"),
                .name = postgres_relation_name(j->out, row),
                .quoted = postgres_identifier(j->out, json_text(row, "schema", "?"), json_text(row, "name", "?")),
                .column = json_text(row, "column", ""),
                .evidence = findings_text(j->out, "/tables/%zu", index),
                .keep_ms = json_real_or(rule, "keep_ms", NAN),
                .grace_ms = policy_number(j->policy, "DSK-2", "grace"),
                .hold = json_flag(rule, "hold", false)};

        if (!isfinite(kept.keep_ms))
                kept_error(j, &kept, REASON_PROTOCOL, "The rule of this table is not in the facts.", NULL);
        else if (strcmp(source, "partitions") == 0)
                judge_partitions(j, &kept);
        else if (strcmp(source, "empty") == 0)
                kept_pass(j, &kept, "empty", "There is nothing to purge.");
        else if (strcmp(source, "index") == 0 || strcmp(source, "scan") == 0 || strcmp(source, "statistics") == 0)
                judge_row(j, &kept);
        else
                judge_unknown(j, &kept);
}

/* A rule that fits no table purges nothing and says so. */
static void
judge_rules(const struct judging *j)
{
        const json_t *rules = json_list(j->facts, "rules");
        size_t i, k;
        json_t *rule, *row;

        json_array_foreach((json_t *)rules, i, rule)
        {
                size_t fits = 0;
                json_array_foreach((json_t *)json_list(j->facts, "tables"), k, row)
                        fits += json_whole(row, "rule", -1) == (int64_t)i;
                if (fits == 0 && !facts_lacks(j->facts, "tables"))
                        findings_error(j->out, "DSK-2",
                                       &(struct resource){.kind = "retention rule",
                                                          .namespace_ = json_text(rule, "database", "*"),
                                                          .name = json_text(rule, "table", "?")},
                                       REASON_CONFIGURATION,
                                       findings_text(j->out, "No table of %zu database(s) fits the rule \"%s\".",
                                                     json_array_size(json_list(j->facts, "databases_seen")),
                                                     json_text(rule, "table", "?")),
                                       "Mend its name (table or schema.table, database), or take it out");
        }
}

static const char *
candidate_names(const struct judging *j)
{
        const char *names = "";
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "candidates"), i, row)
        {
                if (i < 8)
                        names = findings_text(j->out, "%s%s%s.%s (%s, by %s)", names, i > 0 ? ", " : "",
                                              json_text(row, "database", "?"), postgres_relation_name(j->out, row),
                                              findings_size(j->out, json_real_or(row, "bytes", NAN)),
                                              json_text(row, "column", "?"));
        }
        return names;
}

static void
retention_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judging j = {.facts = facts,
                            .policy = policy,
                            .out = out,
                            .now_ms = json_whole(json_map(facts, "server"), "now_ms", history_now(history))};
        size_t i;
        json_t *row;

        if (json_array_size(json_list(facts, "databases_seen")) == 0) {
                findings_error(out, "DSK-2", NULL, REASON_TOO_LITTLE_DATA, "No database was entered.",
                               "Check include and exclude of the target, and CONNECT on its databases.");
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "tables"), i, row) judge_table(&j, row, i);
        judge_rules(&j);
        if (json_array_size(json_list(facts, "rules")) == 0) {
                const char *names = candidate_names(&j);
                findings_add(out,
                             &(struct finding){
                                     .control = "DSK-2",
                                     .resource = {.kind = "retention rules", .name = "none"},
                                     .status = STATUS_SKIP,
                                     .observed = *names != '\0' ? findings_text(out, "largest with a time: %s", names)
                                                                : NULL,
                                     .message = "No rule says how long the rows of this server are kept.",
                                     .remedy = "Add to the target: retention: [{table: interactions, keep: 365d}, "
                                               "...]"});
        }
        retention_judge_jobs(facts, policy, j.now_ms, out);
}

const struct audit audit_retention = {
        .name = "retention",
        .summary = "the oldest rows against how long they are kept, and pg_cron's purges",
        .looks_at = {"postgres"},
        .controls = {"DSK-2"},
        .needs = "SELECT on the time column of the tables with a rule; sight of cron.job where pg_cron purges",
        .samples = {"retention.*"},
        .collect = retention_facts,
        .judge = retention_judge,
};

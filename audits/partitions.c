/* Partitions: are large tables split by ranges of time, and does the next range exist?  Controls: DSK-4. */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "partition_facts.h"
#include "partition_judge.h"
#include "postgres_facts.h"
#include "scope.h"

static bool
is_named(const struct partition_judge *j, const json_t *row)
{
        const json_t *globs = policy_value(j->policy, "DSK-4", "tables");
        const char *name = json_text(row, "name", "");

        return json_globs_match(globs, name) || json_globs_match(globs, postgres_relation_name(j->out, row));
}

static bool
is_important(const struct partition_judge *j, const json_t *row)
{
        return is_named(j, row) || json_real_or(row, "bytes", 0) >= policy_number(j->policy, "DSK-4", "size");
}

/* --- plain tables ------------------------------------------------------------------------------------------------- */

/* What a month of it would be, where the statistics show how far back it reaches. */
static const char *
gain_words(const struct partition_judge *j, const json_t *table)
{
        double oldest = json_real_or(table, "oldest_ms", NAN), newest = json_real_or(table, "newest_ms", NAN);
        double months = (newest - oldest) / (30.44 * (double)DAY_MS), rows = json_real_or(table, "rows", NAN);
        double bytes = json_real_or(table, "bytes", 0) + json_real_or(table, "index_bytes", 0);
        const char *column = json_text(table, "column", NULL);

        if (column == NULL)
                return "It has no column of a date or time to partition by; add one first.";
        if (!(months >= 1) || !(months < 12000) || !(rows > 0))
                return findings_text(j->out,
                                     "By month of %s an old month could be dropped instead of deleted row by row, and "
                                     "vacuum would leave closed months alone%s.",
                                     column,
                                     json_has(table, "correlation") ? ""
                                                                    : " (the role sees no statistics of it, so nothing "
                                                                      "is said of how much a month is)");
        return findings_text(j->out,
                             "By month of %s it would be about %.0f partitions of %s and %.0f rows: an old month is "
                             "dropped instead of deleted row by row, vacuum leaves closed months alone, and inserts "
                             "touch the indexes of one month only.",
                             column, ceil(months), findings_size(j->out, bytes / months), rows / months);
}

static const char *
plan_words(const struct partition_judge *j, const json_t *table)
{
        const char *schema = json_text(table, "schema", "?"), *name = json_text(table, "name", "?");
        const char *column = json_text(table, "column", NULL), *unique = json_text(table, "unique_without", NULL);
        struct findings *out = j->out;

        if (column == NULL)
                return NULL;
        const char *old = postgres_identifier(out, schema, name);
        const char *fresh = postgres_identifier(out, schema, findings_text(out, "%s_new", name));
        return findings_text(
                out,
                "In %s: CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (%s); "
                "rename the two in one transaction, attach the old one as the partition up to the next first of month "
                "(before, ADD CONSTRAINT ... CHECK (%s < ...) NOT VALID and VALIDATE it, so that attaching does not "
                "scan), and have pg_partman or a job make those to come.%s",
                json_text(table, "database", "?"), fresh, old, postgres_identifier(out, NULL, column),
                postgres_identifier(out, NULL, column),
                unique != NULL ? findings_text(out, "  Its unique index %s has to take in %s.", unique, column) : "");
}

/* A large or named table that is not partitioned: what it would gain. */
static void
judge_plain(struct partition_judge *j, const json_t *table, const char *evidence)
{
        double rows = json_real_or(table, "rows", NAN), indexes = json_real_or(table, "index_bytes", NAN);
        struct findings *out = j->out;

        j->checked++;
        j->failing++;
        partition_fail(
                j, "table", json_text(table, "database", "?"), postgres_relation_name(out, table),
                &(struct finding){
                        .observed = findings_text(out, "not partitioned: %s%s%s",
                                                  findings_size(out, json_real_or(table, "bytes", NAN)),
                                                  isfinite(indexes) ? findings_text(out, " and %s of indexes",
                                                                                    findings_size(out, indexes))
                                                                    : "",
                                                  rows >= 0 ? findings_text(out, ", about %.0f rows", rows) : ""),
                        .expected = is_named(j, table)
                                            ? "partitioned by month, as a table of the policy"
                                            : findings_text(
                                                      out, "partitioned by month, from %s on",
                                                      findings_size(out, policy_number(j->policy, "DSK-4", "size"))),
                        .message = gain_words(j, table),
                        .remedy = plan_words(j, table),
                        .evidence = evidence});
}

/* --- every table -------------------------------------------------------------------------------------------------- */

static bool
is_root(const json_t *row)
{
        return strcmp(json_text(row, "name", ""), json_text(row, "root", "?")) == 0 &&
               strcmp(json_text(row, "schema", ""), json_text(row, "root_schema", "?")) == 0;
}

static bool
is_under(const json_t *row, const json_t *root)
{
        return strcmp(json_text(row, "root", ""), json_text(root, "name", "?")) == 0 &&
               strcmp(json_text(row, "root_schema", ""), json_text(root, "schema", "?")) == 0 &&
               strcmp(json_text(row, "database", ""), json_text(root, "database", "?")) == 0;
}

/* What lies below the partitioned tables of this database could not be read: nothing is said of them. */
static bool
is_unread(const struct partition_judge *j, const char *database)
{
        size_t i;
        json_t *gap;

        json_array_foreach((json_t *)json_list(j->facts, "gaps"), i, gap)
        {
                if (strcmp(json_text(gap, "part", ""), "partitions") == 0 &&
                    strcmp(json_text(json_map(gap, "resource"), "name", database), database) == 0)
                        return true;
        }
        return false;
}

/* By time at its root, or (list of tenants, say) one level down. */
static void
judge_partitioned(struct partition_judge *j, const json_t *root, size_t index)
{
        const json_t *all = json_list(j->facts, "partitioned");
        bool important = is_important(j, root), by_time = false;
        struct findings *out = j->out;
        size_t i;
        json_t *row;

        if (strcmp(json_text(root, "strategy", ""), "range") == 0 && partition_judge_ranges(j, root, index, important))
                return;
        json_array_foreach((json_t *)all, i, row)
        {
                if (row != root && is_under(row, root) && strcmp(json_text(row, "strategy", ""), "range") == 0)
                        by_time = partition_judge_ranges(j, row, i, important) || by_time;
        }
        if (by_time || !important)
                return;
        j->checked++;
        j->failing++;
        partition_fail(
                j, "table", json_text(root, "database", "?"), postgres_relation_name(out, root),
                &(struct finding){.observed = findings_text(out, "partitioned by %s, %s in %.0f partitions",
                                                            json_text(root, "key", "?"),
                                                            findings_size(out, json_real_or(root, "bytes", NAN)),
                                                            json_real_or(root, "parts", 0)),
                                  .expected = "partitioned by ranges of time",
                                  .message = "Old rows lie in every partition: none can be dropped when its time "
                                             "is over, they have to be deleted row by row.",
                                  .remedy = "Partition by RANGE of the time column, at the top or below the "
                                            "present partitions.",
                                  .evidence = findings_text(out, "/partitioned/%zu", index)});
}

static void
judge_inherited(struct partition_judge *j)
{
        const json_t *rows = json_list(j->facts, "inherited");
        size_t count = json_array_size(rows), until;

        for (size_t first = 0; first < count; first = until) {
                const json_t *row = json_array_get(rows, first);
                double bytes = 0;
                for (until = first; until < count; until++) {
                        const json_t *next = json_array_get(rows, until);
                        if (strcmp(json_text(next, "parent", ""), json_text(row, "parent", "")) != 0 ||
                            strcmp(json_text(next, "parent_schema", ""), json_text(row, "parent_schema", "")) != 0 ||
                            strcmp(json_text(next, "database", ""), json_text(row, "database", "")) != 0)
                                break;
                        bytes += json_real_or(next, "bytes", 0);
                }
                scoped_json parent = json_object();
                json_put_text(parent, "schema", json_text(row, "parent_schema", "?"));
                json_put_text(parent, "name", json_text(row, "parent", "?"));
                json_put_real(parent, "bytes", bytes);
                partition_judge_inherited(j, first, until, is_important(j, parent));
        }
}

static void
judge_tables(struct partition_judge *j)
{
        static const char *const lists[] = {"plain", "names"};
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "partitioned"), i, row)
        {
                if (is_root(row) && !is_unread(j, json_text(row, "database", "")))
                        judge_partitioned(j, row, i);
        }
        judge_inherited(j);
        for (size_t k = 0; k < 2; k++) {
                json_array_foreach((json_t *)json_list(j->facts, lists[k]), i, row)
                {
                        if (is_important(j, row))
                                judge_plain(j, row, findings_text(j->out, "/%s/%zu", lists[k], i));
                }
        }
}

/* --- names that are not there ------------------------------------------------------------------------------------- */

static const struct {
        const char *list, *schema, *name;
} places[] = {{"partitioned", "schema", "name"},
              {"inherited", "parent_schema", "parent"},
              {"plain", "schema", "name"},
              {"names", "schema", "name"}};

/* True when a table fits the glob; else up to three names that begin like it are gathered. */
static bool
glob_found(const struct partition_judge *j, const char *glob, const char **alike)
{
        scoped_json globs = json_array();
        const char *dot = strrchr(glob, '.'), *stem = dot != NULL ? dot + 1 : glob;
        size_t length = strcspn(stem, "_*?["), found = 0, i;
        json_t *row;

        json_push(globs, json_string(glob));
        for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
                json_array_foreach((json_t *)json_list(j->facts, places[k].list), i, row)
                {
                        const char *name = json_text(row, places[k].name, "");
                        const char *full = findings_text(j->out, "%s.%s", json_text(row, places[k].schema, "?"), name);
                        if (json_globs_match(globs, name) || json_globs_match(globs, full))
                                return true;
                        if (length < 4 || strncasecmp(name, stem, length) != 0 || found == 3 ||
                            strstr(*alike, full) != NULL)
                                continue;
                        *alike = findings_text(j->out, "%s%s%s.%s", *alike, found++ > 0 ? ", " : "",
                                               json_text(row, "database", "?"), full);
                }
        }
        return false;
}

static size_t
judge_missing(const struct partition_judge *j)
{
        const json_t *globs = policy_value(j->policy, "DSK-4", "tables");
        size_t missing = 0, i;
        json_t *glob;

        json_array_foreach((json_t *)globs, i, glob)
        {
                const char *text = json_string_value(glob), *alike = "";
                if (text == NULL || glob_found(j, text, &alike))
                        continue;
                missing++;
                findings_add(
                        j->out,
                        &(struct finding){
                                .control = "DSK-4",
                                .resource = {.kind = "table", .name = text},
                                .status = STATUS_SKIP,
                                .observed = *alike != '\0' ? findings_text(j->out, "alike: %s", alike) : NULL,
                                .message = findings_text(j->out,
                                                         "No table of %zu database(s) fits \"%s\", which the "
                                                         "policy wants partitioned.",
                                                         json_array_size(json_list(j->facts, "databases_seen")), text),
                                .remedy = "Name it as it is called here, under policy: DSK-4: tables, or take it "
                                          "out of the list"});
        }
        return missing;
}

/* The end of the year 9999: no server's clock is later. */
static const int64_t LATEST_MS = INT64_C(253402300800000);

static void
partitions_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        int64_t told_ms = json_whole(json_map(facts, "server"), "now_ms", -1);
        int64_t now_ms = told_ms > 0 && told_ms < LATEST_MS ? told_ms : history_now(history);
        struct partition_judge j = {.facts = facts, .policy = policy, .out = out, .now_ms = now_ms, .due = ""};
        const char *size = findings_size(out, policy_number(policy, "DSK-4", "size"));

        if (json_array_size(json_list(facts, "databases_seen")) == 0) {
                findings_error(out, "DSK-4", NULL, REASON_TOO_LITTLE_DATA, "No database was entered.",
                               "Check include and exclude of the target, and CONNECT on its databases.");
                return;
        }
        judge_tables(&j);
        bool whole = json_array_size(json_list(facts, "gaps")) == 0;
        if (whole)
                judge_missing(&j);
        if (j.checked > 0 && j.failing == 0 && j.silent == 0)
                findings_pass(out, "DSK-4", NULL,
                              findings_text(out, "%zu table%s partitioned by time%s", j.checked,
                                            j.checked == 1 ? "" : "s", j.due),
                              "by month or less, no gap, the next one there, nothing in the default",
                              "Large tables are partitioned, and their next partitions exist.");
        else if (j.checked == 0 && j.failing == 0 && whole)
                findings_skip(out, "DSK-4",
                              findings_text(out, "no table of %zu database(s) has %s or is one of the policy's",
                                            json_array_size(json_list(facts, "databases_seen")), size),
                              "lower `size` of DSK-4, or name tables");
}

const struct audit audit_partitions = {
        .name = "partitions",
        .summary = "large tables split by time: gaps, the next partition, rows in the default, what a plain one would "
                   "gain",
        .looks_at = {"postgres"},
        .controls = {"DSK-4"},
        .needs = "CONNECT; pg_read_all_data to say how much a month of a plain table is",
        .collect = partition_facts,
        .judge = partitions_judge,
};

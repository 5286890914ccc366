/* Tables partitioned by inheritance, as before PostgreSQL 10: ranges are CHECK constraints, which may overlap. */

#include "partition_judge.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "partition_bounds.h"
#include "postgres_facts.h"
#include "scope.h"

struct child {
        struct partition_range range;
        const char *name;
};

static int
compare_children(const void *a, const void *b)
{
        const struct child *x = a, *y = b;

        if (x->range.from_ms != y->range.from_ms)
                return x->range.from_ms < y->range.from_ms ? -1 : 1;
        return strcmp(x->name, y->name);
}

/* Gaps and overlaps of neighbours, in words; the first three of each. */
static const char *
order_words(const struct partition_judge *j, const struct child *children, size_t count)
{
        const char *gaps = "", *overlaps = "";
        size_t gap_count = 0, overlap_count = 0, longest = 0;

        for (size_t i = 1; i < count; i++) {
                const struct child *before = &children[longest], *after = &children[i];
                if (after->range.from_ms > before->range.until_ms && gap_count++ < 3)
                        gaps = findings_text(j->out, "%s; gap %s to %s", gaps,
                                             partition_day(j->out, before->range.until_ms),
                                             partition_day(j->out, after->range.from_ms));
                else if (after->range.from_ms < before->range.until_ms && overlap_count++ < 3)
                        overlaps = findings_text(j->out, "%s; %s and %s overlap", overlaps, before->name, after->name);
                if (after->range.until_ms > before->range.until_ms)
                        longest = i;
        }
        return findings_text(j->out, "%s%s", overlaps, gaps);
}

void
partition_judge_inherited(struct partition_judge *j, size_t first, size_t until, bool important)
{
        const json_t *rows = json_list(j->facts, "inherited"), *row = json_array_get(rows, first);
        const char *database = json_text(row, "database", "?");
        const char *name = findings_text(j->out, "%s.%s", json_text(row, "parent_schema", "?"),
                                         json_text(row, "parent", "?"));
        scoped(scope_free) struct child *children = calloc(until - first + 1, sizeof *children);
        int64_t last_ms = PARTITION_OPEN_BEGIN;
        size_t count = 0;

        if (!important)
                return;
        if (children == NULL) {
                j->out->failed = true;
                return;
        }
        for (size_t i = first; i < until; i++) {
                const json_t *child = json_array_get(rows, i);
                children[count].name = postgres_relation_name(j->out, child);
                if (!partition_check_parse(json_text(child, "checks", ""), &children[count].range))
                        continue;
                if (children[count].range.until_ms > last_ms)
                        last_ms = children[count].range.until_ms;
                count++;
        }
        qsort(children, count, sizeof *children, compare_children);
        j->checked++;
        j->failing++;
        const char *order = order_words(j, children, count);
        bool due = count > 0 && last_ms - policy_whole(j->policy, "DSK-4", "ahead") <= j->now_ms;
        partition_fail(
                j, "table", database, name,
                &(struct finding){
                        .observed = findings_text(
                                j->out, "%zu children by inheritance, %zu with a range of time%s%s", until - first,
                                count, order,
                                due ? findings_text(j->out, "; the last ends on %s", partition_day(j->out, last_ms))
                                    : ""),
                        .expected = "declarative partitions by month, no gap, no overlap, the next one there",
                        .message = "Partitioning by inheritance leaves everything to triggers and constraints: "
                                   "rows may land in the wrong child, and queries read more of them than they "
                                   "need.",
                        .remedy = findings_text(
                                j->out,
                                "In %s: CREATE TABLE ... (LIKE %s) PARTITION BY RANGE (...), then for each child "
                                "ALTER TABLE child NO INHERIT %s and ATTACH PARTITION child FOR VALUES FROM ... "
                                "TO ...; its CHECK spares the scan.",
                                database,
                                postgres_identifier(j->out, json_text(row, "parent_schema", "?"),
                                                    json_text(row, "parent", "?")),
                                postgres_identifier(j->out, json_text(row, "parent_schema", "?"),
                                                    json_text(row, "parent", "?"))),
                        .evidence = findings_text(j->out, "/inherited/%zu", first)});
}

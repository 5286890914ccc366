/* Ranges of time, one partition each: gaps, what comes next, what fell into the default. */

#include "partition_judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "partition_bounds.h"
#include "postgres_facts.h"
#include "scope.h"

struct part {
        struct partition_range range;
        const json_t *row;
};

/* A partitioned table with its partitions in order. */
struct ranges {
        struct partition_judge *j;
        const json_t *table;
        const char *database, *name, *evidence;
        struct part *parts;
        size_t count;
        const json_t *rest; /* the default partition; NULL: none */
        enum partition_period period;
        enum partition_unit unit;
        int64_t cover_ms; /* up to where rows from now on find a partition; the present when none takes them */
        bool important;
};

static int
compare_parts(const void *a, const void *b)
{
        const struct part *x = a, *y = b;

        if (x->range.from_ms != y->range.from_ms)
                return x->range.from_ms < y->range.from_ms ? -1 : 1;
        return x->range.until_ms < y->range.until_ms ? -1 : x->range.until_ms > y->range.until_ms;
}

/* How long the newest partitions are that have both ends. */
static void
find_period(struct ranges *r)
{
        for (size_t i = r->count; i-- > 0;) {
                if (r->parts[i].range.unit != PARTITION_NO_UNIT)
                        r->unit = r->unit == PARTITION_NO_UNIT ? r->parts[i].range.unit : r->unit;
                if (r->period == PERIOD_OTHER)
                        r->period = partition_period_of(&r->parts[i].range);
        }
        r->cover_ms = r->j->now_ms;
        for (size_t i = 0; i < r->count; i++) {
                const struct partition_range *range = &r->parts[i].range;
                if (range->from_ms <= r->cover_ms && range->until_ms > r->cover_ms)
                        r->cover_ms = range->until_ms;
        }
}

static bool
is_of(const json_t *row, const json_t *table)
{
        return strcmp(json_text(row, "parent", ""), json_text(table, "name", "?")) == 0 &&
               strcmp(json_text(row, "parent_schema", ""), json_text(table, "schema", "?")) == 0 &&
               strcmp(json_text(row, "database", ""), json_text(table, "database", "?")) == 0;
}

static void
tell_detaching(struct ranges *r, const json_t *row)
{
        const char *name = postgres_relation_name(r->j->out, row);
        const char *table = postgres_identifier(r->j->out, json_text(r->table, "schema", "?"),
                                                json_text(r->table, "name", "?"));

        partition_fail(r->j, "partition", r->database, name,
                       &(struct finding){
                               .observed = findings_text(r->j->out, "half detached from %s", r->name),
                               .expected = "no detach pending",
                               .message = "DETACH CONCURRENTLY was broken off: the partition still counts for "
                                          "some sessions, and no other of the table can be detached so.",
                               .remedy = findings_text(r->j->out, "In %s: ALTER TABLE %s DETACH PARTITION %s FINALIZE;",
                                                       r->database, table,
                                                       postgres_identifier(r->j->out, json_text(row, "schema", "?"),
                                                                           json_text(row, "name", "?"))),
                               .evidence = r->evidence});
}

/* Number of partitions whose bounds are no moments. */
static size_t
gather(struct ranges *r)
{
        const json_t *rows = json_list(r->j->facts, "partitions");
        size_t strange = 0, i;
        json_t *row;

        r->parts = calloc(json_array_size(rows) + 1, sizeof *r->parts);
        if (r->parts == NULL) {
                r->j->out->failed = true;
                return 0;
        }
        json_array_foreach((json_t *)rows, i, row)
        {
                struct part *part = &r->parts[r->count];
                if (!is_of(row, r->table))
                        continue;
                if (json_flag(row, "is_default", false))
                        r->rest = row;
                else if (json_flag(row, "detaching", false))
                        continue;
                else if (partition_range_parse(json_text(row, "bound", ""), &part->range))
                        r->parts[r->count++].row = row;
                else
                        strange++;
        }
        qsort(r->parts, r->count, sizeof *r->parts, compare_parts);
        find_period(r);
        return strange;
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static void
judge_gaps(struct ranges *r)
{
        struct findings *out = r->j->out;
        const char *told = "", *remedy = "";
        size_t gaps = 0;

        for (size_t i = 1; i < r->count; i++) {
                int64_t from = r->parts[i - 1].range.until_ms, until = r->parts[i].range.from_ms;
                if (until <= from || gaps++ >= 3)
                        continue;
                told = findings_text(out, "%s%s%s to %s", told, gaps > 1 ? ", " : "", partition_day(out, from),
                                     partition_day(out, until));
                if (gaps == 1)
                        remedy = findings_text(
                                out, "In %s: CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%s) TO (%s);",
                                r->database,
                                postgres_identifier(out, json_text(r->table, "schema", "?"),
                                                    findings_text(out, "%s_%s", json_text(r->table, "name", "?"),
                                                                  partition_suffix(out, from, r->period))),
                                postgres_identifier(out, json_text(r->table, "schema", "?"),
                                                    json_text(r->table, "name", "?")),
                                partition_bound_text(out, from, r->unit), partition_bound_text(out, until, r->unit));
        }
        if (gaps == 0)
                return;
        partition_fail(r->j, "gap", r->database, r->name,
                       &(struct finding){.observed = findings_text(out, "%zu gap%s: %s%s", gaps, gaps == 1 ? "" : "s",
                                                                   told, gaps > 3 ? " and more" : ""),
                                         .expected = "every moment between the first and the last partition has one",
                                         .message = r->rest != NULL
                                                            ? "Rows of these days fall into the default partition."
                                                            : "An insert for one of these days fails.",
                                         .remedy = remedy,
                                         .evidence = r->evidence});
}

/* The next one's statement, "" when nobody knows how long it should be. */
static const char *
create_words(const struct ranges *r)
{
        struct findings *out = r->j->out;
        int64_t from = r->cover_ms, until, limit = PARTITION_OPEN_END;

        if (r->cover_ms == r->j->now_ms) { /* the last that ended, then on to the present */
                from = PARTITION_OPEN_BEGIN;
                for (size_t i = 0; i < r->count; i++) {
                        if (r->parts[i].range.until_ms <= r->j->now_ms)
                                from = r->parts[i].range.until_ms;
                }
        }
        for (size_t i = r->count; i-- > 0;) {
                if (r->parts[i].range.from_ms > r->j->now_ms && r->parts[i].range.from_ms >= from)
                        limit = r->parts[i].range.from_ms;
        }
        if (from == PARTITION_OPEN_BEGIN)
                return "";
        until = partition_period_end(from, r->period);
        for (int i = 0; i < 4000 && until != from && until <= r->j->now_ms; i++) {
                from = until;
                until = partition_period_end(from, r->period);
        }
        if (until == from || from >= limit)
                return "";
        until = until < limit ? until : limit;
        return findings_text(
                out, "CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%s) TO (%s);",
                postgres_identifier(out, json_text(r->table, "schema", "?"),
                                    findings_text(out, "%s_%s", json_text(r->table, "name", "?"),
                                                  partition_suffix(out, from, r->period))),
                postgres_identifier(out, json_text(r->table, "schema", "?"), json_text(r->table, "name", "?")),
                partition_bound_text(out, from, r->unit), partition_bound_text(out, until, r->unit));
}

static const char *
partman_of(const struct ranges *r)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(r->j->facts, "partman"), i, row)
        {
                if (strcmp(json_text(row, "database", ""), r->database) == 0)
                        return findings_text(r->j->out,
                                             "  pg_partman is installed here: see whether %s.part_config lists the "
                                             "table, and why run_maintenance_proc() did not come.",
                                             json_text(row, "schema", "partman"));
        }
        return "";
}

static void
judge_next(struct ranges *r)
{
        struct findings *out = r->j->out;
        int64_t ahead = policy_whole(r->j->policy, "DSK-4", "ahead");
        bool now = r->cover_ms > r->j->now_ms;
        const char *create = create_words(r);

        if (r->cover_ms != PARTITION_OPEN_END && (r->j->due_ms == 0 || r->cover_ms < r->j->due_ms)) {
                r->j->due_ms = r->cover_ms;
                r->j->due = findings_text(out, ", the first to end is %s.%s on %s", r->database, r->name,
                                          partition_day(out, r->cover_ms));
        }
        if (r->cover_ms == PARTITION_OPEN_END || r->cover_ms - r->j->now_ms > ahead)
                return;
        partition_fail(
                r->j, "next partition", r->database, r->name,
                &(struct finding){
                        .observed = now ? findings_text(out, "the last partition ends on %s, in %s",
                                                        partition_day(out, r->cover_ms),
                                                        findings_duration(out, (double)(r->cover_ms - r->j->now_ms)))
                                        : findings_text(out, "no partition takes rows of today (%s)",
                                                        partition_day(out, r->j->now_ms)),
                        .expected = findings_text(out, "partitions for the next %s",
                                                  findings_duration(out, (double)ahead)),
                        .message = r->rest != NULL
                                           ? "Rows that find no partition fall into the default one, and from then on "
                                             "the right one cannot be made without moving them under a lock."
                                   : now ? "Every insert fails from that moment on."
                                         : "Every insert of a row of today fails.",
                        .remedy = findings_text(out, "In %s: %s%s", r->database,
                                                *create != '\0' ? create
                                                                : "create the next partition, and have a job "
                                                                  "create those to come.",
                                                partman_of(r)),
                        .evidence = r->evidence});
}

static void
judge_default(struct ranges *r)
{
        struct findings *out = r->j->out;
        const char *name = r->rest != NULL ? postgres_relation_name(out, r->rest) : "";
        double rows = json_real_or(r->rest, "rows", NAN);

        if (r->rest == NULL || json_flag(r->rest, "empty", false) || rows == 0)
                return;
        if (!(rows > 0)) {
                r->j->silent++;
                findings_error(out, "DSK-4",
                               &(struct resource){.kind = "default partition", .namespace_ = r->database, .name = name},
                               REASON_TOO_LITTLE_DATA,
                               findings_text(out, "Nobody counted the rows of the default partition of %s.", r->name),
                               findings_text(out, "In %s: ANALYZE %s;", r->database,
                                             postgres_identifier(out, json_text(r->rest, "schema", "?"),
                                                                 json_text(r->rest, "name", "?"))));
                return;
        }
        const char *table = postgres_identifier(out, json_text(r->table, "schema", "?"),
                                                json_text(r->table, "name", "?"));
        const char *rest = postgres_identifier(out, json_text(r->rest, "schema", "?"), json_text(r->rest, "name", "?"));
        partition_fail(
                r->j, "default partition", r->database, name,
                &(struct finding){
                        .observed = findings_text(out, "about %.0f rows in the default partition of %s", rows, r->name),
                        .expected = "none",
                        .message = "These rows found no partition of their own: no purge by month reaches them, "
                                   "and a partition for their month cannot be made while they are there.",
                        .remedy = findings_text(
                                out,
                                "In %s, in one transaction: ALTER TABLE %s DETACH PARTITION %s; CREATE the "
                                "partitions that are missing; INSERT INTO %s SELECT * FROM %s; TRUNCATE %s; "
                                "ALTER TABLE %s ATTACH PARTITION %s DEFAULT;",
                                r->database, table, rest, table, rest, rest, table, rest),
                        .evidence = r->evidence});
}

/* Quarters and years are more than a purge or a vacuum should have to take at once; so is one partition for all that
 * comes. */
static void
judge_length(struct ranges *r)
{
        const struct part *newest = NULL;

        for (size_t i = 0; i < r->count; i++) {
                if (r->parts[i].range.from_ms <= r->j->now_ms && r->parts[i].range.until_ms > r->j->now_ms)
                        newest = &r->parts[i];
        }
        if (newest == NULL && r->count > 0)
                newest = &r->parts[r->count - 1];
        if (!r->important || newest == NULL || !partition_is_coarse(&newest->range) ||
            newest->range.from_ms > r->j->now_ms)
                return;
        enum partition_period period = partition_period_of(&newest->range);
        struct findings *out = r->j->out;
        partition_fail(r->j, "table", r->database, r->name,
                       &(struct finding){
                               .observed = findings_text(out, "partitioned by %s: %s takes %s to %s",
                                                         period != PERIOD_OTHER ? partition_period_name(period)
                                                                                : "more than a month",
                                                         postgres_relation_name(out, newest->row),
                                                         partition_day(out, newest->range.from_ms),
                                                         partition_day(out, newest->range.until_ms)),
                               .expected = "partitions of a month or less",
                               .message = "What is purged, vacuumed and kept in memory is a whole partition: longer "
                                          "ones make each of these larger.",
                               .remedy = "Let those to come be of a month each: CREATE TABLE ... PARTITION OF ... from "
                                         "the end of the current one on; old ones may stay as they are.",
                               .evidence = r->evidence});
}

static void
add_row(const struct ranges *r)
{
        struct findings *out = r->j->out;
        json_t *row = json_object();

        json_put_text(row, "id", findings_text(out, "%s.%s", r->database, r->name));
        json_put_text(row, "database", r->database);
        json_put_text(row, "table", r->name);
        json_put_text(row, "by", json_text(r->table, "key", ""));
        json_put_text(row, "period", partition_period_name(r->period));
        json_put_whole(row, "partitions", (json_int_t)r->count + (r->rest != NULL));
        json_put_text(row, "first", r->count > 0 ? partition_day(out, r->parts[0].range.from_ms) : "");
        json_put_text(row, "last", r->count > 0 ? partition_day(out, r->parts[r->count - 1].range.until_ms) : "");
        json_put_real(row, "default_rows",
                      r->rest == NULL || json_flag(r->rest, "empty", false) ? 0 : json_real_or(r->rest, "rows", NAN));
        json_put_real(row, "size_bytes", json_real_or(r->table, "bytes", NAN));
        findings_inventory(out, "partitions", row);
}

static bool
is_time(const char *type)
{
        return strcmp(type, "date") == 0 || strncmp(type, "timestamp", 9) == 0;
}

/* Somebody still makes partitions: the last one ended no longer ago than a month. */
static bool
is_kept_up(const struct ranges *r)
{
        for (size_t i = 0; i < r->count; i++) {
                if (r->parts[i].range.until_ms > r->j->now_ms - 31 * DAY_MS)
                        return true;
        }
        return false;
}

bool
partition_judge_ranges(struct partition_judge *j, const json_t *table, size_t index, bool important)
{
        struct findings *out = j->out;
        struct ranges r = {.j = j,
                           .table = table,
                           .database = json_text(table, "database", "?"),
                           .name = postgres_relation_name(out, table),
                           .evidence = findings_text(out, "/partitioned/%zu", index),
                           .important = important};
        size_t before = out->count, i;
        json_t *row;

        size_t strange = gather(&r);
        scoped(scope_free) struct part *parts = r.parts;
        if (parts == NULL || (r.count == 0 && !is_time(json_text(table, "type", ""))) || strange > r.count)
                return false;
        add_row(&r);
        json_array_foreach((json_t *)json_list(j->facts, "partitions"), i, row)
        {
                if (json_flag(row, "detaching", false) && is_of(row, table))
                        tell_detaching(&r, row);
        }
        if (important || is_kept_up(&r)) {
                j->checked++;
                judge_length(&r);
                judge_gaps(&r);
                judge_next(&r);
                judge_default(&r);
        }
        j->failing += out->count > before;
        return true;
}

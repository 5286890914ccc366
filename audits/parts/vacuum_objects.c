/* Sequences that near their end, and indexes that are written but never read. */

#include "vacuum_judge.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "json.h"
#include "postgres_facts.h"
#include "scope.h"
#include "trend.h"

/* --- sequences ---------------------------------------------------------------------------------------------------- */

struct sequence {
        const json_t *row;
        const char *database, *name, *id, *column; /* column: "public.orders.id"; "" when none is known */
        double last, limit, percent;
        bool by_column; /* the column is narrower than the sequence */
};

static double
column_most(const char *type)
{
        return strcmp(type, "smallint") == 0 ? 32767 : strcmp(type, "integer") == 0 ? 2147483647.0 : INFINITY;
}

static struct sequence
sequence_read(const struct vacuum_judge *j, const json_t *row)
{
        struct sequence s = {.row = row, .database = json_text(row, "database", "?"), .column = ""};
        double low = json_real_or(row, "low", NAN), high = json_real_or(row, "high", NAN);
        double most = column_most(json_text(row, "type", ""));
        bool up = json_real_or(row, "increment", 1) > 0;

        s.name = postgres_relation_name(j->out, row);
        s.id = findings_text(j->out, "%s.%s", s.database, s.name);
        if (json_has(row, "table"))
                s.column = findings_text(j->out, "%s.%s.%s", json_text(row, "table_schema", "?"),
                                         json_text(row, "table", "?"), json_text(row, "column", "?"));
        s.by_column = up ? most < high : -most - 1 > low;
        s.limit = up ? fmin(high, most) : fmax(low, -most - 1);
        s.last = json_real_or(row, "last", NAN);
        double begin = up ? low : high;
        s.percent = s.limit != begin ? 100 * (s.last - begin) / (s.limit - begin) : 100;
        if (!json_flag(row, "called", true) && isfinite(s.percent))
                s.percent = fmin(s.percent, 99.9); /* its last number was not given out yet */
        return s;
}

static const char *
sequence_mend(const struct vacuum_judge *j, const struct sequence *s)
{
        const char *name = postgres_identifier(j->out, json_text(s->row, "schema", "?"),
                                               json_text(s->row, "name", "?"));
        const char *table = postgres_identifier(j->out, json_text(s->row, "table_schema", "?"),
                                                json_text(s->row, "table", "?"));
        const char *column = postgres_identifier(j->out, NULL, json_text(s->row, "column", "?"));
        bool narrow = isfinite(column_most(json_text(s->row, "type", "")));

        if (!narrow)
                return findings_text(j->out, "In %s: ALTER SEQUENCE %s AS bigint NO MAXVALUE;", s->database, name);
        return findings_text(
                j->out,
                "In %s: ALTER TABLE %s ALTER COLUMN %s TYPE bigint; (writes the table anew under an "
                "exclusive lock: for a large one add a bigint column, fill it in batches and swap; columns "
                "that refer to it as well), then ALTER SEQUENCE %s AS bigint NO MAXVALUE;",
                s->database, table, column, name);
}

/* When it ends, where the history shows it rising. */
static const char *
sequence_trend(const struct vacuum_judge *j, const struct sequence *s)
{
        struct trend_question question = {.now_ms = history_now(j->history), .limit = fabs(s->limit)};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);

        if (trend == NULL || trend_judge(j->history, "vacuum.sequence_last", s->id, fabs(s->last), &question,
                                         findings_text(j->out, "sequence %s", s->id), "numbers", j->out, trend) != 0) {
                j->out->failed = true;
                return "";
        }
        return trend->verdict == TREND_RISING ? findings_text(j->out, "; %s", trend_words(trend, "numbers", j->out))
                                              : "";
}

static void
sequence_row(const struct vacuum_judge *j, const struct sequence *s)
{
        json_t *row = json_object();

        json_put_text(row, "id", s->id);
        json_put_text(row, "database", s->database);
        json_put_text(row, "sequence", s->name);
        json_put_text(row, "column", s->column);
        json_put_text(row, "type", json_text(s->row, "type", ""));
        json_put_real(row, "last", s->last);
        json_put_real(row, "limit", s->limit);
        json_put_real(row, "used_percent", round(10 * s->percent) / 10);
        findings_inventory(j->out, "sequences", row);
}

static bool
sequence_judge(const struct vacuum_judge *j, const struct sequence *s, size_t index)
{
        double bound = policy_number(j->policy, "DSK-3", "sequences");
        bool cycles = json_flag(s->row, "cycles", false);

        /* Samples of those that may matter one day: half of their range is used. */
        const char *trend = s->percent >= 50 && !cycles ? sequence_trend(j, s) : "";
        if (!(s->percent > bound) || cycles)
                return false;
        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-3",
                        .resource = {.kind = "sequence", .namespace_ = s->database, .name = s->name},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-3", s->percent >= 100),
                        .observed = findings_text(
                                j->out, "%.1f %% used: %.0f of %.0f%s%s%s%s", s->percent, s->last, s->limit,
                                s->by_column         ? ", the most of "
                                : *s->column != '\0' ? ", feeds "
                                                     : "",
                                s->by_column ? findings_text(j->out, "%s column ", json_text(s->row, "type", "?")) : "",
                                s->column, trend),
                        .expected = findings_text(j->out, "at most %g %%", bound),
                        .message = s->percent >= 100
                                           ? "The sequence is used up: every insert that takes a number from it "
                                             "fails."
                                           : "When the sequence ends, every insert that takes a number from it "
                                             "fails.",
                        .remedy = sequence_mend(j, s),
                        .evidence = findings_text(j->out, "/sequences/%zu", index)});
        return true;
}

/* What the role may not read, with the grant. */
static void
unread_judge(const struct vacuum_judge *j, size_t hidden, size_t unread, const char *names)
{
        struct resource resource = {.kind = "sequences", .name = "unread"};

        if (hidden + unread == 0)
                return;
        findings_error(
                j->out, "DSK-3", &resource, hidden > 0 ? REASON_DENIED : REASON_TIMEOUT,
                findings_text(j->out,
                              "%zu sequence(s) of a smallint or integer range could not be read, so nobody knows "
                              "how near their end they are: %s%s",
                              hidden + unread, names, hidden + unread > 5 ? " and more" : ""),
                hidden > 0 ? "GRANT pg_read_all_data TO the role (14 and later), or in each schema: GRANT USAGE ON "
                             "SCHEMA s TO the role; GRANT SELECT ON ALL SEQUENCES IN SCHEMA s TO the role"
                           : "they were locked or dropped meanwhile: run again");
}

void
vacuum_judge_sequences(const struct vacuum_judge *j)
{
        const json_t *rows = json_list(j->facts, "sequences");
        double low = json_real_or(j->facts, "sequences_low", 0);
        size_t failing = 0, hidden = 0, unread = 0, i;
        struct sequence highest = {.percent = -1};
        const char *names = "";
        json_t *row;

        if (rows == NULL)
                return;
        json_array_foreach((json_t *)rows, i, row)
        {
                struct sequence sequence = sequence_read(j, row);
                if (!isfinite(sequence.percent)) {
                        hidden += !json_flag(row, "readable", false);
                        unread += json_flag(row, "readable", false);
                        if (hidden + unread <= 5)
                                names = findings_text(j->out, "%s%s%s", names, hidden + unread > 1 ? ", " : "",
                                                      sequence.id);
                        continue;
                }
                if (sequence.percent >= 1)
                        sequence_row(j, &sequence);
                if (sequence.percent > highest.percent)
                        highest = sequence;
                failing += sequence_judge(j, &sequence, i);
        }
        unread_judge(j, hidden, unread, names);
        if (failing > 0 || hidden + unread > 0)
                return;
        findings_pass(j->out, "DSK-3", &(struct resource){.kind = "sequences", .name = "all"},
                      highest.percent >= 0
                              ? findings_text(j->out, "%.0f of a small range, the fullest %s: %.1f %%",
                                              low + (double)json_array_size(rows), highest.id, highest.percent)
                      : low > 0 ? findings_text(j->out, "%.0f of a small range, all with less than 10 %%", low)
                                : "none has a small range",
                      findings_text(j->out, "at most %g %% used", policy_number(j->policy, "DSK-3", "sequences")),
                      "No sequence is near its end.");
}

/* --- indexes ------------------------------------------------------------------------------------------------------ */

static void
index_judge(const struct vacuum_judge *j, const json_t *row, size_t index)
{
        const char *database = json_text(row, "database", "?"), *name = postgres_relation_name(j->out, row);
        const char *quoted = postgres_identifier(j->out, json_text(row, "schema", "?"), json_text(row, "name", "?"));
        bool partitioned = json_flag(row, "partitioned", false), leftover = json_flag(row, "leftover", false);

        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-3",
                        .resource = {.kind = "index", .namespace_ = database, .name = name},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-3", false),
                        .observed = findings_text(j->out, "not valid, %s, on %s.%s%s",
                                                  findings_size(j->out, json_real_or(row, "bytes", NAN)),
                                                  json_text(row, "table_schema", "?"), json_text(row, "table", "?"),
                                                  json_flag(row, "maintained", false) ? ", yet kept up by every write"
                                                                                      : ""),
                        .expected = "every index valid, or being built",
                        .message = partitioned
                                           ? "The index of the partitioned table lacks one on some partition: it is "
                                             "not used, and uniqueness is not kept."
                                           : "An index whose building broke off serves no query, and writes may "
                                             "still pay for it.",
                        .remedy = partitioned
                                          ? findings_text(j->out,
                                                          "In %s: CREATE INDEX CONCURRENTLY on each partition that has "
                                                          "none, then ALTER INDEX %s ATTACH PARTITION it;",
                                                          database, quoted)
                                  : leftover ? findings_text(j->out,
                                                             "In %s: DROP INDEX CONCURRENTLY %s;  -- left over by "
                                                             "REINDEX CONCURRENTLY",
                                                             database, quoted)
                                             : findings_text(j->out,
                                                             "In %s: REINDEX INDEX CONCURRENTLY %s;  -- or, if nobody "
                                                             "misses it: DROP INDEX CONCURRENTLY %s;",
                                                             database, quoted, quoted),
                        .evidence = findings_text(j->out, "/indexes/%zu", index)});
}

void
vacuum_judge_indexes(const struct vacuum_judge *j)
{
        const json_t *rows = json_list(j->facts, "indexes");
        size_t i;
        json_t *row;

        if (rows == NULL)
                return;
        json_array_foreach((json_t *)rows, i, row) index_judge(j, row, i);
        if (json_array_size(rows) == 0)
                findings_pass(j->out, "DSK-3", &(struct resource){.kind = "indexes", .name = "all"}, "none invalid",
                              "every index valid, or being built", "No index was left half built.");
}

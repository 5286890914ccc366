/* Bloat: how much of the tables and B-trees is nothing, and what writing them afresh would win back.  Controls: DSK-6.
 */

#include <math.h>
#include <string.h>

#include "audit.h"
#include "bloat_facts.h"
#include "json.h"
#include "scope.h"
#include "trend.h"

struct judging {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        double block_size, bound, least_bytes, stale;
        size_t large, failing; /* relations from the policy's size on; those past its share */
        double waste_bytes;    /* of the large ones together */
};

static const char *
kind_of(const json_t *row, bool index)
{
        return index ? "index" : strcmp(json_text(row, "kind", ""), "toast") == 0 ? "toast" : "table";
}

static const char *
name_of(const struct judging *j, const json_t *row)
{
        return findings_text(j->out, "%s.%s", json_text(row, "schema", "?"), json_text(row, "name", "?"));
}

static const char *
rewrite_words(const struct judging *j, const json_t *row, bool index)
{
        const char *name = name_of(j, row), *database = json_text(row, "database", "?");

        if (index)
                return findings_text(j->out, "in %s: REINDEX INDEX CONCURRENTLY %s (needs its new size free)", database,
                                     name);
        return findings_text(
                j->out,
                "in %s: pg_repack -t %s, or VACUUM FULL %s in a maintenance window (locks the table, needs its "
                "new size free); then find out why autovacuum does not keep up (DSK-3)",
                database, name, name);
}

/* How the waste developed, where it did. */
static const char *
growth_words(const struct judging *j, const char *resource, double waste)
{
        struct trend_question question = {.now_ms = history_now(j->history), .limit = NAN};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);

        if (trend == NULL || trend_judge(j->history, "bloat.waste_bytes", resource, waste, &question,
                                         findings_text(j->out, "bloat of %s", resource), "bytes", j->out, trend) != 0) {
                j->out->failed = true;
                return "";
        }
        return trend->verdict == TREND_RISING || trend->verdict == TREND_FALLING
                       ? findings_text(j->out, "; %s", trend_words(trend, "bytes", j->out))
                       : "";
}

/* A standby cannot tell statistics that grew old: the counters of changes are the primary's. */
static const char *
how_words(const struct judging *j, const struct bloat *bloat)
{
        return bloat->exact ? "measured"
               : json_flag(j->facts, "replica", false)
                       ? "estimated; how much changed since the last analyze is known to "
                         "the primary alone"
                       : "estimated";
}

static void
judge_large(struct judging *j, const json_t *row, bool index, const struct bloat *bloat, size_t at)
{
        const char *database = json_text(row, "database", "?"), *kind = kind_of(row, index), *name = name_of(j, row);
        const char *resource = findings_text(j->out, "%s %s.%s", kind, database, name);
        double percent = bloat->bytes > 0 ? 100 * bloat->waste_bytes / bloat->bytes : 0;

        j->large++;
        j->waste_bytes += bloat->waste_bytes;
        if (percent <= j->bound) {
                findings_sample(j->out, "bloat.waste_bytes", resource, bloat->waste_bytes);
                return;
        }
        j->failing++;
        const char *growth = growth_words(j, resource, bloat->waste_bytes);
        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-6",
                        .resource = {.kind = kind, .namespace_ = database, .name = name},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-6", false),
                        .observed = findings_text(j->out, "%s%.0f %% of %s is bloat (%s): %s to win back%s",
                                                  bloat->least ? "at least " : "", percent,
                                                  findings_size(j->out, bloat->bytes), how_words(j, bloat),
                                                  findings_size(j->out, bloat->waste_bytes), growth),
                        .expected = findings_text(j->out, "at most %g %%", j->bound),
                        .message = index ? "the index is much larger than its entries: every look-up reads more pages "
                                           "and keeps them in memory"
                                         : "the table is much larger than its rows: scans, backups and the cache pay "
                                           "for it",
                        .remedy = rewrite_words(j, row, index),
                        .evidence = findings_text(j->out, "/%s/%zu", index ? "indexes" : "tables", at)});
}

/* Large relations without an estimate: one error per database and reason, names in the message. */
struct silence {
        const char *database;
        enum bloat_withheld why;
        size_t count;
        double bytes;
        const char *names;
};

static const char *
silence_words(enum bloat_withheld why)
{
        switch (why) {
        case BLOAT_NEVER_ANALYZED:
                return "were never vacuumed or analysed: their number of rows is not known";
        case BLOAT_INVISIBLE:
                return "have statistics that this role may not see";
        case BLOAT_MISSING:
                return "have columns without statistics";
        case BLOAT_STALE:
                return "changed too much since they were analysed";
        case BLOAT_UNSEEN:
                return "share entries among equal keys, and nobody counts how often those repeat";
        default:
                return "";
        }
}

static const char *
silence_remedy(const struct silence *silence, struct findings *out)
{
        switch (silence->why) {
        case BLOAT_INVISIBLE:
                return findings_text(
                        out,
                        "GRANT pg_read_all_data TO the role (or SELECT on the tables); or CREATE EXTENSION "
                        "pgstattuple in %s, which pg_monitor may use to measure",
                        silence->database);
        case BLOAT_UNSEEN:
                return findings_text(out, "CREATE EXTENSION pgstattuple in %s: then they are measured",
                                     silence->database);
        default:
                return findings_text(out, "ANALYZE them in %s, and see why autovacuum does not (DSK-3)",
                                     silence->database);
        }
}

static enum reason
silence_reason(enum bloat_withheld why)
{
        return why == BLOAT_INVISIBLE ? REASON_DENIED
               : why == BLOAT_STALE   ? REASON_STALE
               : why == BLOAT_UNSEEN  ? REASON_UNSUPPORTED
                                      : REASON_TOO_LITTLE_DATA;
}

enum { SILENCES_MOST = 200, NAMES_MOST = 5 };

static void
add_silence(const struct judging *j, struct silence *silences, size_t *count, const json_t *row,
            enum bloat_withheld why)
{
        const char *database = json_text(row, "database", "?");
        struct silence *one = NULL;

        for (size_t i = 0; i < *count && one == NULL; i++) {
                if (silences[i].why == why && strcmp(silences[i].database, database) == 0)
                        one = &silences[i];
        }
        if (one == NULL && *count == SILENCES_MOST)
                return;
        if (one == NULL) {
                one = &silences[(*count)++];
                *one = (struct silence){.database = database, .why = why, .names = ""};
        }
        if (one->count++ < NAMES_MOST)
                one->names = findings_text(j->out, "%s%s%s", one->names, one->count > 1 ? ", " : "", name_of(j, row));
        one->bytes += json_real_or(row, "bytes", 0);
}

static void
tell_silences(const struct judging *j, const struct silence *silences, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                struct resource resource = {.kind = "estimate",
                                            .namespace_ = silences[i].database,
                                            .name = bloat_withheld_name(silences[i].why)};
                findings_error(j->out, "DSK-6", &resource, silence_reason(silences[i].why),
                               findings_text(j->out, "%zu relation(s) of %s %s, so their bloat is not told: %s%s",
                                             silences[i].count, findings_size(j->out, silences[i].bytes),
                                             silence_words(silences[i].why), silences[i].names,
                                             silences[i].count > NAMES_MOST ? " and more" : ""),
                               silence_remedy(&silences[i], j->out));
        }
}

static void
add_row(const struct judging *j, const json_t *row, bool index, const struct bloat *bloat)
{
        const char *database = json_text(row, "database", "?"), *kind = kind_of(row, index);
        bool told = bloat->withheld == BLOAT_TOLD;
        json_t *out = json_object();
        const char *id = findings_text(j->out, "%s.%s%s", database, name_of(j, row),
                                       strcmp(kind, "toast") == 0 ? " (toast)" : "");

        if (out == NULL || json_put_text(out, "id", id) != 0 || json_put_text(out, "database", database) != 0 ||
            json_put_text(out, "schema", json_text(row, "schema", "?")) != 0 ||
            json_put_text(out, "name", json_text(row, "name", "?")) != 0 || json_put_text(out, "kind", kind) != 0 ||
            (index && json_put_text(out, "table", json_text(row, "table", "")) != 0) ||
            json_put_real(out, "bytes", bloat->bytes) != 0 ||
            json_put_real(out, "rows", json_real_or(row, "rows", NAN)) != 0 ||
            json_put_real(out, "bloat_bytes", told ? bloat->waste_bytes : NAN) != 0 ||
            json_put_real(out, "bloat_percent",
                          told && bloat->bytes > 0 ? round(1000 * bloat->waste_bytes / bloat->bytes) / 10 : NAN) != 0 ||
            json_put_text(out, "bloat_source",
                          !told          ? findings_text(j->out, "withheld: %s", bloat_withheld_name(bloat->withheld))
                          : bloat->exact ? "measured"
                          : bloat->least ? "at least"
                                         : "estimated") != 0) {
                json_decref(out);
                j->out->failed = true;
                return;
        }
        findings_inventory(j->out, index ? "indexes" : "tables", out);
}

/* A relation and what it wastes, for the order of findings and rows. */
struct ranked {
        const json_t *row;
        bool index;
        size_t at;
        struct bloat bloat;
};

static int
compare_ranked(const void *a, const void *b)
{
        const struct ranked *x = a, *y = b;

        if (x->bloat.waste_bytes != y->bloat.waste_bytes)
                return x->bloat.waste_bytes < y->bloat.waste_bytes ? 1 : -1;
        return x->index != y->index ? x->index - y->index : (x->at > y->at) - (x->at < y->at);
}

static void
judge_relations(struct judging *j)
{
        const json_t *lists[2] = {json_list(j->facts, "tables"), json_list(j->facts, "indexes")};
        size_t count = json_array_size(lists[0]) + json_array_size(lists[1]), n = 0, i, silent = 0;
        scoped(scope_free) struct ranked *ranked = calloc(count + 1, sizeof *ranked);
        scoped(scope_free) struct silence *silences = calloc(SILENCES_MOST, sizeof *silences);
        json_t *row;

        if (ranked == NULL || silences == NULL) {
                j->out->failed = true;
                return;
        }
        for (int index = 0; index < 2; index++) {
                json_array_foreach((json_t *)lists[index], i, row)
                        ranked[n++] = (struct ranked){row, index, i, bloat_of(row, index, j->block_size, j->stale)};
        }
        qsort(ranked, n, sizeof *ranked, compare_ranked);
        for (i = 0; i < n; i++) {
                const struct ranked *one = &ranked[i];
                add_row(j, one->row, one->index, &one->bloat);
                if (one->bloat.bytes < j->least_bytes)
                        continue;
                if (one->bloat.withheld == BLOAT_TOLD)
                        judge_large(j, one->row, one->index, &one->bloat, one->at);
                else
                        add_silence(j, silences, &silent, one->row, one->bloat.withheld);
        }
        tell_silences(j, silences, silent);
        const char *size = findings_size(j->out, j->least_bytes);
        if (j->large > 0 && j->failing == 0)
                findings_pass(j->out, "DSK-6", NULL,
                              findings_text(j->out, "%zu tables and indexes from %s on, %s to win back in all",
                                            j->large, size, findings_size(j->out, j->waste_bytes)),
                              findings_text(j->out, "at most %g %% each", j->bound),
                              json_flag(j->facts, "replica", false)
                                      ? "no large relation is bloated, if statistics are not old: a standby does not "
                                        "know how much changed since"
                                      : "no large relation is bloated");
        else if (j->large == 0 && silent == 0 && json_array_size(json_list(j->facts, "gaps")) == 0)
                findings_skip(j->out, "DSK-6",
                              findings_text(j->out,
                                            "no table or index of %zu database(s) has %s: there is nothing to win",
                                            json_array_size(json_list(j->facts, "databases")), size),
                              "lower `size` of DSK-6 to look at smaller ones");
        findings_sample(j->out, "bloat.waste_bytes", "", j->waste_bytes);
}

static void
bloat_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judging j = {.facts = facts,
                            .policy = policy,
                            .history = history,
                            .out = out,
                            .block_size = json_real_or(facts, "block_size", 8192),
                            .bound = policy_number(policy, "DSK-6", "bloat"),
                            .least_bytes = policy_number(policy, "DSK-6", "size"),
                            .stale = policy_number(policy, "DSK-6", "stale")};

        if (json_array_size(json_list(facts, "databases")) == 0) {
                findings_error(out, "DSK-6", NULL, REASON_PROTOCOL, "no database was looked at",
                               "check include and exclude of the target, and CONNECT on its databases");
                return;
        }
        judge_relations(&j);
}

const struct audit audit_bloat = {
        .name = "bloat",
        .summary = "tables and B-trees that are much larger than what is in them",
        .looks_at = {"postgres"},
        .controls = {"DSK-6"},
        .needs = "pg_read_all_data for estimates, or the extension pgstattuple and pg_monitor for measurements",
        .samples = {"bloat.waste_bytes"},
        .collect = bloat_facts,
        .judge = bloat_judge,
};

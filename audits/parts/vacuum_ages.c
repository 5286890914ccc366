/* Wraparound: how far the oldest transaction id and multixact of every database are from the end of their numbers. */

#include "vacuum_judge.h"

#include <math.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "postgres_facts.h"
#include "scope.h"
#include "trend.h"

/* Half of 32 bits: what is older than this would come to lie in the future.  The server refuses new ids three million
 * before (manual, "Preventing Transaction ID Wraparound Failures"). */
static const double limit_ids = 2147483648.0;

enum { NAMES_MOST = 3 };

/* Transaction ids or multixacts: two numbers with the same fate. */
struct number {
        const char *kind;    /* of the resource */
        const char *words;   /* of people */
        const char *key;     /* in the facts */
        const char *setting; /* when autovacuum freezes by force */
        const char *freeze;  /* its value's key */
        const char *series;
};

static const struct number numbers[] = {
        {"transaction ids", "transactions", "xid_age", "autovacuum_freeze_max_age", "freeze_age", "vacuum.xid_age"},
        {"multixacts", "multixacts", "multixact_age", "autovacuum_multixact_freeze_max_age", "multixact_freeze_age",
         "vacuum.multixact_age"},
};

struct worst {
        const char *names;  /* "public.orders (1.10 billion), ..." ; "" when the database was not entered */
        const char *remedy; /* VACUUM statements for them */
        bool temporary;     /* the oldest of all is one */
};

static const char *
table_words(const struct vacuum_judge *j, const json_t *row, double age)
{
        return findings_text(j->out, "%s%s %s", postgres_relation_name(j->out, row),
                             json_flag(row, "toast", false) ? "'s TOAST" : "", vacuum_count(j->out, age));
}

/* The tables that a database's age comes from: those within a tenth of it. */
static struct worst
worst_tables(const struct vacuum_judge *j, const struct number *number, const char *database, double age)
{
        struct worst worst = {.names = "", .remedy = ""};
        size_t found = 0, i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "ages"), i, row)
        {
                double own = json_real_or(row, number->key, 0);
                if (strcmp(json_text(row, "database", ""), database) != 0 || own < 0.9 * age || found == NAMES_MOST)
                        continue;
                bool temporary = json_flag(row, "temporary", false);
                worst.temporary = worst.temporary || (found == 0 && temporary);
                worst.names = findings_text(j->out, "%s%s%s", worst.names, found > 0 ? ", " : "",
                                            table_words(j, row, own));
                worst.remedy = findings_text(
                        j->out,
                        temporary ? "%s %s is a temporary table, which autovacuum cannot enter: end its session;"
                                  : "%s VACUUM (FREEZE, VERBOSE) %s;",
                        worst.remedy,
                        postgres_identifier(j->out, json_text(row, "schema", "?"), json_text(row, "name", "?")));
                found++;
        }
        return worst;
}

static const char *
mend_words(const struct vacuum_judge *j, const json_t *row, const struct worst *worst, double age)
{
        const char *name = json_text(row, "name", "?"), *first = "";

        if (j->holder.who != NULL && j->holder.age > age / 2)
                first = findings_text(j->out, "First end what holds it back (%s, %s transactions old): %s  Then ",
                                      j->holder.who, vacuum_count(j->out, j->holder.age), j->holder.remedy);
        if (*worst->remedy != '\0')
                return findings_text(j->out, "%sin %s:%s", first, name, worst->remedy);
        if (!json_flag(row, "enterable", true))
                return findings_text(j->out,
                                     "%sALTER DATABASE %s ALLOW_CONNECTIONS true; then vacuumdb --freeze %s, and false "
                                     "again.",
                                     first, postgres_identifier(j->out, NULL, name), name);
        return findings_text(j->out, "%svacuumdb --freeze --jobs=2 --dbname=%s", first, name);
}

/* When the numbers end, where the history shows them rising.  Told for those past a quarter: below that every freeze
 * undoes the rise long before. */
static const char *
trend_clause(const struct vacuum_judge *j, const struct number *number, const char *database, double age)
{
        struct trend_question question = {.now_ms = history_now(j->history), .limit = limit_ids};
        scoped(scope_free) struct trend *trend = NULL;

        if (age < limit_ids / 4) {
                findings_sample(j->out, number->series, database, age);
                return "";
        }
        trend = malloc(sizeof *trend);
        if (trend == NULL || trend_judge(j->history, number->series, database, age, &question,
                                         findings_text(j->out, "%s of database %s", number->kind, database),
                                         number->words, j->out, trend) != 0) {
                j->out->failed = true;
                return "";
        }
        return trend->verdict == TREND_RISING ? findings_text(j->out, "; %s", trend_words(trend, number->words, j->out))
                                              : "";
}

static bool
age_judge(const struct vacuum_judge *j, const struct number *number, const json_t *row, size_t index)
{
        const char *name = json_text(row, "name", "?");
        double age = json_real_or(row, number->key, NAN), percent = 100 * age / limit_ids;
        double bound = policy_number(j->policy, "DSK-3", "wraparound"),
               severe = policy_number(j->policy, "DSK-3", "wraparound_severe"),
               overdue = policy_number(j->policy, "DSK-3", "freeze_overdue"),
               freeze = json_real_or(j->server, number->freeze, NAN);
        bool late = age > freeze * overdue / 100;

        if (!isfinite(age))
                return false;
        const char *trend = trend_clause(j, number, name, age);
        if (!(percent > bound) && !late)
                return true;
        struct worst worst = worst_tables(j, number, name, age);
        findings_add(
                j->out,
                &(struct finding){
                        .control = "DSK-3",
                        .resource = {.kind = number->kind, .name = name},
                        .status = STATUS_FAIL,
                        .severity = policy_severity(j->policy, "DSK-3", percent >= severe),
                        .observed = findings_text(j->out, "%s %s: %.0f %% of the limit, %.0f %% of %s%s%s%s",
                                                  vacuum_count(j->out, age), number->words, percent, 100 * age / freeze,
                                                  number->setting, *worst.names != '\0' ? "; oldest: " : "",
                                                  worst.names, trend),
                        .expected = percent > bound ? findings_text(j->out, "at most %g %% of the limit of 2^31", bound)
                                                    : findings_text(j->out, "at most %g %% of %s (%s)", overdue,
                                                                    number->setting, vacuum_count(j->out, freeze)),
                        .message = percent > bound
                                           ? "The server refuses every write when its oldest number is 2^31 back; only "
                                             "freezing old rows sets that back."
                                           : "Autovacuum should have frozen these rows by force long ago: it is "
                                             "held back, cancelled, or too slow.",
                        .remedy = mend_words(j, row, &worst, age),
                        .evidence = findings_text(j->out, "/databases/%zu", index)});
        return true;
}

void
vacuum_judge_ages(const struct vacuum_judge *j)
{
        const json_t *databases = json_list(j->facts, "databases");
        size_t i;
        json_t *row;

        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
                size_t before = j->out->count, seen = 0;
                double oldest = -1;
                const char *whose = "?";
                json_array_foreach((json_t *)databases, i, row)
                {
                        double age = json_real_or(row, numbers[k].key, NAN);
                        seen += age_judge(j, &numbers[k], row, i);
                        if (age > oldest) {
                                oldest = age;
                                whose = json_text(row, "name", "?");
                        }
                }
                if (j->out->count > before)
                        continue;
                struct resource resource = {.kind = numbers[k].kind, .name = "all databases"};
                if (seen > 0 && seen == json_array_size(databases))
                        findings_pass(
                                j->out, "DSK-3", &resource,
                                findings_text(j->out, "%zu databases, oldest %s: %s %s, %.1f %% of the limit", seen,
                                              whose, vacuum_count(j->out, oldest), numbers[k].words,
                                              100 * oldest / limit_ids),
                                findings_text(j->out, "at most %g %%", policy_number(j->policy, "DSK-3", "wraparound")),
                                "No database is near wraparound.");
                else if (databases != NULL)
                        findings_error(j->out, "DSK-3", &resource, REASON_TOO_LITTLE_DATA,
                                       "The age of some database is not in the facts.", NULL);
        }
}

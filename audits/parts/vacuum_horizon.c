/* The oldest transaction that somebody may still look back to: vacuum removes nothing that died since. */

#include "vacuum_judge.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "postgres_facts.h"

/* One row of the facts, seen as a holder. */
struct held {
        struct resource resource;
        const char *who, *observed, *message, *evidence;
        const char *statement; /* that ends it */
        const char *remedy;    /* the same with what to think of */
        double age;            /* transactions */
        double open_ms;        /* NAN: it has no beginning that could be too long ago */
        bool exempt;           /* from the bound in time, not from the one in transactions */
};

static const char row_words[] = "While it is open, vacuum removes no row that died since it began: tables and indexes "
                                "grow, and no age of transaction ids goes down.";

static const char *
literal(struct findings *out, const char *text)
{
        const char *quoted = "";

        /* A quote in the text ends it, is doubled, and begins the next piece. */
        for (const char *quote; (quote = strchr(text, '\'')) != NULL; text = quote + 1)
                quoted = findings_text(out, "%s%.*s''", quoted, (int)(quote - text), text);
        return findings_text(out, "'%s%s'", quoted, text);
}

static struct held
session_held(const struct vacuum_judge *j, const json_t *row)
{
        const char *role = json_text(row, "role", ""), *application = json_text(row, "application", "");
        const char *state = json_text(row, "state", ""), *type = json_text(row, "type", "client backend");
        int64_t pid = json_whole(row, "pid", 0);
        double open = json_real_or(row, "open_ms", NAN), age = json_real_or(row, "age", NAN);
        bool client = strcmp(type, "client backend") == 0, idle = strncmp(state, "idle in", 7) == 0;
        const char *doing = *state == '\0' ? type : idle ? state : "running a statement";
        const char *who = findings_text(j->out, "pid %" PRId64 " (%s%s%s%s%s)", pid, client ? role : type,
                                        *application != '\0' ? ", " : "", application, client ? ", " : "",
                                        client ? doing : "");

        return (struct held){
                .resource = {.kind = "session",
                             .namespace_ = json_text(row, "database", ""),
                             .name = findings_text(j->out, "%s/%s", client ? role : type, application)},
                .who = who,
                .observed = findings_text(
                        j->out, "%s: transaction open for %s%s, %s transactions old", who,
                        findings_duration(j->out, open),
                        idle ? findings_text(j->out, ", idle for %s",
                                             findings_duration(j->out, json_real_or(row, "state_ms", NAN)))
                             : "",
                        vacuum_count(j->out, age)),
                .message = row_words,
                .statement = findings_text(j->out, "SELECT pg_terminate_backend(%" PRId64 ");", pid),
                .remedy = findings_text(j->out, "SELECT pg_terminate_backend(%" PRId64 ");  -- %s", pid,
                                        idle ? "then mend the application that left it open (DBC-1)"
                                             : "if its statement may be lost; otherwise wait, and run it on a replica "
                                               "next time"),
                .age = age,
                .open_ms = open,
                .exempt = json_globs_match(policy_value(j->policy, "DSK-3", "held_exempt"), application)};
}

static struct held
prepared_held(const struct vacuum_judge *j, const json_t *row)
{
        const char *name = json_text(row, "name", "?"), *database = json_text(row, "database", "?");
        double open = json_real_or(row, "open_ms", NAN), age = json_real_or(row, "age", NAN);
        const char *who = findings_text(j->out, "prepared transaction %s of %s", literal(j->out, name),
                                        json_text(row, "role", "?"));

        return (struct held){
                .resource = {.kind = "prepared transaction", .namespace_ = database, .name = name},
                .who = who,
                .observed = findings_text(j->out, "%s, prepared %s ago, %s transactions old", who,
                                          findings_duration(j->out, open), vacuum_count(j->out, age)),
                .message = "A transaction that was prepared and forgotten keeps its locks and holds back vacuum, also "
                           "over a restart; no session shows it.",
                .statement = findings_text(j->out, "in %s: ROLLBACK PREPARED %s;", database, literal(j->out, name)),
                .remedy = findings_text(j->out,
                                        "In %s: ROLLBACK PREPARED %s;  -- or COMMIT PREPARED, if its coordinator "
                                        "decided so",
                                        database, literal(j->out, name)),
                .age = age,
                .open_ms = open};
}

static struct held
slot_held(const struct vacuum_judge *j, const json_t *row)
{
        const char *name = json_text(row, "name", "?");
        double rows = json_real_or(row, "age", NAN), catalogs = json_real_or(row, "catalog_age", NAN);
        bool active = json_flag(row, "active", false), all = isfinite(rows);
        const char *who = findings_text(j->out, "%s %s slot %s", active ? "active" : "inactive",
                                        json_text(row, "type", "?"), name);

        return (struct held){
                .resource = {.kind = "slot", .name = name},
                .who = who,
                .observed = findings_text(j->out, "%s: %s%s%s transactions old", who, all ? "xmin" : "catalog_xmin",
                                          " ", vacuum_count(j->out, all ? rows : catalogs)),
                .message = all ? "The slot keeps every dead row that its replica might still want to see; vacuum "
                                 "removes none of them."
                               : "The slot keeps dead rows of the system catalogues, which slows planning and every "
                                 "connection.",
                .statement = findings_text(j->out, "SELECT pg_drop_replication_slot(%s);", literal(j->out, name)),
                .remedy = active ? findings_text(j->out,
                                                 "Look for a long query or a stopped apply on its reader; if it is "
                                                 "needed no more: SELECT pg_drop_replication_slot(%s); after it ended.",
                                                 literal(j->out, name))
                                 : findings_text(j->out,
                                                 "SELECT pg_drop_replication_slot(%s);  -- or start its reader again",
                                                 literal(j->out, name)),
                .age = all ? fmax(rows, isfinite(catalogs) ? catalogs : 0) : catalogs,
                .open_ms = NAN};
}

static struct held
replica_held(const struct vacuum_judge *j, const json_t *row)
{
        const char *name = json_text(row, "name", "?"), *address = json_text(row, "address", "?");
        double age = json_real_or(row, "age", NAN);
        const char *who = findings_text(j->out, "replica %s at %s (hot_standby_feedback)", name, address);

        return (struct held){
                .resource = {.kind = "replica", .name = name},
                .who = who,
                .observed = findings_text(j->out, "%s: xmin %s transactions old", who, vacuum_count(j->out, age)),
                .message = "A query on the replica looks back this far, and by hot_standby_feedback the primary keeps "
                           "every row that died since.",
                .statement = "end its oldest query there, or set hot_standby_feedback = off there.",
                .remedy =
                        "On the replica: SELECT pid, xact_start, query FROM pg_stat_activity WHERE backend_xmin IS NOT "
                        "NULL ORDER BY age(backend_xmin) DESC LIMIT 1; then pg_terminate_backend(pid).  Or set "
                        "hot_standby_feedback = off there.",
                .age = age,
                .open_ms = NAN};
}

static const struct {
        const char *part;
        struct held (*held)(const struct vacuum_judge *, const json_t *);
} kinds[] = {{"sessions", session_held}, {"prepared", prepared_held}, {"slots", slot_held}, {"replicas", replica_held}};

static bool
same_text(const char *a, const char *b)
{
        return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Ten sessions of one application are one finding, told of the oldest, which comes first. */
static bool
is_told(const struct findings *out, size_t from, const struct resource *resource)
{
        for (size_t i = from; i < out->count; i++) {
                const struct resource *other = &out->rows[i].resource;
                if (same_text(other->kind, resource->kind) && same_text(other->namespace_, resource->namespace_) &&
                    same_text(other->name, resource->name))
                        return true;
        }
        return false;
}

static void
held_judge(struct vacuum_judge *j, const struct held *held, size_t from)
{
        double most = policy_number(j->policy, "DSK-3", "held_xids"),
               longest = policy_number(j->policy, "DSK-3", "held");
        bool old = held->age > most, open = held->open_ms > longest && !held->exempt;

        if (held->age > j->holder.age || (j->holder.who == NULL && isfinite(held->age)))
                j->holder = (struct vacuum_holder){held->who, held->statement, held->age, old || open};
        if ((!old && !open) || is_told(j->out, from, &held->resource))
                return;
        const char *expected = isfinite(held->open_ms)
                                       ? findings_text(j->out, "at most %s, and %s transactions",
                                                       findings_duration(j->out, longest), vacuum_count(j->out, most))
                                       : findings_text(j->out, "at most %s transactions", vacuum_count(j->out, most));
        findings_add(j->out, &(struct finding){.control = "DSK-3",
                                               .resource = held->resource,
                                               .status = STATUS_FAIL,
                                               .severity = policy_severity(j->policy, "DSK-3", false),
                                               .observed = held->observed,
                                               .expected = expected,
                                               .message = held->message,
                                               .remedy = held->remedy,
                                               .evidence = held->evidence});
}

void
vacuum_judge_horizon(struct vacuum_judge *j)
{
        struct resource all = {.kind = "horizon", .name = "oldest xmin"};
        int64_t hidden = json_whole(json_map(j->facts, "hidden"), "hidden", -1);
        size_t before = j->out->count, seen = 0, i;
        bool lacking = false;
        json_t *row;

        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
                const json_t *rows = json_list(j->facts, kinds[k].part);
                lacking = lacking || rows == NULL;
                json_array_foreach((json_t *)rows, i, row)
                {
                        struct held held = kinds[k].held(j, row);
                        held.evidence = findings_text(j->out, "/%s/%zu", kinds[k].part, i);
                        held_judge(j, &held, before);
                        seen++;
                }
        }
        findings_sample(j->out, "vacuum.xmin_age", "", j->holder.who != NULL ? j->holder.age : 0);
        if (hidden > 0) {
                findings_error(j->out, "DSK-3", &all, REASON_DENIED,
                               findings_text(j->out,
                                             "How long %" PRId64 " sessions have been in their transactions is hidden "
                                             "from the role.",
                                             hidden),
                               json_text(json_map(j->facts, "hidden"), "remedy", "GRANT pg_monitor TO rounds;"));
                return;
        }
        if (lacking || j->out->count > before)
                return;
        findings_pass(j->out, "DSK-3", &all,
                      j->holder.who != NULL ? findings_text(j->out, "%zu look back, the oldest %s transactions: %s",
                                                            seen, vacuum_count(j->out, j->holder.age), j->holder.who)
                                            : "nobody looks back",
                      findings_text(j->out, "nobody for longer than %s, or %s transactions",
                                    findings_duration(j->out, policy_number(j->policy, "DSK-3", "held")),
                                    vacuum_count(j->out, policy_number(j->policy, "DSK-3", "held_xids"))),
                      "No transaction, slot or replica holds back vacuum for long.");
}

/* Open transactions judged: idle ones, long ones, long statements, and who keeps others waiting for a lock. */

#include "open_transactions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "facts.h"
#include "json.h"
#include "lock_tree.h"
#include "postgres_facts.h"

enum { WAITS_SHOWN = 6 };

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
};

const char *
session_name(struct findings *out, const json_t *row)
{
        return findings_text(out, "%s/%s", json_text(row, "role", "?"), json_text(row, "application", ""));
}

/* --- what a session is at fault for ------------------------------------------------------------------------------- */

enum fault { FAULT_NONE, FAULT_IDLE, FAULT_QUERY, FAULT_TRANSACTION };

/* Each kind of fault: how it is measured, bounded, told, and ended. */
static const struct {
        const char *measured, *bound, *kind, *words, *message, *remedy, *call;
} faults[] = {
        [FAULT_NONE] = {.measured = "", .bound = "idle"},
        [FAULT_IDLE] = {.measured = "state_ms",
                        .bound = "idle",
                        .kind = "session",
                        .words = "idle in transaction for",
                        .message = "A session sits in an open transaction and does nothing.",
                        .remedy = "Mend the application; to end it now",
                        .call = "pg_terminate_backend"},
        [FAULT_QUERY] = {.measured = "query_ms",
                         .bound = "query",
                         .kind = "statement",
                         .words = "one statement runs for",
                         .message = "A statement runs for long: meanwhile it keeps its locks, and what died since it "
                                    "began is cleaned nowhere.",
                         .remedy = "Look at its plan and what it waits for, and bound it by statement_timeout of its "
                                   "role; to end it now",
                         .call = "pg_cancel_backend"},
        [FAULT_TRANSACTION] = {.measured = "transaction_ms",
                               .bound = "transaction",
                               .kind = "transaction",
                               .words = "a transaction is open for",
                               .message = "A transaction is open for long, statement after statement: meanwhile it "
                                          "keeps its locks, and what died since it began is cleaned nowhere.",
                               .remedy = "Commit in smaller pieces; to end it now",
                               .call = "pg_terminate_backend"},
};

static double
over(const struct judge *j, const json_t *session, enum fault fault)
{
        double value = json_real_or(session, faults[fault].measured, NAN);

        return value > policy_number(j->policy, "DBC-1", faults[fault].bound) ? value : NAN;
}

/* The first that fits.  VACUUM holds back nobody's cleaning, a dump takes as long as it takes, and who waits for a lock
 * is not at fault for it: the one that holds it is. */
static enum fault
fault_of(const struct judge *j, const json_t *session)
{
        const char *state = json_text(session, "state", "");
        bool idle = strncmp(state, "idle in transaction", 19) == 0;

        if (json_globs_match(policy_value(j->policy, "DBC-1", "exempt_roles"), json_text(session, "role", "")))
                return FAULT_NONE;
        if (idle && !isnan(over(j, session, FAULT_IDLE)))
                return FAULT_IDLE;
        if (json_globs_match(policy_value(j->policy, "DBC-1", "exempt_applications"),
                             json_text(session, "application", "")) ||
            strcmp(json_text(session, "command", ""), "VACUUM") == 0 ||
            strncmp(json_text(session, "wait", ""), "Lock: ", 6) == 0)
                return FAULT_NONE;
        if (!idle && !isnan(over(j, session, FAULT_QUERY)))
                return FAULT_QUERY;
        return isnan(over(j, session, FAULT_TRANSACTION)) ? FAULT_NONE : FAULT_TRANSACTION;
}

bool
session_same_owner(const json_t *a, const json_t *b)
{
        return strcmp(json_text(a, "role", ""), json_text(b, "role", "")) == 0 &&
               strcmp(json_text(a, "application", ""), json_text(b, "application", "")) == 0 &&
               strcmp(json_text(a, "database", ""), json_text(b, "database", "")) == 0;
}

static void
fault_tell(const struct judge *j, const json_t *worst, size_t index, enum fault fault, size_t count)
{
        struct findings *out = j->out;
        int64_t pid = json_whole(worst, "pid", 0);
        const char *length = findings_duration(out, over(j, worst, fault));
        const char *bound = findings_duration(out, policy_number(j->policy, "DBC-1", faults[fault].bound));
        const char *wait = json_text(worst, "wait", ""), *command = json_text(worst, "command", "");
        bool active = strcmp(json_text(worst, "state", ""), "active") == 0;
        scoped_buffer observed = BUFFER_INIT(4096);

        buffer_format(&observed, "%s %s (pid %" PRId64, faults[fault].words, length, pid);
        if (*command != '\0' && fault != FAULT_IDLE)
                buffer_format(&observed, ", %s", command);
        if (active && *wait != '\0')
                buffer_format(&observed, ", waits for %s", wait);
        buffer_char(&observed, ')');
        if (json_flag(worst, "holds_xmin", false))
                buffer_text(&observed, ", and holds back vacuum");
        if (count > 1)
                buffer_format(&observed, ", and %zu more of the same", count - 1);
        findings_add(out, &(struct finding){
                                  .control = "DBC-1",
                                  .resource = {.kind = faults[fault].kind,
                                               .namespace_ = json_text(worst, "database", "?"),
                                               .name = session_name(out, worst)},
                                  .status = STATUS_FAIL,
                                  .severity = policy_severity(j->policy, "DBC-1", false),
                                  .observed = observed.failed ? NULL : findings_text(out, "%s", observed.data),
                                  .expected = findings_text(out, "at most %s", bound),
                                  .message = faults[fault].message,
                                  .remedy = findings_text(out, "%s: SELECT %s(%" PRId64 ");", faults[fault].remedy,
                                                          faults[fault].call, pid),
                                  .evidence = findings_text(out, "/open/%zu", index),
                          });
}

/* The process id changes with every session: identity is who leaves it open, from where.  So one finding per role,
 * application, database and fault, by its worst session. */
static size_t
faults_judge(const struct judge *j)
{
        const json_t *open = json_list(j->facts, "open");
        size_t i, k, told = 0;
        json_t *session, *other;

        json_array_foreach((json_t *)open, i, session)
        {
                enum fault fault = fault_of(j, session);
                const json_t *worst = session;
                size_t count = 0, index = i;
                bool first = true;
                if (fault == FAULT_NONE)
                        continue;
                json_array_foreach((json_t *)open, k, other)
                {
                        if (fault_of(j, other) != fault || !session_same_owner(session, other))
                                continue;
                        first = first && k >= i;
                        count++;
                        if (over(j, other, fault) > over(j, worst, fault)) {
                                worst = other;
                                index = k;
                        }
                }
                if (!first)
                        continue;
                fault_tell(j, worst, index, fault, count);
                told++;
        }
        return told;
}

/* --- who keeps whom waiting --------------------------------------------------------------------------------------- */

static const char *
relation_name(const struct judge *j, const json_t *wait)
{
        int64_t oid = json_whole(wait, "relation", 0);
        size_t i;
        json_t *relation;

        if (oid <= 0)
                return NULL;
        json_array_foreach((json_t *)json_list(j->facts, "relations"), i, relation)
        {
                if (json_whole(relation, "oid", -1) == oid &&
                    strcmp(json_text(relation, "database", ""), json_text(wait, "database", "")) == 0)
                        return json_text(relation, "name", "?");
        }
        return findings_text(j->out, "relation %" PRId64, oid);
}

/* "RowExclusiveLock on public.t", "ShareLock on a transaction that wrote public.t". */
static const char *
lock_words(const struct judge *j, const json_t *wait)
{
        const char *relation = relation_name(j, wait), *type = json_text(wait, "type", "?");
        const char *mode = json_text(wait, "wants", "a lock");

        if (strcmp(type, "relation") == 0 && relation != NULL)
                return findings_text(j->out, "%s on %s", mode, relation);
        if (strcmp(type, "transactionid") == 0 || strcmp(type, "tuple") == 0)
                return relation != NULL ? findings_text(j->out, "a row of %s", relation) : "a row";
        return relation != NULL ? findings_text(j->out, "%s on %s of %s", mode, type, relation)
                                : findings_text(j->out, "%s on %s", mode, type);
}

static void
wait_row(const struct judge *j, const struct lock_wait *wait)
{
        json_t *row = json_object();

        json_put_text(row, "id", findings_text(j->out, "%" PRId64, wait->pid));
        json_put_whole(row, "pid", wait->pid);
        json_put_whole(row, "behind", wait->behind);
        json_put_whole(row, "root", wait->root);
        json_put_whole(row, "depth", (int64_t)wait->depth);
        json_put_real(row, "waited_ms", (double)wait->waited_ms);
        json_put_text(row, "waits_for", lock_words(j, wait->row));
        json_put_text(row, "held", json_text(wait->row, "holds", ""));
        json_put_text(row, "role", json_text(wait->row, "role", ""));
        json_put_text(row, "application", json_text(wait->row, "application", ""));
        json_put_text(row, "database", json_text(wait->row, "database", ""));
        findings_inventory(j->out, "lock_waits", row);
}

/* The tree in one line: "813 app/web for 5 min: a row of public.t; 814 app/web for 4 min behind 813: ..." */
static const char *
tree_words(const struct judge *j, const struct lock_tree *tree, size_t from, size_t span)
{
        scoped_buffer words = BUFFER_INIT(8192);

        for (size_t i = from; i < from + span && i < from + WAITS_SHOWN; i++) {
                const struct lock_wait *wait = &tree->waits[i];
                buffer_format(&words, "%s%" PRId64 " %s for %s", i > from ? "; " : "", wait->pid,
                              session_name(j->out, wait->row), findings_duration(j->out, (double)wait->waited_ms));
                if (wait->behind != wait->root)
                        buffer_format(&words, " behind %" PRId64, wait->behind);
                buffer_format(&words, ": %s", lock_words(j, wait->row));
        }
        if (span > WAITS_SHOWN)
                buffer_format(&words, "; and %zu more", span - WAITS_SHOWN);
        return words.failed ? "..." : findings_text(j->out, "%s", words.data);
}

/* The row that tells most of the root: one of a session directly behind it. */
static const json_t *
root_row(const struct lock_tree *tree, size_t from, size_t span)
{
        for (size_t i = from; i < from + span; i++) {
                if (tree->waits[i].behind == tree->waits[i].root)
                        return tree->waits[i].row;
        }
        return tree->waits[from].row;
}

/* The prepared transaction that is oldest in the database: nothing tells which one a wait is for. */
static const json_t *
prepared_in(const struct judge *j, const char *database)
{
        return json_find(json_list(j->facts, "prepared"), "database", database);
}

static const char *
literal(struct findings *out, const char *text)
{
        scoped_buffer quoted = BUFFER_INIT(2048);

        buffer_char(&quoted, '\'');
        for (; *text != '\0'; text++)
                buffer_text(&quoted, *text == '\'' ? "''" : (const char[]){*text, '\0'});
        buffer_char(&quoted, '\'');
        return quoted.failed ? "'...'" : findings_text(out, "%s", quoted.data);
}

/* A prepared transaction has no session: whoever prepared it ends it by name. */
static void
prepared_tell(const struct judge *j, struct finding *finding, const json_t *row, const char *waiting)
{
        const char *database = json_text(row, "database", "?");
        const json_t *prepared = prepared_in(j, database);
        const char *gid = json_text(prepared, "name", "?");
        struct findings *out = j->out;

        finding->resource = (struct resource){"prepared transaction", database, gid};
        finding->observed = findings_text(out, "prepared %s ago, %s",
                                          findings_duration(out, json_real_or(prepared, "age_ms", NAN)), waiting);
        finding->message = "A prepared transaction, which no session owns, keeps others waiting for a lock.";
        finding->remedy = findings_text(
                out, "As its owner %s in database %s: COMMIT PREPARED %s; or ROLLBACK PREPARED %s;",
                json_text(prepared, "owner", "?"), database, literal(out, gid), literal(out, gid));
}

static void
session_tell(const struct judge *j, struct finding *finding, const json_t *row, int64_t pid, const char *waiting)
{
        const char *state = json_text(row, "blocker_state", "");
        struct findings *out = j->out;

        finding->resource = (struct resource){"blocker", json_text(row, "blocker_database", "?"),
                                              findings_text(out, "%s/%s", json_text(row, "blocker_role", "?"),
                                                            json_text(row, "blocker_application", ""))};
        finding->observed = findings_text(out, "pid %" PRId64 " (%s for %s) %s", pid,
                                          *state != '\0' ? state : "state hidden",
                                          findings_duration(out, json_real_or(row, "blocker_state_ms", NAN)), waiting);
        finding->message = "A session keeps others waiting for a lock.";
        if (strcmp(state, "active") == 0)
                finding->remedy = findings_text(out,
                                                "To end its statement: SELECT pg_cancel_backend(%" PRId64
                                                ");  If that is not enough: SELECT pg_terminate_backend(%" PRId64 ");",
                                                pid, pid);
        else
                finding->remedy = findings_text(out,
                                                "It waits for its client, so there is no statement to cancel; to end "
                                                "it whole: SELECT pg_terminate_backend(%" PRId64 ");",
                                                pid);
}

/* True when an earlier tree has a root of the same name: that one waits longer, and is the one told. */
static bool
told_before(const struct lock_tree *tree, size_t from)
{
        const json_t *row = root_row(tree, from, lock_tree_span(tree, from));
        static const char *const keys[] = {"blocker_role", "blocker_application", "blocker_database"};

        for (size_t i = 0; i < from; i += lock_tree_span(tree, i)) {
                const json_t *earlier = root_row(tree, i, lock_tree_span(tree, i));
                bool same = (tree->waits[i].root == 0) == (tree->waits[from].root == 0);
                for (size_t k = 0; k < 3 && same; k++)
                        same = strcmp(json_text(row, keys[k], ""), json_text(earlier, keys[k], "")) == 0;
                if (same)
                        return true;
        }
        return false;
}

static size_t
blockers_judge(const struct judge *j, const struct lock_tree *tree)
{
        double bound = policy_number(j->policy, "DBC-1", "blocked");
        struct findings *out = j->out;
        size_t told = 0, span;

        for (size_t from = 0; from < tree->count; from += span) {
                span = lock_tree_span(tree, from);
                int64_t longest = 0;
                for (size_t i = from; i < from + span; i++) {
                        longest = tree->waits[i].waited_ms > longest ? tree->waits[i].waited_ms : longest;
                        wait_row(j, &tree->waits[i]);
                }
                if (!((double)longest > bound) || told_before(tree, from))
                        continue;
                struct finding finding = {.control = "DBC-1",
                                          .status = STATUS_FAIL,
                                          .severity = policy_severity(j->policy, "DBC-1", false),
                                          .expected = findings_text(out, "nobody waits for a lock longer than %s",
                                                                    findings_duration(out, bound)),
                                          .evidence = findings_text(out, "/waits/%zu", tree->waits[from].index)};
                const json_t *row = root_row(tree, from, span);
                const char *waiting = findings_text(out, "blocks %zu: %s", span, tree_words(j, tree, from, span));
                if (tree->waits[from].root == 0)
                        prepared_tell(j, &finding, row, waiting);
                else
                        session_tell(j, &finding, row, tree->waits[from].root, waiting);
                findings_add(out, &finding);
                told++;
        }
        return told;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static size_t
idle_count(const json_t *open)
{
        size_t i, count = 0;
        json_t *session;

        json_array_foreach((json_t *)open, i, session)
        {
                count += strncmp(json_text(session, "state", ""), "idle in transaction", 19) == 0;
        }
        return count;
}

void
open_transactions_judge(const json_t *facts, const struct policy *policy, struct findings *out)
{
        struct judge j = {facts, policy, out};
        const json_t *open = json_list(facts, "open"), *waits = json_list(facts, "waits");
        bool hidden = json_whole(json_map(facts, "hidden"), "hidden", 0) > 0 ||
                      json_whole(json_map(facts, "server"), "untracked", 0) > 0;
        scoped_lock_tree tree = {0};

        if (lock_tree_build(waits, &tree) != 0) {
                out->failed = true;
                return;
        }
        size_t faulty = faults_judge(&j), blockers = blockers_judge(&j, &tree);
        if (open == NULL && !facts_lacks(facts, "open"))
                findings_error(out, "DBC-1", &(struct resource){.kind = "sessions", .name = "in a transaction"},
                               REASON_TOO_LITTLE_DATA, "Open transactions are not in the facts.", NULL);
        if (open != NULL) {
                findings_sample(out, "connections.idle_in_transaction", "", (double)idle_count(open));
                if (faulty == 0 && !hidden)
                        findings_pass(
                                out, "DBC-1", &(struct resource){.kind = "sessions", .name = "in a transaction"},
                                findings_text(out, "%zu in a transaction, %zu of them idle", json_array_size(open),
                                              idle_count(open)),
                                findings_text(out, "none idle for longer than %s, none open for longer than %s",
                                              findings_duration(out, policy_number(policy, "DBC-1", "idle")),
                                              findings_duration(out, policy_number(policy, "DBC-1", "transaction"))),
                                "No session keeps a transaction open for long.");
        }
        if (waits == NULL && !facts_lacks(facts, "waits"))
                findings_error(out, "DBC-1", &(struct resource){.kind = "sessions", .name = "waiting for locks"},
                               REASON_TOO_LITTLE_DATA, "Waits for locks are not in the facts.", NULL);
        if (waits == NULL)
                return;
        findings_sample(out, "connections.waiting_for_locks", "", (double)tree.count);
        if (blockers == 0)
                findings_pass(out, "DBC-1", &(struct resource){.kind = "sessions", .name = "waiting for locks"},
                              findings_text(out, "%zu waiting for a lock", tree.count),
                              findings_text(out, "nobody for longer than %s",
                                            findings_duration(out, policy_number(policy, "DBC-1", "blocked"))),
                              "Nobody waits long for a lock.");
}

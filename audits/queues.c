/* Queues in Redis: are they worked off, is a job stuck, do retries back off, are messages well formed?
 * Controls: WRK-2, WRK-4, WRK-5, DLQ-5. */

#include "audit.h"

#include <hiredis/hiredis.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "message_check.h"
#include "queue_judge.h"
#include "queue_read.h"
#include "queue_sources.h"
#include "redis_servers.h"
#include "scope.h"

enum { LOOKS = 6 };

static const char answered[] = "WRK-2,WRK-4,WRK-5,DLQ-5";

/* --- collecting --------------------------------------------------------------------------------------------------- */

static const struct queue_reader *
reader_of(const struct queue_source *source)
{
        return source->kind == QUEUE_LIST ? &queue_list : source->kind == QUEUE_STREAM ? &queue_stream : &queue_bullmq;
}

/* What cannot be read of one queue is a gap; -1 when the run is over. */
static int
queue_lost(json_t *facts, const struct queue_source *source, const char *part, const char *controls,
           const struct error *why, struct error *err)
{
        struct resource resource = {.kind = "queue", .name = source->name};

        if (why->reason == REASON_INTERRUPTED || why->reason == REASON_INTERNAL) {
                *err = *why;
                return -1;
        }
        if (source->node != NULL)
                redis_drain(source->node);
        return facts_gap(facts, part, controls, &resource, why) == 0 ? 0 : error_memory(err, "facts");
}

static int
row_begin(const struct queue_source *source, json_t **row, struct error *err)
{
        const json_t *limits = json_map(source->settings, "limits");
        const char *owner = json_text(source->settings, "owner", NULL);

        *row = json_object();
        if (json_put_text(*row, "name", source->name) != 0 ||
            json_put_text(*row, "kind", queue_kind_name(source->kind)) != 0 ||
            json_put_text(*row, "key", source->key) != 0 || json_put_flag(*row, "exists", source->exists) != 0 ||
            (owner != NULL && json_put_text(*row, "owner", owner) != 0) ||
            (limits != NULL && json_put(*row, "limits", json_deep_copy(limits)) != 0) ||
            json_put(*row, "looks", json_array()) != 0)
                return error_memory(err, "facts");
        return 0;
}

/* Several looks at every queue, spread over the window; whether the next job stayed the same all along. */
static int
looks_take(struct session *session, const struct queue_sources *all, json_t *rows[QUEUES_MOST], json_t *facts,
           int64_t window_ms, struct error *err)
{
        int looks = window_ms > 0 ? LOOKS : 1;

        for (int n = 0; n < looks; n++) {
                if (n > 0 && deadline_sleep(&session->deadline, window_ms / (LOOKS - 1), err) != 0)
                        return -1;
                for (size_t i = 0; i < all->count; i++) {
                        const struct queue_question question = {.session = session, .source = &all->rows[i]};
                        struct error why = {0};
                        if (rows[i] == NULL)
                                continue;
                        json_t *look = json_push(json_object_get(rows[i], "looks"), json_object());
                        if (look == NULL)
                                return error_memory(err, "facts");
                        if (reader_of(&all->rows[i])->look(&question, look, &why) == 0)
                                continue;
                        json_decref(rows[i]);
                        rows[i] = NULL;
                        if (queue_lost(facts, &all->rows[i], "look", answered, &why, err) != 0)
                                return -1;
                }
        }
        return 0;
}

/* "untouched": nothing was active in any look, and the same job was the next one in all of them. */
static int
heads_compare(json_t *row)
{
        json_t *looks = json_object_get(row, "looks"), *look;
        size_t i;
        bool untouched = json_array_size(looks) > 1;
        scoped_json head = json_incref(json_object_get(json_array_get(looks, 0), "head"));

        json_array_foreach(looks, i, look)
        {
                json_t *now = json_object_get(look, "head");
                untouched = untouched && head != NULL && now != NULL && json_equal(head, now) &&
                            json_whole(look, "active", 1) == 0;
                json_object_del(look, "head");
        }
        return json_put_flag(row, "untouched", untouched);
}

static int
row_fill(struct session *session, const struct queue_source *source, json_t *row, json_t *facts, struct error *err)
{
        struct queue_question question = {.session = session,
                                          .source = source,
                                          .sample = json_integer_value(target_value(session->target, "queue_sample"))};
        struct error why = {0};

        if (heads_compare(row) != 0)
                return error_memory(err, "facts");
        if (message_check_open(source->settings, &question.check, &why) != 0 &&
            queue_lost(facts, source, "schema", "DLQ-5", &why, err) != 0)
                return -1;
        int result = reader_of(source)->read(&question, row, &why);
        if (result == 0 && question.check != NULL && json_put(row, "schema", message_check_json(question.check)) != 0)
                result = error_memory(&why, "facts");
        message_check_close(question.check);
        if (result == 0)
                return json_push(json_object_get(facts, "queues"), json_incref(row)) != NULL
                               ? 0
                               : error_memory(err, "facts");
        return queue_lost(facts, source, "queue", answered, &why, err);
}

/* Counts the workers of every BullMQ queue by the names that they give their connections ("bull:" and the queue's name
 * in base64), where the server lets us see them. */
static int
workers_count(const struct queue_sources *all, json_t *rows[QUEUES_MOST], struct error *err)
{
        scoped_reply clients = NULL;
        struct redis *node = NULL;
        struct error ignored;

        for (size_t i = 0; i < all->count; i++) {
                if (rows[i] == NULL || all->rows[i].kind != QUEUE_BULLMQ)
                        continue;
                /* In a cluster a worker's connections may be with any server: a count would be a guess. */
                if (node != NULL && node != all->rows[i].node)
                        return 0;
                node = all->rows[i].node;
        }
        if (node == NULL || strcmp(redis_server(node)->mode, "cluster") == 0 ||
            redis_ask(node, "CLIENT LIST", &clients, &ignored) != 0 || clients->type != REDIS_REPLY_STRING)
                return 0;
        for (size_t i = 0; i < all->count; i++) {
                const struct queue_source *source = &all->rows[i];
                unsigned char encoded[600];
                char name[1000];
                int64_t workers = 0;
                if (rows[i] == NULL || source->kind != QUEUE_BULLMQ || strlen(source->name) > 400)
                        continue;
                EVP_EncodeBlock(encoded, (const unsigned char *)source->name, (int)strlen(source->name));
                int length = snprintf(name, sizeof name, " name=%.*s:%s",
                                      (int)(strlen(source->key) - strlen(source->name) - 1), source->key,
                                      (const char *)encoded);
                for (const char *at = clients->str; (at = strstr(at, name)) != NULL;) {
                        at += length;
                        workers += *at == ' ' || strncmp(at, ":w:", 3) == 0;
                }
                if (json_put_whole(rows[i], "workers", workers) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

static int
rows_read(struct session *session, const struct queue_sources *all, json_t *rows[QUEUES_MOST], json_t *facts,
          struct error *err)
{
        int64_t window_ms = json_integer_value(target_value(session->target, "queue_window"));

        for (size_t i = 0; i < all->count; i++) {
                const struct queue_source *source = &all->rows[i];
                if (source->broken.reason != REASON_NONE) {
                        if (queue_lost(facts, source, "queue", answered, &source->broken, err) != 0)
                                return -1;
                } else if (row_begin(source, &rows[i], err) != 0) {
                        return -1;
                } else if (!source->exists) {
                        /* Nothing is there to read: the row says so. */
                        if (json_push(json_object_get(facts, "queues"), scope_keep(rows[i])) == NULL)
                                return error_memory(err, "facts");
                }
        }
        if (looks_take(session, all, rows, facts, window_ms, err) != 0 || workers_count(all, rows, err) != 0)
                return -1;
        for (size_t i = 0; i < all->count; i++) {
                if (rows[i] != NULL && row_fill(session, &all->rows[i], rows[i], facts, err) != 0)
                        return -1;
        }
        return 0;
}

static int
queues_collect(struct session *session, json_t *facts, struct error *err)
{
        const char *role = target_text(session->target, "role");
        const struct queue_sources *all = queue_sources_read(session, err);
        json_t *rows[QUEUES_MOST] = {NULL};

        if (all == NULL)
                return -1;
        if (json_put_text(facts, "role", role != NULL ? role : "") != 0 ||
            json_put_flag(facts, "discovered", all->discovered) != 0 || json_put_flag(facts, "more", all->more) != 0 ||
            json_put(facts, "queues", json_array()) != 0)
                return error_memory(err, "facts");
        int result = redis_unreachable_note(facts, all->failed, "server", answered, err);
        if (result == 0)
                result = rows_read(session, all, rows, facts, err);
        for (size_t i = 0; i < all->count; i++)
                json_decref(rows[i]);
        return result;
}

static int
queues_check(struct session *session, struct rights *rights, struct error *err)
{
        static const struct {
                const char *command, *what, *remedy;
        } rows[] = {
                {"TIME", "TIME (ages by the server's own clock)", "ACL SETUSER rounds +time"},
                {"LLEN rounds:is:this:allowed", "lists: LLEN, LINDEX, LRANGE",
                 "ACL SETUSER rounds ~* +llen +lindex +lrange"},
                {"ZCARD rounds:is:this:allowed", "sorted sets: ZCARD, ZCOUNT, ZRANGE",
                 "ACL SETUSER rounds ~* +zcard +zcount +zrange"},
                {"HMGET rounds:is:this:allowed x", "jobs: HMGET, GET, EXISTS",
                 "ACL SETUSER rounds ~* +hmget +get +exists"},
                {"XRANGE rounds:is:this:allowed - + COUNT 1", "streams: XINFO, XPENDING, XRANGE, XREVRANGE",
                 "ACL SETUSER rounds ~* +xinfo +xpending +xrange +xrevrange"},
                {"CLIENT LIST", "CLIENT LIST (optional: counts the workers that are connected)",
                 "ACL SETUSER rounds +client|list"},
        };
        struct redis *redis = redis_session(session, err);

        if (redis == NULL)
                return -1;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                scoped_reply reply = NULL;
                struct error refused = {0};
                bool held = redis_ask(redis, rows[i].command, &reply, &refused) == 0 ||
                            strstr(refused.text, "MOVED ") != NULL;
                rights_add(rights, held, rows[i].what, rows[i].remedy);
        }
        return 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* A list that is empty is no key at all, and so is one that never was: an earlier run that saw messages tells them
 * apart. */
static bool
seen_before(const struct queue_judge *j)
{
        const struct series *series = history_series(j->history, "queues.waiting_jobs", j->name);

        for (size_t i = 0; series != NULL && i < series->count; i++) {
                if (series->samples[i].value > 0)
                        return true;
        }
        return false;
}

static void
absent_judge(const struct queue_judge *j)
{
        struct resource resource = {.kind = "queue", .name = j->name};
        bool bullmq = strcmp(j->kind, "bullmq") == 0, list = strcmp(j->kind, "list") == 0;

        if (list && seen_before(j)) {
                findings_sample(j->out, "queues.waiting_jobs", j->name, 0);
                findings_pass(j->out, "WRK-4", &resource, "0 waiting",
                              findings_text(j->out, "at most %g", policy_number(j->policy, "WRK-4", "depth")),
                              "The list is empty now; earlier runs saw messages in it.");
                return;
        }
        const char *message = findings_text(j->out, "Nothing is at key %s%s: %s.", j->key, bullmq ? ":..." : "",
                                            list ? "the list is empty, or the key is wrong"
                                                 : "the queue was never used, or its key is wrong");
        const char *remedy = findings_text(j->out,
                                           "look for it: redis-cli --scan --pattern %s; then set %s of the queue",
                                           queue_shell(j, "*%s*", j->name), bullmq ? "`prefix`" : "`key`");
        findings_error(j->out, "WRK-4", &resource, REASON_TOO_LITTLE_DATA, message, remedy);
        if (!list)
                findings_error(j->out, "WRK-2", &resource, REASON_TOO_LITTLE_DATA, message, remedy);
        if (bullmq)
                findings_error(j->out, "WRK-5", &resource, REASON_TOO_LITTLE_DATA, message, remedy);
}

/* Queues that the policy expects of a server whose key space was searched. */
static void
expected_judge(const json_t *facts, const struct policy *policy, struct findings *out)
{
        const json_t *queues = json_list(facts, "queues"), *wanted = policy_value(policy, "WRK-4", "queues");
        const char *missing = NULL;
        size_t i, k;
        json_t *name, *row;

        json_array_foreach((json_t *)wanted, i, name)
        {
                bool found = false;
                json_array_foreach((json_t *)queues, k, row)
                        found |= json_is_string(name) &&
                                 strcmp(json_text(row, "name", ""), json_string_value(name)) == 0;
                if (!found && json_is_string(name))
                        missing = missing == NULL ? json_string_value(name)
                                                  : findings_text(out, "%s, %s", missing, json_string_value(name));
        }
        if (missing != NULL)
                findings_error(out, "WRK-4", &(struct resource){.kind = "queues", .name = "(expected)"},
                               REASON_TOO_LITTLE_DATA, findings_text(out, "Not seen on this server: %s.", missing),
                               "name the platform's queues in the policy WRK-4 queues, or in `queues` of the target "
                               "that holds them");
}

/* Controls that no queue answered: why. */
static void
silence_judge(const json_t *facts, struct findings *out)
{
        static const struct {
                const char *control, *why, *remedy;
        } rows[] = {
                {"WRK-2", "Only lists are here: which of their jobs are active cannot be seen.",
                 "judge their timeouts by a target of kind `settings`"},
                {"WRK-4", NULL, NULL},
                {"WRK-5", "Only BullMQ's jobs carry how they are tried again, and no BullMQ queue is here.", NULL},
                {"DLQ-5", "No queue has a JSON Schema to hold its messages against.",
                 "give the queue `schema_file` (or `schema`) among the target's `queues`"},
        };
        const char *role = json_text(facts, "role", "");
        bool any = json_array_size(json_list(facts, "queues")) > 0, gaps = json_has(facts, "gaps");
        bool serves = strcmp(role, "queue") == 0 || strcmp(role, "mixed") == 0 || !json_flag(facts, "discovered", true);

        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                bool answered_for = false;
                for (size_t k = 0; k < out->count; k++)
                        answered_for |= strcmp(out->rows[k].control, rows[i].control) == 0;
                if (answered_for)
                        continue;
                if (any || (!gaps && !serves) || strcmp(rows[i].control, "DLQ-5") == 0)
                        findings_skip(out, rows[i].control,
                                      any && rows[i].why != NULL ? rows[i].why : "No queue is on this server.",
                                      any ? rows[i].remedy : "name them in `queues` of the target where they are");
                else
                        findings_error(out, rows[i].control, NULL, REASON_TOO_LITTLE_DATA,
                                       "No queue was seen on a server that should hold some.",
                                       "check the url's database number, `queue_prefixes`, or name the queues in "
                                       "`queues` of the target");
        }
}

static void
queues_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const char *role = json_text(facts, "role", "");
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(facts, "queues"), i, row)
        {
                struct queue_judge j = {.facts = facts,
                                        .policy = policy,
                                        .history = history,
                                        .out = out,
                                        .row = row,
                                        .name = json_text(row, "name", "?"),
                                        .kind = json_text(row, "kind", "?"),
                                        .key = json_text(row, "key", "?"),
                                        .owner = json_text(row, "owner", NULL),
                                        .series = "queues.waiting_jobs",
                                        .index = i};
                if (!json_flag(row, "exists", true)) {
                        absent_judge(&j);
                        continue;
                }
                queue_backlog_judge(&j);
                queue_active_judge(&j);
                queue_retries_judge(&j);
                queue_schema_judge(&j);
        }
        if (json_flag(facts, "more", false))
                findings_error(out, "WRK-4", &(struct resource){.kind = "queues", .name = "(more)"},
                               REASON_TOO_LITTLE_DATA, "More queues are here than are looked at (300).",
                               "name those that matter in `queues` of the target");
        if (json_flag(facts, "discovered", false) && (strcmp(role, "queue") == 0 || strcmp(role, "mixed") == 0))
                expected_judge(facts, policy, out);
        silence_judge(facts, out);
}

const struct audit audit_queues = {
        .name = "queues",
        .summary = "depth, age and growth of queues, stuck jobs, retries, messages against their schema",
        .looks_at = {"redis"},
        .controls = {"WRK-2", "WRK-4", "WRK-5", "DLQ-5"},
        .needs = "ACL SETUSER rounds ~* +@connection +info +scan +exists +time +get +llen +lindex +lrange +zcard "
                 "+zcount +zrange +hmget +xinfo +xpending +xrange +xrevrange",
        .samples = {"queues.waiting_jobs", "queues.completed_jobs"},
        .collect = queues_collect,
        .judge = queues_judge,
        .check = queues_check,
};

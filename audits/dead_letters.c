/* Dead letters: how many, of what, why, how often tried again?  Controls: DLQ-1 (their depth now), DLQ-2 (the messages'
 * part), DLQ-3. */

#include "audit.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dead_letter_judge.h"
#include "dead_letters.h"
#include "json.h"
#include "postgres.h"
#include "redis.h"
#include "scope.h"
#include "share.h"

static const char *const controls[] = {"DLQ-1", "DLQ-2", "DLQ-3"};

/* --- collecting --------------------------------------------------------------------------------------------------- */

static int
dead_letters_collect(struct session *session, json_t *facts, struct error *err)
{
        const char *kind = session->target->kind->name, *role = target_text(session->target, "role");
        json_t *sources = json_array();

        if (json_put(facts, "sources", sources) != 0 ||
            json_put_flag(facts, "configured", target_value(session->target, "dead_letters") != NULL) != 0 ||
            json_put_text(facts, "role", role != NULL ? role : "") != 0)
                return error_memory(err, "facts");
        dead_letter_read read = strcmp(kind, "redis") == 0      ? dead_letters_redis
                                : strcmp(kind, "postgres") == 0 ? dead_letters_sql
                                                                : dead_letters_http;
        return read(session, facts, sources, err);
}

static bool
dead_letters_applies(const struct target *target, char *why, size_t size)
{
        const char *role = target_text(target, "role");
        bool redis = strcmp(target->kind->name, "redis") == 0;

        if (json_array_size(target_value(target, "dead_letters")) > 0 ||
            (redis && (role == NULL || strcmp(role, "cache") != 0)))
                return true;
        snprintf(why, size, "no dead letters are configured for this target (`dead_letters`)");
        return false;
}

static int
dead_letters_check(struct session *session, struct rights *rights, struct error *err)
{
        struct error why = {0};
        scoped_json facts = json_object();
        scoped_json sources = json_array();

        /* Whatever it takes to read them is what is needed: they are read. */
        if (strcmp(session->target->kind->name, "redis") == 0) {
                struct redis *redis = redis_session(session, err);
                scoped_reply reply = NULL;
                if (redis == NULL)
                        return -1;
                bool held = redis_ask(redis, "ZRANGE rounds:is:this:allowed 0 0", &reply, &why) == 0 ||
                            strstr(why.text, "MOVED ") != NULL;
                rights_add(rights, held, "failed jobs and lists: EXISTS, LLEN, LRANGE, ZCARD, ZRANGE, HMGET",
                           "ACL SETUSER rounds ~* +exists +llen +lrange +zcard +zrange +hmget");
                return 0;
        }
        if ((strcmp(session->target->kind->name, "postgres") == 0 ? dead_letters_sql : dead_letters_http)(
                    session, facts, sources, err) != 0)
                return -1;
        size_t i;
        json_t *gap;
        json_array_foreach((json_t *)json_list(facts, "gaps"), i, gap)
                rights_add(rights, false, json_text(gap, "text", "dead letters"), json_text(gap, "remedy", ""));
        if (i == 0)
                rights_add(rights, true, "dead letters can be read", NULL);
        return 0;
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

/* --- replays ------------------------------------------------------------------------------------------------------ */

/* Messages tried again with another type of backoff than is wanted; *type gets the first of them. */
static double
other_backoff(const struct dead_letter_judge *j, const char **type)
{
        const char *wanted = policy_text(j->policy, "DLQ-2", "backoff");
        double other = 0;
        size_t i;
        json_t *row;

        *type = NULL;
        json_array_foreach((json_t *)json_list(j->row, "backoffs"), i, row)
        {
                if (strcmp(json_text(row, "type", ""), wanted) == 0)
                        continue;
                other += json_real_or(row, "messages", 0);
                *type = *type != NULL ? *type : json_text(row, "type", "?");
        }
        return other;
}

static void
replays_judge(const struct dead_letter_judge *j)
{
        double bound = policy_number(j->policy, "DLQ-2", "replays"), known = 0, over = 0, most = 0;
        const char *type, *wanted = policy_text(j->policy, "DLQ-2", "backoff");
        double other = other_backoff(j, &type);
        struct findings *out = j->out;
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->row, "replays"), i, row)
        {
                double messages = json_real_or(row, "messages", 0), times = strtod(json_text(row, "times", "0"), NULL);
                known += messages;
                over += times > bound ? messages : 0;
                most = times > most ? times : most;
        }
        if (known == 0 && j->seen > 0) {
                findings_error(out, "DLQ-2", &(struct resource){.kind = "dead letters", .name = j->name},
                               REASON_TOO_LITTLE_DATA, "No message tells how often it was tried again.",
                               "say where they tell it: `retry_count` of the source in `dead_letters`");
                return;
        }
        const char *expected = findings_text(out, "each tried again at most %g times, with %s backoff", bound, wanted);
        const char *silent = json_array_size(json_list(j->row, "backoffs")) > 0 || j->seen == 0
                                     ? ""
                                     : "; with what backoff, the messages do not tell";
        if (over > 0 || other > 0)
                dead_letter_tell(
                        j, "DLQ-2", policy_severity(j->policy, "DLQ-2", false),
                        findings_text(out, "%s messages were tried again more than %g times (up to %.0f)%s%s",
                                      share_words(out, over, known, fmax(j->total, known)), bound, most,
                                      other > 0 ? findings_text(out, "; %.0f with backoff %s", other, type) : "",
                                      silent),
                        expected,
                        over > 0 ? "Messages that cannot succeed are replayed again and again."
                                 : "Messages are replayed without growing pauses.",
                        "Count replays in the message, stop after the bound, double the pause each time, and send what "
                        "is "
                        "left to the archive.");
        else
                dead_letter_tell(j, "DLQ-2", SEV_NONE,
                                 j->seen == 0 ? "no message to be replayed"
                                              : findings_text(out, "%s messages over the bound (up to %.0f times)%s",
                                                              share_words(out, 0, known, fmax(j->total, known)), most,
                                                              silent),
                                 expected, "Replays are bounded.", NULL);
}

/* --- classes ------------------------------------------------------------------------------------------------------ */

static bool
is_class(const struct dead_letter_judge *j, const char *word)
{
        const json_t *classes = policy_value(j->policy, "DLQ-3", "classes");
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)classes, i, one)
        {
                if (json_is_string(one) && strcasecmp(json_string_value(one), word) == 0)
                        return true;
        }
        return false;
}

/* What the policy's rules make of an error that its messages do not class. */
static bool
ruled(const struct dead_letter_judge *j, const char *error)
{
        size_t i;
        json_t *rule;

        json_array_foreach((json_t *)policy_value(j->policy, "DLQ-3", "rules"), i, rule)
        {
                if (fnmatch(json_text(rule, "match", ""), error, FNM_CASEFOLD) == 0)
                        return is_class(j, json_text(rule, "class", ""));
        }
        return false;
}

struct classes {
        double told, by_rule, none;
        const char *none_error; /* the most frequent error without a class */
};

static struct classes
classes_sum(const struct dead_letter_judge *j)
{
        struct classes sum = {0};
        size_t i;
        json_t *error, *part;
        const char *class;

        json_array_foreach((json_t *)json_list(j->row, "errors"), i, error)
        {
                const char *text = json_text(error, "text", "?");
                json_object_foreach((json_t *)json_map(error, "classes"), class, part)
                {
                        double messages = json_is_number(part) ? json_number_value(part) : 0;
                        if (is_class(j, class))
                                sum.told += messages;
                        else if (ruled(j, text))
                                sum.by_rule += messages;
                        else {
                                sum.none += messages;
                                sum.none_error = sum.none_error != NULL ? sum.none_error : text;
                        }
                }
        }
        return sum;
}

static void
classes_judge(const struct dead_letter_judge *j)
{
        struct classes sum = classes_sum(j);
        const json_t *worst = json_array_get(json_list(j->row, "errors"), 0);
        double all = sum.told + sum.by_rule + sum.none;
        struct findings *out = j->out;
        const char *expected = "every message looked at says transient or permanent";

        if (j->seen == 0 && j->total == 0) {
                dead_letter_tell(j, "DLQ-3", SEV_NONE, "no message to be classified", expected, "No message has died.",
                                 NULL);
                return;
        }
        if (!(all > 0)) {
                findings_error(out, "DLQ-3", &(struct resource){.kind = "dead letters", .name = j->name},
                               REASON_TOO_LITTLE_DATA, "No message was there to look at.", NULL);
                return;
        }
        double share = 100 * json_real_or(worst, "messages", 0) / fmax(j->seen, all);
        const char *dominant = findings_text(out, "most frequent error (%.0f %%): %s", share,
                                             json_text(worst, "text", "?"));
        if (sum.none > 0)
                dead_letter_tell(
                        j, "DLQ-3", policy_severity(j->policy, "DLQ-3", false),
                        findings_text(out, "%s messages say neither; %s",
                                      share_words(out, sum.none, all, fmax(j->total, all)), dominant),
                        expected,
                        "Dead letters do not say whether trying them again can help: somebody has to read each.",
                        findings_text(out,
                                      "Set a class where messages are given up (field errorClass: transient or "
                                      "permanent), or give the policy DLQ-3 a rule, for a start for \"%s\".",
                                      sum.none_error));
        else
                dead_letter_tell(
                        j, "DLQ-3", SEV_NONE,
                        findings_text(out, "%.0f by the message, %.0f by a rule; %s", sum.told, sum.by_rule, dominant),
                        expected, "Dead letters are classified.", NULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static bool
seen_before(const struct dead_letter_judge *j)
{
        const struct series *series = history_series(j->history, "dead_letters.messages", j->name);

        for (size_t i = 0; series != NULL && i < series->count; i++) {
                if (series->samples[i].value > 0)
                        return true;
        }
        return false;
}

static void
row_add(const struct dead_letter_judge *j)
{
        double oldest = json_real_or(j->row, "oldest_at_ms", NAN);
        const json_t *topic = json_array_get(json_list(j->row, "topics"), 0);
        const json_t *error = json_array_get(json_list(j->row, "errors"), 0);
        json_t *row = json_object();

        json_put_text(row, "id", j->name);
        json_put_text(row, "kind", json_text(j->row, "kind", ""));
        json_put_real(row, "messages", j->total);
        json_put_real(row, "looked_at", j->seen);
        json_put_real(row, "oldest_seconds", ((double)history_now(j->history) - oldest) / 1000);
        json_put_text(row, "topic", json_text(topic, "name", ""));
        json_put_text(row, "error", json_text(error, "text", ""));
        json_put_real(row, "error_messages", json_real_or(error, "messages", NAN));
        findings_inventory(j->out, "dead_letters", row);
}

static void
source_judge(const struct dead_letter_judge *j)
{
        if (!json_flag(j->row, "exists", true) && !seen_before(j)) {
                for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
                        findings_error(j->out, controls[i], &(struct resource){.kind = "dead letters", .name = j->name},
                                       REASON_TOO_LITTLE_DATA,
                                       findings_text(j->out, "Nothing is at key %s: it is empty, or the key is wrong.",
                                                     json_text(j->row, "key", "?")),
                                       "check `key`, `prefix` and the url's database number; a list that holds a "
                                       "message once is known from then on");
                return;
        }
        row_add(j);
        dead_letter_depth_judge(j);
        replays_judge(j);
        classes_judge(j);
}

static void
dead_letters_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                   struct findings *out)
{
        const json_t *sources = json_list(facts, "sources");
        const char *role = json_text(facts, "role", "");
        bool wanted = json_flag(facts, "configured", false) || strcmp(role, "queue") == 0 || strcmp(role, "mixed") == 0;
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)sources, i, row)
        {
                struct dead_letter_judge j = {.row = row,
                                              .policy = policy,
                                              .history = history,
                                              .out = out,
                                              .name = json_text(row, "name", "?"),
                                              .owner = json_text(row, "owner", NULL),
                                              .total = json_real_or(row, "total", NAN),
                                              .seen = json_real_or(row, "seen", 0),
                                              .series = "dead_letters.messages",
                                              .evidence = findings_text(out, "/sources/%zu", i)};
                if (isnan(j.total)) {
                        for (size_t k = 0; k < sizeof controls / sizeof *controls; k++)
                                findings_error(out, controls[k],
                                               &(struct resource){.kind = "dead letters", .name = j.name},
                                               REASON_TOO_LITTLE_DATA, "How many there are is not in the facts.", NULL);
                        continue;
                }
                source_judge(&j);
        }
        if (json_array_size(sources) > 0 || json_has(facts, "gaps"))
                return;
        for (i = 0; i < sizeof controls / sizeof *controls; i++) {
                if (wanted)
                        findings_error(out, controls[i], NULL, REASON_TOO_LITTLE_DATA,
                                       "No source of dead letters was seen: neither a queue nor a list.",
                                       "name them in `dead_letters` of the target where they are");
                else
                        findings_skip(out, controls[i],
                                      "No queue is on this server, and no dead letters are configured.",
                                      "name them in `dead_letters` of the target where they are");
        }
}

const struct audit audit_dead_letters = {
        .name = "dead_letters",
        .summary = "depth, age, causes, replays and classes of dead letters",
        .looks_at = {"redis", "postgres", "http"},
        .controls = {"DLQ-1", "DLQ-2", "DLQ-3"},
        .needs = "GRANT SELECT ON the table TO rounds; or the http target's credentials; or ACL SETUSER rounds ~* "
                 "+@connection +scan +exists +llen +lrange +zcard +zrange +hmget",
        .samples = {"dead_letters.messages"},
        .collect = dead_letters_collect,
        .judge = dead_letters_judge,
        .check = dead_letters_check,
        .applies = dead_letters_applies,
};

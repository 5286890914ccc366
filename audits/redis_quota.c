/* Redis quota: how many commands a month does a metered plan see, who burns them, and who polls for nothing?
 * Controls: RED-6. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "redis_commands.h"
#include "scope.h"
#include "trend.h"

/* A plan's month; 30 days, since that is how plans are quoted. */
#define MONTH_S (30.0 * 86400)

/* The shortest time over which a counter between runs says more than a window does. */
#define LEAST_S 600.0

/* --- collecting --------------------------------------------------------------------------------------------------- */

static int
redis_quota_collect(struct session *session, json_t *facts, struct error *err)
{
        const char *role = target_text(session->target, "role");
        /* Where no plan is metered nobody waits for a window; the counters alone are read. */
        bool metered = session->policy != NULL && policy_number(session->policy, "RED-6", "quota") > 0;
        int64_t window_ms = metered ? policy_whole(session->policy, "RED-6", "window") : 0;

        if (json_put_text(facts, "role", role != NULL ? role : "") != 0)
                return error_memory(err, "facts");
        return redis_commands_read(session, window_ms, "RED-6", facts, err);
}

static int
redis_quota_check(struct session *session, struct rights *rights, struct error *err)
{
        struct redis *redis = redis_session(session, err);
        scoped_reply clients = NULL;
        scoped_reply length = NULL;
        struct error refused;

        if (redis == NULL)
                return -1;
        rights_add(rights, redis_ask(redis, "CLIENT LIST", &clients, &refused) == 0, "CLIENT LIST (who polls)",
                   "ACL SETUSER rounds +client|list");
        /* In a cluster the name may belong to another server: MOVED says that the command itself is allowed. */
        bool lengths = redis_ask(redis, "LLEN rounds:is:this:allowed", &length, &refused) == 0 ||
                       strstr(refused.text, "MOVED ") != NULL;
        rights_add(rights, lengths, "LLEN, ZCARD (empty queues)", "ACL SETUSER rounds ~* +llen +zcard");
        return 0;
}

/* --- rates -------------------------------------------------------------------------------------------------------- */

/* Commands a second of one server, by the best evidence there is. */
struct rate {
        double mean, low, high; /* NAN: nothing tells */
        double seconds;         /* that it was counted over */
        const char *words;      /* "between runs", "since the server started", "in the window" */
        bool window;
};

static struct rate
window_rate(const json_t *server)
{
        const json_t *window = json_map(server, "window");
        double seconds = json_real_or(window, "ms", 0) / 1000, commands = json_real_or(window, "commands", NAN);
        struct rate rate = {NAN, NAN, NAN, seconds, "in the window", true};

        if (isnan(commands) || !(seconds > 0.05))
                return rate;
        /* Counts are taken for Poisson's; the interval is Garwood's by Wilson and Hilferty's approximation. */
        double k = commands, low = k <= 0 ? 0 : k * pow(1 - 1 / (9 * k) - 1.96 / (3 * sqrt(k)), 3);
        double high = (k + 1) * pow(1 - 1 / (9 * (k + 1)) + 1.96 / (3 * sqrt(k + 1)), 3);
        rate.mean = commands / seconds;
        rate.low = fmax(low, 0) / seconds;
        rate.high = high / seconds;
        return rate;
}

static struct rate
exact_rate(double commands, double seconds, const char *words)
{
        double rate = fmax(commands, 0) / seconds;

        return (struct rate){rate, rate, rate, seconds, words, false};
}

/* What a counter grew by over the history and now; it begins anew when it falls.  The first sample is where counting
 * begins.  `own` takes the same samples' own commands out, since those of a run were sent before its sample. */
static struct rate
history_rate(const struct history *history, const char *address, double total, double own, bool restarted)
{
        const struct series *series = history_series(history, "redis_quota.commands_total", address);
        const struct series *ours = history_series(history, "redis_quota.own_commands", address);
        int64_t since = history_now(history) - (int64_t)(MONTH_S * 1000), first_ms = 0;
        double grown = 0, before = NAN;

        for (size_t i = 0; series != NULL && i < series->count; i++) {
                if (series->samples[i].at_ms < since)
                        continue;
                double value = series->samples[i].value;
                if (isnan(before))
                        first_ms = series->samples[i].at_ms;
                else
                        grown += value >= before ? value - before : value;
                before = value;
        }
        if (isnan(before))
                return (struct rate){NAN, NAN, NAN, 0, "", false};
        grown += (total >= before && !restarted ? total - before : total) - own;
        for (size_t i = 0; ours != NULL && i < ours->count; i++)
                grown -= ours->samples[i].at_ms > first_ms ? ours->samples[i].value : 0;
        double seconds = (double)(history_now(history) - first_ms) / 1000;
        return seconds >= LEAST_S ? exact_rate(grown, seconds, "between runs")
                                  : (struct rate){NAN, NAN, NAN, seconds, "", false};
}

/* Between runs where there was one; since the start of a server that is new; else in the window. */
static struct rate
server_rate(const struct history *history, const json_t *server)
{
        const char *address = json_text(server, "address", "");
        double total = json_real_or(server, "total", NAN), own = json_real_or(server, "own", 0);
        double uptime = json_real_or(server, "uptime_s", NAN);
        bool reset = json_flag(json_map(server, "window"), "reset", false);
        const struct sample *last = history_last(history, "redis_quota.commands_total", address);

        if (!isnan(total) && last != NULL) {
                /* A counter that fell on a server that did not start anew was set back by CONFIG RESETSTAT: how long
                 * ago nobody knows, so that only the window tells. */
                double elapsed = (double)(history_now(history) - last->at_ms) / 1000;
                bool set_back = total < last->value && uptime > elapsed;
                struct rate rate = history_rate(history, address, total, own, uptime <= elapsed);
                if (!isnan(rate.mean) && !set_back)
                        return rate;
        } else if (!isnan(total) && !reset && uptime >= LEAST_S) {
                return exact_rate(total - own, uptime, "since the server started");
        }
        return window_rate(server);
}

/* --- the plan ----------------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        double quota;
};

/* All servers together: a plan is bought for all of them. */
struct plan {
        double month, low, high;                   /* commands a month */
        double window_commands, window_s, polling; /* in the window: all, its length, those that poll */
        double own;                                /* ours, this run */
        double blocked;                            /* clients blocked on empty queues, and on what has no name */
        size_t servers, unknown, by_total;
        bool window_alone, restarted;
        const char *words;
        const char *shares;
};

static bool
is_poll(const char *command)
{
        static const char *const polls[] = {"blpop",    "brpop",    "brpoplpush", "blmove", "blmpop",
                                            "bzpopmin", "bzpopmax", "bzmpop",     "xread",  "xreadgroup"};

        for (size_t i = 0; i < sizeof polls / sizeof polls[0]; i++) {
                if (strcmp(command, polls[i]) == 0)
                        return true;
        }
        return false;
}

struct share {
        const char *name;
        double calls;
};

static int
by_calls(const void *a, const void *b)
{
        const struct share *left = a, *right = b;

        if (left->calls != right->calls)
                return left->calls < right->calls ? 1 : -1;
        return strcmp(left->name, right->name);
}

/* "evalsha 22 %, bzpopmin 11 %": the window's commands of all servers, the five most. */
static const char *
shares_tell(const struct judge *j, struct plan *plan)
{
        scoped_json all = json_object();
        size_t i, count = 0;
        json_t *server, *value;
        const char *name, *words = "";

        json_array_foreach((json_t *)json_list(j->facts, "servers"), i, server)
        {
                json_object_foreach((json_t *)json_map(server, "by_command"), name, value)
                {
                        double calls = fmax(json_number_value(value), 0);
                        json_put_real(all, name, json_real_or(all, name, 0) + calls);
                        plan->polling += is_poll(name) ? calls : 0;
                }
        }
        scoped(scope_free) struct share *shares = calloc(json_object_size(all) + 1, sizeof *shares);
        double sum = 0;
        if (shares == NULL)
                return "";
        json_object_foreach(all, name, value)
        {
                shares[count++] = (struct share){name, json_number_value(value)};
                sum += json_number_value(value);
        }
        qsort(shares, count, sizeof *shares, by_calls);
        for (i = 0; i < count && i < 5 && sum > 0; i++)
                words = findings_text(j->out, "%s%s%s %.0f %%", words, i > 0 ? ", " : "", shares[i].name,
                                      100 * shares[i].calls / sum);
        for (i = 0; i < count && i < 10 && sum > 0; i++) {
                json_t *row = json_object();
                json_put_text(row, "id", shares[i].name);
                json_put_text(row, "command", shares[i].name);
                json_put_real(row, "calls", shares[i].calls);
                json_put_real(row, "share_percent", 100 * shares[i].calls / sum);
                json_put_flag(row, "polls", is_poll(shares[i].name));
                findings_inventory(j->out, "redis_commands", row);
        }
        return findings_text(j->out, "%s", words);
}

static void
plan_add(const struct judge *j, const json_t *server, struct plan *plan)
{
        const char *address = json_text(server, "address", NULL);
        const json_t *window = json_map(server, "window");

        if (address == NULL)
                return;
        struct rate rate = server_rate(j->history, server);
        plan->servers++;
        plan->unknown += isnan(rate.mean);
        plan->by_total += strcmp(json_text(server, "counted_by", ""), "total_commands_processed") == 0;
        plan->own += json_real_or(server, "own", 0);
        plan->window_commands += fmax(json_real_or(window, "commands", 0), 0);
        plan->window_s = fmax(plan->window_s, json_real_or(window, "ms", 0) / 1000);
        plan->restarted = plan->restarted || json_flag(window, "reset", false);
        findings_sample(j->out, "redis_quota.commands_total", address, json_real_or(server, "total", NAN));
        findings_sample(j->out, "redis_quota.own_commands", address, json_real_or(server, "own", NAN));
        if (isnan(rate.mean))
                return;
        plan->month += rate.mean * MONTH_S;
        plan->low += rate.low * MONTH_S;
        plan->high += rate.high * MONTH_S;
        plan->window_alone = plan->window_alone || rate.window;
        plan->words = findings_text(j->out, "%s over %s", rate.words, findings_duration(j->out, rate.seconds * 1000));
}

/* "1,310,000": figures of a plan are quoted in full. */
static const char *
whole_words(struct findings *out, double value)
{
        char digits[32], text[48];
        size_t length = (size_t)snprintf(digits, sizeof digits, "%.0f", fmin(fmax(value, 0), 1e18)), used = 0;

        for (size_t i = 0; i < length; i++) {
                if (i > 0 && (length - i) % 3 == 0)
                        text[used++] = ',';
                text[used++] = digits[i];
        }
        text[used] = '\0';
        return findings_text(out, "%s", text);
}

static const char *
plan_words(const struct judge *j, const struct plan *plan)
{
        struct findings *out = j->out;
        const char *range = plan->window_alone && plan->high > plan->low
                                    ? findings_text(out, " (%s to %s)", whole_words(out, plan->low),
                                                    whole_words(out, plan->high))
                                    : "";
        const char *shares = *plan->shares != '\0' ? findings_text(out, "; in the window of %s: %.0f commands, %s",
                                                                   findings_duration(out, plan->window_s * 1000),
                                                                   plan->window_commands, plan->shares)
                                                   : "";

        return findings_text(out, "%s commands a month%s, counted %s%s; rounds itself sent %.0f more in this run%s",
                             whole_words(out, plan->month), range, plan->words, shares, plan->own,
                             plan->by_total > 0 ? "; the service hides INFO commandstats, so that nobody can tell which"
                                                : "");
}

static const char *
plan_remedy(const struct judge *j, const struct plan *plan)
{
        const char *own = plan->own * 30 > j->quota / 20
                                  ? " rounds' own scan takes a good part of the plan: set scan_keys for this target."
                                  : "";

        if (plan->polling > 0 || plan->blocked > 0)
                return findings_text(j->out,
                                     "Stop polling for nothing: WORKER_INPROCESS=0 and drain the queues by cron, fewer "
                                     "workers, or a longer drainDelay; or buy a plan without a meter.%s",
                                     own);
        return findings_text(
                j->out,
                "Look at what sends the commands above (redis-cli MONITOR for a second, on a replica); pipeline "
                "does not help, since every command counts; or buy a plan without a meter.%s",
                own);
}

static void
fail_quota(const struct judge *j, const struct resource *resource, const char *observed, const char *expected,
           const char *message, const char *remedy, const char *evidence)
{
        findings_fail(j->out, "RED-6", resource, policy_severity(j->policy, "RED-6", false), observed, expected,
                      message, remedy, evidence);
}

/* --- idle pollers ------------------------------------------------------------------------------------------------- */

/* Names every empty queue on which workers block; each is a finding when the plan is overrun. */
static const char *
pollers_tell(const struct judge *j, struct plan *plan, bool fail)
{
        size_t i, k, told = 0;
        json_t *server, *queue;
        const char *names = "";

        json_array_foreach((json_t *)json_list(j->facts, "servers"), i, server)
        {
                plan->blocked += fmax(json_real_or(server, "blocked_unnamed", 0), 0);
                json_array_foreach((json_t *)json_list(server, "queues"), k, queue)
                {
                        double clients = json_real_or(queue, "clients", 0);
                        const char *name = findings_text(j->out, "%s:%s", json_text(queue, "prefix", "?"),
                                                         json_text(queue, "name", "?"));
                        struct resource resource = {.kind = "queue", .name = name};
                        if (json_real_or(queue, "waiting", -1) != 0 || clients <= 0)
                                continue;
                        plan->blocked += clients;
                        names = told < 10 ? findings_text(j->out, "%s%s%s", names, told > 0 ? ", " : "", name) : names;
                        if (told++ >= 50 || !fail)
                                continue;
                        fail_quota(j, &resource,
                                   findings_text(j->out, "%.0f client%s blocked in %s on the empty queue", clients,
                                                 clients > 1 ? "s" : "", json_text(queue, "command", "?")),
                                   "nobody polls an empty queue on a plan that is overrun",
                                   "Every time-out of such a poll costs a script and what it runs, day and night.",
                                   "Drain this queue by cron, or raise drainDelay of its workers (5 s by default).",
                                   findings_text(j->out, "/servers/%zu/queues/%zu", i, k));
                }
        }
        return names;
}

static void
month_judge(const struct judge *j, const struct plan *plan)
{
        struct resource resource = {.kind = "projection", .name = "commands a month"};
        scoped(scope_free) struct trend *trend = malloc(sizeof *trend);
        struct trend_question question = {.now_ms = history_now(j->history), .limit = j->quota};

        if (trend == NULL || trend_judge(j->history, "redis_quota.month_commands", "", plan->month, &question,
                                         resource.name, "commands", j->out, trend) != 0) {
                j->out->failed = true;
                return;
        }
        if (trend->full_on_ms == 0 || plan->month > j->quota ||
            trend->full_on_ms - question.now_ms > (int64_t)(MONTH_S * 1000))
                return;
        fail_quota(j, &resource, trend_words(trend, "commands", j->out), "not overrun within 30 days",
                   "The plan will be overrun soon.", plan_remedy(j, plan), NULL);
}

static void
plan_judge(const struct judge *j, struct plan *plan)
{
        const struct resource whole = {0};
        struct findings *out = j->out;
        const char *expected = findings_text(out, "at most %s commands a month", whole_words(out, j->quota));
        const char *observed = plan_words(j, plan);

        if (plan->window_alone && plan->low <= j->quota && plan->high > j->quota) {
                findings_error(out, "RED-6", NULL, REASON_TOO_LITTLE_DATA,
                               findings_text(out, "A window of %s is too short to tell: %s.",
                                             findings_duration(out, plan->window_s * 1000), observed),
                               "the next run counts from this one on; or set a longer window for RED-6");
                return;
        }
        bool over = plan->month > j->quota;
        const char *names = pollers_tell(j, plan, over);
        if (over)
                fail_quota(j, &whole, observed, expected,
                           *names != '\0'
                                   ? findings_text(out,
                                                   "The plan will not last the month; workers poll empty queues: %s.",
                                                   names)
                                   : "The plan will not last the month.",
                           plan_remedy(j, plan), NULL);
        else
                findings_pass(
                        out, "RED-6", NULL, observed, expected,
                        *names != '\0'
                                ? findings_text(out, "The plan lasts, though workers poll empty queues: %s.", names)
                                : "The plan lasts.");
        month_judge(j, plan);
}

static void
redis_quota_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {facts, policy, history, out, policy_number(policy, "RED-6", "quota")};
        struct plan plan = {.words = "", .shares = ""};
        size_t i;
        json_t *server;

        json_array_foreach((json_t *)json_list(facts, "servers"), i, server) plan_add(&j, server, &plan);
        plan.shares = shares_tell(&j, &plan);
        if (!(j.quota > 0)) {
                findings_skip(out, "RED-6", "No quota is declared: the plan is taken for one without a meter.",
                              "set policy RED-6 quota for the target, to the commands a month that its plan allows");
                return;
        }
        if (plan.servers == 0) {
                if (json_array_size(json_list(facts, "gaps")) == 0)
                        findings_error(out, "RED-6", NULL, REASON_TOO_LITTLE_DATA, "No server was seen.", NULL);
                return;
        }
        if (plan.unknown > 0 || facts_lacks(facts, "commands")) {
                /* A part of the servers is no plan. */
                findings_error(out, "RED-6", NULL, plan.restarted ? REASON_TOO_LITTLE_DATA : REASON_UNSUPPORTED,
                               plan.restarted ? "The counters were set back while they were looked at."
                               : plan.unknown > 0
                                       ? "A server tells neither INFO commandstats nor total_commands_processed."
                                       : "Not every server could be read: the plan's commands are not known.",
                               plan.restarted ? "let it run again"
                                              : "ACL SETUSER rounds +info; a service that hides both cannot "
                                                "be assessed: read its own console");
                return;
        }
        plan_judge(&j, &plan);
}

const struct audit audit_redis_quota = {
        .name = "redis_quota",
        .summary = "commands a month against a metered plan, and workers that poll empty queues",
        .looks_at = {"redis"},
        .controls = {"RED-6"},
        .needs = "ACL SETUSER rounds ~* +@connection +info +scan +dbsize +llen +zcard",
        .samples = {"redis_quota.*"},
        .history_ms = 40 * DAY_MS,
        .collect = redis_quota_collect,
        .judge = redis_quota_judge,
        .check = redis_quota_check,
};

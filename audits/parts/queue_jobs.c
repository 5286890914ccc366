/* The jobs of a queue: which are stuck (WRK-2), how they are tried again (WRK-5), do they fit their schema (DLQ-5). */

#include "queue_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "share.h"

enum { TYPES_MOST = 200 };

/* --- active jobs -------------------------------------------------------------------------------------------------- */

/* How long a job of this name may be active: the queue's own word, else the policy's for the job type, the queue's for
 * the rest, the policy's for the queue, the policy's for all. */
static double
limit_of(const struct queue_judge *j, const char *name)
{
        const json_t *own = json_map(j->row, "limits"), *shared = policy_value(j->policy, "WRK-2", "limits");
        double limit = json_real_or(own, name, -1);

        limit = limit >= 0 ? limit : json_real_or(shared, name, -1);
        limit = limit >= 0 ? limit : json_real_or(own, "*", -1);
        limit = limit >= 0 ? limit : json_real_or(shared, j->name, -1);
        return limit >= 0 ? limit : policy_number(j->policy, "WRK-2", "limit");
}

/* Jobs of one name that are active for too long. */
struct stuck {
        const char *name, *id; /* of the longest */
        double jobs, unlocked, longest_ms;
};

static void
stuck_fail(const struct queue_judge *j, const struct stuck *stuck)
{
        struct resource resource = {.kind = "job type", .namespace_ = j->name, .name = stuck->name};
        double limit = limit_of(j, stuck->name), stalled = policy_number(j->policy, "WRK-2", "stalled");
        struct findings *out = j->out;
        const char *locks = stuck->unlocked > 0
                                    ? findings_text(out, ", %.0f of them held by no worker", stuck->unlocked)
                                    : "";

        queue_fail(
                j, "WRK-2", &resource, false,
                findings_text(out, "%.0f active for too long, longest %s (job %s)%s", stuck->jobs,
                              findings_duration(out, stuck->longest_ms), stuck->id, locks),
                findings_text(out, "active for at most %s; without a lock for at most %s",
                              findings_duration(out, limit), findings_duration(out, stalled)),
                stuck->unlocked >= stuck->jobs
                        ? "The worker that ran this job is gone, and no other took it up: it hangs in the active list."
                        : "A job has been running for longer than its type may: it blocks its worker.",
                stuck->unlocked >= stuck->jobs
                        ? "Start a worker for this queue: it moves stalled jobs back by itself. Then find out why the "
                          "last one ended: kubectl describe pod shows restarts and OOMKilled."
                        : findings_text(out,
                                        "Look what it waits for: redis-cli HMGET %s name processedOn ats pb. Restart "
                                        "that worker to free it, and give the job type a timeout in its code.",
                                        queue_shell(j, "%s:%s", j->key, stuck->id)));
}

static void
stuck_add(struct stuck *all, size_t *count, const char *name, const char *id, double age, bool locked)
{
        size_t i = 0;

        while (i < *count && strcmp(all[i].name, name) != 0)
                i++;
        if (i == TYPES_MOST)
                return;
        if (i == *count)
                all[(*count)++] = (struct stuck){.name = name, .id = id, .longest_ms = age};
        all[i].jobs++;
        all[i].unlocked += !locked;
        if (age > all[i].longest_ms) {
                all[i].longest_ms = age;
                all[i].id = id;
        }
}

static void
bullmq_active(const struct queue_judge *j)
{
        const json_t *active = json_map(j->row, "active");
        struct resource resource = {.kind = "queue", .name = j->name};
        double jobs = json_real_or(active, "jobs", NAN), stalled = policy_number(j->policy, "WRK-2", "stalled");
        struct stuck stuck[TYPES_MOST];
        size_t i, count = 0;
        double longest = -1;
        json_t *job;

        if (isnan(jobs)) {
                findings_error(j->out, "WRK-2", &resource, REASON_TOO_LITTLE_DATA,
                               "Which jobs are active is not in the facts.", NULL);
                return;
        }
        json_array_foreach((json_t *)json_list(active, "rows"), i, job)
        {
                const char *name = json_text(job, "name", "");
                double age = json_real_or(job, "age_ms", -1);
                bool locked = json_flag(job, "locked", true);
                longest = age > longest ? age : longest;
                if (age > limit_of(j, name) || (!locked && age > stalled))
                        stuck_add(stuck, &count, name, json_text(job, "id", "?"), age, locked);
        }
        for (i = 0; i < count; i++)
                stuck_fail(j, &stuck[i]);
        if (count > 0)
                return;
        findings_add(j->out,
                     &(struct finding){.control = "WRK-2",
                                       .resource = resource,
                                       .status = STATUS_PASS,
                                       .observed = longest < 0 ? "no job is active"
                                                               : findings_text(j->out, "%.0f active, longest %s", jobs,
                                                                               findings_duration(j->out, longest)),
                                       .expected = findings_text(j->out,
                                                                 "active for at most %s, where no other limit is set",
                                                                 findings_duration(j->out, limit_of(j, ""))),
                                       .message = "No job has been active for too long.",
                                       .owner = j->owner,
                                       .evidence = findings_text(j->out, "/queues/%zu/active", j->index)});
}

/* What a group's consumers got and never acknowledged. */
static void
group_active(const struct queue_judge *j, const json_t *group)
{
        const char *name = json_text(group, "name", "?"), *consumer = "?";
        struct resource resource = {.kind = "consumer group", .namespace_ = j->name, .name = name};
        double limit = limit_of(j, name), over = 0, longest = -1, deliveries = 0, idle = NAN;
        const json_t *entries = json_list(group, "unacknowledged");
        struct findings *out = j->out;
        size_t i;
        json_t *one;

        json_array_foreach((json_t *)entries, i, one)
        {
                double waited = json_real_or(one, "idle_ms", -1);
                over += waited > limit;
                deliveries = fmax(deliveries, json_real_or(one, "deliveries", 0));
                if (waited > longest) {
                        longest = waited;
                        consumer = json_text(one, "consumer", "?");
                }
        }
        json_array_foreach((json_t *)json_list(group, "consumers"), i, one)
        {
                if (strcmp(json_text(one, "name", ""), consumer) == 0)
                        idle = json_real_or(one, "idle_ms", NAN);
        }
        double pending = json_real_or(group, "pending", 0);
        const char *expected = findings_text(out, "acknowledged within %s", findings_duration(out, limit));
        if (over > 0) {
                queue_fail(j, "WRK-2", &resource, false,
                           findings_text(out,
                                         "%s delivered and not acknowledged in time, longest %s by consumer %s (which "
                                         "last asked %s ago), delivered up to %.0f times",
                                         share_words(out, over, (double)json_array_size(entries), pending),
                                         findings_duration(out, longest), consumer, findings_duration(out, idle),
                                         deliveries),
                           expected,
                           idle > limit ? "A consumer took messages and is gone: nobody else gets them by itself."
                                        : "A consumer holds messages for longer than it may.",
                           findings_text(out,
                                         "Hand them to a living consumer: redis-cli XAUTOCLAIM %s %s CONSUMER %.0f 0",
                                         queue_shell(j, "%s", j->key), queue_shell(j, "%s", name), limit));
                return;
        }
        findings_add(out, &(struct finding){
                                  .control = "WRK-2",
                                  .resource = resource,
                                  .status = STATUS_PASS,
                                  .observed = findings_text(out, "%.0f delivered and not acknowledged yet", pending),
                                  .expected = expected,
                                  .message = "Consumers acknowledge what they get in time.",
                                  .owner = j->owner,
                                  .evidence = findings_text(out, "/queues/%zu/groups", j->index)});
}

void
queue_active_judge(const struct queue_judge *j)
{
        size_t i;
        json_t *group;

        if (strcmp(j->kind, "bullmq") == 0) {
                bullmq_active(j);
                return;
        }
        json_array_foreach((json_t *)json_list(j->row, "groups"), i, group) group_active(j, group);
}

/* --- retries ------------------------------------------------------------------------------------------------------ */

struct retries {
        double jobs, many, plain, once; /* plain: tried again without the backoff that is wanted */
        double attempts;                /* the most */
        const char *many_name, *plain_name, *plain_backoff;
};

static struct retries
retries_sum(const struct queue_judge *j)
{
        double most = policy_number(j->policy, "WRK-5", "attempts");
        const char *wanted = policy_text(j->policy, "WRK-5", "backoff");
        struct retries sum = {0};
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(json_map(j->row, "retries"), "rows"), i, row)
        {
                double jobs = json_real_or(row, "jobs", 0), attempts = json_real_or(row, "attempts", 0);
                const char *backoff = json_text(row, "backoff", "none"), *name = json_text(row, "name", "?");
                sum.jobs += jobs;
                if (attempts > most) {
                        sum.many += jobs;
                        if (attempts > sum.attempts) {
                                sum.attempts = attempts;
                                sum.many_name = name;
                        }
                }
                if (attempts <= 1)
                        sum.once += jobs;
                else if (strcmp(backoff, wanted) != 0) {
                        sum.plain += jobs;
                        sum.plain_name = sum.plain_name != NULL ? sum.plain_name : name;
                        sum.plain_backoff = sum.plain_backoff != NULL ? sum.plain_backoff : backoff;
                }
        }
        return sum;
}

void
queue_retries_judge(const struct queue_judge *j)
{
        struct resource resource = {.kind = "queue", .name = j->name};
        double most = policy_number(j->policy, "WRK-5", "attempts");
        const char *wanted = policy_text(j->policy, "WRK-5", "backoff");
        struct retries sum = retries_sum(j);
        double of = fmax(sum.jobs, json_real_or(json_map(j->row, "retries"), "of", 0));
        struct findings *out = j->out;

        if (strcmp(j->kind, "bullmq") != 0)
                return;
        if (!(sum.jobs > 0)) {
                findings_error(out, "WRK-5", &resource, REASON_TOO_LITTLE_DATA,
                               "No job was there to look at: how jobs are tried again cannot be told.",
                               "keep some finished jobs (removeOnComplete: {count: 100}), or let the rounds run while "
                               "the queue is in use");
                return;
        }
        const char *expected = findings_text(out, "at most %g attempts, with %s backoff", most, wanted);
        if (sum.many == 0 && sum.plain == 0) {
                findings_add(out,
                             &(struct finding){
                                     .control = "WRK-5",
                                     .resource = resource,
                                     .status = STATUS_PASS,
                                     .observed = findings_text(
                                             out, "%s jobs break the rule%s", share_words(out, 0, sum.jobs, of),
                                             sum.once == sum.jobs ? ", each tried once"
                                             : sum.once > 0 ? findings_text(out, ", %.0f of them tried once", sum.once)
                                                            : ""),
                                     .expected = expected,
                                     .message = "Retries are bounded and back off.",
                                     .owner = j->owner,
                                     .evidence = findings_text(out, "/queues/%zu/retries", j->index)});
                return;
        }
        const char *many = sum.many > 0 ? findings_text(out, "%s jobs may be tried more than %g times (up to %.0f: %s)",
                                                        share_words(out, sum.many, sum.jobs, of), most, sum.attempts,
                                                        sum.many_name)
                                        : "";
        const char *plain = sum.plain > 0 ? findings_text(out, "%s jobs are tried again with backoff %s (%s)",
                                                          share_words(out, sum.plain, sum.jobs, of), sum.plain_backoff,
                                                          sum.plain_name)
                                          : "";
        queue_fail(j, "WRK-5", &resource, false,
                   findings_text(out, "%s%s%s", many, sum.many > 0 && sum.plain > 0 ? "; " : "", plain), expected,
                   sum.many > 0
                           ? "Jobs that cannot succeed are tried again and again: they keep workers from others."
                           : "Jobs are tried again without growing pauses: whatever they need is hammered while it "
                             "is down.",
                   findings_text(out,
                                 "Add them with {attempts: %g, backoff: {type: '%s', delay: 1000}}, best as "
                                 "defaultJobOptions of the queue.",
                                 most, wanted));
}

/* --- schema ------------------------------------------------------------------------------------------------------- */

void
queue_schema_judge(const struct queue_judge *j)
{
        struct resource resource = {.kind = "queue", .name = j->name};
        const json_t *schema = json_map(j->row, "schema");
        double messages = json_real_or(schema, "messages", 0), fit = json_real_or(schema, "fit", 0);
        const json_t *worst = json_array_get(json_list(schema, "misfits"), 0);
        struct findings *out = j->out;

        if (schema == NULL)
                return;
        if (!(messages > 0)) {
                findings_error(out, "DLQ-5", &resource, REASON_TOO_LITTLE_DATA,
                               "No message was there to hold against the schema.",
                               "let the rounds run while the queue is in use");
                return;
        }
        if (fit >= messages) {
                findings_add(out,
                             &(struct finding){.control = "DLQ-5",
                                               .resource = resource,
                                               .status = STATUS_PASS,
                                               .observed = findings_text(out, "all of %.0f messages fit", messages),
                                               .expected = "every message looked at fits its schema",
                                               .message = "What is queued is well formed.",
                                               .owner = j->owner,
                                               .evidence = findings_text(out, "/queues/%zu/schema", j->index)});
                return;
        }
        const char *where = json_text(worst, "where", "");
        queue_fail(j, "DLQ-5", &resource, false,
                   findings_text(out, "%.0f of %.0f messages do not fit, most often (%.0f) %s %s", messages - fit,
                                 messages, json_real_or(worst, "messages", 0), *where != '\0' ? where : "the message",
                                 json_text(worst, "why", "does not fit")),
                   "every message looked at fits its schema",
                   "Malformed messages are queued: workers fail on them, and they end as dead letters.",
                   "Validate against the same schema where messages are made, before they are queued; mend the schema "
                   "where it is the one that is wrong.");
}

/* How many dead letters there are, and whether decision requests are among them.  (DLQ-1) */

#include "dead_letter_judge.h"

#include <math.h>

#include "json.h"

void
dead_letter_tell(const struct dead_letter_judge *j, const char *control, enum severity severity, const char *observed,
                 const char *expected, const char *message, const char *remedy)
{
        findings_add(j->out, &(struct finding){.control = control,
                                               .resource = {.kind = "dead letters", .name = j->name},
                                               .status = severity == SEV_NONE ? STATUS_PASS : STATUS_FAIL,
                                               .severity = severity,
                                               .observed = observed,
                                               .expected = expected,
                                               .message = message,
                                               .remedy = remedy,
                                               .owner = j->owner,
                                               .evidence = j->evidence});
}

/* The first name of a list with its count: "decision.requests (312)". */
static const char *
first_words(const struct dead_letter_judge *j, const char *list, const char *label)
{
        const json_t *first = json_array_get(json_list(j->row, list), 0);

        return first == NULL ? NULL
                             : findings_text(j->out, "%s (%.0f)", json_text(first, label, "?"),
                                             json_real_or(first, "messages", 0));
}

/* Messages of topics that are decision requests; *name gets the first of them. */
static double
decisions_among(const struct dead_letter_judge *j, const char **name)
{
        const json_t *globs = policy_value(j->policy, "DLQ-1", "decisions");
        double among = 0;
        size_t i;
        json_t *topic;

        *name = NULL;
        json_array_foreach((json_t *)json_list(j->row, "topics"), i, topic)
        {
                const char *text = json_text(topic, "name", "");
                if (!json_globs_match(globs, text))
                        continue;
                among += json_real_or(topic, "messages", 0);
                *name = *name != NULL ? *name : text;
        }
        return among;
}

/* The catalogue has three: SEV3, SEV2 beyond the severe depth, SEV1 with decisions.  A severity that the configuration
 * sets is all three. */
static enum severity
depth_severity(const struct dead_letter_judge *j, bool severe, bool decisions)
{
        enum severity low = policy_severity(j->policy, "DLQ-1", false),
                      high = policy_severity(j->policy, "DLQ-1", true);

        if (decisions || low == high)
                return high;
        return severe && !severity_reaches(low, SEV2) ? SEV2 : low;
}

static const char *
depth_words(const struct dead_letter_judge *j)
{
        double oldest = json_real_or(j->row, "oldest_at_ms", NAN);
        const char *topic = first_words(j, "topics", "name"), *tenant = first_words(j, "tenants", "name");
        const char *error = first_words(j, "errors", "text");
        struct findings *out = j->out;
        const char *text = findings_text(out, "%s%.0f dead letter%s",
                                         json_flag(j->row, "capped", false) ? "more than " : "", j->total,
                                         j->total == 1 ? "" : "s");

        if (!isnan(oldest))
                text = findings_text(out, "%s, oldest %s", text,
                                     findings_duration(out, fmax(0, (double)history_now(j->history) - oldest)));
        if (topic != NULL)
                text = findings_text(out, "%s; most of topic %s", text, topic);
        if (tenant != NULL)
                text = findings_text(out, "%s; of tenant %s", text, tenant);
        return error != NULL ? findings_text(out, "%s; most often: %s", text, error) : text;
}

void
dead_letter_depth_judge(const struct dead_letter_judge *j)
{
        double most = policy_number(j->policy, "DLQ-1", "depth"),
               severe = policy_number(j->policy, "DLQ-1", "depth_severe");
        const char *decision;
        double decisions = decisions_among(j, &decision);
        bool among = decisions > policy_number(j->policy, "DLQ-1", "decisions_most");
        const char *observed = depth_words(j);
        const char *expected = findings_text(j->out, "at most %g; beyond %g SEV2%s", most, severe,
                                             j->count_only ? "" : "; decision requests SEV1");

        findings_sample(j->out, j->series, j->name, j->total);
        if (among)
                dead_letter_tell(j, "DLQ-1", depth_severity(j, true, true),
                                 findings_text(j->out, "%s; %s%.0f decision request%s among them (%s)", observed,
                                               json_flag(j->row, "topics_exact", true)
                                                       ? ""
                                                       : findings_text(j->out, "of %.0f looked at, ", j->seen),
                                               decisions, decisions == 1 ? "" : "s", decision),
                                 expected,
                                 "Decision requests are among the dead letters: somebody did not get a decision.",
                                 "Replay these first, when what they failed on is mended; then the rest, permanent "
                                 "errors apart.");
        else if (j->total > most)
                dead_letter_tell(
                        j, "DLQ-1", depth_severity(j, j->total > severe, false), observed, expected,
                        "More messages have died than anybody will look at one by one.",
                        "Mend the most frequent error first, then replay what is transient and archive what is "
                        "permanent.");
        else
                dead_letter_tell(j, "DLQ-1", SEV_NONE, j->total > 0 ? observed : "0 dead letters", expected,
                                 j->count_only ? "Few messages have died; of what topics, this count does not tell."
                                               : "Few messages have died, and no decision request among them.",
                                 NULL);
}

/* The monitoring plugin's answer. */

#include "status.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "moment.h"
#include "scope.h"
#include "tally.h"

static const char *const code_names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* The newest run that ended, NULL when none did; *newest_state: of the newest run of all. */
static int
newest(struct store *store, const char *job, json_t **ended, char newest_state[16], struct error *err)
{
        scoped_json runs = NULL;
        size_t i;
        json_t *run;

        *ended = NULL;
        *newest_state = '\0';
        /* Runs that died may stand in front of the last good one: a hundred of them in a row are answer enough. */
        if (store_run_list(store, job, 100, &runs, err) != 0)
                return -1;
        json_array_foreach(runs, i, run)
        {
                const char *state = json_text(run, "state", "");
                if (i == 0)
                        snprintf(newest_state, 16, "%s", state);
                if (strcmp(state, "finished") == 0 || strcmp(state, "interrupted") == 0) {
                        *ended = json_incref(run);
                        return 0;
                }
        }
        return 0;
}

static void
describe_findings(const struct tally *tally, char *text, size_t size)
{
        int used = snprintf(text, size, "%zu finding%s", tally->by_status[STATUS_FAIL],
                            tally->by_status[STATUS_FAIL] == 1 ? "" : "s");
        const char *before = " (";

        for (int severity = SEV1; severity <= SEV4; severity++) {
                if (tally->by_severity[severity] == 0)
                        continue;
                used += snprintf(text + used, size - (size_t)used, "%s%zu %s", before, tally->by_severity[severity],
                                 severity_name((enum severity)severity));
                before = ", ";
        }
        if (*before == ',')
                snprintf(text + used, size - (size_t)used, ")");
}

static void
describe_run(const json_t *run, const struct tally *tally, int64_t age_ms, int64_t max_age_ms, const char *trouble,
             enum plugin_code code, char line[STATUS_LINE])
{
        char age[DURATION_TEXT], found[128];
        int64_t took_ms = json_whole(run, "finished_ms", 0) - json_whole(run, "started_ms", 0);

        duration_format(age_ms, age);
        describe_findings(tally, found, sizeof found);
        snprintf(line, STATUS_LINE,
                 "ROUNDS %s: %.60s ended %s ago%s%s, %.1f %% assessed, %s"
                 " | age=%llds;;%lld;0 coverage=%.2f%%;;;0;100 sev1=%zu;;;0 sev2=%zu;;;0 sev3=%zu;;;0 sev4=%zu;;;0"
                 " errors=%zu;;;0 skips=%zu;;;0 waived=%zu;;;0 duration=%llds;;;0",
                 code_names[code], json_text(run, "job", ""), age, *trouble != '\0' ? ", " : "", trouble,
                 tally_coverage(tally), found, (long long)(age_ms / 1000), (long long)(max_age_ms / 1000),
                 tally_coverage(tally), tally->by_severity[SEV1], tally->by_severity[SEV2], tally->by_severity[SEV3],
                 tally->by_severity[SEV4], tally->by_status[STATUS_ERROR], tally->by_status[STATUS_SKIP],
                 tally->by_status[STATUS_WAIVED], (long long)(took_ms > 0 ? took_ms / 1000 : 0));
}

int
status_judge(struct store *store, const char *job, int64_t max_age_ms, int64_t now_ms, char line[STATUS_LINE],
             enum plugin_code *code, struct error *err)
{
        char newest_state[16], limit[DURATION_TEXT], trouble[200] = "";
        json_t *ended = NULL;
        struct tally tally;

        *code = PLUGIN_UNKNOWN;
        if (newest(store, job, &ended, newest_state, err) != 0)
                return -1;
        scoped_json run = ended;
        if (run == NULL) {
                *code = PLUGIN_CRITICAL;
                snprintf(line, STATUS_LINE, "ROUNDS CRITICAL: no run%s%.60s has ended yet", job != NULL ? " of " : "",
                         job != NULL ? job : "");
                return 0;
        }
        if (tally_run(store, json_whole(run, "id", 0), &tally, err) != 0)
                return -1;
        int64_t age_ms = now_ms - json_whole(run, "finished_ms", 0);
        age_ms = age_ms > 0 ? age_ms : 0;
        *code = PLUGIN_OK;
        if (tally_coverage(&tally) < json_real_or(run, "min_coverage", 100)) {
                *code = PLUGIN_WARNING;
                snprintf(trouble, sizeof trouble, "not fully assessed (%.1f %% were asked for)",
                         json_real_or(run, "min_coverage", 100));
        }
        if (strcmp(newest_state, "died") == 0) {
                *code = PLUGIN_WARNING;
                snprintf(trouble, sizeof trouble, "and a run since then died");
        }
        if (strcmp(json_text(run, "state", ""), "interrupted") == 0) {
                *code = PLUGIN_WARNING;
                snprintf(trouble, sizeof trouble, "interrupted");
        }
        if (age_ms > max_age_ms) {
                *code = PLUGIN_CRITICAL;
                duration_format(max_age_ms, limit);
                snprintf(trouble, sizeof trouble, "which is longer than %s", limit);
        }
        describe_run(run, &tally, age_ms, max_age_ms, trouble, *code, line);
        return 0;
}

/* Log files: are errors logged with structure and a request id?  Controls: API-2 (of pods: audit logs). */

#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "file_tails.h"
#include "json.h"
#include "log_lines.h"

enum { LINE_GUESS = 2048, TAIL_MOST = 4 << 20, FILES_KEPT = 1000 };

/* --- collect
 * -------------------------------------------------------------------------------------------------------------- */

struct reading {
        json_t *facts, *files;
        const json_t *names;
};

static int
tail_visit(void *context, const struct file_tail *tail)
{
        struct reading *reading = context;
        struct log_lines sum = {.lines = 0};

        if (tail->error != NULL)
                return facts_gap(reading->facts, tail->path, "API-2",
                                 &(struct resource){.kind = "file", .name = tail->path}, tail->error);
        if (json_array_size(reading->files) >= FILES_KEPT)
                return 0;
        log_lines_count(tail->text, tail->length, false, reading->names, &sum);
        json_t *row = json_push(reading->files, json_object());
        json_put_text(row, "path", tail->path);
        json_put_whole(row, "lines", (int64_t)sum.lines);
        json_put_whole(row, "json", (int64_t)sum.json);
        json_put_whole(row, "named", (int64_t)sum.named);
        json_put_text(row, "shape", sum.shape);
        return json_put_whole(row, "modified_ms", tail->modified_ms);
}

static int
log_files_collect(struct session *session, json_t *facts, struct error *err)
{
        struct reading reading = {.facts = facts, .files = json_array()};
        size_t lines = 200, files = 2;

        if (json_put(facts, "files", reading.files) != 0)
                return error_memory(err, "log files");
        if (session->policy != NULL) {
                reading.names = policy_value(session->policy, "API-2", "fields");
                lines = (size_t)policy_whole(session->policy, "API-2", "lines");
                files = (size_t)policy_whole(session->policy, "API-2", "pods");
        }
        size_t bytes = lines * LINE_GUESS < TAIL_MOST ? lines * LINE_GUESS : TAIL_MOST;
        return file_tails_read(session, files, bytes, tail_visit, &reading, err);
}

/* --- judge
 * ----------------------------------------------------------------------------------------------------------------- */

static bool
file_judge(const json_t *row, size_t index, double least, const struct policy *policy, struct findings *out)
{
        int64_t lines = json_whole(row, "lines", 0), named = json_whole(row, "named", 0),
                json = json_whole(row, "json", 0);
        struct resource resource = {.kind = "file", .name = json_text(row, "path", "?")};

        if (lines <= 0) {
                findings_error(out, "API-2", &resource, REASON_TOO_LITTLE_DATA, "The file holds no line to look at.",
                               "look whether the application writes there, or name another file");
                return false;
        }
        if (100.0 * (double)named / (double)lines >= least)
                return true;
        const char *shape = json_text(row, "shape", "");
        findings_add(
                out,
                &(struct finding){
                        .control = "API-2",
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(policy, "API-2", false),
                        .observed = findings_text(
                                out, "%" PRId64 " of %" PRId64 " lines are JSON, %" PRId64 " carry a request id%s%s",
                                json, lines, named, *shape != '\0' ? "; first without: " : "", shape),
                        .expected = findings_text(out, "at least %g %% of the lines are JSON with a request id", least),
                        .message = "Lines without structure or request id cannot be searched, counted or put together "
                                   "into one request.",
                        .remedy = "Let the application log JSON, one object a line, with the request's id in each "
                                  "(policy API-2: fields).",
                        .evidence = findings_text(out, "/files/%zu", index)});
        return false;
}

static void
log_files_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        double least = policy_number(policy, "API-2", "structured");
        size_t i, sound = 0, seen = 0;
        int64_t lines = 0;
        json_t *row;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "files"), i, row)
        {
                if (!json_is_object(row))
                        continue;
                seen++;
                lines += json_whole(row, "lines", 0);
                sound += file_judge(row, i, least, policy, out);
        }
        if (seen > 0 && sound == seen)
                findings_pass(out, "API-2", NULL,
                              findings_text(out, "%zu files, %" PRId64 " lines sampled", seen, lines),
                              findings_text(out, "at least %g %% of the lines are JSON with a request id", least),
                              "Errors can be searched and put together by request.");
        if (seen == 0 && json_array_size(json_list(facts, "gaps")) == 0)
                findings_error(out, "API-2", NULL, REASON_TOO_LITTLE_DATA, "No log file was seen.",
                               "name log files in the target's `logs`");
}

const struct audit audit_log_files = {
        .name = "log_files",
        .summary = "log files: structure and request ids",
        .looks_at = {"files"},
        .controls = {"API-2"},
        .needs = "read access to the log files",
        .collect = log_files_collect,
        .judge = log_files_judge,
};

/* Source code: is every connection given back on every path?  Controls: DBC-6. */

#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acquire_paths.h"
#include "facts.h"
#include "json.h"
#include "scope.h"
#include "source_files.h"

enum { ACQUIRES_KEPT = 5000, BROKEN_KEPT = 50, PAIRS_MOST = 64 };

/* --- collect ------------------------------------------------------------------------------------------------------ */

struct reading {
        struct session *session;
        struct acquire_rule rules[PAIRS_MOST + 1];
        char objects[PAIRS_MOST][128];
        json_t *acquires, *broken;
        size_t broken_count, left_out, too_large;
};

static void
rules_read(struct reading *reading)
{
        const json_t *pairs = target_value(reading->session->target, "pairs");
        size_t i;
        json_t *pair;

        json_array_foreach((json_t *)pairs, i, pair)
        {
                const char *acquire = json_text(pair, "acquire", ""), *dot = strrchr(acquire, '.');
                if (i >= PAIRS_MOST)
                        break;
                if (dot != NULL)
                        snprintf(reading->objects[i], sizeof reading->objects[i], "%.*s", (int)(dot - acquire),
                                 acquire);
                reading->rules[i] = (struct acquire_rule){.name = acquire,
                                                          .object = dot != NULL ? reading->objects[i] : NULL,
                                                          .method = dot != NULL ? dot + 1 : acquire,
                                                          .by_owner = strcmp(json_text(pair, "by", ""), "owner") == 0,
                                                          .release = {json_text(pair, "release", "")}};
        }
}

static int
file_visit(void *context, const struct source_file *file, struct error *err)
{
        struct reading *reading = context;
        struct javascript source;
        scoped_json rows = json_array();
        size_t i;
        json_t *row;

        if (rows == NULL)
                return error_memory(err, file->path);
        if (javascript_parse(file->path, file->text, file->length, &reading->session->deadline, &source, err) != 0) {
                reading->too_large += err->reason == REASON_TOO_LITTLE_DATA;
                return err->reason == REASON_TOO_LITTLE_DATA ? 0 : -1;
        }
        int result = acquire_paths(&source, reading->rules, rows);
        bool broken = source.broken;
        javascript_free(&source);
        if (result != 0)
                return error_memory(err, file->path);
        if (broken && reading->broken_count++ < BROKEN_KEPT)
                json_push(reading->broken, json_bytes(file->shown, strlen(file->shown)));
        json_array_foreach(rows, i, row)
        {
                if (json_array_size(reading->acquires) >= ACQUIRES_KEPT) {
                        reading->left_out++;
                        continue;
                }
                if (json_put_text(row, "file", file->shown) != 0 ||
                    json_push(reading->acquires, json_incref(row)) == NULL)
                        return error_memory(err, file->path);
        }
        return 0;
}

static int
source_scan_collect(struct session *session, json_t *facts, struct error *err)
{
        scoped(scope_free) struct reading *reading = calloc(1, sizeof *reading);
        struct source_tally tally;

        json_put_flag(facts, "grammars", javascript_available());
        if (!javascript_available())
                return 0;
        if (reading == NULL)
                return error_memory(err, "the source scan");
        reading->session = session;
        reading->acquires = json_array();
        reading->broken = json_array();
        if (json_put(facts, "acquires", reading->acquires) != 0 || json_put(facts, "broken", reading->broken) != 0)
                return error_memory(err, "the source scan");
        rules_read(reading);
        if (source_files_read(session, javascript_is_source, file_visit, reading, &tally, err) != 0)
                return -1;
        json_put_whole(facts, "files", (int64_t)tally.files);
        json_put_whole(facts, "too_large", (int64_t)(tally.too_large + reading->too_large));
        json_put_whole(facts, "unreadable", (int64_t)tally.unreadable);
        json_put_text(facts, "first_unreadable", tally.first_unreadable);
        json_put_whole(facts, "broken_files", (int64_t)reading->broken_count);
        json_put_whole(facts, "left_out", (int64_t)reading->left_out);
        json_put_flag(facts, "cut", tally.cut);
        return 0;
}

/* --- judge -------------------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
        size_t leaks, sound, transferred, exempt;
};

struct words {
        const char *message, *remedy;
};

static struct words
leak_words(struct findings *out, const char *verdict, const char *call, const char *variable, const char *rule)
{
        const char *name = *variable != '\0' ? variable : "the value";

        if (strcmp(verdict, "outside") == 0)
                return (struct words){
                        "Inside its transaction the code asks the outer client: each transaction then needs a second "
                        "connection, and when all hold one they wait for each other.",
                        findings_text(out,
                                      "Use the client that the callback is given, not the one that %s was called on.",
                                      call)};
        if (strcmp(verdict, "dropped") == 0)
                return (struct words){"A connection is taken and not even kept: nobody can give it back.",
                                      "Keep the value, and give it back in a finally clause."};
        if (strcmp(verdict, "never") == 0)
                return (struct words){
                        "A connection is taken and never given back in this function: every call costs the pool one.",
                        strcmp(rule, "Prisma") == 0 ? "Make one PrismaClient for the module, not one per call; or "
                                                      "$disconnect() it in finally."
                                                    : findings_text(out,
                                                                    "Follow it at once by try { ... } finally { give "
                                                                    "%s back }, or use a helper that does.",
                                                                    name)};
        return (struct words){
                "On one path the connection is not given back: after enough errors the pool is empty and every request "
                "waits.",
                findings_text(out, "Begin try { directly after %s and give %s back in its finally clause.", call,
                              name)};
}

static const char *
leak_path(struct findings *out, const json_t *row)
{
        int64_t line = json_whole(row, "leak_line", 0), release = json_whole(row, "release_line", 0);
        const char *leak = json_text(row, "leak", NULL), *verdict = json_text(row, "verdict", "");

        if (strcmp(verdict, "outside") == 0 && leak != NULL)
                return findings_text(out, "line %" PRId64 " calls %s", line, leak);
        if (leak == NULL)
                return "no call gives it back";
        if (release > 0 && release != line)
                return findings_text(out, "line %" PRId64 ": %s, line %" PRId64 " is not reached", line, leak, release);
        return findings_text(out, "line %" PRId64 ": %s", line, leak);
}

static void
leak_judge(struct judge *j, const json_t *row, size_t index)
{
        const char *file = json_text(row, "file", "?"), *call = json_text(row, "call", "?");
        const char *verdict = json_text(row, "verdict", ""), *rule = json_text(row, "rule", "");
        int64_t line = json_whole(row, "line", 0);
        struct words words = leak_words(j->out, verdict, call, json_text(row, "variable", ""), rule);

        if (json_globs_match(policy_value(j->policy, "DBC-6", "exempt"), file)) {
                j->exempt++;
                return;
        }
        j->leaks++;
        findings_add(j->out, &(struct finding){
                                     .control = "DBC-6",
                                     .resource = {.kind = "code",
                                                  .namespace_ = file,
                                                  .name = findings_text(j->out, "%s:%" PRId64, call, line)},
                                     .status = STATUS_FAIL,
                                     .severity = policy_severity(j->policy, "DBC-6", false),
                                     .observed = findings_text(j->out, "%s:%" PRId64 " %s (%s); %s", file, line, call,
                                                               rule, leak_path(j->out, row)),
                                     .expected = "given back in a finally clause, or by a helper",
                                     .message = words.message,
                                     .remedy = words.remedy,
                                     .evidence = findings_text(j->out, "/acquires/%zu", index),
                             });
}

static void
reading_judge(struct judge *j)
{
        int64_t unreadable = json_whole(j->facts, "unreadable", 0), broken = json_whole(j->facts, "broken_files", 0);
        struct resource files = {.kind = "files", .name = "unreadable"},
                        parts = {.kind = "files", .name = "not understood"};

        if (unreadable > 0)
                findings_error(j->out, "DBC-6", &files, REASON_DENIED,
                               findings_text(j->out, "%" PRId64 " files or folders could not be read, first %s",
                                             unreadable, json_text(j->facts, "first_unreadable", "?")),
                               "let this user read them, or leave them out with `exclude`");
        if (broken > 0) {
                const json_t *first = json_array_get(json_list(j->facts, "broken"), 0);
                findings_error(j->out, "DBC-6", &parts, REASON_PROTOCOL,
                               findings_text(j->out,
                                             "%" PRId64
                                             " files are not wholly JavaScript or TypeScript as the grammar knows "
                                             "them, first %s: what stands in the rest was judged",
                                             broken, json_is_string(first) ? json_string_value(first) : "?"),
                               "look whether the file compiles; leave generated files out with `exclude`");
        }
        int64_t large = json_whole(j->facts, "too_large", 0);
        if (large > 0)
                findings_error(j->out, "DBC-6", &(struct resource){.kind = "files", .name = "too large"},
                               REASON_TOO_LITTLE_DATA,
                               findings_text(j->out,
                                             "%" PRId64
                                             " files are too large to be parsed (over 2 MiB or 60,000 tokens).",
                                             large),
                               "leave generated files out with `exclude`");
        if (json_flag(j->facts, "cut", false) || json_whole(j->facts, "left_out", 0) > 0)
                findings_error(j->out, "DBC-6", &(struct resource){.kind = "files", .name = "not looked at"},
                               REASON_TOO_LITTLE_DATA, "There are more files or calls than are looked at.",
                               "raise files_most, or split the target");
}

static void
sum_judge(struct judge *j)
{
        int64_t files = json_whole(j->facts, "files", 0);
        size_t all = j->leaks + j->sound + j->transferred + j->exempt;

        if (files <= 0)
                findings_error(j->out, "DBC-6", NULL, REASON_TOO_LITTLE_DATA,
                               "No JavaScript or TypeScript file was found.",
                               "name the folders of the source in `paths`");
        else if (all == 0)
                findings_error(
                        j->out, "DBC-6", NULL, REASON_TOO_LITTLE_DATA,
                        findings_text(j->out, "No call that takes a connection was recognised in %" PRId64 " files.",
                                      files),
                        "if the code has its own way to take a connection, declare it: pairs: [{acquire, release}]");
        else if (j->leaks == 0)
                findings_pass(j->out, "DBC-6", NULL,
                              findings_text(j->out,
                                            "%zu calls in %" PRId64 " files: %zu given back, %zu handed on, %zu exempt",
                                            all, files, j->sound, j->transferred, j->exempt),
                              "every connection is given back on every path",
                              "Every connection that is taken is given back.");
}

static void
source_scan_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {.facts = facts, .policy = policy, .out = out};
        size_t i;
        json_t *row;

        (void)history;
        if (!json_flag(facts, "grammars", true)) {
                findings_skip(
                        out, "DBC-6", "This program was built without the grammars of JavaScript and TypeScript.",
                        "build it where npm can install tree-sitter-javascript and tree-sitter-typescript (make deps)");
                return;
        }
        json_array_foreach((json_t *)json_list(facts, "acquires"), i, row)
        {
                const char *verdict = json_text(row, "verdict", NULL);
                if (verdict == NULL)
                        continue;
                if (acquire_leaks(verdict))
                        leak_judge(&j, row, i);
                else if (strcmp(verdict, "transferred") == 0)
                        j.transferred++;
                else
                        j.sound++;
        }
        reading_judge(&j);
        sum_judge(&j);
}

const struct audit audit_source_scan = {
        .name = "source_scan",
        .summary = "source code: connections that some path does not give back",
        .looks_at = {"source"},
        .controls = {"DBC-6"},
        .needs = "read access to the source folders",
        .collect = source_scan_collect,
        .judge = source_scan_judge,
};

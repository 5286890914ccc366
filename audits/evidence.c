/* Evidence: was what must be done by hand or elsewhere done, lately, and with success?
 * Controls: LAT-3, CRT-5, NOD-5, ATH-5, DLQ-2, and any other that an item names; API-4 with the images that run
 * (promotion). */

#include "audit.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "attestation.h"
#include "cluster.h"
#include "evidence.h"
#include "evidence_judge.h"
#include "facts.h"
#include "http_target.h"
#include "json.h"
#include "moment.h"
#include "s3.h"
#include "scope.h"
#include "value.h"

enum { FILES_MOST = 200, OBJECTS_MOST = 100000, DOCUMENT_LARGEST = 4 * 1024 * 1024 };

/* --- documents ---------------------------------------------------------------------------------------------------- */

/* Describes `document` and makes it the item's, when it is newer than what the item has. */
static int
document_take(json_t *row, const json_t *document, const json_t *fields, const char *place)
{
        const char *slash = strrchr(place, '/');
        scoped_json described = json_object();

        if (evidence_describe(described, document, fields, slash != NULL ? slash + 1 : place) != 0)
                return -1;
        const char *at = json_text(described, "at", ""), *best = json_text(row, "at", "");
        if (strcmp(json_text(row, "state", ""), "found") == 0 && strcmp(at, best) <= 0)
                return 0;
        /* What the last one said and this one does not must not stay. */
        static const char *const said[] = {"at", "outcome", "covers", "p99_ms", "p95_ms", "error_rate"};
        for (size_t i = 0; i < sizeof said / sizeof *said; i++)
                json_object_del(row, said[i]);
        return json_object_update(row, described) != 0 || json_put_text(row, "state", "found") != 0 ||
                               json_put_text(row, "place", place) != 0
                       ? -1
                       : 0;
}

struct candidate {
        const char *path;
        int64_t modified;
};

static int
by_newness(const void *left, const void *right)
{
        const struct candidate *a = left, *b = right;

        return a->modified != b->modified ? (a->modified < b->modified ? 1 : -1) : strcmp(a->path, b->path);
}

static int
files_read(struct session *session, const char *pattern, const json_t *fields, json_t *row, struct error *err)
{
        glob_t found = {0};
        int result = 0;
        size_t broken = 0;
        struct error why = {0};

        if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0 || found.gl_pathc == 0) {
                globfree(&found);
                return json_put_text(row, "place", pattern);
        }
        struct candidate *files = calloc(found.gl_pathc, sizeof *files);
        for (size_t i = 0; files != NULL && i < found.gl_pathc; i++) {
                struct stat status = {0};
                files[i].path = found.gl_pathv[i];
                files[i].modified = stat(files[i].path, &status) == 0 ? (int64_t)status.st_mtime : 0;
        }
        if (files == NULL)
                result = error_memory(err, "files");
        else
                qsort(files, found.gl_pathc, sizeof *files, by_newness);
        for (size_t i = 0; result == 0 && i < found.gl_pathc && i < FILES_MOST; i++) {
                scoped_json source = json_pack("{s:s, s:s}", "file", files[i].path, "format", "json");
                scoped_value value = {.json = NULL};
                if (source == NULL || value_read(session, source, &value, &why) != 0 || value.json == NULL)
                        broken++;
                else if (document_take(row, value.json, fields, files[i].path) != 0)
                        result = error_memory(err, "evidence");
        }
        bool all_broken = result == 0 && broken > 0 && json_text(row, "at", NULL) == NULL &&
                          strcmp(json_text(row, "state", ""), "found") != 0;
        if (all_broken) {
                *err = why;
                result = -1;
        }
        free(files);
        globfree(&found);
        return result == 0 ? json_put_whole(row, "unreadable", (int64_t)broken) : -1;
}

struct newest {
        char key[1025];
        int64_t modified_ms;
};

static int
newest_visit(void *context, const struct s3_object *object)
{
        struct newest *newest = context;
        size_t length = strlen(object->key);

        if (length > 5 && length < sizeof newest->key && strcmp(object->key + length - 5, ".json") == 0 &&
            object->modified_ms > newest->modified_ms) {
                snprintf(newest->key, sizeof newest->key, "%s", object->key);
                newest->modified_ms = object->modified_ms;
        }
        return 0;
}

static int
object_read(struct session *store, const char *prefix, const json_t *fields, json_t *row, struct error *err)
{
        struct s3 *s3 = s3_session(store, err);
        const char *bucket = target_text(store->target, "bucket");
        struct newest newest = {.modified_ms = -1};
        scoped_string bytes = NULL;
        scoped_json document = NULL;
        size_t length;
        char place[1300];

        if (s3 == NULL || s3_list(s3, bucket, prefix, OBJECTS_MOST, newest_visit, &newest, err) != 0)
                return -1;
        snprintf(place, sizeof place, "s3://%.100s/%s", bucket, newest.modified_ms >= 0 ? newest.key : prefix);
        if (newest.modified_ms < 0)
                return json_put_text(row, "place", place);
        if (s3_read(s3, bucket, newest.key, DOCUMENT_LARGEST, &bytes, &length, err) != 0 ||
            value_document(bytes, length, "json", &document, err) != 0)
                return error_wrap(err, "%.300s", place);
        return document_take(row, document, fields, place) == 0 ? 0 : error_memory(err, "evidence");
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static int
job_take(json_t *row, int64_t at_ms, bool passed, const char *place)
{
        char at[MOMENT_TEXT];

        moment_format(at_ms, at);
        return json_put_text(row, "state", "found") != 0 || json_put_text(row, "at", at) != 0 ||
                               json_put_text(row, "outcome", passed ? "pass" : "fail") != 0 ||
                               json_put_text(row, "place", place) != 0
                       ? -1
                       : 0;
}

/* The list that is asked for, whole; cluster rows tell the rest. */
static int
list_whole(const struct cluster *cluster, enum cluster_list list, struct error *err)
{
        const struct error *why = cluster_error(cluster, list);

        if (why == NULL)
                return 0;
        *err = *why;
        return -1;
}

static int
cronjob_read(struct session *session, const char *wanted, json_t *row, struct error *err)
{
        const struct cluster *cluster = cluster_read(session, CLUSTER_CRONJOBS, err);
        char name[600];

        if (cluster == NULL || list_whole(cluster, CLUSTER_CRONJOBS, err) != 0)
                return -1;
        for (size_t i = 0; i < cluster->cronjob_count; i++) {
                const struct cluster_cronjob *job = &cluster->cronjobs[i];
                snprintf(name, sizeof name, "%.255s/%.255s", job->namespace_, job->name);
                if (strcmp(name, wanted) != 0)
                        continue;
                if (job->last_success_ms > 0)
                        return job_take(row, job->last_success_ms, true, wanted);
                return json_put_text(row, "place", wanted);
        }
        error_set(err, REASON_CONFIGURATION, "there is no CronJob %s", wanted);
        return error_remedy(err, "name one that exists: kubectl get cronjobs -A");
}

static int
job_read(struct session *session, const char *pattern, json_t *row, struct error *err)
{
        const struct cluster *cluster = cluster_read(session, CLUSTER_JOBS, err);
        const struct cluster_job *newest = NULL;
        char name[600];

        if (cluster == NULL || list_whole(cluster, CLUSTER_JOBS, err) != 0)
                return -1;
        for (size_t i = 0; i < cluster->job_count; i++) {
                const struct cluster_job *job = &cluster->jobs[i];
                snprintf(name, sizeof name, "%.255s/%.255s", job->namespace_, job->name);
                if (job->finished_ms > 0 && fnmatch(pattern, name, 0) == 0 &&
                    (newest == NULL || job->finished_ms > newest->finished_ms))
                        newest = job;
        }
        if (newest == NULL)
                return json_put_text(row, "place", pattern);
        snprintf(name, sizeof name, "%.255s/%.255s", newest->namespace_, newest->name);
        return job_take(row, newest->finished_ms, strcmp(newest->outcome, "Complete") == 0, name);
}

/* --- signed words ------------------------------------------------------------------------------------------------- */

/* Every attestation with what its signature is worth; the newest sound one is the item's evidence. */
static int
words_read(const struct target *target, const json_t *words, json_t *row)
{
        const json_t *keys = target_value(target, "keys");
        json_t *rows = json_array(), *one;
        const json_t *best = NULL;
        size_t i;

        if (json_put(row, "attestations", rows) != 0)
                return -1;
        json_array_foreach((json_t *)words, i, one)
        {
                struct attestation said = {.who = json_text(one, "who", ""),
                                           .what = json_text(one, "what", ""),
                                           .outcome = json_text(one, "outcome", "pass"),
                                           .covers = json_list(one, "covers")};
                if (!moment_parse(json_text(one, "at", ""), &said.at_ms))
                        continue;
                enum signature_state state = attestation_verify(&said, json_text(keys, said.who, NULL),
                                                                json_text(one, "signature", NULL));
                json_t *kept = json_push(rows, json_copy(one));
                json_object_del(kept, "signature");
                if (json_put_text(kept, "state", signature_name(state)) != 0)
                        return -1;
                if (state == SIGNATURE_VALID &&
                    (best == NULL || strcmp(json_text(one, "at", ""), json_text(best, "at", "")) > 0))
                        best = one;
        }
        if (best == NULL)
                return json_put_text(row, "place", "signed words in the configuration");
        return json_put_text(row, "state", "found") != 0 || json_put_text(row, "at", json_text(best, "at", "")) != 0 ||
                               json_put_text(row, "outcome", json_text(best, "outcome", "pass")) != 0 ||
                               json_put_text(row, "who", json_text(best, "who", "")) != 0 ||
                               json_put_text(row, "what", json_text(best, "what", "")) != 0 ||
                               json_put(row, "covers", json_deep_copy(json_object_get(best, "covers"))) != 0 ||
                               json_put_text(row, "place", "signed words in the configuration") != 0
                       ? -1
                       : 0;
}

/* --- collecting --------------------------------------------------------------------------------------------------- */

static int
place_read(struct session *session, const json_t *item, json_t *row, struct error *err)
{
        const json_t *from = json_map(item, "from"), *fields = json_map(item, "fields");
        const char *target = json_text(from, "target", NULL), *path = json_text(from, "get", NULL);
        scoped_json document = NULL;
        char place[400];

        if (json_has(from, "file"))
                return files_read(session, json_text(from, "file", ""), fields, row, err);
        struct session *other = session_reference(session, target != NULL ? target : "", err);
        if (other == NULL)
                return -1;
        if (json_has(from, "prefix"))
                return object_read(other, json_text(from, "prefix", ""), fields, row, err);
        if (json_has(from, "cronjob"))
                return cronjob_read(other, json_text(from, "cronjob", ""), row, err);
        if (json_has(from, "job"))
                return job_read(other, json_text(from, "job", ""), row, err);
        if (path == NULL)
                return error_set(err, REASON_CONFIGURATION, "`from` names no place");
        snprintf(place, sizeof place, "%.*s of %.100s", (int)strcspn(path, "?"), path, target);
        if (http_target_json(other, path, &document, err) != 0)
                return -1;
        return document_take(row, document, fields, place) == 0 ? 0 : error_memory(err, "evidence");
}

/* A document's own text may hold anything: names are cut and credentials taken out before they are kept. */
static void
row_redact(json_t *row)
{
        size_t i;
        json_t *cover;

        json_array_foreach((json_t *)json_list(row, "covers"), i, cover)
        {
                scoped_string text = strdup(json_string_value(cover) != NULL ? json_string_value(cover) : "");
                if (text == NULL)
                        continue;
                value_redact(text);
                json_string_set(cover, text);
        }
}

static int
evidence_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *rows = json_array();
        size_t i;
        json_t *item;

        if (json_put(facts, "evidence", rows) != 0)
                return error_memory(err, "facts");
        json_array_foreach((json_t *)target_value(session->target, "evidence"), i, item)
        {
                struct error why = {0};
                const json_t *controls = json_list(item, "controls"), *words = json_list(item, "attestations");
                json_t *row = json_push(rows, json_object());
                if (json_put_text(row, "name", json_text(item, "name", "")) != 0 ||
                    json_put_text(row, "owner", json_text(item, "owner", "")) != 0 ||
                    json_put_text(row, "state", "none") != 0 ||
                    (controls != NULL && json_put(row, "controls", json_deep_copy(controls)) != 0) ||
                    (json_has(item, "max_age") &&
                     json_put_whole(row, "max_age_ms", json_whole(item, "max_age", 0)) != 0))
                        return error_memory(err, "facts");
                int result = words != NULL ? words_read(session->target, words, row)
                                           : place_read(session, item, row, &why);
                row_redact(row);
                if (result == 0)
                        continue;
                if (why.reason == REASON_NONE || why.reason == REASON_INTERRUPTED || why.reason == REASON_INTERNAL) {
                        *err = why;
                        return why.reason == REASON_NONE ? error_memory(err, "facts") : -1;
                }
                if (json_put_text(row, "state", "unread") != 0 ||
                    json_put_text(row, "reason", reason_name(why.reason)) != 0 ||
                    json_put_text(row, "error", why.text) != 0 || json_put_text(row, "remedy", why.remedy) != 0)
                        return error_memory(err, "facts");
        }
        return 0;
}

const struct audit audit_evidence = {
        .name = "evidence",
        .summary = "proofs that something was done: age, outcome, coverage, signatures",
        .looks_at = {"evidence"},
        .controls = {"LAT-3", "CRT-5", "NOD-5", "ATH-5", "DLQ-2", "API-4"},
        .needs = "read access to each place that holds evidence; list on jobs and cronjobs",
        .collect = evidence_collect,
        .judge = evidence_judge,
};

/* An archive in object storage: is it written every day, is it whole, and is it kept from others?  Controls: DLQ-4. */

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_days.h"
#include "audit.h"
#include "facts.h"
#include "json.h"
#include "moment.h"
#include "s3.h"
#include "scope.h"

enum { OBJECTS_MOST = 500000, DAYS_BACK = 400, USUAL_LEAST = 5, USUAL_MOST = 14, MISSING_TOLD = 10 };

/* --- collecting --------------------------------------------------------------------------------------------------- */

struct reading {
        json_t *days; /* borrowed */
        int64_t now_ms, objects, bytes, newest_ms, newest_bytes, dated, undated;
        char newest[1025];
        char oldest_day[DAY_TEXT];
        bool failed;
};

static int
object_visit(void *context, const struct s3_object *object)
{
        struct reading *reading = context;
        char day[DAY_TEXT];
        size_t length = strlen(object->key);

        if (object->size_bytes == 0 && length > 0 && object->key[length - 1] == '/')
                return 0; /* a folder, as consoles make them */
        reading->objects++;
        reading->bytes += object->size_bytes;
        if (object->modified_ms >= reading->newest_ms) {
                reading->newest_ms = object->modified_ms;
                reading->newest_bytes = object->size_bytes;
                snprintf(reading->newest, sizeof reading->newest, "%s", object->key);
        }
        bool dated = day_of_key(object->key, day);
        if (!dated)
                day_of_moment(object->modified_ms, day);
        *(dated ? &reading->dated : &reading->undated) += 1;
        if (*reading->oldest_day == '\0' || strcmp(day, reading->oldest_day) < 0)
                memcpy(reading->oldest_day, day, DAY_TEXT);
        if (day_before(reading->now_ms, DAYS_BACK, day))
                return 0;
        json_t *row = json_object_get(reading->days, day);
        if (row == NULL) {
                row = json_object();
                reading->failed = json_put(reading->days, day, row) != 0;
        }
        reading->failed = reading->failed || json_put_whole(row, "objects", json_whole(row, "objects", 0) + 1) != 0 ||
                          json_put_whole(row, "bytes", json_whole(row, "bytes", 0) + object->size_bytes) != 0;
        return reading->failed;
}

static int
newest_put(json_t *facts, const struct reading *reading)
{
        json_t *newest = json_object();

        return json_put(facts, "newest", newest) != 0 || json_put_text(newest, "key", reading->newest) != 0 ||
                               json_put_whole(newest, "bytes", reading->newest_bytes) != 0 ||
                               json_put_whole(newest, "modified_ms", reading->newest_ms) != 0
                       ? -1
                       : 0;
}

static int
archive_collect(struct session *session, json_t *facts, struct error *err)
{
        struct s3 *s3 = s3_session(session, err);
        const char *bucket = target_text(session->target, "bucket"), *prefix = target_text(session->target, "prefix");
        struct reading reading = {.days = json_object(), .now_ms = session->now_ms};
        json_t *protection;
        struct error why = {0};

        if (json_put(facts, "days", reading.days) != 0)
                return error_memory(err, "facts");
        if (s3 == NULL)
                return -1;
        if (s3_list(s3, bucket, prefix, OBJECTS_MOST, object_visit, &reading, &why) != 0) {
                if (why.reason != REASON_TOO_LITTLE_DATA) {
                        *err = why;
                        return -1;
                }
                error_remedy(&why,
                             "give the target a prefix that holds the archive alone, or let a lifecycle rule expire "
                             "what is old");
                if (facts_gap(facts, "objects", "DLQ-4", NULL, &why) != 0)
                        return error_memory(err, "facts");
        }
        if (reading.failed || json_put_text(facts, "bucket", bucket) != 0 ||
            json_put_text(facts, "prefix", prefix != NULL ? prefix : "") != 0 ||
            json_put_whole(facts, "objects", reading.objects) != 0 ||
            json_put_whole(facts, "bytes", reading.bytes) != 0 || json_put_whole(facts, "dated", reading.dated) != 0 ||
            json_put_text(facts, "oldest_day", reading.oldest_day) != 0 ||
            (reading.objects > 0 && newest_put(facts, &reading) != 0))
                return error_memory(err, "facts");
        if (s3_protection(s3, bucket, &protection, err) != 0)
                return -1;
        return json_put(facts, "protection", protection) == 0 ? 0 : error_memory(err, "facts");
}

static const char protection_remedy[] =
        "allow s3:GetEncryptionConfiguration, s3:GetBucketPublicAccessBlock, s3:GetBucketPolicyStatus, "
        "s3:GetBucketAcl, "
        "s3:GetBucketObjectLockConfiguration and s3:GetBucketVersioning on arn:aws:s3:::BUCKET";

static int
archive_check(struct session *session, struct rights *rights, struct error *err)
{
        struct s3 *s3 = s3_session(session, err);
        scoped_json protection = NULL;
        const char *name;
        json_t *answer;

        if (s3 == NULL || s3_protection(s3, target_text(session->target, "bucket"), &protection, err) != 0)
                return -1;
        json_object_foreach(protection, name, answer)
        {
                char what[160];
                bool denied = strcmp(json_text(answer, "reason", ""), "denied") == 0;
                snprintf(what, sizeof what, "to read the bucket's %.40s%s", name,
                         json_flag(answer, "known", false) || denied ? "" : " (which this store does not tell)");
                rights_add(rights, !denied, what, protection_remedy);
        }
        return 0;
}

/* --- what is judged ----------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        const struct history *history;
        struct findings *out;
        const char *name; /* "bucket/prefix" */
};

static void
fail_archive(const struct judge *j, const char *kind, const char *observed, const char *expected, const char *message,
             const char *remedy, const char *evidence)
{
        findings_fail(j->out, "DLQ-4", &(struct resource){.kind = kind, .name = j->name},
                      policy_severity(j->policy, "DLQ-4", false), observed, expected, message, remedy, evidence);
}

static void
pass_archive(const struct judge *j, const char *kind, const char *observed, const char *expected, const char *message)
{
        findings_pass(j->out, "DLQ-4", &(struct resource){.kind = kind, .name = j->name}, observed, expected, message);
}

static void
error_archive(const struct judge *j, const char *kind, enum reason reason, const char *message, const char *remedy)
{
        findings_error(j->out, "DLQ-4", &(struct resource){.kind = kind, .name = j->name}, reason, message, remedy);
}

static void
newest_judge(const struct judge *j)
{
        static const char kind[] = "archive newest";
        static const char remedy[] =
                "Look at the job that writes the archive: kubectl get cronjob,job, its last success and its "
                "logs; run it by hand, and see that its failure alerts somebody.";
        const json_t *newest = json_map(j->facts, "newest");
        double modified = json_real_or(newest, "modified_ms", 0), now = (double)history_now(j->history);
        double age = fmax(now - modified, 0), bound = policy_number(j->policy, "DLQ-4", "age");
        struct findings *out = j->out;

        if (facts_lacks(j->facts, "objects"))
                return; /* the newest may be among those that were not listed */
        if (newest == NULL) {
                fail_archive(j, kind, "no object at all", "an object a day",
                             "Nothing is archived here: what is dropped from the dead letters is gone.", remedy, NULL);
                return;
        }
        if (modified <= 0) {
                error_archive(j, kind, REASON_PROTOCOL, "The store does not tell when the newest object was written.",
                              NULL);
                return;
        }
        const char *key = json_text(newest, "key", "?");
        const char *observed = findings_text(out, "%.200s, %s, %s old", key,
                                             findings_size(out, json_real_or(newest, "bytes", NAN)),
                                             findings_duration(out, age));
        const char *expected = findings_text(out, "at most %s old, and not empty", findings_duration(out, bound));
        if (age > bound)
                fail_archive(j, kind, observed, expected, "The archive is not written any more.", remedy, "/newest");
        else if (!(json_real_or(newest, "bytes", 0) > 0))
                fail_archive(
                        j, kind, observed, expected, "The newest object of the archive is empty.",
                        "Look at the job that writes it: it ends well and archives nothing. A day without dead letters "
                        "should still say so, by an object with an empty list.",
                        "/newest");
        else
                pass_archive(j, kind, observed, expected, "The archive is written.");
}

/* A day's archive may take `age` to arrive; days before the oldest one there were not promised. */
static void
days_judge(const struct judge *j)
{
        static const char kind[] = "archive days";
        const json_t *days = json_map(j->facts, "days");
        const char *oldest = json_text(j->facts, "oldest_day", "");
        int64_t now = history_now(j->history), back = policy_whole(j->policy, "DLQ-4", "days");
        int64_t late = policy_whole(j->policy, "DLQ-4", "age"), looked = 0, missing = 0;
        struct findings *out = j->out;
        const char *names = "";

        if (facts_lacks(j->facts, "objects") || json_object_size(days) == 0)
                return;
        back = back < DAYS_BACK ? back : DAYS_BACK;
        for (int64_t ago = back; ago >= 1; ago--) {
                char day[DAY_TEXT];
                int64_t at = now - ago * DAY_MS;
                day_of_moment(at, day);
                if (strcmp(day, oldest) < 0 || at / DAY_MS * DAY_MS + DAY_MS + late > now)
                        continue;
                looked++;
                if (json_object_get(days, day) != NULL)
                        continue;
                if (missing++ < MISSING_TOLD)
                        names = findings_text(out, "%s%s%s", names, missing > 1 ? ", " : "", day);
        }
        const char *by = json_whole(j->facts, "dated", 0) > 0 ? "by the dates in their keys"
                                                              : "by when they were written";
        const char *expected = findings_text(out, "an object for each of the last %lld days", (long long)back);
        if (looked == 0)
                error_archive(
                        j, kind, REASON_TOO_LITTLE_DATA,
                        findings_text(out, "The archive begins on %s: no whole day is to be looked at yet.", oldest),
                        "look again in two days");
        else if (missing > 0)
                fail_archive(
                        j, kind,
                        findings_text(out, "%lld of %lld days have no object (%s): %s%s", (long long)missing,
                                      (long long)looked, by, names, missing > MISSING_TOLD ? " ..." : ""),
                        expected, "Days are missing from the archive: their dead letters are kept nowhere.",
                        "Write them again while the dead letters are still there, and let the job take up days that it "
                        "missed.",
                        "/days");
        else
                pass_archive(j, kind,
                             findings_text(out, "%lld days looked at (%s), since %s", (long long)looked, by,
                                           strcmp(oldest, "") > 0 ? oldest : "?"),
                             expected, "No day is missing.");
}

static int
by_value(const void *a, const void *b)
{
        double left = *(const double *)a, right = *(const double *)b;

        return left < right ? -1 : left > right;
}

/* The newest whole day against the median of those before it; NAN: too few to say what is usual. */
static double
usual_bytes(const struct judge *j, double *newest, char day[DAY_TEXT])
{
        const json_t *days = json_map(j->facts, "days");
        double sizes[USUAL_MOST];
        size_t count = 0;

        *newest = NAN;
        for (int64_t ago = 1; ago <= 60 && count < USUAL_MOST; ago++) {
                char name[DAY_TEXT];
                day_of_moment(history_now(j->history) - ago * DAY_MS, name);
                double bytes = json_real_or(json_object_get(days, name), "bytes", NAN);
                if (isnan(bytes))
                        continue;
                if (isnan(*newest)) {
                        *newest = bytes;
                        memcpy(day, name, DAY_TEXT);
                } else {
                        sizes[count++] = bytes;
                }
        }
        if (count < USUAL_LEAST)
                return NAN;
        qsort(sizes, count, sizeof sizes[0], by_value);
        return count % 2 == 1 ? sizes[count / 2] : (sizes[count / 2 - 1] + sizes[count / 2]) / 2;
}

static void
size_judge(const struct judge *j)
{
        static const char kind[] = "archive size";
        double all = json_real_or(j->facts, "bytes", NAN),
               share = 1 - policy_number(j->policy, "DLQ-4", "shrink") / 100;
        const struct sample *last = history_last(j->history, "archive.bytes", "");
        struct findings *out = j->out;
        double newest;
        char day[DAY_TEXT] = "";

        if (facts_lacks(j->facts, "objects") || isnan(all) || json_map(j->facts, "newest") == NULL)
                return;
        double usual = usual_bytes(j, &newest, day);
        findings_sample(out, "archive.bytes", "", all);
        findings_sample(out, "archive.objects", "", json_real_or(j->facts, "objects", NAN));
        const char *observed = findings_text(out, "%s in %.0f objects", findings_size(out, all),
                                             json_real_or(j->facts, "objects", 0));
        const char *expected = findings_text(out, "no day, and not the whole, less than %.0f %% of what it was",
                                             100 * share);
        if (last != NULL && all < last->value * share)
                fail_archive(
                        j, kind,
                        findings_text(out, "%s, where the last run saw %s", observed, findings_size(out, last->value)),
                        expected, "A good part of the archive is gone since the last run.",
                        "Find out who deleted it: a lifecycle rule, a person, a clean-up job (CloudTrail, server "
                        "access "
                        "logs); versions may still hold it. Then turn on versioning or object lock.",
                        NULL);
        else if (!isnan(usual) && !isnan(newest) && newest < usual * share)
                fail_archive(j, kind,
                             findings_text(out, "%s holds %s, where %s are usual", day, findings_size(out, newest),
                                           findings_size(out, usual)),
                             expected,
                             "The newest whole day is much smaller than usual: the archive may have been cut off.",
                             "Compare it with the dead letters of that day, and look at the job's log.",
                             findings_text(out, "/days/%s", day));
        else
                pass_archive(j, kind,
                             isnan(usual) ? findings_text(out, "%s; too few days to say what is usual", observed)
                                          : findings_text(out, "%s; a day has about %s", observed,
                                                          findings_size(out, usual)),
                             expected, "The archive has not shrunk.");
}

/* --- protection --------------------------------------------------------------------------------------------------- */

static const json_t *
answer_of(const struct judge *j, const char *question)
{
        const json_t *answer = json_map(json_map(j->facts, "protection"), question);

        return json_flag(answer, "known", false) ? answer : NULL;
}

/* What the store did not tell, with its reason. */
static void
unknown_tell(const struct judge *j, const char *kind, const char *question, const char *what)
{
        const json_t *answer = json_map(json_map(j->facts, "protection"), question);
        const char *reason = json_text(answer, "reason", "unsupported");

        error_archive(j, kind, reason_from_name(reason),
                      findings_text(j->out, "%s is not known: %s", what,
                                    json_text(answer, "text", "the store was not asked")),
                      strcmp(reason, "denied") == 0
                              ? protection_remedy
                              : "a store that does not tell cannot be assessed: waive it with the "
                                "store's own evidence, or set the policy of DLQ-4 for this target");
}

static void
encryption_judge(const struct judge *j)
{
        static const char kind[] = "bucket encryption";
        const json_t *answer = answer_of(j, "encryption");

        if (!policy_flag(j->policy, "DLQ-4", "encrypted"))
                return;
        if (answer == NULL) {
                unknown_tell(j, kind, "encryption", "Whether the bucket is encrypted");
                return;
        }
        const char *algorithm = json_text(answer, "algorithm", "none");
        if (strcmp(algorithm, "none") == 0)
                fail_archive(j, kind, "no default encryption", "encrypted at rest",
                             "Dead letters hold customers' data, and lie here in the clear.",
                             "aws s3api put-bucket-encryption --bucket BUCKET --server-side-encryption-configuration "
                             "'{\"Rules\":[{\"ApplyServerSideEncryptionByDefault\":{\"SSEAlgorithm\":\"aws:kms\"}}]}'; "
                             "objects that "
                             "are there must be copied onto themselves",
                             "/protection/encryption");
        else
                pass_archive(j, kind, algorithm, "encrypted at rest", "New objects are encrypted.");
}

static void
access_judge(const struct judge *j)
{
        static const char kind[] = "bucket access", expected[] = "not public";
        const json_t *block = answer_of(j, "public_access_block"), *policy = answer_of(j, "policy"),
                     *acl = answer_of(j, "acl");
        bool blocked = json_flag(block, "all", false);
        bool by_policy = json_flag(policy, "public", false), by_acl = json_flag(acl, "public", false);

        if (!policy_flag(j->policy, "DLQ-4", "private"))
                return;
        if (blocked)
                pass_archive(j, kind, "public access is blocked in all four ways", expected,
                             "Nobody outside can read it.");
        else if (by_policy || by_acl)
                fail_archive(
                        j, kind,
                        by_policy && by_acl ? "public by its policy and by its ACL"
                        : by_policy         ? "public by its policy"
                                            : "public by its ACL",
                        expected, "Anybody can read the dead letters of all tenants.",
                        "aws s3api put-public-access-block --bucket BUCKET --public-access-block-configuration "
                        "BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true",
                        by_policy ? "/protection/policy" : "/protection/acl");
        else if (policy != NULL && acl != NULL)
                pass_archive(j, kind, "neither policy nor ACL is public", expected,
                             block != NULL ? "It is not public; public access is not blocked for the future, though."
                                           : "It is not public.");
        else
                unknown_tell(j, kind, policy == NULL ? "policy" : "acl", "Whether the bucket is public");
}

/* "GOVERNANCE, 30 days", "off", "?" where the store does not tell. */
static const char *
lock_words(const struct judge *j)
{
        const json_t *lock = answer_of(j, "object_lock");

        if (lock == NULL)
                return "?";
        if (!json_flag(lock, "enabled", false))
                return "off";
        const char *mode = json_text(lock, "mode", "");
        return *mode != '\0' ? findings_text(j->out, "%s, %lld days", mode, (long long)json_whole(lock, "days", 0))
                             : "on, without a default retention";
}

static void
row_add(const struct judge *j)
{
        const json_t *versioning = answer_of(j, "versioning"), *encryption = answer_of(j, "encryption");
        json_t *row = json_object();

        json_put_text(row, "id", j->name);
        json_put_text(row, "archive", j->name);
        json_put_real(row, "objects", json_real_or(j->facts, "objects", NAN));
        json_put_real(row, "size_bytes", json_real_or(j->facts, "bytes", NAN));
        json_put_text(row, "newest", json_text(json_map(j->facts, "newest"), "key", ""));
        json_put_text(row, "oldest_day", json_text(j->facts, "oldest_day", ""));
        json_put_text(row, "encryption", encryption != NULL ? json_text(encryption, "algorithm", "none") : "?");
        json_put_text(row, "versioning", versioning != NULL ? json_text(versioning, "status", "off") : "?");
        json_put_text(row, "object_lock", lock_words(j));
        findings_inventory(j->out, "archives", row);
}

static void
archive_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {facts, policy, history, out, NULL};
        const char *bucket = json_text(facts, "bucket", NULL);

        if (bucket == NULL) {
                findings_error(out, "DLQ-4", NULL, REASON_TOO_LITTLE_DATA, "No bucket is in the facts.", NULL);
                return;
        }
        j.name = findings_text(out, "%s/%s", bucket, json_text(facts, "prefix", ""));
        row_add(&j);
        newest_judge(&j);
        days_judge(&j);
        size_judge(&j);
        encryption_judge(&j);
        access_judge(&j);
}

const struct audit audit_archive = {
        .name = "archive",
        .summary = "an archive in S3: newest object, missing days, size, encryption, access",
        .looks_at = {"s3"},
        .controls = {"DLQ-4"},
        .needs = "s3:ListBucket, s3:GetEncryptionConfiguration, s3:GetBucketPublicAccessBlock, "
                 "s3:GetBucketPolicyStatus, "
                 "s3:GetBucketAcl, s3:GetBucketObjectLockConfiguration, s3:GetBucketVersioning",
        .samples = {"archive.*"},
        .collect = archive_collect,
        .judge = archive_judge,
        .check = archive_check,
};

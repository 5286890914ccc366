/* What runs in production beside the evidence of what was tested: by image digest, cluster against evidence.  Control:
 * API-4. */

#include "audit.h"

#include <string.h>

#include "evidence_judge.h"
#include "json.h"

struct judge {
        const struct policy *policy;
        struct findings *out;
        const json_t *targets; /* the joined facts */
};

/* "registry/app@sha256:abc" and "sha256:abc" are one digest. */
static bool
names_digest(const char *cover, const char *digest)
{
        const char *at = strrchr(cover, '@');

        return strcmp(at != NULL ? at + 1 : cover, digest) == 0;
}

/* The evidence that covers a digest: the target it is of, its row. */
static const json_t *
proof_of(const struct judge *judge, const char *digest, const char **target)
{
        size_t t, i, c;
        json_t *entry, *row, *cover;

        json_array_foreach((json_t *)judge->targets, t, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), "evidence") != 0)
                        continue;
                json_array_foreach((json_t *)json_list(json_map(entry, "facts"), "evidence"), i, row)
                {
                        if (!evidence_is_for(row, "API-4", judge->policy))
                                continue;
                        json_array_foreach((json_t *)json_list(row, "covers"), c, cover)
                        {
                                if (json_is_string(cover) && names_digest(json_string_value(cover), digest)) {
                                        *target = json_text(entry, "target", "?");
                                        return row;
                                }
                        }
                }
        }
        return NULL;
}

static size_t
proofs_count(const struct judge *judge)
{
        size_t t, i, count = 0;
        json_t *entry, *row;

        json_array_foreach((json_t *)judge->targets, t, entry)
        {
                json_array_foreach((json_t *)json_list(json_map(entry, "facts"), "evidence"), i, row)
                        count += evidence_is_for(row, "API-4", judge->policy) &&
                                 strcmp(json_text(entry, "audit", ""), "evidence") == 0;
        }
        return count;
}

/* The same container of the same workload; while it is rolled out there are two images of it. */
static bool
is_same_container(const json_t *a, const json_t *b)
{
        static const char *const keys[] = {"namespace", "kind", "name", "container"};

        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                if (strcmp(json_text(a, keys[i], ""), json_text(b, keys[i], "")) != 0)
                        return false;
        }
        return true;
}

static void
image_judge(const struct judge *judge, const json_t *row, const char *cluster)
{
        const char *digest = json_text(row, "digest", ""), *container = json_text(row, "container", "?"), *target = "";
        struct findings *out = judge->out;
        const char *workload = json_text(row, "name", "?"), *namespace_ = json_text(row, "namespace", "?");
        struct resource resource = {json_text(row, "kind", "?"), namespace_,
                                    findings_text(out, "%s/%s", workload, container)};
        const json_t *proof = proof_of(judge, digest, &target);
        const char *outcome = json_text(proof, "outcome", "no outcome");
        const char *image = findings_text(out, "%s: %.19s (%s)", cluster, digest, json_text(row, "image", "?"));
        const char *words = proof == NULL
                                    ? "no evidence names this digest"
                                    : findings_text(out, "%s on %s (%s of %s)", outcome, json_text(proof, "at", "?"),
                                                    json_text(proof, "name", "?"), target);

        if (strcmp(outcome, "pass") == 0) {
                findings_pass(out, "API-4", &resource, findings_text(out, "%s: %s", image, words),
                              "a passed test of this digest", "What runs here is what was tested.");
                return;
        }
        findings_add(
                out,
                &(struct finding){
                        .control = "API-4",
                        .resource = resource,
                        .status = STATUS_FAIL,
                        .severity = policy_severity(judge->policy, "API-4", false),
                        .observed = findings_text(out, "%s: %s", image, words),
                        .expected = "a passed test of this digest",
                        .message = proof == NULL
                                           ? "An image runs in production that no integration test in staging has seen."
                                           : "An image runs in production although its test did not pass.",
                        .remedy = findings_text(
                                out,
                                "Run the integration tests against %s in staging and let them write the "
                                "digest under `covers`; or roll back: kubectl -n %s rollout undo %s/%s",
                                digest, namespace_, resource.kind, workload)});
}

/* One finding per container: of its images the first that has not passed, else the first. */
static void
container_judge(const struct judge *judge, const json_t *images, size_t first, const char *cluster)
{
        const json_t *chosen = json_array_get(images, first);
        const char *target;

        for (size_t i = first; is_same_container(json_array_get(images, i), json_array_get(images, first)); i++) {
                const json_t *row = json_array_get(images, i);
                if (row == NULL)
                        break;
                if (*json_text(row, "digest", "") == '\0')
                        continue;
                if (strcmp(json_text(proof_of(judge, json_text(row, "digest", ""), &target), "outcome", ""), "pass") !=
                    0) {
                        chosen = row;
                        break;
                }
        }
        image_judge(judge, chosen, cluster);
}

static void
promotion_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const struct judge judge = {policy, out, json_list(facts, "targets")};
        const json_t *workloads = policy_value(policy, "API-4", "workloads");
        size_t t, i, seen = 0;
        json_t *entry, *row;

        (void)history;
        if (proofs_count(&judge) == 0) {
                findings_skip(out, "API-4", "not configured: no evidence says which images were tested",
                              "add a target of kind evidence with an item for API-4 whose document lists digests under "
                              "`covers`");
                return;
        }
        json_array_foreach((json_t *)judge.targets, t, entry)
        {
                if (strcmp(json_text(entry, "audit", ""), "images") != 0)
                        continue;
                json_array_foreach((json_t *)json_list(json_map(entry, "facts"), "images"), i, row)
                {
                        const char *name = findings_text(out, "%s/%s", json_text(row, "namespace", "?"),
                                                         json_text(row, "name", "?"));
                        if (!json_globs_match(workloads, name) || *json_text(row, "digest", "") == '\0')
                                continue;
                        seen++;
                        if (i == 0 ||
                            !is_same_container(row,
                                               json_array_get(json_list(json_map(entry, "facts"), "images"), i - 1)))
                                container_judge(&judge, json_list(json_map(entry, "facts"), "images"), i,
                                                json_text(entry, "target", "?"));
                }
        }
        if (seen == 0)
                findings_error(out, "API-4", NULL, REASON_TOO_LITTLE_DATA,
                               "There is evidence, but no running image of a workload that the policy names is known.",
                               "run the audit images on the cluster, and check `workloads` of API-4's policy");
}

const struct audit audit_promotion = {
        .name = "promotion",
        .summary = "images that run against evidence that they were tested",
        .controls = {"API-4"},
        .needs = "facts of the images and evidence audits",
        .joins = {"images", "evidence"},
        .judge = promotion_judge,
};

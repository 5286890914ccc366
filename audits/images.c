/* Container images that run in a cluster, by the digest that the node has pulled.  Control: API-4 (whose evidence the
 * audit promotion lays beside them). */

#include "audit.h"

#include <stdio.h>
#include <string.h>

#include "cluster.h"
#include "facts.h"
#include "json.h"
#include "scope.h"

/* --- collecting --------------------------------------------------------------------------------------------------- */

/* "docker-pullable://registry/app@sha256:abc" -> "sha256:abc"; "" when it names none. */
static const char *
digest_of(const char *image_id)
{
        const char *at = strrchr(image_id, '@');

        if (at != NULL)
                return at + 1;
        at = strstr(image_id, "sha256:");
        return at != NULL && strchr(image_id, '/') == NULL ? at : "";
}

/* The entry of a workload's image and digest, made when it is new: {kind, namespace, name, container, image, digest,
 * pods}. */
static int
image_count(json_t *rows, const struct cluster_pod *pod, const struct cluster_container *container)
{
        char key[1200];
        bool bare = *pod->owner_kind == '\0';

        snprintf(key, sizeof key, "%.255s/%.100s/%.255s/%.100s %.300s", pod->namespace_, bare ? "Pod" : pod->owner_kind,
                 bare ? pod->name : pod->owner_name, container->name, container->image_id);
        json_t *row = json_object_get(rows, key);
        if (row == NULL) {
                row = json_object();
                if (json_put(rows, key, row) != 0 || json_put_text(row, "kind", bare ? "Pod" : pod->owner_kind) != 0 ||
                    json_put_text(row, "namespace", pod->namespace_) != 0 ||
                    json_put_text(row, "name", bare ? pod->name : pod->owner_name) != 0 ||
                    json_put_text(row, "container", container->name) != 0 ||
                    json_put_text(row, "image", container->image) != 0 ||
                    json_put_text(row, "digest", digest_of(container->image_id)) != 0)
                        return -1;
        }
        return json_put_whole(row, "pods", json_whole(row, "pods", 0) + 1);
}

static int
images_collect(struct session *session, json_t *facts, struct error *err)
{
        const struct cluster *cluster = cluster_read(session, CLUSTER_PODS, err);

        if (cluster == NULL)
                return -1;
        cluster_gap(cluster, CLUSTER_PODS, "pods", "API-4", facts);
        scoped_json rows = json_object();
        int result = rows != NULL ? 0 : -1;
        for (size_t i = 0; result == 0 && i < cluster->pod_count; i++) {
                const struct cluster_pod *pod = &cluster->pods[i];
                if (strcmp(pod->phase, "Running") != 0 || pod->mirror || pod->deleted_ms > 0)
                        continue;
                for (size_t c = 0; result == 0 && c < pod->container_count; c++) {
                        if (pod->containers[c].role != CLUSTER_INIT)
                                result = image_count(rows, pod, &pod->containers[c]);
                }
        }
        if (result == 0)
                result = json_put_sorted(facts, "images", rows);
        return result == 0 ? 0 : error_memory(err, "facts");
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

static void
images_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *images = json_list(facts, "images"), *workloads = policy_value(policy, "API-4", "workloads");
        size_t i, seen = 0, unknown = 0;
        json_t *row;

        (void)history;
        json_array_foreach((json_t *)images, i, row)
        {
                const char *name = findings_text(out, "%s/%s", json_text(row, "namespace", "?"),
                                                 json_text(row, "name", "?"));
                const char *container = json_text(row, "container", "?"), *digest = json_text(row, "digest", "");
                struct resource resource = {json_text(row, "kind", "?"), json_text(row, "namespace", "?"),
                                            findings_text(out, "%s/%s", json_text(row, "name", "?"), container)};
                if (!json_globs_match(workloads, name))
                        continue;
                seen++;
                json_t *listed = json_object();
                json_put_text(listed, "id", findings_text(out, "%s/%s %s %s", resource.kind, name, container, digest));
                json_put_text(listed, "workload", findings_text(out, "%s %s", resource.kind, name));
                json_put_text(listed, "container", container);
                json_put_text(listed, "image", json_text(row, "image", ""));
                json_put_text(listed, "digest", digest);
                json_put_whole(listed, "pods", json_whole(row, "pods", 0));
                findings_inventory(out, "images", listed);
                if (*digest != '\0')
                        continue;
                unknown++;
                findings_error(
                        out, "API-4", &resource, REASON_TOO_LITTLE_DATA,
                        findings_text(out, "Of container %s it is not known which image digest runs.", container),
                        "look at status.containerStatuses[].imageID of its pods");
        }
        if (seen == 0 && !facts_lacks(facts, "pods"))
                findings_skip(out, "API-4", "no running pod belongs to a workload that `workloads` of the policy names",
                              "name the workloads whose images need evidence: policy: {API-4: {workloads: "
                              "[\"namespace/*\"]}}");
        else if (seen > 0 && unknown == 0)
                findings_pass(out, "API-4", NULL,
                              findings_text(out, "%zu images of workloads run, each by a known digest", seen),
                              "every digest known",
                              "Which images run is known; audit promotion says which were tested.");
}

const struct audit audit_images = {
        .name = "images",
        .summary = "image digests that run, for evidence that they were tested",
        .looks_at = {"kubernetes"},
        .controls = {"API-4"},
        .needs = "RBAC: list pods, replicasets.apps, jobs.batch",
        .collect = images_collect,
        .judge = images_judge,
};

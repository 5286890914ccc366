/* Volume claims: may those of databases grow, and is any of them pending, lost or stuck while it grows?  Control:
 * DSK-1.  (How full claims are is in Prometheus: audit filesystems.) */

#include "audit.h"

#include <math.h>
#include <string.h>

#include "facts.h"
#include "faults.h"
#include "json.h"
#include "kubernetes.h"
#include "kubernetes_rights.h"
#include "moment.h"
#include "scope.h"

#define NEEDS "RBAC: list persistentvolumeclaims, storageclasses.storage.k8s.io"

enum { ROWS_MOST = 50000 };

/* --- collecting --------------------------------------------------------------------------------------------------- */

struct reading {
        json_t *claims, *classes; /* borrowed from the facts */
        bool capped;
};

static int64_t
moment_of(const json_t *item, const char *key)
{
        int64_t moment = 0;

        return moment_parse(json_text(json_map(item, "metadata"), key, ""), &moment) ? moment : 0;
}

/* What the controllers say of growing: "FileSystemResizePending: waiting for a pod". */
static void
conditions_put(json_t *row, const json_t *status)
{
        static const char *const types[] = {"ControllerResizeError", "NodeResizeError", "FileSystemResizePending",
                                            "Resizing"};

        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
                size_t i;
                json_t *one;
                json_array_foreach((json_t *)json_list(status, "conditions"), i, one)
                {
                        if (strcmp(json_text(one, "type", ""), types[k]) != 0 ||
                            strcmp(json_text(one, "status", ""), "True") != 0 || json_has(row, "resize"))
                                continue;
                        json_put_text(row, "resize", types[k]);
                        json_put_text(row, "resize_message", json_text(one, "message", ""));
                }
        }
}

static int
claim_visit(void *context, const json_t *item)
{
        struct reading *reading = context;
        const json_t *spec = json_map(item, "spec"), *status = json_map(item, "status");

        if (json_array_size(reading->claims) >= ROWS_MOST) {
                reading->capped = true;
                return 0;
        }
        json_t *row = json_push(reading->claims, json_object());
        if (row == NULL)
                return -1;
        json_put_text(row, "namespace", kubernetes_namespace(item));
        json_put_text(row, "name", kubernetes_name(item));
        json_put_text(row, "class", json_text(spec, "storageClassName", ""));
        json_put_text(row, "phase", json_text(status, "phase", ""));
        json_put_real(
                row, "requested",
                kubernetes_quantity(json_object_get(json_map(json_map(spec, "resources"), "requests"), "storage")));
        json_put_real(row, "capacity", kubernetes_quantity(json_object_get(json_map(status, "capacity"), "storage")));
        json_put_whole(row, "created_ms", moment_of(item, "creationTimestamp"));
        if (moment_of(item, "deletionTimestamp") > 0)
                json_put_flag(row, "deleted", true);
        conditions_put(row, status);
        return 0;
}

static int
class_visit(void *context, const json_t *item)
{
        struct reading *reading = context;
        json_t *row = json_object();

        if (json_put(reading->classes, kubernetes_name(item), row) != 0)
                return -1;
        json_put_flag(row, "expands", json_flag(item, "allowVolumeExpansion", false));
        json_put_flag(row, "waits", strcmp(json_text(item, "volumeBindingMode", ""), "WaitForFirstConsumer") == 0);
        return json_put_text(row, "provisioner", json_text(item, "provisioner", ""));
}

static int
volumes_collect(struct session *session, json_t *facts, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        static const char *const order[] = {"namespace", "name", NULL};
        scoped_json claims = json_array();
        json_t *classes = json_object();
        struct reading reading = {.claims = claims, .classes = classes};
        struct kubernetes_list lists[] = {{.group = "",
                                           .resource = "persistentvolumeclaims",
                                           .versions = {"v1"},
                                           .visit = claim_visit,
                                           .context = &reading},
                                          {.group = "storage.k8s.io",
                                           .resource = "storageclasses",
                                           .versions = {"v1"},
                                           .cluster_scoped = true,
                                           .visit = class_visit,
                                           .context = &reading}};

        if (json_put(facts, "classes", classes) != 0 || claims == NULL)
                return error_memory(err, "volumes");
        if (kubernetes == NULL || kubernetes_lists(kubernetes, lists, 2, err) != 0)
                return -1;
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
                if (lists[i].error.reason != REASON_NONE)
                        facts_gap(facts, lists[i].resource, "DSK-1", NULL, &lists[i].error);
        }
        if (reading.capped) {
                struct error most = {0};
                error_set(&most, REASON_TOO_LITTLE_DATA, "more than %d claims: the rest was not read", ROWS_MOST);
                error_remedy(&most, "make several targets of the cluster, each with its own namespaces");
                facts_gap(facts, "claims", "DSK-1", NULL, &most);
        }
        return json_sort(claims, order) == 0 && json_put(facts, "claims", json_incref(claims)) == 0
                       ? 0
                       : error_memory(err, "volumes");
}

static int
volumes_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

/* --- judging ------------------------------------------------------------------------------------------------------ */

struct judge {
        const json_t *facts;
        struct findings *out;
        int64_t now_ms;
};

static void
phase_judge(const struct judge *j, const json_t *claim, const json_t *class, struct faults *faults)
{
        const char *phase = json_text(claim, "phase", ""), *namespace_ = json_text(claim, "namespace", "?");
        const char *look = findings_text(j->out, "kubectl -n %s describe pvc %s", namespace_,
                                         json_text(claim, "name", "?"));
        int64_t created = json_whole(claim, "created_ms", 0), age = created > 0 ? j->now_ms - created : 0;

        if (strcmp(phase, "Lost") == 0)
                faults_add(faults, "Lost", "Its volume is gone: what was on it has to come from a backup.", look);
        else if (strcmp(phase, "Pending") == 0 && age > 10 * MINUTE_MS && !json_flag(class, "waits", false))
                faults_add(faults, findings_text(j->out, "Pending for %s", findings_duration(j->out, (double)age)),
                           "No volume was made for it: whoever mounts it does not start.", look);
}

static void
growth_judge(const struct judge *j, const json_t *claim, struct faults *faults)
{
        double asked = json_real_or(claim, "requested", NAN), has = json_real_or(claim, "capacity", NAN);
        const char *resize = json_text(claim, "resize", "");
        const char *message = json_text(claim, "resize_message", "");

        if (!(asked > has) || strcmp(json_text(claim, "phase", ""), "Bound") != 0)
                return;
        faults_add(faults,
                   findings_text(j->out, "%s asked for, %s there%s%s", findings_size(j->out, asked),
                                 findings_size(j->out, has), *resize != '\0' ? ", " : "", resize),
                   *message != '\0' ? findings_text(j->out, "It was to grow and has not: %s.", message)
                                    : "It was to grow and has not.",
                   strcmp(resize, "FileSystemResizePending") == 0
                           ? findings_text(j->out, "restart the pod that mounts it: kubectl -n %s get pods",
                                           json_text(claim, "namespace", "?"))
                           : findings_text(j->out, "kubectl -n %s describe pvc %s", json_text(claim, "namespace", "?"),
                                           json_text(claim, "name", "?")));
}

/* Of a database: may it grow at all? */
static void
expansion_judge(const struct judge *j, const json_t *claim, const json_t *class, struct faults *faults)
{
        const char *name = json_text(claim, "class", "");

        if (facts_lacks(j->facts, "storageclasses"))
                return;
        if (*name == '\0')
                faults_add(faults, "no storage class",
                           "A volume that was made by hand cannot be enlarged by its claim.",
                           "move the data to a claim whose storage class allows expansion");
        else if (class == NULL)
                faults_add(faults, findings_text(j->out, "storage class %s is not there", name),
                           "Without its class nothing can enlarge the volume.", "kubectl get storageclasses");
        else if (!json_flag(class, "expands", false))
                faults_add(faults, findings_text(j->out, "storage class %s does not allow expansion", name),
                           "When the volume fills up it cannot be enlarged: the database stops.",
                           findings_text(j->out, "kubectl patch storageclass %s -p '{\"allowVolumeExpansion\": true}'",
                                         name));
}

static void
row_add(const struct judge *j, const json_t *claim, const json_t *class)
{
        json_t *row = json_object();

        json_put_text(
                row, "id",
                findings_text(j->out, "%s/%s", json_text(claim, "namespace", "?"), json_text(claim, "name", "?")));
        json_put_text(row, "phase", json_text(claim, "phase", ""));
        json_put_text(row, "class", json_text(claim, "class", ""));
        json_put_text(row, "provisioner", json_text(class, "provisioner", ""));
        json_put_real(row, "requested_bytes", json_real_or(claim, "requested", NAN));
        json_put_real(row, "capacity_bytes", json_real_or(claim, "capacity", NAN));
        json_put_flag(row, "expands", json_flag(class, "expands", false));
        findings_inventory(j->out, "claims", row);
}

static void
volumes_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        const json_t *globs = policy_value(policy, "DSK-1", "claims"), *classes = json_map(facts, "classes");
        struct judge j = {facts, out, history_now(history)};
        size_t i, seen = 0, databases = 0, well = 0;
        json_t *claim;

        json_array_foreach((json_t *)json_list(facts, "claims"), i, claim)
        {
                const char *name = json_text(claim, "name", NULL), *namespace_ = json_text(claim, "namespace", "?");
                const json_t *class = json_map(classes, json_text(claim, "class", ""));
                struct faults faults = FAULTS_INIT(out);
                if (name == NULL || json_flag(claim, "deleted", false))
                        continue;
                bool database = json_globs_match(globs, findings_text(out, "%s/%s", namespace_, name));
                seen++;
                databases += database ? 1 : 0;
                row_add(&j, claim, class);
                if (database)
                        expansion_judge(&j, claim, class, &faults);
                phase_judge(&j, claim, class, &faults);
                growth_judge(&j, claim, &faults);
                if (faults_report(&faults, &(struct finding){.control = "DSK-1",
                                                             .resource = {"PersistentVolumeClaim", namespace_, name},
                                                             .severity = policy_severity(policy, "DSK-1", false),
                                                             .expected = database ? "bound, and able to grow" : "bound",
                                                             .evidence = findings_text(out, "/claims/%zu", i)}) &&
                    database && !facts_lacks(facts, "storageclasses"))
                        well++;
        }
        if (well > 0)
                findings_pass(
                        out, "DSK-1", NULL,
                        findings_text(out, "%zu of %zu claims of databases, of %zu in all", well, databases, seen),
                        "a storage class that allows expansion", "Their volumes can be enlarged while in use.");
        else if (databases == 0 && !facts_lacks(facts, "persistentvolumeclaims"))
                findings_skip(out, "DSK-1",
                              findings_text(out, "None of %zu claims is one of a database, by the policy.", seen),
                              "Name them: policy: {DSK-1: {claims: [\"namespace/name-*\"]}}.");
}

const struct audit audit_volumes = {
        .name = "volumes",
        .summary = "volume claims: growth of databases', pending, lost and stuck ones",
        .looks_at = {"kubernetes"},
        .controls = {"DSK-1"},
        .needs = NEEDS,
        .collect = volumes_collect,
        .judge = volumes_judge,
        .check = volumes_check,
};

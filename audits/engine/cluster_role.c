/* Rights of a cluster's audits as a ClusterRole. */

#include "cluster_role.h"

#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "kubernetes_rights.h"

enum { RIGHTS_MOST = 500 };

struct role {
        struct kubernetes_right rights[RIGHTS_MOST];
        size_t count;
};

/* Groups in the order of their names, in them what is named (a narrower rule) last. */
static int
by_rule(const void *a, const void *b)
{
        const struct kubernetes_right *one = a, *other = b;
        int order = strcmp(one->group, other->group);

        order = order != 0 ? order : strcmp(one->name, other->name);
        order = order != 0 ? order : strcmp(one->verb, other->verb);
        return order != 0 ? order : strcmp(one->resource, other->resource);
}

static int
right_add(void *context, const struct kubernetes_right *right)
{
        struct role *role = context;

        if (role->count == RIGHTS_MOST)
                return -1;
        role->rights[role->count++] = *right;
        return 0;
}

static int
role_gather(struct role *role, struct error *err)
{
        for (size_t i = 0; audits[i] != NULL; i++) {
                const char *needs = audits[i]->needs;
                if (needs != NULL && strncmp(needs, "RBAC:", 5) == 0 &&
                    kubernetes_rights_each(needs, right_add, role) != 0)
                        return error_set(err, REASON_INTERNAL, "%s: its rights cannot be read: %s", audits[i]->name,
                                         needs);
        }
        qsort(role->rights, role->count, sizeof role->rights[0], by_rule);
        return 0;
}

static bool
of_one_rule(const struct kubernetes_right *one, const struct kubernetes_right *other)
{
        return strcmp(one->group, other->group) == 0 && strcmp(one->verb, other->verb) == 0 &&
               strcmp(one->name, other->name) == 0;
}

static void
role_head(struct buffer *out, const char *name)
{
        buffer_format(out,
                      "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: %s\n  labels:\n"
                      "    app.kubernetes.io/name: rounds\nrules:\n",
                      name);
}

/* A rule per group, verb and name.  Resources with a name of their own can be got in every namespace where it exists.
 */
static void
rules_write(const struct role *role, bool secrets, struct buffer *out)
{
        const struct kubernetes_right *last = NULL;

        for (size_t i = 0; i < role->count; i++) {
                const struct kubernetes_right *right = &role->rights[i];
                bool secret = *right->group == '\0' && strcmp(right->resource, "secrets") == 0;
                if (secret != secrets ||
                    (last != NULL && of_one_rule(last, right) && strcmp(last->resource, right->resource) == 0))
                        continue;
                if (last == NULL || !of_one_rule(last, right)) {
                        buffer_format(out, "  - apiGroups: [\"%s\"]\n    verbs: [%s]\n", right->group, right->verb);
                        if (*right->name != '\0')
                                buffer_format(out, "    resourceNames: [%s]\n", right->name);
                        buffer_text(out, "    resources:\n");
                }
                buffer_format(out, "      - %s\n", right->resource);
                last = right;
        }
}

int
cluster_role_write(struct buffer *out, struct error *err)
{
        struct role *role = calloc(1, sizeof *role);
        int result = role != NULL ? role_gather(role, err) : error_memory(err, "cluster role");

        if (result == 0) {
                buffer_text(out, "# Made by `rounds list audits --rbac`: what the audits of a cluster read, and "
                                 "nothing else.\n");
                role_head(out, "rounds");
                rules_write(role, false, out);
                buffer_text(out, "---\n"
                                 "# Secrets, for certificates and the addresses of databases: of each only "
                                 "certificates, the names "
                                 "of its keys, and host and\n"
                                 "# pool settings of such an address are kept.  Bound by secrets.yaml; without it "
                                 "CRT-1 to CRT-6, "
                                 "DBC-3 and DBC-5 of the cluster\n"
                                 "# say what they could not assess.\n");
                role_head(out, "rounds-secrets");
                rules_write(role, true, out);
                result = out->failed ? error_memory(err, "cluster role") : 0;
        }
        free(role);
        return result;
}

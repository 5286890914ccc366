/* The line in which an audit declares what it reads in a cluster. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "audit.h"
#include "kubernetes_rights.h"

static int
show(void *context, const struct kubernetes_right *right)
{
        char *text = context;
        size_t length = strlen(text);

        snprintf(text + length, 1024 - length, "%s|%s|%s|%s|%s\n", right->verb, right->group, right->resource,
                 right->namespace_, right->name);
        return 0;
}

static void
lines(void **state)
{
        static const struct {
                const char *needs, *rights; /* NULL: not of the form */
        } rows[] = {
                {"RBAC: list pods", "list||pods||\n"},
                {"RBAC: list pods, nodes,deployments.apps ; get pods/log",
                 "list||pods||\nlist||nodes||\nlist|apps|deployments||\nget||pods/log||\n"},
                {"RBAC: list scaledobjects.keda.sh", "list|keda.sh|scaledobjects||\n"},
                {"RBAC: get configmaps:kube-system/cluster-autoscaler-status",
                 "get||configmaps|kube-system|cluster-autoscaler-status\n"},
                {"RBAC: get leases.coordination.k8s.io:kube-system/a.b",
                 "get|coordination.k8s.io|leases|kube-system|a.b\n"},
                {"RBAC: delete pods", NULL},
                {"RBAC:", NULL},
                {"RBAC: list", NULL},
                {"RBAC: list pods,", NULL},
                {"RBAC: list pods;", NULL},
                {"RBAC: list pods nodes", NULL},
                {"RBAC: list pods.", NULL},
                {"RBAC: get configmaps:kube-system", NULL},
                {"RBAC: get configmaps:/x", NULL},
                {"pg_monitor", NULL},
                {NULL, NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                char text[1024] = "";
                int result = kubernetes_rights_each(rows[i].needs, show, text);
                if (rows[i].rights == NULL ? result != -1 : result != 0 || strcmp(text, rows[i].rights) != 0)
                        fail_msg("\"%s\" gave %d and\n%s", rows[i].needs, result, text);
        }
}

static int
two(void *context, const struct kubernetes_right *right)
{
        (void)right;
        return ++*(int *)context == 2 ? 7 : 0;
}

static void
stops(void **state)
{
        int seen = 0;

        (void)state;
        assert_int_equal(kubernetes_rights_each("RBAC: list pods, nodes, jobs.batch", two, &seen), 7);
        assert_int_equal(seen, 2);
}

/* Every audit of a Kubernetes target says what it reads in this form: the ClusterRole is made from it. */
static void
audits_declare(void **state)
{
        (void)state;
        for (size_t i = 0; audits[i] != NULL; i++) {
                bool cluster = false;
                char text[1024] = "";
                for (size_t k = 0; k < 8 && audits[i]->looks_at[k] != NULL; k++)
                        cluster |= strcmp(audits[i]->looks_at[k], "kubernetes") == 0;
                if (cluster && audits[i]->looks_at[1] == NULL &&
                    kubernetes_rights_each(audits[i]->needs, show, text) != 0)
                        fail_msg("%s needs \"%s\"", audits[i]->name, audits[i]->needs);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(stops),
                                           cmocka_unit_test(audits_declare)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

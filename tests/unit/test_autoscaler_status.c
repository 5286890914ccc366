/* The Cluster Autoscaler's status: the text of versions before 1.30 and the YAML since. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autoscaler_status.h"
#include "scope.h"

#define OLD                                                                                                            \
        "Cluster-autoscaler status at 2026-11-24 03:00:00.5 +0000 UTC:\nCluster-wide:\n  Health:      Healthy "        \
        "(ready=7 unready=0 notStarted=0 longNotStarted=0 registered=7 longUnregistered=0)\n"                          \
        "               LastProbeTime:      2026-11-24 03:00:00 +0000 UTC m=+1.5\n  ScaleUp:     NoActivity (ready=7 " \
        "registered=7)\n\nNodeGroups:\n  Name:        eks-api-1\n  Health:      Healthy (ready=4 unready=0 "           \
        "notStarted=0 longNotStarted=0 registered=4 longUnregistered=0 cloudProviderTarget=5 (minSize=2, "             \
        "maxSize=6))\n               LastProbeTime:      2026-11-24 03:00:00 +0000 UTC\n  ScaleUp:     Backoff "       \
        "(ready=4 cloudProviderTarget=5)\n\n  Name:        eks-batch\n  Health:      Unhealthy (ready=3 registered=3 " \
        "(minSize=0, maxSize=10))\n"

#define NEW                                                                                                            \
        "time: 2026-11-24 03:00:00.546750398 +0000 UTC\nautoscalerStatus: Running\nclusterWide:\n  health:\n    "      \
        "status: Healthy\nnodeGroups:\n- name: eks-api-1\n  health:\n    status: Healthy\n    nodeCounts:\n      "     \
        "registered:\n        total: 4\n        ready: 4\n    cloudProviderTarget: 5\n    minSize: 2\n    maxSize: "   \
        "6\n  scaleUp:\n    status: Backoff\n    backoffInfo:\n      errorCode: OutOfResource\n      errorMessage: "   \
        "no capacity\n- name: eks-batch\n  health:\n    status: Unhealthy\n    nodeCounts:\n      registered:\n      " \
        " "                                                                                                            \
        " total: 3\n    minSize: 0\n    maxSize: 10\n"

static void
forms(void **state)
{
        static const struct {
                const char *text, *status; /* NULL: an error */
        } rows[] = {
                {OLD, "{\"groups\":[{\"backoff\":\"the last tries to add a node "
                      "failed\",\"health\":\"Healthy\",\"max\":6,\"min\":2,\"name\":\"eks-api-1\",\"nodes\":5},"
                      "{\"health\":\"Unhealthy\",\"max\":10,\"min\":0,\"name\":\"eks-batch\",\"nodes\":3}],\"running\":"
                      "true,\"written_ms\":1795489200000}"},
                {NEW, "{\"groups\":[{\"backoff\":\"OutOfResource no "
                      "capacity\",\"health\":\"Healthy\",\"max\":6,\"min\":2,\"name\":\"eks-api-1\",\"nodes\":5},"
                      "{\"health\":\"Unhealthy\",\"max\":10,\"min\":0,\"name\":\"eks-batch\",\"nodes\":3}],\"running\":"
                      "true,\"written_ms\":1795489200000}"},
                {"autoscalerStatus: Initializing\n", "{\"groups\":[],\"running\":false,\"written_ms\":0}"},
                {"Cluster-wide:\n", "{\"groups\":[],\"running\":true,\"written_ms\":0}"},
                {"autoscalerStatus: [\n", NULL},
                {"", NULL},
                {"hello", NULL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                scoped_json status = NULL;
                struct error err = {0};
                int result = autoscaler_status_read(rows[i].text, &status, &err);
                if (rows[i].status == NULL) {
                        if (result == 0 || err.reason == REASON_NONE)
                                fail_msg("row %zu was taken", i);
                        continue;
                }
                if (result != 0)
                        fail_msg("row %zu: %s", i, err.text);
                scoped_string got = json_dumps(status, JSON_COMPACT | JSON_SORT_KEYS);
                assert_string_equal(got, rows[i].status);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(forms)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}

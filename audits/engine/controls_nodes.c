/* Node capacity: controls NOD-1 to NOD-6, with their shipped policy. */

#include "catalogue.h"

static const struct setting nod_1[] = {
        {.name = "requested",
         .type = SETTING_PERCENT,
         .fallback = "70",
         .words = "share of allocatable CPU or memory that is requested"},
        {.name = "nodes",
         .type = SETTING_PERCENT,
         .fallback = "70",
         .words = "share of the autoscaler's most nodes in use"},
        {.type = SETTING_END},
};

static const struct setting nod_2[] = {
        {.name = "workloads",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"kaireon/kaireon-*\"]",
         .words = "critical workloads, as namespace/name globs"},
        {.type = SETTING_END},
};

static const struct setting nod_3[] = {
        {.name = "cpu_limits",
         .type = SETTING_BOOLEAN,
         .fallback = "true",
         .words = "CPU limits are demanded, not requests alone"},
        {.name = "exempt_namespaces",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[kube-system]",
         .words = "namespaces that are left out"},
        {.type = SETTING_END},
};

static const struct setting nod_4[] = {
        {.name = "peak_from", .type = SETTING_TEXT, .fallback = "08:00", .words = "begin of the peak window"},
        {.name = "peak_until", .type = SETTING_TEXT, .fallback = "20:00", .words = "end of the peak window"},
        {.name = "peak_days",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[mon, tue, wed, thu, fri]",
         .words = "days that have a peak"},
        {.name = "timezone", .type = SETTING_TEXT, .fallback = "UTC", .words = "zone of the peak window"},
        {.name = "critical",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[]",
         .words = "CronJobs that may start at any time, as namespace/name globs"},
        {.name = "frequent",
         .type = SETTING_DURATION,
         .fallback = "1h",
         .words = "jobs that start more often are no batch"},
        {.type = SETTING_END},
};

static const struct setting nod_5[] = {
        {.name = "age",
         .type = SETTING_DURATION,
         .fallback = "31d",
         .words = "greatest age of the last acknowledged packet"},
        {.name = "evidence",
         .type = SETTING_TEXT,
         .fallback = "capacity-review",
         .words = "name of the `evidence` source that acknowledges it"},
        {.type = SETTING_END},
};

static const struct setting nod_6[] = {
        {.name = "pending", .type = SETTING_DURATION, .fallback = "5m", .words = "longest a pod may be pending"},
        {.type = SETTING_END},
};

static const struct control controls[] = {
        {.id = "NOD-1",
         .title = "the cluster can grow and can lose a node",
         .severity = SEV2,
         .cadence = JOB_NIGHTLY,
         .settings = nod_1,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "ISO27001:A.8.14", "NIST:CP-2(2)", "NIST:AU-4"}},
        {.id = "NOD-2",
         .title = "critical workloads have a PodDisruptionBudget that works",
         .severity = SEV3,
         .cadence = JOB_WEEKLY,
         .settings = nod_2,
         .frameworks = {"SOC2:A1.2", "ISO27001:A.8.14", "NIST:CP-10", "NIST:SC-5"}},
        {.id = "NOD-3",
         .title = "no unbounded pods",
         .severity = SEV3,
         .cadence = JOB_WEEKLY,
         .settings = nod_3,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:SC-5", "NIST:SC-6"}},
        {.id = "NOD-4",
         .title = "non-critical batch runs off-peak",
         .severity = SEV4,
         .cadence = JOB_WEEKLY,
         .settings = nod_4,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:SC-5"}},
        {.id = "NOD-5",
         .title = "capacity is reviewed monthly on growth trends",
         .severity = SEV4,
         .cadence = JOB_MONTHLY,
         .settings = nod_5,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:AU-4", "NIST:CP-2(2)"}},
        {.id = "NOD-6",
         .title = "nodes are under no pressure now",
         .severity = SEV2,
         .severity_past = SEV1,
         .cadence = JOB_NIGHTLY,
         .settings = nod_6,
         .frameworks = {"SOC2:A1.1", "SOC2:CC7.2", "ISO27001:A.8.6", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-4"}},
        {.id = NULL},
};

const struct playbook playbook_nodes = {.prefix = "NOD", .title = "Node capacity", .controls = controls};

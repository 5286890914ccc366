/* Decision latency: controls LAT-1 to LAT-5, with their shipped policy. */

#include "catalogue.h"

static const struct setting lat_1[] = {
        {.name = "cpu_target",
         .type = SETTING_PERCENT,
         .fallback = "60",
         .max = 1000,
         .words = "highest averageUtilization of the CPU metric, percent of the request"},
        {.name = "exempt",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[]",
         .words = "autoscalers that are left out, as namespace/name globs"},
        {.type = SETTING_END},
};

static const struct setting lat_2[] = {
        {.name = "class",
         .type = SETTING_TEXT,
         .fallback = "score",
         .words = "name of the key class that holds scoring results"},
        {.name = "ttl", .type = SETTING_DURATION, .fallback = "30s", .words = "longest time to live of its keys"},
        {.type = SETTING_END},
};

static const struct setting lat_3[] = {
        {.name = "evidence", .type = SETTING_TEXT, .fallback = "load-test", .words = "name of the `evidence` source"},
        {.name = "age", .type = SETTING_DURATION, .fallback = "7d", .words = "greatest age of the newest evidence"},
        {.name = "p99", .type = SETTING_DURATION, .fallback = "200ms", .words = "greatest p99 the evidence may show"},
        {.name = "error_rate",
         .type = SETTING_PERCENT,
         .fallback = "0.1",
         .words = "greatest share of failed requests the evidence may show"},
        {.type = SETTING_END},
};

static const struct setting lat_4[] = {
        {.name = "ratio",
         .type = SETTING_NUMBER,
         .fallback = "1.5",
         .min = 1,
         .max = 1000,
         .words = "mean time of a statement against its baseline that is a regression"},
        {.name = "calls",
         .type = SETTING_INTEGER,
         .fallback = "50",
         .min = 1,
         .max = 1e+09,
         .words = "statements called less often since the last run are not judged"},
        {.name = "mean",
         .type = SETTING_DURATION,
         .fallback = "5ms",
         .words = "statements faster than this are not judged"},
        {.name = "runs",
         .type = SETTING_INTEGER,
         .fallback = "3",
         .min = 1,
         .max = 1000,
         .words = "earlier runs a baseline needs"},
        {.name = "window", .type = SETTING_DURATION, .fallback = "28d", .words = "how far back the baseline looks"},
        {.type = SETTING_END},
};

static const struct setting lat_5[] = {
        {.name = "workloads",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"*/kaireon-ml-worker\", \"*/kaireon-api\"]",
         .words = "workloads that must warm up, as namespace/name globs"},
        {.name = "container",
         .type = SETTING_GLOB,
         .fallback = "*warm*",
         .words = "name of the init container that warms up; a startup probe counts as well"},
        {.type = SETTING_END},
};

static const struct control controls[] = {
        {.id = "LAT-1",
         .title = "HPAs aim at a CPU target that leaves headroom",
         .severity = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = lat_1,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:CP-2(2)", "NIST:SC-5(2)"}},
        {.id = "LAT-2",
         .title = "scoring results are cached for repeat lookups",
         .severity = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = lat_2,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:SC-5(2)"}},
        {.id = "LAT-3",
         .title = "the decision endpoint is load-tested every week with production-like traffic",
         .severity = SEV3,
         .cadence = JOB_WEEKLY,
         .settings = lat_3,
         .frameworks = {"SOC2:A1.1", "SOC2:CC8.1", "ISO27001:A.8.6", "NIST:CA-2", "NIST:SA-11"}},
        {.id = "LAT-4",
         .title = "query baselines are kept and a regression is noticed",
         .severity = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = lat_4,
         .frameworks = {"SOC2:A1.1", "SOC2:CC7.2", "ISO27001:A.8.6", "ISO27001:A.8.16", "NIST:SI-4"}},
        {.id = "LAT-5",
         .title = "model caches are warm before a pod takes traffic",
         .severity = SEV3,
         .cadence = JOB_WEEKLY,
         .settings = lat_5,
         .frameworks = {"SOC2:A1.1", "ISO27001:A.8.6", "NIST:CP-10"}},
        {.id = NULL},
};

const struct playbook playbook_latency = {.prefix = "LAT", .title = "Decision latency", .controls = controls};

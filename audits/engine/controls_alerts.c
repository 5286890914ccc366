/* Detection: controls ALR-1 to ALR-11, with their shipped policy. */

#include "catalogue.h"

/* One alert that a playbook wants.  Installations name series differently: any of the expressions will do. */
static const struct setting wanted[] = {
        {.name = "alert", .type = SETTING_TEXT, .required = true, .words = "what it is about: the finding's name"},
        {.name = "any",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .required = true,
         .words = "one rule must be at least as strict as one of these: expression, then \"for\" and its duration"},
        {.type = SETTING_END},
};

static const struct setting alr_1[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: p99 of decisions, any: ['histogram_quantile(0.99, "
                     "rate(kaireon_decision_latency_ms_bucket[5m])) > 200 for 3m', "
                     "'kaireon_decision_latency_ms{quantile=\"0.99\"} > 200 for 3m', '1 - "
                     "sum(rate(kaireon_decision_latency_ms_bucket{le=\"200\"}[5m])) / "
                     "sum(rate(kaireon_decision_latency_ms_count[5m])) > 0.01 for 3m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_2[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: worker backlog, any: ['kaireon_active_worker_jobs > 100 for 5m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_3[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: connections of the pooler, any: ['pgbouncer_active_connections / "
                     "pgbouncer_max_connections > 0.9 for 2m', 'pgbouncer_pools_client_active_connections / "
                     "pgbouncer_config_max_client_connections > 0.9 for 2m', "
                     "'pgbouncer_databases_current_connections / pgbouncer_databases_max_connections > 0.9 for "
                     "2m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_4[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: Redis memory, any: ['redis_memory_used_bytes / redis_memory_max_bytes > 0.9 for "
                     "5m']}, {alert: Redis evictions, any: ['rate(redis_evicted_keys_total[5m]) > 0 for 3m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_5[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: share of API errors, any: ['sum(rate(http_responses_total{status=~\"5..\"}[5m])) "
                     "/ sum(rate(http_responses_total[5m])) > 0.01 for 3m', "
                     "'sum(rate(kaireon_http_request_duration_seconds_count{status=~\"5..\"}[5m])) / "
                     "sum(rate(kaireon_http_request_duration_seconds_count[5m])) > 0.01 for 3m', "
                     "'sum(rate(nginx_ingress_controller_requests{status=~\"5..\"}[5m])) / "
                     "sum(rate(nginx_ingress_controller_requests[5m])) > 0.01 for 3m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_6[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: dead letters, any: ['sum(kaireon_dlq_depth) > 100 for 10m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_7[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: 'certificates, a week left', any: ['cert_expiry_seconds < 604800 for 1h', "
                     "'certmanager_certificate_expiration_timestamp_seconds - time() < 604800 for 1h', "
                     "'probe_ssl_earliest_cert_expiry - time() < 604800 for 1h', 'x509_cert_not_after - time() "
                     "< 604800 for 1h']}, {alert: 'certificates, a day left', any: ['cert_expiry_seconds < "
                     "86400 for 1h', 'certmanager_certificate_expiration_timestamp_seconds - time() < 86400 for "
                     "1h', 'probe_ssl_earliest_cert_expiry - time() < 86400 for 1h', 'x509_cert_not_after - "
                     "time() < 86400 for 1h']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_8[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: memory pressure of nodes, any: "
                     "['kube_node_status_condition{condition=\"MemoryPressure\",status=\"true\"} == 1 for "
                     "5m']}, {alert: disk pressure of nodes, any: "
                     "['kube_node_status_condition{condition=\"DiskPressure\",status=\"true\"} == 1 for 5m']}, "
                     "{alert: pending pods, any: ['kube_pod_status_phase{phase=\"Pending\"} == 1 for 5m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_9[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback = "[{alert: disk of the database, any: ['pg_database_size_bytes / pg_disk_total_bytes > 0.85 "
                     "for 10m', '1 - node_filesystem_avail_bytes / node_filesystem_size_bytes > 0.85 for 10m', "
                     "'kubelet_volume_stats_used_bytes / kubelet_volume_stats_capacity_bytes > 0.85 for 10m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_10[] = {
        {.name = "rules",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = wanted,
         .fallback =
                 "[{alert: authentication failures, any: ['rate(kaireon_auth_failures_total[5m]) * 60 > 10 "
                 "for 3m']}, {alert: share of failed authentications, any: "
                 "['sum(rate(kaireon_auth_failures_total[5m])) / sum(rate(kaireon_auth_attempts_total[5m])) > 0.1 for "
                 "5m', 'rate(kaireon_auth_failures_total[5m]) / rate(kaireon_auth_attempts_total[5m]) > 0.1 for "
                 "5m']}]",
         .words = "alerts there must be"},
        {.type = SETTING_END},
};

static const struct setting alr_11[] = {
        {.name = "severity_label",
         .type = SETTING_TEXT,
         .fallback = "severity",
         .words = "label that holds the severity"},
        {.name = "runbook_annotation",
         .type = SETTING_TEXT,
         .fallback = "runbook_url",
         .words = "annotation that links the runbook"},
        {.name = "silence",
         .type = SETTING_DURATION,
         .fallback = "24h",
         .min = 0,
         .max = 365 * 86400000.0,
         .words = "longest that a silence may still last"},
        {.name = "scope_labels",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .fallback = "[job, service, app, container, namespace, cluster, env, environment, region]",
         .words = "labels that tell the place: a rule narrowed to one is as strict"},
        {.type = SETTING_END},
};

static const struct control controls[] = {
        {.id = "ALR-1",
         .title = "decision latency: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_1,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-2",
         .title = "worker backlog: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_2,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-3",
         .title = "connections: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_3,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-4",
         .title = "Redis memory, evictions: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_4,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-5",
         .title = "API errors: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_5,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-6",
         .title = "dead letters: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_6,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-7",
         .title = "certificates: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_7,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-8",
         .title = "nodes: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_8,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-9",
         .title = "database disk: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_9,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.16", "NIST:SI-4", "NIST:AU-5", "PCI4:10.4.1"}},
        {.id = "ALR-10",
         .title = "auth failures: its alert exists and is strict enough",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_10,
         .frameworks = {"SOC2:CC7.2", "ISO27001:A.8.5", "ISO27001:A.8.16", "NIST:AC-7", "NIST:SI-4", "PCI4:10.4.1"}},
        {.id = "ALR-11",
         .title = "routing: every alert is healthy, can fire, and reaches a receiver that exists",
         .severity = SEV2,
         .severity_past = SEV3,
         .cadence = JOB_NIGHTLY,
         .settings = alr_11,
         .frameworks = {"SOC2:CC7.2", "SOC2:CC7.3", "ISO27001:A.5.24", "ISO27001:A.8.16", "NIST:SI-4", "NIST:IR-6",
                        "PCI4:10.4.1", "PCI4:10.7.2"}},
        {.id = NULL},
};

const struct playbook playbook_alerts = {.prefix = "ALR", .title = "Detection", .controls = controls};

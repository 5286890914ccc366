/* The audits: one line each, in alphabetical order. */

#include "audit.h"

#include <string.h>

extern const struct audit audit_alerts;
extern const struct audit audit_archive;
extern const struct audit audit_batch;
extern const struct audit audit_bloat;
extern const struct audit audit_canary;
extern const struct audit audit_capacity_limits;
extern const struct audit audit_cert_manager;
extern const struct audit audit_certificates;
extern const struct audit audit_clocks;
extern const struct audit audit_cluster_certificates;
extern const struct audit audit_connections;
extern const struct audit audit_custom;
extern const struct audit audit_dead_letters;
extern const struct audit audit_disk_growth;
extern const struct audit audit_evidence;
extern const struct audit audit_filesystems;
extern const struct audit audit_headroom;
extern const struct audit audit_hpa;
extern const struct audit audit_idle_order;
extern const struct audit audit_images;
extern const struct audit audit_keda;
extern const struct audit audit_lockout;
extern const struct audit audit_log_files;
extern const struct audit audit_login_probe;
extern const struct audit audit_logs;
extern const struct audit audit_nodes;
extern const struct audit audit_partitions;
extern const struct audit audit_pg_settings;
extern const struct audit audit_pgbouncer;
extern const struct audit audit_pool_demand;
extern const struct audit audit_pool_headroom;
extern const struct audit audit_pools;
extern const struct audit audit_promotion;
extern const struct audit audit_query_baseline;
extern const struct audit audit_queue_metrics;
extern const struct audit audit_queues;
extern const struct audit audit_rate_limits;
extern const struct audit audit_rds;
extern const struct audit audit_redis_keys;
extern const struct audit audit_redis_memory;
extern const struct audit audit_redis_quota;
extern const struct audit audit_redis_separation;
extern const struct audit audit_renewal_alerts;
extern const struct audit audit_resilience;
extern const struct audit audit_retention;
extern const struct audit audit_scaling_alerts;
extern const struct audit audit_settings;
extern const struct audit audit_source_scan;
extern const struct audit audit_stuffing;
extern const struct audit audit_temp_files;
extern const struct audit audit_tokens;
extern const struct audit audit_vacuum;
extern const struct audit audit_volumes;
extern const struct audit audit_wal;
extern const struct audit audit_workloads;

/* One line each, so that two added side by side do not meet. */
// clang-format off
const struct audit *const audits[] = {
        &audit_alerts,
        &audit_archive,
        &audit_batch,
        &audit_bloat,
        &audit_canary,
        &audit_capacity_limits,
        &audit_cert_manager,
        &audit_certificates,
        &audit_clocks,
        &audit_cluster_certificates,
        &audit_connections,
        &audit_custom,
        &audit_dead_letters,
        &audit_disk_growth,
        &audit_evidence,
        &audit_filesystems,
        &audit_headroom,
        &audit_hpa,
        &audit_idle_order,
        &audit_images,
        &audit_keda,
        &audit_lockout,
        &audit_log_files,
        &audit_login_probe,
        &audit_logs,
        &audit_nodes,
        &audit_partitions,
        &audit_pg_settings,
        &audit_pgbouncer,
        &audit_pool_demand,
        &audit_pool_headroom,
        &audit_pools,
        &audit_promotion,
        &audit_query_baseline,
        &audit_queue_metrics,
        &audit_queues,
        &audit_rate_limits,
        &audit_rds,
        &audit_redis_keys,
        &audit_redis_memory,
        &audit_redis_quota,
        &audit_redis_separation,
        &audit_renewal_alerts,
        &audit_resilience,
        &audit_retention,
        &audit_scaling_alerts,
        &audit_settings,
        &audit_source_scan,
        &audit_stuffing,
        &audit_temp_files,
        &audit_tokens,
        &audit_vacuum,
        &audit_volumes,
        &audit_wal,
        &audit_workloads,
        NULL,
};
// clang-format on

const struct audit *
audit_find(const char *name)
{
        for (size_t i = 0; audits[i] != NULL; i++) {
                if (strcmp(audits[i]->name, name) == 0)
                        return audits[i];
        }
        return NULL;
}

/* Amazon RDS and its CloudWatch metrics, read only: GET of the query APIs with Signature Version 4.
 *
 * Sources: Amazon RDS API Reference 2014-10-31 (DescribeDBInstances), Amazon CloudWatch API Reference 2010-08-01
 * (GetMetricStatistics), Amazon RDS User Guide ("Managing capacity automatically with storage autoscaling"). */
#ifndef ROUNDS_RDS_H
#define ROUNDS_RDS_H

#include <jansson.h>
#include <stdint.h>

#include "session.h"

extern const struct target_kind kind_rds;

struct rds;

/* The session's client, opened on first use; NULL with the error of the first try. */
struct rds *rds_session(struct session *session, struct error *err);

/* The instances that the target's globs select, sorted by name; a new array of
 *   {name, engine, version, class, status, storage_type, cluster, allocated_bytes, max_allocated_bytes (null: no
 *    autoscaling), multi_az, encrypted, public, backup_days, deletion_protection}
 * At most 2,000.  REASON_DENIED names the IAM action that is missing. */
int rds_instances(struct rds *rds, json_t **out, struct error *err) __attribute__((warn_unused_result));

/* One statistic ("Minimum", "Average", "Maximum") of a metric of an instance, one value per period, oldest first; a new
 * array of [at_ms, value].  Empty when CloudWatch has none.  At most 1,440 values (CloudWatch's own limit). */
int rds_metric(struct rds *rds, const char *instance, const char *metric, const char *statistic, int64_t start_ms,
               int64_t end_ms, int64_t period_ms, json_t **out, struct error *err) __attribute__((warn_unused_result));

#endif

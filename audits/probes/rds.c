/* RDS and CloudWatch. */

#include "rds.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws.h"
#include "json.h"
#include "moment.h"
#include "scope.h"
#include "session_client.h"
#include "xml.h"

enum { INSTANCES_MOST = 2000, PAGE = 100, VALUES_MOST = 1440, QUERY_LARGEST = 8192 };

struct rds {
        struct http *http;
        struct aws_credentials credentials;
        const struct session *session;
        char endpoint[300], metrics[300];
        struct error broken;
};

static void
rds_close(void *object)
{
        struct rds *rds = object;

        http_close(rds->http);
        aws_credentials_free(&rds->credentials);
        free(rds);
}

static void
endpoint_put(char *out, size_t size, const struct target *target, const char *setting, const char *service)
{
        const char *own = target_text(target, setting);

        if (own != NULL)
                snprintf(out, size, "%s", own);
        else
                snprintf(out, size, "https://%s.%s.amazonaws.com", service, target_text(target, "region"));
        for (size_t length = strlen(out); length > 0 && out[length - 1] == '/'; length--)
                out[length - 1] = '\0';
}

static int
rds_open(void *object, struct session *session, struct error *err)
{
        struct rds *rds = object;
        struct http_options options = {.ca_file = target_text(session->target, "ca_file")};

        rds->session = session;
        endpoint_put(rds->endpoint, sizeof rds->endpoint, session->target, "endpoint", "rds");
        endpoint_put(rds->metrics, sizeof rds->metrics, session->target, "cloudwatch_endpoint", "monitoring");
        return http_open(&options, &rds->http, err) == 0 &&
                               aws_credentials_find(session, rds->http, &rds->credentials, err) == 0
                       ? 0
                       : -1;
}

struct rds *
rds_session(struct session *session, struct error *err)
{
        static const struct session_client client = {"RDS client", sizeof(struct rds), offsetof(struct rds, broken),
                                                     rds_open, rds_close};

        return session_client(session, &client, err);
}

/* One signed GET of a query API: the parsed answer. */
static int
ask(struct rds *rds, const char *endpoint, const char *service, const char *action, const char *query, json_t **out,
    struct error *err)
{
        scoped_answer answer = {0};
        struct aws_request request = {.endpoint = endpoint,
                                      .path = "/",
                                      .query = query,
                                      .region = target_text(rds->session->target, "region"),
                                      .service = service};

        if (aws_fetch(rds->http, &rds->credentials, &request, &rds->session->deadline, &answer, err) != 0)
                return error_wrap(err, "%s", action);
        if (answer.status != 200) {
                aws_status_error(&answer, action, err);
                if (err->reason == REASON_DENIED)
                        error_remedy(err, "allow %s:%s on * to these credentials (%s)",
                                     strcmp(service, "monitoring") == 0 ? "cloudwatch" : service, action,
                                     rds->credentials.where);
                return -1;
        }
        return xml_read(answer.body.data != NULL ? answer.body.data : "", answer.body.length, NULL, 0, out, err);
}

/* --- instances -------------------------------------------------------------------------------------------------------
 */

/* Gibibytes as RDS counts them, in bytes; NAN when the field is missing. */
static double
gibibytes(const json_t *element, const char *name)
{
        const char *text = xml_text(element, name, NULL);

        return text != NULL ? strtod(text, NULL) * 1073741824.0 : NAN;
}

static bool
flag_of(const json_t *element, const char *name)
{
        return strcmp(xml_text(element, name, "false"), "true") == 0;
}

static int
instance_add(const struct rds *rds, json_t *rows, const json_t *element, struct error *err)
{
        static const struct {
                const char *key, *name;
        } texts[] = {{"name", "DBInstanceIdentifier"},  {"engine", "Engine"},           {"version", "EngineVersion"},
                     {"class", "DBInstanceClass"},      {"status", "DBInstanceStatus"}, {"storage_type", "StorageType"},
                     {"cluster", "DBClusterIdentifier"}};
        const json_t *globs = target_value(rds->session->target, "instances");
        json_t *row;

        if (!json_globs_match(globs, xml_text(element, "DBInstanceIdentifier", "")))
                return 0;
        if (json_array_size(rows) >= INSTANCES_MOST)
                return error_set(err, REASON_TOO_LITTLE_DATA, "more than %d instances", INSTANCES_MOST);
        row = json_push(rows, json_object());
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                json_put_text(row, texts[i].key, xml_text(element, texts[i].name, ""));
        json_put_real(row, "allocated_bytes", gibibytes(element, "AllocatedStorage"));
        json_put_real(row, "max_allocated_bytes", gibibytes(element, "MaxAllocatedStorage"));
        json_put_flag(row, "multi_az", flag_of(element, "MultiAZ"));
        json_put_flag(row, "encrypted", flag_of(element, "StorageEncrypted"));
        json_put_flag(row, "public", flag_of(element, "PubliclyAccessible"));
        json_put_flag(row, "deletion_protection", flag_of(element, "DeletionProtection"));
        return json_put_whole(row, "backup_days", strtol(xml_text(element, "BackupRetentionPeriod", "0"), NULL, 10)) ==
                               0
                       ? 0
                       : error_memory(err, "RDS instances");
}

int
rds_instances(struct rds *rds, json_t **out, struct error *err)
{
        static const char *const order[] = {"name", NULL};
        scoped_json rows = json_array();
        scoped_string marker = NULL;

        for (int page = 0; rows != NULL && page <= INSTANCES_MOST / PAGE; page++) {
                scoped_buffer query = BUFFER_INIT(QUERY_LARGEST);
                scoped_json answer = NULL;
                size_t i;
                json_t *element;
                buffer_format(&query, "Action=DescribeDBInstances&MaxRecords=%d&Version=2014-10-31", PAGE);
                if (marker != NULL) {
                        buffer_text(&query, "&Marker=");
                        http_escape(&query, marker);
                }
                if (query.failed)
                        return error_set(err, REASON_PROTOCOL, "DescribeDBInstances: the marker is too long");
                if (ask(rds, rds->endpoint, "rds", "DescribeDBInstances", query.data, &answer, err) != 0)
                        return -1;
                const json_t *result = xml_at(answer, "DescribeDBInstancesResult", NULL);
                if (result == NULL)
                        return error_set(err, REASON_PROTOCOL, "%s: the answer holds no DescribeDBInstancesResult",
                                         rds->endpoint);
                json_array_foreach((json_t *)xml_list(xml_at(result, "DBInstances", NULL), "DBInstance"), i, element)
                {
                        if (instance_add(rds, rows, element, err) != 0)
                                return -1;
                }
                const char *next = xml_text(result, "Marker", NULL);
                if (next == NULL || *next == '\0') {
                        if (json_sort(rows, order) != 0)
                                return error_memory(err, "RDS instances");
                        *out = scope_keep(rows);
                        return 0;
                }
                free(marker);
                marker = strdup(next);
                if (marker == NULL)
                        break;
        }
        return rows == NULL || marker == NULL ? error_memory(err, "RDS instances")
                                              : error_set(err, REASON_TOO_LITTLE_DATA,
                                                          "more than %d pages of instances", INSTANCES_MOST / PAGE);
}

/* --- metrics ------------------------------------------------------------------------------------------------------ */

static int
by_time(const void *a, const void *b)
{
        const double *left = a, *right = b;

        return left[0] < right[0] ? -1 : left[0] > right[0];
}

static int
points_read(const json_t *result, const char *statistic, json_t **out, struct error *err)
{
        const json_t *members = xml_list(xml_at(result, "Datapoints", NULL), "member");
        size_t count = 0, i;
        double(*points)[2] = calloc(json_array_size(members) + 1, sizeof *points);
        json_t *rows = json_array(), *member;

        if (points == NULL || rows == NULL) {
                free(points);
                json_decref(rows);
                return error_memory(err, "metrics");
        }
        json_array_foreach((json_t *)members, i, member)
        {
                const char *value = xml_text(member, statistic, NULL);
                int64_t at_ms;
                if (value == NULL || !moment_parse(xml_text(member, "Timestamp", ""), &at_ms))
                        continue;
                points[count][0] = (double)at_ms;
                points[count++][1] = strtod(value, NULL);
        }
        qsort(points, count, sizeof *points, by_time);
        for (i = 0; i < count && i < VALUES_MOST; i++)
                json_push(rows, json_pack("[I, f]", (json_int_t)points[i][0], points[i][1]));
        free(points);
        *out = rows;
        return 0;
}

int
rds_metric(struct rds *rds, const char *instance, const char *metric, const char *statistic, int64_t start_ms,
           int64_t end_ms, int64_t period_ms, json_t **out, struct error *err)
{
        scoped_buffer query = BUFFER_INIT(QUERY_LARGEST);
        scoped_json answer = NULL;
        char start[MOMENT_TEXT], end[MOMENT_TEXT];

        moment_format(start_ms, start);
        moment_format(end_ms, end);
        buffer_text(
                &query,
                "Action=GetMetricStatistics&Dimensions.member.1.Name=DBInstanceIdentifier&Dimensions.member.1.Value=");
        http_escape(&query, instance);
        buffer_text(&query, "&EndTime=");
        http_escape(&query, end);
        buffer_format(&query, "&MetricName=%s&Namespace=AWS%%2FRDS&Period=%" PRId64 "&StartTime=", metric,
                      period_ms / 1000);
        http_escape(&query, start);
        buffer_format(&query, "&Statistics.member.1=%s&Version=2010-08-01", statistic);
        if (query.failed)
                return error_set(err, REASON_INTERNAL, "%s: the request is too long", instance);
        if (ask(rds, rds->metrics, "monitoring", "GetMetricStatistics", query.data, &answer, err) != 0)
                return -1;
        const json_t *result = xml_at(answer, "GetMetricStatisticsResult", NULL);
        if (result == NULL)
                return error_set(err, REASON_PROTOCOL, "%s: the answer holds no GetMetricStatisticsResult",
                                 rds->metrics);
        return points_read(result, statistic, out, err);
}

/* --- the kind ----------------------------------------------------------------------------------------------------- */

static int
rds_connect(struct session *session, char *server, size_t size, struct error *err)
{
        struct rds *rds = rds_session(session, err);
        scoped_json instances = NULL;

        if (rds == NULL || rds_instances(rds, &instances, err) != 0)
                return -1;
        snprintf(server, size, "RDS in %s, %zu instances, as %s", target_text(session->target, "region"),
                 json_array_size(instances), rds->credentials.where);
        return 0;
}

static const struct setting settings[] = {
        {.name = "instances",
         .type = SETTING_LIST,
         .item = SETTING_GLOB,
         .fallback = "[\"*\"]",
         .words = "instances by their identifiers, as globs"},
        {.name = "endpoint",
         .type = SETTING_URL,
         .choices = "https|http",
         .words = "URL of the RDS API; default: Amazon's of the region"},
        {.name = "cloudwatch_endpoint",
         .type = SETTING_URL,
         .choices = "https|http",
         .words = "URL of the CloudWatch API; default: Amazon's of the region"},
        AWS_SETTINGS,
        {.type = SETTING_END},
};

const struct target_kind kind_rds = {
        .name = "rds",
        .words = "Amazon RDS instances of a region, with their CloudWatch metrics",
        .settings = settings,
        .connect = rds_connect,
};

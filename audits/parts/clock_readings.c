/* Clocks of PostgreSQL, Redis, HTTP services, Kubernetes and the nodes that Prometheus knows. */

#include "clock_readings.h"

#include <hiredis/hiredis.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "http_target.h"
#include "json.h"
#include "kubernetes.h"
#include "moment.h"
#include "postgres.h"
#include "prometheus.h"
#include "redis.h"
#include "scope.h"

enum { DATES = 4, DATE_PAUSE_MS = 270, NODES_MOST = 20000, NODES_KEPT = 500 };

static json_t *
reading_add(json_t *clocks, const char *name, const char *what, double offset_ms, double bound_ms)
{
        json_t *row = json_push(clocks, json_object());

        json_put_text(row, "name", name);
        json_put_text(row, "what", what);
        json_put_real(row, "offset_ms", offset_ms);
        json_put_real(row, "bound_ms", bound_ms);
        return row;
}

/* A clock that was read to the fraction of a millisecond, some time between sending and receiving. */
static void
reading_between(json_t *clocks, const char *name, const char *what, double clock_ms, double sent_ms, double received_ms)
{
        reading_add(clocks, name, what, clock_ms - (sent_ms + received_ms) / 2, fmax(received_ms - sent_ms, 0) / 2);
}

/* --- databases -----------------------------------------------------------------------------------------------------
 */

static int
postgres_clock(struct session *session, json_t *clocks, struct error *err)
{
        struct postgres *server = postgres_session(session, err);
        scoped_json row = NULL;

        if (server == NULL)
                return -1;
        double sent = moment_now_fine();
        if (postgres_row(server, NULL, "SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms", &row,
                         err) != 0)
                return -1;
        double received = moment_now_fine();
        reading_between(clocks, "server", "PostgreSQL clock_timestamp()", json_real_or(row, "ms", NAN), sent, received);
        return 0;
}

static int
redis_clock_one(struct redis *redis, json_t *clocks, struct error *err)
{
        scoped_reply reply = NULL;
        double sent = moment_now_fine();

        if (redis_ask(redis, "TIME", &reply, err) != 0)
                return -1;
        double received = moment_now_fine();
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->str == NULL ||
            reply->element[1]->str == NULL)
                return error_set(err, REASON_PROTOCOL, "%s: TIME is answered with something else",
                                 redis_server(redis)->address);
        double clock = strtod(reply->element[0]->str, NULL) * 1000 + strtod(reply->element[1]->str, NULL) / 1000;
        reading_between(clocks, redis_server(redis)->address, "Redis TIME", clock, sent, received);
        return 0;
}

static int
redis_clocks(struct session *session, json_t *facts, json_t *clocks, struct error *err)
{
        struct redis *const *servers;
        scoped_json failed = NULL;
        size_t count, i;
        json_t *row;

        if (redis_nodes(session, &servers, &count, &failed, err) != 0)
                return -1;
        for (i = 0; i < count; i++) {
                struct error one = {0};
                struct resource resource = {.kind = "clock", .name = redis_server(servers[i])->address};
                if (redis_clock_one(servers[i], clocks, &one) != 0) {
                        error_remedy(&one, "ACL SETUSER rounds +time");
                        facts_gap(facts, resource.name, "ATH-6", &resource, &one);
                }
        }
        json_array_foreach(failed, i, row)
        {
                struct error one = {0};
                struct resource resource = {.kind = "clock", .name = json_text(row, "address", "?")};
                error_set(&one, REASON_UNREACHABLE, "%s", json_text(row, "text", "not reached"));
                facts_gap(facts, resource.name, "ATH-6", &resource, &one);
        }
        return 0;
}

/* --- HTTP ------------------------------------------------------------------------------------------------------------
 */

bool
clock_dates_agree(const struct dated_answer *answers, size_t count, double *offset_ms, double *bound_ms)
{
        double low = -INFINITY, high = INFINITY;

        /* The clock showed something in [date, date + 1 s) at some time in [sent, received]. */
        for (size_t i = 0; i < count; i++) {
                low = fmax(low, answers[i].date_ms - answers[i].received_ms);
                high = fmin(high, answers[i].date_ms + 1000 - answers[i].sent_ms);
        }
        if (count == 0 || low > high)
                return false;
        *offset_ms = (low + high) / 2;
        *bound_ms = (high - low) / 2;
        return true;
}

/* A few answers at different parts of a second narrow what one leaves open. */
static int
dated_clock(struct session *session, json_t *clocks, const char *name, const char *what,
            int (*ask)(struct session *session, struct dated_answer *answer, struct error *err), struct error *err)
{
        struct dated_answer answers[DATES];
        double offset, bound;
        size_t count = 0;

        for (int i = 0; i < DATES; i++) {
                if (i > 0 && deadline_sleep(&session->deadline, DATE_PAUSE_MS, err) != 0)
                        break;
                if (ask(session, &answers[count], err) != 0)
                        return -1;
                if (answers[count].date_ms > 0)
                        count++;
        }
        if (count == 0) {
                error_set(err, REASON_UNSUPPORTED, "no answer carries a Date header");
                return error_remedy(err, "let the server, or the proxy before it, send Date (RFC 9110 asks for it)");
        }
        if (!clock_dates_agree(answers, count, &offset, &bound)) {
                error_set(err, REASON_PROTOCOL,
                          "the Date headers contradict each other: several servers with clocks of their own");
                return error_remedy(err, "name each server behind the address as a target of its own");
        }
        reading_add(clocks, name, what, offset, bound);
        return 0;
}

static int
http_date(struct session *session, struct dated_answer *dated, struct error *err)
{
        scoped_answer answer = {0};

        if (http_target_fetch(session, "", &answer, err) != 0)
                return -1;
        *dated = (struct dated_answer){(double)answer.date_ms, (double)answer.sent_ms, (double)answer.received_ms};
        return 0;
}

static int
kubernetes_date(struct session *session, struct dated_answer *dated, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        scoped_json version = NULL;
        int64_t date, sent, received;

        if (kubernetes == NULL || kubernetes_get(kubernetes, "/version", &version, err) != 0)
                return -1;
        kubernetes_clock(kubernetes, &date, &sent, &received);
        *dated = (struct dated_answer){(double)date, (double)sent, (double)received};
        return 0;
}

/* --- Kubernetes nodes --------------------------------------------------------------------------------------------- */

struct leases {
        json_t *clocks, *facts;
        int64_t seen, stale;
        double read_ms; /* when the list was asked for, by this machine's clock */
};

/* kubelet renews each quarter of the duration (nodeLeaseRenewIntervalFraction 0.25), give or take a little. */
static int
lease_visit(void *context, const json_t *item)
{
        struct leases *leases = context;
        const json_t *spec = json_map(item, "spec");
        const char *renewed = json_text(spec, "renewTime", NULL);
        double duration_ms = (double)json_whole(spec, "leaseDurationSeconds", 40) * 1000,
               oldest = duration_ms / 4 + 2000;
        int64_t renewed_ms;

        if (strcmp(kubernetes_namespace(item), "kube-node-lease") != 0 || renewed == NULL ||
            !moment_parse(renewed, &renewed_ms))
                return 0;
        leases->seen++;
        double low = (double)renewed_ms - leases->read_ms, high = low + oldest;
        if (high < -duration_ms) {
                leases->stale++; /* a node that is gone, or that does not renew: NOD-6 sees it */
                return 0;
        }
        if (json_array_size(leases->clocks) < NODES_KEPT)
                reading_add(leases->clocks, kubernetes_name(item), "node lease", (low + high) / 2, (high - low) / 2);
        return 0;
}

static int
kubernetes_clocks(struct session *session, json_t *facts, json_t *clocks, struct error *err)
{
        struct kubernetes *kubernetes = kubernetes_session(session, err);
        struct leases leases = {.clocks = clocks, .facts = facts, .read_ms = moment_now_fine()};
        struct error one = {0};
        struct kubernetes_list list = {.group = "coordination.k8s.io",
                                       .resource = "leases",
                                       .versions = {"v1"},
                                       .cluster_scoped = true,
                                       .visit = lease_visit,
                                       .context = &leases};

        if (kubernetes == NULL)
                return -1;
        if (dated_clock(session, clocks, "API server", "Date of the Kubernetes API", kubernetes_date, &one) != 0)
                facts_gap(facts, "API server", "ATH-6", &(struct resource){.kind = "clock", .name = "API server"},
                          &one);
        if (kubernetes_lists(kubernetes, &list, 1, err) != 0)
                return -1;
        if (list.error.reason != REASON_NONE)
                facts_gap(facts, "leases", "ATH-6", &(struct resource){.kind = "clock", .name = "nodes"}, &list.error);
        json_put_whole(facts, "leases", leases.seen);
        json_put_whole(facts, "leases_stale", leases.stale);
        return 0;
}

/* --- Prometheus --------------------------------------------------------------------------------------------------- */

/* The instance's row: in the same place where every query has the same instances. */
static const json_t *
row_of(const json_t *rows, size_t place, const char *instance)
{
        json_t *row = json_array_get(rows, place);
        size_t i;

        if (strcmp(json_text(json_map(row, "labels"), "instance", ""), instance) == 0)
                return row;
        json_array_foreach((json_t *)rows, i, row)
        {
                if (strcmp(json_text(json_map(row, "labels"), "instance", ""), instance) == 0)
                        return row;
        }
        return NULL;
}

/* The kernel of a node knows how far it is from its own time server; one that follows none is no reading at all. */
static int
timex_clocks(struct prometheus *prometheus, json_t *facts, json_t *clocks, struct error *err)
{
        scoped_json synchronised = NULL;
        scoped_json offsets = NULL;
        scoped_json bounds = NULL;
        size_t i;
        json_t *row;

        if (prometheus_query(prometheus, "max by (instance) (node_timex_sync_status)", 0, &synchronised, err) != 0 ||
            prometheus_query(prometheus, "max by (instance) (node_timex_offset_seconds)", 0, &offsets, err) != 0 ||
            prometheus_query(prometheus, "max by (instance) (node_timex_maxerror_seconds)", 0, &bounds, err) != 0)
                return -1;
        json_put_whole(facts, "timex_nodes", (int64_t)json_array_size(synchronised));
        json_array_foreach(synchronised, i, row)
        {
                const char *instance = json_text(json_map(row, "labels"), "instance", "?");
                if (i >= NODES_MOST)
                        break;
                json_t *reading = reading_add(clocks, instance, "node_timex",
                                              1000 * json_real_or(row_of(offsets, i, instance), "value", NAN),
                                              1000 * json_real_or(row_of(bounds, i, instance), "value", NAN));
                json_put_flag(reading, "absolute", true);
                json_put_flag(reading, "synchronised", json_real_or(row, "value", 0) > 0);
        }
        return 0;
}

static int
prometheus_clocks(struct session *session, json_t *facts, json_t *clocks, struct error *err)
{
        struct prometheus *prometheus = prometheus_session(session, err);
        struct error one = {0};
        double value;
        bool found;

        if (prometheus == NULL)
                return -1;
        double sent = moment_now_fine();
        if (prometheus_number(prometheus, "time()", 0, &value, &found, err) != 0)
                return -1;
        double received = moment_now_fine();
        if (found)
                reading_between(clocks, "Prometheus", "time() of Prometheus", value * 1000, sent, received);
        if (timex_clocks(prometheus, facts, clocks, &one) != 0)
                facts_gap(facts, "node_timex", "ATH-6", &(struct resource){.kind = "clock", .name = "nodes"}, &one);
        return 0;
}

int
clock_readings(struct session *session, json_t *facts, json_t *clocks, struct error *err)
{
        const struct target_kind *kind = session->target->kind;

        if (kind == &kind_postgres)
                return postgres_clock(session, clocks, err);
        if (kind == &kind_redis)
                return redis_clocks(session, facts, clocks, err);
        if (kind == &kind_http)
                return dated_clock(session, clocks, "server", "HTTP Date", http_date, err);
        if (kind == &kind_kubernetes)
                return kubernetes_clocks(session, facts, clocks, err);
        if (kind == &kind_prometheus)
                return prometheus_clocks(session, facts, clocks, err);
        return 0; /* a time server: the reference holds it */
}

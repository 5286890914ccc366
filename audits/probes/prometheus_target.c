/* The kind of target `prometheus`: its settings, and what answers there. */

#include "prometheus_client.h"

#include <stdio.h>

#include "json.h"
#include "kubernetes.h"
#include "scope.h"

/* Without a Prometheus: the rules that clusters hold for one. */
static int
clusters_connect(struct session *session, char *server, size_t size, struct error *err)
{
        const json_t *targets = target_value(session->target, "rules_of");
        size_t i;
        json_t *target;

        json_array_foreach((json_t *)targets, i, target)
        {
                struct session *other = session_reference(session, json_string_value(target), err);
                struct kubernetes *kubernetes = other != NULL ? kubernetes_session(other, err) : NULL;
                scoped_json version = NULL;
                if (kubernetes == NULL || kubernetes_get(kubernetes, "/version", &version, err) != 0)
                        return -1;
        }
        snprintf(server, size, "no Prometheus; the PrometheusRules of %zu cluster%s", json_array_size(targets),
                 json_array_size(targets) == 1 ? "" : "s");
        return 0;
}

static int
prometheus_connect(struct session *session, char *server, size_t size, struct error *err)
{
        if (target_text(session->target, "url") == NULL &&
            json_array_size(target_value(session->target, "rules_of")) > 0)
                return clusters_connect(session, server, size, err);

        struct prometheus *prometheus = prometheus_session(session, err);
        char version[64], manager[80] = "";
        double one;
        bool found;

        if (prometheus == NULL || prometheus_version(prometheus, version, sizeof version, err) != 0 ||
            prometheus_number(prometheus, "vector(1)", 0, &one, &found, err) != 0)
                return -1;
        if (prometheus_has_alertmanager(prometheus)) {
                scoped_json status = NULL;
                if (prometheus_alertmanager(prometheus, "/api/v2/status", &status, err) != 0)
                        return -1;
                snprintf(manager, sizeof manager, ", Alertmanager %s",
                         json_text(json_map(status, "versionInfo"), "version", "of unknown version"));
        }
        snprintf(server, size, "Prometheus %s at %s%s", *version != '\0' ? version : "of unknown version",
                 prometheus->url, manager);
        return 0;
}

/* Local disks; what lives in memory or is read-only by nature never fills up. */
#define NOT_DISKS "fstype!~\"tmpfs|ramfs|overlay|squashfs|iso9660|rootfs|fuse.*|nsfs|autofs\""

static const struct setting volume_fields[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "what measures them"},
        {.name = "used", .type = SETTING_TEXT, .required = true, .words = "expression of the bytes used"},
        {.name = "total", .type = SETTING_TEXT, .required = true, .words = "expression of all bytes"},
        {.name = "labels",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .required = true,
         .words = "labels that tell one volume from another"},
        {.type = SETTING_END},
};

static const struct setting queue_fields[] = {
        {.name = "name", .type = SETTING_TEXT, .required = true, .words = "the queue"},
        {.name = "depth",
         .type = SETTING_TEXT,
         .required = true,
         .words = "expression of the jobs that wait; one number, never below 0"},
        {.name = "active", .type = SETTING_TEXT, .words = "expression of the jobs that are worked on"},
        {.name = "owner", .type = SETTING_TEXT, .words = "who looks after it; default: the target's"},
        {.type = SETTING_END},
};

static const struct setting settings[] = {
        {.name = "url",
         .type = SETTING_URL,
         .choices = "https|http",
         .words = "the API's address, with its path prefix but without /api/v1; without it only rules_of is looked at"},
        {.name = "alertmanager",
         .type = SETTING_URL,
         .choices = "https|http",
         .words = "its Alertmanager's address, without /api/v2"},
        {.name = "rules_of",
         .type = SETTING_LIST,
         .item = SETTING_TEXT,
         .words = "kubernetes targets whose PrometheusRule objects this Prometheus should have loaded"},
        {.name = "volumes",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = volume_fields,
         .fallback = "[{name: node, used: 'node_filesystem_size_bytes{" NOT_DISKS
                     "} - node_filesystem_avail_bytes{" NOT_DISKS "}', total: 'node_filesystem_size_bytes{" NOT_DISKS
                     "}', labels: [instance, mountpoint]}, {name: claim, used: kubelet_volume_stats_used_bytes, "
                     "total: kubelet_volume_stats_capacity_bytes, labels: [namespace, persistentvolumeclaim]}]",
         .words = "what measures volumes"},
        {.name = "queues",
         .type = SETTING_LIST,
         .item = SETTING_OBJECT,
         .fields = queue_fields,
         .words = "queues whose depth is measured, as {name: workers, depth: sum(kaireon_active_worker_jobs)}"},
        {.name = "dead_letters",
         .type = SETTING_TEXT,
         .words = "expression of all dead letters, as sum(kaireon_dlq_depth)"},
        {.name = "user", .type = SETTING_TEXT, .words = "user of basic authentication"},
        {.name = "password", .type = SETTING_SECRET, .words = "its password"},
        {.name = "bearer", .type = SETTING_SECRET, .words = "bearer token"},
        {.name = "alertmanager_user",
         .type = SETTING_TEXT,
         .words = "user for the Alertmanager; default: Prometheus's credentials when both share host and port, else "
                  "none"},
        {.name = "alertmanager_password", .type = SETTING_SECRET, .words = "its password"},
        {.name = "alertmanager_bearer", .type = SETTING_SECRET, .words = "bearer token for the Alertmanager"},
        {.name = "tenant", .type = SETTING_TEXT, .words = "X-Scope-OrgID header of Mimir and Cortex"},
        {.name = "ca_file", .type = SETTING_PATH, .words = "authority that signed the servers' certificates"},
        {.name = "certificate_file", .type = SETTING_PATH, .words = "client certificate"},
        {.name = "key_file", .type = SETTING_PATH, .words = "its private key"},
        {.name = "server_name",
         .type = SETTING_TEXT,
         .words = "name to verify in Prometheus's certificate, instead of the URL's host"},
        {.name = "insecure",
         .type = SETTING_BOOLEAN,
         .fallback = "false",
         .words = "do not verify certificates: never on a network you do not own"},
        {.type = SETTING_END},
};

const struct target_kind kind_prometheus = {
        .name = "prometheus",
        .words = "a Prometheus (or Thanos, Mimir, VictoriaMetrics) and its Alertmanager",
        .settings = settings,
        .connect = prometheus_connect,
};

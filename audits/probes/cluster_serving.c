/* What serves certificates in a cluster: Ingress, Gateway (Gateway API), Gateway (Istio). */

#include "cluster_tls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "scope.h"

enum { USES_MOST = 20000, HOSTS_MOST = 200, ADDRESSES_MOST = 20 };

/* --- rows --------------------------------------------------------------------------------------------------------- */

static json_t *
use_add(struct cluster_uses *uses, const char *kind, const json_t *object, const char *secret,
        const char *secret_namespace)
{
        if (json_array_size(uses->rows) >= USES_MOST) {
                uses->capped = true;
                return NULL;
        }
        json_t *row = json_push(uses->rows, json_object());
        json_put_text(row, "kind", kind);
        json_put_text(row, "namespace", kubernetes_namespace(object));
        json_put_text(row, "name", kubernetes_name(object));
        json_put_text(row, "secret", secret);
        json_put_text(row, "secret_namespace", secret_namespace);
        json_put(row, "hosts", json_array());
        json_put(row, "addresses", json_array());
        return row;
}

static void
host_add(json_t *row, const char *host)
{
        json_t *hosts = json_object_get(row, "hosts");

        if (row != NULL && host != NULL && *host != '\0' && json_array_size(hosts) < HOSTS_MOST &&
            !json_holds(hosts, host))
                json_push(hosts, json_bytes(host, strlen(host)));
}

static void
address_add(json_t *row, const char *host, int64_t port)
{
        json_t *addresses = json_object_get(row, "addresses");
        char text[300];

        if (row == NULL || *host == '\0' || port < 1 || port > 65535 || json_array_size(addresses) >= ADDRESSES_MOST)
                return;
        snprintf(text, sizeof text, strchr(host, ':') != NULL ? "[%.253s]:%" PRId64 : "%.253s:%" PRId64, host, port);
        if (!json_holds(addresses, text))
                json_push(addresses, json_bytes(text, strlen(text)));
}

static bool
being_deleted(const json_t *object)
{
        return json_text(json_map(object, "metadata"), "deletionTimestamp", NULL) != NULL;
}

/* --- Ingress ------------------------------------------------------------------------------------------------------ */

/* Annotations of clouds whose load balancer holds the certificate itself. */
static bool
held_elsewhere(const json_t *ingress)
{
        static const char *const annotations[] = {
                "alb.ingress.kubernetes.io/certificate-arn",
                "ingress.gcp.kubernetes.io/pre-shared-cert",
                "networking.gke.io/managed-certificates",
                "networking.gke.io/certmap",
                "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
        };
        const json_t *all = json_at(ingress, "metadata", "annotations", NULL);

        for (size_t i = 0; i < sizeof annotations / sizeof annotations[0]; i++) {
                if (json_text(all, annotations[i], NULL) != NULL)
                        return true;
        }
        return false;
}

/* What its controller says of where it can be reached; the port is 443 unless it names others. */
static void
ingress_addresses(json_t *row, const json_t *ingress)
{
        size_t i, k;
        json_t *point, *port;

        json_array_foreach((json_t *)json_list(json_at(ingress, "status", "loadBalancer", NULL), "ingress"), i, point)
        {
                const char *host = json_text(point, "ip", NULL);
                const json_t *ports = json_list(point, "ports");
                host = host != NULL ? host : json_text(point, "hostname", "");
                if (json_array_size(ports) == 0)
                        address_add(row, host, 443);
                json_array_foreach((json_t *)ports, k, port)
                {
                        if (json_whole(port, "port", 0) != 80)
                                address_add(row, host, json_whole(port, "port", 0));
                }
        }
}

int
cluster_ingress_visit(void *context, const json_t *ingress)
{
        struct cluster_uses *uses = context;
        const json_t *spec = json_map(ingress, "spec");
        const char *namespace_ = kubernetes_namespace(ingress);
        scoped_json named = json_array();
        size_t i, k;
        json_t *entry, *host, *row, *plain = NULL;

        if (being_deleted(ingress))
                return 0;
        json_array_foreach((json_t *)json_list(spec, "tls"), i, entry)
        {
                row = use_add(uses, "Ingress", ingress, json_text(entry, "secretName", ""), namespace_);
                json_array_foreach((json_t *)json_list(entry, "hosts"), k, host)
                {
                        host_add(row, json_string_value(host));
                        json_array_append(named, host);
                }
                /* Without hosts it is for all of them. */
                json_array_foreach((json_t *)json_list(spec, "rules"), k, host)
                {
                        const char *name = json_text(host, "host", "");
                        if (json_array_size(json_list(entry, "hosts")) != 0 || *name == '\0')
                                continue;
                        host_add(row, name);
                        json_array_append_new(named, json_string(name));
                }
                ingress_addresses(row, ingress);
        }
        json_array_foreach((json_t *)json_list(spec, "rules"), i, entry)
        {
                const char *name = json_text(entry, "host", "");
                if (*name == '\0' || json_holds(named, name))
                        continue;
                if (plain == NULL) {
                        plain = use_add(uses, "Ingress", ingress, "", "");
                        json_put_flag(plain, "elsewhere", held_elsewhere(ingress));
                        ingress_addresses(plain, ingress);
                }
                host_add(plain, name);
        }
        return 0;
}

/* --- Gateway API -------------------------------------------------------------------------------------------------- */

int
cluster_gateway_visit(void *context, const json_t *gateway)
{
        struct cluster_uses *uses = context;
        const json_t *addresses = json_list(json_map(gateway, "status"), "addresses");
        size_t i, k, a;
        json_t *listener, *reference, *address;

        if (being_deleted(gateway))
                return 0;
        json_array_foreach((json_t *)json_list(json_map(gateway, "spec"), "listeners"), i, listener)
        {
                const json_t *tls = json_map(listener, "tls");
                const char *protocol = json_text(listener, "protocol", "");
                if ((strcmp(protocol, "HTTPS") != 0 && strcmp(protocol, "TLS") != 0) ||
                    strcmp(json_text(tls, "mode", "Terminate"), "Terminate") != 0)
                        continue; /* passed through: whoever is behind it holds the certificate */
                const json_t *references = json_list(tls, "certificateRefs");
                for (k = 0; k == 0 || k < json_array_size(references); k++) {
                        reference = json_array_get(references, k);
                        const char *group = json_text(reference, "group", "");
                        bool secret = strcmp(json_text(reference, "kind", "Secret"), "Secret") == 0 && *group == '\0';
                        json_t *row = use_add(uses, "Gateway", gateway, secret ? json_text(reference, "name", "") : "",
                                              json_text(reference, "namespace", kubernetes_namespace(gateway)));
                        host_add(row, json_text(listener, "hostname", ""));
                        if (row != NULL && (!secret || reference == NULL))
                                json_put_flag(row, "elsewhere", reference != NULL || json_has(tls, "options"));
                        json_array_foreach((json_t *)addresses, a, address)
                                address_add(row, json_text(address, "value", ""), json_whole(listener, "port", 443));
                }
        }
        return 0;
}

/* --- Istio -------------------------------------------------------------------------------------------------------- */

int
cluster_istio_gateway_visit(void *context, const json_t *gateway)
{
        struct cluster_uses *uses = context;
        size_t i, k;
        json_t *server, *host;

        if (being_deleted(gateway))
                return 0;
        json_array_foreach((json_t *)json_list(json_map(gateway, "spec"), "servers"), i, server)
        {
                const json_t *tls = json_map(server, "tls");
                const char *credential = json_text(tls, "credentialName", "");
                if (*credential == '\0')
                        continue; /* passed through, or files of the proxy's own pod */
                json_t *row = use_add(uses, "Gateway.networking.istio.io", gateway, credential, "");
                json_array_foreach((json_t *)json_list(server, "hosts"), k, host)
                {
                        const char *name = json_is_string(host) ? json_string_value(host) : "";
                        const char *slash = strchr(name, '/'); /* "namespace/host" */
                        name = slash != NULL ? slash + 1 : name;
                        if (strcmp(name, "*") != 0)
                                host_add(row, name);
                }
        }
        return 0;
}

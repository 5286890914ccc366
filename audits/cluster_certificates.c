/* Certificates of a cluster: Secrets, Ingress and Gateway hosts, CA bundles.  Controls: CRT-2, CRT-3, CRT-4, CRT-6. */

#include "audit.h"

#include <stdio.h>
#include <string.h>

#include "certificate_judge.h"
#include "cluster_certificates_facts.h"
#include "json.h"
#include "kubernetes_rights.h"

/* --- which certificates count ------------------------------------------------------------------------------------- */

/* A bundle of authorities is what is trusted, not what is served. */
static void
gather(struct certificate_judge *j)
{
        static const char *const lists[] = {"bundles", "own"};
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "secrets"), i, row)
        {
                certificate_judge_meet(j, json_list(row, "chain"));
                if (!json_flag(row, "bundle", false))
                        certificate_judge_meet(j, json_list(row, "authorities"));
                if (json_flag(row, "used", false))
                        certificate_judge_serve(j, row);
        }
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
                json_array_foreach((json_t *)json_list(j->facts, lists[k]), i, row)
                {
                        if (!json_flag(row, "bundle", false))
                                certificate_judge_meet(j, json_list(row, "certificates"));
                }
        }
        json_array_foreach((json_t *)json_list(j->facts, "endpoints"), i, row) certificate_judge_serve(j, row);
}

/* --- CRT-6: what is served ---------------------------------------------------------------------------------------- */

/* A Secret that was seen being served is judged there. */
static void
secret_judge(const struct certificate_judge *j, const json_t *row, size_t index, size_t *served)
{
        struct resource resource = {
                .kind = "Secret", .namespace_ = json_text(row, "namespace", ""), .name = json_text(row, "object", "?")};

        if (!json_flag(row, "used", false) || json_flag(row, "swept", false))
                return;
        ++*served;
        if (json_text(row, "leaf", NULL) == NULL && json_map(row, "error") != NULL)
                return; /* a gap says so */
        certificate_judge_place(j, row, &resource, findings_text(j->out, "/secrets/%zu", index));
}

static bool
plain_allowed(const struct certificate_judge *j, const char *host)
{
        return json_globs_match(policy_value(j->policy, "CRT-6", "plain"), host);
}

/* A host whose certificate is not in a Secret that could be looked at. */
static void
host_judge(const struct certificate_judge *j, const json_t *row, size_t index)
{
        const char *host = json_text(row, "host", ""), *state = json_text(row, "state", "");
        const char *secret = json_text(row, "secret", "?"), *kind = json_text(row, "kind", "Ingress");
        const char *namespace_ = json_text(row, "namespace", ""), *name = json_text(row, "name", "?");
        struct resource resource = {.kind = kind,
                                    .namespace_ = namespace_,
                                    .name = *host != '\0' ? findings_text(j->out, "%s host %s", name, host) : name};
        bool missing = strcmp(state, "missing") == 0, plain = strcmp(state, "plain") == 0;
        struct findings *out = j->out;

        if (plain && plain_allowed(j, host)) {
                findings_pass(out, "CRT-6", &resource, "routed in plain", "a certificate, or allowed by policy plain",
                              "The policy says that this host needs no certificate.");
        } else if (missing || plain) {
                findings_add(
                        out,
                        &(struct finding){
                                .control = "CRT-6",
                                .resource = resource,
                                .status = STATUS_FAIL,
                                .severity = policy_severity(j->policy, "CRT-6", false),
                                .observed = missing ? findings_text(out, "Secret %s does not exist", secret)
                                                    : "no certificate is named for it",
                                .expected = "a Secret with a certificate for the host",
                                .message = missing ? "Its controller serves a certificate of its own instead, or "
                                                     "refuses: no client trusts that."
                                                   : "It is routed without TLS: what its clients send can be read "
                                                     "and changed on the way.",
                                .remedy = missing ? findings_text(out,
                                                                  "kubectl get secret -A | grep %s finds it in "
                                                                  "another namespace; else have it issued (CRT-1).",
                                                                  strchr(secret, '/') != NULL ? strchr(secret, '/') + 1
                                                                                              : secret)
                                                  : findings_text(out,
                                                                  "Add the host to spec.tls of %s %s/%s, or allow "
                                                                  "it: policy CRT-6 plain: [\"%s\"].",
                                                                  kind, namespace_, name, host),
                                .evidence = findings_text(out, "/hosts/%zu", index)});
        } else {
                bool unread = strcmp(state, "unread") == 0;
                findings_error(
                        out, "CRT-6", &resource, unread ? REASON_DENIED : REASON_CONFIGURATION,
                        unread ? "Its Secret may not be read."
                        : strcmp(state, "elsewhere") == 0
                                ? "Its certificate lies at a load balancer outside of the cluster."
                                : "Its controller's own certificate is served, which no object of the cluster names.",
                        "Set sweep: true of the target to look at what is served, or name the host as an endpoint of "
                        "a target of kind tls.");
        }
}

/* Hosts that the sweep reached are judged by what they served. */
static bool
was_swept(const struct certificate_judge *j, const char *host)
{
        return json_find(json_list(j->facts, "endpoints"), "name", host) != NULL;
}

static void
served_judge(const struct certificate_judge *j, size_t *served)
{
        size_t i;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "endpoints"), i, row)
        {
                struct resource resource = {.kind = "endpoint", .name = json_text(row, "place", "?")};
                certificate_judge_place(j, row, &resource, findings_text(j->out, "/endpoints/%zu", i));
                ++*served;
        }
        json_array_foreach((json_t *)json_list(j->facts, "secrets"), i, row) secret_judge(j, row, i, served);
        json_array_foreach((json_t *)json_list(j->facts, "hosts"), i, row)
        {
                const char *state = json_text(row, "state", "");
                if ((strcmp(state, "elsewhere") != 0 && strcmp(state, "default") != 0) ||
                    !was_swept(j, json_text(row, "host", "")))
                        host_judge(j, row, i);
                ++*served;
        }
}

/* --- CRT-3: what was read ----------------------------------------------------------------------------------------- */

static size_t
read_judge(const struct certificate_judge *j)
{
        static const struct {
                const char *list, *name, *kind;
        } lists[] = {{"secrets", "path", "Secret"},
                     {"bundles", "path", "caBundle"},
                     {"own", "path", "file"},
                     {"endpoints", "place", "endpoint"}};
        size_t i, places = 0;
        json_t *row;

        json_array_foreach((json_t *)json_list(j->facts, "sources"), i, row)
        {
                struct resource resource = {.kind = "source", .name = json_text(row, "name", "?")};
                const json_t *failed = json_map(row, "error");
                if (json_flag(row, "absent", false))
                        continue;
                if (failed != NULL || json_has(row, "count"))
                        certificate_judge_sweep(j, failed, &resource, findings_text(j->out, "/sources/%zu", i));
                else
                        findings_error(j->out, "CRT-3", &resource, REASON_INTERNAL,
                                       "The facts do not say what was read there.", NULL);
                places++;
        }
        for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
                json_array_foreach((json_t *)json_list(j->facts, lists[k].list), i, row)
                {
                        const json_t *failed = json_map(row, "error");
                        struct resource resource = {.kind = lists[k].kind, .name = json_text(row, lists[k].name, "?")};
                        if (k == 0)
                                resource = (struct resource){"Secret", json_text(row, "namespace", ""),
                                                             json_text(row, "object", "?")};
                        /* Of what lies in the cluster only the faulty is told: its list says that the rest was read. */
                        if (failed != NULL || strcmp(lists[k].list, "endpoints") == 0)
                                certificate_judge_sweep(j, failed, &resource,
                                                        findings_text(j->out, "/%s/%zu", lists[k].list, i));
                }
        }
        return places;
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void
cluster_certificates_judge(const json_t *facts, const struct policy *policy, const struct history *history,
                           struct findings *out)
{
        struct certificate_judge j = {.facts = facts,
                                      .policy = policy,
                                      .history = history,
                                      .out = out,
                                      .series = "cluster_certificates.swept",
                                      .authorities = "trust_file"};
        static const char none[] = "The cluster holds no certificate that is its own.";
        static const char remedy[] = "Certificates outside of the cluster are for a target of kind tls.";
        size_t served = 0;
        bool gaps = json_array_size(json_list(facts, "gaps")) > 0;

        out->failed = out->failed || !certificate_judge_begin(&j);
        gather(&j);
        size_t owned = certificate_judge_all(&j);
        served_judge(&j, &served);
        if (read_judge(&j) == 0)
                findings_error(out, "CRT-3", NULL, REASON_TOO_LITTLE_DATA, "Nothing of the cluster could be read.",
                               "Give rounds the rights of schedules/kubernetes/base/clusterrole.yaml.");
        if (json_object_size(j.met) == 0 && !gaps)
                findings_skip(out, "CRT-2", none, remedy);
        if (owned == 0 && !gaps)
                findings_skip(out, "CRT-4", none, remedy);
        if (served == 0 && !gaps)
                findings_skip(out, "CRT-6", "No Ingress or Gateway serves a host.",
                              "What Services of type LoadBalancer serve is for a target of kind tls.");
        certificate_judge_end(&j);
}

static const char NEEDS[] =
        "RBAC: list secrets, namespaces, ingresses.networking.k8s.io, gateways.gateway.networking.k8s.io, "
        "gateways.networking.istio.io, validatingwebhookconfigurations.admissionregistration.k8s.io, "
        "mutatingwebhookconfigurations.admissionregistration.k8s.io, apiservices.apiregistration.k8s.io, "
        "customresourcedefinitions.apiextensions.k8s.io";

static int
cluster_certificates_check(struct session *session, struct rights *rights, struct error *err)
{
        return kubernetes_rights_check(session, NEEDS, rights, err);
}

const struct audit audit_cluster_certificates = {
        .name = "cluster_certificates",
        .summary = "certificates of a cluster: Secrets, Ingress and Gateway hosts, CA bundles",
        .looks_at = {"kubernetes"},
        .controls = {"CRT-2", "CRT-3", "CRT-4", "CRT-6"},
        .needs = NEEDS,
        .samples = {"cluster_certificates.swept"},
        .collect = cluster_certificates_read,
        .judge = cluster_certificates_judge,
        .check = cluster_certificates_check,
};

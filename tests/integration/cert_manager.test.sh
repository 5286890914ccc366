#!/bin/bash
# cert-manager's objects from the fixture API server: the recorded cluster, faults planted beside it, what may not be read, what is absent.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need jq node
F=$WORK/objects
mkdir -p "$F"
ago() { date -u -d "$1 ago" +%Y-%m-%dT%H:%M:%SZ; }
ahead() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }

# certificate NAMESPACE NAME SECRET ISSUER FROM UNTIL RENEWAL READY MESSAGE [REVISION]
certificate() {
        jq -n --arg ns "$1" --arg name "$2" --arg secret "$3" --arg issuer "$4" --arg from "$5" --arg until "$6" --arg renewal "$7" \
                --arg ready "$8" --arg message "$9" --argjson revision "${10:-3}" --arg created "$(ago '300 days')" '
                {apiVersion: "cert-manager.io/v1", kind: "Certificate", metadata: {name: $name, namespace: $ns, creationTimestamp: $created},
                 spec: {secretName: $secret, dnsNames: ["\($name).example"], issuerRef: {kind: "ClusterIssuer", name: $issuer}},
                 status: {conditions: [{type: "Ready", status: $ready, reason: "Planted", message: $message, lastTransitionTime: $from}],
                          notBefore: $from, notAfter: $until, renewalTime: $renewal, revision: $revision}}'
}
{
        certificate shop good good-tls letsencrypt "$(ago '20 days')" "$(ahead '70 days')" "$(ahead '40 days')" True fine
        certificate shop late late-tls letsencrypt "$(ago '70 days')" "$(ahead '20 days')" "$(ago '10 days')" True fine
        certificate shop broken broken-tls letsencrypt "$(ago '70 days')" "$(ahead '20 days')" "$(ago '3 hours')" False "The order failed"
        certificate shop inside inside-tls internal "$(ago '20 days')" "$(ahead '70 days')" "$(ahead '40 days')" True fine
        certificate shop lost lost-tls nobody "$(ago '20 days')" "$(ahead '70 days')" "$(ahead '40 days')" True fine
        certificate shop-staging web web-tls letsencrypt "$(ago '12 days')" "$(ahead '78 days')" "$(ahead '48 days')" True fine
        certificate shop deleted deleted-tls letsencrypt "$(ago '70 days')" "$(ago '1 day')" "$(ago '30 days')" False gone |
                jq --arg at "$(ago '1 minute')" '.metadata.deletionTimestamp = $at | .metadata.finalizers = ["x/y"]'
} | list CertificateList cert-manager.io/v1 >"$F/cert-manager.io-v1-certificates.json"
{
        jq -n '{apiVersion: "cert-manager.io/v1", kind: "ClusterIssuer", metadata: {name: "letsencrypt"}, spec: {acme: {
                server: "https://acme-v02.api.letsencrypt.org/directory", privateKeySecretRef: {name: "le"}}},
                status: {conditions: [{type: "Ready", status: "True", reason: "ACMEAccountRegistered", lastTransitionTime: "2026-01-01T00:00:00Z"}]}}'
        jq -n '{apiVersion: "cert-manager.io/v1", kind: "ClusterIssuer", metadata: {name: "internal"}, spec: {ca: {secretName: "root"}},
                status: {conditions: [{type: "Ready", status: "False", reason: "ErrGetKeyPair", message: "secret \"root\" not found", lastTransitionTime: "2026-01-01T00:00:00Z"}]}}'
} | list ClusterIssuerList cert-manager.io/v1 >"$F/cert-manager.io-v1-clusterissuers.json"
order() { # NAME CERTIFICATE STATE REASON CREATED
        jq -n --arg name "$1" --arg certificate "$2" --arg state "$3" --arg reason "$4" --arg created "$5" '
                {apiVersion: "acme.cert-manager.io/v1", kind: "Order", metadata: {name: $name, namespace: "shop", creationTimestamp: $created,
                 annotations: {"cert-manager.io/certificate-name": $certificate}},
                 spec: {request: "Cg==", issuerRef: {kind: "ClusterIssuer", name: "letsencrypt"}, dnsNames: ["\($certificate).example"]},
                 status: {state: $state, reason: $reason}}'
}
{
        order broken-2-1 broken valid "" "$(ago '70 days')"
        order broken-3-1 broken invalid "Failed to finalize" "$(ago '2 hours')"
        order good-2-1 good invalid "an old story" "$(ago '21 days')"
        order good-3-1 good valid "" "$(ago '20 days')"
} | list OrderList acme.cert-manager.io/v1 >"$F/acme.cert-manager.io-v1-orders.json"
jq -n --arg created "$(ago '2 hours')" '{apiVersion: "acme.cert-manager.io/v1", kind: "Challenge",
        metadata: {name: "broken-3-1-1", namespace: "shop", creationTimestamp: $created, ownerReferences: [{apiVersion: "acme.cert-manager.io/v1",
                kind: "Order", name: "broken-3-1", uid: "u", controller: true, blockOwnerDeletion: true}]},
        spec: {type: "DNS-01", dnsName: "broken.example", url: "https://acme.example/c", authorizationURL: "https://acme.example/a", token: "PLANTED-TOKEN",
                key: "PLANTED-KEY", wildcard: false, issuerRef: {kind: "ClusterIssuer", name: "letsencrypt"}, solver: {dns01: {}}},
        status: {processing: true, presented: false, state: "pending", reason: "zone broken.example: access denied"}}' |
        list ChallengeList acme.cert-manager.io/v1 >"$F/acme.cert-manager.io-v1-challenges.json"
jq -n '{apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: {name: "hand", namespace: "shop"}, spec: {
        tls: [{hosts: ["hand.example"], secretName: "hand-tls"}], rules: [{host: "hand.example", http: {paths: [{path: "/", pathType: "Prefix",
        backend: {service: {name: "hand", port: {number: 80}}}}]}}]}}' | list IngressList networking.k8s.io/v1 >"$F/networking.k8s.io-v1-ingresses.json"
jq -n '{apiVersion: "apps/v1", kind: "Deployment", metadata: {name: "proxy", namespace: "shop"}, spec: {selector: {matchLabels: {app: "proxy"}}, template: {
        metadata: {labels: {app: "proxy"}}, spec: {containers: [{name: "proxy", image: "proxy"}], volumes: [{name: "a", secret: {secretName: "mounted-tls"}},
        {name: "b", projected: {sources: [{secret: {name: "projected-tls"}}]}}]}}}}' | list DeploymentList apps/v1 >"$F/apps-v1-deployments.json"
for name in mounted projected unused; do
        jq -n --arg name "$name-tls" '{apiVersion: "v1", kind: "Secret", metadata: {name: $name, namespace: "shop"}, type: "kubernetes.io/tls", data: {"tls.crt": "", "tls.key": ""}}'
done | list SecretList v1 >"$F/core-v1-secrets.json"

ask() { # NAME CONTEXT-CONFIG JOB [OPTION...]: runs, and puts the report's name into $json
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: prod, kind: kubernetes, kubeconfig: [$KUBE_CONFIG], context: test}
jobs:
  weekly: {audits: [cert_manager], report: {formats: [json, md, html], to: $WORK/$1}}
Y
        "$ROUNDS" run weekly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        status=$?
        json=$(ls "$WORK/$1"/weekly-*Z.json)
}
finds() { # CONTROL STATUS RESOURCE TEXT (in observed, message or remedy)
        jq -e --arg c "$1" --arg s "$2" --arg r "$3" --arg t "$4" '[.findings[] | select(.control == $c and .status == $s and
                "\(.resource.kind)/\(.resource.namespace)/\(.resource.name)" == $r and ((.observed + " " + .message + " " + .remedy) | contains($t)))] | length == 1' "$json" >/dev/null ||
                { jq -c '.findings[] | [.control, .status, .resource, .observed, .message, .remedy]' "$json"; return 1; }
}

check "the planted objects are valid" kubernetes_valid "$F"
# --- the recorded cluster
kubernetes_start || exit 1
ask recorded
check "the recorded certificate is not Ready and overdue" finds CRT-1 fail Secret/kaireon/api-tls "It is not Ready (DoesNotExist): Issuing certificate as Secret was previously issued by a different issuer. Its renewal was due"
check "its renewBefore contradicts the alert" finds CRT-1 fail Secret/kaireon/api-tls "renewed 3 d before it expires, and the alert on expiry fires at 7 d"
check "what uses it is in the inventory" jq -e '.inventory.renewals[] | select(.id == "kaireon/api" and .used_by == "Ingress kaireon/api" and .ready == false)' "$json"
check "findings are exit status 1" [ "$status" -eq 1 ]
check "no staging certificate is a skip" finds CRT-5 skip // "staging"
check "nothing but GET was sent" kubernetes_only_reads

# --- faults planted
kubernetes_start --objects "$F" || exit 1
ask planted
check "a renewal that is overdue" finds CRT-1 fail Secret/shop/late-tls "Its renewal was due 10 d"
check "a failed order and its challenge with their reasons" finds CRT-1 fail Secret/shop/broken-tls "Its DNS-01 challenge for broken.example is pending: zone broken.example: access denied. Its newest order broken-3-1"
check "and where to look" finds CRT-1 fail Secret/shop/broken-tls "kubectl -n shop describe challenge broken-3-1-1"
check "an issuer of the cluster's own authority" finds CRT-1 fail Secret/shop/inside-tls "(ca) signs with a key"
check "an issuer that is not Ready" finds CRT-1 fail ClusterIssuer//internal "secret \"root\" not found"
check "an issuer that is missing" finds CRT-1 fail ClusterIssuer//nobody "it does not exist"
check "a Secret that nobody renews" finds CRT-1 fail Secret/shop/hand-tls "the Secret does not exist, used by Ingress shop/hand"
for name in mounted projected; do check "a Secret that a workload has $name" finds CRT-1 fail "Secret/shop/$name-tls" "used by Deployment shop/proxy"; done
check "one that nothing uses is left out" finds CRT-1 pass // "1 that nothing refers to left out (shop/unused-tls)"
check "what is sound is counted" finds CRT-1 pass // "Secrets renewed by cert-manager"
check "one that is being deleted is passed over" bash -c "! grep -q deleted-tls '$json'"
check "a staging certificate was reissued" finds CRT-5 pass // "shop-staging/web reissued 12 d"
check "no key of a challenge anywhere" bash -c "! grep -rq PLANTED- '$WORK/planted' '$WORK/planted.txt' && ! grep -aq PLANTED- '$WORK/planted.db'"
check "nothing but GET was sent" kubernetes_only_reads

# --- what may not be read
kubernetes_start --objects "$F" --fault '/api/v1/secrets=403' --fault 'clusterissuers=403' || exit 1
ask denied
check "Secrets withheld are an error with the rule" finds CRT-1 error part//Secrets 'add to the ClusterRole of rounds: {apiGroups: [""], resources: ["secrets"], verbs: ["list"]}'
check "so are ClusterIssuers" finds CRT-1 error part//clusterissuers 'resources: ["clusterissuers"]'
check "and none of them is called missing" bash -c "! grep -q 'does not exist' '$json'"
check "the rest is judged" finds CRT-1 fail Secret/shop/late-tls "Its renewal was due 10 d"
check "not fully assessed is exit status 2" [ "$status" -eq 2 ]
kubernetes_start --objects "$F" --fault '/cert-manager.io/v1/certificates=500' || exit 1
ask broken
check "Certificates that cannot be read make no Secret unmanaged" bash -c "! jq -e '.findings[] | select(.status == \"fail\")' '$json' >/dev/null"
check "but an error" finds CRT-1 error part//certificates "500"

# --- a cluster without cert-manager
kubernetes_start --objects "$F" --without cert-manager.io --without acme.cert-manager.io || exit 1
ask absent
check "without cert-manager a Secret in use is a finding" finds CRT-1 fail Secret/shop/hand-tls "cert-manager is not installed: nothing renews"
check "its definitions were not asked for" bash -c "! grep -q '/apis/.*cert-manager.io/v1/' '$KUBE_LOG'"
rm "$F/networking.k8s.io-v1-ingresses.json" "$F/apps-v1-deployments.json"
list IngressList networking.k8s.io/v1 </dev/null >"$F/networking.k8s.io-v1-ingresses.json"
list SecretList v1 </dev/null >"$F/core-v1-secrets.json"
kubernetes_start --objects "$F" --without cert-manager.io --without acme.cert-manager.io || exit 1
ask nothing
check "nothing that would need it is a skip" finds CRT-1 skip // "cert-manager is not installed, and no Ingress, Gateway or pod uses a TLS Secret"
check "nothing assessed is no success either" [ "$status" -eq 2 ]
finish

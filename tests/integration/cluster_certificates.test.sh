#!/bin/bash
# Certificates of a cluster from the fixture API server: Secrets of every shape, hosts, CA bundles, the auditor's own certificate, what is
# served against what the Secret holds, and that nothing of a Secret but its certificates ever leaves the visitor.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
. "$(dirname "$0")/lib_tls.sh"
need jq node openssl unzip curl
C=$WORK/certificates
F=$WORK/objects
mkdir -p "$C" "$F"
tls_authority "$C"
tls_leaf "$C/good" /CN=good.test DNS:good.test,DNS:also.good.test 80
tls_leaf "$C/renewed" /CN=good.test DNS:good.test,DNS:also.good.test 89
tls_leaf "$C/soon" /CN=soon.test DNS:soon.test 5
tls_leaf "$C/wild" /CN=wild.test 'DNS:*.wild.test' 80
tls_leaf "$C/other" /CN=other.test DNS:other.test 80
tls_leaf "$C/short" /CN=short.test DNS:short.test 80 1 -newkey rsa:1024
tls_leaf "$C/client" /CN=rounds '' 20
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/hook.key" -out "$C/hook.pem" -days 10 -subj /CN=hook-ca 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/api.key" -out "$C/api.pem" -days 300 -subj /CN=metrics-ca 2>/dev/null

b64() { base64 -w0 "$1"; }
# secret NAMESPACE NAME TYPE KEY=FILE...
secret() {
        local namespace=$1 name=$2 type=$3 data={} pair
        shift 3
        for pair in "$@"; do data=$(jq -c --arg k "${pair%%=*}" --rawfile v <(b64 "${pair#*=}") '.[$k] = $v' <<<"$data"); done
        jq -n --arg ns "$namespace" --arg name "$name" --arg type "$type" --argjson data "$data" \
                '{apiVersion: "v1", kind: "Secret", metadata: {name: $name, namespace: $ns}, type: $type, data: $data}'
}
printf 'PLANTED-PASSWORD-19c2' >"$C/password"
printf 'no certificate at all' >"$C/nonsense"
printf -- '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n' >"$C/torn"
cat "$C/other.key" "$C/other.pem" >"$C/both"
T=kubernetes.io/tls
{
        secret shop good-tls $T tls.crt="$C/good.pem" tls.key="$C/good.key" | jq '.metadata.annotations = {"cert-manager.io/certificate-name": "good"}'
        secret shop soon-tls $T tls.crt="$C/soon.pem" tls.key="$C/soon.key" ca.crt="$C/root.pem" | jq '.metadata.labels.owner = "checkout"'
        secret shop wild-tls $T tls.crt="$C/wild.pem" tls.key="$C/wild.key"
        secret shop leaf-tls $T tls.crt="$C/other.leaf.pem" tls.key="$C/other.key"
        secret shop short-tls $T tls.crt="$C/short.pem" tls.key="$C/short.key"
        secret shop torn-tls $T tls.crt="$C/torn" tls.key="$C/good.key"
        secret shop empty-tls $T tls.crt=/dev/null tls.key="$C/good.key"
        secret shop opaque Opaque tls.crt="$C/wild.pem" tls.key="$C/wild.key" password="$C/password"
        secret shop bundle Opaque combined.pem="$C/both" password="$C/password"
        secret shop trust Opaque ca.crt="$C/root.pem"
        secret shop plain Opaque password="$C/password" ca.txt="$C/nonsense"
        secret shop helm helm.sh/release.v1 tls.crt="$C/soon.pem"
        secret shop going $T tls.crt="$C/soon.pem" tls.key="$C/soon.key" | jq '.metadata.deletionTimestamp = "2026-01-01T00:00:00Z" | .metadata.finalizers = ["x/y"]'
} | list SecretList v1 >"$F/core-v1-secrets.json"
ports=("$(free_port)" "$(free_port)")
start openssl s_server -accept "127.0.0.1:${ports[0]}" -cert "$C/good.leaf.pem" -cert_chain "$C/good.pem" -key "$C/good.key" -www
start openssl s_server -accept "127.0.0.1:${ports[1]}" -cert "$C/renewed.leaf.pem" -cert_chain "$C/renewed.pem" -key "$C/renewed.key" -www
for port in "${ports[@]}"; do wait_port "$port" || exit 1; done

# ingress NAMESPACE NAME SECRET PORT HOST...: reachable at 127.0.0.1:PORT, as its controller says.
ingress() {
        local namespace=$1 name=$2 secret=$3 port=$4
        shift 4
        jq -n --arg ns "$namespace" --arg name "$name" --arg secret "$secret" --arg port "$port" '$ARGS.positional as $hosts |
                {apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: {name: $name, namespace: $ns},
                 spec: {rules: [$hosts[] | {host: ., http: {paths: [{path: "/", pathType: "Prefix", backend: {service: {name: $name, port: {number: 80}}}}]}}]}}
                | if $secret != "-" then .spec.tls = [{hosts: $hosts} + (if $secret == "" then {} else {secretName: $secret} end)] else . end
                | if $port != "" then .status.loadBalancer.ingress = [{ip: "127.0.0.1", ports: [{port: ($port | tonumber), protocol: "TCP"}]}] else . end' --args "$@"
}
{
        ingress shop good good-tls "${ports[0]}" good.test also.good.test
        ingress shop stale good-tls "${ports[1]}" also.good.test
        ingress shop soon soon-tls 1 soon.test
        ingress shop wild wild-tls "" a.wild.test '*.wild.test' a.b.wild.test
        ingress shop leaf leaf-tls "" other.test
        ingress shop short short-tls "" short.test
        ingress shop torn torn-tls "" torn.test
        ingress shop lost lost-tls "" lost.test
        ingress shop plain - "" plain.test status.plain.test
        ingress shop default "" "" default.test
} | list IngressList networking.k8s.io/v1 >"$F/networking.k8s.io-v1-ingresses.json"
jq -n '{apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", metadata: {name: "edge", namespace: "shop"}, spec: {gatewayClassName: "c", listeners: [
        {name: "https", port: 443, protocol: "HTTPS", hostname: "gate.test", tls: {mode: "Terminate", certificateRefs: [{name: "good-tls"}]}},
        {name: "through", port: 8443, protocol: "TLS", hostname: "through.test", tls: {mode: "Passthrough"}}]}}' |
        list GatewayList gateway.networking.k8s.io/v1 >"$F/gateway.networking.k8s.io-v1-gateways.json"
jq -n --rawfile ca <(b64 "$C/hook.pem") '{apiVersion: "admissionregistration.k8s.io/v1", kind: "ValidatingWebhookConfiguration", metadata: {name: "guard"},
        webhooks: [range(3) | {name: "guard-\(.).shop.test", admissionReviewVersions: ["v1"], sideEffects: "None", clientConfig: {caBundle: $ca, service: {name: "guard", namespace: "shop"}}}]}' |
        list ValidatingWebhookConfigurationList admissionregistration.k8s.io/v1 >"$F/admissionregistration.k8s.io-v1-validatingwebhookconfigurations.json"
jq -n --rawfile torn <(b64 "$C/torn") '{apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration", metadata: {name: "inject"},
        webhooks: [{name: "inject.shop.test", admissionReviewVersions: ["v1"], sideEffects: "None", clientConfig: {caBundle: $torn, url: "https://inject.test/"}}]}' |
        list MutatingWebhookConfigurationList admissionregistration.k8s.io/v1 >"$F/admissionregistration.k8s.io-v1-mutatingwebhookconfigurations.json"
jq -n --rawfile ca <(b64 "$C/api.pem") '{apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: {name: "v1beta1.metrics.k8s.io"},
        spec: {group: "metrics.k8s.io", version: "v1beta1", groupPriorityMinimum: 100, versionPriority: 100, caBundle: $ca, service: {name: "metrics", namespace: "kube-system"}}}' |
        list APIServiceList apiregistration.k8s.io/v1 >"$F/apiregistration.k8s.io-v1-apiservices.json"

ask() { # NAME [SETTING...]: runs; the report is $json, the exit status $status
        local name=$1
        shift
        {
                printf 'version: 1\nstore: sqlite:%s\ntargets:\n  - name: prod\n    kind: kubernetes\n    kubeconfig: [%s]\n    context: test\n    trust_file: %s\n' \
                        "$WORK/$name.db" "$KUBE_CONFIG" "$C/root.pem"
                [ $# -eq 0 ] || printf '    %s\n' "$@"
                printf 'policy: {CRT-6: {plain: ["status.*"]}}\n'
                printf 'jobs: {weekly: {audits: [cluster_certificates], report: {formats: [json, md, html, xlsx], to: %s}}}\n' "$WORK/$name"
        } >"$WORK/$name.yaml"
        "$ROUNDS" run weekly -c "$WORK/$name.yaml" >"$WORK/$name.txt" 2>&1
        status=$?
        json=$(ls "$WORK/$name"/weekly-*Z.json)
}
finds() { # CONTROL STATUS RESOURCE (part) TEXT [SEVERITY]
        jq -e --arg c "$1" --arg s "$2" --arg r "$3" --arg t "$4" --arg v "${5:-}" '[.findings[] | select(.control == $c and .status == $s and
                ("\(.resource.kind)/\(.resource.namespace)/\(.resource.name)" | contains($r)) and ((.observed + " " + .message + " " + .remedy) | contains($t)) and
                ($v == "" or .severity == $v))] | length >= 1' "$json" >/dev/null ||
                { jq -c --arg c "$1" '.findings[] | select(.control == $c) | [.status, .severity, .resource, .observed, .message]' "$json"; return 1; }
}
quiet() { "$@" >/dev/null; }
lacks() { ! finds "$@" >/dev/null; }
inventory() { jq -e "[.inventory.certificates[] | select($1)] | length == 1" "$json" >/dev/null || { jq -c '.inventory.certificates[]' "$json"; return 1; }; }

check "the planted objects are valid" kubernetes_valid "$F"
# --- what lies in the cluster
kubernetes_start --objects "$F" || exit 1
sed -i "s|users: .*|users: [{name: test, user: {token: kube-token-for-tests, client-certificate: $C/client.pem, client-key: $C/client.key}}]|" "$KUBE_CONFIG"
ask lying
check "five days left are SEV2" finds CRT-2 fail certificate//soon.test "Secret shop/soon-tls" SEV2
check "eighty days pass" finds CRT-2 pass certificate//good.test " d left, until"
check "the auditor's own certificate is told of" finds CRT-2 fail certificate//rounds "client certificate of context test" SEV4
check "a webhook's authority ends in ten days" finds CRT-2 fail certificate//hook-ca "ValidatingWebhookConfiguration guard" SEV3
check "one place for three webhooks" inventory '.subject == "hook-ca" and .where == "ValidatingWebhookConfiguration guard"'
check "an APIService's authority is in the inventory" inventory '.subject == "metrics-ca" and .where == "APIService v1beta1.metrics.k8s.io"'
check "the same certificate in two Secrets is one row" inventory '.subject == "wild.test" and .where == "Secret shop/opaque, Secret shop/wild-tls"'
check "a certificate beside a key in one entry" inventory '.subject == "other.test" and (.where | contains("Secret shop/bundle"))'
check "an owner by label" inventory '.subject == "soon.test" and .owner == "checkout"'
check "nobody owns the rest" finds CRT-4 fail certificate//good.test "no owner"
check "what is served is marked" inventory '.subject == "good.test" and .use == "served"'
check "a sound Secret" finds CRT-6 pass Secret/shop/soon-tls "soon.test by Ingress shop/soon"
check "the Gateway's host is not named" finds CRT-6 fail Secret/shop/good-tls "It does not name gate.test"
check "a wildcard stands for one label" finds CRT-6 fail Secret/shop/wild-tls "It does not name a.b.wild.test"
check "an incomplete chain" finds CRT-6 fail Secret/shop/leaf-tls "neither sent nor trusted"
check "a short key" finds CRT-6 fail Secret/shop/short-tls "RSA of 1024 bits"
check "a Secret that is not there" finds CRT-6 fail "Ingress/shop/lost host lost.test" "Secret shop/lost-tls does not exist"
check "a host without a certificate" finds CRT-6 fail "Ingress/shop/plain host plain.test" "no certificate is named"
check "one that the policy lets be plain" finds CRT-6 pass "Ingress/shop/plain host status.plain.test" ""
check "the controller's own certificate is not assessed" finds CRT-6 error "Ingress/shop/default host default.test" "sweep: true"
check "a torn certificate is named" finds CRT-3 error Secret/shop/torn-tls "cannot be read"
check "an empty one too" finds CRT-3 error Secret/shop/empty-tls "holds no certificate"
check "a torn caBundle" finds CRT-3 error "MutatingWebhookConfiguration inject" "caBundle of inject.shop.test"
check "every list was read" [ "$(jq '[.findings[] | select(.control == "CRT-3" and .status == "pass" and .resource.kind == "source")] | length' "$json")" -eq 7 ]
check "one that is being deleted is passed over" bash -c "! grep -q shop/going '$json'"
check "other types of Secret are not asked for" bash -c "! grep -q shop/helm '$json' && ! grep 'secrets?' '$KUBE_LOG' | grep -v fieldSelector"
check "nothing but GET was sent" kubernetes_only_reads

# --- nothing of a Secret but its certificates
for file in "$C"/*.key "$C/password" "$C/nonsense"; do
        grep -v -e '-----' "$file" >"$WORK/needles.one" || cat "$file" >"$WORK/needles.one"
        sed 's/^\(.\{24\}\).*/\1/' "$WORK/needles.one" >>"$WORK/needles.plain"
done
grep -v '^$' "$WORK/needles.plain" | sort -u >"$WORK/needles"
while read -r one; do printf '%s' "$one" | base64 -w0 | cut -c1-20; echo; done <"$WORK/needles" | grep -v '^$' >>"$WORK/needles"
check "there is something to look for" [ "$(wc -l <"$WORK/needles")" -gt 40 ]
check "the needles are in the server's answers" bash -c "curl -s -H 'Authorization: Bearer kube-token-for-tests' 'http://127.0.0.1:$KUBE_PORT/api/v1/secrets' | jq -r '.items[].data[]' | while read -r v; do base64 -d <<<\"\$v\"; done | grep -aqFf '$WORK/needles'"
"$TOP/$BUILD/tests/integration/facts_print" "sqlite:$WORK/lying.db" >"$WORK/lying.facts"
check "the facts can be looked at" grep -q '"object":"opaque"' "$WORK/lying.facts"
check "and name the Secret's keys" quiet jq -e '.facts.secrets[] | select(.object == "opaque") | .keys == ["password", "tls.crt", "tls.key"]' "$WORK/lying.facts"
"$ROUNDS" run weekly -v -c "$WORK/lying.yaml" >"$WORK/lying.log" 2>&1
for file in "$WORK/lying"/* "$WORK/lying.txt" "$WORK/lying.log" "$WORK/lying.db" "$WORK/lying.facts"; do
        case $file in *.xlsx) unzip -p "$file" >"$file.text" && file=$file.text ;; esac
        check "no byte of a key or a password in ${file##*/}" bash -c "! grep -aqFf '$WORK/needles' '$file'"
done

# --- what is served
kubernetes_start --objects "$F" || exit 1
ask served "sweep: true" "owner: platform"
check "the Secret's certificate is served" finds CRT-6 pass "endpoint//127.0.0.1:${ports[0]}#good.test" good.test
check "another than the Secret's is served" finds CRT-6 fail "endpoint//127.0.0.1:${ports[1]}#also.good.test" "It is not the certificate of Secret shop/good-tls"
check "and how to mend that" finds CRT-6 fail "endpoint//127.0.0.1:${ports[1]}#also.good.test" "take up the Secret"
check "what does not answer is not assessed" finds CRT-6 error "endpoint//127.0.0.1:1#soon.test" "refused"
check "its Secret is judged all the same" finds CRT-6 pass Secret/shop/soon-tls ""
check "both certificates are in the inventory" [ "$(jq '[.inventory.certificates[] | select(.subject == "good.test" and .use == "served")] | length' "$json")" -eq 2 ]
check "the target's owner owns what has none" lacks CRT-4 fail "" ""

# --- what may not be read
kubernetes_start --objects "$F" --fault '/secrets=403' --fault 'webhookconfigurations=403' --without gateway.networking.k8s.io || exit 1
ask denied
check "Secrets withheld are an error with the rule" finds CRT-3 error source//Secrets 'resources: ["secrets"], verbs: ["list"]'
for control in CRT-2 CRT-4 CRT-6; do check "for $control as well" finds $control error source//Secrets "forbidden"; done
check "a host's Secret is unread, not missing" finds CRT-6 error "host lost.test" "may not be read"
check "webhooks are named" finds CRT-3 error source//ValidatingWebhookConfigurations "forbidden"
check "an absent definition is no place" lacks CRT-3 error source//Gateways ""
check "not fully assessed is exit status 2" [ "$status" -eq 2 ]

# --- an empty cluster
rm "$F"/*
list SecretList v1 </dev/null >"$F/core-v1-secrets.json"
list IngressList networking.k8s.io/v1 </dev/null >"$F/networking.k8s.io-v1-ingresses.json"
kubernetes_start --objects "$F" || exit 1
ask empty
for control in CRT-2 CRT-4 CRT-6; do check "an empty cluster skips $control" finds $control skip "" ""; done
check "its lists were read" finds CRT-3 pass source//Secrets ""
finish

#!/bin/bash
# An API server behind real TLS that demands a client's certificate: authority, certificate and key as data and as files of the
# kubeconfig, by an exec plugin, under another name; and what is said when one of them is wrong.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
. "$(dirname "$0")/lib_tls.sh"
need node openssl jq

C=$WORK/certificates
mkdir -p "$C"
tls_authority "$C" || exit 1
tls_leaf "$C/server" "/CN=api" DNS:api.internal 90
printf '[client]\nextendedKeyUsage = clientAuth\n' >>"$C/ca.cnf"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/client.key" -out "$C/client.csr" -subj "/CN=rounds" \
        -config "$C/ca.cnf" 2>/dev/null
tls_sign intermediate "$C/client.csr" "$C/client.leaf.pem" client 90
cat "$C/client.leaf.pem" "$C/intermediate.pem" >"$C/client.pem"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$C/stranger.key" -out "$C/stranger.pem" -days 90 \
        -subj /CN=Stranger 2>/dev/null

kubernetes_start || exit 1
front=$(free_port)
cat >"$WORK/front.mjs" <<'J'
// TLS in front of the fixture server: who shows no certificate of the authority's is let go.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
const [port, to, folder] = process.argv.slice(2), read = (name) => readFileSync(`${folder}/${name}`);
createServer({ key: read('server.key'), cert: read('server.pem'), ca: read('root.pem'), requestCert: true, rejectUnauthorized: true }, (client) => {
    const server = connect(Number(to), '127.0.0.1');
    for (const [a, b] of [[client, server], [server, client]]) a.on('error', () => b.destroy()).pipe(b);
}).on('tlsClientError', () => {}).listen(Number(port), '127.0.0.1');
J
start node "$WORK/front.mjs" "$front" "$KUBE_PORT" "$C"
wait_port "$front"

data() { base64 -w0 "$1"; }
context() { # context NAME CLUSTER USER: a kubeconfig of its own, and a target
        cat >"$WORK/$1.kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$front", $2}}]
users: [{name: u, user: {$3}}]
contexts: [{name: $1, context: {cluster: c, user: u}}]
Y
        TARGETS+="  - {name: $1, kind: kubernetes, timeout: 10s, context: $1, kubeconfig: [$WORK/$1.kubeconfig]}
"
}
plugin() { # plugin NAME STATUS: a program that answers
        printf '#!/bin/sh\ncat <<A\n{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": %s}\nA\n' "$2" >"$WORK/$1"
        chmod 755 "$WORK/$1"
}
plugin certificate "$(jq -n --rawfile c "$C/client.pem" --rawfile k "$C/client.key" '{token: "kube-token-for-tests", clientCertificateData: $c, clientKeyData: $k}')"
plugin lines '{"token": "kube-token-for-tests\\r\\nX-Injected: yes"}'
plugin stranger '{"token": "nobody"}'
TARGETS=
named="tls-server-name: api.internal"
trusted="certificate-authority-data: $(data "$C/root.pem"), $named"
known="client-certificate-data: $(data "$C/client.pem"), client-key-data: $(data "$C/client.key")"
token="token: kube-token-for-tests"
context data "$trusted" "$token, $known"
context files "certificate-authority: certificates/root.pem, $named" \
        "$token, client-certificate: certificates/client.pem, client-key: certificates/client.key"
context exec "$trusted" "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./certificate}"
context insecure "insecure-skip-tls-verify: true" "$token, $known"
context address "certificate-authority-data: $(data "$C/root.pem")" "$token, $known"
context othername "certificate-authority-data: $(data "$C/root.pem"), tls-server-name: other.internal" "$token, $known"
context untrusted "certificate-authority-data: $(data "$C/stranger.pem"), $named" "$token, $known"
context nocert "$trusted" "$token"
context wrongkey "$trusted" "$token, client-certificate-data: $(data "$C/client.pem"), client-key-data: $(data "$C/stranger.key")"
context garbage "certificate-authority-data: $(printf 'no PEM' | base64), $named" "$token, $known"
context lost "certificate-authority: nowhere/ca.pem, $named" "$token, $known"
context injected "$trusted" "$known, exec: {command: ./lines}"
context refused "$trusted" "$known, exec: {command: ./stranger}"
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
$TARGETS
jobs:
  nightly: {audits: [nodes], report: {formats: [json], to: $WORK/reports}}
Y
"$ROUNDS" check -c "$WORK/rounds.yaml" >"$WORK/check.txt" 2>&1
says() { grep -qE "^$1 \(kubernetes\): $2" "$WORK/check.txt" || { grep -A2 "^$1 " "$WORK/check.txt"; return 1; }; }
check "authority, certificate and key as data" says data Kubernetes
check "as files beside the kubeconfig" says files Kubernetes
check "the certificate of an exec plugin" says exec Kubernetes
check "nothing verified, where that is asked for" says insecure Kubernetes
check "an address that the certificate does not name" says address 'tls: .*(127\.0\.0\.1|subject|name)'
check "a name that it does not hold" says othername 'tls: .*(other\.internal|subject|name)'
check "an authority that did not sign it" says untrusted tls
mends() { grep -A1 "^$1 (kubernetes)" "$WORK/check.txt" | grep -q "mend: .*$2" || { grep -A1 "^$1 " "$WORK/check.txt"; return 1; }; }
check "is mended by a name that fits" mends othername "a name that its certificate holds"
check "and this one by its authority" mends untrusted "give the authority that signed"
check "no certificate of ours" says nocert 'tls: .*certificate required'
check "is mended by one" mends nocert "demands a client's certificate"
check "a key of another certificate" says wrongkey tls
check "are to belong together" mends wrongkey "belong together"
check "an authority that is no PEM" says garbage tls
check "an authority that is not there" says lost 'tls: .*nowhere/ca\.pem'
check "is to be readable" mends lost "readable PEM file"
check "a token that spans lines is not sent" sh -c "! grep -qi injected '$KUBE_LOG' && ! grep -q '^injected (kubernetes): Kubernetes' '$WORK/check.txt'"
check "which is said" says injected "configuration: .*bearer token holds a line's end"
check "a token that nobody knows" says refused denied
check "no secret is told" sh -c "! grep -qE 'kube-token-for-tests|PRIVATE KEY|$(sed -n 2p "$C/client.key" | tr + .)' '$WORK/check.txt'"
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
assessed() { jq -e --arg target "$1" '[.findings[] | select(.target == $target and .status != "error")] | length > 0' "$json" >/dev/null; }
for name in data files exec insecure; do check "$name: nodes are assessed" assessed "$name"; done
for name in address untrusted nocert refused; do check "$name: nothing is" sh -c "! jq -e '[.findings[] | select(.target == \"$name\" and .status == \"pass\")] | length > 0' '$json' >/dev/null"; done
check "nothing but reading was sent" kubernetes_only_reads
finish

#!/bin/bash
# Rate limits: configurations that a real nginx accepts (and that really answer 429), and ingress, Traefik and gateway objects from the
# fixture API server.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need nginx node jq curl
N=$WORK/nginx
mkdir -p "$N/conf.d"
GOOD=$(free_port) BAD=$(free_port)
cat >"$N/nginx.conf" <<C
daemon off; pid $N/pid; error_log $N/error.log;
events {}
http {
        access_log off; client_body_temp_path $N/b; proxy_temp_path $N/p; fastcgi_temp_path $N/f; uwsgi_temp_path $N/u; scgi_temp_path $N/s;
        limit_req_zone \$binary_remote_addr zone=login:1m rate=10r/m;
        limit_req_zone \$server_name zone=together:1m rate=5r/m;
        limit_req_status 429;
        include conf.d/*.conf;
}
C
cat >"$N/conf.d/good.conf" <<C
server { listen 127.0.0.1:$GOOD; server_name good.test;
        location / { return 200 "home"; }
        location /api/auth/ { limit_req zone=login burst=3 nodelay; try_files /nothing =401; }
        location ~* ^/login { limit_req zone=login; try_files /nothing =401; } }
C
cat >"$N/conf.d/bad.conf" <<C
server { listen 127.0.0.1:$BAD; server_name bad.test;
        location /api/ { try_files /nothing =401; }
        location /login { limit_req zone=together burst=2; try_files /nothing =401; } }
C
start "$(program nginx)" -c "$N/nginx.conf" -p "$N" -e "$N/error.log"
wait_port "$GOOD" || cat "$N/error.log"
echo "http { server {" >"$N/broken.conf"

F=$WORK/objects
mkdir -p "$F"
ingress() { # NAME PATH ANNOTATIONS
        jq -n --arg name "$1" --arg path "$2" --argjson annotations "$3" '{apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: {name: $name, namespace: "shop", annotations: $annotations},
                spec: {rules: [{host: "shop.example", http: {paths: [{path: $path, pathType: "Prefix", backend: {service: {name: "web", port: {number: 80}}}}]}}]}}'
}
{
        ingress slow /api/auth '{"nginx.ingress.kubernetes.io/limit-rpm": "10"}'
        ingress fast /api '{"nginx.ingress.kubernetes.io/limit-rps": "10"}'
        ingress free / '{}'
        ingress elsewhere /static '{}'
} | list IngressList networking.k8s.io/v1 >"$F/networking.k8s.io-v1-ingresses.json"
T=traefik.io/v1alpha1
jq -n --arg api $T '{apiVersion: $api, kind: "Middleware", metadata: {name: "slow", namespace: "shop"}, spec: {rateLimit: {average: 10, period: "1m", burst: 5}}}' | list MiddlewareList $T >"$F/traefik.io-v1alpha1-middlewares.json"
jq -n --arg api $T '{apiVersion: $api, kind: "IngressRoute", metadata: {name: "sign-in", namespace: "shop"}, spec: {routes: [{match: "Host(`a.example`) && PathPrefix(`/login`)", kind: "Rule", middlewares: [{name: "slow"}], services: [{name: "web", port: 80}]}]}}' |
        list IngressRouteList $T >"$F/traefik.io-v1alpha1-ingressroutes.json"
G=gateway.networking.k8s.io/v1
jq -n --arg api $G '{apiVersion: $api, kind: "HTTPRoute", metadata: {name: "auth", namespace: "shop"}, spec: {rules: [{matches: [{path: {type: "PathPrefix", value: "/api/auth"}}], backendRefs: [{name: "web", port: 80}]}]}}' | list HTTPRouteList $G >"$F/gateway.networking.k8s.io-v1-httproutes.json"
jq -n '{apiVersion: "gateway.envoyproxy.io/v1alpha1", kind: "BackendTrafficPolicy", metadata: {name: "auth", namespace: "shop"}, spec: {targetRefs: [{group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: "auth"}],
        rateLimit: {type: "Global", global: {rules: [{clientSelectors: [{sourceCIDR: {value: "0.0.0.0/0", type: "Distinct"}}], limit: {requests: 5, unit: "Minute"}}]}}}}' |
        list BackendTrafficPolicyList gateway.envoyproxy.io/v1alpha1 >"$F/gateway.envoyproxy.io-v1alpha1-backendtrafficpolicies.json"
kubernetes_start --objects "$F" || exit 1

cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: edge, kind: nginx, files: [nginx/nginx.conf, nginx/broken.conf, nginx/missing.conf]}
  - {name: named, kind: nginx, files: [nginx/nginx.conf], servers: ["good.*"]}
  - {name: prod, kind: kubernetes, kubeconfig: [$KUBE_CONFIG], context: test}
jobs: {nightly: {audits: [rate_limits], report: {formats: [json, md], to: $WORK/reports}}}
Y
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
json=$(ls "$WORK"/reports/nightly-*Z.json)
codes() { for _ in $(seq 15); do curl -s -o /dev/null -w '%{http_code}\n' "http://127.0.0.1:$1$2"; done | sort | uniq -c | tr -s ' \n' ' '; }
check "nginx takes the configuration, and answers 429 where it says so" sh -c "case '$(codes "$GOOD" /api/auth/login)' in *429*) ;; *) exit 1 ;; esac"
check "and where it does not, not" sh -c "case '$(codes "$BAD" /api/auth/login)' in *429*) exit 1 ;; esac"
check "a limited endpoint passes, with its place" has_one '.target=="edge" and .status=="pass" and .resource.name=="good.test /api/auth/login" and (.observed|test("good.conf:3"))'
check "a pattern's location is found" has_one '.target=="edge" and .status=="pass" and .resource.name=="good.test /login"'
check "an endpoint without a limit" has_one '.target=="edge" and .status=="fail" and .resource.name=="bad.test /api/auth/login" and (.observed|test("^no limit, served by /api/"))'
check "a limit that counts all clients together" has_one '.target=="edge" and .status=="fail" and .resource.name=="bad.test /login" and (.observed|test("all clients together"))'
check "a broken file, with its line" has_one '.target=="edge" and .status=="error" and (.message|test("broken.conf:2: a block does not close"))'
check "a missing file" has_one '.target=="edge" and .status=="error" and (.message|test("missing.conf: No such file"))'
check "servers are chosen by name" jq -e '[.findings[] | select(.target=="named")] | length == 2 and all(.status=="pass")' "$json"
check "ingress-nginx: ten a minute" has_one '.target=="prod" and .status=="pass" and .resource.kind=="Ingress" and .resource.name=="slow /api/auth/login"'
check "ingress-nginx: ten a second" has_one '.target=="prod" and .status=="fail" and .resource.name=="fast /api/auth/login" and (.observed|test("^600 a minute"))'
check "an ingress without a limit" has_one '.target=="prod" and .status=="fail" and .resource.name=="free /login"'
check "one that does not serve sign-ins is none of this" sh -c "! grep -q elsewhere '$json'"
check "Traefik's middleware" has_one '.target=="prod" and .status=="pass" and .resource.kind=="IngressRoute" and (.observed|test("10 a minute by Middleware shop/slow"))'
check "Envoy Gateway's policy" has_one '.target=="prod" and .status=="pass" and .resource.kind=="HTTPRoute" and (.observed|test("5 a minute by BackendTrafficPolicy auth"))'
check "only GET was sent" kubernetes_only_reads
finish

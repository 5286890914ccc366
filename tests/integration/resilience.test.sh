#!/bin/bash
# Circuit breakers and retries from the fixture API server: Istio, Envoy Gateway, Linkerd, Gateway API; what is absent and what is forbidden.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need jq node
F=$WORK/objects
mkdir -p "$F"
# object API KIND NAME SPEC
object() { jq -n --arg api "$1" --arg kind "$2" --arg name "$3" --argjson spec "$4" '{apiVersion: $api, kind: $kind, metadata: {name: $name, namespace: "shop"}, spec: $spec}'; }
I=networking.istio.io/v1
{
        object $I DestinationRule kyc '{"host":"kyc","trafficPolicy":{"outlierDetection":{"consecutive5xxErrors":5,"interval":"10s","baseEjectionTime":"30s"},"connectionPool":{"tcp":{"maxConnections":100},"http":{"http1MaxPendingRequests":10}}}}'
        object $I DestinationRule score '{"host":"score.shop.svc.cluster.local","trafficPolicy":{"outlierDetection":{"consecutiveGatewayErrors":5}}}'
        object $I DestinationRule off '{"host":"off","trafficPolicy":{"outlierDetection":{"consecutive5xxErrors":0},"connectionPool":{"tcp":{"maxConnections":1}}}}'
        object $I DestinationRule ports '{"host":"*.partner.example","trafficPolicy":{"portLevelSettings":[{"port":{"number":443},"outlierDetection":{},"connectionPool":{"http":{"http2MaxRequests":50}}}]}}'
} | list DestinationRuleList $I >"$F/networking.istio.io-v1-destinationrules.json"
{
        object $I VirtualService kyc '{"hosts":["kyc"],"http":[{"retries":{"attempts":2,"perTryTimeout":"2s","retryOn":"gateway-error,connect-failure"},"route":[{"destination":{"host":"kyc"}}]}]}'
        object $I VirtualService many '{"hosts":["many"],"http":[{"retries":{"attempts":10,"perTryTimeout":"2s"},"route":[{"destination":{"host":"many"}}]}]}'
        object $I VirtualService endless '{"hosts":["endless"],"http":[{"retries":{"attempts":3},"route":[{"destination":{"host":"endless"}}]}]}'
        object $I VirtualService never '{"hosts":["never"],"http":[{"retries":{"attempts":0},"route":[{"destination":{"host":"never"}}]}]}'
} | list VirtualServiceList $I >"$F/networking.istio.io-v1-virtualservices.json"
object gateway.envoyproxy.io/v1alpha1 BackendTrafficPolicy web '{"targetRefs":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","name":"web"}],
        "circuitBreaker":{"maxConnections":100,"maxPendingRequests":10},"retry":{"numRetries":3,"perRetry":{"timeout":"1s","backOff":{"baseInterval":"100ms","maxInterval":"2s"}}}}' |
        list BackendTrafficPolicyList gateway.envoyproxy.io/v1alpha1 >"$F/gateway.envoyproxy.io-v1alpha1-backendtrafficpolicies.json"
{
        object gateway.networking.k8s.io/v1 HTTPRoute web '{"hostnames":["www.shop.example"],"rules":[{"backendRefs":[{"name":"web","port":80}]}]}'
        object gateway.networking.k8s.io/v1 HTTPRoute cart '{"rules":[{"backendRefs":[{"name":"cart","port":80}],"retry":{"codes":[503],"attempts":2},"timeouts":{"request":"2s"}}]}'
} | list HTTPRouteList gateway.networking.k8s.io/v1 >"$F/gateway.networking.k8s.io-v1-httproutes.json"
object linkerd.io/v1alpha2 ServiceProfile mail.shop.svc.cluster.local '{"routes":[{"name":"send","condition":{"method":"POST"},"isRetryable":true,"timeout":"1s"}],"retryBudget":{"retryRatio":0.5,"minRetriesPerSecond":10,"ttl":"10s"}}' |
        list ServiceProfileList linkerd.io/v1alpha2 >"$F/linkerd.io-v1alpha2-serviceprofiles.json"
object v1 Service pay '{"selector":{"app":"pay"},"ports":[{"port":80}]}' | jq '.metadata.annotations = {"balancer.linkerd.io/failure-accrual": "consecutive"}' |
        list ServiceList v1 >"$F/core-v1-services.json"

ask() { # NAME DEPENDENCIES SERVICES
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets:
  - {name: prod, kind: kubernetes, kubeconfig: [$KUBE_CONFIG], context: test}
  - {name: app, kind: settings, settings: [{name: breaker, is: circuit_breaker, of: fraud.example.com, from: {file: /nowhere}}]}
policy: {WRK-3: {dependencies: [$2]}, API-5: {services: [$3]}}
jobs: {weekly: {audits: [resilience], report: {formats: [json, md], to: $WORK/$1}}}
Y
        "$ROUNDS" run weekly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        status=$?
        json=$(ls "$WORK/$1"/weekly-*Z.json) || cat "$WORK/$1.txt"
}
finds() { # CONTROL STATUS RESOURCE TEXT (in observed, message or remedy)
        jq -e --arg c "$1" --arg s "$2" --arg r "$3" --arg t "$4" '[.findings[] | select(.control == $c and .status == $s and
                "\(.resource.kind)/\(.resource.namespace)/\(.resource.name)" == $r and ((.observed + " " + .message + " " + .remedy) | contains($t)))] | length == 1' "$json" >/dev/null ||
                { jq -c '.findings[] | [.control, .status, .resource, .observed, .message]' "$json"; return 1; }
}

check "the planted objects are valid" kubernetes_valid "$F"
kubernetes_start --objects "$F" || exit 1
ask planted '"kyc", "score", "off", "api.partner.example", "www.shop.example", "pay", "fraud.example.com", "nobody.example.com"' '"kyc", "never", "web"'
check "Istio: both halves" finds WRK-3 pass dependency//kyc "DestinationRule shop/kyc"
check "Istio: no pool" finds WRK-3 fail dependency//score "without a connection pool"
check "Istio: detection that is switched off" finds WRK-3 fail dependency//off "without outlier detection"
check "Istio: a wildcard, per port" finds WRK-3 pass dependency//api.partner.example "DestinationRule shop/ports"
check "Envoy Gateway, by the route's host" finds WRK-3 pass dependency//www.shop.example "BackendTrafficPolicy shop/web"
check "Linkerd, by annotation" finds WRK-3 pass dependency//pay "Service shop/pay"
check "in code, by a setting of another target" finds WRK-3 pass dependency//fraud.example.com "a setting of target app"
check "nowhere" finds WRK-3 fail dependency//nobody.example.com "no breaker"
check "two attempts" finds API-5 pass service//kyc "VirtualService shop/kyc http route 0: 2 attempts, backoff built in"
check "ten attempts, named or not" finds API-5 fail "VirtualService/shop/many http route 0" "gets every call 11 times"
check "attempts without an end" finds API-5 fail "VirtualService/shop/endless http route 0" "perTryTimeout"
check "switched off" finds API-5 fail service//never "no retries"
check "Envoy Gateway retries" finds API-5 pass service//web "BackendTrafficPolicy shop/web retry: 3 attempts, backoff stated"
check "an HTTPRoute without a backoff" finds API-5 fail "HTTPRoute/shop/cart rule 0" "without a pause"
check "a generous budget" finds API-5 fail "ServiceProfile/shop/mail.shop.svc.cluster.local routes" "50 %"
check "nothing but GET was sent" kubernetes_only_reads

kubernetes_start --objects "$F" --fault 'destinationrules=403' --fault 'virtualservices=500' || exit 1
ask denied '"kyc"' '"kyc"'
check "what is forbidden is an error with the rule" finds WRK-3 error part//destinationrules 'apiGroups: ["networking.istio.io"], resources: ["destinationrules"]'
check "what fails is one" finds API-5 error part//virtualservices 500
check "and nothing is called missing" bash -c "! jq -e '.findings[] | select(.status == \"fail\" and (.resource.name == \"kyc\"))' '$json' >/dev/null"

kubernetes_start || exit 1
ask absent '' ''
check "undeclared and not installed: what to declare" finds WRK-3 skip // 'neither Istio, Envoy Gateway nor Linkerd is installed. Name what the platform calls: policy WRK-3 dependencies'
check "and for retries" finds API-5 skip // 'policy API-5 services'
finish

#!/bin/bash
# Canary releases from the fixture API server: the recorded Rollout, planted Rollouts, Canaries and routes, absent and forbidden definitions.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need jq node
F=$WORK/objects
mkdir -p "$F"
# workload KIND NAME [EXTRA]: EXTRA is merged into the spec.
workload() {
        jq -n --arg kind "$1" --arg name "$2" --argjson extra "${3:-{\}}" '{apiVersion: (if $kind == "Rollout" then "argoproj.io/v1alpha1" else "apps/v1" end),
                kind: $kind, metadata: {name: $name, namespace: "shop"}, spec: ({replicas: 10, selector: {matchLabels: {app: $name}},
                template: {metadata: {labels: {app: $name}}, spec: {containers: [{name: "main", image: "shop/\($name)"}]}}} * $extra)}'
}
steps() { echo "{\"strategy\":{\"canary\":{\"trafficRouting\":{\"nginx\":{\"stableIngress\":\"shop\"}},\"steps\":[$1]}}}"; }
{
        workload Rollout careful "$(steps '{"setWeight":5},{"pause":{"duration":"2m"}},{"setWeight":10},{"pause":{"duration":300}},{"setWeight":100}')"
        workload Rollout seconds "$(steps '{"setWeight":10},{"pause":{"duration":"300"}},{"setWeight":100}')"
        workload Rollout hasty "$(steps '{"setWeight":10},{"pause":{"duration":"30s"}},{"setWeight":100}')"
        workload Rollout manual "$(steps '{"setWeight":10},{"pause":{}},{"setWeight":100}')"
        workload Rollout pods '{"replicas":3,"strategy":{"canary":{"steps":[{"setWeight":10},{"pause":{"duration":"1h"}}]}}}'
        workload Rollout swap '{"strategy":{"blueGreen":{"activeService":"swap"}}}'
        workload Rollout cart-rollout "$(steps '{"setWeight":10},{"pause":{"duration":"1h"}}')" | jq 'del(.spec.template, .spec.selector) | .spec.workloadRef = {apiVersion: "apps/v1", kind: "Deployment", name: "cart"}'
} | list RolloutList argoproj.io/v1alpha1 >"$F/argoproj.io-v1alpha1-rollouts.json"
for name in cart search search-primary pay web web-next; do workload Deployment "$name"; done | list DeploymentList apps/v1 >"$F/apps-v1-deployments.json"
jq -n '{apiVersion: "flagger.app/v1beta1", kind: "Canary", metadata: {name: "search", namespace: "shop"}, spec: {targetRef: {apiVersion: "apps/v1", kind: "Deployment", name: "search"},
        service: {port: 80}, analysis: {interval: "1m", threshold: 5, maxWeight: 50, stepWeight: 5, metrics: [{name: "request-success-rate", interval: "1m", thresholdRange: {min: 99}}]}}}' |
        list CanaryList flagger.app/v1beta1 >"$F/flagger.app-v1beta1-canaries.json"
for name in web web-next; do
        jq -n --arg name "$name" '{apiVersion: "v1", kind: "Service", metadata: {name: $name, namespace: "shop"}, spec: {selector: {app: $name}, ports: [{port: 80}]}}'
done | list ServiceList v1 >"$F/core-v1-services.json"
route() { # STABLE NEXT
        jq -n --argjson stable "$1" --argjson next "$2" '{apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata: {name: "web", namespace: "shop"}, spec: {
                parentRefs: [{name: "edge"}], rules: [{backendRefs: [{name: "web", port: 80, weight: $stable}, {name: "web-next", port: 80, weight: $next}]}]}}' |
                list HTTPRouteList gateway.networking.k8s.io/v1 >"$F/gateway.networking.k8s.io-v1-httproutes.json"
}
ask() { # NAME [POLICY]
        cat >"$WORK/$1.yaml" <<Y
version: 1
store: sqlite:$WORK/$1.db
targets: [{name: prod, kind: kubernetes, kubeconfig: [$KUBE_CONFIG], context: test}]
policy: {API-1: {workloads: ["shop/cart", "shop/search*", "shop/pay", "shop/web*", "*/kaireon-api"]}}
jobs: {weekly: {audits: [canary], report: {formats: [json, md], to: $WORK/$1}}}
Y
        "$ROUNDS" run weekly -c "$WORK/$1.yaml" >"$WORK/$1.txt" 2>&1
        status=$?
        json=$(find "$WORK/$1" -name 'weekly-*Z.json' | sort | tail -1)
}
finds() { # STATUS RESOURCE TEXT (in observed or message)
        jq -e --arg s "$1" --arg r "$2" --arg t "$3" '[.findings[] | select(.status == $s and "\(.resource.kind)/\(.resource.namespace)/\(.resource.name)" == $r and
                ((.observed + " " + .message + " " + .remedy) | contains($t)))] | length == 1' "$json" >/dev/null || { jq -c '.findings[] | [.status, .resource, .observed, .message]' "$json"; return 1; }
}
lacks() { jq -e --arg r "$1" '[.findings[] | select("\(.resource.kind)/\(.resource.namespace)/\(.resource.name)" == $r)] | length == 0' "$json" >/dev/null; }

check "the planted objects are valid" kubernetes_valid "$F"
kubernetes_start || exit 1
ask recorded
check "the recorded Rollout begins with half of its two pods" finds fail Rollout/kaireon/kaireon-scoring "begins with 50 % of the pods"
check "the workload that the policy names is a plain Deployment" finds fail Deployment/kaireon/kaireon-api "a plain Deployment"
check "findings are exit status 1" [ "$status" -eq 1 ]
check "nothing but GET was sent" kubernetes_only_reads
check "Rollouts were listed once" kubernetes_asked /apis/argoproj.io/v1alpha1/rollouts 1

route 95 5
kubernetes_start --objects "$F" || exit 1
ask planted
check "small, twice, for long enough" finds pass Rollout/shop/careful "begins with 5 %, at most 10 % for 7 min"
check "a pause in seconds, as text" finds pass Rollout/shop/seconds "at most 10 % for 5 min"
check "too hasty" finds fail Rollout/shop/hasty "at most 10 % for 30 s"
check "held until somebody lets it go on" finds pass Rollout/shop/manual "until somebody"
check "pods, not requests" finds fail Rollout/shop/pods "begins with 33.3 % of the pods"
check "blue-green" finds fail Rollout/shop/swap "all requests at once"
check "a Rollout covers the Deployment it releases" lacks Deployment/shop/cart
check "Flagger, a minute a step" finds fail Canary/shop/search "begins with 5 %, at most 10 % for 2 min, with analysis"
check "its primary is not told of" lacks Deployment/shop/search-primary
check "a plain Deployment" finds fail Deployment/shop/pay "workloadRef: pay"
check "a route that gives 5 of 100" finds pass "HTTPRoute/shop/web rule 0" "5 % now"
check "covers both of its Deployments" lacks Deployment/shop/web-next
route 40 60
kubernetes_start --objects "$F" || exit 1
sleep 1
ask planted
check "by now it gives 60, but it began with 5" finds pass "HTTPRoute/shop/web rule 0" "40 % now, 5 % when the release was first seen"

kubernetes_start --objects "$F" --fault 'rollouts=403' --fault '/services=500' || exit 1
ask denied
check "Rollouts withheld are an error with the rule" finds error part//rollouts 'apiGroups: ["argoproj.io"], resources: ["rollouts"], verbs: ["list"]'
check "Services that cannot be read too" finds error part//services 500
check "the rest is judged" finds fail Canary/shop/search "2 min"
kubernetes_start --without argoproj.io || exit 1
ask absent
check "without any of the three it is a skip that names them" finds skip // "neither Argo Rollouts (rollouts.argoproj.io), Flagger (canaries.flagger.app) nor the Gateway API (httproutes.gateway.networking.k8s.io)"
finish

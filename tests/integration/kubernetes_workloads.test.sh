#!/bin/bash
# Workloads of a cluster: bounds, disruption budgets and warm-up, from the recorded answers of a real API server and from a cluster made for it.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq

kubernetes_start
kubernetes_run workloads
check "faults and what could not be told are found" [ "$status" -eq 2 ]
check "a budget that blocks" has '.control=="NOD-2" and .status=="fail" and .resource.name=="api-blocks" and (.observed|test("maxUnavailable 0 of 3 replicas"))'
check "a budget that selects nothing" has '.control=="NOD-2" and .status=="fail" and .resource.name=="nothing" and .observed=="selects no pod"'
check "budgets that overlap" has '.control=="NOD-2" and .status=="fail" and .resource.kind=="Deployment" and .resource.name=="kaireon-api" and .observed=="2 budgets: api-blocks, api-second"'
check "a critical workload without a budget, with the command that makes one" has '.control=="NOD-2" and .resource.name=="kaireon-worker" and (.remedy|test("create poddisruptionbudget kaireon-worker --selector=app=kaireon-worker"))'
check "one as it should be" has '.control=="NOD-2" and .status=="pass" and (.observed|test("1 of 6 critical workloads.*2 of 4 budgets"))'
check "an unbounded workload" has '.control=="NOD-3" and .status=="fail" and .severity=="SEV3" and .resource.name=="legacy-sync" and (.observed|test("main: no CPU request, memory request, CPU limit, memory limit"))'
check "a Rollout without a CPU limit" has '.control=="NOD-3" and .resource.kind=="Rollout" and .observed=="main: no CPU limit"'
check "a CronJob" has '.control=="NOD-3" and .resource.kind=="CronJob" and .resource.name=="cleanup"'
check "a bare pod" has '.control=="NOD-3" and .resource.kind=="Pod" and .resource.name=="too-big"'
check "a pod that was evicted is no workload" bash -c "! jq -e '.findings[] | select(.resource.name == \"evicted-1\")' '$json'"
check "a workload that does not warm up" has '.control=="LAT-5" and .status=="fail" and .resource.name=="kaireon-api" and .resource.namespace=="kaireon"'
check "pods that do not say whether they were warmed are no pass" has '.control=="LAT-5" and .status=="error" and .reason=="too-little-data" and .resource.name=="kaireon-ml-worker"'
check "inventory" jq -e '[.inventory.workloads[] | select(.id == "Deployment kaireon/kaireon-outbox-publisher" and .budget == "outbox" and .autoscaler == "outbox")] | length == 1' "$json"
check "nothing but GET was sent" kubernetes_only_reads

# A cluster made for it: what a LimitRange gives, init containers and sidecars, an autoscaler that goes below its budget, a warm-up that worked
# in one pod of two.
F=$WORK/objects
mkdir -p "$F"
full='{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"cpu":"200m","memory":"128Mi"}}'
deployment() { # NAME REPLICAS CONTAINERS INIT
        jq -n --arg n "$1" --argjson r "$2" --argjson c "$3" --argjson i "$4" '{metadata: {name: $n, namespace: "kaireon", creationTimestamp: "2026-11-01T00:00:00Z"},
                spec: {replicas: $r, selector: {matchLabels: {app: $n}}, template: {metadata: {labels: {app: $n}}, spec: {containers: $c, initContainers: $i}}}, status: {readyReplicas: $r, replicas: $r}}'
}
{
        deployment kaireon-api 3 "[{\"name\":\"main\",\"resources\":$full}]" "[{\"name\":\"warm-models\",\"resources\":$full}]"
        deployment given 1 '[{"name":"main","resources":{}}]' null
        deployment sidecar 1 "[{\"name\":\"main\",\"resources\":$full}]" '[{"name":"proxy","restartPolicy":"Always","resources":{"limits":{"memory":"64Mi"}}}]'
} | jq -s '{kind: "DeploymentList", apiVersion: "apps/v1", metadata: {}, items: .}' >"$F/apps-v1-deployments.json"
jq -n '{kind: "LimitRangeList", apiVersion: "v1", metadata: {}, items: [{metadata: {name: "d", namespace: "kaireon"}, spec: {limits: [{type: "Container", default: {memory: "256Mi"}, defaultRequest: {cpu: "50m", memory: "128Mi"}}]}}]}' >"$F/core-v1-limitranges.json"
jq -n '{kind: "PodDisruptionBudgetList", apiVersion: "policy/v1", metadata: {}, items: [{metadata: {name: "api", namespace: "kaireon"}, spec: {minAvailable: 2, selector: {matchExpressions: [{key: "app", operator: "In", values: ["kaireon-api"]}]}},
        status: {disruptionsAllowed: 1, currentHealthy: 3, desiredHealthy: 2, expectedPods: 3}}]}' >"$F/policy-v1-poddisruptionbudgets.json"
hpa() { jq -n --argjson m "$1" '{kind: "HorizontalPodAutoscalerList", apiVersion: "autoscaling/v2", metadata: {}, items: [{metadata: {name: "api", namespace: "kaireon"}, spec: {scaleTargetRef: {apiVersion: "apps/v1", kind: "Deployment", name: "kaireon-api"},
        minReplicas: $m, maxReplicas: 9}, status: {}}]}' >"$F/autoscaling-v2-horizontalpodautoscalers.json"; }
hpa 2
pods() { # completed pods of two
        jq -n --argjson w "$1" '{kind: "PodList", apiVersion: "v1", metadata: {}, items: [range(2) as $i | {metadata: {name: "api-\($i)", namespace: "kaireon", labels: {app: "kaireon-api"},
                ownerReferences: [{apiVersion: "apps/v1", kind: "ReplicaSet", name: "kaireon-api-7", uid: "u", controller: true}]},
                spec: {nodeName: "n", containers: [{name: "main"}], initContainers: [{name: "warm-models"}]},
                status: {phase: "Running", initContainerStatuses: [{name: "warm-models", restartCount: 0, ready: true, state: (if $i < $w then {terminated: {exitCode: 0, reason: "Completed"}} else {terminated: {exitCode: 1, reason: "Error"}} end)}]}}]}' >"$F/core-v1-pods.json"
}
pods 1
jq -n '{kind: "ReplicaSetList", apiVersion: "apps/v1", metadata: {}, items: [{metadata: {name: "kaireon-api-7", namespace: "kaireon", ownerReferences: [{apiVersion: "apps/v1", kind: "Deployment", name: "kaireon-api", uid: "d", controller: true}]}}]}' >"$F/apps-v1-replicasets.json"
for list in apps-v1-statefulsets argoproj.io-v1alpha1-rollouts batch-v1-cronjobs; do echo '{"kind": "List", "apiVersion": "v1", "metadata": {}, "items": null}' >"$F/$list.json"; done
kubernetes_start --objects "$F"
kubernetes_run workloads
check "what a LimitRange gives counts: only the CPU limit lacks" has '.control=="NOD-3" and .resource.name=="given" and .observed=="main: no CPU limit"'
check "a native sidecar is looked at" has '.control=="NOD-3" and .resource.name=="sidecar" and .observed=="proxy (sidecar): no CPU limit"'
check "the autoscaler may go where the budget blocks" has '.control=="NOD-2" and .status=="fail" and .resource.name=="api" and (.observed|test("minAvailable 2, and autoscaler api goes down to 2 replicas"))'
check "a pod that was not warmed" has '.control=="LAT-5" and .status=="fail" and (.observed|test("warm-models succeeded in 1 of 2 running pods"))'

hpa 3
pods 2
jq '.items |= map(select(.metadata.name == "kaireon-api"))' "$F/apps-v1-deployments.json" >"$WORK/new" && mv "$WORK/new" "$F/apps-v1-deployments.json"
kubernetes_start --objects "$F"
kubernetes_run workloads
check "the healthy state passes" bash -c "! jq -ec '.findings[] | select(.status != \"pass\")' '$json'"
check "in each of three controls" jq -e '[.findings[].control] | sort == ["LAT-5", "NOD-2", "NOD-3"]' "$json"

kubernetes_start --objects "$F" --fault 'poddisruptionbudgets=403'
kubernetes_run workloads
check "refused budgets are an error with the rule to add" has '.control=="NOD-2" and .status=="error" and .reason=="denied" and (.remedy|test("poddisruptionbudgets"))'
check "and no workload is said to have none" bash -c "! jq -e '.findings[] | select(.control == \"NOD-2\" and .status == \"fail\")' '$json'"
finish

#!/bin/bash
# Limits of a cluster that contradict each other: autoscalers of pods against node groups, budgets against drains.
# timeout: 40
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq

of_limits() { has ".audit == \"capacity_limits\" and ($1)"; }

kubernetes_start
kubernetes_run "nodes, workloads, capacity_limits"
check "where nothing adds nodes there is nothing to set against" of_limits '.control=="NOD-1" and .status=="skip" and (.message|test("no autoscaler of nodes"))'

F=$WORK/objects
mkdir -p "$F"
groups() { # MAX
        jq -n --arg m "$1" '{kind: "ConfigMapList", apiVersion: "v1", metadata: {}, items: [{metadata: {name: "cluster-autoscaler-status", namespace: "kube-system"},
        data: {status: "time: \(now | strftime("%Y-%m-%d %H:%M:%S")).5 +0000 UTC\nautoscalerStatus: Running\nnodeGroups:\n- name: api\n  health:\n    status: Healthy\n    cloudProviderTarget: 4\n    minSize: 1\n    maxSize: \($m)\n"}}]}' >"$F/core-v1-configmaps.json"
}
groups 5
recorded autoscaling-v2-horizontalpodautoscalers |
        jq '(.items[] | select(.metadata.name == "kaireon-api-hpa") | .spec.maxReplicas) = 200' >"$F/autoscaling-v2-horizontalpodautoscalers.json"
kubernetes_start --objects "$F"
kubernetes_run "nodes, workloads, capacity_limits"
check "pods that may outgrow the most nodes" of_limits '.control=="NOD-1" and .status=="fail" and .severity=="SEV2" and .resource.kind=="growth to the maximum" and (.message|test("contradict"))'
check "budgets that block the drains of the autoscaler" of_limits '.control=="NOD-2" and .status=="fail" and .resource.kind=="drain of nodes" and (.observed|test("1 of 4 budgets never let a pod go: kaireon/api-blocks"))'
check "nothing but GET was sent" kubernetes_only_reads

groups 40
recorded policy-v1-poddisruptionbudgets | jq '.items |= map(select(.metadata.name == "outbox"))' >"$F/policy-v1-poddisruptionbudgets.json"
kubernetes_start --objects "$F"
kubernetes_run "nodes, workloads, capacity_limits"
check "enough nodes pass" of_limits '.control=="NOD-1" and .status=="pass" and .resource.kind=="growth to the maximum"'
check "and budgets that let go" of_limits '.control=="NOD-2" and .status=="pass" and .observed=="1 budgets"'
finish

#!/bin/bash
# Limits of a cluster that contradict each other: autoscalers of pods against node groups, budgets against drains.
# timeout: 40
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq

run() {
        cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds-$KUBE_PORT.db
targets:
  - {name: prod, kind: kubernetes, context: test, kubeconfig: [$KUBE_CONFIG], owner: platform}
jobs:
  nightly: {audits: [nodes, workloads, capacity_limits], report: {formats: [json, md], to: $WORK/reports-$KUBE_PORT}}
Y
        "$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
        json=$(ls -t "$WORK/reports-$KUBE_PORT"/nightly-*Z.json 2>/dev/null | head -n 1)
        [ -n "$json" ] || { cat "$WORK/out.txt"; json=/dev/null; }
}
has() {
        jq -e "[.findings[] | select(.audit == \"capacity_limits\") | select($1)] | length >= 1" "$json" >/dev/null ||
                { jq -c '.findings[] | select(.audit == "capacity_limits") | [.control,.status,.reason,.resource.kind,.resource.name,.observed,.message]' "$json"; return 1; }
}

kubernetes_start
run
check "where nothing adds nodes there is nothing to set against" has '.control=="NOD-1" and .status=="skip" and (.message|test("no autoscaler of nodes"))'

F=$WORK/objects
mkdir -p "$F"
groups() { # MAX
        jq -n --arg m "$1" '{kind: "ConfigMapList", apiVersion: "v1", metadata: {}, items: [{metadata: {name: "cluster-autoscaler-status", namespace: "kube-system"},
        data: {status: "time: \(now | strftime("%Y-%m-%d %H:%M:%S")).5 +0000 UTC\nautoscalerStatus: Running\nnodeGroups:\n- name: api\n  health:\n    status: Healthy\n    cloudProviderTarget: 4\n    minSize: 1\n    maxSize: \($m)\n"}}]}' >"$F/core-v1-configmaps.json"
}
groups 5
sed '1,/^\r*$/d' "$KUBERNETES/recorded/autoscaling-v2-horizontalpodautoscalers.txt" |
        jq '(.items[] | select(.metadata.name == "kaireon-api-hpa") | .spec.maxReplicas) = 200' >"$F/autoscaling-v2-horizontalpodautoscalers.json"
kubernetes_start --objects "$F"
run
check "pods that may outgrow the most nodes" has '.control=="NOD-1" and .status=="fail" and .severity=="SEV2" and .resource.kind=="growth to the maximum" and (.message|test("contradict"))'
check "budgets that block the drains of the autoscaler" has '.control=="NOD-2" and .status=="fail" and .resource.kind=="drain of nodes" and (.observed|test("1 of 4 budgets never let a pod go: kaireon/api-blocks"))'
check "nothing but GET was sent" kubernetes_only_reads

groups 40
sed '1,/^\r*$/d' "$KUBERNETES/recorded/policy-v1-poddisruptionbudgets.txt" | jq '.items |= map(select(.metadata.name == "outbox"))' >"$F/policy-v1-poddisruptionbudgets.json"
kubernetes_start --objects "$F"
run
check "enough nodes pass" has '.control=="NOD-1" and .status=="pass" and .resource.kind=="growth to the maximum"'
check "and budgets that let go" has '.control=="NOD-2" and .status=="pass" and .observed=="1 budgets"'
finish

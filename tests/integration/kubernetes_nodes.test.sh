#!/bin/bash
# Nodes and batch jobs of a cluster, from the recorded answers of a real API server with faults planted, and from clusters made for it.
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq

kubernetes_start
kubernetes_run nodes
check "faults are found" [ "$status" -eq 1 ]
check "disk pressure" has '.control=="NOD-6" and .status=="fail" and .resource.kind=="Node" and .resource.name=="node-2" and (.observed|test("DiskPressure"))'
check "an evicted pod is SEV1" has '.control=="NOD-6" and .severity=="SEV1" and .resource.name=="evicted-1" and (.message|test("ephemeral-storage"))'
check "a pod that no node takes is SEV1, with the scheduler's words" has '.resource.name=="too-big" and .severity=="SEV1" and (.message|test("3 Insufficient cpu"))'
check "a pod that has its node and does not start is SEV2" has '.resource.kind=="Deployment" and .resource.namespace=="kaireon-staging" and .severity=="SEV2"'
check "requests pass" has '.control=="NOD-1" and .status=="pass" and .resource.kind=="requests" and (.observed|test("CPU 2[0-9] % of 27.6 cores"))'
check "the loss of the fullest node passes, and its method is said" has '.control=="NOD-1" and .status=="pass" and .resource.kind=="loss of a node" and (.observed|test("of node-0 fit elsewhere")) and (.message|test("left out"))'
check "no autoscaler of nodes is a skip" has '.control=="NOD-1" and .status=="skip"'
check "four rows of inventory" jq -e '.inventory.nodes | length == 4' "$json"
check "nothing but GET was sent" kubernetes_only_reads
check "pods were listed once" kubernetes_asked /api/v1/pods 1

# A cluster that cannot lose a node: three nodes, the fullest one's pods bound to it by a label, or too large for the rest; an autoscaler
# near its maximum; an eviction whose pod is gone.
mkdir -p "$WORK/poor"
node_list() {
        jq -n '{kind: "NodeList", apiVersion: "v1", items: [range(3) | {metadata: {name: "n\(.)", labels: ({"topology.kubernetes.io/zone": "z\(.)"} + (if . == 0 then {disk: "ssd"} else {} end))},
                spec: {}, status: {allocatable: {cpu: "4", memory: "16Gi", pods: "110"}, conditions: [{type: "Ready", status: "True"}]}}]}'
}
pod_list() {
        jq -n '
        def pod(n; node; cpu; extra): {metadata: {name: n, namespace: "k", labels: {app: "a"}, creationTimestamp: "2026-11-01T00:00:00Z",
                ownerReferences: [{apiVersion: "apps/v1", kind: "StatefulSet", name: "a", uid: "u", controller: true}]},
                spec: ({nodeName: node, containers: [{name: "c", image: "i", resources: {requests: {cpu: cpu, memory: "1Gi"}}}]} + extra),
                status: {phase: "Running"}};
        {kind: "PodList", apiVersion: "v1", items: [pod("a-0"; "n0"; "3"; {}), pod("a-1"; "n1"; "2"; {}), pod("a-2"; "n2"; "2"; {}),
                pod("a-3"; "n0"; "100m"; {nodeSelector: {disk: "ssd"}})]}'
}
node_list >"$WORK/poor/core-v1-nodes.json"
pod_list >"$WORK/poor/core-v1-pods.json"
jq -n '{kind: "ConfigMapList", apiVersion: "v1", items: [{metadata: {name: "cluster-autoscaler-status", namespace: "kube-system"},
        data: {status: "time: \(now | strftime("%Y-%m-%d %H:%M:%S")).5 +0000 UTC\nautoscalerStatus: Running\nnodeGroups:\n- name: api\n  health:\n    status: Healthy\n    cloudProviderTarget: 3\n    minSize: 1\n    maxSize: 4\n"}}]}' >"$WORK/poor/core-v1-configmaps.json"
jq -n '{kind: "EventList", apiVersion: "v1", items: [{metadata: {name: "e", namespace: "k"}, reason: "Evicted", type: "Warning", message: "The node was low on resource: memory.",
        involvedObject: {kind: "Pod", namespace: "k", name: "gone-1"}, source: {component: "kubelet", host: "n1"}}]}' >"$WORK/poor/core-v1-events.json"
kubernetes_start --objects "$WORK/poor"
kubernetes_run nodes
check "a node that may not be lost" has '.control=="NOD-1" and .status=="fail" and .resource.kind=="loss of a node" and (.observed|test("0 of 2 pods of n0")) and (.message|test("k/a-0 \\(no room\\), k/a-3 \\(not allowed\\)"))'
check "a node group near its maximum" has '.control=="NOD-1" and .status=="fail" and .resource.kind=="node group" and .resource.name=="api" and (.observed|test("3 of at most 4 nodes"))'
check "an eviction known by its event" has '.control=="NOD-6" and .resource.kind=="evicted Pod" and .resource.name=="gone-1" and (.observed|test("from n1"))'
check "only evictions were asked for" grep -q 'events?limit=500&fieldSelector=reason%3DEvicted\|events?limit=500&fieldSelector=reason=Evicted' "$KUBE_LOG"

# Five nodes take it all: the healthy state.
jq '.items |= [range(5) as $i | .[0] | .metadata.name = "n\($i)" | .metadata.labels."topology.kubernetes.io/zone" = "z\($i % 2)"]' "$WORK/poor/core-v1-nodes.json" >"$WORK/nodes.new"
mv "$WORK/nodes.new" "$WORK/poor/core-v1-nodes.json"
sed -i 's/maxSize: 4/maxSize: 20/' "$WORK/poor/core-v1-configmaps.json"
echo '{"kind": "EventList", "apiVersion": "v1", "items": null}' >"$WORK/poor/core-v1-events.json"
kubernetes_start --objects "$WORK/poor"
kubernetes_run nodes
check "the healthy state passes" bash -c "! jq -ec '.findings[] | select(.status != \"pass\")' '$json'"
check "in every part" jq -e '[.findings[] | .resource.kind] | sort == ["autoscaler", "evicted pods", "loss of a node", "maximum of autoscalers", "nodes", "pending pods", "requests"]' "$json"

kubernetes_start --fault 'configmaps=403' --fault '/pods=403' --fault 'events=403'
kubernetes_run nodes
check "what is refused is an error with its rule" has '.control=="NOD-1" and .status=="error" and .reason=="denied" and (.remedy|test("cluster-autoscaler-status"))'
check "for pods as well" has '.control=="NOD-6" and .status=="error" and (.remedy|test("resources: \\[\"pods\"\\]"))'
check "and nodes are judged all the same" has '.control=="NOD-6" and .status=="fail" and .resource.name=="node-2"'
"$ROUNDS" check -c "$WORK/$KUBE_RUN.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the rules" grep -q 'resourceNames: \["cluster-autoscaler-status"\]' "$WORK/check.txt"

# Pods of namespaces that are nobody's business take room all the same; with chosen namespaces alone, nobody can tell.
kubernetes_start --objects "$WORK/poor"
kubernetes_run nodes
sed -i 's/owner: platform/&, exclude_namespaces: [k]/' "$WORK/$KUBE_RUN.yaml"
run "$KUBE_RUN"
check "excluded pods count as requested" has '.control=="NOD-1" and .resource.kind=="requests" and (.observed|test("CPU 36 % of 20.0 cores"))'
sed -i 's/exclude_namespaces: \[k\]/namespaces: [k]/' "$WORK/$KUBE_RUN.yaml"
run "$KUBE_RUN"
check "with chosen namespaces alone it is skipped" has '.control=="NOD-1" and .status=="skip" and (.message|test("chosen namespaces"))'

# Batch: the recorded cluster a minute after it was recorded, then one where jobs ran, failed, hung and were late.
kubernetes_start --now
kubernetes_run batch
check "a start in the peak, in the zone of the CronJob" has '.control=="NOD-4" and .status=="fail" and .severity=="SEV4" and .resource.name=="weekly-export" and (.observed|test("0 11 \\* \\* MON.*Europe/Berlin.*1 of 1 starts")) and (.observed|test("concurrencyPolicy Allow"))'
check "the other seven pass" has '.control=="NOD-4" and .status=="pass" and (.observed|test("7 of 8"))'
check "nothing replays dead letters" has '.control=="DLQ-2" and .status=="fail" and .resource.kind=="replay job"'
check "a purge that has not run yet is an error" has '.control=="DSK-2" and .status=="error" and .resource.name=="cleanup"'
check "nothing but GET was sent" kubernetes_only_reads

mkdir -p "$WORK/batch"
jq -n 'def ago(s): now - s | todate;
        def cronjob(n; status): {metadata: {name: n, namespace: "k", creationTimestamp: ago(30 * 86400)}, spec: {schedule: "\(now - 3600 | strftime("%M %H")) * * *",
                concurrencyPolicy: "Forbid", startingDeadlineSeconds: 300, successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1, jobTemplate: {spec: {}}}, status: status};
        {kind: "CronJobList", apiVersion: "batch/v1", items: [
                cronjob("replay-letters"; {lastScheduleTime: ago(3600), lastSuccessfulTime: ago(3500)}),
                cronjob("purge-events"; {lastScheduleTime: ago(3600), lastSuccessfulTime: ago(30 * 3600)}),
                cronjob("late"; {lastScheduleTime: ago(25 * 3600 - 90), lastSuccessfulTime: ago(25 * 3600)})]}' >"$WORK/batch/batch-v1-cronjobs.json"
jq -n 'def ago(s): now - s | todate;
        {kind: "JobList", apiVersion: "batch/v1", items: [{metadata: {name: "purge-events-1", namespace: "k", creationTimestamp: ago(3600),
                ownerReferences: [{apiVersion: "batch/v1", kind: "CronJob", name: "purge-events", uid: "u", controller: true}]}, spec: {},
                status: {failed: 7, conditions: [{type: "Failed", status: "True", reason: "BackoffLimitExceeded", lastTransitionTime: ago(3000)}]}}]}' >"$WORK/batch/batch-v1-jobs.json"
kubernetes_start --objects "$WORK/batch"
kubernetes_run batch
check "a replay in time passes" has '.control=="DLQ-2" and .status=="pass" and .resource.name=="replay-letters"'
check "a purge that failed is late" has '.control=="DSK-2" and .status=="fail" and .resource.name=="purge-events" and (.observed|test("1 d 6 h"))'
check "and why" has '.control=="NOD-4" and .resource.name=="purge-events" and (.observed|test("BackoffLimitExceeded"))'
check "a start that did not come" has '.control=="NOD-4" and .resource.name=="late" and (.observed|test("due 1 h.* ago and not started"))'

kubernetes_start --fault 'cronjobs=403'
kubernetes_run batch
check "refused CronJobs are an error" has '.control=="NOD-4" and .status=="error" and (.remedy|test("cronjobs"))'

finish

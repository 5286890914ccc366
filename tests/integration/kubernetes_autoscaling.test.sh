#!/bin/bash
# Autoscalers of a cluster, from the recorded answers of a real API server with faults planted (tests/fixtures/kubernetes/kaireon.yaml).
# timeout: 90
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq
HIDDEN=", exclude_namespaces: [kube-*]"

kubernetes_start
kubernetes_run hpa "$HIDDEN"
check "faults are found" [ "$status" -eq 1 ]
check "the chart's target of 70" has '.control=="LAT-1" and .status=="fail" and .resource.name=="kaireon-api-hpa" and .resource.namespace=="kaireon" and (.observed|test("CPU target 70 %")) and (.remedy|test("kubectl -n kaireon patch hpa kaireon-api-hpa"))'
check "a target that does not exist" has '.resource.name=="orphan" and .status=="fail" and (.observed|test("no-such-deployment does not exist"))'
check "minimum and maximum alike, no CPU metric" has '.resource.name=="pinned" and .status=="fail" and (.observed|test("no CPU metric; 1 replicas at least and at most"))'
check "metrics that do not come" has '.resource.name=="outbox" and .status=="fail" and (.observed|test("FailedGetResourceMetric")) and (.remedy|test("metrics-server"))'
check "KEDA scales the same Deployment" has '.resource.name=="container" and (.observed|test("KEDA scales the same target by journey-jobs"))'
check "five rows of inventory" jq -e '.inventory.autoscalers | length == 5' "$json"
check "nothing but GET was sent" kubernetes_only_reads
check "each list once" kubernetes_asked /apis/autoscaling/v2/horizontalpodautoscalers 1
check "no Secret was asked for" bash -c "! grep -q secrets '$KUBE_LOG'"
"$ROUNDS" check -c "$WORK/$KUBE_RUN.yaml" >"$WORK/check.txt" 2>&1
check "the rights are there" [ $? -eq 0 ]

kubernetes_start
kubernetes_run keda "$HIDDEN"
check "a queue's bare name is no list" has '.control=="WRK-1" and .resource.name=="pipeline-jobs" and .severity=="SEV2" and (.observed|test("list pipeline-jobs is no BullMQ key; threshold 100"))'
check "two scalers on one workload" has '.resource.name=="batch-jobs" and (.observed|test("pipeline-jobs scales kaireon-worker, too"))'
check "scaling that begins after the alert" has '.resource.name=="batch-jobs" and (.observed|test("scaling begins at 200 waiting"))'
check "a paused scaler, with an HPA beside it" has '.resource.name=="journey-jobs" and (.observed|test("paused as it is")) and (.observed|test("HPA container scales the same target"))'
check "queues without a scaler" has '.resource.kind=="queue" and .resource.name=="dsar-jobs" and .status=="fail"'
check "the other one, too" has '.resource.kind=="queue" and .resource.name=="retrain-jobs" and .status=="fail"'
check "but not those that have one" jq -e '[.findings[] | select(.resource.kind=="queue")] | length == 2' "$json"
check "three scalers in the inventory" jq -e '.inventory.scalers | length == 3' "$json"
check "nothing but GET was sent" kubernetes_only_reads

# Both audits in one run: every list once.
kubernetes_start
kubernetes_run "hpa, keda" "$HIDDEN"
check "audits share the lists" kubernetes_asked /apis/keda.sh/v1alpha1/scaledobjects 1
check "of workloads, too" kubernetes_asked /apis/apps/v1/deployments 1

kubernetes_start --without keda.sh
kubernetes_run "hpa, keda" "$HIDDEN"
check "without KEDA it is skipped" has '.control=="WRK-1" and .status=="skip" and (.message|test("KEDA is not installed"))'
check "and autoscalers are judged all the same" has '.control=="LAT-1" and .resource.name=="kaireon-api-hpa"'

kubernetes_start --fault 'scaledobjects=403'
kubernetes_run keda "$HIDDEN"
check "KEDA that is there but hidden is an error" has '.control=="WRK-1" and .status=="error" and .reason=="denied" and (.remedy|test("scaledobjects"))'

# The first version of the API, as of a cluster that serves no other.
kubernetes_start --without autoscaling/v2
kubernetes_run hpa "$HIDDEN"
check "autoscaling/v1 tells the same target" has '.resource.name=="kaireon-api-hpa" and (.observed|test("CPU target 70 %"))'
check "and its conditions" has '.resource.name=="orphan" and (.observed|test("no-such-deployment"))'

# Mended: the healthy state is a pass.
mkdir -p "$WORK/well"
jq '{kind: "HorizontalPodAutoscalerList", apiVersion: "autoscaling/v2", items: [.items[] | select(.metadata.name == "kaireon-api-hpa")
        | .spec.metrics[0].resource.target.averageUtilization = 60
        | .status.conditions |= map(.status = (if .type == "ScalingLimited" then "False" else "True" end))]}' \
        <(recorded autoscaling-v2-horizontalpodautoscalers) >"$WORK/well/autoscaling-v2-horizontalpodautoscalers.json"
kubernetes_start --objects "$WORK/well"
kubernetes_run hpa "$HIDDEN"
check "mended, it passes" has '.control=="LAT-1" and .status=="pass" and (.observed|test("1 of 1"))'
check "and nothing else is said" jq -e '[.findings[] | select(.status != "pass")] | length == 0' "$json"

# A server that takes its time costs its own deadline, and no more.
kubernetes_start --fault 'horizontalpodautoscalers=slow:20000'
kubernetes_config hpa "$HIDDEN"
sed -i 's/owner: platform/&, timeout: 2s/' "$WORK/$KUBE_RUN.yaml"
from=$(date +%s)
run "$KUBE_RUN"
check "a slow answer is an error" has '.control=="LAT-1" and .status=="error" and .reason=="timeout"'
check "after two seconds, not twenty" [ $(($(date +%s) - from)) -lt 12 ]

# Refused lists.
kubernetes_start --fault 'horizontalpodautoscalers=403'
kubernetes_run hpa "$HIDDEN"
check "a refused list is an error with the rule to add" has '.control=="LAT-1" and .status=="error" and .reason=="denied" and (.remedy|test("horizontalpodautoscalers"))'
"$ROUNDS" check -c "$WORK/$KUBE_RUN.yaml" >"$WORK/check.txt" 2>&1
check "rounds check names the rule" grep -q 'resources: \["horizontalpodautoscalers"\], verbs: \["list"\]' "$WORK/check.txt"

finish

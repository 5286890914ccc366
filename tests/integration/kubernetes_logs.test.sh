#!/bin/bash
# Logs of workloads through the API server: sampled, counted, and nothing of a line kept.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
need node jq

# No kubelet behind it, as it was recorded.
kubernetes_start
kubernetes_run logs
check "logs that cannot be read are an error" has '.control=="API-2" and .status=="error" and .reason=="unreachable" and .resource.name=="kaireon-api" and (.message|test("connection refused"))'

F=$WORK/objects
mkdir -p "$F/logs/kaireon"
for pod in kaireon-api-87f5dcd4-575g7 kaireon-api-87f5dcd4-jrk25 kaireon-api-87f5dcd4-l28bn; do
        for i in $(seq 100); do echo "{\"level\":\"info\",\"req\":{\"id\":1},\"requestId\":\"r-$i\",\"msg\":\"PLANTED-SECRET-line\"}"; done >"$F/logs/kaireon/$pod.log"
done
for i in $(seq 60); do echo "{\"level\":\"error\",\"requestId\":\"r-$i\",\"msg\":\"x\"}"; done >"$F/logs/kaireon/kaireon-worker-794bb69cf4-6qbn8.log"
for i in $(seq 40); do echo "Error: user jane@PLANTED-SECRET.example failed at step $i"; done >>"$F/logs/kaireon/kaireon-worker-794bb69cf4-6qbn8.log"
cp "$F/logs/kaireon/kaireon-worker-794bb69cf4-6qbn8.log" "$F/logs/kaireon/kaireon-worker-794bb69cf4-ftpdd.log"
echo started >"$F/logs/kaireon/kaireon-redis-0.log"
kubernetes_start --objects "$F"
kubernetes_run logs
check "structured logs pass" has '.control=="API-2" and .status=="pass" and (.observed|test("^1 of "))'
check "text among them fails, with its shape" has '.control=="API-2" and .status=="fail" and .severity=="SEV3" and .resource.name=="kaireon-worker" and (.observed|test("120 of 200 lines are JSON, 120 carry a request id \\(60.0 %\\)")) and (.message|test("a: a a@a-a.a a a a 0"))'
check "few lines tell nothing" has '.control=="API-2" and .status=="error" and .reason=="too-little-data" and .resource.name=="kaireon-redis"'
check "two pods of a workload were asked, within bounds" [ "$(grep -c '/pods/kaireon-api-[^/]*/log?container=main&tailLines=200&limitBytes=262144 ' "$KUBE_LOG")" = 2 ]
check "no other workload's" bash -c "! grep -q 'legacy-sync.*/log' '$KUBE_LOG'"
check "nothing of a line is kept" kubernetes_nowhere PLANTED-SECRET lines
check "nothing but GET was sent" kubernetes_only_reads

kubernetes_start --objects "$F" --fault '/log=403'
kubernetes_run logs
check "refused logs are one error with the rule to add" has '.control=="API-2" and .status=="error" and .reason=="denied" and (.remedy|test("pods/log"))'
check "asked for once" [ "$(grep -c '/log?' "$KUBE_LOG")" = 1 ]
finish

#!/bin/bash
# Logs of workloads through the API server: sampled, counted, and nothing of a line kept.
# timeout: 60
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
  weekly: {audits: [logs], report: {formats: [json, md], to: $WORK/reports-$KUBE_PORT}}
Y
        "$ROUNDS" run weekly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
        json=$(ls -t "$WORK/reports-$KUBE_PORT"/weekly-*Z.json 2>/dev/null | head -n 1)
        [ -n "$json" ] || { cat "$WORK/out.txt"; json=/dev/null; }
}
has() {
        jq -e "[.findings[] | select($1)] | length >= 1" "$json" >/dev/null ||
                { jq -c '.findings[] | [.control,.status,.reason,.resource.kind,.resource.name,.observed,.message]' "$json"; return 1; }
}
nowhere() {
        "$TOP/$BUILD/tests/integration/facts_print" "sqlite:$WORK/rounds-$KUBE_PORT.db" >"$WORK/facts.txt" || return 1
        grep -q '"lines"' "$WORK/facts.txt" && ! grep -rqa "$1" "$WORK/reports-$KUBE_PORT" "$WORK/out.txt" "$WORK/facts.txt" "$WORK/rounds-$KUBE_PORT.db"
}

# No kubelet behind it, as it was recorded.
kubernetes_start
run
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
run
check "structured logs pass" has '.control=="API-2" and .status=="pass" and (.observed|test("^1 of "))'
check "text among them fails, with its shape" has '.control=="API-2" and .status=="fail" and .severity=="SEV3" and .resource.name=="kaireon-worker" and (.observed|test("120 of 200 lines are JSON, 120 carry a request id \\(60.0 %\\)")) and (.message|test("a: a a@a-a.a a a a 0"))'
check "few lines tell nothing" has '.control=="API-2" and .status=="error" and .reason=="too-little-data" and .resource.name=="kaireon-redis"'
check "two pods of a workload were asked, within bounds" [ "$(grep -c '/pods/kaireon-api-[^/]*/log?container=main&tailLines=200&limitBytes=262144 ' "$KUBE_LOG")" = 2 ]
check "no other workload's" bash -c "! grep -q 'legacy-sync.*/log' '$KUBE_LOG'"
check "nothing of a line is kept" nowhere PLANTED-SECRET
check "nothing but GET was sent" kubernetes_only_reads

kubernetes_start --objects "$F" --fault '/log=403'
run
check "refused logs are one error with the rule to add" has '.control=="API-2" and .status=="error" and .reason=="denied" and (.remedy|test("pods/log"))'
check "asked for once" [ "$(grep -c '/log?' "$KUBE_LOG")" = 1 ]
finish

#!/bin/bash
# An API server on which one thing hangs, as an aggregated API does whose own server is gone: what hangs is told, and what else the
# target is asked for is judged all the same.  Likewise a Prometheus beside an Alertmanager that never says a word.
# timeout: 60
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_kubernetes.sh"
. "$(dirname "$0")/lib_prometheus.sh"
need node jq prometheus

kubernetes_start --now --fault 'cronjobs=slow:20000' || exit 1
mute=$(free_port) metrics=$(free_port)
start node "$TOP/tests/integration/faulty_proxy.mjs" "$mute" 1 mute nothing
wait_port "$mute"
printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:%s"]}]}]\n' "$metrics" >"$WORK/prometheus.yaml"
start_prometheus "$WORK/prometheus.yaml" "$metrics"
wait_query "$metrics" up || exit 1
cat >"$WORK/rounds.yaml" <<Y
version: 1
store: sqlite:$WORK/rounds.db
targets:
  - {name: prod, kind: kubernetes, timeout: 8s, context: test, kubeconfig: ["$KUBE_CONFIG"]}
  - {name: metrics, kind: prometheus, timeout: 8s, url: "http://127.0.0.1:$metrics", alertmanager: "http://127.0.0.1:$mute"}
jobs:
  nightly: {audits: [alerts, batch, clocks, filesystems, hpa, nodes, volumes], report: {formats: [json], to: $WORK/reports}}
Y
SECONDS=0
"$ROUNDS" run nightly -c "$WORK/rounds.yaml" >"$WORK/out.txt" 2>&1
took=$SECONDS
json=$(ls "$WORK"/reports/nightly-*Z.json)
has() { jq -e "[.findings[] | select($1)] | length > 0" "$json" >/dev/null || { jq -c '.findings[] | [.audit,.control,.status,.reason,.message[0:120]]' "$json"; return 1; }; }
lacks() { ! has "$1" >/dev/null; }
check "the targets keep to their time ($took s)" [ "$took" -le 9 ]
check "what hangs is told" has '.audit=="batch" and .status=="error" and .reason=="timeout"'
check "with what to do" has '.audit=="batch" and .reason=="timeout" and (.remedy|test("longer timeout"))'
for audit in hpa nodes volumes; do
        check "$audit is judged all the same" has ".audit==\"$audit\" and .status!=\"error\""
        check "$audit knows of no time-out" lacks ".audit==\"$audit\" and .reason==\"timeout\""
done
check "a mute Alertmanager is told" has '.target=="metrics" and .audit=="alerts" and .status=="error" and .reason=="timeout"'
check "the rules are judged all the same" has '.target=="metrics" and .audit=="alerts" and .status!="error"'
check "and so is what comes after them" lacks '.target=="metrics" and .audit!="alerts" and .reason=="timeout"'
finish
